using MimicD.Agents;
using MimicD.Training.Torch;

namespace MimicD.Training.Objectives;

/// <summary>
/// Behaviour cloning with a mixture density (Bishop 1994): F(0, 0, o) is K logits a, K means m and K numbers r, and the loss is the negative log-likelihood
/// -ln sum_k w_k prod_j N(x_j; m_kj, s_kj), w = softmax(a), s = floor + e^r, divided by the L*D numbers of a plan.
/// </summary>
internal sealed class MixtureObjective(MixtureSpec mixture) : Objective
{
    public override (float Noise, float OutputScale) Ask(ReadOnlySpan<float> plan, ReadOnlySpan<float> epsilon, double level, double sigmaData, Span<float> input, Span<float> target)
    {
        input.Clear();
        plan.CopyTo(target);
        return (0, 1);
    }

    public override Tensor Loss(Tensor output, Tensor target, Tensor? outputScale, double presentWeight, int row)
    {
        var (batch, size, k) = (target.Size(0), target.Size(1), (long)mixture.Components);
        var logits = output.Narrow(1, 0, k);
        var means = output.Narrow(1, k, k * size).Reshape(batch, k, size);
        var logDeviations = (output.Narrow(1, k + k * size, k * size).Reshape(batch, k, size).Exp() + mixture.DeviationFloor).Log();
        var standard = (target.Reshape(batch, 1, size) - means) * (logDeviations * -1.0).Exp();
        var logDensities = (standard.Square() * 0.5 + logDeviations).Sum(2) * -1.0 + -0.5 * size * Math.Log(2 * Math.PI);

        // ln sum_k w_k p_k = ln sum_k e^(a_k + ln p_k) - ln sum_k e^(a_k).
        return ((logits + logDensities).LogSumExp(1) - logits.LogSumExp(1)).Mean() * (-1.0 / size);
    }
}
