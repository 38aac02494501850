using System.Globalization;
using System.Text;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Evaluation;

/// <summary>
/// <c>outcomes.csv</c>: one line an episode under a line of names, numbers that read back to the same bits, an empty field where something is not defined. What every table of rates and means is computed from.
/// </summary>
public static class OutcomesFile
{
    /// <summary>Name of the file within a run's folder.</summary>
    public const string Name = "outcomes.csv";

    private const string Obstacle = "obstacleDistance";
    private const string FirstColumns = "episode,agents";
    private const string Published = "publishedMode";

    /// <summary>Writes outcomes as text.</summary>
    /// <param name="outcomes">The outcomes.</param>
    /// <param name="digits">Significant digits, 1 to 17; null for as many as read back to the same bits.</param>
    public static string Format(Outcomes outcomes, int? digits = null)
    {
        ArgumentNullException.ThrowIfNull(outcomes);
        var format = digits is { } n ? string.Create(CultureInfo.InvariantCulture, $"G{n}") : "R";
        var columns = Columns(outcomes);
        var text = new StringBuilder();
        text.Append(FirstColumns);
        foreach (var (name, _) in columns)
        {
            text.Append(',').Append(name);
        }

        text.Append('\n');
        for (var e = 0; e < outcomes.Episodes; e++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{e},{outcomes.Agents}");
            foreach (var (_, value) in columns)
            {
                text.Append(',');
                var number = value(e);
                if (double.IsFinite(number))
                {
                    text.Append(number.ToString(format, CultureInfo.InvariantCulture));
                }
            }

            text.Append('\n');
        }

        return text.ToString();
    }

    /// <summary>Whether a file that begins so is one of outcomes, which may be replaced.</summary>
    public static bool IsOne(string beginning)
    {
        ArgumentNullException.ThrowIfNull(beginning);
        return beginning.StartsWith(FirstColumns, StringComparison.Ordinal);
    }

    /// <summary>Writes them to a file, aside and renamed.</summary>
    public static void Save(string path, Outcomes outcomes) => AtomicFile.WriteText(path, Format(outcomes));

    /// <summary>Reads such a file, packed where its name ends in .gz.</summary>
    /// <exception cref="InvalidInputException">
    /// It cannot be read, a packed one is truncated, altered or damaged, a column is missing, or a field is no number.
    /// </exception>
    public static Outcomes Load(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return Parse(path.EndsWith(".gz", StringComparison.Ordinal) ? Unpacked(path) : StrictJson.ReadText(path), path);
    }

