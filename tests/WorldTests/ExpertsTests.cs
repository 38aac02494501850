using FsCheck;
using FsCheck.Fluent;
using MimicD.Numerics;
using MimicD.World;
using MimicD.World.Experts;

namespace MimicD.WorldTests;

public class ExpertsTests
{
    private static readonly SwapExpertOptions Options = new();
    private static readonly SwapExpert Swap = new(Options);

    [Fact]
    public void Every_mode_is_reached_and_keeps_its_limits()
    {
        int[] modes = [.. Enumerable.Range(0, 24).Select(i => 1 + (i % SwapModes.Count))];
        ExpertDemonstrations made = ExpertGenerator.Generate(Swap, modes, seed: 11, threads: 2);
        DemonstrationSet set = made.Demonstrations;
        for (int i = 0; i < modes.Length; i++)
        {
            Assert.Equal(modes[i], Swap.Label(set.Positions.Data.AsSpan(i * 400, 400)));
        }

        ExpertReport report = ExpertReport.Of(set, Swap);
        Assert.True(report.Own.Violation <= Options.MaxViolation, $"distances violated by {report.Own.Violation}");
        Assert.True(report.DynamicsViolation <= 100 * Options.MaxViolation, $"dynamics or controls violated by {report.DynamicsViolation}");
        Assert.True(made.Violation <= Options.MaxViolation);

        // Agents on the same side ride on the pair limit, agents on different sides never meet; everyone rides on the disc.
        Assert.Equal(modes.Count(SwapModes.SameSide) / (double)modes.Length, report.Own.AnyPairActive, 12);
        Assert.Equal([1.0, 1.0], report.Own.DiscActive.Select(share => Math.Round(share, 12)));
    }

    [Fact]
    public void A_demonstration_depends_only_on_seed_and_index()
    {
        DemonstrationSet one = ExpertGenerator.Generate(Swap, 6, seed: 3, threads: 1).Demonstrations;
        DemonstrationSet two = ExpertGenerator.Generate(Swap, 9, seed: 3, threads: 3).Demonstrations;
        DemonstrationSet other = ExpertGenerator.Generate(Swap, 6, seed: 4, threads: 2).Demonstrations;
        Assert.Equal(one.Positions.Data, two.Positions.Data[..one.Positions.Data.Length]);
        Assert.Equal(one.Modes!, two.Modes![..6]);
        Assert.NotEqual(one.Positions.Data, other.Positions.Data);
    }

    [Fact]
    public void Shares_of_modes_are_those_asked_for()
    {
        var options = Options with { ModeShares = [0, 0, 0, 2, 0, 0], Knots = 60, TimeStep = 10.0 / 60 };
        Assert.All(ExpertGenerator.Generate(new SwapExpert(options), 3, seed: 1, threads: 1).Demonstrations.Modes!, mode => Assert.Equal(4, mode));
    }

    [Theory]
    [InlineData(ModeLaw.Places)]
    [InlineData(ModeLaw.Starts)]
    public void Modes_follow_places_or_starts_where_asked(ModeLaw law)
    {
        var options = Options with { ModeLaw = law };
        ExpertDemonstrations made = ExpertGenerator.Generate(new SwapExpert(options), 6, seed: 2, threads: 2);
        for (int i = 0; i < made.Demonstrations.Count; i++)
        {
            double[] starts = [.. made.Demonstrations.Path(i, 0)[..2], .. made.Demonstrations.Path(i, 1)[..2]];
            Assert.Equal(made.Demonstrations.Modes![i], SwapModes.Suggested(starts, law == ModeLaw.Places ? made.Goals.AsSpan(4 * i, 4) : starts));
        }
    }

