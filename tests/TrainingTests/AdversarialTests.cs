using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Training;
using MimicD.Training.Adversarial;
using MimicD.Training.Torch;

namespace MimicD.TrainingTests;

[Collection(LibtorchTests.Name)]
public sealed class AdversarialTests : IDisposable
{
    private readonly string _folder = Samples.TemporaryFolder();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Advantages_equal_a_case_by_hand()
    {
        var advantages = new float[3];
        Advantages.Estimate([1, 2, 3], [0.5f, 1, 1.5f], discount: 0.5, trace: 0.5, advantages);
        // delta = 1, 1.75, 1.5; a trace of a quarter.
        Assert.Equal([1.53125f, 2.125f, 1.5f], advantages);
    }

    [Fact]
    public void Without_discount_and_decay_advantage_and_value_make_the_rewards_to_come()
    {
        float[] values = [3, -1, 7, 0.5f];
        var advantages = new float[4];
        Advantages.Estimate([1, 2, 3, 4], values, discount: 1, trace: 1, advantages);
        Assert.Equal([10f, 9, 7, 4], advantages.Zip(values, (a, v) => a + v));
        Advantages.Standardise(advantages);
        Assert.Equal(0, advantages.Average(), 5);
        Assert.Equal(1, advantages.Average(a => a * a), 5);
    }

    [Fact]
    public void The_policy_gradient_is_that_of_the_formula()
    {
        const int rows = 6, d = 2, width = 1 + 2 * d;
        const double clip = 0.2, weight = 0.3;
        var head = new MixtureSpec { Components = 1, DeviationFloor = 0.05 };
        var random = new CounterRandom(11, RandomPurpose.TrainingNoise);
        var (output, action, old) = (new float[rows * width], new float[rows * d], new float[rows]);
        random.FillNormal(output);
        random.FillNormal(action);
        // The ratio above, below and within the clip, with either sign of the advantage.
        double[] ratios = [1.5, 1.5, 0.5, 0.5, 1.05, 0.95];
        float[] advantage = [2, -1, 0.7f, -0.4f, 1.1f, -0.6f];
        var expected = new double[rows * width];
        for (var b = 0; b < rows; b++)
        {
            double density = 0;
            for (var i = 0; i < d; i++)
            {
                var s = 0.05 + Math.Exp(output[b * width + 1 + d + i]);
                var z = (action[b * d + i] - output[b * width + 1 + i]) / s;
                density -= 0.5 * z * z + Math.Log(s) + 0.5 * Math.Log(2 * Math.PI);
            }

            old[b] = (float)(density - Math.Log(ratios[b]));
            var clipped = advantage[b] > 0 ? ratios[b] > 1 + clip : ratios[b] < 1 - clip;
            var gain = clipped ? 0 : advantage[b] * ratios[b];
            for (var i = 0; i < d; i++)
            {
                var grows = Math.Exp(output[b * width + 1 + d + i]);
                var s = 0.05 + grows;
                var z = (action[b * d + i] - output[b * width + 1 + i]) / s;
                expected[b * width + 1 + i] = -gain * z / s / rows;
                expected[b * width + 1 + d + i] = -(gain * (z * z - 1) + weight) * grows / s / rows;
            }
        }

        using var scope = new TensorScope();
        var gradients = Tensor.Zeros("cpu", rows * width);
        var leaf = Tensor.Leaf(Tensor.From(output, "cpu", rows * width), gradients, 0, rows, width);
        var (loss, _, logDensity) = new ClippedSurrogate(head, clip, weight).Loss(leaf, Tensor.From(action, "cpu", rows, d), Tensor.From(old, "cpu", rows), Tensor.From(advantage, "cpu", rows));
        loss.Backward();
        Assert.All(gradients.ToArray().Zip(expected), pair => Assert.Equal(pair.Second, pair.First, 1e-4 * Math.Max(1, Math.Abs(pair.Second))));
        Assert.All(logDensity.ToArray().Zip(old.Zip(ratios)), x => Assert.Equal(x.Second.First + Math.Log(x.Second.Second), x.First, 1e-4));
    }

