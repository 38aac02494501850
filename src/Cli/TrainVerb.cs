using System.CommandLine;
using System.Globalization;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Training;
using MimicD.Training.Torch;
using MimicD.World;

namespace MimicD.Cli;

/// <summary><c>mimicd train</c>: trains the policies of a scenario's agents on joint demonstrations.</summary>
internal static class TrainVerb
{
    private const int ReportEvery = 100;

    public static Command Create()
    {
        var scenarioName = new Argument<string>("scenario") { Description = "Name of a scenario that comes with the program, or a file." };
        var demos = new Option<string[]>("--demos")
        {
            Description = "Demonstrations: a folder of 'mimicd experts', or of one .npy an agent. May be given several times; with different numbers of agents where all agents share one network. Demonstrations may have different lengths (docs/demonstrations.md).",
            HelpName = "DIR",
            Required = true,
        };
        var output = new Option<string>("--out") { Description = "The model file to write; checkpoint (*.resume.safetensors) and metrics (*.metrics.jsonl) lie beside it.", HelpName = "FILE", Required = true };
        var preset = new Option<string>("--preset") { Description = "Name of a preset that comes with the program, or a file.", HelpName = "NAME", DefaultValueFactory = _ => "small" };
        var method = new Option<string?>("--method")
        {
            Description = $"What is learned on the preset's network and optimizer, or a file. {ListMethods()}. [default: the preset as it stands]",
            HelpName = "NAME",
        };
        var set = new Option<string[]>("--set") { Description = "Changes one value of the preset, as in model.network.width=128. May be given several times.", HelpName = "KEY=VALUE", DefaultValueFactory = _ => [] };
        var steps = new Option<int?>("--steps") { Description = "Short for --set training.steps=N.", HelpName = "N" };
        var device = new Option<string>("--device") { Description = "cpu, cuda or cuda:N.", HelpName = "NAME", DefaultValueFactory = _ => "cpu" };
        var resume = new Option<bool>("--resume") { Description = "Go on from the checkpoint beside --out; ends with the same weights as an uninterrupted run. With more --steps than before it goes on longer; where the learning rate follows the whole length (training.schedule cosine), with other weights than a run that was that long from its start." };
        var overwrite = new Option<bool>("--overwrite") { Description = "Replaces a model, with its checkpoint and metrics, that --out already names." };
        var check = new Option<bool>("--check") { Description = "Check all input, and train nothing." };
        var every = new Option<int>("--checkpoint-every") { Description = "Steps between checkpoints.", HelpName = "N", DefaultValueFactory = _ => 1000 };
        var agents = Options.Agents();
        var (seed, threads, json) = (Options.Seed(1), Options.Threads(), Options.Json());
        threads.Description = "Threads to use; results are the same for the same number.";
        var verb = new Command("train", """
            Trains one policy an agent on joint demonstrations: a diffusion policy, or another method on the same footing.

            Example: mimicd train swap --demos runs/experts --out runs/swap.safetensors
                     mimicd train swap --demos runs/experts --method cloning --out runs/cloning.safetensors
                     mimicd train ring --demos runs/ring2 --demos runs/ring8 --preset ring --out runs/ring.safetensors
                     mimicd train swap --demos DIR --preset paper --set model.network.width=64 --out runs/paper.safetensors
            """)
        {
            scenarioName, agents, demos, output, preset, method, set, steps, device, resume, overwrite, check, every, seed, threads, json,
        };
        verb.SetAction(async (parsed, cancellation) =>
        {
            var scenario = Scenario.Load(Repository.Shipped("scenarios", parsed.GetValue(scenarioName)!));
            scenario = parsed.GetValue(agents) is { } several ? scenario.WithAgents(several) : scenario;
            var name = parsed.GetValue(preset)!;
            var changes = parsed.GetValue(steps) is { } n ? [.. parsed.GetValue(set)!, $"training.steps={n}"] : parsed.GetValue(set)!;
            var overlay = parsed.GetValue(method) is { } asked ? Method(asked) : null;
            var chosen = TrainingPreset.Load(Repository.Shipped("presets", name), changes, overlay);
            var model = parsed.GetValue(output)!;
            InvalidInputException.Require(model.EndsWith(".safetensors", StringComparison.Ordinal), "--out", "", "a file name that ends in .safetensors", model);
            using var claim = OutputClaim.OfFile(model, "--out");
            RequireNew(model, parsed.GetValue(resume), parsed.GetValue(overwrite));
            var jsonFile = Options.WritableJson(parsed.GetValue(json), "--json");
            var options = new TrainingRunOptions
            {
                Output = Options.WritableFile(model, "--out")!,
                Seed = parsed.GetValue(seed),
                PresetName = changes.Length == 0 ? Path.GetFileNameWithoutExtension(name) : $"{Path.GetFileNameWithoutExtension(name)} {string.Join(' ', changes)}",
                MethodName = overlay?.Name,
                Threads = Options.Between(parsed.GetValue(threads), 1, 1024, "--threads"),
                Device = parsed.GetValue(device)!,
                CheckpointEvery = Options.Between(parsed.GetValue(every), 1, int.MaxValue, "--checkpoint-every"),
                ReportEvery = ReportEvery,
                Resume = parsed.GetValue(resume),
                Notice = doubt => Console.Error.WriteLine($"mimicd: warning: {doubt}"),
            };
            var demonstrations = parsed.GetValue(demos)!.Select(d => Demonstrations(d, scenario)).ToArray();
            if (parsed.GetValue(check))
            {
                foreach (var doubt in Trainer.Check(demonstrations, scenario, chosen, options))
                {
                    Terminal.Line($"warning: {doubt}");
                }

                Terminal.Line("all input is acceptable; nothing was trained");
                return 0;
            }

            var result = await Terminal.DetailedProgressAsync("train", "steps", chosen.Training.TotalSteps, progress =>
                Task.Run(() => Trainer.Run(demonstrations, scenario, chosen, options, new Describe(progress), cancellation), CancellationToken.None));
            if (jsonFile is not null)
            {
                AtomicFile.WriteText(jsonFile, StrictJson.Format(new TrainResult(result, overlay?.Name, options.Seed, options.Threads, options.Device, TorchRuntime.Version, chosen)) + "\n");
            }

            if (!result.Completed && result.Step == 0)
            {
                Terminal.Line("stopped before the first step; nothing was written");
                return CommandLine.Interrupted;
            }

            Terminal.Line(string.Create(CultureInfo.InvariantCulture, $"wrote {result.Model}: {result.Parameters:n0} parameters in {result.Networks} network{(result.Networks == 1 ? "" : "s")}, step {result.Step:n0} of {chosen.Training.TotalSteps:n0}, {(result.Loss is { } loss ? $"loss {loss:f4}, " : "")}{result.Seconds:f0} s"));
            if (!result.Completed)
            {
                Terminal.Line("stopped; the same command with --resume goes on from here");
                return CommandLine.Interrupted;
            }

            return 0;
        });
        return verb;
    }

