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
        var reach = new double[columns];
        for (int i = 0; i < rows; i++)
        {
            double diagonal = i == 0 ? 0 : double.PositiveInfinity;
            double left = double.PositiveInfinity;
            for (int j = 0; j < columns; j++)
            {
                double square = 0;
                for (int d = 0; d < dimension; d++)
                {
                    double difference = first[(i * dimension) + d] - second[(j * dimension) + d];
                    square += difference * difference;
                }

                double above = i == 0 ? double.PositiveInfinity : reach[j];
                double before = Math.Min(diagonal, Math.Min(left, above));
                diagonal = above;
                left = Math.Max(before, square);
                reach[j] = left;
            }
        }

        return Math.Sqrt(reach[columns - 1]);
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
