namespace MimicD.Evaluation;

/// <summary>
/// Family-wise correction for several comparisons (Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6): the
/// chance of even one false rejection in the family stays at the level, however the tests depend on each other. Never worse than Bonferroni.
/// </summary>
public static class Holm
{
    /// <summary>Adjusted p-values in the order given, [comparisons]: a comparison is significant at a level when its adjusted value is at most the level.</summary>
    /// <param name="pValues">[comparisons], each in [0, 1].</param>
    public static double[] Adjust(IReadOnlyList<double> pValues)
    {
        ArgumentNullException.ThrowIfNull(pValues);
        var order = Enumerable.Range(0, pValues.Count).OrderBy(i => pValues[i]).ToArray();
        var (adjusted, largest) = (new double[pValues.Count], 0.0);
        for (var rank = 0; rank < order.Length; rank++)
        {
            var p = pValues[order[rank]];
            if (!(p >= 0 && p <= 1))
            {
                throw new ArgumentOutOfRangeException(nameof(pValues), p, "a p-value lies in [0, 1]");
            }

            largest = Math.Max(largest, Math.Min(1, (order.Length - rank) * p));
            adjusted[order[rank]] = largest;
        }

        return adjusted;
    }
}
