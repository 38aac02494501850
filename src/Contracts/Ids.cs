using System.Text.Json;
using System.Text.Json.Serialization;

namespace MimicD.Contracts;

/// <summary>Index of an agent within its episode, from 0 to N-1. The N-th body of the scenario file is agent N-1. A plain number in JSON, as all ids.</summary>
/// <param name="Value">The index; never negative.</param>
[JsonConverter(typeof(AgentIdConverter))]
public readonly record struct AgentId(int Value)
{
    /// <inheritdoc/>
    public override string ToString() => $"agent {Value}";
}

/// <summary>Index of an episode within a run, from 0 to E-1. Episodes of one run advance side by side and never meet.</summary>
/// <param name="Value">The index; never negative.</param>
[JsonConverter(typeof(EpisodeIdConverter))]
public readonly record struct EpisodeId(int Value)
{
    /// <inheritdoc/>
    public override string ToString() => $"episode {Value}";
}

/// <summary>A step of simulated or real time. Tick 0 is the start state; the action answered at tick t moves the world to t+1.</summary>
/// <param name="Value">Steps since the start; never negative.</param>
[JsonConverter(typeof(TickConverter))]
public readonly record struct Tick(int Value)
{
    /// <summary>The tick after this one.</summary>
    public Tick Next => new(Value + 1);

    /// <inheritdoc/>
    public override string ToString() => $"tick {Value}";
}

/// <summary>Reads and writes an id as a plain number, 0 or more.</summary>
/// <typeparam name="T">The id.</typeparam>
public abstract class IdConverter<T> : JsonConverter<T>
    where T : struct
{
    /// <inheritdoc/>
    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        => reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out var value) && value >= 0 ? Make(value) : throw new JsonException();

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteNumberValue(Number(value));
    }

    /// <summary>The id of a number.</summary>
    protected abstract T Make(int value);

    /// <summary>The number of an id.</summary>
    protected abstract int Number(T id);
}

/// <summary>Reads and writes <see cref="AgentId"/>.</summary>
public sealed class AgentIdConverter : IdConverter<AgentId>
{
    /// <inheritdoc/>
    protected override AgentId Make(int value) => new(value);

    /// <inheritdoc/>
    protected override int Number(AgentId id) => id.Value;
}

/// <summary>Reads and writes <see cref="EpisodeId"/>.</summary>
public sealed class EpisodeIdConverter : IdConverter<EpisodeId>
{
    /// <inheritdoc/>
    protected override EpisodeId Make(int value) => new(value);

    /// <inheritdoc/>
    protected override int Number(EpisodeId id) => id.Value;
}

/// <summary>Reads and writes <see cref="Tick"/>.</summary>
public sealed class TickConverter : IdConverter<Tick>
{
    /// <inheritdoc/>
    protected override Tick Make(int value) => new(value);

    /// <inheritdoc/>
    protected override int Number(Tick id) => id.Value;
}
