using System.Diagnostics;
using System.Runtime.ExceptionServices;
using MimicD.Contracts;

namespace MimicD.World;

/// <summary>Counts of one run, kept by the world. Nothing is replaced or dropped without being counted here.</summary>
/// <param name="Missed">Fallbacks because nothing came before the deadline.</param>
/// <param name="Stopped">Fallbacks because the host said so.</param>
/// <param name="WrongSize">Fallbacks because an action had the wrong number of values.</param>
/// <param name="Refused">Fallbacks because an action was not finite or led out of the world.</param>
/// <param name="DroppedLate">Actions dropped because their tick had closed.</param>
/// <param name="DroppedDuplicate">Actions dropped because the agent had acted already.</param>
/// <param name="DroppedUnknown">Actions dropped because there is no such episode or agent, or the tick is yet to come.</param>
/// <param name="Overruns">Times that real time fell behind by a whole period or more, and the schedule was moved.</param>
public sealed record WorldCounts(long Missed, long Stopped, long WrongSize, long Refused, long DroppedLate, long DroppedDuplicate, long DroppedUnknown, long Overruns)
{
    /// <summary>Actions applied as the agents decided them.</summary>
    public long Applied { get; init; }

    /// <summary>Observations sent to agents, those of a tick that was abandoned included.</summary>
    public long Observations { get; init; }

    /// <summary>Actions that came from agents for the ticks that closed: applied, replaced by a fallback for what they hold, or dropped.</summary>
    public long Actions => Applied + Stopped + WrongSize + Refused + Dropped;

    /// <summary>Fallbacks for any reason.</summary>
    public long Fallbacks => Missed + Stopped + WrongSize + Refused;

    /// <summary>Dropped actions for any reason.</summary>
    public long Dropped => DroppedLate + DroppedDuplicate + DroppedUnknown;

    /// <summary>The counts of a run's part and of the part after it.</summary>
    public WorldCounts Plus(WorldCounts after)
    {
        ArgumentNullException.ThrowIfNull(after);
        return new WorldCounts(
            Missed + after.Missed, Stopped + after.Stopped, WrongSize + after.WrongSize, Refused + after.Refused,
            DroppedLate + after.DroppedLate, DroppedDuplicate + after.DroppedDuplicate, DroppedUnknown + after.DroppedUnknown, Overruns + after.Overruns)
        {
            Applied = Applied + after.Applied,
            Observations = Observations + after.Observations,
        };
    }
}

/// <summary>
/// The actor round a <see cref="SimulatedWorld"/>: opens a tick, hands every agent its observation, waits until all have acted (or for the deadline), applies the
/// actions in agent order, whatever order they came in.
/// </summary>
/// <remarks>
/// Its mailbox has one slot an agent rather than a queue, for an agent acts once a tick. A slot holds a tick and a phase; an action claims it by
/// one compare-and-exchange, and the last one wakes the world. Thousands of agents can act at once without a lock.
/// </remarks>
public sealed class WorldActor : IActionSink
{
    // A slot is tick * 4 + phase.
    private const long Open = 0;
    private const long Writing = 1;
    private const long Filled = 2;
    private const long Closed = 3;

    // Below this many numbers observations are made sooner than another thread has come to help.
    private const long ParallelWork = 1 << 13;
    private const int AllParts = -1;

    // Agents that are observed for and delivered to before they are worked for: as many as the nearest cache holds the memory of.
    private const int Few = 32;

    // Numbers in one.
    private const int CacheLine = 16;

    // What a thread takes to go to sleep and be woken.
    private static readonly long Patience = Stopwatch.Frequency / 20_000;

    private readonly SimulatedWorld _world;
    private readonly IAgentHost _host;
    private readonly TimeProvider _time;
    private readonly Crew _crew;
    private readonly Action<int> _observe;
    private readonly Action<int> _observeAndDeliver;
    private readonly bool[] _acts;
    private readonly int _actors;
    private readonly float[] _features;
    private readonly bool _keeps;
    private readonly int _stride;
    private readonly float[] _actions;
    private readonly Outcome[] _outcomes;
    private readonly long[] _slots;
    private readonly WorldCounts? _before;
    private readonly ObservationWindows? _windows;
    private readonly EventLog? _log;
    private readonly long[] _outcomeCounts = new long[Enum.GetValues<Outcome>().Length];
    private readonly TickBarrier _barrier;
    private bool _lends;
    private Exception? _failure;
    private long _late;
    private long _duplicate;
    private long _unknown;
    private long _overruns;
    private long _observations;

