using System.Runtime.InteropServices;
using MimicD.Contracts;

namespace MimicD.Training.Torch;

/// <summary>Settings of the libtorch in this process.</summary>
public static class TorchRuntime
{
    /// <summary>Environment variable that names the folder of the built shim.</summary>
    public const string FolderVariable = "MIMICD_NATIVE";

    private const string FileName = "libmimicd_torch.so";

    /// <summary>libtorch's version, such as <c>1.13.0</c>.</summary>
    public static string Version => Marshal.PtrToStringUTF8(NativeMethods.mt_version()) ?? "";

    /// <summary>Tensors alive in the shim; constant from step to step unless something leaks.</summary>
    public static long LiveTensors => NativeMethods.mt_live_tensors();

    /// <summary>Where the shim is: the folder that <see cref="FolderVariable"/> names, or <c>build/native</c> in the nearest folder above the program that has one.</summary>
    public static string LibraryPath()
    {
        if (Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } folder)
        {
            return Path.Combine(folder, FileName);
        }

        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            var candidate = Path.Combine(at.FullName, "build", "native", FileName);
            if (File.Exists(candidate))
            {
                return candidate;
            }
        }

        return FileName;
    }

    /// <summary>
    /// Divides threads between libtorch's element-wise loops and its matrix products. Two pools that both use every core fight each other, so
    /// the element-wise side gets one and the products, where nearly all the work is, get the rest.
    /// </summary>
    /// <param name="threads">Threads in all, at least 1.</param>
    public static void SetThreads(int threads) => NativeMethods.Check(NativeMethods.mt_set_threads(1, threads));

    /// <summary>Sets where dropout on this thread is drawn from, from here on.</summary>
    /// <param name="seed">Says all of it.</param>
    /// <param name="device">Where the networks are.</param>
    public static void SeedDropout(ulong seed, string device) => NativeMethods.Check(NativeMethods.mt_seed_dropout(seed, device));

    /// <summary>What matrix products are done by, as OpenBLAS calls it; empty where that is not what libtorch was built on. <c>OPENBLAS_CORETYPE</c> overrules its choice.</summary>
    public static string Products => Marshal.PtrToStringUTF8(NativeMethods.mt_products()) ?? "";

    /// <summary>The instruction set of the other kernels.</summary>
    public static string Kernels => Marshal.PtrToStringUTF8(NativeMethods.mt_kernels()) ?? "";

    /// <summary>Checks that a device exists.</summary>
    /// <param name="device"><c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</param>
    /// <exception cref="InvalidInputException">No such device here.</exception>
    public static void RequireDevice(string device)
    {
        RequireName(device);
        InvalidInputException.Require(device == "cpu" || NativeMethods.mt_cuda_available() == 1, "--device", "", "a CUDA build of libtorch and a GPU", $"libtorch {Version} without CUDA");
    }

    /// <summary>Checks that a device can be named so; needs no libtorch.</summary>
    /// <param name="device">As for <see cref="RequireDevice"/>.</param>
    /// <exception cref="InvalidInputException">It is the name of none.</exception>
    public static void RequireName(string device)
    {
        ArgumentNullException.ThrowIfNull(device);
        InvalidInputException.Require(device is "cpu" or "cuda" || (device.StartsWith("cuda:", StringComparison.Ordinal) && PlainNumber.TryWhole<int>(device.AsSpan(5), out var number) && number >= 0), "--device", "", "cpu, cuda or cuda:N", device);
    }

    /// <summary>Switches gradients off on this thread until disposed.</summary>
    public static NoGradient WithoutGradient() => new(NativeMethods.mt_grad_mode(0));

    /// <summary>Restores the gradient mode.</summary>
    public sealed class NoGradient : IDisposable
    {
        private readonly int _before;

        internal NoGradient(int before) => _before = before;

        /// <inheritdoc/>
        public void Dispose() => _ = NativeMethods.mt_grad_mode(_before);
    }
}
