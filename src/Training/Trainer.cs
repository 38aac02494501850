using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Training.Adversarial;
using MimicD.Training.Networks;
using MimicD.Training.Torch;
using MimicD.World;

namespace MimicD.Training;

/// <summary>Where and how a training run runs; nothing here changes what is learned but the seed.</summary>
public sealed record TrainingRunOptions
{
    /// <summary>The model file that is written, <c>*.safetensors</c>. Resume data and metrics lie beside it.</summary>
    public required string Output { get; init; }

    /// <summary>Seed of weights, batches and noise.</summary>
    public ulong Seed { get; init; }

    /// <summary>Name or file of the preset, kept in the model.</summary>
    public string? PresetName { get; init; }

    /// <summary>Name of the method that was laid over the preset, kept in the model; null for none.</summary>
    public string? MethodName { get; init; }

    /// <summary>Threads; results are the same for the same number.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary><c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    public string Device { get; init; } = "cpu";

    /// <summary>Steps between checkpoints, at least 1. Of an adversarial round those of the policies count, and it is checkpointed after the round.</summary>
    public int CheckpointEvery { get; init; } = 1000;

    /// <summary>Steps between metrics, at least 1.</summary>
    public int ReportEvery { get; init; } = 100;

    /// <summary>Whether to go on from the checkpoint beside <see cref="Output"/>.</summary>
    public bool Resume { get; init; }

    /// <summary>Told, once all input is accepted, of each thing that is strange about it; one line each.</summary>
    public Action<string>? Notice { get; init; }

    /// <summary>Where the metrics go.</summary>
    public string MetricsPath => MetricsOf(Output);

    /// <summary>Where the checkpoint is.</summary>
    public string CheckpointPath => CheckpointOf(Output);

    /// <summary>Where the metrics of a model's training go.</summary>
    public static string MetricsOf(string model) => Path.ChangeExtension(model, ".metrics.jsonl");

    /// <summary>Where the checkpoint of a model's training is.</summary>
    public static string CheckpointOf(string model) => Path.ChangeExtension(model, ".resume.safetensors");
}

/// <summary>How far a run is.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Steps">Steps in all, adversarial rounds included.</param>
/// <param name="Loss">Mean loss since the last report, summed over agents; in adversarial rounds that of the discriminators.</param>
/// <param name="GradientNorm">Norm of the policies' gradient before clipping at the last step.</param>
/// <param name="LearningRate">Rate of the last step.</param>
/// <param name="SamplesPerSecond">Samples of all agents since the last report, a second.</param>
/// <param name="SecondsLeft">At that speed; before the adversarial rounds, to their beginning.</param>
public sealed record TrainingProgress(int Step, int Steps, double Loss, double GradientNorm, double LearningRate, double SamplesPerSecond, double SecondsLeft)
{
    /// <summary>The last adversarial round, or null before there is one.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public AdversarialFigures? Adversarial { get; init; }
}

/// <summary>How a run ended.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Completed">Whether that is all of them; otherwise the run was cancelled and can be resumed.</param>
/// <param name="Loss">The last reported loss, or the mean so far where none was reported; null when no step was made.</param>
/// <param name="Parameters">Weights of all networks together.</param>
/// <param name="Networks">Number of networks.</param>
/// <param name="Seconds">Wall time of this part of the run.</param>
/// <param name="Model">The file written.</param>
public sealed record TrainingResult(int Step, bool Completed, double? Loss, long Parameters, int Networks, double Seconds, string Model);

