using System.Diagnostics;
using System.Globalization;
using MimicD.Cluster;
using MimicD.Cluster.RabbitMq;

namespace MimicD.EndToEndTests;

/// <summary>A test on several hosts: skipped, with a message, where network namespaces are not permitted.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class NetworkFactAttribute : FactAttribute
{
    private static readonly string? Missing = Look();

    public NetworkFactAttribute() => Skip = Missing;

    private static string? Look()
    {
        var name = $"mimicd-{Environment.ProcessId}-look";
        try
        {
            NetworkBench.Ip("netns", "add", name);
            NetworkBench.Ip("netns", "del", name);
            return null;
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return $"no network namespaces here: {e.Message}";
        }
    }
}

/// <summary>
/// Hosts on a network of their own, in namespaces of this machine's network: one with the broker and the world, and one for each node, all on one bridge. Nothing reaches this machine's own network, and nothing is left.
/// </summary>
internal sealed class NetworkBench : IAsyncDisposable
{
    private const string Address = "10.77.0.1";

    private static int _benches;

    private readonly string _name = string.Create(CultureInfo.InvariantCulture, $"mimicd-{Environment.ProcessId}-{Interlocked.Increment(ref _benches)}");
    private readonly List<string> _hosts = [];
    private readonly List<Process> _nodes = [];
    private PrivateBroker? _broker;

    /// <summary>The cluster's file.</summary>
    public string File => _broker!.File;

    /// <summary>Brings up the network, the broker and the nodes' processes.</summary>
    public static async Task<NetworkBench> StartAsync(int nodes, ClusterOptions options)
    {
        var bench = new NetworkBench();
        try
        {
            var hub = bench.Host("hub");
            Ip("-n", hub, "link", "add", "bridge", "type", "bridge");
            Ip("-n", hub, "addr", "add", $"{Address}/24", "dev", "bridge");
            Ip("-n", hub, "link", "set", "bridge", "up");
            bench._broker = await PrivateBroker.StartAsync(options with { Nodes = nodes }, new PrivateBrokerSettings { Address = Address, Launcher = ["ip", "netns", "exec", hub] }, TimeProvider.System, CancellationToken.None);
            for (var node = 1; node <= nodes; node++)
            {
                var host = bench.Host($"{node}");
                Ip("-n", hub, "link", "add", Link(node), "type", "veth", "peer", "name", "eth0", "netns", host);
                Ip("-n", hub, "link", "set", Link(node), "master", "bridge", "up");
                Ip("-n", host, "addr", "add", string.Create(CultureInfo.InvariantCulture, $"10.77.0.{10 + node}/24"), "dev", "eth0");
                Ip("-n", host, "link", "set", "eth0", "up");
                bench._nodes.Add(Start(host, "node", "--cluster", bench.File, "--threads", "1"));
                bench._nodes[^1].OutputDataReceived += (_, _) => { };
                bench._nodes[^1].ErrorDataReceived += (_, _) => { };
                bench._nodes[^1].BeginOutputReadLine();
                bench._nodes[^1].BeginErrorReadLine();
            }

            return bench;
        }
        catch
        {
            await bench.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts a run whose world is on the broker's host.</summary>
    public Process Run(params string[] arguments) => Start(_hosts[0], ["run", .. arguments, "--cluster", File]);

    /// <summary>Takes a node's link down or up, counted from 1.</summary>
    public void Connect(int node, bool up) => Ip("-n", _hosts[0], "link", "set", Link(node), up ? "up" : "down");

    /// <summary>Runs Debian's <c>ip</c>.</summary>
    /// <exception cref="InvalidOperationException">It refuses; with what it said.</exception>
    public static void Ip(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardError = true, UseShellExecute = false })!;
        var said = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"ip {string.Join(' ', arguments)}: {said.Trim()}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            node.StandardInput.Close();
        }

        foreach (var node in _nodes)
        {
            await node.WaitForExitAsync();
            node.Dispose();
        }

        if (_broker is not null)
        {
            await _broker.DisposeAsync();
        }

        _hosts.ForEach(host => Ip("netns", "del", host));
    }

    private static string Link(int node) => string.Create(CultureInfo.InvariantCulture, $"node{node}");

    private string Host(string name)
    {
        var host = $"{_name}-{name}";
        Ip("netns", "add", host);
        _hosts.Add(host);
        Ip("-n", host, "link", "set", "lo", "up");
        return host;
    }

    private static Process Start(string host, params string[] arguments)
    {
        var start = new ProcessStartInfo("ip", ["netns", "exec", host, "dotnet", Path.Combine(AppContext.BaseDirectory, "mimicd.dll"), .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["MIMICD_ROOT"] = EntryPoint.Root;
        start.Environment["MIMICD_STOP_WITH_INPUT"] = "1";
        start.Environment.Remove("MIMICD_ENTRY");
        return Process.Start(start)!;
    }
}
