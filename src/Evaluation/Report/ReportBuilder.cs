using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using MimicD.Contracts;
using MimicD.Evaluation.Sweeps;
using MimicD.World;

namespace MimicD.Evaluation.Report;

/// <summary>Reads the folder of a sweep and computes all that its report shows.</summary>
public static class ReportBuilder
{
    /// <summary>Significant digits that a number keeps on the page's way.</summary>
    private const int Digits = 6;

    private const string StrictSuccess = "strictSuccess";

    /// <summary>Builds the report of a sweep, as far as it has come.</summary>
    /// <param name="folder">Where the files of the cells lie.</param>
    /// <param name="manifest">What was asked.</param>
    /// <param name="cells">In the sweep's order.</param>
    /// <param name="command">The command that makes the report.</param>
    /// <param name="seed">Seed of the resampling.</param>
    /// <param name="progress">Told how many cells have been read, or null.</param>
    /// <param name="scenario">The scenario of all cells, where it is at hand; otherwise each cell names its file.</param>
    /// <exception cref="InvalidInputException">A file is missing or malformed, or rollouts do not belong to their figures.</exception>
    public static ReportData Build(
        SweepFolder folder, SweepManifest manifest, IReadOnlyList<SweepCellResult> cells, string command, ulong seed, IProgress<long>? progress = null, Scenario? scenario = null)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        ArgumentNullException.ThrowIfNull(cells);
        foreach (var (index, cell) in cells.Index())
        {
            InvalidInputException.Require(manifest.Axes.All(a => cell.Axes.ContainsKey(a.Name)), folder.CellsPath, $"cell {index + 1}", $"a label on each of {string.Join(", ", manifest.Axes.Select(a => a.Name))}", cell.Label);
        }

        var seedAxes = manifest.Axes.Where(a => IsSeedAxis(a, cells)).Select(a => a.Name).ToArray();
        var axes = manifest.Axes.Where(a => !seedAxes.Contains(a.Name, StringComparer.Ordinal)).ToArray();
        var evidence = new CellEvidence?[cells.Count];
        var finished = cells.Count(c => c.Figures is not null);
        InvalidInputException.Require(finished > 0, folder.CellsPath, "", "at least one finished cell", "none");
        foreach (var (index, cell) in cells.Index())
        {
            evidence[index] = cell.Figures is null ? null : CellEvidence.Read(folder, cell, scenario, finished);
            progress?.Report(index + 1);
        }

