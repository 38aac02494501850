using Google.Protobuf;
using MimicD.Cluster;
using MimicD.Cluster.Wire;
using MimicD.EvaluationTests;

namespace MimicD.ClusterTests;

public class WireDecoderTests
{
    [Fact]
    public void A_message_comes_out_as_it_went_in()
    {
        var message = Sample();
        Assert.Equal(message, WireDecoder.Decode(message.ToByteArray(), out _));
    }

    [Fact]
    public void Any_bytes_give_a_message_or_a_reason() => Property.Holds(random =>
    {
        var bytes = Sample().ToByteArray();
        for (var changes = 1 + random.NextInt32(8); changes > 0; changes--)
        {
            bytes[random.NextInt32(bytes.Length)] = (byte)random.NextUInt32();
        }

        var envelope = WireDecoder.Decode(bytes.AsSpan(0, 1 + random.NextInt32(bytes.Length)), out var reason);
        return envelope is not null || Enum.IsDefined(reason);
    });

    [Fact]
    public void A_message_that_is_cut_short_is_malformed()
    {
        var bytes = Sample().ToByteArray();
        Assert.Null(WireDecoder.Decode(bytes.AsSpan(0, bytes.Length - 1), out var reason));
        Assert.Equal(Refusal.Malformed, reason);
    }

    [Fact]
    public void What_is_too_long_is_not_even_read()
    {
        Assert.Null(WireDecoder.Decode(new byte[WireLimits.MessageBytes + 1], out var reason));
        Assert.Equal(Refusal.Oversized, reason);
    }

    // By name, for the messages themselves would fill the log.
    private static readonly Dictionary<string, (Refusal Reason, Envelope Message)> Bad = new(StringComparer.Ordinal)
    {
        ["no body"] = (Refusal.Malformed, new Envelope { Version = 1, Run = "run" }),
        ["no version"] = (Refusal.Malformed, new Envelope { Run = "run", Probe = new Probe() }),
        ["another version"] = (Refusal.WrongVersion, new Envelope { Version = 2, Run = "run", Probe = new Probe() }),
        ["a run in capitals"] = (Refusal.OverLimit, new Envelope { Version = 1, Run = "Run", Probe = new Probe() }),
        ["a long run"] = (Refusal.OverLimit, new Envelope { Version = 1, Run = new string('r', WireLimits.NameLetters + 1), Probe = new Probe() }),
        ["a node with a point"] = (Refusal.OverLimit, new Envelope { Version = 1, Run = "run", Node = "a.b", Probe = new Probe() }),
        ["a long reason"] = (Refusal.OverLimit, new Envelope { Version = 1, Run = "run", Declined = new Declined { Reason = new string('x', WireLimits.TextLetters + 1) } }),
        ["a short hash"] = (Refusal.OverLimit, new Envelope { Version = 1, Run = "run", ModelRequest = new ModelRequest { Sha256 = "0" } }),
        ["a large chunk"] = (Refusal.OverLimit, new Envelope { Version = 1, Run = "run", ModelChunk = new ModelChunk { Sha256 = new string('a', 64), Content = ByteString.CopyFrom(new byte[WireLimits.ChunkBytes + 1]) } }),
        ["a late tick"] = (Refusal.OverLimit, new Envelope { Version = 1, Run = "run", Actions = new Actions { Tick = uint.MaxValue } }),
        ["a high shard"] = (Refusal.OverLimit, new Envelope { Version = 1, Run = "run", Actions = new Actions { Shards = { new ShardActions { Shard = WireLimits.Shards } } } }),
        ["a high episode"] = (Refusal.OverLimit, new Envelope { Version = 1, Run = "run", Actions = new Actions { Shards = { new ShardActions { Agents = { new AgentAnswer { Episode = uint.MaxValue } } } } } }),
        ["a high shard to replay"] = (Refusal.OverLimit, new Envelope { Version = 1, Run = "run", Replay = new Cluster.Wire.Replay { Shards = { new ShardReference { Shard = uint.MaxValue } } } }),
        ["a long observation"] = (Refusal.OverLimit, new Envelope { Version = 1, Run = "run", Observations = new Observations { Shards = { new ShardObservations { Agents = { new AgentObservation { Features = ByteString.CopyFrom(new byte[4 * WireLimits.Values + 1]) } } } } } }),
        ["a node without room"] = (Refusal.OverLimit, new Envelope { Version = 1, Run = "run", SweepJoined = new SweepJoined() }),
        ["a block's short hash"] = (Refusal.OverLimit, new Envelope { Version = 1, Run = "run", SweepBlock = new SweepBlock { Models = { new SweepModel { Sha256 = "0" } } } }),
        ["an empty part"] = (Refusal.OverLimit, new Envelope { Version = 1, Run = "run", SweepPart = new SweepPart { Size = 1 } }),
        ["a part beyond its end"] = (Refusal.OverLimit, new Envelope { Version = 1, Run = "run", SweepPart = new SweepPart { Size = 4, Offset = 2, Content = ByteString.CopyFrom(1, 2, 3) } }),
        ["a large part"] = (Refusal.OverLimit, new Envelope { Version = 1, Run = "run", SweepPart = new SweepPart { Size = uint.MaxValue, Content = ByteString.CopyFrom(1) } }),
        ["a block's long reason"] = (Refusal.OverLimit, new Envelope { Version = 1, Run = "run", SweepDeclined = new SweepDeclined { Reason = new string('x', WireLimits.TextLetters + 1) } }),
        ["many restarts"] = (Refusal.OverLimit, new Envelope { Version = 1, Run = "run", Observations = new Observations { Shards = { new ShardObservations { Agents = { new AgentObservation { Past = new AgentPast { Restarts = uint.MaxValue } } } } } } }),
    };

    public static TheoryData<string> Refused => [.. Bad.Keys];

    [Theory]
    [MemberData(nameof(Refused))]
    public void What_breaks_a_limit_is_refused_by_its_reason(string name)
    {
        Assert.Null(WireDecoder.Decode(Bad[name].Message.ToByteArray(), out var reason));
        Assert.Equal(Bad[name].Reason, reason);
    }

    private static Envelope Sample() => new()
    {
        Version = 1, Run = "run", Node = "node-1",
        Actions = new Actions
        {
            Tick = 7,
            Shards = { new ShardActions { Shard = 3, Fence = 2, Plans = 1, Agents = { new AgentAnswer { Episode = 1, Agent = 4, Values = ByteString.CopyFrom(0, 0, 0, 63, 0, 0, 160, 191), Restarts = 1, Stopped = new Stopped { Tick = 5, Error = "why" } } } } },
        },
    };
}