/// <summary>
/// Trains one network an agent (or one for all) on joint demonstrations by the objective of its method: each agent draws its own samples and noise, the
/// losses are summed, one AdamW with one gradient clip updates all networks, and the moving average of the weights is what is saved.
/// </summary>
public static class Trainer
{
    /// <summary>Runs, or goes on with, a training run on one set of demonstrations; see <see cref="Run(IReadOnlyList{DemonstrationSet}, Scenario, TrainingPreset, TrainingRunOptions, IProgress{TrainingProgress}?, CancellationToken)"/>.</summary>
    public static TrainingResult Run(DemonstrationSet demonstrations, Scenario scenario, TrainingPreset preset, TrainingRunOptions options, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
        => Run([demonstrations], scenario, preset, options, progress, cancellationToken);

    /// <summary>Runs, or goes on with, a training run.</summary>
    /// <param name="demonstrations">Sets of joint demonstrations: one, or, for a network that all agents share, several, whose numbers of agents may differ.</param>
    /// <param name="scenario">Their scenario.</param>
    /// <param name="preset">What is trained.</param>
    /// <param name="options">Where and how.</param>
    /// <param name="progress">Told at every report.</param>
    /// <param name="cancellationToken">Stops after the step in hand, with a checkpoint.</param>
    /// <exception cref="InvalidInputException">The demonstrations, the preset or the checkpoint do not fit each other.</exception>
    /// <exception cref="TorchException">libtorch refused something.</exception>
    public static TrainingResult Run(IReadOnlyList<DemonstrationSet> demonstrations, Scenario scenario, TrainingPreset preset, TrainingRunOptions options, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(demonstrations);
        ArgumentOutOfRangeException.ThrowIfZero(demonstrations.Count, nameof(demonstrations));
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(preset);
        ArgumentNullException.ThrowIfNull(options);
        TorchRuntime.RequireDevice(options.Device);
        // Input is refused before libtorch is touched.
        var input = Accept(demonstrations, scenario, preset, options);
        (demonstrations, preset, var set) = (input.Demonstrations, input.Preset, input.Set);
        var (workers, products) = Divide(options, set);
        TorchRuntime.SetThreads(products);
        var (spec, identity) = (input.Spec, input.Identity);
        using var networks = new NetworkSet(spec, options.Seed, options.Device);
        using var adversary = preset.Training.Adversarial is null ? null : new AdversarialTraining(demonstrations[0], scenario, preset, spec, networks, options);
        var start = input.From is { } checkpoint ? Restore(networks.Parameters, adversary, preset.Training, options, checkpoint) : 0;
        foreach (var doubt in input.Doubts)
        {
            options.Notice?.Invoke(doubt);
        }

        using var metrics = new MetricsLog(options.MetricsPath, start);
        using var threads = new Workers(workers);
        var loop = new Loop(set, networks, adversary, preset, options, spec, identity, threads, metrics, progress);
        return loop.Run(start, cancellationToken);
    }

    /// <summary>Checks all input of a run as <see cref="Run(IReadOnlyList{DemonstrationSet}, Scenario, TrainingPreset, TrainingRunOptions, IProgress{TrainingProgress}?, CancellationToken)"/> does; needs no libtorch, and writes nothing.</summary>
    /// <returns>What is strange about it, one line each.</returns>
    /// <exception cref="InvalidInputException">The demonstrations, the preset or the checkpoint do not fit each other.</exception>
    public static IReadOnlyList<string> Check(IReadOnlyList<DemonstrationSet> demonstrations, Scenario scenario, TrainingPreset preset, TrainingRunOptions options)
    {
        ArgumentNullException.ThrowIfNull(demonstrations);
        ArgumentOutOfRangeException.ThrowIfZero(demonstrations.Count, nameof(demonstrations));
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(preset);
        ArgumentNullException.ThrowIfNull(options);
        TorchRuntime.RequireName(options.Device);
        return Accept(demonstrations, scenario, preset, options).Doubts;
    }

    private static Input Accept(IReadOnlyList<DemonstrationSet> demonstrations, Scenario scenario, TrainingPreset preset, TrainingRunOptions options)
    {
        var opened = options.Resume ? Checkpoint.Open(options) : null;
        // Sets of the same agents are one set, for networks of their own; one network for all takes several, which may be of any numbers of agents.
        if (demonstrations.Count > 1 && !(preset.Model.SharedWeights && preset.Model.Plan.Of == PlanOf.Own) && demonstrations.All(d => d.Agents == demonstrations[0].Agents))
        {
            demonstrations = [DemonstrationSet.Join(demonstrations)];
        }

        InvalidInputException.Require(demonstrations.Count == 1 || preset.Training.Adversarial is null, "demonstrations", "", "one set with adversarial training", demonstrations.Count);
        preset = preset.FittedTo(scenario);
        var set = new TrainingSet(demonstrations, scenario, preset);
        var spec = set.Spec with { Provenance = Provenance(demonstrations, scenario, options) };
        var identity = Checkpoint.Identity(preset, options, spec.Provenance!);
        var from = opened is null ? null : Checkpoint.Read(opened, options, preset.Training, identity);
        IEnumerable<string> doubts =
        [
            .. demonstrations.SelectMany(d => DemonstrationChecks.Doubts(d, demonstrations.Count == 1 ? scenario : scenario.WithAgents(d.Agents), "demonstrations")),
            .. preset.Doubts(set.Count), .. from?.Doubts ?? [],
        ];
        return new Input(demonstrations, preset, set, spec, identity, from, [.. doubts.Distinct(StringComparer.Ordinal)]);
    }

    /// <summary>The input of a run, accepted.</summary>
    private sealed record Input(
        IReadOnlyList<DemonstrationSet> Demonstrations, TrainingPreset Preset, TrainingSet Set, ModelSpec Spec, string Identity, Checkpoint? From, IReadOnlyList<string> Doubts);

    /// <summary>
    /// Threads that share the agents, and threads of a matrix product. Agents with networks of their own are shared out: a thread then waits for another once a step instead of once a product, of
    /// which each takes a tenth of a millisecond, and weights do not depend on the number of threads. One network has its products divided instead (docs/networks.md has the measurements).
    /// </summary>
    internal static (int Workers, int Products) Divide(TrainingRunOptions options, TrainingSet set)
        => options.Device == "cpu" && options.Threads > 1 && set.Learners > 1 && !set.Spec.SharedWeights ? (Math.Min(options.Threads, set.Learners), 1) : (1, options.Threads);

    /// <summary>Rate at a step (1 is the first).</summary>
    internal static double LearningRate(OptimisationSpec options, int step)
    {
        var warm = options.Warmup == 0 ? 1.0 : Math.Min(1.0, step / (double)options.Warmup);
        return options.LearningRate * warm * (options.Schedule == RateSchedule.Constant ? 1.0 : 0.5 * (1 + Math.Cos(Math.PI * (step - 1) / options.Steps)));
    }

    private static ProvenanceSpec Provenance(IReadOnlyList<DemonstrationSet> demonstrations, Scenario scenario, TrainingRunOptions options) => new()
    {
        Preset = options.PresetName,
        Method = options.MethodName,
        Seed = options.Seed,
        Demonstrations = demonstrations.Sum(d => d.Count),
        DemonstrationsHash = demonstrations.Count == 1 ? demonstrations[0].ContentHash()
            : Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Concat(demonstrations.Select(d => d.ContentHash()))))),
        ModeShares = ModeShares(demonstrations, scenario),
        ModeRule = JointModes.Rule(scenario),
        Roughness = [Roughness(demonstrations, 2), Roughness(demonstrations, 3)],
    };

    /// <summary>Share of each joint mode, read from the paths as it will be read from rollouts; null where the scenario tells none apart.</summary>
    private static double[]? ModeShares(IReadOnlyList<DemonstrationSet> demonstrations, Scenario scenario)
    {
        if (scenario.Modes == ModeRule.None)
        {
            return null;
        }

        var counts = new int[JointModes.Count(scenario)];
        foreach (var mode in demonstrations.SelectMany(d => d.LabelModes(demonstrations.Count == 1 ? scenario : scenario.WithAgents(d.Agents))!))
        {
            if (mode != JointModes.Unresolved)
            {
                counts[mode - 1]++;
            }
        }

        return Array.ConvertAll(counts, c => c / (double)demonstrations.Sum(d => d.Count));
    }

    /// <summary>Mean norm of the n-th difference of the demonstrated paths [m].</summary>
    private static double Roughness(IReadOnlyList<DemonstrationSet> demonstrations, int order)
    {
        double sum = 0;
        long count = 0;
        foreach (var set in demonstrations)
        {
            Add(set, order, ref sum, ref count);
        }

        return sum / count;
    }

    private static void Add(DemonstrationSet demonstrations, int order, ref double sum, ref long count)
    {
        var d = demonstrations.Dimensions;
        for (var m = 0; m < demonstrations.Count; m++)
        {
            for (var n = 0; n < demonstrations.Agents; n++)
            {
                var difference = demonstrations.Path(m, n).ToArray();
                for (var k = 0; k < order; k++)
                {
                    for (var i = 0; i + d < difference.Length; i++)
                    {
                        difference[i] = difference[i + d] - difference[i];
                    }

                    Array.Resize(ref difference, difference.Length - d);
                }

                for (var at = 0; at < difference.Length; at += d)
                {
                    double squares = 0;
                    for (var i = 0; i < d; i++)
                    {
                        squares += difference[at + i] * difference[at + i];
                    }

                    sum += Math.Sqrt(squares);
                    count++;
                }
            }
        }
    }

    private static int Restore(ParameterSet parameters, AdversarialTraining? adversary, OptimisationSpec training, TrainingRunOptions options, Checkpoint checkpoint)
    {
        parameters.ImportState(checkpoint.File, options.CheckpointPath);
        if (checkpoint.Step > training.Steps)
        {
            adversary!.ImportState(checkpoint.File, options.CheckpointPath);
        }

        return checkpoint.Step;
    }

    /// <summary>The loop over steps.</summary>
    private sealed class Loop(TrainingSet set, NetworkSet networks, AdversarialTraining? adversary, TrainingPreset preset, TrainingRunOptions options, ModelSpec spec, string identity, Workers workers, MetricsLog metrics, IProgress<TrainingProgress>? progress)
    {
        private readonly OptimisationSpec _training = preset.Training;

        private double? _loss;

        private int _saved = -1;

        public TrainingResult Run(int start, CancellationToken cancellationToken)
        {
            var clock = Stopwatch.StartNew();
            var step = start < _training.Steps ? Optimise(start, clock, cancellationToken) : start;
            if (adversary is not null && step >= _training.Steps)
            {
                step = Contend(step, clock, cancellationToken);
            }

            // Stopped before its first step, a run leaves what an earlier one wrote.
            if (_saved != step && (step > start || step == _training.TotalSteps))
            {
                Save(step);
            }

            if (step == _training.TotalSteps && spec.ModeCount > 0 && preset.Model.ModePosterior is { } posterior)
            {
                var file = Model(step, spec with { ModePosterior = new ModePosteriorSpec(posterior.Width, posterior.Common) });
                try
                {
                    _ = PosteriorTraining.Run(set, posterior, _training, options.Seed, options.Device, file, cancellationToken);
                    file.Write(options.Output);
                }
                catch (OperationCanceledException)
                {
                    return Result(completed: false);
                }
            }

            return Result(step == _training.TotalSteps);

            TrainingResult Result(bool completed) => new(step, completed, _loss, networks.Parameters.Count, spec.Networks, clock.Elapsed.TotalSeconds, options.Output);
        }

        /// <summary>Steps on batches of samples.</summary>
        private int Optimise(int start, Stopwatch clock, CancellationToken cancellationToken)
        {
            var (lossSum, lossCount, lastTime) = (0.0, 0, 0.0);
            using var steps = new Steps(set, networks, _training, options.Seed, start, workers);
            while (steps.Done < _training.Steps && !cancellationToken.IsCancellationRequested)
            {
                steps.Next();
                var step = steps.Done;
                lossSum += steps.Loss;
                lossCount++;
                if (step % options.ReportEvery == 0 || step == _training.Steps)
                {
                    var now = clock.Elapsed.TotalSeconds;
                    var perSecond = lossCount / Math.Max(now - lastTime, 1e-9);
                    _loss = lossSum / lossCount;
                    Report(new TrainingProgress(step, _training.TotalSteps, _loss.Value, steps.GradientNorm, steps.Rate, perSecond * _training.Batch * set.Learners, (_training.Steps - step) / perSecond));
                    (lossSum, lossCount, lastTime) = (0, 0, now);
                }

                if (step % options.CheckpointEvery == 0 || step == _training.Steps)
                {
                    Save(step);
                }
            }

            _loss ??= lossCount > 0 ? lossSum / lossCount : null;
            return steps.Done;
        }

        /// <summary>Adversarial rounds, each one reported, for a round is worth many steps.</summary>
        private int Contend(int start, Stopwatch clock, CancellationToken cancellationToken)
        {
            var step = start;
            if (step == _training.Steps)
            {
                networks.Parameters.RestartFromAverage();
            }

            var saved = adversary!.PolicySteps;
            while (step < _training.TotalSteps && !cancellationToken.IsCancellationRequested)
            {
                step++;
                var before = clock.Elapsed.TotalSeconds;
                var (loss, norm, figures) = adversary.Round(step);
                if (!double.IsFinite(loss) || !double.IsFinite(norm))
                {
                    throw new InvalidInputException($"training diverged in adversarial round {step - _training.Steps}; try a lower training.adversarial.policyRate");
                }

                _loss = loss;
                var perSecond = 1 / Math.Max(clock.Elapsed.TotalSeconds - before, 1e-9);
                Report(new TrainingProgress(step, _training.TotalSteps, loss, norm, _training.Adversarial!.PolicyRate, perSecond * adversary.Transitions, (_training.TotalSteps - step) / perSecond) { Adversarial = figures });
                if (adversary.PolicySteps - saved >= options.CheckpointEvery || step == _training.TotalSteps)
                {
                    Save(step);
                    saved = adversary.PolicySteps;
                }
            }

            return step;
        }

        private void Report(TrainingProgress report)
        {
            metrics.Write(report);
            progress?.Report(report);
        }

        private SafeTensors Model(int step, ModelSpec description) => networks.Export(description with { Provenance = description.Provenance! with { Steps = step } });

        private void Save(int step)
        {
            Model(step, spec).Write(options.Output);
            var checkpoint = new SafeTensors();
            Checkpoint.Mark(checkpoint, step, identity);
            networks.Parameters.ExportState(checkpoint);
            if (step > _training.Steps)
            {
                adversary!.ExportState(checkpoint);
            }

            checkpoint.Write(options.CheckpointPath);
            _saved = step;
        }
    }

    /// <summary>Metrics as JSON lines; a resumed run drops what lies past its checkpoint and appends.</summary>
    private sealed class MetricsLog : IDisposable
    {
        private readonly StreamWriter _writer;

        public MetricsLog(string path, int start)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            var kept = start > 0 && File.Exists(path)
                ? File.ReadLines(path).Where(line => line.EndsWith('}') && StrictJson.ParseRecord<TrainingProgress>(line, path).Step <= start).ToArray()
                : [];
            AtomicFile.WriteText(path, string.Concat(kept.Select(line => line + "\n")));
            _writer = new StreamWriter(path, append: true, new UTF8Encoding(false)) { AutoFlush = true };
        }

        public void Write(TrainingProgress report) => _writer.WriteLine(StrictJson.Format(report, indented: false));

        public void Dispose() => _writer.Dispose();
    }
}
