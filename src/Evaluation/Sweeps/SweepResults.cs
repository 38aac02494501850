using System.Runtime.InteropServices;
using System.Text.Json.Serialization;
using MimicD.Agents;
using MimicD.Contracts;

namespace MimicD.Evaluation.Sweeps;

/// <summary>What <c>sweep.json</c> in a sweep's folder says: what was asked, by which program, on which machine.</summary>
public sealed record SweepManifest
{
    /// <summary>The sweep's name.</summary>
    public required string Name { get; init; }

    /// <summary>The command line that made the folder, as it would be typed again.</summary>
    public required string Command { get; init; }

    /// <summary>Version of the program.</summary>
    public required string Version { get; init; }

    /// <summary>The machine.</summary>
    public required MachineDescription Machine { get; init; }

    /// <summary>Episodes a cell.</summary>
    public required int Episodes { get; init; }

    /// <summary>Episodes that share one seed.</summary>
    public required int Block { get; init; }

    /// <summary>The seed that the seeds of all blocks follow from.</summary>
    public required ulong Seed { get; init; }

    /// <summary>How they follow (<see cref="SweepSeeds"/>). A file that does not say is from before there were several.</summary>
    public int SeedVersion { get; init; } = SweepSeeds.Consecutive;

    /// <summary>The axes with their labels, in the file's order. A cell has one label of each.</summary>
    public required SweepAxisLabels[] Axes { get; init; }

    /// <summary>Cells of the sweep, those that exclusions leave.</summary>
    public required int Cells { get; init; }

    /// <summary>The sweep file's text, as it was given.</summary>
    public required string File { get; init; }
}

/// <summary>One axis of a sweep.</summary>
/// <param name="Name">Its name, which is a key of every cell's <see cref="SweepCellResult.Axes"/>.</param>
/// <param name="Labels">Its labels, in the file's order.</param>
public sealed record SweepAxisLabels(string Name, string[] Labels);

/// <summary>A machine in plain words.</summary>
/// <param name="Cores">Logical processors that the program may use.</param>
/// <param name="Processor">The processor's name, or its architecture where it has none.</param>
/// <param name="System">Operating system.</param>
/// <param name="Runtime">.NET.</param>
public sealed record MachineDescription(int Cores, string Processor, string System, string Runtime)
{
    /// <summary>The machine this program runs on.</summary>
    public static MachineDescription Here()
        => new(Environment.ProcessorCount, ProcessorName() ?? RuntimeInformation.ProcessArchitecture.ToString(), RuntimeInformation.OSDescription, RuntimeInformation.FrameworkDescription);