    [Fact]
    public void An_action_is_drawn_from_the_density_that_the_loss_counts()
    {
        var head = new MixtureSpec { Components = 1 };
        var random = new CounterRandom(3, RandomPurpose.TrainingNoise);
        var (output, noise, action) = (new float[5], new float[2], new float[2]);
        random.FillNormal(output);
        random.FillNormal(noise);
        var drawn = GaussianHead.Draw(output, noise, head, action);
        using var scope = new TensorScope();
        var (logDensity, logDeviations) = GaussianHead.LogDensity(Tensor.From(output, "cpu", 1, 5), Tensor.From(action, "cpu", 1, 2), head);
        Assert.Equal(drawn, logDensity.ToArray()[0], 1e-4);
        var deviations = Array.ConvertAll(logDeviations.ToArray(), x => Math.Exp(x));
        Assert.All(Enumerable.Range(0, 2), i => Assert.Equal(output[1 + i] + deviations[i] * noise[i], action[i], 1e-5));
    }

    [Theory]
    [InlineData(DiscriminatorView.Joint)]
    [InlineData(DiscriminatorView.Own)]
    public void Discriminators_tell_two_laws_apart_and_reward_what_looks_demonstrated(DiscriminatorView view)
    {
        var options = new AdversarialSpec { Discriminator = view, DiscriminatorWidth = 32, DiscriminatorRate = 3e-3, DiscriminatorSteps = 40, DiscriminatorBatch = 64, InputNoise = 0.1 };
        var preset = Preset(options);
        var demonstrations = Samples.Demonstrations();
        var spec = new TrainingSet(demonstrations, Samples.Swap, preset).Spec;
        var experts = new ExpertTransitions(demonstrations, Samples.Swap, preset, spec);
        var experience = new Experience(2, 8, 29, spec.ConditionSize, spec.PlanSize);
        var random = new CounterRandom(7, RandomPurpose.TrainingNoise);
        for (var row = 0; row < experience.Rows; row++)
        {
            for (var agent = 0; agent < 2; agent++)
            {
                // The first half as demonstrated, the second half as demonstrated but for the action.
                experts.Write(random.NextInt32(experts.Count), agent, experience.Condition(agent, row), experience.Action(agent, row));
                foreach (ref var a in experience.Action(agent, row))
                {
                    a += row < experience.Rows / 2 ? 0 : 3;
                }
            }
        }

        using var discriminators = new Discriminators(options, 2, spec.ConditionSize, spec.PlanSize, seed: 1, "cpu");
        var (first, _) = discriminators.Train(experts, experience, preset.Training, seed: 1, step: 1);
        var (last, accuracy) = discriminators.Train(experts, experience, preset.Training, seed: 1, step: 2);
        Assert.True(last < first, $"from {first} to {last}");
        Assert.InRange(accuracy, 0.65, 1);
        var rewards = discriminators.Rewards(experience);
        Assert.Equal(view == DiscriminatorView.Joint, ReferenceEquals(rewards[0], rewards[1]));
        Assert.All(rewards, r => Assert.True(r[..(r.Length / 2)].Average() > 2 * r[(r.Length / 2)..].Average(), $"{r[..(r.Length / 2)].Average()} and {r[(r.Length / 2)..].Average()}"));
    }

