using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using MimicD.Cli;

namespace MimicD.EndToEndTests;

/// <summary>A console that is gone, full or closed costs no result; signals end the program with their own exit codes, and keep what is done.</summary>
public sealed class ConsoleTests : IDisposable
{
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("0<&- >&- 2>&-", 0, "")]
    [InlineData(">/dev/full", 0, "mimicd: standard output could not be written (No space left on device")]
    [InlineData("2>/dev/full", 0, "")]
    public void A_run_is_kept_whatever_happens_to_its_console(string redirection, int code, string said)
    {
        var (found, errors) = Shell($"\"$@\" {redirection}", "run", "swap", "--policy", "straight", "--episodes", "2", "--out", _scratch["out"]);

        Assert.Equal(code, found);
        foreach (var file in new[] { "rollouts.npz", "outcomes.csv", "trajectories.svg", "overlay.svg" })
        {
            Assert.True(File.Exists(Path.Combine(_scratch["out"], file)), file);
        }

        using var result = JsonDocument.Parse(File.ReadAllText(Path.Combine(_scratch["out"], "result.json")));
        Assert.True(result.RootElement.GetProperty("completed").GetBoolean());
        Assert.Contains(said, errors, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_only_shown_and_cannot_be_shown_has_failed()
    {
        var (code, errors) = Shell("\"$@\" >/dev/full", "sweep", "noise", "--list");
        Assert.Equal((1, "mimicd: standard output could not be written (No space left on device)"), (code, errors.Trim()));
    }

    [Theory]
    [InlineData("TERM", 143)]
    [InlineData("HUP", 129)]
    public void A_signal_keeps_what_is_done_and_ends_with_its_own_code(string signal, int code)
    {
        // A signal comes when the first tenth of the ticks is done.
        using var process = EntryPoint.Start("run", "ring", "--policy", "straight", "--episodes", "4", "--set", "scenario.steps=100000", "--out", _scratch["out"]);
        var output = process.StandardOutput.ReadToEndAsync();
        while (process.StandardError.ReadLine() is { } line && !line.Contains(" ticks", StringComparison.Ordinal))
        {
        }

        using (var kill = Process.Start("kill", ["-" + signal, process.Id.ToString(CultureInfo.InvariantCulture)]))
        {
            kill.WaitForExit();
        }

        process.StandardError.ReadToEnd();
        process.WaitForExit();

        Assert.Equal(code, process.ExitCode);
        Assert.True(File.Exists(Path.Combine(_scratch["out"], "rollouts.npz")));
        using var result = JsonDocument.Parse(File.ReadAllText(Path.Combine(_scratch["out"], "result.json")));
        Assert.False(result.RootElement.GetProperty("completed").GetBoolean());
    }

    [Fact]
    public void The_second_signal_ends_the_process_but_a_second_hang_up_does_not()
    {
        using var interruption = new Interruption();
        Assert.True(interruption.Heed(PosixSignal.SIGHUP, 129, 0));
        Assert.True(interruption.Heed(PosixSignal.SIGHUP, 129, 5000));
        // timeout(1) signals twice at once.
        Assert.True(interruption.Heed(PosixSignal.SIGTERM, 143, 1));
        Assert.False(interruption.Heed(PosixSignal.SIGTERM, 143, 5000));
        Assert.False(interruption.Heed(PosixSignal.SIGINT, 130, 5000));
    }

    [Fact]
    public void Writes_that_fail_are_dropped_and_remembered()
    {
        var sink = new SafeConsole.Sink();
        using var writer = SafeConsole.Writer(() => new Broken(), sink);
        writer.WriteLine("one");
        writer.WriteLine("two");
        Assert.Equal("gone", sink.Lost);

        var closed = new SafeConsole.Sink();
        using var nothing = SafeConsole.Writer(() => throw new IOException("closed"), closed);
        nothing.WriteLine("one");
        Assert.Null(closed.Lost);
    }

    [Fact]
    public async Task What_is_computed_after_the_last_tick_is_given_up_when_its_time_is_over()
    {
        using var stop = new CancellationTokenSource();
        using var never = new ManualResetEventSlim();
        var computed = Closing.RunAsync(() => { never.Wait(CancellationToken.None); return 1; }, stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => computed);
        never.Set();
    }

    [Fact]
    public void What_nobody_foresaw_is_one_line_and_a_file()
    {
        var line = Unforeseen.Line(new InvalidOperationException("two\nlines"), ["run"]);
        var file = line[(line.IndexOf("is in ", StringComparison.Ordinal) + "is in ".Length)..line.IndexOf(", which", StringComparison.Ordinal)];
        Assert.Contains("two\nlines", File.ReadAllText(file), StringComparison.Ordinal);
        File.Delete(file);
    }

    /// <summary>Runs the command with redirections; its standard error may be one of them.</summary>
    private static (int Code, string Errors) Shell(string script, params string[] arguments)
    {
        var start = new ProcessStartInfo("sh", ["-c", script, "sh", "dotnet", Path.Combine(AppContext.BaseDirectory, "mimicd.dll"), .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.Environment["MIMICD_ROOT"] = EntryPoint.Root;
        start.Environment.Remove("MIMICD_ENTRY");
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, errors);
    }

    private sealed class Broken : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => throw new IOException("gone");
    }
}
