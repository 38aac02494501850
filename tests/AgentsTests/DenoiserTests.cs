using MimicD.Agents;
using MimicD.Numerics;

namespace MimicD.AgentsTests;

public class DenoiserTests
{
    /// <summary>kind, width, depth, heads, expansion, condition width, length, dimensions, history</summary>
    public static TheoryData<NetworkKind, int, int, int, int, int, int, int, int> Sizes => new()
    {
        { NetworkKind.Mlp, 4, 1, 1, 1, 1, 2, 2, 1 },
        { NetworkKind.Mlp, 18, 2, 1, 3, 1, 7, 3, 2 },
        { NetworkKind.Mlp, 64, 3, 1, 1, 1, 25, 2, 4 },
        { NetworkKind.Mlp, 250, 2, 1, 2, 1, 13, 3, 1 },
        { NetworkKind.Dit, 4, 1, 1, 1, 1, 2, 2, 1 },
        { NetworkKind.Dit, 10, 2, 1, 2, 5, 3, 3, 2 },
        { NetworkKind.Dit, 36, 2, 2, 3, 14, 17, 2, 1 },
        { NetworkKind.Dit, 64, 3, 4, 4, 32, 25, 2, 1 },
        { NetworkKind.Dit, 96, 1, 4, 4, 20, 33, 3, 3 },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Fast_networks_agree_with_the_document_computed_in_double_precision(NetworkKind kind, int width, int depth, int heads, int expansion, int conditionWidth, int length, int dimensions, int history)
    {
        var spec = Sized(kind, width, depth, heads, expansion, conditionWidth, length, dimensions, history);
        var file = RandomModel.Weights(spec, seed: 5);
        var denoiser = Denoiser.Load(spec, 1, file, "test");
        var reference = new ReferenceNetworks(spec, file, 1);
        for (var trial = 0; trial < 3; trial++)
        {
            var (x, c, o) = Arguments(spec, trial);
            var expected = reference.Forward(Array.ConvertAll(x, v => (double)v), c, Array.ConvertAll(o, v => (double)v));
            var found = new float[x.Length];
            denoiser.Forward(x, c, o, found);
            for (var j = 0; j < found.Length; j++)
            {
                Assert.True(Math.Abs(found[j] - expected[j]) <= 1e-5 * Math.Max(1, Math.Abs(expected[j])), $"trial {trial}, number {j}: expected {expected[j]}, found {found[j]}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Every_vector_width_gives_the_same_bits(NetworkKind kind, int width, int depth, int heads, int expansion, int conditionWidth, int length, int dimensions, int history)
    {
        var spec = Sized(kind, width, depth, heads, expansion, conditionWidth, length, dimensions, history);
        var file = RandomModel.Weights(spec, seed: 6);
        var (x, c, o) = Arguments(spec, 0);
        var first = new float[x.Length];
        Denoiser.Load(spec, 0, file, "test", Kernels.All[0]).Forward(x, c, o, first);
        foreach (var kernels in Kernels.All.Skip(1))
        {
            var found = new float[x.Length];
            Denoiser.Load(spec, 0, file, "test", kernels).Forward(x, c, o, found);
            Assert.Equal(Array.ConvertAll(first, BitConverter.SingleToInt32Bits), Array.ConvertAll(found, BitConverter.SingleToInt32Bits));
        }
    }

    [Fact]
    public void Scratch_is_a_matter_of_the_thread_and_does_not_mix_networks()
    {
        var spec = RandomModel.Spec(NetworkKind.Dit);
        var model = RandomModel.Load(spec);
        var alone = new float[spec.PlanSize];
        var (x, c, o) = Arguments(spec, 0);
        model.Denoisers[0].Forward(x, c, o, alone);
        var between = new float[spec.PlanSize];
        model.Denoisers[1].Forward(x, c, o, between);
        Assert.NotEqual(alone, between);
        Parallel.For(0, 64, i =>
        {
            var (x2, c2, o2) = Arguments(spec, i);
            var found = new float[spec.PlanSize];
            model.Denoisers[i % 2].Forward(x2, c2, o2, found);
            model.Denoisers[0].Forward(x, c, o, found);
            Assert.Equal(alone, found);
        });
    }

    internal static ModelSpec Sized(NetworkKind kind, int width, int depth, int heads, int expansion, int conditionWidth, int length, int dimensions, int history)
    {
        var spec = RandomModel.Spec();
        spec = RandomModel.Complete(spec with
        {
            Sensor = spec.Sensor with { Dimensions = dimensions, History = history },
            Plan = spec.Plan with { Length = length },
            Sampling = spec.Sampling with { Execute = 1 },
            Network = new NetworkSpec { Kind = kind, Width = width, Depth = depth, Heads = heads, Expansion = expansion, ConditionWidth = conditionWidth, ConditionHeads = heads, Octaves = kind == NetworkKind.Mlp ? depth - 1 : 0 },
        });
        spec.Validate("test");
        return spec;
    }

    internal static (float[] X, float C, float[] O) Arguments(ModelSpec spec, int trial)
    {
        var random = new CounterRandom(21, RandomPurpose.TrainingNoise, trial);
        var x = new float[spec.PlanSize];
        var o = new float[spec.ConditionSize];
        random.FillNormal(x);
        random.FillNormal(o);
        return (x, (float)random.NextUniform(-1.7, 1), o);
    }
}
