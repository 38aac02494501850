using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World;

/// <summary>
/// What crossed a world's boundary, tick by tick, in a file that is only ever appended to: what each agent observed (a hash), what it answered (the bits) or why the fallback stood in,
/// and what became of its body (a hash). In the order of agents, so the bytes are the same however many threads there were. <see cref="EventReplay"/> drives a world by it.
/// </summary>
/// <remarks>
/// The file: 8 bytes of magic, then records of type (1 byte), length of the payload (4), payload, checksum (8), all little-endian. The checksum is the first 8 bytes of a SHA-256 over the checksum
/// before it and the record, so that a record that is torn, altered, missing or out of order is seen. Each record is handed to the operating system before the run goes on, and so outlives the process.
/// <list type="bullet">
/// <item>Begun: length (4) and text of a <see cref="LogHeader"/>, then an .npz of the world's state, and of the paths of replayed bodies.</item>
/// <item>TickOpened: tick (4), for each body that acts the hash of its observation (8).</item>
/// <item>TickClosed: tick (4), for each body its <see cref="Outcome"/> (1), its action (4 A) where it was applied, and the hash of its state (8).</item>
/// <item>Ended: the trajectory hash (32).</item>
/// </list>
/// </remarks>
public sealed class EventLog : IDisposable
{
    /// <summary>Its name in the folder of a run's results.</summary>
    public const string Name = "events.log";

    internal const byte Begun = 1;
    internal const byte TickOpened = 2;
    internal const byte TickClosed = 3;
    internal const byte Ended = 4;
    internal const int FrameSize = 1 + sizeof(int) + sizeof(ulong);
    private readonly FileStream _file;
    private readonly SimulatedWorld _world;
    private readonly byte[] _record;
    private readonly double[] _state;
    private ulong _checksum;

    private EventLog(FileStream file, SimulatedWorld world, ulong checksum)
    {
        (_file, _world, _checksum) = (file, world, checksum);
        _record = new byte[FrameSize + LongestTick(world)];
        _state = new double[2 * world.Scenario.Dimensions + 1];
    }

    internal static ReadOnlySpan<byte> Magic => "MIMICDL1"u8;

