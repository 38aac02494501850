using MimicD.Agents;
using MimicD.Numerics;
using MimicD.Training.Torch;

namespace MimicD.Training.Objectives;

/// <summary>
/// What a method asks of its network about a demonstrated plan, and how wrong an answer is. Everything else of a training run (samples, augmentation, optimizer,
/// moving average) is the same for all methods.
/// </summary>
internal abstract class Objective
{
    /// <summary>The objective of a model's method.</summary>
    public static Objective Of(ModelSpec spec, OptimisationSpec options) => spec.Method switch
    {
        MethodKind.Flow => new FlowObjective(),
        MethodKind.Cloning => new CloningObjective(),
        MethodKind.Mixture => new MixtureObjective(spec.Network.Mixture!),
        _ => new DiffusionObjective(options.NoiseMean, options.NoiseDeviation),
    };

    /// <summary>Draws a sample's noise level; 0 where there is none.</summary>
    public virtual double DrawLevel(ref CounterRandom random) => 0;

    /// <summary>Writes one question.</summary>
    /// <param name="plan">x, normalised, [L*D].</param>
    /// <param name="epsilon">e, standard normal, [L*D].</param>
    /// <param name="level">As <see cref="DrawLevel"/> draws it.</param>
    /// <param name="sigmaData">sd, the standard deviation of normalised plans.</param>
    /// <param name="input">What the network is shown of the plan, [L*D].</param>
    /// <param name="target">What it should answer, [L*D].</param>
    /// <returns>What it is told of the noise, and the factor from its answer's squared error to that of the plan it stands for.</returns>
    public abstract (float Noise, float OutputScale) Ask(ReadOnlySpan<float> plan, ReadOnlySpan<float> epsilon, double level, double sigmaData, Span<float> input, Span<float> target);

    /// <summary>The loss of a batch, a scalar: the mean squared error of the answers.</summary>
    /// <param name="output">The network's answers, [B, its outputs].</param>
    /// <param name="target">[B, L*D].</param>
    /// <param name="outputScale">[B, 1], or null where <paramref name="presentWeight"/> is 0.</param>
    /// <param name="presentWeight">Weight of the squared error of the plan's position 0, added to the loss.</param>
    /// <param name="row">Numbers in position 0, a row of the plan.</param>
    public virtual Tensor Loss(Tensor output, Tensor target, Tensor? outputScale, double presentWeight, int row)
    {
        var squares = (output - target).Square();
        var loss = squares.Mean();
        if (presentWeight > 0 && outputScale is { } scale)
        {
            loss += (squares.Narrow(1, 0, row) * scale).Mean() * presentWeight;
        }

        return loss;
    }
}