    [Fact]
    public void Policies_come_nearer_to_the_demonstrations()
    {
        // One step of cloning leaves policies that scatter over metres.
        var options = new AdversarialSpec { Iterations = 50, Warmup = 2, Episodes = 16, DiscriminatorSteps = 8, InputNoise = 0.1, DiscriminatorWidth = 32, DiscriminatorRate = 1e-3, DiscriminatorBatch = 128, CriticWidth = 32, CriticRate = 3e-3, PolicyRate = 3e-3, Batch = 232, DivergenceLimit = 0.1, Discount = 0.9 };
        var rounds = new Rounds();
        Run(Preset(options), "nearer.safetensors", rounds);
        var off = rounds.Figures.ConvertAll(f => f.Displacement);
        Assert.Equal(50, off.Count);
        Assert.Equal([0, 0], rounds.Figures[..2].ConvertAll(f => f.Passes));
        Assert.All(rounds.Figures[2..], f => Assert.InRange(f.Passes, 1, 4));
        // Single rounds scatter, and how depends on the last bits of every kernel. Of training seeds 1 to 5 four end, by the mean of ten rounds, at 0.48 to 0.62 of where they began; seed 2 does not come nearer in 50 rounds.
        Assert.True(off[^10..].Average() < 0.7 * off[..3].Average(), string.Join(" ", off.Select(x => $"{x:f2}")));

        var model = Model.Load(Path.Combine(_folder, "nearer.safetensors"));
        var policy = model.Policies()(new AgentId(1));
        Assert.Equal((1, 4), (policy.PlanActions, policy.NoiseSize));
        var action = new float[2];
        policy.Plan(new float[policy.FrameSize * policy.History], new float[policy.NoiseSize], action);
        Assert.All(action, a => Assert.True(float.IsFinite(a)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void A_resumed_run_ends_with_the_same_weights_as_an_uninterrupted_one(int stopAt)
    {
        var preset = Preset(new AdversarialSpec { Iterations = 3, Warmup = 1, Episodes = 3, DiscriminatorWidth = 8, DiscriminatorBatch = 16, DiscriminatorSteps = 2, CriticWidth = 8, Batch = 40, DivergenceLimit = 1e-4 }, steps: 3);
        Run(preset, "whole.safetensors");
        using var stop = new CancellationTokenSource();
        Run(preset, "parts.safetensors", new Rounds(stopAt, stop), token: stop.Token);
        Run(preset, "parts.safetensors", resume: true);
        foreach (var name in (string[])[".safetensors", ".resume.safetensors"])
        {
            Assert.Equal(File.ReadAllBytes(Path.Combine(_folder, "whole" + name)), File.ReadAllBytes(Path.Combine(_folder, "parts" + name)));
        }

        Assert.Equal(6, File.ReadLines(Path.Combine(_folder, "parts.metrics.jsonl")).Count());
        Assert.Contains("\"accuracy\"", File.ReadLines(Path.Combine(_folder, "parts.metrics.jsonl")).Last(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("paper", "", "network.mixture: expected none with a transformer")]
    [InlineData("small", "model.plan.length=16", "plan.length: expected 1 position, not the present one, with training.adversarial, found 16")]
    [InlineData("small", "model.network.mixture.components=4", "network.mixture.components: expected a mixture of 1 with training.adversarial, found 4")]
    [InlineData("small", "training.adversarial.clip=1", "training.adversarial.clip: expected above 0, below 1, found 1")]
    [InlineData("small", "training.adversarial.lambda=1", "unknown key 'training.adversarial.lambda'")]
    [InlineData("small", "model.sampling.noise=held", "sampling.noise: expected fresh noise of one's own with training.adversarial, found Held")]
    public void What_cannot_be_trained_adversarially_is_refused_in_one_line(string preset, string change, string says)
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "presets");
        var method = TrainingMethod.Load(Path.Combine(folder, "methods", "magail.json"));
        var error = Assert.Throws<InvalidInputException>(() => TrainingPreset.Load(Path.Combine(folder, preset + ".json"), change.Length == 0 ? [] : [change], method));
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    private static TrainingPreset Preset(AdversarialSpec options, int steps = 1)
    {
        var preset = Samples.Preset(steps: steps, dropout: 0);
        return preset with
        {
            Model = preset.Model with
            {
                Method = MethodKind.Mixture,
                Network = preset.Model.Network with { Mixture = new MixtureSpec { Components = 1 } },
                Plan = preset.Model.Plan with { Length = 1 },
            },
            Training = preset.Training with { OffsetDeviation = 0, Adversarial = options },
        };
    }

    private void Run(TrainingPreset preset, string output, IProgress<TrainingProgress>? progress = null, bool resume = false, CancellationToken token = default)
    {
        preset.Validate("test");
        Trainer.Run(Samples.Demonstrations(), Samples.Swap, preset, new TrainingRunOptions { Output = Path.Combine(_folder, output), Seed = 1, Threads = 1, CheckpointEvery = 100_000, ReportEvery = 1, Resume = resume }, progress, token);
    }

    private sealed class Rounds(int stopAt = -1, CancellationTokenSource? stop = null) : IProgress<TrainingProgress>
    {
        public List<AdversarialFigures> Figures { get; } = [];

        public void Report(TrainingProgress value)
        {
            if (value.Adversarial is not null)
            {
                Figures.Add(value.Adversarial);
            }

            if (value.Step == stopAt)
            {
                stop!.Cancel();
            }
        }
    }
}
