using System.Buffers;
using Google.Protobuf;
using MimicD.Cluster.Wire;
using MimicD.Contracts;

namespace MimicD.Cluster;

/// <summary>What happened on the nodes of a sweep.</summary>
/// <param name="Nodes">Nodes that took blocks at any time.</param>
/// <param name="Blocks">Blocks whose results came.</param>
/// <param name="Again">Times that a block was begun once more, because who had it was not heard of, or was not understood.</param>
/// <param name="Refusals">Messages refused, by reason.</param>
public sealed record SweepReport(int Nodes, long Blocks, long Again, IReadOnlyDictionary<Refusal, long> Refusals);

/// <summary>What a message amounted to for a block.</summary>
/// <param name="Block">The block.</param>
/// <param name="Node">Who said so.</param>
/// <param name="Content">What came out of it, to be read and then settled; null where it failed.</param>
/// <param name="Failure">Why it failed, or null.</param>
public sealed record BlockEvent(uint Block, string Node, ReadOnlyMemory<byte>? Content, string? Failure);

/// <summary>
/// The sweeping side of a sweep that is spread over nodes: which blocks wait or are being computed, and by whom; which answers count. Pure: it is handed messages and says what to send; that a block whose node
/// dies is given to another is the broker's, which holds it until it is acknowledged. Not thread-safe.
/// </summary>
/// <remarks>
/// A block may be computed twice, when its node stood still or the broker was lost, with the same result; the first one counts, once. A late one counts as well, if it is the first: unlike an action in a run, it
/// is not too late for anything.
/// </remarks>
public sealed class SweepSide
{
    /// <summary>Times that a block may be begun: one that ends every node that computes it is not to end them all.</summary>
    public const int MaxBeginnings = 8;

    private readonly string _sweep;
    private readonly TimeSpan _patience;
    private readonly Func<string, long, int, ReadOnlyMemory<byte>> _read;
    private readonly Refusals _refusals;
    private readonly Dictionary<uint, Block> _blocks = [];
    private readonly Dictionary<string, (uint Incarnation, int Blocks)> _nodes = new(StringComparer.Ordinal);
    private readonly HashSet<string> _everHeard = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _models = new(StringComparer.Ordinal);
    private TimeSpan? _aloneSince;
    private uint _next;
    private long _done;
    private long _again;

    /// <summary>Makes a sweep without blocks.</summary>
    /// <param name="sweep">Its name on the broker, like no other's (<see cref="WireLimits.IsName"/>).</param>
    /// <param name="patience">How long blocks may wait while there is no node.</param>
    /// <param name="read">Reads a model's file: path, offset, bytes at most.</param>
    /// <param name="refusals">Told what is refused.</param>
    public SweepSide(string sweep, TimeSpan patience, Func<string, long, int, ReadOnlyMemory<byte>> read, Refusals refusals)
        => (_sweep, _patience, _read, _refusals) = (sweep, patience, read, refusals);

    /// <summary>Nodes that take blocks now.</summary>
    public int Nodes => _nodes.Values.Count(n => n.Blocks > 0);

    /// <summary>Blocks that they compute at one time.</summary>
    public int Capacity => _nodes.Values.Sum(n => n.Blocks);

    /// <summary>Blocks that are not done.</summary>
    public int Open => _blocks.Count;

    /// <summary>The counts so far.</summary>
    public SweepReport Report => new(_everHeard.Count, _done, _again, _refusals.Counts);

    /// <summary>Who began a block last, or null where nobody has, or it is done.</summary>
    public string? Holder(uint block) => _blocks.GetValueOrDefault(block)?.Holder;

    /// <summary>What it says to all nodes when it comes, and when the broker is back.</summary>
    public Outgoing Call() => new(null, About(e => e.Call = new Call()).ToByteArray());

    /// <summary>Takes in a block.</summary>
    /// <param name="description">The block.</param>
    /// <param name="models">Files of its models by their hashes.</param>
    /// <returns>Its number, and what is to be put into the sweep's queue.</returns>
    /// <exception cref="InvalidInputException">It is too large to be sent.</exception>
    public (uint Block, byte[] Message) Add(string description, IReadOnlyDictionary<string, string> models)
    {
        ArgumentNullException.ThrowIfNull(models);
        var block = new SweepBlock { Block = _next, Description = description };
        foreach (var (hash, path) in models)
        {
            var bytes = new FileInfo(path).Length;
            InvalidInputException.Require(bytes <= WireLimits.ModelBytes, path, "", $"at most {WireLimits.ModelBytes} bytes, to be sent to nodes", bytes);
            block.Models.Add(new SweepModel { Sha256 = hash, Bytes = (uint)bytes });
            _models[hash] = path;
        }

        var message = About(e => e.SweepBlock = block).ToByteArray();
        InvalidInputException.Require(message.Length <= WireLimits.MessageBytes, "block", "", $"at most {WireLimits.MessageBytes} bytes, to be sent to a node", message.Length);
        _blocks.Add(_next, new Block(message));
        return (_next++, message);
    }

