using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace MimicD.World;

/// <summary>
/// Finds the nearest of many bodies without looking at all of them: a uniform grid over the first two coordinates, a few bodies a cell where there are any. Exact: it finds whom a look at everybody would find, of equally
/// near ones the lower index. Built again when bodies have moved; reading is safe from any thread. One for each episode.
/// </summary>
/// <remarks>
/// Cells are wrapped round a torus of about as many as there are bodies, so that its memory does not depend on how far they are spread; who comes from another turn of it is told by the distance. Bodies lie sorted by cell, one
/// array a coordinate, and three cells of a row are one stretch of them: a place's neighbourhood is three stretches, which are tested eight bodies at a time. Squares are summed in the order of coordinates at every width.
/// </remarks>
public sealed class NeighbourGrid
{
    // The size of cells is kept from build to build while as many as this are in one that is not empty: four, about, put the eight nearest into a place's own cell and those round it.
    private const double FewestInCell = 2;
    private const double MostInCell = 8;

    // Halvings of the cell that find no more: bodies in one place stay in one cell.
    private const double SmallestCell = 1e-7;

    // A place that is so far from others looks at everybody.
    private const int MostRings = 8;

    // Stretches are read eight at a time, beyond their end.
    private const int Padding = 8;

    private readonly int _dimensions;
    private readonly int _bodies;
    private readonly int _stride;
    private readonly int _side;
    private readonly int[] _cellOf;
    private readonly int[] _members;
    private readonly double[] _places;
    private readonly int[] _first;
    private (int X, int Y) _cells;
    private (double X, double Y) _origin;
    private double _cell;
    private double _slack;

    /// <summary>Makes a grid that nobody is in yet.</summary>
    /// <param name="bodies">Bodies, at least 1.</param>
    /// <param name="dimensions">Coordinates of each, at least 2.</param>
    public NeighbourGrid(int bodies, int dimensions)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bodies, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(dimensions, 2);
        (_dimensions, _bodies, _stride) = (dimensions, bodies, bodies + Padding);
        (_cellOf, _members, _places) = (new int[bodies], new int[bodies], new double[_stride * dimensions]);

