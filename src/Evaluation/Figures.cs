using System.Text.Json.Serialization;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.Evaluation;

/// <summary>Share of episodes in which a pair came nearer than <paramref name="Pair"/> or an agent came nearer to an obstacle's centre than <paramref name="Obstacle"/>.</summary>
/// <param name="Name">The limit's name in the scenario.</param>
/// <param name="Pair">[m].</param>
/// <param name="Obstacle">[m], or null where obstacles do not count.</param>
/// <param name="Rate">Share of episodes, Wilson interval.</param>
public sealed record CollisionFigure(string Name, double Pair, double? Obstacle, Estimate Rate);

/// <summary>Joint modes of the episodes.</summary>
public sealed record ModeFigures
{
    /// <summary>What each mode looks like; index 0 is mode 1.</summary>
    public required IReadOnlyList<string> Names { get; init; }

    /// <summary>
    /// The rule that told them apart (<see cref="ModeRuleNames"/>); null in results from before rules had names (<see
    /// cref="JointModes.UnnamedRule"/>).
    /// </summary>
    public string? Rule { get; init; }

    /// <summary>
    /// The rule by which episodes and demonstrations are compared where that is not <see cref="Rule"/>, because the demonstrations' shares
    /// are of another one; else null.
    /// </summary>
    public string? ComparedBy { get; init; }

    /// <summary>Mode of each episode, [E], from 1; 0 where it shows none.</summary>
    [JsonConverter(typeof(OneLineConverter<int[]>))]
    public required int[] Labels { get; init; }

    /// <summary>Share of each mode, Wilson intervals.</summary>
    public required Estimate[] Shares { get; init; }

    /// <summary>Share of the episodes that show no mode; null in results from before there were such.</summary>
    public Estimate? Unresolved { get; init; }

    /// <summary>
    /// From the demonstrations' shares, episodes without a mode counting as one more mode; null where those are not known, or are of a rule
    /// by which the episodes are not labelled.
    /// </summary>
    public double? TotalVariation { get; init; }

    /// <summary>What total variation chance alone gives, see <see cref="ModeShares.ResamplingFloor"/>; or null.</summary>
    public double? ResamplingFloor { get; init; }

    /// <summary>Entropy of the shares [nat].</summary>
    public required double Entropy { get; init; }

    /// <summary>Entropy less that of the demonstrations' shares [nat]; or null.</summary>
    public double? EntropyGap { get; init; }

    /// <summary>What absolute entropy gap chance alone gives [nat], see <see cref="ModeShares.ResamplingFloors"/>; or null.</summary>
    public double? EntropyFloor { get; init; }
}

/// <summary>What the figures of rollouts are compared with: demonstrations, or what a model remembers of those it was trained on.</summary>
public sealed record Baseline
{
    /// <summary>Demonstrations.</summary>
    public required int Count { get; init; }

    /// <summary>What <see cref="ModeRule"/> says where both rules of the swap give the same shares.</summary>
    private const string BothRules = ModeRuleNames.Sides + ", " + ModeRuleNames.Published;

    /// <summary>
    /// Hashes of demonstrations that were labelled by both rules of the swap, to the same shares: those behind the shipped swap model,
    /// which is older than the rules' names.
    /// </summary>
    private static readonly string[] AlikeByBothRules = ["0e2e594a5d586b5ecad8cb42f4e5eac5b6c46e2ba547a347a6e146cddd67a6b8"];

    /// <summary>Shares of their joint modes; null where unknown.</summary>
    public double[]? ModeShares { get; init; }

    /// <summary>
    /// The rule behind <see cref="ModeShares"/> (<see cref="ModeRuleNames"/>); null where it is that of the figures beside it, as in all
    /// results from before rules had names.
    /// </summary>
    public string? ModeRule { get; init; }

    /// <summary>Mean norm of their second and third difference [m]; null where unknown.</summary>
    public double[]? Roughness { get; init; }

