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

        int rows = first.Length / dimension;
        int columns = second.Length / dimension;

        // Walking in proportion is one way to go, so no better way uses a longer leash than it: such cells need no visit. This is exact, and most
        // cells of two similar paths fall away.
        double enough = 0;
        int longest = Math.Max(rows, columns);
        for (int step = 0; step < longest; step++)
        {
            enough = Math.Max(enough, Square(first, (int)((long)step * rows / longest), second, (int)((long)step * columns / longest), dimension));
        }

        var reach = new double[columns];
        int low = 0;
        int high = -1;
        for (int i = 0; i < rows; i++)
        {
            int newLow = columns;
            int newHigh = -1;
            double diagonal = i == 0 ? 0 : double.PositiveInfinity;
            double left = double.PositiveInfinity;
            for (int j = low; j < columns; j++)
            {
                double above = j <= high ? reach[j] : double.PositiveInfinity;
                double before = Math.Min(diagonal, Math.Min(left, above));
                if (double.IsPositiveInfinity(before) && j > high)
                {
                    break;
                }

                diagonal = above;
                double square = double.IsPositiveInfinity(before) ? before : Square(first, i, second, j, dimension);
                left = square <= enough ? Math.Max(before, square) : double.PositiveInfinity;
                reach[j] = left;
                if (!double.IsPositiveInfinity(left))
                {
                    newLow = Math.Min(newLow, j);
                    newHigh = j;
                }
            }

            low = newLow;
            high = newHigh;
        }

        return Math.Sqrt(reach[columns - 1]);
    }

    private static double Square(ReadOnlySpan<double> first, int i, ReadOnlySpan<double> second, int j, int dimension)
    {
        double square = 0;
        for (int d = 0; d < dimension; d++)
        {
            double difference = first[(i * dimension) + d] - second[(j * dimension) + d];
            square += difference * difference;
        }

        return square;
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
