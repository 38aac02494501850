using System.IO.Compression;
using System.Text;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.EvaluationTests;

public class QuantitiesTests
{
    private static readonly Scenario Scene = Scenario.Parse("""
        {
          "name": "test", "timeStep": 0.5, "steps": 5,
          "bodies": [ { "start": [0, 0], "goal": [20, 0] }, { "start": [20, 0], "goal": [0, 0] } ],
          "obstacles": [ { "centre": [10, 0], "radius": 4.0 } ],
          "goalTolerance": 2.0,
          "collision": {
            "limits": [ { "name": "contact", "pair": 2.25, "obstacle": 3.9 }, { "name": "wide", "pair": 3 } ],
            "contact": "contact", "experts": { "name": "experts", "pair": 3.0, "obstacle": 4.0 }
          },
          "contested": { "slot": "obstacleSide", "obstacle": 0, "axis": 0, "at": 10 },
          "modes": "swap",
          "dynamics": { "kind": "kinematic" }
        }
        """, "test");

    private static PathSet Random(int episodes, int agents, int times, ulong seed)
    {
        var random = new CounterRandom(seed, RandomPurpose.Resampling);
        var positions = new double[episodes * agents * times * 2];
        for (var i = 0; i < positions.Length; i++)
        {
            positions[i] = random.NextNormal();
        }

        return new PathSet(positions, episodes, agents, times, 2);
    }

    // Two agents that stay at heights, one pair of heights an episode.
    private static PathSet Heights(params (double First, double Second)[] episodes)
        => new([.. episodes.SelectMany(e => new[] { 0, e.First, 1, e.First, 0, e.Second, 1, e.Second })], episodes.Length, 2, 2, 2);

    [Fact]
    public void A_collision_curve_counts_what_is_below_each_threshold()
    {
        var curve = CollisionCurve.Of([3, 1, 2, 2], [5, 2, 1, 2.0001, 2]);

        Assert.Equal([1, 2, 2.0001, 5], curve.Thresholds);
        Assert.Equal([0, 1, 3, 4], curve.Below);
        Assert.Equal(Intervals.Wilson(3, 4), curve.Rate(2));
        Assert.Equal(Math.Sqrt(Math.Log(40) / 8), curve.Band, 12);
    }

    [Fact]
    public void Collision_curves_agree_with_the_limits_they_pass_through()
    {
        const ulong seed = 5;
        var random = new CounterRandom(seed, RandomPurpose.Resampling);
        var paths = new PathSet([.. Enumerable.Range(0, 200 * 2 * 3).SelectMany(_ => new[] { random.NextUniform(0, 20), random.NextUniform(2, 6) })], 200, 2, 3, 2);
        var outcomes = Outcomes.Compute(Scene, paths, new double[200 * 4]);
        var curves = CollisionCurves.Of(Scene, outcomes);

        var wide = Array.IndexOf(curves.Pair!.Thresholds, 3.0);
        Assert.Equal(outcomes.Collided(Scene.Collision.Limits[1]).Count(c => c), curves.Pair.Below[wide]);
        for (var i = 0; i < curves.Clearance.Thresholds.Length; i++)
        {
            var (pair, obstacle) = (3 + curves.Clearance.Thresholds[i], 4 + curves.Clearance.Thresholds[i]);
            var expected = Enumerable.Range(0, 200).Count(e => outcomes.MinimumPair[e] - 3 < pair - 3 || outcomes.MinimumObstacle[0][e] - 4 < obstacle - 4);
            Assert.True(expected == curves.Clearance.Below[i], $"seed {seed}, clearance {curves.Clearance.Thresholds[i]}: expected {expected}, found {curves.Clearance.Below[i]}");
        }
    }

    [Fact]
    public void Entropy_is_zero_for_one_mode_and_its_largest_for_all_alike()
    {
        Assert.Equal(0, ModeShares.Entropy([0, 1, 0]));
        Assert.Equal(Math.Log(4), ModeShares.Entropy([0.25, 0.25, 0.25, 0.25]), 12);
        Assert.Equal(-Math.Log(2), ModeShares.EntropyGap([1, 0], [0.5, 0.5]), 12);
    }

