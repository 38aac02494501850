using System.Diagnostics;
using MimicD.Numerics;

namespace MimicD.TrainingTests;

/// <summary>The independent PyTorch of <c>peer.py</c>, and what it means to agree with it.</summary>
internal static class Peer
{
    private const double Tolerance = 1e-5;

    /// <summary>Runs it.</summary>
    /// <param name="options">The peer's SPEC.json.</param>
    /// <param name="weights">Weights of <c>agent0</c>.</param>
    /// <param name="batch">Rows of each input (B).</param>
    /// <param name="inputs">By name, [B, ...].</param>
    public static SafeTensors Run(string options, SafeTensors weights, int batch, params (string Name, float[] Values)[] inputs)
    {
        var folder = Samples.TemporaryFolder();
        try
        {
            var file = new SafeTensors();
            foreach (var (name, tensor) in weights.Tensors)
            {
                file.Add(name["agent0.".Length..], tensor.Data, tensor.Shape);
            }

            foreach (var (name, values) in inputs)
            {
                file.Add(name, values, batch, values.Length / batch);
            }

            file.Write(Path.Combine(folder, "in.safetensors"));
            File.WriteAllText(Path.Combine(folder, "spec.json"), options);
            // Debian's interpreter, since Debian's python3-torch is what './mimicd test' installs.
            var start = new ProcessStartInfo("/usr/bin/python3", [Path.Combine(AppContext.BaseDirectory, "peer.py"), Path.Combine(folder, "spec.json"), Path.Combine(folder, "in.safetensors"), Path.Combine(folder, "out.safetensors")]) { RedirectStandardError = true, UseShellExecute = false };
            using var process = Process.Start(start)!;
            var errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.True(process.ExitCode == 0, $"the PyTorch peer failed (it needs python3-torch and python3-numpy): {errors}");
            return SafeTensors.Read(Path.Combine(folder, "out.safetensors"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Agreement to 1e-5 of the largest element, or of 1, and to what is allowed for on top, by element.</summary>
    public static void AssertClose(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string what, Func<int, double>? allowance = null)
    {
        Assert.Equal(expected.Length, actual.Length);
        var scale = 1.0;
        foreach (var value in expected)
        {
            scale = Math.Max(scale, Math.Abs(value));
        }

        for (var i = 0; i < expected.Length; i++)
        {
            Assert.True(Math.Abs(expected[i] - actual[i]) <= Tolerance * scale + (allowance?.Invoke(i) ?? 0), $"{what}[{i}]: expected {expected[i]:g9}, found {actual[i]:g9}");
        }
    }
}
