using System.CommandLine;
using System.Globalization;
using MimicD.Cluster;
using MimicD.Cluster.RabbitMq;
using MimicD.Cluster.Status;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Cli;

/// <summary><c>mimicd cluster status</c>: who is there, what they do, and what they refused.</summary>
internal static class ClusterVerb
{
    private const double LongestWait = 3600;
    private const int ShownLetters = 8;

    private static readonly Option<string?> ClusterFile = new("--cluster") { Description = "Where the broker is. [default: cluster.hocon in the repository]", HelpName = "FILE" };
    private static readonly Option<double> Wait = new("--wait") { Description = "Seconds that answers are waited for; nobody can know how many will come.", HelpName = "SECONDS", DefaultValueFactory = _ => 1 };
    private static readonly Option<ulong> Seed = Options.Seed();
    private static readonly Option<string?> Json = new("--json") { Description = "Print the result machine-readable instead of the tables, or write it to a file beside them.", HelpName = "FILE", Arity = ArgumentArity.ZeroOrOne };

    public static Command Create()
    {
        Seed.Description = "Accepted as everywhere; nothing here is random.";
        var status = new Command("status", """
            Asks all nodes and runs of a cluster how they are doing: nodes, shards, ticks a second, messages that wait, replays, refusals.
            It asks through the broker, and whoever is deep in a tick answers from what was last known.

            Example: mimicd cluster status --cluster cluster.hocon
            """)
        {
            ClusterFile, Wait, Seed, Json,
        };
        status.SetAction(StatusAsync);
        return new Command("cluster", """
            Looks at a cluster.

            Example: mimicd cluster status
            """)
        {
            status,
        };
    }

    private static async Task<int> StatusAsync(ParseResult parsed, CancellationToken cancellation)
    {
        var options = ClusterOptions.Load(parsed.GetValue(ClusterFile) ?? Repository.File(ClusterOptions.FileName));
        var wait = parsed.GetValue(Wait);
        InvalidInputException.Require(wait is > 0 and <= LongestWait, "--wait", "", $"above 0, at most {LongestWait} seconds", wait);
        var file = Options.WritableJson(parsed.GetValue(Json), "--json");
        var printed = file is null && parsed.GetResult(Json) is { Implicit: false };
        var status = await StatusInquiry.AskAsync(options, TimeSpan.FromSeconds(wait), TimeProvider.System, cancellation);
        if (printed)
        {
            Terminal.Line(StrictJson.Format(status));
            return 0;
        }

        if (file is not null)
        {
            AtomicFile.WriteText(file, StrictJson.Format(status) + "\n");
        }

        Print(status);
        return 0;
    }

    private static void Print(ClusterStatus status)
    {
        if (status.Worlds.Count + status.Nodes.Count == 0)
        {
            Terminal.Line($"cluster {status.Cluster} at {status.Broker}: no node and no run answered within {Short(status.Waited)} s{Dead(status)}");
            return;
        }

        Terminal.Line($"cluster {status.Cluster} at {status.Broker}: {status.Worlds.Count} runs, {status.Nodes.Count} nodes{Dead(status)}");
        if (status.Worlds.Count > 0)
        {
            var table = Terminal.Table("run", "scenario", "episodes x agents", "tick", "ticks/s", "nodes", "shards", "replays", "moved", "late", "refused", "waiting");
            foreach (var world in status.Worlds)
            {
                var (figures, process) = (world.Figures, world.Process);
                table.Row(
                    Cut(world.Run), world.Title, $"{figures.Episodes} x {figures.Agents}", world.AllTicks > 0 ? $"{figures.Ticks} of {world.AllTicks}" : $"{figures.Ticks}", Short(world.TicksPerSecond),
                    $"{figures.Nodes.Count(n => n.Prepared)}", $"{figures.Nodes.Sum(n => n.Shards)} of {figures.Shards}", $"{figures.Replays}", $"{figures.Moves}", $"{figures.Suspensions}", $"{process.Refusals.Values.Sum()}", Waiting(process));
            }

            Terminal.Out.Write(table);
        }

        if (status.Nodes.Count > 0)
        {
            var table = Terminal.Table("node", "host", "process", "up", "runs", "shards", "agents", "ticks/s", "ticks", "replays", "refused", "models", "waiting");
            foreach (var node in status.Nodes)
            {
                var (figures, process) = (node.Figures, node.Process);
                table.Row(
                    node.Node, process.Host, $"{process.ProcessId}", Time(process.Uptime), $"{figures.Runs.Count}", $"{figures.Runs.Sum(r => r.Shards)}", $"{figures.Runs.Sum(r => (long)r.Agents)}", Short(node.TicksPerSecond),
                    $"{figures.Ticks}", $"{figures.Replays}", $"{process.Refusals.Values.Sum()}", Models(figures), Waiting(process));
            }

            Terminal.Out.Write(table);
        }

        foreach (var (who, process) in status.Worlds.Select(w => ($"run {Cut(w.Run)}", w.Process)).Concat(status.Nodes.Select(n => ($"node {n.Node}", n.Process))).Where(p => p.Process.Refusals.Count > 0))
        {
            Terminal.Line($"{who} refused: {Reasons(process.Refusals)}");
        }

        foreach (var world in status.Worlds)
        {
            foreach (var node in world.Figures.Nodes.Where(n => status.Silent.Contains(n.Node, StringComparer.Ordinal)))
            {
                Terminal.Line($"node {node.Node} did not answer, and has {node.Shards} shards of run {Cut(world.Run)}");
            }
        }

        if (status.Refusals.Count > 0)
        {
            Terminal.Line($"answers that could not be read: {Reasons(status.Refusals.ToDictionary(r => r.Key.ToString(), r => r.Value, StringComparer.Ordinal))}");
        }

        var versions = status.Worlds.Select(w => w.Process.Version).Concat(status.Nodes.Select(n => n.Process.Version)).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToArray();
        Terminal.Line($"{(versions.Length == 1 ? "version" : "versions")} {string.Join(", ", versions)}");
    }

    private static string Dead(ClusterStatus status) => status.DeadLetters is null or 0 ? "" : $", {status.DeadLetters} dead letters";

    private static string Reasons(IReadOnlyDictionary<string, long> refusals) => string.Join(", ", refusals.Select(r => $"{r.Key} {r.Value}"));

    private static string Models(NodeFigures figures) => figures.Models.Count == 0 ? "0" : $"{figures.Models.Count} ({Short(figures.Models.Sum(m => (double)m.Bytes) / 1e6)} MB)";

    private static string Waiting(ProcessReport process) => process.Queued is { } queued ? $"{queued}" : "?";

    private static string Cut(string name) => name.Length <= ShownLetters ? name : name[..ShownLetters];

    private static string Short(double value) => value.ToString(value < 10 ? "0.##" : "0", CultureInfo.InvariantCulture);

    private static string Time(double seconds) => TimeSpan.FromSeconds(Math.Floor(seconds)).ToString("c", CultureInfo.InvariantCulture);
}
