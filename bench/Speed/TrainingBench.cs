using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Training;
using MimicD.Training.Networks;
using MimicD.Training.Objectives;
using MimicD.Training.Torch;
using MimicD.World;

namespace MimicD.Bench.Speed;

/// <summary>Training steps of two presets beside the same steps in eager PyTorch, on one thread and on all.</summary>
internal sealed partial class TrainingBench : ISpeedBench
{
    // Steps that are measured in one go, so that both sides have their batches put together while they work.
    private const int Few = 4;

    public string Name => "training";

    public IEnumerable<SpeedRow> Run(string root, int rounds, CancellationToken cancellation)
    {
        // Both sides shall have the products that OpenBLAS chooses for this processor. It asks the process's own environment, when libtorch is loaded.
        _ = unsetenv("OPENBLAS_CORETYPE");
        foreach (var name in new[] { "small", "paper" })
        {
            var subject = new Subject(root, name);
            using var peer = new TrainingPeer(root, subject);
            subject.RequireSame(peer);
            foreach (var threads in new[] { 1, Environment.ProcessorCount }.Distinct())
            {
                yield return Row(subject, peer, name, threads, rounds, cancellation);
            }
        }
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int unsetenv(string name);

    private static SpeedRow Row(Subject subject, TrainingPeer peer, string name, int threads, int rounds, CancellationToken cancellation)
    {
        var options = new TrainingRunOptions { Output = "", Seed = 1, Threads = threads };
        var (workers, products) = Trainer.Divide(options, subject.Set);
        TorchRuntime.SetThreads(products);
        using var shared = new Workers(workers);
        using var steps = new Steps(subject.Set, subject.Networks, subject.Preset.Training, options.Seed, 0, shared);
        // What all threads on the products of one agent after the other would give.
        using var alone = new Workers(1);
        using var inTurn = new Steps(subject.Set, subject.Networks, subject.Preset.Training, options.Seed, 0, alone);
        var (ours, ready, made) = (new Processor(), new Processor(), new Processor());
        var best = peer.Choose(threads);
        List<(string Name, Action Steps)> things =
        [
            ("a step of ours", () => ours.Around(() => Make(steps))),
            ("PyTorch, batches ready-made", () => ready.Add(peer.Go("ready", Few))),
            ("PyTorch, batches made by numpy one step ahead", () => made.Add(peer.Go("made", Few))),
        ];
        if (workers > 1)
        {
            things.Add(("ours, agents in turn and all threads on their products", () =>
            {
                TorchRuntime.SetThreads(threads);
                Make(inTurn);
                TorchRuntime.SetThreads(products);
            }));
        }

        var spreads = Turns.Measure(rounds, cancellation, [.. things.Select(t => t.Steps)]);
        var each = Array.ConvertAll(spreads, s => new Spread(s.Count, s.Median / Few, s.Low / Few, s.High / Few, s.Max / Few));
        double samples = subject.Set.Learners * subject.Preset.Training.Batch;
        var theirs = Math.Min(each[1].Median, each[2].Median);
        double Milliseconds(long ticks) => 1e3 * ticks / Stopwatch.Frequency / steps.Done;
        return new SpeedRow(
            $"training, preset {name}, {threads} {(threads == 1 ? "thread" : "threads")}, beside PyTorch eager",
            theirs / each[0].Median,
            "times as fast",
            1.5,
            AtMost: false,
            things.Zip(each).ToDictionary(t => t.First.Name, t => t.Second),
            string.Create(CultureInfo.InvariantCulture, $"""
                {samples / each[0].Median:n0} samples/s against {samples / theirs:n0}; by processor time, threads that fill batches included, {Math.Min(ready.PerCall, made.PerCall) / ours.PerCall:0.00} times
                    of ours {Milliseconds(steps.Spent.Gradients):0.00} ms are networks and gradients, {Milliseconds(steps.Spent.Update):0.00} ms clip, AdamW and average, {Milliseconds(steps.Spent.Waiting):0.00} ms waiting for batches, which another thread fills in {Milliseconds(steps.Filling.Time):0.00} ms
                    {workers} {(workers == 1 ? "thread" : "threads")} for agents, {products} for products ({TorchRuntime.Products}, other kernels {TorchRuntime.Kernels}); PyTorch {peer.Description}: {best}
                """));
    }

    private static void Make(Steps steps)
    {
        for (var i = 0; i < Few; i++)
        {
            steps.Next();
        }
    }

    /// <summary>Processor time of what is measured.</summary>
    private sealed class Processor
    {
        private double _seconds;
        private int _calls;

        public double PerCall => _seconds / _calls;

        public void Around(Action work)
        {
            using var self = Process.GetCurrentProcess();
            var before = self.TotalProcessorTime;
            work();
            self.Refresh();
            Add((self.TotalProcessorTime - before).TotalSeconds);
        }

        public void Add(double seconds) => (_seconds, _calls) = (_seconds + seconds, _calls + 1);
    }
}

/// <summary>What is trained: a preset's networks on arcs round each other, which cost what demonstrations of experts cost.</summary>
internal sealed class Subject
{
    private const int Demonstrations = 100;
    private const int Ticks = 100;
    private readonly Batch[][] _ready;

