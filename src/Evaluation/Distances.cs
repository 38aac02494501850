using System.Runtime.CompilerServices;

namespace MimicD.Evaluation;

/// <summary>Smallest distances over an episode, read at the ticks (not between them).</summary>
public static class Distances
{
    // Asked for by several figures and by the pictures. A path set is not changed once it is made.
    private static readonly ConditionalWeakTable<PathSet, (double Distance, int Time, int First, int Second)?[]> Approaches = [];

    /// <summary><c>dist</c>: smallest distance of any two agents at any tick [m], [E]; infinite with one agent.</summary>
    /// <param name="paths">[E,N,T,D].</param>
    /// <param name="cancellationToken">Gives up within a moment.</param>
    public static double[] MinimumPair(PathSet paths, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(paths);
        return [.. Enumerable.Range(0, paths.Episodes).Select(e => ClosestApproach(paths, e, cancellationToken).Distance)];
    }

    /// <summary>Where two agents came nearest to each other: the earliest such tick, and the two agents.</summary>
    /// <param name="paths">[E,N,T,D].</param>
    /// <param name="episode">0 to E-1.</param>
    /// <param name="cancellationToken">Gives up within a moment.</param>
    /// <returns>Distance [m] (infinite with one agent), tick, and the agents, the lower index first.</returns>
    public static (double Distance, int Time, int First, int Second) ClosestApproach(PathSet paths, int episode, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(paths);
        var known = Approaches.GetValue(paths, p => new (double, int, int, int)?[p.Episodes]);
        lock (known)
        {
            if (known[episode] is { } found)
            {
                return found;
            }
        }

        var best = Approach(paths, episode, cancellationToken);
        lock (known)
        {
            known[episode] = best;
        }

        return best;
    }

    private static (double Distance, int Time, int First, int Second) Approach(PathSet paths, int episode, CancellationToken cancellationToken)
    {
        var (distance, time) = (double.PositiveInfinity, 0);
        var sweep = new AgentSweep(paths, episode);
        for (var t = 0; t < paths.Times; t++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            sweep.Go(t);
            var x = sweep.X;
            for (var i = 0; i < x.Length; i++)
            {
                for (var j = i + 1; j < x.Length && x[j] - x[i] < distance; j++)
                {
                    if (sweep.Distance(t, i, j) is var d && d < distance)
                    {
                        (distance, time) = (d, t);
                    }
                }
            }
        }

        // Of pairs that are equally near, the one that comes first when the tick is sorted by itself.
        var best = (Distance: double.PositiveInfinity, Time: time, First: 0, Second: 0);
        var order = Enumerable.Range(0, paths.Agents).ToArray();
        var along = Array.ConvertAll(order, n => paths.At(episode, n, time)[0]);
        Array.Sort(along, order);
        for (var i = 0; i < order.Length; i++)
        {
            for (var j = i + 1; j < order.Length && along[j] - along[i] < best.Distance; j++)
            {
                if (PathSet.Distance(paths.At(episode, order[i], time), paths.At(episode, order[j], time)) is var d && d < best.Distance)
                {
                    best = (d, time, Math.Min(order[i], order[j]), Math.Max(order[i], order[j]));
                }
            }
        }

        return best;
    }

    /// <summary>Which agents came nearer to another, at any tick, than a distance, [E,N].</summary>
    /// <param name="paths">[E,N,T,D].</param>
    /// <param name="pair">The distance [m].</param>
    /// <param name="cancellationToken">Gives up within a moment.</param>
    public static bool[] Touched(PathSet paths, double pair, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(paths);
        var touched = new bool[paths.Episodes * paths.Agents];
        for (var e = 0; e < paths.Episodes; e++)
        {
            var own = touched.AsSpan(e * paths.Agents, paths.Agents);
            var sweep = new AgentSweep(paths, e);
            for (var t = 0; t < paths.Times && own.Contains(false); t++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                sweep.Go(t);
                var (x, order) = (sweep.X, sweep.Order);
                for (var i = 0; i < x.Length; i++)
                {
                    // One that has is asked about no more: in a crowd everybody has at once, and all pairs would be too many.
                    if (!own[order[i]] && (Near(i, 1) ?? Near(i, -1)) is { } other)
                    {
                        own[order[i]] = own[order[other]] = true;
                    }
                }

                int? Near(int i, int way)
                {
                    for (var j = i + way; j >= 0 && j < x.Length && way * (x[j] - x[i]) < pair; j += way)
                    {
                        if (sweep.Distance(t, i, j) < pair)
                        {
                            return j;
                        }
                    }

                    return null;
                }
            }
        }

        return touched;
    }

    /// <summary><c>obst</c>: smallest distance of any agent at any tick to the centre [D] of an obstacle [m], [E].</summary>
    public static double[] MinimumTo(PathSet paths, ReadOnlySpan<double> centre, CancellationToken cancellationToken = default)
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
                cancellationToken.ThrowIfCancellationRequested();
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
