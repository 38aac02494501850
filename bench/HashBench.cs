namespace MimicD.Bench;

/// <summary>The trajectories of a run in process and on nodes.</summary>
internal static class HashBench
{
    private const int LateNodes = 4;

    public static async Task<HashFigures> RunAsync(string root, CancellationToken cancellation)
    {
        var rows = new List<HashRow>();
        foreach (var workload in new[] { Workload.Swap(root, 20), Workload.Ring(root, "reciprocal", 1000, 200) })
        {
            var alone = await workload.LocallyAsync(Environment.ProcessorCount, cancellation);
            Add(workload, "in process", alone.Hash, alone.Hash);
            foreach (var nodes in new[] { 1, 2, 4, 8 })
            {
                await using var processes = await NodeProcesses.StartAsync(nodes, cancellation);
                await using var host = workload.On(processes);
                var timed = await workload.RunAsync(host, null, cancellation);
                Add(workload, $"{nodes} nodes", timed.Hash, alone.Hash);
            }

            await using var few = await NodeProcesses.StartAsync(LateNodes, cancellation);
            await using var late = workload.On(few);
            var third = workload.Ticks / 3;
            var end = await workload.RunAsync(late, (done, _) =>
            {
                if (done == third)
                {
                    while (few.Count > 1)
                    {
                        few.Kill(0);
                    }
                }
                else if (done == 2 * third)
                {
                    few.Refill(LateNodes);

                    // They are to have joined before the run ends: the next tick opens when they have.
                    SpinWait.SpinUntil(() => late.ClusterReport!.Nodes == 2 * LateNodes - 1 || cancellation.IsCancellationRequested);
                }
            }, cancellation);
            Add(workload, $"{LateNodes} nodes, all but one killed, then three more ({late.ClusterReport!.Nodes} took part, {late.ClusterReport.Moves} shards moved)", end.Hash, alone.Hash);
        }

        return new HashFigures(rows, rows.TrueForAll(r => r.Same));

        void Add(Workload workload, string where, string hash, string alone)
        {
            rows.Add(new HashRow(workload.Name, where, hash, hash == alone));
            Console.Out.WriteLine($"{workload.Name}: {hash[..16]} {(hash == alone ? "same" : "DIFFERENT")}: {where}");
        }
    }
}

/// <summary>A run somewhere.</summary>
internal sealed record HashRow(string Workload, string Where, string Hash, bool Same);

/// <summary>All runs, and whether each has the trajectories of its run in process.</summary>
internal sealed record HashFigures(IReadOnlyList<HashRow> Rows, bool Holds) : IMeasured;
