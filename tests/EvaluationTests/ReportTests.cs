using System.Text.Json;
using System.Text.RegularExpressions;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Evaluation.Report;
using MimicD.Evaluation.Sweeps;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.EvaluationTests;

public sealed class ReportTests : IDisposable
{
    // Of the folder as it is written; tests that change the folder build their own.
    private static readonly Lazy<ReportData> Untouched = new(() =>
    {
        using var fresh = new ReportTests();
        return fresh.Build();
    });

    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("mimicd-");
    private readonly SweepFolder _folder;

    public ReportTests() => _folder = SyntheticSweep.Write(_scratch.FullName);

    public void Dispose() => _scratch.Delete(recursive: true);

    private ReportData Build() => ReportBuilder.Build(_folder, _folder.ReadManifest(), _folder.ReadCells(), "mimicd report", seed: 1);

    [Fact]
    public void A_row_takes_the_training_seeds_of_a_cell_together()
    {
        var report = Untouched.Value;

        Assert.Equal(["seed"], report.SeedAxes);
        Assert.Equal(["method", "noise"], report.Axes.Select(a => a.Name));
        Assert.Equal([0, 0.1, 0.2], report.Axes[1].Numbers!);
        Assert.Equal(SyntheticSweep.Methods.Length * SyntheticSweep.Noises.Length, report.Groups.Length);
        Assert.All(report.Groups, g => Assert.Equal((2, 2 * SyntheticSweep.Episodes), (g.Seeds, g.Episodes)));

        var row = report.Groups[0];
        int[] successes = [.. row.Cells.Select(c => (int)Math.Round(report.Cells[c].Values["strictSuccess"][0]!.Value * SyntheticSweep.Episodes))];
        var expected = SeedRates.Of(successes, [SyntheticSweep.Episodes, SyntheticSweep.Episodes]).Method;
        Assert.Equal(expected.Value, row.Values["strictSuccess"][0]!.Value, 5);
        Assert.Equal(expected.Low, row.Values["strictSuccess"][1]!.Value, 5);
        Assert.Equal(expected.High, row.Values["strictSuccess"][2]!.Value, 5);
    }

    [Fact]
    public void A_curve_counts_the_episodes_below_each_threshold()
    {
        var report = Untouched.Value;
        var row = report.Groups[^1];
        var distances = new List<double>();
        for (var seed = 1; seed <= 2; seed++)
        {
            var (positions, _) = SyntheticSweep.Paths(1, 2, seed);
            for (var e = 0; e < SyntheticSweep.Episodes; e++)
            {
                distances.Add(Enumerable.Range(0, SyntheticSweep.Times).Min(t =>
                {
                    var (a, b) = ((e * 2 * SyntheticSweep.Times + t) * 2, ((e * 2 + 1) * SyntheticSweep.Times + t) * 2);
                    return Math.Sqrt(Math.Pow((double)positions[a] - positions[b], 2) + Math.Pow((double)positions[a + 1] - positions[b + 1], 2));
                }));
            }
        }

        var curve = row.Curves.Pair!;
        Assert.Equal(distances.Count, curve.Episodes);
        Assert.Contains(2.25, curve.At);
        foreach (var (i, at) in curve.At.Index())
        {
            Assert.Equal((double)distances.Count(d => d < at) / distances.Count, curve.Shares[i], 5);
            Assert.InRange(curve.Shares[i], curve.Low[i], curve.High[i]);
        }
    }

