using MimicD.Evaluation;

namespace MimicD.EvaluationTests;

public sealed class RateStatisticsTests
{
    // Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 5.
    [Theory]
    [InlineData(81, 263, 0.2527, 0.3676)]
    [InlineData(15, 148, 0.0578, 0.1617)]
    [InlineData(0, 20, 0.0000, 0.1684)]
    [InlineData(1, 29, 0.0009, 0.1776)]
    public void Clopper_Pearson_gives_the_published_limits(int successes, int trials, double low, double high)
    {
        var interval = RateIntervals.ClopperPearson(successes, trials);

        Assert.Equal(low, interval.Low, 4);
        Assert.Equal(high, interval.High, 4);
    }

    // Newcombe 1998, "Interval estimation for the difference between independent proportions", table II, method 10.
    [Theory]
    [InlineData(56, 70, 48, 80, 0.0524, 0.3339)]
    [InlineData(9, 10, 3, 10, 0.1705, 0.8090)]
    [InlineData(6, 7, 2, 7, 0.0582, 0.8062)]
    [InlineData(5, 56, 0, 29, -0.0381, 0.1926)]
    [InlineData(0, 10, 0, 20, -0.1611, 0.2775)]
    [InlineData(0, 10, 0, 10, -0.2775, 0.2775)]
    [InlineData(10, 10, 0, 20, 0.6791, 1.0000)]
    [InlineData(10, 10, 0, 10, 0.6075, 1.0000)]
    public void Difference_of_independent_rates_gives_the_published_limits(int s1, int n1, int s2, int n2, double low, double high)
    {
        var interval = RateIntervals.Difference(s1, n1, s2, n2);

        Assert.Equal(low, interval.Low, 4);
        Assert.Equal(high, interval.High, 4);
    }

    // Fagerland, Lydersen, Laake 2013: airway hyper-responsiveness before and after stem cell transplantation, 21 children.
    [Fact]
    public void McNemar_gives_the_published_p_values()
    {
        var table = new PairedTable(1, 1, 7, 12);

        // By hand: 2 (1 + 8) / 2^8, and the same less 8 / 2^8.
        Assert.Equal(18.0 / 256, table.McNemarExact, 12);
        Assert.Equal(10.0 / 256, table.McNemarMidP, 12);
        Assert.Equal(-0.517, table.Tango().Low, 3);
        Assert.Equal(-0.026, table.Tango().High, 3);
        Assert.Equal(-0.507, table.Newcombe().Low, 3);
        Assert.Equal(-0.026, table.Newcombe().High, 3);
    }

    [Fact]
    public void Newcombe_paired_gives_the_published_limits()
    {
        var interval = new PairedTable(36, 12, 2, 0).Newcombe();

        Assert.Equal(0.0569, interval.Low, 4);
        Assert.Equal(0.3404, interval.High, 4);
    }

    [Fact]
    public void Pairs_are_counted_case_by_case()
    {
        var table = PairedTable.Of([true, true, true, false, false, true], [true, false, false, true, false, true]);

        Assert.Equal(new PairedTable(2, 2, 1, 1), table);
        Assert.Equal(1.0 / 6, table.Difference, 12);
        Assert.Throws<ArgumentException>(() => PairedTable.Of([true], []));
    }

    [Fact]
    public void Without_discordant_cases_nothing_tells_the_methods_apart()
    {
        var table = new PairedTable(20, 0, 0, 5);
        var z = 1.959963984540054;

        Assert.Equal((1.0, 1.0), (table.McNemarExact, table.McNemarMidP));
        // Solving the score equation by hand gives z^2 / (n + z^2).
        Assert.Equal(z * z / (25 + z * z), table.Tango().High, 9);
        Assert.Equal(-z * z / (25 + z * z), table.Tango().Low, 9);
        Assert.Equal(0, table.Newcombe().Value);
    }

    [Fact]
    public void Of_no_case_nothing_is_known()
    {
        Assert.Equal(new Estimate(double.NaN, 0, 1), RateIntervals.ClopperPearson(0, 0));
        Assert.Equal(new Estimate(double.NaN, -1, 1), RateIntervals.Difference(0, 0, 3, 4));
        Assert.Equal(new Estimate(double.NaN, -1, 1), default(PairedTable).Tango());
        Assert.Equal(new Estimate(double.NaN, -1, 1), default(PairedTable).Newcombe());
    }

