using System.Runtime.Versioning;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using MimicD.Bridges.Mqtt;
using MimicD.Cluster;
using MimicD.Cluster.RabbitMq;
using MimicD.Numerics;
using Xunit.Abstractions;

namespace MimicD.BridgesTests;

/// <summary>No agent's robot hears or speaks for another through a broker that is set up as we say.</summary>
[SupportedOSPlatform("linux")]
public sealed class LeakTests(ITestOutputHelper output) : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mimicd-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task With_the_recipe_no_robot_hears_or_speaks_for_another()
    {
        var robots = Robots(20);
        var recipe = Path.Combine(_folder.FullName, "recipe");
        await using var broker = await BrokerRecipeTests.StartAsync(recipe, robots);
        await using var matrix = new LeakMatrix(robots, robot => new MqttOptions
        {
            Broker = broker.Address,
            Tls = BrokerRecipe.Tls(recipe, robot),
            Version = robot is null || robots.IndexOf(robot) % 2 == 0 ? MqttVersion.V5 : MqttVersion.V311,
        });
        await matrix.RunAsync();

        output.WriteLine($"{matrix.Attempts} attempts; {matrix.Right} messages came right, {matrix.WrongBytes} bytes wrong");
        Assert.Empty(matrix.Wrong);
        Assert.Equal(0, matrix.WrongBytes);
        Assert.Equal(0, matrix.CutOff);
        Assert.True(matrix.Right >= robots.Count * 8, $"{matrix.Right} messages came right");
    }

    [Fact]
    public async Task With_topic_permissions_on_RabbitMQ_no_robot_hears_or_speaks_for_another()
    {
        var robots = Robots(20);
        var port = LoopbackPorts.Free();
        var definitions = Path.Combine(_folder.FullName, "definitions.json");
        await File.WriteAllTextAsync(definitions, Definitions(robots));
        await using var broker = await PrivateBroker.StartAsync(new ClusterOptions(), new PrivateBrokerSettings
        {
            Plugins = ["rabbitmq_mqtt"],
            Configuration = [$"mqtt.listeners.tcp.1 = 127.0.0.1:{port}", "mqtt.allow_anonymous = false", $"load_definitions = {definitions}"],
        }, TimeProvider.System, CancellationToken.None);
        await using var matrix = new LeakMatrix(robots, robot => new MqttOptions
        {
            Broker = new Uri($"mqtt://127.0.0.1:{port}"),
            ClientId = robot ?? "agents",
            User = robot ?? "agents",
            Password = $"secret of {robot ?? "agents"}",
            Version = MqttVersion.V311,
        });
        var passed = await matrix.RunOneByOneAsync();

        output.WriteLine($"{matrix.Attempts} attempts, of which {passed.Count} were let pass; {matrix.Right} messages came right, {matrix.WrongBytes} bytes wrong; cut off: {matrix.CutOff}");
        var kinds = passed.CountBy(p => string.Join(' ', p.Split(' ').SkipLast(1))).OrderBy(k => k.Key, StringComparer.Ordinal).ToArray();
        output.WriteLine($"let pass: {string.Join(", ", kinds.Select(k => $"{k.Value} x {k.Key}"))}");

        // A will of another's topic is taken, and then not said. A client id is anybody's, whatever the user: who takes another's cuts that one off, and hears nothing by it. No permission can say otherwise.
        Assert.Equal(["client id", "will"], kinds.Select(k => k.Key));
        Assert.NotEqual(0, matrix.CutOff);

        await matrix.CloseBridgeAsync();

        // What is kept comes to whoever asks for it by its exact topic, and not by a wildcard: a bridge on RabbitMQ has to name its robots.
        foreach (var (filters, count) in new[] { (robots.Select(r => LeakMatrix.Topic(r, "conn")).ToArray(), robots.Count), (["mimicd/v1/+/+/conn"], 0) })
        {
            var late = new Listener();
            await using var link = MosquittoLink.Start(new MqttOptions
            {
                Broker = new Uri($"mqtt://127.0.0.1:{port}"),
                ClientId = "agents",
                User = "agents",
                Password = "secret of agents",
                Version = MqttVersion.V311,
                Subscriptions = [.. filters.Append("mimicd/v1/+/+/rep").Select(f => new MqttSubscription(f, MqttQos.AtLeastOnce, Kept: true))],
            }, late, TimeProvider.System);
            await late.ConnectedAsync();
            await matrix.SayAsync(robots[0], "rep");
            await late.UntilAsync(l => l.Messages.Any(m => m.Topic.EndsWith("rep", StringComparison.Ordinal)), "a report after it");
            Assert.Equal(count, late.Messages.Count(m => m.Retained && m.Payload.StartsWith(m.Topic.Split('/')[3] + " ", StringComparison.Ordinal)));
        }

        Assert.Empty(matrix.Wrong);
        Assert.Equal(0, matrix.WrongBytes);
        Assert.True(matrix.Right >= robots.Count * 6, $"{matrix.Right} messages came right");
    }

    [Fact]
    public async Task Without_rights_the_same_attempts_are_heard_all_over()
    {
        var robots = Robots(4);
        await using var broker = await MosquittoBroker.StartAsync(new MosquittoBrokerSettings(), TimeProvider.System, CancellationToken.None);
        await using var matrix = new LeakMatrix(robots, robot => new MqttOptions { Broker = broker.Address, ClientId = robot ?? "agents" });
        await matrix.RunAsync();

        output.WriteLine($"{matrix.Attempts} attempts; {matrix.Right} messages came right, {matrix.WrongBytes} bytes wrong");
        Assert.All(robots, robot =>
        {
            Assert.Contains(matrix.Wrong, w => w.StartsWith($"'{robot}' heard", StringComparison.Ordinal));
            Assert.All(robots.Where(r => r != robot), other =>
            {
                Assert.Contains($"'{other}' heard '{robot} {other} ' on {LeakMatrix.Topic(other, "cmd")}", matrix.Wrong);
                Assert.Contains($"'{other}' heard '{robot} {other} will' on {LeakMatrix.Topic(other, "cmd")}", matrix.Wrong);
                Assert.Contains($"'' heard '{robot}  ' on {LeakMatrix.Topic(other, "conn")}", matrix.Wrong);
            });
        });
        Assert.NotEqual(0, matrix.CutOff);
    }

    /// <summary>Users, and what each may do: their own queue, and the topics that are theirs. What <c>rabbitmqctl add_user</c>, <c>set_permissions</c> and <c>set_topic_permissions</c> write, at once.</summary>
    private static string Definitions(List<string> robots)
    {
        string[] users = [.. robots, "agents"];
        return JsonSerializer.Serialize(new
        {
            vhosts = new[] { new { name = "/" } },
            users = users.Select(u => new { name = u, password_hash = Hash($"secret of {u}"), hashing_algorithm = "rabbit_password_hashing_sha256", tags = "" }),
            permissions = users.Select(u => new { user = u, vhost = "/", configure = $"^mqtt-subscription-{u}qos[01]$", write = $@"^(amq\.topic|mqtt-subscription-{u}qos[01])$", read = $@"^(amq\.topic|mqtt-subscription-{u}qos[01])$" }),
            topic_permissions = users.Select(u => new
            {
                user = u,
                vhost = "/",
                exchange = "amq.topic",
                write = u == "agents" ? @"^mimicd\.v1\.[^.]+\.[^.]+\.cmd$" : @"^mimicd\.v1\.[^.]+\.{username}\.(obs|conn|rep)$",
                read = u == "agents" ? @"^mimicd\.v1\.[^.]+\.[^.]+\.(obs|conn|rep)$" : @"^mimicd\.v1\.[^.]+\.{username}\.cmd$",
            }),
        });

        static string Hash(string password)
        {
            var salt = RandomNumberGenerator.GetBytes(4);
            return Convert.ToBase64String([.. salt, .. SHA256.HashData([.. salt, .. Encoding.UTF8.GetBytes(password)])]);
        }
    }

    private static List<string> Robots(int count) => [.. Enumerable.Range(1, count).Select(i => $"r{i}")];
}
