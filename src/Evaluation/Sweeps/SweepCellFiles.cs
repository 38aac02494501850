using System.Text.RegularExpressions;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.Evaluation.Sweeps;

/// <summary>Names of all files that a sweep writes: it removes these and nothing else.</summary>
internal static partial class SweepCellFiles
{
    public const string Result = "result.json";
    public const string Scenario = "scenario.json";

    /// <summary>Whether a sweep writes a file of this name into the folder of a cell.</summary>
    public static bool InCell(string name) => name is Result or Scenario or RolloutFile.Name or OutcomesFile.Name || Block().IsMatch(name) || IsLeft(name, InCell);

    /// <summary>Whether <c>mimicd experts</c> writes a file of this name.</summary>
    public static bool InExperts(string name) => name is DemonstrationSet.MetaName or DemonstrationSet.ArraysName or OutputClaim.LedgerName || IsLeft(name, InExperts);

    /// <summary>Removes the files of a folder that bear such names, and the folder where nothing else is in it.</summary>
    /// <param name="folder">The folder; nothing happens where there is none, or where it is a link.</param>
    /// <param name="own">Whether a name is one of ours.</param>
    /// <returns>Names of what was left, in their order.</returns>
    public static IReadOnlyList<string> Remove(string folder, Func<string, bool> own)
    {
        var at = new DirectoryInfo(folder);
        if (!at.Exists)
        {
            return [];
        }

        var left = new List<string>();
        foreach (var entry in at.EnumerateFileSystemInfos())
        {
            if (entry is FileInfo && own(entry.Name))
            {
                entry.Delete();
            }
            else
            {
                left.Add(entry.Name);
            }
        }

        if (left.Count == 0)
        {
            at.Delete();
        }

        left.Sort(StringComparer.Ordinal);
        return left;
    }

    /// <summary>What a process that was killed left of a file it was writing: the file's name, something, and <c>.part</c>.</summary>
    private static bool IsLeft(string name, Func<string, bool> own)
        => PartOf().Match(name) is { Success: true } match && own(match.Groups["of"].Value);

    [GeneratedRegex(@"^block-[0-9]{4,}\.(npz|json)$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Block();

    [GeneratedRegex(@"^\.?(?<of>[a-z0-9-]+\.[a-z]+)\.[^/]*\.?part$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex PartOf();
}
