using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace MimicD.Numerics;

/// <summary>
/// A .safetensors file with float32 tensors and text metadata (format: an 8-byte little-endian header length, a JSON header that gives each
/// tensor's dtype, shape and byte range, then the bytes). Reading executes nothing and trusts nothing.
/// </summary>
public sealed class SafeTensors
{
    private const int MaxHeader = 16 << 20;
    private readonly SortedDictionary<string, NdArray<float>> _tensors = new(StringComparer.Ordinal);

    /// <summary>The header's <c>__metadata__</c>: text by key.</summary>
    public SortedDictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <summary>The tensors by name, in ordinal order.</summary>
    public IReadOnlyDictionary<string, NdArray<float>> Tensors => _tensors;

    /// <summary>Adds a tensor.</summary>
    public void Add(string name, float[] data, params int[] shape)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(shape);
        if (shape.Aggregate(1L, (a, b) => a * b) != data.Length)
        {
            throw new ArgumentException($"{name}: shape ({string.Join(", ", shape)}) does not hold {data.Length} elements", nameof(shape));
        }

        _tensors.Add(name, new NdArray<float>(shape, data));
    }

    /// <summary>The tensor of that name, checked for its shape.</summary>
    /// <param name="name">Full name.</param>
    /// <param name="where">The file, for messages.</param>
    /// <param name="shape">The shape that it must have.</param>
    /// <exception cref="InvalidDataException">No such tensor, or of another shape.</exception>
    public float[] Get(string name, string where, params int[] shape)
    {
        if (!_tensors.TryGetValue(name, out var tensor))
        {
            throw new InvalidDataException($"{where}: tensor '{name}' is missing");
        }

        return tensor.Shape.AsSpan().SequenceEqual(shape) ? tensor.Data
            : throw new InvalidDataException($"{where}: tensor '{name}': expected shape ({string.Join(", ", shape)}), found {tensor.ShapeText}");
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="InvalidDataException">Missing, truncated, malformed, not float32, or with numbers that are not finite; one line that names the file.</exception>
    public static SafeTensors Read(string path)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidDataException($"{path}: cannot be read: {e.Message}", e);
        }

        return Parse(bytes, path);
    }

    /// <summary>Reads a file's bytes; see <see cref="Read"/>.</summary>
    public static SafeTensors Parse(ReadOnlyMemory<byte> bytes, string where)
    {
        if (bytes.Length < 8)
        {
            throw new InvalidDataException($"{where}: not a .safetensors file: expected at least 8 bytes, found {bytes.Length}");
        }

        var headerLength = BinaryPrimitives.ReadUInt64LittleEndian(bytes.Span);
        if (headerLength is < 2 or > MaxHeader)
        {
            throw new InvalidDataException($"{where}: not a .safetensors file: header length {headerLength} is out of range");
        }

        if (headerLength > (ulong)(bytes.Length - 8))
        {
            throw new InvalidDataException($"{where}: truncated: the header alone has {headerLength} bytes, found {bytes.Length - 8}");
        }

        var body = bytes[(8 + (int)headerLength)..];
        var result = new SafeTensors();
        try
        {
            using var header = JsonDocument.Parse(bytes.Slice(8, (int)headerLength));
            foreach (var member in header.RootElement.EnumerateObject())
            {
                if (member.Name == "__metadata__")
                {
                    foreach (var entry in member.Value.EnumerateObject())
                    {
                        result.Metadata[entry.Name] = entry.Value.GetString() ?? "";
                    }
                }
                else
                {
                    result._tensors.Add(member.Name, ReadTensor(member, body.Span, where));
                }
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or ArgumentException)
        {
            throw new InvalidDataException($"{where}: malformed .safetensors header: {e.Message.ReplaceLineEndings(" ")}", e);
        }

        return result;
    }

    /// <summary>Writes a file, aside and renamed. The bytes depend on the content alone.</summary>
    public void Write(string path)
    {
        using var header = new MemoryStream();
        using (var json = new Utf8JsonWriter(header))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            foreach (var (key, value) in Metadata)
            {
                json.WriteString(key, value);
            }

            json.WriteEndObject();
            long offset = 0;
            foreach (var (name, tensor) in _tensors)
            {
                json.WriteStartObject(name);
                json.WriteString("dtype", "F32");
                json.WriteStartArray("shape");
                foreach (var axis in tensor.Shape)
                {
                    json.WriteNumberValue(axis);
                }

                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                offset += tensor.Data.Length * (long)sizeof(float);
                json.WriteNumberValue(offset);
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        // Padding the header to a multiple of 8 keeps the tensors aligned for readers that map the file.
        while (header.Length % 8 != 0)
        {
            header.WriteByte((byte)' ');
        }

        AtomicFile.Write(path, stream =>
        {
            Span<byte> length = stackalloc byte[8];
            BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
            stream.Write(length);
            stream.Write(header.GetBuffer().AsSpan(0, (int)header.Length));
            foreach (var tensor in _tensors.Values)
            {
                stream.Write(MemoryMarshal.AsBytes(tensor.Data.AsSpan()));
            }
        });
    }

    private static NdArray<float> ReadTensor(JsonProperty member, ReadOnlySpan<byte> body, string where)
    {
        var dtype = member.Value.GetProperty("dtype").GetString();
        if (dtype != "F32")
        {
            throw new InvalidDataException($"{where}: tensor '{member.Name}': expected F32, found {dtype}");
        }

        var shape = member.Value.GetProperty("shape").EnumerateArray().Select(e => e.GetInt32()).ToArray();
        var offsets = member.Value.GetProperty("data_offsets");
        var (begin, end) = (offsets[0].GetInt64(), offsets[1].GetInt64());
        var count = shape.Aggregate(1L, (a, b) => b < 0 ? throw new FormatException("negative axis") : a * b);
        if (begin < 0 || end - begin != count * sizeof(float))
        {
            throw new InvalidDataException($"{where}: tensor '{member.Name}': byte range {begin}-{end} does not hold shape ({string.Join(", ", shape)})");
        }

        if (end > body.Length)
        {
            throw new InvalidDataException($"{where}: truncated: tensor '{member.Name}' ends at byte {end} of {body.Length}");
        }

        var data = MemoryMarshal.Cast<byte, float>(body[(int)begin..(int)end]).ToArray();
        foreach (var value in data)
        {
            if (!float.IsFinite(value))
            {
                throw new InvalidDataException($"{where}: tensor '{member.Name}' holds a number that is not finite");
            }
        }

        return new NdArray<float>(shape, data);
    }
}
