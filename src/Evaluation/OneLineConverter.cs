using System.Text.Json;
using System.Text.Json.Serialization;
using MimicD.Contracts;

namespace MimicD.Evaluation;

/// <summary>Writes a long array on one line of an otherwise indented file.</summary>
/// <typeparam name="T">An array, or arrays of arrays, of numbers.</typeparam>
public sealed class OneLineConverter<T> : JsonConverter<T>
{
    /// <inheritdoc/>
    public override T? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => JsonSerializer.Deserialize<T>(ref reader, options);

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteRawValue(StrictJson.Format(value, indented: false));
    }
}