    private static string? ProcessorName()
    {
        try
        {
            return (from line in global::System.IO.File.ReadLines("/proc/cpuinfo")
                    where line.StartsWith("model name", StringComparison.Ordinal)
                    select line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim()).FirstOrDefault();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}

/// <summary>
/// One line of <c>cells.jsonl</c>, and <c>cells/ID/result.json</c>: a cell that is finished, or one that failed (<see cref="Error"/>, and then no figures).
/// Paths of files that the sweep made are relative to its folder; those it was given are as they were given.
/// </summary>
public sealed record SweepCellResult
{
    /// <summary>12 hexadecimal digits: a hash of all that determines the cell's numbers, and of nothing else.</summary>
    public required string Id { get; init; }

    /// <summary>Axis name to the cell's label on it, in the file's order.</summary>
    public required OrderedDictionary<string, string> Axes { get; init; }

    /// <summary>The scenario's name.</summary>
    public required string Scenario { get; init; }

    /// <summary>The scenario with all changes of the cell, as a file that <c>mimicd run</c> and <c>mimicd evaluate</c> read.</summary>
    public required string ScenarioFile { get; init; }

    /// <summary>Agents an episode (N).</summary>
    public required int Agents { get; init; }

    /// <summary>Name of the method that was trained; null where a model file or a scripted policy was given.</summary>
    public string? Method { get; init; }

    /// <summary>Name of the scripted policy, or null.</summary>
    public string? Policy { get; init; }

    /// <summary>Place, counted from 1, to who took it instead; null where nobody did.</summary>
    public OrderedDictionary<string, string>? Partners { get; init; }

    /// <summary>The model, or null with a scripted policy.</summary>
    public SweepModel? Model { get; init; }

    /// <summary>How plans were sampled; null with a scripted policy.</summary>
    public SamplingSpec? Sampling { get; init; }

    /// <summary>Episodes (E).</summary>
    public required int Episodes { get; init; }

    /// <summary>Seed of each block of episodes, in their order; equal for all cells, so that cells of one scenario have common starts.</summary>
    public required ulong[] Seeds { get; init; }

    /// <summary>Episodes of each block, in their order.</summary>
    [JsonConverter(typeof(OneLineConverter<int[]>))]
    public required int[] BlockEpisodes { get; init; }

    /// <summary>The rule by which the cell might stop early, and what it found; null where there was none.</summary>
    public SweepStopping? Stopping { get; init; }

    /// <summary>Why the cell failed, or null.</summary>
    public string? Error { get; init; }

    /// <summary>The figures; null where it failed.</summary>
    public Figures? Figures { get; init; }

    /// <summary>What they are compared with: the demonstrations at hand, or what the model remembers of its own; null where there is neither.</summary>
    public Baseline? Baseline { get; init; }

    /// <summary>Hash of the trajectories of all episodes, as <see cref="World.SimulationResult.TrajectoryHash"/> of their positions; null where it failed.</summary>
    public string? TrajectoryHash { get; init; }

    /// <summary>Positions, actions, starts, goals and modes of all episodes, block after block; null where it failed.</summary>
    public string? Rollouts { get; init; }

    /// <summary>What happened in each episode (<see cref="OutcomesFile"/>), in the order of the rollouts; null where it failed.</summary>
    public string? Outcomes { get; init; }

    /// <summary>Hash of all starts and goals, in an archive (<see cref="SweepArchive"/>): cells are compared where they have the same. Null beside rollouts, which tell.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? StartsHash { get; init; }

    /// <summary>What the world and the agents counted; null where it failed.</summary>
    public SweepCounts? Counts { get; init; }

    /// <summary>Seconds of computation of the episodes on one thread, training apart.</summary>
    public double Seconds { get; init; }

    /// <summary>The line that computes this cell again, alone.</summary>
    public required string Command { get; init; }

    /// <summary>Labels on all axes, as in <c>agents 8, noise 0.1</c>.</summary>
    [JsonIgnore]
    public string Label => string.Join(", ", Axes.Select(a => $"{a.Key} {a.Value}"));
}

/// <summary>What a rule for stopping early found.</summary>
/// <param name="Rule">The rule.</param>
/// <param name="Planned">Episodes without it.</param>
/// <param name="StrictSuccess">The confidence sequence of strict success at the end: the interval to quote where episodes were not fixed beforehand.</param>
public sealed record SweepStopping(SweepStop Rule, int Planned, Estimate StrictSuccess);

/// <summary>Counts over the episodes of a cell.</summary>
/// <param name="Plans">Plans made.</param>
/// <param name="NetworkCalls">Network calls behind them.</param>
/// <param name="Fallbacks">Actions that the world replaced.</param>
/// <param name="Restarts">Agents built again after a failure.</param>
/// <param name="Stopped">Agents that failed for good.</param>
/// <param name="Observations">Messages from the world to agents.</param>
/// <param name="Actions">Messages from agents to the world.</param>
/// <param name="BetweenAgents">Messages that came to agents and were not the world's.</param>
public sealed record SweepCounts(long Plans, long NetworkCalls, long Fallbacks, long Restarts, long Stopped, long Observations, long Actions, long BetweenAgents)
{
    /// <summary>Actions that agents' safety projections moved.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public long Projections { get; init; }

    /// <summary>How far they moved them [m], all together.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public double Projected { get; init; }

    /// <summary>Observations that were compared with what the model was trained on (<see cref="FamiliarityCounts"/>).</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public long Compared { get; init; }

    /// <summary>Those of them that are unlike all of it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public long Unfamiliar { get; init; }

    /// <summary>The sum.</summary>
    public static SweepCounts operator +(SweepCounts a, SweepCounts b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        return new SweepCounts(
            a.Plans + b.Plans, a.NetworkCalls + b.NetworkCalls, a.Fallbacks + b.Fallbacks, a.Restarts + b.Restarts, a.Stopped + b.Stopped,
            a.Observations + b.Observations, a.Actions + b.Actions, a.BetweenAgents + b.BetweenAgents)
        {
            Projections = a.Projections + b.Projections,
            Projected = a.Projected + b.Projected,
            Compared = a.Compared + b.Compared,
            Unfamiliar = a.Unfamiliar + b.Unfamiliar,
        };
    }
}

/// <summary>The model of a cell.</summary>
public sealed record SweepModel
{
    /// <summary>The file, or the shipped model's name, as the sweep's file has it; of a model that the sweep trained, relative to its folder.</summary>
    public required string File { get; init; }

    /// <summary>SHA-256 of the file; null where it could not be made.</summary>
    public string? Sha256 { get; init; }

    /// <summary>Seed of the training that the sweep asked for; null where the file was given.</summary>
    public ulong? TrainingSeed { get; init; }

    /// <summary>Seconds of its training (in the run of the sweep that finished it); null where the file was given.</summary>
    public double? TrainingSeconds { get; init; }

    /// <summary>Weights of all networks together.</summary>
    public long? Parameters { get; init; }

    /// <summary>The line that trains it; null where the file was given.</summary>
    public string? Command { get; init; }

    /// <summary>What the file says of its training.</summary>
    public ProvenanceSpec? Provenance { get; init; }
}
