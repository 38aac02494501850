using System.Globalization;

namespace MimicD.World;

/// <summary>
/// Joint modes by how each pair of agents winds round each other: the class of an episode is the tuple of the signs of all pairwise winding angles
/// (the joint braid up to its permutation; Mavrogiannis and Knepper 2019, "Multi-agent path topology in support of socially competent navigation planning").
/// </summary>
/// <remarks>
/// The winding angle of agents i and j is the total change of the direction of p_j - p_i from start to end, each step's change taken in (-pi, pi]. Bit k of label - 1, pairs in the order (1,2), (1,3), ...,
/// (2,3), ..., is 1 where the angle is above 0: the pair turned counter-clockwise, each keeping the other on its left. A pair that has
/// hardly turned
/// has not passed each other, and a joint path with such a pair shows no mode (0).
/// </remarks>
public static class WindingModes
{
    /// <summary>Most agents: 4 have 6 pairs, so 64 modes.</summary>
    public const int MaxAgents = 4;

    /// <summary>Number of modes: 2 to the number of pairs. Not all of them need be possible.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than 2 agents, or more than <see cref="MaxAgents"/>.</exception>
    public static int Count(int agents)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(agents, 2);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(agents, MaxAgents);
        return 1 << (agents * (agents - 1) / 2);
    }

    /// <summary>What each mode looks like: for each pair the sense of its turn, + counter-clockwise, - clockwise.</summary>
    public static IReadOnlyList<string> Names(int agents)
    {
        var names = new string[Count(agents)];
        for (var label = 0; label < names.Length; label++)
        {
            var parts = new List<string>();
            for (var i = 0; i < agents; i++)
            {
                for (var j = i + 1; j < agents; j++)
                {
                    parts.Add(string.Create(CultureInfo.InvariantCulture, $"{i + 1}{j + 1}{((label >> parts.Count & 1) == 1 ? '+' : '-')}"));
                }
            }

            names[label] = string.Join(' ', parts);
        }

        return names;
    }

    /// <summary>Winding angle [rad] below which a pair has not passed each other: 10 degrees. The demonstrations' smallest is 44.</summary>
    public const double LeastAngle = Math.PI / 18;

    /// <summary>
    /// The mode of a joint path, from 1; 0 where a pair has not wound by <see cref="LeastAngle"/>, or went straight through each other.
    /// </summary>
    /// <param name="joint">[N,T,2] [m].</param>
    /// <param name="agents">Agents (N).</param>
    /// <exception cref="ArgumentException">Not that shape.</exception>
    public static int Label(ReadOnlySpan<double> joint, int agents)
    {
        var size = joint.Length / agents;
        if (size == 0 || size % 2 != 0 || joint.Length != agents * size)
        {
            throw new ArgumentException($"a joint path [{agents}, T, 2] is needed; it has {joint.Length} numbers", nameof(joint));
        }

        _ = Count(agents);
        var (label, pair) = (0, 0);
        for (var i = 0; i < agents; i++)
        {
            for (var j = i + 1; j < agents; j++, pair++)
            {
                var angle = Passing.Sweep(joint.Slice(i * size, size), joint.Slice(j * size, size));
                if (Math.Abs(angle) < LeastAngle)
                {
                    return 0;
                }

                label |= angle > 0 ? 1 << pair : 0;
            }
        }

        return label + 1;
    }

    /// <summary>The winding angle of one agent as seen from another [rad], counter-clockwise above 0.</summary>
    /// <param name="from">The other's path [T,2].</param>
    /// <param name="to">The agent's path [T,2].</param>
    public static double Angle(ReadOnlySpan<double> from, ReadOnlySpan<double> to)
    {
        var sum = 0.0;
        var (x, y) = (to[0] - from[0], to[1] - from[1]);
        for (var t = 2; t < from.Length; t += 2)
        {
            var (nextX, nextY) = (to[t] - from[t], to[t + 1] - from[t + 1]);
            sum += Math.Atan2(x * nextY - y * nextX, x * nextX + y * nextY);
            (x, y) = (nextX, nextY);
        }

        return sum;
    }
}
