using MimicD.World.Experts;

namespace MimicD.World;

/// <summary>
/// Which of the ways in which all agents together can do a scenario's task an episode shows, read off the geometry of the joint path. A joint mode says how agents
/// went round each other, so it is never put together from labels of single agents.
/// </summary>
public static class JointModes
{
    /// <summary>Number of modes (K) that a scenario tells apart; 0 where it tells none apart.</summary>
    public static int Count(Scenario scenario)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        return scenario.Modes switch
        {
            ModeRule.Swap => SwapModes.Count,
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
            ModeRule.Swap => SwapModes.Names,
            ModeRule.Winding => WindingModes.Names(scenario.Agents),
            ModeRule.Circulation => CirculationModes.Names,
            _ => [],
        };
    }

    /// <summary>The mode of a joint path, from 1; 0 where the scenario tells none apart.</summary>
    /// <param name="scenario">Whose rule.</param>
    /// <param name="joint">All agents' positions [N,T,D] [m].</param>
    /// <exception cref="ArgumentException">The path does not have the scenario's agents and dimensions.</exception>
    public static int Label(Scenario scenario, ReadOnlySpan<double> joint)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        return scenario.Modes switch
        {
            ModeRule.Swap => SwapModes.Label(joint[..(joint.Length / 2)], joint[(joint.Length / 2)..]),
            ModeRule.Winding => WindingModes.Label(joint, scenario.Agents),
            ModeRule.Circulation => CirculationModes.Label(joint, scenario.Agents, scenario.Circle!.Centre),
            _ => 0,
        };
    }
}
