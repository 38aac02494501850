using MimicD.Numerics;
using MimicD.Training.Torch;

namespace MimicD.TrainingTests;

/// <summary>The operations that we compute ourselves, against their formulas and, for gradients, against differences of them.</summary>
[Collection(LibtorchTests.Name)]
public sealed class FusedTests
{
    public static TheoryData<string> Operations => ["mish", "gelu", "norm", "modulate", "gate", "attention"];

    [Theory]
    [MemberData(nameof(Operations))]
    public void The_gradient_is_the_slope(string operation)
    {
        // Sizes that leave something over of a vector of sixteen, a block of four rows, and a tile of dropout.
        var (batch, length, width) = (3L, 5L, 22L);
        var columns = operation == "attention" ? 3 * width : width;
        var x = Normal(1, (int)(batch * length * columns));
        var other = Normal(2, (int)(batch * length * width));
        var parts = Normal(3, (int)(batch * 3 * width));
        var along = Normal(4, x.Length);
        var weight = Normal(5, (int)(batch * length * width));
        double Loss(float[] at, bool backward, out float[] gradient)
        {
            using var scope = new TensorScope();
            var values = Tensor.From(at, "cpu", at.Length);
            var room = Tensor.Zeros("cpu", at.Length);
            var leaf = Tensor.Leaf(values, room, 0, batch, length, columns);
            var h = Tensor.From(other, "cpu", batch, length, width);
            var p = Tensor.From(parts, "cpu", batch, 3 * width);
            var y = operation switch
            {
                "mish" => leaf.Mish(),
                "gelu" => leaf.Gelu(0),
                "norm" => leaf.LayerNorm(1e-6),
                "modulate" => leaf.Modulate(p, 2, 1, 1e-6),
                "gate" => h.Gate(p, 1, leaf),
                _ => leaf.Attention(2, 0),
            };
            var loss = (y * Tensor.From(weight, "cpu", batch, length, width)).Sum();
            if (backward)
            {
                loss.Backward();
            }

            gradient = room.ToArray();
            return loss.Item();
        }

        _ = Loss(x, backward: true, out var gradient);
        const float step = 2e-2f;
        var (up, down) = (Loss([.. x.Zip(along, (a, b) => a + step * b)], false, out _), Loss([.. x.Zip(along, (a, b) => a - step * b)], false, out _));
        var slope = (up - down) / (2 * step);
        var expected = gradient.Zip(along, (g, a) => (double)g * a).Sum();
        Assert.InRange(slope - expected, -0.02 * Math.Abs(expected) - 0.02, 0.02 * Math.Abs(expected) + 0.02);
    }

    [Fact]
    public void Activations_equal_their_formulas_to_a_few_units_in_the_last_place()
    {
        using var scope = new TensorScope();
        var x = Enumerable.Range(-4000, 8001).Select(i => i * 0.025f).ToArray();
        var (mish, gelu) = (Tensor.From(x, "cpu", x.Length).Mish().ToArray(), Tensor.From(x, "cpu", x.Length).Gelu(0).ToArray());
        for (var i = 0; i < x.Length; i++)
        {
            var v = (double)x[i];
            var softplus = v > 0 ? v + Math.Log(1 + Math.Exp(-v)) : Math.Log(1 + Math.Exp(v));
            Close(v * Math.Tanh(softplus), mish[i], $"mish({v})");
            Close(0.5 * v * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (v + 0.044715 * v * v * v))), gelu[i], $"gelu({v})");
        }

        static void Close(double expected, float found, string what)
            => Assert.True(Math.Abs(expected - found) <= 2e-6 * Math.Abs(expected) + 1e-6, $"{what}: expected {expected:g9}, found {found:g9}");
    }

    [Fact]
    public void Dropout_keeps_the_mean_and_drops_the_share_asked_for()
    {
        using var scope = new TensorScope();
        const int count = 1_000_003;
        var ones = new float[count];
        Array.Fill(ones, 1);
        TorchRuntime.SeedDropout(11, "cpu");
        var (first, second) = (Tensor.From(ones, "cpu", count).Dropout(0.1).ToArray(), Tensor.From(ones, "cpu", count).Dropout(0.1).ToArray());
        TorchRuntime.SeedDropout(11, "cpu");
        var again = Tensor.From(ones, "cpu", count).Dropout(0.1).ToArray();
        Assert.Equal(first, again);

        // Four standard deviations of the share of a million draws, and of what two streams have in common.
        Assert.InRange(first.Count(v => v == 0) / (double)count, 0.1 - 4 * 0.0003, 0.1 + 4 * 0.0003);
        Assert.InRange(first.Zip(second).Count(v => v.First == 0 && v.Second == 0) / (double)count, 0.01 - 4 * 0.0001, 0.01 + 4 * 0.0001);
        Assert.InRange(first.Zip(first.Skip(1)).Count(v => v.First == 0 && v.Second == 0) / (double)count, 0.01 - 4 * 0.0001, 0.01 + 4 * 0.0001);
        Assert.All(first, v => Assert.True(v is 0 or (> 1.1111f and < 1.1112f), $"{v}"));
    }

    [Fact]
    public void What_a_linear_map_is_added_to_gets_its_gradient()
    {
        using var scope = new TensorScope();
        var (values, gradients) = (Tensor.From(Normal(1, 6 + 8), "cpu", 14), Tensor.Zeros("cpu", 14));
        var (weight, sum) = (Tensor.Leaf(values, gradients, 0, 2, 3), Tensor.Leaf(values, gradients, 6, 4, 2));
        var x = Normal(2, 12);
        var y = Tensor.From(x, "cpu", 4, 3).Linear(weight, sum);
        y.Sum().Backward();
        var found = gradients.ToArray();
        for (var i = 0; i < 6; i++)
        {
            Assert.Equal(Enumerable.Range(0, 4).Sum(row => (double)x[row * 3 + i % 3]), found[i], 5);
        }

        Assert.All(found[6..], g => Assert.Equal(1, g));
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        using var scope = new TensorScope();
        var (h, parts) = (Tensor.Zeros("cpu", 2, 3, 4), Tensor.Zeros("cpu", 2, 8));
        Assert.Contains("modulate", Assert.Throws<TorchException>(() => h.Modulate(parts, 2, 0, 1e-6)).Message, StringComparison.Ordinal);
        Assert.Contains("gate", Assert.Throws<TorchException>(() => h.Gate(parts, 0, Tensor.Zeros("cpu", 2, 3, 5))).Message, StringComparison.Ordinal);
        Assert.Contains("attention", Assert.Throws<TorchException>(() => h.Attention(2, 0)).Message, StringComparison.Ordinal);
    }

    private static float[] Normal(ulong seed, int count)
    {
        var values = new float[count];
        new CounterRandom(seed, RandomPurpose.TrainingBatches).FillNormal(values);
        return values;
    }
}
