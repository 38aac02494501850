using MimicD.Agents;
using MimicD.Cluster.Status;
using MimicD.Cluster.Wire;
using MimicD.Contracts;

namespace MimicD.Cluster.RabbitMq;

/// <summary>What went between a world and the broker.</summary>
/// <param name="MessagesSent">Messages to nodes.</param>
/// <param name="BytesSent">Their bytes.</param>
/// <param name="MessagesReceived">Messages from nodes.</param>
/// <param name="BytesReceived">Their bytes.</param>
public readonly record struct BrokerTraffic(long MessagesSent, long BytesSent, long MessagesReceived, long BytesReceived);

/// <summary>
/// Runs the agents of a run on other machines, which are reached through RabbitMQ: the shell round a <see cref="WorldSide"/>. Delivery is at least once, its effect exactly once; the trajectories are those that a
/// <see cref="LocalHost"/> gives, on any number of nodes and whatever nodes come and go.
/// </summary>
public sealed class RabbitMqHost : IAgentHost, ILinkEvents
{
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);

    private readonly ClusterOptions _options;
    private readonly IReadOnlyList<PolicySource?> _sources;
    private readonly int _nodes;
    private readonly TimeProvider _time;
    private readonly long _started;
    private readonly Throughput _ticks;
    private readonly string _name = Guid.NewGuid().ToString("N");
    private readonly Refusals _refusals = new();
    private readonly Outbox _outbox;
    private readonly CancellationTokenSource _failed = new();
    private readonly CancellationTokenSource _closing = new();
    private readonly TaskCompletionSource _prepared = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // The world's thread delivers, the broker's threads answer, a timer looks after deadlines.
    private readonly Lock _gate = new();
    private long _messagesSent;
    private long _bytesSent;
    private long _messagesReceived;
    private long _bytesReceived;
    private WorldSide? _world;
    private BrokerLink? _link;
    private Task _watch = Task.CompletedTask;

    /// <summary>Makes a host that is not connected.</summary>
    /// <param name="options">Where the broker is, and how long to wait.</param>
    /// <param name="sources">What the policy of each place is made of, [agents]; null where nobody acts.</param>
    /// <param name="nodes">Nodes to wait for before the first tick, at least 1.</param>
    /// <param name="time">The clock of all deadlines.</param>
    public RabbitMqHost(ClusterOptions options, IReadOnlyList<PolicySource?> sources, int nodes, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentOutOfRangeException.ThrowIfLessThan(nodes, 1);
        (_options, _sources, _nodes, _time, _started, _ticks, _outbox) = (options, sources, nodes, time, time.GetTimestamp(), new Throughput(time), new Outbox(FailAsync));
    }

    /// <summary>The run's name on the broker.</summary>
    public string Name => _name;

    /// <summary>What those who ask how the run is doing are told that it is: the scenario's name. Default: empty.</summary>
    public string Title { get; init; } = "";

    /// <summary>Ticks that the run has, for the same; 0 where that is not known. Default: 0.</summary>
    public int AllTicks { get; init; }

    /// <summary>Whether enough nodes have come to begin.</summary>
    public bool IsPrepared => _prepared.Task.IsCompletedSuccessfully;

    /// <summary>Cancelled when the run cannot go on.</summary>
    public CancellationToken Failed => _failed.Token;

    /// <summary>Why the run cannot go on, or null.</summary>
    public string? Failure { get; private set; }

    /// <inheritdoc/>
    public AgentHostReport Report
    {
        get
        {
            lock (_gate)
            {
                return _world?.AgentReport ?? new AgentHostReport(0, 0, 0, []);
            }
        }
    }

    /// <summary>What happened on the cluster so far.</summary>
    public ClusterReport? ClusterReport
    {
        get
        {
            lock (_gate)
            {
                return _world?.Report;
            }
        }
    }

    /// <summary>What went through the broker so far.</summary>
    public BrokerTraffic Traffic => new(Interlocked.Read(ref _messagesSent), Interlocked.Read(ref _bytesSent), Interlocked.Read(ref _messagesReceived), Interlocked.Read(ref _bytesReceived));

    private TimeSpan Now => _time.GetElapsedTime(_started);

    /// <inheritdoc/>
    /// <exception cref="InvalidInputException">The broker cannot be reached, too few nodes came in time, or a node declined.</exception>
    public async ValueTask OpenAsync(RunSpec run, IActionSink world, CancellationToken cancellationToken)
    {
        if (_world is not null)
        {
            throw new InvalidOperationException("the host has been opened before");
        }

        var deadlines = _options.Deadlines;
        var (description, models) = RunDescription.Of(run, _options.ShardsFor(_nodes), _sources);
        int[] histories = [.. _sources.Select(s => s is null ? 1 : s.Model?.Spec.Sensor.History ?? s.Script!.Create().History)];
        _world = new WorldSide(_name, description, models, histories, world, new WorldPatience(TimeSpan.FromSeconds(deadlines.Answer), TimeSpan.FromSeconds(deadlines.Nodes)), _refusals);
        var queue = BrokerLink.WorldQueue(_options, _name);
        _link = await BrokerLink.ConnectAsync(_options, queue, BrokerLink.WorldsExchange(_options), this, _time, cancellationToken).ConfigureAwait(false);
        await _link.ConsumeAsync(queue, this, cancellationToken).ConfigureAwait(false);
        _outbox.Open();
        _watch = WatchAsync();
        Restored();
        try
        {
            await _prepared.Task.WaitAsync(TimeSpan.FromSeconds(deadlines.Nodes), _time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException e)
        {
            throw new InvalidInputException($"cluster {_options.Name}: expected {_nodes} nodes within {deadlines.Nodes} s, found {_world.ReadyNodes}", e);
        }
    }

    /// <inheritdoc/>
    public void Recall(in Observation observation)
    {
        lock (_gate)
        {
            _world!.Recall(observation);
        }
    }

    /// <inheritdoc/>
    public void Deliver(in Observation observation)
    {
        lock (_gate)
        {
            _world!.Deliver(observation);
        }
    }

    /// <inheritdoc/>
    public void EndTick(Tick tick)
    {
        lock (_gate)
        {
            Post(_world!.EndTick(tick, Now));
        }

        _ticks.Add();
    }

    /// <summary>Tells the nodes that the run is over, and leaves.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            Post(_world?.Close() ?? []);
            _outbox.Close();
        }

        await _closing.CancelAsync().ConfigureAwait(false);
        try
        {
            await Task.WhenAll(_outbox.Sent, _watch).WaitAsync(Farewell, TimeProvider.System).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // The broker does not take what it is sent; the nodes will find out by themselves.
        }

        if (_link is not null)
        {
            await _link.DisposeAsync().ConfigureAwait(false);
        }

        _closing.Dispose();
        _failed.Dispose();
    }

    async ValueTask ILinkEvents.ReceivedAsync(ReadOnlyMemory<byte> bytes, ulong tag)
    {
        Interlocked.Increment(ref _messagesReceived);
        Interlocked.Add(ref _bytesReceived, bytes.Length);
        if (WireDecoder.Decode(bytes.Span, out var reason) is not { } envelope)
        {
            _refusals.Add(reason);
            await _link!.RejectAsync(tag).ConfigureAwait(false);
            return;
        }

        if (envelope.BodyCase == Envelope.BodyOneofCase.StatusQuestion)
        {
            await AnswerAsync(envelope.StatusQuestion.Asker).ConfigureAwait(false);
            await _link!.AcknowledgeAsync(tag).ConfigureAwait(false);
            return;
        }

        try
        {
            lock (_gate)
            {
                Post(_world!.Handle(envelope, Now));
                if (_world.ReadyNodes >= _nodes)
                {
                    _prepared.TrySetResult();
                }
                else if (_world.Declined is { } why)
                {
                    _prepared.TrySetException(new InvalidInputException(why));
                }
            }
        }
        catch (Exception e)
        {
            // The client library would swallow it, and the run would wait for ever.
            await FailAsync($"{e.GetType().Name}: {e.Message}").ConfigureAwait(false);
            throw;
        }

        await _link!.AcknowledgeAsync(tag).ConfigureAwait(false);
    }

    void ILinkEvents.Returned(string queue)
    {
        var node = queue.AsSpan(BrokerLink.NodeQueue(_options, "").Length).ToString();
        lock (_gate)
        {
            Post(_world!.Lose(node, Now));
        }
    }

    void ILinkEvents.Lost()
    {
        lock (_gate)
        {
            _world!.LoseAll(Now);
        }
    }

    void ILinkEvents.Restored() => Restored();

    void ILinkEvents.Refused(string why)
    {
        _prepared.TrySetException(new InvalidInputException(why));
        Failure ??= why;
        _failed.Cancel();
    }

    private async Task AnswerAsync(string asker)
    {
        using var deadline = new CancellationTokenSource(NodeWatch.QueuePatience, _time);
        var queued = await _link!.QueuedAsync(BrokerLink.WorldQueue(_options, _name), deadline.Token).ConfigureAwait(false);
        WorldFigures figures;
        lock (_gate)
        {
            figures = _world!.Figures;
        }

        await _link.ReplyAsync(asker, StatusWire.Encode(new WorldReport(_name, Title, ProcessReport.Own(Now, queued, _refusals), AllTicks, _ticks.PerSecond, figures))).ConfigureAwait(false);
    }

    private void Restored()
    {
        lock (_gate)
        {
            Post([_world!.Call()]);
        }
    }

    private void Post(IEnumerable<Outgoing> messages)
    {
        foreach (var message in messages)
        {
            _outbox.Post(() => SendAsync(message));
        }
    }

    private Task FailAsync(string why)
    {
        Failure ??= why;
        return _failed.CancelAsync();
    }

    private async ValueTask SendAsync(Outgoing message)
    {
        var (exchange, queue) = message.To is { } node ? ("", BrokerLink.NodeQueue(_options, node)) : (BrokerLink.NodesExchange(_options), "");
        await _link!.SendAsync(exchange, queue, message.Bytes).ConfigureAwait(false);
        Interlocked.Increment(ref _messagesSent);
        Interlocked.Add(ref _bytesSent, message.Bytes.Length);
    }

    private async Task WatchAsync()
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(_options.Deadlines.Probe), _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_closing.Token).ConfigureAwait(false))
            {
                string? failure;
                lock (_gate)
                {
                    Post(_world!.Poll(Now, out failure));
                }

                if (failure is not null)
                {
                    await FailAsync(failure).ConfigureAwait(false);
                    return;
                }
            }
        }
        catch (OperationCanceledException)
        {
        }
    }
}
