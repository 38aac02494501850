namespace MimicD.Evaluation;

/// <summary>Whether more than one agent wanted the same slot, for two agents that pass one obstacle (the swap).</summary>
public static class Contest
{
    /// <summary>
    /// Per episode, whether both agents pass the obstacle on the same side, [E]: the side is the sign of y - centre.y, read for each agent
    /// at its own step nearest to x = centre.x (the earliest of equally near ones).
    /// </summary>
    /// <param name="paths">[E,2,T,2].</param>
    /// <param name="centre">The obstacle's centre [m], [2].</param>
    public static bool[] SameSide(PathSet paths, ReadOnlySpan<double> centre)
    {
        ArgumentNullException.ThrowIfNull(paths);
        if (paths.Agents != 2 || paths.Dimensions != 2 || centre.Length != 2)
        {
            throw new ArgumentException("defined for two agents in the plane", nameof(paths));
        }

        var result = new bool[paths.Episodes];
        for (var e = 0; e < result.Length; e++)
        {
            result[e] = Above(paths, e, 0, centre) == Above(paths, e, 1, centre);
        }

        return result;
    }

    private static bool Above(PathSet paths, int episode, int agent, ReadOnlySpan<double> centre)
    {
        var (nearest, y) = (double.PositiveInfinity, 0.0);
        for (var t = 0; t < paths.Times; t++)
        {
            var p = paths.At(episode, agent, t);
            var away = Math.Abs(p[0] - centre[0]);
            if (away < nearest)
            {
                (nearest, y) = (away, p[1]);
            }
        }

        return y > centre[1];
    }
}
