using System.Collections.Immutable;

namespace MimicD.Cluster.Status;

/// <summary>How a cluster is doing: what those who answered within a time said.</summary>
public sealed record ClusterStatus
{
    /// <summary>The cluster's name.</summary>
    public required string Cluster { get; init; }

    /// <summary>The broker's address.</summary>
    public required string Broker { get; init; }

    /// <summary>Seconds that answers were waited for.</summary>
    public required double Waited { get; init; }

    /// <summary>The runs, by name.</summary>
    public required IReadOnlyList<WorldReport> Worlds { get; init; }

    /// <summary>The nodes, by name.</summary>
    public required IReadOnlyList<NodeStatusReport> Nodes { get; init; }

    /// <summary>Nodes that a world named and that did not answer in time.</summary>
    public required IReadOnlyList<string> Silent { get; init; }

    /// <summary>Messages among the dead letters; null where there never was a queue for them.</summary>
    public required long? DeadLetters { get; init; }

    /// <summary>Answers that could not be read, by reason.</summary>
    public required IReadOnlyDictionary<Refusal, long> Refusals { get; init; }
}

/// <summary>The process that somebody lives in.</summary>
/// <param name="Host">Its machine's name.</param>
/// <param name="ProcessId">Its process id there.</param>
/// <param name="Version">The program's version.</param>
/// <param name="Uptime">Seconds since it began.</param>
/// <param name="Queued">Messages that wait in its own queue; null where the broker did not say. What was delivered to it and is not acknowledged is not among them.</param>
/// <param name="Refusals">What it refused, by reason.</param>
public sealed record ProcessReport(string Host, int ProcessId, string Version, double Uptime, long? Queued, IReadOnlyDictionary<string, long> Refusals)
{
    /// <summary>This process.</summary>
    /// <param name="uptime">Since its node or its world began.</param>
    /// <param name="queued">Messages that wait in its queue.</param>
    /// <param name="refusals">What it refused.</param>
    public static ProcessReport Own(TimeSpan uptime, long? queued, Refusals refusals)
    {
        ArgumentNullException.ThrowIfNull(refusals);
        return new ProcessReport(Environment.MachineName, Environment.ProcessId, NodeWatch.Version, uptime.TotalSeconds, queued, refusals.Counts.ToImmutableSortedDictionary(c => c.Key.ToString(), c => c.Value, StringComparer.Ordinal));
    }
}

/// <summary>What a node says of itself.</summary>
/// <param name="Node">Its name.</param>
/// <param name="Process">Where it lives.</param>
/// <param name="TicksPerSecond">Ticks answered a second, over the last minute.</param>
/// <param name="Figures">What it has done and has.</param>
public sealed record NodeStatusReport(string Node, ProcessReport Process, double TicksPerSecond, NodeFigures Figures);

/// <summary>What a world says of its run.</summary>
/// <param name="Run">The run's name on the broker.</param>
/// <param name="Title">The scenario's name, or empty.</param>
/// <param name="Process">Where the world lives.</param>
/// <param name="AllTicks">Ticks that the run has; 0 where that is not known.</param>
/// <param name="TicksPerSecond">Ticks opened a second, over the last minute.</param>
/// <param name="Figures">How the run is doing.</param>
public sealed record WorldReport(string Run, string Title, ProcessReport Process, int AllTicks, double TicksPerSecond, WorldFigures Figures);
