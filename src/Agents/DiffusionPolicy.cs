using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>
/// A policy that samples plans of the own future positions, or of everybody's, from a trained denoiser, given the own observations. An action is the own position to
/// be at one tick later [m], absolute; what the plan says of others is executed by nobody.
/// </summary>
public sealed class DiffusionPolicy : IPolicy
{
    private readonly ModelSpec _spec;
    private readonly NormalisationSpec _normalisation;
    private readonly Denoiser _denoiser;
    private readonly PlanLayout _layout;
    private readonly GoalFrame? _axes;
    private readonly PlanSampler _sampler;

    /// <summary>Makes a policy of one network of a model.</summary>
    /// <param name="spec">The model's description, valid.</param>
    /// <param name="normalisation">The network's constants.</param>
    /// <param name="denoiser">The network.</param>
    /// <param name="sampling">Solver and number of steps.</param>
    /// <param name="agent">Whose part of the plan is executed; only a <see cref="PlanOf.Joint"/> plan depends on it.</param>
    public DiffusionPolicy(ModelSpec spec, NormalisationSpec normalisation, Denoiser denoiser, SamplingSpec sampling, AgentId agent = default)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(normalisation);
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(sampling);
        (_spec, _normalisation, _denoiser) = (spec, normalisation, denoiser);
        _layout = new PlanLayout(spec.Sensor, spec.Plan, spec.ConditionOnPosition, agent);
        _axes = spec.GoalFrame is null ? null : new GoalFrame(spec.GoalFrame, spec.Sensor);
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
        ArgumentOutOfRangeException.ThrowIfNotEqual(actions.Length, PlanActions * ActionSize, nameof(actions));
        var scratch = Sample(frames, noise, mode);
        var (row, own, dimensions) = (_layout.RowSize, _layout.Own, ActionSize);
        var first = _spec.Plan.Length - PlanActions;
        for (var k = 0; k < PlanActions; k++)
        {
            for (var d = 0; d < dimensions; d++)
            {
                actions[k * dimensions + d] = Metres(scratch, (first + k) * row + own + d, own + d);
            }
        }

        return _sampler.NetworkCalls;
    }

    /// <summary>Makes the whole plan, of which the own part is executed: what the agent expects of those that it plans for. For looking at it; acting needs <see cref="Plan(ReadOnlySpan{float}, ReadOnlySpan{float}, int, Span{float})"/> alone.</summary>
    /// <param name="frames">As there.</param>
    /// <param name="noise">As there.</param>
    /// <param name="mode">As there.</param>
    /// <param name="plan">
    /// Absolute positions [m] from the plan's position 0 on, [L*R], a row's agents in the order of <see cref="PlanOf"/>. NaN, where the plan is relative, for an
    /// other out of sight.
    /// </param>
    /// <returns>Evaluations of a network.</returns>
    public int PlanAll(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, int mode, Span<float> plan)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(plan.Length, _spec.PlanSize, nameof(plan));
        var scratch = Sample(frames, noise, mode);
        for (var j = 0; j < plan.Length; j++)
        {
            plan[j] = Metres(scratch, j, j % _layout.RowSize);
        }

        return _sampler.NetworkCalls;
    }

    /// <summary>Leaves the plan [m] in the world's axes, and the present, in this thread's scratch.</summary>
    private DenoiserScratch Sample(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, int mode)
    {
        if (_spec.ModeCount > 0)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(mode);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(mode, _spec.ModeCount);
        }

        ArgumentOutOfRangeException.ThrowIfNotEqual(frames.Length, History * FrameSize, nameof(frames));
        var n = _normalisation;
        var scratch = _denoiser.Scratch;
        var condition = scratch.Condition;
        var size = _layout.ConditionSize;
        for (var h = 0; h < History; h++)
        {
            _layout.WriteCondition(frames.Slice(h * FrameSize, FrameSize), condition.AsSpan(h * size, size));
        }

        var axes = _axes?.Of(condition.AsSpan(0, size)) ?? default;
        for (var h = 0; h < History; h++)
        {
            _axes?.Turn(axes, condition.AsSpan(h * size, size));
        }

        for (int z = 0, j = condition.Length - _spec.ModeCount; z < _spec.ModeCount; z++, j++)
        {
            condition[j] = z == mode ? 1 : 0;
        }

        for (var j = 0; j < condition.Length; j++)
        {
            condition[j] = (condition[j] - n.ConditionMean[j]) / n.ConditionDeviation[j];
        }

        _layout.WritePresent(frames[..FrameSize], scratch.Present);
        var painted = scratch.Painted.AsSpan(0, _spec.Plan.StartsAtPresent ? _layout.RowSize : 0);
        for (var j = 0; j < painted.Length; j++)
        {
            painted[j] = (scratch.Present[j] - n.PlanMean[j]) / n.PlanDeviation[j];
        }

        _sampler.Sample(condition, noise, painted, scratch.Result);
        for (var j = 0; j < scratch.Result.Length; j++)
        {
            scratch.Result[j] = scratch.Result[j] * n.PlanDeviation[j] + n.PlanMean[j];
        }

        if (_axes is not null)
        {
            axes.Back(scratch.Result);
        }

        return scratch;
    }

    /// <summary>Number j of the plan, absolute; its agent and axis are those of that column of a row.</summary>
    private float Metres(DenoiserScratch scratch, int j, int column)
    {
        var value = scratch.Result[j];
        return _spec.Plan.Frame == Frame.Relative ? scratch.Present[column] + value : value;
    }
}
