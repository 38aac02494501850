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

    /// <summary>Throws where a new log would replace a file that is none.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidInputException">There is something else of that name.</exception>
    public static void RequireReplaceable(string path)
    {
        if (!File.Exists(path))
        {
            InvalidInputException.Require(!Directory.Exists(path), path, "", "a place for an event log", "a folder");
            return;
        }

        Span<byte> start = stackalloc byte[Magic.Length];
        int got;
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            got = file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{path}: cannot be read: {e.Message}", e);
        }

        // One that was killed at once has less than a magic.
        InvalidInputException.Require(Magic.StartsWith(start[..got]), path, "", "an event log or no file (it would be replaced: move or remove it)", "something else");
    }

    /// <summary>Begins a log; another log of that name is overwritten.</summary>
    /// <param name="path">The file.</param>
    /// <param name="world">The world at its first logged tick.</param>
    /// <exception cref="InvalidInputException">A file of that name is no log.</exception>
    public static EventLog Create(string path, SimulatedWorld world)
    {
        ArgumentNullException.ThrowIfNull(world);
        RequireReplaceable(path);
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
