using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using MimicD.AgentsTests;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.EndToEndTests;

/// <summary>The command as its user meets it: a process, its output and its exit code.</summary>
public sealed class CommandTests : IDisposable
{
    private static readonly string Swap = Path.Combine(EntryPoint.Root, "scenarios", "swap.json");
    private static readonly string Ring = Path.Combine(EntryPoint.Root, "scenarios", "ring.json");
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Help_of_every_verb_has_an_example()
    {
        foreach (var verb in new[] { "run", "experts", "train", "evaluate", "sweep", "report", "doctor" })
        {
            Assert.Matches("Examples?: mimicd " + verb, (await EntryPoint.RunAsync(verb, "--help")).Success);
        }
    }

    [Fact]
    public async Task An_unknown_option_is_refused()
    {
        Assert.Equal("unknown option '--episode' (did you mean '--episodes'?) (see mimicd run --help)", (await EntryPoint.RunAsync("run", "--episode", "3")).Refusal);
        Assert.Equal("unknown option '--foo' (see mimicd run --help)", (await EntryPoint.RunAsync("run", "--foo")).Refusal);
        Assert.Equal("unknown verb 'fly' (see mimicd --help)", (await EntryPoint.RunAsync("fly")).Refusal);
        Assert.Contains("--episodes", (await EntryPoint.RunAsync("run", "--episodes", "many")).Refusal, StringComparison.Ordinal);
        Assert.Equal("--episodes: expected 1 to 1000000, found 0", (await EntryPoint.RunAsync("run", "--episodes", "0")).Refusal);
    }

