using System.Text;
using MimicD.Cluster;
using MimicD.Numerics;

namespace MimicD.ClusterTests;

/// <summary>
/// A sweep, its nodes, and a broker that exists in this thread alone: a seeded random number decides which message arrives next, which node the next block is given to, and which block is done next, so any order
/// and any fault can happen, and happens again with the same seed. What comes out of a block is its description and its models.
/// </summary>
internal sealed class SimulatedSweep
{
    private const int BlocksAtOnce = 2;

    private readonly ulong _seed;
    private readonly SortedDictionary<string, Node> _nodes = new(StringComparer.Ordinal);
    private readonly List<(string? To, byte[] Bytes)> _underWay = [];
    private readonly List<byte[]> _queue = [];
    private CounterRandom _random;
    private int _born;

    public SimulatedSweep(ulong seed)
    {
        (_seed, _random) = (seed, new CounterRandom(seed, RandomPurpose.Resampling, 1));
        Side = new SweepSide("sweep", TimeSpan.FromDays(1), Read, SweepRefusals);
        Publish([Side.Call()]);
    }

    public SweepSide Side { get; }

    public Refusals SweepRefusals { get; } = new();

    public Refusals NodeRefusals { get; } = new();

    public ref CounterRandom Random => ref _random;

    /// <summary>Chance that a message arrives twice.</summary>
    public double Duplicates { get; init; }

    /// <summary>What else happens before each step.</summary>
    public Action<SimulatedSweep>? Mischief { get; init; }

    /// <summary>Changes what a node makes of a block.</summary>
    public Func<string, uint, byte[], byte[]> Compute { get; init; } = (_, _, content) => content;

    /// <summary>Whether blocks that were begun are done one day. Default: true.</summary>
    public bool Computes { get; set; } = true;

    /// <summary>What came out of each block, and how often that counted.</summary>
    public Dictionary<uint, (string Content, int Times)> Results { get; } = [];

    public Dictionary<uint, string> Failures { get; } = [];

    public IReadOnlyList<string> Alive => [.. _nodes.Where(n => !n.Value.Cut).Select(n => n.Key)];

    public IReadOnlyList<string> Cut => [.. _nodes.Where(n => n.Value.Cut).Select(n => n.Key)];

    public WorkerSide Worker(string node) => _nodes[node].Side;

    public uint Add(string description, IReadOnlyDictionary<string, string> models)
    {
        var (block, message) = Side.Add(description, models);
        _queue.Add(message);
        return block;
    }

    public string Join()
    {
        var name = $"node-{_born++}";
        var node = new Node(new WorkerSide(name, BlocksAtOnce, NodeRefusals));
        _nodes.Add(name, node);
        _underWay.Add(("", node.Side.Greet().Bytes));
        return name;
    }

    /// <summary>A node dies, with what it has; the broker gives its blocks to others.</summary>
    public void Kill(string node)
    {
        _queue.InsertRange(0, _nodes[node].Held.Values);
        _nodes.Remove(node);
        _underWay.RemoveAll(m => m.To == node);
        Side.Lose(node);
    }

    /// <summary>A node stands still until the broker gives it up; it knows nothing of that, and computes what it has when it goes on.</summary>
    public void CutOff(string node)
    {
        var state = _nodes[node];
        _queue.InsertRange(0, state.Held.Values);
        state.Held.Clear();
        state.Cut = true;
        _underWay.RemoveAll(m => m.To == node);
        Side.Lose(node);
    }

    /// <summary>It goes on.</summary>
    public void GoOn(string node)
    {
        _nodes[node].Cut = false;
        _underWay.Add(("", _nodes[node].Side.Renew().Bytes));
    }

    /// <summary>The broker is lost, with all that is under way; then it is back.</summary>
    public void RestartBroker()
    {
        _underWay.Clear();
        _queue.Clear();
        Side.LoseAll();
        foreach (var node in _nodes.Values)
        {
            node.Held.Clear();
            _underWay.Add(("", node.Side.Renew().Bytes));
        }

        _queue.AddRange(Side.Undone());
        Publish([Side.Call()]);
    }

    /// <summary>A message to the sweep.</summary>
    public void Inject(byte[] bytes) => Arrive("", bytes);

    /// <summary>Goes on until all blocks are done, or have failed.</summary>
    public void Run() => Run(() => Side.Open == 0);

    public void Run(Func<bool> done)
    {
        for (var steps = 0; !done(); steps++)
        {
            Assert.True(steps < 200_000, $"seed {_seed}: not done after {steps} steps; {Side.Open} blocks open, {_queue.Count} in the queue");
            Mischief?.Invoke(this);
            var arrivals = _underWay.Count;
            Node[] takers = [.. _queue.Count == 0 ? [] : _nodes.Values.Where(n => n is { Joined: true, Cut: false } && n.Held.Count < BlocksAtOnce)];
            (Node Node, WorkerStep.Begin Block)[] computing = [.. _nodes.Values.Where(n => Computes && !n.Cut).SelectMany(n => n.Running.Select(b => (n, b)))];
            var choices = arrivals + takers.Length + computing.Length;
            Assert.True(choices > 0, $"seed {_seed}: nothing can happen any more; {Side.Open} blocks open, {_queue.Count} in the queue");
            var at = _random.NextInt32(choices);
            if (at < arrivals)
            {
                Take(at);
            }
            else if (at < arrivals + takers.Length)
            {
                Give(takers[at - arrivals]);
            }
            else
            {
                var (node, block) = computing[at - arrivals - takers.Length];
                Finish(node, block);
            }
        }
    }