    [Fact]
    public void The_entropy_floor_falls_with_the_sample_and_is_zero_for_one_mode()
    {
        double[] experts = [0.24, 0.33, 0.10, 0.07, 0.12, 0.14];
        var (few, many) = (ModeShares.ResamplingFloors(experts, 100, 100), ModeShares.ResamplingFloors(experts, 1000, 1000));

        Assert.True(many.EntropyGap < few.EntropyGap);
        Assert.Equal(ModeShares.ResamplingFloor(experts, 100, 100), few.TotalVariation);
        Assert.Equal(0, ModeShares.ResamplingFloors([1], 10, 10).EntropyGap, 12);
        // To first order the estimate's variance is Var(ln p) / n (Basharin 1959).
        var h = ModeShares.Entropy(experts);
        var deviation = Math.Sqrt(experts.Sum(p => p * Math.Log(p) * Math.Log(p)) - h * h) * Math.Sqrt(2.0 / 1000);
        Assert.InRange(many.EntropyGap, 0.9 * 1.96 * deviation, 1.1 * 1.96 * deviation);
    }

    [Fact]
    public void Joint_transport_sees_how_paths_belong_together_and_agents_alone_do_not()
    {
        var demonstrations = Heights((1, 1), (-1, -1));
        var rollouts = Heights((1, -1), (-1, 1));

        Assert.Equal(2, JointTransport.Distance(rollouts, demonstrations), 12);
        var figures = JointTransport.Compare(rollouts, demonstrations);
        Assert.Equal(2, figures.Joint.Value, 12);
        Assert.Equal([0.0, 0.0], figures.PerAgent.Select(a => a.Value));
        Assert.Equal((1, 2, 2), (figures.Blocks, figures.Rows, figures.Columns));
        // Halves of one each: they differ by 2 in both coordinates.
        Assert.Equal(Math.Sqrt(8), figures.Floor!.Mean, 12);
        Assert.Equal(2 / Math.Sqrt(8), figures.RatioToFloor!.Value, 12);
    }

    [Fact]
    public void The_cost_of_joint_paths_is_one_leash_in_the_space_of_all_coordinates()
    {
        // Agent 1 is 3 away, agent 2 is 4 away: 5 together, 3 and 4 alone.
        var (a, b) = (Heights((0, 0)), Heights((3, 4)));

        Assert.Equal(5, JointTransport.Costs(a, b)[0], 12);
        Assert.Equal(3, JointTransport.Costs(a, b, 0)[0], 12);
        Assert.Equal(4, JointTransport.Costs(a, b, 1)[0], 12);
    }

    [Fact]
    public void Joint_costs_equal_those_of_stacked_paths()
    {
        var (a, b) = (Random(3, 3, 7, 1), Random(2, 3, 9, 2));
        var costs = JointTransport.Costs(a, b);
        for (var i = 0; i < 3; i++)
        {
            for (var j = 0; j < 2; j++)
            {
                Assert.Equal(DiscreteFrechet.Joint(a.Positions.AsSpan(i * 42, 42), b.Positions.AsSpan(j * 54, 54), 3), costs[i * 2 + j]);
            }
        }
    }

    [Fact]
    public void Sets_of_different_sizes_weigh_the_same()
        => Assert.Equal((2.0 + 0 + 0) / 3, JointTransport.Distance(Heights((0, 0), (0, 0), (2, 0)), Heights((0, 0))), 12);

    [Fact]
    public void Blocks_and_floors_are_a_function_of_paths_and_seed()
    {
        var (rollouts, demonstrations) = (Random(250, 2, 3, 1), Random(41, 2, 3, 2));
        var figures = JointTransport.Compare(rollouts, demonstrations, 7);

        Assert.Equal((2, 100, 41), (figures.Blocks, figures.Rows, figures.Columns));
        Assert.Equal((20, 20, JointTransport.Splits), (figures.Floor!.Rows, figures.Floor.Columns, figures.Floor.Splits));
        Assert.True(figures.Floor.Point95 >= figures.Floor.Mean);
        Assert.Equal(StrictJson.Format(figures), StrictJson.Format(JointTransport.Compare(rollouts, demonstrations, 7)));
        Assert.NotEqual(figures.Floor.Mean, JointTransport.Compare(rollouts, demonstrations, 8).Floor!.Mean);
        // Of the same law: as near to the demonstrations as those are to themselves.
        Assert.InRange(figures.RatioToFloor!.Value, 0.9, 1.1);
        var blocks = Enumerable.Range(0, 2).Select(b => JointTransport.Distance(rollouts with { Episodes = 100, Positions = rollouts.Positions[(b * 1200)..((b + 1) * 1200)] }, demonstrations));
        Assert.Equal(blocks.Average(), figures.Joint.Value, 9);
    }

    [Fact]
    public void Many_demonstrations_are_sampled_to_blocks()
    {
        var figures = JointTransport.Compare(Random(30, 2, 2, 1), Random(500, 2, 2, 2));

        Assert.Equal((1, 30, 100), (figures.Blocks, figures.Rows, figures.Columns));
        Assert.Equal((30, 100), (figures.Floor!.Rows, figures.Floor.Columns));
    }

