using System.Threading.Channels;
using MimicD.Cluster.Status;
using MimicD.Cluster.Wire;
using MimicD.Contracts;

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
    private readonly ClusterOptions _options;
    private readonly string _name;
    private readonly NodeSide _side;
    private readonly NodeWatch _seen;
    private readonly Refusals _refusals;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _closing = new();

    // Never longer than the prefetch and a few events of the connection.
    private readonly Channel<(Func<IReadOnlyList<Outgoing>> Handle, ulong Tag)> _mailbox = Channel.CreateUnbounded<(Func<IReadOnlyList<Outgoing>>, ulong)>(new UnboundedChannelOptions { SingleReader = true });
    private BrokerLink? _link;
    private Task _pump = Task.CompletedTask;
    private Task _watch = Task.CompletedTask;

    private NodeService(ClusterOptions options, NodeWatch watch, int threads, TimeProvider time)
    {
        (_options, _name, _seen, _refusals, _time) = (options, watch.Node, watch, watch.Refusals, time);
        _side = new NodeSide(_name, threads, _refusals);
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
    /// <exception cref="InvalidInputException">The broker cannot be reached.</exception>
    public static Task<NodeService> StartAsync(ClusterOptions options, string name, int threads, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        return StartAsync(options, new NodeWatch(name, TimeSpan.FromSeconds(options.Deadlines.Answer), time), threads, time, cancellationToken);
    }

    /// <summary>The same for a node that is watched from before it is there.</summary>
    /// <param name="options">Where the broker is.</param>
    /// <param name="watch">Told how the node is doing; it has the node's name.</param>
    /// <param name="threads">Threads that may work for agents at one time; at least 1.</param>
    /// <param name="time">The clock of deadlines.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InvalidInputException">The broker cannot be reached.</exception>
    public static async Task<NodeService> StartAsync(ClusterOptions options, NodeWatch watch, int threads, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(watch);
        var node = new NodeService(options, watch, threads, time);
        var queue = BrokerLink.NodeQueue(options, watch.Node);
        node._link = await BrokerLink.ConnectAsync(options, queue, BrokerLink.NodesExchange(options), node, time, cancellationToken).ConfigureAwait(false);
        watch.AskQueue(cancellation => node._link.QueuedAsync(queue, cancellation));
        watch.Connect();
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

        // What became of it has been told by Completion.
        await Task.WhenAll(_pump, _watch).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
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
            if (envelope.BodyCase == Envelope.BodyOneofCase.StatusQuestion)
            {
                // From what the loop told last: one that is deep in a tick is not waited for.
                var process = ProcessReport.Own(_seen.Uptime, await _seen.QueuedAsync().ConfigureAwait(false), _refusals);
                await _link!.ReplyAsync(envelope.StatusQuestion.Asker, StatusWire.Encode(new NodeStatusReport(_name, process, _seen.TicksPerSecond, _seen.Figures))).ConfigureAwait(false);
                await _link.AcknowledgeAsync(tag).ConfigureAwait(false);
                return;
            }

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
        _seen.Disconnect();

        // What is in the mailbox is still answered, in vain: the world counts this node as gone.
    }

    void ILinkEvents.Restored()
    {
        _seen.Connect();
        Post(() => [_side.Renew()]);
    }

    void ILinkEvents.Refused(string why) => _mailbox.Writer.TryComplete(new InvalidInputException(why));

    private void Post(Func<IReadOnlyList<Outgoing>> handle) => _mailbox.Writer.TryWrite((handle, 0));

    private async Task PumpAsync()
    {
        await foreach (var (handle, tag) in _mailbox.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
        {
            if (_closing.IsCancellationRequested)
            {
                return;
            }

            // Told before it is sent: whoever has heard an answer finds it among the figures.
            var messages = handle();
            _seen.Tell(_side.Figures);
            foreach (var message in messages)
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
        using var timer = new PeriodicTimer(NodeWatch.Beat, _time);
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
