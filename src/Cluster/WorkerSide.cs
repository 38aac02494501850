using Google.Protobuf;
using MimicD.Agents;
using MimicD.Cluster.Wire;
using MimicD.Contracts;

namespace MimicD.Cluster;

/// <summary>What a node is to do for a sweep.</summary>
public abstract record WorkerStep
{
    private WorkerStep()
    {
    }

    /// <summary>Send a message to a sweep, or to all.</summary>
    public sealed record Send(Outgoing Message) : WorkerStep;

    /// <summary>Take blocks from a sweep's queue.</summary>
    public sealed record Join(string Sweep) : WorkerStep;

    /// <summary>Take no more, and give up what is being computed.</summary>
    public sealed record Leave(string Sweep) : WorkerStep;

    /// <summary>Compute a block; its models are there.</summary>
    public sealed record Begin(string Sweep, uint Block, string Description, IReadOnlyDictionary<string, Model> Models) : WorkerStep;

    /// <summary>Answer that a block cannot be computed.</summary>
    public sealed record Decline(string Sweep, uint Block, string Reason) : WorkerStep;
}

/// <summary>
/// What a node does with what sweeps send it: takes part in them, takes blocks from their queues, and fetches the models that it does not have. Pure: it is handed messages and says what to do; nothing here
/// computes, or knows of a broker. Not thread-safe.
/// </summary>
public sealed class WorkerSide
{
    /// <summary>Sweeps that a node takes part in at one time.</summary>
    public const int MaxSweeps = 64;

    private const int KeptModels = 8;

    private readonly string _node;
    private readonly int _blocks;
    private readonly Refusals _refusals;
    private readonly ModelStore _models = new(KeptModels);
    private readonly Dictionary<string, Participation> _sweeps = new(StringComparer.Ordinal);
    private uint _incarnation = 1;
    private int _sending;