    /// <summary>All of their figures, where the demonstrations themselves are at hand.</summary>
    public Figures? Figures { get; init; }

    /// <summary>Their paths, where they are at hand.</summary>
    [JsonIgnore]
    public PathSet? Paths { get; init; }

    /// <summary>What a model remembers, or null when it remembers nothing.</summary>
    public static Baseline? Of(ProvenanceSpec? provenance) => provenance is null || provenance.Demonstrations < 1 ? null
        : new Baseline
        {
            Count = provenance.Demonstrations,
            ModeShares = provenance.ModeShares,
            ModeRule = RuleOf(provenance),
            Roughness = provenance.Roughness,
        };

    /// <summary>The demonstrations' own figures. Their goals are where they end.</summary>
    public static Baseline Of(Scenario scenario, PathSet demonstrations)
    {
        ArgumentNullException.ThrowIfNull(demonstrations);
        var goals = new double[demonstrations.Episodes * demonstrations.Agents * demonstrations.Dimensions];
        for (var e = 0; e < demonstrations.Episodes; e++)
        {
            for (var n = 0; n < demonstrations.Agents; n++)
            {
                demonstrations.At(e, n, demonstrations.Times - 1).CopyTo(goals.AsSpan((e * demonstrations.Agents + n) * demonstrations.Dimensions));
            }
        }

        var figures = Figures.Compute(scenario, demonstrations, goals, null);
        return new Baseline
        {
            Count = demonstrations.Episodes,
            ModeShares = figures.Modes is null ? null : [.. figures.Modes.Shares.Select(s => s.Value)],
            ModeRule = JointModes.Rule(scenario),
            Roughness = [figures.SecondDifference.Value, figures.ThirdDifference.Value],
            Figures = figures,
            Paths = demonstrations,
        };
    }

    /// <summary>Whether its shares of joint modes compare with labels by a rule.</summary>
    /// <param name="scenario">Whose modes.</param>
    /// <param name="rule">The labels' rule, or null where it has no name.</param>
    public bool ComparesBy(Scenario scenario, string? rule)
    {
        rule ??= JointModes.UnnamedRule(scenario);
        return ModeRule switch
        {
            null => true,
            BothRules => rule is ModeRuleNames.Sides or ModeRuleNames.Published,
            ModeRuleNames.Unnamed => rule == JointModes.UnnamedRule(scenario),
            _ => rule == ModeRule,
        };
    }

    private static string RuleOf(ProvenanceSpec provenance)
        => provenance.ModeRule
            ?? (AlikeByBothRules.Contains(provenance.DemonstrationsHash, StringComparer.Ordinal) ? BothRules : ModeRuleNames.Unnamed);
}

/// <summary>What did not go as the agents wanted.</summary>
/// <param name="Episodes">Episodes in which the world's fallback stood in for at least one action, because an agent was stopped, late, or gave no action that could be applied.</param>
/// <param name="Actions">Such actions.</param>
public sealed record FaultFigures(int Episodes, long Actions);

/// <summary>All figures of a set of episodes, each with its 95 % interval; definitions in the classes that compute them.</summary>
public sealed record Figures
{
    /// <summary>Episodes (E).</summary>
    public required int Episodes { get; init; }

    /// <summary>
    /// Episodes that differ from each other in any path or goal (<see cref="Evaluation.DistinctEpisodes"/>): rates, means and intervals are of these, for a copy is no further evidence. Null in results from before they were counted.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? DistinctEpisodes { get; init; }

    /// <summary>Episodes that differ from each other in any start or goal; null like <see cref="DistinctEpisodes"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? DistinctStarts { get; init; }

    /// <summary>Actions that were not the agents' own; null where they were not counted.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public FaultFigures? Faults { get; init; }

    /// <summary>Episodes that intervals are of.</summary>
    [JsonIgnore]
    public int Independent => DistinctEpisodes ?? Episodes;

