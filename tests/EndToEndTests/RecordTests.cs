using System.Collections;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using MimicD.Agents;
using MimicD.Bridges.Robots;
using MimicD.Cluster;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Training;
using MimicD.World;

namespace MimicD.EndToEndTests;

/// <summary>Every record of plain data can be written, whatever numbers a run that went wrong has put into it, and is read back as it was.</summary>
public class RecordTests
{
    private static readonly Assembly[] Rooms =
    [
        typeof(StoppedAgent).Assembly, typeof(Model).Assembly, typeof(Scenario).Assembly, typeof(Figures).Assembly, typeof(RobotEvent).Assembly, typeof(RunShape).Assembly, typeof(TrainingPreset).Assembly, Assembly.Load("mimicd"),
    ];

    // What the program writes to files, and of that what it reads again. One that is not plain data any more, or has another name, is missed here.
    private static readonly string[] ReadAgain =
    [
        "AgentHostReport", "StoppedAgent", "WorldCounts", "Manifest", "Finished", "LogHeader", "Figures", "Baseline", "TransportFigures", "SweepManifest", "SweepCellResult", "BlockCounts", "TrainingMarker", "RunDescription",
        "TrainingProgress", "RobotRecordingHeader",
    ];

    private static readonly string[] Written =
    [
        .. ReadAgain, "ReportData", "ClusterReport", "ClusterStatus", "RunIdentity", "RunResult", "EvaluateResult", "BridgeResult", "ReplayResult", "TrainResult", "DoctorResult", "ExpertsResult",
    ];

    // Statistics in memory, with properties that lead back to themselves.
    private static readonly string[] NeverWritten = ["PairedTable"];

    [Fact]
    public void Whatever_a_record_holds_it_is_written_and_read()
    {
        var found = new List<string>();
        foreach (var type in Rooms.SelectMany(r => r.GetTypes()).Where(IsRecord))
        {
            if (Sample.Of(type) is not { } value)
            {
                continue;
            }

            string text;
            try
            {
                text = JsonSerializer.Serialize(value, type, StrictJson.Options);
            }
            catch (Exception e) when (NeverWritten.Contains(type.Name, StringComparer.Ordinal) || (e is not (JsonException or ArgumentException) && !Written.Contains(type.Name, StringComparer.Ordinal)))
            {
                // A sample that makes no sense to a property which is worked out; never written.
                continue;
            }

            found.Add(type.Name);
            if (ReadAgain.Contains(type.Name, StringComparer.Ordinal))
            {
                var again = Try(type, "read", () => JsonSerializer.Deserialize(text, type, StrictJson.Records));
                Assert.True(JsonNode.DeepEquals(Known(text), Known(JsonSerializer.Serialize(again, type, StrictJson.Options))), $"{type}: written {text}");
            }
        }

        Assert.Empty(Written.Except(found, StringComparer.Ordinal));
    }

    [Fact]
    public void Ids_are_plain_numbers()
    {
        var stopped = new StoppedAgent(new EpisodeId(1), new AgentId(2), new Tick(3), "no plan");
        var text = StrictJson.Format(stopped, indented: false);
        Assert.Equal("""{"episode":1,"agent":2,"tick":3,"error":"no plan"}""", text);
        Assert.Equal(stopped, StrictJson.Parse<StoppedAgent>(text, "a file"));
        foreach (var bad in new[] { "-1", "1.5", "\"3\"", "null", "{\"value\":3}", "3000000000" })
        {
            Assert.Throws<InvalidInputException>(() => StrictJson.Parse<StoppedAgent>(text.Replace("\"tick\":3", $"\"tick\":{bad}", StringComparison.Ordinal), "a file"));
        }
    }

    [Fact]
    public void A_number_that_is_not_finite_is_null_and_is_read_from_records_alone()
    {
        var report = new AgentHostReport(1, 2, 3, [], 4, 5, double.PositiveInfinity);
        var text = StrictJson.Format(report, indented: false);
        Assert.EndsWith("\"projected\":null}", text, StringComparison.Ordinal);
        Assert.True(double.IsNaN(StrictJson.ParseRecord<AgentHostReport>(text, "a file").Projected));
        Assert.Contains("a file: line 1: 'projected'", Assert.Throws<InvalidInputException>(() => StrictJson.Parse<AgentHostReport>(text, "a file")).Message, StringComparison.Ordinal);
        foreach (var bad in new[] { "1e999", "-1e999", "\"NaN\"", "NaN" })
        {
            var broken = text.Replace("null", bad, StringComparison.Ordinal);
            Assert.Throws<InvalidInputException>(() => StrictJson.Parse<AgentHostReport>(broken, "a file"));
            Assert.Throws<InvalidInputException>(() => StrictJson.ParseRecord<AgentHostReport>(broken, "a file"));
        }

        Assert.Equal("[null,1.5,null]", StrictJson.Format(new[] { float.NaN, 1.5f, float.NegativeInfinity }, indented: false));
        Assert.Equal(1e300, StrictJson.ParseRecord<double>(StrictJson.Format(1e300), "a file"));
    }

