using System.Text.Json.Serialization;
using MimicD.Bridges.Robots.Wire;

namespace MimicD.Bridges.Robots;

/// <summary>What a robot is up to, as far as its agent's side knows.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<RobotState>))]
public enum RobotState
{
    /// <summary>It has not announced itself, or has gone.</summary>
    [JsonStringEnumMemberName("absent")]
    Absent,

    /// <summary>What it announces does not fit the body that it is to be.</summary>
    [JsonStringEnumMemberName("unfit")]
    Unfit,

    /// <summary>It is there, and was not heard of for three periods.</summary>
    [JsonStringEnumMemberName("silent")]
    Silent,

    /// <summary>It is heard of, and was not armed yet.</summary>
    [JsonStringEnumMemberName("ready")]
    Ready,

    /// <summary>Commands move it.</summary>
    [JsonStringEnumMemberName("armed")]
    Armed,

    /// <summary>It is heard of, and has stopped.</summary>
    [JsonStringEnumMemberName("stopped")]
    Stopped,

    /// <summary>More than one robot, or connection, speaks under its name: nothing arms it but an operator's word.</summary>
    [JsonStringEnumMemberName("contested")]
    Contested,
}

/// <summary>A robot at a moment, with its counts since the run began.</summary>
/// <param name="Name">The robot.</param>
/// <param name="State">What it is up to.</param>
/// <param name="Problem">Why it cannot take part, or null.</param>
/// <param name="Fenced">Whether it hears a controller of a higher term, and no longer this one.</param>
public sealed record RobotStatus(string Name, RobotState State, string? Problem, bool Fenced)
{
    /// <summary>Why it is not armed, or refuses what it is told, in one line; null: there is nothing to say.</summary>
    public string? Reason { get; init; }

    /// <summary>What to do about it, in one line; null: nothing.</summary>
    public string? Next { get; init; }

    /// <summary>Where it was last heard of [D] [m]; null: never.</summary>
    public double[]? Position { get; init; }

    /// <summary>From there to its goal [m]; null: it was never heard of.</summary>
    public double? GoalDistance { get; init; }

    /// <summary>Sessions that it began: one for each of its connections.</summary>
    public long Sessions { get; init; }

    /// <summary>Times that it began to be armed.</summary>
    public long Armings { get; init; }

    /// <summary>Observations that came.</summary>
    public long Received { get; init; }

    /// <summary>Observations that broke no rule.</summary>
    public long Passed { get; init; }

    /// <summary>Observations refused, by rule.</summary>
    public required IReadOnlyDictionary<string, long> Refused { get; init; }

    /// <summary>Observations that a newer one took the place of while the agent was at work.</summary>
    public long Superseded { get; init; }

    /// <summary>Commands handed to the connection.</summary>
    public long Sent { get; init; }

    /// <summary>Commands that no connection took.</summary>
    public long Unsent { get; init; }

    /// <summary>Observations that the agent had no action for.</summary>
    public long Undecided { get; init; }

    /// <summary>Observations that the agent did not answer while the answer could have been acted on.</summary>
    public long Unanswered { get; init; }

    /// <summary>Answers that took longer than a period.</summary>
    public long Late { get; init; }

    /// <summary>Times that it was not heard of for three periods.</summary>
    public long Silences { get; init; }

    /// <summary>From an observation's arrival to its command's departure, of late [s].</summary>
    public double AnswerSeconds { get; init; }

    /// <summary>What it reported last in its present session, or null.</summary>
    public ReportEnvelope? Report { get; init; }
}
