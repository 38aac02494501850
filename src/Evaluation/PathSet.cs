namespace MimicD.Evaluation;

/// <summary>Paths of all agents in a set of episodes or demonstrations: what every metric is computed from.</summary>
/// <param name="Positions">[<paramref name="Episodes"/>, <paramref name="Agents"/>, <paramref name="Times"/>, <paramref name="Dimensions"/>] [m], last axis fastest; time 0 is the start.</param>
/// <param name="Episodes">Episodes (E), or demonstrations (M).</param>
/// <param name="Agents">Agents an episode (N).</param>
/// <param name="Times">Positions a path, the start included (T).</param>
/// <param name="Dimensions">Dimensions of space (D).</param>
public sealed record PathSet(double[] Positions, int Episodes, int Agents, int Times, int Dimensions)
{
    /// <summary>Actions of each episode that the world's fallback stood in for, [E] (<see cref="World.Rollouts.Replaced"/>); null where they were not counted.</summary>
    public int[]? Replaced { get; init; }

    /// <summary>Positions of each path that count [E], where demonstrations end at different times; behind them the last one is repeated. Null: all <see cref="Times"/> count.</summary>
    public int[]? Lengths { get; init; }

    /// <summary>Paths of demonstrations.</summary>
    public static PathSet Of(World.DemonstrationSet demonstrations, string where)
    {
        ArgumentNullException.ThrowIfNull(demonstrations);
        var paths = Create<double>(demonstrations.Positions.Data, demonstrations.Positions.Shape, where);
        return demonstrations.HasOneLength ? paths : paths with { Lengths = [.. Enumerable.Range(0, demonstrations.Count).Select(demonstrations.Length)] };
    }

    /// <summary>Copies an array of shape [E,N,T,D].</summary>
    /// <param name="positions">The numbers.</param>
    /// <param name="shape">Four axes, none of them empty.</param>
    /// <param name="where">The file they came from, for the message.</param>
    /// <exception cref="Contracts.InvalidInputException">Not four axes, an empty axis, or a number that is not finite.</exception>
    public static PathSet Create<T>(ReadOnlySpan<T> positions, ReadOnlySpan<int> shape, string where)
        where T : unmanaged, System.Numerics.INumberBase<T>
    {
        var found = "(" + string.Join(", ", shape.ToArray()) + ")";
        Contracts.InvalidInputException.Require(shape.Length == 4 && !shape.ContainsAnyInRange(int.MinValue, 0) && shape[3] is 2 or 3, where, "positions", "shape (episodes, agents, times, 2 or 3)", found);
        var copy = new double[positions.Length];
        for (var i = 0; i < copy.Length; i++)
        {
            copy[i] = double.CreateChecked(positions[i]);
            if (!(Math.Abs(copy[i]) <= World.Extent.Most))
            {
                var row = i / shape[3];
                throw Contracts.InvalidInputException.Create(where, "positions", double.IsFinite(copy[i]) ? World.Extent.Expected : "finite numbers",
                    $"{copy[i]} at episode {row / shape[2] / shape[1]}, agent {row / shape[2] % shape[1]}, time {row % shape[2]}");
            }
        }

        return new PathSet(copy, shape[0], shape[1], shape[2], shape[3]);
    }

    /// <summary>One position, [D] [m].</summary>
    public ReadOnlySpan<double> At(int episode, int agent, int time)
        => Positions.AsSpan((((episode * Agents) + agent) * Times + time) * Dimensions, Dimensions);

    /// <summary>Throws unless there is a goal for every path.</summary>
    /// <param name="goals">[E,N,D] [m].</param>
    /// <exception cref="ArgumentException">Another number of numbers.</exception>
    public void RequireGoals(ReadOnlySpan<double> goals)
    {
        if (goals.Length != Episodes * Agents * Dimensions)
        {
            throw new ArgumentException($"expected {Episodes} x {Agents} x {Dimensions} goals, found {goals.Length} numbers", nameof(goals));
        }
    }

    /// <summary>Euclidean distance of two points [m].</summary>
    public static double Distance(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        var sum = 0.0;
        for (var d = 0; d < a.Length; d++)
        {
            var delta = a[d] - b[d];
            sum += delta * delta;
        }

        return Math.Sqrt(sum);
    }
}
