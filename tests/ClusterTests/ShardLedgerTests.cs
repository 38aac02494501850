using MimicD.Cluster;

namespace MimicD.ClusterTests;

public class ShardLedgerTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    [Fact]
    public void A_tick_closes_when_every_shard_with_agents_is_answered_once()
    {
        var ledger = Ledger(shards: 4, "a", "b");
        var tickets = ledger.OpenTick(0, At(0));
        Assert.Equal([0, 1, 2, 3], tickets.Select(t => t.Shard));
        foreach (var ticket in tickets)
        {
            Assert.False(ledger.IsClosed);
            Assert.Null(ledger.Answer(ticket.Node, ticket.Shard, ticket.Fence, 0));
        }

        Assert.True(ledger.IsClosed);
        Assert.Equal(0, ledger.Moves);
        Assert.Equal(4, ledger.OpenTick(1, At(1)).Count);
    }

    [Fact]
    public void A_shard_without_agents_is_not_waited_for()
    {
        var ledger = new ShardLedger([true, false]);
        ledger.Join("a", At(0));
        Assert.Equal([0], ledger.OpenTick(0, At(0)).Select(t => t.Shard));
        Assert.Null(ledger.Answer("a", 0, 1, 0));
        Assert.True(ledger.IsClosed);
        Assert.Equal(Refusal.OutOfRange, ledger.Answer("a", 1, 1, 0));
    }

    [Fact]
    public void Answers_that_do_not_count_are_told_apart()
    {
        var ledger = Ledger(shards: 1, "a");
        ledger.OpenTick(0, At(0));
        Assert.Equal(Refusal.OutOfRange, ledger.Answer("a", 7, 1, 0));
        Assert.Equal(Refusal.OutOfRange, ledger.Answer("a", 0, 1, 1));
        Assert.Equal(Refusal.OutOfRange, ledger.Answer("a", 0, 2, 0));
        Assert.Equal(Refusal.StaleFence, ledger.Answer("b", 0, 1, 0));
        Assert.Equal(Refusal.StaleFence, ledger.Answer("a", 0, 0, 0));
        Assert.Null(ledger.Answer("a", 0, 1, 0));
        Assert.Equal(Refusal.Duplicate, ledger.Answer("a", 0, 1, 0));
        ledger.OpenTick(1, At(1));
        Assert.Equal(Refusal.Late, ledger.Answer("a", 0, 1, 0));
        Assert.Null(ledger.Answer("a", 0, 1, 1));
    }

    [Fact]
    public void What_a_dead_node_owed_goes_to_the_others_under_a_higher_fence_and_what_it_answered_stays_answered()
    {
        var ledger = Ledger(shards: 8, "a", "b", "c");
        var tickets = ledger.OpenTick(0, At(0));
        var dead = tickets.Where(t => t.Node == "b").ToArray();
        Assert.Null(ledger.Answer("b", dead[0].Shard, dead[0].Fence, 0));

        var again = ledger.Leave("b", At(1));
        Assert.Equal(dead[1..].Select(t => t.Shard), again.Select(t => t.Shard));
        Assert.All(again, t => Assert.True(t.Node is "a" or "c" && t.Fence == 2));
        Assert.Equal(Refusal.StaleFence, ledger.Answer("b", dead[1].Shard, dead[1].Fence, 0));
        Assert.Null(ledger.Answer(again[0].Node, again[0].Shard, again[0].Fence, 0));
    }

    [Fact]
    public void A_node_that_joins_in_mid_tick_gets_its_share_at_the_next()
    {
        var ledger = Ledger(shards: 8, "a");
        Assert.Equal(8, ledger.OpenTick(0, At(0)).Count);
        Assert.Empty(ledger.Join("b", At(0)));
        for (var shard = 0; shard < 8; shard++)
        {
            Assert.Null(ledger.Answer("a", shard, 1, 0));
        }

        Assert.Equal(4, ledger.OpenTick(1, At(1)).Count(t => t.Node == "b"));
        Assert.Equal(4, ledger.Moves);
    }

    [Fact]
    public void When_the_last_node_dies_the_next_that_comes_gets_what_is_owed_at_once()
    {
        var ledger = Ledger(shards: 3, "a");
        ledger.OpenTick(0, At(0));
        Assert.Empty(ledger.Leave("a", At(0)));
        Assert.Empty(ledger.Live);
        Assert.Equal(3, ledger.Join("b", At(1)).Count);
    }

    [Fact]
    public void A_node_whose_queue_is_new_is_asked_again()
    {
        var ledger = Ledger(shards: 2, "a");
        ledger.OpenTick(0, At(0));
        var again = ledger.Join("a", At(1));
        Assert.Equal([2u, 2u], again.Select(t => t.Fence));
        Assert.Equal(Refusal.StaleFence, ledger.Answer("a", 0, 1, 0));
    }

    [Fact]
    public void A_node_is_overdue_when_it_owes_and_has_said_nothing_for_the_deadline()
    {
        var ledger = Ledger(shards: 4, "a", "b");
        var tickets = ledger.OpenTick(0, At(0));
        foreach (var ticket in tickets.Where(t => t.Node == "a"))
        {
            ledger.Answer(ticket.Node, ticket.Shard, ticket.Fence, 0);
        }

        Assert.Empty(ledger.Overdue(At(10), Deadline));
        ledger.Heard("b", At(5));
        Assert.Empty(ledger.Overdue(At(14), Deadline));
        Assert.Equal(["b"], ledger.Overdue(At(16), Deadline));
        Assert.All(ledger.Suspend("b", At(16)), t => Assert.Equal("a", t.Node));
        Assert.Equal(["a"], ledger.Live);

        // Back among the living with its first word; shares are evened out at the next tick.
        Assert.Empty(ledger.Heard("b", At(17)));
        Assert.Equal(["a", "b"], ledger.Live);
        Assert.Equal(2, ledger.OpenTick(1, At(18)).Count(t => t.Node == "b"));
    }

    [Fact]
    public void A_node_that_misses_three_deadlines_in_a_row_is_out_as_long_as_there_is_another()
    {
        var ledger = Ledger(shards: 2, "a", "b");
        for (var tick = 0; tick < ShardLedger.MaxStrikes; tick++)
        {
            Assert.Contains("b", ledger.Live);
            foreach (var ticket in ledger.OpenTick(tick, At(20 * tick)).Where(t => t.Node == "a"))
            {
                ledger.Answer("a", ticket.Shard, ticket.Fence, tick);
            }

            foreach (var ticket in ledger.Suspend("b", At(20 * tick + 15)))
            {
                Assert.Null(ledger.Answer("a", ticket.Shard, ticket.Fence, tick));
            }

            ledger.Heard("b", At(20 * tick + 16));
        }

        Assert.Equal(["a"], ledger.Live);
        ledger.Join("b", At(100));
        Assert.Equal(["a"], ledger.Live);
        Assert.Equal(3, ledger.Suspensions);

        // But better than none.
        ledger.Leave("a", At(101));
        Assert.Equal(["b"], ledger.Live);
    }

    private static ShardLedger Ledger(int shards, params string[] nodes)
    {
        var ledger = new ShardLedger([.. Enumerable.Repeat(true, shards)]);
        foreach (var node in nodes)
        {
            Assert.Empty(ledger.Join(node, At(0)));
        }

        return ledger;
    }

    private static TimeSpan At(double seconds) => TimeSpan.FromSeconds(seconds);
}
