using System.Text.Json.Serialization;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Training.Adversarial;
using MimicD.World;

namespace MimicD.Training;

/// <summary>Learning-rate schedule.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<RateSchedule>))]
public enum RateSchedule
{
    /// <summary>The same rate throughout (the paper).</summary>
    [JsonStringEnumMemberName("constant")]
    Constant,

    /// <summary>Half a cosine from the full rate to zero at the last step.</summary>
    [JsonStringEnumMemberName("cosine")]
    Cosine,
}

/// <summary>Over what a plan is normalised.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<PlanNormalisation>))]
public enum PlanNormalisation
{
    /// <summary>One mean and deviation an agent and coordinate, over all positions of all windows; sensed absolute positions use the same constants (the paper).</summary>
    [JsonStringEnumMemberName("coordinate")]
    Coordinate,

    /// <summary>One mean and deviation an agent, coordinate and position in the plan. With relative plans this gives the first steps, which are small and are the ones executed, as much weight as the last.</summary>
    [JsonStringEnumMemberName("position")]
    Position,
}

/// <summary>What the agents' samples of one optimizer step have in common.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<SamplePairing>))]
public enum SamplePairing
{
    /// <summary>Nothing: each agent draws its own (the paper's code).</summary>
    [JsonStringEnumMemberName("none")]
    None,

    /// <summary>The same ticks of the same demonstrations, with the same offsets.</summary>
    [JsonStringEnumMemberName("demonstrations")]
    Demonstrations,

    /// <summary>These, and the same noise at the same level: what one agent's plan is made of goes with what another's is.</summary>
    [JsonStringEnumMemberName("noise")]
    Noise,
}

/// <summary>How p(z | observation) is trained (<see cref="ModelShape.ModePosterior"/>), after the networks and apart from them.</summary>
public sealed record ModePosteriorTraining
{
    /// <summary>Width of its two hidden layers.</summary>
    public int Width { get; init; } = 64;

    /// <summary>See <see cref="ModePosteriorSpec.Common"/>.</summary>
    public bool Common { get; init; } = true;

    /// <summary>Optimizer steps, or null for as many as the policies' and at most 3,000; the rate falls by half a cosine.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Steps { get; init; }

    /// <summary>Samples an agent and step.</summary>
    public int Batch { get; init; } = 256;

    /// <summary>AdamW's learning rate at the first step.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>Throws when a value is out of its range.</summary>
    public void Validate(string where)
    {
        InvalidInputException.Require(Width is >= 1 and <= 4096, where, "model.modePosterior.width", "1 to 4096", Width);
        InvalidInputException.Require(Steps is null or (>= 1 and <= 100_000_000), where, "model.modePosterior.steps", "1 to 100000000", Steps);
        InvalidInputException.Require(Batch is >= 1 and <= 65536, where, "model.modePosterior.batch", "1 to 65536", Batch);
        InvalidInputException.Require(LearningRate > 0 && double.IsFinite(LearningRate), where, "model.modePosterior.learningRate", "above 0", LearningRate);
    }
}

/// <summary>How a network is trained. Defaults are the paper's.</summary>
public sealed record OptimisationSpec
{
    // e^20 and e^-20 are beyond every noise level that a network can be told.
    private const double MaxLogNoise = 20;
    private const double MaxPresentWeight = 1e6;
    private const double MaxOffset = 1e6;

    /// <summary>Optimizer steps. The paper: 50,000 for the swap.</summary>
    public required int Steps { get; init; }

    /// <summary>Samples an agent and step. The paper: 32.</summary>
    public int Batch { get; init; } = 32;

    /// <summary>Positions of a training window, at most the plan's length; 0 means the plan's length. The paper trains on 24 and samples 25. The MLP needs the plan's length.</summary>
    public int Window { get; init; }

    /// <summary>Learning rate. The paper: 2e-4.</summary>
    public double LearningRate { get; init; } = 2e-4;

    /// <summary>Schedule of the learning rate. The paper: constant.</summary>
    public RateSchedule Schedule { get; init; } = RateSchedule.Constant;

