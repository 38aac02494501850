namespace MimicD.Agents;

/// <summary>A policy that makes its plans of another's.</summary>
public abstract class WrappedPolicy : IPolicy
{
    private protected WrappedPolicy(IPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        Policy = policy;
    }

    /// <inheritdoc/>
    public int FrameSize => Policy.FrameSize;

    /// <inheritdoc/>
    public int History => Policy.History;

    /// <inheritdoc/>
    public int ActionSize => Policy.ActionSize;

    /// <inheritdoc/>
    public virtual int PlanActions => Policy.PlanActions;

    /// <inheritdoc/>
    public virtual int NoiseSize => Policy.NoiseSize;

    /// <inheritdoc/>
    public ReadOnlySpan<double> ModeShares => Policy.ModeShares;

    /// <inheritdoc/>
    public SafetyProjection? Projection => Policy.Projection;

    /// <summary>Whose plans.</summary>
    private protected IPolicy Policy { get; }

    /// <inheritdoc/>
    public bool ModeLogits(ReadOnlySpan<float> frames, Span<float> logits) => Policy.ModeLogits(frames, logits);

    /// <inheritdoc/>
    public IReadOnlyList<string> TrainedFeatures => Policy.TrainedFeatures;

    /// <inheritdoc/>
    public void CountUnfamiliar(ReadOnlySpan<float> frames, Span<long> counts) => Policy.CountUnfamiliar(frames, counts);

    /// <inheritdoc/>
    public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions) => Plan(frames, noise, SharedMode.None, [], actions);

    /// <inheritdoc/>
    public abstract int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, int mode, ReadOnlySpan<float> previous, Span<float> actions);
}
