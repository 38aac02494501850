using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using MimicD.Bridges.Mqtt;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.Bridges.Robots;

/// <summary>What a recorded run of robots follows from, besides what came in.</summary>
public sealed record RobotRecordingHeader
{
    /// <summary>The format that is written.</summary>
    public const int CurrentFormat = 1;

    /// <summary>Format of the file.</summary>
    public int Format { get; init; } = CurrentFormat;

    /// <summary>The scenario.</summary>
    public required Scenario Scenario { get; init; }

    /// <summary>The layout of each agent's observations.</summary>
    public required SensorSpec[] Sensors { get; init; }

    /// <summary>Seed, run, term and the like.</summary>
    public required RobotWorldOptions Options { get; init; }

    /// <summary>How agents sample, where they sample alike.</summary>
    public required SamplingSpec Sampling { get; init; }

    /// <summary>Periods by which agents look ahead.</summary>
    public int Ahead { get; init; }

    /// <summary>SHA-256 of the model's file, or null.</summary>
    public string? Model { get; init; }

    /// <summary>The scripted policy, or null.</summary>
    public string? Policy { get; init; }
}

/// <summary>What a line of a recording tells of.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<RobotEventKind>))]
public enum RobotEventKind
{
    /// <summary>A message came.</summary>
    [JsonStringEnumMemberName("message")]
    Message,

    /// <summary>An agent answered.</summary>
    [JsonStringEnumMemberName("action")]
    Action,

    /// <summary>A period of the world was over.</summary>
    [JsonStringEnumMemberName("tick")]
    Tick,

    /// <summary>An operator armed a robot.</summary>
    [JsonStringEnumMemberName("rearm")]
    Rearm,

    /// <summary>An observation went to an agent.</summary>
    [JsonStringEnumMemberName("observation")]
    Observation,

    /// <summary>A command was published.</summary>
    [JsonStringEnumMemberName("command")]
    Command,

    /// <summary>The run was over.</summary>
    [JsonStringEnumMemberName("end")]
    End,
}

/// <summary>One line of a recording: an input with its time, or what came of the input before it.</summary>
public sealed record RobotEvent(RobotEventKind Event)
{
    /// <summary>The bridge's clock [us].</summary>
    public long At { get; init; }

    /// <summary>Topic of a message or command; name of a robot that was armed.</summary>
    public string? Topic { get; init; }

    /// <summary>Content type of a message or command.</summary>
    public string? Type { get; init; }

    /// <summary>Whether the broker had kept a message; whether the connection took a command.</summary>
    public bool Flag { get; init; }

    /// <summary>Episode of an observation or action.</summary>
    public int Episode { get; init; }

    /// <summary>Its agent.</summary>
    public int Agent { get; init; }

    /// <summary>Its tick.</summary>
    public int Tick { get; init; }

    /// <summary>Whether an action was decided.</summary>
    public ActionStatus Status { get; init; }

    /// <summary>A payload, or float32 numbers, little-endian.</summary>
    public byte[]? Data { get; init; }
}

/// <summary>Hash over all that agents were shown and decided, in order: the decision log's.</summary>
public sealed class DecisionHash : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _head = new byte[4 * sizeof(int)];

    /// <summary>Decisions in it.</summary>
    public long Count { get; private set; }

    /// <summary>Adds an observation that an agent was shown.</summary>
    public void Add(in Observation observation) => Add(0, observation.Episode, observation.Agent, observation.Tick, observation.Features.Span);

    /// <summary>Adds an agent's decision.</summary>
    public void Add(in AgentAction action)
    {
        Add(1 + (int)action.Status, action.Episode, action.Agent, action.Tick, action.Values.Span);
        Count++;
    }

    /// <summary>SHA-256 so far, hexadecimal.</summary>
    public string Value => Convert.ToHexStringLower(_hash.GetCurrentHash());

    /// <inheritdoc/>
    public void Dispose() => _hash.Dispose();

    private void Add(int kind, EpisodeId episode, AgentId agent, Tick tick, ReadOnlySpan<float> values)
    {
        BinaryPrimitives.WriteInt32LittleEndian(_head, kind);
        BinaryPrimitives.WriteInt32LittleEndian(_head.AsSpan(4), episode.Value);
        BinaryPrimitives.WriteInt32LittleEndian(_head.AsSpan(8), agent.Value);
        BinaryPrimitives.WriteInt32LittleEndian(_head.AsSpan(12), tick.Value);
        _hash.AppendData(_head);
        _hash.AppendData(MemoryMarshal.AsBytes(values));
    }
}

