using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace MimicD.Numerics;

/// <summary>
/// The members of a zip archive (PKWARE's APPNOTE.TXT, 4.3 and 4.5.3), stored or deflated, zip64 or not. Nothing in it is believed: sizes are
/// compared with the file before anything is unpacked, a member's two headers with each other, and the length and CRC-32 of every member with
/// what it unpacks to. The runtime's own reader of archives makes none of these comparisons.
/// </summary>
internal sealed class ZipMembers
{
    private const uint EndSignature = 0x06054b50;
    private const uint End64Signature = 0x06064b50;
    private const uint Locator64Signature = 0x07064b50;
    private const uint EntrySignature = 0x02014b50;
    private const uint LocalSignature = 0x04034b50;
    private const int EndSize = 22;
    private const int End64Size = 56;
    private const int Locator64Size = 20;
    private const int EntrySize = 46;
    private const int LocalSize = 30;
    private const int Encrypted = 1;
    private const int SizesFollow = 8;
    private const int Stored = 0;
    private const int Deflated = 8;
    private readonly Stream _stream;
    private readonly string _where;
    private readonly Dictionary<string, Member> _members = new(StringComparer.Ordinal);

    /// <summary>Reads the directory, and checks every member.</summary>
    /// <param name="stream">Seekable; stays the caller's.</param>
    /// <param name="where">The file, for messages.</param>
    /// <exception cref="InvalidDataException">
    /// No zip archive, or any part of it is not what it was when it was written; one line.
    /// </exception>
    public ZipMembers(Stream stream, string where)
    {
        (_stream, _where) = (stream, where);
        var names = new List<string>();
        var ranges = new List<(long Start, long End, string Name)>();
        var (start, length, count) = Directory();
        var directory = Bytes(start, length);
        var at = 0;
        while (at < directory.Length)
        {
            var (member, local) = Entry(directory, ref at);
            member = member with { Start = ContentOf(member, local) };
            if (member.Start + member.Packed > start)
            {
                throw Damaged(member.Name, $"its {member.Packed} bytes do not lie within the archive");
            }

            if (!_members.TryAdd(member.Name, member))
            {
                throw Damaged(member.Name, "expected different members, found two of this name");
            }

            names.Add(member.Name);
            ranges.Add((local, member.Start + member.Packed, member.Name));
        }

        if ((ulong)names.Count != count)
        {
            throw NoArchive($"expected {count} members, found {names.Count}");
        }

        ranges.Sort();
        for (var i = 1; i < ranges.Count; i++)
        {
            if (ranges[i].Start < ranges[i - 1].End)
            {
                throw Damaged(ranges[i].Name, $"it overlaps with {Quote.Of(ranges[i - 1].Name)}");
            }
        }

        Names = names;
        foreach (var name in names)
        {
            using var content = (CheckedStream)Open(name)!.Value.Content;
            content.Drain();
        }
    }

    /// <summary>Full names in the directory's order.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Whether there is a member of that name.</summary>
    public bool Has(string name) => _members.ContainsKey(name);

    /// <summary>Unpacks a member from its beginning; one at a time. Null: no such member.</summary>
    public (Stream Content, long Length)? Open(string name)
    {
        if (!_members.TryGetValue(name, out var member))
        {
            return null;
        }

        var packed = new PartStream(_stream, member.Start, member.Packed);
        var unpacked = member.Method == Stored ? (Stream)packed : new DeflateStream(packed, CompressionMode.Decompress);
        return (new CheckedStream(unpacked, packed, member.Length, member.Crc, $"{_where}: {Quote.Of(name)}"), member.Length);
    }

