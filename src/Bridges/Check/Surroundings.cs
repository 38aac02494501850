using MimicD.Bridges.Robots;
using MimicD.World;

namespace MimicD.Bridges.Check;

/// <summary>Where, around a robot, there is something to check.</summary>
internal static class Surroundings
{
    // Points that are tried along each edge of a geofence, and along a way.
    private const int Trials = 16;

    // A share of the largest change: near enough to the border to be told to cross it, far enough from it for rounding.
    private const double Near = 0.3;

    /// <summary>The way a robot can be told to go, a half of its largest change: towards the middle of its range, so that it stays within.</summary>
    /// <returns>An action [A] that keeps every rule from where it is; null where there is none.</returns>
    public static double[]? Aside(Capabilities can, double[] from)
    {
        for (var i = 0; i < can.Dimension; i++)
        {
            foreach (var sign in from[i] < (can.Min[i] + can.Max[i]) / 2 ? (double[])[1, -1] : [-1, 1])
            {
                var action = (double[])from.Clone();
                action[i] += sign * can.Change[i] / 2;
                if (Fits(can, action))
                {
                    return action;
                }
            }
        }

        return null;
    }

    /// <summary>An action further off than the largest change, and within the range.</summary>
    public static double[]? TooFar(Capabilities can, double[] from)
    {
        for (var i = 0; i < can.Dimension; i++)
        {
            foreach (var sign in (double[])[1, -1])
            {
                var action = (double[])from.Clone();
                action[i] += sign * 1.5 * can.Change[i];
                if (action[i] >= can.Min[i] && action[i] <= can.Max[i])
                {
                    return action;
                }
            }
        }

        return null;
    }

    /// <summary>Where to stand, within the geofence, to be told to leave it by an action that breaks no other rule.</summary>
    /// <param name="can">What the robot can do.</param>
    /// <param name="from">Where it is [A].</param>
    /// <returns>The place that is nearest on a straight way through the geofence, and the action from there; null where there is none.</returns>
    public static (double[] Stand, double[] Outside)? Border(Capabilities can, double[] from)
    {
        if (can.Action != ActionKind.Position || can.Geofence is not { } fence)
        {
            return null;
        }

        (double[] Stand, double[] Outside)? best = null;
        var shortest = double.PositiveInfinity;
        var step = Near * Math.Min(can.Change[0], can.Change[1]);
        for (int i = 0, j = fence.Length - 1; i < fence.Length; j = i++)
        {
            var (ax, ay, dx, dy) = (fence[j][0], fence[j][1], fence[i][0] - fence[j][0], fence[i][1] - fence[j][1]);
            var length = Math.Sqrt(dx * dx + dy * dy);
            for (var trial = 0; trial < Trials && length > 0; trial++)
            {
                var share = (trial + 0.5) / Trials;
                foreach (var side in (double[])[step, -step])
                {
                    var stand = At(from, ax + dx * share - dy / length * side, ay + dy * share + dx / length * side);
                    var outside = At(from, ax + dx * share + dy / length * side, ay + dy * share - dx / length * side);
                    var distance = Math.Sqrt(Math.Pow(stand[0] - from[0], 2) + Math.Pow(stand[1] - from[1], 2));
                    if (distance < shortest && IsInRange(can, stand) && IsInRange(can, outside) && !can.Allows(outside[0], outside[1]) && IsOpenWay(can, from, stand))
                    {
                        (best, shortest) = ((stand, outside), distance);
                    }
                }
            }
        }

        return best;
    }

    /// <summary>The next action on a straight way, as far as the largest change allows with something to spare.</summary>
    public static double[] Towards(Capabilities can, double[] from, double[] to)
    {
        var most = 1.0;
        for (var i = 0; i < can.Dimension; i++)
        {
            most = Math.Max(most, Math.Abs(to[i] - from[i]) / (0.8 * can.Change[i]));
        }

        return [.. from.Select((x, i) => x + (to[i] - x) / most)];
    }

    /// <summary>The largest distance of two points in one coordinate, as a share of the largest change.</summary>
    public static double Distance(Capabilities can, double[] a, double[] b) => Enumerable.Range(0, can.Dimension).Max(i => Math.Abs(a[i] - b[i]) / can.Change[i]);

    /// <summary>Version of the protocol that an MQTT client speaks, by its first bytes: the level in CONNECT (MQTT 5, 3.1.2.2); null where they are not MQTT's, as with TLS.</summary>
    public static int? ProtocolLevel(ReadOnlySpan<byte> opening)
    {
        const byte connect = 0x10;
        if (opening.Length < 2 || opening[0] != connect)
        {
            return null;
        }

        // The rest's length has one to four bytes, the last of which is below 128.
        var at = 1;
        while (at < opening.Length && at < 4 && opening[at] >= 128)
        {
            at++;
        }

        var name = opening[Math.Min(at + 1, opening.Length)..];
        return name.Length > 6 && name[..6].SequenceEqual("\0\u0004MQTT"u8) ? name[6] : null;
    }

    private static bool IsInRange(Capabilities can, double[] action) => !action.Where((x, i) => !(x >= can.Min[i] && x <= can.Max[i])).Any();

    private static bool Fits(Capabilities can, double[] action) => IsInRange(can, action) && (can.Action != ActionKind.Position || can.Dimension < 2 || can.Allows(action[0], action[1]));

    private static double[] At(double[] from, double x, double y)
    {
        var point = (double[])from.Clone();
        (point[0], point[1]) = (x, y);
        return point;
    }

    private static bool IsOpenWay(Capabilities can, double[] from, double[] to)
    {
        var steps = Trials * (1 + (int)Distance(can, from, to));
        for (var step = 1; step <= steps; step++)
        {
            var share = (double)step / steps;
            if (!can.Allows(from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share))
            {
                return false;
            }
        }

        return true;
    }
}
