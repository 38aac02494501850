using MimicD.Contracts;

namespace MimicD.World;

/// <summary>
/// A host whose agents were in a run before: what was counted then is added, and an agent that had been stopped stays so. That an agent failed is not among its observations, so it could not
/// be built again from them.
/// </summary>
/// <param name="host">Where the agents live now; the caller's to close.</param>
/// <param name="before">What the host of then counted.</param>
internal sealed class ResumedHost(IAgentHost host, AgentHostReport before) : IAgentHost
{
    private readonly HashSet<(EpisodeId, AgentId)> _stopped = [.. before.Stopped.Select(s => (s.Episode, s.Agent))];
    private IActionSink? _world;
    private long _answered;

    public AgentHostReport Report
    {
        get
        {
            var now = host.Report;
            return new AgentHostReport(
                before.Plans + now.Plans, before.NetworkCalls + now.NetworkCalls, before.Restarts + now.Restarts,
                [.. before.Stopped.Concat(now.Stopped).OrderBy(s => s.Episode.Value).ThenBy(s => s.Agent.Value)], before.Messages + now.Messages + _answered,
                before.Projections + now.Projections, before.Projected + now.Projected)
            {
                Familiarity = FamiliarityCounts.Sum(before.Familiarity, now.Familiarity),
            };
        }
    }

    public ValueTask OpenAsync(RunSpec run, IActionSink world, CancellationToken cancellationToken)
    {
        _world = world;
        return host.OpenAsync(run, world, cancellationToken);
    }

    public void Recall(in Observation observation)
    {
        if (!_stopped.Contains((observation.Episode, observation.Agent)))
        {
            host.Recall(observation);
        }
    }

    public void Deliver(in Observation observation)
    {
        if (_stopped.Count == 0 || !_stopped.Contains((observation.Episode, observation.Agent)))
        {
            host.Deliver(observation);
            return;
        }

        Interlocked.Increment(ref _answered);
        _world!.Act(new AgentAction(observation.Episode, observation.Agent, observation.Tick, ReadOnlyMemory<float>.Empty, ActionStatus.Fallback));
    }

    public bool IsConcurrent => host.IsConcurrent;

    public void WorkBetween() => host.WorkBetween();

    public void Work() => host.Work();

    public void OpenTick(Tick tick) => host.OpenTick(tick);

    public void EndTick(Tick tick) => host.EndTick(tick);

    public void EndTickAndWork(Tick tick) => host.EndTickAndWork(tick);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
