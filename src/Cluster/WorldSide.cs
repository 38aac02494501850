using Google.Protobuf;
using MimicD.Agents;
using MimicD.Cluster.Status;
using MimicD.Cluster.Wire;
using MimicD.Contracts;

namespace MimicD.Cluster;

/// <summary>Counts of one run on a cluster, kept by the world's side.</summary>
/// <param name="Nodes">Nodes that have taken part.</param>
/// <param name="Shards">Shards of the run.</param>
/// <param name="Moves">Times that a shard went from one node to another.</param>
/// <param name="Replays">Times that a node asked for the past of a shard's agents.</param>
/// <param name="Suspensions">Times that a node missed the deadline.</param>
/// <param name="Outages">Times that the broker was lost.</param>
/// <param name="Refusals">What was refused, by reason.</param>
public sealed record ClusterReport(int Nodes, int Shards, long Moves, long Replays, long Suspensions, long Outages, IReadOnlyDictionary<Refusal, long> Refusals);

/// <summary>How long the world's side waits for whom.</summary>
/// <param name="Answer">For a node that owes an answer; after that its shards go to others.</param>
/// <param name="Nodes">For a node to come, when there is none; after that the run has failed.</param>
public sealed record WorldPatience(TimeSpan Answer, TimeSpan Nodes);

/// <summary>
/// The world's side of a run on a cluster: gathers the observations of a tick, spreads them over the nodes by shards, waits for every shard once, and keeps each agent's window, so that whoever takes an agent
/// over can be told what it has seen. Pure: it is handed observations, messages and the time, and says what to send; nothing here knows of a broker. Not thread-safe.
/// </summary>
public sealed class WorldSide
{
    // What an entry takes on the wire besides its numbers.
    private const int EntryBytes = 48;
    private const int LetterBytes = 3;

    private readonly string _run;
    private readonly RunShape _shape;
    private readonly IActionSink _world;
    private readonly WorldPatience _patience;
    private readonly Refusals _refusals;
    private readonly string _description;
    private readonly IReadOnlyDictionary<string, byte[]> _models;
    private readonly ObservationWindow?[] _windows;
    private readonly int[] _restarts;
    private readonly StoppedAgent?[] _stopped;
    private readonly ShardObservations[] _drafts;

    // The memory of the drafts' observations, by body.
    private readonly byte[][] _features;
    private readonly float[] _action;
    private readonly ShardLedger _ledger;
    private readonly Dictionary<string, (uint Incarnation, bool Ready)> _nodes = new(StringComparer.Ordinal);
    private readonly HashSet<string> _everReady = new(StringComparer.Ordinal);
    private TimeSpan? _aloneSince;
    private long _plans;
    private long _projections;
    private double _projected;
    private long _networkCalls;
    private long _messages;
    private long _replays;
    private long _outages;

