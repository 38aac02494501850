using System.Globalization;
using MimicD.Cluster.RabbitMq;

namespace MimicD.Bench;

/// <summary>One tick of a run on nodes, beside a bare round trip of its bytes.</summary>
internal static class TickBench
{
    private const int Nodes = 4;
    private const int Ticks = 3000;

    // Compilers work in the background for the first seconds of a process, and there are six on these cores.
    private const int WarmUp = 2000;

    public static async Task<TickFigures> RunAsync(string root, int agents, int rounds, CancellationToken cancellation)
    {
        var workload = Workload.Ring(root, "straight", agents, Ticks);
        var alone = await workload.LocallyAsync(Environment.ProcessorCount, cancellation);
        await using var processes = await NodeProcesses.StartAsync(Nodes, cancellation);
        var (ours, bare, local) = (new List<double>(), new List<double>(), new List<double>());
        var (holds, sent, received, messages) = (true, 0, 0, 0.0);
        var used = new List<Processors>();
        for (var round = 0; round < rounds; round++)
        {
            await using (var host = workload.On(processes))
            {
                (BrokerTraffic Traffic, Processors Used) start = default, end = default;
                var timed = await workload.RunAsync(host, (done, _) =>
                {
                    if (done == WarmUp)
                    {
                        start = (host.Traffic, processes.Used());
                    }
                    else if (done == workload.Ticks)
                    {
                        end = (host.Traffic, processes.Used());
                    }
                }, cancellation);
                var ticks = workload.Ticks - WarmUp;
                ours.AddRange(timed.TickSeconds(WarmUp));
                holds &= timed.Hash == alone.Hash;
                used.Add(Processors.Between(start.Used, end.Used, ticks));
                (sent, received) = ((int)((end.Traffic.BytesSent - start.Traffic.BytesSent) / ticks), (int)((end.Traffic.BytesReceived - start.Traffic.BytesReceived) / ticks));
                messages = (double)(end.Traffic.MessagesSent - start.Traffic.MessagesSent + end.Traffic.MessagesReceived - start.Traffic.MessagesReceived) / ticks;
            }

            bare.AddRange((await Echo.MeasureAsync(processes.Options, processes.File, Nodes, sent / Nodes, received / Nodes, Ticks, cancellation)).Skip(WarmUp));
            local.AddRange((await workload.LocallyAsync(Environment.ProcessorCount, cancellation)).TickSeconds(WarmUp));
        }

        var processors = used.OrderBy(u => u.World).ElementAt(used.Count / 2);
        var figures = new TickFigures(workload.Name, Nodes, sent, received, messages, processors, Spread.Of(ours), Spread.Of(bare), Spread.Of(local), holds);
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{workload.Name}, {Nodes} nodes: {sent} bytes out and {received} back in {messages:0.0} messages a tick; processor time a tick: world {1000 * processors.World:0.00} ms, nodes {1000 * processors.Nodes:0.00} ms, broker {1000 * processors.Broker:0.00} ms{(holds ? "" : ", DIFFERENT TRAJECTORIES")}"));
        Console.Out.WriteLine($"a tick on nodes: {figures.Tick.Milliseconds()}");
        Console.Out.WriteLine($"a bare round trip of its bytes: {figures.Bare.Milliseconds()}");
        Console.Out.WriteLine($"a tick in process: {figures.Local.Milliseconds()}");
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"ratio of medians, tick to bare round trip: {figures.Ratio:0.00}"));
        return figures;
    }
}

/// <summary>One tick and one bare round trip [s], and what goes through the broker and how long processors work for it, a tick.</summary>
internal sealed record TickFigures(string Workload, int Nodes, int BytesSent, int BytesReceived, double Messages, Processors Processors, Spread Tick, Spread Bare, Spread Local, bool Holds) : IMeasured
{
    /// <summary>Median to median.</summary>
    public double Ratio => Tick.Median / Bare.Median;
}
