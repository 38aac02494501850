using System.Globalization;
using MimicD.Bridges.Mqtt;

namespace MimicD.Bench.Robots;

/// <summary>How soon robots are answered through Mosquitto, beside a null bridge; and while one of them floods.</summary>
internal static class LoopBench
{
    private const double Seconds = 15;
    private const double WarmUp = 5;
    private const int Flood = 100;

    public static async Task<LoopFigures> RunAsync(string root, int robots, double rate, int rounds, CancellationToken cancellation)
    {
        await using var broker = await MosquittoBroker.StartAsync(new MosquittoBrokerSettings(), TimeProvider.System, cancellation);
        var (bridge, echo, flooded) = (new List<LoadFigures>(), new List<LoadFigures>(), new List<LoadFigures>());
        for (var round = 1; round <= rounds; round++)
        {
            foreach (var (kind, flood, to) in new[] { ("echo", 1, echo), ("bridge", 1, bridge), ("bridge", Flood, flooded) })
            {
                var run = $"{kind}{flood}-{round}";
                using var answering = NodeProcesses.Start("mimicd-bench.dll", "robots", "serve", "--broker", broker.Address.GetLeftPart(UriPartial.Authority), "--run", run, "--kind", kind, "--robots", $"{robots}", "--rate", rate.ToString(CultureInfo.InvariantCulture));
                answering.ErrorDataReceived += (_, line) =>
                {
                    if (line.Data is { Length: > 0 } text)
                    {
                        Console.Out.WriteLine($"  {text}");
                    }
                };
                await using (var load = await RobotLoad.ConnectAsync(broker.Address, run, robots, rate, cancellation))
                {
                    to.Add(await load.RunAsync(Seconds, WarmUp, rate, flood, cancellation));
                }

                answering.StandardInput.Close();
                await answering.WaitForExitAsync(cancellation);
                Console.Out.WriteLine($"round {round}, {(kind == "echo" ? "null bridge" : flood > 1 ? $"bridge, one robot at {flood} times its rate" : "bridge")}: {to[^1]}");
            }
        }

        var figures = new LoopFigures(robots, rate, [.. echo], [.. bridge], [.. flooded]);
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"p99, median of {rounds} rounds: null bridge {1000 * Mid(echo):0.000} ms, bridge {1000 * Mid(bridge):0.000} ms ({100 * figures.Added:+0.0;-0.0} %), with a flood {1000 * Mid(flooded):0.000} ms ({figures.FloodRatio:0.00} times)"));
        return figures;
    }

    internal static double Mid(IReadOnlyList<LoadFigures> rounds) => rounds.Select(f => f.P99).Order().ElementAt(rounds.Count / 2);
}

/// <summary>What each round gave.</summary>
internal sealed record LoopFigures(int Robots, double Rate, LoadFigures[] Null, LoadFigures[] Bridge, LoadFigures[] Flooded) : IMeasured
{
    /// <summary>What the bridge adds to the null bridge's p99, as a share of it, of the rounds' medians.</summary>
    public double Added => LoopBench.Mid(Bridge) / LoopBench.Mid(Null) - 1;

    /// <summary>The others' p99 while one robot floods, over that without.</summary>
    public double FloodRatio => LoopBench.Mid(Flooded) / LoopBench.Mid(Bridge);

    /// <summary>Whether every observation was answered.</summary>
    public bool Holds => Bridge.All(f => f.Answered == f.Asked);
}
