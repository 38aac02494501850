using MimicD.Numerics;

namespace MimicD.Evaluation;

/// <summary>Shares of joint modes and how far two of them are apart.</summary>
public static class ModeShares
{
    /// <summary>Resamples behind <see cref="ResamplingFloor"/>.</summary>
    public const int Resamples = 4000;

    /// <summary>
    /// Share of each mode, [<paramref name="modes"/>]; index 0 is mode 1. They sum to less than 1 where some labels are of no mode.
    /// </summary>
    /// <param name="labels">Modes, each from 1 to <paramref name="modes"/>, or 0.</param>
    /// <param name="modes">Number of modes.</param>
    public static double[] Of(IReadOnlyCollection<int> labels, int modes)
    {
        ArgumentNullException.ThrowIfNull(labels);
        var shares = new double[modes];
        foreach (var label in labels)
        {
            if (label > 0)
            {
                shares[label - 1] += 1.0 / labels.Count;
            }
        }

        return shares;
    }

    /// <summary>Whether shares leave something to 1 that rounding does not explain: paths that show no mode.</summary>
    public static bool Unresolved(ReadOnlySpan<double> shares)
    {
        var sum = 0.0;
        foreach (var share in shares)
        {
            sum += share;
        }

        return sum < 1 - 1e-6;
    }

    /// <summary>The shares, and after them that of the paths that show no mode.</summary>
    public static double[] WithUnresolved(double[] shares)
    {
        ArgumentNullException.ThrowIfNull(shares);
        return [.. shares, Math.Max(0, 1 - shares.Sum())];
    }

    /// <summary>Total variation, half the sum of absolute differences: 0 (the same shares) to 1 (no mode in common).</summary>
    public static double TotalVariation(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        if (a.Length != b.Length)
        {
            throw new ArgumentException($"shares of {a.Length} and of {b.Length} modes do not compare", nameof(b));
        }

        var sum = 0.0;
        for (var i = 0; i < a.Length; i++)
        {
            sum += Math.Abs(a[i] - b[i]);
        }

        return sum / 2;
    }

    /// <summary>Entropy of the shares [nat], -sum of p ln p: 0 (one mode) to ln K (all K alike). Estimated from n labels it is low by about (K - 1) / 2n, which a floor over samples of the same sizes shares.</summary>
    public static double Entropy(ReadOnlySpan<double> shares)
    {
        var sum = 0.0;
        foreach (var p in shares)
        {
            sum -= p > 0 ? p * Math.Log(p) : 0;
        }

        return Math.Max(sum, 0);
    }

    /// <summary>Entropy gap [nat]: the rollouts' entropy less the experts'. Below 0 modes have been lost, above 0 some are evener than they should be. Zero is no sign of equal shares; <see cref="TotalVariation"/> is.</summary>
    public static double EntropyGap(ReadOnlySpan<double> rollouts, ReadOnlySpan<double> experts) => Entropy(rollouts) - Entropy(experts);

    /// <summary>
    /// What total variation chance alone gives: the 95 % point of the variation between two samples, of the given sizes, that are
    /// both drawn from the experts' shares. A variation below it is no evidence of a difference (and none of equality).
    /// </summary>
    /// <param name="experts">The experts' shares; they sum to 1.</param>
    /// <param name="first">Size of one sample, the rollouts.</param>
    /// <param name="second">Size of the other, the demonstrations.</param>
    /// <param name="seed">Seed of the resampling; the result is a function of the arguments.</param>
    public static double ResamplingFloor(ReadOnlySpan<double> experts, int first, int second, ulong seed = 0)
        => ResamplingFloors(experts, first, second, seed).TotalVariation;

    /// <summary><see cref="ResamplingFloor"/>, and the same for the entropy gap: the 95 % point of its absolute value between the same pairs of samples [nat].</summary>
    public static (double TotalVariation, double EntropyGap) ResamplingFloors(ReadOnlySpan<double> experts, int first, int second, ulong seed = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(first);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(second);
        var (variations, gaps) = (new double[Resamples], new double[Resamples]);
        var (a, b) = (new double[experts.Length], new double[experts.Length]);
        for (var r = 0; r < Resamples; r++)
        {
            Sample(experts, first, new CounterRandom(seed, RandomPurpose.Resampling, r, 0), a);
            Sample(experts, second, new CounterRandom(seed, RandomPurpose.Resampling, r, 1), b);
            variations[r] = TotalVariation(a, b);
            gaps[r] = Math.Abs(EntropyGap(a, b));
        }

        Array.Sort(variations);
        Array.Sort(gaps);
        var at = (int)Math.Ceiling(0.95 * Resamples) - 1;
        return (variations[at], gaps[at]);
    }

    private static void Sample(ReadOnlySpan<double> shares, int count, CounterRandom random, double[] sample)
    {
        Array.Clear(sample);
        for (var i = 0; i < count; i++)
        {
            var u = random.NextDouble();
            var mode = 0;
            while (mode < shares.Length - 1 && u >= shares[mode])
            {
                u -= shares[mode++];
            }

            sample[mode] += 1.0 / count;
        }
    }
}