    [Fact]
    public void Counts_and_levels_that_cannot_be_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => RateIntervals.Wilson(3, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => RateIntervals.ClopperPearson(-1, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => RateIntervals.Wilson(1, 2, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => RateIntervals.Wilson(1, 2, double.NaN));
    }

    [Fact]
    public void Intervals_contain_the_estimate_grow_with_the_level_and_mirror_under_label_swap() => Property.Holds(random =>
    {
        var trials = 1 + random.NextInt32(300);
        var successes = random.NextInt32(trials + 1);
        var (low, high) = (random.NextUniform(0.5, 0.9), random.NextUniform(0.9, 0.999));
        foreach (var interval in new Func<int, double, Estimate>[] { (s, level) => RateIntervals.Wilson(s, trials, level), (s, level) => RateIntervals.ClopperPearson(s, trials, level), (s, level) => new ConfidenceSequence(level).At(s, trials) })
        {
            var (narrow, wide, mirrored) = (interval(successes, low), interval(successes, high), interval(trials - successes, low));
            if (!(Contains(narrow) && wide.Low <= narrow.Low && wide.High >= narrow.High && narrow.Low >= 0 && narrow.High <= 1
                && Math.Abs(mirrored.Low - (1 - narrow.High)) < 1e-12 && Math.Abs(mirrored.High - (1 - narrow.Low)) < 1e-12))
            {
                return false;
            }

            if (successes < trials && !(interval(successes + 1, low) is var next && next.Low >= narrow.Low && next.High >= narrow.High))
            {
                return false;
            }
        }

        return true;
    });

    [Fact]
    public void Differences_contain_the_estimate_and_mirror_when_the_methods_are_swapped() => Property.Holds(random =>
    {
        var table = new PairedTable(random.NextInt32(40), random.NextInt32(9), random.NextInt32(9), 1 + random.NextInt32(40));
        var (n, m) = (1 + random.NextInt32(60), 1 + random.NextInt32(60));
        var (s, t) = (random.NextInt32(n + 1), random.NextInt32(m + 1));
        return Swaps(table.Newcombe(), table.Swapped.Newcombe())
            && Swaps(table.Tango(), table.Swapped.Tango())
            && Swaps(RateIntervals.Difference(s, n, t, m), RateIntervals.Difference(t, m, s, n))
            && table.McNemarExact == table.Swapped.McNemarExact
            && table.McNemarMidP <= table.McNemarExact && table.McNemarExact <= 1;
    });

    [Fact]
    public void Holm_is_Bonferroni_for_the_smallest_and_never_less_than_the_p_value() => Property.Holds(random =>
    {
        var p = new double[1 + random.NextInt32(12)];
        for (var i = 0; i < p.Length; i++)
        {
            p[i] = random.NextInt32(50) / 49.0;
        }

        var adjusted = Holm.Adjust(p);
        var smallest = Array.IndexOf(p, p.Min());
        return adjusted[smallest] == Math.Min(1, p.Length * p[smallest])
            && p.Zip(adjusted, (x, a) => a >= x && a <= Math.Min(1, p.Length * x) + 1e-15).All(holds => holds)
            && Enumerable.Range(0, p.Length).All(i => Enumerable.Range(0, p.Length).All(j => p[i] > p[j] || adjusted[i] <= adjusted[j]));
    });

    [Fact]
    public void Holm_steps_down_from_the_smallest()
    {
        var adjusted = Holm.Adjust([0.01, 0.04, 0.03, 0.005]);

        // By hand: 4 * 0.005, 3 * 0.01, 2 * 0.03, and 0.04 is held up to the one before it.
        Assert.Equal([0.03, 0.06, 0.06, 0.02], adjusted.Select(p => Math.Round(p, 12)));
        Assert.Empty(Holm.Adjust([]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Holm.Adjust([0.1, double.NaN]));
    }

    private static bool Contains(Estimate e) => e.Low <= e.Value && e.Value <= e.High;

    private static bool Swaps(Estimate a, Estimate b) => Contains(a) && a.Low >= -1 - 1e-12 && a.High <= 1 + 1e-12
        && Math.Abs(a.Value + b.Value) < 1e-12 && Math.Abs(a.Low + b.High) < 1e-12 && Math.Abs(a.High + b.Low) < 1e-12;
}
