using System.Diagnostics;
using System.Globalization;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.EndToEndTests;

/// <summary>What a command writes: never over what it did not write, never over what took work, never into what another writes.</summary>
public sealed class OutputTests : IDisposable
{
    private const string Mine = "mine, and not to be lost";
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Results_that_are_there_are_replaced_only_with_overwrite_and_foreign_files_not_at_all()
    {
        string[] run = ["run", "--policy", "straight", "--episodes", "1", "--out", _scratch["out"]];
        (await EntryPoint.RunAsync([.. run, "--seed", "1"])).Success.ToString();
        var first = File.ReadAllBytes(_scratch["out/rollouts.npz"]);
        File.WriteAllText(_scratch["out/notes.part"], Mine);
        Assert.Equal($"--out {_scratch["out"]}: expected a folder without the results of a run (--overwrite replaces them), found result.json", (await EntryPoint.RunAsync([.. run, "--seed", "2"])).Refusal);
        Assert.Equal(first, File.ReadAllBytes(_scratch["out/rollouts.npz"]));
        (await EntryPoint.RunAsync([.. run, "--seed", "2", "--overwrite"])).Success.ToString();
        Assert.NotEqual(first, File.ReadAllBytes(_scratch["out/rollouts.npz"]));
        Assert.Equal(Mine, File.ReadAllText(_scratch["out/notes.part"]));

        Directory.CreateDirectory(_scratch["foreign"]);
        File.WriteAllText(_scratch["foreign/overlay.svg"], Mine);
        Assert.StartsWith($"{_scratch["foreign/overlay.svg"]}: expected no file there that this program did not write", (await EntryPoint.RunAsync([.. run[..^1], _scratch["foreign"], "--overwrite"])).Refusal, StringComparison.Ordinal);
        Assert.Equal([_scratch["foreign/overlay.svg"]], Directory.EnumerateFileSystemEntries(_scratch["foreign"]));
        Assert.Equal("--out: expected a folder, found nothing", (await EntryPoint.RunAsync([.. run[..^1], ""])).Refusal);
    }

    [Fact]
    public async Task Two_runs_never_write_one_folder_and_a_killed_one_does_not_hold_it()
    {
        string[] run = ["run", "--policy", "straight", "--out", _scratch["out"]];
        using (var first = EntryPoint.Start([.. run, "--episodes", "2000", "--set", "scenario.steps=5000"]))
        {
            // Its first line comes after it has claimed the folder.
            Assert.NotNull(await first.StandardError.ReadLineAsync());
            Assert.Equal(
                $"--out {_scratch["out"]}: expected no other process that writes there, found one at work; wait for it, or choose another place", (await EntryPoint.RunAsync([.. run, "--episodes", "1"])).Refusal);
            first.Kill();
            await first.WaitForExitAsync();
        }

        (await EntryPoint.RunAsync([.. run, "--episodes", "1"])).Success.ToString();
    }

    [Fact]
    public async Task A_model_that_was_trained_is_not_trained_over()
    {
        (await EntryPoint.RunAsync("experts", "swap", "--count", "3", "--out", _scratch["demos"])).Success.ToString();
        string[] train = ["train", "swap", "--demos", _scratch["demos"], "--out", _scratch["m.safetensors"], "--threads", "1", "--set", "model.network.width=8", "--set", "training.batch=4", "--set", "training.warmup=0"];
        foreach (var there in new[] { "m.safetensors", "m.resume.safetensors", "m.metrics.jsonl" })
        {
            File.WriteAllText(_scratch[there], Mine);
            Assert.Equal(
                $"--out {_scratch["m.safetensors"]}: expected no file there of another training (--resume goes on with it, --overwrite replaces it), found {_scratch[there]}",
                (await EntryPoint.RunAsync([.. train, "--steps", "2"])).Refusal);
            Assert.Equal(Mine, File.ReadAllText(_scratch[there]));
            File.Delete(_scratch[there]);
        }

        using (OutputClaim.OfFile(_scratch["m.safetensors"], "--out"))
        {
            Assert.Contains("expected no other process that writes there", (await EntryPoint.RunAsync([.. train, "--steps", "2"])).Refusal, StringComparison.Ordinal);
        }

        (await EntryPoint.RunAsync([.. train, "--steps", "2"])).Success.ToString();
        Assert.Contains("found both", (await EntryPoint.RunAsync([.. train, "--steps", "3", "--resume", "--overwrite"])).Refusal, StringComparison.Ordinal);
        (await EntryPoint.RunAsync([.. train, "--steps", "3", "--overwrite"])).Success.ToString();
        Assert.Equal(["m.metrics.jsonl", "m.resume.safetensors", "m.safetensors"], Names("", "*m.*"));
    }

