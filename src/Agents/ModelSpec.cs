using System.Text.Json.Serialization;
using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>Kind of denoiser.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<NetworkKind>))]
public enum NetworkKind
{
    /// <summary>Diffusion transformer over the plan's positions as tokens (Peebles and Xie 2023, as used by MIMIC-D).</summary>
    [JsonStringEnumMemberName("dit")]
    Dit,

    /// <summary>Residual multilayer perceptron over the flattened plan, for small problems.</summary>
    [JsonStringEnumMemberName("mlp")]
    Mlp,
}

/// <summary>How a network takes in the slots of <see cref="SensorSpec.Others"/>.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<OthersEncoding>))]
public enum OthersEncoding
{
    /// <summary>As numbers of the condition like all others: each slot has weights of its own.</summary>
    [JsonStringEnumMemberName("slots")]
    Slots,

    /// <summary>As a set (Zaheer et al. 2017): one small network for every slot, and the sum over the slots that somebody is in. The answer does not depend on the slots' order.</summary>
    [JsonStringEnumMemberName("set")]
    Set,
}

/// <summary>Where the slots of a set stand in a condition.</summary>
/// <param name="Start">First number.</param>
/// <param name="Count">Slots (k).</param>
/// <param name="Size">Numbers in a slot (S), the last of which is the presence.</param>
public readonly record struct SlotSpan(int Start, int Count, int Size)
{
    /// <summary>Numbers in all slots.</summary>
    public int Length => Count * Size;
}

/// <summary>
/// A mixture-density head: K logits, K means [L*D] and K numbers r [L*D], from which the deviations of K diagonal Gaussians over the normalised plan
/// follow as floor + e^r.
/// </summary>
public sealed record MixtureSpec
{
    /// <summary>Gaussians (K). Default: 4, two sides and two orders of passing.</summary>
    public int Components { get; init; } = 4;

    /// <summary>Smallest deviation, in normalised units. Without one the likelihood of a plan that is known exactly, as the present position is, has no bound. Default: 0.01.</summary>
    public double DeviationFloor { get; init; } = 0.01;

    /// <summary>Throws when a value is out of its range.</summary>
    public void Validate(string where)
    {
        InvalidInputException.Require(Components is >= 1 and <= 256, where, "network.mixture.components", "1 to 256", Components);
        InvalidInputException.Require(DeviationFloor > 0 && double.IsFinite(DeviationFloor), where, "network.mixture.deviationFloor", "above 0", DeviationFloor);
    }
}

/// <summary>
/// Shape of a denoiser F(c_in x, c_noise, o). Both kinds take the noisy plan x [L, D], the scalar c_noise and the normalised condition o [A],
/// and return [L, D]. The arithmetic is written out, tensor by tensor, in <c>docs/networks.md</c>.
/// </summary>
public sealed record NetworkSpec
{
    /// <summary>Which denoiser.</summary>
    public required NetworkKind Kind { get; init; }

    /// <summary>Width of the residual stream (d_model). The paper: 256.</summary>
    public required int Width { get; init; }

    /// <summary>Residual blocks. The paper: 3.</summary>
    public required int Depth { get; init; }

    /// <summary>Attention heads of the transformer's blocks; divides <see cref="Width"/>. The paper: 4. Unused by the MLP.</summary>
    public int Heads { get; init; } = 4;

    /// <summary>Hidden width of a block's MLP over <see cref="Width"/>. The paper: 4; the MLP denoiser does well with 1.</summary>
    public int Expansion { get; init; } = 4;

    /// <summary>Width of one condition token of the transformer. The paper: 128. Unused by the MLP.</summary>
    public int ConditionWidth { get; init; } = 128;

    /// <summary>Attention heads of the transformer's condition embedding; divides <see cref="ConditionWidth"/>. The paper's code: 8. Unused by the MLP.</summary>
    public int ConditionHeads { get; init; } = 8;

    /// <summary>
    /// Octaves (F) at which the MLP sees each number of the condition beside the number itself. A condition is normalised by its spread over whole
    /// demonstrations (metres); without octaves the centimetres that decide whether a path grazes an obstacle are a hundredth of an
    /// input's range, which a small network smooths over. 0, the default, is none; the transformer has none.
    /// </summary>
    public int Octaves { get; init; }

    /// <summary>How the MLP takes in the slots of others. The transformer takes them in as it does all else.</summary>
    /// <remarks>Not written where it is the default, so that files and checkpoints from before it was there stay as they were.</remarks>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public OthersEncoding Others { get; init; }

