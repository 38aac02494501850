using System.Runtime.ExceptionServices;

namespace MimicD.Training;

/// <summary>Threads that share the tasks of a step: the caller is the first of them. Handing them work allocates nothing.</summary>
internal sealed class Workers : IDisposable
{
    private readonly SemaphoreSlim[] _begin;
    private readonly SemaphoreSlim _done = new(0);
    private readonly Exception?[] _failures;
    private Action<int> _task = _ => { };
    private int _tasks;
    private bool _closed;

    /// <summary>Starts the threads.</summary>
    /// <param name="count">Threads with the caller's, at least 1.</param>
    public Workers(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        _failures = new Exception?[count];
        _begin = [.. Enumerable.Range(1, count - 1).Select(_ => new SemaphoreSlim(0))];
        for (var i = 1; i < count; i++)
        {
            var worker = i;
            new Thread(() => Serve(worker)) { IsBackground = true, Name = $"training {worker}" }.Start();
        }
    }

    /// <summary>Threads.</summary>
    public int Count => _failures.Length;

    /// <summary>Does tasks 0 to <paramref name="tasks"/>-1, each on the thread of its number modulo the threads, and waits for all.</summary>
    /// <exception cref="Exception">A task's; that of the first thread where there are several.</exception>
    public void Run(int tasks, Action<int> task)
    {
        (_task, _tasks) = (task, tasks);
        foreach (var begin in _begin)
        {
            begin.Release();
        }

        Share(0);
        foreach (var _ in _begin)
        {
            _done.Wait();
        }

        foreach (var failure in _failures)
        {
            if (failure is not null)
            {
                ExceptionDispatchInfo.Throw(failure);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _closed = true;
        foreach (var begin in _begin)
        {
            begin.Release();
        }
    }

    private void Serve(int worker)
    {
        while (true)
        {
            _begin[worker - 1].Wait();
            if (_closed)
            {
                return;
            }

            Share(worker);
            _done.Release();
        }
    }

    private void Share(int worker)
    {
        _failures[worker] = null;
        try
        {
            for (var i = worker; i < _tasks; i += Count)
            {
                _task(i);
            }
        }
#pragma warning disable CA1031 // Handed to the caller.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _failures[worker] = e;
        }
    }
}
