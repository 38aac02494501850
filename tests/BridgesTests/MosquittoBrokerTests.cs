using System.Globalization;
using MimicD.Bridges.Mqtt;
using MimicD.Contracts;

namespace MimicD.BridgesTests;

public sealed class MosquittoBrokerTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mimicd-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task One_that_persists_says_again_what_it_kept_and_an_old_copy_of_that_too()
    {
        var snapshot = Path.Combine(_folder.FullName, "snapshot");
        await using var broker = await StartAsync(new MosquittoBrokerSettings { IsPersistent = true });
        await KeepAsync(broker, "first");
        await broker.TakeSnapshotAsync(snapshot, TimeProvider.System, CancellationToken.None);
        await KeepAsync(broker, "second");
        var before = broker.ProcessId;
        await broker.StopAsync(CancellationToken.None);
        Assert.Equal(0, broker.ProcessId);
        await broker.StartAgainAsync(TimeProvider.System, CancellationToken.None);
        Assert.NotEqual(before, broker.ProcessId);
        Assert.Equal("second", await KeptAsync(broker));

        await broker.KillAsync(CancellationToken.None);
        broker.RestoreSnapshot(snapshot);
        await broker.StartAgainAsync(TimeProvider.System, CancellationToken.None);
        Assert.Equal("first", await KeptAsync(broker));
    }

    [Fact]
    public async Task One_that_does_not_persist_has_forgotten_everything_after_a_restart()
    {
        await using var broker = await StartAsync(new MosquittoBrokerSettings());
        await KeepAsync(broker, "first");
        Assert.Equal("first", await KeptAsync(broker));
        await broker.StopAsync(CancellationToken.None);
        await broker.StartAgainAsync(TimeProvider.System, CancellationToken.None);

        Assert.Null(await KeptAsync(broker));
    }

    [Fact]
    public async Task It_listens_on_loopback_alone_and_leaves_nothing_even_when_it_is_frozen()
    {
        var broker = await StartAsync(new MosquittoBrokerSettings());
        var (process, port) = (broker.ProcessId, broker.Address.Port);
        var folder = (await File.ReadAllTextAsync($"/proc/{process}/cmdline")).Split('\0').Select(Path.GetDirectoryName).Single(d => d?.Contains("mimicd-mqtt", StringComparison.Ordinal) == true)!;
        Assert.True(Directory.Exists(folder));
        Assert.Equal(["0100007F"], Listeners("tcp").Concat(Listeners("tcp6")));
        await broker.FreezeAsync(CancellationToken.None);
        await broker.DisposeAsync();

        Assert.False(Directory.Exists($"/proc/{process}"));
        Assert.False(Directory.Exists(folder));

        // State 0A is one that listens.
        IEnumerable<string> Listeners(string kind) => File.ReadLines($"/proc/net/{kind}").Skip(1).Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(l => l[3] == "0A" && int.Parse(l[1].Split(':')[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture) == port).Select(l => l[1].Split(':')[0]);
    }

    [Fact]
    public async Task One_that_cannot_start_says_why_in_one_line()
    {
        var refused = await Assert.ThrowsAsync<InvalidInputException>(() => StartAsync(new MosquittoBrokerSettings { Configuration = ["no_such_option true"] }));

        Assert.Matches("^private broker: Mosquitto did not start: .*Error.*$", refused.Message);
        await using var first = await StartAsync(new MosquittoBrokerSettings());
        var taken = await Assert.ThrowsAsync<InvalidInputException>(() => StartAsync(new MosquittoBrokerSettings { Port = first.Address.Port }));
        Assert.EndsWith("Address already in use", taken.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_packet_that_is_too_long_is_not_sent_to_it_and_harms_nothing()
    {
        await using var broker = await StartAsync(new MosquittoBrokerSettings { LongestPacket = 1000 });
        var heard = new Listener();
        await using var link = MosquittoLink.Start(new MqttOptions { Broker = broker.Address, Subscriptions = [new("t")] }, heard, TimeProvider.System);
        await heard.ConnectedAsync();
        Assert.True(link.TryPublish(new MqttMessage("t", new byte[2000])));
        Assert.True(link.TryPublish(new MqttMessage("t", "short"u8.ToArray())));
        await heard.UntilAsync(l => !l.Messages.IsEmpty, "the short one");

        Assert.Equal("short", heard.Messages.Single().Payload);
        Assert.Equal(1, link.Lost);
        Assert.Empty(heard.Reasons);
    }

    private static Task<MosquittoBroker> StartAsync(MosquittoBrokerSettings settings) => MosquittoBroker.StartAsync(settings, TimeProvider.System, CancellationToken.None);

    private static async Task KeepAsync(MosquittoBroker broker, string what)
    {
        var heard = new Listener();
        await using var link = MosquittoLink.Start(new MqttOptions { Broker = broker.Address, Subscriptions = [new("kept")] }, heard, TimeProvider.System);
        await heard.ConnectedAsync();
        Assert.True(link.TryPublish(new MqttMessage("kept", System.Text.Encoding.UTF8.GetBytes(what), Qos: MqttQos.AtLeastOnce, Retained: true)));
        await heard.UntilAsync(l => l.Messages.Any(m => m.Payload == what), "what is to be kept");
    }

    /// <summary>What somebody who comes now is told at first.</summary>
    private static async Task<string?> KeptAsync(MosquittoBroker broker)
    {
        var heard = new Listener();
        await using var link = MosquittoLink.Start(new MqttOptions { Broker = broker.Address, Subscriptions = [new("kept", MqttQos.AtLeastOnce, Kept: true)] }, heard, TimeProvider.System);
        await heard.ConnectedAsync();
        Assert.True(link.TryPublish(new MqttMessage("kept", "new"u8.ToArray())));
        await heard.UntilAsync(l => l.Messages.Any(m => m.Payload == "new"), "what is said now");
        return heard.Messages.FirstOrDefault(m => m.Retained)?.Payload;
    }
}
