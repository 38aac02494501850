using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace MimicD.Numerics;

/// <summary>An array in C order with its shape.</summary>
/// <typeparam name="T">float, double, int or long.</typeparam>
/// <param name="Shape">Lengths of the axes.</param>
/// <param name="Data">The elements, last axis fastest.</param>
public sealed record NdArray<T>(int[] Shape, T[] Data)
    where T : unmanaged
{
    /// <summary>Shape as <c>(100, 2, 101, 2)</c>.</summary>
    public string ShapeText => "(" + string.Join(", ", Shape) + ")";
}

/// <summary>
/// NumPy's .npy and .npz files (format description: numpy.lib.format, versions 1 to 3). Read are whole numbers of 8 to 64 bits and
/// floating-point numbers of 16 to 64, of either byte order, in C or Fortran order, into the type asked for when that loses nothing but
/// floating-point precision. Written are little-endian numbers in C order. Memory is taken only for what a file holds.
/// </summary>
public static class Npy
{
    private const int MostHeader = 65536;
    private const int ChunkBytes = 1 << 16;

    private static readonly byte[] Magic = [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    /// <summary>Reads a .npy file.</summary>
    /// <typeparam name="T">float, double, int or long.</typeparam>
    /// <exception cref="InvalidDataException">
    /// Not such a file, truncated, followed by other bytes, or with an element that does not convert; one line that names the file.
    /// </exception>
    public static NdArray<T> Read<T>(string path)
        where T : unmanaged
    {
        using var stream = OpenRead(path);
        return Read<T>(stream, path);
    }

    /// <summary>Reads .npy content up to the end of a stream.</summary>
    /// <typeparam name="T">float, double, int or long.</typeparam>
    /// <param name="stream">Positioned at the magic number.</param>
    /// <param name="where">File and member, for messages.</param>
    /// <exception cref="InvalidDataException">As for <see cref="Read{T}(string)"/>.</exception>
    public static NdArray<T> Read<T>(Stream stream, string where)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(stream);
        var whole = Seekable(stream, where);
        return Read<T>(whole, whole.Length - whole.Position, where);
    }

    /// <summary>Reads .npy content of a known length up to the end of a stream.</summary>
    internal static NdArray<T> Read<T>(Stream stream, long length, string where)
        where T : unmanaged
    {
        try
        {
            var header = ReadHeader(stream, ref length, where);
            var read = ReaderOf<T>(header.Descriptor, where);
            var expected = header.Count * read.Size;
            if (expected != length)
            {
                throw new InvalidDataException(expected > length
                    ? $"{where}: truncated: expected {expected} bytes for shape {header.ShapeText}, found {length}"
                    : $"{where}: expected {expected} bytes for shape {header.ShapeText}, found {length - expected} more after them");
            }

            RequireMemory((header.Fortran && header.Shape.Length > 1 ? 2 : 1) * header.Count * Unsafe.SizeOf<T>(), where);
            var data = read.Elements(stream, (int)header.Count, where);
            Span<byte> after = stackalloc byte[1];
            // Reading to the end also makes a stream that unpacks the content check it.
            if (stream.Read(after) > 0)
            {
                throw new InvalidDataException($"{where}: expected {expected} bytes for shape {header.ShapeText}, found more");
            }

            return new NdArray<T>(header.Shape, header.Fortran ? LastAxisFastest(data, header.Shape) : data);
        }
        catch (IOException e)
        {
            throw new InvalidDataException($"{where}: cannot be read: {e.Message}", e);
        }
        catch (OutOfMemoryException e)
        {
            throw new InvalidDataException($"{where}: there is not enough memory for it", e);
        }
    }

    /// <summary>Writes a .npy file, aside and renamed.</summary>
    public static void Write<T>(string path, ReadOnlyMemory<T> data, params int[] shape)
        where T : unmanaged
        => AtomicFile.Write(path, stream => Write(stream, data, shape));

    /// <summary>Writes .npy content, format version 1.0.</summary>
    public static void Write<T>(Stream stream, ReadOnlyMemory<T> data, params int[] shape)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(shape);
        if (shape.Aggregate(1L, (a, b) => a * b) != data.Length)
        {
            throw new ArgumentException($"shape ({string.Join(", ", shape)}) does not hold {data.Length} elements", nameof(shape));
        }

