using System.Buffers.Binary;

namespace MimicD.Numerics;

/// <summary>CRC-32 as in zip and gzip (RFC 1952, section 8): reflected polynomial 0xEDB88320, eight bytes at a time by tables.</summary>
internal struct Crc32
{
    private const int Slices = 8;
    private static readonly uint[] Tables = MakeTables();
    private uint _inverted;

    /// <summary>Of all bytes so far.</summary>
    public readonly uint Value => _inverted;

    /// <summary>Of some bytes.</summary>
    public static uint Of(ReadOnlySpan<byte> bytes)
    {
        var crc = default(Crc32);
        crc.Append(bytes);
        return crc.Value;
    }

    /// <summary>Goes on with more bytes.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        // The register starts as all ones; kept inverted, so that a default value is a fresh start.
        var (tables, crc) = (Tables, ~_inverted);
        for (; bytes.Length >= Slices; bytes = bytes[Slices..])
        {
            var low = BinaryPrimitives.ReadUInt32LittleEndian(bytes) ^ crc;
            var high = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]);
            crc = tables[7 * 256 + (byte)low] ^ tables[6 * 256 + (byte)(low >> 8)]
                ^ tables[5 * 256 + (byte)(low >> 16)] ^ tables[4 * 256 + (int)(low >> 24)]
                ^ tables[3 * 256 + (byte)high] ^ tables[2 * 256 + (byte)(high >> 8)]
                ^ tables[256 + (byte)(high >> 16)] ^ tables[(int)(high >> 24)];
        }

        foreach (var b in bytes)
        {
            crc = tables[(byte)(crc ^ b)] ^ (crc >> 8);
        }

        _inverted = ~crc;
    }

    private static uint[] MakeTables()
    {
        var tables = new uint[Slices * 256];
        for (var n = 0; n < 256; n++)
        {
            var value = (uint)n;
            for (var bit = 0; bit < 8; bit++)
            {
                value = (value & 1) != 0 ? (value >> 1) ^ 0xEDB88320 : value >> 1;
            }

            tables[n] = value;
        }

        for (var n = 256; n < tables.Length; n++)
        {
            var before = tables[n - 256];
            tables[n] = tables[(byte)before] ^ (before >> 8);
        }

        return tables;
    }
}