    /// <summary>Begins a log; one of that name is overwritten.</summary>
    /// <param name="path">The file.</param>
    /// <param name="world">The world at its first logged tick.</param>
    public static EventLog Create(string path, SimulatedWorld world)
    {
        ArgumentNullException.ThrowIfNull(world);
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        var file = new FileStream(path, FileMode.Create, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0);
        try
        {
            file.Write(Magic);
            var log = new EventLog(file, world, 0);
            var header = Encoding.UTF8.GetBytes(Header(world));
            var writer = world.Capture().AddTo(new NpzWriter());
            foreach (var replay in world.Replays)
            {
                writer.Add<double>(LogHeader.PathsOf(replay.Agent), replay.Recorded.Data, replay.Recorded.Shape);
            }

            using var arrays = new MemoryStream();
            writer.Write(arrays);
            var payload = checked(sizeof(int) + header.Length + (int)arrays.Length);
            var record = new byte[FrameSize + payload];
            var rest = record.AsSpan(1 + sizeof(int), payload);
            BinaryPrimitives.WriteInt32LittleEndian(rest, header.Length);
            header.CopyTo(rest[sizeof(int)..]);
            arrays.GetBuffer().AsSpan(0, (int)arrays.Length).CopyTo(rest[(sizeof(int) + header.Length)..]);
            log.Append(Begun, record, payload);
            return log;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Goes on with a log of the same run: what it holds after the world's last tick, and a record that was torn, are cut off.</summary>
    /// <param name="path">The file.</param>
    /// <param name="world">The world as it is when the next tick opens.</param>
    /// <exception cref="InvalidInputException">The file is no log of this run, was altered, or ends before that tick.</exception>
    public static EventLog GoOn(string path, SimulatedWorld world)
    {
        ArgumentNullException.ThrowIfNull(world);
        long end;
        ulong checksum;
        using (var reader = new EventLogReader(path))
        {
            var (text, arrays) = reader.ReadBegun();
            InvalidInputException.Require(text == Header(world), path, "", "the log of this run", "one of another");
            var (first, _) = LogHeader.State(arrays, [], path);
            var done = first.Tick;
            reader.LongestPayload = LongestTick(world);
            while (done < world.Tick && reader.TryRead(out var type, out var payload))
            {
                if (type == TickClosed)
                {
                    done = BinaryPrimitives.ReadInt32LittleEndian(payload.Span) + 1;
                }
            }

            InvalidInputException.Require(done == world.Tick, path, "", $"the events up to tick {world.Tick}, from which the run goes on", $"those up to tick {done}");
            (end, checksum) = (reader.Position, reader.Checksum);
        }

        var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0);
        file.SetLength(end);
        file.Position = end;
        return new EventLog(file, world, checksum);
    }

    /// <summary>Says what each agent observes.</summary>
    /// <param name="features">[E*N, F], see <see cref="SimulatedWorld.FrameSize"/>.</param>
    public void Opened(ReadOnlySpan<float> features)
    {
        var at = Start();
        for (var body = 0; body < _world.Bodies; body++)
        {
            var agent = body % _world.Scenario.Agents;
            if (!_world.IsReplayed(agent))
            {
                Put(ref at, HashOf(features.Slice(body * _world.FrameSize, _world.FrameSizeOf(agent))));
            }
        }

        Append(TickOpened, _record, at - 1 - sizeof(int));
    }

    /// <summary>Says what each agent did and what came of it. The world has applied it.</summary>
    /// <param name="actions">Actions [E,N,A].</param>
    /// <param name="outcomes">[E,N].</param>
    public void Closed(ReadOnlySpan<float> actions, ReadOnlySpan<Outcome> outcomes)
    {
        var size = _world.ActionSize;
        var at = Start(_world.Tick - 1);
        for (var body = 0; body < _world.Bodies; body++)
        {
            _record[at++] = (byte)outcomes[body];
            if (outcomes[body] == Outcome.Applied)
            {
                var action = MemoryMarshal.AsBytes(actions.Slice(body * size, size));
                action.CopyTo(_record.AsSpan(at));
                at += action.Length;
            }

            Put(ref at, StateHash(_world, body, _state));
        }

        Append(TickClosed, _record, at - 1 - sizeof(int));
    }

    /// <summary>Says that the run came to its end.</summary>
    /// <param name="trajectoryHash">SHA-256, hexadecimal.</param>
    public void End(string trajectoryHash)
    {
        var hash = Convert.FromHexString(trajectoryHash);
        hash.CopyTo(_record, 1 + sizeof(int));
        Append(Ended, _record, hash.Length);
        Flush();
    }

    /// <summary>Makes sure that all is on the disk.</summary>
    public void Flush() => _file.Flush(flushToDisk: true);

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>The longest payload of a tick's record, or of the last one.</summary>
    internal static int LongestTick(SimulatedWorld world)
        => Math.Max(SHA256.HashSizeInBytes, checked(sizeof(int) + world.Bodies * (1 + world.ActionSize * sizeof(float) + sizeof(ulong))));

    internal static string Header(SimulatedWorld world) => StrictJson.Format(LogHeader.Of(world), indented: false);

    internal static ulong HashOf(ReadOnlySpan<float> values) => First(MemoryMarshal.AsBytes(values));

    /// <summary>The hash of a body's position, velocity and heading.</summary>
    /// <param name="world">The world.</param>
    /// <param name="body">episode * N + agent.</param>
    /// <param name="room">[2 D + 1].</param>
    internal static ulong StateHash(SimulatedWorld world, int body, double[] room)
    {
        var d = world.Scenario.Dimensions;
        world.State.Position(body).CopyTo(room);
        world.State.Velocity(body).CopyTo(room.AsSpan(d));
        room[2 * d] = world.State.Headings[body];
        return First(MemoryMarshal.AsBytes(room.AsSpan()));
    }

    internal static ulong ChecksumOf(ulong before, ReadOnlySpan<byte> record)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> bytes = stackalloc byte[SHA256.HashSizeInBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, before);
        hash.AppendData(bytes[..sizeof(ulong)]);
        hash.AppendData(record);
        hash.GetHashAndReset(bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    private static ulong First(ReadOnlySpan<byte> bytes)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes, hash);
        return BinaryPrimitives.ReadUInt64LittleEndian(hash);
    }

    private int Start(int? tick = null)
    {
        BinaryPrimitives.WriteInt32LittleEndian(_record.AsSpan(1 + sizeof(int)), tick ?? _world.Tick);
        return 1 + 2 * sizeof(int);
    }

    private void Put(ref int at, ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_record.AsSpan(at), value);
        at += sizeof(ulong);
    }

    private void Append(byte type, byte[] record, int payload)
    {
        record[0] = type;
        BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(1), payload);
        var end = 1 + sizeof(int) + payload;
        _checksum = ChecksumOf(_checksum, record.AsSpan(0, end));
        BinaryPrimitives.WriteUInt64LittleEndian(record.AsSpan(end), _checksum);
        _file.Write(record.AsSpan(0, end + sizeof(ulong)));
    }
}

/// <summary>What a log's world follows from, besides its arrays.</summary>
internal sealed record LogHeader
{
    public const int CurrentFormat = 1;

    public int Format { get; init; } = CurrentFormat;

    public required Scenario Scenario { get; init; }

    public required ulong Seed { get; init; }