        var axes = shape.Length == 1 ? $"({shape[0]},)" : $"({string.Join(", ", shape)})";
        var text = $"{{'descr': '{Descriptor<T>()}', 'fortran_order': False, 'shape': {axes}, }}";
        // The format wants magic, version, length and header to end on a multiple of 64, and the header in a line feed.
        var padding = 63 - (10 + text.Length) % 64;
        var header = Encoding.ASCII.GetBytes(text + new string(' ', padding) + "\n");
        stream.Write(Magic);
        stream.Write([1, 0, (byte)header.Length, (byte)(header.Length >> 8)]);
        stream.Write(header);
        // In slices, for the bytes of a large array are more than a span can have.
        for (var at = 0; at < data.Length; at += ChunkBytes)
        {
            stream.Write(MemoryMarshal.AsBytes(data.Span.Slice(at, Math.Min(ChunkBytes, data.Length - at))));
        }
    }

    internal static FileStream OpenRead(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InvalidDataException($"{path}: cannot be read: {(Directory.Exists(path) ? "it is a folder" : e.Message)}", e);
        }
    }

    /// <summary>The stream itself, or a copy of what is left of one that cannot be moved about in, such as a pipe.</summary>
    internal static Stream Seekable(Stream stream, string where)
    {
        if (stream.CanSeek)
        {
            return stream;
        }

        try
        {
            var copy = new MemoryStream();
            stream.CopyTo(copy);
            copy.Position = 0;
            return copy;
        }
        catch (Exception e) when (e is IOException or OutOfMemoryException)
        {
            throw new InvalidDataException($"{where}: cannot be read: {e.Message}", e);
        }
    }

    private static string Descriptor<T>() => typeof(T) == typeof(float) ? "<f4"
        : typeof(T) == typeof(double) ? "<f8"
        : typeof(T) == typeof(int) ? "<i4"
        : typeof(T) == typeof(long) ? "<i8"
        : throw new NotSupportedException($"{typeof(T)} cannot be written as .npy");

    private static NpyHeader ReadHeader(Stream stream, ref long length, string where)
    {
        Span<byte> head = stackalloc byte[12];
        Fill(stream, head[..10], where);
        if (!head[..6].SequenceEqual(Magic))
        {
            throw new InvalidDataException($"{where}: not a NumPy array (.npy): the magic number is missing");
        }

        var (major, minor) = (head[6], head[7]);
        if (major is < 1 or > 3 || minor != 0)
        {
            throw new InvalidDataException($"{where}: expected a .npy file of version 1.0, 2.0 or 3.0, found {major}.{minor}");
        }

        var before = 10;
        long headerLength = BinaryPrimitives.ReadUInt16LittleEndian(head[8..]);
        if (major > 1)
        {
            Fill(stream, head[10..12], where);
            (before, headerLength) = (12, BinaryPrimitives.ReadUInt32LittleEndian(head[8..]));
        }

        length -= before + headerLength;
        if (headerLength > MostHeader || length < 0)
        {
            throw new InvalidDataException(length < 0
                ? $"{where}: truncated: expected a header of {headerLength} bytes, found {length + headerLength}"
                : $"{where}: expected a header of at most {MostHeader} bytes, found {headerLength}");
        }

        var header = new byte[headerLength];
        Fill(stream, header, where);
        return NpyHeader.Parse((major < 3 ? Encoding.Latin1 : Encoding.UTF8).GetString(header), where);
    }

    /// <summary>How elements of a type are read: the bytes of one, and what reads so many of them.</summary>
    private static (int Size, Func<Stream, int, string, T[]> Elements) ReaderOf<T>(string descriptor, string where)
        where T : unmanaged
    {
        // Without a mark, or with = or |, elements have this machine's byte order.
        var marked = descriptor.Length > 0 && descriptor[0] is '<' or '>' or '=' or '|';
        var (type, swap) = (marked ? descriptor[1..] : descriptor, marked && descriptor[0] == (BitConverter.IsLittleEndian ? '>' : '<'));
        return (type, default(T)) switch
        {
            ("f2", float or double) => Reader<Half, T>(descriptor, swap),
            ("f4", float or double) => Reader<float, T>(descriptor, swap),
            ("f8", float or double) => Reader<double, T>(descriptor, swap),
            ("i1", _) => Reader<sbyte, T>(descriptor, swap),
            ("i2", _) => Reader<short, T>(descriptor, swap),
            ("i4", _) => Reader<int, T>(descriptor, swap),
            ("i8", _) => Reader<long, T>(descriptor, swap),
            ("u1", _) => Reader<byte, T>(descriptor, swap),
            ("u2", _) => Reader<ushort, T>(descriptor, swap),
            ("u4", _) => Reader<uint, T>(descriptor, swap),
            ("u8", _) => Reader<ulong, T>(descriptor, swap),
            _ => throw new InvalidDataException($"{where}: expected whole numbers of 8 to 64 bits"
                + (default(T) is float or double ? " or floating-point numbers of 16 to 64" : "")
                + $", found {NameOf(type)} (element type '{Quote.Of(descriptor)}')"),
        };
    }

    /// <summary>What a type's elements are, for messages.</summary>
    private static string NameOf(string type) => (type.Length > 0 ? type[0] : ' ') switch
    {
        'f' => "floating-point numbers",
        'b' or '?' => "truth values",
        'c' => "complex numbers",
        'S' or 'U' or 'a' => "text",
        'O' => "Python objects, which are never read",
        'M' or 'm' => "times",
        'V' => "raw bytes",
        _ => "others",
    };

    private static (int Size, Func<Stream, int, string, T[]> Elements) Reader<TFrom, T>(string descriptor, bool swap)
        where TFrom : unmanaged, INumberBase<TFrom>
        where T : unmanaged
    {
        return (Unsafe.SizeOf<TFrom>(), (stream, count, where) => default(T) switch
        {
            float => (T[])(object)ReadAs<TFrom, float>(stream, count, descriptor, swap, where),
            double => (T[])(object)ReadAs<TFrom, double>(stream, count, descriptor, swap, where),
            int => (T[])(object)ReadAs<TFrom, int>(stream, count, descriptor, swap, where),
            long => (T[])(object)ReadAs<TFrom, long>(stream, count, descriptor, swap, where),
            _ => throw new NotSupportedException($"{typeof(T)} cannot be read from .npy"),
        });
    }

    private static TTo[] ReadAs<TFrom, TTo>(Stream stream, int count, string descriptor, bool swap, string where)
        where TFrom : unmanaged, INumberBase<TFrom>
        where TTo : unmanaged, INumberBase<TTo>
    {
        var data = new TTo[count];
        // By type and not by a cast of the array: the runtime takes an array of whole numbers with a sign for one without.
        var same = typeof(TFrom) == typeof(TTo) ? (TFrom[])(object)data : null;
        var most = ChunkBytes / Unsafe.SizeOf<TFrom>();
        var buffer = same is null ? new TFrom[Math.Min(most, count)] : [];
        for (var at = 0; at < count; at += most)
        {
            var chunk = same is null ? buffer.AsSpan(0, Math.Min(most, count - at)) : same.AsSpan(at, Math.Min(most, count - at));
            var bytes = MemoryMarshal.AsBytes(chunk);
            Fill(stream, bytes, where);
            if (swap)
            {
                Swap(bytes, Unsafe.SizeOf<TFrom>());
            }

            if (same is null)
            {
                Convert<TFrom, TTo>(chunk, data.AsSpan(at), at, descriptor, where);
            }
        }

        return data;
    }

    private static void Swap(Span<byte> bytes, int size)
    {
        switch (size)
        {
            case sizeof(ushort):
                BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<byte, ushort>(bytes), MemoryMarshal.Cast<byte, ushort>(bytes));
                break;
            case sizeof(uint):
                BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<byte, uint>(bytes), MemoryMarshal.Cast<byte, uint>(bytes));
                break;
            case sizeof(ulong):
                BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<byte, ulong>(bytes), MemoryMarshal.Cast<byte, ulong>(bytes));
                break;
        }
    }

    private static void Convert<TFrom, TTo>(ReadOnlySpan<TFrom> from, Span<TTo> to, int first, string descriptor, string where)
        where TFrom : unmanaged, INumberBase<TFrom>
        where TTo : unmanaged, INumberBase<TTo>
    {
        var i = 0;
        try
        {
            for (; i < from.Length; i++)
            {
                to[i] = TTo.CreateChecked(from[i]);
                if (TFrom.IsFinite(from[i]) && !TTo.IsFinite(to[i]))
                {
                    throw new OverflowException();
                }
            }
        }
        catch (OverflowException e)
        {
            var bits = Unsafe.SizeOf<TTo>() * 8;
            var text = from[i].ToString(null, CultureInfo.InvariantCulture);
            throw new InvalidDataException(
                $"{where}: element type '{descriptor}': expected numbers within {bits} bits, found {text} at element {(long)first + i}", e);
        }
    }

    /// <summary>Elements with the first axis fastest, put in order so that the last one is.</summary>
    private static T[] LastAxisFastest<T>(T[] data, int[] shape)
        where T : unmanaged
    {
        if (shape.Length < 2 || data.Length < 2)
        {
            return data;
        }

        var strides = new int[shape.Length];
        for (int axis = shape.Length - 1, stride = 1; axis >= 0; stride *= shape[axis], axis--)
        {
            strides[axis] = stride;
        }

        var result = new T[data.Length];
        var (index, to) = (new int[shape.Length], 0);
        foreach (var value in data)
        {
            result[to] = value;
            for (var axis = 0; axis < shape.Length; axis++)
            {
                to += strides[axis];
                if (++index[axis] < shape[axis])
                {
                    break;
                }

                to -= strides[axis] * shape[axis];
                index[axis] = 0;
            }
        }

        return result;
    }

    /// <summary>Refuses what would not go into this machine's memory, where the system might end the process instead.</summary>
    private static void RequireMemory(long bytes, string where)
    {
        var available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (available > 0 && bytes > available)
        {
            throw new InvalidDataException(
                $"{where}: expected an array that goes into the memory of this machine ({available >> 20} MiB), found one of {bytes >> 20} MiB");
        }
    }

    private static void Fill(Stream stream, Span<byte> bytes, string where)
    {
        var got = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (got < bytes.Length)
        {
            throw new InvalidDataException($"{where}: truncated: expected {bytes.Length} more bytes, found {got}");
        }
    }
}

