using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>What tells one agent of a run from another, and how it samples.</summary>
/// <param name="Seed">The run's seed.</param>
/// <param name="Episode">The episode it lives in.</param>
/// <param name="Id">The agent.</param>
/// <param name="Sampling">How plans are sampled and executed.</param>
public sealed record AgentSpec(ulong Seed, EpisodeId Episode, AgentId Id, SamplingSpec Sampling);

/// <summary>
/// One agent: observations in, actions out. Pure in the sense that its actions are a function of its <see cref="AgentSpec"/> and of its own observations;
/// it does no input or output, keeps no time and knows no other agent. Not thread-safe: an actor holds one and calls it.
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
    private readonly PlanNoise? _noise;
    private readonly float[] _plan;
    private readonly float[] _rest;
    private readonly float[] _modeLogits;
    private readonly int _warmPeriod;
    private int _mode;
    private int _replan = -1;
    private int _planTick;
    private int _left;

    /// <summary>Makes an agent that has seen nothing.</summary>
    /// <param name="spec">Who it is.</param>
    /// <param name="policy">What it acts by.</param>
    /// <exception cref="InvalidInputException">More actions are to be executed than the policy plans.</exception>
    public Agent(AgentSpec spec, IPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(policy);
        spec.Sampling.Validate("sampling", policy.PlanActions);
        (_spec, _policy, _warmPeriod) = (spec, policy, spec.Sampling.WarmPeriod ?? 1);
        _noise = policy.NoiseSize > 0 ? new PlanNoise(spec.Seed, spec.Episode, spec.Id, spec.Sampling, policy.NoiseSize) : null;
        _mode = SharedMode.Draw(spec.Seed, spec.Episode, policy.ModeShares);
        _modeLogits = spec.Sampling.ModeFrom == ModeSource.Seen ? new float[policy.ModeShares.Length] : [];
        _plan = new float[policy.PlanActions * policy.ActionSize];
        _rest = _warmPeriod > 1 ? new float[_plan.Length] : [];
        Window = new ObservationWindow(policy.FrameSize, policy.History, policy.History + spec.Sampling.Block - 1);
    }

    /// <summary>What it acts by.</summary>
    public IPolicy Policy => _policy;

    /// <summary>The observations that this agent could be rebuilt from.</summary>
    public ObservationWindow Window { get; }

    /// <summary>Plans made.</summary>
    public long Plans { get; private set; }

    /// <summary>Evaluations of a network.</summary>
    public long NetworkCalls { get; private set; }

    /// <summary>Actions that the safety projection moved.</summary>
    public long Projections { get; private set; }

    /// <summary>How far it moved them, all together [m].</summary>
    public double Projected { get; private set; }

    /// <summary>The joint mode that it takes part in, or <see cref="SharedMode.None"/>.</summary>
    public int Mode => _mode;

    /// <summary>The plan that is being executed, [plan actions, action size]; empty before the first.</summary>
    public ReadOnlySpan<float> Plan => _replan < 0 ? [] : _plan;

    /// <summary>The tick at which the plan that is being executed was made; null before the first.</summary>
    public Tick? PlanTick => _replan < 0 ? null : new Tick(_planTick);

    /// <summary>Decides on the action of a tick. Allocates nothing once warm.</summary>
    /// <param name="tick">The tick; later than any before.</param>
    /// <param name="frame">The observation, [frame size].</param>
    /// <param name="action">The action, [action size].</param>
    /// <exception cref="InvalidOperationException">The policy's plan holds a number that is not finite.</exception>
    public void Decide(Tick tick, ReadOnlySpan<float> frame, Span<float> action)
    {
        if (Begin(tick, frame))
        {
            PlanAlone();
        }

        Act(action);
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
    public PlanQuery Query => new(Window.NewestMemory, _noise?.MemoryAt(Replan(Window.Tick(0))) ?? ReadOnlyMemory<float>.Empty, _mode, _rest.AsMemory(0, _left), _plan);

    /// <summary>Asks the policy for the plan that is due.</summary>
    /// <exception cref="InvalidOperationException">The policy's plan holds a number that is not finite.</exception>
    public void PlanAlone() => Take(_policy.Plan(Window.Newest, _noise is null ? [] : _noise.At(Replan(Window.Tick(0))), _mode, _rest.AsSpan(0, _left), _plan));

    /// <summary>Takes the plan that the policy wrote for <see cref="Query"/>.</summary>
    /// <param name="calls">Evaluations of a network.</param>
    /// <exception cref="InvalidOperationException">The plan holds a number that is not finite.</exception>
    public void Take(int calls)
    {
        var tick = Window.Tick(0);
        NetworkCalls += calls;
        Plans++;
        foreach (var value in _plan)
        {
            if (!float.IsFinite(value))
            {
                throw new InvalidOperationException($"the policy's plan at {tick} holds a number that is not finite");
            }
        }

        (_replan, _planTick) = (Replan(tick), tick.Value);
    }

    /// <summary>Acts by the plan on the newest observation.</summary>
    /// <param name="action">The action, [action size].</param>
    public void Act(Span<float> action)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(action.Length, _policy.ActionSize, nameof(action));
        _plan.AsSpan((Window.Tick(0).Value - _planTick) * _policy.ActionSize, _policy.ActionSize).CopyTo(action);
        if (_policy.Projection?.Apply(Window.Newest[.._policy.FrameSize], action) is > 0 and var moved)
        {
            Projections++;
            Projected += moved;
        }
    }

    /// <summary>
    /// Makes the agent again from a window, up to but without the newest observation of it, and decides on that one: the retry of
    /// an agent that failed there, or the takeover of one whose machine is gone. It counts what the newest observation took alone.
    /// </summary>
    /// <param name="spec">Who it is.</param>
    /// <param name="policy">What it acts by.</param>
    /// <param name="window">What it has seen; at least one observation.</param>
    /// <param name="action">The action of the newest observation, [action size].</param>
    public static Agent Rebuild(AgentSpec spec, IPolicy policy, ObservationWindow window, Span<float> action)
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
                (agent.Plans, agent.NetworkCalls, agent.Projections, agent.Projected) = (0, 0, 0, 0);
                if (agent.Prepare(tick))
                {
                    agent.PlanAlone();
                }

                agent.Act(action);
            }
        }

        return agent;
    }

    private int Replan(Tick tick) => tick.Value / _spec.Sampling.Execute;

    /// <summary>Sees to it that all is there that a plan is made of; false where none is due.</summary>
    private bool Prepare(Tick tick)
    {
        var replan = Replan(tick);
        if (replan == _replan)
        {
            return false;
        }

        _left = Rest(tick, replan);
        _replan = -1;
        if (_modeLogits.Length > 0 && _policy.ModeLogits(Window.Newest, _modeLogits))
        {
            _mode = SharedMode.Choose(_spec.Seed, _spec.Episode, _modeLogits, _policy.ModeShares, _spec.Sampling.ModeHold);
        }

        return true;
    }

    /// <summary>Keeps what is left of the last plan where this one may go on from it.</summary>
    /// <returns>How many numbers; 0 where it starts from pure noise.</returns>
    private int Rest(Tick tick, int replan)
    {
        var done = (tick.Value - _planTick) * _policy.ActionSize;
        if (_replan < 0 || replan != _replan + 1 || replan % _warmPeriod == 0 || done >= _plan.Length)
        {
            return 0;
        }

        _plan.AsSpan(done).CopyTo(_rest);
        return _plan.Length - done;
    }
}
