using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace MimicD.Bridges.Robots.Wire;

/// <summary>
/// Observations and commands as flat little-endian frames: a head of <see cref="HeadSize"/> bytes, then float32 numbers. The head, by offset: 0 <c>MDF1</c> (the last is the version), 4 kind (1 observation, 2 command),
/// 5 flags (1: armed, or arm), 6 count of numbers (uint16), 8 session (uint64), 16 seq, 24 t or obsT, 32 term, 40 ack (int64 each), 48 ttlMs (uint32), 52 zero (uint32), 56 run, 88 robot (32 bytes each, padded with zeros).
/// What a kind does not have is zero. Every byte counts: one that is not what it should be is refused.
/// </summary>
public static class FrameWire
{
    /// <summary>Bytes before the numbers.</summary>
    public const int HeadSize = 120;

    private const byte Observation = 1;
    private const byte Command = 2;
    private const int RunAt = 56;
    private const int RobotAt = RunAt + RobotTopics.MaxName;

    /// <summary>Reads an observation.</summary>
    /// <returns><see cref="Refusal.None"/>, <see cref="Refusal.Parse"/> or <see cref="Refusal.Version"/>.</returns>
    public static Refusal Read(ReadOnlySpan<byte> payload, out ObservationEnvelope? observation)
    {
        observation = null;
        var refusal = ReadHead(payload, Observation, out var head);
        if (refusal != Refusal.None || head.Term != 0 || head.Acknowledged != 0 || head.TimeToLive != 0)
        {
            return refusal == Refusal.None ? Refusal.Parse : refusal;
        }

        observation = new ObservationEnvelope(head.Run!, head.Robot!, head.Session!, head.Sequence, head.Time, head.Flag, Numbers(payload));
        return Refusal.None;
    }

    /// <summary>Reads a command.</summary>
    /// <returns><see cref="Refusal.None"/>, <see cref="Refusal.Parse"/> or <see cref="Refusal.Version"/>.</returns>
    public static Refusal Read(ReadOnlySpan<byte> payload, out CommandEnvelope? command)
    {
        command = null;
        var refusal = ReadHead(payload, Command, out var head);
        if (refusal != Refusal.None)
        {
            return refusal;
        }

        command = new CommandEnvelope(head.Run!, head.Robot!, head.Session!, head.Term, head.Sequence, head.Acknowledged, head.Time, head.TimeToLive, head.Flag, Numbers(payload));
        return Refusal.None;
    }

    /// <summary>Writes an observation.</summary>
    public static byte[] Write(ObservationEnvelope observation)
    {
        ArgumentNullException.ThrowIfNull(observation);
        var frame = Begin(Observation, observation.Run, observation.Robot, observation.Session, observation.Armed, observation.Values);
        BinaryPrimitives.WriteInt64LittleEndian(frame.AsSpan(16), observation.Sequence);
        BinaryPrimitives.WriteInt64LittleEndian(frame.AsSpan(24), observation.Time);
        return frame;
    }

