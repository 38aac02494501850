using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;

namespace MimicD.Bridges.Faults;

/// <summary>What a proxy did so far.</summary>
/// <param name="Connections">Connections that clients made.</param>
/// <param name="Stalls">Stalls that began by plan.</param>
/// <param name="Resets">Connections that were reset on both sides.</param>
/// <param name="Lost">Connections made half-open.</param>
/// <param name="Silences">Directions that fell silent.</param>
public readonly record struct FaultCounts(int Connections, int Stalls, int Resets, int Lost, int Silences);

/// <summary>
/// A bad network between clients and a broker, on one machine: a TCP proxy that delays, stalls, cuts and loses as its <see cref="FaultPlan"/> says, or as it is told. No byte is ever altered or reordered: what
/// arrives is what was sent, or a beginning of it. It holds at most <see cref="MostHeld"/> bytes of a direction and then stops reading, so that a stall is felt by whoever sends.
/// </summary>
public sealed class FaultProxy : IAsyncDisposable
{
    /// <summary>Most bytes that are held of one direction of a connection: those that wait, those that are written at once, and a segment that was just read.</summary>
    public const int MostHeld = SegmentBytes * (2 * Waiting + 1);

    private const int SegmentBytes = 4096;
    private const int Waiting = 16;
    private const int OpeningBytes = 16;

    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly string _host;
    private readonly int _port;
    private readonly FaultPlan _plan;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _over = new();
    private readonly Lock _gate = new();
    private readonly HashSet<Connection> _connections = [];
    private readonly List<Task> _tasks = [];
    private readonly Valve _up = new();
    private readonly Valve _down = new();
    private readonly Task _accepting;
    private byte[] _opening = [];
    private FaultCounts _counts;

    private FaultProxy(string host, int port, IPEndPoint listen, FaultPlan plan, TimeProvider time)
    {
        (_host, _port, _plan, _time) = (host, port, plan, time);
        _listener.Bind(listen);
        _listener.Listen();
        EndPoint = (IPEndPoint)_listener.LocalEndPoint!;
        _accepting = AcceptAsync();
    }

    /// <summary>Where clients connect to.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>Whether new connections are taken; else they are reset at once.</summary>
    public bool IsOpen { get; set; } = true;

    /// <summary>What it did so far.</summary>
    public FaultCounts Counts
    {
        get
        {
            lock (_gate)
            {
                return _counts;
            }
        }
    }

    /// <summary>Connections that stand on at least one side.</summary>
    public int Standing
    {
        get
        {
            lock (_gate)
            {
                return _connections.Count;
            }
        }
    }

    /// <summary>Bytes that are held now, of all connections.</summary>
    public long Held
    {
        get
        {
            lock (_gate)
            {
                return _connections.Sum(c => c.Held);
            }
        }
    }

    /// <summary>The first bytes that the latest client sent, 16 at most: an MQTT client says there which version it speaks.</summary>
    public ReadOnlyMemory<byte> Opening
    {
        get
        {
            lock (_gate)
            {
                return _opening;
            }
        }
    }

    /// <summary>Starts one.</summary>
    /// <param name="host">The broker's host.</param>
    /// <param name="port">Its port.</param>
    /// <param name="plan">What happens.</param>
    /// <param name="time">The clock of all delays.</param>
    /// <param name="listen">Where clients connect to; null: a free port on loopback.</param>
    /// <exception cref="SocketException">It cannot listen there.</exception>
    public static FaultProxy Start(string host, int port, FaultPlan plan, TimeProvider time, IPEndPoint? listen = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(host);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(time);
        return new FaultProxy(host, port, listen ?? new IPEndPoint(IPAddress.Loopback, 0), plan, time);
    }

    /// <summary>Nothing passes in these directions, on connections that stand and on those to come, until what is returned is disposed; then all of it does.</summary>
    public IDisposable Stall(FaultDirections directions) => new Closed([.. Of(directions, _up, _down)]);

    /// <summary>Resets every connection on both sides (RST).</summary>
    public void ResetAll() => Each(c => c.Begin(FaultKind.Reset, FaultDirections.Both));

