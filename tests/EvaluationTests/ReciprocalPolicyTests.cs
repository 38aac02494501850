using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.World;

namespace MimicD.EvaluationTests;

public class ReciprocalPolicyTests
{
    private const string Ring = """
        {
          "name": "ring", "timeStep": 0.1, "steps": 200,
          "circle": { "agents": 8, "radius": 6.0, "spacing": 1.0 },
          "starts": { "law": "gaussian", "scale": 0.05 },
          "goalTolerance": 0.5,
          "obstacles": [ { "centre": [0, 3], "radius": 1 } ],
          "collision": { "limits": [ { "name": "contact", "pair": 0.5, "obstacle": 1.0 } ], "contact": "contact" },
          "dynamics": { "kind": "kinematic", "action": "position" }
        }
        """;

    [Fact]
    public async Task A_crowd_of_reciprocal_agents_crosses_a_circle_without_contact()
    {
        var scenario = Scenario.Parse(Ring, "ring");
        var sensor = ReciprocalPolicy.SensorFor(others: 7, obstacles: 1);
        var policy = new ReciprocalPolicy(sensor, new ReciprocalOptions { Speed = 1, MaxSpeed = 1.5, Separation = 0.6, Clearance = 0.1 }, scenario.TimeStep);
        await using var host = new LocalHost(_ => policy, threads: 2);
        var result = await Simulation.RunAsync(scenario, sensor, new SimulationOptions { Episodes = 5 }, host);
        var figures = Figures.Compute(scenario, PathSet.Create<float>(result.Positions.Data, result.Positions.Shape, "ring"), result.Goals.Data, null);
        Assert.Equal((0, 1), (figures.Collisions[0].Rate.Value, figures.GoalsReached.Value));
        Assert.Empty(result.Host.Stopped);
    }

    [Fact]
    public void What_is_not_sensed_is_refused()
    {
        var options = new ReciprocalOptions { Speed = 1, MaxSpeed = 1.5, Separation = 0.6 };
        var sensor = ReciprocalPolicy.SensorFor(others: 2, obstacles: 0);
        void Refused(SensorSpec with, ReciprocalOptions how, string expected)
            => Assert.Contains(expected, Assert.Throws<InvalidInputException>(() => new ReciprocalPolicy(with, how, 0.1)).Message, StringComparison.Ordinal);

        Refused(sensor with { Velocity = false }, options, "velocity");
        Refused(sensor with { Goal = null }, options, "goal");
        Refused(sensor with { Others = sensor.Others! with { Presence = false } }, options, "others");
        Refused(sensor, options with { MaxSpeed = 0.5 }, "maxSpeed");
        Refused(sensor, options with { Share = 0 }, "share");
    }
}
