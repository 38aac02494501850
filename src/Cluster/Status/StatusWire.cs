using System.Collections.Immutable;
using Google.Protobuf;
using MimicD.Cluster.Wire;

namespace MimicD.Cluster.Status;

/// <summary>Questions and answers about how nodes and worlds are doing, as messages. Pure.</summary>
public static class StatusWire
{
    // A run is asked to wait for 10,000 nodes at most; more may come.
    private const int Nodes = 1 << 16;
    private const int Models = 1 << 16;
    private const int Reasons = 64;
    private const double LongestUptime = 1e9;
    private const double FastestTicks = 1e9;

    /// <summary>The question.</summary>
    /// <param name="asker">Whose queue the answers go to.</param>
    public static byte[] Question(string asker) => new Envelope { Version = WireLimits.Version, StatusQuestion = new StatusQuestion { Asker = asker } }.ToByteArray();

    /// <summary>A node's answer.</summary>
    public static byte[] Encode(NodeStatusReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        var figures = report.Figures;
        var status = new NodeStatus
        {
            Process = Process(report.Process), Ticks = (ulong)figures.Ticks, TicksPerSecond = report.TicksPerSecond, ShardsAnswered = (ulong)figures.Shards, Actions = (ulong)figures.Actions,
            Replays = (ulong)figures.Replays, ModelsFetched = (ulong)figures.ModelsFetched, ModelBytesFetched = (ulong)figures.ModelBytesFetched,
        };
        status.Runs.AddRange(figures.Runs.Select(r => new NodeRunStatus { Run = r.Run, Prepared = r.Prepared, Shards = (uint)r.Shards, Agents = (uint)r.Agents }));
        status.Models.AddRange(figures.Models.Select(m => new ModelStatus { Sha256 = m.Sha256, Bytes = (ulong)m.Bytes }));
        return new Envelope { Version = WireLimits.Version, Node = report.Node, NodeStatus = status }.ToByteArray();
    }

    /// <summary>A world's answer.</summary>
    public static byte[] Encode(WorldReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        var figures = report.Figures;
        var status = new WorldStatus
        {
            Process = Process(report.Process), Title = Label(report.Title), Ticks = (uint)figures.Ticks, AllTicks = (uint)report.AllTicks, TicksPerSecond = report.TicksPerSecond, Episodes = (uint)figures.Episodes,
            Agents = (uint)figures.Agents, Shards = (uint)figures.Shards, Replays = (ulong)figures.Replays, Moves = (ulong)figures.Moves, Suspensions = (ulong)figures.Suspensions,
        };
        status.Nodes.AddRange(figures.Nodes.Take(Nodes).Select(n => new WorldNodeStatus { Node = n.Node, Prepared = n.Prepared, Shards = (uint)n.Shards }));
        return new Envelope { Version = WireLimits.Version, Run = report.Run, WorldStatus = status }.ToByteArray();
    }

    /// <summary>Puts answers together; of one that came twice the first counts.</summary>
    /// <param name="options">The cluster.</param>
    /// <param name="answers">What came, each of it anything.</param>
    /// <param name="waited">How long answers were waited for.</param>
    /// <param name="deadLetters">Messages among the dead letters, or null.</param>
    public static ClusterStatus Assemble(ClusterOptions options, IEnumerable<byte[]> answers, TimeSpan waited, long? deadLetters)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(answers);
        var refusals = new Refusals();
        var nodes = new SortedDictionary<string, NodeStatusReport>(StringComparer.Ordinal);
        var worlds = new SortedDictionary<string, WorldReport>(StringComparer.Ordinal);
        foreach (var bytes in answers)
        {
            if (WireDecoder.Decode(bytes, out var reason) is not { } envelope)
            {
                refusals.Add(reason);
                continue;
            }

            Refusal? refused = envelope.BodyCase switch
            {
                Envelope.BodyOneofCase.NodeStatus => envelope.Node.Length == 0 ? Refusal.WrongNode : nodes.TryAdd(envelope.Node, Decode(envelope.Node, envelope.NodeStatus)) ? null : Refusal.Duplicate,
                Envelope.BodyOneofCase.WorldStatus => envelope.Run.Length == 0 ? Refusal.WrongRun : worlds.TryAdd(envelope.Run, Decode(envelope.Run, envelope.WorldStatus)) ? null : Refusal.Duplicate,
                _ => Refusal.Unexpected,
            };
            if (refused is { } why)
            {
                refusals.Add(why);
            }
        }

