using System.Runtime.Versioning;
using System.Text;
using MimicD.Bridges.Mqtt;
using MimicD.Contracts;
using MimicD.Numerics;
using Xunit.Abstractions;

namespace MimicD.BridgesTests;

[SupportedOSPlatform("linux")]
public sealed class BrokerRecipeTests(ITestOutputHelper output) : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mimicd-");

    public void Dispose() => _folder.Delete(recursive: true);

    private string Recipe => Path.Combine(_folder.FullName, "recipe");

    [Fact]
    public async Task A_broker_with_the_recipe_lets_certified_peers_in_and_nobody_else()
    {
        await using var broker = await StartAsync(Recipe, ["r1", "r2"]);
        var other = Path.Combine(_folder.FullName, "other");
        BrokerRecipe.Write(other, "mimicd/v1", [], ["r1"], "agents", new BrokerRecipeOptions(), TimeProvider.System);
        var (bridge, robot) = (new Listener(), new Listener());
        await using var agents = Link(broker, null, bridge, new MqttSubscription("mimicd/v1/+/+/obs"));
        await using var first = Link(broker, "r1", robot, new MqttSubscription("mimicd/v1/+/r1/cmd"));
        await bridge.ConnectedAsync();
        await robot.ConnectedAsync();
        Assert.True(first.TryPublish(new MqttMessage("mimicd/v1/demo/r1/obs", "seen"u8.ToArray())));
        await bridge.UntilAsync(l => !l.Messages.IsEmpty, "an observation");
        Assert.True(agents.TryPublish(new MqttMessage("mimicd/v1/demo/r1/cmd", "go"u8.ToArray())));
        await robot.UntilAsync(l => !l.Messages.IsEmpty, "a command");

        var tls = BrokerRecipe.Tls(Recipe, "r1");
        await RefusedAsync(tls with { Authority = Path.Combine(other, BrokerRecipe.Authority) }, "127.0.0.1", "certificate verify failed");
        await RefusedAsync(tls, "127.0.0.2", "host name verification failed");

        // The broker's last word to these may be lost with the connection.
        await RefusedAsync(tls with { Certificate = null, Key = null }, "127.0.0.1", "");
        await RefusedAsync(tls with { Certificate = BrokerRecipe.Tls(other, "r1").Certificate, Key = BrokerRecipe.Tls(other, "r1").Key }, "127.0.0.1", "");
        await RefusedAsync(tls with { Key = BrokerRecipe.Tls(Recipe, "r2").Key }, "127.0.0.1", "key");

        async Task RefusedAsync(MqttTls wrong, string host, string why)
        {
            var listener = new Listener();
            await using var link = MosquittoLink.Start(new MqttOptions { Broker = new Uri($"mqtts://{host}:{broker.Address.Port}"), Tls = wrong }, listener, TimeProvider.System);
            await listener.UntilAsync(l => !l.Reasons.IsEmpty, "a reason");
            var reason = listener.Reasons.First();
            output.WriteLine(reason);
            Assert.Equal(0, listener.Connections);
            Assert.StartsWith($"broker mqtts://{host}:{broker.Address.Port}: ", reason, StringComparison.Ordinal);
            Assert.Contains(why, reason, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', reason);
        }
    }

    [Fact]
    public async Task Who_gives_anothers_client_id_cuts_nobody_off()
    {
        await using var broker = await StartAsync(Recipe, ["r1", "r2"]);
        var (victim, thief) = (new Listener(), new Listener());
        await using var agents = Link(broker, null, new Listener());
        await using var first = Link(broker, "r1", victim, new MqttSubscription("mimicd/v1/+/r1/cmd"));
        await victim.ConnectedAsync();
        foreach (var id in new[] { "r1", "agents" })
        {
            await using var second = MosquittoLink.Start(new MqttOptions { Broker = broker.Address, ClientId = id, User = id, Tls = BrokerRecipe.Tls(Recipe, "r2"), Subscriptions = [new("mimicd/v1/+/r1/cmd"), new("mimicd/v1/+/+/obs")] }, thief, TimeProvider.System);
            await thief.ConnectedAsync(id == "r1" ? 1 : 2);
            await PublishedAsync(agents, new MqttMessage("mimicd/v1/demo/r1/cmd", Encoding.UTF8.GetBytes(id)));
            await victim.UntilAsync(l => l.Messages.Any(m => m.Payload == id), "the command");
        }

        Assert.Empty(victim.Reasons);
        Assert.Equal(1, victim.Connections);
        Assert.Empty(thief.Messages);
    }

    [Fact]
    public void A_link_to_an_empty_folder_stays_and_nothing_is_left_beside_a_recipe_that_was_not_written()
    {
        var (real, link) = (Path.Combine(_folder.FullName, "real"), Path.Combine(_folder.FullName, "link"));
        Directory.CreateDirectory(real);
        Directory.CreateSymbolicLink(link, real);
        BrokerRecipe.Write(link, "mimicd/v1", [], ["r1"], "agents", new BrokerRecipeOptions(), TimeProvider.System);

        Assert.Equal(real, new DirectoryInfo(link).LinkTarget);
        Assert.True(File.Exists(Path.Combine(real, BrokerRecipe.Configuration)));

        Directory.CreateDirectory(Recipe);
        File.WriteAllText(Path.Combine(Recipe, "mine"), "");
        Assert.Throws<InvalidInputException>(() => BrokerRecipe.Write(Recipe, "mimicd/v1", [], ["r1"], "agents", new BrokerRecipeOptions(), TimeProvider.System));
        Assert.Equal(["link", "real", "recipe"], Directory.EnumerateFileSystemEntries(_folder.FullName).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_files_say_who_may_do_what_and_keys_are_their_owners_alone()
    {
        BrokerRecipe.Write(Recipe, "site/a", ["morning", "evening"], ["r1", "r2"], "agents", new BrokerRecipeOptions { Port = 8884 }, TimeProvider.System);

        Assert.Equal(
            ["acl", "authority.key", "authority.pem", "bridge.key", "bridge.pem", "mosquitto.conf", "robots/r1.key", "robots/r1.pem", "robots/r2.key", "robots/r2.pem", "server.key", "server.pem"],
            Directory.EnumerateFiles(Recipe, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(Recipe, f)).Order(StringComparer.Ordinal));
        Assert.All(Directory.EnumerateFiles(Recipe, "*", SearchOption.AllDirectories), f => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(f)));
        Assert.Equal("""
            # Every robot, by the name in its certificate.
            pattern write site/a/morning/%u/obs
            pattern write site/a/morning/%u/conn
            pattern write site/a/morning/%u/rep
            pattern read site/a/morning/%u/cmd
            pattern write site/a/evening/%u/obs
            pattern write site/a/evening/%u/conn
            pattern write site/a/evening/%u/rep
            pattern read site/a/evening/%u/cmd

            # The bridge.
            user agents
            topic read site/a/morning/+/obs
            topic read site/a/morning/+/conn
            topic read site/a/morning/+/rep
            topic write site/a/morning/+/cmd
            topic read site/a/evening/+/obs
            topic read site/a/evening/+/conn
            topic read site/a/evening/+/rep
            topic write site/a/evening/+/cmd

            """, File.ReadAllText(Path.Combine(Recipe, "acl")));
        var lines = File.ReadAllLines(Path.Combine(Recipe, "mosquitto.conf"));
        Assert.All(
            ["listener 8884", "require_certificate true", "use_identity_as_username true", "use_username_as_clientid true", "allow_anonymous false", "persistence false", "max_packet_size 65536", "max_queued_messages 1000", $"acl_file {Recipe}/acl"],
            line => Assert.Contains(line, lines));
    }

    [Fact]
    public void What_cannot_be_is_refused_and_nothing_is_written()
    {
        Refused("", ["r1"], "agents", "prefix: expected names of 1 to 32 letters, digits, '_' and '-' between slashes, found ");
        Refused("a/#", ["r1"], "agents", "prefix: expected names of 1 to 32 letters, digits, '_' and '-' between slashes, found a/#");
        Refused("a", ["r1", "+"], "agents", "robot: expected a name of 1 to 32 letters, digits, '_' and '-', found +");
        Refused("a", ["r1", "r1"], "agents", "robot: expected each name once, found r1");
        Refused("a", ["r1"], "r1", "bridge: expected a name that no robot has, found r1");
        Refused("a", [], "agents", "robots: expected one or more, found nothing");
        Assert.Empty(_folder.EnumerateFileSystemInfos());

        Directory.CreateDirectory(Recipe);
        File.WriteAllText(Path.Combine(Recipe, "mine"), "");
        Refused("a", ["r1"], "agents", $"{Recipe}: expected a folder that is not there yet, or is empty, found one with files");
        File.Delete(Path.Combine(Recipe, "mine"));
        BrokerRecipe.Write(Recipe, "a", [], ["r1"], "agents", new BrokerRecipeOptions(), TimeProvider.System);
        Assert.Equal([Recipe], Directory.EnumerateFileSystemEntries(_folder.FullName));

        var blocked = Path.Combine(Recipe, "acl", "sub");
        var refused = Assert.Throws<InvalidInputException>(() => BrokerRecipe.Write(blocked, "a", [], ["r1"], "agents", new BrokerRecipeOptions(), TimeProvider.System));
        Assert.StartsWith($"{blocked}: cannot be written: ", refused.Message, StringComparison.Ordinal);

        void Refused(string prefix, string[] robots, string bridge, string why)
            => Assert.Equal(why, Assert.Throws<InvalidInputException>(() => BrokerRecipe.Write(Recipe, prefix, [], robots, bridge, new BrokerRecipeOptions(), TimeProvider.System)).Message);
    }

    /// <summary>A broker with a recipe of these robots, under any run, with the default prefix.</summary>
    internal static async Task<MosquittoBroker> StartAsync(string folder, IReadOnlyList<string> robots)
    {
        var port = LoopbackPorts.Free();
        BrokerRecipe.Write(folder, "mimicd/v1", [], robots, "agents", new BrokerRecipeOptions { Port = port }, TimeProvider.System);
        return await MosquittoBroker.StartAsync(new MosquittoBrokerSettings { ConfigurationFile = Path.Combine(folder, BrokerRecipe.Configuration), Port = port, IsSecure = true }, TimeProvider.System, CancellationToken.None);
    }

    private static async Task PublishedAsync(MosquittoLink link, MqttMessage message)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (!link.TryPublish(message))
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < Listener.Patience, "no connection to publish on");
            await Task.Yield();
        }
    }

    private MosquittoLink Link(MosquittoBroker broker, string? robot, Listener listener, params MqttSubscription[] subscriptions)
        => MosquittoLink.Start(new MqttOptions { Broker = broker.Address, Tls = BrokerRecipe.Tls(Recipe, robot), Subscriptions = subscriptions }, listener, TimeProvider.System);
}
