using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.Training;

/// <summary>
/// Samples of one agent, made from joint demonstrations through the same <see cref="Sensor"/> that feeds agents. A sample is the condition at a
/// tick and the window of the positions from there of all that are planned for: the agent itself, or everybody; a window that runs past the end repeats the last row.
/// A demonstration that is shorter than others has samples within its own length alone, and its end is its own.
/// Demonstrations of several numbers of agents make one set of samples for one network that all agents share, in which every agent's every tick counts alike.
/// </summary>
public sealed class TrainingSet
{
    // Numbers of all agents that one sample may take from the stack.
    private const int OnStack = 1024;

    // A third difference, by which a model remembers how rough its demonstrations were, is one of four positions.
    private const int LeastPositions = 4;

    private readonly TrainingSet[] _parts = [];
    private readonly DemonstrationSet _demonstrations;
    private readonly Sensor _sensor;
    private readonly TrainingPreset _preset;
    private readonly double[]? _headings;
    private readonly double[] _goals;
    private readonly PlanLayout[] _layouts;
    private readonly int _dimensions;
    private readonly int _agents;
    private readonly int _steps;
    private readonly int[] _starts;
    private readonly int[] _modes = [];
    private readonly int _modeCount;
    private readonly GoalFrame? _axes;

    /// <summary>Prepares a set and its normalisation.</summary>
    /// <param name="demonstrations">Joint demonstrations, [M,N,T,D].</param>
    /// <param name="scenario">What they demonstrate: obstacles and time step.</param>
    /// <param name="preset">What is trained.</param>
    /// <exception cref="InvalidInputException">The demonstrations do not fit the scenario or the preset.</exception>
    public TrainingSet(DemonstrationSet demonstrations, Scenario scenario, TrainingPreset preset)
        : this(demonstrations, scenario, preset, null)
    {
        Spec = BuildSpec(scenario, PlanMoments);
    }

    /// <summary>Prepares a set from several sets of demonstrations and its normalisation.</summary>
    /// <param name="demonstrations">At least one; each of a number of agents that the scenario can have.</param>
    /// <param name="scenario">What they demonstrate.</param>
    /// <param name="preset">What is trained: where there are several sets, one network for all agents.</param>
    /// <exception cref="InvalidInputException">The demonstrations do not fit the scenario or the preset.</exception>
    public TrainingSet(IReadOnlyList<DemonstrationSet> demonstrations, Scenario scenario, TrainingPreset preset)
        : this(First(demonstrations), demonstrations.Count == 1 ? scenario : scenario.WithAgents(demonstrations[0].Agents), preset, Modes(demonstrations, scenario, preset))
    {
        if (demonstrations.Count == 1)
        {
            Spec = BuildSpec(scenario, PlanMoments);
            return;
        }

        InvalidInputException.Require(preset.Model.SharedWeights && preset.Model.Plan.Of == PlanOf.Own, "demonstrations", "", "one set, unless model.sharedWeights is true and each agent plans for itself", demonstrations.Count);
        InvalidInputException.Require(preset.Model.ModeClusters == 0, "preset", "model.modeClusters", "0 where demonstrations are of several numbers of agents, whose joint paths cannot be compared", preset.Model.ModeClusters);
        InvalidInputException.Require(preset.Model.Sensor.Others is not { Count: 0 }, "preset", "model.sensor.others.count", "above 0 where demonstrations are of several numbers of agents", 0);
        _parts = [.. demonstrations.Select(d => new TrainingSet(d, scenario.WithAgents(d.Agents), preset, _modeCount))];
        Spec = BuildSpec(scenario, (_, draft) => _parts.SelectMany(p => Enumerable.Range(0, p._agents).Select(agent => p.PlanMoments(agent, draft))).Aggregate((a, b) => a.Plus(b)))
            with { Agents = demonstrations.Max(d => d.Agents) };
    }

