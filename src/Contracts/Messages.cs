using System.Text.Json.Serialization;

namespace MimicD.Contracts;

/// <summary>
/// What one agent senses at one tick: the whole of what it ever learns about the world. There is deliberately no field
/// through which the state of another agent's mind, or another agent's address, could travel.
/// </summary>
/// <param name="Episode">The episode the agent lives in.</param>
/// <param name="Agent">The agent this is addressed to.</param>
/// <param name="Tick">The tick that is open.</param>
/// <param name="Features">One frame of the sensor, [<see cref="SensorSpec.FrameSize"/>], in the order that <see cref="SensorSpec"/> documents.
/// Valid during the call that hands it over: a receiver that keeps it copies it.</param>
public readonly record struct Observation(EpisodeId Episode, AgentId Agent, Tick Tick, ReadOnlyMemory<float> Features);

/// <summary>How an action came about.</summary>
public enum ActionStatus
{
    /// <summary>The agent's policy decided it.</summary>
    Decided,

    /// <summary>The agent is stopped (it failed too often) or missed its deadline; the world applies the scenario's fallback.</summary>
    Fallback,
}

/// <summary>One agent's answer to one observation.</summary>
/// <param name="Episode">The episode of the observation answered.</param>
/// <param name="Agent">The agent that answers.</param>
/// <param name="Tick">The tick of the observation answered.</param>
/// <param name="Values">The action in the units of the scenario's dynamics (next position [m], or controls), or empty with <see cref="ActionStatus.Fallback"/>.
/// Valid during the call only.</param>
/// <param name="Status">How it came about.</param>
public readonly record struct AgentAction(EpisodeId Episode, AgentId Agent, Tick Tick, ReadOnlyMemory<float> Values, ActionStatus Status);

/// <summary>The world's mailbox for actions.</summary>
public interface IActionSink
{
    /// <summary>Takes one action. Thread-safe, and returns at once. An action for a tick that is not open is counted and dropped.</summary>
    void Act(in AgentAction action);

    /// <summary>
    /// Says that something has failed outside the supervised part of an agent, so that actions may never come: whoever waits for them ends with this error instead. Thread-safe, and returns at once.
    /// A sink that waits for no action, because its clock runs on, need not do anything.
    /// </summary>
    /// <param name="error">What failed; the first one counts.</param>
    void Fail(Exception error)
    {
    }
}

/// <summary>
/// Where agents live: in this process, or on other machines. A host keeps one mailbox an agent and hands each agent its own
/// observations alone.
/// </summary>
public interface IAgentHost : IAsyncDisposable
{
    /// <summary>Creates the agents of a run. Called once, before the first observation.</summary>
    /// <param name="run">What every agent of the run may know from the start.</param>
    /// <param name="world">Where the agents' actions go.</param>
    /// <param name="cancellationToken">Gives up opening.</param>
    ValueTask OpenAsync(RunSpec run, IActionSink world, CancellationToken cancellationToken);

    /// <summary>
    /// Tells an agent what it observed before a run was interrupted, so that it is again as it was then. Called between <see cref="OpenAsync"/> and the first
    /// <see cref="Deliver"/>, oldest tick first. The agent does not answer, and what it does to be as it was is not counted in <see cref="Report"/>.
    /// </summary>
    /// <exception cref="NotSupportedException">This host cannot go on with a run.</exception>
    void Recall(in Observation observation) => throw new NotSupportedException($"{GetType().Name} cannot go on with a run that was interrupted");

    /// <summary>Says that observations of a tick will be delivered, and then <see cref="EndTick(Tick)"/>: until then a host may let them come together. Who delivers now and then says nothing.</summary>
    void OpenTick(Tick tick)
    {
    }

    /// <summary>Posts an observation to the mailbox of the agent that it names. Never blocks.</summary>
    void Deliver(in Observation observation);

    /// <summary>Says that all observations of a tick have been delivered; a batching host sends here what it has gathered.</summary>
    void EndTick(Tick tick);

    /// <summary>The same, from a thread that has nothing else to do until all have acted: a host in this process may use it for agents, and comes back when none waits for a thread any more.</summary>
    void EndTickAndWork(Tick tick) => EndTick(tick);

    /// <summary>Whether several threads may deliver at a time, each to other agents.</summary>
    bool IsConcurrent => false;

    /// <summary>
    /// Lends the calling thread, between two deliveries of a tick that is open, to agents that it delivered to last, while what they are made of is still near its processor. A host that had better wait until all
    /// have been delivered to does nothing here.
    /// </summary>
    void WorkBetween()
    {
    }

    /// <summary>Lends the calling thread to agents of this process, if they have use for it; it comes back when none waits for a thread any more.</summary>
    void Work()
    {
    }

    /// <summary>What happened so far; complete when the run's last tick has closed.</summary>
    AgentHostReport Report { get; }
}

/// <summary>Counts of one run, kept by the host.</summary>
/// <param name="Plans">Plans sampled, all agents together.</param>
/// <param name="NetworkCalls">Denoiser evaluations, all agents together.</param>
/// <param name="Restarts">Times an agent threw and was rebuilt from its window.</param>
/// <param name="Stopped">Agents that were stopped after too many restarts, with the last error.</param>
/// <param name="Messages">Messages put to agents, counted at their mailboxes' doors, whoever sent them and whether or not there was room.</param>
/// <param name="Projections">Actions that agents' safety projections moved.</param>
/// <param name="Projected">How far they moved them [m], all together.</param>
public sealed record AgentHostReport(long Plans, long NetworkCalls, long Restarts, IReadOnlyList<StoppedAgent> Stopped, long Messages = 0, long Projections = 0, double Projected = 0)
{
    /// <summary>How the observations that plans were made on compare with those that the policies were trained on; null where nobody counted, or no policy was trained.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public FamiliarityCounts? Familiarity { get; init; }
}

/// <summary>An agent that was stopped because it kept failing.</summary>
/// <param name="Episode">Its episode.</param>
/// <param name="Agent">The agent.</param>
/// <param name="Tick">The tick at which it failed for the last time.</param>
/// <param name="Error">The last error's message.</param>
public sealed record StoppedAgent(EpisodeId Episode, AgentId Agent, Tick Tick, string Error);
