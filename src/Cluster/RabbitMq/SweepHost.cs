using MimicD.Contracts;

namespace MimicD.Cluster.RabbitMq;

/// <summary>
/// Computes a sweep's blocks on nodes that are reached through RabbitMQ: the shell round a <see cref="SweepSide"/>. Blocks wait in a queue of the sweep's; the broker gives each to a node that has room, and to
/// another when that one is gone before it has acknowledged it.
/// </summary>
public sealed class SweepHost : IBlockHost, IAsyncDisposable, ILinkEvents
{
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan KeepQueue = TimeSpan.FromSeconds(10);

    private readonly ClusterOptions _options;
    private readonly TimeProvider _time;
    private readonly long _started;
    private readonly string _name = Guid.NewGuid().ToString("N");
    private readonly Refusals _refusals = new();
    private readonly SweepSide _side;
    private readonly Outbox _outbox;
    private readonly Dictionary<uint, Waiting> _waiting = [];
    private readonly CancellationTokenSource _failed = new();
    private readonly CancellationTokenSource _closing = new();
    private readonly TaskCompletionSource _prepared = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Whoever wants a block computed, the broker's threads, and a timer.
    private readonly Lock _gate = new();
    private BrokerLink? _link;
    private Task _watch = Task.CompletedTask;
    private int _capacity;

    private SweepHost(ClusterOptions options, TimeProvider time)
    {
        (_options, _time, _started, _outbox) = (options, time, time.GetTimestamp(), new Outbox(FailAsync));
        _side = new SweepSide(_name, TimeSpan.FromSeconds(options.Deadlines.Nodes), Read, _refusals);
    }

    /// <inheritdoc/>
    public event EventHandler? CapacityChanged;

    /// <inheritdoc/>
    public int Capacity => Volatile.Read(ref _capacity);

    /// <summary>The sweep's name on the broker.</summary>
    public string Name => _name;

    /// <summary>Cancelled when the sweep cannot go on.</summary>
    public CancellationToken Failed => _failed.Token;

    /// <summary>Why the sweep cannot go on, or null.</summary>
    public string? Failure { get; private set; }

    /// <summary>Whether a node has come.</summary>
    public bool IsPrepared => _prepared.Task.IsCompletedSuccessfully;

    /// <summary>What happened so far.</summary>
    public SweepReport Report
    {
        get
        {
            lock (_gate)
            {
                return _side.Report;
            }
        }
    }

    private string Blocks => BrokerLink.BlocksQueue(_options, _name);

    private TimeSpan Now => _time.GetElapsedTime(_started);

