using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.EvaluationTests;

public class MetricsTests
{
    /// <summary>One episode from the paths of its agents.</summary>
    private static PathSet Episode(params (double X, double Y)[][] agents)
        => new([.. agents.SelectMany(a => a).SelectMany(p => new[] { p.X, p.Y })], 1, agents.Length, agents[0].Length, 2);

    [Fact]
    public void Minimum_pair_distance_is_read_at_equal_times()
    {
        // The two paths cross, but at different times.
        var paths = Episode([(0, 0), (3, 0), (6, 0)], [(3, 4), (3, 3), (3, 0)]);

        Assert.Equal([3.0], Distances.MinimumPair(paths));
    }

    [Fact]
    public void Minimum_pair_distance_of_one_agent_is_infinite()
        => Assert.Equal([double.PositiveInfinity], Distances.MinimumPair(Episode([(0, 0), (1, 0)])));

    [Fact]
    public void The_swept_minimum_is_the_minimum_over_all_pairs()
    {
        const ulong seed = 20261122;
        var random = new CounterRandom(seed, RandomPurpose.Resampling);
        var positions = new double[5 * 40 * 3 * 2];
        for (var i = 0; i < positions.Length; i++)
        {
            // Some on a coarse grid, so that ties along x occur.
            positions[i] = random.NextDouble() < 0.5 ? random.NextInt32(12) : random.NextUniform(0, 12);
        }

        var paths = new PathSet(positions, 5, 40, 3, 2);
        var swept = Distances.MinimumPair(paths);
        for (var e = 0; e < 5; e++)
        {
            var best = double.PositiveInfinity;
            for (var t = 0; t < 3; t++)
            {
                for (var i = 0; i < 40; i++)
                {
                    for (var j = 0; j < i; j++)
                    {
                        best = Math.Min(best, PathSet.Distance(paths.At(e, i, t), paths.At(e, j, t)));
                    }
                }
            }

            Assert.True(best == swept[e], $"seed {seed}, episode {e}: expected {best}, found {swept[e]}");
        }
    }

    [Fact]
    public void Those_who_touch_are_those_with_another_within_the_distance()
    {
        const ulong seed = 20261123;
        var random = new CounterRandom(seed, RandomPurpose.Resampling);
        var positions = new double[4 * 30 * 2 * 2];
        for (var i = 0; i < positions.Length; i++)
        {
            // Some on a coarse grid, so that distances equal to the limit occur, which is no touch.
            positions[i] = random.NextDouble() < 0.5 ? random.NextInt32(10) : random.NextUniform(0, 10);
        }

        var paths = new PathSet(positions, 4, 30, 2, 2);
        var found = Distances.Touched(paths, 1);
        Assert.Contains(true, found);
        Assert.Contains(false, found);
        for (var e = 0; e < 4; e++)
        {
            for (var i = 0; i < 30; i++)
            {
                var near = Enumerable.Range(0, 2).Any(t => Enumerable.Range(0, 30).Any(j => j != i && PathSet.Distance(paths.At(e, i, t), paths.At(e, j, t)) < 1));
                Assert.True(near == found[e * 30 + i], $"seed {seed}, episode {e}, agent {i}: expected {near}");
            }
        }
    }

    [Fact]
    public void The_closest_approach_is_the_first_one_of_the_sorted_tick_whatever_the_ticks_before()
    {
        const ulong seed = 20261201;
        var random = new CounterRandom(seed, RandomPurpose.Resampling);
        for (var round = 0; round < 40; round++)
        {
            // Walks that cross each other, jumps now and then, and a grid, so that there are ties; more ticks than are turned over together.
            var (agents, times) = (2 + random.NextInt32(12), 30 + random.NextInt32(60));
            var positions = new double[agents * times * 2];
            for (var i = 0; i < positions.Length; i++)
            {
                positions[i] = i % (times * 2) < 2 || random.NextDouble() < 0.02 ? random.NextInt32(40) : positions[i - 2] + random.NextInt32(3) - 1;
            }

            var paths = new PathSet(positions, 1, agents, times, 2);
            Assert.True(Sorted(paths) == Distances.ClosestApproach(paths, 0), $"seed {seed}, round {round}");
            var touched = Enumerable.Range(0, agents).Select(i => Enumerable.Range(0, times).Any(t => Enumerable.Range(0, agents).Any(j => j != i && PathSet.Distance(paths.At(0, i, t), paths.At(0, j, t)) < 2))).ToArray();
            Assert.True(touched.AsSpan().SequenceEqual(Distances.Touched(paths, 2)), $"seed {seed}, round {round}");
        }

        static (double Distance, int Time, int First, int Second) Sorted(PathSet paths)
        {
            var best = (Distance: double.PositiveInfinity, Time: 0, First: 0, Second: 0);
            for (var t = 0; t < paths.Times; t++)
            {
                var order = Enumerable.Range(0, paths.Agents).ToArray();
                var x = Array.ConvertAll(order, n => paths.At(0, n, t)[0]);
                Array.Sort(x, order);
                for (var i = 0; i < order.Length; i++)
                {
                    for (var j = i + 1; j < order.Length && x[j] - x[i] < best.Distance; j++)
                    {
                        var distance = PathSet.Distance(paths.At(0, order[i], t), paths.At(0, order[j], t));
                        best = distance < best.Distance ? (distance, t, Math.Min(order[i], order[j]), Math.Max(order[i], order[j])) : best;
                    }
                }
            }

            return best;
        }
    }

