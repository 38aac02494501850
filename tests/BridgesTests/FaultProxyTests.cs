using System.Net;
using System.Net.Sockets;
using MimicD.Bridges.Faults;
using MimicD.Numerics;

namespace MimicD.BridgesTests;

public sealed class FaultProxyTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Without_cuts_every_byte_arrives_in_order_in_both_directions(int seed)
    {
        var random = new CounterRandom((ulong)seed, RandomPurpose.Resampling);
        var spec = new FaultSpec
        {
            Delay = random.NextInt32(2) * random.NextUniform(0, 10),
            Jitter = random.NextInt32(2) * random.NextUniform(0, 20),
            Stall = new PassingFault { Chance = random.NextInt32(2), Ms = random.NextUniform(0, 300) },
            Split = random.NextInt32(2) * (1 + random.NextInt32(3000)),
            Merge = random.NextInt32(2) * random.NextUniform(0, 20),
        };
        var (up, down) = (Bytes(ref random), Bytes(ref random));
        await using var pair = await Pair.OpenAsync(new FaultPlan(spec, (ulong)seed), TimeProvider.System);

        var sends = Task.WhenAll(SendAsync(pair.Client, up), SendAsync(pair.Broker, down));
        Assert.Equal(up, await ReceiveAsync(pair.Broker));
        Assert.Equal(down, await ReceiveAsync(pair.Client));
        await sends;
        await UntilAsync(() => pair.Proxy.Standing == 0, $"seed {seed}: the connection is over on both sides");
        Assert.Equal(new FaultCounts(1, pair.Proxy.Counts.Stalls, 0, 0, 0), pair.Proxy.Counts);
    }

    public static TheoryData<int> Seeds() => [.. Enumerable.Range(1, 12)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task With_cuts_a_beginning_of_it_arrives(int seed)
    {
        var random = new CounterRandom((ulong)seed, RandomPurpose.Resampling, 1);
        var kind = random.NextInt32(4);
        var spec = new FaultSpec { Jitter = random.NextInt32(2) * 5, Split = random.NextInt32(2) * 50, LoseClient = kind == 0 ? 1 : 0, LoseBroker = kind == 1 ? 1 : 0, Silence = kind == 2 ? 1 : 0, Reset = kind == 3 ? 1 : 0 };
        await using var pair = await Pair.OpenAsync(new FaultPlan(spec, (ulong)seed), TimeProvider.System);
        using var over = new CancellationTokenSource();
        var (client, broker) = (new Flow(pair.Client, 1), new Flow(pair.Broker, 2));
        var flows = Task.WhenAll(client.SendAsync(over.Token), broker.SendAsync(over.Token), client.ReceiveAsync(over.Token), broker.ReceiveAsync(over.Token));

        await UntilAsync(() => pair.Proxy.Counts is { Lost: > 0 } or { Silences: > 0 } or { Resets: > 0 }, $"seed {seed}: the plan's cut");
        if (kind is 0 or 3)
        {
            await UntilAsync(() => client.IsCut, $"seed {seed}: the client is told");
        }

        if (kind is 1 or 3)
        {
            await UntilAsync(() => broker.IsCut, $"seed {seed}: the broker is told");
        }

        // Those who were not told are still heard, and still believe that they are connected.
        var (sent, told) = (client.Sent + broker.Sent, client.IsCut && broker.IsCut);
        Assert.Equal(kind == 3, told);
        if (!told)
        {
            await UntilAsync(() => client.Sent + broker.Sent > sent + 4 * FaultProxy.MostHeld, $"seed {seed}: the proxy goes on accepting");
        }

        if (kind == 0)
        {
            Assert.False(broker.IsCut);
        }
        else if (kind == 1)
        {
            Assert.False(client.IsCut);
        }
        else if (kind == 2)
        {
            Assert.False(client.IsCut || broker.IsCut);
        }

        await over.CancelAsync();
        await flows;
        Assert.True(client.IsInOrder && broker.IsInOrder, $"seed {seed}: a byte that arrived is not the one that was sent");
        Assert.True(client.Received <= broker.Sent && broker.Received <= client.Sent, $"seed {seed}: more arrived than was sent");
    }

    [Theory]
    [InlineData(FaultDirections.Up)]
    [InlineData(FaultDirections.Down)]
    public async Task A_stalled_direction_stops_reading_and_the_other_one_flows(FaultDirections stalled)
    {
        await using var pair = await Pair.OpenAsync(FaultPlan.None, TimeProvider.System);
        var random = new CounterRandom(5, RandomPurpose.Resampling);
        var (bytes, other) = (Bytes(ref random, 8 << 20), Bytes(ref random));
        var (from, to) = stalled == FaultDirections.Up ? (pair.Client, pair.Broker) : (pair.Broker, pair.Client);
        Task send;
        using (pair.Proxy.Stall(stalled))
        {
            send = SendAsync(from, bytes);
            await UntilAsync(() => pair.Proxy.Held > FaultProxy.MostHeld / 3, "the proxy holds what it may");
            await SendAsync(to, other);
            Assert.Equal(other, await ReceiveAsync(from));
            Assert.Equal(0, to.Available);
            Assert.InRange(pair.Proxy.Held, 1, FaultProxy.MostHeld);
        }

        Assert.Equal(bytes, await ReceiveAsync(to));
        await send;
    }

    [Fact]
    public async Task A_stall_holds_for_connections_to_come_and_a_closed_proxy_takes_none()
    {
        await using var pair = await Pair.OpenAsync(FaultPlan.None, TimeProvider.System);
        using (pair.Proxy.Stall(FaultDirections.Both))
        {
            using var late = new TcpClient();
            await late.ConnectAsync(pair.Proxy.EndPoint);
            using var lateBroker = await pair.Listener.AcceptSocketAsync();
            await SendAsync(late.Client, [1, 2, 3]);
            await UntilAsync(() => pair.Proxy.Held == 3, "the proxy holds three bytes");
            Assert.Equal(0, lateBroker.Available);
        }

        pair.Proxy.IsOpen = false;
        using var refused = new TcpClient();
        await Assert.ThrowsAsync<SocketException>(async () =>
        {
            // The reset may come before the client knows that it is connected.
            await refused.ConnectAsync(pair.Proxy.EndPoint);
            await refused.Client.ReceiveAsync(new byte[1]).WaitAsync(Patience);
        });
    }

    [Fact]
    public async Task Told_to_it_resets_loses_and_silences_what_stands()
    {
        await using (var pair = await Pair.OpenAsync(FaultPlan.None, TimeProvider.System))
        {
            await pair.EchoAsync();
            pair.Proxy.ResetAll();
            await CutAsync(pair.Client);
            await CutAsync(pair.Broker);
        }

        await using (var pair = await Pair.OpenAsync(FaultPlan.None, TimeProvider.System))
        {
            await pair.EchoAsync();
            pair.Proxy.LoseAll(client: false);
            await CutAsync(pair.Broker);
            await pair.Client.SendAsync(new byte[] { 1 });
            Assert.False(pair.Client.Poll(0, SelectMode.SelectRead));

            // The one who is not told closes in the end, and then nothing is left of it.
            pair.Client.Dispose();
            await UntilAsync(() => pair.Proxy.Standing == 0, "nothing is left");
        }

        await using (var pair = await Pair.OpenAsync(FaultPlan.None, TimeProvider.System))
        {
            await pair.EchoAsync();
            pair.Proxy.SilenceAll(FaultDirections.Down);
            await pair.Broker.SendAsync(new byte[] { 1 });
            await SendAsync(pair.Client, [4, 5]);
            Assert.Equal(new byte[] { 4, 5 }, await ReceiveAsync(pair.Broker));
            Assert.False(pair.Client.Poll(0, SelectMode.SelectRead));
        }

        static Task CutAsync(Socket socket) => Assert.ThrowsAsync<SocketException>(async () => await socket.ReceiveAsync(new byte[1]).WaitAsync(Patience));
    }

    [Fact]
    public async Task Delays_are_of_the_clock_that_it_is_given()
    {
        var time = new StandingTime();
        await using var pair = await Pair.OpenAsync(new FaultPlan(FaultSpec.Parse("delay=1000", "test"), 1), time);
        await pair.Client.SendAsync(new byte[] { 1 });
        await UntilAsync(() => pair.Proxy.Held == 1 && time.Timers == 1, "the byte waits");
        time.Advance(TimeSpan.FromMilliseconds(999));
        Assert.Equal(1, pair.Proxy.Held);
        Assert.False(pair.Broker.Poll(0, SelectMode.SelectRead));
        time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(1, await pair.Broker.ReceiveAsync(new byte[1]).WaitAsync(Patience));
    }

    [Fact]
    public async Task A_stall_of_the_plan_begins_and_ends_when_the_plan_says()
    {
        var time = new StandingTime();
        var plan = new FaultPlan(FaultSpec.Parse("stall=1:250", "test"), Enumerable.Range(0, 100).Select(s => (ulong)s).First(s => new FaultPlan(FaultSpec.Parse("stall=1:250", "test"), s).Begins(0, 0)[0].Directions.HasFlag(FaultDirections.Up)));
        var fault = Assert.Single(plan.Begins(0, 0));
        await using var pair = await Pair.OpenAsync(plan, time);
        await pair.EchoAsync();
        await UntilAsync(() => time.Timers == 1, "the plan waits for its first fault");
        time.Advance(fault.At);
        await UntilAsync(() => pair.Proxy.Counts.Stalls == 1 && time.Timers == 2, "the stall has begun");
        await pair.Client.SendAsync(new byte[] { 1 });
        await UntilAsync(() => pair.Proxy.Held == 1, "the byte waits");
        Assert.False(pair.Broker.Poll(0, SelectMode.SelectRead));
        time.Advance(fault.Length);
        Assert.Equal(1, await pair.Broker.ReceiveAsync(new byte[1]).WaitAsync(Patience));
    }

    private static byte[] Bytes(ref CounterRandom random, int most = 60_000)
    {
        var bytes = new byte[1 + random.NextInt32(most)];
        for (var i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)random.NextUInt32();
        }

        return bytes;
    }

    /// <summary>Sends it all, and says that it was all.</summary>
    private static async Task SendAsync(Socket socket, byte[] bytes)
    {
        for (var sent = 0; sent < bytes.Length;)
        {
            sent += await socket.SendAsync(bytes.AsMemory(sent)).AsTask().WaitAsync(Patience);
        }

        socket.Shutdown(SocketShutdown.Send);
    }

    private static async Task<byte[]> ReceiveAsync(Socket socket)
    {
        using var all = new MemoryStream();
        var buffer = new byte[10_000];
        while (await socket.ReceiveAsync(buffer).WaitAsync(Patience) is var count and > 0)
        {
            all.Write(buffer, 0, count);
        }

        return all.ToArray();
    }

    private static async Task UntilAsync(Func<bool> holds, string what)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (!holds())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < Patience, $"not seen within {Patience}: {what}");
            await Task.Delay(5);
        }
    }

    /// <summary>A client and a broker with the proxy between them.</summary>
    private sealed class Pair(TcpListener listener, FaultProxy proxy, Socket client, Socket broker) : IAsyncDisposable
    {
        public TcpListener Listener => listener;

        public FaultProxy Proxy => proxy;

        public Socket Client => client;

        public Socket Broker => broker;

        public static async Task<Pair> OpenAsync(FaultPlan plan, TimeProvider time)
        {
            var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            var proxy = FaultProxy.Start("127.0.0.1", ((IPEndPoint)listener.LocalEndpoint).Port, plan, time);
            var client = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await client.ConnectAsync(proxy.EndPoint);
            return new Pair(listener, proxy, client, await listener.AcceptSocketAsync());
        }

        /// <summary>A byte there and one back: the connection stands.</summary>
        public async Task EchoAsync()
        {
            var buffer = new byte[1];
            await client.SendAsync(buffer);
            Assert.Equal(1, await broker.ReceiveAsync(buffer).WaitAsync(Patience));
            await broker.SendAsync(buffer);
            Assert.Equal(1, await client.ReceiveAsync(buffer).WaitAsync(Patience));
        }

        public async ValueTask DisposeAsync()
        {
            await proxy.DisposeAsync();
            client.Dispose();
            broker.Dispose();
            listener.Dispose();
        }
    }

    /// <summary>An endless stream of known bytes each way.</summary>
    private sealed class Flow(Socket socket, int salt)
    {
        private long _sent;
        private long _received;
        private volatile bool _isCut;

        public long Sent => Interlocked.Read(ref _sent);

        public long Received => Interlocked.Read(ref _received);

        public bool IsCut => _isCut;

        public bool IsInOrder { get; private set; } = true;

        public Task SendAsync(CancellationToken cancellationToken) => UntilCutAsync(async () =>
        {
            var buffer = new byte[1000];
            for (var i = 0; i < buffer.Length; i++)
            {
                buffer[i] = Byte(_sent + i, salt);
            }

            Interlocked.Add(ref _sent, await socket.SendAsync(buffer, cancellationToken));
            await Task.Delay(1, cancellationToken);
        });

        public Task ReceiveAsync(CancellationToken cancellationToken) => UntilCutAsync(async () =>
        {
            var buffer = new byte[3000];
            var count = await socket.ReceiveAsync(buffer, cancellationToken);
            _isCut |= count == 0;
            for (var i = 0; i < count; i++)
            {
                IsInOrder &= buffer[i] == Byte(_received + i, 3 - salt);
            }

            Interlocked.Add(ref _received, count);
        });

        private static byte Byte(long at, int salt) => (byte)(at * 31 + (at >> 8) * 7 + salt);

        private async Task UntilCutAsync(Func<Task> step)
        {
            try
            {
                while (!_isCut)
                {
                    await step();
                }
            }
            catch (SocketException)
            {
                _isCut = true;
            }
            catch (OperationCanceledException)
            {
                // The test is over.
            }
        }
    }
}

/// <summary>A clock that stands until it is moved.</summary>
internal sealed class StandingTime : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<Timer> _timers = [];
    private long _now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>Timers that wait.</summary>
    public int Timers
    {
        get
        {
            lock (_gate)
            {
                return _timers.Count;
            }
        }
    }

    public override long GetTimestamp() => Interlocked.Read(ref _now);

    public void Advance(TimeSpan by)
    {
        Timer[] due;
        lock (_gate)
        {
            _now += by.Ticks;
            due = [.. _timers.Where(t => t.Due <= _now).OrderBy(t => t.Due)];
            _timers.RemoveAll(due.Contains);
        }

        foreach (var timer in due)
        {
            timer.Fire();
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class Timer(StandingTime time, TimerCallback callback, object? state) : ITimer
    {
        public long Due { get; private set; }

        public void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._gate)
            {
                time._timers.Remove(this);
                if (dueTime != Timeout.InfiniteTimeSpan)
                {
                    Due = time._now + dueTime.Ticks;
                    time._timers.Add(this);
                }
            }

            return true;
        }

        public void Dispose()
        {
            lock (time._gate)
            {
                time._timers.Remove(this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
