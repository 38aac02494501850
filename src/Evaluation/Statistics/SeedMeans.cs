using MathNet.Numerics.Distributions;

namespace MimicD.Evaluation;

/// <summary>A difference of two means over training seeds.</summary>
/// <param name="Difference">First minus second, with its interval.</param>
/// <param name="Freedom">Degrees of freedom of the t-distribution behind it; NaN where a spread is unknown.</param>
/// <param name="PValue">Two-sided p-value of "both have the same mean"; NaN where a spread is unknown.</param>
public readonly record struct MeanDifference(Estimate Difference, double Freedom, double PValue);

/// <summary>What a bootstrap of seeds x episodes draws again.</summary>
public enum NestedDraw
{
    /// <summary>The training seeds, each with all of its episodes: what another training would give.</summary>
    Seeds,

    /// <summary>The episodes within each training seed (stratified by seed): what other episodes of these very models would give.</summary>
    Episodes,
}

/// <summary>
/// Means over training seeds, the outer level of our data: seeds x episodes. Two questions, two answers:
/// <list type="bullet">
/// <item>What would this method give if trained again? The seeds are the sample. <see cref="Student"/> is right from two seeds on as far as the seeds' values are near normal; its
/// spread already holds the noise of the finitely many episodes. The bootstrap over seeds (<see cref="Bootstrap"/> with <see cref="NestedDraw.Seeds"/>) asks for no shape but is
/// too narrow with few seeds: of normal values it covers about 75, 82, 89 and 92 % with 3, 5, 10 and 20 seeds where 95 % is asked. Prefer it for a bent distribution and many
/// seeds.</item>
/// <item>What do these very models do? The episodes are the sample: <see cref="Bootstrap"/> with <see cref="NestedDraw.Episodes"/>, or for a rate the Wilson interval of all
/// episodes. Such an interval says nothing about the method, and is too narrow for it by the spread between seeds.</item>
/// </list>
/// Drawing both levels again at once counts the noise of the episodes twice (Davison, Hinkley 1997, "Bootstrap methods and their application", section 3.8), so it is not offered.
/// </summary>
public static class SeedMeans
{
    /// <summary>Mean with the t-interval (Student 1908, "The probable error of a mean", Biometrika 6). Of one seed the interval is unbounded; of none the value is NaN too.</summary>
    /// <param name="values">One value for each training seed, [seeds].</param>
    /// <param name="level">Wanted coverage, in (0, 1).</param>
    public static Estimate Student(IReadOnlyCollection<double> values, double level = 0.95)
    {
        ArgumentNullException.ThrowIfNull(values);
        var m = Moments.Of(values);
        return Around(m.Mean, m.Count < 2 ? double.PositiveInfinity : Quantiles.TwoSidedStudent(level, m.Count - 1) * Math.Sqrt(m.Variance / m.Count));
    }

    /// <summary>
    /// Difference of the means of two methods whose seeds have nothing in common (Welch 1947, "The generalization of 'Student's' problem when several different population
    /// variances are involved", Biometrika 34).
    /// </summary>
    /// <param name="first">[seeds], at least two for a bounded interval.</param>
    /// <param name="second">[seeds], at least two for a bounded interval.</param>
    /// <param name="level">Wanted coverage, in (0, 1).</param>
    public static MeanDifference Welch(IReadOnlyCollection<double> first, IReadOnlyCollection<double> second, double level = 0.95)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        var (a, b) = (Moments.Of(first), Moments.Of(second));
        if (a.Count < 2 || b.Count < 2)
        {
            return new MeanDifference(Around(a.Mean - b.Mean, double.PositiveInfinity), double.NaN, double.NaN);
        }

