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
/// <param name="Names">What each mode looks like; index 0 is mode 1.</param>
/// <param name="Labels">Mode of each episode, [E], from 1.</param>
/// <param name="Shares">Share of each mode, Wilson intervals.</param>
/// <param name="TotalVariation">From the demonstrations' shares, or null where those are not known.</param>
/// <param name="ResamplingFloor">What chance alone gives, see <see cref="ModeShares.ResamplingFloor"/>; or null.</param>
public sealed record ModeFigures(IReadOnlyList<string> Names, [property: JsonConverter(typeof(OneLineConverter<int[]>))] int[] Labels, Estimate[] Shares, double? TotalVariation, double? ResamplingFloor);

/// <summary>What the figures of rollouts are compared with: demonstrations, or what a model remembers of those it was trained on.</summary>
public sealed record Baseline
{
    /// <summary>Demonstrations.</summary>
    public required int Count { get; init; }

    /// <summary>Shares of their joint modes; null where unknown.</summary>
    public double[]? ModeShares { get; init; }

    /// <summary>Mean norm of their second and third difference [m]; null where unknown.</summary>
    public double[]? Roughness { get; init; }

    /// <summary>All of their figures, where the demonstrations themselves are at hand.</summary>
    public Figures? Figures { get; init; }

    /// <summary>What a model remembers, or null when it remembers nothing.</summary>
    public static Baseline? Of(ProvenanceSpec? provenance) => provenance is null || provenance.Demonstrations < 1 ? null
        : new Baseline { Count = provenance.Demonstrations, ModeShares = provenance.ModeShares, Roughness = provenance.Roughness };

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
            Roughness = [figures.SecondDifference.Value, figures.ThirdDifference.Value],
            Figures = figures,
        };
    }
}

/// <summary>All figures of a set of episodes, each with its 95 % interval; definitions in the classes that compute them.</summary>
public sealed record Figures
{
    /// <summary>Episodes (E).</summary>
    public required int Episodes { get; init; }

    /// <summary>Agents an episode (N).</summary>
    public required int Agents { get; init; }

    /// <summary>Share of episodes in which every agent ends within its goal tolerance and no contact happened.</summary>
    public required Estimate StrictSuccess { get; init; }

    /// <summary>Share of episodes in which every agent ends within its goal tolerance.</summary>
    public required Estimate GoalsReached { get; init; }

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

    /// <summary>Computes all figures.</summary>
    /// <param name="scenario">Limits, tolerance, obstacles, mode rule.</param>
    /// <param name="paths">[E,N,T,D].</param>
    /// <param name="goals">[E,N,D] [m].</param>
    /// <param name="baseline">What to compare with, or null.</param>
    /// <param name="seed">Seed of the resampling floor.</param>
    /// <exception cref="InvalidInputException">The paths do not fit the scenario.</exception>
    public static Figures Compute(Scenario scenario, PathSet paths, ReadOnlySpan<double> goals, Baseline? baseline, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(paths);
        InvalidInputException.Require(paths.Agents == scenario.Agents && paths.Dimensions == scenario.Dimensions, "positions", "agents and dimensions",
            $"{scenario.Agents} and {scenario.Dimensions} as in scenario {scenario.Name}", $"{paths.Agents} and {paths.Dimensions}");
        var contact = scenario.Collision.ContactLimit;
        var outcomes = Outcomes.Compute(scenario, paths, goals);
        var arrived = Array.ConvertAll(outcomes.FinalToGoal, d => d <= scenario.GoalTolerance);
        var contacts = outcomes.Collided(contact);
        var (second, third) = (Intervals.Mean(Smoothness.Difference(paths, 2)), Intervals.Mean(Smoothness.Difference(paths, 3)));
        var figures = new Figures
        {
            Episodes = paths.Episodes,
            Agents = paths.Agents,
            StrictSuccess = Intervals.Rate([.. arrived.Zip(contacts, (a, c) => a && !c)]),
            GoalsReached = Intervals.Rate(arrived),
            Collisions = Array.ConvertAll(scenario.Collision.Limits, l => new CollisionFigure(l.Name, l.Pair, l.Obstacle, Intervals.Rate(outcomes.Collided(l)))),
            MinimumPairDistance = paths.Agents > 1 ? Intervals.Mean(outcomes.MinimumPair) : null,
            Modes = outcomes.Modes is null ? null : Modal(scenario, outcomes.Modes, baseline, seed),
            SecondDifference = second,
            ThirdDifference = third,
            SecondRatio = Ratio(second, baseline?.Roughness, 0),
            ThirdRatio = Ratio(third, baseline?.Roughness, 1),
            LargestStep = Smoothness.LargestStep(paths).Max(),
        };
        if (scenario.Contested is not { } spec)
        {
            return figures;
        }

        var contested = Contest.SameSide(paths, spec, scenario.Obstacles[spec.Obstacle].Centre);
        var failures = contested.Zip(outcomes.MinimumPair, (c, d) => c && d < contact.Pair).Count(f => f);
        var count = contested.Count(c => c);
        return figures with { Contested = Intervals.Rate(contested), ContestedFailure = count == 0 ? null : Intervals.Wilson(failures, count) };
    }

