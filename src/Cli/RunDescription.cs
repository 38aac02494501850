using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.Cli;

/// <summary>What <c>snapshots/run.json</c> holds: how the run was asked for, and what that came to.</summary>
internal sealed record RunDescription
{
    public const int CurrentFormat = 1;

    public int Format { get; init; } = CurrentFormat;

    /// <summary>Arguments of <c>mimicd run</c>, with their defaults left out.</summary>
    public required string[] Arguments { get; init; }

    /// <summary>The folder that their paths are relative to.</summary>
    public required string Folder { get; init; }

    /// <summary>What they came to; they must come to it again.</summary>
    public required RunIdentity Identity { get; init; }

    /// <summary>What the run branched from, or null.</summary>
    public BranchSummary? BranchedFrom { get; init; }

    public static RunDescription Parse(SnapshotFolder folder)
    {
        var description = StrictJson.Parse<RunDescription>(folder.Description, folder.DescriptionFile);
        InvalidInputException.Require(description.Format == CurrentFormat, folder.DescriptionFile, "format", $"{CurrentFormat}", description.Format);
        return description;
    }
}

/// <summary>All that a run's trajectories and figures follow from. Files are named by what they hold.</summary>
/// <param name="Scenario">With its changes.</param>
/// <param name="Model">SHA-256 of the model's file, or null.</param>
/// <param name="Policy">The scripted policy's name, or null.</param>
/// <param name="Partners">Who else acts.</param>
/// <param name="Seed">The run's seed.</param>
/// <param name="Episodes">Episodes.</param>
/// <param name="Sampling">How plans are sampled.</param>
/// <param name="Starts">SHA-256 of the starts that were given, or null.</param>
/// <param name="Goals">SHA-256 of the goals that were given, or null.</param>
/// <param name="Demonstrations">SHA-256 of what the run is compared with, or null.</param>
internal sealed record RunIdentity(
    Scenario Scenario, string? Model, string? Policy, PartnerIdentity[] Partners, ulong Seed, int Episodes, SamplingSpec Sampling, string? Starts, string? Goals, string? Demonstrations)
{
    public static string? HashOf(NdArray<double>? places) => places is null ? null : Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(places.Data.AsSpan())));

    public static string? HashOf(Baseline? baseline) => baseline is null ? null : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(StrictJson.Format(baseline, indented: false))));

    /// <summary>Throws, naming the first that differs, unless both are the same.</summary>
    /// <param name="now">What the same arguments come to now.</param>
    /// <param name="where">The file that remembers this identity.</param>
    /// <exception cref="InvalidInputException">They differ.</exception>
    public void Require(RunIdentity now, string where)
    {
        var (before, after) = (Tree(this), Tree(now));
        foreach (var key in before.Select(p => p.Key).Concat(after.Select(p => p.Key)))
        {
            InvalidInputException.Require(JsonNode.DeepEquals(before[key], after[key]), where, key, $"what the run began with, {Short(before[key])}; its file has changed", Short(after[key]));
        }

        static JsonObject Tree(RunIdentity identity) => JsonSerializer.SerializeToNode(identity, StrictJson.Options)!.AsObject();

        static string? Short(JsonNode? node) => node switch
        {
            null => "nothing",
            JsonValue value => value.ToString() is { Length: > 12 } text ? text[..12] : value.ToString(),
            _ => $"({Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(node.ToJsonString())))[..12]})",
        };
    }
}

/// <summary>Who acts in one place instead of what all others act by.</summary>
/// <param name="Place">Counted from 1.</param>
/// <param name="Identity">What its behaviour follows from (<see cref="Partner.Identity"/>).</param>
internal sealed record PartnerIdentity(int Place, string Identity);

/// <summary>What a run branched from.</summary>
/// <param name="Run">Folder of that run's results.</param>
/// <param name="Tick">The tick from which on they differ.</param>
/// <param name="TrajectoryHash">Hash of the trajectories until then.</param>
/// <param name="Changes">What was changed, as options.</param>
internal sealed record BranchSummary(string Run, int Tick, string TrajectoryHash, string[] Changes);
