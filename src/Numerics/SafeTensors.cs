using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace MimicD.Numerics;

/// <summary>
/// A .safetensors file with float32 tensors and text metadata (format: an 8-byte little-endian header length, a JSON header that gives each
/// tensor's dtype, shape and byte range, then the bytes, of which every one belongs to one tensor). Reading executes nothing and trusts nothing.
/// The format has no checksum: of altered weights only those that are not finite are noticed.
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
    /// <exception cref="InvalidDataException">
    /// Missing, truncated, malformed (also: a name twice, byte ranges that overlap or leave bytes out), not float32, or with numbers that are
    /// not finite; one line that names the file.
    /// </exception>
    public static SafeTensors Read(string path)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InvalidDataException($"{path}: cannot be read: {(Directory.Exists(path) ? "it is a folder" : e.Message)}", e);
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
        try
        {
            using var header = JsonDocument.Parse(bytes.Slice(8, (int)headerLength));
            Require(header.RootElement.ValueKind != JsonValueKind.Object || bytes.Span[8] == (byte)'{', where, "the header",
                "'{' as its first byte", "white space");
            return Parse(header.RootElement, body.Span, where);
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{where}: malformed .safetensors header: {Quote.Of(e.Message.ReplaceLineEndings(" "))}", e);
        }
        catch (InvalidOperationException e)
        {
            // Kinds of values are checked where they are used, so this is text.
            throw new InvalidDataException(
                $"{where}: malformed .safetensors header: a text is not valid UTF-8 or has half a surrogate pair", e);
        }
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

    private static SafeTensors Parse(JsonElement header, ReadOnlySpan<byte> body, string where)
    {
        var result = new SafeTensors();
        var tensors = new Dictionary<string, (int[] Shape, long Begin, long End)>(StringComparer.Ordinal);
        var described = false;
        foreach (var (name, value) in Members(header, where, "the header"))
        {
            if (name == "__metadata__")
            {
                Require(!described, where, name, "it once", "it twice");
                described = true;
                ReadMetadata(value, result.Metadata, where);
            }
            else
            {
                Require(tensors.TryAdd(name, Describe(name, value, body.Length, where)), where, $"tensor '{name}'", "it once", "it twice");
            }
        }

        // Every byte belongs to one tensor; so memory is taken only for what the file holds.
        var next = 0L;
        foreach (var (name, (_, begin, end)) in tensors.OrderBy(t => t.Value.Begin).ThenBy(t => t.Value.End))
        {
            Require(begin == next, where, $"tensor '{name}'", $"a byte range from {next}, where the one before it ends", $"{begin}-{end}");
            next = end;
        }

        Require(next == body.Length, where, "", $"{next} bytes of tensors", $"{body.Length - next} more after them");
        foreach (var (name, (shape, begin, end)) in tensors)
        {
            result._tensors.Add(name, new NdArray<float>(shape, Numbers(name, body[(int)begin..(int)end], where)));
        }

        return result;
    }

    private static void ReadMetadata(JsonElement metadata, SortedDictionary<string, string> to, string where)
    {
        foreach (var (key, value) in Members(metadata, where, "__metadata__"))
        {
            Require(value.ValueKind == JsonValueKind.String, where, $"__metadata__: '{Quote.Of(key)}'", "a text", KindOf(value));
            Require(to.TryAdd(key, value.GetString()!), where, $"__metadata__: '{Quote.Of(key)}'", "it once", "it twice");
        }
    }

    /// <summary>What the header says of a tensor; the range lies within the body and holds the shape.</summary>
    private static (int[] Shape, long Begin, long End) Describe(string name, JsonElement entry, int bodyLength, string where)
    {
        Require(!name.Any(Quote.IsHidden), where, "a tensor's name", "characters that can be printed", $"'{Quote.Of(name)}'");
        where = $"{where}: tensor '{name}'";
        (JsonElement? dtype, JsonElement? shape, JsonElement? offsets) = (null, null, null);
        foreach (var (key, value) in Members(entry, where, "its entry"))
        {
            ref var field = ref dtype;
            if (key == "shape")
            {
                field = ref shape;
            }
            else if (key == "data_offsets")
            {
                field = ref offsets;
            }
            else
            {
                Require(key == "dtype", where, "", "the keys dtype, shape and data_offsets", $"'{Quote.Of(key)}'");
            }

            Require(field is null, where, key, "it once", "it twice");
            field = value;
        }

        Require(dtype?.ValueKind == JsonValueKind.String, where, "dtype", "F32", KindOf(dtype));
        var found = dtype!.Value.GetString()!;
        if (found != "F32")
        {
            throw new InvalidDataException($"{where}: expected F32, found {Quote.Of(found)}");
        }

        var axes = WholeNumbers(shape, "shape", where);
        var range = WholeNumbers(offsets, "data_offsets", where);
        Require(range.Length == 2, where, "data_offsets", "where its bytes begin and end, two numbers", $"{range.Length}");
        var (begin, end) = (range[0], range[1]);
        Require(begin <= end, where, "data_offsets", "a beginning before the end", $"{begin}-{end}");
        // Each product is compared at once, so that none overflows; zeros last would hide the others.
        var bytes = axes.Contains(0) ? 0L : sizeof(float);
        var expected = $"a byte range that holds shape ({string.Join(", ", axes)})";
        foreach (var axis in axes)
        {
            Require(axis <= int.MaxValue && (bytes == 0 || axis <= (end - begin) / bytes), where, "", expected, $"{begin}-{end}");
            bytes *= axis;
        }

        Require(bytes == end - begin, where, "", expected, $"{begin}-{end}");
        return end <= bodyLength ? (Array.ConvertAll(axes, a => (int)a), begin, end)
            : throw new InvalidDataException($"{where}: truncated: it ends at byte {end} of {bodyLength}");
    }

    private static float[] Numbers(string name, ReadOnlySpan<byte> bytes, string where)
    {
        var data = MemoryMarshal.Cast<byte, float>(bytes).ToArray();
        foreach (var value in data)
        {
            if (!float.IsFinite(value))
            {
                throw new InvalidDataException($"{where}: tensor '{name}' holds a number that is not finite");
            }
        }

        return data;
    }

    private static IEnumerable<(string Name, JsonElement Value)> Members(JsonElement element, string where, string what)
    {
        Require(element.ValueKind == JsonValueKind.Object, where, what, "an object", KindOf(element));
        return element.EnumerateObject().Select(m => (m.Name, m.Value));
    }

    private static long[] WholeNumbers(JsonElement? list, string field, string where)
    {
        Require(list?.ValueKind == JsonValueKind.Array, where, field, "a list of whole numbers", KindOf(list));
        return [.. list!.Value.EnumerateArray().Select(e =>
        {
            var number = -1L;
            Require(e.ValueKind == JsonValueKind.Number && e.TryGetInt64(out number) && number >= 0, where, field, "whole numbers from 0",
                e.ValueKind == JsonValueKind.Number ? Quote.Of(e.GetRawText()) : KindOf(e));
            return number;
        })];
    }

    private static string KindOf(JsonElement? element) => element?.ValueKind switch
    {
        null or JsonValueKind.Undefined => "nothing",
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a text",
        JsonValueKind.Number => "a number",
        JsonValueKind.Null => "null",
        _ => "true or false",
    };

    private static void Require(bool condition, string where, string field, string expected, string found)
    {
        if (!condition)
        {
            var at = field.Length == 0 ? where : $"{where}: {field}";
            throw new InvalidDataException($"{at}: expected {expected}, found {found}");
        }
    }
}