    /// <summary>The mixture-density head of <see cref="MethodKind.Mixture"/>, or null for the head that answers with one plan. The MLP alone can have one.</summary>
    public MixtureSpec? Mixture { get; init; }

    /// <summary>Numbers that the network answers with for plans of L*D numbers: as many, or K (1 + 2 L D) with a mixture head.</summary>
    public int HeadSize(int planSize) => Mixture is null ? planSize : Mixture.Components * (1 + 2 * planSize);

    /// <summary>Width of the small network that takes in a set: half of <see cref="Width"/>, since it runs once a slot.</summary>
    [JsonIgnore]
    public int SetWidth => Width / 2;

    /// <summary>Length of the encoded condition for A numbers: A (1 + 2 F), with or without a set among them.</summary>
    public int EncodedSize(int conditionSize) => conditionSize * (1 + 2 * Octaves);

    /// <summary>Encodes a condition as <see cref="Encode(ReadOnlySpan{float}, Span{float})"/> does; with a set in it all but the set first, and then slot by slot.</summary>
    /// <param name="condition">Normalised condition, [A].</param>
    /// <param name="slots">The set, or null for none.</param>
    /// <param name="encoded">Receives [A (1 + 2 F)].</param>
    public void Encode(ReadOnlySpan<float> condition, SlotSpan? slots, Span<float> encoded)
    {
        if (slots is not { } set)
        {
            Encode(condition, encoded);
            return;
        }

        var own = condition.Length - set.Length;
        Span<float> rest = own <= 256 ? stackalloc float[own] : new float[own];
        condition[..set.Start].CopyTo(rest);
        condition[(set.Start + set.Length)..].CopyTo(rest[set.Start..]);
        Encode(rest, encoded[..EncodedSize(own)]);
        var (at, room) = (EncodedSize(own), EncodedSize(set.Size));
        for (var slot = 0; slot < set.Count; slot++)
        {
            Encode(condition.Slice(set.Start + slot * set.Size, set.Size), encoded.Slice(at + slot * room, room));
        }
    }

    /// <summary>Writes the condition followed, octave by octave, by the sines and the cosines of (pi/2) 2^j times it.</summary>
    /// <param name="condition">Normalised condition, [A].</param>
    /// <param name="encoded">Receives [A (1 + 2 F)].</param>
    public void Encode(ReadOnlySpan<float> condition, Span<float> encoded)
    {
        condition.CopyTo(encoded);
        var at = condition.Length;
        for (var octave = 0; octave < Octaves; octave++)
        {
            var frequency = Math.PI / 2 * (1 << octave);
            for (var i = 0; i < condition.Length; i++)
            {
                var (sin, cos) = Math.SinCos(frequency * condition[i]);
                encoded[at + i] = (float)sin;
                encoded[at + condition.Length + i] = (float)cos;
            }

            at += 2 * condition.Length;
        }
    }

    /// <summary>Where the slots of others stand in a condition that is to be taken in as a set, or null where it is not.</summary>
    /// <param name="sensor">Layout of a frame.</param>
    /// <param name="conditionOnPosition">Whether the own absolute position is part of the condition.</param>
    public SlotSpan? SlotsOf(SensorSpec sensor, bool conditionOnPosition)
    {
        ArgumentNullException.ThrowIfNull(sensor);
        return Others != OthersEncoding.Set || sensor.Others is not { } others ? null
            : new SlotSpan(sensor.FrameSize - sensor.ObstaclesSize - others.Count * sensor.OtherSize - (conditionOnPosition ? 0 : sensor.Dimensions), others.Count, sensor.OtherSize);
    }

    /// <summary>Throws where slots are to be taken in as a set and cannot be.</summary>
    /// <param name="where">The file.</param>
    /// <param name="sensor">Layout of a frame.</param>
    /// <param name="plan">What a plan is.</param>
    /// <exception cref="InvalidInputException">They cannot.</exception>
    public void RequireSlots(string where, SensorSpec sensor, PlanSpec plan)
    {
        ArgumentNullException.ThrowIfNull(sensor);
        ArgumentNullException.ThrowIfNull(plan);
        if (Others == OthersEncoding.Set)
        {
            InvalidInputException.Require(sensor.Others is { Presence: true }, where, "sensor.others", "others with presence where network.others is set", sensor.Others is null ? "none" : "others without");
            InvalidInputException.Require(sensor.History == 1, where, "sensor.history", "1 where network.others is set", sensor.History);
            InvalidInputException.Require(plan.Of == PlanOf.Own, where, "plan.of", "own where network.others is set (nobody in a set has a place in a plan)", plan.Of);
        }
    }

