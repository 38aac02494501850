using System.Diagnostics;
using System.Globalization;

namespace MimicD.Bench.Speed;

/// <summary>A part of the table: what belongs together is measured together, in turns.</summary>
internal interface ISpeedBench
{
    /// <summary>What <c>--only</c> calls it.</summary>
    string Name { get; }

    /// <summary>Measures.</summary>
    /// <param name="root">The repository.</param>
    /// <param name="rounds">Times that what is compared takes turns.</param>
    /// <param name="cancellation">Gives up between two measurements.</param>
    IEnumerable<SpeedRow> Run(string root, int rounds, CancellationToken cancellation);
}

/// <summary>One line of the table.</summary>
/// <param name="What">What was measured.</param>
/// <param name="Value">The figure, in <paramref name="Unit"/>.</param>
/// <param name="Unit">Its unit, as text.</param>
/// <param name="Goal">What it should be at least, or, where <paramref name="AtMost"/>, at most; null for a figure without a goal.</param>
/// <param name="AtMost">Whether less is better.</param>
/// <param name="Seconds">What it was computed from: each thing's name and how long it took [s].</param>
/// <param name="Note">What else there is to say, or null.</param>
internal sealed record SpeedRow(string What, double Value, string Unit, double? Goal, bool AtMost, IReadOnlyDictionary<string, Spread> Seconds, string? Note = null)
{
    /// <summary>Whether the goal is met; null without one.</summary>
    public bool? Met => Goal is null ? null : AtMost ? Value <= Goal : Value >= Goal;

    public override string ToString()
    {
        var goal = Goal is { } g ? string.Create(CultureInfo.InvariantCulture, $" (goal: at {(AtMost ? "most" : "least")} {g:#,0.###}{(Met == true ? "" : ", MISSED")})") : "";
        var parts = string.Concat(Seconds.Select(s => string.Create(CultureInfo.InvariantCulture, $"\n    {s.Key}: {Text(s.Value.Median)}, 5 to 95 of 100 {Text(s.Value.Low)} to {Text(s.Value.High)} ({s.Value.Count})")));
        return string.Create(CultureInfo.InvariantCulture, $"{What}: {Figure(Value)} {Unit}{goal}{(Note is null ? "" : "; " + Note)}{parts}");
    }

    /// <summary>Three significant digits, or all before the point.</summary>
    private static string Figure(double value) => value.ToString(Math.Abs(value) switch { >= 100 => "#,0", >= 10 => "0.0", >= 1 => "0.00", _ => "0.000" }, CultureInfo.InvariantCulture);

    private static string Text(double seconds) => seconds switch
    {
        >= 1 => Figure(seconds) + " s",
        >= 1e-3 => Figure(seconds * 1e3) + " ms",
        >= 1e-6 => Figure(seconds * 1e6) + " us",
        _ => Figure(seconds * 1e9) + " ns",
    };
}

/// <summary>All parts that were asked for.</summary>
internal static class SpeedTable
{
    public static async Task<SpeedFigures> RunAsync(IReadOnlyList<ISpeedBench> benches, string root, int rounds, CancellationToken cancellation)
    {
        var rows = new List<SpeedRow>();
        foreach (var bench in benches)
        {
            // Away from whoever waits for Ctrl-C.
            await Task.Run(() =>
            {
                foreach (var row in bench.Run(root, rounds, cancellation))
                {
                    Console.Out.WriteLine(row);
                    rows.Add(row);
                }
            }, cancellation);
        }

        return new SpeedFigures(rows);
    }
}

/// <summary>The table.</summary>
internal sealed record SpeedFigures(IReadOnlyList<SpeedRow> Rows) : IMeasured
{
    /// <summary>A goal that is missed is a figure like any other; what is checked for being the same throws.</summary>
    public bool Holds => true;
}

/// <summary>Measures things in turns, so that what else the machine does falls on all alike.</summary>
internal static class Turns
{
    /// <summary>Each thing's time for one call [s], by rounds: in each it is called again and again until a tenth of a second is over.</summary>
    /// <param name="rounds">Rounds; one more, before them, does not count.</param>
    /// <param name="cancellation">Gives up between two of them.</param>
    /// <param name="things">What is measured.</param>
    public static Spread[] Measure(int rounds, CancellationToken cancellation, params ReadOnlySpan<Action> things)
    {
        var seconds = new List<double>[things.Length];
        for (var round = -1; round < rounds; round++)
        {
            for (var i = 0; i < things.Length; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                var one = Once(things[i]);
                (seconds[i] ??= []).AddRange(round < 0 ? [] : [one]);
            }
        }

        return Array.ConvertAll(seconds, s => Spread.Of(s));
    }

    private static double Once(Action thing)
    {
        var calls = 0;
        var start = Stopwatch.GetTimestamp();
        TimeSpan elapsed;
        do
        {
            thing();
            calls++;
            elapsed = Stopwatch.GetElapsedTime(start);
        }
        while (elapsed < TimeSpan.FromSeconds(0.1));

        return elapsed.TotalSeconds / calls;
    }
}
