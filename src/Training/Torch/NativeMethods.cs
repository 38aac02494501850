using System.Reflection;
using System.Runtime.InteropServices;
using MimicD.Contracts;

namespace MimicD.Training.Torch;

/// <summary>The C shim's functions, as declared in <c>Native/mimicd_torch.cpp</c>.</summary>
internal static partial class NativeMethods
{
    private const string Library = "mimicd_torch";

    static NativeMethods() => NativeLibrary.SetDllImportResolver(typeof(NativeMethods).Assembly, Resolve);

    [LibraryImport(Library)]
    internal static partial nint mt_last_error();

    [LibraryImport(Library)]
    internal static partial nint mt_version();

    [LibraryImport(Library)]
    internal static partial long mt_live_tensors();

    [LibraryImport(Library)]
    internal static partial int mt_cuda_available();

    [LibraryImport(Library)]
    internal static partial int mt_set_threads(int elementwise, int products);

    [LibraryImport(Library)]
    internal static partial nint mt_products();

    [LibraryImport(Library)]
    internal static partial nint mt_kernels();

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mt_seed_dropout(ulong seed, string device);

    [LibraryImport(Library)]
    internal static partial int mt_grad_mode(int enabled);

    [LibraryImport(Library)]
    internal static partial void mt_free(nint tensor);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint mt_from_floats(ReadOnlySpan<float> data, ReadOnlySpan<long> shape, int rank, string device);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint mt_zeros(ReadOnlySpan<long> shape, int rank, string device);

    [LibraryImport(Library)]
    internal static partial int mt_to_floats(nint tensor, Span<float> data, long count);

    [LibraryImport(Library)]
    internal static partial int mt_assign(nint target, ReadOnlySpan<float> data, long count);

    [LibraryImport(Library)]
    internal static partial int mt_rank(nint tensor);

    [LibraryImport(Library)]
    internal static partial int mt_size(nint tensor, int axis, out long size);

    [LibraryImport(Library)]
    internal static partial void mt_shape(nint tensor, Span<long> shape);

    [LibraryImport(Library)]
    internal static partial int mt_item(nint tensor, out double value);

    [LibraryImport(Library)]
    internal static partial nint mt_leaf(nint values, nint gradients, long offset, ReadOnlySpan<long> shape, int rank);

    [LibraryImport(Library)]
    internal static partial nint mt_add(nint a, nint b);

    [LibraryImport(Library)]
    internal static partial nint mt_sub(nint a, nint b);

    [LibraryImport(Library)]
    internal static partial nint mt_mul(nint a, nint b);

    [LibraryImport(Library)]
    internal static partial nint mt_add_scalar(nint a, double b);

    [LibraryImport(Library)]
    internal static partial nint mt_mul_scalar(nint a, double b);

    [LibraryImport(Library)]
    internal static partial nint mt_matmul(nint a, nint b);

    [LibraryImport(Library)]
    internal static partial nint mt_square(nint a);

    [LibraryImport(Library)]
    internal static partial nint mt_mean(nint a);

    [LibraryImport(Library)]
    internal static partial nint mt_sum(nint a);

    [LibraryImport(Library)]
    internal static partial nint mt_exp(nint a);

    [LibraryImport(Library)]
    internal static partial nint mt_log(nint a);

    [LibraryImport(Library)]
    internal static partial nint mt_sum_along(nint a, long dim);

    [LibraryImport(Library)]
    internal static partial nint mt_log_sum_exp(nint a, long dim);

    [LibraryImport(Library)]
    internal static partial nint mt_silu(nint a);

    [LibraryImport(Library)]
    internal static partial nint mt_mish(nint a);

    [LibraryImport(Library)]
    internal static partial nint mt_gelu(nint a, double dropout);

    [LibraryImport(Library)]
    internal static partial nint mt_softplus(nint a);

    [LibraryImport(Library)]
    internal static partial nint mt_clamp(nint a, double low, double high);

    [LibraryImport(Library)]
    internal static partial nint mt_minimum(nint a, nint b);

    [LibraryImport(Library)]
    internal static partial nint mt_softmax(nint a, long dim);

    [LibraryImport(Library)]
    internal static partial nint mt_transpose(nint a, long d0, long d1);

    [LibraryImport(Library)]
    internal static partial nint mt_narrow(nint a, long dim, long start, long length);

    [LibraryImport(Library)]
    internal static partial nint mt_reshape(nint a, ReadOnlySpan<long> shape, int rank);

    [LibraryImport(Library)]
    internal static partial nint mt_dropout(nint a, double p);

    [LibraryImport(Library)]
    internal static partial nint mt_linear(nint x, nint weight, nint added);

    [LibraryImport(Library)]
    internal static partial nint mt_layer_norm(nint x, double eps);

    [LibraryImport(Library)]
    internal static partial nint mt_modulate(nint h, nint parts, long shift, long scale, double eps);

    [LibraryImport(Library)]
    internal static partial nint mt_gate(nint h, nint parts, long gate, nint x);

    [LibraryImport(Library)]
    internal static partial nint mt_attention(nint qkv, long heads, double dropout);

    [LibraryImport(Library)]
    internal static partial nint mt_residual_block(nint h, nint n, nint f, nint up, nint upBias, nint noise, nint condition, nint down, nint downBias, double dropout, double eps);

    [LibraryImport(Library)]
    internal static partial int mt_backward(nint loss);

    [LibraryImport(Library)]
    internal static partial nint mt_gradient(nint leaf);

    [LibraryImport(Library)]
    internal static partial int mt_zero(nint tensor);

    [LibraryImport(Library)]
    internal static partial int mt_sum_squares(nint tensor, long start, long count, out double value);

    [LibraryImport(Library)]
    internal static partial int mt_adamw(nint weights, nint gradients, nint first, nint second, nint average, long start, long count, double scale, double rate, double beta1, double beta2, double eps, double decay, long step, double averageDecay);

    /// <summary>The text of this thread's last error.</summary>
    internal static string LastError() => Marshal.PtrToStringUTF8(mt_last_error()) ?? "";

    /// <summary>Throws unless the call succeeded.</summary>
    internal static void Check(int status)
    {
        if (status != 0)
        {
            throw new TorchException(LastError());
        }
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (name != Library)
        {
            return 0;
        }

        var file = TorchRuntime.LibraryPath();
        InvalidInputException.Require(!Path.IsPathRooted(file) || File.Exists(file), TorchRuntime.FolderVariable, "", "the folder of the libtorch binding, which './mimicd train' builds", file);
        try
        {
            return NativeLibrary.Load(file);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            throw new TorchException($"the libtorch binding cannot be loaded from {file}: {e.Message.ReplaceLineEndings(" ")} ('mimicd doctor' says what is missing)", e);
        }
    }
}
