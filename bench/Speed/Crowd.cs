using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.World;

namespace MimicD.Bench.Speed;

/// <summary>Many agents that go straight to their goals and look at whom they pass.</summary>
/// <param name="Scenario">The ring.</param>
/// <param name="Sensor">What each observes.</param>
/// <param name="Policy">What each decides by.</param>
internal sealed record Crowd(Scenario Scenario, SensorSpec Sensor, IPolicy Policy)
{
    /// <summary>The ring as it is shipped, of some size.</summary>
    /// <param name="root">The repository.</param>
    /// <param name="agents">Agents.</param>
    /// <param name="range">Distance within which others are sensed [m], or null for any.</param>
    public static Crowd Ring(string root, int agents, double? range)
    {
        var scenario = Scenario.Load(Path.Combine(root, "scenarios", "ring.json")).WithAgents(agents);
        scenario = scenario with { Sensing = new SensingSpec { Range = range } };
        var player = ScriptedPolicies.Create("straight", scenario, "bench");
        var cast = new Cast(scenario, player, []);
        return new Crowd(scenario, cast.Sensor, cast.Policy(new AgentId(0)));
    }
}
