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
        if (first.Length > 1 && second.Length > 1)
        {
            var welch = SeedMeans.Welch(Rates(first), Rates(second));
            return (welch.Difference, welch.PValue, $"Welch over {first.Length} and {second.Length} training seeds");
        }

        if (first.Length == 1 && second.Length == 1)
        {
            var table = PairedTable.Of(outcome(first[0]), outcome(second[0]));
            return (table.Newcombe(), table.McNemarExact, "McNemar, exact, on common starts; these two models");
        }

        // A scripted policy has no seeds: its rate stands as a number against the seeds' sample.
        var (many, lone) = first.Length > 1 ? (first, second) : (second, first);
        var against = Rates(lone)[0];
        var difference = SeedMeans.Paired(Rates(many), [.. many.Select(_ => against)]);
        var d = difference.Difference;
        return (first.Length > 1 ? d : new Estimate(-d.Value, -d.High, -d.Low), difference.PValue, $"t over {many.Length} training seeds, against one model");

        double[] Rates(CellEvidence[] cells) => [.. cells.Select(c => outcome(c).Average(o => o ? 1.0 : 0.0))];
    }
}
