using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.Training;

/// <summary>
/// Joint modes that nobody has written a rule for: k-means clusters (Lloyd 1982, started by k-means++, Arthur and Vassilvitskii 2007) of joint paths. What is compared of a demonstration is
/// how far each agent is from its straight way, at <see cref="Times"/> times: where it starts and ends then matters little, and who passes whom on which side much.
/// </summary>
public static class JointClusters
{
    /// <summary>Times at which paths are compared.</summary>
    public const int Times = 12;

    private const int Starts = 8;
    private const int Rounds = 100;

    /// <summary>The cluster of each demonstration, 1 to K, the largest first; the same for the same demonstrations.</summary>
    /// <param name="demonstrations">Joint paths [M,N,T,D].</param>
    /// <param name="clusters">K, at least 2.</param>
    /// <exception cref="InvalidInputException">Fewer demonstrations than clusters.</exception>
    public static int[] Of(DemonstrationSet demonstrations, int clusters)
    {
        ArgumentNullException.ThrowIfNull(demonstrations);
        ArgumentOutOfRangeException.ThrowIfLessThan(clusters, 2);
        InvalidInputException.Require(demonstrations.Count >= clusters, "demonstrations", "count", $"at least {clusters}, the clusters", demonstrations.Count);
        var rows = Enumerable.Range(0, demonstrations.Count).Select(m => Deviations(demonstrations, m)).ToArray();
        var (best, bestCost) = (Array.Empty<int>(), double.PositiveInfinity);
        for (var start = 0; start < Starts; start++)
        {
            var (assigned, cost) = Cluster(rows, clusters, new CounterRandom(0, RandomPurpose.TrainingBatches, -1, start));
            if (cost < bestCost)
            {
                (best, bestCost) = (assigned, cost);
            }
        }

        var rank = new int[clusters];
        foreach (var (cluster, index) in Enumerable.Range(0, clusters).OrderByDescending(c => best.Count(a => a == c)).Select((c, i) => (c, i)))
        {
            rank[cluster] = index + 1;
        }

        return Array.ConvertAll(best, a => rank[a]);
    }

    /// <summary>How far each agent is from where it would be on its straight way at an even pace, [N * Times * D] [m].</summary>
    private static double[] Deviations(DemonstrationSet demonstrations, int m)
    {
        var (d, last) = (demonstrations.Dimensions, demonstrations.Length(m) - 1);
        var row = new double[demonstrations.Agents * Times * d];
        for (var n = 0; n < demonstrations.Agents; n++)
        {
            var path = demonstrations.Path(m, n);
            for (var k = 0; k < Times; k++)
            {
                var share = (k + 1) / (Times + 1.0);
                var at = (int)Math.Round(share * last);
                for (var i = 0; i < d; i++)
                {
                    var straight = path[i] + share * (path[last * d + i] - path[i]);
                    row[(n * Times + k) * d + i] = path[at * d + i] - straight;
                }
            }
        }

        return row;
    }

    private static (int[] Assigned, double Cost) Cluster(double[][] rows, int clusters, CounterRandom random)
    {
        var centres = Seeds(rows, clusters, ref random);
        var assigned = new int[rows.Length];
        var cost = double.PositiveInfinity;
        for (var round = 0; round < Rounds; round++)
        {
            var total = 0.0;
            for (var m = 0; m < rows.Length; m++)
            {
                (assigned[m], var distance) = Nearest(rows[m], centres, centres.Length);
                total += distance;
            }

            if (total >= cost)
            {
                break;
            }

            cost = total;
            for (var c = 0; c < clusters; c++)
            {
                var members = rows.Where((_, m) => assigned[m] == c).ToArray();
                for (var i = 0; i < centres[c].Length && members.Length > 0; i++)
                {
                    centres[c][i] = members.Average(r => r[i]);
                }
            }
        }

        return (assigned, cost);
    }

    /// <summary>k-means++: each further centre is a row drawn with probability proportional to its squared distance from the nearest centre so far.</summary>
    private static double[][] Seeds(double[][] rows, int clusters, ref CounterRandom random)
    {
        var centres = new double[clusters][];
        centres[0] = [.. rows[random.NextInt32(rows.Length)]];
        for (var c = 1; c < clusters; c++)
        {
            var count = c;
            var weights = Array.ConvertAll(rows, r => Nearest(r, centres, count).SquaredDistance);
            var left = random.NextDouble() * weights.Sum();
            var chosen = Array.FindIndex(weights, w => (left -= w) < 0);
            centres[c] = [.. rows[chosen < 0 ? rows.Length - 1 : chosen]];
        }

        return centres;
    }

    private static (int Index, double SquaredDistance) Nearest(double[] row, double[][] centres, int count)
    {
        var (best, least) = (0, double.PositiveInfinity);
        for (var c = 0; c < count; c++)
        {
            var sum = 0.0;
            for (var i = 0; i < row.Length && sum < least; i++)
            {
                sum += (row[i] - centres[c][i]) * (row[i] - centres[c][i]);
            }

            if (sum < least)
            {
                (best, least) = (c, sum);
            }
        }

        return (best, least);
    }
}
