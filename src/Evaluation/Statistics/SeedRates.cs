namespace MimicD.Evaluation;

/// <summary>A rate measured on several training seeds, each with its own episodes: what the method gives, and what these models give.</summary>
/// <param name="Rates">Rate of each seed, [seeds].</param>
/// <param name="Method">
/// Mean over seeds with the interval to quote for the method: the t-interval over seeds within [0, 1], and never inside <see cref="Models"/>. Without the second clause seeds that
/// happen to agree (all at 1, say) would pretend to know the rate exactly.
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
        var student = SeedMeans.Student(rates, level);
        var method = new Estimate(student.Value, Math.Min(models.Low, Math.Max(0, student.Low)), Math.Max(models.High, Math.Min(1, student.High)));
        var noise = rates.Zip(trials, (p, t) => t < 2 ? double.NaN : p * (1 - p) / (t - 1)).Average();
        return new SeedRates(rates, method, models, rates.Length < 2 ? double.NaN : Math.Sqrt(Math.Max(0, SeedMeans.Moments.Of(rates).Variance - noise)));
    }
}