    /// <summary>Makes a node that takes part in nothing yet.</summary>
    /// <param name="node">Its name.</param>
    /// <param name="blocks">Blocks that it computes at one time; at least 1.</param>
    /// <param name="refusals">Told what is refused.</param>
    public WorkerSide(string node, int blocks, Refusals refusals)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(blocks, 1);
        (_node, _blocks, _refusals) = (node, Math.Min(blocks, WireLimits.Blocks), refusals);
    }

    /// <summary>Blocks begun.</summary>
    public long Begun { get; private set; }

    /// <summary>Models fetched.</summary>
    public long Fetched { get; private set; }

    /// <summary>What it says to all sweeps when it comes.</summary>
    public Outgoing Greet() => new(null, Greeting("").ToByteArray());

    /// <summary>The node's queue was made anew, and what was waiting there is lost.</summary>
    public Outgoing Renew()
    {
        _incarnation++;
        return Greet();
    }

    /// <summary>Messages that come back where a sweep is gone.</summary>
    public IEnumerable<Outgoing> Probes() => [.. _sweeps.Keys.Select(sweep => new Outgoing(sweep, About(sweep, e => e.Probe = new Probe()).ToByteArray()))];

    /// <summary>A sweep is no more: a message to it came back.</summary>
    public IReadOnlyList<WorkerStep> Forget(string sweep) => _sweeps.Remove(sweep) ? [new WorkerStep.Leave(sweep)] : [];

    /// <summary>A block has been answered, or its sweep waits for it no more.</summary>
    public void Finish(string sweep, uint block) => _sweeps.GetValueOrDefault(sweep)?.Blocks.Remove(block);

    /// <summary>That a block is being computed, as a message. It goes the way that the answer goes, so as not to come after it. Thread-safe.</summary>
    public byte[] Beginning(string sweep, uint block) => About(sweep, e => e.SweepBegun = new SweepBegun { Block = block }).ToByteArray();

    /// <summary>What comes out of a block, as messages in order. Thread-safe.</summary>
    public IReadOnlyList<byte[]> Answer(string sweep, uint block, ReadOnlyMemory<byte> content)
    {
        var sending = (uint)Interlocked.Increment(ref _sending);
        var parts = new List<byte[]>();
        for (var offset = 0; offset < content.Length; offset += WireLimits.PartBytes)
        {
            var part = content.Slice(offset, Math.Min(WireLimits.PartBytes, content.Length - offset));
            parts.Add(About(sweep, e => e.SweepPart = new SweepPart { Block = block, Sending = sending, Offset = (uint)offset, Size = (uint)content.Length, Content = UnsafeByteOperations.UnsafeWrap(part) }).ToByteArray());
        }

        return parts;
    }

    /// <summary>That a block cannot be computed, as a message. Thread-safe.</summary>
    public byte[] Declined(string sweep, uint block, string reason) => About(sweep, e => e.SweepDeclined = new SweepDeclined { Block = block, Reason = WireLimits.Cut(reason) }).ToByteArray();

    /// <summary>Handles a message that came to the node's own queue.</summary>
    public IReadOnlyList<WorkerStep> Handle(Envelope envelope)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        var sweep = envelope.Run;
        if (sweep.Length == 0)
        {
            return Refuse(Refusal.WrongRun);
        }

        switch (envelope.BodyCase)
        {
            case Envelope.BodyOneofCase.Call:
                return [Say(sweep, Greeting(sweep))];
            case Envelope.BodyOneofCase.OpenSweep:
                return Open(sweep);
            case Envelope.BodyOneofCase.Probe:
                return [];
            case Envelope.BodyOneofCase.CloseSweep:
                return Forget(sweep);
            case Envelope.BodyOneofCase.ModelChunk:
                return _sweeps.TryGetValue(sweep, out var part) ? Take(sweep, part, envelope.ModelChunk) : Refuse(Refusal.WrongRun);
            default:
                return Refuse(Refusal.Unexpected);
        }
    }

    /// <summary>Handles a message that came from a sweep's queue.</summary>
    /// <param name="sweep">Whose queue.</param>
    /// <param name="envelope">The message.</param>
    /// <returns>What is to be done, or null where it is no block and was refused. A block that is here already is not computed twice.</returns>
    public IReadOnlyList<WorkerStep>? Deliver(string sweep, Envelope envelope)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        if (envelope.BodyCase != Envelope.BodyOneofCase.SweepBlock || envelope.Run != sweep)
        {
            _refusals.Add(envelope.Run != sweep ? Refusal.WrongRun : Refusal.Unexpected);
            return null;
        }

        if (!_sweeps.TryGetValue(sweep, out var part))
        {
            // It was left meanwhile; the broker gives the block to another.
            return [];
        }

        var (number, block) = (envelope.SweepBlock.Block, new Block(envelope.SweepBlock.Description));
        if (!part.Blocks.TryAdd(number, block))
        {
            return [];
        }

        var fetching = part.Downloads.Count > 0;
        foreach (var model in envelope.SweepBlock.Models)
        {
            block.Models[model.Sha256] = _models.Find(model.Sha256);
            if (block.Models[model.Sha256] is null && part.Downloads.All(d => d.Sha256 != model.Sha256))
            {
                part.Downloads.Enqueue(new ModelDownload(model.Sha256, (int)model.Bytes));
            }
        }

        // One model after another: while one is coming, the next is not asked for.
        return [.. Begin(sweep, part), .. fetching ? [] : Request(sweep, part)];
    }

    private WorkerStep[] Open(string sweep)
    {
        if (_sweeps.TryGetValue(sweep, out var part))
        {
            // The sweep has lost sight of this node and found it again; what was asked for may be lost.
            return [Joined(), .. Request(sweep, part)];
        }

        if (_sweeps.Count >= MaxSweeps)
        {
            return Refuse(Refusal.OverLimit);
        }

        _sweeps.Add(sweep, new Participation());
        return [Joined(), new WorkerStep.Join(sweep)];

        WorkerStep Joined() => Say(sweep, About(sweep, e => e.SweepJoined = new SweepJoined { Blocks = (uint)_blocks }));
    }

    private WorkerStep[] Take(string sweep, Participation part, ModelChunk chunk)
    {
        if (!part.Downloads.TryPeek(out var download) || download.Sha256 != chunk.Sha256)
        {
            return Refuse(Refusal.WrongModel);
        }

        try
        {
            InvalidInputException.Require(!chunk.Content.IsEmpty, $"model {chunk.Sha256}", "", "its file, which the sweep cannot read any more", null);
            if (!download.Append(chunk.Sha256, chunk.Offset, chunk.Content.Span))
            {
                return Refuse(Refusal.WrongModel);
            }

            if (!download.IsWhole)
            {
                return Request(sweep, part);
            }

            part.Downloads.Dequeue();
            var model = download.Complete();
            _models.Add(model);
            Fetched++;
            foreach (var block in part.Blocks.Values.Where(b => b.Models.ContainsKey(model.Sha256)))
            {
                block.Models[model.Sha256] = model;
            }

            return [.. Begin(sweep, part), .. Request(sweep, part)];
        }
        catch (Exception e) when (e is InvalidInputException or InvalidDataException or ArgumentException or OverflowException)
        {
            _refusals.Add(Refusal.WrongModel);
            if (part.Downloads.TryPeek(out var failed) && failed == download)
            {
                part.Downloads.Dequeue();
            }

            uint[] without = [.. part.Blocks.Where(b => !b.Value.Begun && b.Value.Models.ContainsKey(download.Sha256)).Select(b => b.Key)];
            foreach (var number in without)
            {
                // Answered for good, though its answer is yet to be sent.
                part.Blocks[number].Begun = true;
            }

            return [.. without.Select(number => new WorkerStep.Decline(sweep, number, e.Message)), .. Request(sweep, part)];
        }
    }

    /// <summary>Begins what has all its models.</summary>
    private List<WorkerStep> Begin(string sweep, Participation part)
    {
        var steps = new List<WorkerStep>();
        foreach (var (number, block) in part.Blocks)
        {
            if (!block.Begun && block.Models.Values.All(m => m is not null))
            {
                block.Begun = true;
                Begun++;
                steps.Add(new WorkerStep.Begin(sweep, number, block.Description, block.Models.ToDictionary(m => m.Key, m => m.Value!, StringComparer.Ordinal)));
            }
        }

        return steps;
    }

    /// <summary>Asks for what is missing, from where it ends.</summary>
    private WorkerStep[] Request(string sweep, Participation part)
        => part.Downloads.TryPeek(out var next) ? [Say(sweep, About(sweep, e => e.ModelRequest = new ModelRequest { Sha256 = next.Sha256, Offset = (uint)next.Offset }))] : [];

    private Envelope Greeting(string sweep) => About(sweep, e => e.Greeting = new Greeting { Incarnation = _incarnation });

    private static WorkerStep.Send Say(string sweep, Envelope envelope) => new(new Outgoing(sweep, envelope.ToByteArray()));

    private Envelope About(string sweep, Action<Envelope> fill)
    {
        var envelope = new Envelope { Version = WireLimits.Version, Run = sweep, Node = _node };
        fill(envelope);
        return envelope;
    }

    private WorkerStep[] Refuse(Refusal reason)
    {
        _refusals.Add(reason);
        return [];
    }

    /// <summary>This node's part in a sweep.</summary>
    private sealed class Participation
    {
        /// <summary>Blocks that were taken and are not answered.</summary>
        public SortedDictionary<uint, Block> Blocks { get; } = [];

        public Queue<ModelDownload> Downloads { get; } = [];
    }

    private sealed class Block(string description)
    {
        public string Description => description;

        /// <summary>Its models by their hashes; null where one is yet to come.</summary>
        public Dictionary<string, Model?> Models { get; } = new(StringComparer.Ordinal);

        public bool Begun { get; set; }
    }
}