    /// <summary>Where the directory is, and how many members it has.</summary>
    private (long Start, long Length, ulong Count) Directory()
    {
        var size = _stream.Length;
        var tail = Bytes(size - Math.Min(size, EndSize + ushort.MaxValue), Math.Min(size, EndSize + ushort.MaxValue));
        var at = tail.Length - EndSize;
        while (at >= 0 && !(U32(tail, at) == EndSignature && U16(tail, at + 20) == tail.Length - at - EndSize))
        {
            at--;
        }

        if (at < 0)
        {
            throw NoArchive("the directory at its end is missing");
        }

        var end = size - tail.Length + at;
        ulong disk = U16(tail, at + 4);
        ulong first = U16(tail, at + 6);
        ulong here = U16(tail, at + 8);
        ulong count = U16(tail, at + 10);
        ulong length = U32(tail, at + 12);
        ulong start = U32(tail, at + 16);
        if (at >= Locator64Size && U32(tail, at - Locator64Size) == Locator64Signature)
        {
            var locator = end - Locator64Size;
            var record = U64(tail, at - Locator64Size + 8);
            if (locator < End64Size || record > (ulong)(locator - End64Size))
            {
                throw NoArchive("the directory's end is not where it is declared");
            }

            var wide = Bytes((long)record, End64Size);
            if (U32(wide, 0) != End64Signature || U64(wide, 4) != (ulong)locator - record - 12)
            {
                throw NoArchive("the directory's end is not where it is declared");
            }

            // The narrow fields are either the same or say that they are too narrow.
            if (!Same(disk, U32(wide, 16), ushort.MaxValue) || !Same(first, U32(wide, 20), ushort.MaxValue)
                || !Same(here, U64(wide, 24), ushort.MaxValue) || !Same(count, U64(wide, 32), ushort.MaxValue)
                || !Same(length, U64(wide, 40), uint.MaxValue) || !Same(start, U64(wide, 48), uint.MaxValue))
            {
                throw NoArchive("the directory's two ends differ");
            }

            (disk, first, here, count) = (U32(wide, 16), U32(wide, 20), U64(wide, 24), U64(wide, 32));
            (length, start) = (U64(wide, 40), U64(wide, 48));
            end = (long)record;
        }

        if (disk != 0 || first != 0 || here != count)
        {
            throw NoArchive("it is one of several parts, or altered");
        }

        if (length > (ulong)end || start != (ulong)end - length || length > int.MaxValue)
        {
            throw NoArchive("the directory is not where it is declared");
        }

        return ((long)start, (long)length, count);

        static bool Same(ulong narrow, ulong wide, ulong tooNarrow) => narrow == wide || narrow == tooNarrow;
    }

    /// <summary>The next entry of the directory, and where the member's own header is.</summary>
    private (Member Member, long Local) Entry(byte[] directory, ref int at)
    {
        if (directory.Length - at < EntrySize || U32(directory, at) != EntrySignature)
        {
            throw NoArchive("its directory is malformed");
        }

        var (nameSize, extraSize, commentSize) = (U16(directory, at + 28), U16(directory, at + 30), U16(directory, at + 32));
        if (directory.Length - at - EntrySize < nameSize + extraSize + commentSize)
        {
            throw NoArchive("its directory is malformed");
        }

        var name = Encoding.UTF8.GetString(directory, at + EntrySize, nameSize);
        var (flags, method, crc) = (U16(directory, at + 8), U16(directory, at + 10), U32(directory, at + 16));
        ulong packed = U32(directory, at + 20);
        ulong length = U32(directory, at + 24);
        ulong local = U32(directory, at + 42);
        if (Extra64(directory.AsSpan(at + EntrySize + nameSize, extraSize)) is { } wide)
        {
            length = Wide(length, ref wide, name);
            packed = Wide(packed, ref wide, name);
            local = Wide(local, ref wide, name);
        }

        at += EntrySize + nameSize + extraSize + commentSize;
        if ((flags & Encrypted) != 0 || method is not (Stored or Deflated))
        {
            var found = (flags & Encrypted) != 0 ? "an encrypted one" : $"compression method {method}";
            throw Damaged(name, $"expected a stored or deflated member, found {found}");
        }

        var size = (ulong)_stream.Length;
        if (packed > size || local > size || (method == Stored ? length != packed : length > packed * CheckedStream.MostPerByte))
        {
            throw Damaged(name, $"{length} bytes of content are declared, and {packed} packed bytes do not hold them");
        }

        return (new Member(name, method, crc, (long)packed, (long)length, 0), (long)local);
    }

