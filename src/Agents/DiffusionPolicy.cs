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

    /// <summary>Where the presence of each number's slot stands in a condition, or -1.</summary>
    private readonly int[] _presence;

    /// <summary>Between what a number of the newest frame is familiar, in world units.</summary>
    private readonly float[] _low;
    private readonly float[] _high;

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

        var names = _layout.ConditionNames;
        _presence = Array.ConvertAll(names, n => n.Split('.')[0] is var slot && slot.StartsWith("other", StringComparison.Ordinal) ? Array.IndexOf(names, $"{slot}.presence") : -1);
        _low = [.. names.Select((_, i) => normalisation.ConditionMean[i] - Familiar(i) * normalisation.ConditionDeviation[i])];
        _high = [.. names.Select((_, i) => normalisation.ConditionMean[i] + Familiar(i) * normalisation.ConditionDeviation[i])];

        float Familiar(int i) => (float)(spec.Slots is { } set && i >= set.Start && i < set.Start + set.Length ? FamiliarityCounts.SetDeviations : FamiliarityCounts.Deviations);

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

        var condition = _denoiser.Scratch.Condition.AsSpan(0, _denoiser.ConditionSize);
        WriteCondition(frames, SharedMode.None, condition);
        _posterior.Evaluate(condition[..^_spec.ModeCount], logits);
        return true;
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> TrainedFeatures => _layout.ConditionNames;

    /// <inheritdoc/>
    public void CountUnfamiliar(ReadOnlySpan<float> frames, Span<long> counts)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(counts.Length, _low.Length + 1, nameof(counts));
        var condition = _denoiser.Scratch.Condition.AsSpan(0, _low.Length);
        _layout.WriteCondition(frames[..FrameSize], condition);
        if (_axes is not null)
        {
            _axes.Turn(_axes.Of(condition), condition);
        }

        var any = false;
        for (var i = 0; i < condition.Length; i++)
        {
            // Nobody is in an empty slot, whatever its numbers.
            if (!(condition[i] >= _low[i] && condition[i] <= _high[i]) && (_presence[i] < 0 || condition[_presence[i]] != 0))
            {
                counts[i]++;
                any = true;
            }
        }

        if (any)
        {
            counts[^1]++;
        }
    }

    /// <summary>Makes a plan by a policy that knows no modes.</summary>
    /// <inheritdoc/>
    public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions) => Plan(frames, noise, SharedMode.None, [], actions);

    /// <inheritdoc/>
    public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, int mode, ReadOnlySpan<float> previous, Span<float> actions)
    {
        var scratch = _denoiser.Scratch;
        Ask(scratch, 0, frames, noise, mode, previous);
        var calls = Sample(scratch, 1, warm: !previous.IsEmpty);
        Answer(scratch, 0, actions);
        return calls;
    }

    /// <inheritdoc/>
    public int Together => _sampler.Together;

    /// <inheritdoc/>
    public void Plan(ReadOnlySpan<PlanQuery> queries, Span<int> calls)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(calls.Length, queries.Length, nameof(calls));
        var scratch = _denoiser.Scratch;
        for (var first = 0; first < queries.Length;)
        {
            // What goes on from a last plan starts at another noise level than what does not.
            var (warm, count) = (!queries[first].Previous.IsEmpty, 0);
            for (; count < Together && first + count < queries.Length && queries[first + count].Previous.IsEmpty != warm; count++)
            {
                var query = queries[first + count];
                Ask(scratch, count, query.Frames.Span, query.Noise.Span, query.Mode, query.Previous.Span);
            }

            calls.Slice(first, count).Fill(Sample(scratch, count, warm));
            for (var i = 0; i < count; i++)
            {
                Answer(scratch, i, queries[first + i].Actions.Span);
            }

            first += count;
        }
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
        ArgumentOutOfRangeException.ThrowIfNotEqual(plan.Length, _denoiser.PlanSize, nameof(plan));
        var scratch = _denoiser.Scratch;
        Ask(scratch, 0, frames, noise, mode, []);
        var calls = Sample(scratch, 1, warm: false);
        for (var j = 0; j < plan.Length; j++)
        {
            plan[j] = Metres(scratch, 0, j, j % _layout.RowSize);
        }

        return calls;
    }

    /// <summary>Leaves in the scratch what one of the plans is to be made of.</summary>
    private void Ask(DenoiserScratch scratch, int plan, ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, int mode, ReadOnlySpan<float> previous)
    {
        if (_spec.ModeCount > 0)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(mode);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(mode, _spec.ModeCount);
        }

        ArgumentOutOfRangeException.ThrowIfNotEqual(noise.Length, NoiseSize, nameof(noise));
        var (n, size) = (_normalisation, _denoiser.PlanSize);
        var condition = scratch.Condition.AsSpan(plan * _denoiser.ConditionSize, _denoiser.ConditionSize);
        var axes = scratch.Axes[plan] = WriteCondition(frames, mode, condition);
        var present = scratch.Present.AsSpan(plan * size, size);
        _layout.WritePresent(frames[..FrameSize], present);
        for (var j = 0; j < Known; j++)
        {
            scratch.Painted[plan * Known + j] = (present[j] - n.PlanMean[j]) / n.PlanDeviation[j];
        }

        if (!previous.IsEmpty)
        {
            WritePrevious(previous, present, axes, scratch.Previous.AsSpan(plan * size, size));
        }

        noise.CopyTo(scratch.Noise.AsSpan(plan * NoiseSize));
        if (_guided)
        {
            var unguided = scratch.Unguided.AsSpan(plan * condition.Length, condition.Length);
            condition.CopyTo(unguided);
            for (var j = condition.Length - _spec.ModeCount; j < condition.Length; j++)
            {
                unguided[j] = -n.ConditionMean[j] / n.ConditionDeviation[j];
            }
        }
    }

    /// <summary>Numbers that a plan is known to begin with.</summary>
    private int Known => _spec.Plan.StartsAtPresent ? _layout.RowSize : 0;

    /// <summary>Leaves in the scratch the plans of what was asked [m], in the world's axes.</summary>
    private int Sample(DenoiserScratch scratch, int plans, bool warm)
    {
        var (n, size, attributes) = (_normalisation, _denoiser.PlanSize, plans * _denoiser.ConditionSize);
        var results = scratch.Result.AsSpan(0, plans * size);
        var calls = _sampler.Sample(
            plans, scratch.Condition.AsSpan(0, attributes), _guided ? scratch.Unguided.AsSpan(0, attributes) : [], scratch.Noise.AsSpan(0, plans * NoiseSize),
            scratch.Painted.AsSpan(0, plans * Known), warm ? scratch.Previous.AsSpan(0, results.Length) : [], results);
        for (var p = 0; p < plans; p++)
        {
            var result = results.Slice(p * size, size);
            for (var j = 0; j < result.Length; j++)
            {
                result[j] = result[j] * n.PlanDeviation[j] + n.PlanMean[j];
            }

            if (_axes is not null)
            {
                scratch.Axes[p].Back(result);
            }
        }

        return calls;
    }

    /// <summary>Takes out of the scratch the part of a plan that is executed.</summary>
    private void Answer(DenoiserScratch scratch, int plan, Span<float> actions)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(actions.Length, PlanActions * ActionSize, nameof(actions));
        var (row, own, dimensions) = (_layout.RowSize, _layout.Own, ActionSize);
        var first = _spec.Plan.Length - PlanActions;
        for (var k = 0; k < PlanActions; k++)
        {
            for (var d = 0; d < dimensions; d++)
            {
                actions[k * dimensions + d] = Metres(scratch, plan, (first + k) * row + own + d, own + d);
            }
        }
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

    /// <summary>Number j of a plan, absolute; its agent and axis are those of that column of a row.</summary>
    private float Metres(DenoiserScratch scratch, int plan, int j, int column)
    {
        var (value, at) = (scratch.Result[plan * _denoiser.PlanSize + j], plan * _denoiser.PlanSize + column);
        return _spec.Plan.Frame == Frame.Relative ? scratch.Present[at] + value : value;
    }
}
