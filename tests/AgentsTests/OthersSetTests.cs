using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.AgentsTests;

/// <summary>Networks that take the others in as a set.</summary>
public class OthersSetTests
{
    /// <summary>width, depth, octaves, slots, obstacles, modes, length</summary>
    public static TheoryData<int, int, int, int, int, int, int> Sizes => new()
    {
        { 4, 1, 0, 1, 0, 0, 2 },
        { 18, 2, 1, 3, 1, 2, 7 },
        { 64, 3, 2, 8, 0, 3, 16 },
        { 250, 1, 4, 5, 2, 0, 3 },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Fast_networks_agree_with_the_document_computed_in_double_precision(int width, int depth, int octaves, int slots, int obstacles, int modes, int length)
    {
        var spec = Sized(width, depth, octaves, slots, obstacles, modes, length);
        var file = RandomModel.Weights(spec, seed: 5);
        var denoiser = Denoiser.Load(spec, 0, file, "test");
        var reference = new ReferenceNetworks(spec, file, 0);
        for (var trial = 0; trial < 3; trial++)
        {
            var (x, c, o) = Arguments(spec, trial);
            var expected = reference.Forward(Array.ConvertAll(x, v => (double)v), c, Array.ConvertAll(o, v => (double)v));
            var found = new float[x.Length];
            denoiser.Forward(x, c, o, found);
            for (var j = 0; j < found.Length; j++)
            {
                Assert.True(Math.Abs(found[j] - expected[j]) <= 2e-5 * Math.Max(1, Math.Abs(expected[j])), $"trial {trial}, number {j}: expected {expected[j]}, found {found[j]}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Every_vector_width_gives_the_same_bits(int width, int depth, int octaves, int slots, int obstacles, int modes, int length)
    {
        var spec = Sized(width, depth, octaves, slots, obstacles, modes, length);
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
    public void The_answer_does_not_depend_on_the_order_of_the_others()
    {
        var spec = Sized(64, 2, 3, 6, 1, 2, 8);
        var denoiser = Denoiser.Load(spec, 0, RandomModel.Weights(spec, seed: 7), "test");
        var set = spec.Slots!.Value;
        for (var trial = 0; trial < 20; trial++)
        {
            var (x, c, o) = Arguments(spec, trial);
            var order = Enumerable.Range(0, set.Count).ToArray();
            var random = new CounterRandom(31, RandomPurpose.TrainingBatches, trial);
            for (var i = order.Length - 1; i > 0; i--)
            {
                var j = random.NextInt32(i + 1);
                (order[i], order[j]) = (order[j], order[i]);
            }

            var mixed = (float[])o.Clone();
            for (var slot = 0; slot < set.Count; slot++)
            {
                o.AsSpan(set.Start + order[slot] * set.Size, set.Size).CopyTo(mixed.AsSpan(set.Start + slot * set.Size));
            }

            var (expected, found) = (new float[x.Length], new float[x.Length]);
            denoiser.Forward(x, c, o, expected);
            denoiser.Forward(x, c, mixed, found);
            for (var j = 0; j < found.Length; j++)
            {
                Assert.True(Math.Abs(expected[j] - found[j]) <= 1e-5f * Math.Max(1, Math.Abs(expected[j])), $"seed 31, trial {trial}, order {string.Join(' ', order)}, number {j}: expected {expected[j]}, found {found[j]}");
            }
        }
    }

    [Fact]
    public void What_stands_in_an_empty_slot_does_not_matter_and_who_stands_in_a_full_one_does()
    {
        var spec = Sized(32, 2, 2, 4, 0, 0, 8);
        var denoiser = Denoiser.Load(spec, 0, RandomModel.Weights(spec, seed: 8), "test");
        var set = spec.Slots!.Value;
        var (x, c, o) = Arguments(spec, 0);
        var presence = set.Start + 3 * set.Size - 1;
        var (alone, changed) = (new float[x.Length], new float[x.Length]);
        o[presence] = 0;
        denoiser.Forward(x, c, o, alone);
        o[presence - 1] += 3;
        denoiser.Forward(x, c, o, changed);
        Assert.Equal(alone, changed);
        o[presence] = 1;
        denoiser.Forward(x, c, o, changed);
        Assert.NotEqual(alone, changed);
    }

    [Fact]
    public void Slots_that_make_no_set_are_refused()
    {
        var good = Sized(32, 2, 2, 4, 0, 0, 8);
        Assert.StartsWith("m: network.others: expected slots with a transformer", Refusal(good with { Network = good.Network with { Kind = NetworkKind.Dit, Octaves = 0 } }), StringComparison.Ordinal);
        Assert.StartsWith("m: sensor.others: expected others with presence", Refusal(good with { Sensor = good.Sensor with { Others = good.Sensor.Others! with { Presence = false } } }), StringComparison.Ordinal);
        Assert.StartsWith("m: sensor.others: expected others with presence", Refusal(good with { Sensor = good.Sensor with { Others = null } }), StringComparison.Ordinal);
        Assert.StartsWith("m: sensor.history: expected 1", Refusal(good with { Sensor = good.Sensor with { History = 2 } }), StringComparison.Ordinal);

        static string Refusal(ModelSpec spec) => Assert.Throws<InvalidInputException>(() => spec.Validate("m")).Message;
    }

    private static ModelSpec Sized(int width, int depth, int octaves, int slots, int obstacles, int modes, int length)
    {
        var spec = RandomModel.Spec(width: width, shared: true, planLength: length);
        spec = RandomModel.Complete(spec with
        {
            Sensor = spec.Sensor with { History = 1, Others = new OthersSpec { Count = slots, Velocity = true, Presence = true }, Obstacles = obstacles == 0 ? null : new ObstaclesSpec { Count = obstacles } },
            Network = spec.Network with { Depth = depth, Octaves = octaves, Others = OthersEncoding.Set },
            ModeShares = modes == 0 ? null : [.. Enumerable.Repeat(1.0 / modes, modes)],
        });
        spec.Validate("test");
        return spec;
    }

    /// <summary>Random arguments; about a third of the slots are empty.</summary>
    private static (float[] X, float C, float[] O) Arguments(ModelSpec spec, int trial)
    {
        var random = new CounterRandom(22, RandomPurpose.TrainingNoise, trial);
        var x = new float[spec.PlanSize];
        var o = new float[spec.ConditionSize];
        random.FillNormal(x);
        random.FillNormal(o);
        var set = spec.Slots!.Value;
        for (var slot = 0; slot < set.Count; slot++)
        {
            o[set.Start + (slot + 1) * set.Size - 1] = random.NextDouble() < 0.35 ? 0 : 1;
        }

        return (x, (float)random.NextUniform(-1.7, 1), o);
    }
}
