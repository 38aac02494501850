using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using MimicD.Bridges.Mqtt;
using MimicD.Contracts;
using MimicD.Numerics;
using Xunit.Abstractions;

namespace MimicD.BridgesTests;

public sealed class MosquittoLinkTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(MqttVersion.V311)]
    [InlineData(MqttVersion.V5)]
    public async Task What_is_published_is_received_with_its_content_type_where_the_protocol_has_one(MqttVersion version)
    {
        await using var broker = await StartAsync();
        var heard = new Listener();
        await using var link = Link(broker, heard, new MqttOptions { Broker = broker.Address, Version = version, Subscriptions = [new("a/+", MqttQos.AtLeastOnce)] });
        await heard.ConnectedAsync();

        Assert.True(link.IsConnected);
        Assert.True(link.TryPublish(new MqttMessage("a/1", "{}"u8.ToArray(), "application/json")));
        Assert.True(link.TryPublish(new MqttMessage("a/2", "two"u8.ToArray(), Qos: MqttQos.AtLeastOnce)));
        Assert.True(link.TryPublish(new MqttMessage("a/3", ReadOnlyMemory<byte>.Empty)));
        await heard.UntilAsync(l => l.Messages.Count == 3, "three messages");

        Assert.Equal([
            new("a/1", "{}", version == MqttVersion.V5 ? "application/json" : null, MqttQos.AtMostOnce, false),
            new("a/2", "two", null, MqttQos.AtLeastOnce, false),
            new("a/3", "", null, MqttQos.AtMostOnce, false)], heard.Messages);
    }

    [Fact]
    public async Task A_round_trip_through_the_broker_waits_for_no_interval_of_looking()
    {
        const int rounds = 2000;
        await using var broker = await StartAsync();
        var (near, far) = (new Listener(), new Listener());
        var (came, took) = (new SemaphoreSlim(0), new double[rounds]);
        near.OnReceived = _ => came.Release();
        MosquittoLink? echo = null;
        far.OnReceived = m => echo!.TryPublish(new MqttMessage("back", m.Payload));
        await using var link = Link(broker, near, new MqttOptions { Broker = broker.Address, Subscriptions = [new("back")] });
        await using var other = echo = Link(broker, far, new MqttOptions { Broker = broker.Address, Subscriptions = [new("there")] });
        await near.ConnectedAsync();
        await far.ConnectedAsync();
        var payload = new byte[512];
        for (var i = 0; i < rounds; i++)
        {
            var begun = Stopwatch.GetTimestamp();
            Assert.True(link.TryPublish(new MqttMessage("there", payload)));
            Assert.True(await came.WaitAsync(Listener.Patience));
            took[i] = Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
        }

        Array.Sort(took);
        output.WriteLine($"there and back, four hops: p50 {took[rounds / 2]:0.000} ms, p99 {took[rounds * 99 / 100]:0.000} ms");
        // A machine that has other things to do makes most take longer, but not all; Nagle, or a loop that looks now and then, would make all take 10 ms and more.
        Assert.InRange(took[rounds / 10], 0, 5);
    }

    [Theory]
    [InlineData(MqttVersion.V311)]
    [InlineData(MqttVersion.V5)]
    public async Task After_a_broker_was_killed_and_started_again_everything_is_subscribed_to_again(MqttVersion version)
    {
        await using var broker = await StartAsync();
        var heard = new Listener();
        await using var link = Link(broker, heard, new MqttOptions { Broker = broker.Address, Version = version, Subscriptions = [new("a/#"), new("b", MqttQos.AtLeastOnce)] });
        for (var round = 1; round <= 3; round++)
        {
            await heard.ConnectedAsync(round);
            Assert.True(link.TryPublish(new MqttMessage("a/1", "a"u8.ToArray())));
            Assert.True(link.TryPublish(new MqttMessage("b", "b"u8.ToArray())));
            await heard.UntilAsync(l => l.Messages.Count == 2 * round, $"messages of round {round}");
            await broker.KillAsync(CancellationToken.None);
            await heard.UntilAsync(l => l.Reasons.Count(r => r.EndsWith("lost", StringComparison.Ordinal)) == round, "the loss");
            await broker.StartAgainAsync(TimeProvider.System, CancellationToken.None);
        }

        Assert.Equal($"broker {broker.Address.ToString().TrimEnd('/')}: The connection was lost", heard.Reasons.First());
    }

    [Theory]
    [InlineData(MqttVersion.V311)]
    [InlineData(MqttVersion.V5)]
    public async Task A_crash_makes_the_broker_say_the_will_and_a_farewell_does_not(MqttVersion version)
    {
        await using var broker = await StartAsync();
        var heard = new Listener();
        var will = new MqttMessage("r/conn", "gone"u8.ToArray(), "text/plain", MqttQos.AtLeastOnce, Retained: true);
        var options = new MqttOptions { Broker = broker.Address, Version = version, Will = () => will, Subscriptions = [new("flood")] };
        await using var watcher = Link(broker, heard, new MqttOptions { Broker = broker.Address, Subscriptions = [new("r/conn", MqttQos.AtLeastOnce)] });
        await heard.ConnectedAsync();

        var crashing = new Listener();
        var crashed = Link(broker, crashing, options);
        await crashing.ConnectedAsync();
        crashed.Abandon();
        await crashed.DisposeAsync();
        await heard.UntilAsync(l => l.Messages.Count == 1, "the will");
        Assert.Equal(new("r/conn", "gone", version == MqttVersion.V5 ? "text/plain" : null, MqttQos.AtLeastOnce, false), heard.Messages.Single());
        Assert.Empty(crashing.Reasons);

        // Much that is unread when it leaves: a careless end resets the connection, and the farewell is lost.
        using var over = new CancellationTokenSource();
        var flood = Task.Run(() =>
        {
            var payload = new byte[4096];
            while (!over.IsCancellationRequested)
            {
                watcher.TryPublish(new MqttMessage("flood", payload));
            }
        });
        for (var i = 0; i < 20; i++)
        {
            var leaving = new Listener { OnReceived = _ => { } };
            var link = Link(broker, leaving, options);
            await leaving.ConnectedAsync();
            for (var j = 0; j < 30; j++)
            {
                Assert.True(link.TryPublish(new MqttMessage("r/last", "not yet"u8.ToArray())));
            }

            Assert.True(link.TryPublish(will with { Payload = Encoding.UTF8.GetBytes($"farewell {i}") }));
            await link.DisposeAsync();
            Assert.False(link.IsConnected);
            Assert.False(link.TryPublish(will));
            await heard.UntilAsync(l => l.Messages.Count == 2 + i, $"farewell {i}");
        }

        await over.CancelAsync();
        await flood;

        // A message of the broker's own order: whatever will there was has come before it.
        Assert.True(watcher.TryPublish(new MqttMessage("r/conn", "end"u8.ToArray())));
        await heard.UntilAsync(l => l.Messages.Any(m => m.Payload == "end"), "the end");
        Assert.Equal(["gone", .. Enumerable.Range(0, 20).Select(i => $"farewell {i}"), "end"], heard.Messages.Select(m => m.Payload));
    }

    [Fact]
    public async Task What_was_published_on_a_lost_connection_or_without_one_is_never_said_on_the_next()
    {
        await using var broker = await StartAsync();
        var (heard, talking) = (new Listener(), new Listener());
        await using var watcher = Link(broker, heard, new MqttOptions { Broker = broker.Address, Subscriptions = [new("t", MqttQos.AtLeastOnce)] });
        await using var link = Link(broker, talking, new MqttOptions { Broker = broker.Address });
        await heard.ConnectedAsync();
        await talking.ConnectedAsync();
        Assert.True(link.TryPublish(new MqttMessage("t", "first"u8.ToArray())));
        await heard.UntilAsync(l => l.Messages.Count == 1, "the first message");

        await broker.FreezeAsync(CancellationToken.None);
        for (var i = 0; i < 200; i++)
        {
            Assert.True(link.TryPublish(new MqttMessage("t", "old"u8.ToArray(), Qos: (MqttQos)(i % 2))));
        }

        await broker.KillAsync(CancellationToken.None);
        await talking.UntilAsync(l => !l.Reasons.IsEmpty, "the loss");
        Assert.False(link.TryPublish(new MqttMessage("t", "meanwhile"u8.ToArray())));
        Assert.False(link.TryPublish(new MqttMessage("t", "meanwhile"u8.ToArray(), Qos: MqttQos.AtLeastOnce)));
        await broker.StartAgainAsync(TimeProvider.System, CancellationToken.None);
        await heard.ConnectedAsync(2);
        await talking.ConnectedAsync(2);
        Assert.True(link.TryPublish(new MqttMessage("t", "last"u8.ToArray(), Qos: MqttQos.AtLeastOnce)));
        await heard.UntilAsync(l => l.Messages.Any(m => m.Payload == "last"), "the last message");

        Assert.Equal(["first", "last"], heard.Messages.Select(m => m.Payload));
    }

    [Fact]
    public async Task Behind_a_broker_that_is_frozen_newer_messages_take_the_place_of_older_ones()
    {
        const int length = 512;
        const int count = 100_000;
        string[] topics = ["q/1", "q/2", "q/3"];
        await using var broker = await StartAsync();
        var (heard, talking) = (new Listener(), new Listener());
        await using var watcher = Link(broker, heard, new MqttOptions { Broker = broker.Address, Subscriptions = [new("q/+")] });
        await using var link = Link(broker, talking, new MqttOptions { Broker = broker.Address });
        var (last, arrived) = (new int[topics.Length], 0);
        heard.OnReceived = m =>
        {
            arrived++;
            var number = BitConverter.ToInt32(m.Payload.Span);
            ref var before = ref last[Array.IndexOf(topics, m.Topic)];
            before = number > before ? number : throw new InvalidOperationException($"{m.Topic}: {number} after {before}");
            if (last.Min() > count - topics.Length)
            {
                heard.Disconnected("the newest of all topics");
            }
        };
        await heard.ConnectedAsync();
        await talking.ConnectedAsync();
        await broker.FreezeAsync(CancellationToken.None);
        var payload = new byte[length];
        for (var i = 1; i <= count; i++)
        {
            Assert.True(BitConverter.TryWriteBytes(payload, i));
            Assert.True(link.TryPublish(new MqttMessage(topics[i % topics.Length], payload)));
        }

        // What the system has taken nobody gets back; the rest is bounded.
        var kept = count - link.Superseded;
        var began = Stopwatch.GetTimestamp();
        long inSystem;
        while ((inSystem = Queued(broker.Address.Port) / length) + new MqttOptions { Broker = broker.Address }.Window + topics.Length < kept)
        {
            Assert.True(Stopwatch.GetElapsedTime(began) < Listener.Patience, $"{kept} wait, of which {inSystem} in the system");
            await Task.Yield();
        }

        await broker.ThawAsync(CancellationToken.None);
        await heard.UntilAsync(l => !l.Reasons.IsEmpty, "the newest of all topics");
        output.WriteLine($"{count} published, {arrived} arrived; the system's buffers held {inSystem} at most");
        Assert.InRange(arrived, topics.Length, count / 4);
        Assert.Equal(kept, arrived);
        Assert.Equal(["the newest of all topics"], heard.Reasons);
        Assert.Empty(talking.Reasons);
        Assert.Equal(0, link.Lost);
    }

    [Fact]
    public async Task Who_subscribes_hears_what_was_kept_where_that_is_wanted_and_sees_that_it_was()
    {
        await using var broker = await StartAsync();
        var talking = new Listener();
        await using var link = Link(broker, talking, new MqttOptions { Broker = broker.Address, Subscriptions = [new("kept/+")] });
        await talking.ConnectedAsync();
        for (var i = 0; i < 100; i++)
        {
            Assert.True(link.TryPublish(new MqttMessage($"kept/{i}", "old"u8.ToArray(), "x", MqttQos.AtLeastOnce, Retained: true)));
        }

        await talking.UntilAsync(l => l.Messages.Count == 100, "all that is to be kept");
        var (wanting, other, older) = (new Listener(), new Listener(), new Listener());
        wanting.OnConnected = () => Assert.Empty(wanting.Messages);
        await using var first = Link(broker, wanting, new MqttOptions { Broker = broker.Address, Subscriptions = [new("none"), new("kept/+", MqttQos.AtLeastOnce, Kept: true), new("also/none")] });
        await using var second = Link(broker, other, new MqttOptions { Broker = broker.Address, Subscriptions = [new("kept/+")] });
        await using var third = Link(broker, older, new MqttOptions { Broker = broker.Address, Version = MqttVersion.V311, Subscriptions = [new("kept/+")] });
        await other.ConnectedAsync();
        Assert.True(link.TryPublish(new MqttMessage("kept/7", "new"u8.ToArray())));
        await wanting.UntilAsync(l => l.Messages.Count >= 101, "all that was kept, and the new one");
        await other.UntilAsync(l => !l.Messages.IsEmpty, "the new one");
        await older.UntilAsync(l => l.Messages.Count >= 100, "all that was kept");

        Assert.Equal(100, wanting.Messages.Count(m => m is { Retained: true, Payload: "old", ContentType: "x", Qos: MqttQos.AtLeastOnce }));
        Assert.Equal(new("kept/7", "new", null, MqttQos.AtMostOnce, false), other.Messages.Single());
        Assert.Equal(100, older.Messages.Count(m => m.Retained));
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("localhost")]
    public async Task A_broker_that_is_not_there_yet_is_found_when_it_is(string host)
    {
        var port = LoopbackPorts.Free();
        var heard = new Listener();
        await using var link = MosquittoLink.Start(new MqttOptions { Broker = new Uri($"mqtt://{host}:{port}"), LongestWait = TimeSpan.FromSeconds(0.2) }, heard, TimeProvider.System);
        await heard.UntilAsync(l => !l.Reasons.IsEmpty, "a reason");
        Assert.Equal($"broker mqtt://{host}:{port}: Connection refused", heard.Reasons.Single());

        await using var broker = await StartAsync(new MosquittoBrokerSettings { Port = port });
        await heard.ConnectedAsync();
    }

    [Fact]
    public async Task A_host_that_does_not_exist_is_said_in_one_line()
    {
        var heard = new Listener();
        await using var link = MosquittoLink.Start(new MqttOptions { Broker = new Uri("mqtt://no-such-host.invalid") }, heard, TimeProvider.System);
        await heard.UntilAsync(l => !l.Reasons.IsEmpty, "a reason");

        Assert.Equal("broker mqtt://no-such-host.invalid: Lookup error", heard.Reasons.Single());
    }

    [Theory]
    [InlineData("mqtt")]
    [InlineData("mqtts")]
    public async Task A_peer_that_accepts_and_says_nothing_is_given_up(string scheme)
    {
        using var peer = new TcpListener(IPAddress.Loopback, 0);
        peer.Start();
        var heard = new Listener();
        await using var link = MosquittoLink.Start(new MqttOptions { Broker = new Uri($"{scheme}://{peer.LocalEndpoint}"), ClientId = $"s-{scheme}" }, heard, TimeProvider.System);
        using var first = await peer.AcceptTcpClientAsync();
        await heard.UntilAsync(l => !l.Reasons.IsEmpty, "a reason");

        // It has slept meanwhile. The kernel counts a thread's time in hundredths of a second, behind its name in brackets: 11 fields of others, then its own and the kernel's.
        var thread = Directory.EnumerateDirectories("/proc/self/task").Select(Stat).Single(t => t.Contains($"(mqtt s-{scheme})", StringComparison.Ordinal));
        Assert.InRange(thread[thread.LastIndexOf(')')..].Split(' ').Skip(12).Take(2).Sum(n => int.Parse(n, CultureInfo.InvariantCulture)), 0, 100);
        using var second = await peer.AcceptTcpClientAsync();

        Assert.Equal($"broker {scheme}://{peer.LocalEndpoint}: no answer within 5 s", heard.Reasons.Single());
    }

    [Theory]
    [InlineData(new byte[] { 0x20, 3, 0, 0, 0 }, new byte[] { 0x90, 4, 0, 1, 0, 0x87 }, "subscription 'mine' refused: Not authorized")]
    [InlineData(new byte[] { 0x20, 3, 0, 0x86, 0 }, new byte[0], "refused: Bad User Name or Password")]
    public async Task What_a_broker_refuses_is_said_in_its_words(byte[] toConnect, byte[] toSubscribe, string reason)
    {
        using var peer = new TcpListener(IPAddress.Loopback, 0);
        peer.Start();
        var heard = new Listener();
        await using var link = MosquittoLink.Start(new MqttOptions { Broker = new Uri($"mqtt://{peer.LocalEndpoint}"), Subscriptions = [new("mine")] }, heard, TimeProvider.System);
        using var accepted = await peer.AcceptTcpClientAsync();
        var stream = accepted.GetStream();
        var buffer = new byte[1024];
        Assert.NotEqual(0, await stream.ReadAsync(buffer));
        await stream.WriteAsync(toConnect);
        if (toSubscribe.Length > 0)
        {
            Assert.NotEqual(0, await stream.ReadAsync(buffer));
            await stream.WriteAsync(toSubscribe);
        }

        await heard.UntilAsync(l => !l.Reasons.IsEmpty, "a reason");
        Assert.Equal(0, heard.Connections);
        Assert.Equal($"broker mqtt://{peer.LocalEndpoint}: {reason}", heard.Reasons.Single());
    }

    [Fact]
    public async Task What_a_broker_says_when_it_hangs_up_is_the_reason()
    {
        using var peer = new TcpListener(IPAddress.Loopback, 0);
        peer.Start();
        var heard = new Listener();
        await using var link = MosquittoLink.Start(new MqttOptions { Broker = new Uri($"mqtt://{peer.LocalEndpoint}") }, heard, TimeProvider.System);
        using (var accepted = await peer.AcceptTcpClientAsync())
        {
            var stream = accepted.GetStream();
            Assert.NotEqual(0, await stream.ReadAsync(new byte[1024]));
            await stream.WriteAsync(new byte[] { 0x20, 3, 0, 0, 0 });
            await heard.ConnectedAsync();
            await stream.WriteAsync(new byte[] { 0xe0, 2, 0x8e, 0 });
            await heard.UntilAsync(l => !l.Reasons.IsEmpty, "a reason");
        }

        Assert.Equal($"broker mqtt://{peer.LocalEndpoint}: Session taken over", heard.Reasons.First());
    }

    [Fact]
    public async Task Two_of_one_client_id_cut_each_other_off_ever_more_seldom()
    {
        await using var broker = await StartAsync();
        var (first, second) = (new Listener(), new Listener());
        var options = new MqttOptions { Broker = broker.Address, ClientId = "same", FirstWait = TimeSpan.FromMilliseconds(20), LongestWait = TimeSpan.FromMinutes(10) };
        var began = Stopwatch.GetTimestamp();
        await using var one = Link(broker, first, options);
        await using var other = Link(broker, second, options);
        await first.UntilAsync(l => l.Reasons.Count >= 6, "six times");

        // Five waits of 20 ms by both are 200 ms at most. Doubled, the first's own are 310 ms at least; 240 where a slow machine makes one connection stand for so long that it counts as a success.
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalMilliseconds, 230, double.MaxValue);
    }

    [Fact]
    public async Task A_broker_that_is_frozen_for_long_is_given_up_and_found_again()
    {
        await using var broker = await StartAsync();
        var heard = new Listener();
        await using var link = Link(broker, heard, new MqttOptions { Broker = broker.Address, Subscriptions = [new("a")] });
        await heard.ConnectedAsync();
        await broker.FreezeAsync(CancellationToken.None);
        await heard.UntilAsync(l => !l.Reasons.IsEmpty, "a reason");
        Assert.Equal($"broker {broker.Address.ToString().TrimEnd('/')}: no answer within 5 s", heard.Reasons.Single());
        Assert.False(link.TryPublish(new MqttMessage("a", "old"u8.ToArray())));

        await broker.ThawAsync(CancellationToken.None);
        await heard.ConnectedAsync(2);
        Assert.True(link.TryPublish(new MqttMessage("a", "new"u8.ToArray())));
        await heard.UntilAsync(l => !l.Messages.IsEmpty, "a message");
        Assert.Equal("new", heard.Messages.Single().Payload);
    }

    [Fact]
    public async Task Many_links_live_in_one_process_and_end_while_others_publish()
    {
        const int count = 250;
        await using var broker = await StartAsync();
        var listeners = Enumerable.Range(0, count).Select(_ => new Listener()).ToArray();
        var links = listeners.Select((l, i) => Link(broker, l, new MqttOptions { Broker = broker.Address, ClientId = $"c{i}", Subscriptions = [new($"m/{i}")] })).ToArray();
        await Task.WhenAll(listeners.Select(l => l.ConnectedAsync()));
        for (var i = 0; i < count; i++)
        {
            Assert.True(links[i].TryPublish(new MqttMessage($"m/{(i + 1) % count}", Encoding.UTF8.GetBytes($"{i}"))));
        }

        await Task.WhenAll(listeners.Select(l => l.UntilAsync(x => !x.Messages.IsEmpty, "a message")));
        Assert.All(listeners.Index(), l => Assert.Equal($"{(l.Index + count - 1) % count}", l.Item.Messages.Single().Payload));

        using var over = new CancellationTokenSource();
        var busy = Enumerable.Range(0, 4).Select(n => Task.Run(() =>
        {
            for (var i = n; !over.IsCancellationRequested; i++)
            {
                links[i % count].TryPublish(new MqttMessage("noise", new byte[100]));
                _ = links[i % count].IsConnected;
            }
        })).ToArray();
        await Task.WhenAll(links.Select(l => l.DisposeAsync().AsTask()));
        await over.CancelAsync();
        await Task.WhenAll(busy);
        Assert.All(links, l => Assert.False(l.TryPublish(new MqttMessage("noise", new byte[1]))));
        Assert.All(listeners, l => Assert.Empty(l.Reasons));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a/+")]
    [InlineData("#")]
    [InlineData("a\0b")]
    public async Task A_topic_that_can_never_be_sent_is_refused(string topic)
    {
        await using var link = MosquittoLink.Start(new MqttOptions { Broker = new Uri("mqtt://127.0.0.1:1") }, new Listener(), TimeProvider.System);

        Assert.Throws<ArgumentException>(() => link.TryPublish(new MqttMessage(topic, ReadOnlyMemory<byte>.Empty)));
    }

    [Fact]
    public void A_file_that_is_missing_and_a_limit_that_cannot_be_are_refused_in_one_line()
    {
        var options = new MqttOptions { Broker = new Uri("mqtts://127.0.0.1") };

        Refused(options with { Tls = new MqttTls { Authority = "/no/such.pem" } }, "authority: expected a file, found /no/such.pem");
        Refused(options with { Tls = new MqttTls { Certificate = "/etc/hosts" } }, "certificate and key: expected both or neither, found /etc/hosts");
        Refused(options with { KeepAlive = TimeSpan.FromSeconds(1) }, "keep-alive: expected 5 s to 65535 s, found 1 s");
        Refused(options with { Window = 0 }, "window: expected 1 or more, found 0");

        static void Refused(MqttOptions options, string why)
            => Assert.Equal($"broker mqtts://127.0.0.1: {why}", Assert.Throws<InvalidInputException>(() => MosquittoLink.Start(options, new Listener(), TimeProvider.System)).Message);
    }

    private static string Stat(string thread)
    {
        try
        {
            return File.ReadAllText(Path.Combine(thread, "stat"));
        }
        catch (IOException)
        {
            // Others' threads come and go.
            return "";
        }
    }

    /// <summary>Bytes in the system's buffers of all connections to a port of loopback, on the way there.</summary>
    private static long Queued(int port)
        => File.ReadLines("/proc/net/tcp").Skip(1).Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Sum(l =>
        {
            var (unsent, unread) = (Hex(l[4].Split(':')[0]), Hex(l[4].Split(':')[1]));
            return (Hex(l[1].Split(':')[1]) == port ? unread : 0) + (Hex(l[2].Split(':')[1]) == port ? unsent : 0);
        });

    private static long Hex(string text) => long.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static Task<MosquittoBroker> StartAsync(MosquittoBrokerSettings? settings = null) => MosquittoBroker.StartAsync(settings ?? new MosquittoBrokerSettings(), TimeProvider.System, CancellationToken.None);

    private static MosquittoLink Link(MosquittoBroker broker, Listener listener, MqttOptions options) => MosquittoLink.Start(options with { Broker = broker.Address }, listener, TimeProvider.System);
}
