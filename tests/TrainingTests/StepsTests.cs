using System.Collections.Concurrent;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Training;
using MimicD.Training.Networks;
using MimicD.Training.Objectives;

namespace MimicD.TrainingTests;

/// <summary>Who makes a step, and what it costs beside arithmetic.</summary>
[Collection(LibtorchTests.Name)]
public sealed class StepsTests
{
    [Theory]
    [InlineData("small", 1)]
    [InlineData("small", 2)]
    [InlineData("paper", 1)]
    [InlineData("paper", 2)]
    public void A_step_allocates_nothing(string name, int threads)
    {
        var preset = Preset(name, "training.batch=4");
        var set = new TrainingSet(Samples.Demonstrations(), Samples.Swap, preset);
        using var networks = new NetworkSet(set.Spec, 1, "cpu");
        using var workers = new Workers(threads);
        using var steps = new Steps(set, networks, preset.Training, seed: 1, done: 0, workers);
        var (before, after) = (new long[threads], new long[threads]);
        Action<int> begin = worker => before[worker] = GC.GetAllocatedBytesForCurrentThread(), end = worker => after[worker] = GC.GetAllocatedBytesForCurrentThread();

        // A thread that blocks for the first time is given something to wait on by the runtime, whenever that is; so one run of ten steps in a row without any allocation is what is asked for.
        var least = long.MaxValue;
        for (var window = 0; window < 6 && least > 0; window++)
        {
            var filling = steps.Filling.Bytes;
            workers.Run(threads, begin);
            for (var i = 0; i < 10; i++)
            {
                steps.Next();
            }

            workers.Run(threads, end);
            least = Math.Min(least, after.Sum() - before.Sum() + steps.Filling.Bytes - filling);
        }

        Assert.Equal(0, least);
    }

    [Theory]
    [InlineData(NetworkKind.Mlp, Frame.Relative)]
    [InlineData(NetworkKind.Dit, Frame.Absolute)]
    public void Agents_that_share_no_weights_learn_the_same_on_any_number_of_threads(NetworkKind kind, Frame frame)
    {
        var preset = Samples.Preset(kind, steps: 6, frame);
        var one = Weights(preset, threads: 1);
        Assert.Equal(one, Weights(preset, threads: 2));
        Assert.Equal(one, Weights(preset, threads: 5));
    }

    [Fact]
    public void The_gradient_is_zero_again_after_a_step()
    {
        var preset = Samples.Preset(steps: 2);
        var set = new TrainingSet(Samples.Demonstrations(), Samples.Swap, preset);
        using var networks = new NetworkSet(set.Spec, 1, "cpu");
        using var workers = new Workers(1);
        using var steps = new Steps(set, networks, preset.Training, seed: 1, done: 0, workers);
        steps.Next();
        Assert.All(networks.Parameters.Gradients().Values, g => Assert.All(g, v => Assert.Equal(0, v)));
    }

    [Theory]
    [InlineData(NetworkKind.Mlp, Frame.Relative)]
    [InlineData(NetworkKind.Dit, Frame.Absolute)]
    public void Dropout_is_drawn_from_seed_step_and_agent_alone(NetworkKind kind, Frame frame)
    {
        var preset = Samples.Preset(kind, steps: 2, frame, dropout: 0.5);
        var set = new TrainingSet(Samples.Demonstrations(), Samples.Swap, preset);
        using var networks = new NetworkSet(set.Spec, 1, "cpu");
        using var workers = new Workers(1);
        // Layers that start at zero would hide what is dropped before them.
        networks.Parameters.ImportWeights(Shaken(networks, set.Spec), "shaken");
        var objective = Objective.Of(set.Spec, preset.Training);
        var batches = Enumerable.Range(0, set.Learners).Select(agent =>
        {
            var batch = new Batch(preset.Training.Batch, set.Window * set.Spec.RowSize, set.Spec.ConditionSize);
            batch.Fill(set, objective, preset.Training, 1, 1, agent);
            return batch;
        }).ToArray();
        double Loss(ulong seed, int step) => networks.LossAndGradient(batches, objective, preset.Training, seed, step, workers);
        Assert.Equal(Loss(1, 1), Loss(1, 1));
        Assert.NotEqual(Loss(1, 1), Loss(1, 2));
        Assert.NotEqual(Loss(1, 1), Loss(2, 1));
    }

    [Fact]
    public void A_task_that_fails_fails_the_run_and_the_threads_go_on()
    {
        using var workers = new Workers(3);
        var done = new ConcurrentBag<int>();
        var error = Assert.Throws<InvalidDataException>(() => workers.Run(5, i => _ = i == 4 ? throw new InvalidDataException("four") : i));
        Assert.Equal("four", error.Message);
        workers.Run(7, done.Add);
        Assert.Equal(Enumerable.Range(0, 7), done.Order());
    }

    private static float[] Weights(TrainingPreset preset, int threads)
    {
        var set = new TrainingSet(Samples.Demonstrations(), Samples.Swap, preset);
        using var networks = new NetworkSet(set.Spec, 1, "cpu");
        using var workers = new Workers(threads);
        using var steps = new Steps(set, networks, preset.Training, seed: 1, done: 0, workers);
        for (var i = 0; i < preset.Training.Steps; i++)
        {
            steps.Next();
        }

        return [.. networks.Export(set.Spec).Tensors.SelectMany(t => t.Value.Data)];
    }

    private static SafeTensors Shaken(NetworkSet networks, ModelSpec spec)
    {
        var shaken = new SafeTensors();
        var random = new CounterRandom(7, RandomPurpose.TrainingWeights);
        foreach (var (name, tensor) in networks.Export(spec).Tensors)
        {
            shaken.Add(name, Array.ConvertAll(tensor.Data, v => v + 0.1f * (float)random.NextNormal()), tensor.Shape);
        }

        return shaken;
    }

    private static TrainingPreset Preset(string name, params string[] changes)
        => TrainingPreset.Load(Path.Combine(AppContext.BaseDirectory, "presets", name + ".json"), changes).FittedTo(Samples.Swap);
}
