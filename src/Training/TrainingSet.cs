using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.Training;

/// <summary>
/// Samples of one agent, made from joint demonstrations through the same <see cref="Sensor"/> that feeds agents. A sample is the condition at a
/// tick and the window of the positions from there of all that are planned for: the agent itself, or everybody; a window that runs past the end repeats the last row.
/// </summary>
public sealed class TrainingSet
{
    private readonly DemonstrationSet _demonstrations;
    private readonly Sensor _sensor;
    private readonly TrainingPreset _preset;
    private readonly double[]? _headings;
    private readonly double[] _goals;
    private readonly PlanLayout[] _layouts;
    private readonly int _dimensions;
    private readonly int _agents;
    private readonly int _steps;
    private readonly int[] _modes = [];
    private readonly int _modeCount;

    /// <summary>Prepares a set and its normalisation.</summary>
    /// <param name="demonstrations">Joint demonstrations, [M,N,T,D].</param>
    /// <param name="scenario">What they demonstrate: obstacles and time step.</param>
    /// <param name="preset">What is trained.</param>
    /// <exception cref="InvalidInputException">The demonstrations do not fit the scenario or the preset.</exception>
    public TrainingSet(DemonstrationSet demonstrations, Scenario scenario, TrainingPreset preset)
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
            InvalidInputException.Require(_modes.Length > 0 && _modes.All(m => m >= 1) && _modes.Max() >= 2, "demonstrations", "mode",
                "the joint mode, 1 to K with K at least 2, of every demonstration (or --set model.sharedMode=false)", _modes.Length == 0 ? "none" : _modes.Min() == 0 ? "unknown ones" : "one mode alone");
            _modeCount = _modes.Max();
        }

        (_dimensions, _agents, _steps) = (demonstrations.Dimensions, demonstrations.Agents, demonstrations.Steps);
        _layouts = [.. Enumerable.Range(0, _agents).Select(i => new PlanLayout(preset.Model.Sensor, preset.Model.Plan, preset.Model.ConditionOnPosition, new AgentId(i)))];
        _goals = Goals();
        _headings = preset.Model.Sensor.Heading ? AllHeadings(scenario) : null;
        Spec = BuildSpec(scenario);
    }

    /// <summary>The model's description, with the normalisation of this set.</summary>
    public ModelSpec Spec { get; }

    /// <summary>Positions in a training window.</summary>
    public int Window => _preset.Training.Window == 0 ? _preset.Model.Plan.Length : _preset.Training.Window;

    /// <summary>Agents that samples are drawn for: all, or the first alone where all would see and plan the same (<see cref="PlanOf.Joint"/>).</summary>
    public int Learners => _preset.Model.Plan.Of == PlanOf.Joint ? 1 : _agents;

    /// <summary>Samples of one agent: every tick of every demonstration starts one.</summary>
    public int Count => _demonstrations.Count * _steps;

    /// <summary>Writes one sample in world units.</summary>
    /// <param name="index">0 to <see cref="Count"/>-1.</param>
    /// <param name="agent">Whose sample.</param>
    /// <param name="random">Draws the offsets; not touched where the preset has none.</param>
    /// <param name="condition">Receives the condition, [A].</param>
    /// <param name="plan">Receives the window, [L*R].</param>
    public void Sample(int index, int agent, ref CounterRandom random, Span<float> condition, Span<float> plan)
    {
        var (demonstration, tick) = Math.DivRem(index, _steps);
        var d = _dimensions;
        var offsets = DrawOffsets(ref random);
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
                var at = Math.Min(tick + first + k, _steps - 1);
                for (var i = 0; i < d; i++)
                {
                    var offset = offsets[whose * d + i];
                    var position = path[at * d + i] + left * offset;
                    plan[k * row + slot * d + i] = (float)(relative ? position - (path[tick * d + i] + offset) : position);
                }

                left *= _preset.Training.OffsetDecay;
            }
        }
    }

    /// <summary>
    /// Offsets of the present and past positions, [1 + m, N*D], the present first: a stationary first-order autoregressive process, which is how the errors of
    /// an agent that returns by a share of 1 - decay a step wander. Drawing the past backwards is exact, since the process is reversible in time.
    /// </summary>
    private double[] DrawOffsets(ref CounterRandom random)
    {
        var options = _preset.Training;
        var size = _agents * _dimensions;
        var offsets = new double[(1 + _preset.Model.Sensor.History) * size];
        if (options.OffsetDeviation > 0)
        {
            var innovation = Math.Sqrt(1 - options.OffsetDecay * options.OffsetDecay);
            for (var i = 0; i < offsets.Length; i++)
            {
                var own = options.OffsetDeviation * random.NextNormal();
                offsets[i] = i < size ? own : options.OffsetDecay * offsets[i - size] + innovation * own;
            }
        }

        return offsets;
    }

    private void WriteCondition(int demonstration, int tick, int agent, ReadOnlySpan<double> offsets, Span<float> condition)
    {
        var d = _dimensions;
        var layout = _layouts[agent];
        var size = _sensor.FrameSize;
        Span<float> frame = size <= 256 ? stackalloc float[size] : new float[size];
        var now = new double[_agents * d];
        var before = new double[_agents * d];
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
                for (var t = 0; t < _steps; t++)
                {
                    all[(m * _steps + t) * _agents + n] = headings[t];
                }
            }
        }

        return all;
    }

    private ModelSpec BuildSpec(Scenario scenario)
    {
        var shape = _preset.Model;
        var draft = new ModelSpec
        {
            Scenario = scenario.Name,
            Agents = _agents,
            TimeStep = scenario.TimeStep,
            SharedWeights = shape.SharedWeights,
            Sensor = shape.Sensor,
            ConditionOnPosition = shape.ConditionOnPosition,
            ModeShares = _modeCount == 0 ? null : [.. Enumerable.Range(1, _modeCount).Select(m => _modes.Count(x => x == m) / (double)_modes.Length)],
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

        var plans = Enumerable.Range(0, Learners).Select(agent => PlanMoments(agent, draft)).ToArray();
        var normalisation = shape.SharedWeights
            ? [Constants(draft, Moments.Sum(plans.Select(p => p.Plan)), Moments.Sum(plans.Select(p => p.Condition)))]
            : plans.Select(p => Constants(draft, p.Plan, p.Condition)).ToArray();
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

    private (Moments Plan, Moments Condition) PlanMoments(int agent, ModelSpec spec)
    {
        var plan = new Moments(Window * spec.RowSize);
        var condition = new Moments(spec.ConditionSize);
        var planRow = new float[Window * spec.RowSize];
        var conditionRow = new float[spec.ConditionSize];
        for (var index = 0; index < Count; index++)
        {
            // Offsets for the statistics are keyed apart from those of the training steps, by a tick that no step reaches.
            var random = new CounterRandom((ulong)index, RandomPurpose.TrainingAugmentation, -1, agent);
            Sample(index, agent, ref random, conditionRow, planRow);
            plan.Add(planRow);
            condition.Add(conditionRow);
        }

        return (plan, condition);
    }

    private NormalisationSpec Constants(ModelSpec spec, Moments plan, Moments condition)
    {
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

        return new NormalisationSpec(
            [.. Enumerable.Range(0, condition.Size).Select(i => (float)condition.Of(i).Mean)],
            [.. Enumerable.Range(0, condition.Size).Select(i => (float)condition.Of(i).Deviation)],
            mean,
            deviation,
            Math.Sqrt(squares / plan.Size));
    }

    /// <summary>The paper normalises what is sensed of a position, the own or another's, with the constants of that agent's windows.</summary>
    private void UsePlanConstantsForPositions(ModelSpec spec, NormalisationSpec[] normalisation)
    {
        var names = spec.Sensor.FeatureNames();
        var identified = spec.Sensor.Others is { Order: OtherOrder.Identity, Frame: Frame.Absolute };
        for (var agent = 0; agent < _agents; agent++)
        {
            for (var feature = 0; feature < spec.Sensor.FrameSize; feature++)
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
