using MimicD.Numerics;

namespace MimicD.NumericsTests;

public class KernelTests
{
    private static readonly int[] Lengths = [1, 2, 3, 5, 8, 15, 16, 17, 31, 32, 33, 50, 64, 100, 257];

    [Fact]
    public void Exp_is_within_two_units_in_the_last_place()
    {
        var x = Grid(-86.9f, 87.9f, 200_001);
        var y = x.ToArray();
        Kernels.Best.Exp(y);
        var worst = 0.0;
        for (var i = 0; i < x.Length; i++)
        {
            var expected = Math.Exp(x[i]);
            var unit = MathF.BitIncrement((float)expected) - (double)(float)expected;
            worst = Math.Max(worst, Math.Abs(y[i] - expected) / unit);
        }

        Assert.True(worst <= 2, $"{worst} units");
    }

    [Fact]
    public void Exp_stays_finite_beyond_its_range_and_keeps_not_a_number()
    {
        foreach (var kernels in Kernels.All)
        {
            float[] x = [float.NegativeInfinity, -1000, 1000, float.PositiveInfinity, float.NaN];
            kernels.Exp(x);
            Assert.All(x[..4], v => Assert.True(float.IsNormal(v) && v > 0));
            Assert.True(float.IsNaN(x[4]));
        }
    }

