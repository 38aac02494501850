using System.Diagnostics;
using MimicD.Bridges.Mqtt;
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
        // Usually 0.3 ms; a machine that has other things to do takes longer, and Nagle or a loop that looks now and then 10 ms and more.
        Assert.InRange(took[rounds / 2], 0, 5);
    }

    private static Task<MosquittoBroker> StartAsync(MosquittoBrokerSettings? settings = null) => MosquittoBroker.StartAsync(settings ?? new MosquittoBrokerSettings(), TimeProvider.System, CancellationToken.None);

    private static MosquittoLink Link(MosquittoBroker broker, Listener listener, MqttOptions options) => MosquittoLink.Start(options with { Broker = broker.Address }, listener, TimeProvider.System);
}
