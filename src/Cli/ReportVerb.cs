using System.CommandLine;
using System.Globalization;
using MimicD.Contracts;
using MimicD.Evaluation.Report;
using MimicD.Evaluation.Sweeps;
using MimicD.Numerics;

namespace MimicD.Cli;

/// <summary><c>mimicd report</c>: results as one HTML file that opens offline.</summary>
internal static class ReportVerb
{
    /// <summary>Where the page's script and style sheet are built: MIMICD_REPORT, which the entry script sets, or <c>build/report</c> in the repository.</summary>
    public static string Assets => Environment.GetEnvironmentVariable("MIMICD_REPORT") is { Length: > 0 } given ? given : Repository.File("build", "report");

    public static Command Create()
    {
        var folder = new Argument<string>("DIR") { Description = "The output folder of 'mimicd sweep', finished or not, or the folder of a 'mimicd run'." };
        var output = new Option<string?>("--out") { Description = "The page. [default: report.html in DIR]", HelpName = "FILE" };
        var table = new Option<string?>("--table") { Description = "Also write the headline figures here as a table in Markdown.", HelpName = "FILE.md" };
        var archive = new Option<string?>("--archive") { Description = "Also write here what is worth keeping of a sweep without its models and rollouts: every cell's figures and what happened in each episode. 'report' reads it too.", HelpName = "FOLDER" };
        var recompute = new Option<bool>("--recompute") { Description = "First compute the figures of DIR, a sweep's folder or an archive, again from what happened in each episode, by this version's definitions, and write them there." };
        var seed = Options.Seed();
        seed.Description = "Every resampling follows from it.";
        var json = Options.Json();
        json.Description = "Also write here what the page shows, machine-readable.";
        var command = new Command("report", """
            Writes results as one HTML file that opens offline: tables with intervals, collision curves, performance profiles, mode shares beside
            the experts', trajectories to step through, every cell closer, and the commands that made it all.

            Examples: mimicd report runs/paper
                      mimicd report runs/latest --out swap.html
                      mimicd report runs/paper --archive docs/results/paper --table paper.md
                      mimicd report docs/results/paper --recompute --out paper.html
            """)
        {
            folder, output, table, archive, recompute, seed, json,
        };
        command.SetAction(async parsed =>
        {
            var from = parsed.GetValue(folder)!;
            InvalidInputException.Require(Directory.Exists(from), from, "", "the folder of a sweep or of a run", "none");
            var (run, sweep) = (RunFolder.Is(from), new SweepFolder(from));
            InvalidInputException.Require(run || File.Exists(sweep.ManifestPath), from, "", "sweep.json of a sweep, or result.json and rollouts.npz of a run", "neither");
            var page = Options.WritableFile(parsed.GetValue(output) ?? ConfinedPath.Resolve(from, "report.html", from, "report.html"), "--out", "a report", ReportPage.IsOne)!;
            var data = Options.WritableJson(parsed.GetValue(json), "--json");
            var markdown = Options.WritableFile(parsed.GetValue(table), "--table", "a report's table", ReportTable.IsOne);
            InvalidInputException.Require(parsed.GetValue(archive) is null || File.Exists(sweep.ManifestPath), "--archive", "", "the folder of a sweep", $"{from}, that of a run");
            var kept = parsed.GetValue(archive) is { } keep ? new SweepFolder(keep) : null;
            using var claim = kept?.Claim("--archive");
            var assets = ReportAssets.Load(Assets);
            var (number, line) = (parsed.GetValue(seed), $"mimicd report {from} --out {page} --seed {parsed.GetValue(seed)}");
            if (parsed.GetValue(recompute))
            {
                InvalidInputException.Require(File.Exists(sweep.ManifestPath), "--recompute", "", "the folder of a sweep", $"{from}, that of a run");
                await RecomputeAsync(sweep);
            }

            var report = File.Exists(sweep.ManifestPath) ? await OfSweepAsync(sweep, line, number) : RunFolder.Build(from, line, number);
            ReportPage.Write(page, report, assets);
            List<string> written = [];
            written.Add(string.Create(CultureInfo.InvariantCulture, $"wrote {page} ({report.Origin.Finished} cells, {new FileInfo(page).Length / 1e6:0.0} MB)"));
            if (data is not null)
            {
                AtomicFile.WriteText(data, StrictJson.Format(report) + "\n");
                written.Add($"wrote {data}");
            }

            if (markdown is not null)
            {
                AtomicFile.WriteText(markdown, ReportTable.Markdown(report));
                written.Add($"wrote {markdown}");
            }

            if (kept is not null)
            {
                SweepArchive.Write(sweep, kept);
                written.Add($"wrote {kept.Root}");
            }

            written.ForEach(Terminal.Line);
            return 0;
        });
        return command;
    }

    private static async Task RecomputeAsync(SweepFolder folder)
    {
        using var claim = folder.Claim();
        var (again, left) = await Terminal.ProgressAsync("computing", "cells", folder.ReadCells().Length, progress => Task.FromResult(SweepRecomputation.Run(folder, progress)));
        Terminal.Line($"wrote {folder.CellsPath} and {Path.GetFileName(folder.TablePath)} ({again} cells computed again{(left > 0 ? $", {left} left as they are: nothing tells what happened in their episodes" : "")})");
    }

    private static Task<ReportData> OfSweepAsync(SweepFolder folder, string line, ulong seed)
    {
        var (manifest, cells) = (folder.ReadManifest(), folder.ReadCells());
        return Terminal.ProgressAsync("reading", "cells", cells.Length, progress => Task.FromResult(ReportBuilder.Build(folder, manifest, cells, line, seed, progress)));
    }
}