    [Fact]
    public void Whatever_is_computed_of_paths_gives_up_when_it_is_told_to()
    {
        using var cancel = new CancellationTokenSource();
        cancel.Cancel();
        var scenario = Scenario.Load(Path.Combine(MimicD.Tests.RepositoryRoot.Folder, "scenarios", "ring.json")).WithAgents(4);
        var goals = new double[8];
        Action<PathSet>[] all =
        [
            p => Distances.MinimumPair(p, cancel.Token), p => Distances.Touched(p, 1, cancel.Token), p => Distances.MinimumTo(p, [0, 0], cancel.Token), p => Smoothness.Difference(p, 2, cancel.Token),
            p => Smoothness.LargestStep(p, cancel.Token), p => Efficiency.PathLength(p, cancel.Token), p => Efficiency.TimeToGoal(p, goals, 1, 0.1, cancel.Token), p => Commitment.Compute(scenario, p, cancel.Token),
            p => Outcomes.AgentsWithoutFault(scenario, p, goals, cancel.Token), p => Outcomes.Compute(scenario, p, goals, cancel.Token), p => Figures.Compute(scenario, p, goals, null, 0, cancel.Token),
            p => PictureContent.Of(scenario, p, goals, cancel.Token),
        ];
        foreach (var (i, compute) in all.Index())
        {
            var paths = new PathSet(new double[4 * 50 * 2], 1, 4, 50, 2);
            Assert.True(Record.Exception(() => compute(paths)) is OperationCanceledException, $"number {i} went on");
        }

        // What was given up is computed when it is asked for again.
        var whole = new PathSet(new double[4 * 50 * 2], 1, 4, 50, 2);
        Assert.Throws<OperationCanceledException>(() => Outcomes.Compute(scenario, whole, goals, cancel.Token));
        Assert.Equal([0.0], Outcomes.Compute(scenario, whole, goals).MinimumPair);
        var content = PictureContent.Of(scenario, whole, goals);
        Assert.Throws<OperationCanceledException>(() => TrajectoryPicture.Panels(content, "", cancellationToken: cancel.Token));
        Assert.Throws<OperationCanceledException>(() => TrajectoryPicture.Overlay(content, "", cancellationToken: cancel.Token));
    }

    [Fact]
    public void Outcomes_are_those_of_the_goals_and_of_the_scenario_that_are_asked_for()
    {
        var scenario = Scenario.Load(Path.Combine(MimicD.Tests.RepositoryRoot.Folder, "scenarios", "ring.json")).WithAgents(2);
        var paths = Episode([(0, 0), (1, 0)], [(5, 0), (4, 0)]);
        double[] goals = [1, 0, 4, 0];
        var first = Outcomes.Compute(scenario, paths, goals);
        Assert.Same(first, Outcomes.Compute(scenario, paths, goals));
        goals[0] = 3;
        Assert.Equal((0, 2), (first.FinalToGoal[0], Outcomes.Compute(scenario, paths, goals).FinalToGoal[0]));
        Assert.Equal(0, Outcomes.Compute(scenario with { GoalTolerance = 9 }, paths, goals).TimeToGoal[0]);
    }

    [Fact]
    public void Obstacle_distance_is_to_the_centre_and_over_all_agents()
        => Assert.Equal([1.0], Distances.MinimumTo(Episode([(0, 0), (10, 5)], [(20, 0), (10, -1)]), [10, 0]));