    /// <summary>Connects, and waits for the first node.</summary>
    /// <param name="options">Where the broker is, and how long to wait.</param>
    /// <param name="time">The clock of all deadlines.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InvalidInputException">The broker cannot be reached, or no node came in time.</exception>
    public static async Task<SweepHost> OpenAsync(ClusterOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        var host = new SweepHost(options, time);
        try
        {
            await host.OpenAsync(cancellationToken).ConfigureAwait(false);
            return host;
        }
        catch
        {
            await host.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public async Task<T> ComputeAsync<T>(string description, IReadOnlyDictionary<string, string> models, Func<ReadOnlyMemory<byte>, T> read, CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        uint number;
        lock (_gate)
        {
            (number, var message) = _side.Add(description, models);
            _waiting.Add(number, new Waiting(Done, why => done.TrySetException(new InvalidInputException(why))));
            Post("", Blocks, message);
        }

        try
        {
            return await done.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            lock (_gate)
            {
                _side.Drop(number);
                _waiting.Remove(number);
            }
        }

        bool Done(ReadOnlyMemory<byte> content)
        {
            try
            {
                done.TrySetResult(read(content));
                return true;
            }
            catch (InvalidInputException)
            {
                return false;
            }
        }
    }

    /// <summary>Tells the nodes that the sweep is over, and leaves nothing at the broker.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            Post(_side.Close());
            _outbox.Post(() => _link!.DeleteAsync(Blocks));
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
        if (WireDecoder.Decode(bytes.Span, out var reason) is not { } envelope)
        {
            _refusals.Add(reason);
            await _link!.RejectAsync(tag).ConfigureAwait(false);
            return;
        }

        try
        {
            Waiting? waiting = null;
            BlockEvent? happened;
            lock (_gate)
            {
                Post(_side.Handle(envelope, out happened));
                if (happened is not null)
                {
                    _waiting.TryGetValue(happened.Block, out waiting);
                }
            }

            if (happened is not null && waiting is not null)
            {
                Conclude(happened, waiting);
            }

            Count();
        }
        catch (Exception e)
        {
            // The client library would swallow it, and the sweep would wait for ever.
            await FailAsync($"{e.GetType().Name}: {e.Message}").ConfigureAwait(false);
            throw;
        }

        await _link!.AcknowledgeAsync(tag).ConfigureAwait(false);
    }

    void ILinkEvents.Returned(string queue)
    {
        if (queue == Blocks)
        {
            Restored();
            return;
        }

        lock (_gate)
        {
            _side.Lose(queue[BrokerLink.WorkerQueue(_options, "").Length..]);
        }

        Count();
    }

    void ILinkEvents.Lost()
    {
        lock (_gate)
        {
            _side.LoseAll();
        }

        Count();
    }

    void ILinkEvents.Restored() => Restored();

    void ILinkEvents.Refused(string why)
    {
        _prepared.TrySetException(new InvalidInputException(why));
        Failure ??= why;
        _failed.Cancel();
    }

    private static ReadOnlyMemory<byte> Read(string path, long offset, int bytes)
    {
        using var file = File.OpenRead(path);
        file.Seek(offset, SeekOrigin.Begin);
        var content = new byte[bytes];
        return content.AsMemory(0, file.ReadAtLeast(content, bytes, throwOnEndOfStream: false));
    }

    private async Task OpenAsync(CancellationToken cancellationToken)
    {
        var queue = BrokerLink.SweepQueue(_options, _name);
        _link = await BrokerLink.ConnectAsync(_options, queue, BrokerLink.SweepsExchange(_options), this, _time, cancellationToken).ConfigureAwait(false);
        await _link.ConsumeAsync(queue, this, cancellationToken).ConfigureAwait(false);
        _outbox.Open();
        _watch = WatchAsync();
        Restored();
        try
        {
            await _prepared.Task.WaitAsync(TimeSpan.FromSeconds(_options.Deadlines.Nodes), _time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException e)
        {
            throw new InvalidInputException($"cluster {_options.Name}: expected at least 1 node within {_options.Deadlines.Nodes} s, found 0", e);
        }
    }

    /// <summary>A result came, or will not come.</summary>
    private void Conclude(BlockEvent happened, Waiting waiting)
    {
        if (happened.Content is not { } content)
        {
            waiting.Failed(happened.Failure!);
        }
        else if (waiting.Done(content))
        {
            lock (_gate)
            {
                _side.Settle(happened.Block);
            }
        }
        else
        {
            lock (_gate)
            {
                if (_side.Repeat(happened.Block) is { } again)
                {
                    Post("", Blocks, again);
                }
            }
        }
    }

    /// <summary>The broker is there, or there again: its queue holds all that is to be done, and nodes are called to it.</summary>
    private void Restored()
    {
        lock (_gate)
        {
            _outbox.Post(() => _link!.RenewBlocksAsync(Blocks));
            foreach (var block in _side.Undone())
            {
                Post("", Blocks, block);
            }

            Post([_side.Call()]);
        }
    }

    /// <summary>Tells of nodes that came or went.</summary>
    private void Count()
    {
        int before;
        lock (_gate)
        {
            (before, _capacity) = (_capacity, _side.Capacity);
            if (_capacity == before)
            {
                return;
            }
        }

        _prepared.TrySetResult();
        CapacityChanged?.Invoke(this, EventArgs.Empty);
    }

    private void Post(IEnumerable<Outgoing> messages)
    {
        foreach (var message in messages)
        {
            var (exchange, queue) = message.To is { } node ? ("", BrokerLink.WorkerQueue(_options, node)) : (BrokerLink.WorkersExchange(_options), "");
            Post(exchange, queue, message.Bytes);
        }
    }

    private void Post(string exchange, string queue, byte[] bytes) => _outbox.Post(() => _link!.SendAsync(exchange, queue, bytes));

    private Task FailAsync(string why)
    {
        Failure ??= why;
        return _failed.CancelAsync();
    }

    private async Task WatchAsync()
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(_options.Deadlines.Probe), _time);
        var kept = Now;
        try
        {
            while (await timer.WaitForNextTickAsync(_closing.Token).ConfigureAwait(false))
            {
                string? failure;
                lock (_gate)
                {
                    Post(_side.Poll(Now, out failure));
                    if (Now - kept >= KeepQueue)
                    {
                        kept = Now;
                        _outbox.Post(() => _link!.KeepBlocksAsync(Blocks));
                    }
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

    /// <summary>Who waits for a block.</summary>
    /// <param name="Done">Takes what came out of it; false where it cannot be read.</param>
    /// <param name="Failed">Takes why nothing came out.</param>
    private sealed record Waiting(Func<ReadOnlyMemory<byte>, bool> Done, Action<string> Failed);
}
