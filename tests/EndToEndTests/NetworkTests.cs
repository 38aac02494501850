using System.Text.Json;
using MimicD.Cluster;

namespace MimicD.EndToEndTests;

/// <summary>Nodes on hosts of their own, and a network that fails between them.</summary>
public sealed class NetworkTests : IDisposable
{
    private static readonly string Ring = Path.Combine(EntryPoint.Root, "scenarios", "ring.json");

    // A network cannot be told another time than the machine's.
    private static readonly TimeSpan Partition = TimeSpan.FromSeconds(10);

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [NetworkFact]
    public async Task A_node_that_is_cut_off_for_ten_seconds_and_waited_for_changes_nothing()
    {
        // The run stands still meanwhile: neither heartbeat nor deadline says that the node is gone, and nothing is lost on the way.
        var (cluster, cut) = await CutOffAsync(new ClusterOptions { Broker = new BrokerOptions { Heartbeat = 60 }, Deadlines = new DeadlineOptions { Answer = 120, Nodes = 120, Broker = 120 } }, steps: 2000);
        Assert.True(cut, "the run ended before the node was back");
        Assert.Equal((3, 0, 0), (cluster.GetProperty("nodes").GetInt32(), cluster.GetProperty("moves").GetInt32(), cluster.GetProperty("suspensions").GetInt32()));
    }

    [NetworkFact]
    public async Task A_node_that_is_cut_off_for_ten_seconds_and_replaced_changes_nothing()
    {
        // The run goes on without it; the node finds its connection broken, comes back and is given shards again, or comes too late for that.
        var (cluster, _) = await CutOffAsync(new ClusterOptions { Broker = new BrokerOptions { Heartbeat = 2 }, Deadlines = new DeadlineOptions { Answer = 4, Nodes = 120, Broker = 120 } }, steps: 2000);
        Assert.Equal(3, cluster.GetProperty("nodes").GetInt32());
        Assert.True(cluster.GetProperty("moves").GetInt32() >= 1, "the shards of the node that was cut off did not go to others");
    }

    /// <summary>Runs on three hosts, of which one is cut off when a fifth of the ticks are done.</summary>
    /// <returns>What happened on the cluster, and whether the run was still going when the node was back.</returns>
    private async Task<(JsonElement Cluster, bool Cut)> CutOffAsync(ClusterOptions options, int steps)
    {
        string[] crowd = [Ring, "--policy", "reciprocal", "--agents", "12", "--episodes", "2", "--set", $"scenario.steps={steps}"];
        (await EntryPoint.RunAsync(["run", .. crowd, "--out", _scratch["alone"]])).Success.ToString();
        await using var bench = await NetworkBench.StartAsync(3, options);
        using var run = bench.Run([.. crowd, "--out", _scratch["nodes"]]);
        var (back, cut) = (Task.CompletedTask, false);
        var (errors, output) = await ClusterTests.FollowAsync(run, lines =>
        {
            if (lines == 2)
            {
                bench.Connect(2, up: false);
                back = BackAsync();
            }
        });
        Assert.True(run.ExitCode == 0, $"expected exit code 0, found {run.ExitCode}\n{output}\n{string.Join('\n', errors)}");
        await back;
        var (hash, cluster) = ClusterTests.Result(_scratch["nodes"]);
        Assert.Equal(ClusterTests.Result(_scratch["alone"]).Hash, hash);
        return (cluster, cut);

        async Task BackAsync()
        {
            using var timer = new PeriodicTimer(Partition);
            await timer.WaitForNextTickAsync();
            cut = !run.HasExited;
            bench.Connect(2, up: true);
        }
    }
}
