using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using MimicD.Cluster;
using MimicD.Cluster.RabbitMq;
using MimicD.ClusterTests;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.EndToEndTests;

/// <summary>Real processes on a real broker, looked at from outside: <c>cluster status</c>, and what a node serves.</summary>
public sealed class ClusterStatusTests(ClusterTests.Fixture fixture) : IClassFixture<ClusterTests.Fixture>, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly Scratch _scratch = new();
    private readonly HttpClient _client = new();

    public void Dispose()
    {
        _client.Dispose();
        _scratch.Dispose();
    }

    [Fact]
    public async Task A_run_on_two_nodes_is_seen_with_all_its_shards()
    {
        // Far longer than it is looked at; it is stopped when it has been.
        var file = File("seen");
        using var run = EntryPoint.Start("run", Path.Combine(EntryPoint.Root, "scenarios", "ring.json"), "--policy", "reciprocal", "--agents", "12", "--episodes", "2", "--set", "scenario.steps=100000", "--nodes", "2", "--cluster", file,
            "--out", _scratch["out"]);
        var output = run.StandardOutput.ReadToEndAsync();
        while (await run.StandardError.ReadLineAsync() is { } line && !line.StartsWith("ring: ", StringComparison.Ordinal))
        {
        }

        var status = await SeenAsync(file, s => s.GetProperty("worlds").EnumerateArray().Any(w => w.GetProperty("figures").GetProperty("ticks").GetInt32() >= 10) && s.GetProperty("nodes").GetArrayLength() == 2);
        var table = (await EntryPoint.RunAsync("cluster", "status", "--cluster", file, "--json", _scratch["status.json"])).Success;
        EntryPoint.Interrupt(run);
        await run.StandardError.ReadToEndAsync();
        await run.WaitForExitAsync();
        Assert.True(run.ExitCode == 130, $"expected exit code 130, found {run.ExitCode}\n{await output}");

        var world = Assert.Single(status.GetProperty("worlds").EnumerateArray());
        var (figures, nodes) = (world.GetProperty("figures"), status.GetProperty("nodes").EnumerateArray().ToArray());
        Assert.Equal(("ring", 99_999), (world.GetProperty("title").GetString(), world.GetProperty("allTicks").GetInt32()));
        Assert.Equal((2, 12), (figures.GetProperty("episodes").GetInt32(), figures.GetProperty("agents").GetInt32()));
        Assert.True(world.GetProperty("ticksPerSecond").GetDouble() > 0);
        var shards = figures.GetProperty("shards").GetInt32();
        Assert.InRange(shards, 2, 16);
        Assert.Equal(shards, figures.GetProperty("nodes").EnumerateArray().Sum(n => n.GetProperty("shards").GetInt32()));
        Assert.Equal(shards, nodes.Sum(n => Run(n).GetProperty("shards").GetInt32()));
        Assert.Equal(24, nodes.Sum(n => Run(n).GetProperty("agents").GetInt32()));
        Assert.All(nodes, n => Assert.True(n.GetProperty("ticksPerSecond").GetDouble() > 0));
        Assert.Equal(2, nodes.Select(n => n.GetProperty("process").GetProperty("processId").GetInt32()).Distinct().Count());
        Assert.Empty(status.GetProperty("silent").EnumerateArray());

        Assert.Matches("(?m)^cluster seen at amqp://127.0.0.1:[0-9]+/: 1 runs, 2 nodes$", table);
        Assert.Matches($"(?m)^ *{world.GetProperty("run").GetString()![..8]} .* ring .* 2 x 12 .* of 99999 .* {shards} of {shards} ", table);
        Assert.All(nodes, n => Assert.Contains(n.GetProperty("node").GetString()!, table, StringComparison.Ordinal));
        Assert.Equal(2, JsonDocument.Parse(await System.IO.File.ReadAllTextAsync(_scratch["status.json"])).RootElement.GetProperty("nodes").GetArrayLength());

        JsonElement Run(JsonElement node) => Assert.Single(node.GetProperty("figures").GetProperty("runs").EnumerateArray(), r => r.GetProperty("run").GetString() == world.GetProperty("run").GetString());
    }

    [Fact]
    public async Task A_cluster_without_anybody_says_so_in_one_line()
    {
        var file = File("nobody");
        Assert.Matches("^cluster nobody at amqp://127.0.0.1:[0-9]+/: no node and no run answered within [0-9.]+ s\n$", (await EntryPoint.RunAsync("cluster", "status", "--cluster", file)).Success);
        using var json = JsonDocument.Parse((await EntryPoint.RunAsync("cluster", "status", "--cluster", file, "--json")).Success);
        Assert.Equal((0, 0), (json.RootElement.GetProperty("nodes").GetArrayLength(), json.RootElement.GetProperty("worlds").GetArrayLength()));
    }

    [Fact]
    public async Task A_broker_that_is_away_and_a_wrong_wait_are_refused()
    {
        var file = Away();
        Assert.StartsWith("broker amqp://127.0.0.1:1/: cannot be reached: ", (await EntryPoint.RunAsync("cluster", "status", "--cluster", file)).Refusal, StringComparison.Ordinal);
        Assert.Equal("--wait: expected above 0, at most 3600 seconds, found 0", (await EntryPoint.RunAsync("cluster", "status", "--cluster", file, "--wait", "0")).Refusal);
    }

    [Fact]
    public async Task A_place_to_serve_that_is_wrong_or_taken_is_refused()
    {
        Assert.Equal("--http: expected [ADDRESS:]PORT with an IP address and a port from 0 (any free one) to 65535, or off, found localhost:80", (await EntryPoint.RunAsync("node", "--cluster", Away(), "--http", "localhost:80")).Refusal);
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var place = (IPEndPoint)other.LocalEndpoint;
        Assert.StartsWith($"http {place}: cannot be listened on: ", (await EntryPoint.RunAsync("node", "--cluster", Away(), "--http", $"{place.Port}")).Refusal, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_is_not_ready_before_it_has_reached_its_broker()
    {
        await using var node = await ServedNode.StartAsync(Away(), "0");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "not connected to the broker\n"), await GetAsync(node.Http, "readyz"));
        Assert.Equal((HttpStatusCode.OK, "ok\n"), await GetAsync(node.Http, "healthz"));
        await node.StopAsync();
    }

    [Fact]
    public async Task A_node_is_ready_with_its_broker_and_not_without_and_tells_what_it_did()
    {
        // One of its own, which goes away in the middle.
        var broker = await PrivateBroker.StartAsync(new ClusterOptions { Deadlines = new DeadlineOptions { Answer = 120, Nodes = 120, Broker = 60 } }, TimeProvider.System, CancellationToken.None);
        try
        {
            await using var node = await ServedNode.StartAsync(broker.File, "127.0.0.1:0");
            await ServesAsync(node.Http, HttpStatusCode.OK);
            (await EntryPoint.RunAsync("run", Path.Combine(EntryPoint.Root, "scenarios", "ring.json"), "--policy", "straight", "--agents", "3", "--episodes", "2", "--cluster", broker.File, "--out", _scratch["out"])).Success.ToString();
            using var result = JsonDocument.Parse(await System.IO.File.ReadAllTextAsync(Path.Combine(_scratch["out"], "result.json")));
            var ticks = result.RootElement.GetProperty("stepsDone").GetInt32();
            Assert.True(ticks > 0);
            var metrics = await MetricsAsync(node.Http);
            Assert.Equal((ticks, 6 * ticks, 1), (metrics["mimicd_node_ticks_total"], metrics["mimicd_node_actions_total"], metrics["mimicd_node_broker_connected"]));
            Assert.Contains("mimicd_node_queue_messages", metrics.Names);
            Assert.Equal("counter", metrics.Types["mimicd_node_refusals_total"]);
            Assert.Equal(0, metrics["mimicd_node_refusals_total{reason=\"Malformed\"}"]);

            await broker.DisposeAsync();
            broker = null;
            await ServesAsync(node.Http, HttpStatusCode.ServiceUnavailable);
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "not connected to the broker\n"), await GetAsync(node.Http, "readyz"));
            Assert.Equal((HttpStatusCode.OK, "ok\n"), await GetAsync(node.Http, "healthz"));
            metrics = await MetricsAsync(node.Http);
            Assert.Equal((ticks, 0), (metrics["mimicd_node_ticks_total"], metrics["mimicd_node_broker_connected"]));
            Assert.DoesNotContain("mimicd_node_queue_messages", metrics.Names);
            await node.StopAsync();
        }
        finally
        {
            if (broker is not null)
            {
                await broker.DisposeAsync();
            }
        }
    }

    /// <summary>Waits until it is ready, or is not any more.</summary>
    private async Task ServesAsync(Uri http, HttpStatusCode status)
    {
        var started = Stopwatch.GetTimestamp();
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while ((await GetAsync(http, "readyz")).Status != status)
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < Patience, $"readyz: no {status}");
            await look.WaitForNextTickAsync();
        }
    }

    /// <summary>Asks until something is so.</summary>
    private static async Task<JsonElement> SeenAsync(string file, Func<JsonElement, bool> so)
    {
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            using var json = JsonDocument.Parse((await EntryPoint.RunAsync("cluster", "status", "--cluster", file, "--wait", "2", "--json")).Success);
            if (so(json.RootElement))
            {
                return json.RootElement.Clone();
            }

            Assert.True(Stopwatch.GetElapsedTime(started) < Patience, $"not seen: {json.RootElement}");
        }
    }

    private async Task<PrometheusText> MetricsAsync(Uri http) => PrometheusText.Parse((await GetAsync(http, "metrics")).Text);

    private async Task<(HttpStatusCode Status, string Text)> GetAsync(Uri http, string page)
    {
        using var response = await _client.GetAsync(new Uri(http, page));
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    /// <summary>A cluster of its own on the shared broker.</summary>
    private string File(string name) => Write(fixture.Broker.Options with { Name = name });

    // Port 1 of loopback: nobody listens there.
    private string Away() => Write(fixture.Broker.Options with { Broker = fixture.Broker.Options.Broker with { Uri = "amqp://127.0.0.1:1/" }, Deadlines = new DeadlineOptions { Broker = 3600 } });

    private string Write(ClusterOptions options)
    {
        var file = _scratch["cluster.hocon"];
        AtomicFile.WriteText(file, StrictJson.Format(options));
        return file;
    }

    /// <summary>A node that serves.</summary>
    private sealed class ServedNode : IAsyncDisposable
    {
        private readonly Process _process;
        private readonly Task<string> _output;

        private ServedNode(Process process) => (_process, _output) = (process, process.StandardOutput.ReadToEndAsync());

        /// <summary>The place that it says it serves at.</summary>
        public Uri Http { get; private set; } = null!;

        public static async Task<ServedNode> StartAsync(string file, string place)
        {
            const string What = "metrics, healthz, readyz";
            var node = new ServedNode(EntryPoint.Start("node", "--cluster", file, "--http", place));
            var line = await node._process.StandardError.ReadLineAsync() ?? "";
            Assert.EndsWith(What, line, StringComparison.Ordinal);
            node.Http = new Uri(line[line.IndexOf("http", StringComparison.Ordinal)..^What.Length]);
            return node;
        }

        public async Task StopAsync()
        {
            EntryPoint.Interrupt(_process);
            var errors = await _process.StandardError.ReadToEndAsync();
            await _process.WaitForExitAsync();
            Assert.True(_process.ExitCode == 130, $"expected exit code 130, found {_process.ExitCode}\n{errors}");
        }

        public async ValueTask DisposeAsync()
        {
            if (!_process.HasExited)
            {
                _process.Kill();
            }

            await _output;
            _process.Dispose();
        }
    }
}
