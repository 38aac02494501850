using MimicD.Evaluation;
using MimicD.Numerics;

namespace MimicD.EvaluationTests;

public sealed class SeedStatisticsTests
{
    [Fact]
    public void Student_interval_is_by_the_table()
    {
        // Mean 3, s^2 = 2.5, and t(0.975, 4) = 2.776445.
        var interval = SeedMeans.Student([1, 2, 3, 4, 5]);

        Assert.Equal(3, interval.Value, 12);
        Assert.Equal(3 + 2.776445 * Math.Sqrt(2.5 / 5), interval.High, 6);
        Assert.Equal(3 - 2.776445 * Math.Sqrt(2.5 / 5), interval.Low, 6);
    }

    [Fact]
    public void Of_one_seed_no_interval_is_known()
    {
        Assert.Equal(new Estimate(2, double.NegativeInfinity, double.PositiveInfinity), SeedMeans.Student([2]));
        var difference = SeedMeans.Welch([2], [1, 2]);
        Assert.Equal(new Estimate(0.5, double.NegativeInfinity, double.PositiveInfinity), difference.Difference);
        Assert.True(double.IsNaN(difference.PValue));
        Assert.True(double.IsNaN(SeedMeans.Student([]).Value));
    }

    [Fact]
    public void Equal_seeds_differ_surely_or_not_at_all()
    {
        Assert.Equal(1, SeedMeans.Welch([1, 1], [1, 1, 1]).PValue);
        Assert.Equal(0, SeedMeans.Welch([1, 1], [2, 2]).PValue);
        Assert.Throws<ArgumentException>(() => SeedMeans.Paired([1, 2], [1]));
    }

    [Fact]
    public void Bootstrap_over_seeds_draws_whole_seeds_and_over_episodes_keeps_them()
    {
        // Two seeds whose episodes do not vary: with the seeds kept nothing is left to vary; with the seeds drawn the mean is 0, 0.5 or 1.
        double[][] values = [[0, 0, 0], [1, 1, 1, 1]];

        Assert.Equal(new Estimate(0.5, 0.5, 0.5), SeedMeans.Bootstrap(values, NestedDraw.Episodes, new Resampling()));
        Assert.Equal(new Estimate(0.5, 0, 1), SeedMeans.Bootstrap(values, NestedDraw.Seeds, new Resampling()));
    }

    [Fact]
    public void Student_covers_with_five_seeds_and_the_bootstrap_falls_short()
    {
        const int Studies = 600;
        const ulong Seed = 1908;
        var (student, bootstrap) = (0, 0);
        for (var study = 0; study < Studies; study++)
        {
            var random = new CounterRandom(Seed, RandomPurpose.Resampling, study);
            double[] values = [.. Enumerable.Range(0, 5).Select(_ => random.NextNormal())];
            student += Covers(SeedMeans.Student(values)) ? 1 : 0;
            bootstrap += Covers(SeedMeans.Bootstrap([.. values.Select(v => new[] { v })], NestedDraw.Seeds, new Resampling { Replicates = 300, Seed = (ulong)study })) ? 1 : 0;
        }

        // Three standard deviations of 600 cases at 95 % are 2.7 points, at 82 % 4.7.
        Assert.True(Math.Abs(student - 0.95 * Studies) <= 0.027 * Studies, $"Student covers {student} of {Studies} studies of seed {Seed}");
        Assert.True(Math.Abs(bootstrap - 0.82 * Studies) <= 0.047 * Studies, $"the bootstrap covers {bootstrap} of {Studies} studies of seed {Seed}");

        static bool Covers(Estimate e) => e.Low <= 0 && 0 <= e.High;
    }

    [Fact]
    public void Bootstrap_over_episodes_has_the_binomial_width()
    {
        double[] half = [.. Enumerable.Range(0, 100).Select(i => i % 2.0)];
        var interval = SeedMeans.Bootstrap([half, half], NestedDraw.Episodes, new Resampling());

        // The standard error of 200 cases at one half is 0.0354.
        Assert.InRange(interval.High - interval.Low, 2 * 1.96 * 0.0354 * 0.9, 2 * 1.96 * 0.0354 * 1.1);
    }

    [Fact]
    public void A_method_is_known_less_well_than_its_models()
    {
        var rates = SeedRates.Of([90, 70, 80], [100, 100, 100]);

        Assert.Equal([0.9, 0.7, 0.8], rates.Rates);
        Assert.Equal(RateIntervals.Wilson(240, 300), rates.Models);
        // s = 0.1 and t(0.975, 2) = 4.302653: as uncertain as 10 cases, 0.8 * 0.2 / (0.01 / 3) = 48 at the price of three seeds.
        var cases = 48 * Math.Pow(1.959963985 / 4.302652730, 2);
        var (middle, half) = (0.8 + 3.841458821 / (2 * cases), 1.959963985 * Math.Sqrt(0.16 / cases + 3.841458821 / (4 * cases * cases)));
        Assert.Equal((middle - half) / (1 + 3.841458821 / cases), rates.Method.Low, 7);
        Assert.Equal((middle + half) / (1 + 3.841458821 / cases), rates.Method.High, 7);
        Assert.Equal(Math.Sqrt(0.01 - (0.09 + 0.21 + 0.16) / 3 / 99), rates.BetweenSeeds, 12);
    }

    [Fact]
    public void Seeds_that_agree_do_not_make_a_rate_certain()
    {
        var rates = SeedRates.Of([100, 100, 100], [100, 100, 100]);

        Assert.Equal(RateIntervals.Wilson(300, 300), rates.Method);
        Assert.Equal(0, rates.BetweenSeeds);
        Assert.True(double.IsNaN(SeedRates.Of([5], [10]).BetweenSeeds));
        Assert.Throws<ArgumentException>(() => SeedRates.Of([1], [1, 2]));
        Assert.Throws<ArgumentException>(() => SeedRates.Of([0], [0]));
    }

