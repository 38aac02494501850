using MimicD.World.Experts;

namespace MimicD.World;

/// <summary>
/// The joint mode that an episode shows while it runs. <see cref="JointModes.Label"/> needs the whole path (who came past whom, a full
/// turn); these are the
/// same modes, told from what the agents have done up to a tick, with a dead zone so that an agent on the dividing line does not count as
/// changing its mind at every tick.
/// </summary>
/// <remarks>
/// Swap: an agent's side is that of its offset from the middle line, taken up once the offset reaches <see cref="SideMargin"/> and held until the other side's margin is reached.
/// On opposite sides that is mode 1 or 2. On the same side the outer agent is the one whose offset is the larger, taken up once it is larger by
/// <see cref="OrderMargin"/> and held until the other's is. The label itself is not used on a prefix: before the agents have come past
/// there is none, so every
/// episode would seem to make up its mind only there.
/// Winding: the sense of each pair is the sign of its winding angle so far, taken up at <see cref="AngleMargin"/> and held until minus that.
/// Circulation: the sense of each agent is the sign of the angle that it has swept as seen from the centre, taken up and held likewise.
/// A mode is undefined (0) while any of its parts is.
/// </remarks>
public static class RunningModes
{
    /// <summary>
    /// Offset from the middle line at which an agent of the swap has taken a side, as a share of the distance between the places that are
    /// swapped:
    /// 1 m of the swap's 20, the half width of the demonstrations' starts, so that nobody takes a side by starting there.
    /// </summary>
    public const double SideMargin = 0.05;

    /// <summary>
    /// By how much one offset must exceed the other for an order of two agents on one side, as a share of that distance: 0.5 m of 20.
    /// </summary>
    public const double OrderMargin = 0.025;

    /// <summary>Winding angle [rad] at which a pair, or an agent round the centre, has taken a sense: 10 degrees.</summary>
    public const double AngleMargin = Math.PI / 18;

    /// <summary>The mode at each tick, [T], from 1; 0 while undefined, and throughout where the scenario tells no modes apart.</summary>
    /// <param name="scenario">Whose rule.</param>
    /// <param name="joint">All agents' positions [N,T,2] [m].</param>
    /// <param name="cancellationToken">Gives up within a moment.</param>
    /// <exception cref="ArgumentException">The path does not have the scenario's agents in the plane.</exception>
    public static int[] Labels(Scenario scenario, ReadOnlySpan<double> joint, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        if (scenario.Modes == ModeRule.None)
        {
            return new int[joint.Length / Math.Max(scenario.Agents * scenario.Dimensions, 1)];
        }

        var size = joint.Length / scenario.Agents;
        if (scenario.Dimensions != 2 || size == 0 || size % 2 != 0 || size * scenario.Agents != joint.Length)
        {
            throw new ArgumentException($"a joint path [{scenario.Agents}, T, 2] is needed; it has {joint.Length} numbers", nameof(joint));
        }

        return scenario.Modes switch
        {
            ModeRule.Swap or ModeRule.SwapPublished => Swap(joint[..size], joint[size..], SwapFrame.Of(scenario)),
            ModeRule.Circulation => Circulation(joint, scenario.Agents, scenario.Circle!.Centre, cancellationToken),
            _ => Winding(joint, scenario.Agents, cancellationToken),
        };
    }

    private static int[] Swap(ReadOnlySpan<double> path1, ReadOnlySpan<double> path2, SwapFrame frame)
    {
        var (sideMargin, orderMargin) = (SideMargin * frame.Span, OrderMargin * frame.Span);
        var labels = new int[path1.Length / 2];
        var (side1, side2, order, was) = (0, 0, 0, 0);
        for (var t = 0; t < labels.Length; t++)
        {
            var (y1, y2) = (frame.Height(path1[2 * t], path1[2 * t + 1]), frame.Height(path2[2 * t], path2[2 * t + 1]));
            side1 = Held(side1, y1, sideMargin);
            side2 = Held(side2, y2, sideMargin);
            var side = side1 == side2 ? side1 : 0;
            // An order on one side says nothing of the other.
            order = side == 0 ? 0 : Held(side == was ? order : 0, side * (y1 - y2), orderMargin);
            was = side;
            labels[t] = (side1, side2, order) switch
            {
                (1, -1, _) => 1,
                (-1, 1, _) => 2,
                (1, 1, 1) => 3,
                (-1, -1, 1) => 4,
                (1, 1, -1) => 5,
                (-1, -1, -1) => 6,
                _ => 0,
            };
        }

        return labels;
    }

    private static int[] Winding(ReadOnlySpan<double> joint, int agents, CancellationToken cancellationToken)
    {
        var size = joint.Length / agents;
        var labels = new int[size / 2];
        Array.Fill(labels, 1);
        var pair = 0;
        for (var i = 0; i < agents; i++)
        {
            for (var j = i + 1; j < agents; j++, pair++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var (angle, sense) = (0.0, 0);
                for (var t = 0; t < labels.Length; t++)
                {
                    if (t > 0)
                    {
                        angle += WindingModes.Angle(joint.Slice(i * size + 2 * t - 2, 4), joint.Slice(j * size + 2 * t - 2, 4));
                    }

                    sense = Held(sense, angle, AngleMargin);
                    labels[t] = sense == 0 || labels[t] == 0 ? 0 : labels[t] + (sense > 0 ? 1 << pair : 0);
                }
            }
        }

        return labels;
    }

    private static int[] Circulation(ReadOnlySpan<double> joint, int agents, ReadOnlySpan<double> centre, CancellationToken cancellationToken)
    {
        var size = joint.Length / agents;
        var labels = new int[size / 2];
        var angles = new double[agents];
        var senses = new int[agents];
        for (var t = 1; t < labels.Length; t++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            for (var i = 0; i < agents; i++)
            {
                angles[i] += CirculationModes.Step(joint.Slice(i * size + 2 * t - 2, 4), centre);
                senses[i] = Held(senses[i], angles[i], AngleMargin);
            }

            labels[t] = Array.IndexOf(senses, 0) >= 0 ? 0 : CirculationModes.Of(senses.Count(s => s > 0), agents);
        }

        return labels;
    }

    /// <summary>A sign with a dead zone: the new one once the value leaves the zone, the old one inside.</summary>
    private static int Held(int sign, double value, double margin) => value >= margin ? 1 : value <= -margin ? -1 : sign;
}