    /// <summary>Steps over which the rate rises from zero. The paper: 0.</summary>
    public int Warmup { get; init; }

    /// <summary>AdamW's weight decay. The paper: 1e-4.</summary>
    public double WeightDecay { get; init; } = 1e-4;

    /// <summary>Largest gradient norm over all agents together. The paper: 10.</summary>
    public double GradientClip { get; init; } = 10;

    /// <summary>Decay of the weights' moving average, which is what is saved. The paper: 0.999.</summary>
    public double AverageDecay { get; init; } = 0.999;

    /// <summary>Mean of ln sigma. EDM and the paper: -1.2.</summary>
    public double NoiseMean { get; init; } = -1.2;

    /// <summary>Deviation of ln sigma. EDM and the paper: 1.2.</summary>
    public double NoiseDeviation { get; init; } = 1.2;

    /// <summary>Weight of the squared error between the plan's denoised position 0 and the present position. The paper: 2 for swap and road. Needs a plan that starts at the present.</summary>
    public double PresentWeight { get; init; }

    /// <summary>Probability that a sample goes without the embedding of an attribute of the condition. The paper: 0.2. Needs a transformer, which embeds attributes one by one; default 0.</summary>
    public double ConditionDropout { get; init; }

    /// <summary>Probability that a sample is not told the joint mode (z is all zeros): the network then also learns what to do without one, which guidance (<see cref="SamplingSpec.Guidance"/>) needs. The paper has no z; default 0. Unused without model.sharedMode.</summary>
    /// <remarks>Not written where it is 0, so that a checkpoint from before it was there can still be gone on with.</remarks>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public double ModeDropout { get; init; }

    /// <summary>
    /// Probability that a sample is told a joint mode drawn from the shares instead of the demonstration's: z is then a hint, which the policy follows unless what it sees speaks for another mode. Without
    /// it z is never wrong in training, and a policy goes by it blindly. The paper has no z; default 0. Unused without model.sharedMode.
    /// </summary>
    /// <remarks>Not written where it is 0, as above.</remarks>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public double ModeNoise { get; init; }

    /// <summary>What the agents' samples of a step have in common. The paper's code: nothing.</summary>
    /// <remarks>Not written where it is the default, as above.</remarks>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public SamplePairing Pairing { get; init; }

    /// <summary>Dropout inside the network. The paper: 0.1.</summary>
    public double Dropout { get; init; } = 0.1;

    /// <summary>Over what plans are normalised. The paper: coordinate.</summary>
    public PlanNormalisation Normalisation { get; init; } = PlanNormalisation.Coordinate;

    /// <summary>
    /// Deviation [m] of an offset added to each agent's present and past positions in a training sample, while its future returns to the
    /// demonstrated path: it teaches how to come back to what the experts do. From tick to tick the offset wanders as the errors of the trained agent
    /// will (first-order autoregressive with <see cref="OffsetDecay"/>), so that sensed velocities are as unreliable in training as they will be. The paper: 0.
    /// </summary>
    public double OffsetDeviation { get; init; }

    /// <summary>Share of the offset that is left after each step of the future, from 0 to 1. Unused when <see cref="OffsetDeviation"/> is 0.</summary>
    public double OffsetDecay { get; init; } = 0.8;

    /// <summary>Adversarial rounds after these steps, or null for none.</summary>
    /// <remarks>Not written where there are none, so that a checkpoint from before there were such can still be gone on with.</remarks>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public AdversarialSpec? Adversarial { get; init; }

    /// <summary>Steps of a whole run: optimizer steps, and after them adversarial rounds.</summary>
    [JsonIgnore]
    public int TotalSteps => Steps + (Adversarial?.Iterations ?? 0);

    /// <summary>Throws where the rate would never be reached that it is to rise to, or adversarial policies would never learn.</summary>
    /// <exception cref="InvalidInputException">So it is.</exception>
    public void RequireWarmup(string where)
    {
        InvalidInputException.Require(Warmup <= Steps, where, "training.warmup", $"at most {Steps}, training.steps", Warmup);
        InvalidInputException.Require(Adversarial is null || Adversarial.Warmup < Adversarial.Iterations, where, "training.adversarial.warmup", $"below {Adversarial?.Iterations}, training.adversarial.iterations", Adversarial?.Warmup);
    }

