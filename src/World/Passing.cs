namespace MimicD.World;

/// <summary>On which side something was passed: the angle that one path sweeps as seen from another, or from a fixed point.</summary>
internal static class Passing
{
    /// <summary>
    /// Nearer than this share of the first and the last distance together, a way counts as leading through what it passes, and then it
    /// passed it on no side:
    /// paths are stored in single precision, so nearer than this a side is a matter of rounding.
    /// </summary>
    public const double Through = 1e-6;

    /// <summary>
    /// The swept angle [rad], each step's change taken in (-pi, pi], counter-clockwise above 0; 0 where the way leads through.
    /// </summary>
    /// <param name="from">The other's path [T,2], or a fixed point [2] [m].</param>
    /// <param name="to">The path [T,2] [m].</param>
    public static double Sweep(ReadOnlySpan<double> from, ReadOnlySpan<double> to)
    {
        var stride = from.Length == to.Length ? 1 : 0;
        var (x, y) = (to[0] - from[0], to[1] - from[1]);
        var last = stride * (to.Length - 2);
        var near = Through * (double.Hypot(x, y) + double.Hypot(to[^2] - from[last], to[^1] - from[last + 1]));
        var sum = 0.0;
        for (var t = 2; t < to.Length; t += 2)
        {
            var (nextX, nextY) = (to[t] - from[stride * t], to[t + 1] - from[stride * t + 1]);
            var (cross, dot) = (x * nextY - y * nextX, x * nextX + y * nextY);
            // At a distance of |cross| / |step|, and not beside the step.
            if (dot <= 0 && Math.Abs(cross) <= near * double.Hypot(nextX - x, nextY - y))
            {
                return 0;
            }

            sum += Math.Atan2(cross, dot);
            (x, y) = (nextX, nextY);
        }

        return sum;
    }

    /// <summary>
    /// Which way a path crossed the line through a point across an axis: +1 along the axis, -1 against it, 0 where it ends on the side on
    /// which it began.
    /// </summary>
    /// <param name="from">The other's path [T,2], or a fixed point [2] [m].</param>
    /// <param name="to">The path [T,2] [m].</param>
    /// <param name="alongX">First coordinate of the axis.</param>
    /// <param name="alongY">Second coordinate of the axis.</param>
    public static int Direction(ReadOnlySpan<double> from, ReadOnlySpan<double> to, double alongX, double alongY)
    {
        var first = Math.Sign((to[0] - from[0]) * alongX + (to[1] - from[1]) * alongY);
        var last = Math.Sign((to[^2] - from[^2]) * alongX + (to[^1] - from[^1]) * alongY);
        return first * last < 0 ? last : 0;
    }
}
