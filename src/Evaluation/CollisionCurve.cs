using System.Text.Json.Serialization;
using MimicD.World;

namespace MimicD.Evaluation;

/// <summary>
/// Share of episodes whose smallest distance is below a threshold, for a grid of thresholds: the empirical distribution function of the smallest distance (from the left: below, not at),
/// exact at each of them. Between two thresholds it lies between their counts; the exact function at any threshold follows from the per-episode distances (<see cref="OutcomesFile"/>).
/// </summary>
public sealed record CollisionCurve
{
    /// <summary>Thresholds of an even <see cref="Grid"/>.</summary>
    public const int GridSize = 101;

    /// <summary>Episodes (E).</summary>
    public required int Episodes { get; init; }

    /// <summary>Thresholds [m], ascending.</summary>
    [JsonConverter(typeof(OneLineConverter<double[]>))]
    public required double[] Thresholds { get; init; }

    /// <summary>Episodes below each threshold.</summary>
    [JsonConverter(typeof(OneLineConverter<int[]>))]
    public required int[] Below { get; init; }

    /// <summary>
    /// Half width of the band that covers the whole curve with 95 % probability: sqrt(ln(2 / 0.05) / (2 E)) (Dvoretzky, Kiefer and Wolfowitz 1956, with the constant of Massart 1990). For one
    /// threshold chosen beforehand <see cref="Rate"/> is narrower.
    /// </summary>
    [JsonIgnore]
    public double Band => Math.Sqrt(Math.Log(2 / 0.05) / (2 * Episodes));

    /// <summary>The share at one threshold of the grid, with its Wilson interval.</summary>
    public Estimate Rate(int index) => Intervals.Wilson(Below[index], Episodes);

    /// <summary>The curve of a sample.</summary>
    /// <param name="distances">Smallest distance of each episode [m], [E].</param>
    /// <param name="thresholds">[m], in any order; equal ones count once.</param>
    public static CollisionCurve Of(ReadOnlySpan<double> distances, IEnumerable<double> thresholds)
    {
        var sorted = distances.ToArray();
        Array.Sort(sorted);
        double[] at = [.. thresholds.Distinct().Order()];
        var below = new int[at.Length];
        var count = 0;
        for (var i = 0; i < at.Length; i++)
        {
            while (count < sorted.Length && sorted[count] < at[i])
            {
                count++;
            }

            below[i] = count;
        }

        return new CollisionCurve { Episodes = sorted.Length, Thresholds = at, Below = below };
    }

    /// <summary>An even grid of <see cref="GridSize"/> thresholds from one end to the other, rounded to micrometres.</summary>
    public static double[] Grid(double low, double high)
        => [.. Enumerable.Range(0, GridSize).Select(i => Math.Round(low + (high - low) * i / (GridSize - 1), 6))];
}

/// <summary>The collision curves of a set of episodes.</summary>
public sealed record CollisionCurves
{
    // The grids reach this much beyond the widest limit of the scenario.
    private const double Beyond = 1.25;

    /// <summary>Over the smallest distance of a pair; null with one agent.</summary>
    public CollisionCurve? Pair { get; init; }

    /// <summary>Over the smallest distance to any obstacle's centre; null without obstacles. With obstacles of different sizes <see cref="Clearance"/> says more.</summary>
    public CollisionCurve? Obstacle { get; init; }

    /// <summary>
    /// Both together, over the clearance: the smallest of (pair distance - pair limit) and, over obstacles, (distance - obstacle limit) [m]. The limits are those the experts keep, or the
    /// contact limit where the scenario names none. The share below -d is that of episodes in which a pair or an obstacle came nearer than its limit by more than d.
    /// </summary>
    public required CollisionCurve Clearance { get; init; }

    /// <summary>Computes them on even grids to which the scenario's limits are added.</summary>
    public static CollisionCurves Of(Scenario scenario, Outcomes outcomes)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(outcomes);
        var collision = scenario.Collision;
        CollisionLimit[] limits = collision.Experts is null ? collision.Limits : [.. collision.Limits, collision.Experts];
        double[] pairs = [.. limits.Select(l => l.Pair)];
        double[] obstacles = [.. limits.Where(l => l.Obstacle is not null).Select(l => l.Obstacle!.Value)];
        var nearest = NearestObstacle(outcomes);
        var keep = collision.Experts ?? collision.ContactLimit;
        var reach = Math.Max(keep.Pair, keep.Obstacle ?? 0);
        return new CollisionCurves
        {
            Pair = outcomes.Agents < 2 ? null : CollisionCurve.Of(outcomes.MinimumPair, [.. CollisionCurve.Grid(0, Beyond * pairs.Max()), .. pairs]),
            Obstacle = nearest is null || obstacles.Length == 0 ? null : CollisionCurve.Of(nearest, [.. CollisionCurve.Grid(0, Beyond * obstacles.Max()), .. obstacles]),
            Clearance = CollisionCurve.Of(Clearances(scenario, outcomes), CollisionCurve.Grid(-reach, reach * (Beyond - 1))),
        };
    }

    /// <summary>The clearance of each episode [m], [E]; see <see cref="Clearance"/>. Infinite where there is neither a pair nor an obstacle that counts.</summary>
    public static double[] Clearances(Scenario scenario, Outcomes outcomes)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(outcomes);
        var keep = scenario.Collision.Experts ?? scenario.Collision.ContactLimit;
        var clearances = Array.ConvertAll(outcomes.MinimumPair, d => d - keep.Pair);
        if (keep.Obstacle is { } limit && NearestObstacle(outcomes) is { } nearest)
        {
            for (var e = 0; e < clearances.Length; e++)
            {
                clearances[e] = Math.Min(clearances[e], nearest[e] - limit);
            }
        }

        return clearances;
    }

    private static double[]? NearestObstacle(Outcomes outcomes)
        => outcomes.MinimumObstacle.Length == 0 ? null : [.. Enumerable.Range(0, outcomes.Episodes).Select(e => outcomes.MinimumObstacle.Min(o => o[e]))];
}
