using System.Globalization;

namespace MimicD.Cli;

/// <summary>The last line of defence: what nobody foresaw becomes one line that says what to do, and a file with the rest. Each door still checks for itself.</summary>
internal static class Unforeseen
{
    /// <summary>The line for somebody who hit it; writes the file.</summary>
    /// <param name="e">What happened.</param>
    /// <param name="args">The command's arguments.</param>
    public static string Line(Exception e, string[] args)
    {
        var cause = e is AggregateException { InnerExceptions: [var only] } ? only : e;
        var what = cause is OutOfMemoryException ? "not enough memory (fewer episodes, agents or steps need less)" : $"an error that nobody foresaw ({cause.GetType().Name}: {cause.Message})";
        var file = Log(e, args);
        return $"{what}{(file is null ? "" : $"; all about it is in {file}, which helps whoever mends it")}";
    }

    /// <summary>Makes errors in threads that nobody waits for end the same way.</summary>
    /// <param name="args">The command's arguments.</param>
    public static void Catch(string[] args) => AppDomain.CurrentDomain.UnhandledException += (_, raised) =>
    {
        if (raised.ExceptionObject is Exception e && Environment.GetEnvironmentVariable("MIMICD_TRACE") is null)
        {
            Console.Error.WriteLine($"mimicd: {Line(e, args)}".ReplaceLineEndings(" "));
            Environment.Exit(CommandLine.Failure);
        }
    };

    /// <summary>A new file that nobody else can read: arguments are in it.</summary>
    private static FileStreamOptions Private()
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        return options;
    }

    /// <summary>Writes the file; null where there is no place for it.</summary>
    private static string? Log(Exception e, string[] args)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"mimicd-error-{DateTime.UtcNow:yyyyMMdd-HHmmss}-{Environment.ProcessId}.log");
        foreach (var folder in new[] { Path.GetTempPath(), Environment.CurrentDirectory })
        {
            try
            {
                var path = Path.Combine(folder, name);
                using var file = new StreamWriter(path, Private());
                file.WriteLine($"mimicd {string.Join(' ', args)}");
                file.WriteLine($"version {typeof(Unforeseen).Assembly.GetName().Version}, {Environment.OSVersion}, .NET {Environment.Version}");
                file.WriteLine(e);
                return path;
            }
            catch (Exception failed) when (failed is IOException or UnauthorizedAccessException or ArgumentException)
            {
                // The next folder.
            }
        }

        return null;
    }
}