    /// <summary>Makes the actor; nothing runs yet.</summary>
    /// <param name="world">The state; from here on this actor's alone.</param>
    /// <param name="host">Where the agents live; opened by the caller with this actor as the sink of their actions.</param>
    /// <param name="time">The clock of real-time pacing.</param>
    /// <param name="threads">Threads that build observations, at least 1. Results do not depend on it.</param>
    /// <param name="before">What was counted before this actor, where it goes on with a run.</param>
    /// <param name="windows">Receives what is sent to agents, or null.</param>
    /// <param name="log">Receives what crosses the world's boundary, or null.</param>
    public WorldActor(SimulatedWorld world, IAgentHost host, TimeProvider time, int threads, WorldCounts? before = null, ObservationWindows? windows = null, EventLog? log = null)
    {
        ArgumentNullException.ThrowIfNull(world);
        (_before, _windows, _log) = (before, windows, log);
        _world = world;
        _host = host;
        _time = time;
        _observe = Observe;
        _observeAndDeliver = ObserveAndDeliver;
        _crew = new Crew(threads, Help);
        _keeps = windows is not null || log is not null || !host.IsConcurrent;
        _stride = _keeps ? world.FrameSize : (world.FrameSize / CacheLine + 2) * CacheLine;
        _features = new float[(_keeps ? world.Bodies : _crew.Parts) * _stride];
        _acts = [.. Enumerable.Range(0, world.Scenario.Agents).Select(agent => !world.IsReplayed(agent))];
        _actors = world.Episodes * _acts.Count(a => a);
        _actions = new float[world.Bodies * world.ActionSize];
        _outcomes = new Outcome[world.Bodies];
        _slots = new long[world.Bodies];
        // Before the first tick opens, an action for it is one for a tick yet to come.
        Array.Fill(_slots, -1);
        _barrier = new TickBarrier(world.Bodies, body => _acts[body % _acts.Length]);
    }

    /// <summary>The counts so far.</summary>
    public WorldCounts Counts => _before is null ? Counted : _before.Plus(Counted);

    private WorldCounts Counted => new(
        _outcomeCounts[(int)Outcome.Missed], _outcomeCounts[(int)Outcome.Stopped], _outcomeCounts[(int)Outcome.WrongSize], _outcomeCounts[(int)Outcome.Refused],
        Interlocked.Read(ref _late), Interlocked.Read(ref _duplicate), Interlocked.Read(ref _unknown), _overruns)
    {
        Applied = _outcomeCounts[(int)Outcome.Applied],
        Observations = _observations,
    };

    /// <inheritdoc/>
    public void Act(in AgentAction action)
    {
        var agents = _acts.Length;
        if ((uint)action.Episode.Value >= (uint)_world.Episodes || (uint)action.Agent.Value >= (uint)agents || action.Tick.Value < 0)
        {
            Interlocked.Increment(ref _unknown);
            return;
        }

        var body = action.Episode.Value * agents + action.Agent.Value;
        var open = action.Tick.Value * 4L + Open;
        var found = Interlocked.CompareExchange(ref _slots[body], open + Writing, open);
        if (found != open)
        {
            ref var dropped = ref found < open ? ref _unknown : ref found >= open + Closed ? ref _late : ref _duplicate;
            Interlocked.Increment(ref dropped);
            return;
        }

        try
        {
            _outcomes[body] = Take(action, body);
        }
        finally
        {
            // In this order: while the slot is being written the world cannot leave the tick, so this is the tick's barrier and not the next one's.
            _barrier.Release(body);
            Volatile.Write(ref _slots[body], open + Filled);
        }
    }

    /// <inheritdoc/>
    /// <remarks>The tick that is open is abandoned, and <see cref="RunAsync(Action{int}, CancellationToken)"/> throws the error.</remarks>
    public void Fail(Exception error)
    {
        ArgumentNullException.ThrowIfNull(error);
        Interlocked.CompareExchange(ref _failure, error, null);
        _barrier.Open();
    }

    /// <summary>Runs to the last tick, or until cancelled: then the tick that is open is abandoned and everything before it kept.</summary>
    /// <param name="tickClosed">Called after each tick with the number of ticks done.</param>
    /// <param name="cancellationToken">Stops at a tick boundary.</param>
    /// <returns>Whether the run came to its end.</returns>
    /// <exception cref="Exception">What a host said by <see cref="Fail"/>, or what the world, its log or <paramref name="tickClosed"/> threw.</exception>
    public Task<bool> RunAsync(Action<int>? tickClosed, CancellationToken cancellationToken) => RunAsync(null, tickClosed, cancellationToken);

