using System.Runtime.CompilerServices;
using MimicD.Contracts;
using MimicD.World;
using MimicD.World.Experts;

namespace MimicD.Evaluation;

/// <summary>What happened in each episode: one number an episode for everything that the figures average, so that tables can be recomputed without the paths (<see cref="OutcomesFile"/>).</summary>
public sealed record Outcomes
{
    /// <summary>Agents an episode (N).</summary>
    public required int Agents { get; init; }

    /// <summary>Smallest distance of a pair [m], [E]; infinite with one agent.</summary>
    public required double[] MinimumPair { get; init; }

    /// <summary>Smallest distance to each obstacle's centre [m], one array [E] an obstacle.</summary>
    public required double[][] MinimumObstacle { get; init; }

    /// <summary>Largest distance from the goal at the end [m], [E].</summary>
    public required double[] FinalToGoal { get; init; }

    /// <summary>Share of the agents that end within their goal tolerance and came into contact with nobody and no obstacle, [E] (<see cref="AgentsWithoutFault"/>); null in files from before there was such a figure.</summary>
    public double[]? AgentSuccess { get; init; }

    /// <summary>Joint modes, [E], from 1, 0 where an episode shows none; null where the scenario tells none apart.</summary>
    public int[]? Modes { get; init; }

    /// <summary>
    /// The rule behind <see cref="Modes"/> (<see cref="ModeRuleNames"/>); null in outcomes from before rules had names (<see
    /// cref="JointModes.UnnamedRule"/>).
    /// </summary>
    public string? ModeRule { get; init; }

    /// <summary>Joint modes by the published rule, [E], where the scenario's own rule is the swap's other one; else null.</summary>
    public int[]? PublishedModes { get; init; }

    /// <summary>Whether more than one agent wanted the same slot, [E] (<see cref="Contest"/>); null where the scenario does not define it.</summary>
    public bool[]? Contested { get; init; }

    /// <summary>Mean norm of the second difference [m], [E] (<see cref="Smoothness.Difference"/>).</summary>
    public required double[] SecondDifference { get; init; }

    /// <summary>Mean norm of the third difference [m], [E].</summary>
    public required double[] ThirdDifference { get; init; }

    /// <summary>Longest step of an agent [m], [E].</summary>
    public required double[] LargestStep { get; init; }

    /// <summary>Path length [m], mean over agents, [E] (<see cref="Efficiency.PathLength"/>).</summary>
    public required double[] PathLength { get; init; }

    /// <summary>Time to goal [s], mean over agents, [E]; NaN where not all of them end there (<see cref="Efficiency.TimeToGoal"/>).</summary>
    public required double[] TimeToGoal { get; init; }

    /// <summary>Last change of the running joint mode as a share of the way to the closest approach, [E], NaN where undefined (<see cref="Evaluation.Commitment"/>); null where the scenario tells no modes apart.</summary>
    public double[]? Commitment { get; init; }

    /// <summary>Changes of the running joint mode up to the closest approach, [E]; null like <see cref="Commitment"/>.</summary>
    public int[]? ModeSwitches { get; init; }

    /// <summary>Of each episode the first one with the same paths and goals, [E] (<see cref="DistinctEpisodes"/>); null in files from before this was told.</summary>
    public int[]? Same { get; init; }

    /// <summary>Of each episode the first one with the same starts and goals, [E]; null like <see cref="Same"/>.</summary>
    public int[]? SameStart { get; init; }

    /// <summary>Actions of each episode that the world's fallback stood in for, [E]; null where they were not counted.</summary>
    public int[]? Replaced { get; init; }

    // The figures, the table of outcomes and the pictures of one run each ask for them. A path set is not changed once it is made.
    private static readonly ConditionalWeakTable<PathSet, Known> Computed = [];

    /// <summary>Episodes (E).</summary>
    public int Episodes => MinimumPair.Length;

    /// <summary>Computes them.</summary>
    /// <param name="scenario">Tolerance, obstacles, mode rule, slots.</param>
    /// <param name="paths">[E,N,T,D].</param>
    /// <param name="goals">[E,N,D] [m].</param>
    /// <param name="cancellationToken">Gives up within a moment.</param>
    public static Outcomes Compute(Scenario scenario, PathSet paths, ReadOnlySpan<double> goals, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(paths);
        if (Computed.TryGetValue(paths, out var known) && ReferenceEquals(known.Scenario, scenario) && goals.SequenceEqual(known.Goals))
        {
            return known.Outcomes;
        }

        var outcomes = Work(scenario, paths, goals, cancellationToken);
        Computed.AddOrUpdate(paths, new Known(scenario, goals.ToArray(), outcomes));
        return outcomes;
    }

