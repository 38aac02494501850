using System.Globalization;

namespace MimicD.Bench;

/// <summary>One tick of a run on nodes, beside a bare round trip of its bytes.</summary>
internal static class TickBench
{
    private const int Nodes = 4;
    private const int Agents = 1000;
    private const int Ticks = 600;
    private const int WarmUp = 200;

    public static async Task<TickFigures> RunAsync(string root, int rounds, CancellationToken cancellation)
    {
        var workload = Workload.Ring(root, "straight", Agents, Ticks);
        var alone = await workload.LocallyAsync(Environment.ProcessorCount, cancellation);
        await using var processes = await NodeProcesses.StartAsync(Nodes, cancellation);
        var (ours, bare, local) = (new List<double>(), new List<double>(), new List<double>());
        var (holds, sent, received) = (true, 0, 0);
        for (var round = 0; round < rounds; round++)
        {
            await using (var host = workload.On(processes))
            {
                (long Sent, long Received) start = default, end = default;
                var timed = await workload.RunAsync(host, (done, _) =>
                {
                    var traffic = host.Traffic;
                    (start, end) = (done == WarmUp ? (traffic.BytesSent, traffic.BytesReceived) : start, (traffic.BytesSent, traffic.BytesReceived));
                }, cancellation);
                ours.AddRange(timed.TickSeconds(WarmUp));
                holds &= timed.Hash == alone.Hash;
                (sent, received) = ((int)((end.Sent - start.Sent) / (Ticks - WarmUp)), (int)((end.Received - start.Received) / (Ticks - WarmUp)));
            }

            bare.AddRange((await Echo.MeasureAsync(processes.Options, processes.File, Nodes, sent / Nodes, received / Nodes, Ticks, cancellation)).Skip(WarmUp));
            local.AddRange((await workload.LocallyAsync(Environment.ProcessorCount, cancellation)).TickSeconds(WarmUp));
        }

        var figures = new TickFigures(workload.Name, Nodes, sent, received, Spread.Of(ours), Spread.Of(bare), Spread.Of(local), holds);
        Console.Out.WriteLine($"{workload.Name}, {Nodes} nodes: {sent} bytes out and {received} back a tick{(holds ? "" : ", DIFFERENT TRAJECTORIES")}");
        Console.Out.WriteLine($"a tick on nodes: {figures.Tick.Milliseconds()}");
        Console.Out.WriteLine($"a bare round trip of its bytes: {figures.Bare.Milliseconds()}");
        Console.Out.WriteLine($"a tick in process: {figures.Local.Milliseconds()}");
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"ratio of medians, tick to bare round trip: {figures.Ratio:0.00}"));
        return figures;
    }
}

/// <summary>One tick and one bare round trip [s].</summary>
internal sealed record TickFigures(string Workload, int Nodes, int BytesSent, int BytesReceived, Spread Tick, Spread Bare, Spread Local, bool Holds) : IMeasured
{
    /// <summary>Median to median.</summary>
    public double Ratio => Tick.Median / Bare.Median;
}
