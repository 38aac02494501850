namespace MimicD.Contracts;

/// <summary>Counts of observations that a policy planned on and that hold a number far from all that it was trained on.</summary>
/// <param name="Observations">Observations that were compared, one a plan.</param>
/// <param name="Unfamiliar">Those of them in which at least one number is more than <see cref="Deviations"/> standard deviations from its mean in training.</param>
/// <param name="Features">Observations by the number that is so far off; numbers that never were are left out.</param>
public sealed record FamiliarityCounts(long Observations, long Unfamiliar, IReadOnlyDictionary<string, long> Features)
{
    /// <summary>
    /// Standard deviations from which on a number counts as unfamiliar. The swap's and the road's models meet none or nearly none (0.02 % from the authors' starts) in their own scenarios: what was trained on is bounded, a
    /// uniform law ends at 1.7 deviations. Shifted by 20 m along the swap's long axis, which positions fill, 26 % are beyond 4 and none beyond 5; across it, all are beyond both.
    /// </summary>
    public const double Deviations = 4;

    /// <summary>The same for the numbers of a set of others, which all slots have one mean and deviation of: where most slots are near, the far ones of a sparse crowd are 5 deviations off and were trained on all the same.</summary>
    public const double SetDeviations = 6;

    /// <summary>Share of unfamiliar observations from which on people are warned.</summary>
    public const double WarnedShare = 0.02;

    private const int NamedFeatures = 5;

    /// <summary>Share of unfamiliar observations, 0 to 1.</summary>
    public double Share() => Observations == 0 ? 0 : Unfamiliar / (double)Observations;

    /// <summary>The sum of two, either of which may be null.</summary>
    public static FamiliarityCounts? Sum(FamiliarityCounts? a, FamiliarityCounts? b)
    {
        if (a is null || b is null)
        {
            return a ?? b;
        }

        var features = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach (var (name, count) in a.Features.Concat(b.Features))
        {
            features[name] = features.GetValueOrDefault(name) + count;
        }

        return new FamiliarityCounts(a.Observations + b.Observations, a.Unfamiliar + b.Unfamiliar, features);
    }

    /// <summary>One line for people where the share is high, or null.</summary>
    public string? Warning()
    {
        if (Share() < WarnedShare)
        {
            return null;
        }

        var named = Features.OrderByDescending(f => f.Value).ThenBy(f => f.Key, StringComparer.Ordinal).Take(NamedFeatures).Select(f => FormattableString.Invariant($"{f.Key} in {100.0 * f.Value / Observations:0.0} %"));
        return FormattableString.Invariant($"{100 * Share():0.0} % of the observations are unlike all that the model was trained on (a number more than {Deviations} deviations from its mean there): {string.Join(", ", named)}; what it does then it has not learned");
    }
}
