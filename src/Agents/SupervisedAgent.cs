using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>How far an agent is with a decision.</summary>
public enum DecisionState
{
    /// <summary>There is none: the agent is stopped, or has decided on that tick before.</summary>
    Refused,

    /// <summary>It is made.</summary>
    Made,

    /// <summary>It follows from a plan that has to be made.</summary>
    AwaitsPlan,
}

/// <summary>
/// An agent and what happens when it fails: an agent that throws, or plans numbers that are not finite, is built again from its window with a policy from the factory, and tries the
/// observation again. After <see cref="MaxRestarts"/> restarts it is stopped and decides nothing any more. Every host holds its agents by this, so that they fail alike everywhere.
/// Not thread-safe but for the counts, which any thread may read.
/// </summary>
public sealed class SupervisedAgent
{
    /// <summary>Restarts of one agent in one run; at the failure after the last it is stopped.</summary>
    public const int MaxRestarts = 3;

    private readonly AgentSpec _spec;
    private readonly Func<AgentId, IPolicy> _policies;
    private Agent _agent;
    private StoppedAgent? _stopped;
    private int _restarts;
    private bool _recalled;

    /// <summary>Makes an agent that has seen nothing.</summary>
    /// <param name="spec">Who it is.</param>
    /// <param name="frameSize">Numbers in one of its observations.</param>
    /// <param name="actionSize">Numbers in one of its actions.</param>
    /// <param name="policies">Its policy; asked now and at every restart.</param>
    /// <exception cref="InvalidInputException">The policy does not fit the observations or the actions.</exception>
    public SupervisedAgent(AgentSpec spec, int frameSize, int actionSize, Func<AgentId, IPolicy> policies)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(policies);
        (_spec, _policies) = (spec, policies);
        var policy = policies(spec.Id);
        InvalidInputException.Require(policy.FrameSize == frameSize, "policy", "observation", $"{policy.FrameSize} numbers", frameSize);
        InvalidInputException.Require(policy.ActionSize == actionSize, "policy", "action", $"{policy.ActionSize} numbers", actionSize);
        _agent = new Agent(spec, policy);
    }

    /// <summary>Who it is.</summary>
    public AgentSpec Spec => _spec;

    /// <summary>Numbers in one of its observations.</summary>
    public int FrameSize => _agent.Window.FrameSize;

    /// <summary>Observations that its policy looks at (m).</summary>
    public int History => _agent.Policy.History;

    /// <summary>Where the next observation is best written before it is decided on; not while it decides.</summary>
    internal Span<float> NextFrame => _agent.Window.Next;

    /// <summary>The action decided last, [action size]; valid until the next observation is taken in.</summary>
    public ReadOnlyMemory<float> Action => _agent.Action;

    /// <summary>What it has done, its former selves included.</summary>
    public AgentCounts Counts => Volatile.Read(ref _agent).Counts;

    /// <summary>Times it was built again because it had failed.</summary>
    public int Restarts => Volatile.Read(ref _restarts);

    /// <summary>Why it is stopped, or null.</summary>
    public StoppedAgent? Stopped => Volatile.Read(ref _stopped);

    /// <summary>Tells it what it observed before an interruption; at its next decision it is built again from that. It must not have decided on anything yet.</summary>
    /// <param name="tick">Later than any before.</param>
    /// <param name="frame">The observation, [frame size].</param>
    public void Recall(Tick tick, ReadOnlySpan<float> frame)
    {
        _agent.Window.Push(tick, frame);
        _recalled = true;
    }

    /// <summary>Decides on the action of a tick.</summary>
    /// <param name="tick">The tick.</param>
    /// <param name="frame">The observation, [frame size].</param>
    /// <returns>Whether <see cref="Action"/> holds the decision: not when the agent is stopped, nor for a tick that it has decided on before, for its state need not be risked on that.</returns>
    public bool Decide(Tick tick, ReadOnlySpan<float> frame)
        => Begin(tick, frame) switch
        {
            DecisionState.Made => true,
            DecisionState.AwaitsPlan => PlanAlone(),
            _ => false,
        };

    /// <summary>Takes in the observation of a tick, and decides where no plan is due.</summary>
    /// <param name="tick">The tick.</param>
    /// <param name="frame">The observation, [frame size].</param>
    public DecisionState Begin(Tick tick, ReadOnlySpan<float> frame)
    {
        var window = _agent.Window;
        if (Stopped is not null || (window.Count > 0 && tick.Value <= window.Tick(0).Value))
        {
            return DecisionState.Refused;
        }

        if (_recalled)
        {
            _recalled = false;
            window.Push(tick, frame);
            return State(TakeOver(window, Restarts));
        }

        try
        {
            if (_agent.Begin(tick, frame))
            {
                return DecisionState.AwaitsPlan;
            }

            return State(Act());
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            return State(Recover(tick, window, error));
        }

        static DecisionState State(bool made) => made ? DecisionState.Made : DecisionState.Refused;
    }

    /// <summary>The tick of the newest observation.</summary>
    public Tick Tick => _agent.Window.Tick(0);

    /// <summary>The policy that the plan is asked of.</summary>
    public IPolicy Policy => _agent.Policy;

    /// <summary>What is asked of it while <see cref="DecisionState.AwaitsPlan"/>.</summary>
    public PlanQuery Query => _agent.Query;

    /// <summary>Has the plan made that is awaited, and decides.</summary>
    /// <returns>As for <see cref="Decide"/>.</returns>
    public bool PlanAlone() => Finish(null);

    /// <summary>Takes the plan that was asked for together with others', and decides.</summary>
    /// <param name="calls">Evaluations of a network.</param>
    /// <returns>As for <see cref="Decide"/>.</returns>
    public bool Take(int calls) => Finish(calls);

    /// <summary>Takes the place of an agent that lived elsewhere: builds it from what it has seen and decides on the newest observation of it.</summary>
    /// <param name="window">What it has seen, at least one observation.</param>
    /// <param name="restarts">Restarts that it had there, which count here too.</param>
    /// <returns>As for <see cref="Decide"/>.</returns>
    public bool TakeOver(ObservationWindow window, int restarts)
    {
        ArgumentNullException.ThrowIfNull(window);
        if (Stopped is not null)
        {
            return false;
        }

        Volatile.Write(ref _restarts, restarts);
        try
        {
            Rebuild(window);
            return true;
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            return Recover(window.Tick(0), window, error);
        }
    }

    /// <summary>Takes the place of an agent that was stopped elsewhere.</summary>
    public void Stop(StoppedAgent stopped) => Volatile.Write(ref _stopped, stopped);

    /// <summary>Decides by the plan that is due: by the one that was made in so many evaluations, or by one that is made now.</summary>
    private bool Finish(int? calls)
    {
        try
        {
            if (calls is { } made)
            {
                _agent.Take(made);
            }
            else
            {
                _agent.PlanAlone();
            }

            return Act();
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            return Recover(Tick, _agent.Window, error);
        }
    }

    private bool Act()
    {
        _agent.Act();
        return true;
    }

    private bool Recover(Tick tick, ObservationWindow window, Exception error)
    {
        while (Restarts < MaxRestarts)
        {
            Volatile.Write(ref _restarts, _restarts + 1);
            try
            {
                Rebuild(window);
                return true;
            }
            catch (Exception next) when (next is not OutOfMemoryException)
            {
                error = next;
            }
        }

        Stop(new StoppedAgent(_spec.Episode, _spec.Id, tick, error.Message));
        return false;
    }

    /// <summary>Its next self counts on from where it ends.</summary>
    private void Rebuild(ObservationWindow window) => Volatile.Write(ref _agent, Agent.Rebuild(_spec, _policies(_spec.Id), window, _agent.Counts));
}
