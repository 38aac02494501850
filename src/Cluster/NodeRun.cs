using System.Collections.Concurrent;
using MimicD.Agents;
using MimicD.Cluster.Wire;
using MimicD.Contracts;

namespace MimicD.Cluster;

/// <summary>
/// One run on one node: the agents that live here, and what is done with a message for them. Pure but for the threads that agents share: it neither sends nor waits.
/// </summary>
/// <remarks>
/// Each agent is an actor in the sense of the house: it owns its policy, is handed its own entry of a message and nothing else, one at a time, and none has a reference to another. Handling is idempotent
/// by (agent, tick): asked again for what it has answered, an agent repeats the answer. An agent that is not known here, or has missed a tick, is built from its window, which is asked for.
/// Not thread-safe: one message at a time.
/// </remarks>
public sealed class NodeRun
{
    // Below this many agents a message is handled sooner on the thread that it came on.
    private const int ParallelAgents = 2;

    // So many agents of two networks fill the tiles of both.
    private const int MostTogether = 32;

    private readonly RunSpec _run;
    private readonly RunShape _shape;
    private readonly Func<AgentId, IPolicy> _policies;
    private readonly Resident?[] _residents;
    private readonly uint[] _fences;
    private readonly ParallelOptions _parallel;
    private readonly ConcurrentBag<PlanTable> _tables = [];
    private readonly int[] _asked;
    private int _lastTick = -1;
    private (int Shards, int Agents) _before;
    private (int Shards, int Agents) _latest;

    /// <summary>Opens the run; nobody lives here yet.</summary>
    /// <param name="description">The run.</param>
    /// <param name="models">Its models by their hashes.</param>
    /// <param name="threads">Threads that may work for agents at one time; at least 1. What the agents do does not depend on it.</param>
    /// <exception cref="InvalidInputException">A policy does not fit the run.</exception>
    public NodeRun(RunDescription description, Func<string, Model> models, int threads)
    {
        ArgumentNullException.ThrowIfNull(description);
        _run = description.Run;
        _shape = new RunShape(_run, description.Shards);
        _policies = description.Create(models);
        _residents = new Resident?[_shape.Bodies];
        _fences = new uint[_shape.Shards];
        _asked = new int[_shape.Shards];
        Array.Fill(_asked, -1);
        _parallel = new ParallelOptions { MaxDegreeOfParallelism = threads };

        // A policy that does not fit is found before the first tick.
        for (var agent = 0; agent < _run.Agents; agent++)
        {
            if (_run.Slot(new AgentId(agent)) is not null)
            {
                Make(agent);
            }
        }
    }

    /// <summary>Shards with agents, and their agents, that were answered for in the latest tick; of one whose messages have not all come, in the one before if that is more.</summary>
    public (int Shards, int Agents) Hosted => _before.Shards > _latest.Shards ? _before : _latest;

    /// <summary>Ticks answered, in part at least.</summary>
    public long Ticks { get; private set; }

