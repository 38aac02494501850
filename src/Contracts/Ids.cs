namespace MimicD.Contracts;

/// <summary>Index of an agent within its episode, from 0 to N-1. The N-th body of the scenario file is agent N-1.</summary>
/// <param name="Value">The index; never negative.</param>
public readonly record struct AgentId(int Value)
{
    /// <inheritdoc/>
    public override string ToString() => $"agent {Value}";
}

/// <summary>Index of an episode within a run, from 0 to E-1. Episodes of one run advance side by side and never meet.</summary>
/// <param name="Value">The index; never negative.</param>
public readonly record struct EpisodeId(int Value)
{
    /// <inheritdoc/>
    public override string ToString() => $"episode {Value}";
}

/// <summary>A step of simulated or real time. Tick 0 is the start state; the action answered at tick t moves the world to t+1.</summary>
/// <param name="Value">Steps since the start; never negative.</param>
public readonly record struct Tick(int Value)
{
    /// <summary>The tick after this one.</summary>
    public Tick Next => new(Value + 1);

    /// <inheritdoc/>
    public override string ToString() => $"tick {Value}";
}
