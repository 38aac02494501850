using System.Threading.Channels;
using MimicD.Contracts;

namespace MimicD.Cluster.RabbitMq;

/// <summary>What a node has done for sweeps.</summary>
/// <param name="Begun">Blocks begun.</param>
/// <param name="Answered">Blocks whose results are with the broker.</param>
/// <param name="ModelsFetched">Models fetched.</param>
/// <param name="Refusals">What was refused, by reason.</param>
public sealed record SweepWorkerReport(long Begun, long Answered, long ModelsFetched, IReadOnlyDictionary<Refusal, long> Refusals);

/// <summary>A node's part in sweeps: the shell round a <see cref="WorkerSide"/>, which it alone touches, one thing after another; blocks are computed beside it.</summary>
public sealed class SweepWorker : IAsyncDisposable, ILinkEvents
{
    private static readonly TimeSpan ProbeSweeps = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(500);

    private readonly ClusterOptions _options;
    private readonly string _name;
    private readonly int _blocks;
    private readonly BlockProgram _program;
    private readonly WorkerSide _side;
    private readonly Refusals _refusals = new();
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _closing = new();
    private readonly SemaphoreSlim _room;
    private readonly Dictionary<string, Shift> _shifts = new(StringComparer.Ordinal);
    private readonly TaskCompletionSource _broken = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Never longer than the prefetches, the blocks at hand and a few events of the connection.
    private readonly Channel<Func<Task>> _mailbox = Channel.CreateUnbounded<Func<Task>>(new UnboundedChannelOptions { SingleReader = true });
    private BrokerLink? _link;
    private Task _pump = Task.CompletedTask;
    private Task _watch = Task.CompletedTask;
    private long _answered;

    private SweepWorker(ClusterOptions options, string name, int blocks, BlockProgram program, TimeProvider time)
    {
        (_options, _name, _blocks, _program, _time, _room) = (options, name, blocks, program, time, new SemaphoreSlim(blocks));
        _side = new WorkerSide(name, blocks, _refusals);
    }

    /// <summary>What it has done so far.</summary>
    public SweepWorkerReport Report => new(_side.Begun, Interlocked.Read(ref _answered), _side.Fetched, _refusals.Counts);

    /// <summary>Ends with the worker; faulted when something went wrong that neither the wire nor a block caused.</summary>
    public Task Completion => Task.WhenAny(_pump, _broken.Task).Unwrap();

    /// <summary>Connects, and says that it is there.</summary>
    /// <param name="options">Where the broker is.</param>
    /// <param name="name">The node's name, like no other's (<see cref="WireLimits.IsName"/>).</param>
    /// <param name="blocks">Blocks that are computed at one time; at least 1.</param>
    /// <param name="program">Computes one.</param>
    /// <param name="time">The clock of deadlines.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InvalidInputException">The broker cannot be reached.</exception>
    public static async Task<SweepWorker> StartAsync(ClusterOptions options, string name, int blocks, BlockProgram program, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(program);
        var worker = new SweepWorker(options, name, blocks, program, time);
        var queue = BrokerLink.WorkerQueue(options, name);
        worker._link = await BrokerLink.ConnectAsync(options, queue, BrokerLink.WorkersExchange(options), worker, time, cancellationToken).ConfigureAwait(false);
        await worker._link.ConsumeAsync(queue, worker, cancellationToken).ConfigureAwait(false);
        worker._pump = worker.PumpAsync();
        worker._watch = worker.WatchAsync();
        worker.Post(() => [new WorkerStep.Send(worker._side.Greet())]);
        return worker;
    }

    /// <summary>Leaves; blocks that are not answered are given to others.</summary>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        _mailbox.Writer.TryComplete();
        await Task.WhenAll(_pump, _watch).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Task.WhenAll(_shifts.Values.Select(s => s.DisposeAsync().AsTask())).ConfigureAwait(false);
        if (_link is not null)
        {
            await _link.DisposeAsync().ConfigureAwait(false);
        }

