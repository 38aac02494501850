using Google.Protobuf;
using MimicD.Cluster;
using MimicD.Cluster.Wire;
using MimicD.EvaluationTests;

namespace MimicD.ClusterTests;

/// <summary>Both sides together on a network that loses its temper: the trajectories are those of one process, to the bit.</summary>
public sealed class SimulatedClusterTests : IDisposable
{
    private readonly Case _case = Case.Model();

    public void Dispose() => _case.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(8)]
    public async Task A_run_is_the_same_on_any_number_of_nodes(int nodes)
    {
        var local = await _case.LocallyAsync();
        await using var cluster = new SimulatedCluster(_case.Sources, seed: 1) { StartNodes = nodes };
        var result = await _case.RunAsync(cluster);

        Assert.Equal(local.TrajectoryHash, result.TrajectoryHash);
        // What nodes see outside of the training data is not sent yet.
        Assert.Equal(local.Host with { Stopped = [], Familiarity = null }, result.Host with { Stopped = [], Familiarity = null });
        Assert.Equal((nodes, 8, 0, 0), (cluster.World.Report.Nodes, cluster.World.Report.Shards, cluster.World.Report.Moves, cluster.World.Report.Replays));
        Assert.Empty(cluster.WorldRefusals.Counts);
        Assert.Empty(cluster.NodeRefusals.Counts);
    }

    [Fact]
    public async Task Who_is_given_up_wrongly_is_found_again()
    {
        // As when a broker restarts: what was sent while a queue was made anew may come back when all is well again.
        var local = await _case.LocallyAsync();
        Property.Holds(random =>
        {
            var seed = random.NextUInt64();
            var cluster = new SimulatedCluster(_case.Sources, seed)
            {
                StartNodes = 2, Reorder = true,
                Mischief = c =>
                {
                    var any = c.Nodes.ElementAt(c.Random.NextInt32(2));
                    switch (c.IsRunning ? c.Random.NextInt32(40) : -1)
                    {
                        case 0:
                            c.ReturnFrom(any);
                            break;
                        case 1:
                            c.ReturnTo(any);
                            break;
                    }
                },
            };
            Assert.Equal(local.TrajectoryHash, _case.RunAsync(cluster).GetAwaiter().GetResult().TrajectoryHash);
            return true;
        });
    }

    [Fact]
    public async Task Nodes_that_die_freeze_and_join_at_any_moment_change_nothing()
    {
        var local = await _case.LocallyAsync();
        long moves = 0, replays = 0, stale = 0;
        Property.Holds(random =>
        {
            var seed = random.NextUInt64();
            var cluster = new SimulatedCluster(_case.Sources, seed)
            {
                StartNodes = 3, Reorder = true, Duplicates = 0.05,
                Mischief = c =>
                {
                    var any = c.Nodes.ElementAtOrDefault(c.Random.NextInt32(Math.Max(c.Nodes.Count, 1)));
                    switch (c.Random.NextInt32(60))
                    {
                        case 0 when any is not null:
                            c.Kill(any);
                            break;
                        case 1 when c.Nodes.Count < 5:
                            c.Join();
                            break;
                        case 2 when any is not null:
                            c.Freeze(any);
                            break;
                        case 3 or 4 or 5 when any is not null:
                            c.Freeze(any, false);
                            break;
                        default:
                            break;
                    }

                    if (c.Nodes.Count == 0)
                    {
                        c.Join();
                    }
                },
            };
            var result = _case.RunAsync(cluster).GetAwaiter().GetResult();
            Assert.True(local.TrajectoryHash == result.TrajectoryHash, $"seed {seed}: expected {local.TrajectoryHash}, found {result.TrajectoryHash}");
            moves += cluster.World.Report.Moves;
            replays += cluster.World.Report.Replays;
            stale += cluster.WorldRefusals[Refusal.StaleFence];
            return true;
        });

        // The runs were as bad as they were meant to be.
        Assert.True(moves > 100 && replays > 100 && stale > 10, $"{moves} moves, {replays} replays, {stale} stale answers");
    }

    [Fact]
    public async Task Ten_thousand_messages_of_all_bad_kinds_are_counted_and_change_nothing()
    {
        var local = await _case.LocallyAsync();
        var left = 10_000;
        await using var cluster = new SimulatedCluster(_case.Sources, seed: 8)
        {
            StartNodes = 2, Reorder = true, Duplicates = 0.1,
            Mischief = c =>
            {
                for (var i = 0; c.IsRunning && i < 40 && left > 0; i++, left--)
                {
                    c.Inject(c.Random.NextInt32(2) == 0 ? "" : c.Nodes.First(), Bad(ref c.Random));
                }
            },
        };
        var result = await _case.RunAsync(cluster);
        cluster.Drain();

        Assert.Equal(0, left);
        Assert.Equal(local.TrajectoryHash, result.TrajectoryHash);
        foreach (var reason in new[] { Refusal.Malformed, Refusal.WrongVersion, Refusal.WrongRun, Refusal.OverLimit, Refusal.OutOfRange, Refusal.StaleFence, Refusal.Unexpected })
        {
            Assert.True(cluster.WorldRefusals[reason] + cluster.NodeRefusals[reason] > 0, $"no {reason}");
        }

        Assert.True(cluster.WorldRefusals[Refusal.Duplicate] > 0, "no duplicate answer");
        Assert.InRange(cluster.WorldRefusals.Counts.Values.Sum() + cluster.NodeRefusals.Counts.Values.Sum(), 10_000, 20_000);
    }

    /// <summary>A message that must not be heeded by whoever gets it.</summary>
    private static byte[] Bad(ref MimicD.Numerics.CounterRandom random)
    {
        var (node, shard) = ($"node-{random.NextInt32(3)}", (uint)random.NextInt32(8));
        Envelope About(Action<Envelope> fill)
        {
            var envelope = new Envelope { Version = 1, Run = "run", Node = node };
            fill(envelope);
            return envelope;
        }

        switch (random.NextInt32(8))
        {
            case 0:
                var noise = new byte[random.NextInt32(60)];
                for (var i = 0; i < noise.Length; i++)
                {
                    noise[i] = (byte)random.NextUInt32();
                }

                // Bits that happen to be a message would be of no version.
                return noise;
            case 1:
                return About(e => (e.Version, e.Probe) = (2, new Probe())).ToByteArray();
            case 2:
                return About(e => (e.Run, e.Actions) = ("another", new Actions())).ToByteArray();
            case 3:
                return About(e => (e.Node, e.Actions) = (new string('x', 100), new Actions())).ToByteArray();
            case 4:
                return About(e => e.Actions = new Actions { Tick = 99, Shards = { new ShardActions { Shard = 1, Fence = 1 } } }).ToByteArray();
            case 5:
                return About(e => e.Observations = new Observations { Tick = 3, Shards = { new ShardObservations { Shard = 2, Agents = { new AgentObservation { Agent = 77 } } } } }).ToByteArray();
            case 6:
                return About(e => e.Actions = new Actions { Shards = { new ShardActions { Shard = shard } } }).ToByteArray();
            default:
                var whole = About(e => e.Replay = new Cluster.Wire.Replay { Tick = 99, Shards = { new ShardReference { Shard = 3, Fence = 9 } } }).ToByteArray();
                return whole[..^random.NextInt32(4)];
        }
    }
}
