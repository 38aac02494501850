using System.Text.Json;
using System.Text.Json.Serialization;

namespace MimicD.Contracts;

/// <summary>The one way JSON is read and written here: camelCase, comments and trailing commas allowed, unknown and duplicate keys refused, finite numbers only.</summary>
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
    };

    /// <summary>The same, written on one line.</summary>
    public static JsonSerializerOptions Compact { get; } = new(Options) { WriteIndented = false };

    /// <summary>Reads a value from text.</summary>
    /// <param name="text">JSON with comments.</param>
    /// <param name="where">The file it came from, for the message.</param>
    /// <exception cref="InvalidInputException">The text is not JSON, has a key that is not known, or a value of the wrong kind.</exception>
    public static T Parse<T>(string text, string where)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(text, Options) ?? throw new InvalidInputException($"{where}: expected a JSON object, found null");
        }
        catch (JsonException e)
        {
            throw new InvalidInputException($"{where}: {Explain(e)}", e);
        }
    }

    /// <summary>Reads a value from a file.</summary>
    /// <exception cref="InvalidInputException">The file cannot be read, or <see cref="Parse{T}"/> refuses its text.</exception>
    public static T ReadFile<T>(string path) => Parse<T>(ReadText(path), path);

    /// <summary>Reads a file's text.</summary>
    /// <exception cref="InvalidInputException">The file cannot be read.</exception>
    public static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Writes a value as text.</summary>
    public static string Format<T>(T value, bool indented = true) => JsonSerializer.Serialize(value, indented ? Options : Compact);

    private static string Explain(JsonException e)
    {
        var text = e.Message;
        var path = e.Path is { Length: > 2 } p ? p[2..] : "";
        var line = e.LineNumber is { } l ? $"line {l + 1}: " : "";
        if (text.Contains("could not be mapped to any .NET member", StringComparison.Ordinal))
        {
            return $"{line}unknown key '{path}'";
        }

        var end = text.IndexOf(" Path: ", StringComparison.Ordinal);
        var reason = (end > 0 ? text[..end] : text).ReplaceLineEndings(" ");
        return path.Length > 0 ? $"{line}'{path}': {reason}" : $"{line}{reason}";
    }
}
