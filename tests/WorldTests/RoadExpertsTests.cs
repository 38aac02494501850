using FsCheck;
using FsCheck.Fluent;
using MimicD.Numerics;
using MimicD.World;
using MimicD.World.Experts;

namespace MimicD.WorldTests;

public class RoadExpertsTests
{
    // Those of the published demonstrations.
    private static readonly int[] CommonModes = [4, 3, 2, 1, 8, 6, 5];
    private static readonly RoadExpertOptions Options = new();
    private static readonly RoadExpert Road = new(Options);

    [Theory]
    [InlineData(ModeLaw.Places)]
    [InlineData(ModeLaw.Independent)]
    public void Every_published_mode_is_reached_and_keeps_its_limits(ModeLaw law)
    {
        var task = new RoadExpert(Options with { ModeLaw = law });
        ExpertDemonstrations made = ExpertGenerator.Generate(task, CommonModes, seed: 11, threads: 2);
        Assert.Equal(CommonModes, made.Demonstrations.Modes!);
        for (int i = 0; i < CommonModes.Length; i++)
        {
            double[] joint = [.. made.Demonstrations.Path(i, 0), .. made.Demonstrations.Path(i, 1), .. made.Demonstrations.Path(i, 2)];
            Assert.Equal(CommonModes[i], WindingModes.Label(joint, 3));
        }

        ExpertReport report = ExpertReport.Of(made.Demonstrations, task);
        Assert.InRange(report.Own.Violation, 0, Options.MaxViolation);
        Assert.InRange(report.DynamicsViolation, 0, 100 * Options.MaxViolation);
        Assert.InRange(made.Violation, 0, Options.MaxViolation);
        Assert.Equal(1, report.Own.AnyPairActive, 12);
        Assert.Empty(report.Own.DiscActive);
    }

    [Fact]
    public void A_demonstration_depends_only_on_seed_and_index()
    {
        DemonstrationSet one = ExpertGenerator.Generate(Road, 4, seed: 3, threads: 1).Demonstrations;
        DemonstrationSet two = ExpertGenerator.Generate(Road, 6, seed: 3, threads: 3).Demonstrations;
        DemonstrationSet other = ExpertGenerator.Generate(Road, 4, seed: 4, threads: 2).Demonstrations;
        Assert.Equal(one.Positions.Data, two.Positions.Data[..one.Positions.Data.Length]);
        Assert.Equal(one.Modes!, two.Modes![..4]);
        Assert.NotEqual(one.Positions.Data, other.Positions.Data);
        Assert.Equal("road", one.Scenario);
        one.RequireFits(Scenario.Load(Path.Combine(World.Tests.ScenarioTests.Folder, "road.json")), "made here");
    }

    [Theory]
    [InlineData(ModeLaw.Places)]
    [InlineData(ModeLaw.Starts)]
    public void Modes_follow_places_or_starts_where_asked(ModeLaw law)
    {
        ExpertDemonstrations made = ExpertGenerator.Generate(new RoadExpert(Options with { ModeLaw = law }), [4, 3, 2, 1], seed: 2, threads: 2);
        for (int i = 0; i < made.Demonstrations.Count; i++)
        {
            double[] starts = [.. made.Demonstrations.Path(i, 0)[..2], .. made.Demonstrations.Path(i, 1)[..2], .. made.Demonstrations.Path(i, 2)[..2]];
            Assert.Equal(made.Demonstrations.Modes![i], Road.Suggested(starts, law == ModeLaw.Places ? made.Goals.AsSpan(6 * i, 6) : [.. Options.Goals]));
        }
    }

