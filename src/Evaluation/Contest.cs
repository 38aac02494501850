using MimicD.World;

namespace MimicD.Evaluation;

/// <summary>
/// Whether more than one agent wanted the same slot. Defined where a scenario has slots that can be too few, such as the sides of an obstacle. A crossing without obstacles has only an order of passing: two agents always
/// share it, so nothing is contested there and the figure is null.
/// </summary>
public static class Contest
{
    /// <summary>
    /// Per episode, whether two agents pass the obstacle on the same side, [E]: the side is the sign of the offset from the obstacle's centre across
    /// the axis, read for each agent at its own step nearest to the place on the axis (the earliest of equally near ones).
    /// </summary>
    /// <param name="paths">[E,N,T,2].</param>
    /// <param name="spec">Axis and place.</param>
    /// <param name="centre">The obstacle's centre [2] [m].</param>
    public static bool[] SameSide(PathSet paths, ContestedSpec spec, ReadOnlySpan<double> centre)
    {
        ArgumentNullException.ThrowIfNull(paths);
        ArgumentNullException.ThrowIfNull(spec);
        if (paths.Dimensions != 2 || centre.Length != 2)
        {
            throw new ArgumentException("defined in the plane", nameof(paths));
        }

        var result = new bool[paths.Episodes];
        for (var e = 0; e < result.Length; e++)
        {
            var (above, below) = (0, 0);
            for (var n = 0; n < paths.Agents; n++)
            {
                _ = Above(paths, e, n, spec, centre) ? above++ : below++;
            }

            result[e] = above > 1 || below > 1;
        }

        return result;
    }

    private static bool Above(PathSet paths, int episode, int agent, ContestedSpec spec, ReadOnlySpan<double> centre)
    {
        var across = 1 - spec.Axis;
        var (nearest, at) = (double.PositiveInfinity, 0.0);
        for (var t = 0; t < paths.Times; t++)
        {
            var p = paths.At(episode, agent, t);
            var away = Math.Abs(p[spec.Axis] - spec.At);
            if (away < nearest)
            {
                (nearest, at) = (away, p[across]);
            }
        }

        return at > centre[across];
    }
}
