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
    private readonly ModePosterior? _posterior;
    private readonly bool _guided;

    /// <summary>Makes a policy of one network of a model.</summary>
    /// <param name="spec">The model's description, valid.</param>
    /// <param name="normalisation">The network's constants.</param>
    /// <param name="denoiser">The network.</param>
    /// <param name="sampling">Solver and number of steps.</param>
    /// <param name="agent">Whose part of the plan is executed; only a <see cref="PlanOf.Joint"/> plan depends on it.</param>
    /// <param name="posterior">p(z | observation), or null where the model has none.</param>
    /// <exception cref="InvalidInputException">Something is asked of sampling that the model cannot do.</exception>
    public DiffusionPolicy(ModelSpec spec, NormalisationSpec normalisation, Denoiser denoiser, SamplingSpec sampling, AgentId agent = default, ModePosterior? posterior = null)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(normalisation);
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(sampling);
        (_spec, _normalisation, _denoiser) = (spec, normalisation, denoiser);
        _layout = new PlanLayout(spec.Sensor, spec.Plan, spec.ConditionOnPosition, agent, spec.IgnoreVelocity);
        _axes = spec.GoalFrame is null ? null : new GoalFrame(spec.GoalFrame, spec.Seen);
        _sampler = PlanSampler.Create(spec, normalisation, denoiser, sampling);
        _posterior = posterior;
        _guided = sampling.Guidance is not (null or 1);
        Require(sampling.ModeFrom == ModeSource.Seed || posterior is not null, "modeFrom", "seed with a model that did not learn p(z | observation) (model.modePosterior)", "seen");
        Require(!_guided || (spec.Method == MethodKind.Diffusion && spec.ModeDropout > 0), "guidance", "none, or 1, with a model that is no diffusion model trained with modeDropout", sampling.Guidance);
        Require(sampling.WarmPeriod is null || (spec.Method == MethodKind.Diffusion && spec.Plan.Of == PlanOf.Own), "warmPeriod", "none with a model that is no diffusion model of the agent's own plan", sampling.WarmPeriod);
        Projection = sampling.Projection is null ? null : new SafetyProjection(spec.Sensor, sampling.Projection, spec.TimeStep);

        static void Require(bool holds, string field, string expected, object? found) => InvalidInputException.Require(holds, "sampling", field, expected, found);
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

    /// <inheritdoc/>
    public SafetyProjection? Projection { get; }

    /// <inheritdoc/>
    public bool ModeLogits(ReadOnlySpan<float> frames, Span<float> logits)
    {
        if (_posterior is null)
        {
            return false;
        }

        var condition = _denoiser.Scratch.Condition;
        WriteCondition(frames, SharedMode.None, condition);
        _posterior.Evaluate(condition.AsSpan(0, condition.Length - _spec.ModeCount), logits);
        return true;
    }

    /// <summary>Makes a plan by a policy that knows no modes.</summary>
    /// <inheritdoc/>
    public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions) => Plan(frames, noise, SharedMode.None, [], actions);

    /// <inheritdoc/>
    public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, int mode, ReadOnlySpan<float> previous, Span<float> actions)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(actions.Length, PlanActions * ActionSize, nameof(actions));
        var calls = Sample(frames, noise, mode, previous, out var scratch);
        var (row, own, dimensions) = (_layout.RowSize, _layout.Own, ActionSize);
        var first = _spec.Plan.Length - PlanActions;
        for (var k = 0; k < PlanActions; k++)
        {
            for (var d = 0; d < dimensions; d++)
            {
                actions[k * dimensions + d] = Metres(scratch, (first + k) * row + own + d, own + d);
            }
        }

        return calls;
    }

    /// <summary>Makes the whole plan, of which the own part is executed: what the agent expects of those that it plans for. For looking at it; acting needs <see cref="Plan(ReadOnlySpan{float}, ReadOnlySpan{float}, int, ReadOnlySpan{float}, Span{float})"/> alone.</summary>
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
        var calls = Sample(frames, noise, mode, [], out var scratch);
        for (var j = 0; j < plan.Length; j++)
        {
            plan[j] = Metres(scratch, j, j % _layout.RowSize);
        }

        return calls;
    }

    /// <summary>Leaves the plan [m] in the world's axes, and the present, in this thread's scratch.</summary>
    private int Sample(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, int mode, ReadOnlySpan<float> previous, out DenoiserScratch scratch)
    {
        if (_spec.ModeCount > 0)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(mode);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(mode, _spec.ModeCount);
        }

        var n = _normalisation;
        scratch = _denoiser.Scratch;
        var condition = scratch.Condition;
        var axes = WriteCondition(frames, mode, condition);
        _layout.WritePresent(frames[..FrameSize], scratch.Present);
        var painted = scratch.Painted.AsSpan(0, _spec.Plan.StartsAtPresent ? _layout.RowSize : 0);
        for (var j = 0; j < painted.Length; j++)
        {
            painted[j] = (scratch.Present[j] - n.PlanMean[j]) / n.PlanDeviation[j];
        }

        var warm = previous.IsEmpty ? default : scratch.Previous.AsSpan();
        WritePrevious(previous, scratch.Present, axes, warm);
        var unguided = _guided ? scratch.Unguided : [];
        if (_guided)
        {
            condition.CopyTo(unguided, 0);
            for (var j = condition.Length - _spec.ModeCount; j < condition.Length; j++)
            {
                unguided[j] = -n.ConditionMean[j] / n.ConditionDeviation[j];
            }
        }

        var result = scratch.Result;
        var calls = _sampler.Sample(condition, unguided, noise, painted, warm, result);
        for (var j = 0; j < result.Length; j++)
        {
            result[j] = result[j] * n.PlanDeviation[j] + n.PlanMean[j];
        }

        if (_axes is not null)
        {
            axes.Back(result);
        }

        return calls;
    }

    /// <summary>Writes the normalised condition [A] of a mode; none is all zeros before they are normalised.</summary>
    /// <returns>The axes that it is in, where they are not the world's.</returns>
    private GoalFrame.Axes WriteCondition(ReadOnlySpan<float> frames, int mode, Span<float> condition)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(frames.Length, History * FrameSize, nameof(frames));
        var n = _normalisation;
        var size = _layout.ConditionSize;
        for (var h = 0; h < History; h++)
        {
            _layout.WriteCondition(frames.Slice(h * FrameSize, FrameSize), condition.Slice(h * size, size));
        }

        var axes = _axes?.Of(condition[..size]) ?? default;
        for (var h = 0; h < History; h++)
        {
            _axes?.Turn(axes, condition.Slice(h * size, size));
        }

        for (int z = 0, j = condition.Length - _spec.ModeCount; z < _spec.ModeCount; z++, j++)
        {
            condition[j] = z == mode ? 1 : 0;
        }

        for (var j = 0; j < condition.Length; j++)
        {
            condition[j] = (condition[j] - n.ConditionMean[j]) / n.ConditionDeviation[j];
        }

        return axes;
    }

    /// <summary>Writes what is left of the last plan as a plan from now on, normalised: its last position stands for those that it does not have.</summary>
    private void WritePrevious(ReadOnlySpan<float> actions, ReadOnlySpan<float> present, GoalFrame.Axes axes, Span<float> plan)
    {
        var (n, d) = (_normalisation, ActionSize);
        var first = plan.Length / d - PlanActions;
        for (var j = 0; j < plan.Length; j++)
        {
            var (row, axis) = Math.DivRem(j, d);
            var absolute = row < first ? present[axis] : actions[Math.Min(row - first, actions.Length / d - 1) * d + axis];
            plan[j] = absolute - (_spec.Plan.Frame == Frame.Relative ? present[axis] : 0);
        }

        if (_axes is not null)
        {
            axes.Into(plan);
        }

        for (var j = 0; j < plan.Length; j++)
        {
            plan[j] = (plan[j] - n.PlanMean[j]) / n.PlanDeviation[j];
        }
    }

    /// <summary>Number j of the plan, absolute; its agent and axis are those of that column of a row.</summary>
    private float Metres(DenoiserScratch scratch, int j, int column)
    {
        var value = scratch.Result[j];
        return _spec.Plan.Frame == Frame.Relative ? scratch.Present[column] + value : value;
    }
}
