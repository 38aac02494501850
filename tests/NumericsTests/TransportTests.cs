using FsCheck;
using FsCheck.Fluent;
using MimicD.Numerics;

namespace MimicD.NumericsTests;

public class TransportTests
{
    [Fact]
    public void Sets_of_different_sizes_cost_what_an_assignment_of_their_copies_costs() =>
        Prop.ForAll<int>(ArbMap.Default.ArbFor<int>(), seed =>
        {
            var random = new CounterRandom((ulong)(uint)seed, RandomPurpose.Resampling);
            var (rows, columns) = (1 + random.NextInt32(7), 1 + random.NextInt32(7));
            var cost = new double[rows * columns];
            for (var i = 0; i < cost.Length; i++)
            {
                // Whole numbers, few of them: sums are exact and ties common.
                cost[i] = random.NextInt32(9) - 2;
            }

            // Each row copied `columns` times and each column `rows` times: rows * columns points on either side, all of one weight.
            var many = rows * columns;
            var copies = new double[many * many];
            for (var i = 0; i < many; i++)
            {
                for (var j = 0; j < many; j++)
                {
                    copies[i * many + j] = cost[i / columns * columns + j / rows];
                }
            }

            var expected = Assignment.Solve(copies, many, many, new int[many]) / many;
            var plan = Transport.EqualWeightsPlan(cost, rows, columns, out var total);
            var sent = Enumerable.Range(0, rows).All(r => Enumerable.Range(0, columns).Sum(c => plan[r * columns + c]) == total / rows);
            var got = Enumerable.Range(0, columns).All(c => Enumerable.Range(0, rows).Sum(r => plan[r * columns + c]) == total / columns);
            return sent && got && Array.TrueForAll(plan, p => p >= 0) && Math.Abs(Transport.EqualWeights(cost, rows, columns) - expected) < 1e-12;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void One_point_gets_everything() => Assert.Equal(2.0, Transport.EqualWeights([1, 2, 3], 3, 1), 12);

    [Fact]
    public void Two_heaps_split_as_by_hand()
    {
        // Points 0 and 1 against 0, 0 and 1: a sixth must go from 1 to 0.
        Assert.Equal(1.0 / 6, Transport.EqualWeights([0, 0, 1, 1, 1, 0], 2, 3), 12);
    }

    [Fact]
    public void A_cost_that_is_not_finite_or_missing_is_refused()
    {
        Assert.Throws<ArgumentException>(() => Transport.EqualWeights([1, double.PositiveInfinity], 1, 2));
        Assert.Throws<ArgumentException>(() => Transport.EqualWeights([1, 2, 3], 2, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => Transport.EqualWeights([], 0, 2));
    }
}
