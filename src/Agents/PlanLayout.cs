using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>
/// Whose positions stand where in one agent's plans, and where in that agent's own frames its network's condition and everybody's present come from.
/// Training sets and policies both come through here.
/// </summary>
public sealed class PlanLayout
{
    private readonly PlanOf _of;
    private readonly int _agent;
    private readonly int _dimensions;
    private readonly bool _relative;

    /// <summary>Index in the frame of each number of the condition.</summary>
    private readonly int[] _condition;

    /// <summary>Index in the frame of the position of each agent planned for.</summary>
    private readonly int[] _positions;

    /// <summary>How far behind its position an other's presence stands; 0: nowhere.</summary>
    private readonly int _presence;

    /// <summary>Works out the layout.</summary>
    /// <param name="sensor">Layout of a frame.</param>
    /// <param name="plan">Whose plans.</param>
    /// <param name="conditionOnPosition">Whether the own absolute position is part of the condition.</param>
    /// <param name="agent">The agent whose frames and plans are meant; all the same unless the plan is <see cref="PlanOf.Joint"/> or <see cref="Whose"/> is asked.</param>
    /// <param name="ignoreVelocity">Whether velocities that are sensed are kept out of the condition.</param>
    public PlanLayout(SensorSpec sensor, PlanSpec plan, bool conditionOnPosition, AgentId agent, bool ignoreVelocity = false)
    {
        ArgumentNullException.ThrowIfNull(sensor);
        ArgumentNullException.ThrowIfNull(plan);
        (_of, _agent, _dimensions) = (plan.Of, agent.Value, sensor.Dimensions);
        _relative = sensor.Others?.Frame == Frame.Relative;
        _presence = sensor.Others is { Presence: true } ? sensor.OtherSize - 1 : 0;
        Agents = AgentsIn(plan, sensor);
        var obstacles = sensor.FrameSize - sensor.ObstaclesSize;
        var slots = obstacles - (sensor.Others?.Count ?? 0) * sensor.OtherSize;
        _positions = [.. Enumerable.Range(0, Agents).Select(slot => Whose(slot) is var whose && whose == _agent ? 0 : slots + (whose - (whose < _agent ? 0 : 1)) * sensor.OtherSize)];

        var names = sensor.FeatureNames();

        // In the joint state the own numbers stand as an other's do in its full slot: position, velocity, goal, and then the obstacles, which end the frame.
        _condition = plan.Of == PlanOf.Joint
            ? [.. _positions.SelectMany(at => at > 0 ? Enumerable.Range(at, sensor.OtherSize) : Enumerable.Range(0, slots).Concat(Enumerable.Range(obstacles, sensor.ObstaclesSize)))]
            : [.. names.Index().Skip(conditionOnPosition ? 0 : sensor.Dimensions).Where(n => !ignoreVelocity || !n.Item.Contains("velocity", StringComparison.Ordinal)).Select(n => n.Index)];
        ConditionNames = Array.ConvertAll(_condition, i => names[i]);
    }

    /// <summary>Names of the numbers of one frame that the condition takes, [<see cref="ConditionSize"/>].</summary>
    public string[] ConditionNames { get; }

    /// <summary>Agents planned for: 1, or N.</summary>
    public int Agents { get; }

    /// <summary>Numbers in a plan for one tick (R).</summary>
    public int RowSize => Agents * _dimensions;

    /// <summary>Where in a row the agent's own position begins.</summary>
    public int Own => _of == PlanOf.Joint ? _agent * _dimensions : 0;

    /// <summary>Numbers of one frame that the condition takes.</summary>
    public int ConditionSize => _condition.Length;

    /// <summary>Agents that a plan is for.</summary>
    public static int AgentsIn(PlanSpec plan, SensorSpec sensor)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(sensor);
        return plan.Of == PlanOf.Own ? 1 : 1 + (sensor.Others?.Count ?? 0);
    }

    /// <summary>Throws where a plan of others cannot be made from what is sensed.</summary>
    /// <param name="where">The file.</param>
    /// <param name="sensor">Layout of a frame.</param>
    /// <param name="plan">Whose plans.</param>
    /// <param name="conditionOnPosition">Whether the own absolute position is part of the condition.</param>
    /// <param name="sharedWeights">Whether one network serves all agents.</param>
    /// <param name="ignoreVelocity">Whether velocities that are sensed are kept out of the condition.</param>
    /// <exception cref="InvalidInputException">It cannot.</exception>
    public static void Validate(string where, SensorSpec sensor, PlanSpec plan, bool conditionOnPosition, bool sharedWeights, bool ignoreVelocity = false)
    {
        ArgumentNullException.ThrowIfNull(sensor);
        ArgumentNullException.ThrowIfNull(plan);
        if (plan.Of == PlanOf.Own)
        {
            return;
        }

        var others = sensor.Others;
        Require(others is not null, "sensor.others", "others that are sensed", "none");
        Require(others!.Order == OtherOrder.Identity, "sensor.others.order", "identity", "nearest");
        Require(!plan.StartsAtPresent || !others.Presence, "plan.startsAtPresent", "false where an other may be out of sight (sensor.others.presence)", plan.StartsAtPresent);
        if (plan.Of == PlanOf.Joint)
        {
            // Whatever is not the same for every observer would make the agents' plans differ.
            Require(others.Frame == Frame.Absolute, "sensor.others.frame", "absolute", "relative");
            Require(!others.Presence, "sensor.others.presence", "false (everybody is always in sight)", others.Presence);
            Require(others.Full, "sensor.others.full", "true", others.Full);
            Require(!sensor.Heading, "sensor.heading", "false", sensor.Heading);
            Require(conditionOnPosition, "conditionOnPosition", "true", conditionOnPosition);
            Require(!ignoreVelocity, "ignoreVelocity", "false", ignoreVelocity);
            Require(sharedWeights, "sharedWeights", "true", sharedWeights);
        }

        void Require(bool holds, string field, string expected, object found)
            => InvalidInputException.Require(holds, where, field, $"{expected} with plan.of {(plan.Of == PlanOf.All ? "all" : "joint")}", found);
    }

    /// <summary>The agent whose positions stand in a slot of a row.</summary>
    /// <param name="slot">0 to <see cref="Agents"/>-1.</param>
    public int Whose(int slot) => _of == PlanOf.Joint ? slot : slot == 0 ? _agent : slot - 1 < _agent ? slot - 1 : slot;

    /// <summary>Takes the condition out of a frame.</summary>
    /// <param name="frame">One frame of the agent's.</param>
    /// <param name="condition">Receives [<see cref="ConditionSize"/>], in world units.</param>
    public void WriteCondition(ReadOnlySpan<float> frame, Span<float> condition)
    {
        for (var i = 0; i < _condition.Length; i++)
        {
            condition[i] = frame[_condition[i]];
        }
    }

    /// <summary>Takes the present positions of all that are planned for out of a frame.</summary>
    /// <param name="frame">The newest frame of the agent's.</param>
    /// <param name="present">Receives one row, [<see cref="RowSize"/>] [m], absolute; NaN for an other that is out of sight.</param>
    public void WritePresent(ReadOnlySpan<float> frame, Span<float> present)
    {
        for (var slot = 0; slot < _positions.Length; slot++)
        {
            var at = _positions[slot];
            var unseen = at > 0 && _presence > 0 && frame[at + _presence] == 0;
            for (var i = 0; i < _dimensions; i++)
            {
                present[slot * _dimensions + i] = unseen ? float.NaN : at > 0 && _relative ? frame[i] + frame[at + i] : frame[at + i];
            }
        }
    }
}
