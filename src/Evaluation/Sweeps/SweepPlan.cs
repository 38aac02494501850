using System.Text.Json.Nodes;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Training;
using MimicD.World;
using MimicD.World.Experts;

namespace MimicD.Evaluation.Sweeps;

/// <summary>A sweep file made into cells. Everything that can be refused before any work is refused here.</summary>
public sealed class SweepPlan
{
    private readonly string _path;
    private readonly Func<string, string, string> _shipped;
    private readonly Dictionary<string, Model> _models = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SweepDemonstrations?> _demonstrations = new(StringComparer.Ordinal);

    private SweepPlan(string path, SweepFile file, Func<string, string, string> shipped, int seedVersion)
    {
        (_path, _shipped, File, SeedVersion) = (path, shipped, file, seedVersion);
        Cells = Expand();
    }

    /// <summary>What was asked.</summary>
    public SweepFile File { get; }

    /// <summary>How the blocks' seeds follow from the sweep's (<see cref="SweepSeeds"/>).</summary>
    public int SeedVersion { get; }

    /// <summary>The cells in the file's order: the last axis goes round fastest.</summary>
    public IReadOnlyList<SweepCell> Cells { get; }

    /// <summary>The axes with their labels.</summary>
    public SweepAxisLabels[] Axes => Array.ConvertAll(File.Axes, a => new SweepAxisLabels(a.Name, [.. a.Choices(_path).Select(c => c.Label)]));

