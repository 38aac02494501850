namespace MimicD.World;

/// <summary>
/// Finds the nearest of many bodies without looking at all of them: a uniform grid over the first two coordinates, two bodies a cell on average. Exact: it finds whom a look at everybody would find, of equally near ones
/// the lower index. Built again when bodies have moved; reading is safe from any thread. One for each episode.
/// </summary>
public sealed class NeighbourGrid
{
    private const double BodiesPerCell = 2;

    private readonly int _dimensions;
    private readonly int[] _cellOf;
    private readonly int[] _members;
    private readonly double[] _places;
    private int[] _first = [];
    private (int X, int Y) _cells;
    private (double X, double Y) _origin;
    private double _cell = 1;
    private double _slack;

    /// <summary>Makes a grid that nobody is in yet.</summary>
    /// <param name="bodies">Bodies, at least 1.</param>
    /// <param name="dimensions">Coordinates of each, at least 2.</param>
    public NeighbourGrid(int bodies, int dimensions)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bodies, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(dimensions, 2);
        (_dimensions, _cellOf, _members, _places) = (dimensions, new int[bodies], new int[bodies], new double[bodies * dimensions]);
    }

    /// <summary>Puts bodies in their cells.</summary>
    /// <param name="positions">[bodies, dimensions] [m], finite.</param>
    public void Build(ReadOnlySpan<double> positions)
    {
        var (d, bodies) = (_dimensions, _members.Length);
        var (low, high) = ((X: double.PositiveInfinity, Y: double.PositiveInfinity), (X: double.NegativeInfinity, Y: double.NegativeInfinity));
        for (var body = 0; body < bodies; body++)
        {
            var (x, y) = (positions[body * d], positions[body * d + 1]);
            low = (Math.Min(low.X, x), Math.Min(low.Y, y));
            high = (Math.Max(high.X, x), Math.Max(high.Y, y));
        }

        var (width, height) = (high.X - low.X, high.Y - low.Y);
        var cells = Math.Max(1, bodies / BodiesPerCell);

        // Square cells; of bodies in a line there is one row of them, and of bodies in one place one cell.
        _cell = Math.Max(Math.Sqrt(width * height / cells), Math.Max(width, height) / cells);
        _cell = _cell > 0 && double.IsFinite(_cell) ? _cell : 1;
        _origin = low;

        // Edges are rounded, and so is who is on which side of them.
        _slack = 1e-6 * _cell + 1e-14 * Math.Max(Math.Max(Math.Abs(low.X), Math.Abs(high.X)), Math.Max(Math.Abs(low.Y), Math.Abs(high.Y)));
        _cells = (1 + (int)(width / _cell), 1 + (int)(height / _cell));
        var count = _cells.X * _cells.Y;
        if (_first.Length < count + 1)
        {
            _first = new int[2 * count + 1];
        }

        var first = _first.AsSpan(0, count + 1);
        first.Clear();
        for (var body = 0; body < bodies; body++)
        {
            var cell = Row(positions[body * d + 1]) * _cells.X + Column(positions[body * d]);
            _cellOf[body] = cell;
            first[cell + 1]++;
        }

        for (var cell = 0; cell < count; cell++)
        {
            first[cell + 1] += first[cell];
        }

        // From the back, so that each cell's members come in ascending order and `first` ends where it began.
        for (var body = bodies - 1; body >= 0; body--)
        {
            var at = --first[_cellOf[body] + 1];
            _members[at] = body;
            positions.Slice(body * d, d).CopyTo(_places.AsSpan(at * d, d));
        }

        // Each count has been used up to its cell's beginning, one place too far to the right.
        first[1..].CopyTo(first);
        first[count] = bodies;
    }

    /// <summary>Finds the nearest bodies to a place.</summary>
    /// <param name="own">The place [dimensions] [m]; need not be where bodies are.</param>
    /// <param name="except">A body that does not count, or -1.</param>
    /// <param name="nearest">Receives who.</param>
    internal void Find(ReadOnlySpan<double> own, int except, ref NearestFew nearest)
    {
        var (column, row) = (Column(own[0]), Row(own[1]));
        var rings = Math.Max(Math.Max(column, _cells.X - 1 - column), Math.Max(row, _cells.Y - 1 - row));
        for (var ring = 0; ring <= rings; ring++)
        {
            if (nearest.IsFull && Beyond(own, column, row, ring) is var distance && distance > 0 && distance * distance > nearest.Farthest)
            {
                return;
            }

            for (var y = Math.Max(0, row - ring); y <= Math.Min(_cells.Y - 1, row + ring); y++)
            {
                if (y == row - ring || y == row + ring)
                {
                    for (var x = Math.Max(0, column - ring); x <= Math.Min(_cells.X - 1, column + ring); x++)
                    {
                        Look(y * _cells.X + x, own, except, ref nearest);
                    }

                    continue;
                }

                // Between its first and its last row a ring has two cells a row.
                if (column - ring >= 0)
                {
                    Look(y * _cells.X + column - ring, own, except, ref nearest);
                }

                if (column + ring < _cells.X)
                {
                    Look(y * _cells.X + column + ring, own, except, ref nearest);
                }
            }
        }
    }

    private void Look(int cell, ReadOnlySpan<double> own, int except, ref NearestFew nearest)
    {
        var d = _dimensions;
        for (var at = _first[cell]; at < _first[cell + 1]; at++)
        {
            double squared = 0;
            for (var i = 0; i < own.Length; i++)
            {
                var difference = _places[at * d + i] - own[i];
                squared += difference * difference;
            }

            if (squared <= nearest.Farthest && _members[at] != except)
            {
                nearest.Add(squared, _members[at]);
            }
        }
    }

    /// <summary>A distance [m] below which nobody is who is not in the rings before one; 0 or less where that says nothing.</summary>
    private double Beyond(ReadOnlySpan<double> own, int column, int row, int ring)
    {
        var beyond = double.PositiveInfinity;
        if (column - ring >= 0)
        {
            beyond = Math.Min(beyond, own[0] - (_origin.X + (column - ring + 1) * _cell));
        }

        if (column + ring < _cells.X)
        {
            beyond = Math.Min(beyond, _origin.X + (column + ring) * _cell - own[0]);
        }

        if (row - ring >= 0)
        {
            beyond = Math.Min(beyond, own[1] - (_origin.Y + (row - ring + 1) * _cell));
        }

        if (row + ring < _cells.Y)
        {
            beyond = Math.Min(beyond, _origin.Y + (row + ring) * _cell - own[1]);
        }

        return beyond - _slack;
    }

    private int Column(double x) => Clamp((x - _origin.X) / _cell, _cells.X);

    private int Row(double y) => Clamp((y - _origin.Y) / _cell, _cells.Y);

    private static int Clamp(double cell, int cells) => cell > 0 ? (int)Math.Min(cell, cells - 1) : 0;
}

