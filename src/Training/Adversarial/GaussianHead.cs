using MimicD.Agents;
using MimicD.Training.Torch;

namespace MimicD.Training.Adversarial;

/// <summary>A network's answer read as a diagonal Gaussian over the next own position: a mixture head with one component, whose logit means nothing.</summary>
internal static class GaussianHead
{
    private static readonly double HalfLogTwoPi = 0.5 * Math.Log(2 * Math.PI);

    /// <summary>ln p(a), [B], and the logarithms of the deviations, [B, D].</summary>
    /// <param name="output">The network's answers, [B, 1 + 2 D].</param>
    /// <param name="action">a, normalised, [B, D].</param>
    /// <param name="head">The head.</param>
    public static (Tensor LogDensity, Tensor LogDeviations) LogDensity(Tensor output, Tensor action, MixtureSpec head)
    {
        var d = action.Size(1);
        var logDeviations = (output.Narrow(1, 1 + d, d).Exp() + head.DeviationFloor).Log();
        var standard = (action - output.Narrow(1, 1, d)) * (logDeviations * -1.0).Exp();
        return ((standard.Square() * 0.5 + logDeviations).Sum(1) * -1.0 + -d * HalfLogTwoPi, logDeviations);
    }

    /// <summary>Draws an action.</summary>
    /// <param name="output">One answer, [1 + 2 D].</param>
    /// <param name="noise">Standard normal numbers, [D].</param>
    /// <param name="head">The head.</param>
    /// <param name="action">Receives a, normalised, [D].</param>
    /// <returns>ln p(a).</returns>
    public static double Draw(ReadOnlySpan<float> output, ReadOnlySpan<float> noise, MixtureSpec head, Span<float> action)
    {
        var d = action.Length;
        double logDensity = 0;
        for (var i = 0; i < d; i++)
        {
            var deviation = head.DeviationFloor + Math.Exp(output[1 + d + i]);
            action[i] = (float)(output[1 + i] + deviation * noise[i]);

            // Of the action as it was rounded, which is the one that the loss will see.
            var standard = (action[i] - output[1 + i]) / deviation;
            logDensity -= 0.5 * standard * standard + Math.Log(deviation) + HalfLogTwoPi;
        }

        return logDensity;
    }

    /// <summary>Mean entropy of the Gaussians [nats], a scalar.</summary>
    /// <param name="logDeviations">[B, D].</param>
    public static Tensor Entropy(Tensor logDeviations) => logDeviations.Sum(1).Mean() + logDeviations.Size(1) * (0.5 + HalfLogTwoPi);
}