/// <summary>
/// Writes down all that goes into a <see cref="RobotWorld"/> and all that comes out, one JSON object a line, the header first. A file of a run that was killed holds it up to there.
/// </summary>
public sealed class RobotRecording : IDisposable
{
    /// <summary>How lines after the first are written: what is 0 or absent takes no room.</summary>
    internal static readonly JsonSerializerOptions Lines = new(StrictJson.Compact) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault };

    private readonly FileStream _file;

    /// <summary>Begins a file; one that is there is replaced.</summary>
    /// <param name="path">The file.</param>
    /// <param name="header">What the run follows from.</param>
    /// <exception cref="InvalidInputException">It cannot be written.</exception>
    public RobotRecording(string path, RobotRecordingHeader header)
    {
        try
        {
            _file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, 1 << 16);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{path}: cannot be written: {e.Message}", e);
        }

        Line(header, StrictJson.Compact);
    }

    /// <summary>Hash of the decisions so far.</summary>
    public DecisionHash Decisions { get; } = new();

    /// <summary>A message came.</summary>
    public void Message(in MqttMessage message, long at)
        => Line(new RobotEvent(RobotEventKind.Message) { At = at, Topic = message.Topic, Type = message.ContentType, Flag = message.Retained, Data = message.Payload.ToArray() });

    /// <summary>An agent answered.</summary>
    public void Action(in AgentAction action, long at)
    {
        Decisions.Add(action);
        Line(new RobotEvent(RobotEventKind.Action) { At = at, Episode = action.Episode.Value, Agent = action.Agent.Value, Tick = action.Tick.Value, Status = action.Status, Data = MemoryMarshal.AsBytes(action.Values.Span).ToArray() });
    }

    /// <summary>A period of the world was over.</summary>
    public void Tick(long at)
    {
        Line(new RobotEvent(RobotEventKind.Tick) { At = at });
        _file.Flush();
    }

    /// <summary>An operator armed a robot.</summary>
    public void Rearm(string robot, long at) => Line(new RobotEvent(RobotEventKind.Rearm) { At = at, Topic = robot });

    /// <summary>An observation goes to an agent.</summary>
    public void Observation(in Observation observation)
    {
        Decisions.Add(observation);
        Line(new RobotEvent(RobotEventKind.Observation) { Episode = observation.Episode.Value, Agent = observation.Agent.Value, Tick = observation.Tick.Value, Data = MemoryMarshal.AsBytes(observation.Features.Span).ToArray() });
    }

    /// <summary>A command was published.</summary>
    public void Command(in MqttMessage message, bool taken)
        => Line(new RobotEvent(RobotEventKind.Command) { Topic = message.Topic, Type = message.ContentType, Flag = taken, Data = message.Payload.ToArray() });

    /// <summary>The run is over.</summary>
    public void End()
    {
        Line(new RobotEvent(RobotEventKind.End) { Topic = Decisions.Value });
        _file.Flush();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _file.Dispose();
        Decisions.Dispose();
    }

    private void Line(RobotEvent value) => Line(value, Lines);

    private void Line<T>(T value, JsonSerializerOptions options)
    {
        JsonSerializer.Serialize(_file, value, options);
        _file.WriteByte((byte)'\n');
    }
}
