using MimicD.Agents;
using MimicD.Training.Torch;

namespace MimicD.Training.Adversarial;

/// <summary>The policy's loss of proximal policy optimisation (Schulman et al. 2017, eq. 7), less the weighted entropy.</summary>
/// <param name="head">The policy's head.</param>
/// <param name="clip">epsilon.</param>
/// <param name="entropyWeight">Weight of the entropy.</param>
internal sealed class ClippedSurrogate(MixtureSpec head, double clip, double entropyWeight)
{
    /// <summary>-mean min(rho A, clip(rho, 1 - epsilon, 1 + epsilon) A) - w H with rho = p(a) / p_old(a).</summary>
    /// <param name="output">The network's answers, [B, 1 + 2 D].</param>
    /// <param name="action">a, normalised, [B, D].</param>
    /// <param name="oldLogDensity">ln p_old(a), [B].</param>
    /// <param name="advantage">A, [B].</param>
    /// <returns>The loss and the entropy H, scalars, and ln p(a), [B].</returns>
    public (Tensor Loss, Tensor Entropy, Tensor LogDensity) Loss(Tensor output, Tensor action, Tensor oldLogDensity, Tensor advantage)
    {
        var (logDensity, logDeviations) = GaussianHead.LogDensity(output, action, head);
        var ratio = (logDensity - oldLogDensity).Exp();
        var entropy = GaussianHead.Entropy(logDeviations);
        var gain = Tensor.Minimum(ratio * advantage, ratio.Clamp(1 - clip, 1 + clip) * advantage).Mean();
        return ((gain + entropy * entropyWeight) * -1.0, entropy, logDensity);
    }
}
