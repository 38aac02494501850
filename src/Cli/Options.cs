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
        InvalidInputException.Require(folder.Length > 0, option, "", "a folder", null);
        try
        {
            AtomicFile.RequireWritableFolder(folder);
            return folder;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{option} {folder}: cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Makes sure, before any work is done, that a file of JSON can be written; null stays null.</summary>
    /// <exception cref="InvalidInputException">It cannot, or there is a file that is not JSON.</exception>
    public static string? WritableJson(string? file, string option) => WritableFile(file, option, "JSON", text => text[0] is '{' or '[');

    /// <summary>Makes sure, before any work is done, that a file can be written; null stays null.</summary>
    /// <param name="file">The file.</param>
    /// <param name="option">The option that named it.</param>
    /// <param name="kind">What it is written as; with</param>
    /// <param name="isOurs">whether a file that is there begins as one of that kind does (its first characters, at least one).</param>
    /// <exception cref="InvalidInputException">It cannot be written, or there is a file of another kind, which is not replaced.</exception>
    public static string? WritableFile(string? file, string option, string kind, Func<string, bool> isOurs)
    {
        if (WritableFile(file, option) is { } path && AtomicFile.IsRegular(path) && Beginning(path) is { Length: > 0 } text)
        {
            InvalidInputException.Require(isOurs(text), $"{option} {path}", "", $"no file there, or one of {kind}, which is replaced", "another");
        }

        return file;
    }

    /// <summary>Makes sure, before any work is done, that a file can be written; null stays null.</summary>
    /// <exception cref="InvalidInputException">It cannot.</exception>
    public static string? WritableFile(string? file, string option)
    {
        if (file is not null)
        {
            InvalidInputException.Require(file.Length > 0, option, "", "a file", null);
            InvalidInputException.Require(!Directory.Exists(file), option, "", "a file", $"the folder {file}");
            try
            {
                AtomicFile.RequireWritable(file);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new InvalidInputException($"{option} {file}: cannot be written: {e.Message}", e);
            }
        }

        return file;
    }

    private static string Beginning(string path)
    {
        const int Enough = 4096;
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            var bytes = new byte[(int)Math.Min(Enough, file.Length)];
            return System.Text.Encoding.UTF8.GetString(bytes, 0, file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)).TrimStart();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What cannot be read cannot be shown to be of that kind.
            return "?";
        }
    }
}
