using System.Diagnostics;
using System.Globalization;
using MimicD.Tests;

namespace MimicD.EndToEndTests;

/// <summary>What a process of the command left behind.</summary>
/// <param name="Code">Exit code.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Errors">Lines of standard error.</param>
public sealed record Outcome(int Code, string Output, string[] Errors)
{
    /// <summary>Exit code 2, and exactly one line that says why.</summary>
    public string Refusal
    {
        get
        {
            Assert.True(Code == 2, $"expected exit code 2, found {Code}\n{Output}\n{string.Join('\n', Errors)}");
            var line = Assert.Single(Errors);
            Assert.StartsWith("mimicd: ", line, StringComparison.Ordinal);
            return line["mimicd: ".Length..];
        }
    }

    /// <summary>Exit code 0; the output.</summary>
    public string Success
    {
        get
        {
            Assert.True(Code == 0, $"expected exit code 0, found {Code}\n{Output}\n{string.Join('\n', Errors)}");
            return Output;
        }
    }
}

/// <summary>Starts the built command as a real process.</summary>
internal static class EntryPoint
{
    /// <summary>The repository, found from where the tests were built.</summary>
    public static string Root => RepositoryRoot.Folder;

    /// <summary>Runs the command to its end.</summary>
    public static async Task<Outcome> RunAsync(params string[] arguments)
    {
        using var process = Start(arguments);
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return new Outcome(process.ExitCode, await output, errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    /// <summary>Starts the command; its output and errors are piped.</summary>
    public static Process Start(params string[] arguments) => Start(null, arguments);

    /// <summary>Starts the command with a variable in its environment.</summary>
    public static Process Start((string Name, string Value)? variable, params string[] arguments)
    {
        // Whoever runs the tests in the background may have left SIGINT ignored, which a child inherits; some tests send it.
        var start = new ProcessStartInfo("env", ["--default-signal=INT", "dotnet", Path.Combine(AppContext.BaseDirectory, "mimicd.dll"), .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.Environment["MIMICD_ROOT"] = Root;
        if (variable is var (name, value))
        {
            start.Environment[name] = value;
        }

        // The tests run this program and not what the entry script would build.
        start.Environment.Remove("MIMICD_ENTRY");
        return Process.Start(start)!;
    }

    /// <summary>Presses Ctrl-C.</summary>
    public static void Interrupt(Process process)
    {
        using var kill = Process.Start("kill", ["-INT", process.Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }
}

/// <summary>A folder that is gone after the test.</summary>
public sealed class Scratch : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mimicd-");

    /// <summary>The folder.</summary>
    public string Folder => _folder.FullName;

    /// <summary>A path within it.</summary>
    public string this[string name] => Path.Combine(Folder, name);

    /// <inheritdoc/>
    public void Dispose() => _folder.Delete(recursive: true);
}
