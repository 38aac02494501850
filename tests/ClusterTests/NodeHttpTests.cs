using System.Net;
using System.Net.Sockets;
using MimicD.Cluster;
using MimicD.Cluster.Http;
using MimicD.Cluster.Status;
using MimicD.Contracts;

namespace MimicD.ClusterTests;

/// <summary>What a node serves, over a real connection; the node itself is told of by the test.</summary>
public sealed class NodeHttpTests : IAsyncLifetime, IDisposable
{
    private readonly HandTime _time = new();
    private readonly NodeWatch _watch;
    private readonly HttpClient _client = new();
    private NodeHttp? _http;

    public NodeHttpTests() => _watch = new NodeWatch("node-1", TimeSpan.FromSeconds(30), _time);

    public async Task InitializeAsync()
    {
        _http = await NodeHttp.StartAsync(new IPEndPoint(IPAddress.Loopback, 0), _watch, "clus\\ter \"1\"", CancellationToken.None);
        _client.BaseAddress = _http.Address;
    }

    public Task DisposeAsync() => _http!.DisposeAsync().AsTask();

    public void Dispose() => _client.Dispose();

    [Fact]
    public async Task Health_and_readiness_are_those_of_the_node()
    {
        Assert.Equal((HttpStatusCode.OK, "ok\n"), await GetAsync("healthz"));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "not connected to the broker\n"), await GetAsync("readyz"));
        _watch.Connect();
        _watch.Tell(NodeFigures.None);
        Assert.Equal((HttpStatusCode.OK, "ok\n"), await GetAsync("readyz"));
        _time.Pass(40);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "the node has not taken a message for 40 s (at most 35 s)\n"), await GetAsync("healthz"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await GetAsync("readyz")).Status);
    }

    [Fact]
    public async Task Metrics_are_what_the_node_told_last()
    {
        _watch.Refusals.Add(Refusal.Late);
        _watch.Refusals.Add(Refusal.Late);
        _watch.Tell(new NodeFigures
        {
            Runs = [new NodeRunFigures("run-1", true, 5, 17), new NodeRunFigures("run-2", true, 2, 4)], Ticks = 100, Shards = 500, Actions = 1700, Replays = 3, Models = [new HeldModel(new string('a', 64), 1234)], ModelsFetched = 2,
            ModelBytesFetched = 5000,
        });
        _watch.AskQueue(_ => Task.FromResult<long?>(6));
        var away = await MetricsAsync();
        Assert.Equal(0, away["mimicd_node_broker_connected"]);
        Assert.DoesNotContain("mimicd_node_queue_messages", away.Names);

        _watch.Connect();
        var metrics = await MetricsAsync();
        foreach (var (name, value) in new Dictionary<string, double>(StringComparer.Ordinal)
        {
            ["broker_connected"] = 1, ["queue_messages"] = 6, ["runs"] = 2, ["shards"] = 7, ["agents"] = 21, ["models"] = 1, ["models_bytes"] = 1234, ["ticks_total"] = 100, ["shards_answered_total"] = 500,
            ["actions_total"] = 1700, ["replays_total"] = 3, ["models_fetched_total"] = 2, ["models_fetched_bytes_total"] = 5000, ["refusals_total{reason=\"Late\"}"] = 2, ["refusals_total{reason=\"Malformed\"}"] = 0,
            [$"info{{node=\"node-1\",cluster=\"clus\\ter \"1\"\",version=\"{NodeWatch.Version}\"}}"] = 1,
        })
        {
            Assert.True(metrics.Names.Contains($"mimicd_node_{name}", StringComparer.Ordinal), $"{name} is not among:\n{string.Join('\n', metrics.Names)}");
            Assert.Equal(value, metrics[$"mimicd_node_{name}"]);
        }

        Assert.True(metrics["process_cpu_seconds_total"] > 0);
        Assert.True(metrics["process_resident_memory_bytes"] > 1e6);
        Assert.True(metrics["process_start_time_seconds"] > 1e9);
    }

    [Fact]
    public async Task Runs_and_models_add_no_series()
    {
        var before = (await MetricsAsync()).Names.Where(IsOurs).ToArray();
        _watch.Tell(new NodeFigures { Runs = [.. Enumerable.Range(0, 64).Select(i => new NodeRunFigures($"run-{i}", true, 1, 1))], Models = [.. Enumerable.Range(0, 8).Select(i => new HeldModel($"{i}", 1))] });
        Assert.Equal(before, (await MetricsAsync()).Names.Where(IsOurs));

        static bool IsOurs(string name) => name.StartsWith("mimicd_", StringComparison.Ordinal);
    }

    [Fact]
    public async Task Many_readers_at_one_time_all_get_the_whole()
    {
        _watch.Tell(new NodeFigures { Ticks = 5 });
        var texts = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => MetricsAsync()));
        Assert.All(texts, t => Assert.Equal(5, t["mimicd_node_ticks_total"]));
    }

    [Fact]
    public async Task Other_pages_and_other_methods_are_refused()
    {
        Assert.Equal((HttpStatusCode.NotFound, "expected /metrics, /healthz or /readyz\n"), await GetAsync("runs"));
        using var posted = await _client.PostAsync("healthz", new StringContent("x"));
        Assert.Equal(HttpStatusCode.MethodNotAllowed, posted.StatusCode);
    }

    [Fact]
    public async Task A_place_that_is_taken_is_said()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var place = (IPEndPoint)other.LocalEndpoint;
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => NodeHttp.StartAsync(place, _watch, "cluster", CancellationToken.None));
        Assert.StartsWith($"http {place}: cannot be listened on: ", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("9100", "10.0.0.7:9100")]
    [InlineData("0", "10.0.0.7:0")]
    [InlineData("127.0.0.1:80", "127.0.0.1:80")]
    [InlineData("[::1]:80", "[::1]:80")]
    [InlineData("off", null)]
    public void A_place_is_an_address_and_a_port(string text, string? expected)
        => Assert.Equal(expected, new HttpOptions { Address = "10.0.0.7", Port = 1 }.With(text, "--http").EndPoint()?.ToString());

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("-1")]
    [InlineData("65536")]
    [InlineData("80.5")]
    [InlineData("localhost:80")]
    [InlineData("1:80")]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.1:")]
    [InlineData(":80")]
    [InlineData("::1:80")]
    [InlineData("[127.0.0.1]:80")]
    public void What_is_no_place_is_refused(string text)
        => Assert.Equal($"--http: expected [ADDRESS:]PORT with an IP address and a port from 0 (any free one) to 65535, or off, found {text}", Assert.Throws<InvalidInputException>(() => new HttpOptions().With(text, "--http")).Message);

    private async Task<(HttpStatusCode Status, string Text)> GetAsync(string page)
    {
        using var response = await _client.GetAsync(page);
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    private async Task<PrometheusText> MetricsAsync()
    {
        using var response = await _client.GetAsync("metrics");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", response.Content.Headers.ContentType!.ToString());
        return PrometheusText.Parse(await response.Content.ReadAsStringAsync());
    }
}
