using MimicD.Contracts;
using MimicD.World.Experts;

namespace MimicD.World;

/// <summary>
/// Which of the ways in which all agents together can do a scenario's task an episode shows, read off the geometry of the joint path. A
/// joint
/// mode says how agents went round each other, so it is never put together from labels of single agents.
/// </summary>
public static class JointModes
{
    /// <summary>
    /// The label of a joint path that shows no mode: somebody did not come past the others, so nobody can say on which side.
    /// </summary>
    public const int Unresolved = 0;

    /// <summary>What such a path is called.</summary>
    public const string UnresolvedName = "no mode (not all came past)";

    /// <summary>
    /// What an agent must have gone, as a share of what the agent that has gone farthest has, before the winding of its pairs says how they
    /// passed: half of
    /// the demonstrations' least. Who stays at its start has passed nobody, whatever angle the others swept as seen from there.
    /// </summary>
    private const double LeastWay = 0.1;

    /// <summary>Number of modes (K) that a scenario tells apart; 0 where it tells none apart.</summary>
    public static int Count(Scenario scenario)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        return scenario.Modes switch
        {
            ModeRule.Swap or ModeRule.SwapPublished => SwapModes.Count,
            ModeRule.Winding => WindingModes.Count(scenario.Agents),
            ModeRule.Circulation => CirculationModes.Count,
            _ => 0,
        };
    }

    /// <summary>What each mode looks like, [K], in the order of the labels from 1.</summary>
    public static IReadOnlyList<string> Names(Scenario scenario)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        return scenario.Modes switch
        {
            ModeRule.Swap or ModeRule.SwapPublished => SwapModes.Names,
            ModeRule.Winding => WindingModes.Names(scenario.Agents),
            ModeRule.Circulation => CirculationModes.Names,
            _ => [],
        };
    }

    /// <summary>What a label looks like, <see cref="Unresolved"/> included.</summary>
    /// <param name="scenario">Whose rule.</param>
    /// <param name="label">From <see cref="Label"/>.</param>
    public static string Name(Scenario scenario, int label) => label == Unresolved ? UnresolvedName : Names(scenario)[label - 1];

    /// <summary>
    /// The name of the rule by which a scenario's modes are told apart, as files carry it; null where it tells none apart.
    /// </summary>
    public static string? Rule(Scenario scenario)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        return scenario.Modes switch
        {
            ModeRule.Swap => ModeRuleNames.Sides,
            ModeRule.SwapPublished => ModeRuleNames.Published,
            ModeRule.Winding => ModeRuleNames.Winding,
            ModeRule.Circulation => ModeRuleNames.Circulation,
            _ => null,
        };
    }

    /// <summary>The rule behind labels of which a file says nothing: before rules had names the swap's was the published one.</summary>
    public static string? UnnamedRule(Scenario scenario) => Rule(scenario) is ModeRuleNames.Sides ? ModeRuleNames.Published : Rule(scenario);

    /// <summary>
    /// The mode of a joint path, from 1; <see cref="Unresolved"/> where it shows none, and where the scenario tells none apart.
    /// </summary>
    /// <param name="scenario">Whose rule.</param>
    /// <param name="joint">All agents' positions [N,T,D] [m].</param>
    /// <exception cref="ArgumentException">The path does not have the scenario's agents and dimensions.</exception>
    public static int Label(Scenario scenario, ReadOnlySpan<double> joint)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        var first = joint[..(joint.Length / 2)];
        var second = joint[first.Length..];
        return scenario.Modes switch
        {
            ModeRule.Swap => SwapModes.Label(first, second, SwapFrame.Of(scenario)),
            ModeRule.SwapPublished => SwapModes.Published(first, second),
            ModeRule.Winding => WindingModes.Label(joint, scenario.Agents) is var label && AllUnderWay(scenario.Agents, joint) ? label : Unresolved,
            ModeRule.Circulation => CirculationModes.Label(joint, scenario.Agents, scenario.Circle!.Centre),
            _ => Unresolved,
        };
    }

    private static bool AllUnderWay(int agents, ReadOnlySpan<double> joint)
    {
        var size = joint.Length / agents;
        var (least, most) = (double.PositiveInfinity, 0.0);
        for (var i = 0; i < agents; i++)
        {
            var path = joint.Slice(i * size, size);
            var gone = double.Hypot(path[^2] - path[0], path[^1] - path[1]);
            (least, most) = (Math.Min(least, gone), Math.Max(most, gone));
        }

        return least >= LeastWay * most;
    }
}
