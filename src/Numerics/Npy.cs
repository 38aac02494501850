using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
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
/// NumPy's .npy and .npz files (format description: numpy.lib.format), little-endian, C order; float32, float64, int32 and int64 are read
/// into the type asked for when that loses nothing but floating-point precision.
/// </summary>
public static class Npy
{
    private static readonly byte[] Magic = [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    /// <summary>Reads a .npy file.</summary>
    /// <exception cref="InvalidDataException">Not such a file, truncated, or of an element type that does not convert; one line that names the file.</exception>
    public static NdArray<T> Read<T>(string path)
        where T : unmanaged
    {
        using var stream = OpenRead(path);
        return Read<T>(stream, path);
    }

    /// <summary>Reads .npy content.</summary>
    /// <param name="stream">Positioned at the magic number.</param>
    /// <param name="where">File and member, for messages.</param>
    public static NdArray<T> Read<T>(Stream stream, string where)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(stream);
        Span<byte> head = stackalloc byte[12];
        Fill(stream, head[..10], where);
        if (!head[..6].SequenceEqual(Magic))
        {
            throw new InvalidDataException($"{where}: not a NumPy array (.npy): the magic number is missing");
        }

        int headerLength;
        if (head[6] == 1)
        {
            headerLength = BinaryPrimitives.ReadUInt16LittleEndian(head[8..]);
        }
        else
        {
            Fill(stream, head[10..12], where);
            headerLength = BinaryPrimitives.ReadInt32LittleEndian(head[8..]);
        }

        if (headerLength is <= 0 or > 65536)
        {
            throw new InvalidDataException($"{where}: header length {headerLength} is out of range");
        }

        var header = new byte[headerLength];
        Fill(stream, header, where);
        var (descriptor, shape) = ParseHeader(Encoding.ASCII.GetString(header), where);
        long count = 1;
        foreach (var n in shape)
        {
            count = checked(count * n);
        }

        if (count > int.MaxValue / 8)
        {
            throw new InvalidDataException($"{where}: {count} elements are more than can be read");
        }

        return new NdArray<T>(shape, descriptor switch
        {
            "<f8" => Convert<double, T>(ReadRaw<double>(stream, (int)count, where), where, descriptor),
            "<f4" => Convert<float, T>(ReadRaw<float>(stream, (int)count, where), where, descriptor),
            "<i4" => Convert<int, T>(ReadRaw<int>(stream, (int)count, where), where, descriptor),
            "<i8" => Convert<long, T>(ReadRaw<long>(stream, (int)count, where), where, descriptor),
            _ => throw new InvalidDataException($"{where}: element type '{descriptor}' is not supported; expected <f4, <f8, <i4 or <i8"),
        });
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
        stream.Write(MemoryMarshal.AsBytes(data.Span));
    }

    internal static FileStream OpenRead(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidDataException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    private static string Descriptor<T>() => typeof(T) == typeof(float) ? "<f4"
        : typeof(T) == typeof(double) ? "<f8"
        : typeof(T) == typeof(int) ? "<i4"
        : typeof(T) == typeof(long) ? "<i8"
        : throw new NotSupportedException($"{typeof(T)} cannot be written as .npy");

    private static (string Descriptor, int[] Shape) ParseHeader(string text, string where)
    {
        string Value(string key)
        {
            var at = text.IndexOf($"'{key}':", StringComparison.Ordinal);
            return at < 0 ? throw new InvalidDataException($"{where}: header lacks '{key}'") : text[(at + key.Length + 3)..].TrimStart();
        }

        var descriptor = Value("descr");
        var close = descriptor.Length > 1 && descriptor[0] == '\'' ? descriptor.IndexOf('\'', 1) : -1;
        if (close < 0)
        {
            throw new InvalidDataException($"{where}: structured element types are not supported");
        }

        if (!Value("fortran_order").StartsWith("False", StringComparison.Ordinal))
        {
            throw new InvalidDataException($"{where}: Fortran order is not supported; save it in C order");
        }

        var shape = Value("shape");
        var end = shape.IndexOf(')', StringComparison.Ordinal);
        if (shape[0] != '(' || end < 0)
        {
            throw new InvalidDataException($"{where}: header has no shape");
        }

        var axes = new List<int>();
        foreach (var part in shape[1..end].Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (!int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var axis))
            {
                throw new InvalidDataException($"{where}: axis length '{part}' is not a number");
            }

            axes.Add(axis);
        }

        return (descriptor[1..close], [.. axes]);
    }

