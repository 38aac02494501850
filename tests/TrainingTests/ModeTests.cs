using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Training;
using MimicD.Training.Objectives;

namespace MimicD.TrainingTests;

/// <summary>What is learned of joint modes, and what policies are told of them.</summary>
[Collection(LibtorchTests.Name)]
public sealed class ModeTests : IDisposable
{
    private readonly string _folder = Samples.TemporaryFolder();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Clusters_of_joint_paths_find_the_sides_on_which_agents_pass()
    {
        var demonstrations = Samples.Demonstrations(60);
        var sides = Enumerable.Range(0, 60).Select(m => demonstrations.Path(m, 0)[2 * 15 + 1] > 0).ToArray();
        var clusters = JointClusters.Of(demonstrations, 2);

        var larger = sides.Count(s => s) >= 30;
        Assert.Equal(sides.Select(s => s == larger ? 1 : 2), clusters);
        Assert.Equal(clusters, JointClusters.Of(demonstrations, 2));
        Assert.Equal([1, 2, 3], JointClusters.Of(demonstrations, 3).Distinct().Order());
        Assert.Equal("demonstrations: count: expected at least 61, the clusters, found 60", Assert.Throws<InvalidInputException>(() => JointClusters.Of(demonstrations, 61)).Message);
    }

    [Fact]
    public void Clusters_stand_for_labels_in_the_samples_and_in_the_model()
    {
        var preset = Modal();
        var set = new TrainingSet(Samples.Demonstrations(20), Samples.Swap, preset with { Model = preset.Model with { ModeClusters = 2 } });

        Assert.Equal((2, 2), (set.Spec.ModeCount, set.Spec.ModeClusters));
        Assert.Equal(1, set.Spec.ModeShares!.Sum(), 12);
    }

    [Fact]
    public void The_posterior_learns_which_side_it_sees_and_changes_nothing_of_the_policies()
    {
        var preset = Modal(steps: 3);
        preset = preset with { Model = preset.Model with { ModeClusters = 2 } };
        Run(preset, "without.safetensors");
        var learned = preset with { Model = preset.Model with { ModePosterior = new ModePosteriorTraining { Width = 16, Steps = 400, Batch = 32, LearningRate = 1e-2 } } };
        Run(learned, "with.safetensors");
        var (without, with) = (SafeTensors.Read(Path.Combine(_folder, "without.safetensors")), SafeTensors.Read(Path.Combine(_folder, "with.safetensors")));
        foreach (var (name, tensor) in without.Tensors)
        {
            Assert.Equal(tensor.Data, with.Tensors[name].Data);
        }

        var model = Model.Load(Path.Combine(_folder, "with.safetensors"));
        var policy = model.Policies(model.Spec.Sampling with { ModeFrom = ModeSource.Seen })(new AgentId(1));
        var set = new TrainingSet(Samples.Demonstrations(40), Samples.Swap, learned with { Training = learned.Training with { OffsetDeviation = 0 } });
        var (condition, plan, logits, right) = (new float[set.Spec.ConditionSize], new float[set.Spec.PlanSize], new float[2], 0);
        var random = new CounterRandom(1, RandomPurpose.TrainingAugmentation);
        for (var m = 0; m < 40; m++)
        {
            set.Sample(m * 30 + 15, 1, ref random, condition, plan);
            Assert.True(policy.ModeLogits(condition.AsSpan(0, policy.History * policy.FrameSize), logits));
            right += logits[condition[^2] == 1 ? 0 : 1] > logits[condition[^2] == 1 ? 1 : 0] ? 1 : 0;
        }

        // In the middle of the way there is no doubt.
        Assert.Equal(40, right);
    }

    [Fact]
    public void A_posterior_can_be_asked_for_when_the_policies_are_trained()
    {
        var preset = Modal(steps: 3);
        var learned = preset with { Model = preset.Model with { ModePosterior = new ModePosteriorTraining { Width = 8, Steps = 5, Batch = 8 } } };
        Run(learned, "once.safetensors");
        Run(preset, "later.safetensors");
        Run(learned, "later.safetensors", resume: true);

        Assert.Equal(File.ReadAllBytes(Path.Combine(_folder, "once.safetensors")), File.ReadAllBytes(Path.Combine(_folder, "later.safetensors")));
    }

