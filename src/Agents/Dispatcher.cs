using System.Runtime.InteropServices;

namespace MimicD.Agents;

/// <summary>
/// The threads of many mailboxes. Mailboxes with something in them stand in a ring; a worker claims a few that stand together, takes them one by one, and from those of another worker when there are no more: so no mailbox waits
/// behind a slow one while a worker is free. Nothing is allocated per message.
/// </summary>
/// <remarks>Who adds and who goes to sleep each write first and then look at what the other wrote, with a full fence between: so a mailbox is not left alone with its worker asleep.</remarks>
internal sealed class Dispatcher
{
    // Claimed together: one touch of what all workers share for so many.
    private const int Claim = 16;

    // While a tick's observations are gathered, one more worker for so many.
    private const int Heap = 32;

    private readonly Mailbox?[] _ring;
    private readonly Worker[] _workers;
    private readonly TaskCompletionSource _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Position _added;
    private Position _claimed;
    private Exception? _error;
    private volatile bool _gathering;
    private int _finishing;

    /// <summary>Makes a dispatcher whose workers sleep.</summary>
    /// <param name="mailboxes">Mailboxes at most.</param>
    /// <param name="threads">Workers, at least 1.</param>
    public Dispatcher(int mailboxes, int threads)
    {
        // A mailbox stands in it once at most; room for twice as many, so that nobody comes round to a place that is just being read.
        _ring = new Mailbox?[System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(2 * mailboxes, 2 * Claim))];
        _workers = [.. Enumerable.Range(0, threads).Select(_ => new Worker(this))];
    }

    private uint Backlog => Volatile.Read(ref _added.Value) - Volatile.Read(ref _claimed.Value);

    /// <summary>Says that many mailboxes will be added and then <see cref="Release"/> called: workers may wait for them to come together.</summary>
    public void Gather() => _gathering = true;

    /// <summary>Puts a mailbox to those that wait for a worker.</summary>
    public void Add(Mailbox mailbox)
    {
        ref var place = ref _ring[(Interlocked.Increment(ref _added.Value) - 1) & (uint)(_ring.Length - 1)];
        var wait = new SpinWait();
        while (Volatile.Read(ref place) is not null)
        {
            wait.SpinOnce();
        }

        // A full fence: workers are looked at after this.
        Interlocked.Exchange(ref place, mailbox);
        if (!_gathering || Backlog % Heap == 0)
        {
            Wake(1);
        }
    }

    /// <summary>Lets all that was gathered be handled.</summary>
    /// <param name="lend">Whether the calling thread may be one of the workers: it comes back when nobody waits for one any more.</param>
    public void Release(bool lend)
    {
        _gathering = false;
        var helper = lend ? Array.Find(_workers, w => w.TryRise()) : null;
        Wake((int)Math.Min(_workers.Length, Backlog) - (helper is null ? 0 : 1));
        helper?.Run();
    }

    /// <summary>Remembers that a mailbox's owner failed.</summary>
    public void Fail(Exception error) => Interlocked.CompareExchange(ref _error, error, null);

    /// <summary>Waits until all that was added is handled; nothing is added any more.</summary>
    /// <exception cref="Exception">A mailbox's owner failed.</exception>
    public async Task FinishAsync()
    {
        Interlocked.Exchange(ref _finishing, 1);
        Release(lend: false);
        Finish();
        await _finished.Task.ConfigureAwait(false);
        if (_error is { } error)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(error);
        }
    }

    private void Finish()
    {
        if (Volatile.Read(ref _finishing) == 1 && Backlog == 0 && Array.TrueForAll(_workers, w => w.Sleeps))
        {
            _finished.TrySetResult();
        }
    }

    private void Wake(int workers)
    {
        for (var i = 0; i < _workers.Length && workers > 0; i++)
        {
            if (_workers[i].TryRise())
            {
                ThreadPool.UnsafeQueueUserWorkItem(_workers[i], preferLocal: false);
                workers--;
            }
        }
    }

    /// <summary>A number that many threads write, in a cache line of its own.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 192)]
    private struct Position
    {
        [FieldOffset(64)]
        public uint Value;
    }

    /// <summary>One thread's part.</summary>
    private sealed class Worker(Dispatcher dispatcher) : IThreadPoolWorkItem
    {
        private Range _mine;
        private int _awake;

        public bool Sleeps => Volatile.Read(ref _awake) == 0;

        public bool TryRise() => Volatile.Read(ref _awake) == 0 && Interlocked.CompareExchange(ref _awake, 1, 0) == 0;

        public void Execute() => Run();

        public void Run()
        {
            do
            {
                while (Take() is { } mailbox)
                {
                    mailbox.Work();
                }

                Interlocked.Exchange(ref _awake, 0);
                dispatcher.Finish();
            }
            while (dispatcher.Backlog > 0 && TryRise());
        }

        private Mailbox? Take()
        {
            if (TryTakeFirst(out var place) || TryClaim(out place))
            {
                return dispatcher.At(place);
            }

            foreach (var other in dispatcher._workers)
            {
                if (other != this && other.TryTakeLast(out place))
                {
                    return dispatcher.At(place);
                }
            }

            return null;
        }

        private bool TryClaim(out uint place)
        {
            while (true)
            {
                place = Volatile.Read(ref dispatcher._claimed.Value);
                var waiting = Volatile.Read(ref dispatcher._added.Value) - place;
                if (waiting == 0)
                {
                    return false;
                }

                // A part of what is there: others have a share in the last ones too.
                var claim = (uint)Math.Clamp(waiting / (2 * (uint)dispatcher._workers.Length), 1, Claim);
                if (Interlocked.CompareExchange(ref dispatcher._claimed.Value, place + claim, place) == place)
                {
                    Volatile.Write(ref _mine.Value, Pack(place + 1, place + claim));
                    return true;
                }
            }
        }

        private bool TryTakeFirst(out uint place)
        {
            while (true)
            {
                var mine = Volatile.Read(ref _mine.Value);
                (place, var end) = ((uint)mine, (uint)(mine >> 32));
                if (place == end)
                {
                    return false;
                }

                if (Interlocked.CompareExchange(ref _mine.Value, Pack(place + 1, end), mine) == mine)
                {
                    return true;
                }
            }
        }

        private bool TryTakeLast(out uint place)
        {
            while (true)
            {
                var theirs = Volatile.Read(ref _mine.Value);
                var (start, end) = ((uint)theirs, (uint)(theirs >> 32));
                place = end - 1;
                if (start == end)
                {
                    return false;
                }

                if (Interlocked.CompareExchange(ref _mine.Value, Pack(start, end - 1), theirs) == theirs)
                {
                    return true;
                }
            }
        }

        private static ulong Pack(uint start, uint end) => start | ((ulong)end << 32);

        /// <summary>Places in the ring that this worker has claimed and not taken yet: from the lower half up to the upper.</summary>
        [StructLayout(LayoutKind.Explicit, Size = 192)]
        private struct Range
        {
            [FieldOffset(64)]
            public ulong Value;
        }
    }

    /// <summary>Takes a mailbox out of the place that a worker has taken.</summary>
    private Mailbox At(uint position)
    {
        ref var place = ref _ring[position & (uint)(_ring.Length - 1)];
        var wait = new SpinWait();
        Mailbox? mailbox;

        // It was counted a moment before it was put there.
        while ((mailbox = Volatile.Read(ref place)) is null)
        {
            wait.SpinOnce();
        }

        Volatile.Write(ref place, null);
        return mailbox;
    }
}