    [Fact]
    public void Paths_leave_their_starts_and_stop_near_their_goals()
    {
        ExpertDemonstrations made = ExpertGenerator.Generate(Swap, 4, seed: 8, threads: 2);
        DemonstrationSet set = made.Demonstrations;
        for (int i = 0; i < set.Count; i++)
        {
            for (int a = 0; a < 2; a++)
            {
                ReadOnlySpan<double> path = set.Path(i, a);
                int goal = 2 * ((2 * i) + a);
                Assert.InRange(Math.Abs(path[0] - (20 * a)), 0, Options.Spread);
                Assert.InRange(Math.Abs(path[^2] - made.Goals[goal]), 0, 0.5);
                Assert.InRange(Math.Abs(path[^1] - made.Goals[goal + 1]), 0, 0.5);
                int last = (((2 * i) + a + 1) * (set.Steps - 1) * 2) - 2;
                Assert.InRange(set.Controls!.Data[last], 0, Options.Limits.MaxSpeedChange + 1e-6);
            }
        }
    }

    [Fact]
    public void Cancelling_keeps_the_beginning_of_the_set()
    {
        using var stop = new CancellationTokenSource();
        var progress = new Immediately(done =>
        {
            if (done == 2)
            {
                stop.Cancel();
            }
        });
        ExpertDemonstrations kept = ExpertGenerator.Generate(Swap, 10_000, seed: 1, threads: 1, progress, stop.Token);
        ExpertDemonstrations whole = ExpertGenerator.Generate(Swap, 2, seed: 1, threads: 2);
        Assert.Equal(whole.Demonstrations.ContentHash(), kept.Demonstrations.ContentHash());
        Assert.Equal(whole.Demonstrations.Controls!.Data, kept.Demonstrations.Controls!.Data);
        Assert.Equal(whole.Demonstrations.Modes, kept.Demonstrations.Modes);
        Assert.Equal(whole.Goals, kept.Goals);
        Assert.Equal((whole.Redrawn, whole.Iterations, whole.Violation), (kept.Redrawn, kept.Iterations, kept.Violation));
    }

    [Fact]
    public void Cancelling_before_the_first_is_done_keeps_nothing()
        => Assert.ThrowsAny<OperationCanceledException>(() => ExpertGenerator.Generate(Swap, 10_000, seed: 1, threads: 2, null, new CancellationToken(canceled: true)));

    [Fact]
    public void Cancelling_many_threads_keeps_a_set_without_gaps()
    {
        using var stop = new CancellationTokenSource();
        var progress = new Immediately(done =>
        {
            if (done == 6)
            {
                stop.Cancel();
            }
        });
        ExpertDemonstrations kept;
        try
        {
            kept = ExpertGenerator.Generate(Swap, 10_000, seed: 1, threads: 3, progress, stop.Token);
        }
        catch (OperationCanceledException)
        {
            // The first one happened to take longer than the six that were done.
            return;
        }

        Assert.Equal(ExpertGenerator.Generate(Swap, kept.Demonstrations.Count, seed: 1, threads: 2).Demonstrations.ContentHash(), kept.Demonstrations.ContentHash());
    }

    [Fact]
    public void Mirroring_the_world_mirrors_the_path()
    {
        double[] starts = [0.3, 0.2, 19.8, -0.4];
        double[] goals = [20.1, -0.6, 0.2, 0.5];
        var expert = new SwapExpert(Options);
        JointDemonstration above = expert.Solve(3, starts, goals, 0)!;
        JointDemonstration below = expert.Solve(4, [0.3, -0.2, 19.8, 0.4], [20.1, 0.6, 0.2, -0.5], 0)!;
        for (int i = 0; i < above.Positions.Length; i += 2)
        {
            Assert.Equal(above.Positions[i], below.Positions[i], 1e-3);
            Assert.Equal(above.Positions[i + 1], -below.Positions[i + 1], 1e-3);
        }
    }

