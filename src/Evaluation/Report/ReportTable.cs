using System.Globalization;
using System.Text;
using MimicD.Contracts;

namespace MimicD.Evaluation.Report;

/// <summary>The rows of a report as a table in Markdown, for a README or a paper: labels, number of seeds, and the headline figures with their 95 % intervals.</summary>
public static class ReportTable
{
    /// <summary>Writes it.</summary>
    /// <param name="report">The report.</param>
    public static string Markdown(ReportData report)
    {
        ArgumentNullException.ThrowIfNull(report);
        var columns = report.Columns.Where(c => c.Headline && report.Groups.Any(g => g.Values.TryGetValue(c.Key, out var v) && v[0] is not null)).ToArray();
        var seeds = report.SeedAxes.Length > 0;
        var text = new StringBuilder();
        string[] head = [.. report.Axes.Select(a => a.Name), .. seeds ? ["seeds"] : Array.Empty<string>(), "episodes", .. columns.Select(c => c.Title)];
        Row(text, head);
        Row(text, head.Select(_ => "---"));
        foreach (var group in report.Groups)
        {
            string[] cells =
            [
                .. group.Labels, .. seeds ? [group.Seeds.ToString(CultureInfo.InvariantCulture)] : Array.Empty<string>(), group.EpisodesText,
                .. columns.Select(c => group.Values.TryGetValue(c.Key, out var value) ? Value(value, c.Percent) : ""),
            ];
            Row(text, cells);
        }

        if (report.Groups.Any(g => g.EpisodesText.StartsWith(EpisodeCounts.Mark, StringComparison.Ordinal)))
        {
            text.Append('\n').Append(EpisodeCounts.Legend).Append(".\n");
        }

        return text.ToString();
    }

    /// <summary>Whether a file that begins so is such a table, which may be replaced.</summary>
    public static bool IsOne(string beginning)
    {
        ArgumentNullException.ThrowIfNull(beginning);
        return beginning.StartsWith("| ", StringComparison.Ordinal) && beginning.Split('\n')[0].Contains("| episodes |", StringComparison.Ordinal);
    }

    private static void Row(StringBuilder text, IEnumerable<string> cells) => text.Append("| ").AppendJoin(" | ", cells.Select(Text)).Append(" |\n");

    /// <summary>A cell's text, whatever it holds: on one line, without an end of the cell, an element or a reference.</summary>
    private static string Text(string cell) => Printable.Line(cell)
        .Replace("\\", "\\\\", StringComparison.Ordinal).Replace("|", "\\|", StringComparison.Ordinal).Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal);

    private static string Value(double?[] value, bool percent)
    {
        if (value[0] is not { } middle)
        {
            return "";
        }

        var number = Number(middle, percent) + (percent ? " %" : "");
        return value[1] is { } low && value[2] is { } high ? $"{number} ({Number(low, percent)} to {Number(high, percent)})" : number;
    }

    private static string Number(double value, bool percent) => percent ? (100 * value).ToString("0.0", CultureInfo.InvariantCulture) : value.ToString("0.00", CultureInfo.InvariantCulture);
}
