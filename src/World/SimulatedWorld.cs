using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World;

/// <summary>What became of one agent's turn at one tick. A byte, as in the event log.</summary>
public enum Outcome : byte
{
    /// <summary>Its action was applied.</summary>
    Applied,

    /// <summary>Fallback: nothing came before the deadline.</summary>
    Missed,

    /// <summary>Fallback: its host said that it has no action (the agent is stopped).</summary>
    Stopped,

    /// <summary>Fallback: the action had the wrong number of values.</summary>
    WrongSize,

    /// <summary>Fallback: the action was not finite, or led beyond <see cref="Dynamics.MaxCoordinate"/>.</summary>
    Refused,

    /// <summary>No agent's turn: the world moved the body along a recorded path (<see cref="Replay"/>).</summary>
    Replayed,
}

/// <summary>
/// The true state of E episodes of N agents, and its record. The pure core of the world: no mailbox, no clock. A tick is
/// <see cref="Observe"/> for every agent (in any order, from any thread), then <see cref="Apply"/>.
/// </summary>
public sealed class SimulatedWorld
{
    // Below this many a look at everybody is as quick as a grid.
    private const int Crowd = 48;

    // Kept from call to call by each thread that observes.
    [ThreadStatic]
    private static PerceptionScratch? _scratch;

    private readonly Sensor[] _sensors;

    // Coordinates of one episode's bodies, N*D.
    private readonly int _size;
    private readonly Replay?[] _replays;
    private readonly Dynamics _dynamics;
    private readonly BodyState _state;
    private readonly Perception? _perception;
    private readonly int _delay;
    private readonly double[][] _past;
    private double[] _previous = [];
    private double[] _sensed = [];
    private double[] _sensedPrevious = [];
    private readonly NeighbourGrid[] _near;
    private readonly StepRecord _positions;
    private readonly StepRecord _actions;

    // Null in a world that goes on from a state that does not say.
    private int[]? _replaced;

    // Whether headings are worked out when they are asked for: each follows from the last two positions, or from the heading before where those are the same.
    private readonly bool _headingsWait;
    private bool _headingsBehind;

    /// <summary>Makes a world at tick 0.</summary>
    /// <param name="scenario">What is simulated; validated.</param>
    /// <param name="sensor">The layout of the observations.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="episodes">Episodes (E), at least 1.</param>
    /// <param name="starts">Starts [E,N,D] [m], or null to draw them by the scenario's law.</param>
    /// <param name="goals">Goals [E,N,D] [m], or null to draw them by the scenario's law.</param>
    /// <exception cref="InvalidInputException">The sensor does not fit, the run is too large, or starts or goals have the wrong shape or are not finite.</exception>
    public SimulatedWorld(Scenario scenario, SensorSpec sensor, ulong seed, int episodes, NdArray<double>? starts = null, NdArray<double>? goals = null)
        : this(scenario, [sensor], seed, episodes, starts, goals, [])
    {
    }

    /// <summary>Makes a world at tick 0 whose agents may sense different things, and whose bodies may be replayed.</summary>
    /// <param name="scenario">What is simulated; validated.</param>
    /// <param name="sensors">The layout of each agent's observations, N of them, or one for all.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="episodes">Episodes (E), at least 1.</param>
    /// <param name="starts">Starts [E,N,D] [m], or null to draw them by the scenario's law. A replayed body starts where its path does.</param>
    /// <param name="goals">Goals [E,N,D] [m], or null to draw them by the scenario's law. A replayed body's is where its path ends.</param>
    /// <param name="replays">Bodies that the world moves itself, at most one an agent.</param>
    /// <exception cref="InvalidInputException">A sensor or a replay does not fit, the run is too large, or starts or goals have the wrong shape or are not finite.</exception>
    public SimulatedWorld(
        Scenario scenario, IReadOnlyList<SensorSpec> sensors, ulong seed, int episodes, NdArray<double>? starts, NdArray<double>? goals, IReadOnlyList<Replay> replays)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(sensors);
        ArgumentNullException.ThrowIfNull(replays);
        InvalidInputException.Require(episodes >= 1, scenario.Name, "episodes", "at least 1", episodes);
        Scenario = scenario;
        Seed = seed;
        Episodes = episodes;
        _replaced = new int[episodes];
        if (sensors.Count != 1 && sensors.Count != scenario.Agents)
        {
            throw new ArgumentException($"one sensor, or {scenario.Agents}, are needed; there are {sensors.Count}", nameof(sensors));
        }

