using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;
using MimicD.World;

namespace MimicD.Bridges.Robots.Wire;

/// <summary>
/// The wire contract as an AsyncAPI 3 document, from the robot's side: made of the table of topics, the fields of both codecs and the types behind presence and reports, so that it says what the code does.
/// </summary>
public static class ContractDocument
{
    private const string Whole = "whole";
    private const string Name = "name";
    private const string Text = "session";
    private const string Flag = "flag";
    private const string Numbers = "numbers";

    /// <summary>Who sends, how sure and how long a message is kept, by kind of topic.</summary>
    private static readonly Topic[] Topics =
    [
        new(TopicKind.Observation, "observation", FromRobot: true, Qos: 0, Retain: false, "What the robot observes, once a period. It never outlives the connection; its agent is shown the newest."),
        new(TopicKind.Command, "command", FromRobot: false, Qos: 0, Retain: false, "What the robot's agent tells it, one for each observation. The robot's guard decides whether it is acted on."),
        new(TopicKind.Presence, "presence", FromRobot: true, Qos: 1, Retain: true, "That the robot is there, in which session, and what it can do: sent first on each connection. As last will, and before it goes, that it is not."),
        new(TopicKind.Report, "report", FromRobot: true, Qos: 0, Retain: false, "The robot's counts since its session began: once a second, and at the period after a refusal or a change of armed."),
    ];

    private static readonly Field[] Head =
    [
        new("v", "one", "Version of the contract."),
        new("run", Name, "The run: two runs on one broker never meet."),
        new("robot", Name, "The robot."),
        new("session", Text, "Drawn by the robot at random at each connection: nothing from before it can act."),
    ];

    private static readonly Field[] Observation =
    [
        .. Head,
        new("seq", Whole, "From 1 in each session, one more each period."),
        new("t", Whole, "The robot's own clock [ms]: any beginning, never set back."),
        new("armed", Flag, "Whether commands move the robot."),
        new("values", Numbers, "The numbers that the robot's capabilities announce: its pose, or a whole frame of its agent's sensor."),
    ];

    private static readonly Field[] Command =
    [
        .. Head,
        new("term", Whole, "Fencing number of the controller: the robot hears the highest that it has seen in the session alone."),
        new("seq", Whole, "Greater than that of any command before, in this session and term."),
        new("ack", Whole, "seq of the observation that this answers."),
        new("obsT", Whole, "t of that observation: its age is the robot's clock now less this, and no common clock is needed."),
        new("ttlMs", Whole, "The command is dead when it is older than this [ms], or than the robot's own ttlMs."),
        new("arm", Flag, "Whether it arms a robot that has stopped, or was never armed. Absent: false.") { IsOptional = true },
        new("action", Numbers, "The action, as the robot's capabilities announce."),
    ];

    /// <summary>The fields of a JSON observation, in the order in which they are written.</summary>
    public static IEnumerable<string> ObservationFields => Observation.Select(f => f.Key);

    /// <summary>The fields of a JSON command, in the order in which they are written.</summary>
    public static IEnumerable<string> CommandFields => Command.Select(f => f.Key);

    /// <summary>Writes the document, as JSON.</summary>
    public static string Write()
    {
        var topics = new RobotTopics(RobotTopics.DefaultPrefix, "RUN");
        var channels = new JsonObject();
        var operations = new JsonObject();
        foreach (var topic in Topics)
        {
            channels[topic.Name] = new JsonObject
            {
                ["address"] = topics.Of("ROBOT", topic.Kind).Replace(RobotTopics.DefaultPrefix, "{prefix}", StringComparison.Ordinal).Replace("RUN", "{run}", StringComparison.Ordinal).Replace("ROBOT", "{robot}", StringComparison.Ordinal),
                ["description"] = topic.Description,
                ["parameters"] = new JsonObject
                {
                    ["prefix"] = new JsonObject { ["description"] = "What comes before the run; levels between slashes.", ["default"] = RobotTopics.DefaultPrefix },
                    ["run"] = new JsonObject { ["description"] = $"The run's name: {NameText}." },
                    ["robot"] = new JsonObject { ["description"] = $"The robot's name: {NameText}." },
                },
                ["messages"] = new JsonObject { [topic.Name] = new JsonObject { ["$ref"] = $"#/components/messages/{topic.Name}" } },
            };
            operations[topic.FromRobot ? $"send{Capital(topic.Name)}" : $"receive{Capital(topic.Name)}"] = new JsonObject
            {
                ["action"] = topic.FromRobot ? "send" : "receive",
                ["channel"] = new JsonObject { ["$ref"] = $"#/channels/{topic.Name}" },
                ["messages"] = new JsonArray(new JsonObject { ["$ref"] = $"#/channels/{topic.Name}/messages/{topic.Name}" }),
                ["bindings"] = new JsonObject { ["mqtt"] = new JsonObject { ["qos"] = topic.Qos, ["retain"] = topic.Retain, ["bindingVersion"] = "0.2.0" } },
            };
        }

        var document = new JsonObject
        {
            ["asyncapi"] = "3.0.0",
            ["info"] = new JsonObject
            {
                ["title"] = "A robot and its agent over MQTT",
                ["version"] = $"{WireContract.Version}.0.0",
                ["description"] = $"What a robot sends and receives so that an agent can steer it. With MQTT 5 observations and commands may instead be flat little-endian float32 frames, of content type {WireContract.FrameType}; a command comes in the encoding of the observation that it answers. "
                    + $"A command that breaks a rule is not acted on, and is counted by the name of the first that it breaks, in this order: {string.Join(", ", Rules)}.",
            },
            ["defaultContentType"] = WireContract.JsonType,
            ["channels"] = channels,
            ["operations"] = operations,
            ["components"] = new JsonObject
            {
                ["messages"] = new JsonObject
                {
                    ["observation"] = Message("An observation", Schema(Observation), JsonWire.Write(ExampleObservation)),
                    ["command"] = Message("A command", Schema(Command), JsonWire.Write(ExampleCommand)),
                    ["presence"] = Message("A presence", Schema<PresenceEnvelope>(), JsonWire.Write(ExamplePresence)),
                    ["report"] = Message("A report", Schema<ReportEnvelope>(), JsonWire.Write(ExampleReport)),
                },
            },
        };
        return document.ToJsonString(Format) + "\n";
    }

