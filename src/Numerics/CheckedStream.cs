namespace MimicD.Numerics;

/// <summary>A stream that is read from its beginning to its end and does nothing else.</summary>
internal abstract class ForwardStream : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public abstract override int Read(Span<byte> buffer);

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}

/// <summary>A part of a seekable stream, which stays open.</summary>
/// <param name="whole">The stream.</param>
/// <param name="start">Where the part begins.</param>
/// <param name="length">Its length.</param>
internal sealed class PartStream(Stream whole, long start, long length) : ForwardStream
{
    private readonly long _end = start + length;

    /// <summary>Bytes that nobody has read.</summary>
    public long Left { get; private set; } = length;

    public override int Read(Span<byte> buffer)
    {
        if (Left == 0 || buffer.IsEmpty)
        {
            return 0;
        }

        // The last byte is given alone: it is never asked for where the packed data end before it, and so bytes after that end are seen.
        var want = (int)Math.Min(buffer.Length, Math.Max(Left - 1, 1));
        whole.Position = _end - Left;
        var got = whole.Read(buffer[..want]);
        Left -= got;
        return got;
    }
}

/// <summary>
/// Unpacked content whose length and CRC-32 are known beforehand and are checked when it ends. Owns the unpacking stream.
/// </summary>
/// <param name="unpacked">The content.</param>
/// <param name="packed">Where the content is unpacked from.</param>
/// <param name="length">The length that it must have.</param>
/// <param name="crc">The CRC-32 that it must have.</param>
/// <param name="where">File and member, for messages.</param>
/// <exception cref="InvalidDataException">Thrown by reading: it cannot be unpacked, or is not what it was when it was packed.</exception>
internal sealed class CheckedStream(Stream unpacked, PartStream packed, long length, uint crc, string where) : ForwardStream
{
    private Crc32 _crc;
    private long _count;

    /// <summary>The most bytes that a byte of deflated data can stand for (two bits for 258 bytes).</summary>
    public const int MostPerByte = 1032;

    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty)
        {
            return 0;
        }

        int got;
        try
        {
            got = unpacked.Read(buffer);
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            throw new InvalidDataException($"{where}: cannot be unpacked: truncated, altered or damaged", e);
        }

        _count += got;
        _crc.Append(buffer[..got]);
        if (_count > length || (got == 0 && _count != length))
        {
            var found = _count > length ? "more" : $"{_count}";
            throw new InvalidDataException($"{where}: expected {length} bytes as the archive declares, found {found}: truncated or damaged");
        }

        if (got == 0)
        {
            if (packed.Left > 0)
            {
                throw new InvalidDataException($"{where}: {packed.Left} or more bytes follow the packed data: altered or damaged");
            }

            if (_crc.Value != crc)
            {
                throw new InvalidDataException(
                    $"{where}: altered or damaged: expected content with checksum (CRC-32) {crc:x8}, found {_crc.Value:x8}");
            }
        }

        return got;
    }

    /// <summary>Reads all that is left, for its checks alone.</summary>
    public void Drain()
    {
        Span<byte> buffer = stackalloc byte[8192];
        while (Read(buffer) > 0)
        {
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            unpacked.Dispose();
        }

        base.Dispose(disposing);
    }
}
