using System.Runtime.InteropServices;

namespace MimicD.Agents;

/// <summary>
/// The threads of many mailboxes. Each mailbox belongs to a worker, in whose ring it stands while something is in it: so its agent's memory stays with one processor as far as may be. A worker takes them one by one, and from
/// the others' rings when its own is empty: so no mailbox waits behind a slow one while a worker is free. Nothing is allocated per message.
/// </summary>
/// <remarks>Who adds and who goes to sleep each write first and then look at what the other wrote, with a full fence between: so a mailbox is not left alone with its worker asleep.</remarks>
internal sealed class Dispatcher
{
    // The worker to whom this thread added last: that is the one it had better be, when it lends itself.
    [ThreadStatic]
    private static int _latest;

    private readonly Worker[] _workers;
    private readonly Action<Exception> _failed;
    private readonly TaskCompletionSource _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Exception? _error;
    private volatile bool _gathering;
    private int _finishing;

    /// <summary>Makes a dispatcher whose workers sleep.</summary>
    /// <param name="mailboxes">Mailboxes at most.</param>
    /// <param name="threads">Workers, at least 1.</param>
    /// <param name="failed">Told at once when a mailbox's owner failed: whoever waits for that one would wait for ever.</param>
    public Dispatcher(int mailboxes, int threads, Action<Exception>? failed = null)
    {
        (Mailboxes, _failed) = (mailboxes, failed ?? (_ => { }));
        _workers = [.. Enumerable.Range(0, threads).Select(_ => new Worker(this, (mailboxes + threads - 1) / threads))];
    }

    /// <summary>Mailboxes at most.</summary>
    public int Mailboxes { get; }

    private int Backlog
    {
        get
        {
            var backlog = 0u;
            foreach (var worker in _workers)
            {
                backlog += worker.Waiting;
            }

            return (int)backlog;
        }
    }

    /// <summary>The worker of a mailbox.</summary>
    /// <param name="index">Which of the mailboxes.</param>
    public int Home(int index) => (int)((long)index * _workers.Length / Mailboxes);

    /// <summary>Says that many mailboxes will be added and then <see cref="Release"/> called: until then nobody is woken.</summary>
    public void Gather() => _gathering = true;

    /// <summary>Puts a mailbox to those that wait for a worker.</summary>
    public void Add(Mailbox mailbox, int home)
    {
        _latest = home;
        _workers[home].Add(mailbox);
        if (!_gathering)
        {
            Wake(1);
        }
    }

    /// <summary>Lets all that was gathered be handled.</summary>
    /// <param name="lend">Whether the calling thread may be one of the workers: it comes back when nobody waits for one any more.</param>
    public void Release(bool lend)
    {
        _gathering = false;

        // Who was lent between looks at that after it went to sleep, and whether it sleeps is looked at after that was written.
        Interlocked.MemoryBarrier();
        var helper = lend ? Raise() : null;
        Wake(Math.Min(_workers.Length, Backlog) - (helper is null ? 0 : 1));
        helper?.Run();
    }

    /// <summary>Lends the calling thread, while it gathers, as the worker of the mailbox that it added last, until that one's ring is empty.</summary>
    public void LendBetween()
    {
        if (_workers[_latest % _workers.Length] is var worker && worker.TryRise())
        {
            worker.RunRing();
        }
    }

    /// <summary>Lends the calling thread as a worker, where one sleeps, until nobody waits for one any more.</summary>
    public void Lend() => Raise()?.Run();

    /// <summary>Remembers that a mailbox's owner failed, and says so.</summary>
    public void Fail(Exception error)
    {
        Interlocked.CompareExchange(ref _error, error, null);
        try
        {
            _failed(error);
        }
        catch (Exception)
        {
            // Whom it is said to may be what failed; it is thrown when the dispatcher finishes.
        }
    }

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

    private Worker? Raise()
    {
        for (var i = 0; i < _workers.Length; i++)
        {
            var worker = _workers[(_latest + i) % _workers.Length];
            if (worker.TryRise())
            {
                return worker;
            }
        }

        return null;
    }