    /// <summary>Throws when a value is out of its range.</summary>
    public void Validate(string where, ModelShape shape)
    {
        InvalidInputException.Require(Steps is >= 1 and <= 100_000_000, where, "training.steps", "1 to 100000000", Steps);
        InvalidInputException.Require(Batch is >= 1 and <= 65536, where, "training.batch", "1 to 65536", Batch);
        InvalidInputException.Require(Window == 0 || (Window >= 2 && Window <= shape.Plan.Length), where, "training.window", $"0, or 2 to {shape.Plan.Length} (the plan's length)", Window);
        InvalidInputException.Require(Window == 0 || Window == shape.Plan.Length || shape.Network.Kind == NetworkKind.Dit, where, "training.window", "0 with an MLP, whose plan length is fixed", Window);
        InvalidInputException.Require(LearningRate is > 0 and <= 1, where, "training.learningRate", "above 0, at most 1", LearningRate);
        InvalidInputException.Require(Enum.IsDefined(Schedule), where, "training.schedule", "constant or cosine", Schedule);
        InvalidInputException.Require(Warmup >= 0, where, "training.warmup", "0 or more", Warmup);
        InvalidInputException.Require(WeightDecay >= 0 && WeightDecay * LearningRate < 1, where, "training.weightDecay", $"0 to below {1 / LearningRate}, one over training.learningRate", WeightDecay);
        InvalidInputException.Require(GradientClip > 0 && double.IsFinite(GradientClip), where, "training.gradientClip", "above 0", GradientClip);
        InvalidInputException.Require(AverageDecay is >= 0 and < 1, where, "training.averageDecay", "0 to below 1", AverageDecay);
        InvalidInputException.Require(Math.Abs(NoiseMean) <= MaxLogNoise, where, "training.noiseMean", $"-{MaxLogNoise} to {MaxLogNoise}", NoiseMean);
        InvalidInputException.Require(NoiseDeviation is > 0 and <= MaxLogNoise, where, "training.noiseDeviation", $"above 0, at most {MaxLogNoise}", NoiseDeviation);
        InvalidInputException.Require(PresentWeight is >= 0 and <= MaxPresentWeight, where, "training.presentWeight", $"0 to {MaxPresentWeight}", PresentWeight);
        InvalidInputException.Require(PresentWeight == 0 || shape.Plan.StartsAtPresent, where, "training.presentWeight", "0 unless plan.startsAtPresent", PresentWeight);
        InvalidInputException.Require(PresentWeight == 0 || shape.Method != MethodKind.Mixture, where, "training.presentWeight", "0 with method mixture, whose loss is a likelihood", PresentWeight);
        InvalidInputException.Require(ConditionDropout is >= 0 and < 1, where, "training.conditionDropout", "0 to below 1", ConditionDropout);
        InvalidInputException.Require(ConditionDropout == 0 || shape.Network.Kind == NetworkKind.Dit, where, "training.conditionDropout", "0 with an MLP", ConditionDropout);
        InvalidInputException.Require(ModeDropout is >= 0 and < 1, where, "training.modeDropout", "0 to below 1", ModeDropout);
        InvalidInputException.Require(ModeNoise is >= 0 and <= 1, where, "training.modeNoise", "0 to 1", ModeNoise);
        InvalidInputException.Require(Dropout is >= 0 and < 1, where, "training.dropout", "0 to below 1", Dropout);
        InvalidInputException.Require(Enum.IsDefined(Pairing), where, "training.pairing", "none, demonstrations or noise", Pairing);
        InvalidInputException.Require(Enum.IsDefined(Normalisation), where, "training.normalisation", "coordinate or position", Normalisation);
        InvalidInputException.Require(OffsetDeviation is >= 0 and <= MaxOffset, where, "training.offsetDeviation", $"0 to {MaxOffset}", OffsetDeviation);
        InvalidInputException.Require(OffsetDecay is >= 0 and <= 1, where, "training.offsetDecay", "0 to 1", OffsetDecay);
        InvalidInputException.Require(Normalisation == PlanNormalisation.Coordinate || Window == 0 || Window == shape.Plan.Length, where, "training.normalisation", "coordinate where the window is shorter than the plan", Normalisation);
        Adversarial?.Validate(where, shape);
    }
}

