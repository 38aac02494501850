using System.Text.Json;
using System.Text.Json.Nodes;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Evaluation.Sweeps;

namespace MimicD.Evaluation.Report;

/// <summary>The folder of a single <c>mimicd run</c>, read as a sweep of one cell.</summary>
public static class RunFolder
{
    private const string Name = "result.json";
    private const int IdLength = 12;

    /// <summary>Whether a folder is one.</summary>
    public static bool Is(string folder) => File.Exists(Path.Combine(folder, Name)) && File.Exists(Path.Combine(folder, RolloutFile.Name));

    /// <summary>Builds the report of a run.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="command">The command that makes the report.</param>
    /// <param name="seed">Seed of the resampling.</param>
    /// <exception cref="InvalidInputException">A file is malformed, or the rollouts do not belong to the figures.</exception>
    public static ReportData Build(string folder, string command, ulong seed)
    {
        var file = ConfinedPath.Resolve(folder, Name, folder, Name);
        var result = StrictJson.Parse<JsonObject>(StrictJson.ReadText(file), file);
        var scenario = Read<World.Scenario>("scenario") ?? throw InvalidInputException.Create(file, "scenario", "a scenario", null);
        var (episodes, runSeed) = (Read<int>("episodes"), Read<ulong>("seed"));
        var model = result["model"] as JsonObject;
        var policy = Read<string?>("policy");
        var provenance = model is null ? null : Read<ProvenanceSpec?>("provenance", model);
        var modelFile = model is null ? null : Read<string?>("file", model);
        var run = $"mimicd run {Read<string?>("scenarioFile")} {(policy is null ? $"--model {modelFile}" : $"--policy {policy}")} --agents {scenario.Agents} --episodes {episodes} --seed {runSeed}";
        var cell = new SweepCellResult
        {
            Id = Read<string?>("trajectoryHash") is { Length: >= IdLength } hash ? hash[..IdLength] : "run",
            Axes = [],
            Scenario = scenario.Name,
            ScenarioFile = "scenario.json",
            Agents = scenario.Agents,
            Policy = policy,
            Model = modelFile is null ? null : new SweepModel { File = modelFile, Sha256 = Read<string?>("sha256", model), Provenance = provenance },
            Sampling = Read<SamplingSpec?>("sampling"),
            Episodes = episodes,
            Seeds = [runSeed],
            BlockEpisodes = [episodes],
            Figures = Read<Figures?>("figures", options: StrictJson.Records) ?? throw InvalidInputException.Create(file, "figures", "figures", null),
            Baseline = Read<Baseline?>("demonstrations", options: StrictJson.Records),
            TrajectoryHash = Read<string?>("trajectoryHash"),
            Rollouts = RolloutFile.Name,
            Counts = Counts(),
            Seconds = result["speed"] is JsonObject speed ? Read<double>("wallSeconds", speed, StrictJson.Records) : 0,
            Command = run,
        };
        var manifest = new SweepManifest
        {
            Name = scenario.Name,
            Command = run,
            Version = "",
            Machine = new MachineDescription(0, "", "", ""),
            Episodes = episodes,
            Block = episodes,
            Seed = runSeed,
            Axes = [],
            Cells = 1,
            File = "",
        };
        var data = ReportBuilder.Build(new SweepFolder(folder), manifest, [cell], command, seed, scenario: scenario);
        // A run does not say which version and machine it was, nor does it have a sweep's file.
        return data with { Origin = data.Origin with { Version = null, Machine = null, File = null } };

        SweepCounts? Counts()
        {
            if (result["counts"] is not JsonObject world || result["host"] is not JsonObject host)
            {
                return null;
            }

            var between = result["messages"] is JsonObject messages ? Read<long>("betweenAgents", messages) : 0;
            return new SweepCounts(
                Read<long>("plans", host), Read<long>("networkCalls", host), Read<long>("fallbacks", world), Read<long>("restarts", host), host["stopped"] is JsonArray stopped ? stopped.Count : 0,
                Read<long>("observations", world), Read<long>("actions", world), between);
        }

        T? Read<T>(string name, JsonObject? of = null, JsonSerializerOptions? options = null)
        {
            try
            {
                return (of ?? result)[name] is { } node ? node.Deserialize<T>(options ?? StrictJson.Options) : default;
            }
            catch (JsonException e)
            {
                throw new InvalidInputException($"{file}: {name}: {StrictJson.Explain(e, (of ?? result)[name]!.ToJsonString(), typeof(T))}", e);
            }
        }
    }
}
