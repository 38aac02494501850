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

    /// <summary>A bare name means a file that comes with the program; anything with a slash or an ending is a path.</summary>
    /// <param name="folder">Where such files lie: <c>scenarios</c>, <c>presets</c>, <c>sweeps</c>.</param>
    /// <param name="name">Name or path.</param>
    public static string Shipped(string folder, string name)
        => IsPath(name) ? name : File(folder, name + ".json");

    /// <summary>Whether a name is a path and not the bare name of something that comes with the program.</summary>
    public static bool IsPath(string name) => name.Contains('/', StringComparison.Ordinal) || name.EndsWith(".json", StringComparison.Ordinal);

    /// <summary>The scenario of that name that comes with the program, or null.</summary>
    public static World.Scenario? KnownScenario(string name)
        => name.Length > 0 && !IsPath(name) && System.IO.File.Exists(Shipped("scenarios", name)) ? World.Scenario.Load(Shipped("scenarios", name)) : null;

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
