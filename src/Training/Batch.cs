using MimicD.Numerics;

namespace MimicD.Training;

/// <summary>
/// The numbers of one optimizer step for one agent. Everything random in it is keyed by (seed, step, agent), so that a resumed run sees the
/// same batches as an uninterrupted one.
/// </summary>
/// <remarks>
/// EDM (Karras et al. 2022, eq. 8 and table 1): with y = x + sigma e, minimising lambda(sigma) |D(y) - x|^2 is minimising
/// |F(c_in y, c_noise, o) - (x - c_skip y) / c_out|^2, since lambda c_out^2 = 1. <see cref="Target"/> is that right-hand side.
/// </remarks>
internal sealed class Batch(int size, int planSize, int conditionSize)
{
    /// <summary>c_in y, [B, L*D].</summary>
    public float[] Input { get; } = new float[size * planSize];

    /// <summary>c_noise = ln(sigma)/4, [B, 1].</summary>
    public float[] Noise { get; } = new float[size];

    /// <summary>Normalised condition, [B, A].</summary>
    public float[] Condition { get; } = new float[size * conditionSize];

    /// <summary>1, or 0 for an attribute of the condition that this sample goes without, [B, A].</summary>
    public float[] Kept { get; } = new float[size * conditionSize];

    /// <summary>(x - c_skip y) / c_out, [B, L*D].</summary>
    public float[] Target { get; } = new float[size * planSize];

    /// <summary>c_out^2, [B, 1]: turns the error of F into the squared error of D.</summary>
    public float[] OutputScale { get; } = new float[size];

    /// <summary>Samples.</summary>
    public int Size => size;

    /// <summary>Fills the batch.</summary>
    public void Fill(TrainingSet set, OptimisationSpec options, ulong seed, int step, int agent)
    {
        var constants = set.Spec.Normalisation[set.Spec.SharedWeights ? 0 : agent];
        var choice = new CounterRandom(seed, RandomPurpose.TrainingBatches, step, agent);
        var noise = new CounterRandom(seed, RandomPurpose.TrainingNoise, step, agent);
        var augmentation = new CounterRandom(seed, RandomPurpose.TrainingAugmentation, step, agent);
        var plan = new float[planSize];
        var epsilon = new float[planSize];
        var sd = constants.SigmaData;
        for (var b = 0; b < size; b++)
        {
            var condition = Condition.AsSpan(b * conditionSize, conditionSize);
            set.Sample(choice.NextInt32(set.Count), agent, ref augmentation, condition, plan);
            for (var i = 0; i < conditionSize; i++)
            {
                Kept[b * conditionSize + i] = options.ConditionDropout == 0 || augmentation.NextDouble() >= options.ConditionDropout ? 1 : 0;
                condition[i] = (condition[i] - constants.ConditionMean[i]) / constants.ConditionDeviation[i];
            }

            var sigma = Math.Exp(options.NoiseMean + options.NoiseDeviation * noise.NextNormal());
            noise.FillNormal(epsilon);
            var total = sigma * sigma + sd * sd;
            var (skip, output, input) = (sd * sd / total, sigma * sd / Math.Sqrt(total), 1 / Math.Sqrt(total));
            Noise[b] = (float)(Math.Log(sigma) / 4);
            OutputScale[b] = (float)(output * output);
            for (var i = 0; i < planSize; i++)
            {
                var x = (plan[i] - constants.PlanMean[i]) / constants.PlanDeviation[i];
                var y = x + sigma * epsilon[i];
                Input[b * planSize + i] = (float)(input * y);
                Target[b * planSize + i] = (float)((x - skip * y) / output);
            }
        }
    }
}
