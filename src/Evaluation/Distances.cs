namespace MimicD.Evaluation;

/// <summary>Smallest distances over an episode, read at the ticks (not between them).</summary>
public static class Distances
{
    /// <summary><c>dist</c>: smallest distance of any two agents at any tick [m], [E]; infinite with one agent.</summary>
    public static double[] MinimumPair(PathSet paths)
    {
        ArgumentNullException.ThrowIfNull(paths);
        return [.. Enumerable.Range(0, paths.Episodes).Select(e => ClosestApproach(paths, e).Distance)];
    }

    /// <summary>Where two agents came nearest to each other: the earliest such tick, and the two agents.</summary>
    /// <returns>Distance [m] (infinite with one agent), tick, and the agents, the lower index first.</returns>
    public static (double Distance, int Time, int First, int Second) ClosestApproach(PathSet paths, int episode)
    {
        ArgumentNullException.ThrowIfNull(paths);
        var best = (Distance: double.PositiveInfinity, Time: 0, First: 0, Second: 0);
        var order = new int[paths.Agents];
        var x = new double[paths.Agents];
        for (var t = 0; t < paths.Times; t++)
        {
            // Swept along x, so that thousands of agents do not cost all their pairs.
            for (var n = 0; n < order.Length; n++)
            {
                order[n] = n;
                x[n] = paths.At(episode, n, t)[0];
            }

            Array.Sort(x, order);
            for (var i = 0; i < order.Length; i++)
            {
                for (var j = i + 1; j < order.Length && x[j] - x[i] < best.Distance; j++)
                {
                    var distance = PathSet.Distance(paths.At(episode, order[i], t), paths.At(episode, order[j], t));
                    if (distance < best.Distance)
                    {
                        best = (distance, t, Math.Min(order[i], order[j]), Math.Max(order[i], order[j]));
                    }
                }
            }
        }

        return best;
    }

    /// <summary>Which agents came nearer to another, at any tick, than a distance, [E,N].</summary>
    /// <param name="paths">[E,N,T,D].</param>
    /// <param name="pair">The distance [m].</param>
    public static bool[] Touched(PathSet paths, double pair)
    {
        ArgumentNullException.ThrowIfNull(paths);
        var touched = new bool[paths.Episodes * paths.Agents];
        var order = new int[paths.Agents];
        var x = new double[paths.Agents];
        for (var e = 0; e < paths.Episodes; e++)
        {
            for (var t = 0; t < paths.Times; t++)
            {
                // Swept along x, as in ClosestApproach.
                for (var n = 0; n < order.Length; n++)
                {
                    order[n] = n;
                    x[n] = paths.At(e, n, t)[0];
                }

                Array.Sort(x, order);
                for (var i = 0; i < order.Length; i++)
                {
                    for (var j = i + 1; j < order.Length && x[j] - x[i] < pair; j++)
                    {
                        if (PathSet.Distance(paths.At(e, order[i], t), paths.At(e, order[j], t)) < pair)
                        {
                            touched[e * paths.Agents + order[i]] = touched[e * paths.Agents + order[j]] = true;
                        }
                    }
                }
            }
        }

        return touched;
    }

    /// <summary><c>obst</c>: smallest distance of any agent at any tick to the centre [D] of an obstacle [m], [E].</summary>
    public static double[] MinimumTo(PathSet paths, ReadOnlySpan<double> centre)
    {
        ArgumentNullException.ThrowIfNull(paths);
        if (centre.Length != paths.Dimensions)
        {
            throw new ArgumentException($"expected {paths.Dimensions} coordinates, found {centre.Length}", nameof(centre));
        }

        var result = new double[paths.Episodes];
        for (var e = 0; e < result.Length; e++)
        {
            var best = double.PositiveInfinity;
            for (var n = 0; n < paths.Agents; n++)
            {
                for (var t = 0; t < paths.Times; t++)
                {
                    best = Math.Min(best, PathSet.Distance(paths.At(e, n, t), centre));
                }
            }

            result[e] = best;
        }

        return result;
    }

    /// <summary>Largest distance of an agent from its goal at the last tick [m], [E].</summary>
    /// <param name="paths">[E,N,T,D].</param>
    /// <param name="goals">[E,N,D] [m].</param>
    public static double[] FinalToGoal(PathSet paths, ReadOnlySpan<double> goals)
    {
        ArgumentNullException.ThrowIfNull(paths);
        paths.RequireGoals(goals);
        var result = new double[paths.Episodes];
        for (var e = 0; e < result.Length; e++)
        {
            for (var n = 0; n < paths.Agents; n++)
            {
                var goal = goals.Slice((e * paths.Agents + n) * paths.Dimensions, paths.Dimensions);
                result[e] = Math.Max(result[e], PathSet.Distance(paths.At(e, n, paths.Times - 1), goal));
            }
        }

        return result;
    }
}
