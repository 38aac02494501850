using MimicD.Cluster.Status;
using Prometheus;

namespace MimicD.Cluster.Http;

/// <summary>
/// A node's figures in Prometheus text. They are read when somebody asks, from what the node told last; nothing is counted here. The only label that varies is a refusal's reason, of which there is a fixed number:
/// a run's name is no label, for there is a new one with every run.
/// </summary>
public sealed class NodeMetrics
{
    private readonly CollectorRegistry _registry = Metrics.NewCustomRegistry();

    /// <summary>Makes them.</summary>
    /// <param name="watch">The node.</param>
    /// <param name="cluster">Its cluster's name.</param>
    public NodeMetrics(NodeWatch watch, string cluster)
    {
        ArgumentNullException.ThrowIfNull(watch);
        var factory = Metrics.WithCustomRegistry(_registry);
        factory.CreateGauge("mimicd_node_info", "Which node this is; always 1.", "node", "cluster", "version").WithLabels(watch.Node, cluster, NodeWatch.Version).Set(1);
        var connected = Gauge("broker_connected", "Whether the node is connected to the broker, with a queue of its own (1), or not (0).");
        var queued = Gauge("queue_messages", "Messages that wait in the node's own queue; not there when the broker does not say.");
        var runs = Gauge("runs", "Runs that the node takes part in.");
        var shards = Gauge("shards", "Shards that the node answered for in the latest tick of each run.");
        var agents = Gauge("agents", "Agents of these shards.");
        var models = Gauge("models", "Models that the node holds.");
        var modelBytes = Gauge("models_bytes", "Bytes of the models that the node holds.");
        var ticks = Counter("ticks_total", "Ticks answered, all runs together.");
        var answers = Counter("shards_answered_total", "Shards answered.");
        var actions = Counter("actions_total", "Answers of agents, repeated ones included.");
        var replays = Counter("replays_total", "Shards whose agents' past was asked for.");
        var fetched = Counter("models_fetched_total", "Models fetched.");
        var fetchedBytes = Counter("models_fetched_bytes_total", "Bytes of the models fetched.");
        var refusals = factory.CreateCounter("mimicd_node_refusals_total", "Messages, or parts of one, that were refused.", "reason");
        var resident = factory.CreateGauge("process_resident_memory_bytes", "Resident memory.");
        DotNetStats.Register(_registry);
        _registry.AddBeforeCollectCallback(async _ =>
        {
            var figures = watch.Figures;
            connected.Set(watch.IsConnected ? 1 : 0);
            runs.Set(figures.Runs.Count);
            shards.Set(figures.Runs.Sum(r => (double)r.Shards));
            agents.Set(figures.Runs.Sum(r => (double)r.Agents));
            models.Set(figures.Models.Count);
            modelBytes.Set(figures.Models.Sum(m => (double)m.Bytes));
            ticks.IncTo(figures.Ticks);
            answers.IncTo(figures.Shards);
            actions.IncTo(figures.Actions);
            replays.IncTo(figures.Replays);
            fetched.IncTo(figures.ModelsFetched);
            fetchedBytes.IncTo(figures.ModelBytesFetched);
            foreach (var reason in Enum.GetValues<Refusal>())
            {
                // Those that there were none of as well: a series that begins in the middle has no rate.
                refusals.WithLabels(reason.ToString()).IncTo(watch.Refusals[reason]);
            }

            resident.Set(Environment.WorkingSet);
            if (await watch.QueuedAsync().ConfigureAwait(false) is { } waiting)
            {
                queued.Set(waiting);
                queued.Publish();
            }
            else
            {
                queued.Unpublish();
            }
        });

        Gauge Gauge(string name, string help) => factory.CreateGauge($"mimicd_node_{name}", help);

        Counter Counter(string name, string help) => factory.CreateCounter($"mimicd_node_{name}", help);
    }

    /// <summary>Content type of the text.</summary>
    public static string ContentType => PrometheusConstants.TextContentTypeWithVersionAndEncoding;

    /// <summary>Writes the figures as they are now.</summary>
    public Task WriteAsync(Stream stream, CancellationToken cancellationToken) => _registry.CollectAndExportAsTextAsync(stream, cancellationToken);
}
