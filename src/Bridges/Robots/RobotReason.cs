namespace MimicD.Bridges.Robots;

/// <summary>Why a robot is as it is, and what to do about it, in words. Holds no number that changes from tick to tick: what it says changes when the cause does.</summary>
/// <param name="robot">The robot.</param>
internal readonly struct RobotReason(RobotStatus robot)
{
    /// <summary>Why it is contested, or null.</summary>
    public string? Contested { get; init; }

    /// <summary>Whether it hears another controller of the same term.</summary>
    public bool HasRival { get; init; }

    /// <summary>Whether it was armed before it was told anything.</summary>
    public bool IsForeign { get; init; }

    /// <summary>The rule by which it refuses commands of late, or null.</summary>
    public string? Refusing { get; init; }

    /// <summary>Whether it is armed with the next command.</summary>
    public bool MayArm { get; init; }

    /// <summary>Whether agents steer.</summary>
    public bool IsRunning { get; init; }

    /// <summary>Seconds after which it is armed again by itself, or null.</summary>
    public double? Rearm { get; init; }

    /// <summary>Its presence topic.</summary>
    public required string Topic { get; init; }

    /// <summary>Why, or null.</summary>
    public string? Reason => HasRival ? "hears another controller, of the same term"
        : robot.Fenced ? "hears another controller, of a higher term"
        : robot.State switch
        {
            RobotState.Contested => Contested,
            RobotState.Absent => robot.Problem ?? (robot.Sessions > 0 ? "it has gone" : $"nothing on {Topic} yet"),
            RobotState.Unfit => robot.Problem,
            RobotState.Silent => robot.Position is null ? "it has announced itself, and no observation of it counts yet" : "no observation that counts for three periods",
            RobotState.Armed when IsForeign => "another controller steers it: its report is waited for",
            RobotState.Armed => Refusing is null ? null : $"refuses commands: {Explain(Refusing)}",
            RobotState.Stopped when Refusing is not null => Explain(Refusing),
            RobotState.Stopped when robot.Report is { Stops: > 0 } => "no command came in time",
            RobotState.Stopped => "it came back, and is not armed in its new session",
            _ => Refusing is null ? null : Explain(Refusing),
        };

    /// <summary>What to do, or null.</summary>
    public string? Next => robot.Fenced ? "end all controllers but one"
        : robot.State switch
        {
            RobotState.Contested => $"end all but one, then type {robot.Name} and Enter",
            RobotState.Absent when robot.Problem is null => "start it; its broker, run and prefix must be these",
            RobotState.Absent or RobotState.Unfit => "correct what it announces",
            RobotState.Silent => Refused is { } rule ? $"see why its observations are refused: {rule}" : "look after it and its connection",
            RobotState.Armed when Refusing is null => null,
            RobotState.Ready or RobotState.Stopped when !IsRunning || MayArm && Refusing is null => null,
            RobotState.Armed => Remedy,
            _ when Rearm is { } seconds => FormattableString.Invariant($"it is armed again by itself after {seconds} s of fresh observations{(Refusing is null ? "" : $"; {Remedy}")}"),
            _ when MayArm => Remedy,
            _ => $"type {robot.Name} and Enter, or start with --rearm SECONDS",
        };

    private string? Refused => robot.Refused.Count == 0 ? null : robot.Refused.MaxBy(r => r.Value).Key;

    private string Remedy => Refusing switch
    {
        "geofence" => "move its fence, its goal, or the robot",
        "change" or "range" => "compare what it lets itself be told with the scenario",
        "age" => "look for what is slow, or give commands a longer ttl",
        _ => "see its rules in docs/robots.md",
    };

    private static string Explain(string rule) => rule switch
    {
        "retained" => "retained: commands that the broker kept",
        "size" => "size: commands are longer than it takes",
        "age" => "age: commands come too late",
        "term" => "term: it hears a controller of a higher term",
        "seq" => "seq: commands come out of order",
        "dimension" => "dimension: commands have another number of values",
        "finite" => "finite: commands hold numbers that are not finite",
        "range" => "range: commands are outside of its smallest and largest",
        "change" => "change: commands are farther than it lets itself be sent in a period",
        "geofence" => "geofence: commands lead out of its fence",
        _ => rule,
    };
}