    /// <summary>Reads such text.</summary>
    /// <param name="text">A line of names and at least one line of numbers.</param>
    /// <param name="where">Named in messages.</param>
    /// <exception cref="InvalidInputException">As for <see cref="Load"/>.</exception>
    public static Outcomes Parse(string text, string where)
    {
        ArgumentNullException.ThrowIfNull(text);
        var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        InvalidInputException.Require(lines.Length >= 2, where, "", "a line of names and a line an episode", $"{lines.Length} lines");
        var names = lines[0].Split(',');
        var columns = new Dictionary<string, double[]>(StringComparer.Ordinal);
        foreach (var name in names)
        {
            InvalidInputException.Require(columns.TryAdd(name, new double[lines.Length - 1]), where, name, "different names", "a name twice");
        }

        for (var row = 1; row < lines.Length; row++)
        {
            var fields = lines[row].Split(',');
            InvalidInputException.Require(fields.Length == names.Length, where, $"line {row + 1}", $"{names.Length} fields", fields.Length);
            for (var i = 0; i < fields.Length; i++)
            {
                var value = double.NaN;
                InvalidInputException.Require(fields[i].Length == 0 || (double.TryParse(fields[i], NumberStyles.Float, CultureInfo.InvariantCulture, out value) && double.IsFinite(value)),
                    where, $"line {row + 1}, {names[i]}", "a finite number or nothing", fields[i]);
                columns[names[i]][row - 1] = value;
            }
        }

        double[] Column(string name, bool gaps = false)
        {
            InvalidInputException.Require(columns.TryGetValue(name, out var values), where, "", $"a column {name}", null);
            InvalidInputException.Require(gaps || !Array.Exists(values!, double.IsNaN), where, name, "a number in every line", "an empty field");
            return values!;
        }

        int[]? Whole(string name) => columns.ContainsKey(name) ? Array.ConvertAll(Column(name), v => WholeNumber(v, where, name)) : null;

        int[]? First(string name)
        {
            var first = Whole(name);
            InvalidInputException.Require(first is null || Enumerable.Range(0, first.Length).All(e => first[e] <= e && first[first[e]] == first[e]), where, name, "the first episode that is the same", "another");
            return first;
        }

        return new Outcomes
        {
            Agents = WholeNumber(Column("agents")[0], where, "agents"),
            MinimumPair = Array.ConvertAll(Column("pairDistance", gaps: true), d => double.IsNaN(d) ? double.PositiveInfinity : d),
            MinimumObstacle = [.. Enumerable.Range(1, names.Count(n => n.StartsWith(Obstacle, StringComparison.Ordinal))).Select(k => Column($"{Obstacle}{k}"))],
            FinalToGoal = Column("finalToGoal"),
            AgentSuccess = columns.ContainsKey("agentSuccess") ? Column("agentSuccess") : null,
            Modes = Whole("mode"),
            // Only outcomes of the rule by sides have both columns.
            ModeRule = columns.ContainsKey(Published) ? ModeRuleNames.Sides : null,
            PublishedModes = Whole(Published),
            Contested = Whole("contested") is { } contested ? Array.ConvertAll(contested, c => c != 0) : null,
            SecondDifference = Column("secondDifference"),
            ThirdDifference = Column("thirdDifference"),
            LargestStep = Column("largestStep"),
            PathLength = Column("pathLength"),
            TimeToGoal = Column("timeToGoal", gaps: true),
            Commitment = columns.ContainsKey("commitment") ? Column("commitment", gaps: true) : null,
            ModeSwitches = Whole("modeSwitches"),
            Same = First("sameAs"),
            SameStart = First("sameStartAs"),
            Replaced = Whole("replaced"),
        };
    }

    private static string Unpacked(string path)
    {
        try
        {
            return Encoding.UTF8.GetString(GzipFile.Read(path));
        }
        catch (InvalidDataException e)
        {
            throw new InvalidInputException(e.Message, e);
        }
    }

    private static int WholeNumber(double value, string where, string field)
    {
        InvalidInputException.Require(value == Math.Floor(value) && value is >= 0 and <= int.MaxValue, where, field, "a whole number from 0", value);
        return (int)value;
    }

    private static List<(string Name, Func<int, double> Value)> Columns(Outcomes outcomes)
    {
        var columns = new List<(string, Func<int, double>)>();
        void Add(string name, double[]? values)
        {
            if (values is not null)
            {
                columns.Add((name, e => values[e]));
            }
        }

        Add("pairDistance", outcomes.MinimumPair);
        foreach (var (index, obstacle) in outcomes.MinimumObstacle.Index())
        {
            Add($"{Obstacle}{index + 1}", obstacle);
        }

        Add("finalToGoal", outcomes.FinalToGoal);
        Add("agentSuccess", outcomes.AgentSuccess);
        if (outcomes.Modes is { } modes)
        {
            columns.Add(("mode", e => modes[e]));
        }

        if (outcomes.PublishedModes is { } published)
        {
            columns.Add((Published, e => published[e]));
        }

        if (outcomes.Contested is { } contested)
        {
            columns.Add(("contested", e => contested[e] ? 1 : 0));
        }

        Add("secondDifference", outcomes.SecondDifference);
        Add("thirdDifference", outcomes.ThirdDifference);
        Add("largestStep", outcomes.LargestStep);
        Add("pathLength", outcomes.PathLength);
        Add("timeToGoal", outcomes.TimeToGoal);
        Add("commitment", outcomes.Commitment);
        if (outcomes.ModeSwitches is { } switches)
        {
            columns.Add(("modeSwitches", e => switches[e]));
        }

        foreach (var (name, whole) in new[] { ("sameAs", outcomes.Same), ("sameStartAs", outcomes.SameStart), ("replaced", outcomes.Replaced) })
        {
            if (whole is not null)
            {
                columns.Add((name, e => whole[e]));
            }
        }

        return columns;
    }
}
