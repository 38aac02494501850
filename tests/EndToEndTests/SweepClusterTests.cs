using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using MimicD.Cluster;
using MimicD.Contracts;
using MimicD.Evaluation.Sweeps;
using MimicD.Numerics;

namespace MimicD.EndToEndTests;

/// <summary><c>mimicd sweep</c> with real processes on a real broker: whatever happens to nodes and to the sweep, the files are those of a sweep in one process.</summary>
public sealed class SweepClusterTests(ClusterTests.Fixture fixture) : IClassFixture<ClusterTests.Fixture>, IDisposable
{
    // All that a block may need: a model and how it is sampled, a script, a partner by another model, recorded paths.
    private const string Crews = """
        {
          "name": "crews", "episodes": 3, "block": 2, "base": { "scenario": "swap", "scenario.steps": 60, "model": "swap" },
          "axes": [
            { "name": "crew", "values": [
              { "label": "model", "set": { "sampling.steps": 2, "sampling.execute": 3 } },
              { "label": "script", "set": { "policy": "reciprocal" } },
              { "label": "partner", "set": { "partner.2": "MODEL", "sampling.noise": "held" } },
              { "label": "recorded", "set": { "partner.1": "replay:PATHS" } } ] } ]
        }
        """;

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Nodes_give_what_one_process_gives_to_the_byte()
    {
        (await EntryPoint.RunAsync("run", "--policy", "straight", "--episodes", "2", "--out", _scratch["paths"])).Success.ToString();
        var model = Path.Combine(EntryPoint.Root, "models", "swap.safetensors");
        var file = Write(Crews.Replace("MODEL", model, StringComparison.Ordinal).Replace("PATHS", _scratch["paths"], StringComparison.Ordinal));
        (await EntryPoint.RunAsync("sweep", file, "--out", _scratch["here"], "--threads", "1")).Success.ToString();
        var output = (await EntryPoint.RunAsync("sweep", file, "--out", _scratch["nodes"], "--nodes", "2", "--cluster", fixture.Broker.File)).Success;

        Assert.True(output.Split('\n').Any(l => l.StartsWith("8 blocks computed on ", StringComparison.Ordinal) && l.TrimEnd().EndsWith(", 0 begun again, 0 messages refused", StringComparison.Ordinal)), output);
        RequireSame("here", "nodes");
    }

    [Fact]
    public async Task Models_are_trained_here_and_acted_by_there()
    {
        var file = Write("""
            {
              "name": "trained", "episodes": 3, "block": 2, "experts": { "swap": { "count": 3, "seed": 2, "options": { "modes": "places" } } },
              "base": { "scenario": "swap", "training.preset": "small", "training.steps": 20, "training.batch": 8, "model.network.width": 8, "sampling.steps": 1 },
              "axes": [ { "name": "seed", "key": "training.seed", "values": [1, 2] } ]
            }
            """);
        (await EntryPoint.RunAsync("sweep", file, "--out", _scratch["here"])).Success.ToString();
        (await EntryPoint.RunAsync("sweep", file, "--out", _scratch["nodes"], "--nodes", "1", "--cluster", fixture.Broker.File)).Success.ToString();

        RequireSame("here", "nodes");
    }

    [Fact]
    public async Task A_node_that_is_killed_changes_nothing()
    {
        var seed = (ulong)Environment.TickCount64;
        var random = new CounterRandom(seed, RandomPurpose.Resampling);
        var (line, victim) = (1 + random.NextInt32(20), random.NextInt32(3));
        var file = Write(SweepTests.Ring);
        (await EntryPoint.RunAsync("sweep", file, "--out", _scratch["here"])).Success.ToString();
        using var sweep = EntryPoint.Start("sweep", file, "--out", _scratch["nodes"], "--nodes", "3", "--cluster", fixture.Broker.File);
        var (errors, output) = await FollowAsync(sweep, lines =>
        {
            if (lines == line)
            {
                ClusterTests.Signal("KILL", ClusterTests.Descendants(sweep.Id, "mimicd.dll node")[victim]);
            }
        });

        Assert.True(sweep.ExitCode == 0, $"seed {seed}: node {victim} killed after line {line}: expected exit code 0, found {sweep.ExitCode}\n{output}\n{string.Join('\n', errors)}");
        Assert.Contains(errors, e => e.StartsWith("mimicd: node ", StringComparison.Ordinal) && e.Contains("ended with exit code 137", StringComparison.Ordinal));
        RequireSame("here", "nodes");
    }