    /// <summary>Prepares what needs no statistics.</summary>
    private TrainingSet(DemonstrationSet demonstrations, Scenario scenario, TrainingPreset preset, int? modeCount)
    {
        ArgumentNullException.ThrowIfNull(demonstrations);
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(preset);
        preset = preset.FittedTo(scenario);
        demonstrations.RequireFits(scenario, "demonstrations");
        InvalidInputException.Require(demonstrations.Dimensions == preset.Model.Sensor.Dimensions, "demonstrations", "dimensions", $"{preset.Model.Sensor.Dimensions} as in the preset", demonstrations.Dimensions);
        InvalidInputException.Require(preset.Model.Plan.Of != PlanOf.Joint || scenario.Sensing.IsPerfect, "preset", "plan.of", $"own or all, because in scenario {scenario.Name} the others are not sensed exactly", "joint");
        _demonstrations = demonstrations;
        _preset = preset;
        _sensor = Sensor.For(scenario, preset.Model.Sensor);
        if (preset.Model.SharedMode)
        {
            // Published sets carry no labels; the paths tell.
            _modes = preset.Model.ModeClusters > 0 ? JointClusters.Of(demonstrations, preset.Model.ModeClusters) : demonstrations.Modes ?? demonstrations.LabelModes(scenario) ?? [];
            InvalidInputException.Require(_modes.Length > 0 && _modes.All(m => m >= 1) && (modeCount ?? _modes.Max()) >= 2, "demonstrations", "mode",
                "the joint mode, 1 to K with K at least 2, of every demonstration (or --set model.sharedMode=false)", _modes.Length == 0 ? "none" : _modes.Min() == 0 ? Unknown(_modes) : "one mode alone");
            _modeCount = modeCount ?? _modes.Max();
        }

        _axes = preset.Model.GoalFrame is { } axes ? new GoalFrame(axes, preset.Model.IgnoreVelocity ? preset.Model.Sensor.WithoutVelocities() : preset.Model.Sensor) : null;

        (_dimensions, _agents, _steps) = (demonstrations.Dimensions, demonstrations.Agents, demonstrations.Steps);
        RequireLengths(demonstrations, preset);
        _starts = Starts(demonstrations);
        _layouts = [.. Enumerable.Range(0, _agents).Select(i => new PlanLayout(preset.Model.Sensor, preset.Model.Plan, preset.Model.ConditionOnPosition, new AgentId(i), preset.Model.IgnoreVelocity))];
        _goals = Goals();
        _headings = preset.Model.Sensor.Heading ? AllHeadings(scenario) : null;
        Spec = null!;
    }

    /// <summary>The model's description, with the normalisation of this set.</summary>
    public ModelSpec Spec { get; }

    /// <summary>Positions in a training window.</summary>
    public int Window => _preset.Training.Window == 0 ? _preset.Model.Plan.Length : _preset.Training.Window;

    /// <summary>Agents that samples are drawn for: all, or the first alone where all would see and plan the same (<see cref="PlanOf.Joint"/>).</summary>
    public int Learners => _parts.Length > 0 || _preset.Model.Plan.Of == PlanOf.Joint ? 1 : _agents;

    /// <summary>Samples of one agent: every tick of every demonstration starts one. Of several sets, samples of all their agents.</summary>
    public int Count => _parts.Length > 0 ? _parts.Sum(p => p.Count * p._agents) : _starts[^1];

    /// <summary>Writes one sample in world units.</summary>
    /// <param name="index">0 to <see cref="Count"/>-1.</param>
    /// <param name="agent">Whose sample.</param>
    /// <param name="random">Draws the offsets; not touched where the preset has none.</param>
    /// <param name="condition">Receives the condition, [A].</param>
    /// <param name="plan">Receives the window, [L*R].</param>
    public void Sample(int index, int agent, ref CounterRandom random, Span<float> condition, Span<float> plan)
    {
        foreach (var part in _parts)
        {
            if (index < part.Count * part._agents)
            {
                part.Sample(index / part._agents, index % part._agents, ref random, condition, plan);
                return;
            }

            index -= part.Count * part._agents;
        }

        var (demonstration, tick) = At(index);
        var last = _starts[demonstration + 1] - _starts[demonstration] - 1;
        var d = _dimensions;
        var drawn = (1 + _preset.Model.Sensor.History) * _agents * d;
        Span<double> offsets = drawn <= OnStack ? stackalloc double[drawn] : new double[drawn];
        DrawOffsets(ref random, offsets);
        WriteCondition(demonstration, tick, agent, offsets, condition);
        if (_preset.Model.SharedMode)
        {
            var z = condition[^_modeCount..];
            z.Clear();
            z[_modes[demonstration] - 1] = 1;
        }

        var layout = _layouts[agent];
        var first = _preset.Model.Plan.StartsAtPresent ? 0 : 1;
        var relative = _preset.Model.Plan.Frame == Frame.Relative;
        var row = layout.RowSize;
        var length = plan.Length / row;
        for (var slot = 0; slot < layout.Agents; slot++)
        {
            var whose = layout.Whose(slot);
            var path = _demonstrations.Path(demonstration, whose);
            var left = first == 0 ? 1.0 : _preset.Training.OffsetDecay;
            for (var k = 0; k < length; k++)
            {
                var at = Math.Min(tick + first + k, last);
                for (var i = 0; i < d; i++)
                {
                    var offset = offsets[whose * d + i];
                    var position = path[at * d + i] + left * offset;
                    plan[k * row + slot * d + i] = (float)(relative ? position - (path[tick * d + i] + offset) : position);
                }

                left *= _preset.Training.OffsetDecay;
            }
        }

        if (_axes is not null)
        {
            var size = layout.ConditionSize;
            var axes = _axes.Of(condition[..size]);
            for (var back = 0; back < _preset.Model.Sensor.History; back++)
            {
                _axes.Turn(axes, condition.Slice(back * size, size));
            }

            axes.Into(plan);
        }
    }

