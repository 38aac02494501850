namespace MimicD.Agents;

/// <summary>
/// Deterministic behaviour cloning: the plan is what the network answers to the condition alone, F(0, 0, o), trained by squared error to be the mean of the
/// demonstrated ones. Immutable and shared by threads.
/// </summary>
public sealed class CloningSampler : PlanSampler
{
    private readonly NoiseLevels _level;

    /// <summary>Prepares the network's unused input.</summary>
    /// <param name="denoiser">The network.</param>
    public CloningSampler(Denoiser denoiser)
        : base(denoiser, networkCalls: 1, noiseSize: 0)
        => _level = denoiser.PrepareLevels([0f]);

    /// <inheritdoc/>
    public override void Sample(ReadOnlySpan<float> condition, ReadOnlySpan<float> noise, ReadOnlySpan<float> present, Span<float> plan)
    {
        var scratch = Begin(condition, noise, plan);
        Array.Clear(scratch.Input);
        Denoiser.Evaluate(scratch, _level, 0, scratch.Input, scratch.Output);
        scratch.Output.CopyTo(plan);
        present.CopyTo(plan);
    }
}
