namespace MimicD.Evaluation;

/// <summary>A rate measured on several training seeds, each with its own episodes: what the method gives, and what these models give.</summary>
/// <param name="Rates">Rate of each seed, [seeds].</param>
/// <param name="Method">
/// Mean over seeds with the interval to quote for the method: a rate's interval whose independent cases are the seeds, as the agents' of <see cref="RateIntervals.Clustered(IReadOnlyCollection{double}, int, double)"/> are the episodes: Wilson's,
/// with as many cases as would be as uncertain as the mean over seeds is, Student's price of few seeds included. It is near Student's interval in the middle and does not reach 0 or 1 where both outcomes were seen, as
/// Student's cut off there does. It is never inside <see cref="Models"/>: seeds that happen to agree (all at 1, say) would pretend to know the rate exactly. Of one seed it is [0, 1].
/// </param>
/// <param name="Models">Share of all episodes with its Wilson interval: what these very models do, and nothing about the method.</param>
/// <param name="BetweenSeeds">Standard deviation of the seeds' true rates, by moments: the observed variance less what the episodes' binomial noise explains, not below 0; NaN with fewer than two seeds or with a seed of fewer than two episodes.</param>
public sealed record SeedRates(double[] Rates, Estimate Method, Estimate Models, double BetweenSeeds)
{
    /// <summary>Sums up a rate.</summary>
    /// <param name="successes">Episodes in which it happened, [seeds].</param>
    /// <param name="trials">Episodes, [seeds], at least one each.</param>
    /// <param name="level">Wanted coverage, in (0, 1).</param>
    /// <exception cref="ArgumentException">No seed, lists that differ in length, or a seed without episodes.</exception>
    public static SeedRates Of(IReadOnlyList<int> successes, IReadOnlyList<int> trials, double level = 0.95)
    {
        ArgumentNullException.ThrowIfNull(successes);
        ArgumentNullException.ThrowIfNull(trials);
        if (trials.Count == 0 || successes.Count != trials.Count || trials.Any(t => t < 1))
        {
            throw new ArgumentException("expected at least one seed, and for each its successes and at least one episode", nameof(trials));
        }

        var rates = successes.Zip(trials, (s, t) => (double)s / t).ToArray();
        var models = RateIntervals.Wilson(successes.Sum(), trials.Sum(), level);
        var noise = rates.Zip(trials, (p, t) => t < 2 ? double.NaN : p * (1 - p) / (t - 1)).Average();
        return new SeedRates(rates, Over(rates, models, level), models, rates.Length < 2 ? double.NaN : Math.Sqrt(Math.Max(0, SeedMeans.Moments.Of(rates).Variance - noise)));
    }

    /// <summary>The method's rate from the seeds' estimates alone, where what is counted within an episode is not independent or is no count: shares of agents, shares of a way.</summary>
    /// <param name="seeds">One estimate for each training seed, with Wilson's interval of some number of cases.</param>
    /// <param name="level">Wanted coverage, in (0, 1).</param>
    public static Estimate OfEstimates(IReadOnlyCollection<Estimate> seeds, double level = 0.95)
    {
        ArgumentNullException.ThrowIfNull(seeds);
        // What the episodes of all seeds tell: as many cases as all of them together.
        double[] rates = [.. seeds.Select(s => s.Value)];
        return Over(rates, RateIntervals.Score(rates.Length == 0 ? double.NaN : rates.Average(), seeds.Sum(s => RateIntervals.CasesOf(s, level)), level), level);
    }

    private static Estimate Over(double[] rates, Estimate models, double level)
    {
        var m = SeedMeans.Moments.Of(rates);
        if (m.Count < 2)
        {
            return new Estimate(m.Mean, 0, 1);
        }

        var method = m is { Mean: > 0 and < 1, Variance: > 0 } ? RateIntervals.Score(m.Mean, RateIntervals.Effective(m.Mean, m, level), level) : Estimate.Unknown(m.Mean);
        return method.NeverInside(models).Within(0, 1);
    }
}
