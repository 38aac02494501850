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

    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(20);

    private readonly CancellationTokenSource _closing = new();
    private readonly CancellationTokenSource _failed = new();
    private readonly List<Task> _children = [];

    private Quarters()
    {
    }

    /// <summary>The host of the agents.</summary>
    public IAgentHost Host { get; private init; } = null!;

    /// <summary>Why the run could not go on, or null.</summary>
    public string? Failure { get; private set; }

    /// <summary>What happened on the cluster, or null where there is none.</summary>
    public ClusterReport? Report => (Host as RabbitMqHost)?.ClusterReport;

    private PrivateBroker? Broker { get; init; }

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

        var options = file is null ? new ClusterOptions() : ClusterOptions.Load(file);
        InvalidInputException.Require(options.Broker.Uri is not null || nodes is not null, file ?? "", "broker.uri", "the broker's address, or --nodes", null);
        PrivateBroker? broker = null;
        if (options.Broker.Uri is not null)
        {
            // Refused now rather than in the middle of opening.
            options.Broker.Password();
        }
        else
        {
            broker = await PrivateBroker.StartAsync(options, TimeProvider.System, cancellation);
            (options, file) = (broker.Options, broker.File);
        }

        var quarters = new Quarters { Host = new RabbitMqHost(options, cast.Sources, nodes ?? options.Nodes, TimeProvider.System) { Title = scenario.Name, AllTicks = scenario.Steps - 1 }, Broker = broker };
        for (var node = 1; node <= nodes; node++)
        {
            // Several on one machine cannot listen in the place that the file names.
            quarters._children.Add(quarters.LiveAsync(node, ["node", "--cluster", file!, "--http", "off", "--threads", $"{Math.Max(1, threads / nodes.Value)}"]));
        }

        return quarters;
    }

    /// <summary>Runs the simulation as long as there is somewhere for its agents to live.</summary>
    /// <param name="run">Runs it until it is cancelled.</param>
    /// <param name="cancellation">Asks for a stop.</param>
    public async Task<T> KeepAsync<T>(Func<CancellationToken, Task<T>> run, CancellationToken cancellation)
    {
        var lost = (Host as RabbitMqHost)?.Failed ?? CancellationToken.None;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, lost, _failed.Token);
        try
        {
            var result = await run(either.Token);
            Failure ??= (Host as RabbitMqHost)?.Failure;
            return result;
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested && Failure is not null)
        {
            throw new InvalidInputException(Failure, e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        // The run is closed before its nodes are, and the broker is the last to go.
        await Host.DisposeAsync();
        await _closing.CancelAsync();
        try
        {
            await Task.WhenAll(_children).WaitAsync(Farewell);
        }
        catch (TimeoutException)
        {
            // One that stands still ends, by the end of its input, when it goes on.
        }

        if (Broker is not null)
        {
            await Broker.DisposeAsync();
        }

        _closing.Dispose();
        _failed.Dispose();
    }

    /// <summary>A node's life. Its death is no failure of the run, unless it never came to live.</summary>
    private async Task LiveAsync(int node, string[] arguments)
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
            if (Host is RabbitMqHost { IsPrepared: true })
            {
                Console.Error.WriteLine($"mimicd: node {node} is gone: {e.Message}");
                return;
            }

            Failure = $"node {node}: {e.Message}";
            await _failed.CancelAsync();
        }
    }
}
