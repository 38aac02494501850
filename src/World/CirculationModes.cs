namespace MimicD.World;

/// <summary>
/// Joint modes of agents who all cross one centre: whether everybody goes round it the same way, as in a roundabout, and which. An agent's sense is the sign of the angle that
/// it sweeps as seen from the centre, each step's change taken in (-pi, pi]. Defined for any number of agents, where the classes of <see cref="WindingModes"/> are too many to count.
/// </summary>
public static class CirculationModes
{
    /// <summary>Number of modes (K).</summary>
    public const int Count = 3;

    /// <summary>Everybody keeps the centre on the left.</summary>
    public const int CounterClockwise = 1;

    /// <summary>Everybody keeps the centre on the right.</summary>
    public const int Clockwise = 2;

    /// <summary>Some this way, some that way.</summary>
    public const int Mixed = 3;

    /// <summary>
    /// Angle [rad] swept as seen from the centre by which an agent has come abreast of it: a quarter of a turn, less what rounding takes.
    /// </summary>
    private const double Abreast = Math.PI / 2 - 1e-6;

    /// <summary>What each mode looks like, [K].</summary>
    public static IReadOnlyList<string> Names { get; } = ["counter-clockwise", "clockwise", "mixed"];

    /// <summary>
    /// The mode of a joint path, from 1. An agent that did not come abreast of the centre, a quarter of a turn, or that went straight
    /// through it, has no
    /// sense; a path with such an agent is mixed where the others' senses differ, and otherwise shows no mode (0).
    /// </summary>
    /// <param name="joint">[N,T,2] [m].</param>
    /// <param name="agents">Agents (N).</param>
    /// <param name="centre">[2] [m].</param>
    /// <exception cref="ArgumentException">Not that shape.</exception>
    public static int Label(ReadOnlySpan<double> joint, int agents, ReadOnlySpan<double> centre)
    {
        var size = joint.Length / agents;
        if (size == 0 || size % 2 != 0 || joint.Length != agents * size)
        {
            throw new ArgumentException($"a joint path [{agents}, T, 2] is needed; it has {joint.Length} numbers", nameof(joint));
        }

        var (left, right) = (0, 0);
        for (var i = 0; i < agents; i++)
        {
            var angle = Passing.Sweep(centre, joint.Slice(i * size, size));
            left += angle >= Abreast ? 1 : 0;
            right += angle <= -Abreast ? 1 : 0;
        }

        return left > 0 && right > 0 ? Mixed : left + right == agents ? Of(left, agents) : 0;
    }

    /// <summary>The mode by the number of agents that went counter-clockwise.</summary>
    internal static int Of(int counterClockwise, int agents) => counterClockwise == agents ? CounterClockwise : counterClockwise == 0 ? Clockwise : Mixed;

    /// <summary>The angle [rad] that one step sweeps as seen from the centre, counter-clockwise above 0.</summary>
    /// <param name="step">Two positions [2,2] [m].</param>
    /// <param name="centre">[2] [m].</param>
    internal static double Step(ReadOnlySpan<double> step, ReadOnlySpan<double> centre) => WindingModes.Angle([centre[0], centre[1], centre[0], centre[1]], step);
}