    [Fact]
    public void Three_unicycles_cross_without_discs()
    {
        // The road crossing's shape: no disc, three agents with their own headings, a pair limit that binds.
        var weights = Options.Weights;
        var limits = Options.Limits;
        UnicycleAgent[] agents =
        [
            new(0, 2, -Math.PI / 2, 2, 0, 0, weights, limits),
            new(0.5, -2, Math.PI / 2, 0.5, 2, Math.PI / 2, weights, limits),
            new(-0.25, 0.75, 0, 1.75, 0.75, 0, weights, limits),
        ];
        var problem = new UnicycleProblem { Agents = agents, PairDistance = 0.75 };
        var guess = new double[3 * 100 * 2];
        for (int a = 0; a < 3; a++)
        {
            for (int k = 0; k < 100; k++)
            {
                double along = k / 100.0;
                guess[2 * ((a * 100) + k)] = agents[a].StartX + (along * (agents[a].GoalX - agents[a].StartX)) + (0.3 * (a - 1) * Math.Sin(Math.PI * along));
                guess[(2 * ((a * 100) + k)) + 1] = agents[a].StartY + (along * (agents[a].GoalY - agents[a].StartY));
            }
        }

        UnicycleSolution solution = UnicycleSolver.Solve(problem, guess);
        Assert.True(solution.Converged, $"residual {solution.Residual} after {solution.Iterations} steps");
        Assert.InRange(solution.Violation, 0, 1e-6);
        double least = double.PositiveInfinity;
        for (int a = 0; a < 3; a++)
        {
            for (int b = a + 1; b < 3; b++)
            {
                for (int k = 0; k < 100; k++)
                {
                    int p = 2 * ((a * 100) + k);
                    int q = 2 * ((b * 100) + k);
                    double dx = solution.Positions[p] - solution.Positions[q];
                    double dy = solution.Positions[p + 1] - solution.Positions[q + 1];
                    least = Math.Min(least, Math.Sqrt((dx * dx) + (dy * dy)));
                }
            }
        }

        Assert.Equal(0.75, least, 1e-4);
    }

    [Theory]
    [InlineData(1, 1.0, -1.0)]
    [InlineData(2, -1.0, 1.0)]
    [InlineData(3, 6.0, 1.0)]
    [InlineData(4, -6.0, 1.0)]
    [InlineData(5, 6.0, 6.0)]
    [InlineData(6, 6.0, -6.0)]
    public void The_published_rule_is_kept(int mode, double y1, double y2)
    {
        double[] path1 = [0, 0, 10, y1, 20, 0];
        double[] path2 = [20, 0, 10, y2, 0, 0];
        Assert.Equal(mode, SwapModes.Published(path1, path2));
    }

    [Fact]
    public void Swapping_the_agents_roles_swaps_the_modes() =>
        Prop.ForAll<int>(ArbMap.Default.ArbFor<int>(), seed =>
        {
            var random = new CounterRandom((ulong)(uint)seed, RandomPurpose.Starts);
            double[] starts = new double[4];
            double[] goals = new double[4];
            for (int i = 0; i < 4; i++)
            {
                (starts[i], goals[i]) = (random.NextUniform(-1, 1), random.NextUniform(-1, 1));
            }

            int[] swapped = [2, 1, 5, 6, 3, 4];
            int mode = SwapModes.Suggested(starts, goals);
            return SwapModes.Suggested([.. starts[2..], .. starts[..2]], [.. goals[2..], .. goals[..2]]) == swapped[mode - 1];
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Options_that_make_no_sense_are_refused()
    {
        Assert.Throws<ArgumentException>(() => (Options with { ModeShares = [1, 2] }).Validate());
        Assert.Throws<ArgumentException>(() => (Options with { MaxAbsY = 3 }).Validate());
        Assert.Throws<ArgumentException>(() => new SwapExpert(Options).Solve(1, [0, 0], [0, 0], 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SwapExpert(Options).Solve(7, [0, 0, 20, 0], [20, 0, 0, 0], 0));
    }

    private sealed class Immediately(Action<int> tell) : IProgress<int>
    {
        public void Report(int value) => tell(value);
    }
}