    private static T[] ReadRaw<T>(Stream stream, int count, string where)
        where T : unmanaged
    {
        var data = new T[count];
        Fill(stream, MemoryMarshal.AsBytes(data.AsSpan()), where);
        return data;
    }

    private static TTo[] Convert<TFrom, TTo>(TFrom[] data, string where, string descriptor)
        where TFrom : unmanaged
        where TTo : unmanaged
    {
        if (data is TTo[] same)
        {
            return same;
        }

        return (data, typeof(TTo)) switch
        {
            (double[] d, var t) when t == typeof(float) => (TTo[])(object)Array.ConvertAll(d, x => (float)x),
            (float[] d, var t) when t == typeof(double) => (TTo[])(object)Array.ConvertAll(d, x => (double)x),
            (long[] d, var t) when t == typeof(int) => (TTo[])(object)Array.ConvertAll(d, x => checked((int)x)),
            (int[] d, var t) when t == typeof(long) => (TTo[])(object)Array.ConvertAll(d, x => (long)x),
            _ => throw new InvalidDataException($"{where}: expected elements of type {typeof(TTo).Name}, found '{descriptor}'"),
        };
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

/// <summary>An .npz file: a zip of .npy members.</summary>
public sealed class NpzReader : IDisposable
{
    private readonly string _path;
    private readonly Stream _stream;
    private readonly ZipArchive _zip;

    /// <summary>Opens a file.</summary>
    /// <exception cref="InvalidDataException">The file is missing or not a zip archive.</exception>
    public NpzReader(string path)
        : this(Npy.OpenRead(path), path)
    {
    }

    /// <summary>Reads such a file from a stream, which is then this reader's.</summary>
    /// <param name="stream">Seekable.</param>
    /// <param name="where">Named in messages.</param>
    /// <exception cref="InvalidDataException">It is not a zip archive.</exception>
    public NpzReader(Stream stream, string where)
    {
        ArgumentNullException.ThrowIfNull(stream);
        _path = where;
        _stream = stream;
        try
        {
            _zip = new ZipArchive(_stream, ZipArchiveMode.Read);
        }
        catch (InvalidDataException e)
        {
            _stream.Dispose();
            throw new InvalidDataException($"{where}: not an .npz file, or truncated: {e.Message}", e);
        }
    }

    /// <summary>Names of the arrays, without <c>.npy</c>.</summary>
    public IReadOnlyList<string> Names => [.. _zip.Entries.Select(e => Path.GetFileNameWithoutExtension(e.FullName))];

    /// <summary>Whether there is an array of that name.</summary>
    public bool Has(string name) => _zip.GetEntry(name + ".npy") is not null;

    /// <summary>Reads one array.</summary>
    /// <exception cref="InvalidDataException">No such array, or <see cref="Npy.Read{T}(Stream, string)"/> refuses it.</exception>
    public NdArray<T> Read<T>(string name)
        where T : unmanaged
    {
        var entry = _zip.GetEntry(name + ".npy")
            ?? throw new InvalidDataException($"{_path}: array '{name}' is missing; found: {string.Join(", ", Names)}");
        try
        {
            using var stream = entry.Open();
            return Npy.Read<T>(stream, $"{_path}: {name}");
        }
        catch (InvalidDataException e) when (!e.Message.StartsWith(_path, StringComparison.Ordinal))
        {
            throw new InvalidDataException($"{_path}: {name}: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _zip.Dispose();
        _stream.Dispose();
    }
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