    public required int Episodes { get; init; }

    /// <summary>Of each agent.</summary>
    public required SensorSpec[] Sensors { get; init; }

    /// <summary>Agents whose bodies are replayed.</summary>
    public required int[] Replayed { get; init; }

    public static LogHeader Of(SimulatedWorld world) => new()
    {
        Scenario = world.Scenario,
        Seed = world.Seed,
        Episodes = world.Episodes,
        Sensors = [.. Enumerable.Range(0, world.Scenario.Agents).Select(world.SensorOf)],
        Replayed = [.. world.Replays.Select(r => r.Agent)],
    };

    public static string PathsOf(int agent) => $"paths{agent}";

    /// <summary>The arrays of a log's first record: the state, and the replayed bodies' paths.</summary>
    public static (WorldState State, Replay[] Replays) State(ReadOnlyMemory<byte> arrays, int[] replayed, string where)
    {
        try
        {
            using var reader = new NpzReader(new MemoryStream(arrays.ToArray(), writable: false), where);
            return (WorldState.From(reader, where), [.. replayed.Select(agent => new Replay(agent, reader.Read<double>(PathsOf(agent)), where))]);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidInputException(e.Message, e);
        }
    }
}

/// <summary>Reads the records of a log one by one.</summary>
internal sealed class EventLogReader : IDisposable
{
    private readonly string _path;
    private readonly FileStream _file;

    public EventLogReader(string path)
    {
        _path = path;
        try
        {
            _file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 1 << 16);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>After the last whole record.</summary>
    public long Position { get; private set; }

    /// <summary>Bytes after <see cref="Position"/> that are no whole record, once <see cref="TryRead"/> has said no.</summary>
    public long Torn { get; private set; }

    /// <summary>The last record's checksum.</summary>
    public ulong Checksum { get; private set; }

    /// <summary>No later record has more, so a length beyond it was altered.</summary>
    public int LongestPayload { get; set; } = int.MaxValue;

    /// <summary>Reads the first record.</summary>
    /// <exception cref="InvalidInputException">No log, or altered or cut within it.</exception>
    public (string Header, ReadOnlyMemory<byte> Arrays) ReadBegun()
    {
        Span<byte> magic = stackalloc byte[EventLog.Magic.Length];
        var got = _file.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false);
        InvalidInputException.Require(got == magic.Length && magic.SequenceEqual(EventLog.Magic), _path, "", "an event log", got == 0 ? "an empty file" : "something else");
        Position = magic.Length;
        var whole = TryRead(out var type, out var payload);
        InvalidInputException.Require(whole && type == EventLog.Begun && payload.Length > sizeof(int), _path, "", "an event log with its first record", "one that ends within it");
        var length = BinaryPrimitives.ReadInt32LittleEndian(payload.Span);
        InvalidInputException.Require(length > 0 && length <= payload.Length - sizeof(int), _path, "first record", "a header within it", length);
        return (Encoding.UTF8.GetString(payload.Span.Slice(sizeof(int), length)), payload[(sizeof(int) + length)..]);
    }

    /// <summary>Reads the next record. No: the file ends, perhaps within a record.</summary>
    /// <exception cref="InvalidInputException">The record was altered.</exception>
    public bool TryRead(out byte type, out ReadOnlyMemory<byte> payload)
    {
        (type, payload) = (0, default);
        var left = _file.Length - Position;
        Span<byte> head = stackalloc byte[1 + sizeof(int)];
        if (left < head.Length)
        {
            Torn = left;
            return false;
        }

        _file.ReadExactly(head);
        var length = BinaryPrimitives.ReadInt32LittleEndian(head[1..]);
        if (head[0] is < EventLog.Begun or > EventLog.Ended || length < 0 || length > LongestPayload)
        {
            throw Altered();
        }

        if (length > left - EventLog.FrameSize)
        {
            Torn = left;
            return false;
        }

        var record = new byte[EventLog.FrameSize + length];
        head.CopyTo(record);
        _file.ReadExactly(record.AsSpan(head.Length));
        var end = head.Length + length;
        var checksum = EventLog.ChecksumOf(Checksum, record.AsSpan(0, end));
        if (checksum != BinaryPrimitives.ReadUInt64LittleEndian(record.AsSpan(end)))
        {
            // The last record may have been cut short by a crash of the whole machine; one with others after it was whole once.
            if (record.Length != left)
            {
                throw Altered();
            }

            Torn = left;
            return false;
        }

        (type, payload) = (head[0], record.AsMemory(head.Length, length));
        Position += record.Length;
        Checksum = checksum;
        return true;
    }

    public void Dispose() => _file.Dispose();

    private InvalidInputException Altered() => InvalidInputException.Create(_path, "", $"at byte {Position} the record that was written there (checksum)", "another");
}
