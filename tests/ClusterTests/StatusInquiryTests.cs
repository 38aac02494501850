using Google.Protobuf;
using MimicD.Cluster;
using MimicD.Cluster.RabbitMq;
using MimicD.Cluster.Status;
using MimicD.Cluster.Wire;
using MimicD.Contracts;
using MimicD.World;
using RabbitMQ.Client;

namespace MimicD.ClusterTests;

/// <summary>A cluster is asked how it is doing, through a real broker.</summary>
public sealed class StatusInquiryTests(BrokerFixture broker) : IClassFixture<BrokerFixture>, IDisposable
{
    // Whoever is not there is not waited for to the end; whoever is has until then.
    private static readonly TimeSpan Wait = TimeSpan.FromSeconds(10);

    private readonly Case _case = Case.Model();

    public void Dispose() => _case.Dispose();

    [Fact]
    public async Task A_cluster_that_nobody_is_in_says_so_at_once()
    {
        var options = Options("empty");
        var status = await StatusInquiry.AskAsync(options, TimeSpan.FromHours(1), TimeProvider.System, CancellationToken.None);
        Assert.Equal((0, 0, null), (status.Nodes.Count, status.Worlds.Count, status.DeadLetters));

        // And where somebody has been.
        await using (await NodeService.StartAsync(options, "node-1", 1, TimeProvider.System, CancellationToken.None))
        {
        }

        status = await StatusInquiry.AskAsync(options, TimeSpan.FromHours(1), TimeProvider.System, CancellationToken.None);
        Assert.Equal((0, 0, 0L), (status.Nodes.Count, status.Worlds.Count, status.DeadLetters));
    }

    [Fact]
    public async Task A_broker_that_is_not_there_is_said_after_one_attempt()
    {
        var options = Options("nowhere") with { Broker = broker.Options.Broker with { Uri = "amqp://127.0.0.1:1/" }, Deadlines = new DeadlineOptions { Broker = 3600 } };
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => StatusInquiry.AskAsync(options, Wait, TimeProvider.System, CancellationToken.None));
        Assert.StartsWith("broker amqp://127.0.0.1:1/: cannot be reached: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_and_its_nodes_are_seen_in_the_middle_of_it_and_nothing_changes()
    {
        const int At = 6;
        var local = await _case.LocallyAsync();
        var options = Options("run");
        await using var first = await NodeService.StartAsync(options, "node-1", 1, TimeProvider.System, CancellationToken.None);
        await using var second = await NodeService.StartAsync(options, "node-2", 1, TimeProvider.System, CancellationToken.None);
        await using var host = new RabbitMqHost(options, _case.Sources, 2, TimeProvider.System) { Title = "ring", AllTicks = 13 };
        var seen = (ClusterStatus?)null;
        var result = await _case.RunAsync(host, new After(At, () =>
        {
            BadQuestionsAsync(options).GetAwaiter().GetResult();
            seen = StatusInquiry.AskAsync(options, TimeSpan.FromSeconds(2), TimeProvider.System, CancellationToken.None).GetAwaiter().GetResult();
        }));

        Assert.Equal(local.TrajectoryHash, result.TrajectoryHash);
        var world = Assert.Single(seen!.Worlds);
        Assert.Equal((host.Name, "ring", At, 13, 3, 5), (world.Run, world.Title, world.Figures.Ticks, world.AllTicks, world.Figures.Episodes, world.Figures.Agents));
        Assert.Equal(["node-1", "node-2"], world.Figures.Nodes.Select(n => n.Node));
        Assert.Equal(world.Figures.Shards, world.Figures.Nodes.Sum(n => n.Shards));
        Assert.True(world.TicksPerSecond > 0);
        Assert.Equal(["node-1", "node-2"], seen.Nodes.Select(n => n.Node));
        Assert.Equal((world.Figures.Shards, 15), (seen.Nodes.Sum(n => n.Figures.Runs.Single().Shards), seen.Nodes.Sum(n => n.Figures.Runs.Single().Agents)));
        Assert.Empty(seen.Silent);
        var model = _case.Sources[0]!.Model!;
        foreach (var node in seen.Nodes)
        {
            Assert.Equal((At, 1L, 0L), (node.Figures.Ticks, node.Figures.ModelsFetched, node.Figures.Replays));

            // A probe may wait there at this moment.
            Assert.NotNull(node.Process.Queued);
            Assert.Equal((host.Name, world.Figures.Nodes.Single(n => n.Node == node.Node).Shards), (node.Figures.Runs[0].Run, node.Figures.Runs[0].Shards));
            Assert.Equal(new HeldModel(model.Sha256, new FileInfo(model.Path).Length), Assert.Single(node.Figures.Models));
            Assert.Equal((Environment.MachineName, Environment.ProcessId, NodeWatch.Version), (node.Process.Host, node.Process.ProcessId, node.Process.Version));
            Assert.Equal([("OverLimit", 1L), ("WrongVersion", 1L)], node.Process.Refusals.Select(r => (r.Key, r.Value)));
        }

        Assert.Equal(6 * 15, seen.Nodes.Sum(n => n.Figures.Actions));
        Assert.Equal([("OverLimit", 1L), ("WrongVersion", 1L)], world.Process.Refusals.Select(r => (r.Key, r.Value)));
        Assert.Equal(6, seen.DeadLetters);
    }

    /// <summary>To all: two that cannot be read, and one whose asker is gone.</summary>
    private static async Task BadQuestionsAsync(ClusterOptions options)
    {
        var factory = new ConnectionFactory { Uri = new Uri(options.Broker.Uri!), UserName = options.Broker.User, Password = options.Broker.Password() };
        await using var connection = await factory.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        foreach (var exchange in new[] { $"{options.Name}.nodes", $"{options.Name}.worlds" })
        {
            foreach (var question in new[]
            {
                new Envelope { Version = 1, StatusQuestion = new StatusQuestion { Asker = "a.b" } }.ToByteArray(),
                new Envelope { Version = 2, StatusQuestion = new StatusQuestion { Asker = "me" } }.ToByteArray(),
                StatusWire.Question("gone"),
            })
            {
                await channel.BasicPublishAsync(exchange, "", mandatory: true, question);
            }
        }
    }

    /// <summary>Each test is a cluster of its own on the shared broker.</summary>
    private ClusterOptions Options(string name) => broker.Options with { Name = $"status-{name}", Shards = 8 };

    private sealed class After(int ticks, Action action) : IProgress<SimulationProgress>
    {
        public void Report(SimulationProgress value)
        {
            if (value.TicksDone == ticks)
            {
                action();
            }
        }
    }
}
