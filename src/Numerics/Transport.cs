namespace MimicD.Numerics;

/// <summary>
/// Exact optimal transport between two finite sets with equal weights: what it costs at least to turn one heap of sand, one part in <c>rows</c> on each row's point,
/// into the other, one part in <c>columns</c> on each column's (Monge; Kantorovich 1942; the Wasserstein-1 distance where the costs are distances).
/// </summary>
/// <remarks>
/// With as many rows as columns an optimal plan is an assignment (Birkhoff), and <see cref="Assignment"/> finds it. Otherwise weights are scaled to whole numbers by the
/// least common multiple of the two counts, and the transport problem is solved by successive shortest paths with potentials (the same algorithm with
/// capacities; Ahuja, Magnanti and Orlin 1993, chapter 9): exact up to the rounding of the sums, no entropy term, no tolerance to choose.
/// </remarks>
public static class Transport
{
    private const int None = -1;

    /// <summary>The smallest mean cost.</summary>
    /// <param name="cost">[rows, columns], finite.</param>
    /// <param name="rows">Points of one set, 1 or more; each weighs 1 / rows.</param>
    /// <param name="columns">Points of the other, 1 or more; each weighs 1 / columns.</param>
    /// <returns>Minimum over plans of the sum of plan times cost, the plan's parts summing to 1; in the unit of the costs.</returns>
    /// <exception cref="ArgumentException">Shapes do not fit, or a cost is not finite.</exception>
    public static double EqualWeights(ReadOnlySpan<double> cost, int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        if (rows == columns)
        {
            return Assignment.Solve(cost, rows, columns, new int[rows]) / rows;
        }

        var plan = EqualWeightsPlan(cost, rows, columns, out var total);
        double sum = 0;
        for (int i = 0; i < plan.Length; i++)
        {
            sum += plan[i] * cost[i];
        }

        return sum / total;
    }

    /// <summary>An optimal plan in whole units.</summary>
    /// <param name="cost">[rows, columns], finite.</param>
    /// <param name="rows">Points of one set.</param>
    /// <param name="columns">Points of the other.</param>
    /// <param name="total">Units in all: the least common multiple of rows and columns.</param>
    /// <returns>[rows, columns] units from each row to each column; a row sends total / rows, a column gets total / columns.</returns>
    /// <exception cref="ArgumentException">Shapes do not fit, or a cost is not finite.</exception>
    public static int[] EqualWeightsPlan(ReadOnlySpan<double> cost, int rows, int columns, out int total)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        if (cost.Length != rows * columns)
        {
            throw new ArgumentException($"Costs [{rows}, {columns}] are needed; there are {cost.Length} entries.", nameof(cost));
        }

        foreach (double c in cost)
        {
            if (!double.IsFinite(c))
            {
                throw new ArgumentException("A cost is not finite.", nameof(cost));
            }
        }

        int divisor = (int)System.Numerics.BigInteger.GreatestCommonDivisor(rows, columns);
        total = checked(rows / divisor * columns);
        var supply = new int[rows];
        var demand = new int[columns];
        Array.Fill(supply, columns / divisor);
        Array.Fill(demand, rows / divisor);
        var flow = new int[cost.Length];
        var search = new Search(rows, columns);
        for (int start = 0; start < rows; start++)
        {
            while (supply[start] > 0)
            {
                int last = search.Run(cost, flow, demand, start);

                // The path back to the start: column, the row that reached it, the column that reached that row, ...
                int units = Math.Min(supply[start], demand[last]);
                for (int column = last; ;)
                {
                    int row = search.RowTo[column];
                    if (row == start)
                    {
                        break;
                    }

                    column = search.ColumnTo[row];
                    units = Math.Min(units, flow[(row * columns) + column]);
                }

                for (int column = last; ;)
                {
                    int row = search.RowTo[column];
                    flow[(row * columns) + column] += units;
                    if (row == start)
                    {
                        break;
                    }

                    column = search.ColumnTo[row];
                    flow[(row * columns) + column] -= units;
                }

                supply[start] -= units;
                demand[last] -= units;
            }
        }

        return flow;
    }

    /// <summary>Dijkstra in reduced costs from a row to the nearest column with unmet demand, over the residual network.</summary>
    private sealed class Search(int rows, int columns)
    {
        private readonly double[] _rowPotential = new double[rows];
        private readonly double[] _columnPotential = new double[columns];
        private readonly double[] _rowDistance = new double[rows];
        private readonly double[] _columnDistance = new double[columns];
        private readonly bool[] _settled = new bool[columns];
        private readonly int[] _reached = new int[rows];

        /// <summary>The row from which each column was reached.</summary>
        public int[] RowTo { get; } = new int[columns];

        /// <summary>The column from which each row was reached (the start from none).</summary>
        public int[] ColumnTo { get; } = new int[rows];

        public int Run(ReadOnlySpan<double> cost, int[] flow, int[] demand, int start)
        {
            Array.Fill(_columnDistance, double.PositiveInfinity);
            Array.Fill(_rowDistance, double.PositiveInfinity);
            Array.Clear(_settled);
            (int scanned, int count) = (0, 1);
            _reached[0] = start;
            _rowDistance[start] = 0;
            ColumnTo[start] = None;
            while (true)
            {
                for (; scanned < count; scanned++)
                {
                    Relax(cost, _reached[scanned]);
                }

                int next = Nearest();
                _settled[next] = true;
                if (demand[next] > 0)
                {
                    Update(next, count);
                    return next;
                }

                // A column sends back what it got: along used arcs the reduced cost is zero.
                for (int row = 0; row < rows; row++)
                {
                    if (flow[(row * columns) + next] > 0 && double.IsPositiveInfinity(_rowDistance[row]))
                    {
                        _rowDistance[row] = _columnDistance[next];
                        ColumnTo[row] = next;
                        _reached[count++] = row;
                    }
                }
            }
        }

        private void Relax(ReadOnlySpan<double> cost, int row)
        {
            double at = _rowDistance[row] - _rowPotential[row];
            ReadOnlySpan<double> costs = cost.Slice(row * columns, columns);
            for (int j = 0; j < columns; j++)
            {
                double through = at + costs[j] - _columnPotential[j];
                if (through < _columnDistance[j] && !_settled[j])
                {
                    _columnDistance[j] = through;
                    RowTo[j] = row;
                }
            }
        }

        private int Nearest()
        {
            int next = None;
            for (int j = 0; j < columns; j++)
            {
                if (!_settled[j] && (next == None || _columnDistance[j] < _columnDistance[next]))
                {
                    next = j;
                }
            }

            return next;
        }

        private void Update(int last, int count)
        {
            double distance = _columnDistance[last];
            for (int j = 0; j < columns; j++)
            {
                if (_settled[j])
                {
                    _columnPotential[j] -= distance - _columnDistance[j];
                }
            }

            for (int i = 0; i < count; i++)
            {
                _rowPotential[_reached[i]] += distance - _rowDistance[_reached[i]];
            }
        }
    }
}
