using System.Text.Json;
using System.Text.Json.Nodes;

namespace MimicD.Contracts;

/// <summary>One value of a JSON file that is changed before the file is read: a dotted key, as in <c>sensing.noise</c>, and what to put there.</summary>
/// <param name="Key">The path to the value, its parts separated by dots.</param>
/// <param name="Value">The new value; null puts a JSON null.</param>
/// <param name="Where">Who asked for it, for messages: <c>--set sensing.noise=0.1</c>.</param>
public sealed record JsonChange(string Key, JsonNode? Value, string Where)
{
    private static readonly JsonDocumentOptions Lenient = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    // A key that is there twice would be noticed only by who looks at the object.
    private static readonly JsonDocumentOptions Once = new() { AllowDuplicateProperties = false };

    /// <summary>Reads <c>KEY=VALUE</c>; the value is JSON, or else a bare word, which is a string: <c>model.network.kind=mlp</c>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="option">The option that it was given to.</param>
    /// <exception cref="InvalidInputException">It has no key or no equals sign.</exception>
    public static JsonChange Parse(string text, string option)
    {
        ArgumentNullException.ThrowIfNull(text);
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        InvalidInputException.Require(equals > 0, option, "", "KEY=VALUE", text);
        JsonNode? value;
        try
        {
            value = JsonNode.Parse(text[(equals + 1)..], documentOptions: Once);
        }
        catch (JsonException)
        {
            value = JsonValue.Create(text[(equals + 1)..]);
        }

        return new JsonChange(text[..equals], value, $"{option} {text}");
    }

    /// <summary>
    /// Reads a value from text with changes. The text is read once as it stands and once after each change, so that an error in the file is told from an error in a change.
    /// </summary>
    /// <param name="text">JSON with comments.</param>
    /// <param name="where">The file it came from, for the message.</param>
    /// <param name="changes">Made in this order.</param>
    /// <returns>The value, and the file or the change to blame when the value turns out to be out of range.</returns>
    /// <exception cref="InvalidInputException">The file or a change is not acceptable.</exception>
    public static (T Value, string Where) Read<T>(string text, string where, IEnumerable<JsonChange> changes)
    {
        ArgumentNullException.ThrowIfNull(changes);
        var value = StrictJson.Parse<T>(text, where);
        JsonNode? root = null;
        foreach (var change in changes)
        {
            root ??= Tree(text);
            change.Apply(root);
            where = change.Where;
            value = StrictJson.ParseTree<T>(root, where);
        }

        return (value, where);
    }

    /// <summary>Checks a value that was changed; what is refused is blamed on the change that it is about, and not on the last one.</summary>
    /// <param name="changes">Those that were made.</param>
    /// <param name="where">Whom to blame where none is found: what <see cref="Read{T}"/> returned.</param>
    /// <param name="check">Refuses with messages that begin with what it is given.</param>
    /// <exception cref="InvalidInputException">The check refuses.</exception>
    public static void Check(IEnumerable<JsonChange> changes, string where, Action<string> check)
    {
        ArgumentNullException.ThrowIfNull(changes);
        ArgumentNullException.ThrowIfNull(check);
        try
        {
            check(where);
        }
        catch (InvalidInputException e) when (e.Message.StartsWith($"{where}: ", StringComparison.Ordinal))
        {
            var (complaint, made) = (e.Message[where.Length..], changes.ToArray());
            var field = complaint[2..];
            // The change of the very field, or of what it is in; one that the message speaks of; one of the same part of the file.
            var guilty = Array.FindLast(made, c => field.StartsWith(c.Key, StringComparison.Ordinal) && field[c.Key.Length..] is [':' or '.' or '[', ..])
                ?? Array.FindLast(made, c => field.Contains(c.Key, StringComparison.Ordinal))
                ?? Array.FindLast(made, c => field.StartsWith(c.Key.Split('.')[0] + ".", StringComparison.Ordinal));
            if (guilty is null || guilty.Where == where)
            {
                throw;
            }

            throw new InvalidInputException(guilty.Where + complaint, e);
        }
    }

    /// <summary>The tree of a text that <see cref="StrictJson"/> has accepted.</summary>
    public static JsonNode Tree(string text) => JsonNode.Parse(text, documentOptions: Lenient)!;

    /// <summary>Puts the value into a document; objects that are missing on the way are made.</summary>
    /// <exception cref="InvalidInputException">There is a value on the way that is no object.</exception>
    public void Apply(JsonNode root)
    {
        var keys = Key.Split('.');
        var at = root;
        foreach (var key in keys[..^1])
        {
            at = at is JsonObject o ? o[key] ?? (o[key] = new JsonObject()) : throw NoObject(key);
        }

        (at as JsonObject ?? throw NoObject(keys[^1]))[keys[^1]] = Value?.DeepClone();

        InvalidInputException NoObject(string key) => InvalidInputException.Create(Where, key, "an object around it", "a value");
    }
}
