using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using MimicD.Bench.Speed;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Bench.Detail;

/// <summary>Kernels, plans and ticks one by one, with what they allocate: for whoever works on one of them.</summary>
public static class Benchmarks
{
    /// <summary>Runs those whose names match.</summary>
    /// <param name="root">The repository.</param>
    /// <param name="filters">Globs such as <c>*Plan*</c>.</param>
    /// <returns>Whether there were any.</returns>
    public static bool Run(string root, string[] filters)
    {
        Root = root;
        // In this process: nothing is built, and what is measured is what the other benchmarks measure.
        var config = ManualConfig.CreateEmpty()
            .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
            .AddColumnProvider(DefaultColumnProviders.Instance)
            .AddLogger(ConsoleLogger.Default)
            .AddExporter(MarkdownExporter.GitHub)
            .AddDiagnoser(BenchmarkDotNet.Diagnosers.MemoryDiagnoser.Default)
            .WithArtifactsPath(Path.Combine(root, "build", "benchmarks"));
        return BenchmarkSwitcher.FromTypes([typeof(KernelBenchmarks), typeof(PlanBenchmarks), typeof(TickBenchmarks)]).Run(["--filter", .. filters], config).Any(s => s.Reports.Length > 0);
    }

    /// <summary>The repository.</summary>
    internal static string Root { get; private set; } = Directory.GetCurrentDirectory();
}

/// <summary>The kernels at the shapes of the reference network.</summary>
public class KernelBenchmarks
{
    private readonly PackedMatrix _matrix = new(Normal(256 * 1024), Normal(1024), 1024, 256);
    private readonly AlignedBuffer _output = new(25 * 1024);
    private readonly float[] _rows = Normal(25 * 256);
    private readonly float[] _qkv = Normal(25 * 768);
    private readonly float[] _scratch = new float[Kernels.AttentionScratch(25, 256, 4)];
    private readonly float[] _shift = Normal(256);
    private readonly float[] _normal = new float[25 * 256];
    private readonly float[] _hidden = Normal(25 * 1024);

    /// <summary>Vector widths.</summary>
    public static IEnumerable<int> Widths => Kernels.All.Select(k => k.Lanes).Where(l => l <= Kernels.Best.Lanes);

    /// <summary>Lanes of the vectors used.</summary>
    [ParamsSource(nameof(Widths))]
    public int Lanes { get; set; }

    private Kernels Of => Kernels.All.Single(k => k.Lanes == Lanes);

    /// <summary>[25, 256] to 1024.</summary>
    [Benchmark]
    public void Linear() => Of.Linear(_matrix, _rows, 25, _output.Span);

    /// <summary>25 tokens, 256 wide, 4 heads.</summary>
    [Benchmark]
    public void Attention() => Of.Attention(_qkv, 25, 256, 4, _scratch, _normal);

    /// <summary>25 rows of 256.</summary>
    [Benchmark]
    public void LayerNorm() => Of.LayerNorm(_rows, 256, _shift, _shift, _normal);

    /// <summary>25,600 numbers, of its own results.</summary>
    [Benchmark]
    public void Gelu() => Of.Gelu(_hidden);

    private static float[] Normal(int count)
    {
        var values = new float[count];
        new CounterRandom((ulong)count, RandomPurpose.TrainingWeights).FillNormal(values);
        return values;
    }
}

/// <summary>One plan.</summary>
public class PlanBenchmarks
{
    private readonly Dictionary<string, Action> _plans = [];

    /// <summary>Models.</summary>
    [Params("reference", "swap", "road", "ring")]
    public string Model { get; set; } = "";

    /// <summary>Loads it.</summary>
    [GlobalSetup]
    public void Load()
        => _plans[Model] = Model == "reference" ? ReferenceNetwork.Create().Plan
            : new RepeatedPlan(Agents.Model.Load(Path.Combine(Benchmarks.Root, "models", Model + ".safetensors")).Policies()(new AgentId(0))).Make;

    /// <summary>One plan.</summary>
    [Benchmark]
    public void Plan() => _plans[Model]();
}

/// <summary>One tick through actors and mailboxes.</summary>
public class TickBenchmarks
{
    private const int Ticks = 1000;

    /// <summary>Agents of a ring who go straight on.</summary>
    [Params(10, 100, 1000)]
    public int Agents { get; set; }

    /// <summary>One tick; opening the run is in it, by a thousandth.</summary>
    [Benchmark(OperationsPerInvoke = Ticks)]
    public async Task Tick() => await Workload.Ring(Benchmarks.Root, "straight", Agents, Ticks).LocallyAsync(Environment.ProcessorCount, CancellationToken.None);
}
