using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using MimicD.Cluster;
using MimicD.Cluster.RabbitMq;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.EndToEndTests;

/// <summary>Real processes on a real broker: whatever happens to nodes, the trajectories are those of one process.</summary>
public sealed class ClusterTests(ClusterTests.Fixture fixture) : IClassFixture<ClusterTests.Fixture>, IDisposable
{
    private static readonly string Ring = Path.Combine(EntryPoint.Root, "scenarios", "ring.json");
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public async Task The_shipped_model_swaps_places_alike_on_any_number_of_nodes(int nodes)
        => await AlikeAsync(["--episodes", "2", "--seed", "3"], nodes);

    [Fact]
    public async Task A_crowd_of_scripted_agents_with_a_partner_crosses_alike_on_three_nodes()
        => await AlikeAsync([Ring, "--policy", "reciprocal", "--agents", "24", "--episodes", "1", "--partner", "3=straight"], 3);

    [Fact]
    public async Task Modes_by_sight_candidates_warm_starts_and_the_projection_are_alike_on_nodes_and_what_it_moved_is_counted_alike()
    {
        await AlikeAsync([Path.Combine(EntryPoint.Root, "scenarios", "road.json"), "--episodes", "4", "--seed", "5", "--noise", "fresh", "--candidates", "2", "--warm-period", "4", "--project", "true"], 2);
        var counts = new[] { "alone", "nodes" }.Select(folder =>
        {
            using var result = JsonDocument.Parse(File.ReadAllText(_scratch[$"{folder}/result.json"]));
            var host = result.RootElement.GetProperty("host");
            return (host.GetProperty("projections").GetInt64(), Math.Round(host.GetProperty("projected").GetDouble(), 9), host.GetProperty("plans").GetInt64(), host.GetProperty("networkCalls").GetInt64());
        }).ToArray();

        Assert.True(counts[0].Item1 > 0, $"{counts[0]}");
        Assert.Equal(counts[0], counts[1]);
    }