    /// <summary>Handles observations.</summary>
    /// <param name="message">Within the limits of the wire; what it says is checked here.</param>
    /// <param name="refusals">Told what was not heeded.</param>
    /// <returns>The answer, and the request for what is missing here; null where there is none.</returns>
    public (Actions? Actions, Wire.Replay? Replay) Handle(Observations message, Refusals refusals)
    {
        ArgumentNullException.ThrowIfNull(message);
        ArgumentNullException.ThrowIfNull(refusals);
        var actions = new Actions { Tick = message.Tick };
        var replay = new Wire.Replay { Tick = message.Tick };
        var tick = new Tick((int)message.Tick);
        var work = new List<Work>();
        var seen = new HashSet<uint>();
        foreach (var shard in message.Shards)
        {
            // A shard twice in one message would put its agents to work twice at one time.
            if ((seen.Add(shard.Shard) ? _shape.Check(shard, message.Tick) : Refusal.Duplicate) is { } wrong)
            {
                refusals.Add(wrong);
                continue;
            }

            if (shard.Fence < _fences[shard.Shard])
            {
                refusals.Add(Refusal.StaleFence);
                continue;
            }

            _fences[shard.Shard] = shard.Fence;
            var ways = Ways(shard, tick);
            if (Array.IndexOf(ways, Way.Late) >= 0)
            {
                refusals.Add(Refusal.Late);
            }
            else if (Array.IndexOf(ways, Way.Missing) >= 0)
            {
                replay.Shards.Add(new ShardReference { Shard = shard.Shard, Fence = shard.Fence });
            }
            else
            {
                Count(shard, tick);
                var answer = new ShardActions { Shard = shard.Shard, Fence = shard.Fence };
                actions.Shards.Add(answer);
                for (var i = 0; i < ways.Length; i++)
                {
                    // In the order of the message, whoever is done first.
                    var entry = new AgentAnswer();
                    answer.Agents.Add(entry);
                    work.Add(new Work(answer, shard.Agents[i], entry, ways[i]));
                }
            }
        }

        // In parts, whose agents' plans are made together.
        var part = Math.Min(MostTogether, (work.Count + _parallel.MaxDegreeOfParallelism - 1) / _parallel.MaxDegreeOfParallelism);
        if (work.Count < ParallelAgents || _parallel.MaxDegreeOfParallelism == 1)
        {
            Do(work, 0, work.Count, tick);
        }
        else
        {
            Parallel.For(0, (work.Count + part - 1) / part, _parallel, i => Do(work, i * part, Math.Min(part, work.Count - i * part), tick));
        }

        foreach (var done in work)
        {
            done.Shard.Plans += (uint)done.Plans;
            done.Shard.NetworkCalls += (uint)done.NetworkCalls;
            done.Shard.Messages += (uint)done.Messages;
            done.Shard.Projections += (uint)done.Projections;
            done.Shard.Projected += done.Projected;
        }

        return (actions.Shards.Count > 0 ? actions : null, replay.Shards.Count > 0 ? replay : null);
    }

    private void Count(ShardObservations shard, Tick tick)
    {
        if (tick.Value > _lastTick)
        {
            (_lastTick, _before, _latest) = (tick.Value, _latest, default);
            Ticks++;
        }

        // Not when it is asked again.
        if (tick.Value == _lastTick && _asked[shard.Shard] < tick.Value)
        {
            _latest = (_latest.Shards + 1, _latest.Agents + shard.Agents.Count);
        }

        _asked[shard.Shard] = tick.Value;
    }

    /// <summary>What is to be done with each agent of a shard; decided for all before any acts.</summary>
    private Way[] Ways(ShardObservations shard, Tick tick)
    {
        var ways = new Way[shard.Agents.Count];
        for (var i = 0; i < ways.Length; i++)
        {
            var agent = shard.Agents[i];
            var last = _residents[Body(agent)]?.Tick ?? -1;
            ways[i] = tick.Value == last ? Way.Repeat
                : tick.Value < last ? Way.Late
                : tick.Value == last + 1 ? Way.Decide
                : agent.Past is null ? Way.Missing
                : Way.Rebuild;
        }

        return ways;
    }

    private void Do(List<Work> work, int first, int count, Tick tick)
    {
        if (!_tables.TryTake(out var table))
        {
            table = new PlanTable();
        }

        for (var i = first; i < first + count; i++)
        {
            ref var place = ref _residents[Body(work[i].Observation)];
            var resident = place ??= new Resident(Make((int)work[i].Observation.Agent, (int)work[i].Observation.Episode));
            resident.Answer(work[i], tick, table);
        }

        while (!table.IsEmpty)
        {
            table.PlanSome();
        }

        _tables.Add(table);
    }

    private SupervisedAgent Make(int agent, int episode = 0)
    {
        var id = new AgentId(agent);
        var slot = _run.Slot(id)!;
        return new SupervisedAgent(new AgentSpec(_run.Seed, new EpisodeId(episode), id, slot.Sampling), slot.FrameSize, _run.ActionSize, _policies);
    }

    private int Body(AgentObservation agent) => (int)(agent.Episode * (uint)_shape.Agents + agent.Agent);

    private enum Way
    {
        /// <summary>It has answered this tick.</summary>
        Repeat,

        /// <summary>It is the next tick.</summary>
        Decide,

