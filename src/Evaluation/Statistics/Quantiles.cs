using MathNet.Numerics.Distributions;

namespace MimicD.Evaluation;

/// <summary>Quantiles that several intervals share.</summary>
internal static class Quantiles
{
    /// <summary>Half of the error that a two-sided interval of this level allows.</summary>
    public static double Tail(double level)
    {
        if (!(level > 0 && level < 1))
        {
            throw new ArgumentOutOfRangeException(nameof(level), level, "a level lies strictly between 0 and 1");
        }

        return (1 - level) / 2;
    }

    /// <summary>The z with P(|Z| &lt; z) = level, Z standard normal.</summary>
    public static double TwoSidedNormal(double level) => -Normal.InvCDF(0, 1, Tail(level));

    /// <summary>The t with P(|T| &lt; t) = level, T by Student with these degrees of freedom.</summary>
    public static double TwoSidedStudent(double level, double freedom) => -StudentT.InvCDF(0, 1, freedom, Tail(level));

    /// <summary>Sample quantile by linear interpolation between order statistics (Hyndman, Fan 1996, "Sample quantiles in statistical packages", definition 7; NumPy's default).</summary>
    /// <param name="sorted">Ascending, at least one.</param>
    /// <param name="share">In [0, 1].</param>
    public static double Linear(ReadOnlySpan<double> sorted, double share)
    {
        var at = share * (sorted.Length - 1);
        var below = Math.Min((int)at, sorted.Length - 1);
        var above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
    }
}
