using MimicD.World;
using MimicD.World.Experts;
using MimicD.World.Tests;

namespace MimicD.WorldTests;

public class RingExpertsTests
{
    private static readonly RingExpertOptions Options = new();
    private static readonly Scenario Ring = Scenario.Load(Path.Combine(ScenarioTests.Folder, "ring.json"));

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void Both_ways_round_are_reached_and_keep_their_limits(int agents)
    {
        var scenario = Ring.WithAgents(agents);
        var task = new RingExpert(scenario, Options);
        ExpertDemonstrations made = ExpertGenerator.Generate(task, [1, 2], seed: 5, threads: 2);
        made.Demonstrations.RequireFits(scenario, "made here");
        Assert.Equal([1, 2], made.Demonstrations.LabelModes(scenario)!);
        ExpertReport report = ExpertReport.Of(made.Demonstrations, task);
        Assert.InRange(report.Own.Violation, 0, Options.MaxViolation);
        Assert.InRange(report.DynamicsViolation, 0, 100 * Options.MaxViolation);
        Assert.Equal(1, report.Own.AnyPairActive, 12);
        Assert.InRange(report.Own.MaxStep.Max(), 0, scenario.Dynamics.MaxSpeed!.Value * scenario.TimeStep + 1e-6);
        for (int m = 0; m < 2; m++)
        {
            for (int a = 0; a < agents; a++)
            {
                double[] end = [.. made.Demonstrations.Path(m, a)[^2..]];
                Assert.InRange(Math.Sqrt(Vectors.SquaredDistance(end, made.Goals.AsSpan(2 * ((m * agents) + a), 2))), 0, 0.1);
            }
        }
    }

    [Fact]
    public void A_margin_is_kept_beyond_the_experts_distance()
    {
        var task = new RingExpert(Ring.WithAgents(2), Options with { PairMargin = 0.5 });
        Assert.Equal(1.25, task.Nominal.PairDistance, 12);
        Assert.Equal(1, ExpertReport.Of(ExpertGenerator.Generate(task, [2], seed: 1, threads: 1).Demonstrations, task).Own.AnyPairActive, 12);
    }

    [Fact]
    public void Demonstrations_are_long_enough_for_the_way_and_the_slack()
    {
        // 12 m at 1.2 m/s and 3 s more, a position every 0.1 s.
        Assert.Equal(131, new RingExpert(Ring.WithAgents(4), Options).Nominal.Knots);
    }

    [Fact]
    public void What_is_no_such_circle_is_refused()
    {
        Assert.Throws<ArgumentException>(() => new RingExpert(Ring.WithAgents(RingExpert.MaxAgents + 1), Options));
        Assert.Throws<ArgumentException>(() => new RingExpert(Ring with { Demonstrations = null }, Options));
        Assert.Throws<ArgumentException>(() => new RingExpert(Ring, Options with { Pace = 1.5 }));
        Assert.Throws<ArgumentException>(() => new RingExpert(Ring, Options with { ModeShares = [0.5, 0, 0.5] }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new RingExpert(Ring.WithAgents(2), Options).Solve(3, [6, 0, -6, 0], [-6, 0, 6, 0], 1));
    }
}
