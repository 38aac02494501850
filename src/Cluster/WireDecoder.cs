using Google.Protobuf;
using MimicD.Cluster.Status;
using MimicD.Cluster.Wire;

namespace MimicD.Cluster;

/// <summary>The largest that anything on the wire may be. What breaks a limit is refused whole.</summary>
public static class WireLimits
{
    /// <summary>Version of the schema that is spoken here.</summary>
    public const uint Version = 1;

    /// <summary>Bytes of a message. A sender that has more to say to a node splits it by shards.</summary>
    public const int MessageBytes = 16 << 20;

    /// <summary>Bytes of a model in one message: small enough that observations are never long behind one.</summary>
    public const int ChunkBytes = 64 << 10;

    /// <summary>Bytes of a whole model.</summary>
    public const int ModelBytes = 1 << 30;

    /// <summary>Letters of a run's or a node's name.</summary>
    public const int NameLetters = 64;

    /// <summary>Letters of a reason or an error.</summary>
    public const int TextLetters = 1000;

    /// <summary>Shards of a run.</summary>
    public const int Shards = 1 << 16;

    /// <summary>Agents of a run, all episodes together.</summary>
    public const int Agents = 1 << 24;

    /// <summary>Numbers of an observation or an action.</summary>
    public const int Values = 1 << 17;

    /// <summary>Past observations of one agent.</summary>
    public const int PastFrames = 1 << 13;

    /// <summary>Different policies in one run.</summary>
    public const int Policies = 1 << 10;

    /// <summary>Blocks of a sweep that a node computes at one time.</summary>
    public const int Blocks = 1 << 12;

    /// <summary>Bytes of what comes out of a block.</summary>
    public const int ResultBytes = 1 << 30;

    /// <summary>Bytes of a part of it in one message.</summary>
    public const int PartBytes = 1 << 20;

    /// <summary>Cuts a text to what may be sent.</summary>
    public static string Cut(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Length <= TextLetters ? text : text[..TextLetters];
    }

    /// <summary>Whether a text can be a run's or a node's name, which is part of a queue's name: small letters, digits and hyphens.</summary>
    public static bool IsName(string text) => text is { Length: >= 1 and <= NameLetters } && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');
}

/// <summary>Turns bytes into a message whose every length is within its limit, or into a reason. Pure; whether the message makes sense to its receiver is the receiver's to say.</summary>
public static class WireDecoder
{
    /// <summary>Reads a message.</summary>
    /// <param name="bytes">What came; it may be anything.</param>
    /// <param name="reason">Why it is refused, where the result is null.</param>
    /// <returns>The message, or null.</returns>
    public static Envelope? Decode(ReadOnlySpan<byte> bytes, out Refusal reason)
    {
        reason = Refusal.Oversized;
        if (bytes.Length > WireLimits.MessageBytes)
        {
            return null;
        }

        Envelope envelope;
        reason = Refusal.Malformed;
        try
        {
            envelope = Envelope.Parser.ParseFrom(bytes);
        }
        catch (InvalidProtocolBufferException)
        {
            return null;
        }

        if (envelope.Version != WireLimits.Version)
        {
            // A message of no version at all is noise that happens to parse.
            reason = envelope.Version == 0 ? Refusal.Malformed : Refusal.WrongVersion;
            return null;
        }

        if (envelope.BodyCase == Envelope.BodyOneofCase.None)
        {
            return null;
        }

        reason = Refusal.OverLimit;
        return WithinLimits(envelope) ? envelope : null;
    }

