using System.Globalization;
using MimicD.Bridges.Robots;
using Spectre.Console;

namespace MimicD.Cli;

/// <summary>
/// Shows what robots are up to while they are at it: a table that is drawn anew where the terminal can, with the latest changes below it, and elsewhere a line for each change. Each change has its time of day.
/// </summary>
internal sealed class RobotsView
{
    private const int MostRows = 30;
    private const int MostLines = 8;
    private static readonly TimeSpan Redraw = TimeSpan.FromMilliseconds(200);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, (RobotState State, string Since)> _since = new(StringComparer.Ordinal);
    private readonly Queue<string> _lines = new();
    private readonly RobotNews _news;
    private readonly TimeProvider _time;
    private readonly int _ticks;
    private readonly bool _isLive = Terminal.CanRedraw;
    private RobotBridgeStatus? _latest;

    /// <summary>Shows nothing yet.</summary>
    /// <param name="ticks">Ticks in all.</param>
    /// <param name="time">The time of day.</param>
    public RobotsView(int ticks, TimeProvider time) => (_ticks, _time, _news) = (ticks, time, new RobotNews(ticks));

    private string Clock => _time.GetLocalNow().ToString("HH:mm:ss", CultureInfo.InvariantCulture);

    /// <summary>Where a robot was heard of last, or empty.</summary>
    public static string Place(RobotStatus robot)
        => robot.Position is null ? "" : string.Join(", ", robot.Position.Select(x => x.ToString("0.00", CultureInfo.InvariantCulture)));

    /// <summary>How far it is from its goal, or empty.</summary>
    public static string ToGoal(RobotStatus robot) => robot.GoalDistance?.ToString("0.00 m", CultureInfo.InvariantCulture) ?? "";

    /// <summary>Shows a run.</summary>
    /// <param name="run">Does it; what it is given is to be called after every tick.</param>
    public async Task<T> ShowAsync<T>(Func<Action<RobotBridgeStatus>, Task<T>> run)
    {
        if (!_isLive)
        {
            return await run(Take);
        }

        return await Terminal.LiveAsync(new Text(""), async draw =>
        {
            var done = run(Take);
            bool over;
            do
            {
                over = await Task.WhenAny(done, Task.Delay(Redraw)) == done;
                if (Draw() is { } picture)
                {
                    draw(picture);
                }
            }
            while (!over);
            return await done;
        });
    }

    /// <summary>Says a line.</summary>
    public void Say(string line)
    {
        lock (_gate)
        {
            var stamped = $"{Clock} {line}";
            if (!_isLive)
            {
                Console.Error.WriteLine(stamped);
                return;
            }

            _lines.Enqueue(stamped);
            if (_lines.Count > MostLines)
            {
                _lines.Dequeue();
            }
        }
    }

    private void Take(RobotBridgeStatus status)
    {
        lock (_gate)
        {
            _latest = status;
            foreach (var robot in status.Robots)
            {
                if (!_since.TryGetValue(robot.Name, out var known) || known.State != robot.State)
                {
                    _since[robot.Name] = (robot.State, Clock);
                }
            }

            foreach (var line in _news.Of(status))
            {
                Say(line);
            }
        }
    }

    private Rows? Draw()
    {
        lock (_gate)
        {
            if (_latest is not { } status)
            {
                return null;
            }

            var table = Terminal.Table("robot", "state", "since", "at [m]", "to goal", "refused", "commands", "answered in", "refused by it", "stops");
            foreach (var r in status.Robots.Take(MostRows))
            {
                var answer = (1000 * r.AnswerSeconds).ToString("0.0 ms", CultureInfo.InvariantCulture);
                table.Row(
                    r.Name, r.Fenced ? "fenced off" : RobotNews.NameOf(r.State), _since[r.Name].Since, Place(r), ToGoal(r), Terminal.Reasons(r.Refused), Terminal.Whole(r.Sent), answer,
                    r.Report is null ? "" : Terminal.Reasons(r.Report.Refused), r.Report is null ? "" : Terminal.Whole(r.Report.Stops));
            }

            var more = status.Robots.Count > MostRows ? $" (and {status.Robots.Count - MostRows} more robots)" : "";
            var phase = status.Phase switch { RobotPhase.Gathering => "waiting for robots", RobotPhase.Running => $"tick {status.Tick} of {_ticks}", _ => "done" };
            var reasons = status.Robots.Take(MostRows).Where(r => r.Reason is not null).Select(r => new Text(RobotNews.Line(r)));
            return new Rows([table, new Text($"{phase}{(status.Lost is null ? "" : $"; no connection: {status.Lost}")}{more}"), .. reasons, .. _lines.Select(l => new Text(l))]);
        }
    }
}
