using System.Runtime.InteropServices;

namespace MimicD.Evaluation;

/// <summary>
/// Which episodes are the same. Without a spread of starts, and with nothing else that is drawn, every episode is a copy of the first: such copies are one piece of evidence and not many, and no interval may count
/// them as more.
/// </summary>
public static class DistinctEpisodes
{
    /// <summary>Of each episode the first one with the same paths and goals, bit for bit, [E]; itself where there is none before it.</summary>
    /// <param name="paths">[E,N,T,D].</param>
    /// <param name="goals">[E,N,D] [m].</param>
    public static int[] Of(PathSet paths, ReadOnlySpan<double> goals) => First(paths, goals, whole: true);

    /// <summary>Of each episode the first one with the same starts and goals, bit for bit, [E].</summary>
    /// <param name="paths">[E,N,T,D].</param>
    /// <param name="goals">[E,N,D] [m].</param>
    public static int[] StartsOf(PathSet paths, ReadOnlySpan<double> goals) => First(paths, goals, whole: false);

    /// <summary>Episodes that are the first of their kind, ascending.</summary>
    /// <param name="first">Of each episode the first one that is the same, [E].</param>
    public static int[] Indices(IReadOnlyList<int> first)
    {
        ArgumentNullException.ThrowIfNull(first);
        return [.. Enumerable.Range(0, first.Count).Where(e => first[e] == e)];
    }

    /// <summary>The outcomes of the episodes that are the first of their kind: what every rate, mean and interval is of. All of them where nothing says which are the same.</summary>
    /// <param name="outcomes">Of all episodes.</param>
    public static Outcomes Of(Outcomes outcomes)
    {
        ArgumentNullException.ThrowIfNull(outcomes);
        if (outcomes.Same is not { } same || Indices(same) is not { } kept || kept.Length == same.Length)
        {
            return outcomes;
        }

        double[] Kept(double[] values) => Array.ConvertAll(kept, e => values[e]);
        return outcomes with
        {
            MinimumPair = Kept(outcomes.MinimumPair),
            MinimumObstacle = Array.ConvertAll(outcomes.MinimumObstacle, Kept),
            FinalToGoal = Kept(outcomes.FinalToGoal),
            AgentSuccess = outcomes.AgentSuccess is { } each ? Kept(each) : null,
            Modes = outcomes.Modes is { } modes ? Array.ConvertAll(kept, e => modes[e]) : null,
            Contested = outcomes.Contested is { } contested ? Array.ConvertAll(kept, e => contested[e]) : null,
            SecondDifference = Kept(outcomes.SecondDifference),
            ThirdDifference = Kept(outcomes.ThirdDifference),
            LargestStep = Kept(outcomes.LargestStep),
            PathLength = Kept(outcomes.PathLength),
            TimeToGoal = Kept(outcomes.TimeToGoal),
            Commitment = outcomes.Commitment is { } commitment ? Kept(commitment) : null,
            ModeSwitches = outcomes.ModeSwitches is { } switches ? Array.ConvertAll(kept, e => switches[e]) : null,
            Same = [.. Enumerable.Range(0, kept.Length)],
            SameStart = null,
            Replaced = outcomes.Replaced is { } replaced ? Array.ConvertAll(kept, e => replaced[e]) : null,
        };
    }

    /// <summary>The paths of the episodes that are the first of their kind.</summary>
    /// <param name="paths">[E,N,T,D].</param>
    /// <param name="first">Of each episode the first one that is the same, [E].</param>
    public static PathSet Of(PathSet paths, IReadOnlyList<int> first)
    {
        ArgumentNullException.ThrowIfNull(paths);
        var kept = Indices(first);
        if (kept.Length == paths.Episodes)
        {
            return paths;
        }

        var size = paths.Agents * paths.Times * paths.Dimensions;
        var positions = new double[kept.Length * size];
        foreach (var (to, from) in kept.Index())
        {
            paths.Positions.AsSpan(from * size, size).CopyTo(positions.AsSpan(to * size));
        }

        return new PathSet(positions, kept.Length, paths.Agents, paths.Times, paths.Dimensions);
    }

    private static int[] First(PathSet paths, ReadOnlySpan<double> goals, bool whole)
    {
        ArgumentNullException.ThrowIfNull(paths);
        paths.RequireGoals(goals);
        var first = new int[paths.Episodes];
        // By hash, and bit for bit among those of one hash.
        var known = new Dictionary<int, List<int>>();
        for (var e = 0; e < first.Length; e++)
        {
            var hash = new HashCode();
            hash.AddBytes(Bytes(Goals(goals, e)));
            for (var n = 0; n < paths.Agents; n++)
            {
                hash.AddBytes(Bytes(Path(e, n)));
            }

            var key = hash.ToHashCode();
            if (!known.TryGetValue(key, out var alike))
            {
                known.Add(key, alike = []);
            }

            first[e] = e;
            foreach (var other in alike)
            {
                if (IsSame(goals, e, other))
                {
                    first[e] = other;
                    break;
                }
            }

            if (first[e] == e)
            {
                alike.Add(e);
            }
        }

        return first;

        bool IsSame(ReadOnlySpan<double> goals, int a, int b)
        {
            var same = Bytes(Goals(goals, a)).SequenceEqual(Bytes(Goals(goals, b)));
            for (var n = 0; n < paths.Agents && same; n++)
            {
                same = Bytes(Path(a, n)).SequenceEqual(Bytes(Path(b, n)));
            }

            return same;
        }

        ReadOnlySpan<double> Path(int e, int n) => paths.Positions.AsSpan((e * paths.Agents + n) * paths.Times * paths.Dimensions, (whole ? paths.Times : 1) * paths.Dimensions);

        ReadOnlySpan<double> Goals(ReadOnlySpan<double> goals, int e) => goals.Slice(e * paths.Agents * paths.Dimensions, paths.Agents * paths.Dimensions);
    }

    private static ReadOnlySpan<byte> Bytes(ReadOnlySpan<double> values) => MemoryMarshal.AsBytes(values);
}