    public Subject(string root, string name)
    {
        var scenario = Scenario.Load(Path.Combine(root, "scenarios", "swap.json"));
        Preset = TrainingPreset.Load(Path.Combine(root, "presets", name + ".json"), ["training.steps=1000000"]).FittedTo(scenario);
        Set = new TrainingSet(Arcs(scenario), scenario, Preset);
        Networks = new NetworkSet(Set.Spec, seed: 1, "cpu");
        var weights = Networks.Export(Set.Spec);
        var moved = new SafeTensors();
        var random = new CounterRandom(1, RandomPurpose.TrainingWeights, -1);
        foreach (var (tensor, value) in weights.Tensors)
        {
            // Layers that start at zero would hide what is before them.
            moved.Add(tensor, Array.ConvertAll(value.Data, v => v + 0.02f * (float)random.NextNormal()), value.Shape);
        }

        Networks.Parameters.ImportWeights(moved, name);
        Weights = moved;
        _ready = [.. Enumerable.Range(0, TrainingPeer.ReadyBatches).Select(k => Enumerable.Range(0, Set.Learners).Select(agent => Filled(k, agent)).ToArray())];
    }

    public TrainingPreset Preset { get; }

    public TrainingSet Set { get; }

    public NetworkSet Networks { get; }

    public SafeTensors Weights { get; }

    /// <summary>The weights, ready-made batches, and rows to make batches of, for the peer.</summary>
    public void Write(string path)
    {
        var file = new SafeTensors();
        foreach (var (name, value) in Weights.Tensors)
        {
            file.Add(name, value.Data, value.Shape);
        }

        for (var agent = 0; agent < Set.Learners; agent++)
        {
            void Stack(string name, Func<Batch, float[]> part)
            {
                var all = _ready.SelectMany(b => part(b[agent])).ToArray();
                file.Add($"batch.{agent}.{name}", all, _ready.Length, Preset.Training.Batch, all.Length / _ready.Length / Preset.Training.Batch);
            }

            Stack("x", b => b.Input);
            Stack("noise", b => b.Noise);
            Stack("condition", b => b.Encoded(Set.Spec));
            Stack("kept", b => b.Kept);
            Stack("target", b => b.Target);
            Stack("outputScale", b => b.OutputScale);
            var (plans, conditions) = Rows(agent);
            file.Add($"data.{agent}.plan", plans, Set.Count, plans.Length / Set.Count);
            file.Add($"data.{agent}.condition", conditions, Set.Count, conditions.Length / Set.Count);
        }

        file.Write(path);
    }

