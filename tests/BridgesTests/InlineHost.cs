using MimicD.Agents;
using MimicD.Contracts;

namespace MimicD.BridgesTests;

/// <summary>Agents that answer within the delivery, in the caller's thread: a run is then a function of its inputs.</summary>
internal sealed class InlineHost(Func<AgentId, IPolicy> policies) : IAgentHost
{
    private readonly List<SupervisedAgent?> _agents = [];
    private RunSpec _run = null!;
    private IActionSink _sink = null!;

    public AgentHostReport Report { get; } = new(0, 0, 0, []);

    /// <summary>Called with every answer, before it is given.</summary>
    public Action<AgentAction>? Answered { get; set; }

    /// <summary>Agents for which this says no do not answer: they are gone.</summary>
    public Func<AgentId, bool> Lives { get; set; } = _ => true;

    public ValueTask OpenAsync(RunSpec run, IActionSink world, CancellationToken cancellationToken)
    {
        Open(run, world);
        return ValueTask.CompletedTask;
    }

    public void Open(RunSpec run, IActionSink world)
    {
        (_run, _sink) = (run, world);
        for (var i = 0; i < run.Episodes * run.Agents; i++)
        {
            var id = new AgentId(i % run.Agents);
            var slot = run.Slot(id);
            _agents.Add(slot is null ? null : new SupervisedAgent(new AgentSpec(run.Seed, new EpisodeId(i / run.Agents), id, slot.Sampling), slot.FrameSize, run.ActionSize, policies));
        }
    }

    public void Deliver(in Observation observation)
    {
        if (!Lives(observation.Agent))
        {
            return;
        }

        var agent = _agents[observation.Episode.Value * _run.Agents + observation.Agent.Value]!;
        var decided = agent.Decide(observation.Tick, observation.Features.Span);
        var action = new AgentAction(observation.Episode, observation.Agent, observation.Tick, decided ? agent.Action : ReadOnlyMemory<float>.Empty, decided ? ActionStatus.Decided : ActionStatus.Fallback);
        Answered?.Invoke(action);
        _sink.Act(action);
    }

    public void EndTick(Tick tick)
    {
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
