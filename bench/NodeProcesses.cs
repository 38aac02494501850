using System.Diagnostics;
using MimicD.Cluster;
using MimicD.Cluster.RabbitMq;

namespace MimicD.Bench;

/// <summary>A private broker and node processes on this machine.</summary>
internal sealed class NodeProcesses : IAsyncDisposable
{
    private readonly PrivateBroker _broker;
    private readonly List<Process> _nodes = [];

    private NodeProcesses(PrivateBroker broker) => _broker = broker;

    /// <summary>What to connect with.</summary>
    public ClusterOptions Options => _broker.Options;

    /// <summary>The same as a file.</summary>
    public string File => _broker.File;

    /// <summary>Nodes that were started and not killed.</summary>
    public int Count => _nodes.Count;

    /// <summary>Processor seconds that this process, the nodes together and the broker have used so far.</summary>
    public Processors Used()
    {
        using var broker = Process.GetProcessById(_broker.ProcessId);
        return new Processors(Environment.CpuUsage.TotalTime.TotalSeconds, _nodes.Sum(n => n.TotalProcessorTime.TotalSeconds), broker.TotalProcessorTime.TotalSeconds);
    }

    /// <summary>Starts the broker, and nodes.</summary>
    public static async Task<NodeProcesses> StartAsync(int nodes, CancellationToken cancellation)
    {
        var options = new ClusterOptions { Deadlines = new DeadlineOptions { Nodes = 120, Broker = 60 } };
        var processes = new NodeProcesses(await PrivateBroker.StartAsync(options, TimeProvider.System, cancellation));
        processes.Add(nodes);
        return processes;
    }

    /// <summary>Starts more nodes, of one thread each.</summary>
    public void Add(int nodes)
    {
        for (var i = 0; i < nodes; i++)
        {
            _nodes.Add(Start("mimicd.dll", "node", "--cluster", _broker.File, "--threads", "1"));
        }
    }

    /// <summary>Kills a node with a signal that cannot be caught.</summary>
    public void Kill(int index)
    {
        using var node = _nodes[index];
        node.Kill();
        _nodes.RemoveAt(index);
    }

    /// <summary>Starts nodes until there are so many.</summary>
    public void Refill(int nodes) => Add(nodes - _nodes.Count);

    /// <summary>Starts a program that stands beside this one, and ends with it.</summary>
    public static Process Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, program), .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.Environment["MIMICD_STOP_WITH_INPUT"] = "1";
        var process = Process.Start(start)!;

        // Read, so that it never waits for somebody to.
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
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

        await _broker.DisposeAsync();
    }
}

/// <summary>Processor seconds of whom.</summary>
/// <param name="World">The world's process.</param>
/// <param name="Nodes">All nodes together.</param>
/// <param name="Broker">The broker.</param>
internal readonly record struct Processors(double World, double Nodes, double Broker)
{
    /// <summary>What was used between two looks, shared out.</summary>
    public static Processors Between(Processors from, Processors to, int shares) => new((to.World - from.World) / shares, (to.Nodes - from.Nodes) / shares, (to.Broker - from.Broker) / shares);
}
