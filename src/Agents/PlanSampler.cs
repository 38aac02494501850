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

    /// <summary>Plans that are worth sampling at once.</summary>
    public int Together => Denoiser.Together;

    /// <summary>Samples a plan. Allocates nothing once this thread has called it before.</summary>
    /// <param name="condition">Normalised condition, [A].</param>
    /// <param name="noise">Standard normal numbers, [<see cref="NoiseSize"/>].</param>
    /// <param name="present">The present position in normalised units, [D], where the plan starts with it; or empty.</param>
    /// <param name="plan">The result, [L*D].</param>
    public void Sample(ReadOnlySpan<float> condition, ReadOnlySpan<float> noise, ReadOnlySpan<float> present, Span<float> plan) => _ = Sample(1, condition, [], noise, present, [], plan);

    /// <summary>Samples plans that may be guided, and may go on from others; methods that know neither do without. Each plan comes out as it does alone, to the bit. Allocates nothing once this thread has called it before.</summary>
    /// <param name="plans">How many, 1 to <see cref="Together"/>.</param>
    /// <param name="conditions">Normalised conditions, [plans, A].</param>
    /// <param name="unguided">The same without a joint mode, where guidance is wanted; or empty.</param>
    /// <param name="noise">Standard normal numbers, [plans, <see cref="NoiseSize"/>].</param>
    /// <param name="present">The present positions in normalised units, [plans, D], where plans start with them; or empty.</param>
    /// <param name="previous">Plans, normalised, to start from, [plans, L*D]; or empty.</param>
    /// <param name="results">The results, [plans, L*D].</param>
    /// <returns>Evaluations of the network for each of them.</returns>
    public abstract int Sample(int plans, ReadOnlySpan<float> conditions, ReadOnlySpan<float> unguided, ReadOnlySpan<float> noise, ReadOnlySpan<float> present, ReadOnlySpan<float> previous, Span<float> results);

    /// <summary>Checks the arguments and starts the plans on this thread's scratch.</summary>
    private protected DenoiserScratch Begin(int plans, ReadOnlySpan<float> conditions, ReadOnlySpan<float> noise, Span<float> results)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(conditions.Length, plans * Denoiser.ConditionSize, nameof(conditions));
        ArgumentOutOfRangeException.ThrowIfNotEqual(noise.Length, plans * NoiseSize, nameof(noise));
        ArgumentOutOfRangeException.ThrowIfNotEqual(results.Length, plans * Denoiser.PlanSize, nameof(results));
        var scratch = Denoiser.Scratch;
        Denoiser.Begin(scratch, conditions, plans);
        return scratch;
    }

    /// <summary>Where in the plans a number stands of those that they are known to begin with.</summary>
    /// <param name="j">Which, counted through all plans.</param>
    /// <param name="known">Numbers known of each.</param>
    private protected int Place(int j, int known) => j / known * Denoiser.PlanSize + j % known;

    /// <summary>Writes what is known of each plan, its first numbers.</summary>
    /// <param name="plans">How many.</param>
    /// <param name="present">[plans, known], or empty.</param>
    /// <param name="results">[plans, L*D].</param>
    private protected void Paint(int plans, ReadOnlySpan<float> present, Span<float> results)
    {
        var known = present.Length / plans;
        for (var p = 0; p < plans && known > 0; p++)
        {
            present.Slice(p * known, known).CopyTo(results[(p * Denoiser.PlanSize)..]);
        }
    }
}