    /// <summary>Runs to a tick, or until cancelled: then the tick that is open is abandoned and everything before it kept.</summary>
    /// <param name="until">The number of ticks done at which to stop, or null for all.</param>
    /// <param name="tickClosed">Called after each tick with the number of ticks done.</param>
    /// <param name="cancellationToken">Stops at a tick boundary.</param>
    /// <returns>Whether the run came to its end.</returns>
    public async Task<bool> RunAsync(int? until, Action<int>? tickClosed, CancellationToken cancellationToken)
    {
        var pacing = _world.Scenario.Pacing;
        var realTime = pacing.Kind == PacingKind.RealTime;
        var period = TimeSpan.FromSeconds(pacing.Period(_world.Scenario.TimeStep));
        var deadline = pacing.Deadline is { } seconds ? TimeSpan.FromSeconds(seconds) : period;
        var started = _time.GetTimestamp();

        // In lockstep nothing but this ends a wait for an agent that does not act.
        await using var registration = cancellationToken.UnsafeRegister(static barrier => ((TickBarrier)barrier!).Open(), _barrier).ConfigureAwait(false);
        for (var due = TimeSpan.Zero; !_world.IsDone && _world.Tick != until; due += period)
        {
            if (cancellationToken.IsCancellationRequested)
            {
                return false;
            }

            if (realTime)
            {
                var wait = due - _time.GetElapsedTime(started);
                if (wait > TimeSpan.Zero && !await DelayAsync(wait, cancellationToken).ConfigureAwait(false))
                {
                    return false;
                }

                if (wait <= -period)
                {
                    // A whole period behind: from here on the schedule is later, instead of ticks that race to catch up.
                    due -= wait;
                    _overruns++;
                }
            }

            OpenTick(realTime);
            if (!_barrier.Release())
            {
                if (cancellationToken.IsCancellationRequested || Volatile.Read(ref _failure) is not null)
                {
                    // It may have been said before there was a tick to end.
                    _barrier.Open();
                }

                try
                {
                    if (realTime)
                    {
                        var patience = due + deadline - _time.GetElapsedTime(started);
                        await _barrier.ClosedTask().WaitAsync(patience < TimeSpan.Zero ? TimeSpan.Zero : patience, _time, cancellationToken).ConfigureAwait(false);
                    }
                    else if (!SoonClosed())
                    {
                        await _barrier.Closed().ConfigureAwait(false);
                    }

                    if (!_barrier.IsComplete)
                    {
                        cancellationToken.ThrowIfCancellationRequested();
                    }
                }
                catch (TimeoutException)
                {
                    // Who has not acted is found when the slots are closed.
                }
                catch (OperationCanceledException)
                {
                    CloseSlots();
                    return false;
                }
            }

            CloseSlots();
            if (Volatile.Read(ref _failure) is { } failure)
            {
                // Who has not acted may not have been asked: what such a tick would come to depends on the moment of the failure.
                ExceptionDispatchInfo.Throw(failure);
            }

            _world.Apply(_actions, _outcomes);
            CountOutcomes();

            _log?.Closed(_actions, _outcomes);
            tickClosed?.Invoke(_world.Tick);
        }

        return _world.IsDone;
    }

    /// <summary>What a helper does between its parts; nobody else sees what fails there.</summary>
    private void Help()
    {
        try
        {
            _host.Work();
        }
        catch (Exception error)
        {
            Fail(error);
        }
    }

    /// <summary>Stays awake a moment for the last agents: going to sleep and being woken takes longer than they mostly do.</summary>
    private bool SoonClosed()
    {
        var since = Stopwatch.GetTimestamp();
        var wait = new SpinWait();
        while (!_barrier.IsClosed)
        {
            if (Stopwatch.GetTimestamp() - since > Patience)
            {
                return false;
            }

            wait.SpinOnce(sleep1Threshold: -1);
        }

        return true;
    }

    private Outcome Take(in AgentAction action, int body)
    {
        var size = _world.ActionSize;
        if (action.Status != ActionStatus.Decided)
        {
            return Outcome.Stopped;
        }

        if (action.Values.Length != size)
        {
            return Outcome.WrongSize;
        }

        action.Values.Span.CopyTo(_actions.AsSpan(body * size, size));
        return Outcome.Applied;
    }

