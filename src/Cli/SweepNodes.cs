using MimicD.Cluster;
using MimicD.Cluster.RabbitMq;
using MimicD.Contracts;

namespace MimicD.Cli;

/// <summary>The nodes that a sweep's blocks are computed on.</summary>
internal sealed class SweepNodes : IAsyncDisposable
{
    private readonly NodeProcesses _processes;
    private readonly SweepHost _host;

    private SweepNodes(NodeProcesses processes, SweepHost host) => (_processes, _host) = (processes, host);

    /// <summary>Computes blocks.</summary>
    public IBlockHost Host => _host;

    /// <summary>Cancelled when the sweep cannot go on.</summary>
    public CancellationToken Failed => _host.Failed;

    /// <summary>Why the sweep cannot go on, or null.</summary>
    public string? Failure => _host.Failure;

    /// <summary>What happened on the nodes so far.</summary>
    public SweepReport Report => _host.Report;

    /// <summary>Connects, and waits for the first node.</summary>
    /// <param name="file">The cluster's file, or null.</param>
    /// <param name="nodes">Nodes to start on this machine, or null for none.</param>
    /// <param name="threads">Threads of those nodes, all of them together.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>The nodes, or null where neither is given.</returns>
    /// <exception cref="InvalidInputException">There is no broker, or no node comes in time.</exception>
    public static async Task<SweepNodes?> OpenAsync(string? file, int? nodes, int threads, CancellationToken cancellation)
    {
        if (file is null && nodes is null)
        {
            return null;
        }

        var processes = await NodeProcesses.PrepareAsync(file, nodes, cancellation);
        try
        {
            SweepHost? host = null;
            processes.Start(threads, () => host is not null);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, processes.Failed);
            host = await SweepHost.OpenAsync(processes.Options, TimeProvider.System, either.Token);
            return new SweepNodes(processes, host);
        }
        catch (Exception e)
        {
            await processes.DisposeAsync();
            if (e is OperationCanceledException && !cancellation.IsCancellationRequested && processes.Failure is { } failure)
            {
                throw new InvalidInputException(failure, e);
            }

            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        // The sweep is closed before its nodes are.
        await _host.DisposeAsync();
        await _processes.DisposeAsync();
    }
}