    [Fact]
    public async Task A_node_that_is_killed_changes_nothing()
    {
        var seed = (ulong)Environment.TickCount64;
        var random = new CounterRandom(seed, RandomPurpose.Resampling);
        var (line, victim) = (1 + random.NextInt32(8), random.NextInt32(3));
        var alone = await HashAsync(Crowd);
        var outcome = await OnNodesAsync(3, fixture.Broker.File, (run, lines) =>
        {
            if (lines == line)
            {
                Signal("KILL", Descendants(run.Id, "mimicd.dll node")[victim]);
            }
        });

        Assert.True(alone == outcome.Hash, $"seed {seed}: node {victim} killed after line {line}: expected {alone}, found {outcome.Hash}");
        Assert.InRange(outcome.Cluster.GetProperty("moves").GetInt64(), 1, 24);
        Assert.Contains(outcome.Errors, e => e.StartsWith("mimicd: node ", StringComparison.Ordinal) && e.Contains("ended with exit code 137", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_node_that_stands_still_past_the_deadline_is_fenced_off()
    {
        // Long enough that a busy machine alone does not miss it.
        var file = _scratch["cluster.hocon"];
        AtomicFile.WriteText(file, StrictJson.Format(fixture.Broker.Options with { Name = "frozen", Deadlines = new DeadlineOptions { Answer = 4 } }));
        var alone = await HashAsync(Crowd);
        var frozen = 0;
        var outcome = await OnNodesAsync(3, file, (run, lines) =>
        {
            if (lines == 3)
            {
                frozen = Descendants(run.Id, "mimicd.dll node")[0];
                Signal("STOP", frozen);
            }
            else if (lines == 6)
            {
                Signal("CONT", frozen);
            }
        });

        Assert.Equal(alone, outcome.Hash);
        Assert.True(outcome.Cluster.GetProperty("suspensions").GetInt64() >= 1);
    }

    [Fact]
    public async Task A_world_that_is_killed_goes_on_from_its_snapshot_on_other_nodes()
    {
        // Snapshots in mid-plan: agents are built again on nodes that have never met them.
        string[] swap = ["--episodes", "2", "--seed", "3", "--execute", "4", "--set", "scenario.steps=400"];
        var alone = await HashAsync(swap);
        using (var run = Start([.. swap, "--snapshot-every", "3"], 2, fixture.Broker.File))
        {
            await FollowAsync(run, lines =>
            {
                if (lines == 2)
                {
                    Signal("KILL", run.Id);
                }
            });
        }

        Assert.False(File.Exists(Path.Combine(_scratch["nodes"], "result.json")));
        var resumed = await EntryPoint.RunAsync("run", "--resume", _scratch["nodes"], "--nodes", "3");
        resumed.Success.ToString();
        var (hash, cluster) = Result(_scratch["nodes"]);
        Assert.Equal(alone, hash);
        Assert.Equal(3, cluster.GetProperty("nodes").GetInt32());
        Assert.True(cluster.GetProperty("replays").GetInt64() > 0);
    }

    [Fact]
    public async Task Ctrl_C_ends_the_run_and_its_nodes_and_keeps_what_is_done()
    {
        int[] nodes = [];
        using var run = Start(Crowd, 2, fixture.Broker.File);
        var (errors, output) = await FollowAsync(run, lines =>
        {
            if (lines == 2)
            {
                nodes = Descendants(run.Id, "mimicd.dll node");
                Signal("INT", run.Id);
            }
        });

        Assert.True(run.ExitCode == 130, $"expected exit code 130, found {run.ExitCode}\n{output}\n{string.Join('\n', errors)}");
        Assert.Contains("trajectory hash", output, StringComparison.Ordinal);
        Assert.Matches("(?m)messages: between agents +0 *$", output);
        Assert.Equal(2, nodes.Length);
        await GoneAsync(nodes);
    }

    [Fact]
    public async Task A_run_that_is_killed_leaves_no_node_no_broker_and_no_file_behind()
    {
        int[] children = [];
        var folder = "";
        using var run = Start(Crowd, 2, null);
        await FollowAsync(run, lines =>
        {
            if (lines == 2)
            {
                children = Descendants(run.Id, "");
                folder = Environ(Descendants(run.Id, "beam")[0], "HOME");
                Signal("KILL", run.Id);
            }
        });

        Assert.Contains("mimicd-broker-", folder, StringComparison.Ordinal);
        await GoneAsync(children);
        Assert.False(Directory.Exists(folder), $"{folder} is still there");
    }

    // So long that no signal comes after its end, however quick the machine.
    private static string[] Crowd => [Ring, "--policy", "reciprocal", "--agents", "12", "--episodes", "2", "--set", "scenario.steps=1000"];

    private async Task AlikeAsync(string[] run, int nodes)
    {
        var alone = await HashAsync(run);
        var outcome = await EntryPoint.RunAsync(["run", .. run, "--cluster", fixture.Broker.File, "--nodes", $"{nodes}", "--out", _scratch["nodes"]]);
        outcome.Success.ToString();
        var (hash, cluster) = Result(_scratch["nodes"]);
        Assert.Equal(alone, hash);
        Assert.Equal((nodes, 0), (cluster.GetProperty("nodes").GetInt32(), cluster.GetProperty("moves").GetInt32()));
    }

    private async Task<string> HashAsync(string[] run)
    {
        (await EntryPoint.RunAsync(["run", .. run, "--out", _scratch["alone"]])).Success.ToString();
        return Result(_scratch["alone"]).Hash;
    }

    private async Task<(string Hash, JsonElement Cluster, string[] Errors)> OnNodesAsync(int nodes, string file, Action<Process, int> atLine)
    {
        using var run = Start(Crowd, nodes, file);
        var (errors, output) = await FollowAsync(run, lines => atLine(run, lines));
        Assert.True(run.ExitCode == 0, $"expected exit code 0, found {run.ExitCode}\n{output}\n{string.Join('\n', errors)}");
        var (hash, cluster) = Result(_scratch["nodes"]);
        return (hash, cluster, errors);
    }

    private Process Start(string[] run, int nodes, string? file) => EntryPoint.Start(["run", .. run, "--nodes", $"{nodes}", .. file is null ? [] : new[] { "--cluster", file }, "--out", _scratch["nodes"]]);

    /// <summary>Reads a run's progress to its end; told how many lines of it there were after each, at a tenth of the ticks each.</summary>
    internal static async Task<(string[] Errors, string Output)> FollowAsync(Process run, Action<int> atLine)
    {
        var output = run.StandardOutput.ReadToEndAsync();
        var errors = new List<string>();
        var lines = 0;
        while (await run.StandardError.ReadLineAsync() is { } line)
        {
            errors.Add(line);
            if (line.EndsWith(" ticks", StringComparison.Ordinal))
            {
                atLine(++lines);
            }
        }

        await run.WaitForExitAsync();
        return ([.. errors], await output);
    }

    internal static (string Hash, JsonElement Cluster) Result(string folder)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "result.json")));
        return (json.RootElement.GetProperty("trajectoryHash").GetString()!, json.RootElement.TryGetProperty("cluster", out var cluster) ? cluster.Clone() : default);
    }

    /// <summary>Processes below one whose command line holds a text, in the order of their ids.</summary>
    internal static int[] Descendants(int process, string text)
    {
        var found = new List<int>();
        var open = new Queue<int>([process]);
        while (open.TryDequeue(out var at))
        {
            foreach (var task in Directory.Exists($"/proc/{at}/task") ? Directory.GetDirectories($"/proc/{at}/task") : [])
            {
                foreach (var child in Read($"{task}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(c => int.Parse(c, CultureInfo.InvariantCulture)))
                {
                    open.Enqueue(child);
                    if (Read($"/proc/{child}/cmdline").Replace('\0', ' ').Contains(text, StringComparison.Ordinal))
                    {
                        found.Add(child);
                    }
                }
            }
        }

        return [.. found.Order()];
    }

    internal static string Environ(int process, string name)
        => Encoding.UTF8.GetString(File.ReadAllBytes($"/proc/{process}/environ")).Split('\0').Single(v => v.StartsWith(name + "=", StringComparison.Ordinal))[(name.Length + 1)..];

    internal static void Signal(string signal, int process)
    {
        using var kill = Process.Start("kill", [$"-{signal}", process.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    /// <summary>Waits until processes that are not ours to wait for are no more (or are dead and waited for by nobody).</summary>
    internal static async Task GoneAsync(int[] processes)
    {
        var started = Stopwatch.GetTimestamp();
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        foreach (var process in processes)
        {
            while (IsAlive(process))
            {
                Assert.True(Stopwatch.GetElapsedTime(started) < Patience, $"process {process} is still there");
                await look.WaitForNextTickAsync();
            }
        }
    }

    private static bool IsAlive(int process)
    {
        // pid (name) state ...: the name may hold anything.
        var status = Read($"/proc/{process}/stat");
        return status.Length > 0 && status[status.LastIndexOf(')') + 2] is not ('Z' or 'X');
    }

    /// <summary>What the system says of a process or a thread; empty when it ended meanwhile.</summary>
    private static string Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    /// <summary>One broker for all tests of the class.</summary>
    public sealed class Fixture : IAsyncLifetime
    {
        private PrivateBroker? _broker;

        public PrivateBroker Broker => _broker!;

        // Patience for a machine that has other things to do.
        public async Task InitializeAsync() => _broker = await PrivateBroker.StartAsync(new ClusterOptions { Deadlines = new DeadlineOptions { Answer = 120, Nodes = 120, Broker = 60 } }, TimeProvider.System, CancellationToken.None);

        public Task DisposeAsync() => Broker.DisposeAsync().AsTask();
    }
}
