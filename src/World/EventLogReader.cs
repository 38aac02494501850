using System.Buffers.Binary;
using System.Text;
using MimicD.Contracts;

namespace MimicD.World;

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
        var longest = Math.Min(LongestPayload, Array.MaxLength - EventLog.FrameSize);
        if (head[0] is < EventLog.Begun or > EventLog.Ended || length < 0 || length > longest)
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
