using MimicD.Evaluation;
using MimicD.Numerics;

namespace MimicD.EvaluationTests;

public class IntervalsTests
{
    // Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3 (score, no continuity correction).
    [Theory]
    [InlineData(81, 263, 0.2553, 0.3662)]
    [InlineData(15, 148, 0.0624, 0.1605)]
    [InlineData(0, 20, 0.0000, 0.1611)]
    [InlineData(1, 29, 0.0061, 0.1718)]
    public void Wilson_gives_the_published_limits(int successes, int trials, double low, double high)
    {
        var estimate = Intervals.Wilson(successes, trials);

        Assert.Equal((double)successes / trials, estimate.Value, 12);
        Assert.Equal(low, estimate.Low, 4);
        Assert.Equal(high, estimate.High, 4);
    }

    [Fact]
    public void Wilson_is_symmetric_in_success_and_failure()
    {
        for (var successes = 0; successes <= 37; successes++)
        {
            var (a, b) = (Intervals.Wilson(successes, 37), Intervals.Wilson(37 - successes, 37));
            Assert.Equal(a.Low, 1 - b.High, 12);
            Assert.Equal(a.High, 1 - b.Low, 12);
        }
    }

    [Fact]
    public void Of_no_trial_nothing_is_known()
    {
        var estimate = Intervals.Wilson(0, 0);

        Assert.True(double.IsNaN(estimate.Value));
        Assert.Equal((0.0, 1.0), (estimate.Low, estimate.High));
    }

    // t(0.975, 3) = 3.182446.
    [Fact]
    public void A_mean_has_Students_interval()
    {
        var estimate = Intervals.Mean([1, 2, 3, 4]);

        var half = 3.182446305 * Math.Sqrt(5.0 / 3 / 4);
        Assert.Equal(2.5, estimate.Value, 12);
        Assert.Equal(2.5 - half, estimate.Low, 8);
        Assert.Equal(2.5 + half, estimate.High, 8);
        Assert.Equal(Estimate.Unknown(2), Intervals.Mean([2], low: 0));
    }

    [Fact]
    public void A_mean_that_cannot_be_negative_has_no_negative_interval()
    {
        var estimate = Intervals.Mean([0, 0, 0, 5], low: 0);

        Assert.Equal((0, 1.25), (estimate.Low, estimate.Value));
        Assert.Equal(1.25 + 3.182446305 * 1.25, estimate.High, 8);
    }

    [Fact]
    public void Counts_that_are_all_alike_do_not_know_their_mean_exactly()
    {
        var share = Intervals.Wilson(0, 20).High;

        Assert.Equal(new Estimate(0, 0, share), Intervals.Mean(new double[20], low: 0, step: 1));
        Assert.Equal(new Estimate(3, 3 - share, 3 + share), Intervals.Mean([.. Enumerable.Repeat(3.0, 20)], low: 0, step: 1));
    }

    [Fact]
    public void Of_agents_that_all_arrive_the_episodes_say_how_much_is_known()
    {
        Assert.Equal(Intervals.Wilson(20, 20), Intervals.Share([.. Enumerable.Repeat(1.0, 20)], 32));
        Assert.Equal(Intervals.Wilson(0, 20), Intervals.Share(new double[20], 32));
        // One agent in all failed: that says nothing of how many fail together.
        var one = Intervals.Share([.. Enumerable.Repeat(1.0, 19), 31.0 / 32], 32);
        Assert.Equal((639.0 / 640, 1), (one.Value, Math.Round(one.High, 2)));
        Assert.InRange(one.Low, Intervals.Wilson(19, 20).Low, 0.84);
    }

    [Fact]
    public void Agents_that_share_their_fate_count_as_one_and_independent_ones_as_many()
    {
        // By hand: all of an episode or none, half of 40 episodes: s^2 / E = 1 / 156 and t(0.975, 39) = 2.022691.
        var together = Intervals.Share([.. Enumerable.Range(0, 40).Select(e => e % 2.0)], 8);
        var cases = 0.25 * 156 * Math.Pow(1.959963985 / 2.022690920, 2);
        var half = 1.959963985 / Math.Sqrt(cases + 1.959963985 * 1.959963985) / 2;
        Assert.Equal(0.5 - half, together.Low, 7);
        Assert.Equal(0.5 + half, together.High, 7);
        // Half of the agents in each episode: no spread at all, and as much as 8 times 40 independent ones tell.
        Assert.Equal(Intervals.Wilson(160, 320), Intervals.Share([.. Enumerable.Repeat(0.5, 40)], 8));
        // With one agent an episode the share of agents is the share of episodes.
        Assert.Equal(Intervals.Wilson(7, 40), Intervals.Share([.. Enumerable.Range(0, 40).Select(e => e < 7 ? 1.0 : 0)], 1));
    }

