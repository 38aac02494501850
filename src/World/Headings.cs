namespace MimicD.World;

/// <summary>
/// Headings [rad] of bodies whose dynamics have none, defined on positions alone so that demonstrations give the same: the direction of
/// the last displacement, the heading before where the body did not move, and at the start what the scenario says or the direction of the goal. Two dimensions.
/// </summary>
public static class Headings
{
    /// <summary>Displacements up to this length [m] say nothing about a direction.</summary>
    public const double Still = 1e-9;

    /// <summary>Heading at the start: towards the goal, or 0 where the goal is at the start.</summary>
    /// <param name="start">Position [2] [m].</param>
    /// <param name="goal">Goal [2] [m].</param>
    public static double Initial(ReadOnlySpan<double> start, ReadOnlySpan<double> goal) => Next(0, start, goal);

    /// <summary>Headings along a recorded path.</summary>
    /// <param name="path">Positions [T,2] [m].</param>
    /// <param name="goal">Goal [2] [m].</param>
    /// <param name="initial">Heading at the start [rad], where the scenario gives one; null: towards the goal.</param>
    /// <returns>[T] [rad]</returns>
    public static double[] Along(ReadOnlySpan<double> path, ReadOnlySpan<double> goal, double? initial = null)
    {
        var headings = new double[path.Length / 2];
        for (var t = 0; t < headings.Length; t++)
        {
            var position = path.Slice(2 * t, 2);
            headings[t] = t == 0 ? initial ?? Initial(position, goal) : Next(headings[t - 1], path.Slice(2 * t - 2, 2), position);
        }

        return headings;
    }

    /// <summary>Heading after a displacement.</summary>
    /// <param name="before">Heading before [rad].</param>
    /// <param name="from">Position before [2] [m].</param>
    /// <param name="to">Position after [2] [m].</param>
    public static double Next(double before, ReadOnlySpan<double> from, ReadOnlySpan<double> to)
    {
        var x = to[0] - from[0];
        var y = to[1] - from[1];
        return x * x + y * y > Still * Still ? Math.Atan2(y, x) : before;
    }
}