    [Fact]
    public async Task A_killed_sweep_goes_on_with_its_nodes_and_computes_again_only_what_was_running()
    {
        var file = Write(SweepTests.Ring);
        var cluster = _scratch["cluster.hocon"];
        AtomicFile.WriteText(cluster, StrictJson.Format(fixture.Broker.Options with { Name = "killed-sweep" }));
        (await EntryPoint.RunAsync("sweep", file, "--out", _scratch["here"])).Success.ToString();
        Process[] nodes = [.. Enumerable.Range(0, 2).Select(n => EntryPoint.Start("node", "--cluster", cluster, "--threads", "2", "--json", _scratch[$"node-{n}.json"]))];
        var ends = nodes.Select(n => Task.WhenAll(n.StandardOutput.ReadToEndAsync(), n.StandardError.ReadToEndAsync())).ToArray();
        int said;
        using (var sweep = EntryPoint.Start("sweep", file, "--out", _scratch["nodes"], "--cluster", cluster))
        {
            var (errors, _) = await FollowAsync(sweep, lines =>
            {
                if (lines == 15)
                {
                    ClusterTests.Signal("KILL", sweep.Id);
                }
            });
            said = int.Parse(errors[^1].Split(' ')[1], CultureInfo.InvariantCulture);
        }

        var (kept, all) = (Kept("nodes"), Folder("here").ReadCells().Sum(c => c.Seeds.Length));
        Assert.InRange(kept, said / 2, all - 1);
        var output = (await EntryPoint.RunAsync("sweep", file, "--out", _scratch["nodes"], "--cluster", cluster)).Success;
        foreach (var (node, end) in nodes.Zip(ends))
        {
            ClusterTests.Signal("INT", node.Id);
            await end;
            await node.WaitForExitAsync();
            node.Dispose();
        }

        // What was said to be done was on the disk, and what was there was not computed again.
        Assert.True(output.Contains($"{all - kept} blocks computed on 2 nodes", StringComparison.Ordinal), $"kept {kept} of {all}\n{output}");
        Assert.True(Enumerable.Range(0, 2).Sum(n => Sweeps(n).GetProperty("begun").GetInt32()) >= all);
        RequireSame("here", "nodes");
    }

    [Fact]
    public async Task Ctrl_C_keeps_finished_blocks_and_leaves_no_node_and_no_broker_behind()
    {
        var file = Write(SweepTests.Ring);
        int[] children = [];
        var folder = "";
        using var sweep = EntryPoint.Start("sweep", file, "--out", _scratch["nodes"], "--nodes", "2");
        var (errors, output) = await FollowAsync(sweep, lines =>
        {
            if (lines == 3)
            {
                children = ClusterTests.Descendants(sweep.Id, "");
                folder = ClusterTests.Environ(ClusterTests.Descendants(sweep.Id, "beam")[0], "HOME");
                ClusterTests.Signal("INT", sweep.Id);
            }
        });

        Assert.True(sweep.ExitCode == 130, $"expected exit code 130, found {sweep.ExitCode}\n{output}\n{string.Join('\n', errors)}");
        Assert.Equal("mimicd: stopped; the same command goes on from here", errors[^1]);
        Assert.InRange(Kept("nodes"), 1, 79);
        Assert.Matches("[0-9]+ of 40 episodes", (await EntryPoint.RunAsync("sweep", file, "--out", _scratch["nodes"], "--list")).Success);
        await ClusterTests.GoneAsync(children);
        Assert.False(Directory.Exists(folder), $"{folder} is still there");
    }