    /// <summary>Throws when a value is out of its range.</summary>
    public void Validate(string where)
    {
        InvalidInputException.Require(Others == OthersEncoding.Slots || Kind == NetworkKind.Mlp, where, "network.others", "slots with a transformer", Others);
        InvalidInputException.Require(Octaves is >= 0 and <= 16, where, "network.octaves", "0 to 16", Octaves);
        InvalidInputException.Require(Octaves == 0 || Kind == NetworkKind.Mlp, where, "network.octaves", "0 with a transformer", Octaves);
        InvalidInputException.Require(Width is >= 4 and <= 4096 && Width % 2 == 0, where, "network.width", "an even number from 4 to 4096", Width);
        InvalidInputException.Require(Depth is >= 1 and <= 64, where, "network.depth", "1 to 64", Depth);
        InvalidInputException.Require(Expansion is >= 1 and <= 16, where, "network.expansion", "1 to 16", Expansion);
        Mixture?.Validate(where);
        InvalidInputException.Require(Mixture is null || Kind == NetworkKind.Mlp, where, "network.mixture", "none with a transformer (the mlp has such a head)", $"{Mixture?.Components} components");
        if (Kind == NetworkKind.Dit)
        {
            InvalidInputException.Require(Heads >= 1 && Width % Heads == 0, where, "network.heads", $"a divisor of the width {Width}", Heads);
            InvalidInputException.Require(ConditionWidth is >= 1 and <= 4096, where, "network.conditionWidth", "1 to 4096", ConditionWidth);
            InvalidInputException.Require(ConditionHeads >= 1 && ConditionWidth % ConditionHeads == 0, where, "network.conditionHeads", $"a divisor of the condition width {ConditionWidth}", ConditionHeads);
        }
    }
}

/// <summary>Whose positions a plan holds. Whoever is planned for, an agent executes its own part alone.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<PlanOf>))]
public enum PlanOf
{
    /// <summary>The agent's own.</summary>
    [JsonStringEnumMemberName("own")]
    Own,

    /// <summary>Everybody's, the agent's own first and the others' in the order of their indices: an agent that predicts the others along with itself (as MADiff does, Zhu et al. 2023).</summary>
    [JsonStringEnumMemberName("all")]
    All,

    /// <summary>
    /// Everybody's in the order of their indices, planned from the joint state in that same order. Agents that see exactly and share their noise
    /// (<see cref="SamplingSpec.SharedNoise"/>) then all make the same plan, bit by bit: one central planner, run once by each. An upper bound, no decentralized policy.
    /// </summary>
    [JsonStringEnumMemberName("joint")]
    Joint,
}

/// <summary>Shape of the network that answers with p(z | observation): two hidden layers on the normalised condition without z. The arithmetic is written out in <c>docs/networks.md</c>.</summary>
/// <param name="Width">Width of the hidden layers.</param>
/// <param name="Common">Whether it looks at what all can see alone, positions and velocities, so that agents who see each other are of nearly the same opinion; else also at the own goal, which the others do not know.</param>
public sealed record ModePosteriorSpec(int Width, bool Common)
{
    /// <summary>Which numbers of a model's condition without z, [A - K], it does not look at.</summary>
    /// <param name="model">The model.</param>
    public bool[] Hidden(ModelSpec model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var frame = model.Seen.FeatureNames().Skip(model.ConditionOnPosition ? 0 : model.Sensor.Dimensions).Select(n => Common && n.StartsWith("goal", StringComparison.Ordinal)).ToArray();
        return [.. Enumerable.Range(0, model.Sensor.History).SelectMany(_ => frame)];
    }
}

/// <summary>What a plan is: positions of the agent itself, or of all agents, at consecutive ticks.</summary>
public sealed record PlanSpec
{
    /// <summary>Positions in a plan (L), <see cref="StartsAtPresent"/>'s included. The paper: 25.</summary>
    public required int Length { get; init; }

    /// <summary>Whose positions. The paper: own.</summary>
    /// <remarks>Not written where it is the default, so that files and checkpoints from before it was there stay as they were.</remarks>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public PlanOf Of { get; init; } = PlanOf.Own;

    /// <summary>Coordinates: absolute (the paper) or each agent's relative to its own position at the replan.</summary>
    public required Frame Frame { get; init; }

