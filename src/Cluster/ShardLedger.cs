namespace MimicD.Cluster;

/// <summary>What a node is to be asked: one shard of the open tick, under a fence.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Node">Who is to answer for it.</param>
/// <param name="Fence">What the answer must carry.</param>
public readonly record struct ShardTicket(int Shard, string Node, uint Fence);

/// <summary>
/// The world's book of a run's shards: who has which, under which fence, and which of the open tick are answered. Pure: it is told what happened and at what time, and says what to send.
/// It makes an answer count once whatever the network does: a shard that is given to another node gets a higher fence, and who answers with the old one is not heard.
/// </summary>
/// <remarks>A node that joins in mid-tick gets its share when the next tick opens, unless there are shards that nobody has. Not thread-safe.</remarks>
public sealed class ShardLedger
{
    /// <summary>Deadlines that a node may miss without an answer that counts in between; then it is out, as long as there is another.</summary>
    public const int MaxStrikes = 3;

    private readonly Shard[] _shards;
    private readonly Dictionary<string, Node> _nodes = new(StringComparer.Ordinal);
    private bool _changed;

    /// <summary>Makes a book with no nodes and no tick.</summary>
    /// <param name="occupied">Whether a shard has agents, [shards]; the others are never waited for.</param>
    public ShardLedger(IReadOnlyList<bool> occupied)
    {
        ArgumentNullException.ThrowIfNull(occupied);
        _shards = [.. occupied.Select(o => new Shard { Occupied = o })];
    }

    /// <summary>The open tick, or -1 before the first.</summary>
    public int Tick { get; private set; } = -1;

    /// <summary>Nodes that have or can be given shards.</summary>
    public IEnumerable<string> Live => _nodes.Where(n => !n.Value.Suspended).Select(n => n.Key).Order(StringComparer.Ordinal);

    /// <summary>Nodes that are waited for.</summary>
    public IEnumerable<string> Awaited => _shards.Where(s => s.Waiting).Select(s => s.Owner).OfType<string>().Distinct(StringComparer.Ordinal);

    /// <summary>Shards of the open tick that are not answered.</summary>
    public IEnumerable<int> Waiting => Enumerable.Range(0, _shards.Length).Where(s => _shards[s].Waiting);

    /// <summary>Whether all of the open tick is answered.</summary>
    public bool IsClosed => !Array.Exists(_shards, s => s.Waiting);

    /// <summary>Shards with agents that each node has; a node that has none is not among them.</summary>
    public IReadOnlyDictionary<string, int> Owned => _shards.Where(s => s is { Occupied: true, Owner: not null }).CountBy(s => s.Owner!, StringComparer.Ordinal).ToDictionary(StringComparer.Ordinal);

    /// <summary>Times that a shard with agents went from one node to another.</summary>
    public long Moves { get; private set; }

    /// <summary>Times that a node missed a deadline.</summary>
    public long Suspensions { get; private set; }

    /// <summary>Opens a tick: every shard is to be answered.</summary>
    public IReadOnlyList<ShardTicket> OpenTick(int tick, TimeSpan now)
    {
        Tick = tick;
        foreach (var shard in _shards)
        {
            shard.Waiting = shard.Occupied;
        }

        if (_changed)
        {
            Place(now);
        }

        return Tickets(_ => true, now);
    }

    /// <summary>A node is there and prepared; one that was there before has lost all that it had.</summary>
    public IReadOnlyList<ShardTicket> Join(string node, TimeSpan now)
    {
        var strikes = _nodes.TryGetValue(node, out var before) ? before.Strikes : 0;
        if (before is not null)
        {
            Evict(node);
        }

        _nodes[node] = new Node { LastHeard = now, Strikes = strikes, Suspended = strikes >= MaxStrikes && Live.Any(n => n != node) };
        return Settle(now);
    }

    /// <summary>A node is gone.</summary>
    public IReadOnlyList<ShardTicket> Leave(string node, TimeSpan now)
    {
        if (!_nodes.Remove(node))
        {
            return [];
        }

        Evict(node);
        return Settle(now);
    }

    /// <summary>Nodes that have owed an answer for longer than the deadline without a word.</summary>
    public IReadOnlyList<string> Overdue(TimeSpan now, TimeSpan deadline)
        => [.. Awaited.Where(node => _shards.Any(s => s.Waiting && s.Owner == node && now - s.Sent > deadline) && now - _nodes[node].LastHeard > deadline)];

