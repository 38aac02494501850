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

    private Others? _others;
    private Tick _first;
    private bool _isFirst;
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

        (_others ??= new Others(capacity, frame.Length)).Put(tick, frame);
        if (Interlocked.Increment(ref _waiting) == 1)
        {
            dispatcher.Add(this, home);
        }

        return true;
    }

    /// <summary>Handles what is there. The dispatcher calls it once for each time that the mailbox was added.</summary>
    /// <param name="plans">The calling thread's.</param>
    internal void Work(PlanTable plans)
    {
        try
        {
            do
            {
                bool done;
                if (_isFirst)
                {
                    _isFirst = false;
                    done = Handle(_first, Next, plans);
                }
                else
                {
                    done = Handle(_others!.Take(out var frame), frame, plans);
                }

                if (!done)
                {
                    return;
                }
            }
            while (Interlocked.Decrement(ref _waiting) > 0);
        }
        catch (Exception error)
        {
            // Of whatever kind: nobody else would be told.
            Break(error);
        }
    }

    /// <summary>Handles one observation.</summary>
    /// <param name="tick">Its tick.</param>
    /// <param name="frame">It.</param>
    /// <param name="plans">Takes in whoever awaits a plan that is better made together with others'.</param>
    /// <returns>False where that was done: what is left to do is then done by <see cref="Finish"/>, and until then nothing else is handled.</returns>
    protected abstract bool Handle(Tick tick, ReadOnlySpan<float> frame, PlanTable plans);

    /// <summary>Says that what was left to do is done; what came meanwhile goes to the end of the line.</summary>
    protected void Finish()
    {
        if (Interlocked.Decrement(ref _waiting) > 0)
        {
            dispatcher.Add(this, home);
        }
    }

    /// <summary>Takes nothing more, because the owner failed.</summary>
    protected void Break(Exception error)
    {
        Volatile.Write(ref _waiting, Broken);
        dispatcher.Fail(error);
    }

    /// <summary>Those that wait behind another, in a ring with room for all that may; most mailboxes never have any.</summary>
    private sealed class Others(int capacity, int size)
    {
        private readonly float[] _frames = new float[capacity * size];
        private readonly Tick[] _ticks = new Tick[capacity];
        private int _put;
        private int _taken;

        public void Put(Tick tick, ReadOnlySpan<float> frame)
        {
            _ticks[_put] = tick;
            frame.CopyTo(_frames.AsSpan(_put * size, size));
            _put = (_put + 1) % capacity;
        }

        public Tick Take(out ReadOnlySpan<float> frame)
        {
            var place = _taken;
            _taken = (place + 1) % capacity;
            frame = _frames.AsSpan(place * size, size);
            return _ticks[place];
        }
    }
}