        /// <summary>It has missed ticks, and what it saw in them is here.</summary>
        Rebuild,

        /// <summary>It has missed ticks.</summary>
        Missing,

        /// <summary>It is further than that.</summary>
        Late,
    }

    /// <summary>One agent's part of a message.</summary>
    private sealed class Work(ShardActions shard, AgentObservation observation, AgentAnswer answer, Way way)
    {
        public ShardActions Shard => shard;

        public AgentObservation Observation => observation;

        public AgentAnswer Answer => answer;

        public Way Way => way;

        public long Plans { get; set; }

        public long NetworkCalls { get; set; }

        public long Messages { get; set; }

        public long Projections { get; set; }

        public double Projected { get; set; }
    }

    /// <summary>An agent that lives here, what it answered last, and what that took: a repeated answer is the same in all, for the first may not have been heard.</summary>
    private sealed class Resident(SupervisedAgent agent) : IAwaitsPlan
    {
        private readonly float[] _frame = new float[agent.FrameSize];
        private Work? _work;
        private AgentCounts _before;
        private bool _decided;
        private long _plans;
        private long _networkCalls;
        private long _messages;
        private long _projections;
        private double _projected;

        public int Tick { get; private set; } = -1;

        public void Answer(Work work, Tick tick, PlanTable table)
        {
            if (work.Way == Way.Repeat)
            {
                Write(work);
                return;
            }

            _work = work;
            _before = agent.Counts;
            Tick = tick.Value;
            if (work.Way == Way.Rebuild)
            {
                Write(Rebuild(work.Observation, tick));
                return;
            }

            WireFloats.Read(work.Observation.Features, _frame);
            switch (agent.Begin(tick, _frame))
            {
                case DecisionState.AwaitsPlan when agent.Policy.Together > 1:
                    table.Add(agent.Policy, this);
                    break;
                case DecisionState.AwaitsPlan:
                    PlanAlone();
                    break;
                case var state:
                    Write(state == DecisionState.Made);
                    break;
            }
        }

        public PlanQuery Query => agent.Query;

        public void Take(int calls) => Write(agent.Take(calls));

        public void PlanAlone() => Write(agent.PlanAlone());

        private void Write(bool decided)
        {
            _decided = decided;
            _messages = 1;
            var counts = agent.Counts;
            (_plans, _networkCalls) = (counts.Plans - _before.Plans, counts.NetworkCalls - _before.NetworkCalls);
            (_projections, _projected) = (counts.Projections - _before.Projections, counts.Projected - _before.Projected);
            Write(_work!);
            _work = null;
        }

        private void Write(Work work)
        {
            var observation = work.Observation;
            var answer = work.Answer;
            (answer.Episode, answer.Agent, answer.Restarts) = (observation.Episode, observation.Agent, (uint)agent.Restarts);
            if (_decided)
            {
                answer.Values = WireFloats.Pack(agent.Action.Span);
            }
            else if (agent.Stopped is { } stopped)
            {
                answer.Stopped = new Stopped { Tick = (uint)stopped.Tick.Value, Error = WireLimits.Cut(stopped.Error) };
            }

            (work.Plans, work.NetworkCalls, work.Messages, work.Projections, work.Projected) = (_plans, _networkCalls, _messages, _projections, _projected);
        }

        private bool Rebuild(AgentObservation observation, Tick tick)
        {
            var past = observation.Past;
            if (past.Stopped is { } stopped)
            {
                agent.Stop(new StoppedAgent(new EpisodeId((int)observation.Episode), new AgentId((int)observation.Agent), new Tick((int)stopped.Tick), stopped.Error));
                return false;
            }

            var window = new ObservationWindow(agent.FrameSize, agent.History, Math.Max(agent.History, past.Frames.Count + 1));
            foreach (var frame in past.Frames)
            {
                WireFloats.Read(frame.Features, _frame);
                window.Push(new Tick((int)frame.Tick), _frame);
            }

            WireFloats.Read(observation.Features, _frame);
            window.Push(tick, _frame);
            return agent.TakeOver(window, (int)past.Restarts);
        }
    }
}
