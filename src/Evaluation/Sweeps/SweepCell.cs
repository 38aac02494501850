using System.Security.Cryptography;
using System.Text;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.Evaluation.Sweeps;

/// <summary>One cell of a sweep before it is computed: everything that its numbers follow from. Exactly one of <see cref="Policy"/>, <see cref="Model"/> and <see cref="Training"/> is there.</summary>
public sealed record SweepCell
{
    /// <summary>12 hexadecimal digits; see <see cref="SweepCellResult.Id"/>.</summary>
    public required string Id { get; init; }

    /// <summary>Axis name to label, in the file's order.</summary>
    public required OrderedDictionary<string, string> Axes { get; init; }

    /// <summary>What is simulated.</summary>
    public required Scenario Scenario { get; init; }

    /// <summary>Name of a scripted policy.</summary>
    public string? Policy { get; init; }

    /// <summary>Who takes which place instead.</summary>
    public IReadOnlyList<Partner> Partners { get; init; } = [];

    /// <summary>A model that was given.</summary>
    public Model? Model { get; init; }

    /// <summary>That model as the sweep's file names it.</summary>
    public string? ModelName { get; init; }

    /// <summary>A model that the sweep trains.</summary>
    public SweepTraining? Training { get; init; }

    /// <summary>How plans are sampled; null with a scripted policy.</summary>
    public SamplingSpec? Sampling { get; init; }

    /// <summary>What the figures are compared with; null where that is what the model remembers.</summary>
    public SweepDemonstrations? Demonstrations { get; init; }

    /// <summary>When it may stop early; null: never.</summary>
    public SweepStop? Stop { get; init; }

    /// <summary>Episodes of each block.</summary>
    public required int[] BlockEpisodes { get; init; }

    /// <summary>Seed of each block.</summary>
    public required ulong[] Seeds { get; init; }

    /// <summary>Episodes.</summary>
    public int Episodes => BlockEpisodes.Sum();

    /// <summary>Labels on all axes, as in <c>agents 8, noise 0.1</c>.</summary>
    public string Label => string.Join(", ", Axes.Select(a => $"{a.Key} {a.Value}"));

    /// <summary>The first 12 hexadecimal digits of SHA-256 over a value's JSON.</summary>
    internal static string Digest<T>(T value) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(StrictJson.Format(value, indented: false))))[..12];
}

/// <summary>A model that a sweep trains, shared by all cells that need it.</summary>
public sealed record SweepTraining
{
    /// <summary>12 hexadecimal digits: a hash of all that determines the weights.</summary>
    public required string Key { get; init; }

    /// <summary>The scenario as <c>mimicd train</c> takes it.</summary>
    public required string ScenarioArgument { get; init; }

    /// <summary>Agents that are trained for, where the scenario is for any number of them; null otherwise.</summary>
    public int? Agents { get; init; }

    /// <summary>The preset as <c>mimicd train</c> takes it.</summary>
    public required string PresetArgument { get; init; }

    /// <summary>The method, or null for the preset's own.</summary>
    public string? Method { get; init; }

    /// <summary>Changes of the preset, as <c>KEY=VALUE</c>.</summary>
    public required string[] Changes { get; init; }

    /// <summary>Training seed.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Optimizer steps.</summary>
    public required int Steps { get; init; }

    /// <summary>What it is trained on.</summary>
    public required SweepDemonstrations Demonstrations { get; init; }

    /// <summary>The model file, relative to the sweep's folder.</summary>
    public string File => $"models/{Key}.safetensors";
}

/// <summary>Demonstrations of a sweep: a folder, or a recipe that makes one.</summary>
/// <param name="Scenario">The scenario's name.</param>
/// <param name="Folder">The folder; null where they are made.</param>
/// <param name="Recipe">The recipe; null where a folder was given.</param>
/// <param name="Identity">What they are: the hash of their content, or of the recipe.</param>
/// <param name="Agents">Agents that they are made of, where the scenario is for any number of them; null otherwise.</param>
public sealed record SweepDemonstrations(string Scenario, string? Folder, ExpertsRecipe? Recipe, string Identity, int? Agents = null)
{
    /// <summary>Where they lie.</summary>
    public string Path(SweepFolder folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return Folder ?? folder.Resolve($"experts/{Scenario}-{Identity}");
    }
}
