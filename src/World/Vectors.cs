namespace MimicD.World;

/// <summary>Small vectors in spans, summed in the order of their coordinates.</summary>
internal static class Vectors
{
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

    public static double Norm(ReadOnlySpan<double> a)
    {
        double sum = 0;
        foreach (var x in a)
        {
            sum += x * x;
        }

        return Math.Sqrt(sum);
    }

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

    public static bool AllFinite(ReadOnlySpan<double> values) => FirstNotFinite(values) < 0;

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
