using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>What tells one agent of a run from another, and how it samples.</summary>
/// <param name="Seed">The run's seed.</param>
/// <param name="Episode">The episode it lives in.</param>
/// <param name="Id">The agent.</param>
/// <param name="Sampling">How plans are sampled and executed.</param>
public sealed record AgentSpec(ulong Seed, EpisodeId Episode, AgentId Id, SamplingSpec Sampling);

/// <summary>What an agent has done.</summary>
/// <param name="Plans">Plans made.</param>
/// <param name="NetworkCalls">Evaluations of a network.</param>
/// <param name="Projections">Actions that the safety projection moved.</param>
/// <param name="Projected">How far it moved them, all together [m].</param>
public readonly record struct AgentCounts(long Plans, long NetworkCalls, long Projections, double Projected)
{
    /// <summary>What its policy counted of the observations that it planned on (<see cref="IPolicy.CountUnfamiliar"/>): the agent's own, still counting. Empty where the policy counts nothing.</summary>
    public ReadOnlyMemory<long> Unfamiliar { get; init; }
}

/// <summary>
/// One agent: observations in, actions out. Pure in the sense that its actions are a function of its <see cref="AgentSpec"/> and of its own observations;
/// it does no input or output, keeps no time and knows no other agent. Not thread-safe but for <see cref="Counts"/>: an actor holds one and calls it.
/// </summary>
/// <remarks>
/// It plans at every tick that the executed actions divide, and acts by that plan until the next. So its schedule follows from the tick, and its state from the
/// observations since the last replan and the history before it (<see cref="Window"/>): <see cref="Rebuild"/> makes the same agent from them.
/// An agent that missed the tick of a replan plans at the first observation after it.
/// </remarks>
public sealed class Agent
{
    private readonly AgentSpec _spec;
    private readonly IPolicy _policy;
    private readonly float[] _plan;
    private readonly long[] _unfamiliar;
    private readonly Sampled? _sampled;
    private int _mode;
    private int _replan = -1;
    private int _planTick;
    private long _plans;
    private long _networkCalls;
    private long _projections;
    private double _projected;

    /// <summary>Makes an agent that has seen nothing.</summary>
    /// <param name="spec">Who it is.</param>
    /// <param name="policy">What it acts by.</param>
    /// <exception cref="InvalidInputException">More actions are to be executed than the policy plans.</exception>
    public Agent(AgentSpec spec, IPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(policy);
        spec.Sampling.Validate("sampling", policy.PlanActions);
        (_spec, _policy) = (spec, policy);
        _mode = SharedMode.Draw(spec.Seed, spec.Episode, policy.ModeShares);
        _plan = new float[policy.PlanActions * policy.ActionSize];
        _unfamiliar = policy.TrainedFeatures.Count > 0 ? new long[policy.TrainedFeatures.Count + 1] : [];
        _sampled = Sampled.For(spec, policy, _plan.Length);
        Window = new ObservationWindow(policy.FrameSize, policy.History, policy.History + spec.Sampling.Block - 1);
    }

    /// <summary>What it acts by.</summary>
    public IPolicy Policy => _policy;

    /// <summary>The observations that this agent could be rebuilt from.</summary>
    public ObservationWindow Window { get; }

    /// <summary>Plans made.</summary>
    public long Plans => Volatile.Read(ref _plans);

    /// <summary>Evaluations of a network.</summary>
    public long NetworkCalls => Volatile.Read(ref _networkCalls);

    /// <summary>Actions that the safety projection moved.</summary>
    public long Projections => Volatile.Read(ref _projections);

    /// <summary>How far it moved them, all together [m].</summary>
    public double Projected => Volatile.Read(ref _projected);

    /// <summary>All that it has done; any thread may read it.</summary>
    public AgentCounts Counts
    {
        get => new(Plans, NetworkCalls, Projections, Projected) { Unfamiliar = _unfamiliar };
        private set
        {
            Volatile.Write(ref _plans, value.Plans);
            Volatile.Write(ref _networkCalls, value.NetworkCalls);
            Volatile.Write(ref _projections, value.Projections);
            Volatile.Write(ref _projected, value.Projected);
            if (value.Unfamiliar.Length == _unfamiliar.Length)
            {
                value.Unfamiliar.Span.CopyTo(_unfamiliar);
            }
            else
            {
                Array.Clear(_unfamiliar);
            }
        }
    }

    /// <summary>The joint mode that it takes part in, or <see cref="SharedMode.None"/>.</summary>
    public int Mode => _mode;

