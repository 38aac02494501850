using System.Globalization;
using System.Runtime.InteropServices;

namespace MimicD.Bench;

/// <summary>What a figure was measured on.</summary>
/// <param name="Processor">The processor's name.</param>
/// <param name="Threads">Threads that it has for this process.</param>
/// <param name="MemoryGiB">Memory [GiB].</param>
/// <param name="Runtime">The runtime's version.</param>
/// <param name="Load">Programs that wanted to run over the last minute, on average: what else the machine had to do.</param>
internal sealed record Machine(string Processor, int Threads, double MemoryGiB, string Runtime, double Load)
{
    /// <summary>This machine, now.</summary>
    public static Machine Here()
    {
        var processor = Lines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
        var load = Lines("/proc/loadavg").FirstOrDefault() is { } line ? double.Parse(line.Split(' ')[0], CultureInfo.InvariantCulture) : 0;
        return new Machine(processor, Environment.ProcessorCount, Math.Round(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 1024.0 / 1024 / 1024, 1), RuntimeInformation.FrameworkDescription, load);
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Processor}, {Threads} threads, {MemoryGiB} GiB, {Runtime}, load before {Load}");

    private static string[] Lines(string file) => File.Exists(file) ? File.ReadAllLines(file) : [];
}

/// <summary>Figures of several measurements of one thing.</summary>
/// <param name="Count">How many.</param>
/// <param name="Median">Half are below.</param>
/// <param name="Low">The fifth of a hundred.</param>
/// <param name="High">The ninety-fifth of a hundred.</param>
/// <param name="Max">The largest.</param>
internal sealed record Spread(int Count, double Median, double Low, double High, double Max)
{
    /// <summary>The spread of measurements, of which there is at least one.</summary>
    public static Spread Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return new Spread(sorted.Length, At(0.5), At(0.05), At(0.95), sorted[^1]);

        double At(double share)
        {
            var place = share * (sorted.Length - 1);
            var below = (int)place;
            return sorted[below] + (place - below) * (sorted[Math.Min(below + 1, sorted.Length - 1)] - sorted[below]);
        }
    }

    /// <summary>As text, in thousandths: the values are in seconds.</summary>
    public string Milliseconds() => string.Create(CultureInfo.InvariantCulture, $"median {Median * 1000:0.00} ms, 5 to 95 of 100 {Low * 1000:0.00} to {High * 1000:0.00} ms, longest {Max * 1000:0.00} ms ({Count})");
}