    [Fact]
    public void A_rate_that_was_seen_over_seeds_is_neither_impossible_nor_certain()
    {
        // Student's interval of these is cut off at 0 and would call a rate of 0 possible, though it happened.
        var method = SeedRates.Of([56, 62, 561], [1000, 1000, 1000]).Method;

        Assert.True(SeedMeans.Student([0.056, 0.062, 0.561]).Low < 0);
        Assert.InRange(method.Low, 0.01, 0.06);
        Assert.InRange(method.High, 0.6, 0.95);
    }

    [Theory]
    [InlineData(3, 954)]
    [InlineData(5, 947)]
    public void Intervals_of_the_method_cover_as_they_say(int seeds, int covered)
    {
        const int Studies = 1000;
        const int Episodes = 100;
        var found = 0;
        for (var study = 0; study < Studies; study++)
        {
            var random = new CounterRandom(1998, RandomPurpose.Resampling, study);
            var successes = new int[seeds];
            for (var seed = 0; seed < seeds; seed++)
            {
                // A seed's own rate lies anywhere between 0.7 and 1.
                var rate = random.NextUniform(0.7, 1);
                successes[seed] = Enumerable.Range(0, Episodes).Count(_ => random.NextDouble() < rate);
            }

            var method = SeedRates.Of(successes, [.. Enumerable.Repeat(Episodes, seeds)]).Method;
            found += method.Low <= 0.85 && 0.85 <= method.High ? 1 : 0;
        }

        Assert.Equal(covered, found);
    }

    [Fact]
    public void Means_and_shares_over_seeds_are_never_known_better_than_their_episodes_allow() => Property.Holds(random =>
    {
        var seeds = new Estimate[2 + random.NextInt32(5)];
        for (var i = 0; i < seeds.Length; i++)
        {
            var value = random.NextDouble() < 0.3 ? 1 : random.NextDouble();
            seeds[i] = new Estimate(value, value * (0.5 + 0.4 * random.NextDouble()), 1);
        }

        var (mean, share) = (SeedMeans.OfEstimates(seeds).Within(0, 1), SeedRates.OfEstimates(seeds));
        return Inside(mean) && Inside(share)
            && Math.Min(mean.High - mean.Low, share.High - share.Low) > 0;

        static bool Inside(Estimate e) => e.Low >= 0 && e.Low <= e.Value + 1e-12 && e.Value <= e.High + 1e-12 && e.High <= 1;
    });

    [Fact]
    public void Seeds_that_agree_have_the_uncertainty_of_their_episodes()
    {
        var (share, mean) = (SeedRates.OfEstimates([Intervals.Wilson(20, 20), Intervals.Wilson(30, 30)]), SeedMeans.OfEstimates([new(1, 0.8, 1), new(1, 0.8, 1)]));

        Assert.Equal((1, 1), (share.Value, share.High));
        Assert.Equal(Intervals.Wilson(50, 50).Low, share.Low, 9);
        Assert.Equal((1, 1), (mean.Value, mean.High));
        Assert.Equal(1 - 0.2 / Math.Sqrt(2), mean.Low, 12);
    }

    [Fact]
    public void Of_seeds_that_agree_without_intervals_of_their_own_nothing_is_known()
    {
        Assert.Equal(Estimate.Unknown(0.25), SeedMeans.OfEstimates([Estimate.Unknown(0.25), Estimate.Unknown(0.25)]));
        Assert.Equal(SeedMeans.Student([1, 2, 4]), SeedMeans.OfEstimates([Estimate.Unknown(1), Estimate.Unknown(2), Estimate.Unknown(4)]));
        // One of what is drawn leaves nothing to draw.
        Assert.Equal(Estimate.Unknown(0.5), SeedMeans.Bootstrap([[0, 1]], NestedDraw.Seeds, new Resampling()));
        Assert.Equal(Estimate.Unknown(0.5), new Resampling().Interval(new ScoreTable(1, 3, [0.25, 0.5, 0.75]), Aggregates.Mean));
    }

    [Fact]
    public void Interval_of_the_method_holds_that_of_its_models() => Property.Holds(random =>
    {
        var trials = new int[1 + random.NextInt32(6)];
        var successes = new int[trials.Length];
        for (var i = 0; i < trials.Length; i++)
        {
            trials[i] = 1 + random.NextInt32(40);
            successes[i] = random.NextInt32(trials[i] + 1);
        }

        var rates = SeedRates.Of(successes, trials);
        return rates.Method.Low <= rates.Models.Low && rates.Method.High >= rates.Models.High
            && rates.Method.Low >= 0 && rates.Method.High <= 1
            && rates.Method.Low <= rates.Method.Value + 1e-12 && rates.Method.Value <= rates.Method.High + 1e-12;
    });

    [Fact]
    public void Differences_mirror_when_the_methods_are_swapped() => Property.Holds(random =>
    {
        double[] Values(int count)
        {
            var values = new double[count];
            for (var i = 0; i < count; i++)
            {
                values[i] = random.NextNormal();
            }

            return values;
        }

        var (first, second) = (Values(2 + random.NextInt32(5)), Values(2 + random.NextInt32(5)));
        var (there, back) = (SeedMeans.Welch(first, second), SeedMeans.Welch(second, first));
        return Math.Abs(there.Difference.Low + back.Difference.High) < 1e-9 && Math.Abs(there.PValue - back.PValue) < 1e-12
            // The interval leaves 0 out exactly when the test at the same level rejects.
            && there.PValue < 0.05 == (there.Difference.Low > 0 || there.Difference.High < 0);
    });
}
