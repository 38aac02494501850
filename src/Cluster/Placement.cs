using System.Text;
using MimicD.Numerics;

namespace MimicD.Cluster;

/// <summary>
/// Which shard an agent belongs to, and which node a shard is placed on. Rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM Transactions
/// on Networking 1998) with room for an equal share on each node: every node ranks every shard, and a shard goes to the node that ranks it highest and has room.
/// </summary>
public static class Placement
{
    /// <summary>The shard of an agent; the same on every machine.</summary>
    /// <param name="episode">The agent's episode.</param>
    /// <param name="agent">The agent.</param>
    /// <param name="shards">Shards of the run, at least 1.</param>
    public static int ShardOf(int episode, int agent, int shards)
    {
        var (x, _, _, _) = Philox.Block((uint)episode, (uint)agent, 0, 0, 0x53686172, 0);
        return (int)(x % (uint)shards);
    }

    /// <summary>Places all shards, moving as few as can be: numbers on the nodes differ by one at most, and no placement that even moves fewer shards.</summary>
    /// <param name="owners">Where each shard is, [shards]; null, or a node that is no more, where it has no place.</param>
    /// <param name="nodes">The nodes that live; no name twice.</param>
    /// <returns>Where each shard is to be, [shards]; all null without nodes.</returns>
    public static string?[] Place(IReadOnlyList<string?> owners, IReadOnlyCollection<string> nodes)
    {
        ArgumentNullException.ThrowIfNull(owners);
        ArgumentNullException.ThrowIfNull(nodes);
        var placed = new string?[owners.Count];
        if (nodes.Count == 0)
        {
            return placed;
        }

        var held = nodes.Order(StringComparer.Ordinal).ToDictionary(n => n, _ => new List<int>(), StringComparer.Ordinal);
        var homeless = new List<int>();
        for (var shard = 0; shard < placed.Length; shard++)
        {
            (owners[shard] is { } owner && held.TryGetValue(owner, out var own) ? own : homeless).Add(shard);
        }

        // The nodes that hold most keep one more where the shards do not divide, for then fewest move.
        var (floor, more) = (placed.Length / nodes.Count, placed.Length % nodes.Count);
        var room = held.OrderByDescending(n => n.Value.Count).Select((n, rank) => (n.Key, Room: floor + (rank < more ? 1 : 0))).ToDictionary(n => n.Key, n => n.Room, StringComparer.Ordinal);
        foreach (var (node, shards) in held)
        {
            var kept = shards.OrderByDescending(s => Weight(s, node)).ToArray();
            var stays = Math.Min(kept.Length, room[node]);
            foreach (var shard in kept.AsSpan(0, stays))
            {
                placed[shard] = node;
            }

            room[node] -= stays;
            homeless.AddRange(kept.AsSpan(stays));
        }

        homeless.Sort();
        foreach (var shard in homeless)
        {
            var best = room.Where(n => n.Value > 0).MaxBy(n => Weight(shard, n.Key)).Key;
            placed[shard] = best;
            room[best]--;
        }

        return placed;
    }

    /// <summary>How high a node ranks a shard.</summary>
    private static ulong Weight(int shard, string node)
    {
        // FNV-1a over the name: string.GetHashCode differs from process to process.
        var name = 0xCBF29CE484222325;
        foreach (var b in Encoding.UTF8.GetBytes(node))
        {
            name = (name ^ b) * 0x100000001B3;
        }

        var (x, y, _, _) = Philox.Block((uint)shard, (uint)name, (uint)(name >> 32), 0, 0x506C6163, 0);
        return ((ulong)x << 32) | y;
    }
}
