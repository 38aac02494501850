using MimicD.Agents;
using MimicD.Cluster;
using MimicD.Cluster.RabbitMq;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.World;

namespace MimicD.Cli;

/// <summary>Where the agents of a run live: in this process, on the nodes of a cluster, or on nodes that are started for it on this machine.</summary>
internal sealed class Quarters : IAsyncDisposable
{
    /// <summary>Nodes that one machine is asked for at most.</summary>
    public const int MaxNodes = 256;

    private Quarters()
    {
    }

    /// <summary>The host of the agents.</summary>
    public IAgentHost Host { get; private init; } = null!;

    /// <summary>Why the run could not go on, or null.</summary>
    public string? Failure { get; private set; }

    /// <summary>What happened on the cluster, or null where there is none.</summary>
    public ClusterReport? Report => (Host as RabbitMqHost)?.ClusterReport;

    private NodeProcesses? Nodes { get; init; }

    /// <summary>Makes ready what the host needs; the host itself is opened by the run.</summary>
    /// <param name="file">The cluster's file, or null.</param>
    /// <param name="nodes">Nodes to start on this machine, or null for none.</param>
    /// <param name="cast">Who acts.</param>
    /// <param name="scenario">Where.</param>
    /// <param name="threads">Threads for agents on this machine.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<Quarters> PrepareAsync(string? file, int? nodes, Cast cast, Scenario scenario, int threads, CancellationToken cancellation)
    {
        if (file is null && nodes is null)
        {
            return new Quarters { Host = new LocalHost(cast.Policy, threads) };
        }

        var processes = await NodeProcesses.PrepareAsync(file, nodes, cancellation);
        var host = new RabbitMqHost(processes.Options, cast.Sources, nodes ?? processes.Options.Nodes, TimeProvider.System) { Title = scenario.Name, AllTicks = scenario.Steps - 1 };
        processes.Start(threads, () => host.IsPrepared);
        return new Quarters { Host = host, Nodes = processes };
    }

    /// <summary>Runs the simulation as long as there is somewhere for its agents to live.</summary>
    /// <param name="run">Runs it until it is cancelled.</param>
    /// <param name="cancellation">Asks for a stop.</param>
    public async Task<T> KeepAsync<T>(Func<CancellationToken, Task<T>> run, CancellationToken cancellation)
    {
        if (Host is not RabbitMqHost host)
        {
            return await run(cancellation);
        }

        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, host.Failed, Nodes!.Failed);
        try
        {
            return await run(either.Token);
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested && (Nodes.Failure ?? host.Failure) is { } failure)
        {
            throw new InvalidInputException(failure, e);
        }
        finally
        {
            Failure = Nodes.Failure ?? host.Failure;
        }
    }

    public async ValueTask DisposeAsync()
    {
        // The run is closed before its nodes are.
        await Host.DisposeAsync();
        if (Nodes is not null)
        {
            await Nodes.DisposeAsync();
        }
    }
}
