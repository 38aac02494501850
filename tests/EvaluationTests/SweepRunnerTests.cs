using System.Globalization;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Evaluation.Report;
using MimicD.Evaluation.Sweeps;
using MimicD.Tests;

namespace MimicD.EvaluationTests;

/// <summary>What a sweep leaves when a cell, its demonstrations or its agents fail, and what it leaves alone.</summary>
public sealed class SweepRunnerTests : IDisposable
{
    private const string Policies = """
        { "name": "a", "episodes": 6, "block": 3, "base": { "scenario": "swap", "model": "swap", "sampling.steps": 1 },
          "axes": [ { "name": "noise", "key": "scenario.sensing.noise", "values": [0, 1e300] } ] }
        """;

    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("mimicd-");
    private readonly SweepFolder _folder;

    public SweepRunnerTests() => _folder = new SweepFolder(Path.Combine(_scratch.FullName, "sweep"));

    public void Dispose() => _scratch.Delete(recursive: true);

    [Fact]
    public async Task A_cell_whose_agents_did_not_act_is_marked_in_every_table()
    {
        var (good, bad) = await RunAsync(Policies) switch { [var first, var second] => (first, second), _ => throw new InvalidOperationException() };

        Assert.Equal((new FaultFigures(0, 0), false), (good.Figures!.Faults, SweepFaults.Of(good)!.Counts.Faulty));
        var faults = SweepFaults.Of(bad)!;
        Assert.Equal((6, 0, true), (bad.Figures!.Faults!.Episodes, faults.Counts.Intact, faults.Counts.Lost));
        Assert.Equal(bad.Counts!.Fallbacks, bad.Figures.Faults.Actions);
        Assert.True(faults.Replaced > 0);
        Assert.Equal("! 6, 0 without fault", faults.Counts.ToString());
        Assert.EndsWith("actions replaced, 0 of 6 episodes without fault", faults.ToString(), StringComparison.Ordinal);

        var table = File.ReadAllLines(_folder.TablePath);
        var columns = table[0].Split(',');
        string Field(int row, string name) => table[row].Replace($"\"{faults}\"", faults.ToString().Replace(',', ';'), StringComparison.Ordinal).Split(',')[Array.IndexOf(columns, name)];
        Assert.Equal(("", "6", "0"), (Field(1, "faults"), Field(1, "episodesWithoutFault"), Field(1, "actionsReplaced")));
        Assert.Equal((faults.ToString().Replace(',', ';'), "0"), (Field(2, "faults"), Field(2, "episodesWithoutFault")));
        Assert.Equal(bad.Counts.Fallbacks.ToString(CultureInfo.InvariantCulture), Field(2, "actionsReplaced"));

        // The report, its table, and the same of an archive.
        var archive = new SweepFolder(Path.Combine(_scratch.FullName, "archive"));
        WriteManifest();
        SweepArchive.Write(_folder, archive);
        foreach (var folder in new[] { _folder, archive })
        {
            var report = ReportBuilder.Build(folder, folder.ReadManifest(), folder.ReadCells(), "mimicd report", seed: 1);
            Assert.Equal(["6", "! 6, 0 without fault"], report.Groups.Select(g => g.EpisodesText));
            Assert.Contains(report.Notes, n => n.StartsWith("! agents stopped", StringComparison.Ordinal) && n.Contains("1 of 2 finished cells are marked; in 1 of them", StringComparison.Ordinal));
            Assert.Contains(report.Cells[1].Details, d => d[0] == "faults" && d[1] == faults.ToString());
            Assert.DoesNotContain(report.Columns, c => c.Key.Contains("fault", StringComparison.OrdinalIgnoreCase));
            var markdown = ReportTable.Markdown(report);
            Assert.Contains("| 1E300 | ! 6, 0 without fault |", markdown.Replace("1e300", "1E300", StringComparison.Ordinal).Replace("1E+300", "1E300", StringComparison.Ordinal), StringComparison.Ordinal);
            Assert.EndsWith(EpisodeCounts.Legend + ".\n", markdown, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Sums_from_before_episodes_with_faults_were_told_mark_a_cell_too()
    {
        var bad = (await RunAsync(Policies))[1];
        var old = SweepFaults.Of(bad with { Figures = bad.Figures! with { Faults = null } })!;

        Assert.Equal(("! 6, with faults", false), (old.Counts.ToString(), old.Counts.Lost));
    }

    [Fact]
    public async Task Copies_of_an_episode_are_one_episode()
    {
        const string text = """
            { "name": "a", "episodes": 20, "block": 4, "base": { "scenario": "ring", "policy": "straight", "scenario.agents": 3, "scenario.steps": 30 }STOP,
              "axes": [ { "name": "spread", "key": "scenario.starts.scale", "values": [0, 0.1] } ] }
            """;
        var cells = await RunAsync(text.Replace("STOP", "", StringComparison.Ordinal));

        Assert.Equal([(20, 1, 1), (20, 20, 20)], cells.Select(c => (c.Figures!.Episodes, c.Figures.DistinctEpisodes!.Value, c.Figures.DistinctStarts!.Value)));
        var same = cells[0].Figures!;
        Assert.Equal(Intervals.Wilson((int)same.StrictSuccess.Value, 1), same.StrictSuccess);
        Assert.False(double.IsFinite(same.PathLength.High - same.PathLength.Low));
        Assert.True(double.IsFinite(cells[1].Figures!.PathLength.High));
        Assert.Equal(["20, 1 distinct", "20"], cells.Select(c => SweepFaults.Of(c)!.Counts.ToString()));

        // The lines an episode tell it as well.
        var outcomes = OutcomesFile.Load(_folder.Resolve(cells[0].Outcomes!));
        var again = Figures.Compute(Plan(text.Replace("STOP", "", StringComparison.Ordinal)).Cells[0].Scenario, outcomes, null);
        // The lines name no rule of modes: a ring has but one.
        Assert.Equal(StrictJson.Format(same), StrictJson.Format(again with { Transport = same.Transport, Displacement = same.Displacement, Modes = again.Modes! with { Rule = same.Modes!.Rule } }));
        Assert.Equal(Enumerable.Repeat(0, 20), outcomes.Same!);
        WriteManifest("spread", ["0", "0.1"]);
        var report = ReportBuilder.Build(_folder, _folder.ReadManifest(), _folder.ReadCells(), "mimicd report", seed: 1);
        Assert.Equal(["20, 1 distinct", "20"], report.Groups.Select(g => g.EpisodesText));
        Assert.Equal(1, report.Groups[0].Curves.Pair!.Episodes);

        // A rule for stopping early does not take copies for evidence.
        var stopped = await RunAsync(text.Replace("STOP", ", \"stop\": { \"width\": 0.8 }", StringComparison.Ordinal));
        Assert.Equal(20, stopped[0].Episodes);
        Assert.InRange(stopped[1].Episodes, 1, 19);
        Assert.Equal(new ConfidenceSequence(0.95).At((int)stopped[0].Figures!.StrictSuccess.Value, 1), stopped[0].Stopping!.StrictSuccess);
    }

    [Fact]
    public async Task Demonstrations_that_cannot_be_made_fail_their_cells_by_what_was_said_and_the_others_are_computed()
    {
        const string text = """
            { "name": "a", "episodes": 2, "experts": { "ring": { "count": 4 } }, "base": { "scenario": "ring", "scenario.steps": 30 },
              "axes": [ { "name": "who", "values": [
                { "label": "learned", "set": { "scenario.agents": 16, "training.preset": "small", "model.sharedWeights": false } },
                { "label": "scripted", "set": { "scenario.agents": 16, "policy": "straight" } } ] } ] }
            """;
        var asked = new List<string>();
        var cells = await RunAsync(text, (arguments, _, _) =>
        {
            asked.Add(string.Join(' ', arguments));
            throw new InvalidInputException("--agents: expected 2 to 8, found 16");
        });

        Assert.StartsWith("experts ring --agents 16 --count 4 ", Assert.Single(asked), StringComparison.Ordinal);
        Assert.Equal(["demonstrations: --agents: expected 2 to 8, found 16", null], cells.Select(c => c.Error));
        Assert.NotNull(cells[1].Figures);
        // The next run tries it again, and knows the scripted one as finished.
        Assert.Equal(cells[1].Seconds, (await RunAsync(text, (_, _, _) => throw new InvalidOperationException("out of luck")))[1].Seconds);
        Assert.Equal("demonstrations: out of luck", _folder.ReadCells()[0].Error);
    }

    [Fact]
    public async Task Half_made_demonstrations_are_removed_by_name_and_foreign_files_beside_them_are_not()
    {
        const string text = """
            { "name": "a", "episodes": 2, "experts": { "ring": { "count": 4 } }, "base": { "scenario": "ring", "scenario.steps": 30, "policy": "straight" }, "axes": [ { "name": "agents", "key": "scenario.agents", "values": [3] } ] }
            """;
        var aside = Assert.Single(Plan(text).Cells).Demonstrations!.Path(_folder) + ".part";
        Directory.CreateDirectory(aside);
        string[] own = ["agents.npz", "meta.json", "agents.npz.123.part"];
        foreach (var name in own.Append("notes.txt"))
        {
            File.WriteAllText(Path.Combine(aside, name), "x");
        }

        var cell = Assert.Single(await RunAsync(text));
        Assert.Equal($"demonstrations: {aside}: expected nothing but what a stopped 'mimicd experts' left, which is made again, found notes.txt", cell.Error);
        Assert.Equal(["notes.txt"], Directory.EnumerateFileSystemEntries(aside).Select(Path.GetFileName));
    }

    [Fact]
    public async Task A_cell_is_computed_again_without_what_the_sweep_did_not_write_being_touched()
    {
        var cells = await RunAsync(Policies);
        var folder = _folder.Resolve($"cells/{cells[0].Id}");
        File.WriteAllText(Path.Combine(folder, "notes.txt"), "mine");
        File.WriteAllText(Path.Combine(folder, "block-0000.npz"), "of a run before");
        Directory.CreateDirectory(Path.Combine(folder, "deep"));
        File.WriteAllText(Path.Combine(folder, "deep", "result.json"), "mine too");
        var outcome = await OutcomeAsync(Policies, null, again: true);

        Assert.Equal([$"cells/{cells[0].Id}/deep", $"cells/{cells[0].Id}/notes.txt"], outcome.Left);
        Assert.Equal(cells.Select(c => c.TrajectoryHash), outcome.Results.Select(c => c.TrajectoryHash));
        Assert.Equal(("mine", "mine too"), (File.ReadAllText(Path.Combine(folder, "notes.txt")), File.ReadAllText(Path.Combine(folder, "deep", "result.json"))));

        Assert.Equal(["deep", "notes.txt"], _folder.ClearCell(cells[0].Id));
        Assert.Equal(["deep", "notes.txt"], Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Empty(_folder.ClearCell(cells[1].Id));
        Assert.False(Directory.Exists(_folder.Resolve($"cells/{cells[1].Id}")));
    }

    private void WriteManifest(string axis = "noise", string[]? labels = null) => _folder.WriteManifest(new SweepManifest
    {
        Name = "a",
        Command = "mimicd sweep a",
        Version = "0",
        Machine = new MachineDescription(1, "", "", ""),
        Episodes = 6,
        Block = 3,
        Seed = 0,
        SeedVersion = SweepSeeds.Current,
        Axes = [new SweepAxisLabels(axis, labels ?? [.. Plan(Policies).Cells.Select(c => c.Axes["noise"])])],
        Cells = 2,
        File = "",
    });

    private async Task<IReadOnlyList<SweepCellResult>> RunAsync(string text, SweepProgram? program = null) => (await OutcomeAsync(text, program, again: false)).Results;

    private async Task<SweepOutcome> OutcomeAsync(string text, SweepProgram? program, bool again)
    {
        var options = new SweepRunOptions { Threads = 1, Again = again, Command = c => $"mimicd sweep a --cell {c.Id}" };
        using var claim = _folder.Claim();
        var outcome = await new SweepRunner(Plan(text), _folder, options, program ?? ((_, _, _) => throw new InvalidOperationException("nothing to be made"))).RunAsync(null, CancellationToken.None);
        Assert.True(outcome.Completed);
        return outcome;
    }

    private SweepPlan Plan(string text)
    {
        var path = Path.Combine(_scratch.FullName, "a.json");
        File.WriteAllText(path, text);
        return SweepPlan.Create(path, SweepFile.Load(path), (kind, name) => Path.Combine(RepositoryRoot.Folder, kind, name + (kind == "models" ? ".safetensors" : ".json")));
    }
}