    /// <summary>What is there but for nulls: a figure that need not be known is left out where it is not.</summary>
    private static JsonNode? Known(string text)
    {
        var node = JsonNode.Parse(text);
        Strip(node);
        return node;

        static void Strip(JsonNode? of)
        {
            foreach (var name in (of as JsonObject)?.Where(p => p.Value is null).Select(p => p.Key).ToArray() ?? [])
            {
                of!.AsObject().Remove(name);
            }

            foreach (var part in of is JsonObject o ? o.Select(p => p.Value) : of is JsonArray a ? [.. a] : [])
            {
                Strip(part);
            }
        }
    }

    private static T Try<T>(Type type, string what, Func<T> act)
    {
        try
        {
            return act();
        }
        catch (Exception e) when (e is JsonException or NotSupportedException or ArgumentException or InvalidOperationException)
        {
            throw new InvalidOperationException($"{type} cannot be {what}: {e.Message}", e);
        }
    }

    private static bool IsRecord(Type type)
        => !type.IsAbstract && !type.ContainsGenericParameters && !type.IsByRefLike
            && (type.GetMethod("<Clone>$") is not null || (type.IsValueType && type.GetMethod("PrintMembers", BindingFlags.NonPublic | BindingFlags.Instance) is not null));

    /// <summary>Values with a number that is not finite wherever there can be one.</summary>
    private static class Sample
    {
        private static readonly NullabilityInfoContext Nullability = new();

        /// <summary>A value, or null for a type that is not plain data.</summary>
        public static object? Of(Type type) => Of(type, 0);

        private static object? Of(Type type, int depth)
        {
            type = Nullable.GetUnderlyingType(type) ?? type;
            if (type == typeof(double) || type == typeof(float))
            {
                return type == typeof(double) ? (object)double.NaN : float.PositiveInfinity;
            }

            if (type == typeof(string))
            {
                return "text";
            }

            if (type.IsPrimitive && type != typeof(nint) && type != typeof(nuint))
            {
                return Convert.ChangeType(1, type, System.Globalization.CultureInfo.InvariantCulture);
            }

            if (type.IsEnum)
            {
                return Enum.GetValues(type).GetValue(0);
            }

            if (type == typeof(AgentId) || type == typeof(EpisodeId) || type == typeof(Tick) || type == typeof(Estimate))
            {
                return Activator.CreateInstance(type);
            }

            if (type.IsArray && type.GetArrayRank() == 1)
            {
                return Of(type.GetElementType()!, depth + 1) is { } element ? Filled(type.GetElementType()!, element) : null;
            }

            if (type.IsGenericType && type.GetGenericTypeDefinition() is var open && (open == typeof(IReadOnlyList<>) || open == typeof(IReadOnlyCollection<>) || open == typeof(IEnumerable<>)))
            {
                return Of(type.GetGenericArguments()[0], depth + 1) is { } element ? Filled(type.GetGenericArguments()[0], element) : null;
            }

            if (type.IsGenericType && type.GetField("Empty", BindingFlags.Public | BindingFlags.Static) is { } none && none.FieldType == type)
            {
                return none.GetValue(null);
            }

            if (type.IsGenericType && typeof(IEnumerable).IsAssignableFrom(type) && !type.IsInterface && type.GetConstructor([]) is { } empty)
            {
                return empty.Invoke([]);
            }

            if (type.IsInterface && type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyDictionary<,>))
            {
                return Activator.CreateInstance(typeof(Dictionary<,>).MakeGenericType(type.GetGenericArguments()));
            }

            return IsRecord(type) && depth < 12 ? Made(type, depth) : null;
        }

        private static object Filled(Type of, object element)
        {
            var list = (IList)Activator.CreateInstance(typeof(List<>).MakeGenericType(of))!;
            list.Add(element);
            return list.GetType().GetMethod("ToArray")!.Invoke(list, null)!;
        }

        private static object? Made(Type type, int depth)
        {
            var value = System.Runtime.CompilerServices.RuntimeHelpers.GetUninitializedObject(type);
            foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.GetIndexParameters().Length == 0))
            {
                if (property.SetMethod is null || property.GetCustomAttribute<JsonIgnoreAttribute>() is { Condition: JsonIgnoreCondition.Always })
                {
                    continue;
                }

                if (Of(property.PropertyType, depth + 1) is { } part)
                {
                    property.SetValue(value, part);
                }
                else if (Nullability.Create(property).ReadState != NullabilityState.Nullable)
                {
                    return null;
                }
            }

            return value;
        }
    }
}
