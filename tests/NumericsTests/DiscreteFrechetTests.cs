using FsCheck;
using FsCheck.Fluent;
using MimicD.Numerics;

namespace MimicD.NumericsTests;

public class DiscreteFrechetTests
{
    [Fact]
    public void It_equals_its_recursive_definition() =>
        Prop.ForAll<int>(ArbMap.Default.ArbFor<int>(), seed =>
        {
            var random = new CounterRandom((ulong)(uint)seed, RandomPurpose.Resampling);
            double[] first = Path(ref random, 1 + random.NextInt32(5));
            double[] second = Path(ref random, 1 + random.NextInt32(5));
            double expected = Recursive(first, second, (first.Length / 2) - 1, (second.Length / 2) - 1);
            return DiscreteFrechet.Distance(first, second, 2) == expected && DiscreteFrechet.Distance(second, first, 2) == expected;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void It_equals_its_table_filled_cell_by_cell_in_any_dimension() =>
        Prop.ForAll<int>(ArbMap.Default.ArbFor<int>(), seed =>
        {
            var random = new CounterRandom((ulong)(uint)seed, RandomPurpose.Resampling);
            int dimension = 1 + random.NextInt32(6);
            double[] first = Walk(ref random, 1 + random.NextInt32(40), dimension);
            double[] second = Walk(ref random, 1 + random.NextInt32(40), dimension);
            return DiscreteFrechet.Distance(first, second, dimension) == Table(first, second, dimension);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_shift_is_its_length_and_waiting_costs_nothing()
    {
        double[] path = [0, 0, 1, 0, 2, 1, 3, 3];
        double[] waits = [0, 0, 0, 0, 1, 0, 2, 1, 2, 1, 3, 3];
        double[] shifted = [.. path.Select((value, i) => i % 2 == 0 ? value + 3 : value + 4)];
        Assert.Equal(0, DiscreteFrechet.Distance(path, waits, 2));
        Assert.Equal(5, DiscreteFrechet.Distance(path, shifted, 2), 12);
    }

    [Fact]
    public void Joint_paths_are_compared_in_the_space_of_all_agents()
    {
        double[] first = [0, 0, 1, 0, 5, 5, 6, 5];
        double[] second = [0, 3, 1, 3, 5, 9, 6, 9];
        Assert.Equal([0, 0, 5, 5, 1, 0, 6, 5], DiscreteFrechet.Stack(first, 2));
        Assert.Equal(5, DiscreteFrechet.Joint(first, second, 2), 12);
    }

    private static double[] Walk(ref CounterRandom random, int points, int dimension)
    {
        var walk = new double[points * dimension];
        for (int i = 0; i < walk.Length; i++)
        {
            walk[i] = (i < dimension ? 0 : walk[i - dimension]) + random.NextNormal();
        }

        return walk;
    }

    private static double Table(double[] first, double[] second, int dimension)
    {
        var (rows, columns) = (first.Length / dimension, second.Length / dimension);
        var reach = new double[rows, columns];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                double square = 0;
                for (int d = 0; d < dimension; d++)
                {
                    square += (first[(i * dimension) + d] - second[(j * dimension) + d]) * (first[(i * dimension) + d] - second[(j * dimension) + d]);
                }

                double before = i == 0 && j == 0 ? 0 : double.PositiveInfinity;
                before = i > 0 ? Math.Min(before, reach[i - 1, j]) : before;
                before = j > 0 ? Math.Min(before, reach[i, j - 1]) : before;
                before = i > 0 && j > 0 ? Math.Min(before, reach[i - 1, j - 1]) : before;
                reach[i, j] = Math.Max(before, square);
            }
        }

        return Math.Sqrt(reach[rows - 1, columns - 1]);
    }

    private static double[] Path(ref CounterRandom random, int points)
    {
        var path = new double[2 * points];
        for (int i = 0; i < path.Length; i++)
        {
            path[i] = random.NextInt32(10);
        }

        return path;
    }

    private static double Recursive(double[] first, double[] second, int i, int j)
    {
        double dx = first[2 * i] - second[2 * j];
        double dy = first[(2 * i) + 1] - second[(2 * j) + 1];
        double here = Math.Sqrt((dx * dx) + (dy * dy));
        double before = (i, j) switch
        {
            (0, 0) => 0,
            (0, _) => Recursive(first, second, 0, j - 1),
            (_, 0) => Recursive(first, second, i - 1, 0),
            _ => Math.Min(Recursive(first, second, i - 1, j), Math.Min(Recursive(first, second, i, j - 1), Recursive(first, second, i - 1, j - 1))),
        };
        return Math.Max(here, before);
    }
}
