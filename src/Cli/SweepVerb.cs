using System.CommandLine;
using System.Globalization;
using System.Reflection;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Evaluation.Sweeps;
using MimicD.Numerics;

namespace MimicD.Cli;

/// <summary><c>mimicd sweep</c>: computes a grid of cells, each a scenario, a policy and a way of sampling.</summary>
internal static class SweepVerb
{
    private const int ProgressLines = 50;

    private static readonly Argument<string> SweepPath = new("FILE") { Description = "Name of a sweep that comes with the program (agents, agreed, agreement, agreement-ring, agreement-road, noise, paper, partners, sampling), or a file." };
    private static readonly Option<string?> Output = new("--out") { Description = "Folder of the sweep. What is finished in it is not computed again. [default: runs/sweeps/NAME in the repository]", HelpName = "DIR" };
    private static readonly Option<string?> Cell = new("--cell") { Description = "Computes this cell alone.", HelpName = "ID" };
    private static readonly Option<bool> Again = new("--again") { Description = "Computes what is finished once more (models are kept)." };
    private static readonly Option<bool> List = new("--list") { Description = "Prints the cells and how far they are, and computes nothing." };
    private static readonly Option<int?> Episodes = new("--episodes") { Description = "Episodes a cell, instead of the file's.", HelpName = "N" };
    private static readonly Option<ulong?> Seed = new("--seed") { Description = "The seed that all episodes follow from, instead of the file's.", HelpName = "N" };
    private static readonly Option<int?> SeedVersion = new("--seed-version")
    {
        Description = "How blocks' seeds follow from it: 2, by seed and block, or 1, seed + block, as in results from before there was 2. [default: as the folder began, 2 in a new one]",
        HelpName = "N",
    };
    private static readonly Option<string?> ClusterFile = new("--cluster") { Description = "Blocks of episodes are computed on the nodes of this cluster instead of in this process; the result is the same. Models are trained here.", HelpName = "FILE" };
    private static readonly Option<int?> Nodes = new("--nodes") { Description = "Starts so many nodes on this machine, which share the threads, and a private broker where no cluster names one.", HelpName = "N" };
    private static readonly Option<int> Threads = Options.Threads();
    private static readonly Option<string?> Json = Options.Json();

    public static Command Create()
    {
        var command = new Command("sweep", """
            Computes a grid over anything in scenario, model, training and sampling, with common starts in all cells.
            Ctrl-C, a crash or kill -9 lose at most the running episodes: the same command goes on.

            Examples: mimicd sweep agents --out runs/agents
                      mimicd sweep sweeps/noise.json --list
                      mimicd sweep noise --cell 0123456789ab --again
                      mimicd sweep paper --cluster cluster.hocon
            """)
        {
            SweepPath, Output, Cell, Again, List, Episodes, Seed, SeedVersion, ClusterFile, Nodes, Threads, Json,
        };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        var path = Repository.Shipped("sweeps", parsed.GetValue(SweepPath)!);
        var threads = Options.Between(parsed.GetValue(Threads), 1, 1024, "--threads");
        var (cluster, list) = (parsed.GetValue(ClusterFile), parsed.GetValue(List));
        int? nodes = parsed.GetValue(Nodes) is { } count ? Options.Between(count, 1, Quarters.MaxNodes, "--nodes") : null;
        InvalidInputException.Require(!list || (cluster is null && nodes is null), "--list", "", $"no {(cluster is null ? "--nodes" : "--cluster")} beside it, for nothing is computed", "both");
        var file = SweepFile.Load(path);
        file = file with { Episodes = parsed.GetValue(Episodes) ?? file.Episodes, Seed = parsed.GetValue(Seed) ?? file.Seed };
        var only = parsed.GetValue(Cell);
        var folder = new SweepFolder(parsed.GetValue(Output) ?? Repository.File("runs", "sweeps", file.Name));
        var plan = Plan(path, file, folder, parsed.GetValue(SeedVersion), only);
        InvalidInputException.Require(only is null || plan.Cells.Any(c => c.Id == only), "--cell", "", $"the id of a cell of {path} (--list shows them)", only);
        if (list)
        {
            Print(plan, folder);
            return 0;
        }

        var json = Options.WritableJson(parsed.GetValue(Json), "--json");
        using var claim = folder.Claim();
        await using var elsewhere = await SweepNodes.OpenAsync(cluster, nodes, threads, cancellation);
        if (plan.SeedVersion != SweepSeeds.Current)
        {
            Console.Error.WriteLine($"sweep: seeds of blocks are seed + block, as {(File.Exists(folder.ManifestPath) ? "this folder began" : "is asked for")}: sweeps of this kind with neighbouring seeds share episodes");
        }

        var command = Command(parsed, folder, plan.SeedVersion);
        folder.WriteManifest(new SweepManifest
        {
            Name = file.Name,
            Command = command,
            Version = Assembly.GetExecutingAssembly().GetName().Version!.ToString(3),
            Machine = MachineDescription.Here(),
            Episodes = file.Episodes,
            Block = file.Block,
            Seed = file.Seed,
            SeedVersion = plan.SeedVersion,
            Axes = plan.Axes,
            Cells = plan.Cells.Count,
            File = StrictJson.ReadText(path),
        });
        var options = new SweepRunOptions { Threads = threads, Elsewhere = elsewhere?.Host, Only = only, Again = parsed.GetValue(Again), Command = c => $"{command} --cell {c.Id} --again" };
        var runner = new SweepRunner(plan, folder, options, ChildProgram.RunAsync);
        var total = (long)file.Episodes * (only is null ? plan.Cells.Count : 1);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation, elsewhere?.Failed ?? CancellationToken.None);
        var outcome = await Terminal.DetailedProgressAsync("sweep", "episodes", total, progress => runner.RunAsync(new Describe(progress, total), stop.Token), ProgressLines);
        var results = only is null ? outcome.Results : [.. outcome.Results.Where(r => r.Id == only)];
        if (json is not null)
        {
            AtomicFile.WriteText(json, StrictJson.Format(results) + "\n");
        }

