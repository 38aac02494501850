using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>How a <see cref="ReciprocalPolicy"/> moves.</summary>
public sealed record ReciprocalOptions
{
    /// <summary>Speed at which it would like to go to its goal [m/s], above 0.</summary>
    public required double Speed { get; init; }

    /// <summary>Largest speed [m/s], at least <see cref="Speed"/>.</summary>
    public required double MaxSpeed { get; init; }

    /// <summary>Distance of centres that it keeps from others [m], above 0.</summary>
    public required double Separation { get; init; }

    /// <summary>Clearance that it keeps from the surface of an obstacle [m], 0 or more.</summary>
    public double Clearance { get; init; }

    /// <summary>How far ahead it looks for others [s], above 0.</summary>
    public double Horizon { get; init; } = 2;

    /// <summary>How far ahead it looks for obstacles [s], above 0.</summary>
    public double ObstacleHorizon { get; init; } = 0.5;

    /// <summary>Part of an avoidance that it takes on itself, from 0 (exclusive) to 1: half when the other does the same, 1 for others that do nothing.</summary>
    public double Share { get; init; } = 0.5;
}

/// <summary>
/// Goes to the own goal and keeps clear of others and of obstacles by reciprocal velocity obstacles (<see cref="HalfPlane.Reciprocal"/>), from the own observation alone. A policy
/// without a model: a partner that cooperates and does not communicate. An obstacle counts as the plane that touches it where it is nearest, for its radius is not sensed:
/// the speed towards it may be at most its clearance over the horizon. An action is the position to be at one tick later [m].
/// </summary>
public sealed class ReciprocalPolicy : IPolicy
{
    private const int Dimensions = 2;
    private readonly SensorSpec _sensor;
    private readonly ReciprocalOptions _options;
    private readonly double _timeStep;
    private readonly int _goal;
    private readonly int _others;
    private readonly int _obstacles;

    /// <summary>Makes one.</summary>
    /// <param name="sensor">The observation's layout, in two dimensions: own velocity, goal, and others with velocity and presence.</param>
    /// <param name="options">How it moves.</param>
    /// <param name="timeStep">Seconds between ticks, above 0.</param>
    /// <param name="planActions">Actions in a plan, which holds its first velocity; at least as many as a run executes before it plans again.</param>
    /// <exception cref="InvalidInputException">Something it needs is not sensed, or a number is out of range.</exception>
    public ReciprocalPolicy(SensorSpec sensor, ReciprocalOptions options, double timeStep, int planActions = 1)
    {
        ArgumentNullException.ThrowIfNull(sensor);
        ArgumentNullException.ThrowIfNull(options);
        sensor.Validate("sensor");
        InvalidInputException.Require(sensor.Dimensions == Dimensions, "sensor", "dimensions", "2, for a policy that avoids others in the plane", sensor.Dimensions);
        InvalidInputException.Require(sensor.Velocity, "sensor", "velocity", "true, for a policy that avoids others", sensor.Velocity);
        InvalidInputException.Require(sensor.Goal is not null, "sensor", "goal", "a sensed goal, for a policy that walks to it", null);
        InvalidInputException.Require(sensor.Others is { Velocity: true, Presence: true }, "sensor", "others", "others with velocity and presence, for a policy that avoids them", sensor.Others is null ? null : "others without");
        InvalidInputException.Require(sensor.Others!.Count + (sensor.Obstacles?.Count ?? 0) <= VelocityProgram.MaxPlanes, "sensor", "others.count", $"at most {VelocityProgram.MaxPlanes} others and obstacles", sensor.Others.Count);
        Above(options.Speed, "speed");
        InvalidInputException.Require(options.MaxSpeed >= options.Speed && double.IsFinite(options.MaxSpeed), "policy", "maxSpeed", $"at least the speed {options.Speed}", options.MaxSpeed);
        Above(options.Separation, "separation");
        InvalidInputException.Require(options.Clearance >= 0 && double.IsFinite(options.Clearance), "policy", "clearance", "0 or more", options.Clearance);
        Above(options.Horizon, "horizon");
        Above(options.ObstacleHorizon, "obstacleHorizon");
        InvalidInputException.Require(options.Share is > 0 and <= 1, "policy", "share", "above 0, at most 1", options.Share);
        Above(timeStep, "timeStep");
        InvalidInputException.Require(planActions >= 1, "policy", "planActions", "at least 1", planActions);
        (_sensor, _options, _timeStep, PlanActions) = (sensor, options, timeStep, planActions);
        var names = sensor.FeatureNames();
        _goal = Array.IndexOf(names, "goal.x");
        _others = Array.IndexOf(names, "other0.position.x");
        _obstacles = Array.IndexOf(names, "obstacle0.direction.x");

        static void Above(double value, string field) => InvalidInputException.Require(value > 0 && double.IsFinite(value), "policy", field, "above 0", value);
    }