    [Fact]
    public void One_demonstration_has_no_halves()
        => Assert.Null(JointTransport.Compare(Heights((1, 1)), Heights((0, 0))).Floor);

    [Fact]
    public void Commitment_is_the_last_change_of_mode_before_the_closest_approach()
    {
        // x closes in until tick 4; from tick 1 the agents are on sides, at tick 3 they swap them, at tick 5 again.
        static double[] Episode(params double[] heights)
            => [.. heights.SelectMany((y, t) => new[] { t <= 4 ? t : t + 5.0, y }), .. heights.SelectMany((y, t) => new[] { 10.0 - t, -y })];

        var scene = Scene.WithSteps(6);
        var paths = new PathSet([.. Episode(0, 2, 2, -2, -2, 2), .. Episode(0, 2, 2, 2, 2, 2), .. Episode(0, 0, 0, 0, 0, 0), .. Episode(2, -2, 2, -2, -2, -2)], 4, 2, 6, 2);
        var (shares, switches) = Commitment.Compute(scene, paths);

        Assert.Equal([0.75, 0, double.NaN, 0.75], shares);
        Assert.Equal([1, 0, 0, 3], switches);
    }

    [Fact]
    public void Path_length_is_the_sum_of_steps_and_time_to_goal_the_last_arrival_that_stays()
    {
        // Agent 1 arrives at tick 1, leaves, and is back from tick 3; agent 2 is there from tick 2.
        var paths = new PathSet([0, 0, 5, 0, 9, 0, 5, 0, 5, 0, 0, 0, 0, 4, 3, 4, 3, 4, 3, 4], 1, 2, 5, 2);

        Assert.Equal([(5 + 4 + 4 + 4 + 3) / 2.0], Efficiency.PathLength(paths));
        Assert.Equal([(3 + 2) * 0.5 / 2], Efficiency.TimeToGoal(paths, [5, 0, 3, 4], 1, 0.5));
        Assert.Equal([0.0], Efficiency.TimeToGoal(paths, [5, 0, 3, 4], 100, 0.5));
        Assert.True(double.IsNaN(Efficiency.TimeToGoal(paths, [5, 0, 9, 4], 1, 0.5)[0]));
    }

    [Fact]
    public void The_best_sample_of_each_agent_is_not_the_best_joint_sample()
    {
        // One coordinate pair a point, two times. Sample 1 is right about agent 1, sample 2 about agent 2; elsewhere they are off by 1, then 3.
        double[] truth = [0, 0, 0, 0, 5, 5, 5, 5];
        double[] samples = [0, 0, 0, 0, 5, 6, 5, 8, 1, 0, 3, 0, 5, 5, 5, 5];

        Assert.Equal(new DisplacementErrors(0, 0, 1, 1.5), Displacement.Of(samples, truth, 2, 2, 2));
        Assert.Equal(new DisplacementErrors(1, 1.5, 1, 1.5), Displacement.Of(samples.AsSpan(0, 8), truth, 2, 2, 2));
        Assert.Throws<ArgumentException>(() => Displacement.Of(samples.AsSpan(0, 7), truth, 2, 2, 2));
    }

    [Fact]
    public void Rollouts_are_compared_with_the_demonstration_whose_start_they_share()
    {
        var demonstrations = new PathSet([0, 0, 1, 0, 7, 7, 7, 8], 2, 1, 2, 2);
        // Starts 1, 0, 0: one sample each, so the third is left out although it is the better one.
        var rollouts = new PathSet([7, 7.0000001, 7, 6, 0, 0, 1, 3, 0, 0, 1, 0], 3, 1, 2, 2);
        var figures = Displacement.FromStarts(rollouts, demonstrations)!;

        Assert.Equal((2, 1), (figures.Demonstrations, figures.Samples));
        Assert.Equal(2.5, figures.MinAde.Value, 12);
        Assert.Equal(2.5, figures.MinJointFde.Value, 12);
        Assert.Null(Displacement.FromStarts(rollouts with { Positions = [.. rollouts.Positions[..4], 0.1, .. rollouts.Positions[5..]] }, demonstrations));
    }

    [Fact]
    public void Outcomes_read_from_a_file_give_the_same_figures()
    {
        var paths = Random(20, 2, 5, 3) with { Positions = [.. Random(20, 2, 5, 3).Positions.Select(p => 5 * p)] };
        var goals = new double[80];
        Array.Fill(goals, 2);
        var outcomes = Outcomes.Compute(Scene, paths, goals);
        var read = OutcomesFile.Parse(OutcomesFile.Format(outcomes), "test");
        var baseline = new Baseline { Count = 10, ModeShares = [0.5, 0.1, 0.1, 0.1, 0.1, 0.1], Roughness = [0.5, 0.1] };

        Assert.Equal(StrictJson.Format(Figures.Compute(Scene, paths, goals, baseline)), StrictJson.Format(Figures.Compute(Scene, read, baseline)));
        Assert.Equal(OutcomesFile.Format(outcomes), OutcomesFile.Format(read));
    }

