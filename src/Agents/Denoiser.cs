using MimicD.Numerics;

namespace MimicD.Agents;

/// <summary>
/// A network F(x, c, o) of <c>docs/networks.md</c>, run by managed code. Immutable once loaded, so that any number of agents and threads may
/// share it; what a call needs lies in scratch memory, one for each thread.
/// </summary>
public abstract class Denoiser
{
    private ThreadLocal<DenoiserScratch>? _scratch;
    private ThreadLocal<DenoiserScratch>? _second;

    private protected Denoiser(NetworkSpec network, int planLength, int dimensions, int conditionSize, NetworkWeights weights, Kernels kernels, SlotSpan? slots = null)
    {
        Network = network;
        PlanLength = planLength;
        Dimensions = dimensions;
        ConditionSize = conditionSize;
        Kernels = kernels;
        foreach (var tensor in NetworkTensors.Of(network, planLength, dimensions, conditionSize, slots))
        {
            Parameters += weights.Tensor(tensor.Name, tensor.Shape).Length;
        }
    }

    /// <summary>Shape of the network.</summary>
    public NetworkSpec Network { get; }

    /// <summary>Positions in a plan (L).</summary>
    public int PlanLength { get; }

    /// <summary>Numbers in a plan for one tick: the dimensions of space (D), or N*D where all agents are planned for.</summary>
    public int Dimensions { get; }

    /// <summary>Length of the condition (A).</summary>
    public int ConditionSize { get; }

    /// <summary>Numbers in a plan (L*D).</summary>
    public int PlanSize => PlanLength * Dimensions;

    /// <summary>Numbers that the network answers with: L*D, or more with a mixture head.</summary>
    public int OutputSize => Network.HeadSize(PlanSize);

    /// <summary>Number of weights.</summary>
    public long Parameters { get; }

    /// <summary>Plans that are worth making at once: as many as read the weights together as fast as they are multiplied. Each comes out as it does alone, to the bit.</summary>
    public abstract int Together { get; }

    private protected Kernels Kernels { get; }

    /// <summary>Loads one network of a model.</summary>
    /// <param name="spec">The model's description, valid.</param>
    /// <param name="agent">Whose network; any agent where the weights are shared.</param>
    /// <param name="weights">The model file.</param>
    /// <param name="where">Its name, for messages.</param>
    /// <param name="kernels">Kernels to run on, or null for the best.</param>
    /// <exception cref="InvalidDataException">A tensor is missing or has another shape.</exception>
    public static Denoiser Load(ModelSpec spec, int agent, SafeTensors weights, string where, Kernels? kernels = null)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(weights);
        kernels ??= Kernels.Best;
        var own = new NetworkWeights(weights, spec.WeightPrefix(agent), where);
        return spec.Network.Kind == NetworkKind.Dit
            ? new DitDenoiser(spec.Network, spec.Plan.Length, spec.RowSize, spec.ConditionSize, own, kernels)
            : new MlpDenoiser(spec.Network, spec.Plan.Length, spec.RowSize, spec.ConditionSize, spec.Slots, own, kernels);
    }

    /// <summary>F(x, c, o) once. Thread-safe. For comparisons: a sampler shares work between the calls of a plan, with the same bits.</summary>
    /// <param name="x">The scaled noisy plan, [L*D].</param>
    /// <param name="cNoise">ln(sigma)/4.</param>
    /// <param name="condition">The normalised condition, [A].</param>
    /// <param name="output">F, [<see cref="OutputSize"/>].</param>
    public void Forward(ReadOnlySpan<float> x, float cNoise, ReadOnlySpan<float> condition, Span<float> output)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(x.Length, PlanSize, nameof(x));
        ArgumentOutOfRangeException.ThrowIfNotEqual(condition.Length, ConditionSize, nameof(condition));
        ArgumentOutOfRangeException.ThrowIfNotEqual(output.Length, OutputSize, nameof(output));
        var levels = PrepareLevels([cNoise]);
        var scratch = Scratch;
        Begin(scratch, condition, 1);
        Evaluate(scratch, levels, 0, x, output);
    }

    /// <summary>This thread's scratch.</summary>
    internal DenoiserScratch Scratch
    {
        get
        {
            if (_scratch is null)
            {
                Interlocked.CompareExchange(ref _scratch, new ThreadLocal<DenoiserScratch>(CreateScratch), null);
            }

            return _scratch.Value!;
        }
    }

    /// <summary>This thread's other scratch, for whoever asks the network about two conditions in turn.</summary>
    internal DenoiserScratch SecondScratch
    {
        get
        {
            if (_second is null)
            {
                Interlocked.CompareExchange(ref _second, new ThreadLocal<DenoiserScratch>(CreateScratch), null);
            }

            return _second.Value!;
        }
    }

    /// <summary>Uses another network's scratch; both must have the same shape.</summary>
    internal void ShareScratch(Denoiser other)
    {
        _ = other.Scratch;
        _scratch = other._scratch;
    }

    /// <summary>Computes what depends on the noise level alone, for a list of levels.</summary>
    internal abstract NoiseLevels PrepareLevels(ReadOnlySpan<float> cNoise);

    /// <summary>Starts plans: computes what depends on the conditions.</summary>
    /// <param name="scratch">This thread's.</param>
    /// <param name="conditions">[plans, A].</param>
    /// <param name="plans">1 to <see cref="Together"/>.</param>
    internal abstract void Begin(DenoiserScratch scratch, ReadOnlySpan<float> conditions, int plans);

    /// <summary>F at one of the prepared levels, for the conditions of the last <see cref="Begin"/> on this scratch: x [plans, L*D] to output [plans, O]. Within a plan the level never falls.</summary>
    internal abstract void Evaluate(DenoiserScratch scratch, NoiseLevels levels, int level, ReadOnlySpan<float> x, Span<float> output);

    private protected abstract DenoiserScratch CreateScratch();

    /// <summary>n for each level: Linear(noise.2)(Mish(Linear(noise.0)(c))), [levels, W].</summary>
    private protected AlignedBuffer EmbedNoise(PackedMatrix first, PackedMatrix second, ReadOnlySpan<float> cNoise)
    {
        var hidden = new AlignedBuffer(cNoise.Length * first.Outputs);
        var result = new AlignedBuffer(cNoise.Length * second.Outputs);
        Kernels.Linear(first, cNoise, cNoise.Length, hidden.Span);
        Kernels.Mish(hidden.Span);
        Kernels.Linear(second, hidden.Span, cNoise.Length, result.Span);
        return result;
    }
}