    /// <summary>Opens a run that no node knows of.</summary>
    /// <param name="run">Its name.</param>
    /// <param name="description">What nodes are told.</param>
    /// <param name="models">The bytes of its models by their hashes.</param>
    /// <param name="histories">Observations that the policy of each place looks at, [agents].</param>
    /// <param name="world">Where actions go.</param>
    /// <param name="patience">How long to wait.</param>
    /// <param name="refusals">Told what is refused.</param>
    /// <exception cref="InvalidInputException">A shard does not fit into a message.</exception>
    public WorldSide(string run, RunDescription description, IReadOnlyDictionary<string, byte[]> models, IReadOnlyList<int> histories, IActionSink world, WorldPatience patience, Refusals refusals)
    {
        ArgumentNullException.ThrowIfNull(description);
        ArgumentNullException.ThrowIfNull(histories);
        (_run, _world, _patience, _refusals, _models) = (run, world, patience, refusals, models);
        _description = StrictJson.Format(description, indented: false);
        _shape = new RunShape(description.Run, description.Shards);
        _windows = new ObservationWindow?[_shape.Bodies];
        _restarts = new int[_shape.Bodies];
        _stopped = new StoppedAgent?[_shape.Bodies];
        _action = new float[_shape.ActionSize];
        _drafts = new ShardObservations[_shape.Shards];
        _features = new byte[_shape.Bodies][];

        // What an agent can be rebuilt from, and one more: at the end of a tick that was not waited for, its observation is not the newest any more.
        var capacities = new int[_shape.Agents];
        for (var agent = 0; agent < capacities.Length; agent++)
        {
            capacities[agent] = description.Run.Slot(new AgentId(agent)) is { } slot ? histories[agent] + slot.Sampling.Block : 0;
        }

        for (var shard = 0; shard < _drafts.Length; shard++)
        {
            var draft = _drafts[shard] = new ShardObservations { Shard = (uint)shard };
            var bytes = 0L;
            foreach (var body in _shape.Members(shard))
            {
                var (size, capacity) = (_shape.FrameSize(body), capacities[body % _shape.Agents]);
                _windows[body] = new ObservationWindow(size, histories[body % _shape.Agents], capacity);
                var features = _features[body] = new byte[WireFloats.Bytes(size)];
                draft.Agents.Add(new AgentObservation { Episode = (uint)(body / _shape.Agents), Agent = (uint)(body % _shape.Agents), Features = UnsafeByteOperations.UnsafeWrap(features) });
                bytes += Bytes(size, capacity);
            }

            InvalidInputException.Require(bytes <= WireLimits.MessageBytes, "shards", "", $"so many that what the agents of one have seen fits into {WireLimits.MessageBytes} bytes", $"{_shape.Shards}, and {bytes} bytes");
        }

        _ledger = new ShardLedger([.. Enumerable.Range(0, _shape.Shards).Select(_shape.IsOccupied)]);
    }

    /// <summary>Nodes that are prepared.</summary>
    public int ReadyNodes => _nodes.Values.Count(n => n.Ready);

    /// <summary>Whether all of the open tick is answered.</summary>
    public bool IsClosed => _ledger.IsClosed;

    /// <summary>The last reason for which a node would not take part, or null.</summary>
    public string? Declined { get; private set; }

    /// <summary>The counts so far.</summary>
    public ClusterReport Report => new(_everReady.Count, _shape.Shards, _ledger.Moves, _replays, _ledger.Suspensions, _outages, _refusals.Counts);

    /// <summary>How the run is doing.</summary>
    public WorldFigures Figures
    {
        get
        {
            var owned = _ledger.Owned;
            return new WorldFigures
            {
                Ticks = _ledger.Tick + 1, Episodes = _shape.Bodies / _shape.Agents, Agents = _shape.Agents, Shards = Enumerable.Range(0, _shape.Shards).Count(_shape.IsOccupied),
                Nodes = [.. _nodes.Select(n => new WorldNodeFigures(n.Key, n.Value.Ready, owned.GetValueOrDefault(n.Key))).OrderBy(n => n.Node, StringComparer.Ordinal)],
                Replays = _replays, Moves = _ledger.Moves, Suspensions = _ledger.Suspensions,
            };
        }
    }

    /// <summary>The counts of agents so far. What nodes have been sent and have not answered, because the run was stopped, counts as put to the agents.</summary>
    public AgentHostReport AgentReport => new(_plans, _networkCalls, _restarts.Sum(r => (long)r), [.. _stopped.OfType<StoppedAgent>()], _messages + _ledger.Waiting.Sum(s => (long)_shape.Members(s).Length), _projections, _projected);

    /// <summary>What it says to all nodes when it comes, and when the broker is back.</summary>
    public Outgoing Call() => new(null, About(e => e.Call = new Call()).ToByteArray());

