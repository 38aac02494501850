using MimicD.Numerics;

namespace MimicD.Evaluation;

/// <summary>How far the shares of joint modes of two samples are apart.</summary>
/// <param name="TotalVariation">
/// Total variation of the shares with the percentile interval of a bootstrap over both samples, widened where that leaves the value out. Total variation cannot be negative, so both the value and its interval lie too
/// high where the shares are close: that the interval keeps away from 0 is no evidence of a difference. For that there is <paramref name="PValue"/>.
/// </param>
/// <param name="PValue">Of "both samples come from the same shares", by permutation of the labels.</param>
public readonly record struct ModeShareComparison(Estimate TotalVariation, double PValue)
{
    /// <summary>
    /// Compares two samples. The permutation p-value is (1 + permutations at least as far apart) / (1 + permutations), which keeps its level exactly (Phipson, Smyth 2010,
    /// "Permutation p-values should never be zero", Statistical Applications in Genetics and Molecular Biology 9).
    /// </summary>
    /// <param name="first">
    /// Modes of the first sample's episodes, from 1 to <paramref name="modes"/> or 0 (none, which counts as one more mode), at least one.
    /// </param>
    /// <param name="second">Modes of the second sample's episodes, independent of the first, at least one.</param>
    /// <param name="modes">Number of modes.</param>
    /// <param name="resampling">Replicates of bootstrap and of permutation, seed, level.</param>
    public static ModeShareComparison Of(IReadOnlyList<int> first, IReadOnlyList<int> second, int modes, Resampling resampling)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        ArgumentNullException.ThrowIfNull(resampling);
        if (first.Count == 0 || second.Count == 0)
        {
            throw new ArgumentException("a sample without episodes has no shares", first.Count == 0 ? nameof(first) : nameof(second));
        }

        int[] all = [.. first, .. second];
        var observed = Distance(all);
        var interval = resampling.Collect([Scaled(observed)], r => [Scaled(Distance(
            [.. resampling.Indices(r, 0, first.Count).Select(i => first[i]), .. resampling.Indices(r, 0, second.Count, sample: 1).Select(i => second[i])]))])[0].Holding();
        var asFar = 0;
        for (var r = 0; r < resampling.Replicates; r++)
        {
            var random = new CounterRandom(resampling.Seed, RandomPurpose.Resampling, r, 0, 2);
            // A uniform choice of which labels count as the first sample's is all that a permutation is here (Fisher, Yates).
            for (var i = 0; i < first.Count; i++)
            {
                var j = i + random.NextInt32(all.Length - i);
                (all[i], all[j]) = (all[j], all[i]);
            }

            asFar += Distance(all) >= observed ? 1 : 0;
        }

        return new ModeShareComparison(interval, (1.0 + asFar) / (1.0 + resampling.Replicates));

        // Total variation times 2 n m: whole, so that ties are ties.
        long Distance(ReadOnlySpan<int> labels)
        {
            var counts = new long[modes + 1];
            for (var i = 0; i < labels.Length; i++)
            {
                counts[labels[i]] += i < first.Count ? second.Count : -first.Count;
            }

            return counts.Sum(Math.Abs);
        }

        double Scaled(long distance) => distance / (2.0 * first.Count * second.Count);
    }
}
