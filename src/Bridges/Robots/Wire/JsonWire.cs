using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace MimicD.Bridges.Robots.Wire;

/// <summary>
/// Payloads as JSON. Reading is strict: one object, exactly the keys of its kind, each once, whole numbers from 0 to <see cref="WireContract.MaxInteger"/>, no comments. Nothing is thrown at whoever feeds it nonsense.
/// A number too large for float32 is read as infinity, for the guards to refuse.
/// </summary>
public static class JsonWire
{
    private static readonly JsonReaderOptions Strict = new() { MaxDepth = 4 };

    /// <summary>How presence and reports are read and written.</summary>
    internal static readonly JsonSerializerOptions Rare = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        AllowDuplicateProperties = false,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        MaxDepth = 8,

        // Kinds go by their names; a number would be read as whichever kind has that place.
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
    };

    // More rules than there are.
    private const int MostRules = 64;

    [ThreadStatic]
    private static Utf8JsonWriter? _writer;

    [ThreadStatic]
    private static ArrayBufferWriter<byte>? _buffer;

    // The keys of observations and commands, and what holds each: the order is that in which they are written.
    private enum Key
    {
        V,
        Run,
        Robot,
        Session,
        Seq,
        T,
        Armed,
        Values,
        Term,
        Ack,
        ObsT,
        TtlMs,
        Arm,
        Action,
    }

    private const int ObservationKeys = 1 << (int)Key.V | 1 << (int)Key.Run | 1 << (int)Key.Robot | 1 << (int)Key.Session | 1 << (int)Key.Seq | 1 << (int)Key.T | 1 << (int)Key.Armed | 1 << (int)Key.Values;
    private const int CommandKeys = 1 << (int)Key.V | 1 << (int)Key.Run | 1 << (int)Key.Robot | 1 << (int)Key.Session | 1 << (int)Key.Term | 1 << (int)Key.Seq | 1 << (int)Key.Ack | 1 << (int)Key.ObsT | 1 << (int)Key.TtlMs | 1 << (int)Key.Action;
    private const int OptionalKeys = 1 << (int)Key.Arm;

    /// <summary>Reads an observation.</summary>
    /// <returns><see cref="Refusal.None"/>, <see cref="Refusal.Parse"/> or <see cref="Refusal.Version"/>.</returns>
    public static Refusal Read(ReadOnlySpan<byte> payload, out ObservationEnvelope? observation)
    {
        var refusal = Read(payload, ObservationKeys, 0, out var f);
        observation = refusal != Refusal.None ? null : new ObservationEnvelope(f.Run!, f.Robot!, f.Session!, f.Sequence, f.Time, f.Flag, f.Numbers!);
        return refusal;
    }

    /// <summary>Reads a command.</summary>
    /// <returns><see cref="Refusal.None"/>, <see cref="Refusal.Parse"/> or <see cref="Refusal.Version"/>.</returns>
    public static Refusal Read(ReadOnlySpan<byte> payload, out CommandEnvelope? command)
    {
        var refusal = Read(payload, CommandKeys, OptionalKeys, out var f);
        command = refusal != Refusal.None ? null : new CommandEnvelope(f.Run!, f.Robot!, f.Session!, f.Term, f.Sequence, f.Acknowledged, f.Time, f.TimeToLive, f.Flag, f.Numbers!);
        return refusal;
    }

    /// <summary>Writes an observation.</summary>
    public static byte[] Write(ObservationEnvelope observation)
    {
        ArgumentNullException.ThrowIfNull(observation);
        var writer = Begin(observation.Run, observation.Robot, observation.Session);
        writer.WriteNumber("seq", observation.Sequence);
        writer.WriteNumber("t", observation.Time);
        writer.WriteBoolean("armed", observation.Armed);
        return End(writer, "values", observation.Values);
    }

    /// <summary>Writes a command.</summary>
    public static byte[] Write(CommandEnvelope command)
    {
        ArgumentNullException.ThrowIfNull(command);
        var writer = Begin(command.Run, command.Robot, command.Session);
        writer.WriteNumber("term", command.Term);
        writer.WriteNumber("seq", command.Sequence);
        writer.WriteNumber("ack", command.Acknowledged);
        writer.WriteNumber("obsT", command.ObservationTime);
        writer.WriteNumber("ttlMs", command.TimeToLive);
        writer.WriteBoolean("arm", command.Arm);
        return End(writer, "action", command.Action);
    }

    /// <summary>Reads what a robot says of itself.</summary>
    /// <returns><see cref="Refusal.None"/>, <see cref="Refusal.Size"/>, <see cref="Refusal.Parse"/> or <see cref="Refusal.Version"/>.</returns>
    public static Refusal Read(ReadOnlySpan<byte> payload, out PresenceEnvelope? presence)
    {
        var refusal = ReadRare(payload, out presence);
        if (refusal != Refusal.None || presence is null)
        {
            return refusal;
        }

        if (presence.V != WireContract.Version)
        {
            return Refusal.Version;
        }

        try
        {
            presence.Capabilities?.Validate("presence");
        }
        catch (Contracts.InvalidInputException)
        {
            return Refusal.Range;
        }

        return WireContract.IsSession(presence.Session) && presence.Online == presence.Capabilities is not null ? Refusal.None : Refusal.Parse;
    }

    /// <summary>Reads a robot's counts.</summary>
    /// <returns><see cref="Refusal.None"/>, <see cref="Refusal.Size"/>, <see cref="Refusal.Parse"/> or <see cref="Refusal.Version"/>.</returns>
    public static Refusal Read(ReadOnlySpan<byte> payload, out ReportEnvelope? report)
    {
        var refusal = ReadRare(payload, out report);
        return refusal != Refusal.None ? refusal
            : report!.V != WireContract.Version ? Refusal.Version
            : RobotTopics.IsName(report.Run) && RobotTopics.IsName(report.Robot) && WireContract.IsSession(report.Session)
                && IsWhole(report.T) && IsWhole(report.Term) && IsWhole(report.Received) && IsWhole(report.Acted) && IsWhole(report.Stops)
                && report.Refused.Count <= MostRules && report.Refused.All(r => RobotTopics.IsName(r.Key) && IsWhole(r.Value)) ? Refusal.None
            : Refusal.Parse;
    }

    /// <summary>Writes what a robot says of itself.</summary>
    public static byte[] Write(PresenceEnvelope presence) => JsonSerializer.SerializeToUtf8Bytes(presence, Rare);

    /// <summary>Writes a robot's counts.</summary>
    public static byte[] Write(ReportEnvelope report) => JsonSerializer.SerializeToUtf8Bytes(report, Rare);

    private static Refusal ReadRare<T>(ReadOnlySpan<byte> payload, out T? value)
        where T : class
    {
        value = null;
        if (payload.Length > WireContract.MaxPresence)
        {
            return Refusal.Size;
        }

        try
        {
            value = JsonSerializer.Deserialize<T>(payload, Rare);
            return value is null ? Refusal.Parse : Refusal.None;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            return Refusal.Parse;
        }
    }

    private static Utf8JsonWriter Begin(string run, string robot, string session)
    {
        _buffer ??= new ArrayBufferWriter<byte>(1024);
        _buffer.ResetWrittenCount();
        _writer ??= new Utf8JsonWriter(_buffer);
        _writer.Reset(_buffer);
        _writer.WriteStartObject();
        _writer.WriteNumber("v", WireContract.Version);
        _writer.WriteString("run", run);
        _writer.WriteString("robot", robot);
        _writer.WriteString("session", session);
        return _writer;
    }

    private static byte[] End(Utf8JsonWriter writer, string key, float[] numbers)
    {
        writer.WriteStartArray(key);
        foreach (var x in numbers)
        {
            // The shortest text that reads back as the same float32.
            writer.WriteNumberValue(x);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
        writer.Flush();
        return _buffer!.WrittenSpan.ToArray();
    }

    private static Refusal Read(ReadOnlySpan<byte> payload, int required, int optional, out Fields fields)
    {
        fields = default;
        var reader = new Utf8JsonReader(payload, Strict);
        var seen = 0;
        var fits = true;
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                return Refusal.Parse;
            }

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var key = KeyOf(ref reader);
                reader.Read();
                if (key is not { } known || ((required | optional) >> (int)known & 1) == 0)
                {
                    fits = false;
                    reader.Skip();
                    continue;
                }

                fits &= (seen >> (int)known & 1) == 0;
                seen |= 1 << (int)known;
                fits &= Take(ref reader, known, ref fields);
            }

            // Whatever follows the object is no part of one JSON value.
            if (reader.TokenType != JsonTokenType.EndObject || reader.Read())
            {
                return Refusal.Parse;
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second: text that is not UTF-8.
            return Refusal.Parse;
        }

        // Another version may have other keys, so it is looked at first.
        if ((seen & 1 << (int)Key.V) != 0 && fields.Version is { } version && version != WireContract.Version)
        {
            return Refusal.Version;
        }

        return fits && (seen & required) == required ? Refusal.None : Refusal.Parse;
    }

    private static Key? KeyOf(ref Utf8JsonReader reader)
    {
        return reader.GetString() switch
        {
            "v" => Key.V,
            "run" => Key.Run,
            "robot" => Key.Robot,
            "session" => Key.Session,
            "seq" => Key.Seq,
            "t" => Key.T,
            "armed" => Key.Armed,
            "values" => Key.Values,
            "term" => Key.Term,
            "ack" => Key.Ack,
            "obsT" => Key.ObsT,
            "ttlMs" => Key.TtlMs,
            "arm" => Key.Arm,
            "action" => Key.Action,
            _ => null,
        };
    }

    /// <summary>Takes a key's value; what has another type is passed over and does not fit.</summary>
    private static bool Take(ref Utf8JsonReader reader, Key key, ref Fields fields)
    {
        switch (key)
        {
            case Key.V:
                fields.Version = reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var version) ? version : null;
                reader.Skip();
                return fields.Version is not null;
            case Key.Run:
                return Text(ref reader, out fields.Run);
            case Key.Robot:
                return Text(ref reader, out fields.Robot);
            case Key.Session:
                return Text(ref reader, out fields.Session);
            case Key.Seq:
                return Whole(ref reader, out fields.Sequence);
            case Key.T or Key.ObsT:
                return Whole(ref reader, out fields.Time);
            case Key.Term:
                return Whole(ref reader, out fields.Term);
            case Key.Ack:
                return Whole(ref reader, out fields.Acknowledged);
            case Key.TtlMs:
                return Whole(ref reader, out fields.TimeToLive);
            case Key.Armed or Key.Arm:
                fields.Flag = reader.TokenType == JsonTokenType.True;
                var flag = reader.TokenType is JsonTokenType.True or JsonTokenType.False;
                reader.Skip();
                return flag;
            default:
                return Numbers(ref reader, out fields.Numbers);
        }
    }

    private static bool Text(ref Utf8JsonReader reader, out string? text)
    {
        text = reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
        reader.Skip();
        return text is not null;
    }

    private static bool Whole(ref Utf8JsonReader reader, out long value)
    {
        value = 0;
        var fits = reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out value) && IsWhole(value);
        reader.Skip();
        return fits;
    }

    private static bool IsWhole(long value) => value is >= 0 and <= WireContract.MaxInteger;

    private static bool Numbers(ref Utf8JsonReader reader, out float[]? numbers)
    {
        numbers = null;
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            reader.Skip();
            return false;
        }

        Span<float> room = stackalloc float[64];
        float[]? more = null;
        var (count, fits) = (0, true);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number)
            {
                fits = false;
                reader.Skip();
                continue;
            }

            if (count == room.Length)
            {
                var larger = new float[2 * count];
                room.CopyTo(larger);
                room = more = larger;
            }

            room[count++] = reader.TryGetSingle(out var x) ? x : float.NaN;
        }

        numbers = room[..count].ToArray();
        return fits;
    }

    private struct Fields
    {
        public long? Version;
        public string? Run;
        public string? Robot;
        public string? Session;
        public long Sequence;
        public long Time;
        public long Term;
        public long Acknowledged;
        public long TimeToLive;
        public bool Flag;
        public float[]? Numbers;
    }
}
