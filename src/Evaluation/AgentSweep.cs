namespace MimicD.Evaluation;

/// <summary>
/// The agents of one episode along x, tick after tick, so that thousands of them do not cost all their pairs. An order is made from that of the tick before, which is nearly the same, and positions are turned over
/// to ticks a few at a time, so that a path's memory is touched once for all of them.
/// </summary>
internal sealed class AgentSweep
{
    private const int Ticks = 32;

    // Moves per agent after which the order is made anew.
    private const int Patience = 8;

    private readonly PathSet _paths;
    private readonly int _episode;
    private readonly double[] _block;
    private int _first;
    private int _count;

    /// <summary>Begins before the first tick.</summary>
    public AgentSweep(PathSet paths, int episode)
    {
        (_paths, _episode) = (paths, episode);
        Order = [.. Enumerable.Range(0, paths.Agents)];
        X = new double[paths.Agents];
        _block = new double[Math.Min(Ticks, paths.Times) * paths.Agents * paths.Dimensions];
    }

    /// <summary>Agents by x, [N].</summary>
    public int[] Order { get; }

    /// <summary>Their x [m], ascending, [N].</summary>
    public double[] X { get; }

    /// <summary>Goes to a tick; each after the one before it.</summary>
    public void Go(int time)
    {
        var (n, d) = (_paths.Agents, _paths.Dimensions);
        if (time >= _first + _count)
        {
            Turn(time);
        }

        var now = _block.AsSpan((time - _first) * n * d, n * d);
        for (var i = 0; i < n; i++)
        {
            X[i] = now[Order[i] * d];
        }

        if (time == 0)
        {
            Array.Sort(X, Order);
            return;
        }

        var moves = 0L;
        for (var i = 1; i < n; i++)
        {
            var (x, agent) = (X[i], Order[i]);
            var at = i;
            for (; at > 0 && X[at - 1] > x; at--)
            {
                (X[at], Order[at]) = (X[at - 1], Order[at - 1]);
            }

            (X[at], Order[at]) = (x, agent);
            moves += i - at;
            if (moves > (long)Patience * n)
            {
                Array.Sort(X, Order);
                return;
            }
        }
    }

    /// <summary>Distance of two agents at the tick [m].</summary>
    /// <param name="time">The tick that was gone to last.</param>
    /// <param name="first">Place of the first in <see cref="Order"/>.</param>
    /// <param name="second">Place of the second.</param>
    public double Distance(int time, int first, int second)
    {
        var (n, d) = (_paths.Agents, _paths.Dimensions);
        var now = _block.AsSpan((time - _first) * n * d, n * d);
        return PathSet.Distance(now.Slice(Order[first] * d, d), now.Slice(Order[second] * d, d));
    }

    private void Turn(int time)
    {
        var (n, d) = (_paths.Agents, _paths.Dimensions);
        (_first, _count) = (time, Math.Min(Ticks, _paths.Times - time));
        for (var agent = 0; agent < n; agent++)
        {
            for (var t = 0; t < _count; t++)
            {
                _paths.At(_episode, agent, time + t).CopyTo(_block.AsSpan((t * n + agent) * d));
            }
        }
    }
}