    /// <summary>Makes the cells of a sweep.</summary>
    /// <param name="path">The sweep file; what it names lies relative to it.</param>
    /// <param name="file">What it says, perhaps with other episodes or another seed.</param>
    /// <param name="shipped">The file that comes with the program by its kind (<c>scenarios</c>, <c>presets</c>) and bare name.</param>
    /// <param name="seedVersion">How the blocks' seeds follow from the sweep's (<see cref="SweepSeeds"/>): as the sweep's folder began.</param>
    /// <exception cref="InvalidInputException">A cell cannot be, or two are the same.</exception>
    public static SweepPlan Create(string path, SweepFile file, Func<string, string, string> shipped, int seedVersion = SweepSeeds.Current)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(shipped);
        file.Validate(path);
        return new SweepPlan(path, file, shipped, seedVersion);
    }

    private List<SweepCell> Expand()
    {
        var choices = Array.ConvertAll(File.Axes, a => a.Choices(_path));
        var cells = new List<SweepCell>();
        var at = new int[choices.Length];
        var seen = new Dictionary<string, SweepCell>(StringComparer.Ordinal);
        do
        {
            var labels = new OrderedDictionary<string, string>(StringComparer.Ordinal);
            foreach (var (axis, index) in at.Index())
            {
                labels.Add(File.Axes[axis].Name, choices[axis][index].Label);
            }

            if (!File.Excludes(labels))
            {
                var cell = Cell(labels, File.Base.Concat(at.Index().SelectMany(a => choices[a.Index][a.Item].Set)));
                if (!seen.TryAdd(cell.Id, cell))
                {
                    throw InvalidInputException.Create(_path, "axes", "cells that differ in what is computed (exclude one)", $"'{seen[cell.Id].Label}' and '{cell.Label}', which are the same");
                }

                cells.Add(cell);
            }
        }
        while (Next(at, choices));
        InvalidInputException.Require(cells.Count > 0, _path, "exclude", "at least one cell left", "none");
        return cells;
    }

    private static bool Next(int[] at, IReadOnlyList<SweepChoice>[] choices)
    {
        for (var axis = at.Length - 1; axis >= 0; axis--)
        {
            if (++at[axis] < choices[axis].Count)
            {
                return true;
            }

            at[axis] = 0;
        }

        return false;
    }

    private SweepCell Cell(OrderedDictionary<string, string> labels, IEnumerable<KeyValuePair<string, JsonNode?>> values)
    {
        var where = $"{_path}: cell '{string.Join(", ", labels.Select(l => $"{l.Key} {l.Value}"))}'";
        var keys = new SweepKeys(where, values);
        var name = keys.Text(SweepKeys.Scenario) ?? throw InvalidInputException.Create(where, SweepKeys.Scenario, "a scenario's name or file, in base or on an axis", null);
        var scenarioFile = Find("scenarios", name);
        var scenario = Scenario.Load(scenarioFile, keys.ScenarioChanges());

        // Blocks are joined to a cell's rollouts and figures.
        RunLimits.Require(new RunSize(File.Episodes, scenario.Agents, scenario.Steps, scenario.Dimensions, scenario.ActionSize) { Results = true }, where);
        var (policy, modelFile, preset) = (keys.Text(SweepKeys.Policy), keys.Text(SweepKeys.Model), keys.Text(SweepKeys.TrainingPreset));
        if (policy is not null)
        {
            // Refuses what cannot be.
            ScriptedPolicies.Create(policy, scenario, $"{where}: policy");
        }

        var model = policy is null && modelFile is not null ? LoadModel(modelFile) : null;
        InvalidInputException.Require(policy is not null || model is not null || preset is not null, where, "", "one of policy, model and training.preset", null);
        if (model is not null)
        {
            ModelFit.Require(scenario, model.Spec, model.Path);
        }

        Partner[] partners = [.. keys.Partners().Select(p => Partner.Create(p.Place, p.Who, scenario, $"{where}: {SweepKeys.Partner}{p.Place}", Relative))];
        SweepTraining? training = null;
        TrainingPreset? shape = null;
        if (policy is null && model is null)
        {
            (training, shape) = Training(where, keys, preset!, name, scenario);
        }

        var sampling = policy is not null ? null : Sampling(where, model?.Spec.Sampling ?? shape!.Model.Sampling, model?.Spec.Plan.Actions ?? shape!.Model.Plan.Actions, keys, scenario);
        // Of another number of agents there is nothing to hold episodes against; making some only for that would be work that nobody asked for.
        var demonstrations = training is null ? Demonstrations(scenario) : training.Demonstrations.Agents is { } shown && shown != scenario.Agents ? null : training.Demonstrations;
        var blocks = (File.Episodes + File.Block - 1) / File.Block;
        int[] episodes = [.. Enumerable.Range(0, blocks).Select(b => Math.Min(File.Block, File.Episodes - b * File.Block))];
        ulong[] seeds = [.. Enumerable.Range(0, blocks).Select(b => SweepSeeds.Of(SeedVersion, File.Seed, b))];
        // A folder from before modes had rules keeps its ids; each result names the rule of its own modes.
        var rule = SeedVersion == SweepSeeds.Consecutive ? null : JointModes.Rule(scenario);
        var identity = new CellIdentity(scenario, policy, model?.Sha256, training?.Key, Counted(sampling, model?.Spec.Method ?? shape?.Model.Method), demonstrations?.Identity, episodes, seeds, File.Stop, [.. partners.Select(p => $"{p.Agent}={p.Identity}")], rule);
        return new SweepCell
        {
            Id = SweepCell.Digest(identity),
            Axes = labels,
            Scenario = scenario,
            Policy = policy,
            Partners = partners,
            Model = model,
            ModelName = model is null ? null : modelFile,
            Training = training,
            Sampling = sampling,
            Demonstrations = demonstrations,
            BlockEpisodes = episodes,
            Stop = File.Stop,
            Seeds = seeds,
        };
    }

    private (SweepTraining Training, TrainingPreset Preset) Training(string where, SweepKeys keys, string presetName, string scenarioName, Scenario evaluated)
    {
        // What is changed in the scenario is what the policies are put to, not what they learned from: only another file, named as such, changes that.
        var learned = keys.Text(SweepKeys.TrainingScenario) ?? scenarioName;
        var learnedFile = Find("scenarios", learned);
        var scenario = Scenario.Load(learnedFile);
        var presetFile = Find("presets", presetName);
        var changes = keys.PresetChanges();
        foreach (var change in changes)
        {
            InvalidInputException.Require(change.Value is null or JsonValue, where, change.Key, "a plain value", change.Value?.ToJsonString());
        }

        string[] arguments = [.. changes.Select(c => $"{c.Key}={c.Value?.ToJsonString() ?? "null"}")];
        var method = keys.Text(SweepKeys.TrainingMethod);
        var preset = TrainingPreset.Load(presetFile, arguments, method is null ? null : TrainingMethod.Load(Find("presets/methods", method)));
        int? agents = null;
        if (scenario.Circle is not null)
        {
            // Networks of their own are for as many as there are; shared ones are for any number, and learn from as many as the file says unless told otherwise.
            agents = (int?)keys.Number(SweepKeys.TrainingAgents) ?? (preset.Model.SharedWeights ? scenario.Agents : evaluated.Agents);
            scenario = scenario.WithAgents(agents.Value);
        }
        else
        {
            InvalidInputException.Require(keys.Number(SweepKeys.TrainingAgents) is null, where, SweepKeys.TrainingAgents, $"none (scenario {scenario.Name} lists its bodies)", keys.Number(SweepKeys.TrainingAgents));
        }

        preset = preset.FittedTo(scenario);
        Compatibility.Require(evaluated, preset.Model.Sensor, where);
        InvalidInputException.Require(preset.Model.SharedWeights || evaluated.Agents == scenario.Agents, where, "agents", $"{scenario.Agents}, for which there are networks (model.sharedWeights is false)", evaluated.Agents);
        var demonstrations = Demonstrations(scenario, toTrainOn: true) ?? throw InvalidInputException.Create(where, "", $"an entry '{scenario.Name}' in experts or demos, to train on", null);
        var seed = keys.Number(SweepKeys.TrainingSeed) ?? 1;
        var training = new SweepTraining
        {
            Key = SweepCell.Digest(new TrainingIdentity(scenario, preset, seed, demonstrations.Identity)),
            ScenarioArgument = Argument(learned, learnedFile),
            Agents = agents,
            PresetArgument = Argument(presetName, presetFile),
            Method = method is null ? null : Argument(method, Find("presets/methods", method)),
            Changes = arguments,
            Seed = seed,
            Steps = preset.Training.TotalSteps,
            Demonstrations = demonstrations,
        };
        return (training, preset);
    }

    private static SamplingSpec Sampling(string where, SamplingSpec defaults, int actions, SweepKeys keys, Scenario scenario)
    {
        var changes = keys.SamplingChanges();
        var (sampling, blame) = JsonChange.Read<SamplingSpec>(StrictJson.Format(defaults), where, changes);
        if (keys.Flag(SweepKeys.Project) is { } project)
        {
            sampling = sampling with { Projection = project ? Projections.For(scenario, $"{where}: {SweepKeys.Project}") : null };
        }

        sampling = sampling with { Selection = Projections.Selection(scenario, sampling.Selection, keys.Number(SweepKeys.Candidates) is { } k ? (long)Math.Min(k, long.MaxValue) : null, keys.Flag(SweepKeys.Predict), $"{where}: {SweepKeys.Candidates}") };
        JsonChange.Check(changes, blame, at => sampling.Validate(at, actions));
        return sampling;
    }

    /// <summary>What of the sampling a method uses; the rest changes no number.</summary>
    private static SamplingSpec? Counted(SamplingSpec? sampling, MethodKind? method)
    {
        if (sampling is null || method is not { } kind)
        {
            return sampling;
        }

        var unused = new SamplingSpec();
        var solved = kind.HasSolver() ? sampling : sampling with { Solver = unused.Solver, Steps = unused.Steps };
        return kind.HasNoise() ? solved : solved with { Noise = unused.Noise, Temperature = unused.Temperature, Correlation = unused.Correlation, Selection = null };
    }

    /// <summary>
    /// The demonstrations of a scenario, or null where the file gives none. What is only compared with is null too where experts cannot make them of so many agents; what is trained on is not: its cells fail when they
    /// are to be made, by what <c>mimicd experts</c> says, and the others are computed.
    /// </summary>
    private SweepDemonstrations? Demonstrations(Scenario scenario, bool toTrainOn = false)
    {
        var key = $"{scenario.Name} {scenario.Agents} {scenario.Dimensions} {toTrainOn}";
        if (!_demonstrations.TryGetValue(key, out var found))
        {
            _demonstrations[key] = found = Read();
        }

        return found;

        SweepDemonstrations? Read()
        {
            if (File.Experts.TryGetValue(scenario.Name, out var recipe))
            {
                int? agents = scenario.Circle is null ? null : scenario.Agents;
                return agents > RingExpert.MaxAgents && !toTrainOn ? null
                    : new SweepDemonstrations(scenario.Name, null, recipe, SweepCell.Digest(new ExpertsIdentity(agents is null ? scenario.Name : $"{scenario.Name} {agents}", recipe)), agents);
            }

            if (!File.Demos.TryGetValue(scenario.Name, out var folder))
            {
                return null;
            }

            var path = Relative(folder);
            var set = DemonstrationSet.Load(path, scenario);
            if (set.Agents != scenario.Agents || set.Dimensions != scenario.Dimensions)
            {
                return null;
            }

            _ = DemonstrationChecks.Require(set, scenario, path, name => IsBare(name) && System.IO.File.Exists(_shipped("scenarios", name)) ? Scenario.Load(_shipped("scenarios", name)) : null);
            return new SweepDemonstrations(scenario.Name, path, null, set.ContentHash());
        }
    }

    private Model LoadModel(string name)
    {
        var path = Find("models", name);
        if (!_models.TryGetValue(path, out var model))
        {
            _models[path] = model = Model.Load(path);
        }

        return model;
    }

    /// <summary>A bare name means a file that comes with the program; anything else is a path.</summary>
    private string Find(string kind, string name) => IsBare(name) ? _shipped(kind, name) : Relative(name);

    private static bool IsBare(string name) => !name.Contains('/', StringComparison.Ordinal) && !name.Contains('.', StringComparison.Ordinal);

    private static string Argument(string name, string file) => IsBare(name) ? name : file;

    private string Relative(string path) => System.IO.Path.Combine(System.IO.Path.GetDirectoryName(_path) ?? "", path);

    private sealed record CellIdentity(
        Scenario Scenario, string? Policy, string? Model, string? Training, SamplingSpec? Sampling, string? Demonstrations, int[] Episodes, ulong[] Seeds, SweepStop? Stop, string[] Partners, string? ModeRule);

    private sealed record TrainingIdentity(Scenario Scenario, TrainingPreset Preset, ulong Seed, string Demonstrations);

    private sealed record ExpertsIdentity(string Scenario, ExpertsRecipe Recipe);
}