    /// <summary>Takes in what an agent senses.</summary>
    public void Deliver(in Observation observation)
    {
        var window = Window(observation.Episode.Value * _shape.Agents + observation.Agent.Value);
        window.Push(observation.Tick, observation.Features.Span);
    }

    /// <summary>What an agent observed before the run was interrupted. It is not sent on by itself: a node that has never met an agent asks for what it has seen.</summary>
    public void Recall(in Observation observation) => Deliver(observation);

    /// <summary>All observations of a tick are there.</summary>
    public IReadOnlyList<Outgoing> EndTick(Tick tick, TimeSpan now) => Observe(_ledger.OpenTick(tick.Value, now));

    /// <summary>A node is gone: its queue is not there.</summary>
    public IReadOnlyList<Outgoing> Lose(string node, TimeSpan now)
    {
        _nodes.Remove(node);
        return Observe(_ledger.Leave(node, now));
    }

    /// <summary>The broker is gone, and all queues with it.</summary>
    public void LoseAll(TimeSpan now)
    {
        _outages++;
        foreach (var node in _nodes.Keys.ToArray())
        {
            // There is nobody to send to until the broker is back.
            Lose(node, now);
        }
    }

    /// <summary>Looks after deadlines; call it several times in each.</summary>
    /// <param name="now">The time.</param>
    /// <param name="failure">Why the run cannot go on, or null.</param>
    public IReadOnlyList<Outgoing> Poll(TimeSpan now, out string? failure)
    {
        var outgoing = new List<Outgoing>();
        foreach (var node in _ledger.Overdue(now, _patience.Answer))
        {
            outgoing.AddRange(Observe(_ledger.Suspend(node, now)));
        }

        // A probe to a queue that is no more comes back, and tells that its node is dead.
        outgoing.AddRange(_nodes.Keys.Select(node => new Outgoing(node, About(e => e.Probe = new Probe()).ToByteArray())));
        _aloneSince = _ledger.Tick < 0 || _ledger.IsClosed || _ledger.Live.Any() ? null : _aloneSince ?? now;
        if (_aloneSince is not null)
        {
            // After the broker was gone, the first call may have come before the nodes were back to hear it, and their greeting before there was a queue for it.
            outgoing.Add(Call());
        }

        failure = now - _aloneSince > _patience.Nodes
            ? $"no node is left, and none came within {_patience.Nodes.TotalSeconds:0.#} s{(Declined is null ? "" : $"; one declined: {Declined}")}"
            : null;
        return outgoing;
    }

    /// <summary>Says to all nodes that the run is over.</summary>
    public IReadOnlyList<Outgoing> Close() => [.. _nodes.Keys.Select(node => new Outgoing(node, About(e => e.CloseRun = new CloseRun()).ToByteArray()))];

    /// <summary>Handles a message; actions that count go to the world from here.</summary>
    public IReadOnlyList<Outgoing> Handle(Envelope envelope, TimeSpan now)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        var node = envelope.Node;
        if (node.Length == 0)
        {
            return Refuse(Refusal.WrongNode);
        }

        if (envelope.BodyCase == Envelope.BodyOneofCase.Greeting)
        {
            return envelope.Run.Length > 0 && envelope.Run != _run ? Refuse(Refusal.WrongRun) : Greet(node, envelope.Greeting.Incarnation, now);
        }

        if (envelope.Run != _run)
        {
            return Refuse(Refusal.WrongRun);
        }

        if (!_nodes.TryGetValue(node, out var state))
        {
            // One that was given up, because something that was sent to it while its queue was made anew came back late, and that takes itself for one of the run: it is asked to begin anew.
            return WireLimits.IsName(node) ? [.. Refuse(Refusal.WrongNode), new Outgoing(node, About(e => e.Call = new Call()).ToByteArray())] : Refuse(Refusal.WrongNode);
        }

