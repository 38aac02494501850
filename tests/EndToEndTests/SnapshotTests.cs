using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using MimicD.AgentsTests;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.EndToEndTests;

/// <summary>Runs that are killed and gone on with, branched from, and replayed from their logs, as processes.</summary>
public sealed class SnapshotTests : IDisposable
{
    private static readonly string Swap = Path.Combine(EntryPoint.Root, "scenarios", "swap.json");

    // Long enough that a kill arrives well before the end, and mid-plan as often as not.
    // So many that a run is still going when it is to be killed, however quick the machine.
    private const int Steps = 3000;
    private readonly Scratch _scratch = new();
    private readonly string[] _run;

    public SnapshotTests()
        => _run = ["run", Swap, "--model", Model(), "--episodes", "2", "--seed", "6", "--execute", "3", "--partner", $"2={Model()}", "--set", $"scenario.steps={Steps}", "--set", "scenario.sensing.delay=2", "--set", "scenario.sensing.noise=0.1"];

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Killed_at_a_random_tick_a_run_is_resumed_to_the_same_results(int seed)
    {
        var random = new CounterRandom((ulong)seed, RandomPurpose.Resampling);
        (await EntryPoint.RunAsync([.. _run, "--log", "--out", _scratch["whole"]])).Success.ToString();

        var every = 1 + random.NextInt32(4);
        var tick = every * (1 + random.NextInt32(120 / every));
        await KilledAsync(tick, [.. _run, "--log", "--snapshot-every", $"{every}", "--out", _scratch["killed"]]);
        // It may have come further before it was gone.
        tick = Latest("killed") + every * (1 + random.NextInt32(120 / every));
        await KilledAsync(tick, "run", "--resume", _scratch["killed"]);
        Assert.False(File.Exists(_scratch["killed/result.json"]));
        var last = Latest("killed");

        var resumed = await EntryPoint.RunAsync("run", "--resume", _scratch["killed"], "--threads", "1");
        resumed.Success.ToString();
        Assert.Contains(resumed.Errors, e => e.EndsWith($"from tick {last}", StringComparison.Ordinal));
        Assert.True(tick <= last && last < Steps - 1, $"seed {seed}: killed at {tick}, resumed from {last}");
        SameResults("whole", "killed");
        Assert.EndsWith("expected a run that is not finished, found one that is", (await EntryPoint.RunAsync("run", "--resume", _scratch["killed"])).Refusal, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_whose_agents_were_all_stopped_is_kept_resumed_branched_from_replayed_and_evaluated()
    {
        // What is sensed is beyond what a plan can be made of.
        string[] run = ["run", Swap, "--model", Model(), "--episodes", "2", "--set", "scenario.steps=12", "--set", "scenario.sensing.noise=1e300"];
        (await EntryPoint.RunAsync([.. run, "--snapshot-every", "4", "--log", "--out", _scratch["run"]])).Success.ToString();
        var hash = Hash("run");
        void AllStopped(string folder)
        {
            var stopped = JsonNode.Parse(File.ReadAllText(_scratch[$"{folder}/result.json"]))!["host"]!["stopped"]!.AsArray();
            Assert.Equal(["0 0 0", "0 1 0", "1 0 0", "1 1 0"], stopped.Select(s => $"{s!["episode"]} {s["agent"]} {s["tick"]}"));
        }

        AllStopped("run");
        File.Delete(_scratch["run/snapshots/finished.json"]);
        (await EntryPoint.RunAsync("run", "--resume", _scratch["run"])).Success.ToString();
        AllStopped("run");
        Assert.Equal(hash, Hash("run"));
        (await EntryPoint.RunAsync("run", "--fork", _scratch["run"], "--at", "6", "--out", _scratch["fork"], "--set", "scenario.sensing.noise=0")).Success.ToString();
        AllStopped("fork");
        (await EntryPoint.RunAsync("run", "--replay", _scratch["run/events.log"], "--json", _scratch["replay.json"])).Success.ToString();
        Assert.Contains(hash, await File.ReadAllTextAsync(_scratch["replay.json"]), StringComparison.Ordinal);
        (await EntryPoint.RunAsync("evaluate", _scratch["run"], "--scenario", Swap, "--json", _scratch["figures.json"])).Success.ToString();
        Assert.Equal(2, (int)JsonNode.Parse(await File.ReadAllTextAsync(_scratch["figures.json"]))!["figures"]!["episodes"]!);
    }

    [Fact]
    public async Task Stopped_by_ctrl_c_a_run_is_resumed_to_the_same_results()
    {
        (await EntryPoint.RunAsync([.. _run, "--out", _scratch["whole"]])).Success.ToString();
        var stopped = await EndedAsync("-INT", 20, [.. _run, "--snapshot-every", "10", "--keep", "2", "--out", _scratch["stopped"]]);
        Assert.True(stopped.Code == 130, $"expected exit code 130, found {stopped.Code}\n{string.Join('\n', stopped.Errors)}");
        Assert.EndsWith("mimicd run --resume with this folder goes on", stopped.Errors[^1], StringComparison.Ordinal);
        Assert.InRange(SnapshotFolder.Open(_scratch["stopped"]).Ticks.Count, 2, 3);

        (await EntryPoint.RunAsync("run", "--resume", _scratch["stopped"], "--json", _scratch["again.json"])).Success.ToString();
        SameResults("whole", "stopped");
        Assert.Equal(Hash("whole"), JsonNode.Parse(await File.ReadAllTextAsync(_scratch["again.json"]))!["trajectoryHash"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_fork_goes_as_the_run_did_until_it_differs()
    {
        string[] run = [.. _run, "--set", "scenario.steps=60", "--snapshot-every", "7", "--keep", "1", "--log"];
        (await EntryPoint.RunAsync([.. run, "--out", _scratch["run"]])).Success.ToString();

        // Unchanged it is the same, from whatever snapshot it has to be run on to its tick.
        (await EntryPoint.RunAsync("run", "--fork", _scratch["run"], "--at", "20", "--out", _scratch["same"])).Success.ToString();
        Assert.Equal(Hash("run"), Hash("same"));

        string[] changes = ["--set", "scenario.sensing.noise=1", "--set", "scenario.sensing.delay=5", "--set", "scenario.dynamics.maxSpeed=3", "--temperature", "0.5"];
        (await EntryPoint.RunAsync(["run", "--fork", _scratch["run"], "--at", "21", .. changes, "--out", _scratch["fork"]])).Success.ToString();
        var (before, after) = (Positions("run"), Positions("fork"));
        Assert.Equal(before.Shape, after.Shape);
        for (var t = 0; t < 60; t++)
        {
            bool Same(int body) => before.Data.AsSpan((body * 60 + t) * 2, 2).SequenceEqual(after.Data.AsSpan((body * 60 + t) * 2, 2));
            Assert.True(Enumerable.Range(0, 4).All(Same) == t <= 21, $"time {t}");
        }

        var branched = JsonNode.Parse(await File.ReadAllTextAsync(_scratch["fork/result.json"]))!["branchedFrom"]!;
        Assert.Equal((_scratch["run"], 21), (branched["run"]!.GetValue<string>(), branched["tick"]!.GetValue<int>()));
        Assert.Equal(["--set scenario.sensing.noise=1", "--set scenario.sensing.delay=5", "--set scenario.dynamics.maxSpeed=3", "--temperature 0.5"], branched["changes"]!.AsArray().Select(c => c!.GetValue<string>()));

        // A fork is a run like any other: it is replayed, killed, resumed and branched from.
        Assert.Contains($"trajectory hash {Hash("fork")}", (await EntryPoint.RunAsync("run", "--replay", _scratch["fork/events.log"])).Success, StringComparison.Ordinal);
        File.Delete(_scratch["fork/snapshots/finished.json"]);
        File.Delete(_scratch["fork/snapshots/tick-00000056.json"]);
        var (hash, text) = (Hash("fork"), await File.ReadAllTextAsync(_scratch["fork/snapshots/run.json"]));
        (await EntryPoint.RunAsync("run", "--resume", _scratch["fork"])).Success.ToString();
        Assert.Equal(hash, Hash("fork"));
        (await EntryPoint.RunAsync("run", "--fork", _scratch["fork"], "--at", "30", "--set", "scenario.steps=80", "--out", _scratch["longer"])).Success.ToString();
        Assert.Equal(80, Positions("longer").Shape[2]);
        Assert.Equal(text, await File.ReadAllTextAsync(_scratch["fork/snapshots/run.json"]));
    }

    [Fact]
    public async Task A_log_replays_without_a_policy()
    {
        string[] run = [.. _run, "--set", "scenario.steps=40", "--log", "--out", _scratch["run"]];
        (await EntryPoint.RunAsync(run)).Success.ToString();
        File.Delete(Model());
        var log = _scratch["run/events.log"];

        var replayed = (await EntryPoint.RunAsync("run", "--replay", log, "--out", _scratch["again"], "--json", _scratch["replay.json"])).Success;
        Assert.Contains("replayed 39 of 39 ticks", replayed, StringComparison.Ordinal);
        Assert.Contains($"trajectory hash {Hash("run")}", replayed, StringComparison.Ordinal);
        Assert.Equal(await File.ReadAllBytesAsync(_scratch["run/rollouts.npz"]), await File.ReadAllBytesAsync(_scratch["again/rollouts.npz"]));
        Assert.True(JsonNode.Parse(await File.ReadAllTextAsync(_scratch["replay.json"]))!["completed"]!.GetValue<bool>());

        var bytes = await File.ReadAllBytesAsync(log);
        await File.WriteAllBytesAsync(log, bytes[..(bytes.Length * 3 / 4)]);
        Assert.Matches("replayed [23][0-9] of 39 ticks(?s:.*)within a record; its last [0-9]+ bytes are left out", (await EntryPoint.RunAsync("run", "--replay", log)).Success);
    }

    [Fact]
    public async Task What_cannot_be_gone_on_with_is_refused_and_left_as_it_is()
    {
        await EndedAsync("-INT", 20, [.. _run, "--snapshot-every", "10", "--out", _scratch["run"]]);
        File.Delete(_scratch["run/result.json"]);
        async Task Refused(string expected, params string[] arguments)
            => Assert.Contains(expected, (await EntryPoint.RunAsync(["run", .. arguments])).Refusal, StringComparison.Ordinal);

        string[] resume = ["--resume", _scratch["run"]];
        string[] fork = ["--fork", _scratch["run"], "--at", "10", "--out", _scratch["fork"]];
        await Refused("expected the folder of a run with snapshots (snapshots/run.json), found no such folder", "--resume", _scratch["none"]);
        await Refused("expected the folder of a run with snapshots (snapshots/run.json), found a folder without", "--resume", _scratch.Folder);
        await Refused("--resume: expected nothing but --model, --threads, --nodes, --cluster, --json, --full, --snapshot-every, --keep beside it (the rest is the run's), found --seed", [.. resume, "--seed", "7"]);
        await Refused("(the rest is the run's), found somewhere.json", [.. resume, "somewhere.json"]);
        await Refused("--fork: expected either --fork or --resume, found both", [.. resume, .. fork]);
        await Refused("--fork: expected --out beside it", fork[..4]);
        await Refused("--fork: expected --at beside it", [.. fork[..2], .. fork[4..]]);
        await Refused("--at: expected --fork beside it", "--at", "3");
        await Refused("--keep: expected --snapshot-every beside it", "--keep", "3");
        await Refused("--snapshot-every: expected 1 or more, found 0", "--snapshot-every", "0");
        await Refused($"--at: expected 0 to {Steps - 2}, the ticks of that run, found {Steps - 1}", [.. fork[..3], $"{Steps - 1}", .. fork[4..]]);
        await Refused("--out: expected another folder", [.. fork[..5], _scratch["run"]]);
        await Refused("--set scenario.obstacles=[]: expected a value that can change in mid-run (sensing.*, dynamics.maxSpeed, dynamics.maxTurnRate, dynamics.maxAcceleration, pacing.*, steps), found obstacles", [.. fork, "--set", "scenario.obstacles=[]"]);
        await Refused("--set scenario.sensing.noise=-1: sensing.noise: expected 0 or more, found -1", [.. fork, "--set", "scenario.sensing.noise=-1"]);
        await Refused("--at: expected a tick before the fork's last, 9, found 10", [.. fork, "--set", "scenario.steps=10"]);
        await Refused("--at: expected a tick at which agents plan anew (every 4,", [.. fork, "--execute", "4"]);
        await Refused("expected no snapshots of a run that is not finished (--resume goes on with it; remove them to begin anew), found some", [.. _run[1..], "--snapshot-every", "5", "--out", _scratch["run"]]);
        await Refused("--replay: expected nothing but --out and --json beside it (the rest is in the log), found --seed", "--replay", _scratch["run/events.log"], "--seed", "4");
        await Refused($"{_scratch["run/events.log"]}: cannot be read", "--replay", _scratch["run/events.log"]);

        // Another model in the same place, and the same model in another.
        var model = await File.ReadAllBytesAsync(Model());
        File.Move(Model(), _scratch["moved.safetensors"]);
        await Refused($"{Model()}: cannot be read", resume);
        RandomModel.Write(Model(), Spec(), seed: 2);
        await Refused("run.json: model: expected what the run began with, ", resume);
        await Refused("run.json: model: expected what the run began with, ", fork);
        await File.WriteAllBytesAsync(Model(), model);

        var latest = string.Create(CultureInfo.InvariantCulture, $"run/snapshots/tick-{Latest("run"):d8}");
        foreach (var name in new[] { $"{latest}.npz", $"{latest}.json", "run/snapshots/run.json" })
        {
            var bytes = await File.ReadAllBytesAsync(_scratch[name]);
            await File.WriteAllBytesAsync(_scratch[name], bytes[..(bytes.Length / 2)]);
            await Refused(_scratch[name], resume);
            await File.WriteAllTextAsync(_scratch[name], "");
            await Refused(_scratch[name], resume);
            await File.WriteAllBytesAsync(_scratch[name], bytes);
        }

        using (var held = SnapshotFolder.Open(_scratch["run"]))
        {
            held.Hold();
            await Refused("expected no other process that writes there", resume);
        }

        Assert.False(File.Exists(_scratch["run/result.json"]));
        Assert.False(Directory.Exists(_scratch["fork"]));
        (await EntryPoint.RunAsync(["run", .. resume, "--model", _scratch["moved.safetensors"]])).Success.ToString();
    }

    /// <summary>Starts the command, kills it with a signal that cannot be caught when the snapshot of a tick is there, and waits until it is gone.</summary>
    private async Task KilledAsync(int tick, params string[] arguments)
    {
        var outcome = await EndedAsync("-KILL", tick, arguments);
        Assert.True(outcome.Code == 137, $"expected exit code 137, found {outcome.Code} (snapshot of tick {tick})\n{outcome.Output}\n{string.Join('\n', outcome.Errors)}");
    }

    private async Task<Outcome> EndedAsync(string signal, int tick, params string[] arguments)
    {
        var run = arguments[^1];
        var inside = Directory.CreateDirectory(Path.Combine(run, SnapshotFolder.Name)).FullName;
        var name = string.Create(CultureInfo.InvariantCulture, $"tick-{tick:d8}.json");
        var there = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var watcher = new FileSystemWatcher(inside, name);
        watcher.Renamed += (_, _) => there.TrySetResult();
        watcher.Created += (_, _) => there.TrySetResult();
        watcher.EnableRaisingEvents = true;
        using var process = EntryPoint.Start(arguments);
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        var exited = process.WaitForExitAsync();
        await Task.WhenAny(there.Task, exited);
        using (var kill = Process.Start("kill", [signal, process.Id.ToString(CultureInfo.InvariantCulture)]))
        {
            await kill.WaitForExitAsync();
        }

        await exited;
        return new Outcome(process.ExitCode, await output, (await errors).Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    private void SameResults(string one, string other)
    {
        foreach (var name in new[] { "rollouts.npz", "outcomes.csv", "trajectories.svg", "overlay.svg", "events.log" })
        {
            if (name == "events.log" && !File.Exists(_scratch[$"{one}/{name}"]))
            {
                continue;
            }

            Assert.True(File.ReadAllBytes(_scratch[$"{one}/{name}"]).AsSpan().SequenceEqual(File.ReadAllBytes(_scratch[$"{other}/{name}"])), $"{name} differs");
        }

        JsonObject Result(string folder)
        {
            var result = JsonNode.Parse(File.ReadAllText(_scratch[folder + "/result.json"]))!.AsObject();
            // How fast it was is no part of what came of it.
            Assert.True(result.Remove("speed"));
            return result;
        }

        Assert.Equal(Result(one).ToJsonString(), Result(other).ToJsonString());
    }

    private int Latest(string folder)
    {
        using var snapshots = SnapshotFolder.Open(_scratch[folder]);
        return snapshots.Ticks[^1];
    }

    private string Hash(string folder)
    {
        using var result = JsonDocument.Parse(File.ReadAllText(_scratch[folder + "/result.json"]));
        return result.RootElement.GetProperty("trajectoryHash").GetString()!;
    }

    private NdArray<float> Positions(string folder)
    {
        using var reader = new NpzReader(_scratch[folder + "/rollouts.npz"]);
        return reader.Read<float>("positions");
    }

    private static Agents.ModelSpec Spec() => RandomModel.Complete(RandomModel.Spec(width: 16) with { Scenario = "swap", TimeStep = Scenario.Load(Swap).TimeStep });

    private string Model()
    {
        var path = _scratch["swap.safetensors"];
        if (_run is null)
        {
            RandomModel.Write(path, Spec());
        }

        return path;
    }
}
