using MimicD.Contracts;

namespace MimicD.World;

/// <summary>Which bodies of a scenario are robots, connected from outside, and what emulated ones are like. All others are simulated beside them.</summary>
public sealed record RobotsSpec
{
    private const int MaxName = 24;

    /// <summary>What comes before the run's name in all topics. Default: <c>mimicd/v1</c>.</summary>
    public string Prefix { get; init; } = "mimicd/v1";

    /// <summary>The name of each body's robot, one entry a body; null where the body is simulated. Either these or <see cref="All"/>.</summary>
    public string?[]? Names { get; init; }

    /// <summary>All bodies are robots, of this name with their places after it: r1, r2 and so on.</summary>
    public string? All { get; init; }

    /// <summary>Longest life of a command to an emulated robot [s]; null: three periods.</summary>
    public double? Ttl { get; init; }

    /// <summary>Farthest an emulated robot lets itself be sent in one tick, in each coordinate [m] (or the change of a control, in its units).</summary>
    public required double Change { get; init; }

    /// <summary>Farthest from the origin that an emulated robot lets itself be sent, in each coordinate [m] (or the largest control, in its units).</summary>
    public required double Reach { get; init; }

    /// <summary>The polygon that emulated robots may be sent to, corners [x, y] [m]; null: anywhere.</summary>
    public double[][]? Geofence { get; init; }

    /// <summary>The robots of a scenario that has to have some.</summary>
    /// <exception cref="InvalidInputException">It names none.</exception>
    public static RobotsSpec Of(Scenario scenario)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        return scenario.Robots ?? throw InvalidInputException.Create(scenario.Name, "robots", "which bodies are robots", null);
    }

    /// <summary>The name of a place's robot, in an episode of a run of many; null where the body is simulated.</summary>
    /// <param name="agent">The body, 0 to N-1.</param>
    /// <param name="episode">The episode.</param>
    /// <param name="episodes">Episodes of the run; of one alone the names are those of the scenario.</param>
    public string? NameOf(int agent, int episode = 0, int episodes = 1)
    {
        var name = All is not null ? $"{All}{agent + 1}" : Names![agent];
        return name is null || episodes == 1 ? name : $"{name}-{episode + 1}";
    }

    internal void Validate(string where, int agents)
    {
        InvalidInputException.Require((Names is null) != (All is null), where, "robots", "either names or all", Names is null ? "neither" : "both");
        InvalidInputException.Require(All is null || IsName(All), where, "robots.all", Expected, All);
        InvalidInputException.Require(Names is null || Names.Length == agents, where, "robots.names", $"{agents} entries, one a body", Names?.Length);
        foreach (var (i, name) in (Names ?? []).Index())
        {
            InvalidInputException.Require(name is null || IsName(name), where, $"robots.names[{i}]", $"{Expected}, or null", name);
            InvalidInputException.Require(name is null || Array.IndexOf(Names!, name) == i, where, $"robots.names[{i}]", "each name once", name);
        }

        InvalidInputException.Require(Names is null || Array.Exists(Names, n => n is not null), where, "robots.names", "at least one robot", "none");
        InvalidInputException.Require(Ttl is null or > 0 and <= 60, where, "robots.ttl", "above 0, at most 60", Ttl);
        InvalidInputException.Require(Change > 0 && double.IsFinite(Change), where, "robots.change", "above 0", Change);
        InvalidInputException.Require(Reach is > 0 and <= Dynamics.MaxCoordinate, where, "robots.reach", $"above 0, at most {Dynamics.MaxCoordinate}", Reach);
        InvalidInputException.Require(Geofence is null || (Geofence.Length >= 3 && Array.TrueForAll(Geofence, c => c is { Length: 2 } && Array.TrueForAll(c, double.IsFinite))), where, "robots.geofence", "3 or more corners of two finite numbers", Geofence?.Length);
    }

    private const string Expected = "1 to 24 letters, digits, - or _";

    private static bool IsName(string name) => name.Length is >= 1 and <= MaxName && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');
}
