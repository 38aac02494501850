using System.Text.Json.Serialization;

namespace MimicD.Contracts;

/// <summary>What every agent of a run may know before it starts. It is the same for all, and nothing is added while the run goes on.</summary>
/// <param name="Seed">The run's seed; every random number of the run is a function of it and of counters.</param>
/// <param name="Episodes">Number of episodes that advance side by side (E).</param>
/// <param name="Agents">Number of agents an episode (N).</param>
/// <param name="FrameSize">Numbers in one observation, where <see cref="Slots"/> does not say otherwise.</param>
/// <param name="ActionSize">Numbers in one action.</param>
/// <param name="Sampling">How plans are sampled and executed.</param>
public sealed record RunSpec(ulong Seed, int Episodes, int Agents, int FrameSize, int ActionSize, SamplingSpec Sampling)
{
    /// <summary>What each of the N agents of an episode senses and how it samples, or null where all are alike. An entry is null where the world moves the body itself and no agent acts.</summary>
    public IReadOnlyList<SlotSpec?>? Slots { get; init; }

    /// <summary>What an agent senses and how it samples; null where no agent acts.</summary>
    public SlotSpec? Slot(AgentId agent) => Slots is null ? new SlotSpec(FrameSize, Sampling) : Slots[agent.Value];
}

/// <summary>What one agent of a run may know before it starts, where agents differ.</summary>
/// <param name="FrameSize">Numbers in one of its observations.</param>
/// <param name="Sampling">How its plans are sampled and executed.</param>
public sealed record SlotSpec(int FrameSize, SamplingSpec Sampling);

/// <summary>Solver of the probability-flow ODE.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<OdeSolver>))]
public enum OdeSolver
{
    /// <summary>First order: one network call a step (what the MIMIC-D authors use).</summary>
    [JsonStringEnumMemberName("euler")]
    Euler,

    /// <summary>Second order, Karras et al. 2022, algorithm 1 without churn: two network calls a step but for the last.</summary>
    [JsonStringEnumMemberName("heun")]
    Heun,
}

/// <summary>Where the noise that a plan starts from comes from, over the replans of one episode.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<NoiseMode>))]
public enum NoiseMode
{
    /// <summary>Drawn anew at every replan.</summary>
    [JsonStringEnumMemberName("fresh")]
    Fresh,

    /// <summary>Drawn once an episode and kept.</summary>
    [JsonStringEnumMemberName("held")]
    Held,

    /// <summary>First-order autoregressive: n_r = rho n_(r-1) + sqrt(1 - rho^2) e_r, so that each n_r is standard normal.</summary>
    [JsonStringEnumMemberName("ar1")]
    Autoregressive,
}

/// <summary>How plans are sampled and executed. Stored in a model as its defaults and changed by options of a run.</summary>
public sealed record SamplingSpec
{
    /// <summary>Solver of the probability-flow ODE. Default: Euler.</summary>
    public OdeSolver Solver { get; init; } = OdeSolver.Euler;

    /// <summary>Noise levels of the solver, at least 1. Default: 10 (the paper's, swap and road).</summary>
    public int Steps { get; init; } = 10;

    /// <summary>Planned actions executed before the next plan is made, from 1 to the plan's length. Default: 1 (the paper's, swap and road).</summary>
    public int Execute { get; init; } = 1;

    /// <summary>Where a plan's noise comes from over replans. Default: fresh (the paper's).</summary>
    public NoiseMode Noise { get; init; } = NoiseMode.Fresh;

    /// <summary>rho of <see cref="NoiseMode.Autoregressive"/>, from 0 (fresh) to 1 (held). Default: 0.95. Unused otherwise.</summary>
    public double Correlation { get; init; } = 0.95;

    /// <summary>
    /// Whether all agents of an episode start their plans from the same noise: each draws it for itself from the run's seed, which all were given before the run,
    /// so no message passes. It is the assumption that turns agents that see the same into one central planner (<c>docs/joint-plans.md</c>). Default: false, each
    /// agent its own.
    /// </summary>
    /// <remarks>Not written where it is the default, so that files and checkpoints from before it was there stay as they were.</remarks>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool SharedNoise { get; init; }

    /// <summary>
    /// Scale of the noise that the solver starts from, from 0 to 1. Default: 1, which samples the learned distribution. Below 1 plans keep
    /// nearer to the likeliest ones: less variety, less jitter. 0 makes a policy deterministic.
    /// </summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Throws when a value is out of its range.</summary>
    /// <param name="where">The file or option the values came from.</param>
    /// <param name="planLength">Actions in a plan.</param>
    /// <exception cref="InvalidInputException">A value is out of range.</exception>
    public void Validate(string where, int planLength)
    {
        InvalidInputException.Require(Steps is >= 1 and <= 1000, where, "sampling.steps", "1 to 1000", Steps);
        InvalidInputException.Require(Execute >= 1 && Execute <= planLength, where, "sampling.execute", $"1 to {planLength} (the plan's length)", Execute);
        InvalidInputException.Require(Temperature is >= 0 and <= 1, where, "sampling.temperature", "0 to 1", Temperature);
        InvalidInputException.Require(Correlation is >= 0 and <= 1, where, "sampling.correlation", "0 to 1", Correlation);
    }
}