    [Fact]
    public void Trajectories_come_back_to_a_millimetre_and_failures_come_first()
    {
        var report = Untouched.Value;
        var cell = report.Cells.Single(c => c.Id == SyntheticSweep.Id(1, 2, 1));
        var (positions, _) = SyntheticSweep.Paths(1, 2, 1);
        var sample = cell.Trajectories!;
        var units = MemoryOf(sample.Positions);

        Assert.InRange(sample.Episodes.Length, 2, TrajectorySample.MaxEpisodes);
        Assert.True(sample.Episodes[0].Contact);
        Assert.Contains(sample.Episodes, e => !e.Contact);
        Assert.Equal(sample.Episodes.Length, sample.Episodes.Select(e => e.Index).Distinct().Count());
        foreach (var (k, episode) in sample.Episodes.Index())
        {
            for (var i = 0; i < 2 * SyntheticSweep.Times * 2; i++)
            {
                var value = sample.Box[i % 2] + sample.Box[2] * units[k * 2 * SyntheticSweep.Times * 2 + i];
                Assert.Equal(positions[episode.Index * 2 * SyntheticSweep.Times * 2 + i], value, 0.001);
            }
        }

        static ushort[] MemoryOf(string text)
        {
            var bytes = Convert.FromBase64String(text);
            return [.. Enumerable.Range(0, bytes.Length / 2).Select(i => BitConverter.ToUInt16(bytes, 2 * i))];
        }
    }

    [Fact]
    public void Many_agents_and_cells_share_one_budget()
    {
        const int agents = 64, times = 300, episodes = 3;
        var scenario = Scenario.Parse("""
            { "name": "ring", "timeStep": 0.1, "steps": 300, "circle": { "agents": 64, "radius": 6, "spacing": 1 }, "goalTolerance": 1,
              "collision": { "limits": [ { "name": "contact", "pair": 0.5 } ], "contact": "contact" }, "dynamics": { "kind": "kinematic" } }
            """, "ring");
        var paths = new PathSet([.. Enumerable.Range(0, episodes * agents * times * 2).Select(i => (double)(i % 977))], episodes, agents, times, 2);
        var goals = new double[episodes * agents * 2];
        var sample = TrajectorySample.Of(scenario, paths, goals, Outcomes.Compute(scenario, paths, goals), cells: 200);

        Assert.Single(sample.Episodes);
        Assert.Equal((0, times - 1), (sample.Ticks[0], sample.Ticks[^1]));
        Assert.InRange(sample.Positions.Length, 1, 50_000);
    }

    [Fact]
    public void No_text_from_a_file_ends_its_element()
    {
        var html = ReportPage.Html(Untouched.Value, new ReportAssets("console.log(1)", "body{}"));

        // The data's element, and the script's.
        Assert.Equal(2, Regex.Count(html, "</script", RegexOptions.IgnoreCase, TimeSpan.FromSeconds(1)));
        Assert.DoesNotContain("<b>", html, StringComparison.Ordinal);
        Assert.Contains("<title>synthetic &lt;sweep&gt; - report</title>", html.ReplaceLineEndings(""), StringComparison.Ordinal);
        Assert.DoesNotMatch("(src|href)=\"(?!data:)", html);
        var data = Regex.Match(html, "<script type=\"application/json\" id=\"data\">(?<data>.*?)</script>", RegexOptions.Singleline | RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(1)).Groups["data"].Value;
        using var json = JsonDocument.Parse(data);
        Assert.Equal(SyntheticSweep.Nasty, json.RootElement.GetProperty("axes")[0].GetProperty("labels")[1].GetString());
        Assert.InRange(html.Length, 1, 400_000);
    }

    [Fact]
    public void A_script_that_would_end_its_element_is_refused()
        => Assert.Throws<InvalidInputException>(() => ReportPage.Html(Untouched.Value, new ReportAssets("'</SCRIPT>'", "")));

    [Fact]
    public void The_same_folder_and_seed_give_the_same_report()
        => Assert.Equal(StrictJson.Format(Untouched.Value), StrictJson.Format(Build()));

    [Fact]
    public void A_failed_cell_is_told_and_counted_in_no_row()
    {
        var report = Untouched.Value;
        var failed = report.Cells[^1];

        Assert.Equal(("the model has 3 agents <of> 2", null), (failed.Error, failed.Group));
        Assert.Equal(1, report.Origin.Failed);
        Assert.All(report.Groups, g => Assert.DoesNotContain(report.Cells.Length - 1, g.Cells));
    }

