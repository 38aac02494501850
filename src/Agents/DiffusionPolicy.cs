using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>
/// A policy that samples plans of the own future positions from a trained denoiser, given the own observations. An action is the position to be at
/// one tick later [m], absolute.
/// </summary>
public sealed class DiffusionPolicy : IPolicy
{
    private readonly ModelSpec _spec;
    private readonly NormalisationSpec _normalisation;
    private readonly Denoiser _denoiser;
    private readonly PlanSampler _sampler;

    /// <summary>Makes a policy of one network of a model.</summary>
    /// <param name="spec">The model's description, valid.</param>
    /// <param name="normalisation">The network's constants.</param>
    /// <param name="denoiser">The network.</param>
    /// <param name="sampling">Solver and number of steps.</param>
    public DiffusionPolicy(ModelSpec spec, NormalisationSpec normalisation, Denoiser denoiser, SamplingSpec sampling)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(normalisation);
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(sampling);
        (_spec, _normalisation, _denoiser) = (spec, normalisation, denoiser);
        _sampler = PlanSampler.Create(spec, normalisation, denoiser, sampling);
    }

    /// <inheritdoc/>
    public int FrameSize => _spec.Sensor.FrameSize;

    /// <inheritdoc/>
    public int History => _spec.Sensor.History;

    /// <inheritdoc/>
    public int ActionSize => _spec.Sensor.Dimensions;

    /// <inheritdoc/>
    public int PlanActions => _spec.Plan.Actions;

    /// <inheritdoc/>
    public int NoiseSize => _sampler.NoiseSize;

    /// <inheritdoc/>
    public ReadOnlySpan<double> ModeShares => _spec.ModeShares;

    /// <summary>Makes a plan by a policy that knows no modes.</summary>
    /// <inheritdoc/>
    public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions) => Plan(frames, noise, SharedMode.None, actions);

    /// <inheritdoc/>
    public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, int mode, Span<float> actions)
    {
        if (_spec.ModeCount > 0)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(mode);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(mode, _spec.ModeCount);
        }

        ArgumentOutOfRangeException.ThrowIfNotEqual(frames.Length, History * FrameSize, nameof(frames));
        ArgumentOutOfRangeException.ThrowIfNotEqual(actions.Length, PlanActions * ActionSize, nameof(actions));
        var n = _normalisation;
        var dimensions = ActionSize;
        var own = frames[..dimensions];
        var scratch = _denoiser.Scratch;
        var condition = scratch.Condition;
        var skipped = FrameSize - _spec.ConditionFrameSize;
        for (int h = 0, j = 0; h < History; h++)
        {
            foreach (var value in frames.Slice(h * FrameSize + skipped, FrameSize - skipped))
            {
                condition[j] = (value - n.ConditionMean[j]) / n.ConditionDeviation[j];
                j++;
            }
        }

        for (int z = 0, j = condition.Length - _spec.ModeCount; z < _spec.ModeCount; z++, j++)
        {
            condition[j] = ((z == mode ? 1 : 0) - n.ConditionMean[j]) / n.ConditionDeviation[j];
        }

        Span<float> present = stackalloc float[3];
        present = present[..(_spec.Plan.StartsAtPresent ? dimensions : 0)];
        for (var d = 0; d < present.Length; d++)
        {
            present[d] = (own[d] - n.PlanMean[d]) / n.PlanDeviation[d];
        }

        var plan = scratch.Result;
        _sampler.Sample(condition, noise, present, plan);
        var first = plan.Length - actions.Length;
        for (var j = 0; j < actions.Length; j++)
        {
            var value = plan[first + j] * n.PlanDeviation[first + j] + n.PlanMean[first + j];
            actions[j] = _spec.Plan.Frame == Frame.Relative ? own[j % dimensions] + value : value;
        }

        return _sampler.NetworkCalls;
    }
}
