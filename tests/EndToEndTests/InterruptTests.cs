using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using MimicD.World;

namespace MimicD.EndToEndTests;

/// <summary>Ctrl-C in the long verbs: exit code 130, and what is done is kept and can be gone on with.</summary>
public sealed class InterruptTests : IDisposable
{
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Experts_keep_the_demonstrations_that_are_done()
    {
        // The first line of progress comes after a tenth; the signal follows it.
        var stopped = await InterruptedAsync(" demonstrations", "experts", "swap", "--count", "300", "--seed", "5", "--threads", "1", "--out", _scratch["experts"]);

        Assert.Equal(130, stopped.Code);
        var set = DemonstrationSet.Load(_scratch["experts"]);
        Assert.InRange(set.Count, 30, 299);
        Assert.Contains($"mimicd: stopped; the first {set.Count} of 300 demonstrations are kept", stopped.Errors);
    }

    [Fact]
    public async Task Training_leaves_a_checkpoint_that_can_be_gone_on_with()
    {
        (await EntryPoint.RunAsync("experts", "swap", "--count", "3", "--out", _scratch["demos"])).Success.ToString();
        var model = _scratch["m.safetensors"];
        string[] train = ["train", "swap", "--demos", _scratch["demos"], "--out", model, "--threads", "1", "--set", "model.network.width=8", "--set", "training.batch=4", "--set", "training.schedule=constant"];

        var stopped = await InterruptedAsync(" steps", [.. train, "--steps", "20000"]);
        Assert.True(stopped.Code == 130, $"expected exit code 130, found {stopped.Code}\n{stopped.Output}\n{string.Join('\n', stopped.Errors)}");
        Assert.Contains("the same command with --resume goes on from here", stopped.Output, StringComparison.Ordinal);
        var step = int.Parse(Regex.Match(stopped.Output, "step (?<step>[0-9,]+) of 20,000", RegexOptions.None, TimeSpan.FromSeconds(1)).Groups["step"].Value, NumberStyles.AllowThousands, CultureInfo.InvariantCulture);
        Assert.InRange(step, 2000, 19_999);

        var resumed = (await EntryPoint.RunAsync([.. train, "--steps", $"{step + 50}", "--resume"])).Success;
        (await EntryPoint.RunAsync([.. train, "--steps", $"{step + 50}", "--resume", "--json", _scratch["nothing-left.json"]])).Success.ToString();
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"step {step + 50:n0} of {step + 50:n0}"), resumed, StringComparison.Ordinal);
        (await EntryPoint.RunAsync("run", "--model", model, "--episodes", "1", "--out", _scratch["run"])).Success.ToString();
    }

    /// <summary>Runs the command and sends it SIGINT when a line of standard error holds a text.</summary>
    private static async Task<Outcome> InterruptedAsync(string text, params string[] arguments)
    {
        using var process = EntryPoint.Start(arguments);
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = new List<string>();
        var sent = false;
        while (await process.StandardError.ReadLineAsync() is { } line)
        {
            errors.Add(line);
            if (!sent && line.Contains(text, StringComparison.Ordinal))
            {
                sent = true;
                using var kill = Process.Start("kill", ["-INT", process.Id.ToString(CultureInfo.InvariantCulture)]);
                await kill.WaitForExitAsync();
            }
        }

        await process.WaitForExitAsync();
        return new Outcome(process.ExitCode, await output, [.. errors]);
    }
}