    [Fact]
    public void Rollouts_that_are_gone_are_noted()
    {
        File.Delete(_folder.Resolve(SweepFolder.CellFile(SyntheticSweep.Id(0, 0, 1), RolloutFile.Name)));
        File.Delete(_folder.Resolve(SweepFolder.CellFile(SyntheticSweep.Id(0, 0, 2), RolloutFile.Name)));
        var report = Build();

        Assert.Null(report.Cells[0].Trajectories);
        Assert.NotNull(report.Cells[2].Trajectories);
        Assert.Equal(Untouched.Value.Groups[0].Values["strictSuccess"], report.Groups[0].Values["strictSuccess"]);
        Assert.DoesNotContain(report.Comparisons, c => c.First == 0 || c.Second == 0);
        Assert.Contains(report.Notes, n => n.StartsWith("Rollouts of 2 cells are not in the folder", StringComparison.Ordinal));
    }

    [Fact]
    public void An_archive_gives_the_same_report_but_for_trajectories()
    {
        var archive = new SweepFolder(Path.Combine(_scratch.FullName, "archive"));
        SweepArchive.Write(_folder, archive);
        var (kept, report) = (ReportBuilder.Build(archive, archive.ReadManifest(), archive.ReadCells(), "mimicd report", seed: 1), Build());

        Assert.Equal(StrictJson.Format(report.Groups), StrictJson.Format(kept.Groups));
        Assert.NotEmpty(report.Comparisons);
        Assert.Equal(StrictJson.Format(report.Comparisons), StrictJson.Format(kept.Comparisons));
        Assert.All(kept.Cells, c => Assert.Null(c.Trajectories));
        Assert.Contains(kept.Notes, n => n.StartsWith("This is an archive", StringComparison.Ordinal));
        Assert.Equal(ReportTable.Markdown(report), ReportTable.Markdown(kept));
        Assert.Empty(Directory.EnumerateFiles(archive.Root, RolloutFile.Name, SearchOption.AllDirectories));
    }

    [Fact]
    public void An_archive_of_what_is_gone_or_onto_itself_is_refused()
    {
        var archive = new SweepFolder(Path.Combine(_scratch.FullName, "archive"));
        Assert.StartsWith($"{_folder.Root}: expected another folder", Assert.Throws<InvalidInputException>(() => SweepArchive.Write(_folder, _folder)).Message, StringComparison.Ordinal);
        var path = _folder.Resolve(SweepFolder.CellFile(SyntheticSweep.Id(0, 0, 1), RolloutFile.Name));
        File.Delete(path);
        Assert.StartsWith($"{path}: expected the rollouts of cell", Assert.Throws<InvalidInputException>(() => SweepArchive.Write(_folder, archive)).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(archive.CellsPath));
    }

    [Fact]
    public void A_table_has_a_line_for_each_row_with_headlines_and_intervals()
    {
        var report = Untouched.Value;
        var lines = ReportTable.Markdown(report).Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal(2 + report.Groups.Length, lines.Length);
        Assert.StartsWith("| method | noise | seeds | episodes | strict success |", lines[0], StringComparison.Ordinal);
        var value = report.Groups[0].Values["strictSuccess"];
        Assert.StartsWith(FormattableString.Invariant($"| alpha | 0 | 2 | 48 | {100 * value[0]!.Value:0.0} % ({100 * value[1]!.Value:0.0} to {100 * value[2]!.Value:0.0}) |"), lines[2], StringComparison.Ordinal);
        Assert.Single(lines.Select(l => l.Replace("\\|", "", StringComparison.Ordinal).Count(c => c == '|')).Distinct());
    }

