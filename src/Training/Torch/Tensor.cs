namespace MimicD.Training.Torch;

/// <summary>An error from libtorch, with libtorch's own text.</summary>
public sealed class TorchException : Exception
{
    /// <summary>Carries libtorch's text.</summary>
    public TorchException(string message)
        : base(message)
    {
    }

    /// <summary>Carries a text and its cause.</summary>
    public TorchException(string message, Exception cause)
        : base(message, cause)
    {
    }
}

/// <summary>
/// Frees the tensors that were made on this thread while it was open, but for those handed to <see cref="Keep"/>. Scopes nest.
/// Without an open scope a tensor lives until it is disposed. A scope is no object: a training step opens one and allocates nothing.
/// </summary>
public readonly struct TensorScope : IDisposable
{
    private readonly Opened _opened;
    private readonly int _depth;

    /// <summary>Opens a scope on this thread.</summary>
    public TensorScope()
    {
        _opened = Opened.Here;
        _depth = _opened.Open();
    }

    /// <summary>Lets a tensor of this scope, the innermost, outlive it; the scope around it, if any, takes it over.</summary>
    public Tensor Keep(Tensor tensor)
    {
        Require();
        _opened.Keep(tensor);
        return tensor;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Require();
        _opened.Close();
    }

    internal static void Register(Tensor tensor) => Opened.Here.Register(tensor);

    private void Require()
    {
        if (_opened != Opened.Here || _opened.Depth != _depth)
        {
            throw new InvalidOperationException("tensor scopes must be closed on the thread that opened them, innermost first");
        }
    }

    /// <summary>The open scopes of a thread: tensors in the order in which they were made, and where in it each scope begins.</summary>
    private sealed class Opened
    {
        [ThreadStatic]
        private static Opened? _here;

        private readonly List<Tensor> _tensors = [];
        private readonly List<int> _starts = [];

        public static Opened Here => _here ??= new Opened();

        public int Depth => _starts.Count;

        public int Open()
        {
            _starts.Add(_tensors.Count);
            return Depth;
        }

        public void Register(Tensor tensor)
        {
            if (Depth > 0)
            {
                _tensors.Add(tensor);
            }
        }

        public void Keep(Tensor tensor)
        {
            var (start, at) = (_starts[^1], _tensors.LastIndexOf(tensor));
            if (at < start)
            {
                return;
            }

            _tensors.RemoveAt(at);
            if (Depth > 1)
            {
                _tensors.Insert(start, tensor);
                _starts[^1]++;
            }
        }

        public void Close()
        {
            var start = _starts[^1];
            _starts.RemoveAt(Depth - 1);
            for (var i = start; i < _tensors.Count; i++)
            {
                _tensors[i].Dispose();
            }

            _tensors.RemoveRange(start, _tensors.Count - start);
        }
    }
}