    [Fact]
    public void Packed_outcomes_that_are_cut_altered_or_longer_are_refused()
    {
        var file = Path.Combine(Directory.CreateTempSubdirectory("mimicd-outcomes-").FullName, "outcomes.csv.gz");
        try
        {
            var text = OutcomesFile.Format(Outcomes.Compute(Scene, Random(2, 2, 5, 3), new double[8]));
            using (var gzip = new GZipStream(File.Create(file), CompressionLevel.SmallestSize))
            {
                gzip.Write(Encoding.UTF8.GetBytes(text));
            }

            var whole = File.ReadAllBytes(file);
            Assert.Equal(text, OutcomesFile.Format(OutcomesFile.Load(file)));
            byte[] altered = [.. whole];
            altered[^12] ^= 1;
            byte[] sized = [.. whole];
            sized[^2] ^= 1;
            foreach (var bad in new[] { whole[..^1], whole[..^8], whole[..^20], whole[..12], [], [.. whole, 0], [.. whole, .. whole], altered, sized })
            {
                File.WriteAllBytes(file, bad);
                Assert.StartsWith(file + ": ", Assert.Throws<InvalidInputException>(() => OutcomesFile.Load(file)).Message, StringComparison.Ordinal);
            }
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
        }
    }

    [Fact]
    public void A_flipped_bit_of_recorded_paths_is_refused_also_where_it_would_leave_the_goals_out()
    {
        var folder = Directory.CreateTempSubdirectory("mimicd-rollouts-").FullName;
        try
        {
            var file = Path.Combine(folder, RolloutFile.Name);
            new NpzWriter().Add<long>("positions", new long[3 * 2 * 4 * 2], 3, 2, 4, 2).Add<long>("goals", new long[3 * 2 * 2], 3, 2, 2).Save(file);
            Assert.All(RolloutFile.Load(folder, Scene).Goals, goal => Assert.Equal(0, goal));

            var whole = File.ReadAllBytes(file);
            byte[] flipped = [.. whole];
            flipped[whole.AsSpan().IndexOf("positions.npy"u8) + 60] ^= 1;
            byte[] renamed = [.. whole];
            renamed[whole.AsSpan().LastIndexOf("goals.npy"u8)] ^= 1;
            foreach (var bad in new[] { flipped, renamed })
            {
                File.WriteAllBytes(file, bad);
                Assert.StartsWith(file + ": ", Assert.Throws<InvalidDataException>(() => RolloutFile.Load(folder, Scene)).Message, StringComparison.Ordinal);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Outcomes_that_are_damaged_are_refused()
    {
        var good = OutcomesFile.Format(Outcomes.Compute(Scene, Random(2, 2, 5, 3), new double[8]));
        string Refusal(string text) => Assert.Throws<InvalidInputException>(() => OutcomesFile.Parse(text, "o.csv")).Message;

        Assert.StartsWith("o.csv: expected a column finalToGoal", Refusal(good.Replace("finalToGoal", "final", StringComparison.Ordinal)), StringComparison.Ordinal);
        // Files from before there was such a column are read all the same.
        Assert.Null(OutcomesFile.Parse(good.Replace("agentSuccess", "other", StringComparison.Ordinal), "o.csv").AgentSuccess);
        Assert.StartsWith("o.csv: line 4: expected", Refusal(good + "1,2\n"), StringComparison.Ordinal);
        Assert.StartsWith("o.csv: expected a line of names", Refusal(""), StringComparison.Ordinal);
        Assert.StartsWith("o.csv: line 2, agents", Refusal(good.Replace("\n0,2,", "\n0,two,", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Fact]
    public void The_demonstrations_compared_with_themselves_are_at_no_distance()
    {
        var paths = Random(12, 2, 5, 9);
        var baseline = Baseline.Of(Scene, paths);
        var figures = Figures.Compute(Scene, paths, new double[48], baseline);

        Assert.Equal(0, figures.Transport!.Joint.Value, 12);
        Assert.Equal(1, figures.PathLengthRatio!.Value.Value, 12);
        Assert.Equal(0, figures.Modes!.EntropyGap!.Value, 12);
        Assert.Equal((12, 1, 0.0), (figures.Displacement!.Demonstrations, figures.Displacement.Samples, figures.Displacement.MinJointAde.Value));
    }
}