    /// <summary>
    /// Offsets of the present and past positions, [1 + m, N*D], the present first: a stationary first-order autoregressive process, which is how the errors of
    /// an agent that returns by a share of 1 - decay a step wander. Drawing the past backwards is exact, since the process is reversible in time.
    /// </summary>
    private void DrawOffsets(ref CounterRandom random, Span<double> offsets)
    {
        var options = _preset.Training;
        var size = _agents * _dimensions;
        offsets.Clear();
        if (options.OffsetDeviation > 0)
        {
            var innovation = Math.Sqrt(1 - options.OffsetDecay * options.OffsetDecay);
            for (var i = 0; i < offsets.Length; i++)
            {
                var own = options.OffsetDeviation * random.NextNormal();
                offsets[i] = i < size ? own : options.OffsetDecay * offsets[i - size] + innovation * own;
            }
        }
    }

    private void WriteCondition(int demonstration, int tick, int agent, ReadOnlySpan<double> offsets, Span<float> condition)
    {
        var d = _dimensions;
        var layout = _layouts[agent];
        var size = _sensor.FrameSize;
        Span<float> frame = size <= 256 ? stackalloc float[size] : new float[size];
        var all = _agents * d;
        Span<double> now = all <= OnStack ? stackalloc double[all] : new double[all];
        Span<double> before = all <= OnStack ? stackalloc double[all] : new double[all];
        for (var back = 0; back < _preset.Model.Sensor.History; back++)
        {
            var at = Math.Max(tick - back, 0);
            Positions(demonstration, at, offsets.Slice((tick - at) * now.Length, now.Length), now);
            var earlier = Math.Max(at - 1, 0);
            Positions(demonstration, earlier, offsets.Slice((tick - earlier) * now.Length, now.Length), before);
            var view = new WorldView
            {
                Positions = now,
                Previous = before,
                Goals = _goals.AsSpan(demonstration * _agents * d, _agents * d),
                Headings = _headings is null ? default : _headings.AsSpan((demonstration * _steps + at) * _agents, _agents),
            };
            _sensor.Frame(view, agent, frame);
            layout.WriteCondition(frame, condition.Slice(back * layout.ConditionSize, layout.ConditionSize));
        }
    }

    private void Positions(int demonstration, int tick, ReadOnlySpan<double> offsets, Span<double> positions)
    {
        for (var agent = 0; agent < _agents; agent++)
        {
            var path = _demonstrations.Path(demonstration, agent);
            for (var i = 0; i < _dimensions; i++)
            {
                positions[agent * _dimensions + i] = path[tick * _dimensions + i] + offsets[agent * _dimensions + i];
            }
        }
    }

    private double[] Goals()
    {
        var goals = new double[_demonstrations.Count * _agents * _dimensions];
        for (var m = 0; m < _demonstrations.Count; m++)
        {
            for (var n = 0; n < _agents; n++)
            {
                _demonstrations.Path(m, n)[^_dimensions..].CopyTo(goals.AsSpan((m * _agents + n) * _dimensions));
            }
        }

        return goals;
    }

