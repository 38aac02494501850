using System.Diagnostics;
using System.Reflection;
using MimicD.Contracts;

namespace MimicD.Cli;

/// <summary>Runs this program as a child. The child stops, keeping what is done, when its standard input ends: when its parent asks, or is no more, however it ended.</summary>
internal static class ChildProgram
{
    // Set in a child.
    private const string Variable = "MIMICD_STOP_WITH_INPUT";

    // The entry script, which names itself here: it installs what the child's verb lacks.
    private const string Script = "MIMICD_ENTRY";

    /// <summary>Runs a verb to its end.</summary>
    /// <param name="arguments">Verb and options.</param>
    /// <param name="line">Told every line of its standard error.</param>
    /// <param name="cancellationToken">Asks it to stop.</param>
    /// <exception cref="InvalidInputException">It refused its input (exit code 2).</exception>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static async Task RunAsync(IReadOnlyList<string> arguments, Action<string> line, CancellationToken cancellationToken)
    {
        var script = Environment.GetEnvironmentVariable(Script) is { Length: > 0 } entry ? entry : null;
        var start = new ProcessStartInfo(script ?? Environment.ProcessPath!, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        if (script is null && Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
        {
            start.ArgumentList.Insert(0, Assembly.GetExecutingAssembly().Location);
        }

        start.Environment[Variable] = "1";
        using var process = Process.Start(start) ?? throw new InvalidOperationException("the program could not be started again");
        using var stop = cancellationToken.Register(process.StandardInput.Close);
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var last = "";
        while (await process.StandardError.ReadLineAsync(CancellationToken.None) is { } text)
        {
            last = text.Length > 0 ? text : last;
            line(text);
        }

        await output;
        await process.WaitForExitAsync(CancellationToken.None);
        var said = last.StartsWith("mimicd: ", StringComparison.Ordinal) ? last["mimicd: ".Length..] : last;
        switch (process.ExitCode)
        {
            case 0:
                return;
            case CommandLine.Refused:
                throw new InvalidInputException(said);
            case var code when Interruption.IsStop(code):
                throw new OperationCanceledException(cancellationToken);
            default:
                throw new InvalidOperationException($"mimicd {arguments[0]} ended with exit code {process.ExitCode}: {said}");
        }
    }

    /// <summary>In a child: asks for a stop when standard input ends. Elsewhere: nothing.</summary>
    public static void StopWithParent(Interruption interrupt)
    {
        if (Environment.GetEnvironmentVariable(Variable) is null)
        {
            return;
        }

        new Thread(() =>
        {
            try
            {
                using var input = Console.OpenStandardInput();
                input.CopyTo(Stream.Null);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // An input that cannot be read has ended as well.
            }

            interrupt.Stop();
        }) { IsBackground = true }.Start();
    }
}
