using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace MimicD.Contracts;

/// <summary>Reads enums that are written by name, by name alone: a number, also one in quotes, would take whatever value happens to stand in that place.</summary>
public sealed class EnumNames : JsonConverterFactory
{
    private static readonly JsonStringEnumConverter NamesAlone = new(namingPolicy: null, allowIntegerValues: false);

    /// <summary>The names of an enum's values, as files spell them.</summary>
    /// <param name="type">The enum.</param>
    public static string[] Of(Type type)
    {
        ArgumentNullException.ThrowIfNull(type);
        return [.. type.GetFields(BindingFlags.Public | BindingFlags.Static).Select(f => f.GetCustomAttribute<JsonStringEnumMemberNameAttribute>()?.Name ?? f.Name)];
    }

    /// <summary>The name of a value, as files spell it.</summary>
    /// <param name="value">The value.</param>
    public static string Of<T>(T value)
        where T : struct, Enum
        => typeof(T).GetField(value.ToString())?.GetCustomAttribute<JsonStringEnumMemberNameAttribute>()?.Name ?? value.ToString();

    /// <inheritdoc/>
    public override bool CanConvert(Type typeToConvert)
    {
        ArgumentNullException.ThrowIfNull(typeToConvert);
        return typeToConvert.IsEnum && typeToConvert.GetCustomAttribute<JsonConverterAttribute>(inherit: false) is not null;
    }

    /// <inheritdoc/>
    public override JsonConverter CreateConverter(Type typeToConvert, JsonSerializerOptions options) => NamesAlone.CreateConverter(typeToConvert, options);
}