/// <summary>The parts of a preset that are fixed before any data is seen.</summary>
public sealed record ModelShape
{
    /// <summary>Layout of an observation.</summary>
    public required SensorSpec Sensor { get; init; }

    /// <summary>See <see cref="ModelSpec.ConditionOnPosition"/>.</summary>
    public bool ConditionOnPosition { get; init; } = true;

    /// <summary>See <see cref="ModelSpec.IgnoreVelocity"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IgnoreVelocity { get; init; }

    /// <summary>See <see cref="ModelSpec.GoalFrame"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public GoalFrameSpec? GoalFrame { get; init; }

    /// <summary>Whether the policy is conditioned on the demonstration's joint mode, which at run time all agents draw from the run's seed (<see cref="SharedMode"/>). The paper: no.</summary>
    public bool SharedMode { get; init; }

    /// <summary>
    /// Joint modes (K) that are learned from the demonstrations instead of read off their geometry: clusters of joint paths (<see cref="JointClusters"/>), for tasks that nobody has
    /// written a rule for. 0, the default, takes the demonstrations' labels or the scenario's rule. Unused without <see cref="SharedMode"/>, as what follows.
    /// </summary>
    /// <remarks>Not written where it is 0, so that a checkpoint from before there were clusters can still be gone on with.</remarks>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int ModeClusters { get; init; }

    /// <summary>Whether, and how, p(z | observation) is learned beside the policy, so that agents can draw z by what they see (<see cref="ModeSource.Seen"/>). Null, the default: it is not.</summary>
    /// <remarks>Not written where there is none, as above.</remarks>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ModePosteriorTraining? ModePosterior { get; init; }

    /// <summary>See <see cref="ModelSpec.SharedWeights"/>.</summary>
    public bool SharedWeights { get; init; }

    /// <summary>What a plan is.</summary>
    public required PlanSpec Plan { get; init; }

    /// <summary>Shape of the network.</summary>
    public required NetworkSpec Network { get; init; }

    /// <summary>
    /// Weights that all networks together may have for each agent of the scenario, or null where <see cref="NetworkSpec.Width"/> says how large they are. With it the width is the
    /// largest multiple of 4 (for a transformer, of 4 times its heads) that keeps within: methods that plan for more agents, or have another head, or one network instead of one an agent, are compared at an equal size.
    /// </summary>
    /// <remarks>Not written where there is none, so that a checkpoint from before there was such a budget can still be gone on with.</remarks>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? ParametersPerAgent { get; init; }

    /// <summary>What the network is trained to answer. The paper: diffusion.</summary>
    /// <remarks>Not written where it is the default, so that a checkpoint from before there were several methods can still be gone on with.</remarks>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public MethodKind Method { get; init; }

    /// <summary>Noise levels.</summary>
    public DiffusionSpec Diffusion { get; init; } = new();

    /// <summary>Defaults of sampling.</summary>
    public SamplingSpec Sampling { get; init; } = new();
}

/// <summary>A preset file: what is trained, and how.</summary>
public sealed record TrainingPreset
{
    /// <summary>What is trained.</summary>
    public required ModelShape Model { get; init; }

    /// <summary>How.</summary>
    public required OptimisationSpec Training { get; init; }