    /// <summary>Writes a command.</summary>
    public static byte[] Write(CommandEnvelope command)
    {
        ArgumentNullException.ThrowIfNull(command);
        var frame = Begin(Command, command.Run, command.Robot, command.Session, command.Arm, command.Action);
        BinaryPrimitives.WriteInt64LittleEndian(frame.AsSpan(16), command.Sequence);
        BinaryPrimitives.WriteInt64LittleEndian(frame.AsSpan(24), command.ObservationTime);
        BinaryPrimitives.WriteInt64LittleEndian(frame.AsSpan(32), command.Term);
        BinaryPrimitives.WriteInt64LittleEndian(frame.AsSpan(40), command.Acknowledged);
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(48), (uint)Math.Min(command.TimeToLive, uint.MaxValue));
        return frame;
    }

    private static byte[] Begin(byte kind, string run, string robot, string session, bool flag, float[] numbers)
    {
        var frame = new byte[HeadSize + numbers.Length * sizeof(float)];
        "MDF1"u8.CopyTo(frame);
        (frame[4], frame[5]) = (kind, flag ? (byte)1 : (byte)0);
        BinaryPrimitives.WriteUInt16LittleEndian(frame.AsSpan(6), checked((ushort)numbers.Length));
        BinaryPrimitives.WriteUInt64LittleEndian(frame.AsSpan(8), ulong.Parse(session, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
        Encoding.ASCII.GetBytes(run, frame.AsSpan(RunAt, RobotTopics.MaxName));
        Encoding.ASCII.GetBytes(robot, frame.AsSpan(RobotAt, RobotTopics.MaxName));
        if (BitConverter.IsLittleEndian)
        {
            MemoryMarshal.AsBytes(numbers.AsSpan()).CopyTo(frame.AsSpan(HeadSize));
        }
        else
        {
            for (var i = 0; i < numbers.Length; i++)
            {
                BinaryPrimitives.WriteSingleLittleEndian(frame.AsSpan(HeadSize + i * sizeof(float)), numbers[i]);
            }
        }

        return frame;
    }

    private static Refusal ReadHead(ReadOnlySpan<byte> payload, byte kind, out Head head)
    {
        head = default;
        if (payload.Length < HeadSize || !payload[..3].SequenceEqual("MDF"u8))
        {
            return Refusal.Parse;
        }

        if (payload[3] != (byte)'1')
        {
            return Refusal.Version;
        }

        head.Flag = payload[5] == 1;
        head.Session = BinaryPrimitives.ReadUInt64LittleEndian(payload[8..]).ToString("x16", CultureInfo.InvariantCulture);
        head.Sequence = BinaryPrimitives.ReadInt64LittleEndian(payload[16..]);
        head.Time = BinaryPrimitives.ReadInt64LittleEndian(payload[24..]);
        head.Term = BinaryPrimitives.ReadInt64LittleEndian(payload[32..]);
        head.Acknowledged = BinaryPrimitives.ReadInt64LittleEndian(payload[40..]);
        head.TimeToLive = BinaryPrimitives.ReadUInt32LittleEndian(payload[48..]);
        var fits = payload[4] == kind && payload[5] <= 1
            && payload.Length == HeadSize + BinaryPrimitives.ReadUInt16LittleEndian(payload[6..]) * sizeof(float)
            && IsWhole(head.Sequence) && IsWhole(head.Time) && IsWhole(head.Term) && IsWhole(head.Acknowledged)
            && BinaryPrimitives.ReadUInt32LittleEndian(payload[52..]) == 0
            && Name(payload.Slice(RunAt, RobotTopics.MaxName), out head.Run) && Name(payload.Slice(RobotAt, RobotTopics.MaxName), out head.Robot);
        return fits ? Refusal.None : Refusal.Parse;
    }

    private static bool IsWhole(long value) => value is >= 0 and <= WireContract.MaxInteger;

    private static bool Name(ReadOnlySpan<byte> bytes, out string? name)
    {
        var end = bytes.IndexOf((byte)0);
        var text = end < 0 ? bytes : bytes[..end];
        name = Encoding.ASCII.GetString(text);
        return RobotTopics.IsName(name) && bytes[text.Length..].IndexOfAnyExcept((byte)0) < 0;
    }

    private static float[] Numbers(ReadOnlySpan<byte> payload)
    {
        var numbers = new float[(payload.Length - HeadSize) / sizeof(float)];
        for (var i = 0; i < numbers.Length; i++)
        {
            numbers[i] = BinaryPrimitives.ReadSingleLittleEndian(payload[(HeadSize + i * sizeof(float))..]);
        }

        return numbers;
    }

    private struct Head
    {
        public string? Run;
        public string? Robot;
        public string? Session;
        public bool Flag;
        public long Sequence;
        public long Time;
        public long Term;
        public long Acknowledged;
        public long TimeToLive;
    }
}
