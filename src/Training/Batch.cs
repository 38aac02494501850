using MimicD.Agents;
using MimicD.Numerics;
using MimicD.Training.Objectives;

namespace MimicD.Training;

/// <summary>
/// The numbers of one optimizer step for one agent. Everything random in it is keyed by (seed, step, agent), so that a resumed run sees the
/// same batches as an uninterrupted one.
/// </summary>
internal sealed class Batch(int size, int planSize, int conditionSize)
{
    private readonly float[] _plan = new float[planSize];
    private readonly float[] _epsilon = new float[planSize];
    private float[] _encoded = [];
    private bool _isEncoded;

    /// <summary>What the network is shown of the plan, [B, L*D]; which, is the <see cref="Objective"/>'s.</summary>
    public float[] Input { get; } = new float[size * planSize];

    /// <summary>What the network is told of the noise, [B, 1].</summary>
    public float[] Noise { get; } = new float[size];

    /// <summary>Normalised condition, [B, A].</summary>
    public float[] Condition { get; } = new float[size * conditionSize];

    /// <summary>1, or 0 for an attribute of the condition that this sample goes without, [B, A].</summary>
    public float[] Kept { get; } = new float[size * conditionSize];

    /// <summary>What the network should answer, [B, L*D].</summary>
    public float[] Target { get; } = new float[size * planSize];

    /// <summary>Turns the squared error of the answer into the squared error of the plan that it stands for, [B, 1].</summary>
    public float[] OutputScale { get; } = new float[size];

    /// <summary>Samples.</summary>
    public int Size => size;

    /// <summary>The condition as the network takes it (<see cref="NetworkSpec.Encode(ReadOnlySpan{float}, SlotSpan?, Span{float})"/>), [B, A (1 + 2 F)]; of a batch that was <see cref="Fill"/>ed it is ready.</summary>
    public float[] Encoded(ModelSpec spec)
    {
        if (!_isEncoded)
        {
            Encode(spec);
        }

        return _encoded;
    }

    /// <summary>Encodes conditions [B, A] into [B, A (1 + 2 F)].</summary>
    public static void Encode(ModelSpec spec, ReadOnlySpan<float> condition, int size, Span<float> encoded)
    {
        var (from, to) = (condition.Length / size, encoded.Length / size);
        for (var b = 0; b < size; b++)
        {
            spec.Network.Encode(condition.Slice(b * from, from), spec.Slots, encoded.Slice(b * to, to));
        }
    }

    /// <summary>Fills the batch.</summary>
    /// <param name="set">The samples.</param>
    /// <param name="objective">What is asked about them.</param>
    /// <param name="options">Dropout of attributes and of the mode, and what agents have in common.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="step">The step.</param>
    /// <param name="agent">Whose batch.</param>
    public void Fill(TrainingSet set, Objective objective, OptimisationSpec options, ulong seed, int step, int agent)
    {
        var constants = set.Spec.Normalisation[set.Spec.SharedWeights ? 0 : agent];
        // What is paired is drawn as the first agent draws it.
        var (paired, aligned) = (options.Pairing == SamplePairing.None ? agent : 0, options.Pairing == SamplePairing.Noise ? 0 : agent);
        var choice = new CounterRandom(seed, RandomPurpose.TrainingBatches, step, paired);
        var noise = new CounterRandom(seed, RandomPurpose.TrainingNoise, step, aligned);
        var augmentation = new CounterRandom(seed, RandomPurpose.TrainingAugmentation, step, paired);
        var modes = set.Spec.ModeCount;
        Span<float> plan = _plan;
        Span<float> epsilon = _epsilon;
        for (var b = 0; b < size; b++)
        {
            var condition = Condition.AsSpan(b * conditionSize, conditionSize);
            set.Sample(choice.NextInt32(set.Count), agent, ref augmentation, condition, plan);
            if (options.ModeNoise > 0 && modes > 0 && augmentation.NextDouble() < options.ModeNoise)
            {
                var z = condition[^modes..];
                z.Clear();
                z[SharedMode.Pick(augmentation.NextDouble(), set.Spec.ModeShares)] = 1;
            }

            if (options.ModeDropout > 0 && modes > 0 && augmentation.NextDouble() < options.ModeDropout)
            {
                condition[^modes..].Clear();
            }

            for (var i = 0; i < conditionSize; i++)
            {
                Kept[b * conditionSize + i] = options.ConditionDropout == 0 || augmentation.NextDouble() >= options.ConditionDropout ? 1 : 0;
                condition[i] = (condition[i] - constants.ConditionMean[i]) / constants.ConditionDeviation[i];
            }

            for (var i = 0; i < planSize; i++)
            {
                plan[i] = (plan[i] - constants.PlanMean[i]) / constants.PlanDeviation[i];
            }

            var level = objective.DrawLevel(ref noise);
            noise.FillNormal(epsilon);
            Ask(objective, b, plan, epsilon, level, constants.SigmaData);
        }

        Encode(set.Spec);
    }

    /// <summary>Sets a row: what is asked about a plan.</summary>
    /// <param name="objective">Asks.</param>
    /// <param name="row">0 to B-1.</param>
    /// <param name="plan">x, normalised, [L*D].</param>
    /// <param name="epsilon">e, standard normal, [L*D].</param>
    /// <param name="level">The objective's level.</param>
    /// <param name="sigmaData">sd.</param>
    public void Ask(Objective objective, int row, ReadOnlySpan<float> plan, ReadOnlySpan<float> epsilon, double level, double sigmaData)
        => (Noise[row], OutputScale[row]) = objective.Ask(plan, epsilon, level, sigmaData, Input.AsSpan(row * planSize, planSize), Target.AsSpan(row * planSize, planSize));

    private void Encode(ModelSpec spec)
    {
        var length = size * spec.Network.EncodedSize(conditionSize);
        if (_encoded.Length != length)
        {
            _encoded = new float[length];
        }

        Encode(spec, Condition, size, _encoded);
        _isEncoded = true;
    }
}
