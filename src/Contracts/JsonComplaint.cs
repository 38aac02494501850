using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace MimicD.Contracts;

/// <summary>
/// Says in the words of a file's author why its JSON was refused: which key, what is expected there, what was found. It looks for the first value that does not fit in the text itself, because the reader's own messages
/// name types of this program.
/// </summary>
internal static class JsonComplaint
{
    private const int MostKeys = 16;
    private const int ShownLetters = 40;

    private static readonly JsonDocumentOptions Lenient = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    /// <summary>Why a text was refused.</summary>
    /// <param name="e">What the reader said.</param>
    /// <param name="text">The text.</param>
    /// <param name="type">What was to be read from it.</param>
    /// <param name="lines">Whether the text is somebody's file, whose lines mean something.</param>
    public static string Of(JsonException e, string text, JsonTypeInfo type, bool lines = true)
    {
        var line = lines && e.LineNumber is { } l ? string.Create(CultureInfo.InvariantCulture, $"line {l + 1}: ") : "";
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(text, Lenient);
        }
        catch (JsonException syntax)
        {
            return string.IsNullOrWhiteSpace(text) ? "expected JSON, found nothing but space" : $"{(lines && syntax.LineNumber is { } at ? string.Create(CultureInfo.InvariantCulture, $"line {at + 1}: ") : "")}not JSON: {Plain(syntax.Message)}";
        }

