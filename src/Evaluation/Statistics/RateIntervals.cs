using MathNet.Numerics.Distributions;

namespace MimicD.Evaluation;

/// <summary>Intervals of a rate, and of the difference of two rates from independent cases, at any level.</summary>
public static class RateIntervals
{
    /// <summary>Score interval of a rate (Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22). Its coverage is near the level on average.</summary>
    /// <param name="successes">Cases in which it happened, 0 to <paramref name="trials"/>.</param>
    /// <param name="trials">Independent cases. Of none nothing is known: the value is NaN and the interval [0, 1].</param>
    /// <param name="level">Wanted coverage, in (0, 1).</param>
    public static Estimate Wilson(int successes, int trials, double level = 0.95)
    {
        Check(successes, trials);
        var z = Quantiles.TwoSidedNormal(level);
        if (trials == 0)
        {
            return new Estimate(double.NaN, 0, 1);
        }

        var n = (double)trials;
        var p = successes / n;
        var centre = (p + z * z / (2 * n)) / (1 + z * z / n);
        var half = z / (1 + z * z / n) * Math.Sqrt(p * (1 - p) / n + z * z / (4 * n * n));
        // At the two ends the formula gives 0 and 1 up to rounding; say it exactly.
        return new Estimate(p, successes == 0 ? 0 : Math.Max(0, centre - half), successes == trials ? 1 : Math.Min(1, centre + half));
    }

    /// <summary>
    /// Exact interval of a rate (Clopper, Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of the binomial", Biometrika 26): the
    /// rates that neither one-sided binomial test at half the error refuses. Covers at least at the level whatever the rate, and so is wider than <see cref="Wilson"/>.
    /// </summary>
    /// <param name="successes">Cases in which it happened, 0 to <paramref name="trials"/>.</param>
    /// <param name="trials">Independent cases. Of none nothing is known: the value is NaN and the interval [0, 1].</param>
    /// <param name="level">Least coverage, in (0, 1).</param>
    public static Estimate ClopperPearson(int successes, int trials, double level = 0.95)
    {
        Check(successes, trials);
        var tail = Quantiles.Tail(level);
        if (trials == 0)
        {
            return new Estimate(double.NaN, 0, 1);
        }

        var failures = trials - successes;
        // The lower limit is one minus the upper limit of the failures; written so, label swap is exact.
        return new Estimate((double)successes / trials, 1 - Upper(failures, successes), Upper(successes, failures));

        double Upper(int happened, int other) => other == 0 ? 1 : happened == 0 ? 1 - Math.Pow(tail, 1.0 / other) : Beta.InvCDF(happened + 1, other, 1 - tail);
    }

    /// <summary>
    /// Interval of the difference of two rates, first minus second, from independent cases (Newcombe 1998, "Interval estimation for the difference between
    /// independent proportions: comparison of eleven methods", Statistics in Medicine 17, 873-890, method 10: the Wilson limits squared and added). For cases on common
    /// starts use <see cref="PairedTable.Newcombe"/>.
    /// </summary>
    /// <param name="firstSuccesses">Cases of the first kind in which it happened.</param>
    /// <param name="firstTrials">Cases of the first kind. Of none nothing is known: NaN and [-1, 1].</param>
    /// <param name="secondSuccesses">Cases of the second kind in which it happened.</param>
    /// <param name="secondTrials">Cases of the second kind.</param>
    /// <param name="level">Wanted coverage, in (0, 1).</param>
    public static Estimate Difference(int firstSuccesses, int firstTrials, int secondSuccesses, int secondTrials, double level = 0.95)
    {
        var (a, b) = (Wilson(firstSuccesses, firstTrials, level), Wilson(secondSuccesses, secondTrials, level));
        if (firstTrials == 0 || secondTrials == 0)
        {
            return new Estimate(double.NaN, -1, 1);
        }

        var difference = a.Value - b.Value;
        return new Estimate(difference, difference - double.Hypot(a.Value - a.Low, b.High - b.Value), difference + double.Hypot(a.High - a.Value, b.Value - b.Low));
    }

    private static void Check(int successes, int trials)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(successes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(successes, trials);
    }
}
