using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>
/// Walks in a straight line to the own goal at a constant speed and stays there, whatever is in the way: a policy without a model, for trying a
/// scenario and for tests. An action is the position to be at one tick later [m].
/// </summary>
public sealed class ConstantVelocityPolicy : IPolicy
{
    private readonly SensorSpec _sensor;
    private readonly double _stride;
    private readonly int _goal;

    /// <summary>Makes one.</summary>
    /// <param name="sensor">The observation's layout; it must sense the goal.</param>
    /// <param name="speed">[m/s]; above 0.</param>
    /// <param name="timeStep">Seconds between ticks.</param>
    /// <param name="planActions">Actions in a plan; at least as many as a run executes before it plans again.</param>
    /// <exception cref="InvalidInputException">The goal is not sensed, or a number is out of range.</exception>
    public ConstantVelocityPolicy(SensorSpec sensor, double speed, double timeStep, int planActions = 1)
    {
        ArgumentNullException.ThrowIfNull(sensor);
        sensor.Validate("sensor");
        InvalidInputException.Require(sensor.Goal is not null, "sensor", "goal", "a sensed goal, for a policy that walks to it", null);
        InvalidInputException.Require(speed > 0 && double.IsFinite(speed), "policy", "speed", "above 0", speed);
        InvalidInputException.Require(timeStep > 0 && double.IsFinite(timeStep), "policy", "timeStep", "above 0", timeStep);
        InvalidInputException.Require(planActions >= 1, "policy", "planActions", "at least 1", planActions);
        (_sensor, FrameSize) = (sensor, sensor.FrameSize);
        _stride = speed * timeStep;
        PlanActions = planActions;
        _goal = Array.IndexOf(sensor.FeatureNames(), "goal.x");
    }

    /// <inheritdoc/>
    public int FrameSize { get; }

    /// <inheritdoc/>
    public int History => 1;

    /// <inheritdoc/>
    public int ActionSize => _sensor.Dimensions;

    /// <inheritdoc/>
    public int PlanActions { get; }

    /// <inheritdoc/>
    public int NoiseSize => 0;

    /// <inheritdoc/>
    public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(frames.Length, FrameSize, nameof(frames));
        ArgumentOutOfRangeException.ThrowIfNotEqual(actions.Length, PlanActions * ActionSize, nameof(actions));
        var dimensions = ActionSize;
        Span<double> way = stackalloc double[dimensions];
        var squared = 0.0;
        for (var d = 0; d < dimensions; d++)
        {
            way[d] = frames[_goal + d] - (_sensor.Goal == Frame.Absolute ? (double)frames[d] : 0);
            squared += way[d] * way[d];
        }

        var distance = Math.Sqrt(squared);
        for (var t = 0; t < PlanActions; t++)
        {
            var share = distance > 0 ? Math.Min(1, (t + 1) * _stride / distance) : 0;
            for (var d = 0; d < dimensions; d++)
            {
                actions[t * dimensions + d] = (float)(frames[d] + share * way[d]);
            }
        }

        return 0;
    }
}
