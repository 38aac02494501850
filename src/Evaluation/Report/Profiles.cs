using MimicD.Evaluation.Sweeps;

namespace MimicD.Evaluation.Report;

/// <summary>Performance profiles of the labels of an axis: each label's runs are its training seeds, its tasks all that the other axes vary.</summary>
internal static class Profiles
{
    private const int Thresholds = 51;
    private const int Decimals = 9;

    /// <summary>Of each axis, for each rate that can be read as a score.</summary>
    public static IEnumerable<ReportProfile> Of(ReportBuilder.Row[] rows, SweepAxisLabels[] axes, ReportColumn[] columns, OrderedDictionary<string, Estimate>?[] values, Resampling resampling)
    {
        // Thresholds and scores are rounded alike, so that no rounding decides whether a score lies above a threshold that it equals.
        var at = Enumerable.Range(0, Thresholds).Select(i => Math.Round((double)i / (Thresholds - 1), Decimals)).ToArray();
        foreach (var (index, axis) in axes.Index())
        {
            foreach (var column in columns.Where(c => c.Percent && c.Headline && c.Better is not null))
            {
                foreach (var label in axis.Labels)
                {
                    var tasks = rows.Where(r => r.Labels[index] == label)
                        .Select(r => r.Cells.Where(c => values[c]!.ContainsKey(column.Key) && double.IsFinite(values[c]![column.Key].Value)).Select(c => Score(column, values[c]![column.Key].Value)).ToArray())
                        .Where(t => t.Length > 0).ToArray();
                    if (tasks.Length == 0)
                    {
                        continue;
                    }

                    // A table is full: where a task has more seeds than another, the first ones count.
                    var runs = tasks.Min(t => t.Length);
                    var table = new ScoreTable(runs, tasks.Length, [.. Enumerable.Range(0, runs).SelectMany(r => tasks.Select(t => t[r]))]);
                    yield return new ReportProfile(axis.Name, label, column.Key, runs, tasks.Length, at,
                        [.. PerformanceProfile.RunScores(table, at, resampling).Select(s => ReportBuilder.Triple(Share(s, table)))], ReportBuilder.Triple(Middle(table, resampling)));
                }
            }
        }
    }

    // Runs that are all above a threshold, or all below, are drawn alike whatever is drawn; how many there are says how much that means.
    private static Estimate Share(Estimate share, ScoreTable table)
        => share.IsKnown ? share.NeverInside(RateIntervals.Wilson((int)Math.Round(share.Value * table.Values.Length), table.Values.Length)) : share;

    private static Estimate Middle(ScoreTable table, Resampling resampling)
    {
        var middle = resampling.Interval(table, Aggregates.InterquartileMean);
        return middle.High > middle.Low ? middle.Holding() : Estimate.Unknown(middle.Value);
    }

    private static double Score(ReportColumn column, double value) => Math.Round(column.Better == "lower" ? 1 - value : value, Decimals);
}
