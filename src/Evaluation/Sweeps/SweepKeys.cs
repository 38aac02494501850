using System.Text.Json.Nodes;
using MimicD.Contracts;

namespace MimicD.Evaluation.Sweeps;

/// <summary>The dotted keys that a sweep assigns to, and the values of one cell by them.</summary>
internal sealed class SweepKeys
{
    public const string Scenario = "scenario";
    public const string Policy = "policy";
    public const string Model = "model";
    public const string Partner = "partner.";
    public const string TrainingPreset = "training.preset";
    public const string TrainingMethod = "training.method";
    public const string TrainingSeed = "training.seed";
    public const string TrainingScenario = "training.scenario";
    public const string TrainingAgents = "training.agents";
    public const string Project = "sampling.project";
    public const string Candidates = "sampling.candidates";
    public const string Predict = "sampling.predict";

    private static readonly string[] Whole = [Scenario, Policy, Model];
    private static readonly string[] Recipe = [TrainingPreset, TrainingMethod, TrainingSeed, TrainingScenario, TrainingAgents];
    private static readonly string[] Open = ["scenario.", "sampling.", "training.", "model.", Partner];

    private readonly string _where;
    private readonly SortedDictionary<string, JsonNode?> _values = new(StringComparer.Ordinal);

    /// <summary>Takes the values of a cell; later ones replace earlier ones of the same key.</summary>
    public SweepKeys(string where, IEnumerable<KeyValuePair<string, JsonNode?>> values)
    {
        _where = where;
        foreach (var (key, value) in values)
        {
            _values[key] = value;
        }
    }

    /// <summary>Refuses a key that is none.</summary>
    public static void Require(string key, string where, string field)
        => InvalidInputException.Require(Whole.Contains(key, StringComparer.Ordinal) || Array.Exists(Open, o => key.StartsWith(o, StringComparison.Ordinal) && !key.Split('.').Contains("", StringComparer.Ordinal)),
            where, field, "scenario, scenario.KEY, policy, model, model.KEY, partner.PLACE, training.KEY or sampling.KEY", $"unknown key '{key}'");

    /// <summary>Whether assigning to one key may undo what was assigned to the other. A scenario, and what is changed in it, do not: the file is read first.</summary>
    public static bool Overlap(string a, string b)
        => a == b || (!Whole.Contains(a, StringComparer.Ordinal) && !Whole.Contains(b, StringComparer.Ordinal) && (a.StartsWith(b + ".", StringComparison.Ordinal) || b.StartsWith(a + ".", StringComparison.Ordinal)));

    /// <summary>A word, or null where the key has no value or the value null.</summary>
    public string? Text(string key)
    {
        if (_values.GetValueOrDefault(key) is not { } node)
        {
            return null;
        }

        return node is JsonValue value && value.TryGetValue<string>(out var text) && text.Length > 0 ? text : throw InvalidInputException.Create(_where, key, "a name", node.ToJsonString());
    }

    /// <summary>A whole number from 0, or null where the key has no value.</summary>
    public ulong? Number(string key)
    {
        if (_values.GetValueOrDefault(key) is not { } node)
        {
            return null;
        }

        return node is JsonValue value && value.TryGetValue<ulong>(out var number) ? number : throw InvalidInputException.Create(_where, key, "a whole number from 0", node.ToJsonString());
    }

    /// <summary>Who takes which place, by place; a place whose value is null is taken as the others are.</summary>
    public (string Place, string Who)[] Partners()
        => [.. from key in _values.Keys where key.StartsWith(Partner, StringComparison.Ordinal) let who = Text(key) where who is not null select (key[Partner.Length..], who)];

    /// <summary>Changes of the scenario's file, in the order of their keys.</summary>
    public JsonChange[] ScenarioChanges() => Below("scenario.", strip: true);

    /// <summary>True or false, or null where the key has no value.</summary>
    public bool? Flag(string key)
    {
        if (_values.GetValueOrDefault(key) is not { } node)
        {
            return null;
        }

        return node is JsonValue value && value.TryGetValue<bool>(out var flag) ? flag : throw InvalidInputException.Create(_where, key, "true or false", node.ToJsonString());
    }

    /// <summary>Changes of sampling, but for those whose numbers are the scenario's (<see cref="Project"/>, <see cref="Candidates"/>, <see cref="Predict"/>).</summary>
    public JsonChange[] SamplingChanges() => [.. Below("sampling.", strip: true).Where(c => "sampling." + c.Key is not (Project or Candidates or Predict))];

    /// <summary>Changes of the preset.</summary>
    public JsonChange[] PresetChanges()
        => [.. Below("model.", strip: false).Concat(Below("training.", strip: false)).Where(c => !Recipe.Contains(c.Key, StringComparer.Ordinal))];

    private JsonChange[] Below(string prefix, bool strip)
        => [.. _values.Where(v => v.Key.StartsWith(prefix, StringComparison.Ordinal)).Select(v => new JsonChange(strip ? v.Key[prefix.Length..] : v.Key, v.Value, $"{_where}: {v.Key}"))];
}