    /// <summary>Makes every connection half-open: the client's side is reset and the broker is told nothing, or the other way round.</summary>
    /// <param name="client">Whether the client's side is the one that is lost.</param>
    public void LoseAll(bool client) => Each(c => c.Begin(client ? FaultKind.LoseClient : FaultKind.LoseBroker, FaultDirections.Both));

    /// <summary>Every connection that stands passes nothing more in these directions, and nobody is told.</summary>
    public void SilenceAll(FaultDirections directions) => Each(c => c.Begin(FaultKind.Silence, directions));

    /// <summary>Resets everything and ends.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_over.IsCancellationRequested)
        {
            return;
        }

        await _over.CancelAsync().ConfigureAwait(false);
        _listener.Dispose();
        await _accepting.ConfigureAwait(false);
        Each(c => c.Begin(FaultKind.Reset, FaultDirections.Both));
        Task[] tasks;
        lock (_gate)
        {
            tasks = [.. _tasks];
        }

        await Task.WhenAll(tasks).ConfigureAwait(false);
        _over.Dispose();
    }

    private static IEnumerable<T> Of<T>(FaultDirections directions, T up, T down)
    {
        if (directions.HasFlag(FaultDirections.Up))
        {
            yield return up;
        }

        if (directions.HasFlag(FaultDirections.Down))
        {
            yield return down;
        }
    }

    private void Each(Action<Connection> act)
    {
        Connection[] connections;
        lock (_gate)
        {
            connections = [.. _connections];
        }

        foreach (var connection in connections)
        {
            act(connection);
        }
    }

    private void Count(Func<FaultCounts, FaultCounts> more)
    {
        lock (_gate)
        {
            _counts = more(_counts);
        }
    }

    private async Task AcceptAsync()
    {
        for (var number = 0; ;)
        {
            Socket client;
            try
            {
                client = await _listener.AcceptAsync(_over.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                if (_over.IsCancellationRequested || e is ObjectDisposedException)
                {
                    return;
                }

                // A client that has gone before it was accepted.
                continue;
            }

            if (!IsOpen)
            {
                Abort(client);
                continue;
            }

            var connection = new Connection(this, number++, client);
            lock (_gate)
            {
                _counts = _counts with { Connections = _counts.Connections + 1 };
                _connections.Add(connection);
                _tasks.RemoveAll(t => t.IsCompleted);
                _tasks.Add(connection.RunAsync());
            }
        }
    }

    // Without lingering, closing is a reset.
    private static void Abort(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Gone already.
        }

        socket.Dispose();
    }

    /// <summary>Lets pass unless somebody holds it closed.</summary>
    private sealed class Valve
    {
        private readonly Lock _gate = new();
        private int _closed;
        private TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Opened
        {
            get
            {
                lock (_gate)
                {
                    return _closed == 0 ? Task.CompletedTask : _open.Task;
                }
            }
        }

        public void Close()
        {
            lock (_gate)
            {
                _closed++;
            }
        }

        public void Open()
        {
            lock (_gate)
            {
                if (--_closed == 0)
                {
                    _open.SetResult();
                    _open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                }
            }
        }
    }

    private sealed class Closed : IDisposable
    {
        private Valve[]? _valves;

        public Closed(Valve[] valves)
        {
            _valves = valves;
            foreach (var valve in valves)
            {
                valve.Close();
            }
        }

        public void Dispose()
        {
            foreach (var valve in Interlocked.Exchange(ref _valves, null) ?? [])
            {
                valve.Open();
            }
        }
    }

    private sealed class Connection : IDisposable
    {
        private readonly FaultProxy _proxy;
        private readonly int _number;
        private readonly Socket _client;
        private readonly Socket _broker = new(SocketType.Stream, ProtocolType.Tcp);
        private readonly CancellationTokenSource _over = new();
        private readonly long _began;
        private readonly Lane _up;
        private readonly Lane _down;

        public Connection(FaultProxy proxy, int number, Socket client)
        {
            (_proxy, _number, _client) = (proxy, number, client);
            _began = proxy._time.GetTimestamp();
            _up = new Lane(this, FaultDirections.Up, _client, _broker, proxy._up);
            _down = new Lane(this, FaultDirections.Down, _broker, _client, proxy._down);
        }

        public int Held => _up.Held + _down.Held;

        public async Task RunAsync()
        {
            await Task.Yield();
            var planned = Task.CompletedTask;
            try
            {
                _client.NoDelay = true;
                _broker.NoDelay = true;
                await _broker.ConnectAsync(_proxy._host, _proxy._port, _over.Token).ConfigureAwait(false);
                planned = _proxy._plan.IsEventful ? FollowPlanAsync() : planned;
                await Task.WhenAll(_up.RunAsync(), _down.RunAsync()).ConfigureAwait(false);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
            {
                // A broker that is not there, or a connection that was cut before it stood.
                Cut();
            }

            await _over.CancelAsync().ConfigureAwait(false);
            await planned.ConfigureAwait(false);
            lock (_proxy._gate)
            {
                _proxy._connections.Remove(this);
            }

            Dispose();
        }

        public void Dispose()
        {
            _client.Dispose();
            _broker.Dispose();
            _up.Dispose();
            _down.Dispose();
        }

        public void Begin(FaultKind kind, FaultDirections directions)
        {
            switch (kind)
            {
                case FaultKind.Reset:
                    _proxy.Count(c => c with { Resets = c.Resets + 1 });
                    Cut();
                    break;
                case FaultKind.LoseClient or FaultKind.LoseBroker:
                    _proxy.Count(c => c with { Lost = c.Lost + 1 });
                    _up.Silence();
                    _down.Silence();
                    Abort(kind == FaultKind.LoseClient ? _client : _broker);
                    break;
                default:
                    foreach (var lane in Of(directions, _up, _down))
                    {
                        _proxy.Count(c => c with { Silences = c.Silences + 1 });
                        lane.Silence();
                    }

                    break;
            }
        }

        /// <summary>Ends both sides, as a reset that one side sent, or a network between them, would.</summary>
        private void Cut()
        {
            Abort(_client);
            Abort(_broker);
            _over.Cancel();
        }

        private async Task FollowPlanAsync()
        {
            var stalls = new List<Task>();
            try
            {
                for (var second = 0; ; second++)
                {
                    foreach (var fault in _proxy._plan.Begins(_number, second))
                    {
                        await UntilAsync(fault.At).ConfigureAwait(false);
                        if (fault.Kind == FaultKind.Stall)
                        {
                            _proxy.Count(c => c with { Stalls = c.Stalls + 1 });
                            stalls.RemoveAll(t => t.IsCompleted);
                            stalls.Add(StallAsync(fault));
                        }
                        else
                        {
                            Begin(fault.Kind, fault.Directions);
                        }
                    }

                    await UntilAsync(TimeSpan.FromSeconds(second + 1)).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException)
            {
                await Task.WhenAll(stalls).ConfigureAwait(false);
            }
        }

        private Task UntilAsync(TimeSpan at)
        {
            var left = at - _proxy._time.GetElapsedTime(_began);
            return Task.Delay(left > TimeSpan.Zero ? left : TimeSpan.Zero, _proxy._time, _over.Token);
        }

        private async Task StallAsync(PlannedFault fault)
        {
            using (new Closed([.. Of(fault.Directions, _up.Valve, _down.Valve)]))
            {
                await UntilAsync(fault.At + fault.Length).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        private readonly record struct Segment(byte[] Bytes, TimeSpan Due);

        /// <summary>One direction.</summary>
        private sealed class Lane(Connection connection, FaultDirections direction, Socket from, Socket to, Valve all) : IDisposable
        {
            private readonly Channel<Segment> _waiting = Channel.CreateBounded<Segment>(new BoundedChannelOptions(Waiting) { SingleReader = true, SingleWriter = true });
            private readonly CancellationTokenSource _silent = CancellationTokenSource.CreateLinkedTokenSource(connection._over.Token);
            private volatile bool _isSilent;
            private int _held;
            private int _writes;

            public Valve Valve { get; } = new();

            public int Held => Volatile.Read(ref _held);

            private TimeSpan Now => connection._proxy._time.GetElapsedTime(connection._began);

            public void Silence()
            {
                _isSilent = true;
                try
                {
                    _silent.Cancel();
                }
                catch (ObjectDisposedException)
                {
                    // The connection ended just before.
                }
            }

            public void Dispose() => _silent.Dispose();

            public async Task RunAsync()
            {
                var reading = ReadAsync();
                await WriteAsync().ConfigureAwait(false);
                await reading.ConfigureAwait(false);
            }

            private async Task ReadAsync()
            {
                var buffer = new byte[SegmentBytes];
                var due = TimeSpan.Zero;
                var opening = direction == FaultDirections.Up;
                try
                {
                    for (var segment = 0; ; segment++)
                    {
                        var count = await from.ReceiveAsync(buffer, connection._over.Token).ConfigureAwait(false);
                        if (count == 0)
                        {
                            break;
                        }

                        if (opening)
                        {
                            opening = false;
                            lock (connection._proxy._gate)
                            {
                                connection._proxy._opening = buffer[..Math.Min(count, OpeningBytes)];
                            }
                        }

                        // A late segment holds those behind it, as TCP has it.
                        var comes = Now + connection._proxy._plan.Latency(connection._number, direction, segment);
                        due = comes > due ? comes : due;
                        Interlocked.Add(ref _held, count);
                        await _waiting.Writer.WriteAsync(new Segment(buffer[..count], due), connection._over.Token).ConfigureAwait(false);
                    }
                }
                catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
                {
                    // What one side does to its connection reaches the other, unless nothing passes any more.
                    if (!_isSilent)
                    {
                        connection.Cut();
                    }
                }

                _waiting.Writer.Complete();
            }

            private async Task WriteAsync()
            {
                var batch = new List<Segment>();
                while (await _waiting.Reader.WaitToReadAsync(CancellationToken.None).ConfigureAwait(false))
                {
                    batch.Clear();
                    while (batch.Count == 0 || (connection._proxy._plan.Spec.Merge > 0 && batch.Count < Waiting))
                    {
                        if (!_waiting.Reader.TryPeek(out var next) || (batch.Count > 0 && next.Due > Now) || !_waiting.Reader.TryRead(out next))
                        {
                            break;
                        }

                        batch.Add(next);
                        if (batch.Count == 1)
                        {
                            await PassAsync(next.Due + TimeSpan.FromMilliseconds(connection._proxy._plan.Spec.Merge)).ConfigureAwait(false);
                        }
                    }

                    var bytes = batch.Count == 1 ? batch[0].Bytes : [.. batch.SelectMany(s => s.Bytes)];
                    await SendAsync(bytes).ConfigureAwait(false);
                    Interlocked.Add(ref _held, -bytes.Length);
                }

                if (!_isSilent)
                {
                    try
                    {
                        to.Shutdown(SocketShutdown.Send);
                    }
                    catch (Exception e) when (e is SocketException or ObjectDisposedException)
                    {
                        // That side is gone as well.
                    }
                }
            }

            /// <summary>Waits for a moment, unless it does not matter any more.</summary>
            private async Task PassAsync(TimeSpan moment)
            {
                if (moment - Now is { Ticks: > 0 } left && !_isSilent)
                {
                    await Task.Delay(left, connection._proxy._time, _silent.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }

            private async Task SendAsync(byte[] bytes)
            {
                try
                {
                    for (var sent = 0; sent < bytes.Length;)
                    {
                        while (!_isSilent && !(Valve.Opened.IsCompleted && all.Opened.IsCompleted))
                        {
                            await Task.WhenAll(Valve.Opened, all.Opened).WaitAsync(_silent.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                            connection._over.Token.ThrowIfCancellationRequested();
                        }

                        if (_isSilent)
                        {
                            return;
                        }

                        var piece = Math.Min(bytes.Length - sent, connection._proxy._plan.Piece(connection._number, direction, _writes++));
                        sent += await to.SendAsync(bytes.AsMemory(sent, piece), _silent.Token).ConfigureAwait(false);
                    }
                }
                catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
                {
                    if (!_isSilent)
                    {
                        connection.Cut();
                    }
                }
            }
        }
    }
}
