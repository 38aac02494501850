using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace MimicD.Numerics;

/// <summary>
/// Dense single-precision arithmetic for running small networks. Every member gives the same bits at every vector width:
/// a matrix product accumulates each output over its inputs one after the other, fused; a sum over a row uses 16 lanes (element i in lane i mod 16)
/// and halves them in one fixed tree; exp is one polynomial made of the same operations. No member allocates.
/// </summary>
/// <remarks>Matrices are row-major without gaps. Spans that are written must not overlap those that are read unless said otherwise.</remarks>
public abstract class Kernels
{
    private protected Kernels()
    {
    }

    /// <summary>The kernels for the widest vectors with fused multiplication that this machine has.</summary>
    public static Kernels Best { get; } =
        Vector512.IsHardwareAccelerated ? Of<Isa512, Vector512<float>>.Instance
        : Vector256.IsHardwareAccelerated && Fma.IsSupported ? Of<Isa256, Vector256<float>>.Instance
        : AdvSimd.IsSupported || Fma.IsSupported ? Of<Isa128, Vector128<float>>.Instance
        : Of<IsaScalar, float>.Instance;

    /// <summary>The kernels of all widths: 16, 8, 4 and 1. All of them run on every machine, in software where they must.</summary>
    public static IReadOnlyList<Kernels> All { get; } =
        [Of<Isa512, Vector512<float>>.Instance, Of<Isa256, Vector256<float>>.Instance, Of<Isa128, Vector128<float>>.Instance, Of<IsaScalar, float>.Instance];

    /// <summary>Floats in one vector.</summary>
    public abstract int Lanes { get; }

    /// <summary>c[r] = W a[r] + start for every row r.</summary>
    /// <param name="matrix">W.</param>
    /// <param name="start">What the sums start from, [<see cref="PackedMatrix.PaddedOutputs"/>]; usually <see cref="PackedMatrix.Bias"/>.</param>
    /// <param name="a">[rows, inputs].</param>
    /// <param name="rows">Rows of a and c.</param>
    /// <param name="c">[rows, outputs].</param>
    public void Linear(PackedMatrix matrix, ReadOnlySpan<float> start, ReadOnlySpan<float> a, int rows, Span<float> c) => Linear(matrix, start, 0, a, rows, c);

    /// <summary>c[r] = W a[r] + starts[r] for every row r. A row's numbers do not depend on how many there are.</summary>
    /// <param name="matrix">W.</param>
    /// <param name="starts">What the sums start from, a row of at least <see cref="PackedMatrix.PaddedOutputs"/> for each row of a.</param>
    /// <param name="stride">From one row of the starts to the next; 0: all have the first.</param>
    /// <param name="a">[rows, inputs].</param>
    /// <param name="rows">Rows of a and c.</param>
    /// <param name="c">[rows, outputs].</param>
    public abstract void Linear(PackedMatrix matrix, ReadOnlySpan<float> starts, int stride, ReadOnlySpan<float> a, int rows, Span<float> c);

    /// <summary>c[r] = W a[r] + bias for every row r.</summary>
    public void Linear(PackedMatrix matrix, ReadOnlySpan<float> a, int rows, Span<float> c)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        Linear(matrix, matrix.Bias, a, rows, c);
    }

    /// <summary>y = (x - mean) / sqrt(variance + 1e-6) over each row, biased variance (Ba et al. 2016, without gain and bias). y may be x.</summary>
    /// <param name="x">[rows, width].</param>
    /// <param name="width">Length of a row.</param>
    /// <param name="y">[rows, width].</param>
    public abstract void LayerNorm(ReadOnlySpan<float> x, int width, Span<float> y);

    /// <summary>y = LayerNorm(x) (1 + scale) + shift, the adaptive form (Peebles and Xie 2023). y may be x.</summary>
    /// <param name="x">[rows, width].</param>
    /// <param name="width">Length of a row.</param>
    /// <param name="shift">[width].</param>
    /// <param name="scale">[width].</param>
    /// <param name="y">[rows, width].</param>
    public abstract void LayerNorm(ReadOnlySpan<float> x, int width, ReadOnlySpan<float> shift, ReadOnlySpan<float> scale, Span<float> y);

    /// <summary>v tanh(ln(1 + e^v)) in place (Misra 2019), computed as v w / (w + 2) with w = e^v (e^v + 2).</summary>
    public abstract void Mish(Span<float> values);

    /// <summary>v / (1 + e^-v) in place.</summary>
    public abstract void Silu(Span<float> values);

    /// <summary>0.5 v (1 + tanh(u)), u = sqrt(2/pi) (v + 0.044715 v^3), in place (Hendrycks and Gimpel 2016), computed as v / (1 + e^(-2u)).</summary>
    public abstract void Gelu(Span<float> values);

    /// <summary>e^v in place. Arguments below -87 and above 88 count as these, so that the result is a normal finite number.</summary>
    public abstract void Exp(Span<float> values);

    /// <summary>Each row becomes e^(s v) / sum e^(s v).</summary>
    /// <param name="values">[rows, width].</param>
    /// <param name="width">Length of a row.</param>
    /// <param name="scale">s; above 0.</param>
    public abstract void Softmax(Span<float> values, int width, float scale);

    /// <summary>y += x.</summary>
    public abstract void Add(Span<float> y, ReadOnlySpan<float> x);

    /// <summary>y[r] += gate * x[r] for every row r, fused.</summary>
    /// <param name="y">[rows, width].</param>
    /// <param name="gate">[width].</param>
    /// <param name="x">[rows, width].</param>
    public abstract void AddGated(Span<float> y, ReadOnlySpan<float> gate, ReadOnlySpan<float> x);

    /// <summary>
    /// Bidirectional scaled dot-product attention (Vaswani et al. 2017), without the projections before and after it.
    /// </summary>
    /// <param name="qkv">[tokens, 3 width]: queries, keys and values, each the heads one after the other.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="width">Length of a row of the output; a multiple of the heads.</param>
    /// <param name="heads">Heads.</param>
    /// <param name="scratch">At least <see cref="AttentionScratch"/> floats; what they hold is overwritten.</param>
    /// <param name="output">[tokens, width], the heads one after the other.</param>
    public abstract void Attention(ReadOnlySpan<float> qkv, int tokens, int width, int heads, Span<float> scratch, Span<float> output);

    /// <summary>Floats of scratch that <see cref="Attention"/> needs.</summary>
    public static int AttentionScratch(int tokens, int width, int heads)
        => checked(width / heads * PackedMatrix.Pad(tokens) + tokens * PackedMatrix.Pad(width / heads) + tokens * PackedMatrix.Pad(tokens) + PackedMatrix.Pad(Math.Max(tokens, width / heads)) + PackedMatrix.Pad(tokens));
}
