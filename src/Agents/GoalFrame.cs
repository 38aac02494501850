using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>Turned axes in which a policy sees and plans: the first points from the agent to its goal. Directions that no demonstration had are then none that the network has not seen.</summary>
public sealed record GoalFrameSpec
{
    /// <summary>
    /// Longest vector to the goal that the network is shown [m]; a goal farther away is shown at this distance in its direction. How far beyond the plan's end the goal lies does not matter to the next steps, but a number
    /// larger than any of training would. The default is what a plan of 16 steps at 1.5 m/s covers.
    /// </summary>
    public double Reach { get; init; } = 2.4;

    /// <summary>Throws when a value is out of its range, or where the rest of a model does not go with turned axes.</summary>
    /// <param name="where">The file.</param>
    /// <param name="sensor">Layout of a frame.</param>
    /// <param name="plan">What a plan is.</param>
    /// <param name="conditionOnPosition">Whether the own absolute position is part of the condition.</param>
    /// <exception cref="InvalidInputException">It is, or does not.</exception>
    public void Validate(string where, SensorSpec sensor, PlanSpec plan, bool conditionOnPosition)
    {
        ArgumentNullException.ThrowIfNull(sensor);
        ArgumentNullException.ThrowIfNull(plan);
        InvalidInputException.Require(Reach > 0 && double.IsFinite(Reach), where, "goalFrame.reach", "above 0", Reach);
        Require(sensor.Dimensions == 2, "sensor.dimensions", "2", sensor.Dimensions);
        Require(sensor.Goal == Frame.Relative, "sensor.goal", "relative", sensor.Goal?.ToString() ?? "none");
        Require(sensor.Others is null or { Frame: Frame.Relative }, "sensor.others.frame", "relative", sensor.Others?.Frame);
        Require(sensor.Others is null or { Full: false }, "sensor.others.full", "false", sensor.Others?.Full);
        Require(plan.Frame == Frame.Relative, "plan.frame", "relative", plan.Frame);
        Require(!conditionOnPosition, "conditionOnPosition", "false", conditionOnPosition);

        void Require(bool holds, string field, string expected, object? found) => InvalidInputException.Require(holds, where, field, $"{expected} with a goalFrame", found);
    }
}

/// <summary>
/// Turns conditions and plans into the axes of <see cref="GoalFrameSpec"/> and back. The axes are those of the newest frame, for all frames of a condition. Training sets and policies both come through here.
/// </summary>
/// <remarks>At the goal no direction is the right one, and the axes jump; but there the vector to it is next to nothing in any axes, and what is planned turns with them.</remarks>
public sealed class GoalFrame
{
    private readonly double _reach;
    private readonly int _goal;
    private readonly int[] _vectors;

    /// <summary>Works out where the vectors stand.</summary>
    /// <param name="spec">The axes.</param>
    /// <param name="sensor">Layout of a frame; the own position, its first numbers, is not part of the condition.</param>
    public GoalFrame(GoalFrameSpec spec, SensorSpec sensor)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(sensor);
        _reach = spec.Reach;
        var names = sensor.FeatureNames().AsSpan(sensor.Dimensions).ToArray();
        _goal = Array.IndexOf(names, "goal.x");
        _vectors = [.. names.Index().Where(n => n.Item.EndsWith(".x", StringComparison.Ordinal) || n.Item == "self.heading.cos").Select(n => n.Index)];
    }

    /// <summary>The direction of the goal.</summary>
    /// <param name="condition">The newest frame's part of a condition, in the world's axes.</param>
    public Axes Of(ReadOnlySpan<float> condition)
    {
        double x = condition[_goal], y = condition[_goal + 1];
        var distance = Math.Sqrt(x * x + y * y);
        return distance > 0 ? new Axes(x / distance, y / distance) : new Axes(1, 0);
    }

    /// <summary>Turns one frame's part of a condition into the axes and shortens the vector to the goal.</summary>
    /// <param name="axes">The axes (<see cref="Of"/> of the newest frame).</param>
    /// <param name="condition">Turned in place.</param>
    public void Turn(Axes axes, Span<float> condition)
    {
        foreach (var at in _vectors)
        {
            axes.Into(condition.Slice(at, 2));
        }

        var goal = condition.Slice(_goal, 2);
        var distance = Math.Sqrt((double)goal[0] * goal[0] + (double)goal[1] * goal[1]);
        if (distance > _reach)
        {
            goal[0] = (float)(goal[0] * _reach / distance);
            goal[1] = (float)(goal[1] * _reach / distance);
        }
    }

    /// <summary>Axes in the plane, by the first one's direction.</summary>
    /// <param name="Cos">Its first coordinate in the world.</param>
    /// <param name="Sin">Its second.</param>
    public readonly record struct Axes(double Cos, double Sin)
    {
        /// <summary>Turns vectors of the world into these axes, in place.</summary>
        /// <param name="vectors">[n, 2].</param>
        public void Into(Span<float> vectors) => Rotate(vectors, Cos, -Sin);

        /// <summary>Turns vectors of these axes back into the world's, in place.</summary>
        /// <param name="vectors">[n, 2].</param>
        public void Back(Span<float> vectors) => Rotate(vectors, Cos, Sin);

        private static void Rotate(Span<float> vectors, double cos, double sin)
        {
            for (var i = 0; i + 1 < vectors.Length; i += 2)
            {
                double x = vectors[i], y = vectors[i + 1];
                vectors[i] = (float)(cos * x - sin * y);
                vectors[i + 1] = (float)(sin * x + cos * y);
            }
        }
    }
}
