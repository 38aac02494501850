using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace MimicD.Contracts;

/// <summary>
/// The one way JSON is read and written here: camelCase, comments and trailing commas allowed, unknown and duplicate keys refused, finite numbers only. A number that is not finite is written
/// as null, for which JSON has no number; it is read back, as NaN, from the program's own records alone (<see cref="ParseRecord{T}"/>).
/// </summary>
public static class StrictJson
{
    /// <summary>The options behind <see cref="Parse{T}"/> and <see cref="Format{T}"/>.</summary>
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        ReadCommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
        AllowDuplicateProperties = false,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        RespectNullableAnnotations = true,
        WriteIndented = true,
        Converters = { new EnumNames(), new FiniteDouble(orNull: false), new FiniteSingle(orNull: false) },
        TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { ForgetIgnored } },
    };

    /// <summary>The same, written on one line.</summary>
    public static JsonSerializerOptions Compact { get; } = new(Options) { WriteIndented = false };

    /// <summary>The same for what the program wrote itself: null where a number is expected is one that was not finite.</summary>
    public static JsonSerializerOptions Records { get; } = RecordsOf(Options);

    /// <summary>Reads a value from text.</summary>
    /// <param name="text">JSON with comments.</param>
    /// <param name="where">The file it came from, for the message.</param>
    /// <exception cref="InvalidInputException">The text is not JSON, has a key that is not known, or a value of the wrong kind.</exception>
    public static T Parse<T>(string text, string where) => Read<T>(text, where, Options);

    /// <summary>Reads a record that the program wrote: as <see cref="Parse{T}"/>, but a number may be null, which was not finite and is NaN.</summary>
    /// <param name="text">JSON with comments.</param>
    /// <param name="where">The file it came from, for the message.</param>
    /// <exception cref="InvalidInputException">As there.</exception>
    public static T ParseRecord<T>(string text, string where) => Read<T>(text, where, Records);

    private static T Read<T>(string text, string where, JsonSerializerOptions options)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(text, options) ?? throw new InvalidInputException($"{where}: expected a JSON object, found null");
        }
        catch (JsonException e)
        {
            throw new InvalidInputException($"{where}: {Explain(e, text, typeof(T))}", e);
        }
    }

    /// <summary>Reads a value from a file.</summary>
    /// <exception cref="InvalidInputException">The file cannot be read, or <see cref="Parse{T}"/> refuses its text.</exception>
    public static T ReadFile<T>(string path) => Parse<T>(ReadText(path), path);

    /// <summary>Reads a record that the program wrote from its file (<see cref="ParseRecord{T}"/>).</summary>
    /// <exception cref="InvalidInputException">The file cannot be read, or its text is refused.</exception>
    public static T ReadRecord<T>(string path) => ParseRecord<T>(ReadText(path), path);

    /// <summary>Reads a file's text.</summary>
    /// <exception cref="InvalidInputException">The file cannot be read.</exception>
    public static string ReadText(string path)
    {
        InvalidInputException.Require(!Directory.Exists(path), path, "", "a file", "a folder");
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new InvalidInputException($"{path}: cannot be read: there is no such file", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InvalidInputException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Writes a value as text. No figure makes it throw: one that is not finite is written as null.</summary>
    public static string Format<T>(T value, bool indented = true) => JsonSerializer.Serialize(value, indented ? Options : Compact);

    private static JsonSerializerOptions RecordsOf(JsonSerializerOptions options)
    {
        var records = new JsonSerializerOptions(options);
        records.Converters.Clear();
        records.Converters.Add(new EnumNames());
        records.Converters.Add(new FiniteDouble(orNull: true));
        records.Converters.Add(new FiniteSingle(orNull: true));
        return records;
    }

    /// <summary>A property that is neither read nor written is no key: it would be skipped without a word, as <c>agents</c> beside a circle's.</summary>
    private static void ForgetIgnored(JsonTypeInfo type)
    {
        for (var i = type.Kind == JsonTypeInfoKind.Object ? type.Properties.Count - 1 : -1; i >= 0; i--)
        {
            if (type.Properties[i] is { Get: null, Set: null, AssociatedParameter: null })
            {
                type.Properties.RemoveAt(i);
            }
        }
    }

    /// <summary>Why a text was refused, in the words of who wrote it: the key, what is expected there and what was found.</summary>
    /// <param name="e">What the reader said.</param>
    /// <param name="text">The text.</param>
    /// <param name="type">What was to be read.</param>
    public static string Explain(JsonException e, string text, Type type)
    {
        ArgumentNullException.ThrowIfNull(e);
        ArgumentNullException.ThrowIfNull(text);
        return JsonComplaint.Of(e, text, Options.GetTypeInfo(type));
    }

    /// <summary>Reads a value from a tree that was changed; there are no lines to speak of.</summary>
    /// <exception cref="InvalidInputException">As for <see cref="Parse{T}"/>.</exception>
    internal static T ParseTree<T>(JsonNode root, string where)
    {
        var text = root.ToJsonString();
        try
        {
            return JsonSerializer.Deserialize<T>(text, Options) ?? throw new InvalidInputException($"{where}: expected a JSON object, found null");
        }
        catch (JsonException e)
        {
            throw new InvalidInputException($"{where}: {JsonComplaint.Of(e, text, Options.GetTypeInfo(typeof(T)), lines: false)}", e);
        }
    }

    /// <summary>Numbers of double precision.</summary>
    /// <param name="orNull">Whether null may be read.</param>
    private sealed class FiniteDouble(bool orNull) : JsonConverter<double>
    {
        public override bool HandleNull => true;

        public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
            => orNull && reader.TokenType == JsonTokenType.Null ? double.NaN
                : reader.TokenType == JsonTokenType.Number && reader.TryGetDouble(out var value) && double.IsFinite(value) ? value
                : throw new JsonException();

        public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options)
        {
            if (double.IsFinite(value))
            {
                writer.WriteNumberValue(value);
            }
            else
            {
                writer.WriteNullValue();
            }
        }
    }

    /// <summary>Numbers of single precision.</summary>
    /// <param name="orNull">Whether null may be read.</param>
    private sealed class FiniteSingle(bool orNull) : JsonConverter<float>
    {
        public override bool HandleNull => true;

        public override float Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
            => orNull && reader.TokenType == JsonTokenType.Null ? float.NaN
                : reader.TokenType == JsonTokenType.Number && reader.TryGetSingle(out var value) && float.IsFinite(value) ? value
                : throw new JsonException();

        public override void Write(Utf8JsonWriter writer, float value, JsonSerializerOptions options)
        {
            if (float.IsFinite(value))
            {
                writer.WriteNumberValue(value);
            }
            else
            {
                writer.WriteNullValue();
            }
        }
    }
}
