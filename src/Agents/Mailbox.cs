using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>
/// A bounded mailbox: takes observations from one thread at a time and handles them one after the other, in order, on the dispatcher's threads. What comes to an empty one is written where its owner wants it, and only what
/// has to wait behind another is put aside.
/// </summary>
/// <param name="dispatcher">Whose threads handle what is there.</param>
/// <param name="home">Which of its workers, as long as that one has time.</param>
/// <param name="capacity">Observations that may be there, the one being handled included; at least 1.</param>
internal abstract class Mailbox(Dispatcher dispatcher, int home, int capacity)
{
    // Not a capacity: a mailbox whose owner failed takes nothing more.
    private const int Broken = int.MinValue;

    private float[]? _frames;
    private Tick[]? _ticks;
    private Tick _first;
    private bool _isFirst;
    private int _written;
    private int _read;
    private int _waiting;

    /// <summary>Whether nothing is there and nothing is being handled.</summary>
    public bool IsEmpty => Volatile.Read(ref _waiting) == 0;

    /// <summary>Where the next observation goes; asked for and written while nothing is being handled.</summary>
    protected abstract Span<float> Next { get; }

    /// <summary>Takes in an observation, or says no where there is no room.</summary>
    /// <param name="tick">Its tick.</param>
    /// <param name="frame">Copied before this returns.</param>
    public bool TryPost(Tick tick, ReadOnlySpan<float> frame)
    {
        var waiting = Volatile.Read(ref _waiting);
        if (waiting >= capacity || waiting < 0)
        {
            return false;
        }

        if (waiting == 0)
        {
            // Nobody else touches an empty mailbox.
            frame.CopyTo(Next);
            (_first, _isFirst) = (tick, true);
            Volatile.Write(ref _waiting, 1);
            dispatcher.Add(this, home);
            return true;
        }

        _frames ??= new float[capacity * frame.Length];
        _ticks ??= new Tick[capacity];
        var place = _written;
        _written = (place + 1) % capacity;
        frame.CopyTo(_frames.AsSpan(place * frame.Length));
        _ticks[place] = tick;
        if (Interlocked.Increment(ref _waiting) == 1)
        {
            dispatcher.Add(this, home);
        }

        return true;
    }

    /// <summary>Handles all that is there. The dispatcher calls it once for each time that the mailbox was added.</summary>
    internal void Work()
    {
        try
        {
            do
            {
                if (_isFirst)
                {
                    _isFirst = false;
                    Handle(_first, Next);
                    continue;
                }

                var place = _read;
                _read = (place + 1) % capacity;
                var size = _frames!.Length / capacity;
                Handle(_ticks![place], _frames.AsSpan(place * size, size));
            }
            while (Interlocked.Decrement(ref _waiting) > 0);
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            Volatile.Write(ref _waiting, Broken);
            dispatcher.Fail(error);
        }
    }

    /// <summary>Handles one observation.</summary>
    protected abstract void Handle(Tick tick, ReadOnlySpan<float> frame);
}
