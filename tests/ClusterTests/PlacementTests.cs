using MimicD.Cluster;
using MimicD.EvaluationTests;
using MimicD.Numerics;

namespace MimicD.ClusterTests;

public class PlacementTests
{
    [Fact]
    public void Every_node_has_as_many_shards_as_any_other_give_or_take_one() => Property.Holds(random =>
    {
        var (owners, nodes) = Case(ref random);
        var counts = Count(Placement.Place(owners, nodes), nodes);
        return counts.Values.Sum() == owners.Length && counts.Values.Max() - counts.Values.Min() <= 1;
    });

    [Fact]
    public void No_even_placement_moves_fewer_shards() => Property.Holds(random =>
    {
        var (owners, nodes) = Case(ref random);
        var stayed = Placement.Place(owners, nodes).Zip(owners).Count(p => p.First == p.Second);

        // Of what each node has, as much can stay as its share; the larger shares are worth most where most is.
        var held = nodes.Select(n => owners.Count(o => o == n)).OrderDescending().ToArray();
        var most = held.Select((h, rank) => Math.Min(h, owners.Length / nodes.Length + (rank < owners.Length % nodes.Length ? 1 : 0))).Sum();
        return stayed == most;
    });

    [Fact]
    public void A_node_that_dies_moves_its_own_shards_alone_and_its_return_as_many_back()
    {
        string[] nodes = ["a", "b", "c", "d"];
        var before = Placement.Place(new string?[32], nodes);
        var without = Placement.Place(before, ["a", "b", "d"]);
        Assert.All(before.Zip(without), p => Assert.True(p.First == "c" || p.First == p.Second));
        Assert.Equal(8, Placement.Place(without, nodes).Zip(without).Count(p => p.First != p.Second));
    }

    [Fact]
    public void Placement_does_not_depend_on_the_order_in_which_nodes_are_named()
        => Assert.Equal(Placement.Place(new string?[50], ["a", "b", "c"]), Placement.Place(new string?[50], ["c", "a", "b"]));

    [Fact]
    public void Without_nodes_nothing_has_a_place() => Assert.All(Placement.Place(["a", null], []), Assert.Null);

    [Fact]
    public void Agents_spread_over_all_shards()
    {
        var counts = new int[16];
        for (var body = 0; body < 16_000; body++)
        {
            counts[Placement.ShardOf(body / 100, body % 100, counts.Length)]++;
        }

        // A thousand expected; six standard deviations of a fair spread.
        Assert.All(counts, c => Assert.InRange(c, 1000 - 6 * 31, 1000 + 6 * 31));
    }

    private static (string?[] Owners, string[] Nodes) Case(ref CounterRandom random)
    {
        string[] nodes = [.. Enumerable.Range(0, 1 + random.NextInt32(9)).Select(n => $"node-{n}")];
        var owners = new string?[1 + random.NextInt32(60)];
        for (var i = 0; i < owners.Length; i++)
        {
            // Some are nowhere, some where no node is any more.
            var owner = random.NextInt32(nodes.Length + 3);
            owners[i] = owner == nodes.Length ? null : $"node-{owner}";
        }

        return (owners, nodes);
    }

    private static Dictionary<string, int> Count(string?[] placed, string[] nodes) => nodes.ToDictionary(n => n, n => placed.Count(p => p == n), StringComparer.Ordinal);
}
