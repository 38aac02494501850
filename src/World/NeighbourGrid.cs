using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

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

    // Bodies move between two looks: so much the square of a distance may grow before as many are no longer found within it.
    private const double Growth = 1.25;

    // A place that is so far from others looks at everybody.
    private const int MostRings = 8;

    // Bodies of two coordinates are put in their cells four at a time.
    private const int Plane = 2;
    private const int Few = 4;

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
    private readonly float[] _expected;
    private (int X, int Y) _cells;
    private (double X, double Y) _origin;
    private double _cell;
    private double _inverse;
    private double _slack;

    /// <summary>Makes a grid that nobody is in yet.</summary>
    /// <param name="bodies">Bodies, at least 1.</param>
    /// <param name="dimensions">Coordinates of each, at least 2.</param>
    public NeighbourGrid(int bodies, int dimensions)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bodies, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(dimensions, 2);
        (_dimensions, _bodies, _stride) = (dimensions, bodies, bodies + Padding);
        (_cellOf, _members, _places) = (new int[bodies], new int[_stride], new double[_stride * dimensions]);

        // A power of two, so that a turn is a mask; no fewer than four cells, so that three side by side are three.
        _side = Math.Max(4, (int)BitOperations.RoundUpToPowerOf2((uint)Math.Ceiling(Math.Sqrt(bodies))));
        _first = new int[_side * _side + 1];
        _expected = new float[bodies];
        Array.Fill(_expected, float.PositiveInfinity);
    }

    /// <summary>Puts bodies in their cells.</summary>
    /// <param name="positions">[bodies, dimensions] [m], finite.</param>
    /// <param name="reach">A distance [m] beyond which nobody will be looked for; infinite where there is none.</param>
    public void Build(ReadOnlySpan<double> positions, double reach = double.PositiveInfinity)
    {
        var (low, high) = Bounds(positions);
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

    /// <summary>
    /// A squared distance [m^2] within which a body may expect to find as many as it looks for, by what it found when it looked last; infinite where that says nothing. To begin with: it changes how many are looked at, and never who is
    /// found, if whoever finds too few looks again without it.
    /// </summary>
    internal double Expected(int body) => _expected[body];

    /// <summary>Remembers how far a body had to look.</summary>
    /// <param name="body">The body.</param>
    /// <param name="squared">The squared distance [m^2] of the last that it found, or infinite where there were too few.</param>
    internal void Expect(int body, double squared) => _expected[body] = (float)(squared * Growth);

    /// <summary>Shows whoever may be near enough to a place, nearer ones not always first.</summary>
    /// <param name="own">The place [dimensions] [m]; need not be where bodies are.</param>
    /// <param name="except">A body that does not count, or -1.</param>
    /// <param name="nearest">Receives who, and says how far to look.</param>
    internal void Find<T>(ReadOnlySpan<double> own, int except, ref T nearest)
        where T : struct, INearby, allows ref struct
    {
        var (x, y) = ((own[0] - _origin.X) * _inverse, (own[1] - _origin.Y) * _inverse);
        var (column, row) = (Clamp(x, _cells.X), Clamp(y, _cells.Y));
        var rings = Math.Max(Math.Max(column, _cells.X - 1 - column), Math.Max(row, _cells.Y - 1 - row));

        // Of the cells round its own a place need not look at those that are wholly too far.
        var far = (Math.Sqrt(nearest.Farthest) + _slack) * _inverse;
        var (left, right) = (x - far < column ? column - 1 : column, x + far >= column + 1 ? column + 1 : column);
        var last = y + far >= row + 1 && row + 1 < _cells.Y ? row + 1 : row;
        for (var at = y - far < row && row > 0 ? row - 1 : row; at <= last; at++)
        {
            LookRow(at, left, right, own, except, ref nearest);
        }

        for (var ring = 2; ring <= rings; ring++)
        {
            nearest.Settle();
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

            for (var at = Math.Max(0, row - ring); at <= Math.Min(_cells.Y - 1, row + ring); at++)
            {
                if (at == row - ring || at == row + ring)
                {
                    LookRow(at, column - ring, column + ring, own, except, ref nearest);
                    continue;
                }

                // Between its first and its last row a ring has two cells a row.
                LookRow(at, column - ring, column - ring, own, except, ref nearest);
                LookRow(at, column + ring, column + ring, own, except, ref nearest);
            }
        }
    }

    /// <summary>The smallest box that all are in.</summary>
    private ((double X, double Y) Low, (double X, double Y) High) Bounds(ReadOnlySpan<double> positions)
    {
        var body = 0;
        var (low, high) = (Vector128.Create(double.PositiveInfinity), Vector128.Create(double.NegativeInfinity));
        if (_dimensions == Plane)
        {
            var (lows, highs) = (Vector512.Create(double.PositiveInfinity), Vector512.Create(double.NegativeInfinity));
            for (; body + Few <= _bodies; body += Few)
            {
                var few = Vector512.Create(positions.Slice(body * Plane, Few * Plane));
                (lows, highs) = (Vector512.MinNative(lows, few), Vector512.MaxNative(highs, few));
            }

            var (halfLow, halfHigh) = (Vector256.MinNative(lows.GetLower(), lows.GetUpper()), Vector256.MaxNative(highs.GetLower(), highs.GetUpper()));
            (low, high) = (Vector128.MinNative(halfLow.GetLower(), halfLow.GetUpper()), Vector128.MaxNative(halfHigh.GetLower(), halfHigh.GetUpper()));
        }

        for (; body < _bodies; body++)
        {
            var one = Vector128.Create(positions.Slice(body * _dimensions, Plane));
            (low, high) = (Vector128.MinNative(low, one), Vector128.MaxNative(high, one));
        }

        return ((low[0], low[1]), (high[0], high[1]));
    }

    /// <summary>Counts each cell's bodies, into the place after it.</summary>
    /// <returns>Cells that are not empty.</returns>
    private int Count(ReadOnlySpan<double> positions, (double X, double Y) high)
    {
        _inverse = 1 / _cell;
        _cells = (1 + (int)((high.X - _origin.X) * _inverse), 1 + (int)((high.Y - _origin.Y) * _inverse));
        var body = 0;
        if (_dimensions == Plane)
        {
            var (origin, last) = (Vector512.Create(Vector256.Create(Vector128.Create(_origin.X, _origin.Y))), Vector512.Create(Vector256.Create(Vector128.Create(_cells.X - 1.0, _cells.Y - 1.0))));
            var shift = BitOperations.Log2((uint)_side);
            for (; body + Few <= _bodies; body += Few)
            {
                // As Column and Row do it, of four bodies: columns in the even places, rows in the odd ones.
                var cells = (Vector512.Create(positions.Slice(body * Plane, Few * Plane)) - origin) * Vector512.Create(_inverse);
                cells = Vector512.MinNative(Vector512.MaxNative(cells, Vector512<double>.Zero), last);
                var turned = Vector512.ConvertToInt64Native(cells) & Vector512.Create((long)(_side - 1));
                var (columns, rows) = (Vector512.Shuffle(turned, Vector512.Create(0L, 2, 4, 6, 0, 2, 4, 6)), Vector512.Shuffle(turned, Vector512.Create(1L, 3, 5, 7, 1, 3, 5, 7)));
                var of = ((rows << shift) + columns).GetLower();
                Vector128.Narrow(of.GetLower(), of.GetUpper()).CopyTo(_cellOf.AsSpan(body, Few));
            }
        }

        for (; body < _bodies; body++)
        {
            _cellOf[body] = (Row(positions[body * _dimensions + 1]) & (_side - 1)) * _side + (Column(positions[body * _dimensions]) & (_side - 1));
        }

        Array.Clear(_first);
        var occupied = 0;
        foreach (var cell in _cellOf)
        {
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
            var of = positions.Slice(body * _dimensions, _dimensions);
            for (var i = 0; i < of.Length; i++)
            {
                _places[i * _stride + at] = of[i];
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
        ref var members = ref MemoryMarshal.GetArrayDataReference(_members);
        var (x, y) = (Vector512.Create(own[0]), Vector512.Create(own[1]));
        var observer = Vector256.Create(except);
        for (; from < to; from += Padding)
        {
            var (alongX, alongY) = (Vector512.LoadUnsafe(ref places, (nuint)from) - x, Vector512.LoadUnsafe(ref places, (nuint)(_stride + from)) - y);
            var squares = alongX * alongX + alongY * alongY;
            for (var i = 2; i < own.Length; i++)
            {
                var along = Vector512.LoadUnsafe(ref places, (nuint)(i * _stride + from)) - Vector512.Create(own[i]);
                squares += along * along;
            }

            var who = Vector256.LoadUnsafe(ref members, (nuint)from);
            var (low, high) = Vector256.Widen(Vector256.Equals(who, observer));
            var counts = Vector512.LessThanOrEqual(squares, Vector512.Create(nearest.Farthest)).AsInt64() & Vector512.GreaterThan(Vector512.Create((long)(to - from)), Vector512<long>.Indices);
            nearest.Add(squares, who, Vector512.AndNot(counts, Vector512.Create(low, high)));
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

    private int Column(double x) => Clamp((x - _origin.X) * _inverse, _cells.X);

    private int Row(double y) => Clamp((y - _origin.Y) * _inverse, _cells.Y);

    private static int Clamp(double cell, int cells) => cell >= cells ? cells - 1 : cell > 0 ? (int)cell : 0;
}

/// <summary>Who is looked for by <see cref="NeighbourGrid.Find"/>.</summary>
internal interface INearby
{
    /// <summary>Nobody whose squared distance [m^2] is above this counts.</summary>
    double Farthest { get; }

    /// <summary>Takes in some of eight bodies.</summary>
    /// <param name="squares">Their squared distances [m^2].</param>
    /// <param name="who">Who they are.</param>
    /// <param name="counts">All bits where one counts, none where not.</param>
    void Add(Vector512<double> squares, Vector256<int> who, Vector512<long> counts);

    /// <summary>Makes <see cref="Farthest"/> as small as it may be by now.</summary>
    void Settle();

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
    public void Add(Vector512<double> squares, Vector256<int> who, Vector512<long> counts)
    {
        for (var which = counts.ExtractMostSignificantBits(); which != 0; which &= which - 1)
        {
            _indices[Count++] = who[BitOperations.TrailingZeroCount(which)];
        }
    }

    /// <inheritdoc/>
    public readonly void Settle()
    {
    }

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
    public void Add(Vector512<double> squares, Vector256<int> who, Vector512<long> counts)
    {
        for (var which = counts.ExtractMostSignificantBits(); which != 0; which &= which - 1)
        {
            var i = BitOperations.TrailingZeroCount(which);
            Add(squares[i], who[i]);
        }
    }

    /// <inheritdoc/>
    public readonly void Settle()
    {
    }

    /// <inheritdoc/>
    public void Restart() => (Count, Farthest) = (0, _limit);

    private readonly bool Before(int at, double distance, int index) => distance < _squared[at] || (distance == _squared[at] && index < _indices[at]);
}

/// <summary>
/// The same as <see cref="NearestFew"/> where they are very few: whoever counts is put down, and now and then all are put in their places at once, by how many are nearer than each. No step of that depends on who they are, which is what
/// makes it quicker than keeping them in order.
/// </summary>
/// <param name="squared">[<see cref="Room"/>]</param>
/// <param name="indices">[<see cref="Room"/>]; the nearest are at its beginning once <see cref="Settle"/> was called.</param>
/// <param name="most">How many are wanted, 1 to <see cref="Most"/>.</param>
/// <param name="farthest">A squared distance above which nobody counts.</param>
internal ref struct NearestRanked(Span<double> squared, Span<int> indices, int most, double farthest) : INearby
{
    /// <summary>The most that may be wanted.</summary>
    public const int Most = 16;

    /// <summary>How many are put down before they are put in their places.</summary>
    private const int Full = 32;

    /// <summary>Room that is needed: eight are put down at a time.</summary>
    public const int Room = Full + 8;

    private readonly Span<double> _squared = squared[..Room];
    private readonly Span<int> _indices = indices[..Room];
    private double _limit = farthest;
    private int _settled;

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <inheritdoc/>
    public double Farthest { get; private set; } = farthest;

    /// <inheritdoc/>
    public void Add(Vector512<double> squares, Vector256<int> who, Vector512<long> counts)
    {
        if (Count > Full - 8)
        {
            Settle();
        }

        if (Avx512F.VL.IsSupported)
        {
            Avx512F.Compress(squares, counts.AsDouble(), squares).CopyTo(_squared[Count..]);
            Avx512F.VL.Compress(who, Vector512.Narrow(counts, counts).GetLower(), who).CopyTo(_indices[Count..]);
            Count += BitOperations.PopCount(counts.ExtractMostSignificantBits());
            return;
        }

        for (var which = counts.ExtractMostSignificantBits(); which != 0; which &= which - 1)
        {
            var i = BitOperations.TrailingZeroCount(which);
            (_squared[Count], _indices[Count]) = (squares[i], who[i]);
            Count++;
        }
    }

    /// <summary>Puts all in their places and keeps the nearest.</summary>
    public void Settle()
    {
        if (Count == _settled)
        {
            return;
        }

        // Behind the last nobody is nearer than anybody.
        Vector512.Create(double.PositiveInfinity).CopyTo(_squared[Count..]);
        Vector512.Create(double.PositiveInfinity).CopyTo(_squared[Math.Min(Count + 8, Full)..]);
        Span<double> squares = stackalloc double[Full];
        Span<int> who = stackalloc int[Full];
        var taken = 0u;
        var (one, two) = (Vector512.Create<double>(_squared), Vector512.Create<double>(_squared[8..]));
        var (three, four) = (Vector512.Create<double>(_squared[16..]), Vector512.Create<double>(_squared[24..]));
        for (var i = 0; i < Count; i++)
        {
            var own = Vector512.Create(_squared[i]);
            var nearer = Nearer(one, own) | (Nearer(two, own) << 8);
            if (Count > 16)
            {
                nearer |= (Nearer(three, own) << 16) | (Nearer(four, own) << 24);
            }

            var place = BitOperations.PopCount(nearer);
            squares[place] = _squared[i];
            who[place] = _indices[i];
            taken |= 1u << place;
        }

        if (BitOperations.PopCount(taken) < Count)
        {
            // Some are equally near.
            var few = new NearestFew(squares, who);
            for (var i = 0; i < Count; i++)
            {
                few.Add(_squared[i], _indices[i]);
            }
        }

        Count = _settled = Math.Min(Count, most);
        squares[..Most].CopyTo(_squared);
        who[..Most].CopyTo(_indices);
        Farthest = Count == most ? _squared[Count - 1] : Farthest;

        static uint Nearer(Vector512<double> others, Vector512<double> own) => (uint)Vector512.LessThan(others, own).ExtractMostSignificantBits();
    }

    /// <inheritdoc/>
    public void Restart() => (Count, _settled, Farthest) = (0, 0, _limit);

    /// <summary>Forgets everybody, for a look at who is near enough by another distance.</summary>
    /// <param name="farthest">A squared distance above which nobody counts.</param>
    public void Restart(double farthest)
    {
        _limit = farthest;
        Restart();
    }
}
