using MimicD.Numerics;

namespace MimicD.Evaluation;

/// <summary>The distance between two halves of the demonstrations themselves [m]: what a perfect imitator would show at that size.</summary>
/// <param name="Rows">Paths of one half that were used: as many as there are rollouts in a block, where those are fewer than half of the demonstrations.</param>
/// <param name="Columns">Paths of the other half.</param>
/// <param name="Splits">Random splits.</param>
/// <param name="Mean">Mean over splits.</param>
/// <param name="Point95">95 % point over splits.</param>
public sealed record TransportFloor(int Rows, int Columns, int Splits, double Mean, double Point95);

/// <summary>Transport distances of rollouts from demonstrations [m].</summary>
public sealed record TransportFigures
{
    /// <summary>Blocks of episodes.</summary>
    public required int Blocks { get; init; }

    /// <summary>Episodes a block, each compared with <see cref="Columns"/> demonstrations.</summary>
    public required int Rows { get; init; }

    /// <summary>Demonstrations a block is compared with.</summary>
    public required int Columns { get; init; }

    /// <summary>Joint distance: mean over blocks with Student's interval over blocks (unbounded with one block).</summary>
    public required Estimate Joint { get; init; }

    /// <summary>The distance for each agent on its own, [N], as the paper has it. It does not see how agents' paths belong together.</summary>
    public required Estimate[] PerAgent { get; init; }

    /// <summary>Joint floor; null with fewer than two demonstrations.</summary>
    public TransportFloor? Floor { get; init; }

    /// <summary>Floor of each agent on its own, [N].</summary>
    public TransportFloor[]? PerAgentFloor { get; init; }

    /// <summary>
    /// Joint distance at the floor's own size, mean over its splits: random rollouts of a block against the second half of the demonstrations. Distances between samples fall
    /// with their size, so this one, and not <see cref="Joint"/>, compares with the floor.
    /// </summary>
    public double? JointAtFloorSize { get; init; }

    /// <summary><see cref="JointAtFloorSize"/> over the floor's mean: 1 is as near to the demonstrations as they are to themselves.</summary>
    public double? RatioToFloor { get; init; }
}

/// <summary>
/// Joint transport distance: optimal transport between two sets of joint paths, all of equal weight, where moving one joint path onto another costs the discrete Frechet distance of their
/// <em>stacked</em> paths, the paths of the point (p_1, ..., p_N) in R^(N D) with its Euclidean norm. All agents share one leash, so a pair of paths is near only if every agent is, at the same time.
/// </summary>
/// <remarks>
/// Blocks as the paper's 100 x 100: episodes are taken in their order in consecutive blocks of <see cref="BlockSize"/> (a run's starts are independent draws, so any blocks are as good), at most
/// <see cref="MaxBlocks"/>; a rest is left out; fewer episodes than that are one block. Of the demonstrations a pool of at most twice the block size is
/// drawn, and for each block a block's worth of the pool; all by the seed, without replacement, and with no more demonstrations than that all of them are used. Sets of different sizes are
/// compared exactly, with weights 1/E and 1/M (<see cref="Transport"/>).
/// </remarks>
public static class JointTransport
{
    /// <summary>Episodes, and demonstrations, of one block.</summary>
    public const int BlockSize = 100;

    /// <summary>Most blocks that are compared.</summary>
    public const int MaxBlocks = 10;

    /// <summary>Splits behind a floor.</summary>
    public const int Splits = 200;

    // Addresses within the resampling stream, apart from those of the mode shares' resamples (0 and 1).
    private const int PoolStream = 16;
    private const int BlockStream = 17;
    private const int SplitStream = 18;

    /// <summary>Discrete Frechet distances of all pairs of joint paths [m], [first.Episodes, second.Episodes].</summary>
    /// <param name="first">[E,N,T,D].</param>
    /// <param name="second">[M,N,T',D].</param>
    /// <exception cref="ArgumentException">Agents or dimensions differ.</exception>
    public static double[] Costs(PathSet first, PathSet second) => Costs(first, second, null);

    /// <summary>The same for one agent's paths alone.</summary>
    public static double[] Costs(PathSet first, PathSet second, int agent) => Costs(first, second, (int?)agent);

    /// <summary>The joint transport distance of two sets [m], of any sizes.</summary>
    /// <param name="first">[E,N,T,D].</param>
    /// <param name="second">[M,N,T',D].</param>
    public static double Distance(PathSet first, PathSet second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        return Transport.EqualWeights(Costs(first, second), first.Episodes, second.Episodes);
    }

