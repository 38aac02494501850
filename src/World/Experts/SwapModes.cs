namespace MimicD.World.Experts;

/// <summary>
/// The six ways in which two agents can swap places around one disc, read off the joint path's geometry.
/// </summary>
/// <remarks>
/// An agent passes on the side on which its way leads round what is passed (<see cref="SwapFrame"/>), from one side of it to the other: the
/// sign of the angle that it sweeps. On one side the outer agent is the one
/// that is further out where the two pass each other: the sign of the angle that the pair sweeps. So the mode does not depend on scale,
/// place or pace, and an agent may go as far out as it likes.
/// A joint path in which an agent does not come past, goes straight through the point, or in which agents on one side do not pass each
/// other, shows no mode (0).
/// <see cref="Published"/> is the rule of the published task.
/// </remarks>
public static class SwapModes
{
    /// <summary>Number of modes; labels run from 1 to this.</summary>
    public const int Count = 6;

    /// <summary>An agent whose |y| exceeds this passes outside the other one by the published rule, m.</summary>
    public const double OutsideY = 5.0;

    private static readonly string[] AllNames =
    [
        "1 above, 2 below", "1 below, 2 above", "both above, 1 outside", "both below, 1 outside", "both above, 2 outside", "both below, 2 outside",
    ];

    /// <summary>What each mode looks like, in the order of the labels 1..6.</summary>
    public static IReadOnlyList<string> Names => AllNames;

    /// <summary>The mode of a joint path.</summary>
    /// <param name="path1">Agent 1's positions [T, 2].</param>
    /// <param name="path2">Agent 2's positions [T, 2].</param>
    /// <param name="frame">What is passed, and which way is above.</param>
    /// <returns>1..6, or 0 where the path shows none.</returns>
    /// <exception cref="ArgumentException">The paths are empty, of odd length or of different lengths.</exception>
    public static int Label(ReadOnlySpan<double> path1, ReadOnlySpan<double> path2, SwapFrame frame)
    {
        Check(path1.Length, path2.Length);
        (int side1, int way1) = Passed(path1, frame);
        (int side2, int way2) = Passed(path2, frame);
        if (side1 == 0 || side2 == 0)
        {
            return 0;
        }

        if (side1 != side2)
        {
            return side1 > 0 ? 1 : 2;
        }

        // Agent 2 as seen from agent 1: going against agent 1's way and counter-clockwise (in a frame whose axis has above on its left) it is the upper one.
        int higher = Passing.Direction(path1, path2, frame.UpY, -frame.UpX) == -way1 && way2 == -way1 ? way1 * Math.Sign(Passing.Sweep(path1, path2)) : 0;
        return (side1 * higher) switch
        {
            < 0 => side1 > 0 ? 3 : 4,
            > 0 => side1 > 0 ? 5 : 6,
            _ => 0,
        };
    }

    /// <summary>
    /// The mode of a joint path by the rule of the published task, which knows nothing of the disc and fits that task's lengths alone.
    /// </summary>
    /// <remarks>
    /// Mean y of agent 1 below mean y of agent 2 gives 2, otherwise 1; then, later ones overriding earlier ones, max y1 > 5 gives 3, min y1
    /// &lt; -5 gives 4, max y2 > 5 gives 5, min y2 &lt; -5 gives 6.
    /// </remarks>
    /// <param name="path1">Agent 1's positions [T, 2].</param>
    /// <param name="path2">Agent 2's positions [T, 2].</param>
    /// <returns>1..6.</returns>
    /// <exception cref="ArgumentException">The paths are empty, of odd length or of different lengths.</exception>
    public static int Published(ReadOnlySpan<double> path1, ReadOnlySpan<double> path2)
    {
        Check(path1.Length, path2.Length);
        (double mean1, double low1, double high1) = Height(path1);
        (double mean2, double low2, double high2) = Height(path2);
        int mode = mean1 < mean2 ? 2 : 1;
        mode = high1 > OutsideY ? 3 : mode;
        mode = low1 < -OutsideY ? 4 : mode;
        mode = high2 > OutsideY ? 5 : mode;
        return low2 < -OutsideY ? 6 : mode;
    }

    /// <summary>Whether a mode sends the two agents past the disc on the same side.</summary>
    /// <param name="mode">1..6.</param>
    public static bool SameSide(int mode) => mode > 2;

    /// <summary>The side an agent passes on in a mode: +1 above, -1 below.</summary>
    /// <param name="mode">1..6.</param>
    /// <param name="agent">0 or 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">No such mode or agent.</exception>
    public static int Side(int mode, int agent)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(agent is 0 or 1, true, nameof(agent));
        return mode switch
        {
            1 => agent == 0 ? 1 : -1,
            2 => agent == 0 ? -1 : 1,
            3 or 5 => 1,
            4 or 6 => -1,
            _ => throw new ArgumentOutOfRangeException(nameof(mode), mode, "A mode is a number from 1 to 6."),
        };
    }

    /// <summary>Whether an agent is the one that passes outside the other in a mode.</summary>
    /// <param name="mode">1..6.</param>
    /// <param name="agent">0 or 1.</param>
    public static bool Outside(int mode, int agent) => (mode is 3 or 4 && agent == 0) || (mode is 5 or 6 && agent == 1);

    /// <summary>
    /// The mode that starts and goals suggest by themselves: each agent passes on the side its straight line lies on (mean of the y of start and goal),
    /// and if that is the same side, the one whose line lies further out passes outside.
    /// </summary>
    /// <param name="starts">[2, 2], m.</param>
    /// <param name="goals">[2, 2], m.</param>
    /// <returns>1..6.</returns>
    /// <exception cref="ArgumentException">Wrong shapes.</exception>
    public static int Suggested(ReadOnlySpan<double> starts, ReadOnlySpan<double> goals)
    {
        if (starts.Length != 4 || goals.Length != 4)
        {
            throw new ArgumentException($"Starts and goals are [2, 2]; they have {starts.Length} and {goals.Length} entries.", nameof(starts));
        }

        double height1 = (starts[1] + goals[1]) / 2;
        double height2 = (starts[3] + goals[3]) / 2;
        bool firstOutside = Math.Abs(height1) > Math.Abs(height2);
        return (height1 > 0, height2 > 0) switch
        {
            (true, false) => 1,
            (false, true) => 2,
            (true, true) => firstOutside ? 3 : 5,
            (false, false) => firstOutside ? 4 : 6,
        };
    }

    /// <summary>The side on which an agent came past, +1 above and -1 below, and which way; 0 where it did not.</summary>
    private static (int Side, int Way) Passed(ReadOnlySpan<double> path, SwapFrame frame)
    {
        ReadOnlySpan<double> centre = [frame.X, frame.Y];
        int way = Passing.Direction(centre, path, frame.UpY, -frame.UpX);
        return way == 0 ? (0, 0) : (-way * Math.Sign(Passing.Sweep(centre, path)), way);
    }

    private static void Check(int length1, int length2)
    {
        if (length1 == 0 || length1 % 2 != 0 || length1 != length2)
        {
            throw new ArgumentException($"Two paths [T, 2] of the same length are needed; they have {length1} and {length2} entries.", nameof(length1));
        }
    }

    private static (double Mean, double Low, double High) Height(ReadOnlySpan<double> path)
    {
        double sum = 0;
        double low = double.PositiveInfinity;
        double high = double.NegativeInfinity;
        for (int i = 1; i < path.Length; i += 2)
        {
            sum += path[i];
            low = Math.Min(low, path[i]);
            high = Math.Max(high, path[i]);
        }

        return (sum / (path.Length / 2), low, high);
    }
}
