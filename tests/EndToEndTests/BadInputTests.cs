using System.Text;
using MimicD.Agents;
using MimicD.AgentsTests;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.EndToEndTests;

/// <summary>Input that is refused, verb by verb: exit code 2, one line that says what and where, and nothing written.</summary>
public sealed class BadInputTests : IDisposable
{
    private static readonly string Swap = Path.Combine(EntryPoint.Root, "scenarios", "swap.json");
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("run", "run")]
    [InlineData("experts swap", "experts", "swap")]
    [InlineData("train", "train", "swap")]
    [InlineData("evaluate", "evaluate", "somewhere")]
    [InlineData("sweep", "sweep", "somewhere")]
    [InlineData("doctor", "doctor")]
    [InlineData("node", "node")]
    [InlineData("cluster status", "cluster", "status")]
    public async Task Every_verb_refuses_an_unknown_option(string name, params string[] verb)
        => Assert.Equal($"unknown option '--frobnicate' (see mimicd {name} --help)", (await EntryPoint.RunAsync([.. verb, "--frobnicate", "1"])).Refusal);

    [Fact]
    public async Task An_option_with_a_few_values_names_them()
    {
        foreach (var value in new[] { "bogus", "7" })
        {
            var refusal = (await EntryPoint.RunAsync("experts", "swap", "--modes", value, "--out", _scratch["out"])).Refusal;
            Assert.All(["independent", "places", "starts"], allowed => Assert.Contains(allowed, refusal, StringComparison.Ordinal));
        }

        Assert.Equal("--noise: expected fresh, held, ar1, found loud", (await EntryPoint.RunAsync("run", "--model", Model(), "--noise", "loud")).Refusal);
        Assert.Equal("--policy: expected straight or reciprocal, found bent", (await EntryPoint.RunAsync("run", "--policy", "bent")).Refusal);
        NothingWritten();
    }

    [Theory]
    [InlineData("experts", "swap")]
    [InlineData("train", "swap", "--demos", "somewhere")]
    [InlineData("evaluate", "somewhere")]
    public async Task A_required_option_that_is_missing_is_named(params string[] command)
        => Assert.Matches("'--(out|scenario)' is required", (await EntryPoint.RunAsync(command)).Refusal);

    [Fact]
    public async Task Missing_files_are_refused_by_name()
    {
        var none = _scratch["none"];
        foreach (var command in new string[][]
        {
            ["run", none + ".json"],
            ["run", Swap, "--model", Model(), "--starts", none + ".npy", "--out", _scratch["out"]],
            ["run", Swap, "--model", Model(), "--demos", none, "--out", _scratch["out"]],
            ["experts", "swap", "--count", "2", "--compare", none, "--out", _scratch["out"]],
            ["train", none + ".json", "--demos", Demonstrations(), "--out", _scratch["out.safetensors"]],
            ["train", "swap", "--demos", none, "--out", _scratch["out.safetensors"]],
            ["train", "swap", "--demos", Demonstrations(), "--preset", none + ".json", "--out", _scratch["out.safetensors"]],
            ["evaluate", none, "--scenario", Swap],
            ["sweep", none + ".json", "--out", _scratch["out"]],
            ["evaluate", Rollouts(), "--scenario", none + ".json"],
            ["evaluate", Rollouts(), "--scenario", Swap, "--demos", none],
        })
        {
            Assert.StartsWith(none, (await EntryPoint.RunAsync(command)).Refusal, StringComparison.Ordinal);
        }

        NothingWritten();
    }

    [Fact]
    public async Task An_unknown_key_is_refused_wherever_a_file_or_an_option_has_one()
    {
        var scenario = Changed(Swap, "\"goalTolerance\"", "\"goalTolerence\"");
        var preset = Changed(Path.Combine(EntryPoint.Root, "presets", "small.json"), "\"learningRate\"", "\"learnRate\"");
        string[] train = ["--demos", Demonstrations(), "--out", _scratch["out.safetensors"]];

        Assert.Matches($"^{scenario}: line [0-9]+: unknown key 'goalTolerence' .did you mean 'goalTolerance'..$", (await EntryPoint.RunAsync("evaluate", Rollouts(), "--scenario", scenario)).Refusal);
        Assert.Matches($"^{scenario}: line [0-9]+: unknown key 'goalTolerence' .did you mean 'goalTolerance'..$", (await EntryPoint.RunAsync(["train", scenario, .. train])).Refusal);
        Assert.Matches($"^{preset}: line [0-9]+: unknown key 'training.learnRate'", (await EntryPoint.RunAsync(["train", "swap", "--preset", preset, .. train])).Refusal);
        Assert.StartsWith("--set training.learnRate=1: ", (await EntryPoint.RunAsync(["train", "swap", "--set", "training.learnRate=1", .. train])).Refusal, StringComparison.Ordinal);
        Assert.StartsWith("--set training.steps=0: training.steps: expected 1 to", (await EntryPoint.RunAsync(["train", "swap", "--steps", "0", .. train])).Refusal, StringComparison.Ordinal);
        NothingWritten();
    }

    [Fact]
    public async Task Numbers_that_are_not_finite_are_refused()
    {
        var starts = _scratch["starts.npy"];
        Npy.Write<double>(starts, new[] { 0, 0, 20, double.NaN }, 1, 2, 2);
        Assert.StartsWith($"--starts {starts}: expected finite numbers", (await EntryPoint.RunAsync("run", Swap, "--model", Model(), "--episodes", "1", "--starts", starts, "--out", _scratch["out"])).Refusal, StringComparison.Ordinal);

        var demonstrations = Demonstrations(nan: true);
        foreach (var command in new string[][]
        {
            ["run", Swap, "--model", Model(), "--demos", demonstrations, "--out", _scratch["out"]],
            ["experts", "swap", "--count", "2", "--compare", demonstrations, "--out", _scratch["out"]],
            ["train", "swap", "--demos", demonstrations, "--out", _scratch["out.safetensors"]],
            ["evaluate", Rollouts(), "--scenario", Swap, "--demos", demonstrations],
        })
        {
            var refusal = (await EntryPoint.RunAsync(command)).Refusal;
            Assert.StartsWith(demonstrations, refusal, StringComparison.Ordinal);
            Assert.Contains("expected finite numbers, found NaN", refusal, StringComparison.Ordinal);
        }

        Assert.EndsWith("rollouts.npz: positions: expected finite numbers, found NaN at episode 0, agent 0, time 3", (await EntryPoint.RunAsync("evaluate", Rollouts(nan: true), "--scenario", Swap)).Refusal, StringComparison.Ordinal);
        NothingWritten();
    }

    [Fact]
    public async Task Demonstrations_of_another_scenario_are_refused()
    {
        var three = Demonstrations(agents: 3);
        var slow = Demonstrations(timeStep: 0.5);
        foreach (var verb in new string[][]
        {
            ["run", Swap, "--model", Model(), "--out", _scratch["out"]],
            ["train", "swap", "--out", _scratch["out.safetensors"]],
            ["evaluate", Rollouts(), "--scenario", Swap],
        })
        {
            Assert.EndsWith(": agents: expected 2 as in scenario swap, found 3", (await EntryPoint.RunAsync([.. verb, "--demos", three])).Refusal, StringComparison.Ordinal);
            Assert.EndsWith(": timeStep: expected 0.1 as in scenario swap, found 0.5", (await EntryPoint.RunAsync([.. verb, "--demos", slow])).Refusal, StringComparison.Ordinal);
        }

        Assert.StartsWith("--compare: positions: expected shape", (await EntryPoint.RunAsync("experts", "swap", "--count", "2", "--compare", three, "--out", _scratch["out"])).Refusal, StringComparison.Ordinal);
        NothingWritten();
    }

    [Fact]
    public async Task Truncated_files_are_refused()
    {
        foreach (var (file, verb) in new (string, Func<string, string[]>)[]
        {
            (Path.Combine(Demonstrations(), "agents.npz"), f => ["train", "swap", "--demos", Path.GetDirectoryName(f)!, "--out", _scratch["out.safetensors"]]),
            (Rollouts(), f => ["evaluate", f, "--scenario", Swap]),
            (Checkpoint(), _ => ["train", "swap", "--demos", Demonstrations(), "--out", _scratch["resumed.safetensors"], "--resume"]),
        })
        {
            var bytes = await File.ReadAllBytesAsync(file);
            foreach (var length in new[] { 0, 30, bytes.Length / 2, bytes.Length - 1 })
            {
                await File.WriteAllBytesAsync(file, bytes[..length]);
                Assert.StartsWith(file, (await EntryPoint.RunAsync(verb(file))).Refusal, StringComparison.Ordinal);
            }
        }

        NothingWritten();
    }

    [Fact]
    public async Task Unwritable_outputs_are_refused_before_the_work()
    {
        // A file stands where the folder should go; that stops even a superuser.
        await File.WriteAllTextAsync(_scratch["taken"], "");
        var below = _scratch["taken/x"];
        string[] train = ["train", "swap", "--demos", Demonstrations()];

        Assert.StartsWith("--out", (await EntryPoint.RunAsync([.. train, "--out", below + ".safetensors"])).Refusal, StringComparison.Ordinal);
        Assert.StartsWith("--json", (await EntryPoint.RunAsync([.. train, "--out", _scratch["out.safetensors"], "--json", below])).Refusal, StringComparison.Ordinal);
        Assert.StartsWith("--json", (await EntryPoint.RunAsync("experts", "swap", "--count", "2", "--out", _scratch["out"], "--json", below)).Refusal, StringComparison.Ordinal);
        Assert.StartsWith("--json", (await EntryPoint.RunAsync("evaluate", Rollouts(), "--scenario", Swap, "--json", below)).Refusal, StringComparison.Ordinal);
        Assert.StartsWith("--json", (await EntryPoint.RunAsync("doctor", "--json", below)).Refusal, StringComparison.Ordinal);
        Assert.Equal("--out: expected a file name that ends in .safetensors, found model.bin", (await EntryPoint.RunAsync([.. train, "--out", "model.bin"])).Refusal);
        Assert.False(File.Exists(_scratch["out.safetensors"]));
    }

    [Fact]
    public async Task Demonstrations_of_another_scenario_are_refused_wherever_they_are_taken()
    {
        var folder = Demonstrations();
        await File.WriteAllTextAsync(Path.Combine(folder, "meta.json"), "{ \"scenario\": \"road\", \"timeStep\": 0.1 }");
        var expected = ": meta.json: scenario: expected demonstrations of scenario swap, or of one with the same bodies, obstacles, time step and law of starts, found road";
        Assert.Equal(folder + expected, (await EntryPoint.RunAsync("train", "swap", "--check", "--demos", folder, "--out", _scratch["out.safetensors"])).Refusal);
        Assert.Equal(folder + expected, (await EntryPoint.RunAsync("evaluate", Rollouts(), "--scenario", Swap, "--demos", folder)).Refusal);
        Assert.Equal($"--compare {folder}{expected}", (await EntryPoint.RunAsync("experts", "swap", "--count", "1", "--compare", folder, "--out", _scratch["out"])).Refusal);
        NothingWritten();
    }

    [Fact]
    public async Task Resuming_without_a_checkpoint_is_refused()
    {
        Assert.StartsWith(_scratch["out.resume.safetensors"], (await EntryPoint.RunAsync("train", "swap", "--demos", Demonstrations(), "--out", _scratch["out.safetensors"], "--resume")).Refusal, StringComparison.Ordinal);
        NothingWritten();
    }

    [Fact]
    public async Task A_method_that_is_none_is_refused_with_those_there_are()
    {
        string[] train = ["train", "swap", "--demos", Demonstrations(), "--out", _scratch["out.safetensors"]];
        Assert.Matches("^--method: expected .*cloning, diffusion, flow, .*mixture, vanilla or a file, found magic$", (await EntryPoint.RunAsync([.. train, "--method", "magic"])).Refusal);
        Assert.EndsWith("mixture.json: network.mixture: expected none with a transformer (the mlp has such a head), found 4 components", (await EntryPoint.RunAsync([.. train, "--method", "mixture", "--preset", "paper"])).Refusal, StringComparison.Ordinal);
        NothingWritten();
    }

    [Fact]
    public async Task An_option_that_means_nothing_to_the_models_method_is_refused()
    {
        var model = Model(MethodKind.Cloning);
        Assert.Equal("--solver: expected no such option with a model of method cloning, which has no solver, found heun", (await EntryPoint.RunAsync("run", "--model", model, "--solver", "heun")).Refusal);
        Assert.Equal("--temperature: expected no such option with a model of method cloning, which has no noise, found 0.5", (await EntryPoint.RunAsync("run", "--model", model, "--temperature", "0.5")).Refusal);
        NothingWritten();
    }

    [Fact]
    public async Task A_device_that_is_none_is_refused()
        => Assert.Equal("--device: expected cpu, cuda or cuda:N, found abacus", (await EntryPoint.RunAsync("train", "swap", "--demos", Demonstrations(), "--out", _scratch["out.safetensors"], "--device", "abacus")).Refusal);

    private void NothingWritten()
    {
        Assert.False(File.Exists(_scratch["out.safetensors"]));
        Assert.False(File.Exists(_scratch["out/rollouts.npz"]));
        Assert.False(File.Exists(_scratch["out/agents.npz"]));
    }

    /// <summary>Demonstrations that go straight; index 7 of the positions may be broken.</summary>
    private string Demonstrations(int agents = 2, double timeStep = 0.1, bool nan = false)
    {
        var folder = _scratch[FormattableString.Invariant($"demos-{agents}-{timeStep}-{nan}")];
        var positions = new double[2 * agents * 100 * 2];
        for (var i = 0; i < positions.Length; i++)
        {
            positions[i] = i % 2 == 0 ? 0.2 * (i / 2 % 100) : 0.1 * (i / 200);
        }

        var meta = new DemonstrationMeta { Scenario = "swap", TimeStep = timeStep };
        new DemonstrationSet(new NdArray<double>([2, agents, 100, 2], (double[])positions.Clone()), null, null, meta).Save(folder);
        if (nan)
        {
            positions[7] = double.NaN;
            new NpzWriter().Add<double>("positions", positions, 2, agents, 100, 2).Save(Path.Combine(folder, "agents.npz"));
        }

        return folder;
    }

    private string Rollouts(bool nan = false)
    {
        var file = _scratch[nan ? "nan/rollouts.npz" : "rollouts.npz"];
        var positions = new double[2 * 2 * 10 * 2];
        positions[7] = nan ? double.NaN : 0;
        new NpzWriter().Add<double>("positions", positions, 2, 2, 10, 2).Save(file);
        return file;
    }

    private string Model(MethodKind method = MethodKind.Diffusion)
    {
        var file = _scratch["model.safetensors"];
        RandomModel.Write(file, RandomModel.Complete(RandomModel.Spec() with { Method = method, Scenario = "swap", TimeStep = Scenario.Load(Swap).TimeStep }));
        return file;
    }

    private string Checkpoint()
    {
        var file = _scratch["resumed.resume.safetensors"];
        File.Copy(Model(), file, overwrite: true);
        return file;
    }

    private string Changed(string original, string from, string to)
    {
        var file = _scratch["changed-" + Path.GetFileName(original)];
        var text = File.ReadAllText(original, Encoding.UTF8);
        Assert.Contains(from, text, StringComparison.Ordinal);
        File.WriteAllText(file, text.Replace(from, to, StringComparison.Ordinal));
        return file;
    }
}
