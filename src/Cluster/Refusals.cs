using System.Collections.Immutable;

namespace MimicD.Cluster;

/// <summary>Why a message, or a part of one, was refused. Nothing that comes from the wire is fatal, and nothing is dropped without being counted here.</summary>
public enum Refusal
{
    /// <summary>Longer than a message may be.</summary>
    Oversized,

    /// <summary>Not of the schema: cut short, not Protocol Buffers, or without a body.</summary>
    Malformed,

    /// <summary>Of another version of the schema.</summary>
    WrongVersion,

    /// <summary>A name, a list or a text in it is longer than it may be, or a name has letters that no name has.</summary>
    OverLimit,

    /// <summary>Of a kind that this receiver is never sent.</summary>
    Unexpected,

    /// <summary>About a run that the receiver does not know.</summary>
    WrongRun,

    /// <summary>From a node that has no part in the run.</summary>
    WrongNode,

    /// <summary>Names a shard, an agent or a tick that the run does not have, or an agent twice, or not all of a shard.</summary>
    OutOfRange,

    /// <summary>An observation or an action of the wrong number of values.</summary>
    WrongSize,

    /// <summary>For a shard that has been given to another since.</summary>
    StaleFence,

    /// <summary>Answers what is answered.</summary>
    Duplicate,

    /// <summary>For a tick that is closed.</summary>
    Late,

    /// <summary>A model's bytes that do not come in order, or whose hash is not the one they were asked by.</summary>
    WrongModel,
}

/// <summary>Counts refusals by reason. Thread-safe.</summary>
public sealed class Refusals
{
    private readonly long[] _counts = new long[Enum.GetValues<Refusal>().Length];

    /// <summary>Counts one.</summary>
    public void Add(Refusal reason) => Interlocked.Increment(ref _counts[(int)reason]);

    /// <summary>How many there were for a reason.</summary>
    public long this[Refusal reason] => Interlocked.Read(ref _counts[(int)reason]);

    /// <summary>The reasons that there were, with how often.</summary>
    public ImmutableSortedDictionary<Refusal, long> Counts
        => Enum.GetValues<Refusal>().Where(r => this[r] > 0).ToImmutableSortedDictionary(r => r, r => this[r]);
}