        var made = sensors.Select(s => Sensor.For(scenario, s)).ToArray();
        _sensors = [.. Enumerable.Range(0, scenario.Agents).Select(a => made[made.Length == 1 ? 0 : a])];
        _size = scenario.Agents * scenario.Dimensions;
        FrameSize = _sensors.Max(s => s.FrameSize);
        _replays = new Replay?[scenario.Agents];
        foreach (var replay in replays)
        {
            replay.Require(scenario);
            InvalidInputException.Require(_replays[replay.Agent] is null, replay.Where, "agent", "an agent that is not replayed already", replay.Agent);
            _replays[replay.Agent] = replay;
        }

        _dynamics = new Dynamics(scenario.Dynamics, scenario.Dimensions, scenario.TimeStep);
        var (n, d, steps) = (scenario.Agents, scenario.Dimensions, scenario.Steps);
        RunLimits.Require(new RunSize(episodes, n, steps, d, ActionSize) { FrameSize = FrameSize, Delay = scenario.Sensing.Delay }, scenario.Name);
        Starts = starts is null ? scenario.DrawStarts(seed, episodes) : Checked(starts, "starts");
        Goals = goals is null ? scenario.DrawGoals(seed, episodes) : Checked(goals, "goals");
        for (var body = 0; body < episodes * n; body++)
        {
            if (_replays[body % n] is { } replay)
            {
                replay.At(body / n, 0).CopyTo(Starts.AsSpan(body * d, d));
                replay.End(body / n).CopyTo(Goals.AsSpan(body * d, d));
            }
        }

        _delay = scenario.Sensing.Delay;
        if (scenario.Sensing.Noise > 0 || scenario.Sensing.Dropout > 0)
        {
            _perception = new Perception(scenario.Sensing, d, seed);
        }

        // The present, the tick before, and as many more as others are seen late.
        _past = new double[_delay + 2][];
        for (var i = 0; i < _past.Length; i++)
        {
            _past[i] = new double[episodes * n * d];
        }

        // Whoever may be sensed anywhere, but not as it is, has to be looked at.
        var crowded = n >= Crowd && (_perception is null || scenario.Sensing.Range is not null) && _sensors.Any(s => s.Spec.Others?.Order == OtherOrder.Nearest);
        _near = [.. Enumerable.Range(0, crowded ? episodes : 0).Select(_ => new NeighbourGrid(n, d))];
        _positions = new StepRecord(episodes * n, steps, d);
        _actions = new StepRecord(episodes * n, steps - 1, ActionSize);
        _headingsWait = _dynamics.MovesFew && replays.Count == 0 && !_sensors.Any(s => s.Spec.Heading);
        _state = new BodyState(episodes * n, d);
        var bodies = scenario.NominalBodies();
        for (var body = 0; body < episodes * n; body++)
        {
            _dynamics.Reset(_state, body, Starts.AsSpan(body * d, d), Goals.AsSpan(body * d, d), bodies[body % n].Heading);
        }

