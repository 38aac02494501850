using System.Diagnostics.CodeAnalysis;
using MimicD.Contracts;

namespace MimicD.Bridges.Robots.Wire;

/// <summary>What a topic is for.</summary>
public enum TopicKind
{
    /// <summary>A robot's observations, to its agent.</summary>
    Observation,

    /// <summary>An agent's commands, to its robot.</summary>
    Command,

    /// <summary>Whether a robot is there, and what it can do; kept by the broker.</summary>
    Presence,

    /// <summary>A robot's counts of what it acted on and refused.</summary>
    Report,
}

/// <summary>
/// The topics of one run: <c>{prefix}/{run}/{robot}/obs|cmd|conn|rep</c>. Every topic names one robot, and there is none that two agents, or two runs, share.
/// </summary>
public sealed class RobotTopics
{
    /// <summary>The prefix unless told otherwise.</summary>
    public const string DefaultPrefix = "mimicd/v1";

    /// <summary>Longest name of a run or a robot.</summary>
    public const int MaxName = 32;

    private const int MaxPrefix = 128;
    private static readonly string[] Kinds = ["obs", "cmd", "conn", "rep"];

    private readonly string _root;

    /// <summary>The topics of a run.</summary>
    /// <param name="prefix">What comes before the run, levels separated by slashes.</param>
    /// <param name="run">The run's name.</param>
    /// <exception cref="InvalidInputException">The prefix or the name cannot be part of a topic.</exception>
    public RobotTopics(string prefix, string run)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        var levels = prefix.Split('/');
        InvalidInputException.Require(prefix.Length <= MaxPrefix && Array.TrueForAll(levels, IsName), "topic prefix", "", $"levels of 1 to {MaxName} letters, digits, - or _ between slashes, {MaxPrefix} characters in all at most", prefix);
        RequireName(run, "run");
        (Prefix, Run, _root) = (prefix, run, $"{prefix}/{run}/");
    }

    /// <summary>What comes before the run.</summary>
    public string Prefix { get; }

    /// <summary>The run's name.</summary>
    public string Run { get; }

    /// <summary>The topic of one robot.</summary>
    public string Of(string robot, TopicKind kind) => $"{_root}{robot}/{Kinds[(int)kind]}";

    /// <summary>The filter for one kind of all robots of the run.</summary>
    public string OfAll(TopicKind kind) => Of("+", kind);

    /// <summary>The robot and kind of a topic of this run.</summary>
    public bool TryParse(string topic, [NotNullWhen(true)] out string? robot, out TopicKind kind)
    {
        ArgumentNullException.ThrowIfNull(topic);
        (robot, kind) = (null, default);
        var slash = topic.LastIndexOf('/');
        if (slash <= _root.Length || !topic.StartsWith(_root, StringComparison.Ordinal))
        {
            return false;
        }

        var at = Array.IndexOf(Kinds, topic[(slash + 1)..]);
        var name = topic[_root.Length..slash];
        if (at < 0 || !IsName(name))
        {
            return false;
        }

        (robot, kind) = (name, (TopicKind)at);
        return true;
    }

    /// <summary>Whether a text can name a run or a robot: 1 to <see cref="MaxName"/> letters, digits, hyphens or underscores.</summary>
    public static bool IsName([NotNullWhen(true)] string? name)
        => name is { Length: >= 1 and <= MaxName } && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');

    /// <summary>Throws unless a text can name a run or a robot.</summary>
    /// <exception cref="InvalidInputException">It cannot.</exception>
    public static void RequireName(string name, string where)
        => InvalidInputException.Require(IsName(name), where, "", $"1 to {MaxName} letters, digits, - or _", name);
}