/// <summary>
/// A float32 tensor of libtorch. Operations make new tensors and, where gradients are on, their part of the graph. A value, not an object: a copy is the same tensor, which
/// the <see cref="TensorScope"/> that it was made in frees, or, without one, whoever made it.
/// </summary>
public readonly record struct Tensor : IDisposable
{
    private readonly nint _handle;

    private Tensor(nint handle)
    {
        if (handle == 0)
        {
            throw new TorchException(NativeMethods.LastError());
        }

        _handle = handle;
        TensorScope.Register(this);
    }

    /// <summary>Length of an axis.</summary>
    public long Size(int axis)
    {
        NativeMethods.Check(NativeMethods.mt_size(_handle, axis, out var size));
        return size;
    }

    /// <summary>Lengths of the axes.</summary>
    public long[] Shape()
    {
        var shape = new long[NativeMethods.mt_rank(_handle)];
        NativeMethods.mt_shape(_handle, shape);
        return shape;
    }

    /// <summary>Copies numbers into a new tensor.</summary>
    /// <param name="data">The elements, last axis fastest.</param>
    /// <param name="device"><c>cpu</c>, <c>cuda</c> or <c>cuda:1</c>.</param>
    /// <param name="shape">Lengths of the axes.</param>
    public static Tensor From(ReadOnlySpan<float> data, string device, params ReadOnlySpan<long> shape)
    {
        long count = 1;
        foreach (var n in shape)
        {
            count *= n;
        }

        return count == data.Length
            ? new Tensor(NativeMethods.mt_from_floats(data, shape, shape.Length, device))
            : throw new ArgumentException($"the shape holds {count} elements, found {data.Length}", nameof(data));
    }

    /// <summary>A tensor of zeros.</summary>
    public static Tensor Zeros(string device, params ReadOnlySpan<long> shape) => new(NativeMethods.mt_zeros(shape, shape.Length, device));

    /// <summary>A leaf whose numbers and gradient are slices of two flat tensors.</summary>
    public static Tensor Leaf(Tensor values, Tensor gradients, long offset, params ReadOnlySpan<long> shape)
        => new(NativeMethods.mt_leaf(values._handle, gradients._handle, offset, shape, shape.Length));

    /// <summary>Sum, with broadcasting.</summary>
    public static Tensor operator +(Tensor a, Tensor b) => new(NativeMethods.mt_add(a._handle, b._handle));

    /// <summary>Difference, with broadcasting.</summary>
    public static Tensor operator -(Tensor a, Tensor b) => new(NativeMethods.mt_sub(a._handle, b._handle));

    /// <summary>Element-wise product, with broadcasting.</summary>
    public static Tensor operator *(Tensor a, Tensor b) => new(NativeMethods.mt_mul(a._handle, b._handle));

    /// <summary>Adds a number to every element.</summary>
    public static Tensor operator +(Tensor a, double b) => new(NativeMethods.mt_add_scalar(a._handle, b));

    /// <summary>Multiplies every element by a number.</summary>
    public static Tensor operator *(Tensor a, double b) => new(NativeMethods.mt_mul_scalar(a._handle, b));

    /// <summary>Matrix product over the last two axes, batched over the others.</summary>
    public Tensor MatMul(Tensor b) => new(NativeMethods.mt_matmul(_handle, b._handle));

    /// <summary>x W^T, plus a bias [O] or rows like the result's where there are any. Gradients of leaves are added to their flat tensor at once.</summary>
    public Tensor Linear(Tensor weight, Tensor? added) => new(NativeMethods.mt_linear(_handle, weight._handle, added?._handle ?? 0));

    /// <summary>Normalises the last axis to mean 0 and (biased) variance 1, without affine part.</summary>
    public Tensor LayerNorm(double eps) => new(NativeMethods.mt_layer_norm(_handle, eps));

    /// <summary>LayerNorm(h) (1 + scale) + shift for h [B, L, W], by parts of [B, P W] that all rows of a sample share.</summary>
    /// <param name="parts">[B, P W].</param>
    /// <param name="shift">Which part is the shift.</param>
    /// <param name="scale">Which is the scale.</param>
    /// <param name="eps">Added to the variance.</param>
    public Tensor Modulate(Tensor parts, int shift, int scale, double eps) => new(NativeMethods.mt_modulate(_handle, parts._handle, shift, scale, eps));

    /// <summary>h + gate * x for h and x [B, L, W], by a part of [B, P W].</summary>
    public Tensor Gate(Tensor parts, int gate, Tensor x) => new(NativeMethods.mt_gate(_handle, parts._handle, gate, x._handle));

    /// <summary>Bidirectional scaled dot-product attention of [B, L, 3 W] (queries, then keys, then values, each head by head): [B, L, W].</summary>
    /// <param name="heads">Heads.</param>
    /// <param name="dropout">Probability that an attention weight is dropped.</param>
    public Tensor Attention(int heads, double dropout) => new(NativeMethods.mt_attention(_handle, heads, dropout));

    /// <summary>A block of the perceptron: h + down(dropout(Mish(up(LayerNorm(h)) + noise(n) + condition(f)))), where the latter two have no bias.</summary>
    public Tensor ResidualBlock(Tensor n, Tensor f, (Tensor Weight, Tensor Bias) up, Tensor noise, Tensor condition, (Tensor Weight, Tensor Bias) down, double dropout, double eps)
        => new(NativeMethods.mt_residual_block(_handle, n._handle, f._handle, up.Weight._handle, up.Bias._handle, noise._handle, condition._handle, down.Weight._handle, down.Bias._handle, dropout, eps));

    /// <summary>Element-wise square.</summary>
    public Tensor Square() => new(NativeMethods.mt_square(_handle));

    /// <summary>Mean of all elements, a scalar.</summary>
    public Tensor Mean() => new(NativeMethods.mt_mean(_handle));

    /// <summary>Sum of all elements, a scalar.</summary>
    public Tensor Sum() => new(NativeMethods.mt_sum(_handle));

    /// <summary>Sum along one axis, which goes.</summary>
    public Tensor Sum(long axis) => new(NativeMethods.mt_sum_along(_handle, axis));

    /// <summary>ln sum e^x along one axis, which goes.</summary>
    public Tensor LogSumExp(long axis) => new(NativeMethods.mt_log_sum_exp(_handle, axis));

    /// <summary>e^x.</summary>
    public Tensor Exp() => new(NativeMethods.mt_exp(_handle));

    /// <summary>ln x.</summary>
    public Tensor Log() => new(NativeMethods.mt_log(_handle));

    /// <summary>x / (1 + e^-x).</summary>
    public Tensor Silu() => new(NativeMethods.mt_silu(_handle));

    /// <summary>x tanh(ln(1 + e^x)).</summary>
    public Tensor Mish() => new(NativeMethods.mt_mish(_handle));

    /// <summary>GELU in its tanh form, and dropout of what it gives.</summary>
    public Tensor Gelu(double dropout) => new(NativeMethods.mt_gelu(_handle, dropout));

    /// <summary>ln(1 + e^x), computed so that it does not overflow.</summary>
    public Tensor Softplus() => new(NativeMethods.mt_softplus(_handle));

    /// <summary>x cut to [low, high]; no gradient passes where it was cut.</summary>
    public Tensor Clamp(double low, double high) => new(NativeMethods.mt_clamp(_handle, low, high));

    /// <summary>The smaller of two elements, with broadcasting.</summary>
    public static Tensor Minimum(Tensor a, Tensor b) => new(NativeMethods.mt_minimum(a._handle, b._handle));

    /// <summary>Softmax over one axis.</summary>
    public Tensor Softmax(long axis) => new(NativeMethods.mt_softmax(_handle, axis));

    /// <summary>Exchanges two axes.</summary>
    public Tensor Transpose(long a, long b) => new(NativeMethods.mt_transpose(_handle, a, b));

    /// <summary>A slice along one axis.</summary>
    public Tensor Narrow(long axis, long start, long length) => new(NativeMethods.mt_narrow(_handle, axis, start, length));

    /// <summary>The same elements under another shape.</summary>
    public Tensor Reshape(params ReadOnlySpan<long> shape) => new(NativeMethods.mt_reshape(_handle, shape, shape.Length));

    /// <summary>Sets elements to zero with probability p and scales the others by 1/(1-p); itself where p is 0.</summary>
    public Tensor Dropout(double p) => p <= 0 ? this : new Tensor(NativeMethods.mt_dropout(_handle, p));

    /// <summary>Adds the gradient of this scalar to every leaf it depends on.</summary>
    public void Backward() => NativeMethods.Check(NativeMethods.mt_backward(_handle));

    /// <summary>The gradient of a leaf, shared with it.</summary>
    public Tensor Gradient() => new(NativeMethods.mt_gradient(_handle));

    /// <summary>Sets every element to zero.</summary>
    public void Clear() => NativeMethods.Check(NativeMethods.mt_zero(_handle));

    /// <summary>The sum of the squares of some elements of a flat tensor.</summary>
    public double SumOfSquares(long start, long count)
    {
        NativeMethods.Check(NativeMethods.mt_sum_squares(_handle, start, count, out var value));
        return value;
    }

    /// <summary>The value of a scalar.</summary>
    public double Item()
    {
        NativeMethods.Check(NativeMethods.mt_item(_handle, out var value));
        return value;
    }

    /// <summary>Copies the elements out, last axis fastest.</summary>
    public float[] ToArray()
    {
        var data = new float[Shape().Aggregate(1L, (a, b) => a * b)];
        NativeMethods.Check(NativeMethods.mt_to_floats(_handle, data, data.Length));
        return data;
    }

    /// <summary>Overwrites the elements, keeping the tensor.</summary>
    public void Assign(ReadOnlySpan<float> data) => NativeMethods.Check(NativeMethods.mt_assign(_handle, data, data.Length));

    /// <inheritdoc/>
    public void Dispose() => NativeMethods.mt_free(_handle);

    /// <summary>One AdamW step over some elements of flat tensors, and one of the weights' moving average; the gradient is left at 0. See the shim for the formula.</summary>
    internal static void AdamW(Tensor weights, Tensor gradients, Tensor first, Tensor second, Tensor average, long start, long count, double scale, double rate, AdamWConstants constants, long step, double averageDecay)
        => NativeMethods.Check(NativeMethods.mt_adamw(weights._handle, gradients._handle, first._handle, second._handle, average._handle, start, count, scale, rate, constants.Beta1, constants.Beta2, constants.Epsilon, constants.WeightDecay, step, averageDecay));
}

/// <summary>Constants of AdamW (Loshchilov and Hutter 2019); the defaults are PyTorch's but for the weight decay, which is the paper's.</summary>
/// <param name="Beta1">Decay of the first moment.</param>
/// <param name="Beta2">Decay of the second moment.</param>
/// <param name="Epsilon">Added to the root of the second moment.</param>
/// <param name="WeightDecay">Decoupled weight decay.</param>
internal readonly record struct AdamWConstants(double Beta1 = 0.9, double Beta2 = 0.999, double Epsilon = 1e-8, double WeightDecay = 1e-4);