    [Fact]
    public async Task Demonstrations_that_were_made_are_not_made_over()
    {
        string[] experts = ["experts", "swap", "--count", "1", "--out", _scratch["demos"]];
        (await EntryPoint.RunAsync(experts)).Success.ToString();
        Assert.Equal(["agents.npz", "meta.json"], Names("demos", "*"));
        Assert.Equal($"--out {_scratch["demos"]}: expected a folder without demonstrations (--overwrite replaces them), found {_scratch["demos/agents.npz"]}", (await EntryPoint.RunAsync(experts)).Refusal);
        (await EntryPoint.RunAsync([.. experts, "--overwrite", "--seed", "2"])).Success.ToString();

        Directory.CreateDirectory(_scratch["foreign"]);
        File.WriteAllText(_scratch["foreign/agents.npz"], Mine);
        Assert.Contains("that this program did not write", (await EntryPoint.RunAsync([.. experts[..^1], _scratch["foreign"], "--overwrite"])).Refusal, StringComparison.Ordinal);
        Assert.Equal(Mine, File.ReadAllText(_scratch["foreign/agents.npz"]));
    }

    [Fact]
    public async Task A_sweep_leaves_files_alone_that_it_did_not_make()
    {
        var sweep = _scratch["sweep.json"];
        File.WriteAllText(sweep, """{ "name": "s", "episodes": 1, "block": 1, "base": { "scenario": "swap", "policy": "straight" }, "axes": [{ "name": "n", "values": [{ "label": "a", "set": { "scenario.steps": 20 } }] }] }""");
        string[] foreign = ["out/notes.part", "out/cells/data.part", "out/models/x.part", "out/.a.0123456789abcdef0123456789abcdef.1.part"];
        foreach (var file in foreign)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_scratch[file])!);
            File.WriteAllText(_scratch[file], Mine);
        }

        (await EntryPoint.RunAsync("sweep", sweep, "--out", _scratch["out"])).Success.ToString();
        (await EntryPoint.RunAsync("sweep", sweep, "--out", _scratch["out"])).Success.ToString();
        Assert.All(foreign, f => Assert.Equal(Mine, File.ReadAllText(_scratch[f])));

        Directory.CreateDirectory(_scratch["other"]);
        File.WriteAllText(_scratch["other/cells.csv"], Mine);
        Assert.StartsWith(_scratch["other/cells.csv"], (await EntryPoint.RunAsync("sweep", sweep, "--out", _scratch["other"])).Refusal, StringComparison.Ordinal);
        Assert.Equal(Mine, File.ReadAllText(_scratch["other/cells.csv"]));
    }

    [Fact]
    public async Task No_output_is_an_input_and_no_file_of_another_kind_is_replaced()
    {
        var scenario = _scratch["swap.json"];
        File.Copy(Path.Combine(EntryPoint.Root, "scenarios", "swap.json"), scenario);
        var before = File.ReadAllText(scenario);
        File.CreateSymbolicLink(_scratch["link.json"], scenario);
        string[] run = ["run", scenario, "--policy", "straight", "--episodes", "1", "--out", _scratch["out"]];
        foreach (var json in new[] { scenario, _scratch["link.json"] })
        {
            Assert.Equal($"--json {json}: expected another file than what SCENARIO reads, found the same", (await EntryPoint.RunAsync([.. run, "--json", json])).Refusal);
        }

        File.WriteAllText(_scratch["notes.txt"], Mine);
        Assert.Equal($"--json {_scratch["notes.txt"]}: expected no file there, or one of JSON, which is replaced, found another", (await EntryPoint.RunAsync([.. run, "--json", _scratch["notes.txt"]])).Refusal);
        Assert.Equal(before, File.ReadAllText(scenario));
        Assert.Equal(Mine, File.ReadAllText(_scratch["notes.txt"]));
        Assert.False(Directory.Exists(_scratch["out"]));
        (await EntryPoint.RunAsync([.. run, "--json", "/dev/null"])).Success.ToString();
        // The record alone is on standard output, whole.
        using var record = System.Text.Json.JsonDocument.Parse((await EntryPoint.RunAsync([.. run, "--overwrite", "--json", "/dev/stdout"])).Success);
        Assert.Equal(1, record.RootElement.GetProperty("episodes").GetInt32());
        using var look = Process.Start(new ProcessStartInfo("stat", ["-c", "%F", "/dev/null"]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        Assert.Equal("character special file", (await look.StandardOutput.ReadToEndAsync()).Trim());
    }

    [Fact]
    public void Snapshots_of_a_run_leave_foreign_files_alone()
    {
        Directory.CreateDirectory(_scratch["run/snapshots"]);
        File.WriteAllText(_scratch["run/snapshots/notes.txt"], Mine);
        File.WriteAllText(_scratch["run/snapshots/x.part"], Mine);
        using (var snapshots = SnapshotFolder.Create(_scratch["run"], "{}"))
        {
            Assert.Throws<InvalidInputException>(() => SnapshotFolder.Open(_scratch["run"]).Hold());
        }

        Assert.Equal(Mine, File.ReadAllText(_scratch["run/snapshots/notes.txt"]));
        Assert.Equal(Mine, File.ReadAllText(_scratch["run/snapshots/x.part"]));
    }

    private string[] Names(string folder, string pattern)
        => [.. new DirectoryInfo(_scratch[folder]).EnumerateFileSystemInfos(pattern).Select(f => f.Name).Where(n => n != "demos").Order(StringComparer.Create(CultureInfo.InvariantCulture, ignoreCase: false))];
}