    [Fact]
    public async Task A_missing_model_is_refused()
    {
        var missing = _scratch["none.safetensors"];

        Assert.StartsWith($"{missing}: cannot be read", (await EntryPoint.RunAsync("run", Swap, "--model", missing)).Refusal, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_truncated_model_is_refused()
    {
        var model = SwapModel();
        var bytes = await File.ReadAllBytesAsync(model);
        foreach (var length in new[] { 0, 5, 100, bytes.Length / 2, bytes.Length - 1 })
        {
            var cut = _scratch[$"cut{length}.safetensors"];
            await File.WriteAllBytesAsync(cut, bytes[..length]);
            Assert.StartsWith($"{cut}: ", (await EntryPoint.RunAsync("run", Swap, "--model", cut, "--out", _scratch["out"])).Refusal, StringComparison.Ordinal);
        }

        Assert.False(Directory.Exists(_scratch["out"]));
    }

    [Fact]
    public async Task A_model_of_another_scenario_is_refused()
        => Assert.EndsWith("agents: expected 8 (the model was trained for scenario 'swap', this is 'ring'), found 2",
            (await EntryPoint.RunAsync("run", Ring, "--model", SwapModel())).Refusal, StringComparison.Ordinal);

    [Fact]
    public async Task A_scenario_with_an_unknown_key_is_refused()
    {
        var scenario = _scratch["typo.json"];
        await File.WriteAllTextAsync(scenario, (await File.ReadAllTextAsync(Swap)).Replace("\"goalTolerance\"", "\"goalTolerence\"", StringComparison.Ordinal));

        var refusal = (await EntryPoint.RunAsync("run", scenario)).Refusal;
        Assert.StartsWith($"{scenario}: ", refusal, StringComparison.Ordinal);
        Assert.Contains("goalTolerence", refusal, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Demonstrations_that_are_not_finite_or_misshapen_are_refused()
    {
        var good = new double[3 * 100 * 2];
        var rollouts = _scratch["rollouts.npz"];
        new NpzWriter().Add<double>("positions", new double[2 * 2 * 100 * 2], 2, 2, 100, 2).Save(rollouts);
        Directory.CreateDirectory(_scratch["demos"]);
        Npy.Write<double>(_scratch["demos/agent1.npy"], good, 3, 100, 2);
        var bad = (double[])good.Clone();
        bad[7] = double.NaN;
        Npy.Write<double>(_scratch["demos/agent2.npy"], bad, 3, 100, 2);
        string[] command = ["evaluate", rollouts, "--scenario", Swap, "--demos", _scratch["demos"]];

        string[] train = ["train", "swap", "--demos", _scratch["demos"], "--out", _scratch["model.safetensors"]];
        var refusal = $"{_scratch["demos/agent2.npy"]}: expected finite numbers, found NaN at [0, 3, 1]";
        Assert.Equal(refusal, (await EntryPoint.RunAsync(command)).Refusal);
        Assert.Equal(refusal, (await EntryPoint.RunAsync(train)).Refusal);
        Assert.False(File.Exists(_scratch["model.safetensors"]));

        Npy.Write<double>(_scratch["demos/agent2.npy"], good, 3, 50, 4);
        Assert.StartsWith(_scratch["demos/agent2.npy"], (await EntryPoint.RunAsync(command)).Refusal, StringComparison.Ordinal);
        Assert.StartsWith(_scratch["demos/agent2.npy"], (await EntryPoint.RunAsync(train)).Refusal, StringComparison.Ordinal);

        Npy.Write<double>(_scratch["demos/agent2.npy"], good.AsMemory(0, 2 * 100 * 2), 2, 100, 2);
        Assert.StartsWith(_scratch["demos/agent2.npy"], (await EntryPoint.RunAsync(command)).Refusal, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Arrays_of_a_wrong_shape_are_refused()
    {
        var starts = _scratch["starts.npy"];
        Npy.Write<double>(starts, new double[12], 3, 2, 2);

        Assert.Equal($"--starts {starts}: expected shape (4, 2, 2): episodes, agents, dimensions, found (3, 2, 2)",
            (await EntryPoint.RunAsync("run", Swap, "--model", SwapModel(), "--episodes", "4", "--starts", starts)).Refusal);

        var rollouts = _scratch["three.npz"];
        new NpzWriter().Add<double>("positions", new double[60], 1, 3, 10, 2).Save(rollouts);
        Assert.StartsWith($"{rollouts}: positions: expected 2 agents", (await EntryPoint.RunAsync("evaluate", rollouts, "--scenario", Swap)).Refusal, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unwritable_output_is_refused_before_the_run()
    {
        // A file stands where the folder should go; that stops even a superuser.
        await File.WriteAllTextAsync(_scratch["taken"], "");

        Assert.StartsWith($"--out {_scratch["taken/out"]}: cannot be written", (await EntryPoint.RunAsync("run", Ring, "--policy", "straight", "--out", _scratch["taken/out"])).Refusal, StringComparison.Ordinal);
        Assert.StartsWith("--json", (await EntryPoint.RunAsync("run", Ring, "--policy", "straight", "--out", _scratch["out"], "--json", _scratch["taken/x.json"])).Refusal, StringComparison.Ordinal);
        Assert.StartsWith("--out", (await EntryPoint.RunAsync("experts", "swap", "--count", "2", "--out", _scratch["taken/out"])).Refusal, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_ring_runs_without_a_model()
    {
        foreach (var agents in new[] { 2, 64 })
        {
            var folder = _scratch[$"ring{agents}"];
            var outcome = await EntryPoint.RunAsync("run", Ring, "--policy", "straight", "--agents", agents.ToString(CultureInfo.InvariantCulture), "--episodes", "2", "--out", folder);
            Assert.Contains("strict success", outcome.Success, StringComparison.Ordinal);

            var rollouts = Rollouts.Load(Path.Combine(folder, RolloutFile.Name));
            Assert.Equal([2, agents], rollouts.Positions.Shape[..2]);
            using var result = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "result.json")));
            Assert.True(result.RootElement.GetProperty("completed").GetBoolean());
            Assert.Equal(1, result.RootElement.GetProperty("figures").GetProperty("goalsReached").GetProperty("value").GetDouble());
            Assert.Equal(2, result.RootElement.GetProperty("starts").GetArrayLength());
            var (messages, sent) = (result.RootElement.GetProperty("messages"), 2L * agents * result.RootElement.GetProperty("stepsDone").GetInt32());
            Assert.Equal((sent, sent, 0), (messages.GetProperty("worldToAgents").GetInt64(), messages.GetProperty("agentsToWorld").GetInt64(), messages.GetProperty("betweenAgents").GetInt64()));
            System.Xml.Linq.XDocument.Load(Path.Combine(folder, "trajectories.svg"));
        }
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_hash_for_one_and_two_threads_and_again()
    {
        var model = SwapModel();
        async Task<string> HashAsync(int threads, int seed)
        {
            var output = (await EntryPoint.RunAsync("run", Swap, "--model", model, "--episodes", "5", "--seed", $"{seed}", "--threads", $"{threads}", "--overwrite", "--out", _scratch["out"])).Success;
            return Regex.Match(output, "trajectory hash (?<hash>[0-9a-f]{64})", RegexOptions.None, TimeSpan.FromSeconds(1)).Groups["hash"].Value;
        }

        var first = await HashAsync(1, 7);

        Assert.NotEqual("", first);
        Assert.Equal(first, await HashAsync(2, 7));
        Assert.Equal(first, await HashAsync(1, 7));
        Assert.Equal(first, await HashAsync(2, 7));
        Assert.NotEqual(first, await HashAsync(2, 8));
    }

    [Fact]
    public async Task Evaluating_saved_rollouts_gives_the_figures_of_the_run()
    {
        (await EntryPoint.RunAsync("run", Swap, "--model", SwapModel(), "--episodes", "4", "--out", _scratch["out"])).Success.ToString();
        (await EntryPoint.RunAsync("evaluate", _scratch["out"], "--scenario", Swap, "--json", _scratch["again.json"])).Success.ToString();

        using var run = JsonDocument.Parse(await File.ReadAllTextAsync(_scratch["out/result.json"]));
        using var again = JsonDocument.Parse(await File.ReadAllTextAsync(_scratch["again.json"]));
        Assert.True(JsonElement.DeepEquals(run.RootElement.GetProperty("figures"), again.RootElement.GetProperty("figures")));

        // And again from the lines alone.
        var lines = Figures.Compute(Scenario.Load(Swap), OutcomesFile.Load(_scratch["out/outcomes.csv"]), null);
        using var recomputed = JsonDocument.Parse(StrictJson.Format(lines));
        Assert.True(JsonElement.DeepEquals(run.RootElement.GetProperty("figures"), recomputed.RootElement));
    }

    [Fact]
    public async Task Rollouts_on_the_starts_of_demonstrations_are_compared_with_each()
    {
        (await EntryPoint.RunAsync("experts", "swap", "--count", "3", "--seed", "2", "--out", _scratch["demos"])).Success.ToString();
        (await EntryPoint.RunAsync("run", Swap, "--model", SwapModel(), "--episodes", "7", "--starts", _scratch["demos"], "--goals", _scratch["demos"], "--out", _scratch["out"])).Success.ToString();
        var output = (await EntryPoint.RunAsync("evaluate", _scratch["out"], "--scenario", Swap, "--demos", _scratch["demos"], "--full", "--json", _scratch["full.json"])).Success;

        Assert.Contains("minJADE, 2 rollouts for each of 3 starts [m]", output, StringComparison.Ordinal);
        Assert.Contains("joint transport distance, 1 x (7 x 3) [m]", output, StringComparison.Ordinal);
        using var full = JsonDocument.Parse(await File.ReadAllTextAsync(_scratch["full.json"]));
        Assert.Equal(2, full.RootElement.GetProperty("figures").GetProperty("displacement").GetProperty("samples").GetInt32());
    }

    [Fact]
    public async Task What_a_model_remembers_of_its_demonstrations_is_what_they_are()
    {
        // Fewer than there are modes.
        (await EntryPoint.RunAsync("experts", "swap", "--count", "4", "--seed", "2", "--out", _scratch["demos"])).Success.ToString();
        (await EntryPoint.RunAsync("train", "swap", "--demos", _scratch["demos"], "--steps", "2", "--set", "model.network.width=8", "--out", _scratch["m.safetensors"], "--json", _scratch["train.json"])).Success.ToString();

        async Task<double[]> BaselineAsync(params string[] more)
        {
            (await EntryPoint.RunAsync(["run", Swap, "--model", _scratch["m.safetensors"], "--episodes", "1", "--overwrite", "--out", _scratch["out"], .. more])).Success.ToString();
            using var json = JsonDocument.Parse(await File.ReadAllTextAsync(_scratch["out/result.json"]));
            var found = json.RootElement.GetProperty("demonstrations");
            return [.. found.GetProperty("modeShares").EnumerateArray().Concat(found.GetProperty("roughness").EnumerateArray()).Select(v => Math.Round(v.GetDouble(), 9))];
        }

        Assert.Equal(await BaselineAsync("--demos", _scratch["demos"]), await BaselineAsync());
        using var train = JsonDocument.Parse(await File.ReadAllTextAsync(_scratch["train.json"]));
        Assert.Equal(2, train.RootElement.GetProperty("result").GetProperty("step").GetInt32());
    }

    [Fact]
    public async Task Ctrl_C_keeps_what_is_done()
    {
        // Far more work than the test waits for; the signal is sent when progress has been seen.
        using var process = EntryPoint.Start("run", Ring, "--policy", "straight", "--agents", "64", "--episodes", "100", "--threads", "1", "--out", _scratch["out"]);
        var output = process.StandardOutput.ReadToEndAsync();
        while (await process.StandardError.ReadLineAsync() is { } line && !line.Contains(" ticks", StringComparison.Ordinal))
        {
        }

        using (var kill = Process.Start("kill", ["-INT", process.Id.ToString(CultureInfo.InvariantCulture)]))
        {
            await kill.WaitForExitAsync();
        }

        var errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();

        Assert.True(process.ExitCode == 130, $"expected exit code 130, found {process.ExitCode}\n{await output}\n{errors}");
        Assert.Contains("mimicd: stopped after tick", errors, StringComparison.Ordinal);
        var rollouts = Rollouts.Load(_scratch["out/rollouts.npz"]);
        using var result = JsonDocument.Parse(await File.ReadAllTextAsync(_scratch["out/result.json"]));
        Assert.False(result.RootElement.GetProperty("completed").GetBoolean());
        Assert.Equal(rollouts.Positions.Shape[2] - 1, result.RootElement.GetProperty("stepsDone").GetInt32());
    }

    [Fact]
    public async Task Experts_are_made_saved_and_compared()
    {
        var output = (await EntryPoint.RunAsync("experts", "swap", "--count", "6", "--seed", "3", "--out", _scratch["experts"], "--json", _scratch["experts.json"])).Success;
        Assert.Contains("demonstrations", output, StringComparison.Ordinal);
        var set = DemonstrationSet.Load(_scratch["experts"]);
        Assert.Equal(6, set.Count);

        using var json = JsonDocument.Parse(await File.ReadAllTextAsync(_scratch["experts.json"]));
        Assert.Equal(set.ContentHash(), json.RootElement.GetProperty("demonstrationsHash").GetString());

        (await EntryPoint.RunAsync("experts", "swap", "--count", "6", "--seed", "3", "--threads", "1", "--out", _scratch["again"], "--compare", _scratch["experts"])).Success.ToString();
        Assert.Equal(set.ContentHash(), DemonstrationSet.Load(_scratch["again"]).ContentHash());
    }

    [Fact]
    public async Task Doctor_says_what_is_ready()
    {
        var outcome = await EntryPoint.RunAsync("doctor", "--json", _scratch["doctor.json"]);

        Assert.Matches("(?m)^run +(ready|not ready: models/swap.safetensors)$", outcome.Output);
        Assert.Contains("experts   ready", outcome.Output, StringComparison.Ordinal);
        Assert.Equal(outcome.Output.Contains("run       ready", StringComparison.Ordinal) ? 0 : 1, outcome.Code);
    }

    /// <summary>A model for the swap with random weights: it runs, and goes nowhere in particular.</summary>
    private string SwapModel()
    {
        var path = _scratch["swap.safetensors"];
        var spec = RandomModel.Complete(RandomModel.Spec() with { Scenario = "swap", TimeStep = Scenario.Load(Swap).TimeStep });
        RandomModel.Write(path, spec);
        return path;
    }
}
