using MimicD.Agents;
using MimicD.Numerics;
using MimicD.Training.Networks;
using MimicD.Training.Torch;

namespace MimicD.Training;

/// <summary>
/// Trains p(z | observation) of every network by the cross-entropy of the demonstrations' joint modes, on the same samples as the policies but for what they are told of z. It has weights, an optimizer and random numbers of
/// its own, so that the policies are the same with and without it; and it is short, so that it is done from its beginning whenever a run is resumed.
/// </summary>
internal static class PosteriorTraining
{
    // Added to an agent's index in the keys of its batches, apart from those of the policies.
    private const int Stream = 1;

    /// <summary>Trains, and adds the weights to a model file.</summary>
    /// <param name="set">The samples; their modes are known.</param>
    /// <param name="options">Width and steps.</param>
    /// <param name="training">Weight decay, gradient clip and moving average.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="device">Where.</param>
    /// <param name="file">Receives the weights' moving averages.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Mean cross-entropy [nats] of the last tenth of the steps and all learners.</returns>
    /// <exception cref="OperationCanceledException">Given up; nothing was added.</exception>
    public static double Run(TrainingSet set, ModePosteriorTraining options, OptimisationSpec training, ulong seed, string device, SafeTensors file, CancellationToken cancellationToken)
    {
        var spec = set.Spec;
        var inputs = spec.ConditionSize - spec.ModeCount;
        var hidden = new ModePosteriorSpec(options.Width, options.Common).Hidden(spec);
        using var parameters = new ParameterSet();
        var networks = Enumerable.Range(0, spec.Networks).Select(i => new Perceptron(parameters, $"{spec.WeightPrefix(i)}mode.", inputs, options.Width, spec.ModeCount)).ToArray();
        parameters.Allocate(seed, device);
        var steps = options.Steps ?? Math.Min(3000, training.Steps);
        var constants = new AdamWConstants(WeightDecay: training.WeightDecay);
        var (sum, count) = (0.0, 0);
        for (var step = 1; step <= steps; step++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            for (var agent = 0; agent < set.Learners; agent++)
            {
                using var scope = new TensorScope();
                var (conditions, modes) = Draw(set, hidden, options.Batch, seed, step, agent);
                var network = networks[spec.SharedWeights ? 0 : agent];
                var logits = network.Forward(network.Upload(conditions));
                var loss = logits.LogSumExp(1).Mean() - (logits * Tensor.From(modes, device, options.Batch, spec.ModeCount)).Sum() * (1.0 / options.Batch);
                loss.Backward();
                if (step > steps * 9 / 10)
                {
                    sum += loss.Item();
                    count++;
                }
            }

            var rate = options.LearningRate * 0.5 * (1 + Math.Cos(Math.PI * (step - 1) / steps));
            _ = parameters.Step(rate, training.GradientClip, constants, step, training.AverageDecay);
        }

        parameters.ExportAverage(file);
        return sum / count;
    }

    /// <summary>Normalised conditions without z [B, A - K], and z as K numbers of which one is 1 [B, K].</summary>
    private static (float[] Conditions, float[] Modes) Draw(TrainingSet set, bool[] hidden, int size, ulong seed, int step, int agent)
    {
        var spec = set.Spec;
        var constants = spec.Normalisation[spec.SharedWeights ? 0 : agent];
        var choice = new CounterRandom(seed, RandomPurpose.TrainingBatches, step, agent, Stream);
        var augmentation = new CounterRandom(seed, RandomPurpose.TrainingAugmentation, step, agent, Stream);
        var (inputs, modes) = (spec.ConditionSize - spec.ModeCount, spec.ModeCount);
        var (conditions, labels) = (new float[size * inputs], new float[size * modes]);
        var (condition, plan) = (new float[spec.ConditionSize], new float[set.Window * spec.RowSize]);
        for (var b = 0; b < size; b++)
        {
            set.Sample(choice.NextInt32(set.Count), agent, ref augmentation, condition, plan);
            for (var i = 0; i < inputs; i++)
            {
                conditions[b * inputs + i] = hidden[i] ? 0 : (condition[i] - constants.ConditionMean[i]) / constants.ConditionDeviation[i];
            }

            condition.AsSpan(inputs).CopyTo(labels.AsSpan(b * modes));
        }

        return (conditions, labels);
    }
}
