using System.Diagnostics;
using System.Globalization;
using MimicD.Numerics;

namespace MimicD.Bench;

/// <summary>Runs of which a node is killed.</summary>
internal static class KillBench
{
    private const int Nodes = 4;

    public static async Task<KillFigures> RunAsync(string root, int runs, ulong seed, CancellationToken cancellation)
    {
        var workload = Workload.Swap(root, 40);
        var alone = await workload.LocallyAsync(Environment.ProcessorCount, cancellation);
        await using var processes = await NodeProcesses.StartAsync(Nodes, cancellation);
        var rows = new List<KillRow>();
        for (var run = 0; run < runs; run++)
        {
            var random = new CounterRandom(seed, RandomPurpose.Resampling, run);
            var row = await OnceAsync(workload, processes, alone.Hash, run, random.NextInt32(workload.Ticks - 4), random.NextInt32(Nodes), random.NextDouble(), cancellation);
            rows.Add(row);
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"run {row.Run}: node {row.Node} killed after tick {row.Tick}: went on after {row.Next * 1000:0} ms, with a whole tick after {row.Whole * 1000:0} ms; {row.Moves} shards moved; {(row.Same ? "same trajectories" : "DIFFERENT TRAJECTORIES")}"));
        }

        var figures = new KillFigures(rows, Spread.Of(rows.Select(r => r.Next)), Spread.Of(rows.Select(r => r.Whole)), rows.TrueForAll(r => r.Same));
        Console.Out.WriteLine($"{workload.Name}, {Nodes} nodes: {rows.Count(r => r.Same)} of {rows.Count} with the trajectories of one process");
        Console.Out.WriteLine($"from the kill to the next closed tick: {figures.Next.Milliseconds()}");
        Console.Out.WriteLine($"from the kill to the close of the first tick that opened after it: {figures.Whole.Milliseconds()}");
        return figures;
    }

    private static async Task<KillRow> OnceAsync(Workload workload, NodeProcesses processes, string hash, int run, int tick, int node, double share, CancellationToken cancellation)
    {
        processes.Refill(Nodes);
        await using var host = workload.On(processes);
        var (killed, last) = (0L, 0L);
        using var armed = new ManualResetEventSlim();
        var killAt = 0L;

        // On a thread of its own, so that it comes at any moment of a tick: while the world sends, while nodes work, while answers come.
        var killer = new Thread(() =>
        {
            armed.Wait(CancellationToken.None);
            while (Stopwatch.GetTimestamp() < killAt)
            {
                Thread.SpinWait(10);
            }

            killed = Stopwatch.GetTimestamp();
            processes.Kill(node);
        });
        killer.Start();
        var timed = await workload.RunAsync(host, (done, now) =>
        {
            if (done == tick + 1)
            {
                killAt = now + (long)(share * (last == 0 ? 0 : now - last));
                armed.Set();
            }

            last = now;
        }, cancellation);
        armed.Set();
        killer.Join();
        var next = timed.Closings.First(c => c >= killed);
        var whole = timed.Closings.Zip(timed.Closings.Skip(1)).First(c => c.First >= killed).Second;
        return new KillRow(run, tick, node, Timed.Seconds(killed, next), Timed.Seconds(killed, whole), host.ClusterReport!.Moves, timed.Hash == hash);
    }
}

/// <summary>A run of which a node was killed.</summary>
/// <param name="Run">Gave, with the seed, tick, node and moment.</param>
/// <param name="Tick">The tick after whose close it came.</param>
/// <param name="Node">Which node.</param>
/// <param name="Next">From the kill to the next closed tick [s].</param>
/// <param name="Whole">From the kill to the close of the first tick that opened after it [s].</param>
/// <param name="Moves">Shards that went to another node.</param>
/// <param name="Same">Whether the trajectories are those of one process.</param>
internal sealed record KillRow(int Run, int Tick, int Node, double Next, double Whole, long Moves, bool Same);

/// <summary>All runs, and how long they took to go on [s].</summary>
internal sealed record KillFigures(IReadOnlyList<KillRow> Rows, Spread Next, Spread Whole, bool Holds) : IMeasured;