        // A power of two, so that a turn is a mask; no fewer than four cells, so that three side by side are three.
        _side = Math.Max(4, (int)BitOperations.RoundUpToPowerOf2((uint)Math.Ceiling(Math.Sqrt(bodies))));
        _first = new int[_side * _side + 1];
    }

    /// <summary>Puts bodies in their cells.</summary>
    /// <param name="positions">[bodies, dimensions] [m], finite.</param>
    /// <param name="reach">A distance [m] beyond which nobody will be looked for; infinite where there is none.</param>
    public void Build(ReadOnlySpan<double> positions, double reach = double.PositiveInfinity)
    {
        var d = _dimensions;
        var (low, high) = ((X: double.PositiveInfinity, Y: double.PositiveInfinity), (X: double.NegativeInfinity, Y: double.NegativeInfinity));
        for (var body = 0; body < _bodies; body++)
        {
            var (x, y) = (positions[body * d], positions[body * d + 1]);
            low = (Math.Min(low.X, x), Math.Min(low.Y, y));
            high = (Math.Max(high.X, x), Math.Max(high.Y, y));
        }

        var extent = Math.Max(high.X - low.X, high.Y - low.Y);
        _origin = low;
        var cell = _cell > 0 ? _cell : Math.Max(Math.Sqrt((high.X - low.X) * (high.Y - low.Y) / _bodies), extent / _bodies);
        cell = Math.Max(Math.Min(cell, Math.Min(extent, reach)), extent * SmallestCell);
        _cell = cell > 0 && double.IsFinite(cell) ? cell : 1;
        for (var halved = false; ; )
        {
            var occupied = Count(positions, high);
            if (_bodies > MostInCell * occupied && _cell / 2 > extent * SmallestCell)
            {
                (_cell, halved) = (_cell / 2, true);
            }
            else if (!halved && _bodies < FewestInCell * occupied && 2 * _cell <= Math.Min(extent, reach))
            {
                _cell *= 2;
            }
            else
            {
                break;
            }
        }

        // Edges are rounded, and so is who is on which side of them.
        _slack = 1e-6 * _cell + 1e-14 * Math.Max(Math.Max(Math.Abs(low.X), Math.Abs(high.X)), Math.Max(Math.Abs(low.Y), Math.Abs(high.Y)));
        Sort(positions);
    }

    /// <summary>Shows whoever may be near enough to a place, nearer ones not always first.</summary>
    /// <param name="own">The place [dimensions] [m]; need not be where bodies are.</param>
    /// <param name="except">A body that does not count, or -1.</param>
    /// <param name="nearest">Receives who, and says how far to look.</param>
    internal void Find<T>(ReadOnlySpan<double> own, int except, ref T nearest)
        where T : struct, INearby, allows ref struct
    {
        var (column, row) = (Column(own[0]), Row(own[1]));
        var rings = Math.Max(Math.Max(column, _cells.X - 1 - column), Math.Max(row, _cells.Y - 1 - row));
        for (var y = Math.Max(0, row - 1); y <= Math.Min(_cells.Y - 1, row + 1); y++)
        {
            LookRow(y, column - 1, column + 1, own, except, ref nearest);
        }

        for (var ring = 2; ring <= rings; ring++)
        {
            if (Beyond(own, column, row, ring) is > 0 and var distance && distance * distance > nearest.Farthest)
            {
                return;
            }

            if (ring > MostRings || 2 * ring + 1 > _side)
            {
                nearest.Restart();
                Look(0, _bodies, own, except, ref nearest);
                return;
            }

            for (var y = Math.Max(0, row - ring); y <= Math.Min(_cells.Y - 1, row + ring); y++)
            {
                if (y == row - ring || y == row + ring)
                {
                    LookRow(y, column - ring, column + ring, own, except, ref nearest);
                    continue;
                }

                // Between its first and its last row a ring has two cells a row.
                LookRow(y, column - ring, column - ring, own, except, ref nearest);
                LookRow(y, column + ring, column + ring, own, except, ref nearest);
            }
        }
    }

    /// <summary>Counts each cell's bodies, into the place after it.</summary>
    /// <returns>Cells that are not empty.</returns>
    private int Count(ReadOnlySpan<double> positions, (double X, double Y) high)
    {
        _cells = (1 + (int)((high.X - _origin.X) / _cell), 1 + (int)((high.Y - _origin.Y) / _cell));
        Array.Clear(_first);
        var occupied = 0;
        for (var body = 0; body < _bodies; body++)
        {
            var cell = (Row(positions[body * _dimensions + 1]) & (_side - 1)) * _side + (Column(positions[body * _dimensions]) & (_side - 1));
            _cellOf[body] = cell;
            occupied += _first[cell + 1]++ == 0 ? 1 : 0;
        }

        return occupied;
    }

    private void Sort(ReadOnlySpan<double> positions)
    {
        var first = _first;
        for (var cell = 0; cell < first.Length - 1; cell++)
        {
            first[cell + 1] += first[cell];
        }

        // From the back, so that each cell's members come in ascending order and `first` ends where it began.
        for (var body = _bodies - 1; body >= 0; body--)
        {
            var at = --first[_cellOf[body] + 1];
            _members[at] = body;
            for (var i = 0; i < _dimensions; i++)
            {
                _places[i * _stride + at] = positions[body * _dimensions + i];
            }
        }

        // Each count has been used up to its cell's beginning, one place too far to the right.
        first.AsSpan(1).CopyTo(first);
        first[^1] = _bodies;
    }

    /// <summary>Looks at the cells of a row from one column to another, as far as there are any.</summary>
    private void LookRow<T>(int row, int from, int to, ReadOnlySpan<double> own, int except, ref T nearest)
        where T : struct, INearby, allows ref struct
    {
        (from, to) = (Math.Max(from, 0), Math.Min(to, _cells.X - 1));
        if (from > to)
        {
            return;
        }

        var mask = _side - 1;
        var start = (row & mask) * _side;
        (from, to) = (start + (from & mask), start + (to & mask));
        if (from <= to)
        {
            Look(_first[from], _first[to + 1], own, except, ref nearest);
            return;
        }

        Look(_first[from], _first[start + _side], own, except, ref nearest);
        Look(_first[start], _first[to + 1], own, except, ref nearest);
    }

    private void Look<T>(int from, int to, ReadOnlySpan<double> own, int except, ref T nearest)
        where T : struct, INearby, allows ref struct
    {
        ref var places = ref MemoryMarshal.GetArrayDataReference(_places);
        Span<double> squares = stackalloc double[Padding];
        for (; from < to; from += Padding)
        {
            var near = Squares(ref Unsafe.Add(ref places, from), own, squares, nearest.Farthest) & ((1u << Math.Min(to - from, Padding)) - 1);
            for (; near != 0; near &= near - 1)
            {
                var i = BitOperations.TrailingZeroCount(near);
                if (_members[from + i] != except)
                {
                    nearest.Add(squares[i], _members[from + i]);
                }
            }
        }
    }

    /// <summary>Squared distances of eight bodies.</summary>
    /// <returns>A bit for each that is not farther than the farthest.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private uint Squares(ref double places, ReadOnlySpan<double> own, Span<double> squares, double farthest)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            var sum = Vector512<double>.Zero;
            for (var i = 0; i < own.Length; i++)
            {
                var difference = Vector512.LoadUnsafe(ref places, (nuint)(i * _stride)) - Vector512.Create(own[i]);
                sum += difference * difference;
            }

            sum.CopyTo(squares);
            return (uint)Vector512.LessThanOrEqual(sum, Vector512.Create(farthest)).ExtractMostSignificantBits();
        }

        var (low, high) = (Vector256<double>.Zero, Vector256<double>.Zero);
        for (var i = 0; i < own.Length; i++)
        {
            var at = Vector256.Create(own[i]);
            var (one, other) = (Vector256.LoadUnsafe(ref places, (nuint)(i * _stride)) - at, Vector256.LoadUnsafe(ref places, (nuint)(i * _stride + 4)) - at);
            (low, high) = (low + one * one, high + other * other);
        }

        low.CopyTo(squares);
        high.CopyTo(squares[4..]);
        var limit = Vector256.Create(farthest);
        return Vector256.LessThanOrEqual(low, limit).ExtractMostSignificantBits() | (Vector256.LessThanOrEqual(high, limit).ExtractMostSignificantBits() << 4);
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

