namespace MimicD.Tests;

/// <summary>The repository, for tests that read what it comes with.</summary>
internal static class RepositoryRoot
{
    /// <summary>Its folder: the nearest one with the solution in it, above where the tests were built.</summary>
    public static string Folder { get; } = Find();

    private static string Find()
    {
        var at = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(at.FullName, "MimicD.sln")))
        {
            at = at.Parent ?? throw new InvalidOperationException($"MimicD.sln is not above {AppContext.BaseDirectory}");
        }

        return at.FullName;
    }
}
