using System.Globalization;
using MimicD.Contracts;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace MimicD.Cli;

/// <summary>What a person sees: a progress bar where the terminal is one and plain lines where it is not, and tables.</summary>
internal static class Terminal
{
    private const int PlainWidth = 160;
    private const int PlainLines = 10;

    /// <summary>Tables go to standard output.</summary>
    public static IAnsiConsole Out { get; } = Create(Console.Out, Console.IsOutputRedirected);

    /// <summary>Progress goes to standard error, so that output stays clean when it is piped.</summary>
    private static IAnsiConsole Error { get; } = Create(Console.Error, Console.IsErrorRedirected);

    /// <summary>Does something long, showing how far it is.</summary>
    /// <param name="what">What is done.</param>
    /// <param name="unit">What is counted.</param>
    /// <param name="total">How many there are.</param>
    /// <param name="work">Does it; told how many are done, from any thread.</param>
    public static Task<T> ProgressAsync<T>(string what, string unit, long total, Func<IProgress<long>, Task<T>> work)
        => DetailedProgressAsync(what, unit, total, progress => work(new WithoutDetail(progress)));

    /// <summary>The same for work that has more to say than how many are done.</summary>
    /// <param name="what">What is done.</param>
    /// <param name="unit">What is counted.</param>
    /// <param name="total">How many there are.</param>
    /// <param name="work">Does it.</param>
    /// <param name="lines">Lines in all where the terminal is none.</param>
    public static async Task<T> DetailedProgressAsync<T>(string what, string unit, long total, Func<IProgress<Advance>, Task<T>> work, int lines = PlainLines)
    {
        if (Console.IsErrorRedirected || !Error.Profile.Capabilities.Ansi)
        {
            return await work(new PlainProgress(what, unit, total, lines));
        }

        return await DrawAsync<T>(draw => Error.Progress().AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn(), new RemainingTimeColumn())
            .StartAsync(async context =>
            {
                var task = context.AddTask($"{Markup.Escape(Printable.Line(what))} ({total} {Markup.Escape(unit)})", maxValue: Math.Max(total, 1));
                return await draw(work(new BarProgress(what, task)));
            }));
    }

    /// <summary>Draws while something is done. Where the drawing fails, as on a terminal that is gone, it is done all the same.</summary>
    private static async Task<T> DrawAsync<T>(Func<Func<Task<T>, Task<T>>, Task<T>> draw)
    {
        Task<T>? work = null;
        try
        {
            return await draw(begun => work = begun);
        }
        catch (Exception) when (work is { IsFaulted: false, IsCanceled: false })
        {
            return await work;
        }
    }

    /// <summary>A line that somebody typed; null where there is no more, also because the terminal is gone.</summary>
    public static string? ReadLine()
    {
        try
        {
            return Console.In.ReadLine();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            return null;
        }
    }

    /// <summary>Whether what is shown on standard error can be drawn anew in its place.</summary>
    public static bool CanRedraw => !Console.IsErrorRedirected && Error.Profile.Capabilities.Ansi;

    /// <summary>Shows something that changes, on standard error, in one place.</summary>
    /// <param name="first">What is shown first.</param>
    /// <param name="work">Does something long; what it is given shows something else.</param>
    public static Task<T> LiveAsync<T>(IRenderable first, Func<Action<IRenderable>, Task<T>> work)
        => DrawAsync<T>(draw => Error.Live(first).AutoClear(false).StartAsync(context => draw(work(next =>
        {
            context.UpdateTarget(next);
            context.Refresh();
        }))));

    /// <summary>A table with these column titles; the first column is left-aligned and folds where the terminal is narrow, the others are right-aligned and do not.</summary>
    public static Table Table(params string[] titles)
    {
        var table = new Table().Border(Console.IsOutputRedirected ? TableBorder.Simple : TableBorder.Rounded);
        foreach (var (index, title) in titles.Index())
        {
            table.AddColumn(new TableColumn(Markup.Escape(Printable.Line(title))) { Alignment = index == 0 ? Justify.Left : Justify.Right, NoWrap = index > 0 });
        }

        return table;
    }

    /// <summary>Adds a row of plain text; what a terminal would obey is spelt out (<see cref="Printable.Line"/>).</summary>
    public static void Row(this Table table, params string[] cells) => table.AddRow([.. cells.Select(c => new Text(Printable.Line(c)))]);

    /// <summary>Writes a line, or several, to standard output; what else a terminal would obey is spelt out.</summary>
    public static void Line(string text = "") => Console.Out.WriteLine(string.Join('\n', text.Split('\n').Select(Printable.Line)));

    /// <summary>A whole number, its thousands apart.</summary>
    public static string Whole(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>How much was refused, by reason; 0 where there is none.</summary>
    public static string Reasons(IReadOnlyDictionary<string, long> refused)
        => refused.Count == 0 ? "0" : string.Join(", ", refused.Select(r => $"{r.Key} {Whole(r.Value)}"));

    private static IAnsiConsole Create(TextWriter writer, bool redirected)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        if (redirected)
        {
            // A pipe has no width; 80 would fold the tables.
            console.Profile.Width = PlainWidth;
        }

        return console;
    }

    /// <summary>How far some work is.</summary>
    /// <param name="Done">Units done.</param>
    /// <param name="Detail">What else there is to say, or empty.</param>
    internal readonly record struct Advance(long Done, string Detail = "");

    private sealed class WithoutDetail(IProgress<Advance> progress) : IProgress<long>
    {
        public void Report(long value) => progress.Report(new Advance(value));
    }

    private sealed class BarProgress(string what, ProgressTask task) : IProgress<Advance>
    {
        public void Report(Advance value)
        {
            task.Value = value.Done;
            if (value.Detail.Length > 0)
            {
                task.Description = Markup.Escape(Printable.Line($"{what}: {value.Detail}"));
            }
        }
    }

    private sealed class PlainProgress(string what, string unit, long total, int inAll) : IProgress<Advance>
    {
        private readonly Lock _gate = new();
        private long _lines;

        public void Report(Advance value)
        {
            lock (_gate)
            {
                var lines = total <= 0 ? 0 : value.Done * inAll / total;
                if (lines > _lines)
                {
                    _lines = lines;
                    var detail = value.Detail.Length > 0 ? $", {value.Detail}" : "";
                    Console.Error.WriteLine(Printable.Line(string.Create(CultureInfo.InvariantCulture, $"{what}: {value.Done} of {total} {unit}{detail}")));
                }
            }
        }
    }
}