    /// <summary>The layout that it needs, for a scenario's policies that bring no sensor of their own.</summary>
    /// <param name="others">Slots for others, at least 1.</param>
    /// <param name="obstacles">Slots for obstacles; 0 for none.</param>
    public static SensorSpec SensorFor(int others, int obstacles) => new()
    {
        Velocity = true,
        Goal = Frame.Relative,
        Others = new OthersSpec { Count = others, Order = OtherOrder.Nearest, Frame = Frame.Relative, Velocity = true, Presence = true },
        Obstacles = obstacles > 0 ? new ObstaclesSpec { Count = obstacles } : null,
    };

    /// <inheritdoc/>
    public int FrameSize => _sensor.FrameSize;

    /// <inheritdoc/>
    public int History => 1;

    /// <inheritdoc/>
    public int ActionSize => Dimensions;

    /// <inheritdoc/>
    public int PlanActions { get; }

    /// <inheritdoc/>
    public int NoiseSize => 0;

    /// <inheritdoc/>
    public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(frames.Length, FrameSize, nameof(frames));
        ArgumentOutOfRangeException.ThrowIfNotEqual(actions.Length, PlanActions * ActionSize, nameof(actions));
        Span<HalfPlane> planes = stackalloc HalfPlane[VelocityProgram.MaxPlanes];
        var (others, obstacles) = Constraints(frames, planes);
        var preferred = Preferred(frames);
        foreach (var plane in planes.Slice(others, obstacles))
        {
            preferred = Along(plane, preferred);
        }

        var (vx, vy, _) = VelocityProgram.Solve(planes[..(others + obstacles)], preferred, _options.MaxSpeed);
        for (var t = 0; t < PlanActions; t++)
        {
            actions[t * Dimensions] = (float)(frames[0] + (t + 1) * _timeStep * vx);
            actions[t * Dimensions + 1] = (float)(frames[1] + (t + 1) * _timeStep * vy);
        }

        return 0;
    }

    /// <summary>Straight to the goal, and not past it.</summary>
    private (double X, double Y) Preferred(ReadOnlySpan<float> frame)
    {
        var absolute = _sensor.Goal == Frame.Absolute;
        double x = frame[_goal] - (absolute ? frame[0] : 0);
        double y = frame[_goal + 1] - (absolute ? frame[1] : 0);
        var distance = Math.Sqrt(x * x + y * y);
        var speed = distance > 0 ? Math.Min(_options.Speed, distance / _timeStep) / distance : 0;
        return (speed * x, speed * y);
    }

    /// <summary>
    /// Where an obstacle is in the way, the preferred velocity turns along its surface with its speed, to the side that it leans to (the right of a frontal one): projected
    /// only, it would all but stop in front of it.
    /// </summary>
    private static (double X, double Y) Along(HalfPlane plane, (double X, double Y) v)
    {
        var speed = v.X * v.X + v.Y * v.Y;
        if (plane.X * v.X + plane.Y * v.Y >= plane.Bound || plane.Bound * plane.Bound >= speed)
        {
            return v;
        }

        var side = plane.X * v.Y - plane.Y * v.X > 0 ? 1 : -1;
        var along = side * Math.Sqrt(speed - plane.Bound * plane.Bound);
        return (plane.Bound * plane.X - along * plane.Y, plane.Bound * plane.Y + along * plane.X);
    }

    /// <summary>Writes the half-planes, those of others first.</summary>
    private (int Others, int Obstacles) Constraints(ReadOnlySpan<float> frame, Span<HalfPlane> planes)
    {
        var count = 0;
        var others = _sensor.Others!;
        var absolute = others.Frame == Frame.Absolute;
        (double X, double Y) own = (frame[Dimensions], frame[Dimensions + 1]);
        for (var k = 0; k < others.Count; k++)
        {
            var slot = frame.Slice(_others + k * _sensor.OtherSize, _sensor.OtherSize);
            if (slot[^1] > 0.5f)
            {
                double px = slot[0] - (absolute ? frame[0] : 0);
                double py = slot[1] - (absolute ? frame[1] : 0);
                planes[count++] = HalfPlane.Reciprocal(px, py, own, (slot[2], slot[3]), _options.Separation, _options.Horizon, _timeStep, _options.Share);
            }
        }

        var seen = count;
        for (var k = 0; k < (_sensor.Obstacles?.Count ?? 0); k++)
        {
            // A slot without an obstacle, or the very centre of one, has no direction.
            var slot = frame.Slice(_obstacles + k * (Dimensions + 1), Dimensions + 1);
            if (slot[0] != 0 || slot[1] != 0)
            {
                planes[count++] = new HalfPlane(-slot[0], -slot[1], (_options.Clearance - slot[2]) / _options.ObstacleHorizon);
            }
        }

        return (seen, count - seen);
    }
}
