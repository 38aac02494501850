using System.Reflection;

namespace MimicD.Cluster.Status;

/// <summary>
/// What may be seen of a node from outside while it works: its figures, whether its loop turns, and whether it is connected. The node tells it after each thing that it has done, which costs an assignment;
/// whoever asks reads the last that was told. Thread-safe. It knows of no agent and of nothing that one has seen or done.
/// </summary>
public sealed class NodeWatch
{
    /// <summary>Between two things that even an idle node does.</summary>
    public static readonly TimeSpan Beat = TimeSpan.FromSeconds(5);

    /// <summary>How long a broker is waited for that is asked how many messages wait: somebody waits for the answer.</summary>
    public static readonly TimeSpan QueuePatience = TimeSpan.FromMilliseconds(500);

    private readonly TimeProvider _time;
    private readonly TimeSpan _patience;
    private readonly long _started;
    private readonly Throughput _ticks;
    private NodeFigures _figures = NodeFigures.None;
    private Func<CancellationToken, Task<long?>>? _queued;
    private long _told;
    private volatile bool _connected;

    /// <summary>Begins to watch a node that is not there yet.</summary>
    /// <param name="node">Its name.</param>
    /// <param name="patience">Longest time that it may work at one message, before it counts as stuck.</param>
    /// <param name="time">The clock.</param>
    public NodeWatch(string node, TimeSpan patience, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        (Node, _patience, _time, _started, _ticks) = (node, patience + Beat, time, time.GetTimestamp(), new Throughput(time));
    }

    /// <summary>The version of this program.</summary>
    public static string Version { get; } = typeof(NodeWatch).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "";

    /// <summary>The node's name.</summary>
    public string Node { get; }

    /// <summary>What was refused, by reason.</summary>
    public Refusals Refusals { get; } = new();

    /// <summary>What the node has done and has.</summary>
    public NodeFigures Figures => Volatile.Read(ref _figures);

    /// <summary>Ticks answered a second, over the last minute.</summary>
    public double TicksPerSecond => _ticks.PerSecond;

    /// <summary>Time since the watch began.</summary>
    public TimeSpan Uptime => _time.GetElapsedTime(_started);

    /// <summary>Whether it is connected to the broker, with a queue of its own.</summary>
    public bool IsConnected => _connected;

    /// <summary>Why the node is not alive, or null where it is: its loop has taken nothing for longer than any message may take. One that does not run yet is not stuck.</summary>
    public string? Stuck
    {
        get
        {
            var told = Volatile.Read(ref _told);
            return told != 0 && _time.GetElapsedTime(told) is var since && since > _patience
                ? string.Create(null, $"the node has not taken a message for {since.TotalSeconds:0} s (at most {_patience.TotalSeconds:0.#} s)")
                : null;
        }
    }

    /// <summary>Why the node can take no part in a run, or null where it can.</summary>
    public string? Unready => _connected ? Stuck : "not connected to the broker";

    /// <summary>The node has done something.</summary>
    public void Tell(NodeFigures figures)
    {
        ArgumentNullException.ThrowIfNull(figures);
        var more = figures.Ticks - Figures.Ticks;
        if (more > 0)
        {
            _ticks.Add(more);
        }

        Volatile.Write(ref _figures, figures);
        Volatile.Write(ref _told, Math.Max(1, _time.GetTimestamp()));
    }

    /// <summary>The node is connected, and its queue is there.</summary>
    public void Connect() => _connected = true;

    /// <summary>The connection is gone, and the queue with it.</summary>
    public void Disconnect() => _connected = false;

    /// <summary>How many messages wait in the node's queue is to be asked here.</summary>
    public void AskQueue(Func<CancellationToken, Task<long?>> queued) => Volatile.Write(ref _queued, queued);

    /// <summary>Messages that wait in the node's own queue; null where the broker does not say.</summary>
    public async Task<long?> QueuedAsync()
    {
        if (!_connected || Volatile.Read(ref _queued) is not { } queued)
        {
            return null;
        }

        using var deadline = new CancellationTokenSource(QueuePatience, _time);
        return await queued(deadline.Token).ConfigureAwait(false);
    }
}
