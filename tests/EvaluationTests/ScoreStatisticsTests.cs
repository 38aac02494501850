using MimicD.Evaluation;
using MimicD.Numerics;

namespace MimicD.EvaluationTests;

public sealed class ScoreStatisticsTests
{
    [Fact]
    public void Interquartile_mean_leaves_out_the_outer_quarters()
    {
        Assert.Equal(5.5, Aggregates.InterquartileMean(new ScoreTable(2, 4, [1, 8, 3, 4, 5, 6, 7, 200])), 12);
        // Of ten, int(2.5) = 2 on each side.
        Assert.Equal((3 + 4 + 5 + 6 + 7 + 8) / 6.0, Aggregates.InterquartileMean(new ScoreTable(5, 2, [10, 2, 3, 4, 5, 6, 7, 8, 9, -50])), 12);
        Assert.Equal(2, Aggregates.InterquartileMean(new ScoreTable(3, 1, [1, 2, 3])), 12);
    }

    [Fact]
    public void Mean_median_and_gap_are_those_of_the_task_means()
    {
        // Task means 0.5, 1, 3.
        var scores = new ScoreTable(2, 3, [0.25, 0.5, 2, 0.75, 1.5, 4]);

        Assert.Equal(1.5, Aggregates.Mean(scores), 12);
        Assert.Equal(1, Aggregates.Median(scores), 12);
        Assert.Equal(1 - (0.25 + 0.5 + 1 + 0.75 + 1 + 1) / 6, Aggregates.OptimalityGap(scores), 12);
        Assert.Equal(0.75, Aggregates.Median(new ScoreTable(1, 2, [0.5, 1])), 12);
    }

    [Fact]
    public void Probability_of_improvement_counts_pairs_and_halves_ties()
    {
        var first = new ScoreTable(2, 2, [1, 5, 3, 5]);
        var second = new ScoreTable(3, 2, [0, 5, 1, 5, 9, 5]);

        // Task 1: 1 beats 0 and ties 1; 3 beats 0 and 1: (1 + 0.5 + 2) / 6. Task 2: all tie.
        Assert.Equal((3.5 / 6 + 0.5) / 2, Aggregates.ProbabilityOfImprovement(first, second), 12);
        Assert.Throws<ArgumentException>(() => Aggregates.ProbabilityOfImprovement(first, new ScoreTable(1, 1, [0])));
    }

    [Fact]
    public void Profiles_count_what_lies_strictly_above()
    {
        // Task means 2 and 3.
        var scores = new ScoreTable(2, 2, [1, 2, 3, 4]);

        Assert.Equal([1, 0.75, 0.25, 0], PerformanceProfile.RunScores(scores, [0, 1, 3, 4]));
        Assert.Equal([1, 0.5, 0], PerformanceProfile.AverageScores(scores, [1.5, 2.5, 3.5]));
    }

    [Fact]
    public void Profiles_fall_improvement_mirrors_and_the_gap_is_never_negative() => Property.Holds(random =>
    {
        ScoreTable Table(int runs, int tasks)
        {
            var values = new double[runs * tasks];
            for (var i = 0; i < values.Length; i++)
            {
                values[i] = random.NextInt32(9) / 8.0;
            }

            return new ScoreTable(runs, tasks, values);
        }

        var tasks = 1 + random.NextInt32(4);
        var (first, second) = (Table(1 + random.NextInt32(6), tasks), Table(1 + random.NextInt32(6), tasks));
        var profile = PerformanceProfile.RunScores(first, [-0.1, 0.2, 0.4, 0.6, 1]);
        return Math.Abs(Aggregates.ProbabilityOfImprovement(first, second) + Aggregates.ProbabilityOfImprovement(second, first) - 1) < 1e-12
            && profile[0] == 1 && profile[^1] == 0 && profile.Zip(profile.Skip(1), (x, y) => x >= y).All(holds => holds)
            && Aggregates.OptimalityGap(first) >= 0
            && Aggregates.InterquartileMean(first) is >= 0 and <= 1;
    });