    private static ReadOnlyMemory<byte> Read(string path, long offset, int bytes) => File.ReadAllBytes(path).AsMemory((int)offset)[..Math.Min(bytes, (int)(new FileInfo(path).Length - offset))];

    /// <summary>One message arrives; now and then it stays under way as well. Between two peers messages do not overtake each other.</summary>
    private void Take(int at)
    {
        var (to, bytes) = _underWay[at];
        var from = Sender(bytes);
        at = _underWay.FindIndex(m => m.To == to && Sender(m.Bytes) == from);
        (to, bytes) = _underWay[at];
        if (_random.NextDouble() >= Duplicates)
        {
            _underWay.RemoveAt(at);
        }

        Arrive(to!, bytes);
    }

    private static string Sender(byte[] bytes) => WireDecoder.Decode(bytes, out _)!.Node;

    private void Arrive(string to, byte[] bytes)
    {
        var refusals = to.Length == 0 ? SweepRefusals : NodeRefusals;
        if (WireDecoder.Decode(bytes, out var reason) is not { } envelope)
        {
            refusals.Add(reason);
        }
        else if (to.Length > 0)
        {
            Do(_nodes[to], _nodes[to].Side.Handle(envelope));
        }
        else
        {
            Publish(Side.Handle(envelope, out var happened));
            if (happened is { Content: { } content })
            {
                var text = Encoding.UTF8.GetString(content.Span);
                if (text.Contains('?', StringComparison.Ordinal))
                {
                    _queue.Add(Side.Repeat(happened.Block)!);
                    return;
                }

                Side.Settle(happened.Block);
                Results[happened.Block] = (text, Results.GetValueOrDefault(happened.Block).Times + 1);
            }
            else if (happened is { Failure: { } failure })
            {
                Failures.Add(happened.Block, failure);
            }
        }
    }

    /// <summary>The broker gives the first block in the queue to a node.</summary>
    private void Give(Node node)
    {
        var message = _queue[0];
        _queue.RemoveAt(0);
        var envelope = WireDecoder.Decode(message, out _)!;
        node.Held[envelope.SweepBlock.Block] = message;
        Do(node, node.Side.Deliver("sweep", envelope)!);
    }

    private void Finish(Node node, WorkerStep.Begin block)
    {
        node.Running.Remove(block);
        var content = Encoding.UTF8.GetBytes(Content(block.Description, block.Models.Keys));
        Answer(node, block.Block, node.Side.Answer("sweep", block.Block, Compute(node.Name, block.Block, content)));
    }

    public static string Content(string description, IEnumerable<string> models) => $"{description} {string.Join(' ', models)}";

    private void Answer(Node node, uint block, IReadOnlyList<byte[]> messages)
    {
        _underWay.AddRange(messages.Select(m => ((string?)"", m)));
        node.Side.Finish("sweep", block);
        node.Held.Remove(block);
    }

    private void Do(Node node, IReadOnlyList<WorkerStep> steps)
    {
        foreach (var step in steps)
        {
            switch (step)
            {
                case WorkerStep.Send send:
                    _underWay.Add(("", send.Message.Bytes));
                    break;
                case WorkerStep.Join:
                    node.Joined = true;
                    break;
                case WorkerStep.Begin begin:
                    node.Running.Add(begin);
                    _underWay.Add(("", node.Side.Beginning("sweep", begin.Block)));
                    break;
                case WorkerStep.Decline decline:
                    Answer(node, decline.Block, [node.Side.Declined("sweep", decline.Block, decline.Reason)]);
                    break;
                default:
                    throw new InvalidOperationException($"unexpected {step}");
            }
        }
    }

    private void Publish(IReadOnlyList<Outgoing> messages)
    {
        foreach (var message in messages)
        {
            if (message.To is null)
            {
                _underWay.AddRange(_nodes.Where(n => !n.Value.Cut).Select(n => ((string?)n.Key, message.Bytes)));
            }
            else if (_nodes.TryGetValue(message.To, out var node) && !node.Cut)
            {
                _underWay.Add((message.To, message.Bytes));
            }
            else
            {
                Side.Lose(message.To);
            }
        }
    }

    private sealed class Node(WorkerSide side)
    {
        public WorkerSide Side => side;

        public string Name { get; } = WireDecoder.Decode(side.Greet().Bytes, out _)!.Node;

        public bool Joined { get; set; }

        public bool Cut { get; set; }

        public Dictionary<uint, byte[]> Held { get; } = [];

        public List<WorkerStep.Begin> Running { get; } = [];
    }
}