    /// <summary>
    /// Whether position 0 is the present one (of each agent planned for), in-painted before and after every solver step (the paper), so that the first
    /// action is position 1. Otherwise position 0 is the first action.
    /// </summary>
    public bool StartsAtPresent { get; init; }

    /// <summary>Actions in a plan.</summary>
    [JsonIgnore]
    public int Actions => StartsAtPresent ? Length - 1 : Length;

    /// <summary>Throws when a value is out of its range.</summary>
    public void Validate(string where)
    {
        var least = StartsAtPresent ? 2 : 1;
        InvalidInputException.Require(Length >= least && Length <= 1024, where, "plan.length", $"{least} to 1024", Length);
        InvalidInputException.Require(!StartsAtPresent || Frame == Frame.Absolute, where, "plan.startsAtPresent", "false with a relative plan (its position 0 would always be 0)", StartsAtPresent);
    }
}

/// <summary>The noise levels that the model was trained for (Karras et al. 2022, table 1, column EDM).</summary>
public sealed record DiffusionSpec
{
    /// <summary>Smallest sigma of the sampler. The paper: 0.001.</summary>
    public double SigmaMin { get; init; } = 0.001;

    /// <summary>Largest sigma of the sampler. The paper: 50.</summary>
    public double SigmaMax { get; init; } = 50;

    /// <summary>Curvature of the sampler's schedule. The paper: 7.</summary>
    public double Rho { get; init; } = 7;

    /// <summary>Throws when a value is out of its range.</summary>
    public void Validate(string where)
    {
        InvalidInputException.Require(SigmaMin > 0 && double.IsFinite(SigmaMin), where, "diffusion.sigmaMin", "above 0", SigmaMin);
        InvalidInputException.Require(SigmaMax > SigmaMin && double.IsFinite(SigmaMax), where, "diffusion.sigmaMax", "above sigmaMin", SigmaMax);
        InvalidInputException.Require(Rho is >= 1 and <= 100, where, "diffusion.rho", "1 to 100", Rho);
    }
}

/// <summary>Constants of one network: what maps the world's units to the network's and back.</summary>
/// <param name="ConditionMean">Subtracted from the condition, [A].</param>
/// <param name="ConditionDeviation">Divides the condition, [A]; above 0.</param>
/// <param name="PlanMean">Subtracted from a plan, [L*R] [m] (R: <see cref="ModelSpec.RowSize"/>).</param>
/// <param name="PlanDeviation">Divides a plan, [L*R] [m]; above 0.</param>
/// <param name="SigmaData">Standard deviation of the normalised training plans (sd), about 1.</param>
public sealed record NormalisationSpec(float[] ConditionMean, float[] ConditionDeviation, float[] PlanMean, float[] PlanDeviation, double SigmaData);

/// <summary>How the model came about: for people and reports, never needed to run it.</summary>
public sealed record ProvenanceSpec
{
    /// <summary>Preset name or file.</summary>
    public string? Preset { get; init; }

    /// <summary>Name of the method that was trained, such as <c>vanilla</c>, or null where the preset was trained as it stands.</summary>
    public string? Method { get; init; }

    /// <summary>Training seed.</summary>
    public ulong Seed { get; init; }

    /// <summary>Optimizer steps done.</summary>
    public long Steps { get; init; }

    /// <summary>Demonstrations trained on.</summary>
    public int Demonstrations { get; init; }

    /// <summary>SHA-256 over the demonstrations' positions, hexadecimal.</summary>
    public string? DemonstrationsHash { get; init; }

    /// <summary>
    /// Shares of the joint modes among the demonstrations, where they are labelled; index 0 is mode 1. What is missing to 1 shows no mode.
    /// </summary>
    public double[]? ModeShares { get; init; }

    /// <summary>
    /// The rule behind <see cref="ModeShares"/> (<see cref="ModeRuleNames"/>); null in files from before rules had names, whose swap labels
    /// are of the published one.
    /// </summary>
    public string? ModeRule { get; init; }

    /// <summary>Mean norm of the second and of the third difference of the demonstrations' paths [m]: what roughness is compared with.</summary>
    public double[]? Roughness { get; init; }
}

/// <summary>
/// Everything about a model but its weights. Stored as JSON under the key <c>mimicd</c> of the model file's metadata.
/// Weights are named <c>agent{i}.…</c> (one network an agent) or <c>shared.…</c>.
/// </summary>
public sealed record ModelSpec
{
    /// <summary>The metadata key.</summary>
    public const string MetadataKey = "mimicd";