    [Fact]
    public void A_replicate_can_be_drawn_alone_and_stays_within_its_task()
    {
        var resampling = new Resampling { Seed = 3, ResampleTasks = true };
        var draw = resampling.Draw(17, runs: 4, tasks: 3);
        var scores = new ScoreTable(4, 3, [.. Enumerable.Range(0, 12).Select(i => (double)i)]);
        var taken = scores.Take(draw);

        Assert.Equal(resampling.Draw(17, 4, 3).Runs, draw.Runs);
        Assert.NotEqual(resampling.Draw(18, 4, 3).Runs, draw.Runs);
        Assert.NotEqual(resampling.Draw(17, 4, 3, sample: 1).Runs, draw.Runs);
        Assert.Equal(resampling.Indices(17, 2, 4), Enumerable.Range(0, 4).Select(run => draw.Runs[run * 3 + 2]));
        Assert.Equal(resampling.Indices(17, Resampling.OverStrata, 3), draw.Tasks!);
        for (var run = 0; run < 4; run++)
        {
            for (var task = 0; task < 3; task++)
            {
                Assert.Equal(draw.Runs[run * 3 + task] * 3 + draw.Tasks![task], taken[run, task]);
            }
        }

        Assert.Null(new Resampling().Draw(0, 4, 3).Tasks);
        Assert.Throws<ArgumentException>(() => scores.Take(new Resample(new int[4], null)));
    }

    [Fact]
    public void Interval_of_the_mean_equals_a_written_out_bootstrap()
    {
        var scores = new ScoreTable(3, 2, [0.1, 0.9, 0.4, 0.6, 0.7, 0.2]);
        var resampling = new Resampling { Replicates = 41, Seed = 9 };
        var replicates = new List<double>();
        for (var r = 0; r < 41; r++)
        {
            var sum = 0.0;
            for (var task = 0; task < 2; task++)
            {
                var random = new CounterRandom(9, RandomPurpose.Resampling, r, task, 0);
                for (var draw = 0; draw < 3; draw++)
                {
                    sum += scores[random.NextInt32(3), task];
                }
            }

            replicates.Add(sum / 6);
        }

        replicates.Sort();
        var interval = resampling.Interval(scores, Aggregates.Mean);

        // 2.5 % of the way from the first of 41 to the last is the second.
        Assert.Equal(2.9 / 6, interval.Value, 12);
        Assert.Equal(replicates[1], interval.Low, 12);
        Assert.Equal(replicates[39], interval.High, 12);
    }

    [Fact]
    public void Scores_that_are_no_numbers_and_shapes_that_do_not_fit_are_refused()
    {
        Assert.Throws<ArgumentException>(() => new ScoreTable(2, 2, [1, 2, 3]));
        Assert.Contains("run 1 on task 0", Assert.Throws<ArgumentException>(() => new ScoreTable(2, 2, [1, 2, double.NaN, 3])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => new Resampling { Replicates = 0 });
        Assert.Throws<ArgumentException>(() => new Resampling { ResampleTasks = true }.Interval(new ScoreTable(1, 1, [0]), new ScoreTable(1, 1, [0]), Aggregates.ProbabilityOfImprovement));
    }

    [Fact]
    public void Mode_shares_that_differ_are_told_apart_and_equal_ones_are_not()
    {
        int[] first = [.. Enumerable.Repeat(1, 30).Concat(Enumerable.Repeat(2, 10))];
        int[] second = [.. Enumerable.Repeat(1, 12).Concat(Enumerable.Repeat(2, 38))];
        var resampling = new Resampling { Replicates = 999 };

        var different = ModeShareComparison.Of(first, second, 2, resampling);
        var same = ModeShareComparison.Of(first, first, 2, resampling);

        Assert.Equal(0.75 - 0.24, different.TotalVariation.Value, 12);
        Assert.True(different.TotalVariation.Low is > 0.2 and < 0.51 && different.TotalVariation.High is > 0.51 and < 0.8);
        // None of 999 permutations is as far apart: the smallest p-value there is.
        Assert.Equal(0.001, different.PValue, 12);
        Assert.Equal((0.0, 1.0), (same.TotalVariation.Value, same.PValue));
    }

    [Fact]
    public void Permutation_p_value_comes_near_the_exact_one()
    {
        // Three and three: of the 20 ways to choose the first sample's labels, 2 are as far apart as all of one mode against all of the other.
        var p = ModeShareComparison.Of([1, 1, 1], [2, 2, 2], 2, new Resampling { Replicates = 4000 }).PValue;

        Assert.InRange(p, 0.1 - 0.02, 0.1 + 0.02);
    }
}
