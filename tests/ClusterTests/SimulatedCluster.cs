using MimicD.Agents;
using MimicD.Cluster;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.ClusterTests;

/// <summary>
/// Worlds and nodes on a network that exists in this thread alone: messages are under way until a seeded random number lets one arrive, so any order, any delay and any fault can happen, and happens again
/// with the same seed. Time passes only when nothing is under way.
/// </summary>
internal sealed class SimulatedCluster(IReadOnlyList<PolicySource?> sources, ulong seed) : IAgentHost
{
    // A run of bad luck is not to end a run: nodes that all stand still may do so for long.
    private static readonly WorldPatience Patience = new(TimeSpan.FromSeconds(10), TimeSpan.FromDays(1));

    private readonly SortedDictionary<string, Node> _nodes = new(StringComparer.Ordinal);
    private readonly List<(string? To, byte[] Bytes)> _underWay = [];
    private CounterRandom _random = new(seed, RandomPurpose.Resampling, 1);
    private WorldSide? _world;
    private TimeSpan _now;
    private int _born;

    /// <summary>Nodes at the start.</summary>
    public int StartNodes { get; init; } = 1;

    /// <summary>Shards.</summary>
    public int Shards { get; init; } = 8;

    /// <summary>Chance that a message arrives twice.</summary>
    public double Duplicates { get; init; }

    /// <summary>Whether messages overtake each other.</summary>
    public bool Reorder { get; init; }

    /// <summary>What else happens before a message arrives.</summary>
    public Action<SimulatedCluster>? Mischief { get; init; }

    public Refusals WorldRefusals { get; } = new();

    public Refusals NodeRefusals { get; } = new();

    public ref CounterRandom Random => ref _random;

    public IReadOnlyCollection<string> Nodes => _nodes.Keys;

    /// <summary>Whether the first tick is open.</summary>
    public bool IsRunning { get; private set; }

    public WorldSide World => _world!;

    public AgentHostReport Report => _world!.AgentReport;

    public ValueTask OpenAsync(RunSpec run, IActionSink world, CancellationToken cancellationToken)
    {
        var (description, models) = RunDescription.Of(run, Shards, sources);
        int[] histories = [.. sources.Select(s => s is null ? 1 : s.Model?.Spec.Sensor.History ?? s.Script!.Create().History)];
        _world = new WorldSide("run", description, models, histories, world, Patience, WorldRefusals);
        for (var i = 0; i < StartNodes; i++)
        {
            Join();
        }

        Send([_world.Call()]);
        Run(() => _world.ReadyNodes >= StartNodes);
        return ValueTask.CompletedTask;
    }

    public void Deliver(in Observation observation) => _world!.Deliver(observation);

    public void EndTick(Tick tick)
    {
        IsRunning = true;
        Send(_world!.EndTick(tick, _now));
        Run(() => _world.IsClosed);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>A node comes.</summary>
    public void Join()
    {
        var name = $"node-{_born++}";
        var side = new NodeSide(name, 1, NodeRefusals);
        _nodes.Add(name, new Node(side));
        _underWay.Add(("", side.Greet().Bytes));
    }

    /// <summary>A node dies, with what it has and with what is under way to it; what it has sent still arrives.</summary>
    public void Kill(string node)
    {
        _nodes.Remove(node);
        _underWay.RemoveAll(m => m.To == node);
    }

    /// <summary>A node stands still; what is sent to it waits.</summary>
    public void Freeze(string node, bool frozen = true) => _nodes[node].Frozen = frozen;

    /// <summary>Something that was sent to a node that is there comes back all the same: its queue was made anew meanwhile.</summary>
    public void ReturnFrom(string node) => Send(_world!.Lose(node, _now));

    /// <summary>Something that a node sent to the world comes back all the same.</summary>
    public void ReturnTo(string node) => _nodes[node].Side.Forget("run");

    public bool IsFrozen(string node) => _nodes[node].Frozen;

    /// <summary>Anything on the way to anyone; the empty name is the world's.</summary>
    public void Inject(string to, byte[] bytes) => _underWay.Add((to, bytes));

    /// <summary>Lets all that is under way arrive.</summary>
    public void Drain()
    {
        while (_underWay.Count > 0)
        {
            Take(0);
        }
    }

    private void Run(Func<bool> done)
    {
        for (var steps = 0; !done(); steps++)
        {
            Assert.True(steps < 1_000_000, $"seed {seed}: not done after {steps} steps at {_now}");
            Mischief?.Invoke(this);
            var frozen = _nodes.Values.Any(n => n.Frozen);
            int[] deliverable = frozen ? [.. Enumerable.Range(0, _underWay.Count).Where(i => _underWay[i].To is not { Length: > 0 } to || !_nodes[to].Frozen)] : [];
            var count = frozen ? deliverable.Length : _underWay.Count;
            if (count == 0)
            {
                _now += TimeSpan.FromSeconds(1);
                Send(_world!.Poll(_now, out var failure));
                Assert.True(failure is null, $"seed {seed}: {failure}");
                _underWay.AddRange(_nodes.Values.Where(n => !n.Frozen).SelectMany(n => n.Side.Probes()).Select(p => ((string?)"", p.Bytes)));
                continue;
            }

            var at = Reorder ? _random.NextInt32(count) : 0;
            Take(frozen ? deliverable[at] : at);
        }
    }

    /// <summary>One message arrives; now and then it stays under way as well.</summary>
    private void Take(int at)
    {
        var (to, bytes) = _underWay[at];
        if (_random.NextDouble() >= Duplicates)
        {
            _underWay.RemoveAt(at);
        }

        Arrive(to!, bytes);
    }

    private void Arrive(string to, byte[] bytes)
    {
        var refusals = to.Length == 0 ? WorldRefusals : NodeRefusals;
        if (WireDecoder.Decode(bytes, out var reason) is not { } envelope)
        {
            refusals.Add(reason);
        }
        else if (to.Length == 0)
        {
            Send(_world!.Handle(envelope, _now));
        }
        else
        {
            foreach (var outgoing in _nodes[to].Side.Handle(envelope))
            {
                _underWay.Add(("", outgoing.Bytes));
            }
        }
    }

    /// <summary>From the world; what cannot be routed comes back, as from a broker.</summary>
    private void Send(IReadOnlyList<Outgoing> messages)
    {
        foreach (var message in messages)
        {
            if (message.To is null)
            {
                _underWay.AddRange(_nodes.Keys.Select(n => ((string?)n, message.Bytes)));
            }
            else if (_nodes.ContainsKey(message.To))
            {
                _underWay.Add((message.To, message.Bytes));
            }
            else
            {
                Send(_world!.Lose(message.To, _now));
            }
        }
    }

    private sealed class Node(NodeSide side)
    {
        public NodeSide Side => side;

        public bool Frozen { get; set; }
    }
}
