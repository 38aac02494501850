using System.Runtime.Intrinsics;

namespace MimicD.World;

/// <summary>Small vectors in spans, summed in the order of their coordinates.</summary>
public static class Vectors
{
    /// <summary>The square of how far apart two points are.</summary>
    /// <param name="a">One [D].</param>
    /// <param name="b">The other, [D] or more.</param>
    public static double SquaredDistance(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        double sum = 0;
        for (var d = 0; d < a.Length; d++)
        {
            var difference = a[d] - b[d];
            sum += difference * difference;
        }

        return sum;
    }

    /// <summary>A vector's length.</summary>
    /// <param name="a">The vector [D].</param>
    public static double Norm(ReadOnlySpan<double> a)
    {
        double sum = 0;
        foreach (var x in a)
        {
            sum += x * x;
        }

        return Math.Sqrt(sum);
    }

    /// <summary>Numbers in float32.</summary>
    /// <param name="values">[n]</param>
    /// <param name="rounded">Receives [n].</param>
    public static void Round(ReadOnlySpan<double> values, Span<float> rounded)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(rounded.Length, values.Length, nameof(rounded));
        var i = 0;
        for (; i + 8 <= values.Length; i += 8)
        {
            Vector256.Narrow(Vector256.Create(values.Slice(i, 4)), Vector256.Create(values.Slice(i + 4, 4))).CopyTo(rounded.Slice(i, 8));
        }

        for (; i < values.Length; i++)
        {
            rounded[i] = (float)values[i];
        }
    }

    /// <summary>Whether all numbers are finite.</summary>
    public static bool AllFinite(ReadOnlySpan<float> values)
    {
        foreach (var x in values)
        {
            if (!float.IsFinite(x))
            {
                return false;
            }
        }

        return true;
    }

    /// <inheritdoc cref="AllFinite(ReadOnlySpan{float})"/>
    public static bool AllFinite(ReadOnlySpan<double> values) => FirstNotFinite(values) < 0;

    /// <summary>Where the first number is that is not finite; -1 where there is none.</summary>
    public static int FirstNotFinite(ReadOnlySpan<double> values)
    {
        for (var i = 0; i < values.Length; i++)
        {
            if (!double.IsFinite(values[i]))
            {
                return i;
            }
        }

        return -1;
    }
}
