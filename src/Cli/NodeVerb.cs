using System.CommandLine;
using MimicD.Cluster;
using MimicD.Cluster.Http;
using MimicD.Cluster.RabbitMq;
using MimicD.Cluster.Status;
using MimicD.Contracts;
using MimicD.Evaluation.Sweeps;
using MimicD.Numerics;

namespace MimicD.Cli;

/// <summary><c>mimicd node</c>: lets agents of other machines' runs live here, and computes blocks of their sweeps.</summary>
internal static class NodeVerb
{
    private const int MachineLetters = 32;

    private static readonly Option<string?> ClusterFile = new("--cluster") { Description = "Where the broker is. [default: cluster.hocon in the repository]", HelpName = "FILE" };
    private static readonly Option<string?> Http = new("--http") { Description = "Serve /metrics (Prometheus), /healthz and /readyz here; port 0 for any that is free, 'off' for nowhere. [default: what the cluster's file says; address 127.0.0.1]", HelpName = "[ADDRESS:]PORT" };
    private static readonly Option<int> Threads = Options.Threads();
    private static readonly Option<ulong> Seed = Options.Seed();
    private static readonly Option<string?> Json = Options.Json();

    public static Command Create()
    {
        Seed.Description = "Accepted as everywhere; a run brings its own.";
        var command = new Command("node", """
            Takes part in the runs and sweeps of a cluster: agents live here, and models are fetched from the run that needs them.
            A node may be started before or after a run or a sweep, and may go at any time. Ctrl-C ends it.

            Example: mimicd node --cluster cluster.hocon
            """)
        {
            ClusterFile, Http, Threads, Seed, Json,
        };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        var options = ClusterOptions.Load(parsed.GetValue(ClusterFile) ?? Repository.File(ClusterOptions.FileName));
        var place = (parsed.GetValue(Http) is { } text ? options.Http.With(text, "--http") : options.Http).EndPoint();
        var threads = Options.Between(parsed.GetValue(Threads), 1, 1024, "--threads");
        var json = Options.WritableJson(parsed.GetValue(Json), "--json");
        var machine = string.Concat(Environment.MachineName.ToLowerInvariant().Where(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c)).Take(MachineLetters));
        var name = $"{machine}-{Guid.NewGuid().ToString("N")[..8]}";
        var watch = new NodeWatch(name, TimeSpan.FromSeconds(options.Deadlines.Answer), TimeProvider.System);

        // Before the broker: whoever looks after this node is told that it is not ready yet.
        await using var http = place is null ? null : await NodeHttp.StartAsync(place, watch, options.Name, cancellation);
        if (http is not null)
        {
            Console.Error.WriteLine($"node {name}: {http.Address}metrics, healthz, readyz");
        }

        NodeReport report;
        await using (var node = await NodeService.StartAsync(options, watch, threads, TimeProvider.System, cancellation))
        await using (var worker = await SweepWorker.StartAsync(options, name, threads, SweepBlock.ComputeAsync, TimeProvider.System, cancellation))
        {
            Console.Error.WriteLine($"node {name} of cluster {options.Name} at {options.Broker.Uri}");
            try
            {
                await Task.WhenAny(node.Completion, worker.Completion).Unwrap().WaitAsync(cancellation);
            }
            catch (OperationCanceledException)
            {
                // That is how a node ends.
            }

            report = node.Report with { Sweeps = worker.Report };
        }

        if (json is not null)
        {
            AtomicFile.WriteText(json, StrictJson.Format(report) + "\n");
        }

        Console.Error.WriteLine($"node {name}: {report.Answers} shards answered, {report.Replays} asked the past of, {report.Sweeps!.Answered} blocks computed, {report.ModelsFetched + report.Sweeps.ModelsFetched} models fetched, {report.Refusals.Values.Sum() + report.Sweeps.Refusals.Values.Sum()} messages refused");
        return CommandLine.Interrupted;
    }
}
