namespace MimicD.World.Experts;

/// <summary>
/// The six ways in which two agents can swap places around one disc, read off the joint path's geometry.
/// </summary>
/// <remarks>
/// Agent 1 goes from left to right. The rule (from the published task): mean y of agent 1 below mean y of agent 2 gives 2, otherwise 1; then, later ones
/// overriding earlier ones, max y1 > 5 gives 3, min y1 &lt; -5 gives 4, max y2 > 5 gives 5, min y2 &lt; -5 gives 6.
/// </remarks>
public static class SwapModes
{
    /// <summary>Number of modes; labels run from 1 to this.</summary>
    public const int Count = 6;

    /// <summary>An agent whose |y| exceeds this passes outside the other one, m.</summary>
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
    /// <returns>1..6.</returns>
    /// <exception cref="ArgumentException">The paths are empty, of odd length or of different lengths.</exception>
    public static int Label(ReadOnlySpan<double> path1, ReadOnlySpan<double> path2)
    {
        Check(path1.Length, path2.Length);
        (double mean1, double low1, double high1) = Height(path1);
        (double mean2, double low2, double high2) = Height(path2);
        return Label(mean1, low1, high1, mean2, low2, high2);
    }

    /// <summary>The mode of a joint path in single precision.</summary>
    /// <param name="joint">Both agents' positions [2, T, 2].</param>
    /// <returns>1..6.</returns>
    /// <exception cref="ArgumentException">The path is empty or not of the shape [2, T, 2].</exception>
    public static int Label(ReadOnlySpan<float> joint)
    {
        ReadOnlySpan<float> path1 = joint[..(joint.Length / 2)];
        ReadOnlySpan<float> path2 = joint[(joint.Length / 2)..];
        Check(path1.Length, path2.Length);
        (double mean1, double low1, double high1) = Height(path1);
        (double mean2, double low2, double high2) = Height(path2);
        return Label(mean1, low1, high1, mean2, low2, high2);
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

    private static int Label(double mean1, double low1, double high1, double mean2, double low2, double high2)
    {
        int mode = mean1 < mean2 ? 2 : 1;
        mode = high1 > OutsideY ? 3 : mode;
        mode = low1 < -OutsideY ? 4 : mode;
        mode = high2 > OutsideY ? 5 : mode;
        return low2 < -OutsideY ? 6 : mode;
    }

    private static void Check(int length1, int length2)
    {
        if (length1 == 0 || length1 % 2 != 0 || length1 != length2)
        {
            throw new ArgumentException($"Two paths [T, 2] of the same length are needed; they have {length1} and {length2} entries.", nameof(length1));
        }
    }

    private static (double Mean, double Low, double High) Height<T>(ReadOnlySpan<T> path)
        where T : System.Numerics.INumberBase<T>
    {
        double sum = 0;
        double low = double.PositiveInfinity;
        double high = double.NegativeInfinity;
        for (int i = 1; i < path.Length; i += 2)
        {
            double y = double.CreateChecked(path[i]);
            sum += y;
            low = Math.Min(low, y);
            high = Math.Max(high, y);
        }

        return (sum / (path.Length / 2), low, high);
    }
}