    /// <summary>Agents an episode (N).</summary>
    public required int Agents { get; init; }

    /// <summary>Share of episodes in which every agent ends within its goal tolerance and no contact happened.</summary>
    public required Estimate StrictSuccess { get; init; }

    /// <summary>Share of episodes in which every agent ends within its goal tolerance.</summary>
    public required Estimate GoalsReached { get; init; }

    /// <summary>Strict success agent by agent: mean over episodes of the share of agents that end within their goal tolerance without a contact. Agents of an episode are not independent, so episodes are the sample (<see cref="RateIntervals.Clustered(IReadOnlyCollection{double}, int, double)"/>). Null where the outcomes do not tell.</summary>
    public Estimate? AgentSuccess { get; init; }

    /// <summary>The scenario's collision limits.</summary>
    public required CollisionFigure[] Collisions { get; init; }

    /// <summary>Smallest distance of a pair [m]: mean over episodes; null with one agent.</summary>
    public Estimate? MinimumPairDistance { get; init; }

    /// <summary>Share of contested episodes; null where the scenario does not define it.</summary>
    public Estimate? Contested { get; init; }

    /// <summary>Share of contested episodes with contact of a pair; null where there are none.</summary>
    public Estimate? ContestedFailure { get; init; }

    /// <summary>Joint modes; null where the scenario tells none apart.</summary>
    public ModeFigures? Modes { get; init; }

    /// <summary>Mean norm of the second difference [m].</summary>
    public required Estimate SecondDifference { get; init; }

    /// <summary>Mean norm of the third difference [m].</summary>
    public required Estimate ThirdDifference { get; init; }

    /// <summary>Roughness: second difference as a ratio to the demonstrations' (whose value counts as exact); null where those are not known.</summary>
    public Estimate? SecondRatio { get; init; }

    /// <summary>Roughness: third difference as a ratio to the demonstrations'.</summary>
    public Estimate? ThirdRatio { get; init; }

    /// <summary>Longest step between two ticks [m], the largest over all episodes.</summary>
    public required double LargestStep { get; init; }

    /// <summary>Path length [m], <see cref="Efficiency.PathLength"/>.</summary>
    public required Estimate PathLength { get; init; }

    /// <summary>The same as a ratio to the demonstrations' (whose value counts as exact); null where those are not at hand.</summary>
    public Estimate? PathLengthRatio { get; init; }

    /// <summary>Time to goal [s] of the episodes in which every agent arrived, <see cref="Efficiency.TimeToGoal"/>; null where there are none.</summary>
    public Estimate? TimeToGoal { get; init; }

    /// <summary>The same as a ratio to the demonstrations'.</summary>
    public Estimate? TimeToGoalRatio { get; init; }

    /// <summary>Last change of the running joint mode as a share of the way to the closest approach, over the episodes that have one; see <see cref="Evaluation.Commitment"/>. Null where there are none.</summary>
    public Estimate? Commitment { get; init; }

    /// <summary>Changes of the running joint mode up to the closest approach, per episode; null where the scenario tells no modes apart.</summary>
    public Estimate? ModeSwitches { get; init; }

    /// <summary>Collisions over all thresholds.</summary>
    public required CollisionCurves Curves { get; init; }

    /// <summary>Transport distances from the demonstrations; null where those are not at hand.</summary>
    public TransportFigures? Transport { get; init; }

    /// <summary>Displacement errors; null unless the rollouts begin where demonstrations at hand begin (<see cref="Displacement.FromStarts"/>).</summary>
    public DisplacementFigures? Displacement { get; init; }

