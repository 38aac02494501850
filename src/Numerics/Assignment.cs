namespace MimicD.Numerics;

/// <summary>
/// The exact linear assignment problem by shortest augmenting paths with potentials (Kuhn and Munkres in the form of Jonker and Volgenant, 1987), O(n^3).
/// </summary>
public static class Assignment
{
    /// <summary>Gives every row its own column so that the sum of costs is smallest.</summary>
    /// <param name="cost">[rows, columns], finite; rows at most columns.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="columns">Number of columns.</param>
    /// <param name="columnOf">[rows]: the column of each row.</param>
    /// <returns>The smallest sum.</returns>
    /// <exception cref="ArgumentException">Shapes do not fit, there are more rows than columns, or a cost is not finite.</exception>
    public static double Solve(ReadOnlySpan<double> cost, int rows, int columns, Span<int> columnOf)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, rows);
        if (cost.Length != rows * columns || columnOf.Length != rows)
        {
            throw new ArgumentException($"Costs [{rows}, {columns}] and {rows} columns are needed; there are {cost.Length} and {columnOf.Length} entries.", nameof(cost));
        }

        foreach (double c in cost)
        {
            if (!double.IsFinite(c))
            {
                throw new ArgumentException("A cost is not finite.", nameof(cost));
            }
        }

        const int None = -1;
        var rowPotential = new double[rows];
        var columnPotential = new double[columns];
        var rowOf = new int[columns];
        var shortest = new double[columns];
        var parent = new int[columns];
        var settled = new bool[columns];
        Array.Fill(rowOf, None);
        for (int start = 0; start < rows; start++)
        {
            // Dijkstra in reduced costs from the new row to the nearest free column.
            Array.Fill(shortest, double.PositiveInfinity);
            Array.Fill(parent, None);
            Array.Clear(settled);
            int row = start;
            int last = None;
            double reached = 0;
            while (true)
            {
                int next = None;
                for (int j = 0; j < columns; j++)
                {
                    if (settled[j])
                    {
                        continue;
                    }

                    double through = reached + cost[(row * columns) + j] - rowPotential[row] - columnPotential[j];
                    if (through < shortest[j])
                    {
                        shortest[j] = through;
                        parent[j] = last;
                    }

                    if (next == None || shortest[j] < shortest[next])
                    {
                        next = j;
                    }
                }

                settled[next] = true;
                reached = shortest[next];
                last = next;
                if (rowOf[next] == None)
                {
                    break;
                }

                row = rowOf[next];
            }

            for (int j = 0; j < columns; j++)
            {
                if (!settled[j] || j == last)
                {
                    continue;
                }

                double slack = reached - shortest[j];
                columnPotential[j] -= slack;
                rowPotential[rowOf[j]] += slack;
            }

            rowPotential[start] += reached;
            for (int j = last; j != None;)
            {
                int before = parent[j];
                rowOf[j] = before == None ? start : rowOf[before];
                j = before;
            }
        }

        double sum = 0;
        for (int j = 0; j < columns; j++)
        {
            if (rowOf[j] != None)
            {
                columnOf[rowOf[j]] = j;
                sum += cost[(rowOf[j] * columns) + j];
            }
        }

        return sum;
    }
}
