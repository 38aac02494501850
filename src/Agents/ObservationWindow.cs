using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>
/// An agent's own latest observations: all that is needed to build the agent again. Newest first in one piece of memory, because that is
/// how a policy reads them.
/// </summary>
public sealed class ObservationWindow
{
    private readonly int _frameSize;
    private readonly int _history;
    private readonly int _capacity;
    private readonly int _slots;
    private readonly float[] _frames;
    private readonly int[] _ticks;
    private int _head;

    /// <summary>Makes an empty window.</summary>
    /// <param name="frameSize">Numbers in a frame.</param>
    /// <param name="history">Frames that a policy looks at (m).</param>
    /// <param name="capacity">Frames kept; at least the history.</param>
    public ObservationWindow(int frameSize, int history, int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(frameSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(history, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, history);
        (_frameSize, _history, _capacity) = (frameSize, history, capacity);

        // Frames are written downwards; twice the room, and one for the next, makes the move back to the end rare.
        _slots = _head = 2 * capacity + 1;
        _frames = new float[_slots * frameSize];
        _ticks = new int[_slots];
    }

    /// <summary>Numbers in a frame.</summary>
    public int FrameSize => _frameSize;

    /// <summary>Frames held, at most the capacity.</summary>
    public int Count { get; private set; }

    /// <summary>The tick of a frame; index 0 is the newest.</summary>
    public Tick Tick(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
        return new Tick(_ticks[_head + index]);
    }

    /// <summary>A frame; index 0 is the newest.</summary>
    public ReadOnlySpan<float> Frame(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
        return _frames.AsSpan((_head + index) * _frameSize, _frameSize);
    }

    /// <summary>The newest m frames, [m, frame size], newest first; where there are fewer, the oldest stands in for those before it.</summary>
    public ReadOnlySpan<float> Newest => Count == 0 ? [] : _frames.AsSpan(_head * _frameSize, _history * _frameSize);

    /// <summary>The same as memory, valid until the next frame is taken in.</summary>
    public ReadOnlyMemory<float> NewestMemory => Count == 0 ? ReadOnlyMemory<float>.Empty : _frames.AsMemory(_head * _frameSize, _history * _frameSize);

    /// <summary>Where the next frame goes: written there, <see cref="Push"/> has nothing to copy. Valid until then.</summary>
    internal Span<float> Next
    {
        get
        {
            if (_head == 0)
            {
                var to = _slots - _capacity;
                _frames.AsSpan(0, _capacity * _frameSize).CopyTo(_frames.AsSpan(to * _frameSize));
                _ticks.AsSpan(0, _capacity).CopyTo(_ticks.AsSpan(to));
                _head = to;
            }

            return _frames.AsSpan((Count == 0 ? _slots - _history : _head - 1) * _frameSize, _frameSize);
        }
    }

    /// <summary>Takes in a frame; the oldest leaves when the window is full.</summary>
    public void Push(Tick tick, ReadOnlySpan<float> frame)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(frame.Length, _frameSize, nameof(frame));
        frame.CopyTo(Next);
        _head = Count == 0 ? _slots - _history : _head - 1;
        for (var i = 1; Count == 0 && i < _history; i++)
        {
            frame.CopyTo(_frames.AsSpan((_head + i) * _frameSize));
        }

        _ticks[_head] = tick.Value;
        Count = Math.Min(Count + 1, _capacity);
    }
}
