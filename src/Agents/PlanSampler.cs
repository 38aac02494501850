using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>
/// Makes plans, in normalised units, of what one network answers: the part of a policy in which methods differ. Keeps nothing from plan to plan, and is
/// shared by threads.
/// </summary>
public abstract class PlanSampler
{
    private protected PlanSampler(Denoiser denoiser, int networkCalls, int noiseSize)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        (Denoiser, NetworkCalls, NoiseSize) = (denoiser, networkCalls, noiseSize);
    }

    /// <summary>Evaluations of the network in one plan.</summary>
    public int NetworkCalls { get; }

    /// <summary>Standard normal numbers that a plan starts from; 0 for a method without chance.</summary>
    public int NoiseSize { get; }

    /// <summary>The network.</summary>
    private protected Denoiser Denoiser { get; }

    /// <summary>The sampler of a model's method.</summary>
    /// <param name="spec">The model's description, valid.</param>
    /// <param name="normalisation">The network's constants.</param>
    /// <param name="denoiser">The network.</param>
    /// <param name="sampling">What of it means something to the method (<see cref="MethodKinds"/>) is used.</param>
    public static PlanSampler Create(ModelSpec spec, NormalisationSpec normalisation, Denoiser denoiser, SamplingSpec sampling)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(normalisation);
        ArgumentNullException.ThrowIfNull(sampling);
        return spec.Method switch
        {
            MethodKind.Flow => new FlowSampler(denoiser, sampling.Solver, sampling.Steps, sampling.Temperature),
            MethodKind.Cloning => new CloningSampler(denoiser),
            MethodKind.Mixture => new MixtureSampler(denoiser, sampling.Temperature),
            _ => new EdmSampler(denoiser, spec.Diffusion, normalisation.SigmaData, sampling.Solver, sampling.Steps, sampling.Temperature) { Guidance = sampling.Guidance ?? 1, WarmSigma = sampling.WarmSigma ?? 1 },
        };
    }

    /// <summary>Samples a plan. Allocates nothing once this thread has called it before.</summary>
    /// <param name="condition">Normalised condition, [A].</param>
    /// <param name="noise">Standard normal numbers, [<see cref="NoiseSize"/>].</param>
    /// <param name="present">The present position in normalised units, [D], where the plan starts with it; or empty.</param>
    /// <param name="plan">The result, [L*D].</param>
    public abstract void Sample(ReadOnlySpan<float> condition, ReadOnlySpan<float> noise, ReadOnlySpan<float> present, Span<float> plan);

    /// <summary>Samples a plan that may be guided, and may go on from another; methods that know neither make it as above.</summary>
    /// <param name="condition">As above.</param>
    /// <param name="unguided">The same without a joint mode, where guidance is wanted; or empty.</param>
    /// <param name="noise">As above.</param>
    /// <param name="present">As above.</param>
    /// <param name="previous">A plan, normalised, to start from, [L*D]; or empty.</param>
    /// <param name="plan">As above.</param>
    /// <returns>Evaluations of the network.</returns>
    public virtual int Sample(ReadOnlySpan<float> condition, ReadOnlySpan<float> unguided, ReadOnlySpan<float> noise, ReadOnlySpan<float> present, ReadOnlySpan<float> previous, Span<float> plan)
    {
        Sample(condition, noise, present, plan);
        return NetworkCalls;
    }

    /// <summary>Checks the arguments of a plan and starts a plan on this thread's scratch.</summary>
    private protected DenoiserScratch Begin(ReadOnlySpan<float> condition, ReadOnlySpan<float> noise, Span<float> plan)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(condition.Length, Denoiser.ConditionSize, nameof(condition));
        ArgumentOutOfRangeException.ThrowIfNotEqual(noise.Length, NoiseSize, nameof(noise));
        ArgumentOutOfRangeException.ThrowIfNotEqual(plan.Length, Denoiser.PlanSize, nameof(plan));
        var scratch = Denoiser.Scratch;
        Denoiser.Begin(scratch, condition);
        return scratch;
    }
}
