using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using MimicD.Contracts;

namespace MimicD.Evaluation.Sweeps;

/// <summary>
/// A sweep, as its file describes it: a grid of cells, each one label of every axis. A value is assigned to a dotted key; the keys are
/// <c>scenario</c> (a shipped name, or a file) and <c>scenario.KEY</c> (any value in that file, and <c>scenario.agents</c>); one of <c>policy</c> (a scripted one), <c>model</c> (a file) and
/// <c>training.preset</c>, which trains; with the last <c>training.method</c>, <c>training.seed</c>, <c>training.scenario</c>, <c>training.agents</c> and any value of the preset, spelt as in it
/// (<c>training.steps</c>, <c>model.network.width</c>); and <c>sampling.KEY</c>. Files are relative to the sweep's own.
/// </summary>
public sealed partial record SweepFile
{
    private const int MaxEpisodes = 1_000_000;
    private const int MaxCells = 100_000;

    /// <summary>Name: letters, digits, dots, dashes and underscores.</summary>
    public required string Name { get; init; }

    /// <summary>Episodes a cell.</summary>
    public required int Episodes { get; init; }

    /// <summary>Episodes that share one seed, advance side by side, and are lost together when the program is killed. Default: 100.</summary>
    public int Block { get; init; } = 100;

    /// <summary>The seed that the seeds of all blocks follow from (<see cref="SweepSeeds"/>). Default: 0.</summary>
    public ulong Seed { get; init; }

    /// <summary>When a cell may stop before it has all its episodes; null: never.</summary>
    public SweepStop? Stop { get; init; }

    /// <summary>Demonstrations that are made where they are missing, by the scenario's name.</summary>
    public Dictionary<string, ExpertsRecipe> Experts { get; init; } = [];

    /// <summary>Folders of demonstrations, by the scenario's name.</summary>
    public Dictionary<string, string> Demos { get; init; } = [];

    /// <summary>What all cells have in common: dotted key to value.</summary>
    public Dictionary<string, JsonNode?> Base { get; init; } = [];

    /// <summary>The axes.</summary>
    public required SweepAxis[] Axes { get; init; }

    /// <summary>Cells to leave out: axis name to a label, or to a list of labels; a cell goes that has one of them on every axis named.</summary>
    public Dictionary<string, JsonNode?>[] Exclude { get; init; } = [];

    /// <summary>Reads and checks a sweep file.</summary>
    /// <exception cref="InvalidInputException">It cannot be read or is not such a file.</exception>
    public static SweepFile Load(string path)
    {
        var file = StrictJson.ReadFile<SweepFile>(path);
        file.Validate(path);
        return file;
    }

    /// <summary>Throws unless every part is in range and fits the others.</summary>
    /// <param name="where">The file.</param>
    /// <exception cref="InvalidInputException">Something does not fit.</exception>
    public void Validate(string where)
    {
        void Require(bool condition, string field, string expected, object? found) => InvalidInputException.Require(condition, where, field, expected, found);

        Require(NamePattern().IsMatch(Name), "name", "letters, digits, dots, dashes and underscores", $"'{Name}'");
        Require(Episodes is >= 1 and <= MaxEpisodes, "episodes", $"1 to {MaxEpisodes}", Episodes);
        Require(Block >= 1, "block", "at least 1", Block);
        Require(Stop is null || Stop.Width is >= 0.001 and < 1, "stop.width", "0.001 to below 1", Stop?.Width);
        Require(Stop is null || Stop.Level is > 0 and < 1, "stop.level", "between 0 and 1", Stop?.Level);
        foreach (var (name, recipe) in Experts)
        {
            Require(recipe is not null, $"experts.{name}", "a recipe", null);
            Require(recipe!.Count >= 1, $"experts.{name}.count", "at least 1", recipe.Count);
            Require(!Demos.ContainsKey(name), $"experts.{name}", "either experts or demos for a scenario", "both");
            foreach (var (option, value) in recipe.Options)
            {
                Require(OptionPattern().IsMatch(option), $"experts.{name}.options", "names of options without dashes before them", option);
                Require(Scalar(value) is not null, $"experts.{name}.options.{option}", "a number or a word", value?.ToJsonString());
            }
        }

        foreach (var key in Base.Keys)
        {
            SweepKeys.Require(key, where, "base");
        }

        Require(Axes.Length >= 1, "axes", "at least one axis", 0);
        foreach (var (index, axis) in Axes.Index())
        {
            Require(!string.IsNullOrWhiteSpace(axis?.Name), $"axes[{index}].name", "a name", axis is null ? null : "an empty one");
        }

        Require(Axes.Select(a => a.Name).Distinct(StringComparer.Ordinal).Count() == Axes.Length, "axes", "different names", "a name twice");
        foreach (var axis in Axes)
        {
            axis.Validate(where);
        }

        RequireIndependentAxes(where);
        foreach (var (index, exclusion) in Exclude.Index())
        {
            Require(exclusion is { Count: > 0 }, $"exclude[{index}]", "labels on at least one axis", "none");
            foreach (var (name, value) in exclusion)
            {
                var axis = Array.Find(Axes, a => a.Name == name);
                Require(axis is not null, $"exclude[{index}]", $"names of axes ({string.Join(", ", Axes.Select(a => a.Name))})", name);
                var known = axis!.Choices(where).Select(c => c.Label).ToArray();
                foreach (var label in Labels(value))
                {
                    Require(label is not null && known.Contains(label, StringComparer.Ordinal), $"exclude[{index}].{name}", $"one of {string.Join(", ", known)}", label ?? "something else");
                }
            }
        }

        var cells = Axes.Aggregate(1L, (product, axis) => Math.Min(product * axis.Values.Length, int.MaxValue));
        Require(cells <= MaxCells, "axes", $"at most {MaxCells} cells", cells);
    }

