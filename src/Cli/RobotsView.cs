using System.Globalization;
using MimicD.Bridges.Robots;
using MimicD.Contracts;
using Spectre.Console;

namespace MimicD.Cli;

/// <summary>Shows what robots are up to while they are at it: a table that is drawn anew where the terminal can, and elsewhere a line for each change.</summary>
internal sealed class RobotsView
{
    private const int MostRows = 30;
    private static readonly TimeSpan Redraw = TimeSpan.FromMilliseconds(200);

    private readonly Dictionary<string, (RobotState State, string? Problem, bool Fenced)> _shown = new(StringComparer.Ordinal);
    private readonly int _ticks;
    private RobotBridgeStatus? _latest;
    private RobotPhase? _phase;
    private string? _lost = "";
    private int _tenths;

    private RobotsView(int ticks) => _ticks = ticks;

    /// <summary>Shows a run.</summary>
    /// <param name="ticks">Ticks in all.</param>
    /// <param name="run">Does it; what it is given is to be called after every tick.</param>
    public static async Task<T> ShowAsync<T>(int ticks, Func<Action<RobotBridgeStatus>, Task<T>> run)
    {
        var view = new RobotsView(ticks);
        if (!Terminal.CanRedraw)
        {
            return await run(view.Tell);
        }

        return await Terminal.LiveAsync(new Text(""), async draw =>
        {
            var done = run(status => Volatile.Write(ref view._latest, status));
            while (await Task.WhenAny(done, Task.Delay(Redraw)) != done)
            {
                if (Volatile.Read(ref view._latest) is { } status)
                {
                    draw(view.Draw(status));
                }
            }

            return await done;
        });
    }

    private static string Of(RobotState state) => StrictJson.Format(state).Trim('"');

    /// <summary>A line for each thing that has changed.</summary>
    private void Tell(RobotBridgeStatus status)
    {
        foreach (var robot in status.Robots)
        {
            var now = (robot.State, robot.Problem, robot.Fenced);
            if (!_shown.TryGetValue(robot.Name, out var before) || before != now)
            {
                _shown[robot.Name] = now;
                if (before != default || robot.State != RobotState.Absent || robot.Problem is not null)
                {
                    Console.Error.WriteLine($"{robot.Name}: {Of(robot.State)}{(robot.Problem is { } problem ? $": {problem}" : "")}{(robot.Fenced ? ": hears another controller, of a higher term" : "")}");
                }
            }
        }

        if (status.Lost != _lost)
        {
            _lost = status.Lost;
            Console.Error.WriteLine(_lost is null ? "connected" : $"no connection: {_lost}");
        }

        if (status.Phase != _phase)
        {
            _phase = status.Phase;
            Console.Error.WriteLine(status.Phase switch
            {
                RobotPhase.Gathering => $"waiting for {status.Robots.Count} robots",
                RobotPhase.Running => "all are there: running",
                _ => "done: the robots stop, for nobody tells them anything any more",
            });
        }

        if (_ticks > 0 && status.Tick * 10 / _ticks is var tenths && tenths > _tenths)
        {
            _tenths = tenths;
            Console.Error.WriteLine($"{status.Tick} of {_ticks} ticks");
        }
    }

    private Rows Draw(RobotBridgeStatus status)
    {
        var table = Terminal.Table("robot", "state", "observations", "refused", "commands", "answered in", "acted on", "refused by it", "stops");
        foreach (var r in status.Robots.Take(MostRows))
        {
            var answer = (1000 * r.AnswerSeconds).ToString("0.0 ms", CultureInfo.InvariantCulture);
            table.Row(
                r.Name, r.Fenced ? "fenced off" : r.Problem ?? Of(r.State), Terminal.Whole(r.Passed), Terminal.Reasons(r.Refused), Terminal.Whole(r.Sent), answer,
                r.Report is null ? "" : Terminal.Whole(r.Report.Acted), r.Report is null ? "" : Terminal.Reasons(r.Report.Refused), r.Report is null ? "" : Terminal.Whole(r.Report.Stops));
        }

        var more = status.Robots.Count > MostRows ? $" (and {status.Robots.Count - MostRows} more robots)" : "";
        var phase = status.Phase switch { RobotPhase.Gathering => "waiting for robots", RobotPhase.Running => $"tick {status.Tick} of {_ticks}", _ => "done" };
        return new Rows(table, new Text($"{phase}{(status.Lost is null ? "" : $"; no connection: {status.Lost}")}{more}"));
    }
}