    private async Task<bool> DelayAsync(TimeSpan wait, CancellationToken cancellationToken)
    {
        try
        {
            await Task.Delay(wait, _time, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private void OpenTick(bool realTime)
    {
        var (agents, size) = (_world.Scenario.Agents, _world.FrameSize);
        var tick = new Tick(_world.Tick);

        // One more than there are agents: the barrier cannot close before everything is delivered.
        _barrier.Reset(asTask: realTime);
        Array.Fill(_outcomes, Outcome.Refused);
        for (int body = 0, agent = 0; body < _slots.Length; body++)
        {
            // Nobody acts for a body that is replayed: whoever tried would come late.
            Volatile.Write(ref _slots[body], tick.Value * 4L + (_acts[agent] ? Open : Closed));
            agent = agent + 1 < agents ? agent + 1 : 0;
        }

        _host.OpenTick(tick);
        _lends = !realTime;
        if ((long)_world.Bodies * size < ParallelWork)
        {
            _observeAndDeliver(AllParts);
        }
        else if (_host.IsConcurrent)
        {
            // Who made an observation hands it over, and then helps its agent: all of that is in its processor's memory.
            _crew.Run(_observeAndDeliver);
        }
        else
        {
            _crew.Run(_observe);
            Deliver(AllParts, observe: false);
        }

        _windows?.Record(tick, _features);
        _log?.Opened(_features);
        _observations += _actors;
        if (realTime)
        {
            _host.EndTick(tick);
        }
        else
        {
            _host.EndTickAndWork(tick);
        }
    }

    /// <summary>The bodies of one part of the crew's work.</summary>
    private (int From, int To) Part(int part) => part == AllParts ? (0, _world.Bodies) : ((int)((long)_world.Bodies * part / _crew.Parts), (int)((long)_world.Bodies * (part + 1) / _crew.Parts));

    private void Observe(int part)
    {
        var (from, to) = Part(part);
        for (var body = from; body < to; body++)
        {
            var (episode, agent) = Math.DivRem(body, _world.Scenario.Agents);
            if (_acts[agent])
            {
                _world.Observe(episode, agent, _features.AsSpan(body * _world.FrameSize, _world.FrameSizeOf(agent)));
            }
        }
    }

    private void ObserveAndDeliver(int part) => Deliver(part, observe: true);

    private void Deliver(int part, bool observe)
    {
        var (agents, tick) = (_world.Scenario.Agents, new Tick(_world.Tick));
        var (from, to) = Part(part);
        var (episode, agent) = Math.DivRem(from, agents);
        for (var body = from; body < to; body++)
        {
            if (_acts[agent])
            {
                var features = _features.AsMemory((_keeps ? body : Math.Max(0, part)) * _stride, _world.FrameSizeOf(agent));
                if (observe)
                {
                    _world.Observe(episode, agent, features.Span);
                }

                _host.Deliver(new Observation(new EpisodeId(episode), new AgentId(agent), tick, features));
            }

            if (_lends && (body - from) % Few == Few - 1)
            {
                _host.WorkBetween();
            }

            (episode, agent) = agent + 1 < agents ? (episode, agent + 1) : (episode + 1, 0);
        }
    }

    private void CountOutcomes()
    {
        if (!_outcomes.AsSpan().ContainsAnyExcept(Outcome.Applied))
        {
            _outcomeCounts[(int)Outcome.Applied] += _outcomes.Length;
            return;
        }

        foreach (var outcome in _outcomes)
        {
            _outcomeCounts[(int)outcome]++;
        }
    }

    /// <summary>Lets nobody act any more who has not, and waits for whoever is writing an action.</summary>
    private void CloseSlots()
    {
        var open = _world.Tick * 4L + Open;
        var complete = _barrier.IsComplete;
        for (var body = 0; body < _slots.Length; body++)
        {
            // Where all have acted there is nothing to be closed against anybody.
            if (!complete && Interlocked.CompareExchange(ref _slots[body], open + Closed, open) == open)
            {
                _outcomes[body] = Outcome.Missed;
                continue;
            }

            // An action that claimed its slot in time counts, and is copied within nanoseconds.
            var wait = new SpinWait();
            while (Volatile.Read(ref _slots[body]) == open + Writing)
            {
                wait.SpinOnce();
            }
        }
    }
}