    /// <summary>Takes all shards from a node that missed its deadline. It can have some again when it is <see cref="Heard"/>; after the third time in a row only when there is no other.</summary>
    public IReadOnlyList<ShardTicket> Suspend(string node, TimeSpan now)
    {
        if (!_nodes.TryGetValue(node, out var state) || state.Suspended)
        {
            return [];
        }

        (state.Suspended, state.Answers) = (true, false);
        state.Strikes++;
        Suspensions++;
        Evict(node);
        return Settle(now);
    }

    /// <summary>There was a word from a node, whatever it was.</summary>
    public IReadOnlyList<ShardTicket> Heard(string node, TimeSpan now)
    {
        if (!_nodes.TryGetValue(node, out var state))
        {
            return [];
        }

        state.LastHeard = now;
        state.Answers = true;
        if (!state.Suspended || (state.Strikes >= MaxStrikes && Live.Any()))
        {
            return [];
        }

        state.Suspended = false;
        return Settle(now);
    }

    /// <summary>Whether a node still has a shard under a fence, for the open tick and unanswered.</summary>
    /// <returns>Null, or why an answer would not count.</returns>
    public Refusal? Judge(string node, int shard, uint fence, int tick)
    {
        if ((uint)shard >= (uint)_shards.Length || !_shards[shard].Occupied || tick > Tick || fence > _shards[shard].Fence)
        {
            return Refusal.OutOfRange;
        }

        var state = _shards[shard];
        return fence < state.Fence || state.Owner != node ? Refusal.StaleFence
            : tick < Tick ? Refusal.Late
            : !state.Waiting ? Refusal.Duplicate
            : null;
    }

    /// <summary>Takes an answer. Only the first of a shard in a tick, from who has it now, counts.</summary>
    /// <returns>Null where it counts, or why it does not.</returns>
    public Refusal? Answer(string node, int shard, uint fence, int tick)
    {
        var reason = Judge(node, shard, fence, tick);
        if (reason is null)
        {
            _shards[shard].Waiting = false;
            _nodes[node].Strikes = 0;
        }

        return reason;
    }

    private void Evict(string node)
    {
        foreach (var shard in _shards)
        {
            if (shard.Owner == node)
            {
                shard.Owner = null;
            }
        }
    }

    /// <summary>Finds a place for what has none; while all have one, shares are evened out when the next tick opens.</summary>
    private List<ShardTicket> Settle(TimeSpan now)
    {
        _changed = true;
        if (!Live.Any())
        {
            // A slow node is better than none.
            foreach (var node in _nodes.Values.Where(n => n.Answers))
            {
                node.Suspended = false;
            }
        }

        if (Tick < 0 || !Array.Exists(_shards, s => s.Owner is null))
        {
            return [];
        }

        var before = _shards.Select(s => s.Fence).ToArray();
        Place(now);
        return Tickets(shard => _shards[shard].Fence != before[shard], now);
    }

    private void Place(TimeSpan now)
    {
        var owners = Placement.Place([.. _shards.Select(s => s.Owner)], [.. Live]);
        for (var i = 0; i < owners.Length; i++)
        {
            var shard = _shards[i];
            if (owners[i] is { } owner && owner != shard.Owner)
            {
                shard.Fence++;
                shard.Owner = owner;
                shard.Sent = now;
                Moves += shard.Occupied && shard.Fence > 1 ? 1 : 0;
            }
        }

        _changed = Array.Exists(owners, o => o is null);
    }

    private List<ShardTicket> Tickets(Func<int, bool> which, TimeSpan now)
    {
        var tickets = new List<ShardTicket>();
        for (var i = 0; i < _shards.Length; i++)
        {
            var shard = _shards[i];
            if (shard is { Waiting: true, Owner: { } owner } && which(i))
            {
                shard.Sent = now;
                tickets.Add(new ShardTicket(i, owner, shard.Fence));
            }
        }

        return tickets;
    }

    private sealed class Shard
    {
        public bool Occupied { get; init; }

        public string? Owner { get; set; }

        public uint Fence { get; set; }

        public bool Waiting { get; set; }

        public TimeSpan Sent { get; set; }
    }

    private sealed class Node
    {
        public TimeSpan LastHeard { get; set; }

        public bool Suspended { get; set; }

        /// <summary>Whether it has said something since it missed its deadline.</summary>
        public bool Answers { get; set; } = true;

        public int Strikes { get; set; }
    }
}
