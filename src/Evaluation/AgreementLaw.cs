namespace MimicD.Evaluation;

/// <summary>
/// How often two deciders agree who are given the same noise, beside what the angle between them says: where each decides by the sign of a linear function of standard normal noise, and is for either as often as not,
/// they agree with probability 1 - theta / pi, theta the angle between the functions' gradients (Sheppard 1899; as used for random hyperplanes by Goemans and Williamson 1995).
/// </summary>
/// <param name="Angle">theta [rad]: between the directions in which each one's noise differs, on the mean, between its decisions; of a linear decision that is its gradient.</param>
/// <param name="Law">1 - theta / pi.</param>
/// <param name="Shared">Share of the noises with which both decide alike.</param>
/// <param name="Apart">How often they would with noise of their own: p q + (1 - p) (1 - q).</param>
/// <param name="First">How often the first decides for it (p).</param>
/// <param name="Second">How often the second does (q).</param>
/// <param name="Linear">Share of the decisions, of both, that the sign along each one's direction tells, with the threshold that fits how often it decides for it: how linear they are.</param>
public sealed record AgreementLaw(double Angle, double Law, double Shared, double Apart, double First, double Second, double Linear)
{
    /// <summary>Measures.</summary>
    /// <param name="noise">Standard normal, [M, n].</param>
    /// <param name="first">What one decided with each, [M].</param>
    /// <param name="second">What the other decided with the same, [M]; in the same sense, so that being equal is agreeing.</param>
    /// <exception cref="ArgumentException">Not those shapes.</exception>
    public static AgreementLaw Measure(ReadOnlySpan<float> noise, ReadOnlySpan<bool> first, ReadOnlySpan<bool> second)
    {
        if (first.IsEmpty || second.Length != first.Length || noise.Length % first.Length != 0)
        {
            throw new ArgumentException($"noise [M, n] and two decisions each are needed; there are {noise.Length} numbers, {first.Length} and {second.Length} decisions", nameof(noise));
        }

        var count = first.Length;
        var (one, other) = (Direction(noise, first), Direction(noise, second));
        var angle = Math.Acos(Math.Clamp(Dot(one, other) / Math.Sqrt(Dot(one, one) * Dot(other, other)), -1, 1));
        var shared = 0;
        for (var m = 0; m < count; m++)
        {
            shared += first[m] == second[m] ? 1 : 0;
        }

        var (p, q) = (Share(first), Share(second));
        var linear = (Told(noise, first, one) + Told(noise, second, other)) / 2;
        return new AgreementLaw(angle, 1 - angle / Math.PI, shared / (double)count, p * q + (1 - p) * (1 - q), p, q, linear);
    }

    /// <summary>Mean noise of those decided for, less that of the others.</summary>
    private static double[] Direction(ReadOnlySpan<float> noise, ReadOnlySpan<bool> decided)
    {
        var size = noise.Length / decided.Length;
        var (mean, rest, count) = (new double[size], new double[size], 0);
        for (var m = 0; m < decided.Length; m++)
        {
            var sums = decided[m] ? mean : rest;
            count += decided[m] ? 1 : 0;
            for (var j = 0; j < size; j++)
            {
                sums[j] += noise[m * size + j];
            }
        }

        for (var j = 0; j < size; j++)
        {
            mean[j] = mean[j] / Math.Max(1, count) - rest[j] / Math.Max(1, decided.Length - count);
        }

        return mean;
    }

    /// <summary>Share of the decisions that the projection on a direction tells, as many of the largest being for it as there are decisions for it.</summary>
    private static double Told(ReadOnlySpan<float> noise, ReadOnlySpan<bool> decided, double[] direction)
    {
        var along = new double[decided.Length];
        for (var m = 0; m < along.Length; m++)
        {
            for (var j = 0; j < direction.Length; j++)
            {
                along[m] += direction[j] * noise[m * direction.Length + j];
            }
        }

        var sorted = along.Order().ToArray();
        var against = along.Length - (int)Math.Round(Share(decided) * along.Length);
        var threshold = against == 0 ? double.NegativeInfinity : against == along.Length ? double.PositiveInfinity : (sorted[against - 1] + sorted[against]) / 2;
        var right = 0;
        for (var m = 0; m < along.Length; m++)
        {
            right += along[m] > threshold == decided[m] ? 1 : 0;
        }

        return right / (double)along.Length;
    }

    private static double Share(ReadOnlySpan<bool> decided)
    {
        var count = 0;
        foreach (var d in decided)
        {
            count += d ? 1 : 0;
        }

        return count / (double)decided.Length;
    }

    private static double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();
}