    /// <summary>What a training made before is replaced only by who says so.</summary>
    private static void RequireNew(string model, bool resume, bool overwrite)
    {
        InvalidInputException.Require(!resume || !overwrite, "--overwrite", "", "either --resume, which goes on with a training, or --overwrite, which replaces it", "both");
        string[] files = [model, TrainingRunOptions.CheckpointOf(model), TrainingRunOptions.MetricsOf(model)];
        var there = resume || overwrite ? null : Array.Find(files, File.Exists);
        InvalidInputException.Require(there is null, $"--out {model}", "", "no file there of another training (--resume goes on with it, --overwrite replaces it)", there);
    }

    /// <summary>Reads demonstrations; a circle's may be of another number of agents than the scenario's.</summary>
    private static DemonstrationSet Demonstrations(string path, Scenario scenario)
    {
        var set = DemonstrationSet.Load(path, scenario);
        var its = scenario.Circle is not null && set.Agents is >= 2 and <= Scenario.MaxAgents ? scenario.WithAgents(set.Agents) : scenario;
        return DemonstrationChecks.Require(set, its, path, Repository.KnownScenario);
    }

    private static TrainingMethod Method(string name)
    {
        if (Repository.IsPath(name))
        {
            return TrainingMethod.Load(name);
        }

        var shipped = ShippedMethods();
        return shipped.FirstOrDefault(m => m.Name == name) ?? throw InvalidInputException.Create("--method", "", $"{string.Join(", ", shipped.Select(m => m.Name))} or a file", name + Suggestion.For(name, shipped.Select(m => m.Name)));
    }

    private static IReadOnlyList<TrainingMethod> ShippedMethods() => TrainingMethod.In(Repository.File("presets", "methods"));

    private static string ListMethods()
    {
        try
        {
            return string.Join("; ", ShippedMethods().Select(m => $"{m.Name}: {m.About}"));
        }
        catch (InvalidInputException)
        {
            // Help is written before any verb is known, and another verb may need nothing of what is wrong here.
            return "those in presets/methods";
        }
    }

    private sealed class Describe(IProgress<Terminal.Advance> progress) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            var left = TimeSpan.FromSeconds(Math.Min(value.SecondsLeft, 1e8));
            var figures = value.Adversarial is { } round ? string.Create(CultureInfo.InvariantCulture, $"return {round.Return:f1}, discriminator {round.Accuracy:p0}, off {round.Displacement:f2} m") : string.Create(CultureInfo.InvariantCulture, $"loss {value.Loss:f4}");
            progress.Report(new Terminal.Advance(value.Step, string.Create(CultureInfo.InvariantCulture, $"{figures}, {value.SamplesPerSecond:n0} samples/s, {left:hh\\:mm\\:ss} left")));
        }
    }

    private sealed record TrainResult(TrainingResult Result, string? Method, ulong Seed, int Threads, string Device, string Libtorch, TrainingPreset Preset);
}
