using System.Threading.Channels;

namespace MimicD.Cluster.RabbitMq;

/// <summary>What a node has done.</summary>
/// <param name="Node">Its name.</param>
/// <param name="Answers">Shards answered.</param>
/// <param name="Replays">Shards whose agents' past was asked for.</param>
/// <param name="ModelsFetched">Models fetched.</param>
/// <param name="Refusals">What was refused, by reason.</param>
public sealed record NodeReport(string Node, long Answers, long Replays, long ModelsFetched, IReadOnlyDictionary<Refusal, long> Refusals)
{
    /// <summary>What it has done for sweeps, where it takes part in them.</summary>
    public SweepWorkerReport? Sweeps { get; init; }
}

/// <summary>A node: the shell round a <see cref="NodeSide"/>, which it alone touches, one thing after another.</summary>
public sealed class NodeService : IAsyncDisposable, ILinkEvents
{
    private static readonly TimeSpan ProbeWorlds = TimeSpan.FromSeconds(5);

    private readonly ClusterOptions _options;
    private readonly string _name;
    private readonly NodeSide _side;
    private readonly Refusals _refusals = new();
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _closing = new();

    // Never longer than the prefetch and a few events of the connection.
    private readonly Channel<(Func<IReadOnlyList<Outgoing>> Handle, ulong Tag)> _mailbox = Channel.CreateUnbounded<(Func<IReadOnlyList<Outgoing>>, ulong)>(new UnboundedChannelOptions { SingleReader = true });
    private BrokerLink? _link;
    private Task _pump = Task.CompletedTask;
    private Task _watch = Task.CompletedTask;

    private NodeService(ClusterOptions options, string name, int threads, TimeProvider time)
    {
        (_options, _name, _time) = (options, name, time);
        _side = new NodeSide(name, threads, _refusals);
    }

    /// <summary>What it has done so far.</summary>
    public NodeReport Report => new(_name, _side.Answers, _side.Replays, _side.Fetched, _refusals.Counts);

    /// <summary>Ends with the node; faulted when something went wrong that the wire did not cause.</summary>
    public Task Completion => _pump;

    /// <summary>Connects, and says that it is there.</summary>
    /// <param name="options">Where the broker is.</param>
    /// <param name="name">Its name, like no other node's (<see cref="WireLimits.IsName"/>).</param>
    /// <param name="threads">Threads that may work for agents at one time; at least 1.</param>
    /// <param name="time">The clock of deadlines.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="Contracts.InvalidInputException">The broker cannot be reached.</exception>
    public static async Task<NodeService> StartAsync(ClusterOptions options, string name, int threads, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var node = new NodeService(options, name, threads, time);
        var queue = BrokerLink.NodeQueue(options, name);
        node._link = await BrokerLink.ConnectAsync(options, queue, BrokerLink.NodesExchange(options), node, time, cancellationToken).ConfigureAwait(false);
        await node._link.ConsumeAsync(queue, node, cancellationToken).ConfigureAwait(false);
        node._pump = node.PumpAsync();
        node._watch = node.WatchAsync();
        node.Post(() => [node._side.Greet()]);
        return node;
    }

    /// <summary>Leaves; what was asked and is not answered is asked elsewhere.</summary>
    public async ValueTask DisposeAsync()
    {
        _mailbox.Writer.TryComplete();
        await _closing.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_pump, _watch).ConfigureAwait(false);
        if (_link is not null)
        {
            await _link.DisposeAsync().ConfigureAwait(false);
        }

        _closing.Dispose();
    }

    async ValueTask ILinkEvents.ReceivedAsync(ReadOnlyMemory<byte> bytes, ulong tag)
    {
        if (WireDecoder.Decode(bytes.Span, out var reason) is { } envelope)
        {
            _mailbox.Writer.TryWrite((() => _side.Handle(envelope), tag));
            return;
        }

        _refusals.Add(reason);
        await _link!.RejectAsync(tag).ConfigureAwait(false);
    }

    void ILinkEvents.Returned(string queue) => Post(() =>
    {
        _side.Forget(queue[BrokerLink.WorldQueue(_options, "").Length..]);
        return [];
    });

    void ILinkEvents.Lost()
    {
        // What is in the mailbox is still answered, in vain: the world counts this node as gone.
    }

    void ILinkEvents.Restored() => Post(() => [_side.Renew()]);

    private void Post(Func<IReadOnlyList<Outgoing>> handle) => _mailbox.Writer.TryWrite((handle, 0));

    private async Task PumpAsync()
    {
        await foreach (var (handle, tag) in _mailbox.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
        {
            if (_closing.IsCancellationRequested)
            {
                return;
            }

            foreach (var message in handle())
            {
                var (exchange, queue) = message.To is { } run ? ("", BrokerLink.WorldQueue(_options, run)) : (BrokerLink.WorldsExchange(_options), "");
                await _link!.SendAsync(exchange, queue, message.Bytes).ConfigureAwait(false);
            }

            if (tag > 0)
            {
                await _link!.AcknowledgeAsync(tag).ConfigureAwait(false);
            }
        }
    }

    private async Task WatchAsync()
    {
        using var timer = new PeriodicTimer(ProbeWorlds, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_closing.Token).ConfigureAwait(false))
            {
                Post(() => [.. _side.Probes()]);
            }
        }
        catch (OperationCanceledException)
        {
        }
    }
}
