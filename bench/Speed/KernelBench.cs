using System.Globalization;
using MimicD.Numerics;

namespace MimicD.Bench.Speed;

/// <summary>A roofline: each kernel at the shapes of the reference network, beside what the core can multiply and what its memory can give.</summary>
internal sealed class KernelBench : ISpeedBench
{
    // The reference network's: positions in a plan, width, hidden width.
    private const int Rows = 25;
    private const int Width = 256;
    private const int Hidden = 1024;

    public string Name => "kernels";

    public IEnumerable<SpeedRow> Run(string root, int rounds, CancellationToken cancellation)
    {
        var kernels = Kernels.Best;
        var (steps, near, far) = (1 << 18, new float[4096], new float[1 << 20]);
        var peaks = Turns.Measure(rounds, cancellation, () => Peak.Multiply(steps), () => Peak.Read(near), () => Peak.Read(far));
        var (multiply, read, readFar) = (Peak.Operations(steps) / peaks[0].Median, 4.0 * near.Length / peaks[1].Median, 4.0 * far.Length / peaks[2].Median);
        yield return new SpeedRow("peak: fused multiplications in registers", multiply / 1e9, "GFLOP/s", null, false, new Dictionary<string, Spread> { ["a loop"] = peaks[0] }, $"{kernels.Lanes} lanes");
        yield return new SpeedRow("peak: reading 16 KiB", read / 1e9, "GB/s", null, false, new Dictionary<string, Spread> { ["a loop"] = peaks[1] });
        yield return new SpeedRow("peak: reading 4 MiB", readFar / 1e9, "GB/s", null, false, new Dictionary<string, Spread> { ["a loop"] = peaks[2] });

        foreach (var (rows, inputs, outputs) in new[] { (Rows, Width, 3 * Width), (Rows, Width, Width), (Rows, Width, Hidden), (Rows, Hidden, Width), (10, Width, 6 * Width), (16, Width, Width), (1, Width, Width) })
        {
            // As in a plan, no matrix is used twice in a row: eight of them, which no nearest cache holds together.
            var matrices = Enumerable.Range(0, 8).Select(i => new PackedMatrix(Normal(inputs * outputs, (ulong)i), Normal(outputs, 9), outputs, inputs)).ToArray();
            var (a, c) = (Normal(rows * inputs, 20), new AlignedBuffer(rows * outputs));
            var next = 0;
            var one = Turns.Measure(rounds, cancellation, () => kernels.Linear(matrices[next++ & 7], a, rows, c.Span))[0];
            var rate = 2.0 * rows * inputs * outputs / one.Median;
            yield return rows > 1
                ? new SpeedRow($"linear [{rows}, {inputs}] to {outputs}", rate / 1e9, "GFLOP/s", null, false, Of(one), Share(rate / multiply))
                : new SpeedRow($"linear [{rows}, {inputs}] to {outputs}", rate * 2 / 1e9, "GB/s", null, false, Of(one), Share(rate * 2 / readFar));
        }

        var (qkv, scratch, output) = (Normal(Rows * 3 * Width, 1), new float[Kernels.AttentionScratch(Rows, Width, 4)], new float[Rows * Width]);
        var attention = Turns.Measure(rounds, cancellation, () => kernels.Attention(qkv, Rows, Width, 4, scratch, output))[0];
        var attended = 4.0 * Rows * Rows * Width / attention.Median;
        yield return new SpeedRow($"attention, {Rows} tokens, {Width} wide, 4 heads", attended / 1e9, "GFLOP/s", null, false, Of(attention), Share(attended / multiply));

        var (x, y, shift, scale) = (Normal(Rows * Width, 2), new float[Rows * Width], Normal(Width, 3), Normal(Width, 4));
        foreach (var (name, floats, touched, call) in new (string, int, int, Action)[]
        {
            ("modulated layer normalisation", Rows * Width, 2, () => kernels.LayerNorm(x, Width, shift, scale, y)),
            ("gated residual", Rows * Width, 3, () => kernels.AddGated(y, scale, x)),
            ("GELU", Rows * Hidden, 2, Element(Rows * Hidden, kernels.Gelu)),
            ("SiLU", Width, 2, Element(Width, kernels.Silu)),
            ("Mish", Width, 2, Element(Width, kernels.Mish)),
            ("exp", Rows * Rows, 2, Element(Rows * Rows, kernels.Exp)),
        })
        {
            var one = Turns.Measure(rounds, cancellation, call)[0];
            var rate = 4.0 * touched * floats / one.Median;
            yield return new SpeedRow($"{name}, {floats} numbers", rate / 1e9, "GB/s", null, false, Of(one), string.Create(CultureInfo.InvariantCulture, $"{Share(rate / read)}, {one.Median / floats * 1e9:0.000} ns a number"));
        }
    }

    private static Dictionary<string, Spread> Of(Spread one) => new() { ["one call"] = one };

    private static string Share(double share) => string.Create(CultureInfo.InvariantCulture, $"{100 * share:0} % of the peak");

    private static Action Element(int count, Kernel kernel)
    {
        var values = Normal(count, 5);
        var work = new float[count];
        return () =>
        {
            // From the same numbers each time: of its own results it would soon be asked about zeros alone.
            values.CopyTo(work, 0);
            kernel(work);
        };
    }

    private static float[] Normal(int count, ulong seed)
    {
        var values = new float[count];
        new CounterRandom(seed, RandomPurpose.TrainingWeights).FillNormal(values);
        return values;
    }

    private delegate void Kernel(Span<float> values);
}
