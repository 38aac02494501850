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
    private static readonly Option<ulong?> Seed = new("--seed") { Description = "Seed of the first block of episodes, instead of the file's.", HelpName = "N" };
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
            SweepPath, Output, Cell, Again, List, Episodes, Seed, ClusterFile, Nodes, Threads, Json,
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
        var plan = SweepPlan.Create(path, file, Shipped);
        var only = parsed.GetValue(Cell);
        InvalidInputException.Require(only is null || plan.Cells.Any(c => c.Id == only), "--cell", "", $"the id of a cell of {path} (--list shows them)", only);
        var folder = new SweepFolder(parsed.GetValue(Output) ?? Repository.File("runs", "sweeps", file.Name));
        if (list)
        {
            Print(plan, folder);
            return 0;
        }

        var json = Options.WritableFile(parsed.GetValue(Json), "--json");
        using var claim = folder.Claim();
        await using var elsewhere = await SweepNodes.OpenAsync(cluster, nodes, threads, cancellation);
        var command = Command(parsed, folder);
        folder.WriteManifest(new SweepManifest
        {
            Name = file.Name,
            Command = command,
            Version = Assembly.GetExecutingAssembly().GetName().Version!.ToString(3),
            Machine = MachineDescription.Here(),
            Episodes = file.Episodes,
            Block = file.Block,
            Seed = file.Seed,
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
        Print(plan, results);
        if (json is not null)
        {
            AtomicFile.WriteText(json, StrictJson.Format(results) + "\n");
        }

        if (elsewhere?.Report is { } report)
        {
            Terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{report.Blocks} blocks computed on {report.Nodes} {(report.Nodes == 1 ? "node" : "nodes")}, {report.Again} begun again, {report.Refusals.Values.Sum()} messages refused"));
        }

        return Conclude(plan, folder, outcome, results, elsewhere?.Failure);
    }

    private static int Conclude(SweepPlan plan, SweepFolder folder, SweepOutcome outcome, IReadOnlyList<SweepCellResult> results, string? failure)
    {
        var failed = results.Where(r => r.Error is not null).ToArray();
        Terminal.Line($"{outcome.Results.Count(r => r.Error is null)} of {plan.Cells.Count} cells finished; wrote {folder.CellsPath} and {Path.GetFileName(folder.TablePath)}");
        if (!outcome.Completed)
        {
            Console.Error.WriteLine($"mimicd: {(failure is null ? "" : $"{failure}; ")}stopped; the same command goes on from here");
            return failure is null ? CommandLine.Interrupted : CommandLine.Failure;
        }

        if (failed.Length > 0)
        {
            Console.Error.WriteLine($"mimicd: {failed.Length} {(failed.Length == 1 ? "cell" : "cells")} failed; first {failed[0].Id} ({failed[0].Label}): {failed[0].Error}");
            return CommandLine.Failure;
        }

        return 0;
    }

    /// <summary>The line that goes on with this sweep, without what concerns one call alone.</summary>
    private static string Command(ParseResult parsed, SweepFolder folder)
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

        var table = Terminal.Table(["cell", .. results[0].Axes.Keys, "strict success", "95 % interval", "goals reached", "contact", "pair distance [m]"]);
        var contacts = plan.Cells.ToDictionary(c => c.Id, c => c.Scenario.Collision.Contact, StringComparer.Ordinal);
        foreach (var result in results)
        {
            table.Row([result.Id, .. result.Axes.Values, .. result.Figures is { } f ? Shown(f, result.Stopping?.StrictSuccess ?? f.StrictSuccess, contacts[result.Id]) : ["failed", "", "", "", ""]]);
        }

        Terminal.Out.Write(table);

        // Where a cell could stop early, strict success has the interval that allows for that.
        static string[] Shown(Figures figures, Estimate success, string limit) =>
        [
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