    /// <summary>Throws unless both sides compute the same loss and gradient of the same batch with the same weights.</summary>
    public void RequireSame(TrainingPeer peer)
    {
        using var one = new Workers(1);
        TorchRuntime.SetThreads(1);
        var options = Preset.Training with { Dropout = 0 };
        Networks.Parameters.ClearGradients();
        var loss = Networks.LossAndGradient(_ready[0], Objective.Of(Set.Spec, options), options, seed: 1, step: 1, one);
        var norm = Math.Sqrt(Networks.Parameters.Gradients().Values.Sum(g => g.Sum(v => (double)v * v)));
        Networks.Parameters.ClearGradients();
        var (theirLoss, theirNorm) = peer.LossAndNorm();
        if (!(Math.Abs(loss - theirLoss) <= TrainingPeer.Tolerance * theirLoss) || !(Math.Abs(norm - theirNorm) <= TrainingPeer.Tolerance * theirNorm))
        {
            throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"training does not compute what PyTorch does: loss {loss} against {theirLoss}, norm of the gradient {norm} against {theirNorm}"));
        }
    }

    private Batch Filled(int step, int agent)
    {
        var batch = new Batch(Preset.Training.Batch, Set.Window * Set.Spec.RowSize, Set.Spec.ConditionSize);
        batch.Fill(Set, Objective.Of(Set.Spec, Preset.Training), Preset.Training, seed: 2, step, agent);
        return batch;
    }

    /// <summary>All samples, normalised.</summary>
    private (float[] Plans, float[] Conditions) Rows(int agent)
    {
        var constants = Set.Spec.Normalisation[Set.Spec.SharedWeights ? 0 : agent];
        var (p, a) = (Set.Window * Set.Spec.RowSize, Set.Spec.ConditionSize);
        var (plans, conditions) = (new float[Set.Count * p], new float[Set.Count * a]);
        var random = new CounterRandom(3, RandomPurpose.TrainingAugmentation);
        for (var index = 0; index < Set.Count; index++)
        {
            var plan = plans.AsSpan(index * p, p);
            var condition = conditions.AsSpan(index * a, a);
            Set.Sample(index, agent, ref random, condition, plan);
            for (var i = 0; i < p; i++)
            {
                plan[i] = (plan[i] - constants.PlanMean[i]) / constants.PlanDeviation[i];
            }

            for (var i = 0; i < a; i++)
            {
                condition[i] = (condition[i] - constants.ConditionMean[i]) / constants.ConditionDeviation[i];
            }
        }

        return (plans, conditions);
    }

    private static DemonstrationSet Arcs(Scenario scenario)
    {
        var positions = new double[Demonstrations * 2 * Ticks * 2];
        for (var m = 0; m < Demonstrations; m++)
        {
            var random = new CounterRandom(1, RandomPurpose.Experts, m);
            var side = random.NextDouble() < 0.5 ? 1 : -1;
            var height = random.NextUniform(4.5, 5.5);
            for (var t = 0; t < Ticks; t++)
            {
                var s = t / (Ticks - 1.0);
                var at = (m * 2 * Ticks + t) * 2;
                (positions[at], positions[at + 1]) = (20 * s, side * height * Math.Sin(Math.PI * s));
                at += Ticks * 2;
                (positions[at], positions[at + 1]) = (20 - 20 * s, -side * height * Math.Sin(Math.PI * s));
            }
        }

        return new DemonstrationSet(new NdArray<double>([Demonstrations, 2, Ticks, 2], positions), null, null, new DemonstrationMeta { Scenario = scenario.Name, TimeStep = scenario.TimeStep });
    }
}

/// <summary>The same training in eager PyTorch, <c>training_peer.py</c>.</summary>
internal sealed class TrainingPeer : IDisposable
{
    /// <summary>Batches that it is given.</summary>
    public const int ReadyBatches = 4;

    /// <summary>By how much loss and norm of the gradient may differ, relatively; both sides compute in single precision.</summary>
    public const double Tolerance = 1e-4;

    // What the choice of threads and optimizer is made by.
    private const int Trial = 5;

