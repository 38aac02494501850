using FsCheck;
using FsCheck.Fluent;
using MimicD.Numerics;

namespace MimicD.NumericsTests;

public class AssignmentTests
{
    [Fact]
    public void The_sum_is_the_smallest_of_all_assignments() =>
        Prop.ForAll<int>(ArbMap.Default.ArbFor<int>(), seed =>
        {
            var random = new CounterRandom((ulong)(uint)seed, RandomPurpose.Resampling);
            int rows = 1 + random.NextInt32(6);
            int columns = rows + random.NextInt32(3);
            var cost = new double[rows * columns];
            for (int i = 0; i < cost.Length; i++)
            {
                // Few distinct values, so that ties are common.
                cost[i] = random.NextInt32(7) - 3;
            }

            var columnOf = new int[rows];
            double sum = Assignment.Solve(cost, rows, columns, columnOf);
            double own = columnOf.Select((column, row) => cost[(row * columns) + column]).Sum();
            return sum == own && columnOf.Distinct().Count() == rows && sum == Smallest(cost, rows, columns, 0, 0);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Equal_points_are_assigned_to_each_other()
    {
        const int Count = 60;
        var cost = new double[Count * Count];
        for (int i = 0; i < Count; i++)
        {
            for (int j = 0; j < Count; j++)
            {
                cost[(i * Count) + j] = Math.Abs((i * 7 % Count) - j);
            }
        }

        var columnOf = new int[Count];
        Assert.Equal(0, Assignment.Solve(cost, Count, Count, columnOf));
        Assert.Equal(Enumerable.Range(0, Count).Select(i => i * 7 % Count), columnOf);
    }

    [Fact]
    public void A_cost_that_is_not_finite_is_refused() =>
        Assert.Throws<ArgumentException>(() => Assignment.Solve([double.NaN], 1, 1, new int[1]));

    private static double Smallest(double[] cost, int rows, int columns, int row, int used)
    {
        if (row == rows)
        {
            return 0;
        }

        double best = double.PositiveInfinity;
        for (int j = 0; j < columns; j++)
        {
            if ((used & (1 << j)) == 0)
            {
                best = Math.Min(best, cost[(row * columns) + j] + Smallest(cost, rows, columns, row + 1, used | (1 << j)));
            }
        }

        return best;
    }
}
