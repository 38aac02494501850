namespace MimicD.World;

/// <summary>
/// Threads that share a piece of work, tick after tick, without allocating: the caller and helpers from the pool. The caller does not wait for a helper that has not come yet, but does its part too. A helper that is done stays
/// awake a moment, letting others go first: the next tick is mostly nearer than the time that it takes to be woken.
/// </summary>
internal sealed class Crew : IThreadPoolWorkItem
{
    // What a pool's thread takes to be woken, twice.
    private static readonly long Linger = System.Diagnostics.Stopwatch.Frequency / 10_000;

    private readonly Action _afterwards;
    private Action<int> _work = _ => { };
    private Exception? _error;
    private int _next;
    private int _undone;
    private int _piece;
    private int _staying;

    /// <summary>Makes a crew that rests.</summary>
    /// <param name="threads">Threads, the caller's included; at least 1.</param>
    /// <param name="afterwards">What helpers do when all parts are taken.</param>
    public Crew(int threads, Action afterwards) => (Parts, _next, _afterwards) = (threads, threads, afterwards);

    /// <summary>Parts of each piece of work.</summary>
    public int Parts { get; }

    /// <summary>Does all parts of a piece of work, and throws what one of them threw; which thread does which is not said, but mostly the same one does.</summary>
    /// <param name="work">Does one part, 0 to <see cref="Parts"/> - 1.</param>
    public void Run(Action<int> work)
    {
        _work = work;
        Volatile.Write(ref _undone, Parts);
        Volatile.Write(ref _next, 0);
        Interlocked.Increment(ref _piece);
        for (var helper = 1 + Volatile.Read(ref _staying); helper < Parts; helper++)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }

        DoParts();
        var wait = new SpinWait();
        while (Volatile.Read(ref _undone) > 0)
        {
            wait.SpinOnce(sleep1Threshold: -1);
        }

        if (Interlocked.Exchange(ref _error, null) is { } error)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(error);
        }
    }

    void IThreadPoolWorkItem.Execute()
    {
        int piece;
        do
        {
            piece = Volatile.Read(ref _piece);
            DoParts();
            _afterwards();
        }
        while (Stay(piece));
    }

    /// <summary>Waits a moment for another piece of work.</summary>
    /// <param name="piece">The last one.</param>
    /// <returns>Whether there is one.</returns>
    private bool Stay(int piece)
    {
        Interlocked.Increment(ref _staying);
        var since = System.Diagnostics.Stopwatch.GetTimestamp();
        var wait = new SpinWait();
        while (Volatile.Read(ref _piece) == piece && System.Diagnostics.Stopwatch.GetTimestamp() - since < Linger)
        {
            wait.SpinOnce(sleep1Threshold: -1);
        }

        // Whoever counted on this one before it went finds the piece begun by it.
        Interlocked.Decrement(ref _staying);
        return Volatile.Read(ref _piece) != piece;
    }

    private void DoParts()
    {
        // More may be counted than there are parts, by helpers that come late; the next piece begins anew.
        while (Volatile.Read(ref _next) < Parts && Interlocked.Increment(ref _next) - 1 is var part && part < Parts)
        {
            try
            {
                _work(part);
            }
            catch (Exception error)
            {
                // The caller's to deal with, whoever's part it was.
                Interlocked.CompareExchange(ref _error, error, null);
            }
            finally
            {
                Interlocked.Decrement(ref _undone);
            }
        }
    }
}
