using System.Globalization;
using System.Text.RegularExpressions;
using MimicD.World;

namespace MimicD.Evaluation.Report;

/// <summary>What each figure is called and what it is, in plain words.</summary>
internal static partial class Wordings
{
    private static readonly Dictionary<string, Wording> Known = new(StringComparer.Ordinal)
    {
        ["strictSuccess"] = new("strict success", true, "higher", true,
            "Share of episodes in which every agent ends within the goal tolerance of its goal and no contact happened, neither of a pair nor with an obstacle."),
        ["goalsReached"] = new("goals reached", true, "higher", false, "Share of episodes in which every agent ends within the goal tolerance of its goal, whatever it touched on the way."),
        ["agentSuccess"] = new("strict success, agent by agent", true, "higher", false,
            "Share of all agents that end within the goal tolerance of their goal and came into contact with nobody and no obstacle. Agents of an episode are not independent: the interval is by episodes."),
        ["minimumPairDistance"] = new("smallest pair distance [m]", false, "higher", false, "The smallest distance of any two agents at any tick of an episode, averaged over episodes."),
        ["contested"] = new("contested", true, null, false, "Share of episodes in which more than one agent wants the same slot; in the swap: both pass the obstacle on the same side, read at each agent's own tick nearest to the obstacle's middle."),
        ["contestedFailure"] = new("contested failure", true, "lower", true, "Share of the contested episodes in which a pair came into contact."),
        ["modes.unresolved"] = new("no joint mode", true, "lower", false, "Share of episodes that show no joint mode: somebody did not come past the others, so nobody can say on which side."),
        ["modes.totalVariation"] = new("mode total variation", false, "lower", true,
            "Half the sum of the absolute differences between the shares of the joint modes and the experts' shares: 0 for equal shares, 1 for no mode in common. Read it beside the value that chance alone gives."),
        ["modes.resamplingFloor"] = new("mode variation by chance", false, null, false,
            "What total variation chance alone gives: its 95 % point between two samples, of these sizes, drawn from the experts' shares. Below it nothing speaks for a difference (and nothing for equality)."),
        ["modes.entropy"] = new("mode entropy [nat]", false, null, false, "Entropy of the shares of the joint modes: 0 for one mode alone, larger the more evenly they occur."),
        ["modes.entropyGap"] = new("mode entropy gap [nat]", false, null, false, "Entropy of the shares less that of the experts' shares: below 0 where modes are lost."),
        ["modes.entropyFloor"] = new("entropy gap by chance", false, null, false, "What the size of the entropy gap is by chance alone: its 95 % point between two samples, of these sizes, drawn from the experts' shares."),
        ["transport.joint"] = new("joint transport distance [m]", false, "lower", false,
            "Exact optimal transport between the rollouts and the demonstrations, both as joint paths of all agents, with the discrete Frechet distance as cost; mean over blocks of episodes. It falls with the size of the samples."),
        ["transport.jointAtFloorSize"] = new("joint transport at the floor's size [m]", false, "lower", false, "The same at the size of the floor, so that the two compare."),
        ["transport.ratioToFloor"] = new("transport, ratio to floor", false, "lower", true,
            "Joint transport distance from the demonstrations over the distance between two halves of the demonstrations themselves: 1 is as near to them as they are to each other."),
        ["transport.floor.mean"] = new("transport floor [m]", false, null, false, "Joint transport distance between two random halves of the demonstrations, mean over splits."),
        ["transport.floor.point95"] = new("transport floor, 95 % point [m]", false, null, false, "The same, 95 % point over splits."),
        ["pathLength"] = new("path length [m]", false, "lower", false, "Length of an agent's path, averaged over agents and episodes."),
        ["pathLengthRatio"] = new("path length, ratio", false, null, false, "Path length as a ratio to the experts', whose value counts as exact."),
        ["timeToGoal"] = new("time to goal [s]", false, "lower", false, "First time from which an agent stays within the tolerance of its goal until the end, averaged over agents; over episodes in which all arrive."),
        ["timeToGoalRatio"] = new("time to goal, ratio", false, null, false, "Time to goal as a ratio to the experts'."),
        ["commitment"] = new("commitment", false, "lower", false,
            "When the running joint mode last changed, as a share of the way to the closest approach: 0 for an episode that did what it first showed, 1 for one that changed its mind at the last moment."),
        ["modeSwitches"] = new("joint mode switches", false, "lower", false, "Changes of the running joint mode up to the closest approach, per episode."),
        ["displacement.minAde"] = new("minADE [m]", false, "lower", false, "Mean distance from a demonstration with the same start, each agent by its own best sample. It falls with the number of samples."),
        ["displacement.minFde"] = new("minFDE [m]", false, "lower", false, "The same at the end of the path."),
        ["displacement.minJointAde"] = new("minJADE [m]", false, "lower", false, "Mean distance from a demonstration with the same start, by the best sample of all agents together."),
        ["displacement.minJointFde"] = new("minJFDE [m]", false, "lower", false, "The same at the end of the path."),
        ["secondDifference"] = new("second difference [m]", false, "lower", false, "Mean norm of the second difference of positions over ticks: how much a path accelerates and bends."),
        ["thirdDifference"] = new("third difference [m]", false, "lower", false, "Mean norm of the third difference of positions over ticks: how much a path jerks."),
        ["secondRatio"] = new("roughness, 2nd, ratio", false, "lower", true, "The second difference as a ratio to the experts', whose value counts as exact; 1 is as smooth as they are."),
        ["thirdRatio"] = new("roughness, 3rd, ratio", false, "lower", false, "The third difference as a ratio to the experts', whose value counts as exact; 1 is as smooth as they are."),
        ["largestStep"] = new("largest step [m]", false, "lower", false, "The longest step of any agent between two ticks, the largest over all episodes."),
    };

