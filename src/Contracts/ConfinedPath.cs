namespace MimicD.Contracts;

/// <summary>
/// Paths that a file names, kept within the folder that the file speaks of. A folder of results may come from anybody: what it names is never followed out of it, neither by <c>..</c>, nor as an
/// absolute path, nor through a symbolic link.
/// </summary>
public static class ConfinedPath
{
    // As many as the system follows itself.
    private const int MaxLinks = 40;

    /// <summary>A path that can be opened.</summary>
    /// <param name="root">The folder; it may itself be reached through links.</param>
    /// <param name="relative">The path within it, with forward slashes; what it names need not be there.</param>
    /// <param name="where">The file that names it, for the message.</param>
    /// <param name="field">The field in that file, for the message.</param>
    /// <exception cref="InvalidInputException">It leads out of the folder, or is no path.</exception>
    public static string Resolve(string root, string relative, string where, string field)
    {
        ArgumentNullException.ThrowIfNull(root);
        InvalidInputException.Require(IsWithin(root, relative), where, field, $"a path within {root}, also after its links are followed", relative is null ? null : $"'{relative}'");
        return Path.Combine(root, relative!);
    }

    private static bool IsWithin(string root, string? relative)
    {
        if (string.IsNullOrEmpty(relative) || Path.IsPathRooted(relative) || relative.Any(char.IsControl) || relative.Split('/').Contains("..", StringComparer.Ordinal))
        {
            return false;
        }

        var (folder, full) = (Real(root), Real(Path.Combine(root, relative)));
        return folder is not null && full is not null && full.StartsWith(Path.EndsInDirectorySeparator(folder) ? folder : folder + Path.DirectorySeparatorChar, StringComparison.Ordinal);
    }

    /// <summary>The path without links, as far as it is there; null where its links go round in a circle.</summary>
    private static string? Real(string path)
    {
        path = Path.GetFullPath(path);
        var at = Path.GetPathRoot(path)!;
        var rest = new Stack<string>();
        Push(path[at.Length..]);
        for (var links = 0; rest.TryPop(out var name);)
        {
            if (name == "..")
            {
                at = Path.GetDirectoryName(at) ?? at;
                continue;
            }

            var next = Path.Combine(at, name);
            if (new FileInfo(next).LinkTarget is not { } target)
            {
                at = next;
                continue;
            }

            if (++links > MaxLinks)
            {
                return null;
            }

            if (Path.IsPathRooted(target))
            {
                at = Path.GetPathRoot(target)!;
                target = target[at.Length..];
            }

            Push(target);
        }

        return at;

        void Push(string names)
        {
            foreach (var name in names.Split(Path.DirectorySeparatorChar).Where(n => n is not ("" or ".")).Reverse())
            {
                rest.Push(name);
            }
        }
    }
}