/// <summary>Who is looked for by <see cref="NeighbourGrid.Find"/>.</summary>
internal interface INearby
{
    /// <summary>Nobody whose squared distance [m^2] is above this counts.</summary>
    double Farthest { get; }

    /// <summary>Takes in somebody whose squared distance is not above it.</summary>
    void Add(double squared, int index);

    /// <summary>Forgets everybody: all are shown again.</summary>
    void Restart();
}

/// <summary>All within a distance.</summary>
/// <param name="reach">The distance [m].</param>
/// <param name="indices">Room for who they are; for everybody, if need be.</param>
internal ref struct Within(double reach, Span<int> indices) : INearby
{
    private readonly Span<int> _indices = indices;

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <inheritdoc/>
    public readonly double Farthest { get; } = reach * reach;

    /// <inheritdoc/>
    public void Add(double squared, int index) => _indices[Count++] = index;

    /// <inheritdoc/>
    public void Restart() => Count = 0;
}

/// <summary>The few nearest seen so far, ascending; of equally near ones the lower index comes first, whatever order they are seen in.</summary>
/// <param name="squared">Room for squared distances, [most].</param>
/// <param name="indices">Room for who they are, [most].</param>
/// <param name="farthest">A squared distance above which nobody counts.</param>
internal ref struct NearestFew(Span<double> squared, Span<int> indices, double farthest = double.PositiveInfinity) : INearby
{
    private readonly Span<double> _squared = squared;
    private readonly Span<int> _indices = indices;
    private readonly double _limit = squared.Length > 0 ? farthest : double.NegativeInfinity;

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>Whether there are as many as there is room for.</summary>
    public readonly bool IsFull => Count == _squared.Length;

    /// <summary>Nobody farther than this gets in.</summary>
    public double Farthest { get; private set; } = squared.Length > 0 ? farthest : double.NegativeInfinity;

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

    /// <inheritdoc/>
    public void Restart() => (Count, Farthest) = (0, _limit);

    private readonly bool Before(int at, double distance, int index) => distance < _squared[at] || (distance == _squared[at] && index < _indices[at]);
}
