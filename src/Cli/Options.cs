using System.CommandLine;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Cli;

/// <summary>Options that several verbs share, and checks of what they hold.</summary>
internal static class Options
{
    public static Option<ulong> Seed(ulong value = 0) => new("--seed")
    {
        Description = "Every random number follows from it.",
        HelpName = "N",
        DefaultValueFactory = _ => value,
    };

    public static Option<string?> Json() => new("--json") { Description = "Also write the result here, machine-readable.", HelpName = "FILE" };

    public static Option<int?> Agents() => new("--agents") { Description = "Agents an episode, where the scenario is for any number of them.", HelpName = "N" };

    public static Option<int> Threads() => new("--threads")
    {
        Description = "Threads to use; the result does not depend on it.",
        HelpName = "N",
        DefaultValueFactory = _ => Environment.ProcessorCount,
    };

    /// <summary>Refuses an option's value that is out of range.</summary>
    public static int Between(int value, int low, int high, string option)
    {
        InvalidInputException.Require(value >= low && value <= high, option, "", $"{low} to {high}", value);
        return value;
    }

    /// <summary>Makes sure, before any work is done, that files can be written to a folder.</summary>
    /// <exception cref="InvalidInputException">They cannot.</exception>
    public static string Writable(string folder, string option)
    {
        try
        {
            var probe = Path.Combine(folder, $".mimicd.{Environment.ProcessId}");
            AtomicFile.WriteText(probe, "");
            File.Delete(probe);
            return folder;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{option} {folder}: cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Makes sure, before any work is done, that a file can be written; null stays null.</summary>
    /// <exception cref="InvalidInputException">It cannot.</exception>
    public static string? WritableFile(string? file, string option)
    {
        if (file is not null)
        {
            InvalidInputException.Require(!Directory.Exists(file), option, "", "a file", $"the folder {file}");
            Writable(Path.GetDirectoryName(Path.GetFullPath(file))!, option);
        }

        return file;
    }
}