    private double[] AllHeadings(Scenario scenario)
    {
        var bodies = scenario.NominalBodies();
        var all = new double[_demonstrations.Count * _steps * _agents];
        for (var m = 0; m < _demonstrations.Count; m++)
        {
            for (var n = 0; n < _agents; n++)
            {
                var path = _demonstrations.Path(m, n);
                var headings = Headings.Along(path, path[^2..], bodies[n].Heading);
                for (var t = 0; t < headings.Length; t++)
                {
                    all[(m * _steps + t) * _agents + n] = headings[t];
                }
            }
        }

        return all;
    }

    /// <summary>The demonstration and the tick that a sample begins at.</summary>
    private (int Demonstration, int Tick) At(int index)
    {
        if (_demonstrations.HasOneLength)
        {
            return Math.DivRem(index, _steps);
        }

        var demonstration = Array.BinarySearch(_starts, index) is var found && found >= 0 ? found : ~found - 1;
        return (demonstration, index - _starts[demonstration]);
    }

    /// <summary>The first sample of each demonstration, and behind them the number of samples, [M + 1].</summary>
    private static int[] Starts(DemonstrationSet demonstrations)
    {
        var starts = new int[demonstrations.Count + 1];
        var total = 0L;
        for (var m = 0; m < demonstrations.Count; m++)
        {
            total += demonstrations.Length(m);
            InvalidInputException.Require(total <= int.MaxValue, "demonstrations", "", $"at most {int.MaxValue} positions an agent in all", total);
            starts[m + 1] = (int)total;
        }

        return starts;
    }

    /// <summary>Throws where a demonstration is too short to be measured, or none holds a whole window.</summary>
    private static void RequireLengths(DemonstrationSet demonstrations, TrainingPreset preset)
    {
        var lengths = Enumerable.Range(0, demonstrations.Count).Select(demonstrations.Length).ToArray();
        var shortest = Array.IndexOf(lengths, lengths.Min());
        InvalidInputException.Require(lengths[shortest] >= LeastPositions, "demonstrations", "positions", $"at least {LeastPositions} in each demonstration", $"{lengths[shortest]} in demonstration {shortest}");
        var plan = preset.Model.Plan;
        var needed = (preset.Training.Window == 0 ? plan.Length : preset.Training.Window) + (plan.StartsAtPresent ? 0 : 1);
        InvalidInputException.Require(lengths.Max() >= needed, "demonstrations", "positions",
            $"at least {needed} in one of them, the present one and a plan's (model.plan.length {plan.Length}{(preset.Training.Window == 0 ? "" : $", training.window {preset.Training.Window}")})", $"at most {lengths.Max()}");
    }

    /// <summary>How many demonstrations show no mode, and which is the first.</summary>
    private static string Unknown(int[] modes)
        => $"{modes.Count(m => m == 0)} of {modes.Length} that show none (the first is demonstration {Array.IndexOf(modes, 0)}), in which not every agent came past";

    private static DemonstrationSet First(IReadOnlyList<DemonstrationSet> demonstrations)
    {
        ArgumentNullException.ThrowIfNull(demonstrations);
        ArgumentOutOfRangeException.ThrowIfZero(demonstrations.Count, nameof(demonstrations));
        return demonstrations[0];
    }

    /// <summary>The number of joint modes over several sets, or null where one set alone says it.</summary>
    private static int? Modes(IReadOnlyList<DemonstrationSet> demonstrations, Scenario scenario, TrainingPreset preset)
        => demonstrations.Count == 1 || !preset.Model.SharedMode ? null : demonstrations.Max(d => (d.Modes ?? d.LabelModes(scenario.WithAgents(d.Agents)) ?? [0]).Max());

