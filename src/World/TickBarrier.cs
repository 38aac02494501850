using System.Threading.Tasks.Sources;

namespace MimicD.World;

/// <summary>
/// Counts down the agents of a tick and the world itself, tick after tick, without allocating. Agents are counted in groups of neighbours, each in its own cache line, so that threads that work for different ones do not wait for each
/// other's memory; the last of a group counts the group down.
/// </summary>
internal sealed class TickBarrier : IValueTaskSource
{
    private const int Group = 64;

    // Counts stand a cache line apart.
    private const int Apart = 64 / sizeof(int);

    private readonly int[] _sizes;
    private readonly int[] _pending;
    private readonly int _groups;
    private ManualResetValueTaskSourceCore<bool> _closed = new() { RunContinuationsAsynchronously = true };
    private TaskCompletionSource? _task;
    private int _left;
    private int _isClosed = 1;

    /// <summary>Makes a barrier that is closed.</summary>
    /// <param name="bodies">Bodies of all episodes.</param>
    /// <param name="acts">For which of them an agent acts.</param>
    public TickBarrier(int bodies, Func<int, bool> acts)
    {
        _sizes = [.. Enumerable.Range(0, bodies).Chunk(Group).Select(group => group.Count(acts))];
        _groups = _sizes.Count(size => size > 0);
        _pending = new int[_sizes.Length * Apart];
    }

    /// <summary>Whether all agents and the world were counted down.</summary>
    public bool IsComplete => Volatile.Read(ref _left) == 0;

    /// <summary>Opens the next tick: nobody has acted.</summary>
    /// <param name="asTask">Whether <see cref="ClosedTask"/> will be waited for instead of <see cref="Closed"/>.</param>
    public void Reset(bool asTask)
    {
        // Whoever waited for the last one is told first.
        Open();
        _task = asTask ? new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously) : null;
        for (var group = 0; group < _sizes.Length; group++)
        {
            _pending[group * Apart] = _sizes[group];
        }

        _closed.Reset();
        _left = _groups + 1;
        Volatile.Write(ref _isClosed, 0);
    }

    /// <summary>Counts an agent down.</summary>
    public void Release(int body)
    {
        if (Interlocked.Decrement(ref _pending[body / Group * Apart]) == 0 && Interlocked.Decrement(ref _left) == 0)
        {
            Open();
        }
    }

    /// <summary>Counts the world down.</summary>
    /// <returns>Whether all agents were before it.</returns>
    public bool Release()
    {
        if (Interlocked.Decrement(ref _left) != 0)
        {
            return false;
        }

        Open();
        return true;
    }

    /// <summary>Lets whoever waits go on, although not all may have acted.</summary>
    public void Open()
    {
        if (Interlocked.Exchange(ref _isClosed, 1) == 0)
        {
            if (_task is null)
            {
                _closed.SetResult(true);
            }
            else
            {
                _task.SetResult();
            }
        }
    }

    /// <summary>Whether <see cref="Closed"/> is: not before whoever closes it is done with that.</summary>
    public bool IsClosed => _closed.GetStatus(_closed.Version) != ValueTaskSourceStatus.Pending;

    /// <summary>Waits for the last one; at most once a tick, and to the end.</summary>
    public ValueTask Closed() => new(this, _closed.Version);

    /// <summary>The same for who may lose patience: what it waits for then is this tick's alone, and costs an allocation.</summary>
    public Task ClosedTask() => _task!.Task;

    void IValueTaskSource.GetResult(short token) => _closed.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _closed.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) => _closed.OnCompleted(continuation, state, token, flags);
}
