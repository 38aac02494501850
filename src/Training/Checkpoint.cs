using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Training;

/// <summary>What a run is gone on with: its state, how many steps it had made, and what is strange about going on from there.</summary>
internal sealed record Checkpoint(SafeTensors File, int Step, IReadOnlyList<string> Doubts)
{
    private const string IdentityKey = "identity";
    private const string StepKey = "step";
    private const string SeedMark = " seed ";
    private const string DemonstrationsMark = " demonstrations ";
    private const string StepsKey = "training.steps";

    /// <summary>
    /// What must be equal for a checkpoint to be gone on with. More steps may be asked of a constant schedule, whose past does not depend on its end, and more adversarial
    /// rounds of any run; p(z | observation) is trained apart from the policies, and can be asked for afterwards.
    /// </summary>
    public static string Identity(TrainingPreset preset, TrainingRunOptions options, ProvenanceSpec provenance)
    {
        var comparable = preset.Training.Adversarial is { } adversarial ? preset with { Training = preset.Training with { Adversarial = adversarial with { Iterations = 1 } } }
            : preset.Training.Schedule == RateSchedule.Constant ? preset with { Training = preset.Training with { Steps = 1 } } : preset;
        comparable = comparable with { Model = comparable.Model with { ModePosterior = null } };
        return StrictJson.Format(comparable, indented: false) + $"{SeedMark}{options.Seed}{DemonstrationsMark}{provenance.DemonstrationsHash}";
    }

    /// <summary>Marks a file as the checkpoint of a run.</summary>
    public static void Mark(SafeTensors file, int step, string identity)
    {
        file.Metadata[StepKey] = step.ToString(CultureInfo.InvariantCulture);
        file.Metadata[IdentityKey] = identity;
    }

    /// <summary>Reads the checkpoint beside the output of a run.</summary>
    /// <param name="options">Says where it is.</param>
    /// <param name="training">What is asked for now.</param>
    /// <param name="identity">What it must be of (<see cref="Identity"/>); another length of the run is accepted, and told of where the past depends on it.</param>
    /// <exception cref="InvalidInputException">There is none, or it is of another run.</exception>
    public static Checkpoint Read(TrainingRunOptions options, OptimisationSpec training, string identity) => Read(Open(options), options, training, identity);

    /// <summary>Reads the file, before anything that takes time is made of the demonstrations.</summary>
    /// <exception cref="InvalidInputException">There is none, or it is no checkpoint.</exception>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public static SafeTensors Open(TrainingRunOptions options)
    {
        var path = options.CheckpointPath;
        InvalidInputException.Require(System.IO.File.Exists(path), path, "", "a checkpoint to resume from", "no such file");
        var file = SafeTensors.Read(path);
        InvalidInputException.Require(file.Metadata.ContainsKey(IdentityKey), path, IdentityKey, "a checkpoint of a training", "none");
        return file;
    }

    /// <summary>Makes sure that a file that was opened is of this run; as <see cref="Read(TrainingRunOptions, OptimisationSpec, string)"/>.</summary>
    public static Checkpoint Read(SafeTensors file, TrainingRunOptions options, OptimisationSpec training, string identity)
    {
        var (path, found) = (options.CheckpointPath, file.Metadata[IdentityKey]);
        var doubts = new List<string>();
        var differences = Differences(found, identity, path);
        if (differences is [(StepsKey, var before, var now)] && training.Adversarial is null)
        {
            doubts.Add($"{path}: the learning rate follows the whole length of a training, {before} steps when this one began and {now} now: the weights will not be those of one that had {now} from its start");
        }
        else if (differences is [var (key, was, asked), ..])
        {
            var more = differences.Count > 1 ? $" (and {differences.Count - 1} more: {string.Join(", ", differences.Skip(1).Take(5).Select(d => d.Key))})" : "";
            throw new InvalidInputException($"{path}: {key}: expected {was} as it was begun with, found {asked}{more}; --resume goes on with the same preset, seed and demonstrations, and may change {StepsKey} alone");
        }

        InvalidInputException.Require(int.TryParse(file.Metadata.GetValueOrDefault(StepKey), NumberStyles.None, CultureInfo.InvariantCulture, out var step), path, StepKey, "a number", file.Metadata.GetValueOrDefault(StepKey));
        InvalidInputException.Require(step <= training.TotalSteps, path, StepKey, $"at most {training.TotalSteps}, the steps asked for", step);
        return new Checkpoint(file, step, doubts);
    }

    /// <summary>Which keys differ, and how, in the order of the file.</summary>
    private static List<(string Key, string Before, string Now)> Differences(string found, string identity, string path)
    {
        var differences = new List<(string, string, string)>();
        if (found == identity)
        {
            return differences;
        }

        var (before, now) = (Parts(found), Parts(identity));
        InvalidInputException.Require(before is not null, path, IdentityKey, "the preset, seed and demonstrations of a training", "something else");
        Compare("", before!.Value.Preset, now!.Value.Preset);
        Differ("seed", before.Value.Seed, now.Value.Seed);
        Differ("demonstrations", Hash(before.Value.Demonstrations), Hash(now.Value.Demonstrations));
        if (differences.Count == 0)
        {
            differences.Add((IdentityKey, Short(found), Short(identity)));
        }

        return differences;

        void Compare(string key, JsonNode? a, JsonNode? b)
        {
            if (a is JsonObject one && b is JsonObject other)
            {
                foreach (var name in one.Select(p => p.Key).Union(other.Select(p => p.Key), StringComparer.Ordinal))
                {
                    Compare(key.Length == 0 ? name : $"{key}.{name}", one[name], other[name]);
                }
            }
            else if (!JsonNode.DeepEquals(a, b))
            {
                Differ(key, Short(a?.ToJsonString() ?? "none"), Short(b?.ToJsonString() ?? "none"));
            }
        }

        void Differ(string key, string a, string b)
        {
            if (a != b)
            {
                differences.Add((key, a, b));
            }
        }
    }

    private static (JsonNode Preset, string Seed, string Demonstrations)? Parts(string identity)
    {
        var seed = identity.LastIndexOf(SeedMark, StringComparison.Ordinal);
        var demonstrations = identity.LastIndexOf(DemonstrationsMark, StringComparison.Ordinal);
        if (seed < 0 || demonstrations < seed)
        {
            return null;
        }

        try
        {
            return JsonNode.Parse(identity[..seed]) is JsonObject preset ? (preset, identity[(seed + SeedMark.Length)..demonstrations], identity[(demonstrations + DemonstrationsMark.Length)..]) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Hash(string sha256) => $"those of SHA-256 {sha256[..Math.Min(12, sha256.Length)]}";

    private static string Short(string text) => text.Length <= 60 ? text : text[..57] + "...";
}
