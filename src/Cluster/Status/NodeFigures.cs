namespace MimicD.Cluster.Status;

/// <summary>What a node has done and has, at one moment. Immutable, so that anybody may read it while the node goes on.</summary>
public sealed record NodeFigures
{
    /// <summary>A node that has done nothing yet.</summary>
    public static NodeFigures None { get; } = new();

    /// <summary>Runs that it takes part in.</summary>
    public IReadOnlyList<NodeRunFigures> Runs { get; init; } = [];

    /// <summary>Ticks answered, all runs together; one whose shards came in several messages counts once.</summary>
    public long Ticks { get; init; }

    /// <summary>Shards answered.</summary>
    public long Shards { get; init; }

    /// <summary>Agents' answers, the repeated ones and those of stopped agents included.</summary>
    public long Actions { get; init; }

    /// <summary>Shards whose agents' past was asked for.</summary>
    public long Replays { get; init; }

    /// <summary>Models that are here, and their bytes.</summary>
    public IReadOnlyList<HeldModel> Models { get; init; } = [];

    /// <summary>Models fetched.</summary>
    public long ModelsFetched { get; init; }

    /// <summary>Bytes of the models fetched.</summary>
    public long ModelBytesFetched { get; init; }
}

/// <summary>A node's part in a run.</summary>
/// <param name="Run">The run.</param>
/// <param name="Prepared">Whether all models are here.</param>
/// <param name="Shards">Shards with agents that it answered for in the latest tick; one that has been given to another node counts until the tick after.</param>
/// <param name="Agents">Agents of these shards.</param>
public sealed record NodeRunFigures(string Run, bool Prepared, int Shards, int Agents);

/// <summary>A model that a node has.</summary>
/// <param name="Sha256">Its hash, lower-case hexadecimal.</param>
/// <param name="Bytes">Its file's bytes.</param>
public sealed record HeldModel(string Sha256, long Bytes);

/// <summary>How a run on a cluster is doing, as its world sees it.</summary>
public sealed record WorldFigures
{
    /// <summary>Ticks opened.</summary>
    public required int Ticks { get; init; }

    /// <summary>Episodes.</summary>
    public required int Episodes { get; init; }

    /// <summary>Agents an episode.</summary>
    public required int Agents { get; init; }

    /// <summary>Shards that have agents.</summary>
    public required int Shards { get; init; }

    /// <summary>The nodes that have greeted.</summary>
    public required IReadOnlyList<WorldNodeFigures> Nodes { get; init; }

    /// <summary>Times that a node asked for the past of a shard's agents.</summary>
    public required long Replays { get; init; }

    /// <summary>Times that a shard went from one node to another.</summary>
    public required long Moves { get; init; }

    /// <summary>Times that a node missed the deadline.</summary>
    public required long Suspensions { get; init; }
}

/// <summary>A node as a world sees it.</summary>
/// <param name="Node">The node.</param>
/// <param name="Prepared">Whether it is ready to be given shards.</param>
/// <param name="Shards">Shards with agents that it has.</param>
public sealed record WorldNodeFigures(string Node, bool Prepared, int Shards);
