namespace MimicD.Agents;

/// <summary>
/// Stochastic behaviour cloning: the network answers the condition with K weights and K diagonal Gaussians over plans (Bishop 1994); one component is chosen and one
/// plan drawn from it. Immutable and shared by threads.
/// </summary>
/// <remarks>
/// <para>The choice is an exponential race: with E_k = (a_k^2 + b_k^2)/2 of two standard normal numbers each, which is exponential, the component with the smallest E_k / w_k
/// wins with probability w_k. It is a continuous function of noise and weights in which the components' order does not matter, and it leaves the chosen component only for one whose
/// weight has grown relative to it; so noise that is held, or changes slowly, over replans holds the choice.</para>
/// <para>A temperature T below 1 scales the Gaussians' deviations and sharpens the weights to w_k^(1/T); at 0 the plan is the mean of the likeliest component.</para>
/// </remarks>
public sealed class MixtureSampler : PlanSampler
{
    private readonly NoiseLevels _level;
    private readonly MixtureSpec _mixture;
    private readonly double _temperature;

    /// <summary>Prepares the network's unused input.</summary>
    /// <param name="denoiser">The network; it has a mixture head.</param>
    /// <param name="temperature">T.</param>
    public MixtureSampler(Denoiser denoiser, double temperature = 1)
        : base(denoiser, networkCalls: 1, noiseSize: 2 * Mixture(denoiser).Components + denoiser.PlanSize)
    {
        _mixture = Mixture(denoiser);
        _temperature = temperature;
        _level = denoiser.PrepareLevels([0f]);
    }

    /// <inheritdoc/>
    public override int Sample(int plans, ReadOnlySpan<float> conditions, ReadOnlySpan<float> unguided, ReadOnlySpan<float> noise, ReadOnlySpan<float> present, ReadOnlySpan<float> previous, Span<float> results)
    {
        var scratch = Begin(plans, conditions, noise, results);
        Array.Clear(scratch.Input);
        Denoiser.Evaluate(scratch, _level, 0, scratch.Input, scratch.Output);
        for (var p = 0; p < plans; p++)
        {
            Draw(scratch.Output.AsSpan(p * Denoiser.OutputSize, Denoiser.OutputSize), noise.Slice(p * NoiseSize, NoiseSize), results.Slice(p * Denoiser.PlanSize, Denoiser.PlanSize));
        }

        Paint(plans, present, results);
        return NetworkCalls;
    }

    /// <summary>Chooses a component and draws a plan from it.</summary>
    private void Draw(ReadOnlySpan<float> output, ReadOnlySpan<float> noise, Span<float> plan)
    {
        var components = _mixture.Components;
        var chosen = Choose(output[..components], noise);
        var means = output.Slice(components + chosen * plan.Length, plan.Length);
        var deviations = output.Slice(components + (components + chosen) * plan.Length, plan.Length);
        for (var j = 0; j < plan.Length; j++)
        {
            plan[j] = (float)(means[j] + _temperature * (_mixture.DeviationFloor + Math.Exp(deviations[j])) * noise[2 * components + j]);
        }
    }

    /// <summary>argmin over k of ln E_k - ln w_k / T, to which the weights' common factor does not matter; the likeliest component at T = 0.</summary>
    private int Choose(ReadOnlySpan<float> logits, ReadOnlySpan<float> noise)
    {
        var chosen = 0;
        var best = double.PositiveInfinity;
        for (var k = 0; k < logits.Length; k++)
        {
            var (a, b) = ((double)noise[2 * k], (double)noise[2 * k + 1]);
            var score = _temperature == 0 ? -logits[k] : Math.Log(0.5 * (a * a + b * b)) - logits[k] / _temperature;
            if (score < best)
            {
                (chosen, best) = (k, score);
            }
        }

        return chosen;
    }

    private static MixtureSpec Mixture(Denoiser denoiser)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        return denoiser.Network.Mixture ?? throw new ArgumentException("the network has no mixture head", nameof(denoiser));
    }
}
