namespace MimicD.World;

/// <summary>Threads that share a piece of work, tick after tick, without allocating: the caller and helpers from the pool. The caller does not wait for a helper that has not come yet, but does its part too.</summary>
internal sealed class Crew : IThreadPoolWorkItem
{
    private readonly Action _afterwards;
    private Action<int> _work = _ => { };
    private Exception? _error;
    private int _next;
    private int _undone;

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
        for (var helper = 1; helper < Parts; helper++)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }

        DoParts();
        var wait = new SpinWait();
        while (Volatile.Read(ref _undone) > 0)
        {
            wait.SpinOnce();
        }

        if (Interlocked.Exchange(ref _error, null) is { } error)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(error);
        }
    }

    void IThreadPoolWorkItem.Execute()
    {
        DoParts();
        _afterwards();
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
