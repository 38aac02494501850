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
    internal static partial int mt_manual_seed(ulong seed);

    [LibraryImport(Library)]
    internal static partial int mt_grad_mode(int enabled);

    [LibraryImport(Library)]
    internal static partial void mt_free(nint tensor);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial TensorHandle mt_from_floats(ReadOnlySpan<float> data, ReadOnlySpan<long> shape, int rank, string device);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial TensorHandle mt_zeros(ReadOnlySpan<long> shape, int rank, string device);

    [LibraryImport(Library)]
    internal static partial int mt_to_floats(TensorHandle tensor, Span<float> data, long count);

    [LibraryImport(Library)]
    internal static partial int mt_assign(TensorHandle target, ReadOnlySpan<float> data, long count);

    [LibraryImport(Library)]
    internal static partial int mt_rank(TensorHandle tensor);

    [LibraryImport(Library)]
    internal static partial void mt_shape(TensorHandle tensor, Span<long> shape);

    [LibraryImport(Library)]
    internal static partial int mt_item(TensorHandle tensor, out double value);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_leaf(TensorHandle values, TensorHandle gradients, long offset, ReadOnlySpan<long> shape, int rank);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_add(TensorHandle a, TensorHandle b);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_sub(TensorHandle a, TensorHandle b);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_mul(TensorHandle a, TensorHandle b);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_add_scalar(TensorHandle a, double b);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_mul_scalar(TensorHandle a, double b);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_matmul(TensorHandle a, TensorHandle b);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_square(TensorHandle a);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_mean(TensorHandle a);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_sum(TensorHandle a);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_exp(TensorHandle a);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_log(TensorHandle a);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_sum_along(TensorHandle a, long dim);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_log_sum_exp(TensorHandle a, long dim);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_silu(TensorHandle a);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_mish(TensorHandle a);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_gelu_tanh(TensorHandle a);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_softmax(TensorHandle a, long dim);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_transpose(TensorHandle a, long d0, long d1);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_narrow(TensorHandle a, long dim, long start, long length);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_reshape(TensorHandle a, ReadOnlySpan<long> shape, int rank);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_dropout(TensorHandle a, double p);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_linear(TensorHandle x, TensorHandle weight, TensorHandle bias);

    [LibraryImport(Library, EntryPoint = "mt_linear")]
    internal static partial TensorHandle mt_linear_no_bias(TensorHandle x, TensorHandle weight, nint noBias);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_layer_norm(TensorHandle x, double eps);

    [LibraryImport(Library)]
    internal static partial int mt_backward(TensorHandle loss);

    [LibraryImport(Library)]
    internal static partial TensorHandle mt_gradient(TensorHandle leaf);

    [LibraryImport(Library)]
    internal static partial int mt_zero(TensorHandle tensor);

    [LibraryImport(Library)]
    internal static partial int mt_norm(TensorHandle tensor, out double value);

    [LibraryImport(Library)]
    internal static partial int mt_adamw(TensorHandle weights, TensorHandle gradients, TensorHandle first, TensorHandle second, TensorHandle average, double scale, double rate, double beta1, double beta2, double eps, double decay, long step, double averageDecay);

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