    /// <summary>The format this program writes and reads.</summary>
    public const int CurrentFormat = 1;

    /// <summary>Version of this description.</summary>
    public int Format { get; init; } = CurrentFormat;

    /// <summary>Name of the scenario it was trained for.</summary>
    public required string Scenario { get; init; }

    /// <summary>Agents an episode (N) of the training scenario. A model with own networks runs with exactly that many.</summary>
    public required int Agents { get; init; }

    /// <summary>Seconds between ticks in the training scenario.</summary>
    public required double TimeStep { get; init; }

    /// <summary>Whether all agents use one network (<c>shared.…</c>); then the model runs with any number of agents.</summary>
    public bool SharedWeights { get; init; }

    /// <summary>Layout of an observation.</summary>
    public required SensorSpec Sensor { get; init; }

    /// <summary>Whether the own absolute position is part of the condition. Without it, a policy with relative features does not depend on where in the world it is.</summary>
    public bool ConditionOnPosition { get; init; } = true;

    /// <summary>
    /// Whether velocities that are sensed, the own and the others', are kept out of the condition. Without them a policy cannot learn to go on as it goes, which is what an imitator learns first and what leaves it standing where it stands;
    /// the agent still senses them, and its safety projection uses them.
    /// </summary>
    /// <remarks>Not written where it is the default, so that files from before it was there stay as they were.</remarks>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IgnoreVelocity { get; init; }

    /// <summary>Axes that the policy sees and plans in, or null for the world's.</summary>
    /// <remarks>Not written where there are none, so that files from before there were such stay as they were.</remarks>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public GoalFrameSpec? GoalFrame { get; init; }

    /// <summary>p(z) over the K joint modes that the policy is conditioned on (<see cref="SharedMode"/>), or null where it is not.</summary>
    public double[]? ModeShares { get; init; }

    /// <summary>Joint modes that were learned as clusters of joint paths, 0 where their geometry told them: for people and reports.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int ModeClusters { get; init; }

    /// <summary>The network of p(z | observation), or null where the model has none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ModePosteriorSpec? ModePosterior { get; init; }

    /// <summary>Share of the training samples that were not told z; above 0 the network knows what to do without one.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public double ModeDropout { get; init; }

    /// <summary>What a plan is.</summary>
    public required PlanSpec Plan { get; init; }

    /// <summary>Shape of the network.</summary>
    public required NetworkSpec Network { get; init; }

    /// <summary>What the network is trained to answer. Files from before there were several methods are of diffusion.</summary>
    public MethodKind Method { get; init; }

    /// <summary>Noise levels.</summary>
    public DiffusionSpec Diffusion { get; init; } = new();

    /// <summary>Defaults of sampling.</summary>
    public SamplingSpec Sampling { get; init; } = new();

    /// <summary>Constants, one entry a network: N of them, or one with <see cref="SharedWeights"/>.</summary>
    public required NormalisationSpec[] Normalisation { get; init; }

    /// <summary>How the model came about.</summary>
    public ProvenanceSpec? Provenance { get; init; }

    /// <summary>Number of networks in the file.</summary>
    [JsonIgnore]
    public int Networks => SharedWeights ? 1 : Agents;

    /// <summary>Numbers in one frame that the network sees: the sensor's frame, less the own position where that is not used.</summary>
    [JsonIgnore]
    public int ConditionFrameSize => Seen.FrameSize - (ConditionOnPosition ? 0 : Sensor.Dimensions);

    /// <summary>The sensor's layout, less the velocities where those are not used; the own position is still there.</summary>
    [JsonIgnore]
    public SensorSpec Seen => IgnoreVelocity ? Sensor.WithoutVelocities() : Sensor;

    /// <summary>Joint modes that the policy is conditioned on (K), 0 where it is not.</summary>
    [JsonIgnore]
    public int ModeCount => ModeShares?.Length ?? 0;

    /// <summary>The set of others in the condition, or null where there is none.</summary>
    [JsonIgnore]
    public SlotSpan? Slots => Network.SlotsOf(Seen, ConditionOnPosition);

    /// <summary>Length of the condition (A): the newest <see cref="SensorSpec.History"/> frames, newest first, then the joint mode as K numbers of which one is 1.</summary>
    [JsonIgnore]
    public int ConditionSize => ConditionFrameSize * Sensor.History + ModeCount;