    private static bool WithinLimits(Envelope envelope)
    {
        if ((envelope.Run.Length > 0 && !WireLimits.IsName(envelope.Run)) || (envelope.Node.Length > 0 && !WireLimits.IsName(envelope.Node)))
        {
            return false;
        }

        return envelope.BodyCase switch
        {
            Envelope.BodyOneofCase.Declined => IsText(envelope.Declined.Reason),
            Envelope.BodyOneofCase.ModelRequest => IsHash(envelope.ModelRequest.Sha256) && envelope.ModelRequest.Offset <= WireLimits.ModelBytes,
            Envelope.BodyOneofCase.ModelChunk => IsHash(envelope.ModelChunk.Sha256) && envelope.ModelChunk.Offset <= WireLimits.ModelBytes && envelope.ModelChunk.Content.Length <= WireLimits.ChunkBytes,
            Envelope.BodyOneofCase.Observations => IsTick(envelope.Observations.Tick) && envelope.Observations.Shards.Count <= WireLimits.Shards && envelope.Observations.Shards.All(WithinLimits),
            Envelope.BodyOneofCase.Replay => IsTick(envelope.Replay.Tick) && envelope.Replay.Shards.Count <= WireLimits.Shards && envelope.Replay.Shards.All(s => s.Shard < WireLimits.Shards),
            Envelope.BodyOneofCase.Actions => IsTick(envelope.Actions.Tick) && envelope.Actions.Shards.Count <= WireLimits.Shards && envelope.Actions.Shards.All(WithinLimits),
            Envelope.BodyOneofCase.StatusQuestion => StatusWire.IsWithinLimits(envelope.StatusQuestion),
            Envelope.BodyOneofCase.NodeStatus => StatusWire.IsWithinLimits(envelope.NodeStatus),
            Envelope.BodyOneofCase.WorldStatus => StatusWire.IsWithinLimits(envelope.WorldStatus),
            Envelope.BodyOneofCase.SweepJoined => envelope.SweepJoined.Blocks is >= 1 and <= WireLimits.Blocks,
            Envelope.BodyOneofCase.SweepBlock => envelope.SweepBlock.Models.Count <= WireLimits.Policies && envelope.SweepBlock.Models.All(m => IsHash(m.Sha256) && m.Bytes <= WireLimits.ModelBytes),
            Envelope.BodyOneofCase.SweepPart => WithinLimits(envelope.SweepPart),
            Envelope.BodyOneofCase.SweepDeclined => IsText(envelope.SweepDeclined.Reason),
            _ => true,
        };
    }

    internal static bool IsHash(string text) => text.Length == 64 && text.All(char.IsAsciiHexDigitLower);
    private static bool WithinLimits(SweepPart part)
        => part.Size is >= 1 and <= WireLimits.ResultBytes && part.Content.Length is >= 1 and <= WireLimits.PartBytes && part.Offset < part.Size && part.Content.Length <= part.Size - part.Offset;

    private static bool WithinLimits(ShardObservations shard)
    {
        if (shard.Shard >= WireLimits.Shards || shard.Agents.Count > WireLimits.Agents)
        {
            return false;
        }

        foreach (var agent in shard.Agents)
        {
            if (!IsAgent(agent.Episode, agent.Agent) || agent.Features.Length > WireFloats.Bytes(WireLimits.Values))
            {
                return false;
            }

            if (agent.Past is { } past && (past.Frames.Count > WireLimits.PastFrames || !IsStop(past.Stopped) || past.Restarts > int.MaxValue || past.Frames.Any(f => !IsTick(f.Tick) || f.Features.Length > WireFloats.Bytes(WireLimits.Values))))
            {
                return false;
            }
        }

        return true;
    }

    private static bool WithinLimits(ShardActions shard)
    {
        if (shard.Shard >= WireLimits.Shards || shard.Agents.Count > WireLimits.Agents)
        {
            return false;
        }

        foreach (var agent in shard.Agents)
        {
            if (!IsAgent(agent.Episode, agent.Agent) || agent.Values.Length > WireFloats.Bytes(WireLimits.Values) || agent.Restarts > int.MaxValue || !IsStop(agent.Stopped))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsTick(uint tick) => tick <= int.MaxValue;

    private static bool IsAgent(uint episode, uint agent) => episode < WireLimits.Agents && agent < WireLimits.Agents;

    private static bool IsStop(Stopped? stopped) => stopped is null || (IsTick(stopped.Tick) && IsText(stopped.Error));

    private static bool IsText(string text) => text.Length <= WireLimits.TextLetters;
}
