using MimicD.Cluster;
using MimicD.Cluster.RabbitMq;
using MimicD.World;

namespace MimicD.ClusterTests;

/// <summary>Does something when a tick has closed, before the next opens.</summary>
internal sealed class AtTick(Dictionary<int, Action> actions) : IProgress<SimulationProgress>
{
    public void Report(SimulationProgress value)
    {
        if (actions.TryGetValue(value.TicksDone, out var action))
        {
            action();
        }
    }
}

/// <summary>Nodes of one cluster in this process.</summary>
internal sealed class Crew(ClusterOptions options) : IAsyncDisposable
{
    public List<NodeService> Nodes { get; } = [];

    public static async Task<Crew> StartAsync(ClusterOptions options, int nodes)
    {
        var crew = new Crew(options);
        for (var i = 0; i < nodes; i++)
        {
            await crew.JoinAsync();
        }

        return crew;
    }

    public async Task JoinAsync() => Nodes.Add(await NodeService.StartAsync(options, $"node-{Nodes.Count}", 2, TimeProvider.System, CancellationToken.None));

    public async Task LeaveAsync(int index)
    {
        await Nodes[index].DisposeAsync();
        Nodes.RemoveAt(index);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in Nodes)
        {
            await node.DisposeAsync();
        }
    }
}