    /// <summary>Computes all figures.</summary>
    /// <param name="scenario">Limits, tolerance, obstacles, mode rule.</param>
    /// <param name="paths">[E,N,T,D].</param>
    /// <param name="goals">[E,N,D] [m].</param>
    /// <param name="baseline">What to compare with, or null.</param>
    /// <param name="seed">Seed of the resampling floors.</param>
    /// <param name="cancellationToken">Gives up within a moment.</param>
    /// <exception cref="InvalidInputException">The paths do not fit the scenario.</exception>
    public static Figures Compute(Scenario scenario, PathSet paths, ReadOnlySpan<double> goals, Baseline? baseline, ulong seed = 0, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(paths);
        InvalidInputException.Require(paths.Agents == scenario.Agents && paths.Dimensions == scenario.Dimensions, "positions", "agents and dimensions",
            $"{scenario.Agents} and {scenario.Dimensions} as in scenario {scenario.Name}", $"{paths.Agents} and {paths.Dimensions}");
        var outcomes = Outcomes.Compute(scenario, paths, goals, cancellationToken);
        var figures = Compute(scenario, outcomes, baseline, seed);
        cancellationToken.ThrowIfCancellationRequested();
        return baseline?.Paths is not { } demonstrations ? figures : figures with
        {
            Transport = JointTransport.Compare(Evaluation.DistinctEpisodes.Of(paths, outcomes.Same!), demonstrations, seed),
            Displacement = Evaluation.Displacement.FromStarts(paths, demonstrations),
        };
    }

    /// <summary>Computes what needs no paths: all but <see cref="Transport"/> and <see cref="Displacement"/>.</summary>
    /// <param name="scenario">Limits, tolerance, mode rule.</param>
    /// <param name="outcomes">Of the episodes, computed or read from a file.</param>
    /// <param name="baseline">What to compare with, or null.</param>
    /// <param name="seed">Seed of the resampling floors.</param>
    public static Figures Compute(Scenario scenario, Outcomes outcomes, Baseline? baseline, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(outcomes);
        var figures = OfDistinct(scenario, Evaluation.DistinctEpisodes.Of(outcomes), baseline, seed);
        return figures with
        {
            Episodes = outcomes.Episodes,
            DistinctEpisodes = outcomes.Same is null ? null : figures.Episodes,
            DistinctStarts = outcomes.SameStart is { } starts ? Evaluation.DistinctEpisodes.Indices(starts).Length : null,
            Faults = outcomes.Replaced is { } replaced ? new FaultFigures(replaced.Count(r => r > 0), replaced.Sum(r => (long)r)) : null,
            // A label an episode, copies too.
            Modes = figures.Modes is null ? null : figures.Modes with { Labels = outcomes.Modes! },
        };
    }

    private static Figures OfDistinct(Scenario scenario, Outcomes outcomes, Baseline? baseline, ulong seed)
    {
        var contact = scenario.Collision.ContactLimit;
        var arrived = outcomes.Arrived(scenario);
        var contacts = outcomes.Collided(contact);
        var (second, third) = (Intervals.Mean(outcomes.SecondDifference, low: 0), Intervals.Mean(outcomes.ThirdDifference, low: 0));
        var length = Intervals.Mean(outcomes.PathLength, low: 0);
        // Times are whole ticks, averaged over agents.
        var time = Defined(outcomes.TimeToGoal, times => Intervals.Mean(times, low: 0, step: scenario.TimeStep / outcomes.Agents));
        var contested = outcomes.Contested;
        var failures = contested?.Zip(outcomes.MinimumPair, (c, d) => c && d < contact.Pair).Count(f => f) ?? 0;
        return new Figures
        {
            Episodes = outcomes.Episodes,
            Agents = outcomes.Agents,
            StrictSuccess = Intervals.Rate([.. arrived.Zip(contacts, (a, c) => a && !c)]),
            GoalsReached = Intervals.Rate(arrived),
            AgentSuccess = outcomes.AgentSuccess is null ? null : Intervals.Share(outcomes.AgentSuccess, outcomes.Agents),
            Collisions = Array.ConvertAll(scenario.Collision.Limits, l => new CollisionFigure(l.Name, l.Pair, l.Obstacle, Intervals.Rate(outcomes.Collided(l)))),
            MinimumPairDistance = outcomes.Agents > 1 ? Intervals.Mean(outcomes.MinimumPair, low: 0) : null,
            Contested = contested is null ? null : Intervals.Rate(contested),
            ContestedFailure = contested?.Count(c => c) is { } count and > 0 ? Intervals.Wilson(failures, count) : null,
            Modes = outcomes.Modes is null ? null : Modal(scenario, outcomes, baseline, seed),
            SecondDifference = second,
            ThirdDifference = third,
            SecondRatio = Ratio(second, baseline?.Roughness, 0),
            ThirdRatio = Ratio(third, baseline?.Roughness, 1),
            LargestStep = outcomes.LargestStep.Max(),
            PathLength = length,
            PathLengthRatio = baseline?.Figures is { } b ? Ratio(length, [b.PathLength.Value], 0) : null,
            TimeToGoal = time,
            TimeToGoalRatio = time is { } t && baseline?.Figures?.TimeToGoal is { } their ? Ratio(t, [their.Value], 0) : null,
            Commitment = outcomes.Commitment is null ? null : Defined(outcomes.Commitment, shares => Intervals.Share(shares, int.MaxValue)),
            ModeSwitches = outcomes.ModeSwitches is null ? null : Intervals.Mean(Array.ConvertAll(outcomes.ModeSwitches, s => (double)s), low: 0, step: 1),
            Curves = CollisionCurves.Of(scenario, outcomes),
        };
    }

