using System.Globalization;

namespace MimicD.Bench;

/// <summary>What a run whose cost is the policy's loses on nodes.</summary>
internal static class OverheadBench
{
    private const int Nodes = 4;
    private const int Episodes = 400;

    public static async Task<OverheadFigures> RunAsync(string root, int rounds, CancellationToken cancellation)
    {
        var workload = Workload.Swap(root, Episodes);
        await using var processes = await NodeProcesses.StartAsync(Nodes, cancellation);
        var (local, onNodes) = (new List<double>(), new List<double>());
        var holds = true;

        // The first of each is for compilers to warm up by.
        for (var round = 0; round <= rounds; round++)
        {
            var alone = await workload.LocallyAsync(Environment.ProcessorCount, cancellation);
            await using var host = workload.On(processes);
            var timed = await workload.RunAsync(host, null, cancellation);
            holds &= timed.Hash == alone.Hash;
            if (round > 0)
            {
                local.Add(Rate(alone));
                onNodes.Add(Rate(timed));
                Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"round {round}: {local[^1]:0} agent-steps/s in process, {onNodes[^1]:0} on {Nodes} nodes"));
            }
        }

        var figures = new OverheadFigures(workload.Name, Nodes, Spread.Of(local), Spread.Of(onNodes), holds);
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{workload.Name}: {100 * figures.Loss:0.0} % of the throughput in process ({Environment.ProcessorCount} threads) is lost on {Nodes} nodes of one thread{(holds ? "" : ", DIFFERENT TRAJECTORIES")}"));
        return figures;

        double Rate(Timed timed) => workload.Agents * (timed.Closings.Count - 1) / Timed.Seconds(timed.Closings[0], timed.Closings[^1]);
    }
}

/// <summary>Agent-steps a second in process and on nodes.</summary>
internal sealed record OverheadFigures(string Workload, int Nodes, Spread InProcess, Spread OnNodes, bool Holds) : IMeasured
{
    /// <summary>Share of the throughput in process that is lost, median to median.</summary>
    public double Loss => 1 - OnNodes.Median / InProcess.Median;
}
