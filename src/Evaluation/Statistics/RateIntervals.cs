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
        return Score((double)successes / trials, trials, level);
    }

    /// <summary>
    /// Interval of a rate over units that are not independent within their episode, such as agents: the mean of each episode's share of units with it. Episodes are the sample: the variance v of that mean is had from the
    /// spread of the episodes' shares, whatever the correlation within them, and p (1 - p) / v is the number of independent units that would be as uncertain, the effective sample size (Kish 1965, "Survey sampling";
    /// less the price of a variance from few episodes, (z / t)^2 with t by Student with E - 1 degrees of freedom: Korn, Graubard 1998, "Confidence intervals for proportions with small expected number of positive
    /// counts estimated from survey data", Survey Methodology 24). Wilson's interval with that size stays within [0, 1] (compared with others by Franco, Little, Louis, Slud 2019, "Comparative study of confidence
    /// intervals for proportions in complex sample surveys", Journal of Survey Statistics and Methodology 7).
    /// </summary>
    /// <remarks>
    /// The size is at most E times the smallest of an episode's units, the episodes that show the one outcome, and those that show the other: a correlation within episodes cannot be seen where few of them show anything. Where none
    /// does, at 0 and at 1, an episode counts as one unit, and the interval is Wilson's of E cases. It is that of E cases too where an episode has one unit.
    /// </remarks>
    /// <param name="shares">One share an episode, each in [0, 1]. Of none nothing is known: the value is NaN and the interval [0, 1].</param>
    /// <param name="units">Units of an episode, equal for all; <see cref="int.MaxValue"/> where a share is no count of anything.</param>
    /// <param name="level">Wanted coverage, in (0, 1).</param>
    public static Estimate Clustered(IReadOnlyCollection<double> shares, int units, double level = 0.95)
    {
        ArgumentNullException.ThrowIfNull(shares);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(units);
        return Clustered(SeedMeans.Moments.Of(shares), Math.Min(shares.Count(s => s < 1), shares.Count(s => s > 0)), units, level);
    }

    /// <summary>The same from the moments of the shares.</summary>
    /// <param name="shares">Number, mean and variance of the episodes' shares.</param>
    /// <param name="rarer">Episodes that show the rarer outcome.</param>
    /// <param name="units">Units of an episode.</param>
    /// <param name="level">Wanted coverage, in (0, 1).</param>
    internal static Estimate Clustered(SeedMeans.Moments shares, int rarer, int units, double level)
    {
        var (p, episodes) = (Math.Clamp(shares.Mean, 0, 1), shares.Count);
        return Score(p, p is > 0 and < 1 && episodes > 1 && units > 1 ? Math.Min(Effective(p, shares, level), (double)episodes * Math.Clamp(rarer, 1, units)) : episodes, level);
    }

    /// <summary>Number of independent cases that know a rate as well as the mean of these values does, with the price of a variance that is estimated; infinite without variance.</summary>
    internal static double Effective(double rate, SeedMeans.Moments values, double level)
    {
        var price = Quantiles.TwoSidedNormal(level) / Quantiles.TwoSidedStudent(level, values.Count - 1);
        return rate * (1 - rate) / (values.Variance / values.Count) * price * price;
    }

    /// <summary>The number of cases behind a Wilson interval: either end x solves n (p - x)^2 = z^2 x (1 - x). 0 where nothing is known.</summary>
    internal static double CasesOf(Estimate rate, double level)
    {
        var z = Quantiles.TwoSidedNormal(level);
        var end = rate.High - rate.Value > rate.Value - rate.Low ? rate.High : rate.Low;
        return rate.IsKnown && end is > 0 and < 1 ? z * z * end * (1 - end) / ((rate.Value - end) * (rate.Value - end)) : 0;
    }

    /// <summary>Wilson's interval of a rate from a number of cases that need not be whole.</summary>
    /// <param name="rate">In [0, 1].</param>
    /// <param name="cases">Above 0; of none nothing is known.</param>
    /// <param name="level">Wanted coverage, in (0, 1).</param>
    internal static Estimate Score(double rate, double cases, double level)
    {
        var z = Quantiles.TwoSidedNormal(level);
        if (!(cases > 0))
        {
            return new Estimate(double.NaN, 0, 1);
        }

        var centre = (rate + z * z / (2 * cases)) / (1 + z * z / cases);
        var half = z / (1 + z * z / cases) * Math.Sqrt(rate * (1 - rate) / cases + z * z / (4 * cases * cases));
        // At the two ends the formula gives 0 and 1 up to rounding; say it exactly.
        return new Estimate(rate, rate <= 0 ? 0 : Math.Clamp(centre - half, 0, rate), rate >= 1 ? 1 : Math.Clamp(centre + half, rate, 1));
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
        return new Estimate(difference, difference - double.Hypot(a.Value - a.Low, b.High - b.Value), difference + double.Hypot(a.High - a.Value, b.Value - b.Low)).Within(-1, 1);
    }

    private static void Check(int successes, int trials)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(successes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(successes, trials);
    }
}