    /// <summary>An observation as the document shows it.</summary>
    internal static ObservationEnvelope ExampleObservation { get; } = new("lab1", "r1", "0123456789abcdef", 17, 123_456, Armed: true, [1.5f, 0.25f]);

    /// <summary>A command as the document shows it.</summary>
    internal static CommandEnvelope ExampleCommand { get; } = new("lab1", "r1", "0123456789abcdef", 1_700_000_000_000_123, 5, 17, 123_456, 300, Arm: false, [1.625f, 0.25f]);

    private static readonly PresenceEnvelope ExamplePresence = new(WireContract.Version, "lab1", "r1", "0123456789abcdef", Online: true, new Capabilities
    {
        Action = ActionKind.Position,
        Dimension = 2,
        Min = [-5, -7],
        Max = [25, 7],
        Change = [0.6, 0.6],
        Rate = 10,
        Geofence = [[-5, -7], [25, -7], [25, 7], [-5, 7]],
        TtlMs = 300,
        Payload = 2048,
        Observation = ObservationKind.Pose,
        Values = 2,
    });

    private static readonly ReportEnvelope ExampleReport = new(
        WireContract.Version, "lab1", "r1", "0123456789abcdef", 123_456, Armed: true, 1_700_000_000_000_123, Received: 12, Acted: 10, Stops: 1, new Dictionary<string, long>(StringComparer.Ordinal) { ["seq"] = 1, ["age"] = 1 });

    private static readonly JsonSerializerOptions Format = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly JsonSerializerOptions Shapes = new(JsonWire.Rare) { TypeInfoResolver = new DefaultJsonTypeInfoResolver() };

    private static string NameText => $"1 to {RobotTopics.MaxName} letters, digits, - or _";

    /// <summary>The rules for commands, in order: those of observations alone left out.</summary>
    private static IEnumerable<string> Rules => Enum.GetValues<Refusal>().Where(r => r is not (Refusal.None or Refusal.Rate)).Select(RefusalCounts.NameOf);

    private static string Capital(string name) => char.ToUpperInvariant(name[0]) + name[1..];

    private static JsonObject Message(string title, JsonNode schema, byte[] example) => new()
    {
        ["title"] = title,
        ["contentType"] = WireContract.JsonType,
        ["payload"] = schema,
        ["examples"] = new JsonArray(new JsonObject { ["payload"] = JsonNode.Parse(example) }),
    };

    private static JsonObject Schema(Field[] fields)
    {
        var properties = new JsonObject();
        foreach (var field in fields)
        {
            var schema = field.Kind switch
            {
                "one" => new JsonObject { ["type"] = "integer", ["const"] = WireContract.Version },
                Whole => new JsonObject { ["type"] = "integer", ["minimum"] = 0, ["maximum"] = WireContract.MaxInteger },
                Name => new JsonObject { ["type"] = "string", ["pattern"] = $"^[A-Za-z0-9_-]{{1,{RobotTopics.MaxName}}}$" },
                Text => new JsonObject { ["type"] = "string", ["pattern"] = $"^[0-9a-f]{{{WireContract.SessionDigits}}}$" },
                Flag => new JsonObject { ["type"] = "boolean" },
                _ => new JsonObject { ["type"] = "array", ["items"] = new JsonObject { ["type"] = "number" } },
            };
            schema["description"] = field.Description;
            properties[field.Key] = schema;
        }

        return new JsonObject
        {
            ["type"] = "object",
            ["required"] = new JsonArray([.. fields.Where(f => !f.IsOptional).Select(f => JsonValue.Create(f.Key))]),
            ["properties"] = properties,
            ["additionalProperties"] = false,
        };
    }

    private static JsonNode Schema<T>() => Shapes.GetJsonSchemaAsNode(typeof(T), new JsonSchemaExporterOptions { TreatNullObliviousAsNonNullable = true });

    /// <param name="Kind">Which topic.</param>
    /// <param name="Name">What its messages are called.</param>
    /// <param name="FromRobot">Whether the robot sends.</param>
    /// <param name="Qos">Quality of service.</param>
    /// <param name="Retain">Whether the broker keeps the last.</param>
    /// <param name="Description">In a sentence.</param>
    private sealed record Topic(TopicKind Kind, string Name, bool FromRobot, int Qos, bool Retain, string Description);

    /// <param name="Key">Its key.</param>
    /// <param name="Kind">What its value is.</param>
    /// <param name="Description">In a sentence.</param>
    private sealed record Field(string Key, string Kind, string Description)
    {
        public bool IsOptional { get; init; }
    }
}