    /// <summary>Numbers in a plan for one tick (R): D, or N*D where all agents are planned for.</summary>
    [JsonIgnore]
    public int RowSize => PlanLayout.AgentsIn(Plan, Sensor) * Sensor.Dimensions;

    /// <summary>Numbers in a plan (L*R).</summary>
    [JsonIgnore]
    public int PlanSize => Plan.Length * RowSize;

    /// <summary>Prefix of the weights of an agent, with the dot.</summary>
    public string WeightPrefix(int agent) => SharedWeights ? "shared." : $"agent{agent}.";

    /// <summary>Throws unless a method and a network go together.</summary>
    /// <exception cref="InvalidInputException">A mixture without its head, or the head without a mixture.</exception>
    public static void RequireHead(MethodKind method, NetworkSpec network, string where)
    {
        ArgumentNullException.ThrowIfNull(network);
        var expected = method == MethodKind.Mixture ? "a mixture head, such as { \"components\": 4 }, with method mixture" : "none but with method mixture";
        InvalidInputException.Require((method == MethodKind.Mixture) == (network.Mixture is not null), where, "network.mixture", expected, network.Mixture is null ? "none" : $"{network.Mixture.Components} components");
    }

    /// <summary>Throws unless every part is in range and all sizes agree.</summary>
    /// <param name="where">The file.</param>
    /// <exception cref="InvalidInputException">Something does not fit.</exception>
    public void Validate(string where)
    {
        InvalidInputException.Require(Format == CurrentFormat, where, "format", $"{CurrentFormat}", Format);
        InvalidInputException.Require(Agents is >= 1 and <= 4096, where, "agents", "1 to 4096", Agents);
        InvalidInputException.Require(TimeStep > 0 && double.IsFinite(TimeStep), where, "timeStep", "above 0", TimeStep);
        Sensor.Validate(where);
        Plan.Validate(where);
        Network.Validate(where);
        RequireHead(Method, Network, where);
        Diffusion.Validate(where);
        Sampling.Validate(where, Plan.Actions);
        PlanLayout.Validate(where, Sensor, Plan, ConditionOnPosition, SharedWeights, IgnoreVelocity);
        GoalFrame?.Validate(where, Sensor, Plan, ConditionOnPosition);
        Network.RequireSlots(where, Sensor, Plan);
        InvalidInputException.Require(Plan.Of == PlanOf.Own || Sensor.Others!.Count == Agents - 1, where, "sensor.others.count", $"{Agents - 1}, the others, with a plan of all agents", Sensor.Others?.Count);
        InvalidInputException.Require(ConditionSize >= 1, where, "conditionOnPosition", "true where nothing else is sensed", ConditionOnPosition);
        if (ModeShares is not null)
        {
            InvalidInputException.Require(ModeShares.Length is >= 2 and <= 256, where, "modeShares", "2 to 256 numbers", ModeShares.Length);
            InvalidInputException.Require(Array.TrueForAll(ModeShares, s => s >= 0) && Math.Abs(ModeShares.Sum() - 1) < 1e-6, where, "modeShares", "numbers from 0 that sum to 1", string.Join(", ", ModeShares));
        }

        InvalidInputException.Require(ModePosterior is null || (ModeShares is not null && ModePosterior.Width is >= 1 and <= 4096), where, "modePosterior", "none without modeShares, of a width from 1 to 4096", ModePosterior?.Width);
        InvalidInputException.Require(Normalisation.Length == Networks, where, "normalisation", $"{Networks} entries", Normalisation.Length);
        foreach (var n in Normalisation)
        {
            Check(n.ConditionMean, ConditionSize, positive: false, "conditionMean");
            Check(n.ConditionDeviation, ConditionSize, positive: true, "conditionDeviation");
            Check(n.PlanMean, PlanSize, positive: false, "planMean");
            Check(n.PlanDeviation, PlanSize, positive: true, "planDeviation");
            InvalidInputException.Require(n.SigmaData > 0 && double.IsFinite(n.SigmaData), where, "normalisation.sigmaData", "above 0", n.SigmaData);
        }

        void Check(float[] values, int size, bool positive, string name)
        {
            InvalidInputException.Require(values.Length == size, where, $"normalisation.{name}", $"{size} numbers", values.Length);
            InvalidInputException.Require(Array.TrueForAll(values, v => float.IsFinite(v) && (!positive || v > 0)), where, $"normalisation.{name}", positive ? "finite numbers above 0" : "finite numbers", "others");
        }
    }
}