/// <summary>
/// An .npz file: a zip of .npy members. Its structure, and the length and CRC-32 of every member, also of those that are never asked for, are
/// checked when it is opened.
/// </summary>
public sealed class NpzReader : IDisposable
{
    private const string Ending = ".npy";
    private const int MostNamed = 12;
    private readonly string _path;
    private readonly Stream _stream;
    private readonly ZipMembers _zip;

    /// <summary>Opens a file.</summary>
    /// <exception cref="InvalidDataException">The file is missing, not a zip archive, truncated, altered or damaged.</exception>
    public NpzReader(string path)
        : this(Npy.OpenRead(path), path)
    {
    }

    /// <summary>Reads such a file from a stream, which is then this reader's.</summary>
    /// <param name="stream">From its beginning.</param>
    /// <param name="where">Named in messages.</param>
    /// <exception cref="InvalidDataException">It is not a zip archive, or one that is truncated, altered or damaged.</exception>
    public NpzReader(Stream stream, string where)
    {
        ArgumentNullException.ThrowIfNull(stream);
        (_path, _stream) = (where, stream);
        try
        {
            _stream = Npy.Seekable(stream, where);
            _zip = new ZipMembers(_stream, where);
        }
        catch (InvalidDataException)
        {
            stream.Dispose();
            throw;
        }
        catch (IOException e)
        {
            stream.Dispose();
            throw new InvalidDataException($"{where}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Names of the arrays, without <c>.npy</c>.</summary>
    public IReadOnlyList<string> Names => [.. _zip.Names.Select(Path.GetFileNameWithoutExtension).OfType<string>()];

    /// <summary>Whether there is an array of that name.</summary>
    public bool Has(string name) => _zip.Has(name + Ending);

    /// <summary>Reads one array.</summary>
    /// <exception cref="InvalidDataException">No such array, or <see cref="Npy.Read{T}(Stream, string)"/> refuses it.</exception>
    public NdArray<T> Read<T>(string name)
        where T : unmanaged
    {
        if (_zip.Open(name + Ending) is not var (content, length))
        {
            var found = string.Join(", ", Names.Take(MostNamed).Select(Quote.Of)) + (Names.Count > MostNamed ? ", ..." : "");
            throw new InvalidDataException($"{_path}: array '{name}' is missing; found: {found}");
        }

        using (content)
        {
            return Npy.Read<T>(content, length, $"{_path}: {name}");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();
}

/// <summary>Writes .npz files, aside and renamed.</summary>
public sealed class NpzWriter
{
    private readonly List<(string Name, Action<Stream> Write)> _members = [];

    /// <summary>Adds an array; its memory is read when <see cref="Save"/> is called.</summary>
    public NpzWriter Add<T>(string name, ReadOnlyMemory<T> data, params int[] shape)
        where T : unmanaged
    {
        _members.Add((name, stream => Npy.Write(stream, data, shape)));
        return this;
    }

    /// <summary>Writes all arrays that were added to a file, compressed. The bytes depend on the arrays alone.</summary>
    public void Save(string path) => AtomicFile.Write(path, Write);

    /// <summary>Writes all arrays that were added to a stream, as <see cref="Save"/> does.</summary>
    public void Write(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
        foreach (var (name, write) in _members)
        {
            var entry = zip.CreateEntry(name + ".npy", CompressionLevel.Fastest);
            entry.LastWriteTime = new DateTimeOffset(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);
            using var member = entry.Open();
            write(member);
        }
    }
}
