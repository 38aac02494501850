using MimicD.Agents;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.BridgesTests;

/// <summary>Scenarios and messages that several tests need.</summary>
internal static class Cases
{
    public const string Session = "0123456789abcdef";

    /// <summary>Robots that cross a room; all are robots but those for whom the test says otherwise.</summary>
    public static Scenario Crossing(int agents = 2, double rate = 10, Func<int, bool>? isRobot = null, int steps = 40)
    {
        var scenario = Scenario.Parse(
            $$"""
            {
              "name": "crossing", "timeStep": 0.1, "steps": {{steps}},
              "bodies": [ {{string.Join(", ", Enumerable.Range(0, agents).Select(i => $$"""{ "start": [0, {{i}}], "goal": [10, {{i}}] }"""))}} ],
              "goalTolerance": 1,
              "collision": { "limits": [ { "name": "c", "pair": 0.2 } ], "contact": "c" },
              "dynamics": { "kind": "kinematic", "action": "position" },
              "starts": { "law": "gaussian", "scale": 0.1 },
              "pacing": { "kind": "realtime", "rate": {{rate}} },
              "features": { "velocity": true, "goal": "relative" }
            }
            """, "crossing");
        return scenario with
        {
            Robots = new RobotsSpec { Names = [.. Enumerable.Range(0, agents).Select(i => isRobot?.Invoke(i) == false ? null : $"r{i + 1}")], Change = 0.6, Reach = 30 },
        };
    }

    /// <summary>Walks to the goal.</summary>
    public static Func<AgentId, IPolicy> Walk(Scenario scenario) => _ => new ConstantVelocityPolicy(scenario.DefaultSensor, 3, scenario.TimeStep);

    public static Capabilities Able { get; } = new()
    {
        Action = ActionKind.Position,
        Dimension = 2,
        Min = [-5, -7],
        Max = [25, 7],
        Change = [0.5, 0.5],
        Rate = 10,
        Geofence = [[-5, -7], [25, -7], [25, 7], [-5, 7]],
        TtlMs = 300,
        Payload = 1024,
        Observation = ObservationKind.Pose,
        Values = 2,
    };

    public static CommandEnvelope Command { get; } = new("run", "r1", Session, Term: 5, Sequence: 1, Acknowledged: 1, ObservationTime: 1000, TimeToLive: 300, Arm: true, Action: [0.25f, -0.25f]);

    public static ObservationEnvelope Observation { get; } = new("run", "r1", Session, Sequence: 1, Time: 1000, Armed: false, Values: [0.1f, 0.2f]);
}