        _room.Dispose();
        _closing.Dispose();
    }

    async ValueTask ILinkEvents.ReceivedAsync(ReadOnlyMemory<byte> bytes, ulong tag)
    {
        if (WireDecoder.Decode(bytes.Span, out var reason) is { } envelope)
        {
            _mailbox.Writer.TryWrite(async () =>
            {
                await DoAsync(_side.Handle(envelope)).ConfigureAwait(false);
                await _link!.AcknowledgeAsync(tag).ConfigureAwait(false);
            });
            return;
        }

        _refusals.Add(reason);
        await _link!.RejectAsync(tag).ConfigureAwait(false);
    }

    void ILinkEvents.Returned(string queue) => Post(() => _side.Forget(queue[BrokerLink.SweepQueue(_options, "").Length..]));

    void ILinkEvents.Lost()
    {
        // What is being computed goes on: its result is sent when the broker is back, and may be the first.
    }

    void ILinkEvents.Restored() => Post(() => [new WorkerStep.Send(_side.Renew())]);

    void ILinkEvents.Refused(string why) => _broken.TrySetException(new InvalidInputException(why));

    private void Post(Func<IReadOnlyList<WorkerStep>> handle) => _mailbox.Writer.TryWrite(() => DoAsync(handle()));

    private async Task PumpAsync()
    {
        await foreach (var handle in _mailbox.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
        {
            if (_closing.IsCancellationRequested)
            {
                return;
            }

            await handle().ConfigureAwait(false);
        }
    }

    private async Task DoAsync(IReadOnlyList<WorkerStep> steps)
    {
        foreach (var step in steps)
        {
            switch (step)
            {
                case WorkerStep.Send { Message: var message }:
                    var (exchange, queue) = message.To is { } sweep ? ("", BrokerLink.SweepQueue(_options, sweep)) : (BrokerLink.SweepsExchange(_options), "");
                    await _link!.SendAsync(exchange, queue, message.Bytes).ConfigureAwait(false);
                    break;
                case WorkerStep.Join join:
                    _shifts.Add(join.Sweep, new Shift(this, join.Sweep));
                    break;
                case WorkerStep.Leave leave when _shifts.Remove(leave.Sweep, out var shift):
                    await shift.DisposeAsync().ConfigureAwait(false);
                    break;
                case WorkerStep.Begin begin when _shifts.TryGetValue(begin.Sweep, out var shift):
                    shift.Begin(begin);
                    break;
                case WorkerStep.Decline decline when _shifts.TryGetValue(decline.Sweep, out var shift):
                    shift.Decline(decline);
                    break;
            }
        }
    }

    private async Task WatchAsync()
    {
        using var timer = new PeriodicTimer(ProbeSweeps, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_closing.Token).ConfigureAwait(false))
            {
                Post(() => [.. _side.Probes().Select(p => new WorkerStep.Send(p))]);
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    /// <summary>The part in one sweep: takes its blocks, computes them, sends what comes out.</summary>
    private sealed class Shift : IAsyncDisposable
    {
        private readonly SweepWorker _worker;
        private readonly string _sweep;
        private readonly CancellationTokenSource _over = new();
        private readonly Lock _gate = new();

        // Which delivery a block came by last: that one is acknowledged.
        private readonly Dictionary<uint, (BlocksLink Link, ulong Tag)> _deliveries = [];
        private readonly HashSet<Task> _work = [];
        private readonly Task _serving;
        private TaskCompletionSource<BlocksLink> _open = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Shift(SweepWorker worker, string sweep)
        {
            (_worker, _sweep) = (worker, sweep);
            _serving = ServeAsync();
        }

        private string Queue => BrokerLink.SweepQueue(_worker._options, _sweep);

        private Task<BlocksLink> Open
        {
            get
            {
                lock (_gate)
                {
                    return _open.Task;
                }
            }
        }

        public void Begin(WorkerStep.Begin begin) => Track(() => ComputeAsync(begin));

        public void Decline(WorkerStep.Decline decline) => Track(() => AnswerAsync(decline.Block, () => [_worker._side.Declined(_sweep, decline.Block, decline.Reason)]));

        /// <summary>Gives up what is under way.</summary>
        public async ValueTask DisposeAsync()
        {
            await _over.CancelAsync().ConfigureAwait(false);
            Task[] work;
            lock (_gate)
            {
                work = [.. _work];
            }

            await Task.WhenAll([_serving, .. work]).ConfigureAwait(false);
            _over.Dispose();
        }

        private void Track(Func<Task> work)
        {
            lock (_gate)
            {
                _work.RemoveWhere(t => t.IsCompleted);
                _work.Add(Task.Run(() => GuardAsync(work)));
            }
        }

        private async Task GuardAsync(Func<Task> work)
        {
            try
            {
                await work().ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (_over.IsCancellationRequested)
            {
            }
            catch (BlocksLinkClosedException)
            {
                _worker.Post(() => _worker._side.Forget(_sweep));
            }
            catch (Exception e)
            {
                // Nobody else is to get the blame for what this machine lacks: the node ends, and the block goes to another.
                _worker._broken.TrySetException(e);
            }
        }

        private async Task ComputeAsync(WorkerStep.Begin begin)
        {
            byte[]? content = null;
            var reason = "";
            await _worker._room.WaitAsync(_over.Token).ConfigureAwait(false);
            try
            {
                // A block may come before its connection is known to be open. If this does not come through, the result tells.
                var link = await Open.WaitAsync(_over.Token).ConfigureAwait(false);
                await link.PublishAsync(Queue, _worker._side.Beginning(_sweep, begin.Block), _over.Token).ConfigureAwait(false);

                content = await _worker._program(begin.Description, hash => begin.Models.GetValueOrDefault(hash) ?? throw InvalidInputException.Create("block", "models", "all that its policies name", hash), _over.Token).ConfigureAwait(false);
                InvalidInputException.Require(content.Length is >= 1 and <= WireLimits.ResultBytes, "block", "result", $"1 to {WireLimits.ResultBytes} bytes, to be sent", content.Length);
            }
            catch (Exception e) when (e is not (OutOfMemoryException or OperationCanceledException or IOException or UnauthorizedAccessException or BlocksLinkClosedException))
            {
                (content, reason) = (null, e is InvalidInputException or InvalidDataException ? e.Message : $"{e.GetType().Name}: {e.Message}");
            }
            finally
            {
                _worker._room.Release();
            }

            if (content is null)
            {
                await AnswerAsync(begin.Block, () => [_worker._side.Declined(_sweep, begin.Block, reason.ReplaceLineEndings(" "))]).ConfigureAwait(false);
                return;
            }

            await AnswerAsync(begin.Block, () => _worker._side.Answer(_sweep, begin.Block, content)).ConfigureAwait(false);
            Interlocked.Increment(ref _worker._answered);
        }

        /// <summary>Sends an answer until the broker has all of it, then acknowledges the block.</summary>
        private async Task AnswerAsync(uint block, Func<IReadOnlyList<byte[]>> messages)
        {
            while (true)
            {
                var link = await Open.WaitAsync(_over.Token).ConfigureAwait(false);
                var sent = true;
                foreach (var message in messages())
                {
                    sent = sent && await link.PublishAsync(Queue, message, _over.Token).ConfigureAwait(false);
                }

                if (!sent)
                {
                    // Until the connection has been given up; then the next is waited for.
                    lock (_gate)
                    {
                        Retire(link);
                    }

                    continue;
                }

                // In one go where deliveries are taken in: a block that is delivered again is either acknowledged here or begun anew, and never held by nobody.
                _worker._mailbox.Writer.TryWrite(async () =>
                {
                    _worker._side.Finish(_sweep, block);
                    (BlocksLink Link, ulong Tag) delivery;
                    lock (_gate)
                    {
                        _deliveries.Remove(block, out delivery);
                    }

                    if (delivery.Link is not null)
                    {
                        await delivery.Link.AcknowledgeAsync(delivery.Tag).ConfigureAwait(false);
                    }
                });
                return;
            }
        }

        private async Task ServeAsync()
        {
            while (!_over.IsCancellationRequested)
            {
                BlocksLink? link = null;
                try
                {
                    link = await BlocksLink.OpenAsync(_worker._options, _worker._name, _sweep, _worker._blocks, ReceivedAsync, _worker._time, _over.Token).ConfigureAwait(false);
                    lock (_gate)
                    {
                        _open.TrySetResult(link);
                    }

                    await link.Lost.WaitAsync(_over.Token).ConfigureAwait(false);
                }
                catch (Exception e) when (e is InvalidInputException or OperationCanceledException)
                {
                    // The broker is away, or the sweep makes its queue anew, or is no more, which its own queue tells.
                }

                if (link is not null)
                {
                    lock (_gate)
                    {
                        Retire(link);
                    }

                    await link.DisposeAsync().ConfigureAwait(false);
                }

                await Task.Delay(Retry, _worker._time, _over.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        /// <summary>Sends nothing through a connection any more. Called with the gate closed.</summary>
        private void Retire(BlocksLink link)
        {
            if (_open.Task.IsCompletedSuccessfully && _open.Task.Result == link)
            {
                _open = new TaskCompletionSource<BlocksLink>(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }

        private async Task ReceivedAsync(BlocksLink link, ReadOnlyMemory<byte> bytes, ulong tag)
        {
            if (WireDecoder.Decode(bytes.Span, out var reason) is not { } envelope)
            {
                _worker._refusals.Add(reason);
                await link.RejectAsync(tag).ConfigureAwait(false);
                return;
            }

            _worker._mailbox.Writer.TryWrite(async () =>
            {
                if (_worker._side.Deliver(_sweep, envelope) is not { } steps)
                {
                    await link.RejectAsync(tag).ConfigureAwait(false);
                    return;
                }

                (BlocksLink Link, ulong Tag) before;
                lock (_gate)
                {
                    _deliveries.TryGetValue(envelope.SweepBlock.Block, out before);
                    _deliveries[envelope.SweepBlock.Block] = (link, tag);
                }

                if (before.Link == link)
                {
                    // This delivery stands for both; the other would take up room for ever.
                    await link.AcknowledgeAsync(before.Tag).ConfigureAwait(false);
                }

                await _worker.DoAsync(steps).ConfigureAwait(false);
            });
        }
    }
}