        using (document)
        {
            try
            {
                return line + (Find(document.RootElement, type, "") ?? Unexplained(e, document.RootElement));
            }
            catch (InvalidOperationException)
            {
                // A key with half of a surrogate pair, which is no text.
                return line + Unexplained(e, document.RootElement);
            }
        }
    }

    /// <summary>The first value that does not fit, or null.</summary>
    private static string? Find(JsonElement element, JsonTypeInfo type, string path)
    {
        if (element.ValueKind == JsonValueKind.Null && (Nullable.GetUnderlyingType(type.Type) is not null || !type.Type.IsValueType))
        {
            // Whether a reference may be null is its owner's to say.
            return null;
        }

        switch (type.Kind)
        {
            case JsonTypeInfoKind.Object when element.ValueKind == JsonValueKind.Object:
                return InObject(element, type, path);
            case JsonTypeInfoKind.Enumerable when element.ValueKind == JsonValueKind.Array:
                return element.EnumerateArray().Index().Select(i => Find(i.Item, type.Options.GetTypeInfo(type.ElementType!), string.Create(CultureInfo.InvariantCulture, $"{path}[{i.Index}]"))).FirstOrDefault(c => c is not null);
            case JsonTypeInfoKind.Dictionary when element.ValueKind == JsonValueKind.Object:
                return element.EnumerateObject().Select(p => Find(p.Value, type.Options.GetTypeInfo(type.ElementType!), Below(path, p.Name))).FirstOrDefault(c => c is not null);
            default:
                return Reads(element, type) ? null : Complain(path, Expected(type, element), Found(element));
        }
    }

    private static string? InObject(JsonElement element, JsonTypeInfo type, string path)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var member in element.EnumerateObject())
        {
            var at = Below(path, member.Name);
            var property = type.Properties.FirstOrDefault(p => p.Name == member.Name);
            if (property is null)
            {
                return $"unknown key '{Shown(at)}'{Suggestion.For(member.Name, Keys(type))}";
            }

            if (!seen.Add(member.Name))
            {
                return $"key '{Shown(at)}' twice";
            }

            if (property.Set is null && property.AssociatedParameter is null)
            {
                continue;
            }

            var inner = type.Options.GetTypeInfo(property.PropertyType);
            if (member.Value.ValueKind == JsonValueKind.Null && !MayBeNull(property))
            {
                return Complain(at, Expected(inner, member.Value), "null");
            }

            if (property.CustomConverter is null && Find(member.Value, inner, at) is { } complaint)
            {
                return complaint;
            }
        }

        return type.Properties.FirstOrDefault(p => p.IsRequired && !seen.Contains(p.Name)) is { } missing
            ? Complain(Below(path, missing.Name), Expected(type.Options.GetTypeInfo(missing.PropertyType), default), "nothing")
            : null;
    }

    private static bool MayBeNull(JsonPropertyInfo property)
        => property.PropertyType.IsValueType ? Nullable.GetUnderlyingType(property.PropertyType) is not null : property.AssociatedParameter?.IsNullable ?? property.IsSetNullable;

    private static IEnumerable<string> Keys(JsonTypeInfo type) => type.Properties.Where(p => p.Set is not null || p.AssociatedParameter is not null).Select(p => p.Name);

    /// <summary>Whether the reader takes a value that it does not look into by keys.</summary>
    private static bool Reads(JsonElement element, JsonTypeInfo type)
    {
        try
        {
            element.Deserialize(type);
            return true;
        }
        catch (Exception e) when (e is JsonException or NotSupportedException or FormatException or ArgumentException)
        {
            return false;
        }
    }

    /// <summary>What fits, in the words of the file's author.</summary>
    private static string Expected(JsonTypeInfo type, JsonElement found)
    {
        var of = Nullable.GetUnderlyingType(type.Type) ?? type.Type;
        if (of.IsEnum)
        {
            return AnyOf(EnumNames.Of(of));
        }

        switch (Type.GetTypeCode(of))
        {
            case TypeCode.Boolean:
                return "true or false";
            case TypeCode.String:
                return "a text in quotes";
            case TypeCode.Double or TypeCode.Single or TypeCode.Decimal:
                return "a number such as 1.5 (decimal point)";
            case TypeCode.Int32:
                return Whole(int.MinValue, int.MaxValue);
            case TypeCode.Int64:
                return Whole(long.MinValue, long.MaxValue);
            case TypeCode.UInt64:
                return Whole(ulong.MinValue, ulong.MaxValue);
            case TypeCode.Byte or TypeCode.SByte or TypeCode.Int16 or TypeCode.UInt16 or TypeCode.UInt32:
                return "a whole number";
            default:
                break;
        }

        if (type.Kind == JsonTypeInfoKind.Enumerable)
        {
            return $"a list of {Several(type.Options.GetTypeInfo(type.ElementType!))}";
        }

        var keys = type.Kind == JsonTypeInfoKind.Object ? Keys(type).ToArray() : [];
        return keys.Length switch
        {
            0 => "an object",
            <= MostKeys => $"an object of {string.Join(", ", keys)}",
            _ => $"an object of {string.Join(", ", keys.Take(MostKeys))}, ...",
        };

        // A number that is whole is out of the range; what that is says nothing to who wrote another thing.
        string Whole<T>(T low, T high) => found.ValueKind == JsonValueKind.Number && !found.GetRawText().AsSpan().ContainsAny(".eE") ? string.Create(CultureInfo.InvariantCulture, $"{low} to {high}") : "a whole number";
    }

    private static string Several(JsonTypeInfo type)
    {
        var of = Nullable.GetUnderlyingType(type.Type) ?? type.Type;
        return of.IsEnum ? AnyOf(EnumNames.Of(of)) : Type.GetTypeCode(of) switch
        {
            TypeCode.String => "texts in quotes",
            TypeCode.Double or TypeCode.Single or TypeCode.Decimal => "numbers",
            TypeCode.Boolean => "true or false",
            TypeCode.Int32 or TypeCode.Int64 or TypeCode.UInt64 or TypeCode.Byte or TypeCode.SByte or TypeCode.Int16 or TypeCode.UInt16 or TypeCode.UInt32 => "whole numbers",
            _ => type.Kind == JsonTypeInfoKind.Enumerable ? "lists" : "objects",
        };
    }

    private static string AnyOf(string[] names) => names.Length < 2 ? string.Concat(names) : $"{string.Join(", ", names[..^1])} or {names[^1]}";

    private static string Found(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => Text(element),
        _ => Shown(element.GetRawText()),
    };

    private static string Text(JsonElement element)
    {
        try
        {
            return $"\"{Shown(element.GetString()!)}\"";
        }
        catch (InvalidOperationException)
        {
            return element.GetRawText();
        }
    }

    /// <summary>What the file says, not longer than can be read, its control characters spelt out.</summary>
    private static string Shown(string text) => JsonEncodedText.Encode(text.Length <= ShownLetters ? text : $"{text[..ShownLetters]}...", JavaScriptEncoder.UnsafeRelaxedJsonEscaping).Value;

    private static string Complain(string path, string expected, string found) => path.Length == 0 ? $"expected {expected}, found {found}" : $"'{Shown(path)}': expected {expected}, found {found}";

    private static string Below(string path, string key) => path.Length == 0 ? key : $"{path}.{key}";

    /// <summary>Where a converter of its own refused something.</summary>
    private static string Unexplained(JsonException e, JsonElement root)
    {
        var path = e.Path is { Length: > 2 } p ? p[2..] : "";
        return path.Length == 0 ? $"expected another value, found {Found(root)}" : $"'{Shown(path)}': expected another value";
    }

    /// <summary>A message about the text as such, without what only programmers need.</summary>
    private static string Plain(string message)
    {
        var end = message.IndexOf(" LineNumber: ", StringComparison.Ordinal);
        return (end > 0 ? message[..end] : message).ReplaceLineEndings(" ").Replace(", when isFinalBlock is true", "", StringComparison.Ordinal).TrimEnd('.');
    }
}
