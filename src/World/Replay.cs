using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World;

/// <summary>
/// A body that the world moves along recorded paths, whatever the others do: a partner that neither communicates nor reacts. No agent acts there and none is asked.
/// Episode e follows path e modulo their number; a path that is shorter than the episode ends in standing still, a longer one is cut.
/// </summary>
public sealed record Replay
{
    private readonly double[] _paths;
    private readonly int _times;
    private readonly int _dimensions;

    /// <summary>Takes recorded paths.</summary>
    /// <param name="agent">Whose body, 0 to N-1.</param>
    /// <param name="paths">[M,T,D] [m]; time 0 is the start.</param>
    /// <param name="where">The file they came from, for messages.</param>
    /// <exception cref="InvalidInputException">Not that shape, or a number that is not finite or out of the world.</exception>
    public Replay(int agent, NdArray<double> paths, string where)
    {
        ArgumentNullException.ThrowIfNull(paths);
        InvalidInputException.Require(paths.Shape is [>= 1, >= 1, 2 or 3], where, "paths", "shape (paths, times, 2 or 3)", paths.ShapeText);
        var at = Array.FindIndex(paths.Data, x => !(Math.Abs(x) <= Dynamics.MaxCoordinate));
        InvalidInputException.Require(at < 0, where, "paths", $"numbers within {Dynamics.MaxCoordinate} m", at < 0 ? null : $"{paths.Data[at]} in path {at / (paths.Shape[1] * paths.Shape[2])}");
        (Agent, Where, Paths, Recorded) = (agent, where, paths.Shape[0], paths);
        (_paths, _times, _dimensions) = (paths.Data, paths.Shape[1], paths.Shape[2]);
    }

    /// <summary>Whose body, 0 to N-1.</summary>
    public int Agent { get; }

    /// <summary>The file the paths came from.</summary>
    public string Where { get; }

    /// <summary>Number of paths (M).</summary>
    public int Paths { get; }

    /// <summary>The paths [M,T,D] [m].</summary>
    public NdArray<double> Recorded { get; }

    /// <summary>Position at a tick [D] [m].</summary>
    public ReadOnlySpan<double> At(int episode, int tick)
        => _paths.AsSpan((episode % Paths * _times + Math.Min(tick, _times - 1)) * _dimensions, _dimensions);

    /// <summary>Where a path ends [D] [m]: the goal of that body.</summary>
    public ReadOnlySpan<double> End(int episode) => At(episode, _times - 1);

    /// <summary>Throws unless it fits a scenario.</summary>
    /// <exception cref="InvalidInputException">No such agent, or other dimensions.</exception>
    public void Require(Scenario scenario)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        InvalidInputException.Require(Agent >= 0 && Agent < scenario.Agents, Where, "agent", $"an index below {scenario.Agents}, the agents of scenario {scenario.Name}", Agent);
        InvalidInputException.Require(_dimensions == scenario.Dimensions, Where, "dimensions", $"{scenario.Dimensions} as in scenario {scenario.Name}", _dimensions);
    }
}
