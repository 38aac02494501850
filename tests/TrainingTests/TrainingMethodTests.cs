using System.Globalization;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Training;
using MimicD.World;

namespace MimicD.TrainingTests;

[Collection(LibtorchTests.Name)]
public sealed class TrainingMethodTests : IDisposable
{
    private readonly string _folder = Samples.TemporaryFolder();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(MethodKind.Diffusion)]
    [InlineData(MethodKind.Flow)]
    [InlineData(MethodKind.Cloning)]
    [InlineData(MethodKind.Mixture)]
    public void A_stochastic_method_learns_that_there_are_two_sides_and_the_mean_goes_between_them(MethodKind method)
    {
        const int plans = 200;
        var preset = Samples.Preset(dropout: 0);
        preset = preset with
        {
            Model = preset.Model with
            {
                Method = method,
                Sensor = new SensorSpec(),
                Plan = preset.Model.Plan with { Length = 8 },
                Network = preset.Model.Network with { Width = 32, Mixture = method == MethodKind.Mixture ? new MixtureSpec { Components = 2 } : null },
            },
            Training = preset.Training with { Steps = 800, Batch = 32, LearningRate = 3e-3, Schedule = RateSchedule.Cosine, AverageDecay = 0.99, OffsetDeviation = 0 },
        };
        var losses = new List<double>();
        Run(preset, "toy.safetensors", new Collect(losses), demonstrations: Forks());
        var path = string.Join(", ", losses.Select(l => l.ToString("g3", CultureInfo.InvariantCulture)));
        Assert.True(losses[^1] < losses[0] - 0.05 * Math.Abs(losses[0]), $"losses: {path}");

        var policy = Model.Load(Path.Combine(_folder, "toy.safetensors")).Policies()(new AgentId(0));
        var (noise, actions) = (new float[policy.NoiseSize], new float[policy.PlanActions * policy.ActionSize]);
        var ends = new double[plans];
        for (var i = 0; i < plans; i++)
        {
            new CounterRandom(3, RandomPurpose.PlanNoise, i).FillNormal(noise);
            policy.Plan([0, 0], noise, actions);
            ends[i] = actions[^1];
        }

        // Eight steps end 4 m to one side or the other.
        var (up, down) = (ends.Count(y => Math.Abs(y - 4) < 1), ends.Count(y => Math.Abs(y + 4) < 1));
        var found = $"{up} up, {down} down, from {ends.Min():g3} to {ends.Max():g3}; losses: {path}";
        Assert.True(method == MethodKind.Cloning ? ends.All(y => Math.Abs(y) < 1) : Math.Min(up, down) > 0.3 * plans, found);
    }

    [Theory]
    [InlineData("small", "diffusion", 0)]
    [InlineData("small", "flow", 0)]
    [InlineData("small", "cloning", 0)]
    [InlineData("small", "vanilla", 0.03)]
    [InlineData("small", "mixture", 0.06)]
    [InlineData("paper", "flow", 0)]
    [InlineData("paper", "cloning", 0)]
    public void Methods_have_the_same_budget_of_parameters(string preset, string method, double tolerance)
    {
        var plain = Parameters(Preset(preset));
        Assert.InRange(Parameters(Preset(preset, method)) / (double)plain, 1 - tolerance, 1 + tolerance);
    }

    [Fact]
    public void Every_method_that_comes_along_is_laid_over_the_small_preset()
    {
        var methods = TrainingMethod.In(Path.Combine(AppContext.BaseDirectory, "presets", "methods"));
        Assert.Superset(new HashSet<string>(["cloning", "diffusion", "flow", "mixture", "vanilla"]), methods.Select(m => m.Name).ToHashSet());
        Assert.All(methods, m => Assert.Matches("^[^\n]{5,90}$", m.About));
        Assert.All(methods, m => TrainingPreset.Load(Path.Combine(AppContext.BaseDirectory, "presets", "small.json"), [], m));
        Assert.Null(Preset("small", "vanilla").Model.Sensor.Others);
        Assert.Equal(new MixtureSpec(), Preset("small", "mixture").Model.Network.Mixture);
        // What a method says nothing about stays.
        Assert.Equal(Preset("small").Model.Network, Preset("small", "mixture").Model.Network with { Mixture = null });
        Assert.Equal(Preset("small").Training, Preset("small", "mixture").Training);
    }

    [Fact]
    public void A_change_is_made_after_the_method()
        => Assert.Equal(7, Preset("small", "mixture", "model.network.mixture.components=7").Model.Network.Mixture!.Components);

    [Fact]
    public void A_method_that_does_not_fit_the_preset_is_refused_by_name()
        => Assert.EndsWith("mixture.json: network.mixture: expected none with a transformer (the mlp has such a head), found 4 components", Assert.Throws<InvalidInputException>(() => Preset("paper", "mixture")).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("{}", "About")]
    [InlineData("""{ "about": "x", "changes": { "model": { "methode": "flow" } } }""", "unknown key 'model.methode'")]
    [InlineData("""{ "about": "x", "changes": { "model": { "method": "fluss" } } }""", "method")]
    [InlineData("""{ "about": "x", "changes": [] }""", "changes")]
    public void A_bad_method_file_is_one_clear_line(string text, string names)
    {
        var path = Path.Combine(_folder, "bad.json");
        File.WriteAllText(path, text);
        var error = Assert.Throws<InvalidInputException>(() => TrainingPreset.Load(Path.Combine(AppContext.BaseDirectory, "presets", "small.json"), [], TrainingMethod.Load(path)));
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        Assert.Contains(names, error.Message, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData(MethodKind.Flow)]
    [InlineData(MethodKind.Mixture)]
    public void A_resumed_run_ends_with_the_same_weights(MethodKind method)
    {
        var preset = Samples.Preset(steps: 12);
        preset = preset with { Model = preset.Model with { Method = method, Network = preset.Model.Network with { Mixture = method == MethodKind.Mixture ? new MixtureSpec() : null } } };
        Run(preset, "whole.safetensors");
        using var stop = new CancellationTokenSource();
        Run(preset, "parts.safetensors", new StopAt(5, stop), token: stop.Token);
        Run(preset, "parts.safetensors", resume: true);
        Assert.Equal(File.ReadAllBytes(Path.Combine(_folder, "whole.safetensors")), File.ReadAllBytes(Path.Combine(_folder, "parts.safetensors")));
    }

    [Fact]
    public void A_checkpoint_of_another_method_is_not_gone_on_with()
    {
        var preset = Samples.Preset(steps: 3);
        Run(preset, "m.safetensors");
        Assert.Throws<InvalidInputException>(() => Run(preset with { Model = preset.Model with { Method = MethodKind.Cloning } }, "m.safetensors", resume: true));
        // The description of a preset without a method is what it was before there were methods.
        Assert.DoesNotContain("method", StrictJson.Format(preset), StringComparison.Ordinal);
    }

    /// <summary>Straight paths from anywhere, 0.5 m a step forwards and 0.5 m to one side or the other: a place tells nothing of the side.</summary>
    private static DemonstrationSet Forks()
    {
        const int count = 400, steps = 60;
        var positions = new double[count * 2 * steps * 2];
        var random = new CounterRandom(5, RandomPurpose.Experts);
        for (var path = 0; path < 2 * count; path++)
        {
            var (x, y) = (random.NextUniform(-20, 20), random.NextUniform(-20, 20));
            for (var t = 0; t < steps; t++)
            {
                (positions[(path * steps + t) * 2], positions[(path * steps + t) * 2 + 1]) = (x + 0.5 * t, y + (path / 2 % 2 == 0 ? 0.5 : -0.5) * t);
            }
        }

        return new DemonstrationSet(new NdArray<double>([count, 2, steps, 2], positions), null, null, new DemonstrationMeta { Scenario = "swap", TimeStep = 0.1 });
    }

    private static long Parameters(TrainingPreset preset)
    {
        preset = preset with { Model = preset.Model with { SharedMode = false } };
        return NetworkTensors.Of(new TrainingSet(Samples.Demonstrations(2), Samples.Swap, preset).Spec).Sum(t => t.Shape.Aggregate(1L, (a, b) => a * b));
    }

    private static TrainingPreset Preset(string name, string? method = null, params string[] changes)
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "presets");
        return TrainingPreset.Load(Path.Combine(folder, name + ".json"), changes, method is null ? null : TrainingMethod.Load(Path.Combine(folder, "methods", method + ".json")));
    }

    private void Run(TrainingPreset preset, string output, IProgress<TrainingProgress>? progress = null, bool resume = false, DemonstrationSet? demonstrations = null, CancellationToken token = default)
        => Trainer.Run(demonstrations ?? Samples.Demonstrations(), Samples.Swap, preset, new TrainingRunOptions { Output = Path.Combine(_folder, output), Seed = 1, Threads = 1, CheckpointEvery = 100_000, ReportEvery = preset.Training.Steps < 100 ? 1 : 100, Resume = resume }, progress, token);

    private sealed class Collect(List<double> losses) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => losses.Add(value.Loss);
    }

    private sealed class StopAt(int step, CancellationTokenSource stop) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.Step == step)
            {
                stop.Cancel();
            }
        }
    }
}