/// <summary>The few nearest seen so far, ascending; of equally near ones the lower index comes first, whatever order they are seen in.</summary>
/// <param name="squared">Room for squared distances, [most].</param>
/// <param name="indices">Room for who they are, [most].</param>
internal ref struct NearestFew(Span<double> squared, Span<int> indices)
{
    private readonly Span<double> _squared = squared;
    private readonly Span<int> _indices = indices;

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>Whether there are as many as there is room for.</summary>
    public readonly bool IsFull => Count == _squared.Length;

    /// <summary>Nobody farther than this gets in.</summary>
    public double Farthest { get; private set; } = squared.Length > 0 ? double.PositiveInfinity : double.NegativeInfinity;

    /// <summary>Takes somebody in who is near enough.</summary>
    public void Add(double distance, int index)
    {
        if (IsFull)
        {
            if (Count == 0 || !Before(Count - 1, distance, index))
            {
                return;
            }

            Count--;
        }

        var at = Count++;
        while (at > 0 && Before(at - 1, distance, index))
        {
            _squared[at] = _squared[at - 1];
            _indices[at] = _indices[at - 1];
            at--;
        }

        _squared[at] = distance;
        _indices[at] = index;
        Farthest = IsFull ? _squared[^1] : Farthest;
    }

    private readonly bool Before(int at, double distance, int index) => distance < _squared[at] || (distance == _squared[at] && index < _indices[at]);
}
