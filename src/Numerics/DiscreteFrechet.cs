using System.Numerics;

namespace MimicD.Numerics;

/// <summary>The discrete Frechet distance (Eiter and Mannila, 1994): the shortest leash with which two walkers can go along two point sequences, never backwards.</summary>
public static class DiscreteFrechet
{
    /// <summary>Distance of two point sequences with the Euclidean norm.</summary>
    /// <param name="first">[T1, dimension].</param>
    /// <param name="second">[T2, dimension].</param>
    /// <param name="dimension">Coordinates per point.</param>
    /// <exception cref="ArgumentException">A sequence is empty or its length is no multiple of the dimension.</exception>
    public static double Distance(ReadOnlySpan<double> first, ReadOnlySpan<double> second, int dimension)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dimension, 1);
        if (first.IsEmpty || second.IsEmpty || first.Length % dimension != 0 || second.Length % dimension != 0)
        {
            throw new ArgumentException($"Two sequences of points with {dimension} coordinates are needed; they have {first.Length} and {second.Length} entries.", nameof(first));
        }

        // Cells on one antidiagonal do not depend on each other, so the table is filled antidiagonal by antidiagonal, a vector of cells at a time. Nothing but
        // squared distances, their minima and maxima is computed, so the result has the same bits for any vector width.
        int rows = first.Length / dimension;
        int columns = second.Length / dimension;
        int width = Vector<double>.Count;
        double[] forward = ByCoordinate(first, dimension, rows + width, reversed: false);
        double[] backward = ByCoordinate(second, dimension, columns + width, reversed: true);

        // Row i stands at index i + 1. What lies outside the table is infinitely far, but for the place before both starts.
        var current = new double[rows + width + 2];
        var last = new double[current.Length];
        var beforeLast = new double[current.Length];
        Array.Fill(last, double.PositiveInfinity);
        Array.Fill(beforeLast, double.PositiveInfinity);
        beforeLast[0] = 0;
        for (int s = 0; s < rows + columns - 1; s++)
        {
            int low = Math.Max(0, s - columns + 1);
            int high = Math.Min(s, rows - 1);
            for (int i = low; i <= high; i += width)
            {
                Vector<double> square = Vector<double>.Zero;
                for (int d = 0; d < dimension; d++)
                {
                    Vector<double> difference = new Vector<double>(forward, (d * (rows + width)) + i) - new Vector<double>(backward, (d * (columns + width)) + columns - 1 - s + i);
                    square += difference * difference;
                }

                Vector<double> before = Vector.Min(new Vector<double>(beforeLast, i), Vector.Min(new Vector<double>(last, i), new Vector<double>(last, i + 1)));
                Vector.Max(before, square).CopyTo(current, i + 1);
            }

            // Whatever a vector wrote past the end of the antidiagonal is outside again; the next two look no further than one cell.
            current[low] = double.PositiveInfinity;
            current[high + 2] = double.PositiveInfinity;
            (beforeLast, last, current) = (last, current, beforeLast);
        }

        return Math.Sqrt(last[rows]);
    }

    /// <summary>Points [T, dimension] as [dimension, stride], T at most stride, the last point first if reversed.</summary>
    private static double[] ByCoordinate(ReadOnlySpan<double> points, int dimension, int stride, bool reversed)
    {
        var result = new double[dimension * stride];
        int count = points.Length / dimension;
        for (int k = 0; k < count; k++)
        {
            int to = reversed ? count - 1 - k : k;
            for (int d = 0; d < dimension; d++)
            {
                result[(d * stride) + to] = points[(k * dimension) + d];
            }
        }

        return result;
    }

    /// <summary>Distance of two joint paths, seen as one path in the space of all agents' coordinates.</summary>
    /// <param name="first">[N, T, 2].</param>
    /// <param name="second">[N, T, 2].</param>
    /// <param name="agents">Number of agents N.</param>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public static double Joint(ReadOnlySpan<double> first, ReadOnlySpan<double> second, int agents) =>
        Distance(Stack(first, agents), Stack(second, agents), 2 * agents);

    /// <summary>Rearranges a joint path [N, T, 2] as one path [T, 2 N].</summary>
    /// <param name="joint">[N, T, 2].</param>
    /// <param name="agents">Number of agents N.</param>
    /// <exception cref="ArgumentException">The length is no multiple of 2 N.</exception>
    public static double[] Stack(ReadOnlySpan<double> joint, int agents)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(agents, 1);
        if (joint.Length % (2 * agents) != 0)
        {
            throw new ArgumentException($"A joint path of {agents} agents is needed; it has {joint.Length} entries.", nameof(joint));
        }

        int steps = joint.Length / (2 * agents);
        var stacked = new double[joint.Length];
        for (int a = 0; a < agents; a++)
        {
            for (int k = 0; k < steps; k++)
            {
                int from = 2 * ((a * steps) + k);
                int to = 2 * ((k * agents) + a);
                (stacked[to], stacked[to + 1]) = (joint[from], joint[from + 1]);
            }
        }

        return stacked;
    }
}