    /// <summary>Whether an exclusion leaves a cell out.</summary>
    /// <param name="labels">The cell's label on each axis.</param>
    public bool Excludes(IReadOnlyDictionary<string, string> labels)
        => Array.Exists(Exclude, e => e.All(axis => Labels(axis.Value).Contains(labels[axis.Key], StringComparer.Ordinal)));

    /// <summary>A number, a word or a switch as text; null for anything else.</summary>
    internal static string? Scalar(JsonNode? value) => value switch
    {
        JsonValue v when v.TryGetValue<string>(out var text) => text,
        JsonValue v => v.ToJsonString(),
        _ => null,
    };

    private static IEnumerable<string?> Labels(JsonNode? value) => value is JsonArray many ? many.Select(SweepAxis.LabelOf) : [SweepAxis.LabelOf(value)];

    /// <summary>Two axes that set the same value would make a cell depend on their order.</summary>
    private void RequireIndependentAxes(string where)
    {
        var owners = new List<(string Key, string Axis)>();
        foreach (var axis in Axes)
        {
            var keys = axis.Choices(where).SelectMany(c => c.Set.Keys).Distinct(StringComparer.Ordinal).ToArray();
            foreach (var key in keys)
            {
                if (owners.Find(o => SweepKeys.Overlap(o.Key, key)) is { Key: not null } other)
                {
                    throw InvalidInputException.Create(where, $"axis '{axis.Name}'", $"keys that no other axis sets (axis '{other.Axis}' sets {other.Key})", key);
                }
            }

            owners.AddRange(keys.Select(k => (k, axis.Name)));
        }
    }

    [GeneratedRegex("^[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex NamePattern();

    [GeneratedRegex("^[a-z][a-z0-9-]*$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex OptionPattern();
}

/// <summary>
/// A cell stops after the first of its blocks at which the confidence sequence of strict success (<see cref="ConfidenceSequence"/>) is narrow enough. Looked at after every block in
/// their order, so that where it stops does not depend on threads; the sequence's interval, not Wilson's, is the one that allows for the looking.
/// </summary>
public sealed record SweepStop
{
    /// <summary>Width of the interval, upper minus lower end.</summary>
    public required double Width { get; init; }

    /// <summary>Least coverage over all looks together. Default: 0.95.</summary>
    public double Level { get; init; } = 0.95;
}

/// <summary>Demonstrations to be made by <c>mimicd experts</c>.</summary>
public sealed record ExpertsRecipe
{
    /// <summary>How many.</summary>
    public required int Count { get; init; }

    /// <summary>Their seed. Default: 1.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>More options of the verb, without the dashes: <c>"pair-margin": 0.3</c>.</summary>
    public Dictionary<string, JsonNode?> Options { get; init; } = [];
}

/// <summary>One axis of a grid.</summary>
public sealed record SweepAxis
{
    /// <summary>Name, in tables.</summary>
    public required string Name { get; init; }

    /// <summary>The key that plain values are assigned to. Default: the name.</summary>
    public string? Key { get; init; }

    /// <summary>What the axis goes through: plain values, or bundles <c>{ "label": "...", "set": { "KEY": VALUE, ... } }</c>.</summary>
    public required JsonNode?[] Values { get; init; }

    /// <summary>The values with their labels.</summary>
    /// <param name="where">The file.</param>
    /// <exception cref="InvalidInputException">A value is neither plain nor a bundle.</exception>
    public IReadOnlyList<SweepChoice> Choices(string where) => [.. Values.Select((v, i) => Choice(v, $"{where}: axis '{Name}': values[{i}]"))];

    internal static string? LabelOf(JsonNode? value) => value is null ? "none" : SweepFile.Scalar(value);

    internal void Validate(string where)
    {
        var axis = $"axis '{Name}'";
        InvalidInputException.Require(Values.Length >= 1, where, axis, "at least one value", "none");
        var choices = Choices(where);
        foreach (var key in choices.SelectMany(c => c.Set.Keys))
        {
            SweepKeys.Require(key, where, axis);
        }

        var twice = choices.GroupBy(c => c.Label, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1);
        InvalidInputException.Require(twice is null, where, axis, "different labels", $"'{twice?.Key}' twice");
    }

    private SweepChoice Choice(JsonNode? value, string where)
    {
        if (value is not JsonObject bundle)
        {
            var label = LabelOf(value) ?? throw InvalidInputException.Create(where, "", "a plain value, or an object with label and set", value?.ToJsonString());
            return new SweepChoice(label, new Dictionary<string, JsonNode?>(StringComparer.Ordinal) { [Key ?? Name] = value });
        }

        var parsed = StrictJson.Parse<Bundle>(bundle.ToJsonString(), where);
        InvalidInputException.Require(!string.IsNullOrWhiteSpace(parsed.Label), where, "label", "a label", "an empty one");
        return new SweepChoice(parsed.Label, parsed.Set);
    }

    private sealed record Bundle
    {
        public required string Label { get; init; }

        public required Dictionary<string, JsonNode?> Set { get; init; }
    }
}

/// <summary>One value of an axis.</summary>
/// <param name="Label">What tables call it.</param>
/// <param name="Set">Dotted key to value.</param>
public sealed record SweepChoice(string Label, IReadOnlyDictionary<string, JsonNode?> Set);
