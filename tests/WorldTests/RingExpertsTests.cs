using MimicD.World;
using MimicD.World.Experts;
using MimicD.World.Tests;

namespace MimicD.WorldTests;

public class RingExpertsTests
{
    private static readonly RingExpertOptions Options = new();
    private static readonly SpreadLaw Narrow = new() { Law = SpreadKind.Uniform, Scale = 0.05 };
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

    [Theory]
    [InlineData(3, 0, 0.6)]
    [InlineData(4, 24, 2.9)]
    public void Nobody_enters_the_island_and_all_go_round_it_the_shortest_way(int agents, int places, double island)
    {
        var scenario = Ring with { Circle = Ring.Circle! with { Radius = 1.5, Spacing = 1 }, Demonstrations = new DemonstrationsSpec { Starts = Narrow, Goals = Narrow } };
        scenario = scenario.WithAgents(agents);
        var task = new RingExpert(scenario, Options with { Island = island, Places = places, Pace = 1.4 });
        ExpertDemonstrations made = ExpertGenerator.Generate(task, [1, 2], seed: 5, threads: 2);
        Assert.Equal([1, 2], made.Demonstrations.LabelModes(scenario)!);
        Assert.InRange(ExpertReport.Of(made.Demonstrations, task).Own.Violation, 0, Options.MaxViolation);
        double radius = (scenario.Circle! with { Agents = Math.Max(places, agents) }).ActualRadius;
        for (int m = 0; m < 2; m++)
        {
            for (int a = 0; a < agents; a++)
            {
                double[] path = [.. made.Demonstrations.Path(m, a)];
                double angle = 2 * Math.PI * a / Math.Max(places, agents);
                Assert.InRange(Math.Sqrt(Vectors.SquaredDistance(path.AsSpan(0, 2), [radius * Math.Cos(angle), radius * Math.Sin(angle)])), 0, 0.1);
                Assert.True(path.Chunk(2).Min(p => Math.Sqrt((p[0] * p[0]) + (p[1] * p[1]))) > island - 1e-5, $"mode {m + 1}, agent {a}: cut the island");
                double length = path.Chunk(2).Zip(path.Chunk(2).Skip(1), (p, q) => Math.Sqrt(Vectors.SquaredDistance(p, q))).Sum();
                Assert.InRange(length / new RoundaboutWay([0, 0], island, m + 1, path.AsSpan(0, 2), path.AsSpan(path.Length - 2)).Length, 0.97, 1.2);
            }
        }
    }

    [Fact]
    public void The_way_round_an_island_is_a_tangent_an_arc_and_a_tangent()
    {
        // From (5, 0) to (-5, 0) round a disc of radius 3: tangents of 4 m, and the arc between touching points at acos(3/5) from either end.
        double arc = Math.PI - (2 * Math.Acos(0.6));
        foreach (int mode in (int[])[CirculationModes.CounterClockwise, CirculationModes.Clockwise])
        {
            var way = new RoundaboutWay([0, 0], 3, mode, [5, 0], [-5, 0]);
            Assert.Equal(8 + (3 * arc), way.Length, 12);
            double[] places = way.At(0.01, 1200);
            Assert.Equal(mode, CirculationModes.Label([.. places.Chunk(3).SelectMany(p => p[..2])], 1, [0, 0]));
            Assert.Equal(3, places.Chunk(3).Min(p => Math.Sqrt((p[0] * p[0]) + (p[1] * p[1]))), 4);
            Assert.Equal(-5, places[^3], 9);
            Assert.Equal(0, places[^2], 9);
            for (int k = 0; (k + 1) * 0.01 < way.Length; k++)
            {
                Assert.Equal(0.01, Math.Sqrt(Vectors.SquaredDistance(places.AsSpan(3 * k, 2), places.AsSpan(3 * (k + 1), 2))), 5);
            }
        }

        // The disc is on the left of this line already.
        Assert.Equal(8, new RoundaboutWay([0, 0], 1, CirculationModes.CounterClockwise, [4, 3], [-4, 3]).Length, 12);
    }

    [Fact]
    public void What_is_no_such_circle_is_refused()
    {
        Assert.Throws<ArgumentException>(() => new RingExpert(Ring, Options with { Island = 6 }));
        Assert.Throws<ArgumentException>(() => new RingExpert(Ring, Options with { Places = 7 }));
        Assert.Throws<ArgumentException>(() => new RingExpert(Ring.WithAgents(RingExpert.MaxAgents + 1), Options));
        Assert.Throws<ArgumentException>(() => new RingExpert(Ring with { Demonstrations = null }, Options));
        Assert.Throws<ArgumentException>(() => new RingExpert(Ring, Options with { Pace = 1.5 }));
        Assert.Throws<ArgumentException>(() => new RingExpert(Ring, Options with { ModeShares = [0.5, 0, 0.5] }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new RingExpert(Ring.WithAgents(2), Options).Solve(3, [6, 0, -6, 0], [-6, 0, 6, 0], 1));
    }
}
