namespace MimicD.Training.Adversarial;

/// <summary>What the policies saw and did in one round of rollouts, normalised as their networks have it. Row e K + t is transition t of episode e.</summary>
/// <param name="agents">Agents (N).</param>
/// <param name="episodes">Episodes (E).</param>
/// <param name="ticks">Transitions an episode (K).</param>
/// <param name="conditionSize">Numbers in a condition (A).</param>
/// <param name="actionSize">Numbers in an action (D).</param>
internal sealed class Experience(int agents, int episodes, int ticks, int conditionSize, int actionSize)
{
    /// <summary>Conditions by agent, each [E K, A].</summary>
    public float[][] Conditions { get; } = Arrays(agents, episodes * ticks * conditionSize);

    /// <summary>Actions by agent, each [E K, D].</summary>
    public float[][] Actions { get; } = Arrays(agents, episodes * ticks * actionSize);

    /// <summary>ln p of the actions by agent, each [E K].</summary>
    public float[][] LogDensities { get; } = Arrays(agents, episodes * ticks);

    /// <summary>Episodes (E).</summary>
    public int Episodes => episodes;

    /// <summary>Transitions an episode (K).</summary>
    public int Ticks => ticks;

    /// <summary>Transitions of one agent (E K).</summary>
    public int Rows => episodes * ticks;

    /// <summary>Mean distance to the goal at the end [m].</summary>
    public double GoalDistance { get; set; }

    /// <summary>Mean distance to the demonstration that the episode began as, over all ticks [m].</summary>
    public double Displacement { get; set; }

    /// <summary>One agent's condition in one transition, [A].</summary>
    public Span<float> Condition(int agent, int row) => Conditions[agent].AsSpan(row * conditionSize, conditionSize);

    /// <summary>One agent's action in one transition, [D].</summary>
    public Span<float> Action(int agent, int row) => Actions[agent].AsSpan(row * actionSize, actionSize);

    private static float[][] Arrays(int count, int size) => [.. Enumerable.Range(0, count).Select(_ => new float[size])];
}