    [Fact]
    public void Places_are_spread_and_starts_are_apart() =>
        Prop.ForAll<int>(ArbMap.Default.ArbFor<int>(), seed =>
        {
            var random = new CounterRandom((ulong)(uint)seed, RandomPurpose.Experts);
            var (starts, goals) = (new double[6], new double[6]);
            Road.DrawPlaces(ref random, starts, goals);
            bool Spread(double[] places, IReadOnlyList<double> nominal) => places.Zip(nominal, (p, n) => Math.Abs(p - n)).Max() <= 0.6;
            return Spread(starts, Options.Starts) && Spread(goals, Options.Goals)
                && new[] { (0, 2), (0, 4), (2, 4) }.All(p => World.Tests.ScenarioTests.Distance(starts[p.Item1..(p.Item1 + 2)], starts[p.Item2..(p.Item2 + 2)]) > 0.75);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Goals_are_apart_where_that_is_asked_for() =>
        Prop.ForAll<int>(ArbMap.Default.ArbFor<int>(), seed =>
        {
            var random = new CounterRandom((ulong)(uint)seed, RandomPurpose.Experts);
            var (starts, goals) = (new double[6], new double[6]);
            new RoadExpert(Options with { GoalSeparation = 0.75 }).DrawPlaces(ref random, starts, goals);
            return goals.Zip(Options.Goals, (p, n) => Math.Abs(p - n)).Max() <= 0.6
                && new[] { (0, 2), (0, 4), (2, 4) }.All(p => World.Tests.ScenarioTests.Distance(goals[p.Item1..(p.Item1 + 2)], goals[p.Item2..(p.Item2 + 2)]) > 0.75);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Half_of_the_agents_are_early_where_that_is_asked_for_and_wait_at_their_goals()
    {
        var task = new RoadExpert(Options with { Early = 0.4 });
        var random = new CounterRandom(5, RandomPurpose.Experts);
        var (starts, goals, early, waited) = (new double[6], new double[6], 0, 0);
        for (int draw = 0; draw < 100; draw++)
        {
            task.DrawPlaces(ref random, starts, goals);
            UnicycleAgent walker = task.Problem(starts, goals).Agents[2];
            Assert.Equal(walker.Reference, task.Problem(starts, goals).Agents[2].Reference);
            if (walker.Reference is not { } reference)
            {
                continue;
            }

            early++;
            int arrives = Enumerable.Range(0, 100).First(k => reference[3 * k] == reference[^3]);
            Assert.InRange(arrives, 59, 99);
            if (arrives > 75 || waited == 3 || task.Solve(task.Suggested(starts, goals), starts, goals, 0) is not { } found)
            {
                continue;
            }

            waited++;
            ReadOnlySpan<double> path = found.Positions.AsSpan(400, 200);
            Assert.InRange(World.Tests.ScenarioTests.Distance([path[180], path[181]], [path[198], path[199]]), 0, 0.2);
        }

        Assert.InRange(early, 35, 65);
        Assert.Equal(3, waited);
    }

    [Fact]
    public void Everybody_stops_near_its_goal()
    {
        double[] starts = [.. Options.Starts];
        double[] goals = [.. Options.Goals];
        JointDemonstration found = Road.Solve(Road.Suggested(starts, goals), starts, goals, 0)!;
        for (int a = 0; a < 3; a++)
        {
            ReadOnlySpan<double> path = found.Positions.AsSpan(200 * a, 200);
            Assert.InRange(Math.Abs(path[^2] - found.Goals[2 * a]), 0, 0.1);
            Assert.InRange(Math.Abs(path[^1] - found.Goals[(2 * a) + 1]), 0, 0.25);
            Assert.InRange(found.Controls[(198 * (a + 1)) - 2], 0, a == 2 ? 0.03 + 1e-6 : 0.15 + 1e-6);
        }
    }

    [Fact]
    public void The_car_s_reference_goes_down_turns_and_goes_to_its_goal()
    {
        double[] reference = Road.Nominal.Agents[0].Reference!;
        double[] At(int k) => reference[(3 * k)..(3 * (k + 1))];
        Assert.Equal([0, 2, -Math.PI / 2], At(0));
        Assert.Equal([0, 1.375, -Math.PI / 2], At(16));
        Assert.Equal([0, 0.75, -Math.PI / 2], At(32));
        Assert.Equal([0, 0.75, -Math.PI / 2], At(33));
        double[] third = At(44);
        Assert.Equal(0.75 * (1 - Math.Cos(Math.PI / 6)), third[0], 12);
        Assert.Equal(0.375, third[1], 12);
        Assert.Equal(-Math.PI / 3, third[2], 12);
        Assert.Equal([0.75, 0, 0], At(66).Select(v => Math.Round(v, 12)));
        Assert.Equal([0.75, 0, 0], At(67));
        Assert.Equal(0.75 + (1.25 * 32 / 33), At(99)[0], 12);
    }

    [Fact]
    public void With_a_margin_the_experts_keep_further_apart()
    {
        var task = new RoadExpert(Options with { PairDistance = 0.85 });
        ExpertReport report = ExpertReport.Of(ExpertGenerator.Generate(task, [4, 3], seed: 1, threads: 2).Demonstrations, task);
        Assert.InRange(report.Own.Violation, 0, Options.MaxViolation);
        Assert.Equal(1, report.Own.AnyPairActive);
    }

    [Fact]
    public void Options_that_make_no_sense_are_refused()
    {
        Assert.Throws<ArgumentException>(() => new RoadExpert(Options with { ModeShares = [1, 2] }));
        Assert.Throws<ArgumentException>(() => new RoadExpert(Options with { TurnRadius = 3 }));
        Assert.Throws<ArgumentException>(() => new RoadExpert(Options with { Starts = [0, 2] }));
        Assert.Throws<ArgumentException>(() => Road.Solve(1, [0, 0], [0, 0], 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => Road.Solve(9, [.. Options.Starts], [.. Options.Goals], 0));
    }
}