    private static ModeFigures Modal(Scenario scenario, int[] labels, Baseline? baseline, ulong seed)
    {
        var names = JointModes.Names(scenario);
        var shares = ModeShares.Of(labels, names.Count);
        var known = baseline?.ModeShares is { } s && s.Length == shares.Length ? s : null;
        return new ModeFigures(names, labels,
            [.. Enumerable.Range(1, names.Count).Select(mode => Intervals.Wilson(labels.Count(l => l == mode), labels.Length))],
            known is null ? null : ModeShares.TotalVariation(shares, known),
            known is null ? null : ModeShares.ResamplingFloor(known, labels.Length, baseline!.Count, seed));
    }

    private static Estimate? Ratio(Estimate value, double[]? baseline, int index) => baseline is { Length: > 0 } b && index < b.Length && b[index] > 0
        ? new Estimate(value.Value / b[index], value.Low / b[index], value.High / b[index])
        : null;
}

/// <summary>What happened in each episode.</summary>
/// <param name="MinimumPair">Smallest distance of a pair [m], [E].</param>
/// <param name="MinimumObstacle">Smallest distance to each obstacle's centre [m], one array [E] an obstacle.</param>
/// <param name="FinalToGoal">Largest distance from the goal at the end [m], [E].</param>
/// <param name="Modes">Joint modes, [E], from 1; null where the scenario tells none apart.</param>
public sealed record Outcomes(double[] MinimumPair, double[][] MinimumObstacle, double[] FinalToGoal, int[]? Modes)
{
    /// <summary>Computes them; arguments as for <see cref="Figures.Compute"/>.</summary>
    public static Outcomes Compute(Scenario scenario, PathSet paths, ReadOnlySpan<double> goals)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(paths);
        int[]? modes = null;
        if (scenario.Modes != ModeRule.None)
        {
            modes = new int[paths.Episodes];
            var size = paths.Agents * paths.Times * paths.Dimensions;
            for (var e = 0; e < modes.Length; e++)
            {
                modes[e] = JointModes.Label(scenario, paths.Positions.AsSpan(e * size, size));
            }
        }

        return new Outcomes(Distances.MinimumPair(paths), Array.ConvertAll(scenario.Obstacles, o => Distances.MinimumTo(paths, o.Centre)), Distances.FinalToGoal(paths, goals), modes);
    }

    /// <summary>Which episodes collided by a limit, [E].</summary>
    public bool[] Collided(CollisionLimit limit)
    {
        ArgumentNullException.ThrowIfNull(limit);
        var result = new bool[MinimumPair.Length];
        for (var e = 0; e < result.Length; e++)
        {
            result[e] = MinimumPair[e] < limit.Pair || Array.Exists(MinimumObstacle, o => o[e] < limit.Obstacle);
        }

        return result;
    }
}