    private readonly Peer _peer;
    private readonly string _folder;
    private string _optimizer = "foreach";

    public TrainingPeer(string root, Subject subject)
    {
        _folder = Directory.CreateTempSubdirectory("mimicd-bench-").FullName;
        var (spec, training, network) = (subject.Set.Spec, subject.Preset.Training, subject.Set.Spec.Network);
        File.WriteAllText(Path.Combine(_folder, "spec.json"), StrictJson.Format(new
        {
            kind = network.Kind == NetworkKind.Dit ? "dit" : "mlp", agents = subject.Set.Learners, width = network.Width, depth = network.Depth, heads = network.Heads, expansion = network.Expansion, octaves = network.Octaves,
            conditionWidth = network.ConditionWidth, conditionHeads = network.ConditionHeads, condition = spec.ConditionSize, dimensions = spec.RowSize, length = spec.Plan.Length, window = subject.Set.Window,
            batch = training.Batch, batches = ReadyBatches, dropout = training.Dropout, conditionDropout = training.ConditionDropout, presentWeight = training.PresentWeight, noiseMean = training.NoiseMean,
            noiseDeviation = training.NoiseDeviation, sigmaData = spec.Normalisation[0].SigmaData, rate = training.LearningRate, weightDecay = training.WeightDecay, clip = training.GradientClip, averageDecay = training.AverageDecay,
        }));
        subject.Write(Path.Combine(_folder, "in.safetensors"));
        _peer = new Peer("PyTorch", "/usr/bin/python3", [Path.Combine(root, "bench", "Speed", "training_peer.py"), Path.Combine(_folder, "spec.json"), Path.Combine(_folder, "in.safetensors")], ("OPENBLAS_CORETYPE", null));
        Description = _peer.Read();
    }

    /// <summary>Its version and what does its products.</summary>
    public string Description { get; }

    /// <summary>The summed loss of the first ready-made batch, and the norm of its gradient.</summary>
    public (double Loss, double Norm) LossAndNorm() => Two(_peer.Ask("loss"));

    /// <summary>Gives it as many threads as we have, in whatever way is fastest for it, and the optimizer that is; says which.</summary>
    public string Choose(int threads)
    {
        (int, int)[] ways = threads == 1 ? [(1, 1)] : [(1, threads), (threads, 1), (threads, threads)];
        var best = (Seconds: double.PositiveInfinity, Way: (1, 1), Optimizer: "");
        foreach (var way in ways)
        {
            Set(way);
            foreach (var optimizer in new[] { "foreach", "single" })
            {
                _optimizer = optimizer;
                _ = Seconds("ready", 1);
                var seconds = Math.Min(Seconds("ready", Trial), Seconds("ready", Trial));
                best = seconds < best.Seconds ? (seconds, way, optimizer) : best;
            }
        }

        Set(best.Way);
        _optimizer = best.Optimizer;
        return $"{best.Way.Item1} for elements, {best.Way.Item2} for products, AdamW {(best.Optimizer == "foreach" ? "over all weights at once" : "weight by weight")}, which was fastest";

        void Set((int Elements, int Products) way) => _ = _peer.Ask(string.Create(CultureInfo.InvariantCulture, $"threads {way.Elements} {way.Products}"));
    }

    /// <summary>Makes steps; returns their processor time [s].</summary>
    public double Go(string batches, int steps) => Two(_peer.Ask(string.Create(CultureInfo.InvariantCulture, $"go {batches}-{_optimizer} {steps}"))).Item2;

    public void Dispose()
    {
        _peer.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static (double, double) Two(string line)
    {
        var numbers = line.Split(' ');
        return (double.Parse(numbers[0], CultureInfo.InvariantCulture), double.Parse(numbers[1], CultureInfo.InvariantCulture));
    }

    private double Seconds(string batches, int steps) => Two(_peer.Ask(string.Create(CultureInfo.InvariantCulture, $"go {batches}-{_optimizer} {steps}"))).Item1;
}
