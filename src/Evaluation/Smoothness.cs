namespace MimicD.Evaluation;

/// <summary>How smooth paths are.</summary>
public static class Smoothness
{
    /// <summary>
    /// Roughness: mean norm of the difference of the given order along each path [m], over agents and times, one value an episode, [E].
    /// Order 2 is p(t+2) - 2 p(t+1) + p(t), order 3 the difference of those (evaluation.md). Zero when the paths are too short to have any.
    /// </summary>
    public static double[] Difference(PathSet paths, int order, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(paths);
        ArgumentOutOfRangeException.ThrowIfLessThan(order, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(order, 3);
        ReadOnlySpan<double> weights = order switch { 1 => [-1, 1], 2 => [1, -2, 1], _ => [-1, 3, -3, 1] };
        var result = new double[paths.Episodes];
        for (var e = 0; e < result.Length; e++)
        {
            // Where a demonstration ends and its padding begins is no kink of its path.
            var count = (paths.Lengths?[e] ?? paths.Times) - order;
            if (count <= 0)
            {
                continue;
            }

            var sum = 0.0;
            for (var n = 0; n < paths.Agents; n++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                for (var t = 0; t < count; t++)
                {
                    sum += Norm(paths, e, n, t, weights);
                }
            }

            result[e] = sum / ((double)count * paths.Agents);
        }

        return result;
    }

    /// <summary>Longest step of any agent between two ticks [m], [E].</summary>
    public static double[] LargestStep(PathSet paths, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(paths);
        var result = new double[paths.Episodes];
        for (var e = 0; e < result.Length; e++)
        {
            for (var n = 0; n < paths.Agents; n++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                for (var t = 0; t + 1 < paths.Times; t++)
                {
                    result[e] = Math.Max(result[e], PathSet.Distance(paths.At(e, n, t), paths.At(e, n, t + 1)));
                }
            }
        }

        return result;
    }

    private static double Norm(PathSet paths, int episode, int agent, int time, ReadOnlySpan<double> weights)
    {
        var sum = 0.0;
        for (var d = 0; d < paths.Dimensions; d++)
        {
            var value = 0.0;
            for (var k = 0; k < weights.Length; k++)
            {
                value += weights[k] * paths.At(episode, agent, time + k)[d];
            }

            sum += value * value;
        }

        return Math.Sqrt(sum);
    }
}
