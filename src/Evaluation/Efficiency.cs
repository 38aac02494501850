namespace MimicD.Evaluation;

/// <summary>How far and how long agents go.</summary>
public static class Efficiency
{
    /// <summary>Length of an agent's path, the sum of its steps [m], mean over agents, [E].</summary>
    public static double[] PathLength(PathSet paths, CancellationToken cancellationToken = default)
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
                    result[e] += PathSet.Distance(paths.At(e, n, t), paths.At(e, n, t + 1));
                }
            }

            result[e] /= paths.Agents;
        }

        return result;
    }

    /// <summary>
    /// Time to goal [s], [E]: an agent's is the first time from which it stays within the tolerance of its goal until the end; an episode's is the mean over its agents, and NaN unless all of them
    /// end there. A mean over episodes is thus of those that arrived, and is to be read beside their share.
    /// </summary>
    /// <param name="paths">[E,N,T,D].</param>
    /// <param name="goals">[E,N,D] [m].</param>
    /// <param name="tolerance">[m].</param>
    /// <param name="timeStep">Seconds between ticks.</param>
    /// <param name="cancellationToken">Gives up within a moment.</param>
    public static double[] TimeToGoal(PathSet paths, ReadOnlySpan<double> goals, double tolerance, double timeStep, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(paths);
        paths.RequireGoals(goals);
        var result = new double[paths.Episodes];
        for (var e = 0; e < result.Length; e++)
        {
            for (var n = 0; n < paths.Agents; n++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var goal = goals.Slice((e * paths.Agents + n) * paths.Dimensions, paths.Dimensions);
                var t = paths.Times;
                while (t > 0 && PathSet.Distance(paths.At(e, n, t - 1), goal) <= tolerance)
                {
                    t--;
                }

                result[e] += t == paths.Times ? double.NaN : t * timeStep / paths.Agents;
            }
        }

        return result;
    }
}
