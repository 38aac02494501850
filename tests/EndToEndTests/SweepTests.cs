using System.Diagnostics;
using System.Globalization;
using MimicD.AgentsTests;
using MimicD.Contracts;
using MimicD.Evaluation.Sweeps;
using MimicD.World;

namespace MimicD.EndToEndTests;

/// <summary><c>mimicd sweep</c>: a killed one goes on, a cell stands alone, threads change nothing, and what fails is said.</summary>
public sealed class SweepTests : IDisposable
{
    // Some seconds of work in 4 cells of 20 blocks: long after its first line of progress.
    internal const string Ring = """
        {
          "name": "ring", "episodes": 40, "block": 2, "seed": 7, "base": { "scenario": "ring", "policy": "straight", "scenario.agents": 24 },
          "axes": [
            { "name": "spread", "key": "scenario.starts.scale", "values": [0.05, 0.2] },
            { "name": "sensing", "values": [ { "label": "perfect", "set": {} }, { "label": "poor", "set": { "scenario.sensing.noise": 0.1, "scenario.sensing.delay": 2 } } ] }
          ]
        }
        """;

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_killed_sweep_goes_on_and_gives_what_an_undisturbed_one_gives_with_any_number_of_threads()
    {
        var file = Write(Ring);
        (await EntryPoint.RunAsync("sweep", file, "--out", _scratch["whole"], "--threads", "1")).Success.ToString();

        using (var process = EntryPoint.Start("sweep", file, "--out", _scratch["killed"], "--threads", "2"))
        {
            var output = process.StandardOutput.ReadToEndAsync();
            while (await process.StandardError.ReadLineAsync() is { } line && !line.Contains("1 of 4 cells", StringComparison.Ordinal))
            {
            }

            process.Kill();
            await process.WaitForExitAsync();
            await output;
        }

        var before = Folder("killed").ReadCells();
        Assert.InRange(before.Length, 1, 3);
        var resumed = (await EntryPoint.RunAsync("sweep", file, "--out", _scratch["killed"], "--threads", "2")).Success;

        Assert.Contains("4 of 4 cells finished", resumed, StringComparison.Ordinal);
        Assert.Equal(Numbers("whole"), Numbers("killed"));
        // What was finished was not computed again: it would have taken another time.
        var after = Folder("killed").ReadCells().ToDictionary(c => c.Id, StringComparer.Ordinal);
        Assert.All(before, c => Assert.Equal(c.Seconds, after[c.Id].Seconds));
        Assert.Empty(Directory.EnumerateFiles(_scratch["killed"], "block-*", SearchOption.AllDirectories));
        Assert.Empty(Directory.EnumerateFiles(_scratch["killed"], "*.part", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task A_cell_alone_gives_what_it_gives_among_the_others_and_its_blocks_are_runs()
    {
        var file = Write(Ring);
        var id = Plan(file).Cells[3].Id;
        async Task<SweepCellResult> AloneAsync()
        {
            (await EntryPoint.RunAsync("sweep", file, "--out", _scratch["alone"], "--episodes", "4", "--cell", id, "--again")).Success.ToString();
            return Assert.Single(Folder("alone").ReadCells());
        }

        // Fewer episodes are another cell.
        Assert.Equal($"--cell: expected the id of a cell of {file} (--list shows them), found {id}", (await EntryPoint.RunAsync("sweep", file, "--out", _scratch["alone"], "--episodes", "4", "--cell", id)).Refusal);
        (await EntryPoint.RunAsync("sweep", file, "--out", _scratch["all"], "--episodes", "4")).Success.ToString();
        var among = Folder("all").ReadCells()[3];
        id = among.Id;
        var alone = await AloneAsync();

        Assert.Equal((among.TrajectoryHash, StrictJson.Format(among.Figures)), (alone.TrajectoryHash, StrictJson.Format(alone.Figures)));
        Assert.Equal(alone.TrajectoryHash, (await AloneAsync()).TrajectoryHash);
        Assert.Equal($"mimicd sweep {file} --out {_scratch["alone"]} --episodes 4 --cell {id} --again", alone.Command);

        // The second block again, as a run of its own: by the scenario that the cell left, and by the shipped one with the cell's changes.
        var rollouts = Rollouts.Load(_scratch[$"alone/{alone.Rollouts}"]);
        string[] own = [_scratch[$"alone/{alone.ScenarioFile}"]];
        string[] changed = ["scenarios/ring.json", "--set", "scenario.agents=24", "--set", "scenario.starts.scale=0.2", "--set", "scenario.sensing.noise=0.1", "--set", "scenario.sensing.delay=2"];
        changed[0] = Path.Combine(EntryPoint.Root, changed[0]);
        foreach (var scenario in new[] { own, changed })
        {
            (await EntryPoint.RunAsync(["run", .. scenario, "--policy", "straight", "--episodes", "2", "--seed", $"{alone.Seeds[1]}", "--overwrite", "--out", _scratch["run"]])).Success.ToString();
            var block = Rollouts.Load(_scratch["run/rollouts.npz"]).Positions;
            Assert.Equal(block.Data, rollouts.Positions.Data[block.Data.Length..]);
        }
    }

    [Fact]
    public async Task Ctrl_C_keeps_finished_blocks()
    {
        var file = Write(Ring);
        using (var process = EntryPoint.Start("sweep", file, "--out", _scratch["out"], "--threads", "1"))
        {
            var output = process.StandardOutput.ReadToEndAsync();
            while (await process.StandardError.ReadLineAsync() is { } line && !line.Contains(" episodes", StringComparison.Ordinal))
            {
            }

            using (var kill = Process.Start("kill", ["-INT", process.Id.ToString(CultureInfo.InvariantCulture)]))
            {
                await kill.WaitForExitAsync();
            }

            var errors = await process.StandardError.ReadToEndAsync();
            await process.WaitForExitAsync();
            await output;
            Assert.True(process.ExitCode == 130, $"expected exit code 130, found {process.ExitCode}\n{errors}");
            Assert.Contains("mimicd: stopped; the same command goes on from here", errors, StringComparison.Ordinal);
        }

        Assert.NotEmpty(Directory.EnumerateFiles(_scratch["out"], "block-*.npz", SearchOption.AllDirectories));
        Assert.Matches("[0-9]+ of 40 episodes", (await EntryPoint.RunAsync("sweep", file, "--out", _scratch["out"], "--list")).Success);
    }

    [Fact]
    public async Task Models_are_trained_once_and_shared_and_come_out_the_same_again()
    {
        var file = Write("""
            {
              "name": "trained", "episodes": 3, "block": 2, "experts": { "swap": { "count": 3, "seed": 2, "options": { "modes": "places" } } },
              "base": { "scenario": "swap", "training.preset": "small", "training.steps": 20, "training.batch": 8, "model.network.width": 8 },
              "axes": [ { "name": "seed", "key": "training.seed", "values": [1, 2] }, { "name": "steps", "key": "sampling.steps", "values": [1, 2] } ]
            }
            """);
        foreach (var threads in new[] { "1", "2" })
        {
            (await EntryPoint.RunAsync("sweep", file, "--out", _scratch[threads], "--threads", threads)).Success.ToString();
        }

        Assert.Equal(Numbers("1"), Numbers("2"));
        Assert.Equal(2, Directory.EnumerateFiles(_scratch["1/models"], "*.safetensors").Count());
        var cells = Folder("1").ReadCells();
        Assert.Equal([1UL, 1UL, 2UL, 2UL], cells.Select(c => c.Model!.TrainingSeed!.Value));
        Assert.Equal(4, cells.Select(c => c.TrajectoryHash).Distinct(StringComparer.Ordinal).Count());
        Assert.All(cells, c => Assert.Equal(3, c.Baseline!.Figures!.Episodes));

        // The line that is kept trains the same weights by itself.
        var model = cells[0].Model!;
        Assert.StartsWith("mimicd train swap --demos ", model.Command, StringComparison.Ordinal);
        var arguments = model.Command!.Split(' ')[1..];
        arguments[^1] = _scratch["again.safetensors"];
        (await EntryPoint.RunAsync(arguments)).Success.ToString();
        Assert.Equal(await File.ReadAllBytesAsync(_scratch["1/" + model.File]), await File.ReadAllBytesAsync(_scratch["again.safetensors"]));
    }

    [Fact]
    public async Task A_cell_that_fails_says_so_and_the_others_go_on()
    {
        // The likelihood of a mixture does not survive such steps.
        var file = Write("""
            {
              "name": "failing", "episodes": 1, "experts": { "swap": { "count": 2 } },
              "base": { "scenario": "swap", "training.preset": "small", "training.method": "mixture", "training.gradientClip": 1e300, "training.steps": 30, "training.batch": 4, "training.warmup": 0, "model.network.width": 64 },
              "axes": [ { "name": "rate", "key": "training.learningRate", "values": [1e-4, 1] } ]
            }
            """);

        var outcome = await EntryPoint.RunAsync("sweep", file, "--out", _scratch["out"], "--threads", "1");

        Assert.True(outcome.Code == 1, $"expected exit code 1, found {outcome.Code}\n{outcome.Output}\n{string.Join('\n', outcome.Errors)}");
        Assert.Contains("1 of 2 cells finished", outcome.Output, StringComparison.Ordinal);
        Assert.StartsWith("mimicd: 1 cell failed; first ", outcome.Errors[^1], StringComparison.Ordinal);
        var cells = Folder("out").ReadCells();
        Assert.Null(cells[0].Error);
        Assert.StartsWith("training: training diverged", cells[1].Error, StringComparison.Ordinal);
        Assert.Null(cells[1].Figures);
        Assert.Matches("failed: training: ", (await EntryPoint.RunAsync("sweep", file, "--out", _scratch["out"], "--list")).Success);
    }

    [Fact]
    public async Task A_cell_stops_early_at_the_same_block_for_any_number_of_threads()
    {
        var file = Write("""
            { "name": "stopping", "episodes": 60, "block": 4, "stop": { "width": 0.35 }, "base": { "scenario": "ring", "policy": "straight" },
              "axes": [ { "name": "agents", "key": "scenario.agents", "values": [2, 3] } ] }
            """);
        foreach (var threads in new[] { "1", "3" })
        {
            (await EntryPoint.RunAsync("sweep", file, "--out", _scratch[threads], "--threads", threads)).Success.ToString();
        }

        Assert.Equal(Numbers("1"), Numbers("3"));
        Assert.All(Folder("1").ReadCells(), c =>
        {
            var found = c.Stopping!.StrictSuccess;
            Assert.InRange(c.Episodes, 4, 56);
            Assert.Equal((c.Episodes, c.Episodes, 60), (c.BlockEpisodes.Sum(), c.Figures!.Episodes, c.Stopping.Planned));
            Assert.Equal(c.Figures.StrictSuccess.Value, found.Value);
            Assert.InRange(found.High - found.Low, 0, 0.35);
        });
    }

    [Fact]
    public async Task A_training_stops_with_the_sweep_that_asked_for_it()
    {
        (await EntryPoint.RunAsync("experts", "swap", "--count", "2", "--out", _scratch["demos"])).Success.ToString();
        var start = new ProcessStartInfo("dotnet",
        [
            Path.Combine(AppContext.BaseDirectory, "mimicd.dll"), "train", "swap", "--demos", _scratch["demos"], "--steps", "100000", "--set", "model.network.width=8", "--set", "training.batch=4",
            "--threads", "1", "--out", _scratch["m.safetensors"],
        ]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.Environment["MIMICD_ROOT"] = EntryPoint.Root;
        start.Environment["MIMICD_STOP_WITH_INPUT"] = "1";
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());

        process.StandardInput.Close();
        await process.WaitForExitAsync();

        Assert.True(process.ExitCode == 130, $"expected exit code 130, found {process.ExitCode}\n{await output}\n{await errors}");
    }

    [Fact]
    public async Task What_cannot_be_computed_is_refused_before_anything_is_written()
    {
        var model = _scratch["swap.safetensors"];
        RandomModel.Write(model, RandomModel.Complete(RandomModel.Spec() with { Scenario = "swap" }));
        var file = Write("""{ "name": "a", "episodes": 1, "base": { "model": "swap.safetensors" }, "axes": [ { "name": "scenario", "values": ["swap", "ring"] } ] }""");

        Assert.EndsWith("agents: expected 8 (the model was trained for scenario 'swap', this is 'ring'), found 2", (await EntryPoint.RunAsync("sweep", file, "--out", _scratch["out"])).Refusal, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_scratch["out"]));

        await File.WriteAllTextAsync(_scratch["taken"], "");
        Assert.StartsWith($"--out {_scratch["taken/out"]}: cannot be written", (await EntryPoint.RunAsync("sweep", Write(Ring), "--out", _scratch["taken/out"])).Refusal, StringComparison.Ordinal);
        Assert.StartsWith("--set scenario.sensing.noise=-1: sensing.noise: expected 0 or more", (await EntryPoint.RunAsync("run", "--set", "scenario.sensing.noise=-1")).Refusal, StringComparison.Ordinal);
        Assert.Equal("--set: expected scenario.KEY=VALUE, found sampling.steps=3", (await EntryPoint.RunAsync("run", "--set", "sampling.steps=3")).Refusal);
    }

    [Fact]
    public async Task Shipped_sweeps_can_be_run()
    {
        foreach (var name in Directory.EnumerateFiles(Path.Combine(EntryPoint.Root, "sweeps"), "*.json").Select(f => Path.GetFileNameWithoutExtension(f)))
        {
            (await EntryPoint.RunAsync("sweep", name, "--list", "--out", _scratch["out"])).Success.ToString();
        }

        Assert.False(Directory.Exists(_scratch["out"]));
    }

    /// <summary>Everything of the cells that must be the same again.</summary>
    private string[] Numbers(string folder) => [.. Folder(folder).ReadCells().Select(c => StrictJson.Format(c with
    {
        Seconds = 0,
        Command = "",
        Model = c.Model is null ? null : c.Model with { TrainingSeconds = 0, Command = "" },
    }))];

    private SweepFolder Folder(string name) => new(_scratch[name]);

    private static SweepPlan Plan(string file) => SweepPlan.Create(file, SweepFile.Load(file), (kind, name) => Path.Combine(EntryPoint.Root, kind, name + ".json"));

    private string Write(string text)
    {
        var path = _scratch["sweep.json"];
        File.WriteAllText(path, text);
        return path;
    }
}