    [Fact]
    public void The_farthest_agent_decides_the_distance_to_the_goal()
        => Assert.Equal([2.0], Distances.FinalToGoal(Episode([(0, 0), (9, 0)], [(5, 5), (5, 7)]), [9, 1, 5, 5]));

    [Fact]
    public void A_straight_even_path_has_no_roughness_and_a_zigzag_has_its_own()
    {
        var straight = Episode([(0, 0), (1, 2), (2, 4), (3, 6)]);
        Assert.Equal([0.0], Smoothness.Difference(straight, 2));
        Assert.Equal([0.0], Smoothness.Difference(straight, 3));

        var zigzag = Episode([(0, 0), (1, 1), (2, 0), (3, 1)]);
        Assert.Equal([2.0], Smoothness.Difference(zigzag, 2));
        Assert.Equal([4.0], Smoothness.Difference(zigzag, 3));
        Assert.Equal(Math.Sqrt(2), Smoothness.LargestStep(zigzag)[0], 12);
    }

    [Fact]
    public void Third_difference_of_a_cubic_is_six()
        => Assert.Equal([6.0], Smoothness.Difference(Episode([(0, 0), (1, 0), (8, 0), (27, 0), (64, 0)]), 3));

    [Fact]
    public void Contested_means_the_same_side_at_the_step_nearest_the_middle()
    {
        var spec = new ContestedSpec { Slot = SlotKind.ObstacleSide, Axis = 0, At = 10 };
        Assert.Equal([true], Contest.SameSide(Episode([(0, 0), (9, 5), (20, 0)], [(20, 0), (11, 6), (0, 0)]), spec, [10, 0]));
        Assert.Equal([false], Contest.SameSide(Episode([(0, 0), (9, 5), (20, 0)], [(20, 0), (11, -6), (0, 0)]), spec, [10, 0]));
        // Agent 2 is above early on, but below where it passes the middle.
        Assert.Equal([false], Contest.SameSide(Episode([(0, 0), (9, 5), (20, 0)], [(14, 6), (10.5, -1), (0, 3)]), spec, [10, 0]));
    }

    [Fact]
    public void Shares_and_their_total_variation()
    {
        var shares = ModeShares.Of([1, 1, 2, 4], 4);

        Assert.Equal([0.5, 0.25, 0, 0.25], shares);
        Assert.Equal(0.5, ModeShares.TotalVariation(shares, [0, 0.25, 0.5, 0.25]), 12);
        Assert.Equal(0, ModeShares.TotalVariation(shares, shares), 12);
        Assert.Equal(1, ModeShares.TotalVariation([1, 0], [0, 1]), 12);
    }

    [Fact]
    public void The_resampling_floor_matches_the_normal_law_for_two_modes()
    {
        // For two modes TV is |p1 - p2|; its 95 % point is 1.96 sqrt(p(1-p)(1/n + 1/m)) for large samples.
        var floor = ModeShares.ResamplingFloor([0.5, 0.5], 1000, 1000);

        Assert.InRange(floor, 0.0400, 0.0480);
        Assert.Equal(floor, ModeShares.ResamplingFloor([0.5, 0.5], 1000, 1000));
    }

    [Fact]
    public void The_resampling_floor_falls_with_the_sample_and_is_zero_for_one_mode()
    {
        double[] experts = [0.24, 0.33, 0.10, 0.07, 0.12, 0.14];

        Assert.True(ModeShares.ResamplingFloor(experts, 1000, 1000) < ModeShares.ResamplingFloor(experts, 100, 100));
        Assert.Equal(0, ModeShares.ResamplingFloor([1], 10, 10), 12);
    }

    [Fact]
    public void Paths_that_are_not_finite_are_refused_with_their_place()
    {
        var e = Assert.Throws<InvalidInputException>(() => PathSet.Create<float>([0, 0, 1, 1, 2, 2, float.NaN, 3], [1, 2, 2, 2], "x.npz"));

        Assert.Equal("x.npz: positions: expected finite numbers, found NaN at episode 0, agent 1, time 1", e.Message);
    }

    [Fact]
    public void Paths_of_a_wrong_shape_are_refused()
        => Assert.Equal("x.npz: positions: expected shape (episodes, agents, times, 2 or 3), found (2, 2)",
            Assert.Throws<InvalidInputException>(() => PathSet.Create<float>([0, 0, 1, 1], [2, 2], "x.npz")).Message);
}
