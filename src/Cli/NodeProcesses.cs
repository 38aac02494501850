using MimicD.Cluster;
using MimicD.Cluster.RabbitMq;
using MimicD.Contracts;

namespace MimicD.Cli;

/// <summary>Where the broker of a run or a sweep is, and the nodes that are started for it on this machine; with them, where no cluster names one, a broker.</summary>
internal sealed class NodeProcesses : IAsyncDisposable
{
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(20);

    private readonly CancellationTokenSource _closing = new();
    private readonly CancellationTokenSource _failed = new();
    private readonly List<Task> _children = [];

    private NodeProcesses()
    {
    }

    /// <summary>How the cluster is spoken to.</summary>
    public ClusterOptions Options { get; private init; } = null!;

    /// <summary>Why a node never came to live, or null.</summary>
    public string? Failure { get; private set; }

    /// <summary>Cancelled with <see cref="Failure"/>.</summary>
    public CancellationToken Failed => _failed.Token;

    private string File { get; init; } = "";

    private int? Nodes { get; init; }

    private PrivateBroker? Broker { get; init; }

    /// <summary>Makes the broker ready; no node is started yet.</summary>
    /// <param name="file">The cluster's file, or null.</param>
    /// <param name="nodes">Nodes to start on this machine, or null for none.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="InvalidInputException">The file is refused, or there is no broker.</exception>
    public static async Task<NodeProcesses> PrepareAsync(string? file, int? nodes, CancellationToken cancellation)
    {
        var options = file is null ? new ClusterOptions() : ClusterOptions.Load(file);
        InvalidInputException.Require(options.Broker.Uri is not null || nodes is not null, file ?? "", "broker.uri", "the broker's address, or --nodes", null);
        if (options.Broker.Uri is not null)
        {
            // Refused now rather than in the middle of opening.
            options.Broker.Password();
            return new NodeProcesses { Options = options, File = file!, Nodes = nodes };
        }

        var broker = await PrivateBroker.StartAsync(options, TimeProvider.System, cancellation);
        return new NodeProcesses { Options = broker.Options, File = broker.File, Nodes = nodes, Broker = broker };
    }

    /// <summary>Starts the nodes, which share the threads.</summary>
    /// <param name="threads">Threads of all of them together; each has one at least.</param>
    /// <param name="isPrepared">Whether enough nodes have come: from then on the end of one is no failure.</param>
    public void Start(int threads, Func<bool> isPrepared)
    {
        for (var node = 1; node <= Nodes; node++)
        {
            // Several on one machine cannot listen in the place that the file names.
            _children.Add(LiveAsync(node, ["node", "--cluster", File, "--http", "off", "--threads", $"{Math.Max(1, threads / Nodes.Value)}"], isPrepared));
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        try
        {
            await Task.WhenAll(_children).WaitAsync(Farewell);
        }
        catch (TimeoutException)
        {
            // One that stands still ends, by the end of its input, when it goes on.
        }

        // The last to go.
        if (Broker is not null)
        {
            await Broker.DisposeAsync();
        }

        _closing.Dispose();
        _failed.Dispose();
    }

    /// <summary>A node's life. Its death is no failure, unless it never came to live.</summary>
    private async Task LiveAsync(int node, string[] arguments, Func<bool> isPrepared)
    {
        try
        {
            await ChildProgram.RunAsync(arguments, _ => { }, _closing.Token);
        }
        catch (OperationCanceledException)
        {
            // It was told to go, by us or by Ctrl-C.
        }
        catch (Exception e) when (e is InvalidInputException or InvalidOperationException)
        {
            if (isPrepared())
            {
                Console.Error.WriteLine($"mimicd: node {node} is gone: {e.Message}");
                return;
            }

            Failure = $"node {node}: {e.Message}";
            await _failed.CancelAsync();
        }
    }
}
