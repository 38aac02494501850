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

    /// <summary>Whether an action was decided: its number.</summary>
    [JsonConverter(typeof(JsonNumberEnumConverter<ActionStatus>))]
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
    internal static readonly JsonSerializerOptions Lines = new(StrictJson.Compact)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault,
        Converters = { new JsonStringEnumConverter<RobotEventKind>(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
    };

    // How every recording begins.
    private static readonly byte[] Opening = [.. "{\"format\":"u8];

    private readonly FileStream _file;

    /// <summary>Begins a file. One that is there is left alone, but for a recording that is to be replaced, and for a device or a pipe.</summary>
    /// <param name="path">The file.</param>
    /// <param name="header">What the run follows from.</param>
    /// <param name="overwrite">Whether a recording that is there is replaced.</param>
    /// <exception cref="InvalidInputException">There is a recording and it is not to be replaced, or something that is none, or one that is being written; or it cannot be written.</exception>
    public RobotRecording(string path, RobotRecordingHeader header, bool overwrite = false)
    {
        try
        {
            _file = Open(path, overwrite);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{path}: cannot be written: {e.Message}", e);
        }

        Line(header, StrictJson.Compact);
    }

    /// <summary>Why the recording ends before the run does, or null: what is missing could not be written.</summary>
    public string? Failure { get; private set; }

    /// <summary>Refuses a file that must not be replaced, before any work is done.</summary>
    /// <param name="path">The file.</param>
    /// <param name="overwrite">Whether a recording that is there is replaced.</param>
    /// <param name="where">The option that names it.</param>
    /// <exception cref="InvalidInputException">There is a recording and it is not to be replaced, or something that is none.</exception>
    public static void Require(string path, bool overwrite, string where)
    {
        if (!File.Exists(path))
        {
            return;
        }

        try
        {
            using var there = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            Require(there, overwrite, where, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{where} {path}: cannot be written: {e.Message}", e);
        }
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
        Try(_file.Flush);
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
        Try(_file.Flush);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Try(_file.Dispose);
        Decisions.Dispose();
    }

    private static FileStream Open(string path, bool overwrite)
    {
        const int room = 1 << 16;
        if (!File.Exists(path))
        {
            // Of two that begin at once one makes it, and the other finds it.
            return new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, room);
        }

        // Alone: nothing is taken from one that is being written. To be read too, for a pipe that is opened so waits for nobody.
        var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None, room);
        try
        {
            if (!file.CanSeek)
            {
                file.Dispose();
                return new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, room);
            }

            Require(file, overwrite, path, path);
            if (file.Length > 0)
            {
                file.SetLength(0);
            }

            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Refuses what is in a file, unless it is a recording that is to be replaced. A device or a pipe holds nothing.</summary>
    private static void Require(FileStream file, bool overwrite, string where, string path)
    {
        if (!file.CanSeek || file.Length == 0)
        {
            return;
        }

        var opening = new byte[Opening.Length];
        var read = file.ReadAtLeast(opening, opening.Length, throwOnEndOfStream: false);
        file.Position = 0;
        InvalidInputException.Require(opening.AsSpan(0, read).SequenceEqual(Opening), where, "", "a file that is not there yet", $"{path}, which is no recording, and is not replaced");
        InvalidInputException.Require(overwrite, where, "", "a file that is not there yet, or --overwrite", $"the recording {path}");
    }

    private void Line(RobotEvent value) => Line(value, Lines);

    private void Line<T>(T value, JsonSerializerOptions options)
        => Try(() =>
        {
            JsonSerializer.Serialize(_file, value, options);
            _file.WriteByte((byte)'\n');
        });

    /// <summary>Writes, unless that failed once: robots are steered whether or not there is room for the recording.</summary>
    private void Try(Action write)
    {
        try
        {
            if (Failure is null)
            {
                write();
            }
        }
        catch (IOException e)
        {
            Failure = e.Message;
        }
    }
}
