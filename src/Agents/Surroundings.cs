using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>Reads one frame of an agent's own observation: where it is, and where the others and the obstacles in sight are. Knows the layout alone; immutable and shared by threads.</summary>
public sealed class Surroundings
{
    private readonly SensorSpec _sensor;
    private readonly int _others;
    private readonly int _obstacles;

    /// <summary>Works out the layout.</summary>
    /// <param name="sensor">Layout of a frame, valid.</param>
    public Surroundings(SensorSpec sensor)
    {
        ArgumentNullException.ThrowIfNull(sensor);
        _sensor = sensor;
        _obstacles = sensor.FrameSize - sensor.ObstaclesSize;
        _others = _obstacles - Others * sensor.OtherSize;
    }

    /// <summary>Dimensions of space (D).</summary>
    public int Dimensions => _sensor.Dimensions;

    /// <summary>Slots of others.</summary>
    public int Others => _sensor.Others?.Count ?? 0;

    /// <summary>Slots of obstacles.</summary>
    public int Obstacles => _sensor.Obstacles?.Count ?? 0;

    /// <summary>Reads oneself.</summary>
    /// <param name="frame">[frame size].</param>
    /// <param name="position">Receives the own position [D] [m].</param>
    /// <param name="velocity">Receives the own velocity [D] [m/s]; zero where none is sensed.</param>
    public void Own(ReadOnlySpan<float> frame, Span<double> position, Span<double> velocity)
    {
        for (var d = 0; d < Dimensions; d++)
        {
            position[d] = frame[d];
            velocity[d] = _sensor.Velocity ? frame[Dimensions + d] : 0;
        }
    }

    /// <summary>How far it is to the own goal [m]; 0 where no goal is sensed.</summary>
    /// <param name="frame">[frame size].</param>
    public double GoalDistance(ReadOnlySpan<float> frame)
    {
        if (_sensor.Goal is not { } kind)
        {
            return 0;
        }

        var squares = 0.0;
        for (var d = 0; d < Dimensions; d++)
        {
            var way = frame[_others - Dimensions + d] - (kind == Frame.Absolute ? (double)frame[d] : 0);
            squares += way * way;
        }

        return Math.Sqrt(squares);
    }

    /// <summary>Reads one other.</summary>
    /// <param name="frame">[frame size].</param>
    /// <param name="slot">0 to <see cref="Others"/>-1.</param>
    /// <param name="position">Receives its position [D] [m], absolute.</param>
    /// <param name="velocity">Receives its velocity [D] [m/s]; zero where none is sensed.</param>
    /// <returns>Whether anybody is in sight there.</returns>
    public bool Other(ReadOnlySpan<float> frame, int slot, Span<double> position, Span<double> velocity)
    {
        var others = _sensor.Others!;
        var part = frame.Slice(_others + slot * _sensor.OtherSize, _sensor.OtherSize);
        if (others.Presence && part[^1] < 0.5f)
        {
            return false;
        }

        for (var d = 0; d < Dimensions; d++)
        {
            position[d] = part[d] + (others.Frame == Frame.Relative ? (double)frame[d] : 0);
            velocity[d] = _sensor.OtherVelocity ? part[Dimensions + d] : 0;
        }

        return true;
    }

    /// <summary>Reads one obstacle.</summary>
    /// <param name="frame">[frame size].</param>
    /// <param name="slot">0 to <see cref="Obstacles"/>-1.</param>
    /// <param name="direction">Receives the unit vector towards its centre [D].</param>
    /// <param name="clearance">Distance to its surface [m], below 0 inside it.</param>
    /// <returns>Whether there is one, and it is told which way (it is not at its very centre).</returns>
    public bool Obstacle(ReadOnlySpan<float> frame, int slot, Span<double> direction, out double clearance)
    {
        var part = frame.Slice(_obstacles + slot * (Dimensions + 1), Dimensions + 1);
        clearance = part[Dimensions];
        var there = false;
        for (var d = 0; d < Dimensions; d++)
        {
            direction[d] = part[d];
            there |= part[d] != 0;
        }

        return there;
    }
}