    /// <summary>Nobody waits for a block any more.</summary>
    public void Drop(uint block) => _blocks.Remove(block);

    /// <summary>What must be in the sweep's queue when that has been made anew.</summary>
    public IReadOnlyList<byte[]> Undone() => [.. _blocks.OrderBy(b => b.Key).Select(b => b.Value.Message)];

    /// <summary>What came out of a block could be read: it counts.</summary>
    public void Settle(uint block)
    {
        if (_blocks.Remove(block))
        {
            _done++;
        }
    }

    /// <summary>What came out of a block could not be read: it is refused.</summary>
    /// <returns>What is to be put into the sweep's queue again, or null where the block was done meanwhile.</returns>
    public byte[]? Repeat(uint block)
    {
        _refusals.Add(Refusal.Malformed);
        return _blocks.GetValueOrDefault(block)?.Message;
    }

    /// <summary>A node is gone: its queue is not there.</summary>
    public void Lose(string node) => _nodes.Remove(node);

    /// <summary>The broker is gone, and all queues with it.</summary>
    public void LoseAll() => _nodes.Clear();

    /// <summary>Looks after nodes and deadlines; call it several times in each.</summary>
    /// <param name="now">The time.</param>
    /// <param name="failure">Why the sweep cannot go on, or null.</param>
    public IReadOnlyList<Outgoing> Poll(TimeSpan now, out string? failure)
    {
        _aloneSince = Open == 0 || Nodes > 0 ? null : _aloneSince ?? now;
        failure = now - _aloneSince > _patience ? $"no node is left, and none came within {_patience.TotalSeconds:0.#} s" : null;

        // A probe to a queue that is no more comes back, and tells that its node is dead.
        return [.. _nodes.Keys.Select(node => new Outgoing(node, About(e => e.Probe = new Probe()).ToByteArray()))];
    }

    /// <summary>Says to all nodes that the sweep is over.</summary>
    public IReadOnlyList<Outgoing> Close() => [.. _nodes.Keys.Select(node => new Outgoing(node, About(e => e.CloseSweep = new CloseSweep()).ToByteArray()))];

    /// <summary>Handles a message.</summary>
    /// <param name="envelope">The message.</param>
    /// <param name="happened">What it amounted to for a block, or null.</param>
    public IReadOnlyList<Outgoing> Handle(Envelope envelope, out BlockEvent? happened)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        happened = null;
        var node = envelope.Node;
        if (node.Length == 0)
        {
            return Refuse(Refusal.WrongNode);
        }

        if (envelope.BodyCase == Envelope.BodyOneofCase.Greeting)
        {
            return envelope.Run.Length > 0 && envelope.Run != _sweep ? Refuse(Refusal.WrongRun) : Greet(node, envelope.Greeting.Incarnation);
        }

        if (envelope.Run != _sweep)
        {
            return Refuse(Refusal.WrongRun);
        }