    /// <summary>The plan that is being executed, [plan actions, action size], with those of its actions that were taken as they were taken: where the safety projection moved one, moved. Empty before the first.</summary>
    public ReadOnlySpan<float> Plan => _replan < 0 ? [] : _plan;

    /// <summary>The tick at which the plan that is being executed was made; null before the first.</summary>
    public Tick? PlanTick => _replan < 0 ? null : new Tick(_planTick);

    /// <summary>The action of the newest observation once it is decided on, [action size]: a part of the plan, valid until the next observation. Empty before the first.</summary>
    public ReadOnlyMemory<float> Action => _replan < 0 ? ReadOnlyMemory<float>.Empty : _plan.AsMemory(Executed, _policy.ActionSize);

    /// <summary>Decides on the action of a tick. Allocates nothing once warm.</summary>
    /// <param name="tick">The tick; later than any before.</param>
    /// <param name="frame">The observation, [frame size].</param>
    /// <returns>The action, [action size], as <see cref="Action"/>.</returns>
    /// <exception cref="InvalidOperationException">The policy's plan holds a number that is not finite.</exception>
    public ReadOnlySpan<float> Decide(Tick tick, ReadOnlySpan<float> frame)
    {
        if (Begin(tick, frame))
        {
            PlanAlone();
        }

        return Act();
    }

    /// <summary>
    /// Takes in the observation of a tick. What follows is <see cref="Act"/>, and before it, where a plan is due, <see cref="PlanAlone"/>; or <see cref="Take"/>, when somebody else has had the policy answer
    /// <see cref="Query"/>, together with other agents'. The action is the same.
    /// </summary>
    /// <param name="tick">The tick; later than any before.</param>
    /// <param name="frame">The observation, [frame size].</param>
    /// <returns>Whether a plan is due.</returns>
    public bool Begin(Tick tick, ReadOnlySpan<float> frame)
    {
        if (Window.Count > 0)
        {
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(tick.Value, Window.Tick(0).Value, nameof(tick));
        }

        Window.Push(tick, frame);
        return Prepare(tick);
    }

    /// <summary>What the agent asks of its policy while a plan is due. Its memory is the agent's own.</summary>
    public PlanQuery Query
        => _sampled is null
            ? new PlanQuery(Window.NewestMemory, ReadOnlyMemory<float>.Empty, _mode, ReadOnlyMemory<float>.Empty, _plan)
            : new PlanQuery(Window.NewestMemory, _sampled.Noise(Replan(Window.Tick(0))), _mode, _sampled.Rest, _plan);

    /// <summary>Asks the policy for the plan that is due.</summary>
    /// <exception cref="InvalidOperationException">The policy's plan holds a number that is not finite.</exception>
    public void PlanAlone()
        => Take(_sampled is null
            ? _policy.Plan(Window.Newest, [], _mode, [], _plan)
            : _policy.Plan(Window.Newest, _sampled.Noise(Replan(Window.Tick(0))).Span, _mode, _sampled.Rest.Span, _plan));

    /// <summary>Takes the plan that the policy wrote for <see cref="Query"/>.</summary>
    /// <param name="calls">Evaluations of a network.</param>
    /// <exception cref="InvalidOperationException">The plan holds a number that is not finite.</exception>
    public void Take(int calls)
    {
        var tick = Window.Tick(0);
        foreach (var value in _plan)
        {
            if (!float.IsFinite(value))
            {
                throw new InvalidOperationException($"the policy's plan at {tick} holds a number that is not finite");
            }
        }

        if (_unfamiliar.Length > 0)
        {
            _policy.CountUnfamiliar(Window.Newest, _unfamiliar);
        }

        Volatile.Write(ref _networkCalls, _networkCalls + calls);
        Volatile.Write(ref _plans, _plans + 1);
        (_replan, _planTick) = (Replan(tick), tick.Value);
    }

    /// <summary>Acts by the plan on the newest observation; once for each.</summary>
    /// <returns>The action, [action size], as <see cref="Action"/>.</returns>
    public ReadOnlySpan<float> Act()
    {
        // The projection moves it where it stands: that part of the plan is executed now and read by nothing later.
        var action = _plan.AsSpan(Executed, _policy.ActionSize);
        if (_policy.Projection?.Apply(Window.Newest[.._policy.FrameSize], action) is > 0 and var moved)
        {
            Volatile.Write(ref _projections, _projections + 1);
            Volatile.Write(ref _projected, _projected + moved);
        }

        return action;
    }