    [Theory]
    [InlineData(0, 0.5, 0.5, 0)]
    [InlineData(0.5, 0, 0, 0.5)]
    public void Modes_are_left_out_and_replaced_as_often_as_is_asked(double dropout, double noise, double wrong, double missing)
    {
        const int size = 4000;
        var preset = Modal();
        preset = preset with { Model = preset.Model with { ModeClusters = 2 }, Training = preset.Training with { ModeDropout = dropout, ModeNoise = noise } };
        var (demonstrations, constants) = (Samples.Demonstrations(40), (NormalisationSpec?)null);
        var set = new TrainingSet(demonstrations, Samples.Swap, preset);
        constants = set.Spec.Normalisation[0];
        var batch = new Batch(size, set.Spec.PlanSize, set.Spec.ConditionSize);
        batch.Fill(set, Objective.Of(set.Spec, preset.Training), preset.Training, 1, 1, 0);
        var labels = JointClusters.Of(demonstrations, 2);
        var choice = new CounterRandom(1, RandomPurpose.TrainingBatches, 1, 0);
        var (none, other) = (0, 0);
        for (var b = 0; b < size; b++)
        {
            var label = labels[choice.NextInt32(set.Count) / 30] - 1;
            var z = Enumerable.Range(0, 2).Select(k => Raw(b, k)).ToArray();
            none += z[0] + z[1] == 0 ? 1 : 0;
            other += z[1 - label] == 1 ? 1 : 0;
        }

        // Of those replaced, the shares decide; of two about equal ones half are as they were. Five standard errors are 0.04.
        var expected = set.Spec.ModeShares!.Sum(p => p * (1 - p)) * wrong;
        Assert.InRange(none / (double)size, missing - 0.04, missing + 0.04);
        Assert.InRange(other / (double)size, expected - 0.04, expected + 0.04);

        int Raw(int row, int k)
        {
            var at = set.Spec.ConditionSize - 2 + k;
            return (int)Math.Round(batch.Condition[row * set.Spec.ConditionSize + at] * constants.ConditionDeviation[at] + constants.ConditionMean[at]);
        }
    }

    [Theory]
    [InlineData(SamplePairing.None, false, false)]
    [InlineData(SamplePairing.Demonstrations, true, false)]
    [InlineData(SamplePairing.Noise, true, true)]
    public void Agents_have_in_common_what_is_paired(SamplePairing pairing, bool demonstrations, bool noise)
    {
        var preset = Modal();
        preset = preset with { Training = preset.Training with { Pairing = pairing } };
        var set = new TrainingSet(Samples.Demonstrations(20), Samples.Swap, preset);
        var batches = Enumerable.Range(0, 2).Select(agent =>
        {
            var batch = new Batch(64, set.Spec.PlanSize, set.Spec.ConditionSize);
            batch.Fill(set, Objective.Of(set.Spec, preset.Training), preset.Training, 1, 1, agent);
            return batch;
        }).ToArray();

        // The own path's x of one is the other's mirrored: same demonstration and tick, same z.
        var modes = batches.Select(b => Enumerable.Range(0, 64).SelectMany(row => b.Condition.AsSpan((row + 1) * set.Spec.ConditionSize - set.Spec.ModeCount, set.Spec.ModeCount).ToArray())).ToArray();
        Assert.Equal(demonstrations, modes[0].SequenceEqual(modes[1]));
        Assert.Equal(noise, batches[0].Noise.SequenceEqual(batches[1].Noise));
    }

    private static TrainingPreset Modal(int steps = 2)
    {
        var preset = Samples.Preset(steps: steps, dropout: 0);
        return preset with { Model = preset.Model with { SharedMode = true } };
    }

    private void Run(TrainingPreset preset, string name, bool resume = false)
        => Assert.True(Trainer.Run(Samples.Demonstrations(40), Samples.Swap, preset, new TrainingRunOptions { Output = Path.Combine(_folder, name), Seed = 1, Threads = 1, ReportEvery = 1, Resume = resume }, null, CancellationToken.None).Completed);
}