    /// <param name="scenario">Name and time step.</param>
    /// <param name="moments">Of one agent's samples, for a network of a description.</param>
    private ModelSpec BuildSpec(Scenario scenario, Func<int, ModelSpec, SampleMoments> moments)
    {
        var modes = _parts.Length > 0 ? [.. _parts.SelectMany(p => p._modes)] : _modes;
        var shape = _preset.Model;
        var draft = new ModelSpec
        {
            Scenario = scenario.Name,
            Agents = _agents,
            TimeStep = scenario.TimeStep,
            SharedWeights = shape.SharedWeights,
            Sensor = shape.Sensor,
            ConditionOnPosition = shape.ConditionOnPosition,
            IgnoreVelocity = shape.IgnoreVelocity,
            GoalFrame = shape.GoalFrame,
            ModeShares = _modeCount == 0 ? null : [.. Enumerable.Range(1, _modeCount).Select(m => modes.Count(x => x == m) / (double)modes.Length)],
            ModeClusters = _modeCount == 0 ? 0 : shape.ModeClusters,
            ModeDropout = _modeCount == 0 ? 0 : _preset.Training.ModeDropout,
            Plan = shape.Plan,
            Network = shape.Network,
            Method = shape.Method,
            Diffusion = shape.Diffusion,
            Sampling = shape.Sampling,
            Normalisation = [],
        };
        if (shape.ParametersPerAgent is { } each)
        {
            draft = draft with { Network = draft.Network with { Width = WidthWithin(draft, (long)each * _agents) } };
        }

        var plans = Enumerable.Range(0, Learners).Select(agent => moments(agent, draft)).ToArray();
        var normalisation = shape.SharedWeights ? [Constants(draft, plans.Aggregate((a, b) => a.Plus(b)))] : plans.Select(p => Constants(draft, p)).ToArray();
        if (_preset.Training.Normalisation == PlanNormalisation.Coordinate && !shape.SharedWeights && shape.Plan.Frame == Frame.Absolute)
        {
            UsePlanConstantsForPositions(draft, normalisation);
        }

        return draft with { Normalisation = normalisation };
    }

    /// <summary>The largest width with which all networks of a model together have no more weights than a budget.</summary>
    private static int WidthWithin(ModelSpec draft, long budget)
    {
        var network = draft.Network;
        var step = network.Kind == NetworkKind.Dit ? 4 * network.Heads : 4;
        var width = 0;
        while (Weights(width + step) <= budget)
        {
            width += step;
        }

        InvalidInputException.Require(width > 0, "preset", "model.parametersPerAgent", $"at least {Weights(step) / draft.Agents} (a width of {step})", budget / draft.Agents);
        return Math.Min(width, 4096 / step * step);

        long Weights(int candidate) => (draft.SharedWeights ? 1 : draft.Agents)
            * NetworkTensors.Of(draft with { Network = network with { Width = candidate } }).Sum(t => t.Shape.Aggregate(1L, (product, length) => product * length));
    }

    private SampleMoments PlanMoments(int agent, ModelSpec spec)
    {
        var plan = new Moments(Window * spec.RowSize);
        var condition = new Moments(spec.ConditionSize);
        var slot = new Moments(spec.Slots?.Size ?? 0);
        var planRow = new float[Window * spec.RowSize];
        var conditionRow = new float[spec.ConditionSize];
        for (var index = 0; index < Count; index++)
        {
            // Offsets for the statistics are keyed apart from those of the training steps, by a tick that no step reaches.
            var random = new CounterRandom((ulong)index, RandomPurpose.TrainingAugmentation, -1, agent);
            Sample(index, agent, ref random, conditionRow, planRow);
            plan.Add(planRow);
            condition.Add(conditionRow);
            for (var k = 0; k < (spec.Slots?.Count ?? 0); k++)
            {
                var row = conditionRow.AsSpan(spec.Slots!.Value.Start + k * slot.Size, slot.Size);
                if (row[^1] != 0)
                {
                    slot.Add(row);
                }
            }
        }

        return new SampleMoments(plan, condition, slot);
    }

    private NormalisationSpec Constants(ModelSpec spec, SampleMoments moments)
    {
        var (plan, condition) = (moments.Plan, moments.Condition);
        var mean = new float[spec.PlanSize];
        var deviation = new float[spec.PlanSize];
        double squares = 0;
        for (var i = 0; i < spec.PlanSize; i++)
        {
            var (m, s) = _preset.Training.Normalisation == PlanNormalisation.Position ? plan.Of(i) : plan.OfEvery(i % spec.RowSize, spec.RowSize);
            (mean[i], deviation[i]) = ((float)m, (float)s);
        }

        for (var i = 0; i < plan.Size; i++)
        {
            var (m, s) = plan.Of(i);
            var shift = (m - mean[i]) / deviation[i];
            squares += s * s / ((double)deviation[i] * deviation[i]) + shift * shift;
        }

        var conditions = Enumerable.Range(0, condition.Size).Select(i => OfCondition(spec.Slots, moments, i)).ToArray();
        return new NormalisationSpec(
            [.. conditions.Select(c => (float)c.Mean)],
            [.. conditions.Select(c => (float)c.Deviation)],
            mean,
            deviation,
            Math.Sqrt(squares / plan.Size));
    }