    [Fact]
    public void Intervals_of_shares_hold_their_value_stay_in_their_range_and_are_never_certain() => Property.Holds(random =>
    {
        var (episodes, agents, rate) = (1 + random.NextInt32(60), 1 + random.NextInt32(40), random.NextDouble() < 0.3 ? random.NextInt32(2) : random.NextDouble());
        var shares = new double[episodes];
        for (var e = 0; e < episodes; e++)
        {
            // Now and then an episode in which all agents share their fate.
            var common = random.NextDouble() < 0.3 ? (random.NextDouble() < rate ? 1 : 0) : rate;
            shares[e] = Enumerable.Range(0, agents).Count(_ => random.NextDouble() < common) / (double)agents;
        }

        var (there, back, known) = (Intervals.Share(shares, agents), Intervals.Share([.. shares.Select(s => 1 - s)], agents), Intervals.Share(shares, int.MaxValue));
        return Sound(there, 0, 1) && Sound(known, 0, 1) && Math.Abs(there.Low - (1 - back.High)) < 1e-9
            // Never more is known than of as many independent agents, and hardly less than of the episodes.
            && there.High - there.Low >= Wide(there.Value, (double)episodes * agents) - 1e-9
            && (episodes < 20 || there.High - there.Low <= Wide(there.Value, 0.8 * episodes) + 1e-9);
    });

    [Fact]
    public void Intervals_of_means_hold_their_value_and_stay_in_their_range() => Property.Holds(random =>
    {
        double[] values = [.. Enumerable.Range(0, 2 + random.NextInt32(40)).Select(_ => random.NextDouble() < 0.5 ? 0.0 : random.NextInt32(3))];
        double[] lengths = [.. values.Select(v => v + Math.Exp(3 * random.NextNormal()))];
        return Sound(Intervals.Mean(values, low: 0, step: 1), 0, double.MaxValue) && Sound(Intervals.Mean(lengths, low: 0), 0, double.MaxValue);
    });

    // Each of an episode's agents takes the episode's own fate with the given chance, and its own otherwise; the correlation of two is the square of that. Of 1,000 studies three standard deviations are 21. The fifth is a limit of
    // all that can be said: a fault of many agents at once in 2 of 100 episodes, which every eighth study does not see at all.
    [Theory]
    [InlineData(0.5, 0.5, 40, 8, 944)]
    [InlineData(0.9, 0.5, 40, 8, 935)]
    [InlineData(0.9, 0, 40, 8, 956)]
    [InlineData(0.9, 1, 40, 8, 948)]
    [InlineData(0.98, 0.3, 100, 32, 882)]
    [InlineData(0.9, 0.7, 10, 3, 984)]
    public void Intervals_of_correlated_agents_cover_as_they_say(double rate, double together, int episodes, int agents, int covered)
    {
        const int Studies = 1000;
        var found = 0;
        for (var study = 0; study < Studies; study++)
        {
            var random = new CounterRandom(1927, RandomPurpose.Resampling, study);
            var shares = new double[episodes];
            for (var e = 0; e < episodes; e++)
            {
                var fate = random.NextDouble() < rate;
                shares[e] = Enumerable.Range(0, agents).Count(_ => random.NextDouble() < together ? fate : random.NextDouble() < rate) / (double)agents;
            }

            var interval = Intervals.Share(shares, agents);
            found += interval.Low <= rate && rate <= interval.High ? 1 : 0;
        }

        Assert.Equal(covered, found);
    }

    private static bool Sound(Estimate e, double low, double high) => low <= e.Low && e.Low <= e.Value && e.Value <= e.High && e.High <= high && e.Low < e.High;

    private static double Wide(double rate, double cases)
    {
        const double Square = 1.959963984540054 * 1.959963984540054;
        return 2 * Math.Sqrt(Square * rate * (1 - rate) / cases + Square * Square / (4 * cases * cases)) / (1 + Square / cases);
    }
}