    [Fact]
    public void Activations_follow_their_definitions()
    {
        var x = Grid(-40, 40, 20_001);
        Check(Kernels.Best.Mish, v => v * Math.Tanh(Math.Log(1 + Math.Exp(v))));
        Check(Kernels.Best.Silu, v => v / (1 + Math.Exp(-v)));
        Check(Kernels.Best.Gelu, v => 0.5 * v * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (v + 0.044715 * v * v * v))));

        void Check(Action<Span<float>> function, Func<double, double> definition)
        {
            var y = x.ToArray();
            function(y);
            for (var i = 0; i < x.Length; i++)
            {
                var expected = definition(x[i]);
                Assert.True(Math.Abs(y[i] - expected) <= 4e-7 * Math.Abs(expected) + 4e-7 * Math.Min(1, Math.Abs(x[i])), $"at {x[i]}: expected {expected}, found {y[i]}");
            }
        }
    }

    [Fact]
    public void Activations_are_calm_at_the_ends_of_the_number_line()
    {
        foreach (var kernels in Kernels.All)
        {
            foreach (var function in new Action<Span<float>>[] { kernels.Mish, kernels.Silu, kernels.Gelu })
            {
                float[] x = [1e4f, -1e4f, 0, -0f];
                function(x);
                Assert.Equal(1e4f, x[0]);
                Assert.True(Math.Abs(x[1]) < 1e-20f, $"{x[1]}");
                Assert.Equal(0, x[2]);
                Assert.Equal(0, x[3]);
            }
        }
    }

    [Fact]
    public void Products_match_double_precision_at_every_shape()
    {
        foreach (var (rows, inputs, outputs) in Shapes())
        {
            var (weights, bias, a) = (Normal(outputs * inputs, 1), Normal(outputs, 2), Normal(rows * inputs, 3));
            var c = new float[rows * outputs];
            Kernels.Best.Linear(new PackedMatrix(weights, bias, outputs, inputs), a, rows, c);
            for (var r = 0; r < rows; r++)
            {
                for (var o = 0; o < outputs; o++)
                {
                    double sum = bias[o];
                    var size = Math.Abs(sum);
                    for (var i = 0; i < inputs; i++)
                    {
                        var term = (double)weights[o * inputs + i] * a[r * inputs + i];
                        sum += term;
                        size += Math.Abs(term);
                    }

                    Assert.True(Math.Abs(c[r * outputs + o] - sum) <= 1e-6 * size, $"{rows} x {inputs} x {outputs} at {r}, {o}: expected {sum}, found {c[r * outputs + o]}");
                }
            }
        }
    }

    [Fact]
    public void A_product_adds_in_the_order_of_the_inputs_fused()
    {
        foreach (var (rows, inputs, outputs) in Shapes())
        {
            var (weights, bias, a) = (Normal(outputs * inputs, 1), Normal(outputs, 2), Normal(rows * inputs, 3));
            var expected = new float[rows * outputs];
            for (var r = 0; r < rows; r++)
            {
                for (var o = 0; o < outputs; o++)
                {
                    var sum = bias[o];
                    for (var i = 0; i < inputs; i++)
                    {
                        sum = MathF.FusedMultiplyAdd(a[r * inputs + i], weights[o * inputs + i], sum);
                    }

                    expected[r * outputs + o] = sum;
                }
            }

            foreach (var kernels in Kernels.All)
            {
                var c = new float[rows * outputs];
                kernels.Linear(new PackedMatrix(weights, bias, outputs, inputs), a, rows, c);
                AssertSameBits(expected, c, $"{rows} x {inputs} x {outputs} at {kernels.Lanes} lanes");
            }
        }
    }

    [Fact]
    public void A_product_writes_no_further_than_its_rows()
    {
        foreach (var kernels in Kernels.All)
        {
            foreach (var (rows, inputs, outputs) in Shapes())
            {
                var c = new float[rows * outputs + 40];
                Array.Fill(c, 7f);
                kernels.Linear(new PackedMatrix(Normal(outputs * inputs, 1), [], outputs, inputs), Normal(rows * inputs, 2), rows, c);
                Assert.All(c[(rows * outputs)..], v => Assert.Equal(7f, v));
            }
        }
    }

    [Fact]
    public void Every_width_gives_the_same_bits()
    {
        foreach (var n in Lengths)
        {
            Same(n, (k, x) => k.Exp(x), 30);
            Same(n, (k, x) => k.Mish(x), 6);
            Same(n, (k, x) => k.Silu(x), 6);
            Same(n, (k, x) => k.Gelu(x), 4);
            Same(n, (k, x) => k.Add(x, Normal(n, 4)), 1);
            Same(3 * n, (k, x) => k.Softmax(x, n, 0.7f), 3);
            Same(3 * n, (k, x) => k.LayerNorm(x, n, x), 2);
            Same(3 * n, (k, x) => k.LayerNorm(x, n, Normal(n, 5), Normal(n, 6), x), 2);
            Same(3 * n, (k, x) => k.AddGated(x, Normal(n, 7), Normal(3 * n, 8)), 1);
        }

        foreach (var (tokens, width, heads) in new[] { (1, 4, 1), (2, 6, 2), (5, 20, 4), (17, 32, 1), (25, 64, 4), (40, 72, 2) })
        {
            Same(tokens * width * 3, (k, x) =>
            {
                var output = new float[tokens * width];
                k.Attention(x, tokens, width, heads, new float[Kernels.AttentionScratch(tokens, width, heads)], output);
                output.CopyTo(x, 0);
            }, 1);
        }

        static void Same(int length, Action<Kernels, float[]> function, double scale)
        {
            var start = Array.ConvertAll(Normal(length, 9), v => (float)(scale * v));
            float[]? expected = null;
            foreach (var kernels in Kernels.All)
            {
                var x = start.ToArray();
                function(kernels, x);
                expected ??= x;
                AssertSameBits(expected, x, $"length {length} at {kernels.Lanes} lanes");
            }
        }
    }

    [Fact]
    public void Layer_norm_and_softmax_follow_their_definitions()
    {
        foreach (var n in Lengths)
        {
            var x = Array.ConvertAll(Normal(n, 1), v => 3 * v + 1);
            var (shift, scale) = (Normal(n, 2), Normal(n, 3));
            var y = new float[n];
            Kernels.Best.LayerNorm(x, n, shift, scale, y);
            var mean = x.Average(v => (double)v);
            var deviation = Math.Sqrt(x.Average(v => (v - mean) * (v - mean)) + 1e-6);
            var p = x.ToArray();
            Kernels.Best.Softmax(p, n, 0.5f);
            var total = x.Sum(v => Math.Exp(0.5 * v));
            for (var i = 0; i < n; i++)
            {
                Assert.Equal((x[i] - mean) / deviation * (1 + scale[i]) + shift[i], y[i], 5e-6 * (n == 1 ? 1000 : 1));
                Assert.Equal(Math.Exp(0.5 * x[i]) / total, p[i], 1e-6);
            }
        }
    }

    [Fact]
    public void Attention_ignores_what_its_scratch_held()
    {
        const int Tokens = 11, Width = 24, Heads = 2;
        var qkv = Normal(Tokens * Width * 3, 1);
        var clean = new float[Tokens * Width];
        var dirty = new float[Tokens * Width];
        var scratch = new float[Kernels.AttentionScratch(Tokens, Width, Heads)];
        Kernels.Best.Attention(qkv, Tokens, Width, Heads, scratch, clean);
        Array.Fill(scratch, float.NaN);
        Kernels.Best.Attention(qkv, Tokens, Width, Heads, scratch, dirty);
        AssertSameBits(clean, dirty, "dirty scratch");
    }

    [Fact]
    public void Wrong_lengths_are_refused()
    {
        var matrix = new PackedMatrix(new float[12], new float[3], 3, 4);
        Assert.Throws<ArgumentException>(() => Kernels.Best.Linear(matrix, new float[7], 2, new float[6]));
        Assert.Throws<ArgumentException>(() => Kernels.Best.Linear(matrix, new float[8], 2, new float[5]));
        Assert.Throws<ArgumentException>(() => Kernels.Best.Linear(matrix, new float[3], new float[8], 2, new float[6]));
        Assert.Throws<ArgumentException>(() => Kernels.Best.LayerNorm(new float[7], 2, new float[7]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new PackedMatrix(new float[11], [], 3, 4));
    }

    private static IEnumerable<(int Rows, int Inputs, int Outputs)> Shapes()
    {
        foreach (var rows in new[] { 1, 2, 3, 4, 5, 8, 9, 13, 25 })
        {
            foreach (var (inputs, outputs) in new[] { (1, 1), (2, 50), (7, 3), (16, 32), (33, 65), (64, 128), (50, 257), (256, 34), (600, 40) })
            {
                yield return (rows, inputs, outputs);
            }
        }
    }

    private static float[] Normal(int length, int stream)
    {
        var values = new float[length];
        new CounterRandom(3, RandomPurpose.TrainingNoise, stream, length).FillNormal(values);
        return values;
    }

    private static float[] Grid(float low, float high, int count)
        => [.. Enumerable.Range(0, count).Select(i => low + (high - low) * i / (count - 1))];

    private static void AssertSameBits(float[] expected, float[] found, string what)
    {
        Assert.Equal(expected.Length, found.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.True(BitConverter.SingleToInt32Bits(expected[i]) == BitConverter.SingleToInt32Bits(found[i]), $"{what}, number {i}: {expected[i]:R} and {found[i]:R}");
        }
    }
}
