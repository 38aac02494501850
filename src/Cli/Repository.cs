using MimicD.Contracts;

namespace MimicD.Cli;

/// <summary>Where the scenarios, presets and models that come with the program lie.</summary>
internal static class Repository
{
    /// <summary>The folder that holds <c>scenarios/</c> and <c>models/</c>: MIMICD_ROOT, which the entry script sets, or the nearest one above this program.</summary>
    public static string Root => _root ??= Find();

    private static string? _root;

    /// <summary>A file of the repository by its path from the root.</summary>
    public static string File(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>
    /// A bare name means a file that comes with the program; anything with a slash or an ending is a path, and so is the name of a file that lies in the current folder where nothing of that name comes with the program.
    /// </summary>
    /// <param name="folder">Where such files lie: <c>scenarios</c>, <c>presets</c>, <c>sweeps</c>, <c>models</c>.</param>
    /// <param name="name">Name or path.</param>
    /// <exception cref="InvalidInputException">It is neither.</exception>
    public static string Shipped(string folder, string name)
    {
        var ending = EndingOf(folder);
        if (IsPath(name) || name.EndsWith(ending, StringComparison.Ordinal))
        {
            return name;
        }

        var shipped = File(folder, name + ending);
        if (System.IO.File.Exists(shipped) || System.IO.File.Exists(name))
        {
            return System.IO.File.Exists(shipped) ? shipped : name;
        }

        string[] names = Directory.Exists(File(folder)) ? [.. Directory.GetFiles(File(folder), "*" + ending).Select(f => Path.GetFileNameWithoutExtension(f)).Order(StringComparer.Ordinal)] : [];
        throw new InvalidInputException($"{name}: expected the name of one of the {folder} that come with the program ({string.Join(", ", names)}) or a file, found neither{Suggestion.For(name, names)}");
    }

    /// <summary>Whether a name is a path and not the bare name of something that comes with the program.</summary>
    public static bool IsPath(string name) => name.Contains('/', StringComparison.Ordinal) || name.EndsWith(".json", StringComparison.Ordinal);

    /// <summary>The scenario of that name that comes with the program, or null.</summary>
    public static World.Scenario? KnownScenario(string name)
        => name.Length > 0 && !IsPath(name) && System.IO.File.Exists(Shipped("scenarios", name)) ? World.Scenario.Load(Shipped("scenarios", name)) : null;

    /// <summary>Whether what names a model is a path: a file that lies there, or what can be nothing else.</summary>
    public static bool IsModelPath(string name) => IsPath(name) || name.EndsWith(EndingOf("models"), StringComparison.Ordinal) || !System.IO.File.Exists(File("models", name + EndingOf("models")));

    private static string EndingOf(string folder) => folder == "models" ? ".safetensors" : ".json";

    private static string Find()
    {
        if (Environment.GetEnvironmentVariable("MIMICD_ROOT") is { Length: > 0 } given)
        {
            return given;
        }

        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (Directory.Exists(Path.Combine(at.FullName, "scenarios")))
            {
                return at.FullName;
            }
        }

        throw new InvalidInputException($"MIMICD_ROOT: expected the folder that holds scenarios/ (none is above {AppContext.BaseDirectory}), found nothing");
    }
}