    [Fact]
    public async Task A_sweep_without_a_node_or_a_broker_or_with_options_that_contradict_is_refused()
    {
        var file = Write(SweepTests.Ring);
        var (nobody, nowhere) = (_scratch["nobody.hocon"], _scratch["nowhere.hocon"]);
        AtomicFile.WriteText(nobody, StrictJson.Format(fixture.Broker.Options with { Name = "nobody", Deadlines = new DeadlineOptions { Nodes = 0.5 } }));
        AtomicFile.WriteText(nowhere, "{}");
        async Task<string> RefusedAsync(params string[] options) => (await EntryPoint.RunAsync(["sweep", file, "--out", _scratch["out"], .. options])).Refusal;

        Assert.Equal("cluster nobody: expected at least 1 node within 0.5 s, found 0", await RefusedAsync("--cluster", nobody));
        Assert.Equal($"{nowhere}: broker.uri: expected the broker's address, or --nodes, found nothing", await RefusedAsync("--cluster", nowhere));
        Assert.Equal("--nodes: expected 1 to 256, found 0", await RefusedAsync("--nodes", "0"));
        Assert.Equal("--list: expected no --nodes beside it, for nothing is computed, found both", await RefusedAsync("--list", "--nodes", "2"));
        Assert.False(File.Exists(_scratch["out/sweep.json"]));
    }

    /// <summary>Blocks that are on the disk, in cells that are finished or not.</summary>
    /// <summary>Blocks that are on the disk. A cell's result is written before its blocks go, and the table of all cells after that; who is killed may be killed in between.</summary>
    private int Kept(string folder)
        => Directory.EnumerateDirectories(_scratch[Path.Combine(folder, "cells")]).Sum(cell => Folder(folder).ReadCell(Path.GetFileName(cell))?.Seeds.Length ?? Directory.EnumerateFiles(cell, "block-*.npz").Count());

    private SweepFolder Folder(string name) => new(_scratch[name]);

    private JsonElement Sweeps(int node)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(_scratch[$"node-{node}.json"]));
        return json.RootElement.GetProperty("sweeps").Clone();
    }

    /// <summary>Numbers, and files to the byte, but for what was timed and how it was asked for.</summary>
    private void RequireSame(string expected, string actual)
    {
        string[] Numbers(string folder) => [.. Folder(folder).ReadCells().Select(c => StrictJson.Format(c with
        {
            Seconds = 0,
            Command = "",
            Model = c.Model is null ? null : c.Model with { TrainingSeconds = 0, Command = "" },
        }))];

        Assert.Equal(Numbers(expected), Numbers(actual));
        foreach (var cell in Folder(expected).ReadCells())
        {
            Assert.Null(cell.Error);
            foreach (var file in new[] { cell.Rollouts!, cell.Outcomes!, cell.ScenarioFile })
            {
                Assert.True(File.ReadAllBytes(Folder(expected).Resolve(file)).AsSpan().SequenceEqual(File.ReadAllBytes(Folder(actual).Resolve(file))), $"{file} differs");
            }
        }

        Assert.Empty(Directory.EnumerateFiles(_scratch[actual], "block-*", SearchOption.AllDirectories));
        Assert.Empty(Directory.EnumerateFiles(_scratch[actual], "*.part", SearchOption.AllDirectories));
    }

    /// <summary>Reads a sweep's progress to its end; told how many lines of it there were after each.</summary>
    private static async Task<(string[] Errors, string Output)> FollowAsync(Process sweep, Action<int> atLine)
    {
        var output = sweep.StandardOutput.ReadToEndAsync();
        var errors = new List<string>();
        var lines = 0;
        while (await sweep.StandardError.ReadLineAsync() is { } line)
        {
            errors.Add(line);
            if (line.Contains(" episodes, ", StringComparison.Ordinal))
            {
                atLine(++lines);
            }
        }

        await sweep.WaitForExitAsync();
        return ([.. errors], await output);
    }

    private string Write(string text)
    {
        var path = _scratch["sweep.json"];
        File.WriteAllText(path, text);
        return path;
    }
}