        Print(plan, results);

        if (elsewhere?.Report is { } report)
        {
            Terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{report.Blocks} blocks computed on {report.Nodes} {(report.Nodes == 1 ? "node" : "nodes")}, {report.Again} begun again, {report.Refusals.Values.Sum()} messages refused"));
        }

        return Conclude(plan, folder, outcome, results, elsewhere?.Failure);
    }

    /// <summary>The cells, with seeds as the folder began; in a new folder as is asked, or as the id of the cell that is asked for has them.</summary>
    private static SweepPlan Plan(string path, SweepFile file, SweepFolder folder, int? asked, string? only)
    {
        if (asked is { } version)
        {
            SweepSeeds.Require(version, "--seed-version", "");
        }

        if (File.Exists(folder.ManifestPath))
        {
            var began = folder.ReadManifest().SeedVersion;
            InvalidInputException.Require(asked is null || asked == began, "--seed-version", "", $"{began}, as {folder.ManifestPath} says", asked);
            return SweepPlan.Create(path, file, Shipped, began);
        }

        var plan = SweepPlan.Create(path, file, Shipped, asked ?? SweepSeeds.Current);
        if (asked is not null || only is null || plan.Cells.Any(c => c.Id == only))
        {
            return plan;
        }

        // The line that computes a stored cell again names its id alone, and ids follow from seeds.
        var before = SweepPlan.Create(path, file, Shipped, SweepSeeds.Consecutive);
        return before.Cells.Any(c => c.Id == only) ? before : plan;
    }

    private static int Conclude(SweepPlan plan, SweepFolder folder, SweepOutcome outcome, IReadOnlyList<SweepCellResult> results, string? failure)
    {
        var failed = results.Where(r => r.Error is not null).ToArray();
        Terminal.Line($"{outcome.Results.Count(r => r.Error is null)} of {plan.Cells.Count} cells finished; wrote {folder.CellsPath} and {Path.GetFileName(folder.TablePath)}");
        if (Strangers(results) is { } warning)
        {
            Console.Error.WriteLine($"mimicd: warning: {warning}");
        }

        if (!outcome.Completed)
        {
            Console.Error.WriteLine($"mimicd: {(failure is null ? "" : $"{failure}; ")}stopped; the same command goes on from here");
            return failure is null ? CommandLine.Interrupted : CommandLine.Failure;
        }

        foreach (var left in outcome.Left.Take(1))
        {
            Console.Error.WriteLine(Printable.Line($"mimicd: {outcome.Left.Count} {(outcome.Left.Count == 1 ? "file" : "files")} that the sweep did not write {(outcome.Left.Count == 1 ? "was" : "were")} left: {folder.Root}/{left}{(outcome.Left.Count == 1 ? "" : ", ...")}"));
        }

        var faulty = results.Select(r => (Cell: r, Faults: SweepFaults.Of(r))).Where(r => r.Faults is { Counts.Faulty: true }).ToArray();
        var lost = faulty.Where(r => r.Faults!.Counts.Lost).ToArray();
        if (faulty.Length > 0)
        {
            // The worst first: what a fallback did says nothing of a policy.
            var (cell, faults) = lost.Concat(faulty).First();
            Console.Error.WriteLine(Printable.Line(
                $"mimicd: agents did not act in {faulty.Length} {(faulty.Length == 1 ? "cell" : "cells")}{(lost.Length > 0 ? $", in {lost.Length} of them in no episode without fault" : "")}; first {cell.Id} ({cell.Label}): {faults}"));
        }

        if (failed.Length > 0)
        {
            Console.Error.WriteLine(Printable.Line($"mimicd: {failed.Length} {(failed.Length == 1 ? "cell" : "cells")} failed; first {failed[0].Id} ({failed[0].Label}): {failed[0].Error}"));
        }

        // A cell without one good episode has figures of the fallback alone: for a script that goes on by the exit code it has failed as much as one with an error.
        return failed.Length > 0 || lost.Length > 0 ? CommandLine.Failure : 0;
    }

    /// <summary>One line about cells whose agents saw what their models were not trained on, or null.</summary>
    private static string? Strangers(IReadOnlyList<SweepCellResult> results)
    {
        var cells = results.Select(r => (r.Id, r.Label, Share: r.Counts is { Compared: > 0 } c ? c.Unfamiliar / (double)c.Compared : 0)).Where(c => c.Share >= FamiliarityCounts.WarnedShare).OrderByDescending(c => c.Share).ToArray();
        return cells.Length == 0 ? null : string.Create(CultureInfo.InvariantCulture,
            $"in {cells.Length} of {results.Count} cells observations are unlike all that the model was trained on (more than {FamiliarityCounts.Deviations} deviations from the mean there); most in {cells[0].Id} ({cells[0].Label}): {100 * cells[0].Share:0.0} %");
    }

    /// <summary>The line that goes on with this sweep, without what concerns one call alone.</summary>
    private static string Command(ParseResult parsed, SweepFolder folder, int seedVersion)
    {
        List<string> words = ["mimicd", "sweep", parsed.GetValue(SweepPath)!, "--out", folder.Root];
        if (parsed.GetValue(Episodes) is { } episodes)
        {
            words.AddRange(["--episodes", episodes.ToString(CultureInfo.InvariantCulture)]);
        }

        if (parsed.GetValue(Seed) is { } seed)
        {
            words.AddRange(["--seed", seed.ToString(CultureInfo.InvariantCulture)]);
        }

        if (seedVersion != SweepSeeds.Current)
        {
            words.AddRange(["--seed-version", seedVersion.ToString(CultureInfo.InvariantCulture)]);
        }

        return string.Join(' ', words.Select(SweepShell.Quote));
    }

    private static string Shipped(string kind, string name) => Repository.File(kind, name + (kind == "models" ? ".safetensors" : ".json"));

    private static void Print(SweepPlan plan, SweepFolder folder)
    {
        var table = Terminal.Table(["cell", .. plan.Axes.Select(a => a.Name), "state"]);
        foreach (var (cell, state) in SweepRunner.States(plan, folder))
        {
            table.Row([cell.Id, .. cell.Axes.Values, state]);
        }

        Terminal.Out.Write(table);
    }

    private static void Print(SweepPlan plan, IReadOnlyList<SweepCellResult> results)
    {
        if (results.Count == 0)
        {
            return;
        }

        var table = Terminal.Table(["cell", .. results[0].Axes.Keys, "episodes", "strict success", "95 % interval", "goals reached", "contact", "pair distance [m]"]);
        var contacts = plan.Cells.ToDictionary(c => c.Id, c => c.Scenario.Collision.Contact, StringComparer.Ordinal);
        foreach (var result in results)
        {
            table.Row([result.Id, .. result.Axes.Values, .. result.Figures is { } f ? Shown(result, f, result.Stopping?.StrictSuccess ?? f.StrictSuccess, contacts[result.Id]) : ["", "failed", "", "", "", ""]]);
        }

        Terminal.Out.Write(table);
        if (results.Any(r => SweepFaults.Of(r) is { Counts.Faulty: true }))
        {
            Terminal.Line(EpisodeCounts.Legend);
        }

        // Where a cell could stop early, strict success has the interval that allows for that.
        static string[] Shown(SweepCellResult cell, Figures figures, Estimate success, string limit) =>
        [
            (SweepFaults.Of(cell)?.Counts ?? EpisodeCounts.Of(figures)).ToString(),
            Percent(success.Value), $"{Percent(success.Low)} to {Percent(success.High)}", Percent(figures.GoalsReached.Value),
            Array.Find(figures.Collisions, c => c.Name == limit) is { } contact ? Percent(contact.Rate.Value) : "",
            figures.MinimumPairDistance is { } pair ? pair.Value.ToString("0.000", CultureInfo.InvariantCulture) : "",
        ];

        static string Percent(double value) => (100 * value).ToString("0.0", CultureInfo.InvariantCulture) + " %";
    }

    private sealed class Describe(IProgress<Terminal.Advance> progress, long total) : IProgress<SweepProgress>
    {
        public void Report(SweepProgress value)
        {
            var trainings = value.TrainingsLeft > 0 ? $", {value.TrainingsLeft} {(value.TrainingsLeft == 1 ? "training" : "trainings")} left" : "";
            var left = value.Left is { } time ? string.Create(CultureInfo.InvariantCulture, $", {(int)time.TotalHours:00}:{time:mm\\:ss} left") : "";
            // What was finished before counts as done.
            progress.Report(new Terminal.Advance(total - value.EpisodesInAll + value.Episodes, $"{value.Cells} of {value.CellsInAll} cells{trainings}{left}"));
        }
    }
}