        var scenes = new List<(string Text, ReportScene Scene)>();
        var rows = Enumerable.Range(0, cells.Count).Where(i => evidence[i] is not null)
            .GroupBy(i => string.Join('\u001f', axes.Select(a => cells[i].Axes[a.Name])))
            .Select(row => new Row([.. row], [.. row.Select(i => evidence[i]!)], [.. axes.Select(a => cells[row.First()].Axes[a.Name])]))
            .ToArray();
        var values = cells.Select(ValuesOf).ToArray();
        var keys = values.SelectMany(v => v?.Keys ?? Enumerable.Empty<string>()).Distinct(StringComparer.Ordinal).Where(k => !Wordings.IsSetting(k)).ToArray();
        var scenarios = evidence.OfType<CellEvidence>().Select(e => e.Scenario).ToArray();
        var columns = keys.Select(k => Wordings.Column(k, scenarios)).ToArray();
        var groups = rows.Select(r => Group(r, columns, values, scenes)).ToArray();
        return new ReportData
        {
            Title = manifest.Name,
            Origin = new ReportOrigin(manifest.Command, command, manifest.Version, manifest.Machine, manifest.Episodes, manifest.Cells, finished, cells.Count - finished, manifest.File),
            Axes = [.. axes.Select(a => new ReportAxis(a.Name, a.Labels, Numbers(a.Labels)))],
            SeedAxes = seedAxes,
            Columns = columns,
            Scenes = [.. scenes.Select(s => s.Scene)],
            Groups = groups,
            Cells = [.. cells.Select((c, i) => OneCell(c, values[i], evidence[i], columns, Array.FindIndex(rows, r => r.Cells.Contains(i))))],
            Profiles = [.. Profiles.Of(rows, axes, columns, values, new Resampling { Seed = seed })],
            Comparisons = [.. Comparisons.Of(rows, axes)],
            Notes = [.. Notes(manifest, cells, evidence)],
        };
    }

    /// <summary>An estimate as the page gets it.</summary>
    internal static double?[] Triple(Estimate value) => [Rounded(value.Value), Rounded(value.Low), Rounded(value.High)];

    internal static double? Rounded(double value) => !double.IsFinite(value) ? null : value == 0 ? 0 : double.Parse(value.ToString($"G{Digits}", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    /// <summary>A cell's figures; where it could stop early, strict success has the interval that allows for that.</summary>
    private static OrderedDictionary<string, Estimate>? ValuesOf(SweepCellResult cell)
    {
        if (cell.Figures is null)
        {
            return null;
        }

        var values = FigureValues.Of(cell.Figures);
        if (cell.Stopping is { } stopping)
        {
            values[StrictSuccess] = stopping.StrictSuccess;
        }

        return values;
    }

    /// <summary>A row: its cells' indices, what they show, and its labels on the axes.</summary>
    internal sealed record Row(int[] Cells, CellEvidence[] Evidence, string[] Labels);

    /// <summary>Whether an axis says the training seed and nothing else: wherever a model was trained, the label ends with its seed.</summary>
    private static bool IsSeedAxis(SweepAxisLabels axis, IReadOnlyList<SweepCellResult> cells)
    {
        var trained = cells.Where(c => c.Model?.TrainingSeed is not null).ToArray();
        return trained.Length > 0 && Array.TrueForAll(trained, c =>
        {
            var (label, seed) = (c.Axes[axis.Name], c.Model!.TrainingSeed!.Value.ToString(CultureInfo.InvariantCulture));
            return label.EndsWith(seed, StringComparison.Ordinal) && (label.Length == seed.Length || !char.IsAsciiDigit(label[^(seed.Length + 1)]));
        });
    }

    private static double[]? Numbers(string[] labels)
    {
        var numbers = labels.Select(l => double.TryParse(l, NumberStyles.Float, CultureInfo.InvariantCulture, out var n) && double.IsFinite(n) ? n : double.NaN).ToArray();
        return labels.Length > 1 && Array.TrueForAll(numbers, double.IsFinite) ? numbers : null;
    }

    private static ReportGroup Group(Row row, ReportColumn[] columns, OrderedDictionary<string, Estimate>?[] values, List<(string Text, ReportScene Scene)> scenes)
    {
        var first = row.Evidence[0];
        var figures = row.Evidence.Select(e => e.Cell.Figures!).ToArray();
        var baseline = first.Cell.Baseline;
        var experts = Experts(baseline, Shares(figures, baseline, first.Scenario));
        return new ReportGroup
        {
            Labels = row.Labels,
            Scenario = first.Scenario.Name,
            Scene = SceneOf(first.Scenario, scenes),
            Agents = first.Cell.Agents,
            Cells = row.Cells,
            Seeds = row.Cells.Length,
            Episodes = figures.Sum(f => f.Episodes),
            EpisodesText = CountsOf([.. row.Evidence.Select(e => e.Cell)]).ToString(),
            Values = columns.Where(c => row.Cells.All(i => values[i]!.ContainsKey(c.Key)))
                .ToDictionary(c => c.Key, c => Triple(Together(c, [.. row.Cells.Select(i => values[i]!)], figures)), StringComparer.Ordinal),
            Experts = experts,
            Modes = Modes(figures, baseline, first.Scenario),
            Curves = Curves(figures),
            ExpertCurves = baseline?.Figures is { } expert ? Curves([expert]) : null,
        };
    }

    /// <summary>One value for a row: of one cell its own, of several training seeds what the method gives (<see cref="SeedRates"/>, <see cref="SeedMeans.OfEstimates"/>).</summary>
    private static Estimate Together(ReportColumn column, OrderedDictionary<string, Estimate>[] cells, Figures[] figures)
    {
        var all = cells.Select(c => c[column.Key]).ToArray();
        if (all.Length == 1 || Array.Exists(all, v => !double.IsFinite(v.Value)))
        {
            return all.Length == 1 ? all[0] : new Estimate(double.NaN, double.NaN, double.NaN);
        }

        if (FigureRanges.IsShare(column.Key))
        {
            return SeedRates.OfEstimates(all);
        }

        if (!column.Percent)
        {
            var (low, high) = FigureRanges.Of(column.Key);
            return SeedMeans.OfEstimates(all).Within(low, high).Holding();
        }

        int[] trials = [.. figures.Select((f, i) => column.Key == "contestedFailure" ? Count(f.Contested!.Value.Value, f.Independent) : f.Independent)];
        return SeedRates.Of([.. all.Select((v, i) => Count(v.Value, trials[i]))], trials).Method;

        static int Count(double rate, int of) => (int)Math.Round(rate * of);
    }

    /// <summary>How many episodes the figures of several cells are of.</summary>
    private static EpisodeCounts CountsOf(SweepCellResult[] cells)
        => cells.Select(c => SweepFaults.Of(c)?.Counts ?? EpisodeCounts.Of(c.Figures!)).Aggregate((a, b) => a.Plus(b));

    private static Dictionary<string, double> Experts(Baseline? baseline, double[]? shares)
    {
        var experts = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var (key, value) in baseline?.Figures is { } figures ? FigureValues.Of(figures) : [])
        {
            if (Rounded(value.Value) is { } rounded && !Wordings.IsSetting(key))
            {
                experts[key] = rounded;
            }
        }

        foreach (var (index, share) in shares?.Index() ?? [])
        {
            experts[$"modes.shares.{index + 1}"] = Rounded(share) ?? 0;
        }

        if (baseline?.Roughness is { Length: 2 } roughness)
        {
            (experts["secondDifference"], experts["thirdDifference"]) = (roughness[0], roughness[1]);
            (experts["secondRatio"], experts["thirdRatio"]) = (1, 1);
        }

        return experts;
    }

    /// <summary>
    /// The experts' shares of joint modes; null where they are not known, or were labelled by another rule than an episode.
    /// </summary>
    private static double[]? Shares(Figures[] figures, Baseline? baseline, Scenario scenario)
        => Array.TrueForAll(figures, f => f.Modes is null || baseline?.ComparesBy(scenario, f.Modes.Rule) == true) ? baseline?.ModeShares : null;

    private static ReportModes? Modes(Figures[] figures, Baseline? baseline, Scenario scenario)
    {
        if (Array.Exists(figures, f => f.Modes is null))
        {
            return null;
        }

        var names = figures[0].Modes!.Names;
        int[] trials = [.. figures.Select(f => f.Independent)];
        var shares = names.Select((_, m) => SeedRates.Of([.. figures.Select((f, i) => (int)Math.Round(f.Modes!.Shares[m].Value * trials[i]))], trials).Method);
        // Of one seed the method's interval is that seed's own.
        return new ReportModes([.. names], [.. figures.Length == 1 ? figures[0].Modes!.Shares.Select(Triple) : shares.Select(Triple)], Shares(figures, baseline, scenario) is { } s && s.Length == names.Count ? s : null);
    }

    private static ReportCurves Curves(Figures[] figures)
    {
        return new ReportCurves(Pooled(c => c.Pair), Pooled(c => c.Obstacle), Pooled(c => c.Clearance));

        ReportCurve? Pooled(Func<CollisionCurves, CollisionCurve?> which)
        {
            var curves = figures.Select(f => which(f.Curves)).ToArray();
            if (curves[0] is not { } first || !Array.TrueForAll(curves, c => c is not null && c.Thresholds.AsSpan().SequenceEqual(first.Thresholds)))
            {
                return null;
            }

            var episodes = curves.Sum(c => c!.Episodes);
            var shares = first.Thresholds.Select((_, i) => Intervals.Wilson(curves.Sum(c => c!.Below[i]), episodes)).ToArray();
            // The foot of the curve, where nothing has happened yet, says nothing.
            var from = Math.Max(0, Array.FindIndex(shares, s => s.Value > 0) - 1);
            return new ReportCurve(first.Thresholds[from..], Numbers(s => s.Value), Numbers(s => s.Low), Numbers(s => s.High), episodes);

            double[] Numbers(Func<Estimate, double> part) => [.. shares[from..].Select(s => Rounded(part(s))!.Value)];
        }
    }

    private static int SceneOf(Scenario scenario, List<(string Text, ReportScene Scene)> scenes)
    {
        var scene = new ReportScene(
            [.. scenario.Obstacles.Select(o => new[] { o.Centre[0], o.Centre[1], o.Radius })], scenario.Bounds?.Low, scenario.Bounds?.High,
            [.. scenario.Collision.Limits.Select(l => new ReportLimit(l.Name, l.Pair, l.Obstacle))], scenario.Collision.Contact, scenario.GoalTolerance, scenario.TimeStep, scenario.Dimensions);
        var text = StrictJson.Format(scene, indented: false);
        var index = scenes.FindIndex(s => s.Text == text);
        if (index < 0)
        {
            scenes.Add((text, scene));
            index = scenes.Count - 1;
        }

        return index;
    }

    private static ReportCell OneCell(SweepCellResult cell, OrderedDictionary<string, Estimate>? values, CellEvidence? evidence, ReportColumn[] columns, int row)
    {
        var details = new List<string[]>();
        void Add(string name, object? value)
        {
            if (value is not null && Convert.ToString(value, CultureInfo.InvariantCulture) is { Length: > 0 } text)
            {
                details.Add([name, text]);
            }
        }

        Add("scenario", $"{cell.Scenario} ({cell.ScenarioFile})");
        Add("agents", cell.Agents);
        Add("method", cell.Method);
        Add("policy", cell.Policy);
        Add("episodes", cell.Figures is null ? cell.Episodes : CountsOf([cell]));
        Add("distinct starts", cell.Figures?.DistinctStarts);
        Add("faults", SweepFaults.Of(cell) is { Counts.Faulty: true } faults ? faults : null);
        Add("seeds of the blocks", Runs(cell.Seeds));
        Add("trajectory hash", cell.TrajectoryHash);
        Add("rollouts", cell.Rollouts);
        Add("seconds of computation", Math.Round(cell.Seconds, 1));
        AddAll(cell.Sampling, "sampling: ");
        AddAll(cell.Counts, "counted: ");
        Add("may stop early", cell.Stopping is { } stop ? string.Create(CultureInfo.InvariantCulture, $"when the confidence sequence of strict success is {stop.Rule.Width} wide; {stop.Planned} episodes were planned") : null);
        if (cell.Model is { } model)
        {
            Add("model", model.File);
            Add("model, SHA-256", model.Sha256);
            Add("weights", model.Parameters?.ToString("N0", CultureInfo.InvariantCulture));
            Add("training seed", model.TrainingSeed);
            Add("training seconds", model.TrainingSeconds is { } s ? Math.Round(s, 1) : null);
            AddAll(model.Provenance, "trained: ");
        }

        Add("compared with", cell.Baseline is { } b ? $"{b.Count} demonstrations" : null);
        return new ReportCell
        {
            Id = cell.Id,
            Label = cell.Axes.Count == 0 ? cell.Scenario : cell.Label,
            Group = row < 0 ? null : row,
            Values = values is null ? [] : columns.Where(c => values.ContainsKey(c.Key)).ToDictionary(c => c.Key, c => Triple(values[c.Key]), StringComparer.Ordinal),
            Details = [.. details],
            Commands = [.. new[] { new[] { "this cell again, alone", cell.Command }, ["its model", cell.Model?.Command ?? ""] }.Where(c => c[1].Length > 0)],
            Error = cell.Error,
            Trajectories = evidence?.Trajectories,
        };

        void AddAll<T>(T? record, string prefix)
        {
            foreach (var (name, value) in record is null ? [] : JsonSerializer.SerializeToNode(record, StrictJson.Options)!.AsObject())
            {
                if (value is JsonValue)
                {
                    Add(prefix + name, value.ToString());
                }
            }
        }
    }

    /// <summary>Seeds in words: those that follow each other as a range, and of many others the first ones.</summary>
    private static string Runs(ulong[] seeds)
    {
        const int shown = 10;
        return seeds.Length > 2 && Enumerable.Range(1, seeds.Length - 1).All(i => seeds[i] == seeds[i - 1] + 1) ? $"{seeds[0]} to {seeds[^1]}"
            : seeds.Length > shown ? $"{string.Join(", ", seeds.Take(shown))}, ... ({seeds.Length} blocks)" : string.Join(", ", seeds);
    }

    private static IEnumerable<string> Notes(SweepManifest manifest, IReadOnlyList<SweepCellResult> cells, CellEvidence?[] evidence)
    {
        if (cells.Count < manifest.Cells)
        {
            yield return $"{manifest.Cells - cells.Count} of {manifest.Cells} cells are not finished; the command under “How it was made” goes on with them.";
        }

        var finished = cells.Count(c => c.Figures is not null);
        var missing = evidence.Where(e => e is { Outcomes: null }).Select(e => e!.Cell.Id).ToArray();
        if (missing.Length == 0 && evidence.Any(e => e is { Trajectories: null }))
        {
            yield return "This is an archive: what happened in each episode is there, the trajectories are not. A cell's command makes them again, and its trajectory hash tells that they are the same.";
        }
        else if (missing.Length > 0)
        {
            yield return $"Rollouts of {missing.Length} cells are not in the folder: no trajectories and no comparison of {string.Join(", ", missing.Take(5))}{(missing.Length > 5 ? ", ..." : "")}.";
        }

        var faults = cells.Select(SweepFaults.Of).Where(f => f is { Counts.Faulty: true }).ToArray();
        if (faults.Length > 0)
        {
            yield return $"{EpisodeCounts.Legend}. {faults.Length} of {finished} finished cells are marked; in {faults.Count(f => f!.Counts.Lost)} of them no episode is without fault, and their figures say nothing of the policies.";
        }

        if (cells.Any(c => c.Figures is { DistinctEpisodes: { } distinct, Episodes: var all } && distinct < all))
        {
            yield return "Episodes of some cells are copies of each other, for nothing in them is drawn: figures and intervals are of the distinct ones.";
        }

        if (cells.Any(c => c.Stopping is not null))
        {
            yield return "Cells could stop early: the interval of their strict success is that of a confidence sequence, which allows for it; the other intervals of a cell do not.";
        }

        var trained = cells.Where(c => c.Model?.TrainingSeed is not null).ToArray();
        const int enough = 5;
        if (trained.Length > 0 && trained.Select(c => c.Model!.TrainingSeed).Distinct().Count() is < enough and var seeds)
        {
            yield return $"{(seeds == 1 ? "One training seed" : $"{seeds} training seeds")} a method; fewer than {enough} carry no claim about a method.";
        }
    }
}