    [Fact]
    public void Rollouts_of_another_run_are_refused()
    {
        var path = _folder.Resolve(SweepFolder.CellFile(SyntheticSweep.Id(0, 0, 1), RolloutFile.Name));
        var (positions, goals) = SyntheticSweep.Paths(0, 0, 1);
        Array.Clear(positions);
        new NpzWriter().Add<float>("positions", positions, SyntheticSweep.Episodes, 2, SyntheticSweep.Times, 2).Add<double>("goals", goals, SyntheticSweep.Episodes, 2, 2).Save(path);

        Assert.StartsWith($"{path}: episodes: expected {SyntheticSweep.Episodes} with strict success", Assert.Throws<InvalidInputException>(Build).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_are_compared_where_they_differ_on_one_axis_and_have_common_starts()
    {
        var report = Untouched.Value;
        var methods = report.Comparisons.Where(c => c.Axis == "method" && c.Figure == "strictSuccess").ToArray();

        Assert.Equal(SyntheticSweep.Noises.Length, methods.Length);
        Assert.All(methods, c =>
        {
            var (first, second) = (report.Groups[c.First], report.Groups[c.Second]);
            Assert.Equal(first.Labels[1], second.Labels[1]);
            Assert.Equal(first.Values["strictSuccess"][0]!.Value - second.Values["strictSuccess"][0]!.Value, c.Difference[0]!.Value, 4);
            Assert.InRange(c.Difference[0]!.Value, c.Difference[1]!.Value, c.Difference[2]!.Value);
            Assert.InRange(c.PValue ?? 0, 0, 1);
        });
    }

    [Fact]
    public void A_profile_falls_from_all_runs_to_none()
    {
        var profile = Untouched.Value.Profiles.First(p => p.Axis == "method" && p.Score == "strictSuccess");

        Assert.Equal((2, SyntheticSweep.Noises.Length), (profile.Runs, profile.Tasks));
        Assert.Equal(0, profile.Shares[^1][0]);
        Assert.All(profile.Shares.Zip(profile.Shares.Skip(1)), p => Assert.True(p.First[0] >= p.Second[0]));
    }

    [Fact]
    public void Of_one_run_a_task_no_interval_is_made()
    {
        var folder = _folder;
        folder.WriteCells([.. folder.ReadCells().Where(c => c.Figures is not null && c.Axes["seed"] == "1")]);
        var report = Build();

        Assert.NotEmpty(report.Profiles);
        Assert.All(report.Profiles, p => Assert.Equal((1, true, null, null), (p.Runs, p.Middle[0] is not null, p.Middle[1], p.Middle[2])));
        Assert.All(report.Profiles, p => Assert.All(p.Shares, s => Assert.Equal((null, null), (s[1], s[2]))));
        var table = new ScoreTable(1, 2, [0.2, 0.4]);
        Assert.All(new[] { new Resampling().Interval(table, Aggregates.Mean), new Resampling().Interval(table, table, (a, b) => a.Values[0] - b.Values[0]) }, e => Assert.False(e.IsKnown));
        // What other tasks would give is another question.
        Assert.True(double.IsFinite(new Resampling { ResampleTasks = true }.Interval(table, Aggregates.Mean).High));
    }

    [Fact]
    public void The_experts_values_stand_beside_the_figures()
    {
        var row = Untouched.Value.Groups[0];

        Assert.Equal(0.3, row.Experts["modes.shares.1"]);
        Assert.Equal(1, row.Experts["secondRatio"]);
        Assert.Equal([0.3, 0.3, 0.1, 0.1, 0.1, 0.1], row.Modes!.Experts!);
        Assert.Equal(1, row.Modes.Shares.Sum(s => s[0]!.Value), 4);
    }

    [Fact]
    public void A_folder_without_a_finished_cell_is_refused()
    {
        _folder.WriteCells([_folder.ReadCells()[^1]]);

        Assert.Equal($"{_folder.CellsPath}: expected at least one finished cell, found none", Assert.Throws<InvalidInputException>(Build).Message);
    }
}