        switch (envelope.BodyCase)
        {
            case Envelope.BodyOneofCase.Ready:
                if (state.Ready)
                {
                    return Refuse(Refusal.Duplicate);
                }

                _nodes[node] = state with { Ready = true };
                _everReady.Add(node);
                return Observe(_ledger.Join(node, now));
            case Envelope.BodyOneofCase.Declined:
                Declined = $"node {node}: {envelope.Declined.Reason}";
                return Lose(node, now);
            case Envelope.BodyOneofCase.ModelRequest:
                return Send(node, envelope.ModelRequest);
            case Envelope.BodyOneofCase.Actions:
                Act(node, envelope.Actions);
                return Observe(_ledger.Heard(node, now));
            case Envelope.BodyOneofCase.Replay:
                return Recall(node, envelope.Replay, now);
            case Envelope.BodyOneofCase.Probe:
                return [];
            default:
                return Refuse(Refusal.Unexpected);
        }
    }

    private List<Outgoing> Greet(string node, uint incarnation, TimeSpan now)
    {
        if (_nodes.TryGetValue(node, out var state) && state.Incarnation == incarnation)
        {
            // It has been greeted: a node that comes while a world calls is heard twice.
            return [];
        }

        var outgoing = new List<Outgoing>(Lose(node, now));
        _nodes[node] = (incarnation, false);
        outgoing.Add(new Outgoing(node, About(e => e.OpenRun = new OpenRun { Description = _description }).ToByteArray()));
        return outgoing;
    }

    private List<Outgoing> Send(string node, ModelRequest request)
    {
        if (!_models.TryGetValue(request.Sha256, out var bytes) || request.Offset >= bytes.Length)
        {
            return Refuse(Refusal.WrongModel);
        }

        var offset = (int)request.Offset;
        var content = UnsafeByteOperations.UnsafeWrap(bytes.AsMemory(offset, Math.Min(WireLimits.ChunkBytes, bytes.Length - offset)));
        return [new Outgoing(node, About(e => e.ModelChunk = new ModelChunk { Sha256 = request.Sha256, Offset = request.Offset, Content = content }).ToByteArray())];
    }

    private void Act(string node, Actions actions)
    {
        foreach (var shard in actions.Shards)
        {
            // What is answered twice is refused as that, whatever it holds; and what does not fit leaves the shard open.
            if ((_ledger.Judge(node, (int)shard.Shard, shard.Fence, (int)actions.Tick) ?? _shape.Check(shard)) is { } reason)
            {
                _refusals.Add(reason);
                continue;
            }

            _ledger.Answer(node, (int)shard.Shard, shard.Fence, (int)actions.Tick);
            _plans += shard.Plans;
            _networkCalls += shard.NetworkCalls;
            _messages += shard.Messages;
            _projections += shard.Projections;
            _projected += shard.Projected;
            foreach (var answer in shard.Agents)
            {
                var (episode, agent, tick) = (new EpisodeId((int)answer.Episode), new AgentId((int)answer.Agent), new Tick((int)actions.Tick));
                var body = episode.Value * _shape.Agents + agent.Value;
                _restarts[body] = (int)answer.Restarts;
                if (answer.Stopped is { } stopped)
                {
                    _stopped[body] ??= new StoppedAgent(episode, agent, new Tick((int)stopped.Tick), stopped.Error);
                    _world.Act(new AgentAction(episode, agent, tick, ReadOnlyMemory<float>.Empty, ActionStatus.Fallback));
                }
                else
                {
                    WireFloats.Read(answer.Values, _action);
                    _world.Act(new AgentAction(episode, agent, tick, _action, ActionStatus.Decided));
                }
            }
        }
    }

    private List<Outgoing> Recall(string node, Wire.Replay replay, TimeSpan now)
    {
        var known = new List<(ShardTicket, ShardObservations)>();
        foreach (var shard in replay.Shards)
        {
            if (_ledger.Judge(node, (int)shard.Shard, shard.Fence, (int)replay.Tick) is { } reason)
            {
                _refusals.Add(reason);
                continue;
            }

            _replays++;
            known.Add((new ShardTicket((int)shard.Shard, node, shard.Fence), WithPast((int)shard.Shard)));
        }

        return [.. Pack(known), .. Observe(_ledger.Heard(node, now))];
    }

    /// <summary>The observations of the open tick for the shards of tickets, as few messages a node as can be.</summary>
    private List<Outgoing> Observe(IReadOnlyList<ShardTicket> tickets) => Pack([.. tickets.Select(t => (t, Draft(t.Shard)))]);

    private List<Outgoing> Pack(List<(ShardTicket Ticket, ShardObservations Shard)> shards)
    {
        var outgoing = new List<Outgoing>();
        foreach (var node in shards.GroupBy(s => s.Ticket.Node, StringComparer.Ordinal))
        {
            var message = new Observations { Tick = (uint)_ledger.Tick };
            var bytes = 0L;
            foreach (var (ticket, shard) in node)
            {
                shard.Fence = ticket.Fence;
                var more = shard.Agents.Sum(a => Bytes(a.Features.Length / sizeof(float), 1 + (a.Past?.Frames.Count ?? 0)) + LetterBytes * (a.Past?.Stopped?.Error.Length ?? 0));
                if (bytes + more > WireLimits.MessageBytes)
                {
                    Flush();
                }

                message.Shards.Add(shard);
                bytes += more;
            }

            Flush();

            void Flush()
            {
                if (message.Shards.Count > 0)
                {
                    outgoing.Add(new Outgoing(node.Key, About(e => e.Observations = message).ToByteArray()));
                }

                message.Shards.Clear();
                bytes = 0;
            }
        }

        return outgoing;
    }

    /// <summary>The newest observations of a shard; one piece of memory a shard serves all ticks, for it is encoded at once.</summary>
    private ShardObservations Draft(int shard)
    {
        var draft = _drafts[shard];
        var members = _shape.Members(shard);
        for (var i = 0; i < members.Length; i++)
        {
            var window = Window(members[i]);
            if (window.Count == 0)
            {
                // Of a run that is gone on with: somebody else answers for an agent that had been stopped.
                continue;
            }

            WireFloats.Write(window.Frame(Newest(window)), _features[members[i]]);
        }

        return draft;
    }

    private ShardObservations WithPast(int shard)
    {
        var recalled = Draft(shard).Clone();
        var members = _shape.Members(shard);
        for (var i = 0; i < members.Length; i++)
        {
            var window = Window(members[i]);
            var past = new AgentPast { Restarts = (uint)_restarts[members[i]] };
            if (_stopped[members[i]] is { } stopped)
            {
                past.Stopped = new Stopped { Tick = (uint)stopped.Tick.Value, Error = WireLimits.Cut(stopped.Error) };
            }

            for (var k = window.Count - 1; k > Newest(window); k--)
            {
                past.Frames.Add(new PastFrame { Tick = (uint)window.Tick(k).Value, Features = WireFloats.Pack(window.Frame(k)) });
            }

            recalled.Agents[i].Past = past;
        }

        return recalled;
    }

    /// <summary>Which frame is that of the open tick.</summary>
    private int Newest(ObservationWindow window) => window.Count > 1 && window.Tick(0).Value > _ledger.Tick ? 1 : 0;

    private ObservationWindow Window(int body) => _windows[body] ?? throw new ArgumentException($"nobody acts as body {body}", nameof(body));

    private static long Bytes(int frameSize, int frames) => EntryBytes + (long)frames * (EntryBytes + sizeof(float) * frameSize);

    private Envelope About(Action<Envelope> fill)
    {
        var envelope = new Envelope { Version = WireLimits.Version, Run = _run };
        fill(envelope);
        return envelope;
    }

    private List<Outgoing> Refuse(Refusal reason)
    {
        _refusals.Add(reason);
        return [];
    }
}