        return new ClusterStatus
        {
            Cluster = options.Name, Broker = options.Broker.Uri ?? "", Waited = waited.TotalSeconds, Worlds = [.. worlds.Values], Nodes = [.. nodes.Values],
            Silent = [.. worlds.Values.SelectMany(w => w.Figures.Nodes).Select(n => n.Node).Where(n => !nodes.ContainsKey(n)).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)],
            DeadLetters = deadLetters, Refusals = refusals.Counts,
        };
    }

    internal static bool IsWithinLimits(StatusQuestion question) => WireLimits.IsName(question.Asker);

    internal static bool IsWithinLimits(NodeStatus status)
        => IsWithinLimits(status.Process) && status.Runs.Count <= NodeSide.MaxRuns && status.Runs.All(r => WireLimits.IsName(r.Run) && r.Shards <= WireLimits.Shards && r.Agents <= WireLimits.Agents)
            && status.Models.Count <= Models && status.Models.All(m => WireDecoder.IsHash(m.Sha256) && m.Bytes <= WireLimits.ModelBytes) && IsRate(status.TicksPerSecond)
            && AreCounts(status.Ticks, status.ShardsAnswered, status.Actions, status.Replays, status.ModelsFetched, status.ModelBytesFetched);

    internal static bool IsWithinLimits(WorldStatus status)
        => IsWithinLimits(status.Process) && IsLabel(status.Title) && status.Nodes.Count <= Nodes && status.Nodes.All(n => WireLimits.IsName(n.Node) && n.Shards <= WireLimits.Shards)
            && status.Ticks <= int.MaxValue && status.AllTicks <= int.MaxValue && status.Episodes <= WireLimits.Agents && status.Agents <= WireLimits.Agents && status.Shards <= WireLimits.Shards
            && IsRate(status.TicksPerSecond) && AreCounts(status.Replays, status.Moves, status.Suspensions);

    private static bool IsWithinLimits(ProcessStatus? process)
        => process is not null && IsLabel(process.Host) && IsLabel(process.Version) && process.ProcessId <= int.MaxValue && process.UptimeSeconds is >= 0 and <= LongestUptime && AreCounts(process.Queued)
            && process.Refusals.Count <= Reasons && process.Refusals.All(r => IsLabel(r.Reason) && AreCounts(r.Count)) && process.Refusals.DistinctBy(r => r.Reason, StringComparer.Ordinal).Count() == process.Refusals.Count;

    private static bool IsRate(double value) => value is >= 0 and <= FastestTicks;

    private static bool AreCounts(params ReadOnlySpan<ulong> values)
    {
        foreach (var value in values)
        {
            if (value > long.MaxValue)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether a text can stand in a person's terminal: short, and nothing that would move the cursor.</summary>
    private static bool IsLabel(string text) => text.Length <= WireLimits.NameLetters && !text.Any(char.IsControl);

    private static string Label(string text) => string.Concat(text.Where(c => !char.IsControl(c)).Take(WireLimits.NameLetters));

    private static ProcessStatus Process(ProcessReport report)
    {
        var process = new ProcessStatus { Host = Label(report.Host), ProcessId = (uint)report.ProcessId, Version = Label(report.Version), UptimeSeconds = report.Uptime };
        if (report.Queued is { } queued)
        {
            process.Queued = (ulong)queued;
        }

        process.Refusals.AddRange(report.Refusals.Select(r => new RefusalCount { Reason = r.Key, Count = (ulong)r.Value }));
        return process;
    }

    private static ProcessReport Decode(ProcessStatus process)
        => new(process.Host, (int)process.ProcessId, process.Version, process.UptimeSeconds, process.HasQueued ? (long)process.Queued : null,
            process.Refusals.ToImmutableSortedDictionary(r => r.Reason, r => (long)r.Count, StringComparer.Ordinal));

    private static NodeStatusReport Decode(string node, NodeStatus status) => new(node, Decode(status.Process), status.TicksPerSecond, new NodeFigures
    {
        Runs = [.. status.Runs.Select(r => new NodeRunFigures(r.Run, r.Prepared, (int)r.Shards, (int)r.Agents))], Ticks = (long)status.Ticks, Shards = (long)status.ShardsAnswered, Actions = (long)status.Actions,
        Replays = (long)status.Replays, Models = [.. status.Models.Select(m => new HeldModel(m.Sha256, (long)m.Bytes))], ModelsFetched = (long)status.ModelsFetched, ModelBytesFetched = (long)status.ModelBytesFetched,
    });

    private static WorldReport Decode(string run, WorldStatus status) => new(run, status.Title, Decode(status.Process), (int)status.AllTicks, status.TicksPerSecond, new WorldFigures
    {
        Ticks = (int)status.Ticks, Episodes = (int)status.Episodes, Agents = (int)status.Agents, Shards = (int)status.Shards,
        Nodes = [.. status.Nodes.Select(n => new WorldNodeFigures(n.Node, n.Prepared, (int)n.Shards))], Replays = (long)status.Replays, Moves = (long)status.Moves, Suspensions = (long)status.Suspensions,
    });
}