    private void Wake(int workers)
    {
        for (; workers > 0 && Raise() is { } worker; workers--)
        {
            ThreadPool.UnsafeQueueUserWorkItem(worker, preferLocal: false);
        }
    }

    /// <summary>A number that several threads write, in cache lines of its own.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 192)]
    private struct Position
    {
        [FieldOffset(64)]
        public uint Value;
    }

    /// <summary>Room for a mailbox. (An array of references is checked for what may be written to it at every access; one of these is not.)</summary>
    private struct Place
    {
        public Mailbox? Mailbox;
    }

    /// <summary>One thread's part, and the ring of its mailboxes.</summary>
    private sealed class Worker : IThreadPoolWorkItem
    {
        private readonly Dispatcher _dispatcher;
        private readonly PlanTable _plans = new();
        private readonly Place[] _ring;
        private readonly uint _mask;
        private Position _added;
        private Position _taken;
        private int _awake;

        public Worker(Dispatcher dispatcher, int mailboxes)
        {
            // A mailbox stands in it once at most, so there is always room.
            _dispatcher = dispatcher;
            _ring = new Place[System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(mailboxes, 32))];
            _mask = (uint)(_ring.Length - 1);
        }

        public bool Sleeps => Volatile.Read(ref _awake) == 0;

        /// <summary>Mailboxes in the ring.</summary>
        public uint Waiting => Volatile.Read(ref _added.Value) - Volatile.Read(ref _taken.Value);

        public bool TryRise() => Sleeps && Interlocked.CompareExchange(ref _awake, 1, 0) == 0;

        public void Add(Mailbox mailbox)
        {
            // Who has taken a place empties it a moment later.
            ref var place = ref _ring[(Interlocked.Increment(ref _added.Value) - 1) & _mask].Mailbox;
            var wait = new SpinWait();
            while (Volatile.Read(ref place) is not null)
            {
                wait.SpinOnce();
            }

            Volatile.Write(ref place, mailbox);
        }

        public void Execute() => Run();

        public void Run()
        {
            do
            {
                Work(own: false);
                Interlocked.Exchange(ref _awake, 0);
                _dispatcher.Finish();
            }
            while (_dispatcher.Backlog > 0 && TryRise());
        }

        /// <summary>Works until the own ring is empty, and leaves the others' alone while there is gathered.</summary>
        public void RunRing()
        {
            Work(own: true);
            Interlocked.Exchange(ref _awake, 0);
            _dispatcher.Finish();
            if (!_dispatcher._gathering && _dispatcher.Backlog > 0 && TryRise())
            {
                Run();
            }
        }

        /// <summary>Works until nothing waits. Whatever fails, the worker goes to sleep as it should: one that stayed awake would never be woken.</summary>
        private void Work(bool own)
        {
            try
            {
                while ((own ? Own() : Next()) is { } mailbox)
                {
                    mailbox.Work(_plans);
                }
            }
            catch (Exception error)
            {
                _dispatcher.Fail(error);
            }
        }

        private Mailbox? Own()
        {
            Mailbox? own;
            while ((own = Take()) is null && !_plans.IsEmpty)
            {
                // Before it takes on others' work: they may have as many plans to make.
                _plans.PlanSome();
            }

            return own;
        }

        private Mailbox? Next()
        {
            if (Own() is { } own)
            {
                return own;
            }

            foreach (var other in _dispatcher._workers)
            {
                if (other != this && other.Take() is { } theirs)
                {
                    return theirs;
                }
            }

            return null;
        }

        private Mailbox? Take()
        {
            uint at;
            do
            {
                at = Volatile.Read(ref _taken.Value);
                if (at == Volatile.Read(ref _added.Value))
                {
                    return null;
                }
            }
            while (Interlocked.CompareExchange(ref _taken.Value, at + 1, at) != at);

            // It was counted a moment before it was put there.
            ref var place = ref _ring[at & _mask].Mailbox;
            var wait = new SpinWait();
            Mailbox? mailbox;
            while ((mailbox = Volatile.Read(ref place)) is null)
            {
                wait.SpinOnce();
            }

            Volatile.Write(ref place, null);
            return mailbox;
        }
    }
}
