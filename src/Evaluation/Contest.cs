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
    /// the axis, read for each agent at its own step nearest to the place on the axis (the earliest of equally near ones). An agent that
    /// never comes to that place, or is in line with the centre there, takes no side.
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
                var side = Side(paths, e, n, spec, centre);
                above += side > 0 ? 1 : 0;
                below += side < 0 ? 1 : 0;
            }

            result[e] = above > 1 || below > 1;
        }

        return result;
    }

    /// <summary>+1 above, -1 below, 0 on neither side.</summary>
    private static int Side(PathSet paths, int episode, int agent, ContestedSpec spec, ReadOnlySpan<double> centre)
    {
        var across = 1 - spec.Axis;
        var (nearest, at) = (double.PositiveInfinity, 0.0);
        var (before, behind) = (false, false);
        for (var t = 0; t < paths.Times; t++)
        {
            var p = paths.At(episode, agent, t);
            var offset = p[spec.Axis] - spec.At;
            (before, behind) = (before || offset <= 0, behind || offset >= 0);
            if (Math.Abs(offset) < nearest)
            {
                (nearest, at) = (Math.Abs(offset), p[across]);
            }
        }

        return before && behind ? Math.Sign(at - centre[across]) : 0;
    }
}
