using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using MimicD.Contracts;

namespace MimicD.Evaluation.Sweeps;

/// <summary>
/// Results of a sweep as one table with a row a cell. Figures become columns by their JSON: an estimate is three columns (<c>strictSuccess</c>, <c>strictSuccess.low</c>,
/// <c>strictSuccess.high</c>), a list of named things is one column a name (<c>collisions.contact.rate</c>), and a list of bare values, which has no row to stand in, is left out.
/// </summary>
public static class SweepTable
{
    /// <summary>The table as comma-separated values (RFC 4180, but lines end with a line feed).</summary>
    /// <param name="cells">In the order of the rows.</param>
    public static string Csv(IReadOnlyList<SweepCellResult> cells)
    {
        ArgumentNullException.ThrowIfNull(cells);
        var rows = cells.Select(Row).ToArray();
        // Columns in the order in which they first occur; a row has those that apply to it.
        var columns = rows.SelectMany(r => r.Keys).Distinct(StringComparer.Ordinal).ToArray();
        var text = new StringBuilder().AppendJoin(',', columns.Select(Quoted)).Append('\n');
        foreach (var row in rows)
        {
            text.AppendJoin(',', columns.Select(c => Quoted(row.GetValueOrDefault(c, "")))).Append('\n');
        }

        return text.ToString();
    }

    private static Dictionary<string, string> Row(SweepCellResult cell)
    {
        var row = new Dictionary<string, string>(StringComparer.Ordinal) { ["id"] = cell.Id };
        foreach (var (axis, label) in cell.Axes)
        {
            row[$"axis.{axis}"] = label;
        }

        row["scenario"] = cell.Scenario;
        row["agents"] = $"{cell.Agents}";
        row["method"] = cell.Method ?? "";
        row["policy"] = cell.Policy ?? "";
        row["model"] = cell.Model?.File ?? "";
        row["trainingSeed"] = cell.Model?.TrainingSeed is { } seed ? $"{seed}" : "";
        row["episodes"] = $"{cell.Episodes}";
        if (cell.Figures is not null)
        {
            var figures = JsonSerializer.SerializeToNode(cell.Figures, StrictJson.Options)!.AsObject();
            figures.Remove("episodes");
            figures.Remove("agents");
            figures.Remove("faults");
            Flatten(row, "", figures);
        }

        if (SweepFaults.Of(cell) is { } faults)
        {
            row["faults"] = faults.Counts.Faulty ? faults.ToString() : "";
            row["episodesWithoutFault"] = faults.Counts.Intact is { } intact ? $"{intact}" : "";
            row["agentsStopped"] = $"{faults.Stopped}";
            row["actionsReplaced"] = $"{faults.Replaced}";
        }

        row["trajectoryHash"] = cell.TrajectoryHash ?? "";
        row["seconds"] = FormattableString.Invariant($"{cell.Seconds:0.###}");
        row["error"] = cell.Error ?? "";
        return row;
    }

    private static void Flatten(Dictionary<string, string> row, string name, JsonNode? node)
    {
        switch (node)
        {
            case JsonObject estimate when estimate.Count == 3 && estimate.ContainsKey("value") && estimate.ContainsKey("low") && estimate.ContainsKey("high"):
                row[name] = Number(estimate["value"]);
                row[$"{name}.low"] = Number(estimate["low"]);
                row[$"{name}.high"] = Number(estimate["high"]);
                break;
            case JsonObject many:
                foreach (var (key, value) in many)
                {
                    if (key != "name")
                    {
                        Flatten(row, name.Length == 0 ? key : $"{name}.{key}", value);
                    }
                }

                break;
            case JsonArray list when list.All(e => e is JsonObject o && o["name"] is JsonValue):
                foreach (var element in list)
                {
                    Flatten(row, $"{name}.{element!["name"]}", element);
                }

                break;
            case JsonArray list when list.All(e => e is JsonObject):
                foreach (var (index, element) in list.Index())
                {
                    Flatten(row, $"{name}.{index + 1}", element);
                }

                break;
            case JsonValue value:
                row[name] = Number(value);
                break;
            default:
                break;
        }

        static string Number(JsonNode? value) => value?.ToString() ?? "";
    }

    private static string Quoted(string cell)
    {
        // No control character belongs into a field; a line feed would be kept by readers of CSV and break those that read lines.
        cell = Inert(Printable.Line(cell));
        return cell.AsSpan().ContainsAny(',', '"', '\n') ? $"\"{cell.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : cell;
    }

    /// <summary>
    /// A field that no spreadsheet takes for a formula: text that begins as one (also after spaces, which some drop) gets an apostrophe before it, which they take for "this is text". Numbers with a sign stay numbers.
    /// </summary>
    private static string Inert(string cell)
        => cell.AsSpan().TrimStart() is [var first, ..] && "=+-@\uff1d\uff0b\uff0d\uff20".Contains(first, StringComparison.Ordinal)
           && !double.TryParse(cell, NumberStyles.Float, CultureInfo.InvariantCulture, out _) ? "'" + cell : cell;
}
