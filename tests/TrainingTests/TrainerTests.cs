using System.Diagnostics;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Training;
using MimicD.Training.Networks;
using MimicD.Training.Torch;

namespace MimicD.TrainingTests;

[Collection(LibtorchTests.Name)]
public sealed class TrainerTests : IDisposable
{
    private readonly string _folder = Samples.TemporaryFolder();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(NetworkKind.Mlp, Frame.Relative, RateSchedule.Cosine, PlanOf.Own)]
    [InlineData(NetworkKind.Dit, Frame.Absolute, RateSchedule.Constant, PlanOf.Own)]
    [InlineData(NetworkKind.Mlp, Frame.Relative, RateSchedule.Cosine, PlanOf.All)]
    [InlineData(NetworkKind.Dit, Frame.Absolute, RateSchedule.Constant, PlanOf.Joint)]
    public void A_resumed_run_ends_with_the_same_weights_as_an_uninterrupted_one(NetworkKind kind, Frame frame, RateSchedule schedule, PlanOf of)
    {
        var preset = Samples.Preset(kind, steps: 20, frame).PlanningFor(of);
        preset = preset with { Training = preset.Training with { Schedule = schedule } };
        var whole = Run(preset, "whole.safetensors");
        Assert.True(whole.Completed);

        using var stop = new CancellationTokenSource();
        var first = Run(preset, "parts.safetensors", progress: new CancelAt(7, stop), token: stop.Token);
        Assert.False(first.Completed);
        Assert.InRange(first.Step, 7, 19);
        var second = Run(preset, "parts.safetensors", resume: true);
        Assert.True(second.Completed);

        AssertSameFile("whole.safetensors", "parts.safetensors");
        AssertSameFile("whole.resume.safetensors", "parts.resume.safetensors");
        Assert.Equal(20, File.ReadLines(Path.Combine(_folder, "parts.metrics.jsonl")).Count());
    }

    [Fact]
    public void The_same_seed_gives_the_same_file_and_another_seed_another()
    {
        var preset = Samples.Preset(NetworkKind.Dit, steps: 5, Frame.Absolute);
        Run(preset, "a.safetensors");
        Run(preset, "b.safetensors");
        Run(preset, "c.safetensors", seed: 2);
        AssertSameFile("a.safetensors", "b.safetensors");
        Assert.NotEqual(File.ReadAllBytes(Path.Combine(_folder, "a.safetensors")), File.ReadAllBytes(Path.Combine(_folder, "c.safetensors")));
    }

    [Fact]
    public void Stopped_before_its_first_step_a_run_leaves_what_an_earlier_one_wrote()
    {
        Run(Samples.Preset(steps: 2), "m.safetensors");
        var before = File.ReadAllBytes(Path.Combine(_folder, "m.safetensors"));
        var stopped = Run(Samples.Preset(steps: 2), "m.safetensors", token: new CancellationToken(canceled: true));

        Assert.Equal((0, false), (stopped.Step, stopped.Completed));
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(_folder, "m.safetensors")));
        Assert.True(Run(Samples.Preset(steps: 2), "m.safetensors", resume: true).Completed);
    }

    [Fact]
    public void The_model_remembers_what_its_demonstrations_were_like()
    {
        Run(Samples.Preset(steps: 1), "m.safetensors");
        var provenance = Model.Load(Path.Combine(_folder, "m.safetensors")).Spec.Provenance!;

        // The arcs pass on either side, in modes that need no label in the demonstrations.
        Assert.Equal(6, provenance.ModeShares!.Length);
        Assert.Equal("sides", provenance.ModeRule);
        Assert.Equal(1, provenance.ModeShares.Sum(), 12);
        Assert.Equal(2, provenance.Roughness!.Length);
        Assert.All(provenance.Roughness, r => Assert.InRange(r, 1e-6, 1));
    }

    [Theory]
    [InlineData(PlanOf.Own, 0.5)]
    [InlineData(PlanOf.All, 0.75)]
    [InlineData(PlanOf.Joint, 0.75)]
    public void The_loss_falls(PlanOf of, double to)
    {
        var losses = new Collect();
        var preset = Samples.Preset(steps: 300, dropout: 0).PlanningFor(of);
        Run(preset with { Training = preset.Training with { LearningRate = 3e-3, Batch = 32, ConditionDropout = 0 } }, "falls.safetensors", progress: losses);
        Assert.True(losses.Reports[^50..].Average(r => r.Loss) < to * losses.Reports[..20].Average(r => r.Loss), $"from {losses.Reports[0].Loss} to {losses.Reports[^1].Loss}");
    }

    [Theory]
    [InlineData(PlanOf.Own)]
    [InlineData(PlanOf.All)]
    [InlineData(PlanOf.Joint)]
    public void The_trained_file_runs_as_a_policy(PlanOf of)
    {
        Run(Samples.Preset(steps: 5).PlanningFor(of), "runs.safetensors");
        var model = Model.Load(Path.Combine(_folder, "runs.safetensors"));
        var policy = model.Policies()(new AgentId(1));
        var actions = new float[policy.PlanActions * policy.ActionSize];
        policy.Plan(new float[policy.FrameSize * policy.History], new float[policy.NoiseSize], actions);
        Assert.All(actions, a => Assert.True(float.IsFinite(a)));
        Assert.Equal(8, model.Spec.Provenance!.Demonstrations);
    }

    [Fact]
    public void Ten_thousand_steps_leak_nothing()
    {
        var preset = Samples.Preset(steps: 10_100);
        preset = preset with
        {
            Model = preset.Model with { Network = preset.Model.Network with { Width = 8, Depth = 1, Expansion = 1 } },
            Training = preset.Training with { Batch = 2 },
        };
        var watch = new LeakWatch(100);
        Run(preset, "leak.safetensors", progress: watch, reportEvery: 100);
        Assert.Equal(watch.TensorsEarly, watch.TensorsLate);
        // 10,000 steps make about a million tensors; one byte lost for each would show.
        Assert.True(watch.BytesLate - watch.BytesEarly < 32 << 20, $"resident memory grew by {(watch.BytesLate - watch.BytesEarly) >> 10} KiB over 10,000 steps");
    }

    [Fact]
    public void Another_runs_checkpoint_is_refused()
    {
        Run(Samples.Preset(steps: 3), "r.safetensors");
        var error = Assert.Throws<InvalidInputException>(() => Run(Samples.Preset(steps: 3), "r.safetensors", seed: 9, resume: true));
        Assert.Contains("r.resume.safetensors", error.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidInputException>(() => Run(Samples.Preset(steps: 3), "none.safetensors", resume: true));
    }

    [Fact]
    public void A_preset_that_is_shortened_keeps_its_warm_up_and_is_doubted()
    {
        Assert.Empty(Preset("small.json").Doubts(1000));
        Assert.StartsWith("training.warmup: the learning rate rises over 200 steps", Assert.Single(Preset("small.json", "training.steps=20").Doubts(1000)), StringComparison.Ordinal);
        Assert.StartsWith("training.batch: 256 samples a step", Assert.Single(Preset("small.json").Doubts(100)), StringComparison.Ordinal);
        var preset = Samples.Preset() with { Training = Samples.Preset().Training with { Warmup = 21 } };
        Assert.Throws<InvalidInputException>(() => preset.Validate("preset"));
    }

    [Fact]
    public void What_differs_from_a_checkpoint_is_named()
    {
        Run(Samples.Preset(steps: 3), "r.safetensors");
        string Refusal(TrainingPreset preset, ulong seed = 1)
            => Assert.Throws<InvalidInputException>(() => Run(preset, "r.safetensors", seed: seed, resume: true)).Message;

        Assert.Contains("r.resume.safetensors: seed: expected 1 as it was begun with, found 9;", Refusal(Samples.Preset(steps: 3), 9), StringComparison.Ordinal);
        var wider = Samples.Preset(steps: 5);
        wider = wider with { Training = wider.Training with { Batch = 9 } };
        Assert.Contains("r.resume.safetensors: training.batch: expected 8 as it was begun with, found 9;", Refusal(wider), StringComparison.Ordinal);
        wider = wider with { Model = wider.Model with { Network = wider.Model.Network with { Width = 20 } } };
        Assert.Contains("model.network.width: expected 16 as it was begun with, found 20 (and 1 more: training.batch);", Refusal(wider), StringComparison.Ordinal);
        Assert.Contains("step: expected at most 2, the steps asked for, found 3", Refusal(Samples.Preset(steps: 2)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(RateSchedule.Constant)]
    [InlineData(RateSchedule.Cosine)]
    public void A_resumed_training_may_be_longer_and_says_where_its_schedule_depended_on_that(RateSchedule schedule)
    {
        TrainingPreset Of(int steps) => Samples.Preset(steps: steps) is var p ? p with { Training = p.Training with { Schedule = schedule } } : p;
        var notices = new List<string>();
        Run(Of(6), "parts.safetensors");
        Assert.Equal(9, Trainer.Run(Samples.Demonstrations(), Samples.Swap, Of(9), Options("parts.safetensors", notices) with { Resume = true }, null, CancellationToken.None).Step);
        notices.RemoveAll(n => !n.Contains("learning rate", StringComparison.Ordinal));
        Run(Of(9), "whole.safetensors");
        if (schedule == RateSchedule.Constant)
        {
            Assert.Empty(notices);
            AssertSameFile("whole.resume.safetensors", "parts.resume.safetensors");
        }
        else
        {
            Assert.Contains("the learning rate follows the whole length of a training, 6 steps when this one began and 9 now", Assert.Single(notices), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Input_is_checked_without_libtorch_and_nothing_is_written()
    {
        var doubts = Trainer.Check([Samples.Demonstrations(1)], Samples.Swap, Samples.Preset(), Options("c.safetensors", []));
        Assert.Contains(doubts, d => d.Contains("one demonstration alone", StringComparison.Ordinal));
        Assert.Throws<InvalidInputException>(() => Trainer.Check([Samples.Demonstrations(1)], Samples.Swap, Samples.Preset(), Options("c.safetensors", []) with { Resume = true }));
        Assert.Throws<InvalidInputException>(() => Trainer.Check([Samples.Demonstrations(1)], Samples.Swap, Samples.Preset(), Options("c.safetensors", []) with { Device = "abacus" }));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder));
    }

    private TrainingRunOptions Options(string name, List<string> notices) => new() { Output = Path.Combine(_folder, name), Seed = 1, Threads = 1, ReportEvery = 1, Notice = notices.Add };

    [Fact]
    public void A_device_that_is_not_there_is_refused()
    {
        Assert.Throws<InvalidInputException>(() => TorchRuntime.RequireDevice("tpu"));
        Assert.Throws<InvalidInputException>(() => TorchRuntime.RequireDevice("cuda:x"));
    }

    [Fact]
    public void The_paper_preset_has_the_published_size()
    {
        var preset = Preset("paper.json");
        var spec = new TrainingSet(Samples.Demonstrations(2), Samples.Swap, preset).Spec;
        using var networks = new NetworkSet(spec, 0, "cpu");
        // 3.95 M an agent, as counted from the published shapes (method.md).
        Assert.Equal(2 * 3_949_570, networks.Parameters.Count);
    }

    [Fact]
    public void The_cosine_schedule_starts_at_the_rate_and_ends_near_zero()
    {
        var options = new OptimisationSpec { Steps = 1000, LearningRate = 0.5, Schedule = RateSchedule.Cosine };
        Assert.Equal(0.5, Trainer.LearningRate(options, 1), 12);
        Assert.Equal(0.25, Trainer.LearningRate(options, 501), 12);
        Assert.InRange(Trainer.LearningRate(options, 1000), 0, 1e-5);
        Assert.Equal(0.05, Trainer.LearningRate(options with { Warmup = 10, Schedule = RateSchedule.Constant }, 1), 12);
    }

    [Theory]
    [InlineData("training.steps=0", "training.steps")]
    [InlineData("training.stepz=5", "stepz")]
    [InlineData("training.window=9", "training.window")]
    [InlineData("model.network.kind=cnn", "kind")]
    [InlineData("model.plan.startsAtPresent=true", "startsAtPresent")]
    [InlineData("nonsense", "KEY=VALUE")]
    [InlineData("training.presentWeight=1", "presentWeight")]
    [InlineData("training.warmup=9000", "training.warmup: expected at most 8000, training.steps, found 9000")]
    [InlineData("training={\"steps\":5,\"warmup\":6}", "training.warmup: expected at most 5, training.steps, found 6")]
    [InlineData("training.presentWeight=-1", "presentWeight")]
    [InlineData("training.learningRate=1e300", "training.learningRate: expected above 0, at most 1")]
    [InlineData("training.weightDecay=1e9", "training.weightDecay")]
    [InlineData("training.gradientClip=1e999", "training.gradientClip")]
    [InlineData("training.noiseMean=1e6", "training.noiseMean")]
    [InlineData("training.noiseDeviation=1e6", "training.noiseDeviation")]
    [InlineData("training.offsetDeviation=1e300", "training.offsetDeviation")]
    [InlineData("training.dropout=1", "training.dropout")]
    [InlineData("training.averageDecay=1", "training.averageDecay")]
    [InlineData("model.network.width=0", "network.width")]
    [InlineData("model.sampling.execute=17", "execute")]
    public void A_bad_change_of_a_preset_is_one_clear_line(string change, string names)
    {
        var error = Assert.Throws<InvalidInputException>(() => Preset("small.json", change));
        Assert.Contains(names, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void A_change_of_a_preset_takes_effect()
    {
        var preset = Preset("small.json", "model.network.width=64", "model.sensor.others=null", "model.network.octaves=0", "model.network.kind=dit");
        Assert.Equal(64, preset.Model.Network.Width);
        Assert.Null(preset.Model.Sensor.Others);
        Assert.Equal(NetworkKind.Dit, preset.Model.Network.Kind);
    }

    private static TrainingPreset Preset(string name, params string[] changes)
        => TrainingPreset.Load(Path.Combine(AppContext.BaseDirectory, "presets", name), changes);

    private TrainingResult Run(TrainingPreset preset, string output, ulong seed = 1, bool resume = false, IProgress<TrainingProgress>? progress = null, int reportEvery = 1, CancellationToken token = default)
        => Trainer.Run(Samples.Demonstrations(), Samples.Swap, preset, new TrainingRunOptions { Output = Path.Combine(_folder, output), Seed = seed, Threads = 1, CheckpointEvery = 100_000, ReportEvery = reportEvery, Resume = resume }, progress, token);

    private void AssertSameFile(string a, string b)
        => Assert.True(File.ReadAllBytes(Path.Combine(_folder, a)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(_folder, b))), $"{a} and {b} differ");

    private sealed class CancelAt(int step, CancellationTokenSource stop) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.Step == step)
            {
                stop.Cancel();
            }
        }
    }

    private sealed class Collect : IProgress<TrainingProgress>
    {
        public List<TrainingProgress> Reports { get; } = [];

        public void Report(TrainingProgress value) => Reports.Add(value);
    }

    private sealed class LeakWatch(int warm) : IProgress<TrainingProgress>
    {
        public long TensorsEarly { get; private set; }

        public long TensorsLate { get; private set; }

        public long BytesEarly { get; private set; }

        public long BytesLate { get; private set; }

        public void Report(TrainingProgress value)
        {
            using var process = Process.GetCurrentProcess();
            (TensorsLate, BytesLate) = (TorchRuntime.LiveTensors, process.WorkingSet64);
            if (value.Step == warm)
            {
                (TensorsEarly, BytesEarly) = (TensorsLate, BytesLate);
            }
        }
    }
}