    /// <summary>
    /// Makes the agent again from a window, up to but without the newest observation of it, and decides on that one: the retry of
    /// an agent that failed there, or the takeover of one whose machine is gone.
    /// </summary>
    /// <param name="spec">Who it is.</param>
    /// <param name="policy">What it acts by.</param>
    /// <param name="window">What it has seen; at least one observation.</param>
    /// <param name="before">What its former selves have done; to that is added what the newest observation takes alone.</param>
    /// <returns>The agent; what it decided is its <see cref="Action"/>.</returns>
    public static Agent Rebuild(AgentSpec spec, IPolicy policy, ObservationWindow window, AgentCounts before = default)
    {
        ArgumentNullException.ThrowIfNull(window);
        ArgumentOutOfRangeException.ThrowIfZero(window.Count, nameof(window));
        var agent = new Agent(spec, policy);

        // Frames before the last plan from pure noise are history only; what it was, and those that went on from it, follows from the frames since.
        var ticks = spec.Sampling.Block;
        var present = window.Tick(0).Value / ticks;
        for (var i = window.Count - 1; i >= 0; i--)
        {
            var tick = window.Tick(i);
            agent.Window.Push(tick, window.Frame(i));
            if (tick.Value / ticks == present)
            {
                // What the earlier ones took was counted when it was done for the first time.
                agent.Counts = before;
                if (agent.Prepare(tick))
                {
                    agent.PlanAlone();
                }

                agent.Act();
            }
        }

        return agent;
    }

    private int Replan(Tick tick) => tick.Value / _spec.Sampling.Execute;

    /// <summary>Where in the plan the action of the newest observation stands.</summary>
    private int Executed => (Window.Tick(0).Value - _planTick) * _policy.ActionSize;

    /// <summary>Sees to it that all is there that a plan is made of; false where none is due.</summary>
    private bool Prepare(Tick tick)
    {
        var replan = Replan(tick);
        if (replan == _replan)
        {
            return false;
        }

        // What is left of the last plan is gone on from where the two follow each other.
        _sampled?.Keep(_replan >= 0 && replan == _replan + 1 ? _plan.AsSpan(Math.Min((tick.Value - _planTick) * _policy.ActionSize, _plan.Length)) : [], replan);
        _replan = -1;
        if (_sampled is { ModeLogits: { Length: > 0 } logits } && _policy.ModeLogits(Window.Newest, logits))
        {
            _mode = SharedMode.Choose(_spec.Seed, _spec.Episode, logits, _policy.ModeShares, _spec.Sampling.ModeHold);
        }

        return true;
    }

    /// <summary>What only an agent has that samples its plans: one that is scripted has none of it.</summary>
    private sealed class Sampled
    {
        private readonly PlanNoise? _noise;
        private readonly float[] _rest;
        private readonly int _warmPeriod;
        private int _left;

        private Sampled(AgentSpec spec, IPolicy policy, int plan)
        {
            _noise = policy.NoiseSize > 0 ? new PlanNoise(spec.Seed, spec.Episode, spec.Id, spec.Sampling, policy.NoiseSize) : null;
            ModeLogits = spec.Sampling.ModeFrom == ModeSource.Seen ? new float[policy.ModeShares.Length] : [];
            _warmPeriod = spec.Sampling.WarmPeriod ?? 1;
            _rest = _warmPeriod > 1 ? new float[plan] : [];
        }

        /// <summary>ln p(z | observation) of each joint mode; empty where the mode is the seed's to choose.</summary>
        public float[] ModeLogits { get; }

        /// <summary>What is left of the last plan; empty where the next starts from pure noise.</summary>
        public ReadOnlyMemory<float> Rest => _rest.AsMemory(0, _left);

        /// <summary>Null for an agent that needs none of it.</summary>
        public static Sampled? For(AgentSpec spec, IPolicy policy, int plan)
            => policy.NoiseSize > 0 || spec.Sampling.ModeFrom == ModeSource.Seen || spec.Sampling.WarmPeriod > 1 ? new Sampled(spec, policy, plan) : null;

        /// <summary>The noise of a replan, valid until the next is asked for.</summary>
        public ReadOnlyMemory<float> Noise(int replan) => _noise?.MemoryAt(replan) ?? ReadOnlyMemory<float>.Empty;

        /// <summary>Keeps what is left of the last plan where the next goes on from it.</summary>
        public void Keep(ReadOnlySpan<float> left, int replan)
        {
            _left = replan % _warmPeriod == 0 ? 0 : left.Length;
            left[.._left].CopyTo(_rest);
        }
    }
}