    /// <summary>Where a member's content begins, once its own header was found to say what the directory says.</summary>
    private long ContentOf(Member member, long local)
    {
        if (local > _stream.Length - LocalSize)
        {
            throw Damaged(member.Name, "it does not lie within the archive");
        }

        var header = Bytes(local, LocalSize);
        var (nameSize, extraSize) = (U16(header, 26), U16(header, 28));
        if (U32(header, 0) != LocalSignature || local > _stream.Length - LocalSize - nameSize - extraSize)
        {
            throw Damaged(member.Name, "it is not where the archive declares it");
        }

        var rest = Bytes(local + LocalSize, nameSize + extraSize);
        ulong packed = U32(header, 18);
        ulong length = U32(header, 22);
        if (Extra64(rest.AsSpan(nameSize)) is { } wide)
        {
            length = Wide(length, ref wide, member.Name);
            packed = Wide(packed, ref wide, member.Name);
        }

        // A writer that cannot go back leaves checksum and sizes empty here and writes them after the content.
        var known = (U16(header, 6) & SizesFollow) == 0;
        if (Encoding.UTF8.GetString(rest, 0, nameSize) != member.Name || U16(header, 8) != member.Method
            || (U16(header, 6) & Encrypted) != 0
            || (known && (U32(header, 14) != member.Crc || packed != (ulong)member.Packed || length != (ulong)member.Length)))
        {
            throw Damaged(member.Name, "its two headers differ: altered or damaged");
        }

        return local + LocalSize + nameSize + extraSize;
    }

    /// <summary>The extra field with wide numbers; null where there is none.</summary>
    private static byte[]? Extra64(ReadOnlySpan<byte> extra)
    {
        while (extra.Length >= 4)
        {
            var size = BinaryPrimitives.ReadUInt16LittleEndian(extra[2..]);
            if (size > extra.Length - 4)
            {
                return null;
            }

            if (BinaryPrimitives.ReadUInt16LittleEndian(extra) == 1)
            {
                return extra.Slice(4, size).ToArray();
            }

            extra = extra[(4 + size)..];
        }

        return null;
    }

    /// <summary>A number that is the extra field's next where it is too wide for its own.</summary>
    private ulong Wide(ulong narrow, ref byte[] wide, string name)
    {
        if (narrow != uint.MaxValue)
        {
            return narrow;
        }

        if (wide.Length < sizeof(ulong))
        {
            throw Damaged(name, "its sizes are malformed");
        }

        var value = U64(wide, 0);
        wide = wide[sizeof(ulong)..];
        return value;
    }

    private byte[] Bytes(long start, long length)
    {
        var bytes = new byte[length];
        _stream.Position = start;
        if (_stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
        {
            throw NoArchive("it became shorter");
        }

        return bytes;
    }

    private InvalidDataException NoArchive(string what) => new($"{_where}: not an .npz file, or truncated: {what}");

    private InvalidDataException Damaged(string name, string what) => new($"{_where}: {Quote.Of(name)}: {what}");

    private static ushort U16(byte[] bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(at));

    private static uint U32(byte[] bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at));

    private static ulong U64(byte[] bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at));

    /// <summary>One member.</summary>
    /// <param name="Name">Full name.</param>
    /// <param name="Method">How it is packed.</param>
    /// <param name="Crc">CRC-32 of its content.</param>
    /// <param name="Packed">Length as packed.</param>
    /// <param name="Length">Length of its content.</param>
    /// <param name="Start">Where the packed bytes begin.</param>
    private sealed record Member(string Name, int Method, uint Crc, long Packed, long Length, long Start);
}
