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
    private readonly int _threads;
    private Dispatcher? _dispatcher;
    private Actor?[] _actors = [];
    private bool _closed;
    private bool _isQuick;
    private int _opened;
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
        (_policies, _threads, _mailbox, _direct) = (policies, threads, mailbox, direct);
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
            var familiarity = new Familiarity();
            var stopped = new List<StoppedAgent>();
            foreach (var actor in _actors.OfType<Actor>())
            {
                var counts = actor.Agent.Counts;
                plans += counts.Plans;
                calls += counts.NetworkCalls;
                projections += counts.Projections;
                projected += counts.Projected;
                familiarity.Add(actor.Agent.Policy.TrainedFeatures, counts);
                restarts += actor.Agent.Restarts;
                messages += Volatile.Read(ref actor.Messages);
                if (actor.Agent.Stopped is { } why)
                {
                    stopped.Add(why);
                }
            }

            return new AgentHostReport(plans, calls, restarts, stopped, messages, projections, projected) { Familiarity = familiarity.Counts() };
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
        var dispatcher = new Dispatcher(actors.Length, _threads, world.Fail);
        for (var i = 0; i < actors.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var id = new AgentId(i % run.Agents);
            if (run.Slot(id) is { } slot)
            {
                var spec = new AgentSpec(run.Seed, new EpisodeId(i / run.Agents), id, slot.Sampling);
                actors[i] = new Actor(new SupervisedAgent(spec, slot.FrameSize, run.ActionSize, _policies), world, dispatcher, dispatcher.Home(i), _mailbox);
            }
        }

        (_actors, _dispatcher) = (actors, dispatcher);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public void Recall(in Observation observation) => Addressee(observation).Agent.Recall(observation.Tick, observation.Features.Span);

    /// <inheritdoc/>
    /// <remarks>Copies the features before it returns. Observations of one agent must not be delivered by two threads at a time.</remarks>
    public void Deliver(in Observation observation)
    {
        var actor = Addressee(observation);
        Volatile.Write(ref actor.Messages, actor.Messages + 1);
        if (_direct && actor.IsEmpty && actor.Agent.Counts is { Plans: > 0, NetworkCalls: 0 })
        {
            actor.Decide(observation.Tick, observation.Features.Span);
        }
        else if (_closed || !actor.TryPost(observation.Tick, observation.Features.Span))
        {
            Interlocked.Increment(ref _refused);
            actor.Refuse(observation.Tick);
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

    /// <inheritdoc/>
    public bool IsConcurrent => true;

    /// <inheritdoc/>
    /// <remarks>Only where no agent has evaluated a network: plans that take long are made together, and are shared better by threads, when all of them are there.</remarks>
    public void WorkBetween()
    {
        if (_isQuick)
        {
            _dispatcher!.LendBetween();
        }
    }

    /// <inheritdoc/>
    public void Work() => _dispatcher!.Lend();

    /// <inheritdoc/>
    public void OpenTick(Tick tick)
    {
        // By the second tick all have planned.
        _isQuick = _opened == 1 ? Array.TrueForAll(_actors, a => a?.Agent.Counts is null or { Plans: > 0, NetworkCalls: 0 }) : _isQuick;
        _opened = Math.Min(_opened + 1, 2);
        _dispatcher!.Gather();
    }

    /// <inheritdoc/>
    /// <remarks>What is delivered outside of a tick that is open needs none of this: it is handled at once.</remarks>
    public void EndTick(Tick tick) => _dispatcher!.Release(lend: false);

    /// <inheritdoc/>
    public void EndTickAndWork(Tick tick) => _dispatcher!.Release(lend: true);

    /// <summary>Closes the mailboxes and waits until what they hold is answered.</summary>
    /// <exception cref="Exception">What failed outside the supervised part of an agent; the world was told of it when it did (<see cref="IActionSink.Fail"/>).</exception>
    public async ValueTask DisposeAsync()
    {
        Volatile.Write(ref _closed, true);
        if (_dispatcher is not null)
        {
            await _dispatcher.FinishAsync().ConfigureAwait(false);
        }
    }

    /// <summary>One agent and its mailbox.</summary>
    private sealed class Actor(SupervisedAgent agent, IActionSink world, Dispatcher dispatcher, int home, int capacity) : Mailbox(dispatcher, home, capacity), IAwaitsPlan
    {
        public long Messages;

        public SupervisedAgent Agent => agent;

        public PlanQuery Query => agent.Query;

        protected override Span<float> Next => agent.NextFrame;

        public void Decide(Tick tick, ReadOnlySpan<float> frame) => Answer(tick, agent.Decide(tick, frame));

        public void Refuse(Tick tick) => Answer(tick, false);

        public void Take(int calls) => Finish(calls);

        public void PlanAlone() => Finish(null);

        protected override bool Handle(Tick tick, ReadOnlySpan<float> frame, PlanTable plans)
        {
            var state = agent.Begin(tick, frame);
            if (state == DecisionState.AwaitsPlan && agent.Policy.Together > 1)
            {
                plans.Add(agent.Policy, this);
                return false;
            }

            Answer(tick, state == DecisionState.AwaitsPlan ? agent.PlanAlone() : state == DecisionState.Made);
            return true;
        }

        /// <summary>Answers the observation that waited for its plan: by the one that was made in so many evaluations, or by one that is made now.</summary>
        private void Finish(int? calls)
        {
            try
            {
                Answer(agent.Tick, calls is { } made ? agent.Take(made) : agent.PlanAlone());
                Finish();
            }
            catch (Exception error)
            {
                Break(error);
            }
        }

        private void Answer(Tick tick, bool decided)
            => world.Act(new AgentAction(agent.Spec.Episode, agent.Spec.Id, tick, decided ? agent.Action : ReadOnlyMemory<float>.Empty, decided ? ActionStatus.Decided : ActionStatus.Fallback));
    }
}