    /// <summary>Reads a preset, lays a method over it and changes single values in it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="changes"><c>KEY=VALUE</c> with dotted keys and JSON values, such as <c>model.network.width=128</c> or <c>model.sensor.others=null</c>.</param>
    /// <param name="method">Laid over the preset before the changes, or null for none.</param>
    /// <exception cref="InvalidInputException">The file, the method or a change is not acceptable.</exception>
    public static TrainingPreset Load(string path, IEnumerable<string> changes, TrainingMethod? method = null)
    {
        ArgumentNullException.ThrowIfNull(changes);
        var (text, where) = (StrictJson.ReadText(path), path);
        // Parsed once as it stands, so that an error in the file is told from an error in the method or in a change.
        StrictJson.Parse<TrainingPreset>(text, path).Training.RequireWarmup(path);
        if (method is not null)
        {
            var root = JsonChange.Tree(text).AsObject();
            method.ApplyTo(root);
            (text, where) = (root.ToJsonString(), method.Path);
            StrictJson.Parse<TrainingPreset>(text, where).Training.RequireWarmup(where);
        }

        JsonChange[] parsed = [.. changes.Select(c => JsonChange.Parse(c, "--set"))];
        var (preset, blame) = JsonChange.Read<TrainingPreset>(text, where, parsed);
        JsonChange.Check(parsed, blame, preset.ValidateParts);

        // A run that is shortened, to try something, keeps its preset's warm-up and is told so (Doubts); a warm-up that is asked for must have room.
        if (Array.Exists(parsed, c => c.Key.EndsWith("warmup", StringComparison.Ordinal) || !Array.Exists(Lengths, l => c.Key == l) && Array.Exists(Lengths, l => l.StartsWith(c.Key + ".", StringComparison.Ordinal))))
        {
            JsonChange.Check(parsed, blame, preset.Training.RequireWarmup);
        }

        return preset;
    }

    private static readonly string[] Lengths = ["training.steps", "training.adversarial.iterations"];

    /// <summary>What is strange about a preset that is accepted, one line each; empty where nothing is.</summary>
    /// <param name="samples">Samples an agent.</param>
    public IReadOnlyList<string> Doubts(long samples)
    {
        var doubts = new List<string>();
        if (Training.Warmup > Training.Steps)
        {
            doubts.Add($"training.warmup: the learning rate rises over {Training.Warmup} steps and is not there after {Training.Steps}, training.steps");
        }

        if (Training.Adversarial is { } adversarial && adversarial.Warmup >= adversarial.Iterations)
        {
            doubts.Add($"training.adversarial.warmup: the policies wait for {adversarial.Warmup} rounds and there are {adversarial.Iterations}, training.adversarial.iterations");
        }

        if (Training.Batch > samples)
        {
            doubts.Add($"training.batch: {Training.Batch} samples a step are more than the {samples} there are of an agent, which are drawn several times");
        }

        return doubts;
    }

    /// <summary>The same preset with as many slots for others and obstacles as a scenario has, where it leaves their number open.</summary>
    public TrainingPreset FittedTo(Scenario scenario)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        return this with { Model = Model with { Sensor = Model.Sensor.FittedTo(scenario.Agents, scenario.Obstacles.Length) } };
    }

    /// <summary>Throws when a value is out of its range.</summary>
    public void Validate(string where)
    {
        ValidateParts(where);
        Training.RequireWarmup(where);
    }

    private void ValidateParts(string where)
    {
        // Until the scenario is known, one other and one obstacle stand for all of them.
        var sensor = Model.Sensor.FittedTo(agents: 2, obstacles: 1);
        sensor.Validate(where);
        Model.Plan.Validate(where);
        PlanLayout.Validate(where, sensor, Model.Plan, Model.ConditionOnPosition, Model.SharedWeights, Model.IgnoreVelocity);
        Model.GoalFrame?.Validate(where, sensor, Model.Plan, Model.ConditionOnPosition);
        Model.Network.Validate(where);
        Model.Network.RequireSlots(where, sensor, Model.Plan);
        InvalidInputException.Require(Model.ParametersPerAgent is null or (>= 1 and <= 1_000_000_000), where, "model.parametersPerAgent", "1 to 1000000000, or null", Model.ParametersPerAgent);
        ModelSpec.RequireHead(Model.Method, Model.Network, where);
        Model.Diffusion.Validate(where);
        InvalidInputException.Require(Model.ModeClusters is 0 or (>= 2 and <= 256), where, "model.modeClusters", "0, or 2 to 256", Model.ModeClusters);
        Model.ModePosterior?.Validate(where);
        Model.Sampling.Validate(where, Model.Plan.Actions);
        Training.Validate(where, Model);
    }
}
