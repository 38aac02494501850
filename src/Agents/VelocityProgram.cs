namespace MimicD.Agents;

/// <summary>Velocities v in the plane with n . v >= b.</summary>
/// <param name="X">n, a unit vector.</param>
/// <param name="Y">n.</param>
/// <param name="Bound">b [m/s].</param>
public readonly record struct HalfPlane(double X, double Y, double Bound)
{
    /// <summary>
    /// The velocities that do their share so that the agent and another, both keeping theirs, stay apart for a while: optimal reciprocal collision avoidance (van den Berg, Guy,
    /// Lin, Manocha 2011, "Reciprocal n-body collision avoidance", section 4). The velocity obstacle is the set of relative velocities that bring the centres nearer than
    /// the separation R within the horizon tau: a cone with half angle asin(R / |p|) round p, cut off by the disc of radius R / tau at p / tau. u is the way from the present
    /// relative velocity to the nearest point of its boundary, and the agent takes a share of it.
    /// </summary>
    /// <param name="px">The other's position as seen from the agent (p) [m].</param>
    /// <param name="py">p.</param>
    /// <param name="own">Own velocity [m/s].</param>
    /// <param name="other">The other's velocity [m/s].</param>
    /// <param name="separation">R [m], above 0.</param>
    /// <param name="horizon">tau [s], above 0. Agents that are too near already get apart within <paramref name="timeStep"/> instead, as far as they can.</param>
    /// <param name="timeStep">[s], above 0.</param>
    /// <param name="share">Part of u that the agent takes: 1/2 when the other does the same, 1 when it does nothing.</param>
    public static HalfPlane Reciprocal(double px, double py, (double X, double Y) own, (double X, double Y) other, double separation, double horizon, double timeStep, double share)
    {
        var (vx, vy) = (own.X - other.X, own.Y - other.Y);
        var distance = Math.Sqrt(px * px + py * py);
        var tau = distance > separation ? horizon : timeStep;
        var (wx, wy) = (vx - px / tau, vy - py / tau);
        var w = Math.Sqrt(wx * wx + wy * wy);
        var along = wx * px + wy * py;
        double nx, ny, outward;
        if (distance <= separation || (along < 0 && along * along > separation * separation * w * w))
        {
            // The disc is nearest. From its very centre every way out is as long; back is the natural one.
            (nx, ny) = w > 0 ? (wx / w, wy / w) : distance > 0 ? (-px / distance, -py / distance) : (1, 0);
            outward = separation / tau - w;
        }
        else
        {
            // A side of the cone is nearest: the one on whose side of p the relative velocity lies. Its outward normal is p turned by asin(R / |p|) and a right angle.
            var side = px * wy - py * wx > 0 ? 1 : -1;
            var sin = separation / distance;
            var cos = Math.Sqrt(1 - sin * sin);
            var (ux, uy) = (px / distance, py / distance);
            var (lx, ly) = (ux * cos - side * uy * sin, side * ux * sin + uy * cos);
            (nx, ny) = (-side * ly, side * lx);
            outward = -(vx * nx + vy * ny);
        }

        return new HalfPlane(nx, ny, nx * own.X + ny * own.Y + share * outward);
    }
}

/// <summary>The velocity nearest to a preferred one within a speed limit and half-planes; or, where there is none, the one that violates the half-planes least.</summary>
public static class VelocityProgram
{
    /// <summary>Most half-planes.</summary>
    public const int MaxPlanes = 64;

    private const double Tolerance = 1e-9;
    private const int Halvings = 50;

    /// <summary>
    /// Solves it exactly: the optimum is the preferred velocity itself, its nearest point on one boundary, or a corner of two; all are tried, which for the few half-planes
    /// of an agent's neighbours is quicker than to be clever. Deterministic.
    /// </summary>
    /// <param name="planes">At most <see cref="MaxPlanes"/>.</param>
    /// <param name="preferred">[m/s].</param>
    /// <param name="maxSpeed">[m/s], 0 or more.</param>
    /// <returns>The velocity, and by how much the worst half-plane is violated [m/s]: 0 when all are kept.</returns>
    public static (double X, double Y, double Violation) Solve(ReadOnlySpan<HalfPlane> planes, (double X, double Y) preferred, double maxSpeed)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(planes.Length, MaxPlanes, nameof(planes));
        ArgumentOutOfRangeException.ThrowIfNegative(maxSpeed);
        if (Nearest(planes, preferred, maxSpeed, slack: 0) is { } free)
        {
            return (free.X, free.Y, 0);
        }

        // With enough slack standing still is allowed.
        var (tight, loose) = (0.0, 0.0);
        foreach (var plane in planes)
        {
            loose = Math.Max(loose, plane.Bound);
        }

        var best = Nearest(planes, preferred, maxSpeed, loose) ?? (0, 0);
        for (var i = 0; i < Halvings; i++)
        {
            var middle = (tight + loose) / 2;
            if (Nearest(planes, preferred, maxSpeed, middle) is { } found)
            {
                (best, loose) = (found, middle);
            }
            else
            {
                tight = middle;
            }
        }

        return (best.X, best.Y, loose);
    }

    private static (double X, double Y)? Nearest(ReadOnlySpan<HalfPlane> planes, (double X, double Y) preferred, double maxSpeed, double slack)
    {
        (double X, double Y)? best = null;
        var least = double.PositiveInfinity;
        var speed = Math.Sqrt(preferred.X * preferred.X + preferred.Y * preferred.Y);
        var scale = speed > maxSpeed ? maxSpeed / speed : 1;
        Try(planes, preferred.X * scale, preferred.Y * scale);
        for (var i = 0; i < planes.Length; i++)
        {
            var (nx, ny, b) = (planes[i].X, planes[i].Y, planes[i].Bound - slack);
            var off = b - (nx * preferred.X + ny * preferred.Y);
            Try(planes, preferred.X + off * nx, preferred.Y + off * ny);
            var squared = maxSpeed * maxSpeed - b * b;
            if (squared >= 0)
            {
                var root = Math.Sqrt(squared);
                Try(planes, b * nx - root * ny, b * ny + root * nx);
                Try(planes, b * nx + root * ny, b * ny - root * nx);
            }

            for (var j = i + 1; j < planes.Length; j++)
            {
                var determinant = nx * planes[j].Y - ny * planes[j].X;
                if (Math.Abs(determinant) > Tolerance)
                {
                    var c = planes[j].Bound - slack;
                    Try(planes, (b * planes[j].Y - c * ny) / determinant, (c * nx - b * planes[j].X) / determinant);
                }
            }
        }

        return best;

        void Try(ReadOnlySpan<HalfPlane> all, double x, double y)
        {
            var (dx, dy) = (x - preferred.X, y - preferred.Y);
            var away = dx * dx + dy * dy;
            if (!(away < least) || x * x + y * y > maxSpeed * maxSpeed * (1 + Tolerance) + Tolerance)
            {
                return;
            }

            foreach (var plane in all)
            {
                if (plane.X * x + plane.Y * y < plane.Bound - slack - Tolerance)
                {
                    return;
                }
            }

            (best, least) = ((x, y), away);
        }
    }
}
