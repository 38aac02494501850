namespace MimicD.World.Experts;

/// <summary>One joint demonstration.</summary>
/// <param name="Mode">Joint mode, 1-based.</param>
/// <param name="Positions">[N, T, 2], m.</param>
/// <param name="Controls">[N, T - 1, 2]: speed m/s and turn rate rad/s.</param>
/// <param name="Goals">[N, 2]: the goals asked for, m; the path ends near them.</param>
/// <param name="Violation">Largest violation of dynamics, distances and limits, m; 0 if all hold.</param>
/// <param name="Iterations">Newton steps the solver took.</param>
public sealed record JointDemonstration(int Mode, double[] Positions, double[] Controls, double[] Goals, double Violation, int Iterations);

/// <summary>A set of joint demonstrations of equal length.</summary>
public sealed record DemonstrationSet
{
    /// <summary>Number of demonstrations M.</summary>
    public int Count => Modes.Length;

    /// <summary>Number of agents N.</summary>
    public required int Agents { get; init; }

    /// <summary>Number of positions T of a path.</summary>
    public required int Steps { get; init; }

    /// <summary>Time between two positions, s.</summary>
    public required double TimeStep { get; init; }

    /// <summary>[M, N, T, 2], m.</summary>
    public required double[] Positions { get; init; }

    /// <summary>[M, N, T - 1, 2]: speed m/s and turn rate rad/s; empty if unknown.</summary>
    public required double[] Controls { get; init; }

    /// <summary>[M, N, 2]: goals asked for, m; empty if unknown.</summary>
    public required double[] Goals { get; init; }

    /// <summary>[M]: joint mode, 1-based.</summary>
    public required int[] Modes { get; init; }

    /// <summary>Largest violation of dynamics, distances and limits over the set, m.</summary>
    public double Violation { get; init; }

    /// <summary>Draws of starts and goals that gave no demonstration of the wanted mode and were drawn again.</summary>
    public int Redrawn { get; init; }

    /// <summary>Newton steps over the whole set, redrawn ones included only if they succeeded.</summary>
    public long Iterations { get; init; }

    /// <summary>One agent's path in one demonstration, [T, 2].</summary>
    /// <param name="demonstration">0..M-1.</param>
    /// <param name="agent">0..N-1.</param>
    public ReadOnlySpan<double> Path(int demonstration, int agent) =>
        Positions.AsSpan(((demonstration * Agents) + agent) * Steps * 2, Steps * 2);

    /// <summary>The demonstrations with the given indices, in that order.</summary>
    /// <param name="indices">0..M-1 each.</param>
    public DemonstrationSet Select(IReadOnlyList<int> indices)
    {
        ArgumentNullException.ThrowIfNull(indices);
        return this with
        {
            Positions = Rows(Positions, Agents * Steps * 2, indices),
            Controls = Rows(Controls, Agents * (Steps - 1) * 2, indices),
            Goals = Rows(Goals, Agents * 2, indices),
            Modes = [.. indices.Select(i => Modes[i])],
        };
    }

    private static double[] Rows(double[] from, int width, IReadOnlyList<int> indices)
    {
        if (from.Length == 0)
        {
            return from;
        }

        var rows = new double[indices.Count * width];
        for (int i = 0; i < indices.Count; i++)
        {
            from.AsSpan(indices[i] * width, width).CopyTo(rows.AsSpan(i * width));
        }

        return rows;
    }
}
