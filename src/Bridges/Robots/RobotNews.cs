using System.Globalization;
using MimicD.Contracts;

namespace MimicD.Bridges.Robots;

/// <summary>
/// What has changed in a run of robots, in lines for a person: each change once, with its reason and what to do. Pure: it is shown one status after the other. Robots that were armed between two of them are said to have been.
/// </summary>
/// <param name="ticks">Ticks in all.</param>
public sealed class RobotNews(int ticks)
{
    // An arming command takes a period to be acted on and another to be heard of.
    private const int Standing = 4;
    private const int MostNamed = 8;

    private readonly Dictionary<string, Shown> _shown = new(StringComparer.Ordinal);
    private RobotPhase? _phase;
    private string? _lost = "";
    private string _stands = "";
    private int _tenths;

    /// <summary>The name of a state, as results have it.</summary>
    public static string NameOf(RobotState state) => StrictJson.Format(state).Trim('"');

    /// <summary>One robot's state, why, and what to do.</summary>
    public static string Line(RobotStatus robot)
    {
        ArgumentNullException.ThrowIfNull(robot);
        return $"{robot.Name}: {NameOf(robot.State)}{(robot.Reason is { } reason ? $": {reason}" : "")}{(robot.Next is { } next ? $"; {next}" : "")}";
    }

    /// <summary>Why every robot stands; empty where one does not, or where it is not for long.</summary>
    public static string WhyAllStand(RobotBridgeStatus status)
    {
        ArgumentNullException.ThrowIfNull(status);
        return status.Phase != RobotPhase.Running || status.StandingFor < Standing ? "" : Causes(status);
    }

    /// <summary>Whether no robot was armed for longer than it takes to arm them.</summary>
    public static bool WarnsOfStanding(RobotBridgeStatus status)
    {
        ArgumentNullException.ThrowIfNull(status);
        return status.Standing > Standing;
    }

    /// <summary>The robots, and why each is not armed.</summary>
    public static string Causes(RobotBridgeStatus status)
    {
        ArgumentNullException.ThrowIfNull(status);
        var named = string.Join("; ", status.Robots.Take(MostNamed).Select(r => $"{r.Name} {NameOf(r.State)}{(r.Reason is { } reason ? $", {reason}" : "")}"));
        return status.Robots.Count > MostNamed ? $"{named}; and {status.Robots.Count - MostNamed} more" : named;
    }

    /// <summary>What to say of a status, after those before it.</summary>
    public IReadOnlyList<string> Of(RobotBridgeStatus status)
    {
        ArgumentNullException.ThrowIfNull(status);
        var lines = new List<string>();
        foreach (var robot in status.Robots)
        {
            Tell(robot, lines);
        }

        if (status.Lost != _lost)
        {
            _lost = status.Lost;
            lines.Add(_lost is null ? "connected" : $"no connection: {_lost}");
        }

        if (status.Phase != _phase)
        {
            _phase = status.Phase;
            lines.Add(status.Phase switch
            {
                RobotPhase.Gathering => $"waiting for {status.Robots.Count} robots",
                RobotPhase.Running => "all are there: running",
                _ => "done: the robots stop, for nobody tells them anything any more",
            });
        }

        var stands = WhyAllStand(status);
        if (stands != _stands)
        {
            if (stands.Length > 0)
            {
                lines.Add(string.Create(CultureInfo.InvariantCulture, $"every robot stands, and the ticks go on, {ticks - status.Tick} are left: {stands}"));
            }
            else if (status.Phase == RobotPhase.Running)
            {
                lines.Add("robots move again");
            }

            _stands = stands;
        }

        if (ticks > 0 && (int)(status.Tick * 10L / ticks) is var tenths && tenths > _tenths)
        {
            _tenths = tenths;
            lines.Add($"{status.Tick} of {ticks} ticks");
        }

        return lines;
    }

    private void Tell(RobotStatus robot, List<string> lines)
    {
        var now = new Shown(robot.State, robot.Reason, robot.Armings);
        var before = _shown.GetValueOrDefault(robot.Name);
        _shown[robot.Name] = now;
        if (now == before || (before is null && robot.State == RobotState.Absent && robot.Problem is null))
        {
            return;
        }

        // It was armed, or stopped and was armed, since the status before.
        if (now.Armings > (before?.Armings ?? 0))
        {
            if (before?.State == RobotState.Armed && robot.State == RobotState.Armed)
            {
                lines.Add($"{robot.Name}: stopped");
            }
            else if (robot.State != RobotState.Armed)
            {
                lines.Add($"{robot.Name}: armed");
            }
        }

        lines.Add(Line(robot));
    }

    private sealed record Shown(RobotState State, string? Reason, long Armings);
}