    private static Outcomes Work(Scenario scenario, PathSet paths, ReadOnlySpan<double> goals, CancellationToken cancellationToken)
    {
        int[]? modes = null;
        int[]? published = null;
        (double[] LastChange, int[] Switches)? commitment = null;
        if (scenario.Modes != World.ModeRule.None)
        {
            modes = new int[paths.Episodes];
            published = scenario.Modes == World.ModeRule.Swap ? new int[paths.Episodes] : null;
            var size = paths.Agents * paths.Times * paths.Dimensions;
            for (var e = 0; e < modes.Length; e++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var joint = paths.Positions.AsSpan(e * size, size);
                modes[e] = JointModes.Label(scenario, joint);
                if (published is not null)
                {
                    published[e] = SwapModes.Published(joint[..(size / 2)], joint[(size / 2)..]);
                }
            }

            commitment = Evaluation.Commitment.Compute(scenario, paths, cancellationToken);
        }

        return new Outcomes
        {
            Agents = paths.Agents,
            MinimumPair = Distances.MinimumPair(paths, cancellationToken),
            MinimumObstacle = Array.ConvertAll(scenario.Obstacles, o => Distances.MinimumTo(paths, o.Centre, cancellationToken)),
            FinalToGoal = Distances.FinalToGoal(paths, goals),
            AgentSuccess = AgentsWithoutFault(scenario, paths, goals, cancellationToken),
            Modes = modes,
            ModeRule = JointModes.Rule(scenario),
            PublishedModes = published,
            Contested = scenario.Contested is { } spec ? Contest.SameSide(paths, spec, scenario.Obstacles[spec.Obstacle].Centre) : null,
            SecondDifference = Smoothness.Difference(paths, 2, cancellationToken),
            ThirdDifference = Smoothness.Difference(paths, 3, cancellationToken),
            LargestStep = Smoothness.LargestStep(paths, cancellationToken),
            PathLength = Efficiency.PathLength(paths, cancellationToken),
            TimeToGoal = Efficiency.TimeToGoal(paths, goals, scenario.GoalTolerance, scenario.TimeStep, cancellationToken),
            Commitment = commitment?.LastChange,
            ModeSwitches = commitment?.Switches,
            Same = DistinctEpisodes.Of(paths, goals),
            SameStart = DistinctEpisodes.StartsOf(paths, goals),
            Replaced = paths.Replaced,
        };
    }

    /// <summary>Strict success agent by agent: the share of each episode's agents that end within the goal tolerance and were never nearer than the contact limit to another or to an obstacle's centre, [E].</summary>
    /// <param name="scenario">Tolerance, obstacles, contact limit.</param>
    /// <param name="paths">[E,N,T,D].</param>
    /// <param name="goals">[E,N,D] [m].</param>
    /// <param name="cancellationToken">Gives up within a moment.</param>
    public static double[] AgentsWithoutFault(Scenario scenario, PathSet paths, ReadOnlySpan<double> goals, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(paths);
        paths.RequireGoals(goals);
        var contact = scenario.Collision.ContactLimit;
        var faults = Distances.Touched(paths, contact.Pair, cancellationToken);
        var result = new double[paths.Episodes];
        for (var e = 0; e < paths.Episodes; e++)
        {
            var good = 0;
            for (var n = 0; n < paths.Agents; n++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var fault = faults[e * paths.Agents + n] || PathSet.Distance(paths.At(e, n, paths.Times - 1), goals.Slice((e * paths.Agents + n) * paths.Dimensions, paths.Dimensions)) > scenario.GoalTolerance;
                foreach (var obstacle in contact.Obstacle is null ? [] : scenario.Obstacles)
                {
                    for (var t = 0; t < paths.Times && !fault; t++)
                    {
                        fault = PathSet.Distance(paths.At(e, n, t), obstacle.Centre) < contact.Obstacle;
                    }
                }

                good += fault ? 0 : 1;
            }

            result[e] = good / (double)paths.Agents;
        }

        return result;
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

    /// <summary>Which episodes ended with every agent within its goal tolerance, [E].</summary>
    public bool[] Arrived(Scenario scenario)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        return Array.ConvertAll(FinalToGoal, d => d <= scenario.GoalTolerance);
    }

    /// <summary>What was computed of a path set last, and for what.</summary>
    private sealed record Known(Scenario Scenario, double[] Goals, Outcomes Outcomes);
}
