using Google.Protobuf;
using MimicD.Agents;
using MimicD.Cluster.Status;
using MimicD.Cluster.Wire;
using MimicD.Contracts;

namespace MimicD.Cluster;

/// <summary>Something to send, encoded.</summary>
/// <param name="To">A node's name where a world sends, a run's where a node does; null for all of them.</param>
/// <param name="Bytes">The message.</param>
public sealed record Outgoing(string? To, byte[] Bytes);

/// <summary>
/// What a node does with what worlds send it: takes part in their runs, fetches models it does not have, and lets its agents act. Pure: it is handed messages and says what to send; nothing here
/// knows of a broker. Not thread-safe.
/// </summary>
public sealed class NodeSide
{
    /// <summary>Runs that a node takes part in at one time.</summary>
    public const int MaxRuns = 64;

    private const int KeptModels = 8;

    private readonly string _node;
    private readonly int _threads;
    private readonly Refusals _refusals;
    private readonly ModelStore _models = new(KeptModels);
    private readonly Dictionary<string, Participation> _runs = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _modelBytes = new(StringComparer.Ordinal);
    private IReadOnlyList<HeldModel> _held = [];
    private long _ticks;
    private long _actions;
    private long _fetchedBytes;
    private uint _incarnation = 1;

    /// <summary>Makes a node that takes part in nothing yet.</summary>
    /// <param name="node">Its name.</param>
    /// <param name="threads">Threads that may work for agents at one time; at least 1.</param>
    /// <param name="refusals">Told what is refused.</param>
    public NodeSide(string node, int threads, Refusals refusals)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        (_node, _threads, _refusals) = (node, threads, refusals);
    }

    /// <summary>Runs that it takes part in.</summary>
    public int Runs => _runs.Count;

    /// <summary>Shards answered, all runs together.</summary>
    public long Answers { get; private set; }

    /// <summary>Shards whose agents' past was asked for.</summary>
    public long Replays { get; private set; }

    /// <summary>Models fetched.</summary>
    public long Fetched { get; private set; }

    /// <summary>What it has done and has.</summary>
    public NodeFigures Figures => new()
    {
        Runs = [.. _runs.Select(r => new NodeRunFigures(r.Key, r.Value.Run is not null, r.Value.Run?.Hosted.Shards ?? 0, r.Value.Run?.Hosted.Agents ?? 0))],
        Ticks = _ticks, Shards = Answers, Actions = _actions, Replays = Replays, Models = _held, ModelsFetched = Fetched, ModelBytesFetched = _fetchedBytes,
    };

    /// <summary>What it says to all worlds when it comes.</summary>
    public Outgoing Greet() => new(null, Greeting("").ToByteArray());

    /// <summary>The node's queue was made anew, and what was waiting there is lost.</summary>
    public Outgoing Renew()
    {
        _incarnation++;
        return Greet();
    }

    /// <summary>A message to a world came back: the world is no more, and neither is its run.</summary>
    public void Forget(string run)
    {
        _runs.Remove(run);
        Hold();
    }

    /// <summary>Messages that come back where a world is gone.</summary>
    public IEnumerable<Outgoing> Probes() => [.. _runs.Keys.Select(run => new Outgoing(run, About(run, e => e.Probe = new Probe()).ToByteArray()))];

    /// <summary>Handles a message.</summary>
    public IReadOnlyList<Outgoing> Handle(Envelope envelope)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        var run = envelope.Run;
        if (run.Length == 0)
        {
            _refusals.Add(Refusal.WrongRun);
            return [];
        }

        switch (envelope.BodyCase)
        {
            case Envelope.BodyOneofCase.Call:
                return [new Outgoing(run, Greeting(run).ToByteArray())];
            case Envelope.BodyOneofCase.OpenRun:
                return Open(run, envelope.OpenRun.Description);
            case Envelope.BodyOneofCase.Probe:
                return [];
            case Envelope.BodyOneofCase.CloseRun:
                Forget(run);
                return [];
            case Envelope.BodyOneofCase.ModelChunk or Envelope.BodyOneofCase.Observations:
                break;
            default:
                _refusals.Add(Refusal.Unexpected);
                return [];
        }

        if (!_runs.TryGetValue(run, out var part))
        {
            _refusals.Add(Refusal.WrongRun);
            // The world counts on this node, which has given the run up: something that it sent while the world's queue was made anew came back late. It says that it begins anew.
            _incarnation++;
            return [new Outgoing(run, Greeting(run).ToByteArray())];
        }

        return envelope.BodyCase == Envelope.BodyOneofCase.ModelChunk ? Take(run, part, envelope.ModelChunk) : Act(run, part, envelope.Observations);
    }

    private List<Outgoing> Act(string run, Participation part, Observations observations)
    {
        if (part.Run is null)
        {
            _refusals.Add(Refusal.WrongRun);
            return [];
        }

        var outgoing = new List<Outgoing>();
        var before = part.Run.Ticks;
        var (actions, replay) = part.Run.Handle(observations, _refusals);
        _ticks += part.Run.Ticks - before;
        if (actions is not null)
        {
            Answers += actions.Shards.Count;
            _actions += actions.Shards.Sum(s => (long)s.Agents.Count);
            outgoing.Add(new Outgoing(run, About(run, e => e.Actions = actions).ToByteArray()));
        }

        if (replay is not null)
        {
            Replays += replay.Shards.Count;
            outgoing.Add(new Outgoing(run, About(run, e => e.Replay = replay).ToByteArray()));
        }

        return outgoing;
    }

    private IReadOnlyList<Outgoing> Open(string run, string text)
    {
        if (_runs.TryGetValue(run, out var known) && known.Text == text && known.Run is not null)
        {
            // The world has lost sight of this node and found it again: the agents that live here are as good as ever.
            return [new Outgoing(run, About(run, e => e.Ready = new Ready()).ToByteArray())];
        }

        try
        {
            InvalidInputException.Require(known is not null || _runs.Count < MaxRuns, "node", "runs", $"at most {MaxRuns} at one time", _runs.Count + 1);
            var part = new Participation(text, RunDescription.Parse(text));
            foreach (var (hash, bytes) in part.Description.Models())
            {
                if (_models.Find(hash) is { } model)
                {
                    part.Models.Add(hash, model);
                }
                else
                {
                    part.Downloads.Enqueue(new ModelDownload(hash, bytes));
                }
            }

            _runs[run] = part;
            return Prepare(run, part);
        }
        catch (Exception e) when (IsInvalid(e))
        {
            return Decline(run, e);
        }
    }

    private IReadOnlyList<Outgoing> Take(string run, Participation part, ModelChunk chunk)
    {
        if (!part.Downloads.TryPeek(out var download) || !download.Append(chunk.Sha256, chunk.Offset, chunk.Content.Span))
        {
            _refusals.Add(Refusal.WrongModel);
            return [];
        }

        try
        {
            if (download.IsWhole)
            {
                part.Downloads.Dequeue();
                var model = download.Complete();
                _models.Add(model);
                part.Models.Add(model.Sha256, model);
                Fetched++;
                _fetchedBytes += download.Offset;
                _modelBytes[model.Sha256] = download.Offset;
            }

            return Prepare(run, part);
        }
        catch (Exception e) when (IsInvalid(e))
        {
            _refusals.Add(Refusal.WrongModel);
            return Decline(run, e);
        }
    }

    /// <summary>Asks for what is missing, or else is ready.</summary>
    private IReadOnlyList<Outgoing> Prepare(string run, Participation part)
    {
        if (part.Downloads.TryPeek(out var next))
        {
            return [new Outgoing(run, About(run, e => e.ModelRequest = new ModelRequest { Sha256 = next.Sha256, Offset = (uint)next.Offset }).ToByteArray())];
        }

        part.Run = new NodeRun(part.Description, hash => part.Models[hash], _threads);
        Hold();
        return [new Outgoing(run, About(run, e => e.Ready = new Ready()).ToByteArray())];
    }

    private Outgoing[] Decline(string run, Exception why)
    {
        Forget(run);
        return [new Outgoing(run, About(run, e => e.Declined = new Declined { Reason = WireLimits.Cut(why.Message) }).ToByteArray())];
    }

    /// <summary>Looks which models are here: those kept, and those of open runs.</summary>
    private void Hold()
    {
        _held = [.. _models.Kept.Union(_runs.Values.SelectMany(r => r.Models.Keys), StringComparer.Ordinal).Order(StringComparer.Ordinal).Select(m => new HeldModel(m, _modelBytes[m]))];
        foreach (var gone in _modelBytes.Keys.Except(_held.Select(m => m.Sha256), StringComparer.Ordinal).ToArray())
        {
            _modelBytes.Remove(gone);
        }
    }

    private static bool IsInvalid(Exception e) => e is InvalidInputException or InvalidDataException or ArgumentException or OverflowException;

    private Envelope Greeting(string run) => About(run, e => e.Greeting = new Greeting { Incarnation = _incarnation });

    private Envelope About(string run, Action<Envelope> fill)
    {
        var envelope = new Envelope { Version = WireLimits.Version, Run = run, Node = _node };
        fill(envelope);
        return envelope;
    }

    /// <summary>This node's part in a run.</summary>
    private sealed class Participation(string text, RunDescription description)
    {
        public string Text => text;

        public RunDescription Description => description;

        public Dictionary<string, Model> Models { get; } = new(StringComparer.Ordinal);

        public Queue<ModelDownload> Downloads { get; } = [];

        /// <summary>The agents, once all models are here.</summary>
        public NodeRun? Run { get; set; }
    }
}
