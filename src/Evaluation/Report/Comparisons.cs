using MimicD.Evaluation.Sweeps;

namespace MimicD.Evaluation.Report;

/// <summary>
/// Rows two by two, where they differ on one axis alone and their episodes have the same starts and goals. With one model each the episodes are paired (McNemar, Newcombe); with several training
/// seeds each the seeds are the sample (Welch), because the question is about the method then.
/// </summary>
internal static class Comparisons
{
    private const int Most = 600;

    public static IEnumerable<ReportComparison> Of(ReportBuilder.Row[] rows, SweepAxisLabels[] axes)
    {
        foreach (var (index, axis) in axes.Index())
        {
            var pairs = Pairs(rows, index).Take(Most).ToArray();
            foreach (var (figure, outcome) in new (string, Func<CellEvidence, bool[]>)[] { ("strictSuccess", e => e.Success!), ("contact", e => e.Contact!) })
            {
                var compared = pairs.Select(p => Compare(rows[p.First].Evidence, rows[p.Second].Evidence, outcome)).ToArray();
                var known = Enumerable.Range(0, compared.Length).Where(i => double.IsFinite(compared[i].P)).ToArray();
                var adjusted = Holm.Adjust([.. known.Select(i => compared[i].P)]);
                foreach (var (i, pair) in pairs.Index())
                {
                    var place = Array.IndexOf(known, i);
                    yield return new ReportComparison(axis.Name, pair.First, pair.Second, figure, ReportBuilder.Triple(compared[i].Difference), place < 0 ? null : ReportBuilder.Rounded(adjusted[place]), compared[i].Test);
                }
            }
        }
    }

    private static IEnumerable<(int First, int Second)> Pairs(ReportBuilder.Row[] rows, int axis)
    {
        for (var i = 0; i < rows.Length; i++)
        {
            for (var j = i + 1; j < rows.Length; j++)
            {
                var differ = rows[i].Labels.Zip(rows[j].Labels).Index().Where(l => l.Item.First != l.Item.Second).Select(l => l.Index).ToArray();
                if (differ is [var only] && only == axis && CommonStarts(rows[i], rows[j]))
                {
                    yield return (i, j);
                }
            }
        }
    }

    private static bool CommonStarts(ReportBuilder.Row first, ReportBuilder.Row second)
    {
        var starts = first.Evidence.Concat(second.Evidence).Select(e => e.StartsHash).Distinct(StringComparer.Ordinal).ToArray();
        return starts is [not null];
    }

    private static (Estimate Difference, double P, string Test) Compare(CellEvidence[] first, CellEvidence[] second, Func<CellEvidence, bool[]> outcome)
    {
        if (first.Length == 1 && second.Length == 1)
        {
            // Pairs of which both are copies of an earlier pair are no further evidence.
            var (a1, b1) = (outcome(first[0]), outcome(second[0]));
            var known = new HashSet<(int, int)>();
            int[] pairs = [.. Enumerable.Range(0, a1.Length).Where(e => known.Add((first[0].Same?[e] ?? e, second[0].Same?[e] ?? e)))];
            var table = PairedTable.Of(Array.ConvertAll(pairs, e => a1[e]), Array.ConvertAll(pairs, e => b1[e]));
            return (table.Newcombe(), table.McNemarExact, "McNemar, exact, on common starts; these two models");
        }

        var (a, b) = (Rates(first), Rates(second));
        if (a.Length > 1 && b.Length > 1)
        {
            var welch = SeedMeans.Welch(a, b);
            return (Widened(welch.Difference), Known(welch), $"Welch over {a.Length} and {b.Length} training seeds");
        }

        // A scripted policy has no seeds: its rate stands as a number against the seeds' sample.
        var student = a.Length > 1 ? SeedMeans.Paired(a, [.. a.Select(_ => b[0])]) : SeedMeans.Paired([.. b.Select(_ => a[0])], b);
        return (Widened(student.Difference), Known(student), $"t over {Math.Max(a.Length, b.Length)} training seeds, against one model");

        double[] Rates(CellEvidence[] cells) => [.. cells.Select(c => Distinct(c).Average(o => o ? 1.0 : 0.0))];

        bool[] Distinct(CellEvidence cell) => cell.Same is { } same ? Array.ConvertAll(DistinctEpisodes.Indices(same), e => outcome(cell)[e]) : outcome(cell);

        // Within what a difference can be, and never narrower than what the number of episodes allows: seeds that happen to agree do not know the rate exactly.
        Estimate Widened(Estimate difference)
        {
            var episodes = RateIntervals.Difference(Count(first), Trials(first), Count(second), Trials(second));
            return new Estimate(difference.Value, Math.Min(Math.Max(difference.Low, -1), episodes.Low), Math.Max(Math.Min(difference.High, 1), episodes.High));
        }

        int Count(CellEvidence[] cells) => cells.Sum(c => Distinct(c).Count(o => o));
        int Trials(CellEvidence[] cells) => cells.Sum(c => Distinct(c).Length);
    }

    /// <summary>The p-value, but none where no spread between seeds was seen at all: zero spread is luck, not certainty.</summary>
    private static double Known(MeanDifference difference) => difference.Difference.High > difference.Difference.Low ? difference.PValue : double.NaN;
}