/// <summary>The tensors of one network while it is being loaded.</summary>
/// <param name="File">The model file.</param>
/// <param name="Prefix">The network's prefix, with the dot.</param>
/// <param name="Where">The file's name, for messages.</param>
internal sealed record NetworkWeights(SafeTensors File, string Prefix, string Where)
{
    /// <summary>The linear map of that name.</summary>
    public PackedMatrix Linear(string name, int outputs, int inputs, bool bias = true)
        => new(Tensor(name + ".weight", outputs, inputs), bias ? Tensor(name + ".bias", outputs) : [], outputs, inputs);

    /// <summary>The tensor of that name, checked for its shape.</summary>
    public float[] Tensor(string name, params int[] shape) => File.Get(Prefix + name, Where, shape);
}

/// <summary>What a network has computed from noise levels alone; its layout is the network's own.</summary>
/// <param name="Count">Levels.</param>
/// <param name="Values">Numbers.</param>
internal sealed record NoiseLevels(int Count, AlignedBuffer Values);

/// <summary>Memory of one thread for running networks of one shape, with room for as many plans as are made together; also holds the conditions' share of the plans that are being made.</summary>
internal abstract class DenoiserScratch(int together, int planSize, int conditionSize, int outputSize)
{
    /// <summary>Plans that are being made.</summary>
    public int Plans { get; set; } = 1;

    /// <summary>The normalised conditions, [plans, A].</summary>
    public float[] Condition { get; } = new float[together * conditionSize];

    /// <summary>The present positions of the agents planned for, in the plan's order, [plans, L*D]; the rest of each row is not used.</summary>
    public float[] Present { get; } = new float[together * planSize];

    /// <summary>The same, normalised as the plan's first row, one after the other.</summary>
    public float[] Painted { get; } = new float[together * planSize];

    /// <summary>What the plans start from, one after the other.</summary>
    public float[] Noise { get; } = new float[together * Math.Max(planSize, outputSize)];

    /// <summary>The plans that are being sampled, normalised, [plans, L*D].</summary>
    public double[] Plan { get; } = new double[together * planSize];

    /// <summary>The plans' derivatives, [plans, L*D].</summary>
    public double[] Slope { get; } = new double[together * planSize];

    /// <summary>Trial plans of a second-order step, [plans, L*D].</summary>
    public double[] Trial { get; } = new double[together * planSize];

    /// <summary>The network's input, [plans, L*D].</summary>
    public float[] Input { get; } = new float[together * planSize];

    /// <summary>The network's output, [plans, O].</summary>
    public float[] Output { get; } = new float[together * outputSize];

    /// <summary>The normalised conditions without a joint mode, [plans, A].</summary>
    public float[] Unguided { get; } = new float[together * conditionSize];

    /// <summary>What is left of the last plans, normalised, [plans, L*D].</summary>
    public float[] Previous { get; } = new float[together * planSize];

    /// <summary>The finished plans, normalised, [plans, L*D].</summary>
    public float[] Result { get; } = new float[together * planSize];

    /// <summary>Where each plan's axes point.</summary>
    public GoalFrame.Axes[] Axes { get; } = new GoalFrame.Axes[together];
}