    /// <summary>All figures of rollouts against demonstrations.</summary>
    /// <param name="rollouts">[E,N,T,D].</param>
    /// <param name="demonstrations">[M,N,T',D].</param>
    /// <param name="seed">Which demonstrations, and which splits.</param>
    public static TransportFigures Compare(PathSet rollouts, PathSet demonstrations, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(rollouts);
        ArgumentNullException.ThrowIfNull(demonstrations);
        var rows = Math.Min(BlockSize, rollouts.Episodes);
        var blocks = Math.Min(MaxBlocks, rollouts.Episodes / rows);
        var pool = Take(demonstrations, Sample(demonstrations.Episodes, Math.Min(2 * BlockSize, demonstrations.Episodes), new CounterRandom(seed, RandomPurpose.Resampling, 0, PoolStream)));
        var columns = Math.Min(BlockSize, pool.Episodes);
        var parts = new (PathSet Episodes, PathSet Demonstrations)[blocks];
        for (var b = 0; b < blocks; b++)
        {
            parts[b] = (Take(rollouts, [.. Enumerable.Range(b * rows, rows)]), Take(pool, Sample(pool.Episodes, columns, new CounterRandom(seed, RandomPurpose.Resampling, b, BlockStream))));
        }

        var joint = Figure(null);
        var agents = Enumerable.Range(0, rollouts.Agents).Select(n => Figure(n)).ToArray();
        return new TransportFigures
        {
            Blocks = blocks,
            Rows = rows,
            Columns = columns,
            Joint = joint.Value,
            PerAgent = Array.ConvertAll(agents, a => a.Value),
            Floor = joint.Floor,
            PerAgentFloor = joint.Floor is null ? null : Array.ConvertAll(agents, a => a.Floor!),
            JointAtFloorSize = joint.AtFloorSize,
            RatioToFloor = joint is { AtFloorSize: { } at, Floor.Mean: > 0 and var mean } ? at / mean : null,
        };

        (Estimate Value, double? AtFloorSize, TransportFloor? Floor) Figure(int? agent)
        {
            var costs = Array.ConvertAll(parts, p => Costs(p.Episodes, p.Demonstrations, agent));
            var value = SeedMeans.Student(Array.ConvertAll(costs, c => Transport.EqualWeights(c, rows, columns))).Within(0, double.PositiveInfinity);
            var half = pool.Episodes / 2;
            if (half == 0)
            {
                return (value, null, null);
            }

            var within = Costs(pool, pool, agent);
            var used = Math.Min(half, rows);
            var (floor, across) = (new double[Splits], 0.0);
            for (var s = 0; s < Splits; s++)
            {
                var random = new CounterRandom(seed, RandomPurpose.Resampling, s, SplitStream);
                var order = Sample(pool.Episodes, pool.Episodes, random);
                floor[s] = Transport.EqualWeights(Block(within, pool.Episodes, order.AsSpan(0, used), order.AsSpan(half, half)), used, half);
                random = new CounterRandom(seed, RandomPurpose.Resampling, s, SplitStream, 1);
                across += Transport.EqualWeights(Block(costs[s % blocks], columns, Sample(rows, used, random), Sample(columns, half, new CounterRandom(seed, RandomPurpose.Resampling, s, SplitStream, 2))), used, half) / Splits;
            }

            Array.Sort(floor);
            return (value, across, new TransportFloor(used, half, Splits, floor.Average(), floor[(int)Math.Ceiling(0.95 * Splits) - 1]));
        }
    }

    private static double[] Costs(PathSet first, PathSet second, int? agent)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        if (first.Agents != second.Agents || first.Dimensions != second.Dimensions)
        {
            throw new ArgumentException($"paths of {first.Agents} agents in {first.Dimensions} dimensions do not compare with those of {second.Agents} in {second.Dimensions}", nameof(second));
        }

        var dimension = agent is null ? first.Agents * first.Dimensions : first.Dimensions;
        var (rows, columns) = (Stacked(first, agent), ReferenceEquals(first, second) ? null : Stacked(second, agent));
        var cost = new double[first.Episodes * second.Episodes];
        // Every entry is computed on its own, so the result does not depend on the threads.
        Parallel.For(0, first.Episodes, i =>
        {
            // A set against itself is symmetric, and zero on the diagonal.
            for (var j = 0; j < (columns is null ? i : second.Episodes); j++)
            {
                cost[i * second.Episodes + j] = DiscreteFrechet.Distance(rows[i], (columns ?? rows)[j], dimension);
            }
        });
        for (var i = 0; i < first.Episodes && columns is null; i++)
        {
            for (var j = 0; j < i; j++)
            {
                cost[j * first.Episodes + i] = cost[i * first.Episodes + j];
            }
        }

        return cost;
    }

    /// <summary>Each episode as one path [T, N D] (or [T, D] of one agent).</summary>
    private static double[][] Stacked(PathSet paths, int? agent)
    {
        var (from, to) = agent is { } a ? (a, a + 1) : (0, paths.Agents);
        var width = (to - from) * paths.Dimensions;
        var stacked = new double[paths.Episodes][];
        for (var e = 0; e < stacked.Length; e++)
        {
            stacked[e] = new double[paths.Times * width];
            for (var t = 0; t < paths.Times; t++)
            {
                for (var n = from; n < to; n++)
                {
                    paths.At(e, n, t).CopyTo(stacked[e].AsSpan(t * width + (n - from) * paths.Dimensions));
                }
            }
        }

        return stacked;
    }

    private static PathSet Take(PathSet paths, int[] episodes)
    {
        var size = paths.Agents * paths.Times * paths.Dimensions;
        var taken = new double[episodes.Length * size];
        for (var i = 0; i < episodes.Length; i++)
        {
            paths.Positions.AsSpan(episodes[i] * size, size).CopyTo(taken.AsSpan(i * size));
        }

        return paths with { Positions = taken, Episodes = episodes.Length };
    }

    /// <summary>Some of 0 ... count-1 without replacement, in random order (Fisher and Yates, from the inside out).</summary>
    private static int[] Sample(int count, int some, CounterRandom random)
    {
        var order = new int[count];
        for (var i = 0; i < count; i++)
        {
            var j = random.NextInt32(i + 1);
            order[i] = order[j];
            order[j] = i;
        }

        return order[..some];
    }

    private static double[] Block(double[] cost, int stride, ReadOnlySpan<int> rows, ReadOnlySpan<int> columns)
    {
        var block = new double[rows.Length * columns.Length];
        for (var i = 0; i < rows.Length; i++)
        {
            for (var j = 0; j < columns.Length; j++)
            {
                block[i * columns.Length + j] = cost[rows[i] * stride + columns[j]];
            }
        }

        return block;
    }
}