    /// <summary>The column of a key.</summary>
    /// <param name="key">As <see cref="FigureValues"/> gives it.</param>
    /// <param name="scenarios">The scenarios it occurs in, for limits and names of modes.</param>
    public static ReportColumn Column(string key, IReadOnlyList<Scenario> scenarios)
    {
        if (Known.TryGetValue(key, out var known))
        {
            return new ReportColumn(key, known.Title, known.Percent, known.Better, known.Definition, known.Headline);
        }

        if (Collision().Match(key) is { Success: true } collision)
        {
            var name = collision.Groups["name"].Value;
            var limits = scenarios.SelectMany(s => s.Collision.Limits.Where(l => l.Name == name).Select(l => $"{Condition(l)} in {s.Name}")).Distinct(StringComparer.Ordinal).ToArray();
            return new ReportColumn(key, $"collision: {name}", true, "lower",
                $"Share of episodes in which a pair of agents came nearer than the limit, or an agent came nearer to an obstacle's centre than the limit, at any tick. The limits: {string.Join("; ", limits)}.",
                scenarios.Any(s => s.Collision.Contact == name) || scenarios.Any(s => s.Collision.Limits[0].Name == name));
        }

        if (Mode().Match(key) is { Success: true } mode)
        {
            var index = int.Parse(mode.Groups["mode"].Value, NumberStyles.None, CultureInfo.InvariantCulture);
            var names = scenarios.Select(JointModes.Names).Where(n => index <= n.Count).Select(n => n[index - 1]).Distinct(StringComparer.Ordinal).ToArray();
            return new ReportColumn(key, $"mode {index}: {string.Join(" / ", names)}", true, null, "Share of episodes in this joint mode, read off the geometry of all agents' paths together.", false);
        }

        if (PerAgent().Match(key) is { Success: true } agent)
        {
            return new ReportColumn(key, $"transport of agent {agent.Groups["agent"].Value}{(key.EndsWith(".mean", StringComparison.Ordinal) ? ", floor" : key.EndsWith(".point95", StringComparison.Ordinal) ? ", floor, 95 % point" : "")} [m]",
                false, null, "Transport distance of one agent's paths alone, as in the paper. It does not see which paths belong together.", false);
        }

        return new ReportColumn(key, Words().Replace(key, m => m.Value == "." ? ": " : $" {m.Value.ToLowerInvariant()}"), false, null, null, false);
    }

    /// <summary>Whether a key is a setting that a figure carries along, and no figure.</summary>
    public static bool IsSetting(string key) => Setting().IsMatch(key);

    private static string Condition(CollisionLimit limit) => string.Create(CultureInfo.InvariantCulture, $"pair < {limit.Pair:0.###} m{(limit.Obstacle is { } o ? $" or obstacle < {o:0.###} m" : "")}");

    [GeneratedRegex(@"^collisions\.(?<name>.+)\.rate$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Collision();

    [GeneratedRegex(@"^(collisions\..+\.(pair|obstacle)|transport\.(.+\.)?(blocks|rows|columns|splits)|displacement\.(demonstrations|samples))$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Setting();

    [GeneratedRegex(@"^modes\.shares\.(?<mode>[0-9]+)$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Mode();

    [GeneratedRegex(@"^transport\.perAgent(Floor)?\.(?<agent>[0-9]+)(\.mean|\.point95)?$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex PerAgent();

    [GeneratedRegex(@"\.|\p{Lu}", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Words();

    private sealed record Wording(string Title, bool Percent, string? Better, bool Headline, string Definition);
}
