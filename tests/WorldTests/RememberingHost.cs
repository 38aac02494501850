using MimicD.Contracts;

namespace MimicD.World.Tests;

/// <summary>
/// A host in the test's own thread whose agents remember as the real ones do: each plans at the ticks that <paramref name="execute"/> divides from its newest <paramref name="history"/> observations, and acts by
/// that plan until the next. It has no other state.
/// </summary>
internal sealed class RememberingHost(int agents, int history, int execute) : IAgentHost
{
    private readonly Dictionary<int, List<(int Tick, float[] Frame)>> _seen = [];
    private readonly List<Observation> _gathered = [];
    private IActionSink _sink = null!;
    private long _plans;

    /// <summary>Called before the answers of a tick; no: they are withheld.</summary>
    public Func<Tick, bool> Answers { get; init; } = _ => true;

    /// <summary>Ticks told by <see cref="Recall"/>, of agent 0 of episode 0.</summary>
    public List<int> Recalled { get; } = [];

    public AgentHostReport Report => new(_plans, 10 * _plans, 0, []);

    public ValueTask OpenAsync(RunSpec run, IActionSink world, CancellationToken cancellationToken)
    {
        _sink = world;
        return ValueTask.CompletedTask;
    }

    public void Recall(in Observation observation)
    {
        if (observation is { Episode.Value: 0, Agent.Value: 0 })
        {
            Recalled.Add(observation.Tick.Value);
        }

        Remember(observation);
    }

    public void Deliver(in Observation observation)
    {
        Remember(observation);
        _gathered.Add(observation with { Features = observation.Features.ToArray() });
    }

    public void EndTick(Tick tick)
    {
        var answers = Answers(tick);
        foreach (var observation in _gathered)
        {
            if (answers)
            {
                _plans += tick.Value % execute == 0 ? 1 : 0;
                _sink.Act(new AgentAction(observation.Episode, observation.Agent, tick, Decide(observation), ActionStatus.Decided));
            }
        }

        _gathered.Clear();
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private void Remember(in Observation observation)
    {
        var body = observation.Episode.Value * agents + observation.Agent.Value;
        if (!_seen.TryGetValue(body, out var seen))
        {
            _seen[body] = seen = [];
        }

        seen.Add((observation.Tick.Value, observation.Features.ToArray()));
    }

    private float[] Decide(Observation observation)
    {
        var tick = observation.Tick.Value;
        var seen = _seen[observation.Episode.Value * agents + observation.Agent.Value];
        var plan = seen.FindIndex(s => s.Tick / execute == tick / execute);
        var frame = seen[plan].Frame;
        float pushX = 0, pushY = 0;
        for (var h = 0; h < history; h++)
        {
            var f = seen[Math.Max(0, plan - h)].Frame;
            var distance = 0.1f + f[4] * f[4] + f[5] * f[5];
            (pushX, pushY) = (0.7f * pushX - f[4] / distance, 0.7f * pushY - f[5] / distance);
        }

        var goal = MathF.Max(0.3f, MathF.Sqrt(frame[2] * frame[2] + frame[3] * frame[3]));
        var steps = tick - seen[plan].Tick + 1;
        return [frame[0] + steps * (0.3f * frame[2] / goal + 0.1f * pushX), frame[1] + steps * (0.3f * frame[3] / goal + 0.1f * pushY)];
    }
}
