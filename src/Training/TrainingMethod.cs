using System.Text.Json.Nodes;
using MimicD.Contracts;

namespace MimicD.Training;

/// <summary>A method file: a name for what a method changes in any preset, and nothing else, so that methods are compared on the same data, network and optimizer.</summary>
/// <param name="Path">The file.</param>
/// <param name="About">What it is, on one line.</param>
/// <param name="Changes">Laid over a preset: objects are merged, anything else replaces what is there.</param>
public sealed record TrainingMethod(string Path, string About, JsonObject Changes)
{
    /// <summary>The file's name without ending.</summary>
    public string Name => System.IO.Path.GetFileNameWithoutExtension(Path);

    /// <summary>Reads a method file.</summary>
    /// <exception cref="InvalidInputException">The file cannot be read or is not a method.</exception>
    public static TrainingMethod Load(string path)
    {
        var content = StrictJson.ReadFile<Content>(path);
        return new TrainingMethod(path, content.About, content.Changes);
    }

    /// <summary>The methods of a folder by name; none where there is no such folder.</summary>
    /// <exception cref="InvalidInputException">A file in it is not a method.</exception>
    public static IReadOnlyList<TrainingMethod> In(string folder)
        => Directory.Exists(folder) ? [.. Directory.GetFiles(folder, "*.json").Order(StringComparer.Ordinal).Select(Load)] : [];

    /// <summary>Changes a preset's JSON.</summary>
    public void ApplyTo(JsonObject preset) => Merge(preset, Changes);

    private static void Merge(JsonObject into, JsonObject changes)
    {
        foreach (var (key, value) in changes)
        {
            if (value is JsonObject inner && into[key] is JsonObject there)
            {
                Merge(there, inner);
            }
            else
            {
                into[key] = value?.DeepClone();
            }
        }
    }

    private sealed record Content
    {
        public required string About { get; init; }

        public required JsonObject Changes { get; init; }
    }
}