        var (u, v) = (a.Variance / a.Count, b.Variance / b.Count);
        // Without any spread the formula is 0/0; any number of degrees gives the same interval then.
        var freedom = u + v > 0 ? (u + v) * (u + v) / (u * u / (a.Count - 1) + v * v / (b.Count - 1)) : a.Count + b.Count - 2;
        return Compare(a.Mean - b.Mean, Math.Sqrt(u + v), freedom, level);
    }

    /// <summary>Difference of the means of two methods that share something seed by seed (data order, start of training, starts of episodes): the t-interval of the differences.</summary>
    /// <param name="first">[seeds].</param>
    /// <param name="second">[seeds], in the same order.</param>
    /// <param name="level">Wanted coverage, in (0, 1).</param>
    /// <exception cref="ArgumentException">The lists differ in length.</exception>
    public static MeanDifference Paired(IReadOnlyCollection<double> first, IReadOnlyCollection<double> second, double level = 0.95)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        if (first.Count != second.Count)
        {
            throw new ArgumentException($"{first.Count} seeds do not pair with {second.Count}", nameof(second));
        }

        var m = Moments.Of([.. first.Zip(second, (x, y) => x - y)]);
        return m.Count < 2
            ? new MeanDifference(Around(m.Mean, double.PositiveInfinity), double.NaN, double.NaN)
            : Compare(m.Mean, Math.Sqrt(m.Variance / m.Count), m.Count - 1, level);
    }

    /// <summary>
    /// Mean over seeds of what each seed's episodes give: Student's interval over the seeds' values, and never inside the one that their episodes alone give (the seeds' own intervals, taken as independent: half widths squared and
    /// added). Seeds that happen to agree do not know the mean exactly: where neither tells of any spread, the interval is not known.
    /// </summary>
    /// <param name="seeds">One estimate for each training seed.</param>
    /// <param name="level">Wanted coverage, in (0, 1).</param>
    public static Estimate OfEstimates(IReadOnlyCollection<Estimate> seeds, double level = 0.95)
    {
        ArgumentNullException.ThrowIfNull(seeds);
        var student = Student([.. seeds.Select(s => s.Value)], level);
        var mean = (student.High > student.Low ? student : Estimate.Unknown(student.Value)).NeverInside(OfEpisodes(seeds));
        return mean.High > mean.Low ? mean : Estimate.Unknown(mean.Value);
    }

    /// <summary>What the episodes of these very models give: the mean of the seeds' estimates as of independent ones; not known where one of them is not.</summary>
    internal static Estimate OfEpisodes(IReadOnlyCollection<Estimate> seeds)
    {
        var mean = seeds.Count == 0 ? double.NaN : seeds.Average(s => s.Value);
        return seeds.Count == 0 || seeds.Any(s => !s.IsKnown) ? Estimate.Unknown(mean) : new Estimate(
            mean, mean - Math.Sqrt(seeds.Sum(s => (s.Value - s.Low) * (s.Value - s.Low))) / seeds.Count, mean + Math.Sqrt(seeds.Sum(s => (s.High - s.Value) * (s.High - s.Value))) / seeds.Count);
    }

    /// <summary>Mean over seeds of each seed's mean over its episodes, with the percentile interval of a bootstrap, which is not known where there is one seed (or one episode a seed) to draw from.</summary>
    /// <param name="values">[seeds][episodes of that seed], at least one each; a rate's cases are 0 and 1.</param>
    /// <param name="draw">What is drawn again, and thereby what the interval is about.</param>
    /// <param name="resampling">Replicates, seed, level.</param>
    public static Estimate Bootstrap(IReadOnlyList<double[]> values, NestedDraw draw, Resampling resampling)
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentNullException.ThrowIfNull(resampling);
        var means = values.Select(v => v.Average()).ToArray();
        if (draw == NestedDraw.Seeds ? means.Length < 2 : values.All(v => v.Length < 2))
        {
            return Estimate.Unknown(means.Average());
        }

        return resampling.Collect([means.Average()], r => [draw == NestedDraw.Seeds
            ? resampling.Indices(r, Resampling.OverStrata, means.Length).Average(seed => means[seed])
            : values.Select((episodes, seed) => resampling.Indices(r, seed, episodes.Length).Average(e => episodes[e])).Average()])[0];
    }

    private static MeanDifference Compare(double difference, double error, double freedom, double level) => new(
        Around(difference, Quantiles.TwoSidedStudent(level, freedom) * error),
        freedom,
        error > 0 ? 2 * StudentT.CDF(0, 1, freedom, -Math.Abs(difference) / error) : difference == 0 ? 1 : 0);

    private static Estimate Around(double mean, double half) => double.IsFinite(half) ? new(mean, mean - half, mean + half) : new(mean, double.NegativeInfinity, double.PositiveInfinity);

    /// <summary>Mean and sample variance (divided by count - 1).</summary>
    internal readonly record struct Moments(int Count, double Mean, double Variance)
    {
        public static Moments Of(IReadOnlyCollection<double> values)
        {
            var mean = values.Count == 0 ? double.NaN : values.Average();
            return new Moments(values.Count, mean, values.Sum(v => (v - mean) * (v - mean)) / (values.Count - 1));
        }
    }
}
