using System.Runtime.InteropServices;
using MimicD.Numerics;

namespace MimicD.World;

/// <summary>
/// What is written down of every body at every step. Steps come one after the other and are kept body by body, so that the last few wait in rows and are turned over together: a body's memory is touched once for all of them.
/// </summary>
internal sealed class StepRecord
{
    // As many as fill a cache line with two numbers each.
    private const int Rows = 8;

    private readonly int _bodies;
    private readonly int _steps;
    private readonly int _width;
    private readonly float[] _data;
    private readonly float[] _rows;
    private int _done;

    /// <summary>Makes an empty record.</summary>
    /// <param name="bodies">Bodies (B).</param>
    /// <param name="steps">Steps of a complete record (T).</param>
    /// <param name="width">Numbers of one body at one step (W).</param>
    public StepRecord(int bodies, int steps, int width)
    {
        (_bodies, _steps, _width) = (bodies, steps, width);
        _data = new float[bodies * steps * width];
        _rows = new float[Math.Min(Rows, steps) * bodies * width];
    }

    /// <summary>Where the next step is written, [B,W]. It counts from <see cref="Add"/> on.</summary>
    public Span<float> Next => _rows.AsSpan((Count - _done) * _bodies * _width, _bodies * _width);

    /// <summary>Steps written.</summary>
    public int Count { get; private set; }

    /// <summary>Takes in what was written to <see cref="Next"/>.</summary>
    public void Add()
    {
        Count++;
        if ((Count - _done) * _bodies * _width == _rows.Length)
        {
            TurnOver();
        }
    }

    /// <summary>All that is written, [B,T,W]; zeros from <see cref="Count"/> on. The record's own memory, not a copy.</summary>
    public float[] Data()
    {
        TurnOver();
        return _data;
    }

    /// <summary>Goes on from the first steps of another record.</summary>
    /// <param name="part">[E,N,steps,W].</param>
    public void Restore(NdArray<float> part)
    {
        Count = _done = part.Shape[2];
        for (var body = 0; body < _bodies; body++)
        {
            part.Data.AsSpan(body * Count * _width, Count * _width).CopyTo(_data.AsSpan(body * _steps * _width));
        }
    }

    private void TurnOver()
    {
        var rows = Count - _done;
        if (_width == 2)
        {
            TurnOver(MemoryMarshal.Cast<float, ulong>(_rows.AsSpan()), MemoryMarshal.Cast<float, ulong>(_data.AsSpan()), rows);
            _done = Count;
            return;
        }

        for (var body = 0; body < _bodies; body++)
        {
            var to = _data.AsSpan((body * _steps + _done) * _width, rows * _width);
            for (var row = 0; row < rows; row++)
            {
                var from = _rows.AsSpan((row * _bodies + body) * _width, _width);
                for (var i = 0; i < from.Length; i++)
                {
                    to[row * from.Length + i] = from[i];
                }
            }
        }

        _done = Count;
    }

    /// <summary>The same of two numbers each, which go together.</summary>
    private void TurnOver(ReadOnlySpan<ulong> from, Span<ulong> to, int rows)
    {
        for (var body = 0; body < _bodies; body++)
        {
            var steps = to.Slice(body * _steps + _done, rows);
            for (var row = 0; row < steps.Length; row++)
            {
                steps[row] = from[row * _bodies + body];
            }
        }
    }
}