        switch (envelope.BodyCase)
        {
            case Envelope.BodyOneofCase.SweepJoined when _nodes.TryGetValue(node, out var known):
                _nodes[node] = known with { Blocks = (int)envelope.SweepJoined.Blocks };
                _everHeard.Add(node);
                return [];
            case Envelope.BodyOneofCase.ModelRequest when _nodes.ContainsKey(node):
                return Send(node, envelope.ModelRequest);
            case Envelope.BodyOneofCase.Probe:
                return [];
            case Envelope.BodyOneofCase.SweepBegun or Envelope.BodyOneofCase.SweepPart or Envelope.BodyOneofCase.SweepDeclined:
                // From whoever has it: a node may be at work, by the queue, before the broker that was lost has brought word that it joined.
                _everHeard.Add(node);
                happened = Hear(node, envelope);
                return [];
            case Envelope.BodyOneofCase.SweepJoined or Envelope.BodyOneofCase.ModelRequest:
                return Refuse(Refusal.WrongNode);
            default:
                return Refuse(Refusal.Unexpected);
        }
    }

    private List<Outgoing> Greet(string node, uint incarnation)
    {
        if (_nodes.TryGetValue(node, out var known) && known.Incarnation == incarnation)
        {
            // It has been greeted: a node that comes while a sweep calls is heard twice.
            return [];
        }

        _nodes[node] = (incarnation, 0);
        return [new Outgoing(node, About(e => e.OpenSweep = new OpenSweep()).ToByteArray())];
    }

    private List<Outgoing> Send(string node, ModelRequest request)
    {
        if (!_models.TryGetValue(request.Sha256, out var path))
        {
            return Refuse(Refusal.WrongModel);
        }

        ReadOnlyMemory<byte> content;
        try
        {
            content = _read(path, request.Offset, WireLimits.ChunkBytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Without content: there is none, and the node says so of the block.
            content = default;
        }

        return [new Outgoing(node, About(e => e.ModelChunk = new ModelChunk { Sha256 = request.Sha256, Offset = request.Offset, Content = UnsafeByteOperations.UnsafeWrap(content) }).ToByteArray())];
    }

    private BlockEvent? Hear(string node, Envelope envelope)
    {
        var number = envelope.BodyCase switch
        {
            Envelope.BodyOneofCase.SweepBegun => envelope.SweepBegun.Block,
            Envelope.BodyOneofCase.SweepPart => envelope.SweepPart.Block,
            _ => envelope.SweepDeclined.Block,
        };
        if (number >= _next)
        {
            _refusals.Add(Refusal.OutOfRange);
            return null;
        }

        if (!_blocks.TryGetValue(number, out var block))
        {
            _refusals.Add(Refusal.Duplicate);
            return null;
        }

        switch (envelope.BodyCase)
        {
            case Envelope.BodyOneofCase.SweepBegun:
                block.Holder = node;
                _again += block.Beginnings > 0 ? 1 : 0;
                return ++block.Beginnings <= MaxBeginnings ? null : Failed($"begun {block.Beginnings} times without a result, last by node {node}");
            case Envelope.BodyOneofCase.SweepDeclined:
                return Failed($"node {node}: {envelope.SweepDeclined.Reason}");
            default:
                return block.Append(node, envelope.SweepPart) switch
                {
                    null => Refused(),
                    { IsWhole: true } whole => new BlockEvent(number, node, whole.Content, null),
                    _ => null,
                };
        }

        BlockEvent Failed(string why)
        {
            _blocks.Remove(number);
            return new BlockEvent(number, node, null, why);
        }

        BlockEvent? Refused()
        {
            _refusals.Add(Refusal.OutOfRange);
            return null;
        }
    }

    private Envelope About(Action<Envelope> fill)
    {
        var envelope = new Envelope { Version = WireLimits.Version, Run = _sweep };
        fill(envelope);
        return envelope;
    }

    private List<Outgoing> Refuse(Refusal reason)
    {
        _refusals.Add(reason);
        return [];
    }

    /// <summary>A block that is not done.</summary>
    private sealed class Block(byte[] message)
    {
        private readonly Dictionary<string, Arrival> _arriving = new(StringComparer.Ordinal);

        public byte[] Message => message;

        public string? Holder { get; set; }

        public int Beginnings { get; set; }

        /// <summary>Takes a part; null where it is not the next one.</summary>
        public Arrival? Append(string node, SweepPart part)
        {
            if (part.Offset == 0)
            {
                // A node sends again from the start when it was interrupted.
                _arriving[node] = new Arrival(part.Sending, part.Size);
            }

            return _arriving.TryGetValue(node, out var arrival) && arrival.Append(part) ? arrival : null;
        }
    }

    /// <summary>A result on its way. Room is taken as bytes come, whatever size was announced.</summary>
    private sealed class Arrival(uint sending, uint size)
    {
        private readonly ArrayBufferWriter<byte> _bytes = new();

        public bool IsWhole => _bytes.WrittenCount == size;

        public ReadOnlyMemory<byte> Content => _bytes.WrittenMemory;

        public bool Append(SweepPart part)
        {
            if (part.Sending != sending || part.Size != size || part.Offset != _bytes.WrittenCount)
            {
                return false;
            }

            _bytes.Write(part.Content.Span);
            return true;
        }
    }
}
