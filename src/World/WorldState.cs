using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World;

/// <summary>
/// All that a <see cref="SimulatedWorld"/> is at a tick, and its record until then. What is sensed late is the only part of the world that depends on how it came to be where it is
/// (<see cref="Past"/>); noise and dropout of sensing follow from counters.
/// </summary>
public sealed record WorldState
{
    /// <summary>The tick that is open next.</summary>
    public required int Tick { get; init; }

    /// <summary>Velocities [E,N,D] [m/s], see <see cref="BodyState.Velocities"/>.</summary>
    public required NdArray<double> Velocities { get; init; }

    /// <summary>Headings [E,N] [rad].</summary>
    public required NdArray<double> Headings { get; init; }

    /// <summary>True positions now, one tick ago and so on, [K,E,N,D] [m]: as many as others may be sensed late, and fewer at the beginning.</summary>
    public required NdArray<double> Past { get; init; }

    /// <summary>Positions so far [E,N,Tick+1,D] [m].</summary>
    public required NdArray<float> Positions { get; init; }

    /// <summary>Actions so far [E,N,Tick,A].</summary>
    public required NdArray<float> Actions { get; init; }

    /// <summary>Starts [E,N,D] [m].</summary>
    public required NdArray<double> Starts { get; init; }

    /// <summary>Goals [E,N,D] [m].</summary>
    public required NdArray<double> Goals { get; init; }

    /// <summary>Actions of each episode that the fallback stood in for so far [E]; null in states from before they were counted.</summary>
    public int[]? Replaced { get; init; }

    /// <summary>Adds its arrays to a file.</summary>
    internal NpzWriter AddTo(NpzWriter writer) => (Replaced is null ? writer : writer.Add<int>("replaced", Replaced, Replaced.Length))
        .Add<int>("tick", new[] { Tick }, 1)
        .Add<double>("velocities", Velocities.Data, Velocities.Shape)
        .Add<double>("headings", Headings.Data, Headings.Shape)
        .Add<double>("past", Past.Data, Past.Shape)
        .Add<float>("positions", Positions.Data, Positions.Shape)
        .Add<float>("actions", Actions.Data, Actions.Shape)
        .Add<double>("starts", Starts.Data, Starts.Shape)
        .Add<double>("goals", Goals.Data, Goals.Shape);

    /// <summary>Reads its arrays; whether they fit a scenario is seen when a world takes them.</summary>
    internal static WorldState From(NpzReader reader, string where)
    {
        var tick = reader.Read<int>("tick");
        InvalidInputException.Require(tick.Data is [>= 0], where, "tick", "one number, 0 or more", tick.ShapeText);
        return new WorldState
        {
            Tick = tick.Data[0],
            Velocities = reader.Read<double>("velocities"),
            Headings = reader.Read<double>("headings"),
            Past = reader.Read<double>("past"),
            Positions = reader.Read<float>("positions"),
            Actions = reader.Read<float>("actions"),
            Starts = reader.Read<double>("starts"),
            Goals = reader.Read<double>("goals"),
            Replaced = reader.Has("replaced") ? reader.Read<int>("replaced").Data : null,
        };
    }

    /// <summary>Throws unless it is a state of such a world.</summary>
    internal void Require(Scenario scenario, int episodes, int actionSize, string where)
    {
        var (n, d) = (scenario.Agents, scenario.Dimensions);
        InvalidInputException.Require(Tick < scenario.Steps - 1, where, "tick", $"one before the last, {scenario.Steps - 1}", Tick);
        Shape(Velocities, "velocities", episodes, n, d);
        Shape(Headings, "headings", episodes, n);
        InvalidInputException.Require(Past.Shape is [>= 1, ..], where, "past", "shape (ticks, episodes, agents, dimensions)", Past.ShapeText);
        Shape(Past, "past", Past.Shape[0], episodes, n, d);
        Shape(Positions, "positions", episodes, n, Tick + 1, d);
        Shape(Actions, "actions", episodes, n, Tick, actionSize);
        Shape(Starts, "starts", episodes, n, d);
        Shape(Goals, "goals", episodes, n, d);
        InvalidInputException.Require(Replaced is null || (Replaced.Length == episodes && Array.TrueForAll(Replaced, r => r >= 0)), where, "replaced", $"{episodes} numbers from 0", "others");

        void Shape<T>(NdArray<T> array, string field, params int[] shape)
            where T : unmanaged
            => InvalidInputException.Require(array.Shape.AsSpan().SequenceEqual(shape), where, field, $"shape ({string.Join(", ", shape)})", array.ShapeText);
    }
}
