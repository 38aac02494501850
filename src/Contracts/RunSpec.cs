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

/// <summary>By what an agent draws the joint mode z that it takes part in.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ModeSource>))]
public enum ModeSource
{
    /// <summary>By the run's seed alone: once an episode, the same for all agents, from the demonstrations' shares.</summary>
    [JsonStringEnumMemberName("seed")]
    Seed,

    /// <summary>
    /// By the run's seed and by what the agent sees: from p(z | observation), at every replan anew with the same random numbers, which all agents share. Agents who see the same still draw the same, places that
    /// suggest a mode are listened to, and who does something else is followed. Needs a model that learned p(z | observation).
    /// </summary>
    [JsonStringEnumMemberName("seen")]
    Seen,
}

/// <summary>Several plans from different noise, of which the agent acts by the one that stays farthest from the others in sight, who are expected to go on at their present velocities.</summary>
public sealed record SelectionSpec
{
    /// <summary>Plans to choose from, at least 2.</summary>
    public required int Candidates { get; init; }

    /// <summary>Distance [m] beyond which farther is no better: of plans that keep it the first is taken. Null: farther is always better.</summary>
    public double? Separation { get; init; }

    /// <summary>How the others' ways are foretold; null: they go on at the velocities that are seen.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PredictionSpec? Prediction { get; init; }

    /// <summary>Throws when a value is out of its range.</summary>
    /// <param name="where">The file or option the values came from.</param>
    /// <exception cref="InvalidInputException">A value is out of range.</exception>
    public void Validate(string where)
    {
        InvalidInputException.Require(Prediction is null or { ObstacleRadius: >= 0 and < double.PositiveInfinity }, where, "sampling.selection.prediction.obstacleRadius", "0 or more", Prediction?.ObstacleRadius);
        InvalidInputException.Require(Candidates is >= 2 and <= 1000, where, "sampling.selection.candidates", "2 to 1000", Candidates);
        InvalidInputException.Require(Separation is null or > 0, where, "sampling.selection.separation", "above 0", Separation);
    }
}

/// <summary>Others' ways foretold by the own copy of the policy, asked in their place.</summary>
public sealed record PredictionSpec
{
    /// <summary>Radius of the discs whose surfaces are sensed [m], 0 or more: from another's place their surfaces are elsewhere. Of several sizes the largest.</summary>
    public double ObstacleRadius { get; init; }
}

/// <summary>
/// A projection of each action onto what is safe by the agent's own senses: the position to be at next stays outside a disc round where each other in sight will be at its
/// present velocity, and clear of obstacles. The discs shrink to <see cref="Separation"/> as the distance does: a tick may use up at most <see cref="Approach"/> of what is
/// left beyond it (a discrete-time control barrier; Agrawal and Sreenath 2017), so that avoiding begins early and gently.
/// </summary>
public sealed record ProjectionSpec
{
    /// <summary>Distance of centres to keep from others [m], 0 or more.</summary>
    public required double Separation { get; init; }

    /// <summary>Clearance to keep from the surface of obstacles [m].</summary>
    public double Clearance { get; init; }

    /// <summary>Longest step [m], above 0.</summary>
    public required double MaxStep { get; init; }

    /// <summary>Share of the distance beyond <see cref="Separation"/> that one tick may use up, above 0 to 1; 1 looks at the next position alone. Default: 0.5.</summary>
    public double Approach { get; init; } = 0.5;

    /// <summary>Part of an avoidance that the agent takes on itself, above 0 to 1: 1, the default, is safe with others who do nothing.</summary>
    public double Share { get; init; } = 1;

    /// <summary>Throws when a value is out of its range.</summary>
    /// <param name="where">The file or option the values came from.</param>
    /// <exception cref="InvalidInputException">A value is out of range.</exception>
    public void Validate(string where)
    {
        InvalidInputException.Require(Separation >= 0 && double.IsFinite(Separation), where, "sampling.projection.separation", "0 or more", Separation);
        InvalidInputException.Require(double.IsFinite(Clearance), where, "sampling.projection.clearance", "a finite number", Clearance);
        InvalidInputException.Require(MaxStep > 0 && double.IsFinite(MaxStep), where, "sampling.projection.maxStep", "above 0", MaxStep);
        InvalidInputException.Require(Approach is > 0 and <= 1, where, "sampling.projection.approach", "above 0, at most 1", Approach);
        InvalidInputException.Require(Share is > 0 and <= 1, where, "sampling.projection.share", "above 0, at most 1", Share);
    }
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

    /// <summary>By what an agent draws the joint mode, where its policy knows modes. Default: the run's seed alone.</summary>
    /// <remarks>Not written where it is the default, as all that follows, so that files and checkpoints from before it was there stay as they were.</remarks>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ModeSource ModeFrom { get; init; }

    /// <summary>
    /// With <see cref="ModeSource.Seen"/>: by how many nats the mode that the seed alone would draw is preferred, so that what is seen has to speak that much more clearly for another. 0 or more. Default: 0.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public double ModeHold { get; init; }

    /// <summary>
    /// Weight w of classifier-free guidance on z (Ho and Salimans 2022): D = D(no z) + w (D(z) - D(no z)). Null, the default, and 1 are none; above 1 plans keep more to their mode. Needs
    /// a diffusion model trained with <c>modeDropout</c>, and costs twice the network calls.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? Guidance { get; init; }

    /// <summary>Several plans and the choice of one, or null, the default, for one plan.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SelectionSpec? Selection { get; init; }

    /// <summary>
    /// Warm starts: all but every so many-th plan start from the last plan, noised to <see cref="WarmSigma"/>, instead of from pure noise; a plan from pure noise every so often lets an agent be rebuilt from what it
    /// saw since. Null, the default: no warm starts.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? WarmPeriod { get; init; }

    /// <summary>The noise level at which a warm start joins the sampler's schedule, in normalised units. Default: 1.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? WarmSigma { get; init; }

    /// <summary>Ticks from one plan that starts from pure noise to the next: what an agent does follows from what it has seen since the last of them.</summary>
    [JsonIgnore]
    public int Block => Execute * (WarmPeriod ?? 1);

    /// <summary>The safety projection of every action, or null, the default, for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ProjectionSpec? Projection { get; init; }

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
        InvalidInputException.Require(ModeHold >= 0 && double.IsFinite(ModeHold), where, "sampling.modeHold", "0 or more", ModeHold);
        InvalidInputException.Require(Guidance is null or (>= 0 and <= 100), where, "sampling.guidance", "0 to 100", Guidance);
        Selection?.Validate(where);
        InvalidInputException.Require(WarmPeriod is null or (>= 2 and <= 1000), where, "sampling.warmPeriod", "2 to 1000", WarmPeriod);
        InvalidInputException.Require(WarmSigma is null or > 0, where, "sampling.warmSigma", "above 0", WarmSigma);
        InvalidInputException.Require(WarmSigma is null || WarmPeriod is not null, where, "sampling.warmSigma", "none without a sampling.warmPeriod", WarmSigma);
        Projection?.Validate(where);
    }
}
