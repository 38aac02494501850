using System.Threading.Tasks.Dataflow;
using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>
/// Runs the agents of a run in this process: each is an actor with a bounded mailbox that handles one observation at a time. Actors share threads and
/// read-only policies, nothing else, and none has a reference to another.
/// </summary>
/// <remarks>
/// An agent that fails is restarted, and one that keeps failing is stopped (<see cref="SupervisedAgent"/>); a stopped one answers every observation with
/// <see cref="ActionStatus.Fallback"/>. What the agents do does not depend on the number of threads.
/// </remarks>
public sealed class LocalHost : IAgentHost
{
    /// <summary>Observations that may wait in one mailbox, the one being handled included, unless told otherwise.</summary>
    public const int DefaultMailbox = 4;

    private readonly Func<AgentId, IPolicy> _policies;
    private readonly int _mailbox;
    private readonly bool _direct;
    private readonly TaskScheduler _scheduler;
    private Actor?[] _actors = [];
    private RunSpec? _run;
    private long _refused;

    /// <summary>Makes a host without agents.</summary>
    /// <param name="policies">The policy of an agent; asked once for each agent of each episode, and again at its restarts.</param>
    /// <param name="threads">Threads that may work for agents at one time; at least 1.</param>
    /// <param name="mailbox">Observations that may wait for one agent; at least 1.</param>
    /// <param name="direct">Whether an agent that evaluates no network, and for whom nothing waits, decides in the thread that delivers: what it decides is the same, and two changes of threads are saved.</param>
    public LocalHost(Func<AgentId, IPolicy> policies, int threads, int mailbox = DefaultMailbox, bool direct = false)
    {
        ArgumentNullException.ThrowIfNull(policies);
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(mailbox, 1);
        (_policies, _mailbox, _direct) = (policies, mailbox, direct);
        _scheduler = new ConcurrentExclusiveSchedulerPair(TaskScheduler.Default, threads).ConcurrentScheduler;
    }