        Note();
    }

    /// <summary>What is simulated.</summary>
    public Scenario Scenario { get; }

    /// <summary>The run's seed.</summary>
    public ulong Seed { get; }

    /// <summary>Episodes (E).</summary>
    public int Episodes { get; }

    /// <summary>The tick that is open; <see cref="Scenario.Steps"/> - 1 when all is done.</summary>
    public int Tick { get; private set; }

    /// <summary>Whether the last tick has been applied.</summary>
    public bool IsDone => Tick == Scenario.Steps - 1;

    /// <summary>Numbers in the longest observation.</summary>
    public int FrameSize { get; }

    /// <summary>Numbers in one observation of an agent.</summary>
    public int FrameSizeOf(int agent) => _sensors[agent].FrameSize;

    /// <summary>The layout of an agent's observations.</summary>
    public SensorSpec SensorOf(int agent) => _sensors[agent].Spec;

    /// <summary>Bodies that the world moves itself, in the order of agents.</summary>
    public IEnumerable<Replay> Replays => _replays.OfType<Replay>();

    /// <summary>Whether the world moves an agent's body itself.</summary>
    public bool IsReplayed(int agent) => _replays[agent] is not null;

    /// <summary>Numbers in one action (A).</summary>
    public int ActionSize => _dynamics.ActionSize;

    /// <summary>Bodies of all episodes, E * N.</summary>
    public int Bodies => Episodes * Scenario.Agents;

    /// <summary>Starts [E,N,D] [m].</summary>
    public double[] Starts { get; }

    /// <summary>Goals [E,N,D] [m].</summary>
    public double[] Goals { get; }

    /// <summary>The present state of all bodies.</summary>
    public BodyState State
    {
        get
        {
            CatchUp();
            return _state;
        }
    }

    /// <summary>Writes one agent's observation of the open tick. Thread-safe between two calls of <see cref="Apply"/>.</summary>
    /// <param name="episode">0 to E-1.</param>
    /// <param name="agent">0 to N-1.</param>
    /// <param name="frame">Receives [<see cref="FrameSizeOf"/>].</param>
    public void Observe(int episode, int agent, Span<float> frame)
    {
        var (n, size) = (_sensors.Length, _size);
        var at = episode * size;
        ReadOnlySpan<double> sensed = _sensed.AsSpan(at, size);
        ReadOnlySpan<double> sensedPrevious = _sensedPrevious.AsSpan(at, size);
        var near = _near.Length > 0 ? _near[episode] : null;
        if (_perception is null)
        {
            _sensors[agent].Frame(View(episode, sensed, sensedPrevious, [], [], near), agent, frame);
            return;
        }

        if (_scratch is null || _scratch.Visible.Length != n || _scratch.Sensed.Length != size)
        {
            _scratch = new PerceptionScratch(n, size / n);
        }

        var candidates = Candidates(agent, sensed, near);
        _perception.Perceive(Tick, episode, agent, sensed, sensedPrevious, candidates, _scratch);
        _sensors[agent].Frame(View(episode, _scratch.Sensed, _scratch.Previous, _scratch.Visible, candidates, null), agent, frame);
    }

    private WorldView View(int episode, ReadOnlySpan<double> sensed, ReadOnlySpan<double> sensedPrevious, ReadOnlySpan<bool> visible, ReadOnlySpan<int> candidates, NeighbourGrid? near)
    {
        var (n, size) = (_sensors.Length, _size);
        var at = episode * size;
        return new WorldView
        {
            Positions = _state.Positions.AsSpan(at, size),
            Previous = _previous.AsSpan(at, size),
            Goals = Goals.AsSpan(at, size),
            Headings = _state.Headings.AsSpan(episode * n, n),
            Sensed = sensed,
            SensedPrevious = sensedPrevious,
            Visible = visible,
            Candidates = candidates,
            Range = visible.IsEmpty ? Scenario.Sensing.Range : null,
            Near = near,
        };
    }

    /// <summary>Who may be in an agent's sight, with the agent; nobody else where that can be told without a look at everybody.</summary>
    private ReadOnlySpan<int> Candidates(int agent, ReadOnlySpan<double> sensed, NeighbourGrid? near)
    {
        var (n, d) = (_sensors.Length, _size / _sensors.Length);
        var all = Sensor.Candidates(n);
        if (near is not null && _sensors[agent].Spec.Others?.Order == OtherOrder.Nearest)
        {
            var within = new Within(Scenario.Sensing.Range!.Value, all);
            near.Find(sensed.Slice(agent * d, d), -1, ref within);
            return all[..within.Count];
        }

        all = _sensors[agent].Spec.Others is null ? [] : all;
        for (var other = 0; other < all.Length; other++)
        {
            all[other] = other;
        }

        return all;
    }

    /// <summary>Applies one action an agent, in the order of episodes and agents, and moves on to the next tick.</summary>
    /// <param name="actions">Actions [E,N,A].</param>
    /// <param name="outcomes">[E,N]: <see cref="Outcome.Applied"/> where there is an action, else why not. Becomes <see cref="Outcome.Refused"/> where an action cannot be applied.</param>
    public void Apply(ReadOnlySpan<float> actions, Span<Outcome> outcomes)
    {
        if (IsDone)
        {
            throw new InvalidOperationException("the last tick has been applied");
        }

        if (_headingsWait)
        {
            Move(actions, outcomes);
        }
        else
        {
            for (var body = 0; body < Bodies; body++)
            {
                Step(body, actions, outcomes);
            }
        }

        CountReplaced(outcomes);
        _actions.Add();
        Tick++;
        Note();
    }

    private void CountReplaced(ReadOnlySpan<Outcome> outcomes)
    {
        if (_replaced is null || !outcomes[..Bodies].ContainsAnyExcept(Outcome.Applied))
        {
            return;
        }

        for (var body = 0; body < Bodies; body++)
        {
            _replaced[body / Scenario.Agents] += outcomes[body] is Outcome.Applied or Outcome.Replayed ? 0 : 1;
        }
    }

    private void Step(int body, ReadOnlySpan<float> actions, Span<Outcome> outcomes)
    {
        var size = ActionSize;
        var action = actions.Slice(body * size, size);
        var record = _actions.Next.Slice(body * size, size);
        if (_replays[body % Scenario.Agents] is { } replay)
        {
            Follow(replay, body, record);
            outcomes[body] = Outcome.Replayed;
            return;
        }

        if (outcomes[body] == Outcome.Applied)
        {
            if (_dynamics.TryStep(_state, body, action))
            {
                action.CopyTo(record);
                return;
            }

            outcomes[body] = Outcome.Refused;
        }

        _dynamics.StepFallback(_state, body, record);
    }

    /// <summary>Moves bodies a few at a time where all of them go somewhere, and otherwise one by one.</summary>
    private void Move(ReadOnlySpan<float> actions, Span<Outcome> outcomes)
    {
        const int Few = Dynamics.Few;
        actions[..(Bodies * ActionSize)].CopyTo(_actions.Next);
        var all = !outcomes.ContainsAnyExcept(Outcome.Applied);
        for (var body = 0; body < Bodies; body += Few)
        {
            var few = Math.Min(Few, Bodies - body);
            if (few == Few && (all || !outcomes.Slice(body, Few).ContainsAnyExcept(Outcome.Applied)) && _dynamics.TryMoveFew(_state, body, actions.Slice(body * ActionSize, Few * ActionSize)))
            {
                continue;
            }

            for (var one = body; one < body + few; one++)
            {
                CatchUp(one);
                Step(one, actions, outcomes);
            }
        }

        _headingsBehind = true;
    }

    /// <summary>Works out a heading from the last two positions; does nothing where that has been done.</summary>
    private void CatchUp(int body)
    {
        if (_headingsBehind)
        {
            _state.Headings[body] = Headings.Next(_state.Headings[body], Past(Tick - 1).AsSpan(body * 2, 2), Past(Tick).AsSpan(body * 2, 2));
        }
    }

    /// <summary>Positions so far, [E,N,Tick+1,D] [m].</summary>
    public NdArray<float> Positions() => Rollouts.Cut(new NdArray<float>([Episodes, Scenario.Agents, Scenario.Steps, Scenario.Dimensions], _positions.Data()), Tick + 1);

    /// <summary>Actions so far, [E,N,Tick,A]; where the fallback stood in, what it amounted to.</summary>
    public NdArray<float> Actions() => Rollouts.Cut(new NdArray<float>([Episodes, Scenario.Agents, Scenario.Steps - 1, ActionSize], _actions.Data()), Tick);

    /// <summary>Actions of each episode that the fallback stood in for so far, [E]; null where the run goes on from a state that does not say.</summary>
    public int[]? Replaced() => _replaced?.ToArray();

    /// <summary>Copies all that the world is.</summary>
    public WorldState Capture()
    {
        int[] bodies = [Episodes, Scenario.Agents, Scenario.Dimensions];
        var known = Math.Min(Tick + 1, _past.Length);
        return new WorldState
        {
            Tick = Tick,
            Velocities = new NdArray<double>(bodies, [.. _state.Velocities]),
            Headings = new NdArray<double>(bodies[..2], [.. State.Headings]),
            Past = new NdArray<double>([known, .. bodies], [.. Enumerable.Range(0, known).SelectMany(age => Past(Tick - age))]),
            // A record that is complete is handed out as it is, and nothing is written to it any more.
            Positions = Positions(),
            Actions = Actions(),
            Starts = new NdArray<double>(bodies, [.. Starts]),
            Goals = new NdArray<double>(bodies, [.. Goals]),
            Replaced = Replaced(),
        };
    }

    /// <summary>Makes a world at tick 0 what another was. The two may differ in how others are sensed and in how bodies may move from here on.</summary>
    /// <param name="state">What that was.</param>
    /// <param name="where">The file it came from, for messages.</param>
    /// <exception cref="InvalidInputException">It is not a state of such a world, or had other starts or goals.</exception>
    public void Restore(WorldState state, string where)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (Tick != 0)
        {
            throw new InvalidOperationException("only a world at tick 0 can be restored");
        }

        state.Require(Scenario, Episodes, ActionSize, where);
        InvalidInputException.Require(state.Starts.Data.AsSpan().SequenceEqual(Starts), where, "starts", "those of the run that is gone on with", "others");
        InvalidInputException.Require(state.Goals.Data.AsSpan().SequenceEqual(Goals), where, "goals", "those of the run that is gone on with", "others");
        Tick = state.Tick;
        _positions.Restore(state.Positions);
        _actions.Restore(state.Actions);
        _replaced = state.Replaced?.ToArray();
        state.Velocities.Data.CopyTo(_state.Velocities, 0);
        state.Headings.Data.CopyTo(_state.Headings, 0);
        var size = _state.Positions.Length;
        for (var age = 0; age < _past.Length && age <= Tick; age++)
        {
            var past = Past(Tick - age);
            if (age < state.Past.Shape[0])
            {
                state.Past.Data.AsSpan(age * size, size).CopyTo(past);
                continue;
            }

            // Others are to be sensed later than they were: what was not kept in full is taken from the record, which is in float32.
            var d = Scenario.Dimensions;
            for (var i = 0; i < size; i++)
            {
                past[i] = state.Positions.Data[(i / d * (Tick + 1) + Tick - age) * d + i % d];
            }
        }

        Past(Tick).CopyTo(_state.Positions, 0);
        Sort();
    }

    /// <summary>Moves a replayed body to where its path is at the next tick; what it did is recorded where actions are positions, and otherwise as zeros.</summary>
    private void Follow(Replay replay, int body, Span<float> record)
    {
        var next = replay.At(body / Scenario.Agents, Tick + 1);
        var position = _state.Position(body);
        var velocity = _state.Velocity(body);
        var moved = false;
        for (var i = 0; i < next.Length; i++)
        {
            velocity[i] = (next[i] - position[i]) / Scenario.TimeStep;
            moved |= velocity[i] != 0;
            position[i] = next[i];
        }

        if (moved && next.Length == 2)
        {
            _state.Headings[body] = Math.Atan2(velocity[1], velocity[0]);
        }

        record.Clear();
        if (Scenario.Dynamics.Action == ActionKind.Position)
        {
            for (var i = 0; i < next.Length; i++)
            {
                record[i] = (float)next[i];
            }
        }
    }

    private void CatchUp()
    {
        for (var body = 0; _headingsBehind && body < Bodies; body++)
        {
            CatchUp(body);
        }

        _headingsBehind = false;
    }

    private double[] Past(int tick)
    {
        var at = Math.Max(0, tick);
        return _past[at % _past.Length];
    }

    private void Note()
    {
        _state.Positions.CopyTo(_past[Tick % _past.Length], 0);
        Vectors.Round(_state.Positions, _positions.Next);
        _positions.Add();
        Sort();
    }

    /// <summary>Sorts bodies by where they are sensed, for all who look for the nearest in this tick.</summary>
    private void Sort()
    {
        var size = Scenario.Agents * Scenario.Dimensions;
        (_previous, _sensed, _sensedPrevious) = (Past(Tick - 1), Past(Tick - _delay), Past(Tick - 1 - _delay));
        for (var episode = 0; episode < _near.Length; episode++)
        {
            _near[episode].Build(_sensed.AsSpan(episode * size, size), Scenario.Sensing.Range ?? double.PositiveInfinity);
        }
    }

    private double[] Checked(NdArray<double> array, string name)
    {
        InvalidInputException.Require(
            array.Shape.Length == 3 && array.Shape[0] == Episodes && array.Shape[1] == Scenario.Agents && array.Shape[2] == Scenario.Dimensions,
            Scenario.Name, name, $"shape ({Episodes}, {Scenario.Agents}, {Scenario.Dimensions})", array.ShapeText);
        var at = Vectors.FirstNotFinite(array.Data);
        InvalidInputException.Require(at < 0, Scenario.Name, name, "finite numbers", at < 0 ? null : $"{array.Data[at]} in episode {at / (Scenario.Agents * Scenario.Dimensions)}");
        InvalidInputException.Require(Array.TrueForAll(array.Data, x => Math.Abs(x) <= Dynamics.MaxCoordinate), Scenario.Name, name, $"numbers within {Dynamics.MaxCoordinate} m", "a larger one");
        // A copy: where bodies are replayed their places are written in.
        return [.. array.Data];
    }
}
