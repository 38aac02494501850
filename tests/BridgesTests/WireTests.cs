using System.Text;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;
using MimicD.EvaluationTests;

namespace MimicD.BridgesTests;

public class WireTests
{
    private static readonly string Json = Encoding.UTF8.GetString(JsonWire.Write(Cases.Command));

    [Fact]
    public void A_command_reads_as_the_contract_writes_it()
        => Assert.Equal(
            """{"v":1,"run":"run","robot":"r1","session":"0123456789abcdef","term":5,"seq":1,"ack":1,"obsT":1000,"ttlMs":300,"arm":true,"action":[0.25,-0.25]}""", Json);

    [Fact]
    public void An_observation_reads_as_the_contract_writes_it()
        => Assert.Equal(
            """{"v":1,"run":"run","robot":"r1","session":"0123456789abcdef","seq":1,"t":1000,"armed":false,"values":[0.1,0.2]}""", Encoding.UTF8.GetString(JsonWire.Write(Cases.Observation)));

    [Fact]
    public void What_is_written_is_read_to_the_bit_in_both_encodings()
        => Property.Holds(random =>
        {
            float[] numbers = [.. Enumerable.Range(0, 3).Select(_ => BitConverter.Int32BitsToSingle(random.NextInt32(int.MaxValue) * (random.NextDouble() < 0.5 ? -1 : 1))).Select(x => float.IsFinite(x) ? x : 0)];
            var whole = (long)(random.NextDouble() * WireContract.MaxInteger);
            var flag = random.NextDouble() < 0.5;
            var command = Cases.Command with { Sequence = whole, Term = whole / 2, Acknowledged = whole / 3, ObservationTime = whole / 5, TimeToLive = whole & 0xFFFF_FFFF, Arm = flag, Action = numbers };
            var observation = Cases.Observation with { Sequence = whole, Time = whole / 7, Armed = flag, Values = numbers };

            Assert.Equal(Refusal.None, JsonWire.Read(JsonWire.Write(command), out CommandEnvelope? json));
            Assert.Equal(Refusal.None, FrameWire.Read(FrameWire.Write(command), out CommandEnvelope? frame));
            Assert.Equal(Refusal.None, JsonWire.Read(JsonWire.Write(observation), out ObservationEnvelope? jsonObservation));
            Assert.Equal(Refusal.None, FrameWire.Read(FrameWire.Write(observation), out ObservationEnvelope? frameObservation));
            foreach (var read in new[] { json!, frame! })
            {
                Assert.Equal(command with { Action = [] }, read with { Action = [] });
                Assert.Equal(command.Action.Select(BitConverter.SingleToInt32Bits), read.Action.Select(BitConverter.SingleToInt32Bits));
            }

            foreach (var read in new[] { jsonObservation!, frameObservation! })
            {
                Assert.Equal(observation with { Values = [] }, read with { Values = [] });
                Assert.Equal(observation.Values.Select(BitConverter.SingleToInt32Bits), read.Values.Select(BitConverter.SingleToInt32Bits));
            }

            return true;
        });

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("7")]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("{\"v\":1}")]
    [InlineData("""{"v":1,"run":"run","robot":"r1","session":"0123456789abcdef","term":5,"seq":1,"ack":1,"obsT":1000,"ttlMs":300,"arm":true,"action":[0.25,-0.25]} x""")]
    [InlineData("""{"v":1,"run":"run","robot":"r1","session":"0123456789abcdef","term":5,"seq":1,"ack":1,"obsT":1000,"ttlMs":300,"arm":true,"action":[0.25,-0.25]}{}""")]
    [InlineData("""{"v":1,"run":"run","robot":"r1","session":"0123456789abcdef","term":5,"seq":1,"seq":2,"ack":1,"obsT":1000,"ttlMs":300,"arm":true,"action":[0.25,-0.25]}""")]
    [InlineData("""{"v":1,"run":"run","robot":"r1","session":"0123456789abcdef","term":5,"seq":1.5,"ack":1,"obsT":1000,"ttlMs":300,"arm":true,"action":[0.25,-0.25]}""")]
    [InlineData("""{"v":1,"run":"run","robot":"r1","session":"0123456789abcdef","term":5,"seq":"1","ack":1,"obsT":1000,"ttlMs":300,"arm":true,"action":[0.25,-0.25]}""")]
    [InlineData("""{"v":1,"run":"run","robot":"r1","session":"0123456789abcdef","term":-5,"seq":1,"ack":1,"obsT":1000,"ttlMs":300,"arm":true,"action":[0.25,-0.25]}""")]
    [InlineData("""{"v":1,"run":"run","robot":"r1","session":"0123456789abcdef","term":9007199254740992,"seq":1,"ack":1,"obsT":1000,"ttlMs":300,"arm":true,"action":[0.25,-0.25]}""")]
    [InlineData("""{"v":1,"run":"run","robot":"r1","session":"0123456789abcdef","term":5,"seq":1,"ack":1,"obsT":1000,"ttlMs":300,"arm":1,"action":[0.25,-0.25]}""")]
    [InlineData("""{"v":1,"run":"run","robot":"r1","session":"0123456789abcdef","term":5,"seq":1,"ack":1,"obsT":1000,"ttlMs":300,"arm":true,"action":[0.25,NaN]}""")]
    [InlineData("""{"v":1,"run":"run","robot":"r1","session":"0123456789abcdef","term":5,"seq":1,"ack":1,"obsT":1000,"ttlMs":300,"arm":true,"action":[0.25,"1"]}""")]
    [InlineData("""{"v":1,"run":"run","robot":"r1","session":"0123456789abcdef","term":5,"seq":1,"ack":1,"obsT":1000,"ttlMs":300,"arm":true,"action":[[0.25],1]}""")]
    [InlineData("""{"v":1,"run":"run","robot":"r1","session":"0123456789abcdef","term":5,"seq":1,"ack":1,"obsT":1000,"ttlMs":300,"arm":true,"action":{"x":1}}""")]
    [InlineData("""{"v":1,"run":"run","robot":"r1","session":"0123456789abcdef","term":5,"seq":1,"ack":1,"obsT":1000,"ttlMs":300,"arm":true,"action":[0.25,-0.25],"speed":9}""")]
    [InlineData("""{"v":1,"run":"run","robot":"r1","session":"0123456789abcdef","term":5,"seq":1,"ack":1,"obsT":1000,"ttlMs":300,"arm":true,/* go */"action":[0.25,-0.25]}""")]
    [InlineData("""{"v":1,"run":"run","robot":"r1","session":"0123456789abcdef","term":5,"seq":1,"ack":1,"obsT":1000,"ttlMs":300,"arm":true,"action":[0.25,-0.25,]}""")]
    [InlineData("""{"v":1,"run":"run","robot":"r1","session":"0123456789abcdef","term":5,"seq":1,"ack":1,"obsT":1000,"ttlMs":300,"arm":true,"action":[[[[[[[[1]]]]]]]]}""")]
    [InlineData("""{"v":"1","run":"run","robot":"r1","session":"0123456789abcdef","term":5,"seq":1,"ack":1,"obsT":1000,"ttlMs":300,"arm":true,"action":[0.25,-0.25]}""")]
    public void What_is_not_a_command_is_refused(string json)
        => Assert.Equal(Refusal.Parse, JsonWire.Read(Encoding.UTF8.GetBytes(json), out CommandEnvelope? _));

    [Fact]
    public void Text_that_is_not_utf8_is_refused()
    {
        var bytes = JsonWire.Write(Cases.Command);
        bytes[Json.IndexOf("r1", StringComparison.Ordinal)] = 0xFF;

        Assert.Equal(Refusal.Parse, JsonWire.Read(bytes, out CommandEnvelope? _));
    }

    [Fact]
    public void Another_version_is_told_from_nonsense_whatever_else_it_holds()
    {
        Assert.Equal(Refusal.Version, JsonWire.Read("""{"v":2,"anything":{"else":[1]}}"""u8, out CommandEnvelope? _));
        var frame = FrameWire.Write(Cases.Command);
        frame[3] = (byte)'2';
        Assert.Equal(Refusal.Version, FrameWire.Read(frame, out CommandEnvelope? _));
    }

    [Fact]
    public void A_number_beyond_float32_is_read_as_infinity_for_the_guard_to_refuse()
    {
        Assert.Equal(Refusal.None, JsonWire.Read(Encoding.UTF8.GetBytes(Json.Replace("-0.25", "1e999", StringComparison.Ordinal)), out CommandEnvelope? command));
        Assert.Equal([0.25f, float.PositiveInfinity], command!.Action);
    }

    [Fact]
    public void Every_byte_of_a_frames_head_counts()
    {
        var frame = FrameWire.Write(Cases.Command);
        Assert.Equal(FrameWire.HeadSize + 8, frame.Length);
        Assert.Equal(Refusal.Parse, FrameWire.Read(frame.AsSpan(0, frame.Length - 1), out CommandEnvelope? _));
        Assert.Equal(Refusal.Parse, FrameWire.Read([.. frame, 0], out CommandEnvelope? _));
        for (var i = 0; i < FrameWire.HeadSize; i++)
        {
            var other = frame.ToArray();
            other[i] ^= 0x81;
            var refusal = FrameWire.Read(other, out CommandEnvelope? command);

            // Either it is refused, or it says something else.
            Assert.True(refusal != Refusal.None || command! with { Action = [] } != Cases.Command with { Action = [] }, $"byte {i}");
        }
    }

    [Fact]
    public void A_frame_of_the_other_kind_is_refused()
    {
        Assert.Equal(Refusal.Parse, FrameWire.Read(FrameWire.Write(Cases.Observation), out CommandEnvelope? _));
        Assert.Equal(Refusal.Parse, FrameWire.Read(FrameWire.Write(Cases.Command), out ObservationEnvelope? _));
    }

    [Fact]
    public void What_a_robot_says_of_itself_is_read_as_it_was_written()
    {
        var presence = new PresenceEnvelope(1, "run", "r1", Cases.Session, true, Cases.Able);

        Assert.Equal(Refusal.None, JsonWire.Read(JsonWire.Write(presence), out PresenceEnvelope? read));
        Assert.Equal(JsonWire.Write(presence), JsonWire.Write(read!));
        Assert.Equal(Refusal.Parse, JsonWire.Read(JsonWire.Write(presence with { Session = "short" }), out PresenceEnvelope? _));
        Assert.Equal(Refusal.Parse, JsonWire.Read(JsonWire.Write(presence with { Capabilities = null }), out PresenceEnvelope? _));
        Assert.Equal(Refusal.Range, JsonWire.Read(JsonWire.Write(presence with { Capabilities = Cases.Able with { Rate = 0 } }), out PresenceEnvelope? _));
        Assert.Equal(Refusal.Version, JsonWire.Read(JsonWire.Write(presence with { V = 2 }), out PresenceEnvelope? _));
        Assert.Equal(Refusal.Size, JsonWire.Read(new byte[WireContract.MaxPresence + 1], out PresenceEnvelope? _));
    }

    [Fact]
    public void A_topic_is_read_back_and_those_of_other_runs_and_shapes_are_not()
    {
        var topics = new RobotTopics("mimicd/v1", "lab");
        foreach (var kind in Enum.GetValues<TopicKind>())
        {
            Assert.True(topics.TryParse(topics.Of("r-1_x", kind), out var robot, out var found));
            Assert.Equal(("r-1_x", kind), (robot, found));
        }

        foreach (var other in new[] { "mimicd/v1/lab2/r1/obs", "mimicd/v1/lab/r1/odd", "mimicd/v1/lab/r1", "mimicd/v1/lab/a/b/obs", "mimicd/v1/lab//obs", "mimicd/v1/lab/r#/obs", "lab/r1/obs", "" })
        {
            Assert.False(topics.TryParse(other, out _, out _), other);
        }
    }
}
