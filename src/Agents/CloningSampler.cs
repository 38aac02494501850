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
    public override int Sample(int plans, ReadOnlySpan<float> conditions, ReadOnlySpan<float> unguided, ReadOnlySpan<float> noise, ReadOnlySpan<float> present, ReadOnlySpan<float> previous, Span<float> results)
    {
        var scratch = Begin(plans, conditions, noise, results);
        Array.Clear(scratch.Input);
        Denoiser.Evaluate(scratch, _level, 0, scratch.Input, scratch.Output);
        scratch.Output.AsSpan(0, results.Length).CopyTo(results);
        Paint(plans, present, results);
        return NetworkCalls;
    }
}
