using System.Collections.Concurrent;
using System.Text;
using Google.Protobuf;
using MimicD.Agents;
using MimicD.AgentsTests;
using MimicD.Cluster;
using MimicD.Cluster.RabbitMq;
using MimicD.Cluster.Wire;
using MimicD.Contracts;
using RabbitMQ.Client;

namespace MimicD.ClusterTests;

/// <summary>A sweep and its nodes in this process, and a real broker between them.</summary>
public sealed class SweepHostTests(BrokerFixture broker) : IClassFixture<BrokerFixture>
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private static readonly Dictionary<string, string> NoModels = [];

    [Fact]
    public async Task Blocks_are_computed_on_all_nodes_a_late_one_too_and_a_model_travels_once_to_each()
    {
        var file = Path.Combine(Path.GetTempPath(), $"mimicd-{Guid.NewGuid():N}.safetensors");
        RandomModel.Write(file, RandomModel.Spec(width: 96));
        var options = Options("spread");
        var hash = Model.Load(file).Sha256;
        var models = new Dictionary<string, string>(StringComparer.Ordinal) { [hash] = file };
        try
        {
            // No block is done before both nodes are at work.
            var atWork = new CountdownEvent(2);
            var first = new ConcurrentDictionary<string, bool>(StringComparer.Ordinal);
            BlockProgram Program(string node) => async (description, find, cancellation) =>
            {
                Assert.Equal(hash, find(hash).Sha256);
                if (first.TryAdd(node, true))
                {
                    atWork.Signal();
                }

                await Task.Run(() => atWork.Wait(cancellation), cancellation);
                return Encoding.UTF8.GetBytes(description + "!");
            };
            await using var early = await SweepWorker.StartAsync(options, "node-0", 2, Program("node-0"), TimeProvider.System, CancellationToken.None);
            await using var host = await SweepHost.OpenAsync(options, TimeProvider.System, CancellationToken.None);
            Assert.Equal(2, host.Capacity);
            var results = Enumerable.Range(0, 20).Select(i => host.ComputeAsync($"block {i}", models, bytes => Encoding.UTF8.GetString(bytes.Span), CancellationToken.None)).ToArray();
            await using var late = await SweepWorker.StartAsync(options, "node-1", 1, Program("node-1"), TimeProvider.System, CancellationToken.None);

            Assert.Equal(Enumerable.Range(0, 20).Select(i => $"block {i}!"), await Task.WhenAll(results).WaitAsync(Patience));
            Assert.Equal((3, 2, 20L, 0L, 0), (host.Capacity, host.Report.Nodes, host.Report.Blocks, host.Report.Again, host.Report.Refusals.Count));
            Assert.All([early, late], w => Assert.Equal((1L, 0), (w.Report.ModelsFetched, w.Report.Refusals.Count)));
            Assert.Equal(20, early.Report.Begun + late.Report.Begun);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task A_block_of_a_node_that_leaves_is_given_to_another()
    {
        var options = Options("leaves");
        var begun = new TaskCompletionSource();
        SweepHost host;
        Task<int> result;
        await using (await SweepWorker.StartAsync(options, "node-0", 1, async (_, _, cancellation) =>
        {
            begun.TrySetResult();
            await Task.Delay(Timeout.Infinite, cancellation);
            return [];
        }, TimeProvider.System, CancellationToken.None))
        {
            host = await SweepHost.OpenAsync(options, TimeProvider.System, CancellationToken.None);
            result = host.ComputeAsync("block", NoModels, bytes => bytes.Length, CancellationToken.None);
            await begun.Task.WaitAsync(Patience);
        }

        await using (host)
        await using (await SweepWorker.StartAsync(options, "node-1", 1, (description, _, _) => Task.FromResult(new byte[description.Length]), TimeProvider.System, CancellationToken.None))
        {
            Assert.Equal(5, await result.WaitAsync(Patience));
            Assert.Equal((2, 1L, 1L), (host.Report.Nodes, host.Report.Blocks, host.Report.Again));
        }
    }

    [Fact]
    public async Task A_block_that_a_node_refuses_fails_with_the_nodes_line_and_the_others_go_on()
    {
        var options = Options("refuses");
        await using var worker = await SweepWorker.StartAsync(options, "node-0", 1,
            (description, _, _) => description == "bad" ? throw InvalidInputException.Create("block", "episodes", "at least 1", 0) : description == "worse" ? throw new NotSupportedException("not that") : Task.FromResult(new byte[1]),
            TimeProvider.System, CancellationToken.None);
        await using var host = await SweepHost.OpenAsync(options, TimeProvider.System, CancellationToken.None);
        Task<int> Compute(string description) => host.ComputeAsync(description, NoModels, bytes => bytes.Length, CancellationToken.None).WaitAsync(Patience);

        Assert.Equal("node node-0: block: episodes: expected at least 1, found 0", (await Assert.ThrowsAsync<InvalidInputException>(() => Compute("bad"))).Message);
        Assert.Equal("node node-0: NotSupportedException: not that", (await Assert.ThrowsAsync<InvalidInputException>(() => Compute("worse"))).Message);
        Assert.Equal(1, await Compute("good"));
        Assert.Equal(3, worker.Report.Begun);
    }

    [Fact]
    public async Task A_result_of_many_parts_comes_whole_and_one_that_cannot_be_read_is_computed_again()
    {
        var options = Options("parts");
        var content = new byte[5 * WireLimits.PartBytes + 1];
        new Random(3).NextBytes(content);
        await using var worker = await SweepWorker.StartAsync(options, "node-0", 1, (_, _, _) => Task.FromResult(content), TimeProvider.System, CancellationToken.None);
        await using var host = await SweepHost.OpenAsync(options, TimeProvider.System, CancellationToken.None);
        var times = 0;
        var result = await host.ComputeAsync("block", NoModels, bytes => ++times > 1 ? bytes.ToArray() : throw new InvalidInputException("unreadable"), CancellationToken.None).WaitAsync(Patience);

        Assert.Equal(content, result);
        Assert.Equal((2, 1L, 1L), (times, host.Report.Again, host.Report.Refusals[Refusal.Malformed]));
    }

    [Fact]
    public async Task Bad_messages_at_all_doors_are_counted_and_put_to_the_dead_letters()
    {
        var options = Options("bad-sweep");
        await using var worker = await SweepWorker.StartAsync(options, "node-0", 1, (description, _, _) => Task.FromResult(Encoding.UTF8.GetBytes(description)), TimeProvider.System, CancellationToken.None);
        await using var host = await SweepHost.OpenAsync(options, TimeProvider.System, CancellationToken.None);
        var factory = new ConnectionFactory { Uri = new Uri(options.Broker.Uri!), UserName = options.Broker.User, Password = options.Broker.Password() };
        await using var connection = await factory.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        const int Each = 20;
        byte[][] unreadable = [[0xFF, 0xFF, 0xFF], new Envelope { Version = 9, Run = "run", Probe = new Probe() }.ToByteArray()];
        var readable = new Envelope { Version = 1, Run = "another", Node = "nobody", SweepBlock = new SweepBlock() }.ToByteArray();
        foreach (var queue in new[] { $"{options.Name}.sweep.{host.Name}", $"{options.Name}.worker.node-0", $"{options.Name}.blocks.{host.Name}" })
        {
            for (var i = 0; i < Each; i++)
            {
                foreach (var bytes in unreadable.Append(readable))
                {
                    await channel.BasicPublishAsync("", queue, mandatory: true, bytes);
                }
            }
        }

        var results = await Task.WhenAll(Enumerable.Range(0, 5).Select(i => host.ComputeAsync($"{i}", NoModels, bytes => Encoding.UTF8.GetString(bytes.Span), CancellationToken.None))).WaitAsync(Patience);

        Assert.Equal(["0", "1", "2", "3", "4"], results);
        Dictionary<Refusal, long> once = new() { [Refusal.Malformed] = Each, [Refusal.WrongVersion] = Each, [Refusal.WrongRun] = Each };
        Assert.Equal(once.OrderBy(p => p.Key), host.Report.Refusals.OrderBy(p => p.Key));

        // At the node's own door a block is unexpected, and at the blocks' it is another sweep's.
        Dictionary<Refusal, long> twice = new() { [Refusal.Malformed] = 2 * Each, [Refusal.WrongVersion] = 2 * Each, [Refusal.Unexpected] = Each, [Refusal.WrongRun] = Each };
        Assert.True(SpinWait.SpinUntil(() => worker.Report.Refusals.OrderBy(p => p.Key).SequenceEqual(twice.OrderBy(p => p.Key)), Patience), $"found {StrictJson.Format(worker.Report.Refusals)}");
        Assert.True(SpinWait.SpinUntil(() => channel.MessageCountAsync($"{options.Name}.dead-letters").GetAwaiter().GetResult() == 7 * Each, Patience), "not all unreadable messages came to the dead letters");
    }

    [Fact]
    public async Task A_queue_that_is_gone_is_made_again_with_all_that_is_not_done()
    {
        var options = Options("gone");
        var hold = new TaskCompletionSource();
        await using var worker = await SweepWorker.StartAsync(options, "node-0", 1, async (description, _, cancellation) =>
        {
            await hold.Task.WaitAsync(cancellation);
            return Encoding.UTF8.GetBytes(description);
        }, TimeProvider.System, CancellationToken.None);
        await using var host = await SweepHost.OpenAsync(options, TimeProvider.System, CancellationToken.None);
        Task<string> Compute(string description) => host.ComputeAsync(description, NoModels, bytes => Encoding.UTF8.GetString(bytes.Span), CancellationToken.None);
        var before = new[] { Compute("0"), Compute("1"), Compute("2") };
        Assert.True(SpinWait.SpinUntil(() => worker.Report.Begun == 1, Patience), "no block was begun");
        var factory = new ConnectionFactory { Uri = new Uri(options.Broker.Uri!), UserName = options.Broker.User, Password = options.Broker.Password() };
        await using (var connection = await factory.CreateConnectionAsync())
        await using (var channel = await connection.CreateChannelAsync())
        {
            await channel.QueueDeleteAsync($"{options.Name}.blocks.{host.Name}");
        }

        var after = Compute("3");
        hold.SetResult();
        Assert.Equal(["0", "1", "2", "3"], await Task.WhenAll([.. before, after]).WaitAsync(Patience));
    }

    [Fact]
    public async Task A_sweep_that_no_node_comes_to_is_refused()
    {
        var options = Options("nobody-sweeps") with { Deadlines = new DeadlineOptions { Nodes = 0.2 } };
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => SweepHost.OpenAsync(options, TimeProvider.System, CancellationToken.None));
        Assert.Equal("cluster nobody-sweeps: expected at least 1 node within 0.2 s, found 0", error.Message);
    }

    [Fact]
    public async Task A_sweep_whose_last_node_leaves_fails_after_its_patience()
    {
        var options = Options("alone") with { Deadlines = new DeadlineOptions { Nodes = 5, Probe = 0.05 } };
        SweepHost host;
        await using (await SweepWorker.StartAsync(options, "node-0", 1, (_, _, _) => Task.FromResult(new byte[1]), TimeProvider.System, CancellationToken.None))
        {
            host = await SweepHost.OpenAsync(options, TimeProvider.System, CancellationToken.None);
        }

        await using (host)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => host.ComputeAsync("block", NoModels, bytes => bytes.Length, host.Failed).WaitAsync(Patience));
            Assert.Equal("no node is left, and none came within 5 s", host.Failure);
        }
    }

    /// <summary>Each test is a cluster of its own on the shared broker.</summary>
    private ClusterOptions Options(string name) => broker.Options with { Name = name };
}
