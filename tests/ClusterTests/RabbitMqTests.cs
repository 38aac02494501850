using Google.Protobuf;
using MimicD.Cluster;
using MimicD.Cluster.RabbitMq;
using MimicD.Cluster.Wire;
using MimicD.Contracts;
using RabbitMQ.Client;

namespace MimicD.ClusterTests;

/// <summary>A broker for the tests of one class.</summary>
public sealed class BrokerFixture : IAsyncLifetime
{
    private PrivateBroker? _broker;

    public ClusterOptions Options => _broker!.Options;

    // Patience for a machine that has other things to do: a time-out here is missing evidence.
    public async Task InitializeAsync() => _broker = await PrivateBroker.StartAsync(new ClusterOptions { Deadlines = new DeadlineOptions { Answer = 120, Nodes = 120, Broker = 60 } }, TimeProvider.System, CancellationToken.None);

    public Task DisposeAsync() => _broker!.DisposeAsync().AsTask();
}

/// <summary>World and nodes in this process, and a real broker between them.</summary>
public sealed class RabbitMqTests(BrokerFixture broker) : IClassFixture<BrokerFixture>, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly Case _case = Case.Model();

    public void Dispose() => _case.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public async Task A_run_is_the_same_through_a_broker(int nodes)
    {
        var local = await _case.LocallyAsync();
        var options = Options($"run-{nodes}");
        await using var crew = await Crew.StartAsync(options, nodes);
        await using var host = new RabbitMqHost(options, _case.Sources, nodes, TimeProvider.System);
        var result = await _case.RunAsync(host);

        Assert.Equal(local.TrajectoryHash, result.TrajectoryHash);
        // What nodes see outside of the training data is not sent yet.
        Assert.Equal(local.Host with { Stopped = [], Familiarity = null }, result.Host with { Stopped = [], Familiarity = null });
        Assert.Equal((nodes, 0, 0), (host.ClusterReport!.Nodes, host.ClusterReport.Moves, host.ClusterReport.Refusals.Count));
        Assert.All(crew.Nodes, n => Assert.Equal(1, n.Report.ModelsFetched));
    }

    [Fact]
    public async Task A_node_that_joins_late_takes_its_share_and_one_that_leaves_is_replaced()
    {
        var local = await _case.LocallyAsync();
        var options = Options("joins");
        await using var crew = await Crew.StartAsync(options, 1);
        await using var host = new RabbitMqHost(options, _case.Sources, 1, TimeProvider.System);
        var result = await _case.RunAsync(host, new AtTick(new Dictionary<int, Action>
        {
            [4] = () =>
            {
                crew.JoinAsync().GetAwaiter().GetResult();
                Assert.True(SpinWait.SpinUntil(() => host.ClusterReport!.Nodes == 2, Patience), "the second node did not get ready");
            },
            [9] = () => crew.LeaveAsync(0).GetAwaiter().GetResult(),
        }));

        Assert.Equal(local.TrajectoryHash, result.TrajectoryHash);

        // The first node's eight shards: half of them went to the second when it came, the others when the first was gone.
        Assert.InRange(host.ClusterReport!.Moves, 4, 8);
        Assert.Equal(host.ClusterReport.Moves, host.ClusterReport.Replays);
    }

    [Fact]
    public async Task Bad_messages_at_both_doors_are_counted_and_put_to_the_dead_letters()
    {
        var local = await _case.LocallyAsync();
        var options = Options("bad");
        await using var crew = await Crew.StartAsync(options, 1);
        await using var host = new RabbitMqHost(options, _case.Sources, 1, TimeProvider.System);
        var factory = new ConnectionFactory { Uri = new Uri(options.Broker.Uri!), UserName = options.Broker.User, Password = options.Broker.Password() };
        await using var connection = await factory.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        const int Each = 50;
        byte[][] unreadable = [[0xFF, 0xFF, 0xFF], [], new Envelope { Version = 9, Run = "run", Probe = new Probe() }.ToByteArray(), new byte[WireLimits.MessageBytes + 1]];
        var readable = new Envelope { Version = 1, Run = "another", Node = "nobody", Actions = new Actions() }.ToByteArray();
        var result = await _case.RunAsync(host, new AtTick(new Dictionary<int, Action>
        {
            [3] = () => PublishAsync().GetAwaiter().GetResult(),
        }));

        Assert.Equal(local.TrajectoryHash, result.TrajectoryHash);
        var expected = new Dictionary<Refusal, long> { [Refusal.Malformed] = 2 * Each, [Refusal.WrongVersion] = Each, [Refusal.Oversized] = 1, [Refusal.WrongRun] = Each };
        Assert.Equal(expected.OrderBy(p => p.Key), host.ClusterReport!.Refusals.OrderBy(p => p.Key));
        Assert.True(SpinWait.SpinUntil(() => channel.MessageCountAsync($"{options.Name}.dead-letters").GetAwaiter().GetResult() == 2 * (3 * Each + 1), Patience), "not all unreadable messages came to the dead letters");

        async Task PublishAsync()
        {
            foreach (var queue in new[] { $"{options.Name}.world.{host.Name}", $"{options.Name}.node.{crew.Nodes[0].Report.Node}" })
            {
                for (var i = 0; i < Each; i++)
                {
                    foreach (var bytes in unreadable.Take(i == 0 ? 4 : 3).Append(readable))
                    {
                        await channel.BasicPublishAsync("", queue, mandatory: true, bytes);
                    }
                }
            }
        }
    }

    [Fact]
    public async Task A_run_that_no_node_comes_to_is_refused()
    {
        var options = Options("nobody") with { Deadlines = new DeadlineOptions { Nodes = 0.2 } };
        await using var host = new RabbitMqHost(options, _case.Sources, 2, TimeProvider.System);
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => _case.RunAsync(host));
        Assert.Equal("cluster nobody: expected 2 nodes within 0.2 s, found 0", error.Message);
    }

    [Fact]
    public async Task A_wrong_password_is_said()
    {
        const string Variable = "MIMICD_TEST_WRONG_PASSWORD";
        Environment.SetEnvironmentVariable(Variable, "wrong");
        var options = broker.Options with { Broker = broker.Options.Broker with { PasswordVariable = Variable } };
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => NodeService.StartAsync(options, "node", 1, TimeProvider.System, CancellationToken.None));
        Assert.EndsWith("broker.user: expected a user whose password is right, found mimicd", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_broker_that_is_not_there_is_said()
    {
        // Port 1 of loopback: nobody listens there.
        var options = broker.Options with { Broker = broker.Options.Broker with { Uri = "amqp://127.0.0.1:1/" }, Deadlines = new DeadlineOptions { Broker = 0.01 } };
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => NodeService.StartAsync(options, "node", 1, TimeProvider.System, CancellationToken.None));
        Assert.StartsWith("broker amqp://127.0.0.1:1/: cannot be reached: ", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Each test is a cluster of its own on the shared broker.</summary>
    private ClusterOptions Options(string name) => broker.Options with { Name = name, Shards = 8 };
}