    private static Estimate? Defined(double[] values, Func<double[], Estimate> estimate)
    {
        var defined = Array.FindAll(values, v => !double.IsNaN(v));
        return defined.Length == 0 ? null : estimate(defined);
    }

    private static ModeFigures Modal(Scenario scenario, Outcomes outcomes, Baseline? baseline, ulong seed)
    {
        var (names, labels) = (JointModes.Names(scenario), outcomes.Modes!);
        var figures = new ModeFigures
        {
            Names = names,
            Rule = outcomes.ModeRule,
            Labels = labels,
            Shares = [.. Enumerable.Range(1, names.Count).Select(mode => Intervals.Wilson(labels.Count(l => l == mode), labels.Length))],
            Unresolved = Intervals.Wilson(labels.Count(l => l == JointModes.Unresolved), labels.Length),
            Entropy = ModeShares.Entropy(ModeShares.Of(labels, names.Count) is var own && ModeShares.Unresolved(own) ? ModeShares.WithUnresolved(own) : own),
        };
        if (baseline?.ModeShares is not { } known || known.Length != names.Count)
        {
            return figures;
        }

        // Labels of one rule are never held against shares of another.
        var same = baseline.ComparesBy(scenario, outcomes.ModeRule);
        var compared = same ? labels : baseline.ComparesBy(scenario, ModeRuleNames.Published) ? outcomes.PublishedModes : null;
        if (compared is null)
        {
            return figures;
        }

        var shares = ModeShares.Of(compared, names.Count);
        if (ModeShares.Unresolved(shares) || ModeShares.Unresolved(known))
        {
            (shares, known) = (ModeShares.WithUnresolved(shares), ModeShares.WithUnresolved(known));
        }

        var floors = ModeShares.ResamplingFloors(known, labels.Length, baseline.Count, seed);
        return figures with
        {
            ComparedBy = same ? null : ModeRuleNames.Published,
            TotalVariation = ModeShares.TotalVariation(shares, known),
            ResamplingFloor = floors.TotalVariation,
            EntropyGap = ModeShares.EntropyGap(shares, known),
            EntropyFloor = floors.EntropyGap,
        };
    }

    private static Estimate? Ratio(Estimate value, double[]? baseline, int index) => baseline is { Length: > 0 } b && index < b.Length && b[index] > 0
        ? new Estimate(value.Value / b[index], value.Low / b[index], value.High / b[index])
        : null;
}