    /// <summary>Mean and deviation of a number of the condition. All slots of a set have the same ones, those of the slots that somebody is in; their presence stays the 1 or 0 that it is.</summary>
    private static (double Mean, double Deviation) OfCondition(SlotSpan? slots, SampleMoments moments, int index)
    {
        if (slots is not { } set || index < set.Start || index >= set.Start + set.Length)
        {
            return moments.Condition.Of(index);
        }

        var column = (index - set.Start) % set.Size;
        return column == set.Size - 1 ? (0, 1) : moments.Slot.Of(column);
    }

    /// <summary>The paper normalises what is sensed of a position, the own or another's, with the constants of that agent's windows.</summary>
    private void UsePlanConstantsForPositions(ModelSpec spec, NormalisationSpec[] normalisation)
    {
        var names = spec.Seen.FeatureNames();
        var identified = spec.Sensor.Others is { Order: OtherOrder.Identity, Frame: Frame.Absolute };
        for (var agent = 0; agent < _agents; agent++)
        {
            for (var feature = 0; feature < spec.Seen.FrameSize; feature++)
            {
                var at = feature - (spec.ConditionOnPosition ? 0 : _dimensions);
                var axis = "xyz".IndexOf(names[feature][^1], StringComparison.Ordinal);
                var whose = names[feature].StartsWith("self.position", StringComparison.Ordinal) ? agent
                    : identified && names[feature].StartsWith("other", StringComparison.Ordinal) && names[feature].Contains(".position.", StringComparison.Ordinal)
                        ? Other(agent, int.Parse(names[feature].AsSpan(5, names[feature].IndexOf('.', StringComparison.Ordinal) - 5)))
                        : -1;
                if (whose < 0 || whose >= _agents || at < 0)
                {
                    continue;
                }

                for (var back = 0; back < spec.Sensor.History; back++)
                {
                    normalisation[agent].ConditionMean[back * spec.ConditionFrameSize + at] = normalisation[whose].PlanMean[axis];
                    normalisation[agent].ConditionDeviation[back * spec.ConditionFrameSize + at] = normalisation[whose].PlanDeviation[axis];
                }
            }
        }

        static int Other(int agent, int slot) => slot < agent ? slot : slot + 1;
    }

    /// <summary>Moments of plans, of conditions, and of the slots of a set that somebody is in.</summary>
    private sealed record SampleMoments(Moments Plan, Moments Condition, Moments Slot)
    {
        public SampleMoments Plus(SampleMoments other) => new(Moments.Sum([Plan, other.Plan]), Moments.Sum([Condition, other.Condition]), Moments.Sum([Slot, other.Slot]));
    }

    /// <summary>Count, sum and sum of squares of each column.</summary>
    private sealed class Moments(int size)
    {
        private readonly double[] _sum = new double[size];
        private readonly double[] _squares = new double[size];
        private long _count;

        public int Size => size;

        public static Moments Sum(IEnumerable<Moments> parts)
        {
            Moments? total = null;
            foreach (var part in parts)
            {
                total ??= new Moments(part.Size);
                total._count += part._count;
                for (var i = 0; i < part.Size; i++)
                {
                    total._sum[i] += part._sum[i];
                    total._squares[i] += part._squares[i];
                }
            }

            return total!;
        }

        public void Add(ReadOnlySpan<float> row)
        {
            _count++;
            for (var i = 0; i < size; i++)
            {
                _sum[i] += row[i];
                _squares[i] += (double)row[i] * row[i];
            }
        }

        public (double Mean, double Deviation) Of(int column) => Finish(_sum[column], _squares[column], _count);

        public (double Mean, double Deviation) OfEvery(int first, int stride)
        {
            double sum = 0, squares = 0;
            long count = 0;
            for (var i = first; i < size; i += stride)
            {
                sum += _sum[i];
                squares += _squares[i];
                count += _count;
            }

            return Finish(sum, squares, count);
        }

        private static (double Mean, double Deviation) Finish(double sum, double squares, long count)
        {
            var mean = sum / count;
            var variance = squares / count - mean * mean;
            // A column that never changes (a presence that is always 1) carries nothing: dividing by 1 leaves it at 0.
            return (mean, variance > 1e-10 ? Math.Sqrt(variance) : 1.0);
        }
    }
}
