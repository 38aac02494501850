using System.Buffers.Binary;
using System.IO.Compression;

namespace MimicD.Numerics;

/// <summary>
/// Reads .gz files (RFC 1952) of one member, the only kind that this program writes, with every check that the format allows.
/// </summary>
public static class GzipFile
{
    private const int FixedHeader = 10;
    private const int Trailer = 8;
    private const int Most = 1 << 29;

    /// <summary>Unpacks a file.</summary>
    /// <exception cref="InvalidDataException">
    /// Missing, not such a file, truncated, followed by other bytes, or not of the length and CRC-32 that it was packed with; one line that
    /// names the file.
    /// </exception>
    public static byte[] Read(string path)
    {
        using var file = Npy.OpenRead(path);
        return Read(file, path);
    }

    /// <summary>Unpacks such a file's content from a stream; see <see cref="Read(string)"/>.</summary>
    /// <param name="stream">From its beginning.</param>
    /// <param name="where">Named in messages.</param>
    public static byte[] Read(Stream stream, string where)
    {
        ArgumentNullException.ThrowIfNull(stream);
        try
        {
            return Unpack(Npy.Seekable(stream, where), where);
        }
        catch (IOException e)
        {
            throw new InvalidDataException($"{where}: cannot be read: {e.Message}", e);
        }
    }

    private static byte[] Unpack(Stream stream, string where)
    {
        var (header, crc, length) = Layout(stream, where);
        var packed = new PartStream(stream, header, stream.Length - header - Trailer);
        if (length > Math.Min(Most, packed.Left * CheckedStream.MostPerByte))
        {
            throw new InvalidDataException(length > Most ? $"{where}: expected at most {Most} bytes of content, found {length} declared"
                : $"{where}: {length} bytes of content are declared, and {packed.Left} packed bytes do not hold them: truncated or damaged");
        }

        using var unpacked = new CheckedStream(new DeflateStream(packed, CompressionMode.Decompress), packed, length, crc, where);
        // Once for the checks and once more for the content, so that memory is taken only for what is there.
        unpacked.Drain();
        packed = new PartStream(stream, header, stream.Length - header - Trailer);
        using var again = new CheckedStream(new DeflateStream(packed, CompressionMode.Decompress), packed, length, crc, where);
        var content = new byte[length];
        again.ReadExactly(content);
        again.Drain();
        return content;
    }

    /// <summary>Length of the header, and what the trailer says.</summary>
    private static (int Header, uint Crc, uint Length) Layout(Stream stream, string where)
    {
        InvalidDataException Not(string what) => new($"{where}: not a .gz file, or truncated: {what}");
        if (stream.Length < FixedHeader + Trailer)
        {
            throw Not($"it has {stream.Length} bytes");
        }

        // Names and comments in the header are short; a longer header is nobody's.
        var head = new byte[Math.Min(stream.Length - Trailer, 1 << 18)];
        stream.Position = 0;
        stream.ReadExactly(head);
        if (head[0] != 0x1f || head[1] != 0x8b || head[2] != 8 || (head[3] & 0xe0) != 0)
        {
            throw Not("it does not begin as one");
        }

        var (flags, at) = (head[3], FixedHeader);
        if ((flags & 4) != 0)
        {
            at += at + 2 <= head.Length ? 2 + BinaryPrimitives.ReadUInt16LittleEndian(head.AsSpan(at)) : head.Length;
        }

        foreach (var text in new[] { 8, 16 })
        {
            if ((flags & text) != 0)
            {
                var end = at < head.Length ? head.AsSpan(at).IndexOf((byte)0) : -1;
                at = end < 0 ? head.Length + 1 : at + end + 1;
            }
        }

        if ((flags & 2) != 0)
        {
            if (at + 2 > head.Length || BinaryPrimitives.ReadUInt16LittleEndian(head.AsSpan(at)) != (ushort)Crc32.Of(head.AsSpan(0, at)))
            {
                throw Not("the header's checksum differs");
            }

            at += 2;
        }

        if (at >= head.Length)
        {
            throw Not("it ends within its header");
        }

        Span<byte> trailer = stackalloc byte[Trailer];
        stream.Position = stream.Length - Trailer;
        stream.ReadExactly(trailer);
        return (at, BinaryPrimitives.ReadUInt32LittleEndian(trailer), BinaryPrimitives.ReadUInt32LittleEndian(trailer[4..]));
    }
}