    /// <summary>Observations that found their mailbox full. Each was answered with <see cref="ActionStatus.Fallback"/> at once.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    /// <inheritdoc/>
    public AgentHostReport Report
    {
        get
        {
            long plans = 0, calls = 0, restarts = 0, messages = 0, projections = 0;
            var projected = 0.0;
            var stopped = new List<StoppedAgent>();
            foreach (var actor in _actors.OfType<Actor>())
            {
                plans += actor.Agent.Plans;
                calls += actor.Agent.NetworkCalls;
                restarts += actor.Agent.Restarts;
                projections += actor.Agent.Projections;
                projected += actor.Agent.Projected;
                messages += Volatile.Read(ref actor.Messages);
                if (actor.Agent.Stopped is { } why)
                {
                    stopped.Add(why);
                }
            }

            return new AgentHostReport(plans, calls, restarts, stopped, messages, projections, projected);
        }
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidInputException">A policy does not fit the run's observations or actions.</exception>
    public ValueTask OpenAsync(RunSpec run, IActionSink world, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentNullException.ThrowIfNull(world);
        if (_run is not null)
        {
            throw new InvalidOperationException("the host has been opened before");
        }

        _run = run;
        var actors = new Actor?[checked(run.Episodes * run.Agents)];
        for (var i = 0; i < actors.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var id = new AgentId(i % run.Agents);
            if (run.Slot(id) is { } slot)
            {
                var spec = new AgentSpec(run.Seed, new EpisodeId(i / run.Agents), id, slot.Sampling);
                actors[i] = new Actor(spec, slot.FrameSize, run.ActionSize, _policies, world, _scheduler, _mailbox, _direct);
            }
        }

        _actors = actors;
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public void Recall(in Observation observation) => Addressee(observation).Agent.Recall(observation.Tick, observation.Features.Span);

    /// <inheritdoc/>
    /// <remarks>Copies the features before it returns. Observations of one agent must not be delivered by two threads at a time.</remarks>
    public void Deliver(in Observation observation)
    {
        if (!Addressee(observation).TryPost(observation))
        {
            Interlocked.Increment(ref _refused);
        }
    }

    private Actor Addressee(in Observation observation)
    {
        var run = _run ?? throw new InvalidOperationException("the host is not open");
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)observation.Episode.Value, (uint)run.Episodes, nameof(observation));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)observation.Agent.Value, (uint)run.Agents, nameof(observation));
        var actor = _actors[observation.Episode.Value * run.Agents + observation.Agent.Value] ?? throw new ArgumentException($"nobody acts as {observation.Agent}", nameof(observation));
        ArgumentOutOfRangeException.ThrowIfNotEqual(observation.Features.Length, actor.Agent.FrameSize, nameof(observation));
        return actor;
    }

    /// <summary>Does nothing: a mailbox here takes each observation as it comes.</summary>
    public void EndTick(Tick tick)
    {
    }

    /// <summary>Closes the mailboxes and waits until what they hold is answered.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var actor in _actors)
        {
            actor?.Close();
        }

        await Task.WhenAll(_actors.OfType<Actor>().Select(a => a.Completion)).ConfigureAwait(false);
    }

    /// <summary>One agent's mailbox.</summary>
    private sealed class Actor
    {
        private readonly AgentSpec _spec;
        private readonly IActionSink _world;
        private readonly ActionBlock<Letter> _mailbox;
        private readonly float[] _frames;
        private readonly int _slots;
        private readonly bool _direct;
        private int _posted;
        private int _waiting;

        public readonly SupervisedAgent Agent;
        public long Messages;

        public Actor(AgentSpec spec, int frameSize, int actionSize, Func<AgentId, IPolicy> policies, IActionSink world, TaskScheduler scheduler, int mailbox, bool direct)
        {
            (_spec, _world, _direct) = (spec, world, direct);
            Agent = new SupervisedAgent(spec, frameSize, actionSize, policies);

            // One slot more than the mailbox holds: a slot is written before the post that may be refused.
            _slots = mailbox + 1;
            _frames = new float[_slots * frameSize];
            _mailbox = new ActionBlock<Letter>(Handle, new ExecutionDataflowBlockOptions
            {
                BoundedCapacity = mailbox,
                MaxDegreeOfParallelism = 1,
                TaskScheduler = scheduler,
            });
        }

        public Task Completion => _mailbox.Completion;

        public void Close() => _mailbox.Complete();

        public bool TryPost(in Observation observation)
        {
            Volatile.Write(ref Messages, Messages + 1);
            var slot = _posted % _slots;
            observation.Features.Span.CopyTo(Frame(slot));
            if (_direct && Volatile.Read(ref _waiting) == 0 && Agent is { Plans: > 0, NetworkCalls: 0 })
            {
                Decide(new Letter(observation.Tick, slot));
                return true;
            }

            Interlocked.Increment(ref _waiting);
            if (_mailbox.Post(new Letter(observation.Tick, slot)))
            {
                _posted = slot + 1;
                return true;
            }

            Interlocked.Decrement(ref _waiting);
            Answer(observation.Tick, ReadOnlyMemory<float>.Empty, ActionStatus.Fallback);
            return false;
        }

        private void Handle(Letter letter)
        {
            // It waits no more when all of it is done, its answer included.
            try
            {
                Decide(letter);
            }
            finally
            {
                Interlocked.Decrement(ref _waiting);
            }
        }

        private void Decide(Letter letter)
        {
            if (Agent.Decide(letter.Tick, Frame(letter.Slot)))
            {
                Answer(letter.Tick, Agent.Action, ActionStatus.Decided);
            }
            else
            {
                Answer(letter.Tick, ReadOnlyMemory<float>.Empty, ActionStatus.Fallback);
            }
        }

        private Span<float> Frame(int slot) => _frames.AsSpan(slot * Agent.FrameSize, Agent.FrameSize);

        private void Answer(Tick tick, ReadOnlyMemory<float> values, ActionStatus status)
            => _world.Act(new AgentAction(_spec.Episode, _spec.Id, tick, values, status));

        /// <summary>An observation in the mailbox.</summary>
        /// <param name="Tick">Its tick.</param>
        /// <param name="Slot">Where its frame lies.</param>
        private readonly record struct Letter(Tick Tick, int Slot);
    }
}
