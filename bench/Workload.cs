using System.Diagnostics;
using MimicD.Agents;
using MimicD.Cluster.RabbitMq;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.World;

namespace MimicD.Bench;

/// <summary>A run to be measured, here and on a cluster.</summary>
internal sealed class Workload
{
    private readonly Scenario _scenario;
    private readonly Cast _cast;
    private readonly SimulationOptions _options;

    private Workload(string name, Scenario scenario, Player player, int episodes, int? ticks)
    {
        (Name, _scenario, _cast) = (name, scenario, new Cast(scenario, player, []));
        Ticks = Math.Min(ticks ?? int.MaxValue, scenario.Steps - 1);
        Agents = episodes * scenario.Agents;
        _options = _cast.Into(new SimulationOptions { Seed = 1, Episodes = episodes, Until = Ticks });
    }

    /// <summary>What it is.</summary>
    public string Name { get; }

    /// <summary>Ticks of the run.</summary>
    public int Ticks { get; }

    /// <summary>Agents of all episodes.</summary>
    public int Agents { get; }

    /// <summary>The shipped swap model: a run whose cost is the policy's.</summary>
    public static Workload Swap(string root, int episodes)
    {
        var scenario = Scenario.Load(Path.Combine(root, "scenarios", "swap.json"));
        var model = Model.Load(Path.Combine(root, "models", "swap.safetensors"));
        return new Workload($"swap, shipped model, {episodes} episodes", scenario, Player.Of(model), episodes, null);
    }

    /// <summary>A ring of scripted agents.</summary>
    public static Workload Ring(string root, string policy, int agents, int ticks)
    {
        var scenario = Scenario.Load(Path.Combine(root, "scenarios", "ring.json")).WithAgents(agents);
        scenario = scenario with { Steps = Math.Max(scenario.Steps, ticks + 1) };
        return new Workload($"ring, {policy}, {agents} agents, {ticks} ticks", scenario, ScriptedPolicies.Create(policy, scenario, "bench"), 1, ticks);
    }

    /// <summary>Runs it in this process.</summary>
    /// <param name="threads">Threads for agents.</param>
    /// <param name="cancellation">Stops it.</param>
    public async Task<Timed> LocallyAsync(int threads, CancellationToken cancellation)
    {
        await using var host = new LocalHost(_cast.Policy, threads);
        return await RunAsync(host, null, cancellation);
    }

    /// <summary>A host for it on a cluster.</summary>
    public RabbitMqHost On(NodeProcesses nodes) => new(nodes.Options, _cast.Sources, nodes.Count, TimeProvider.System);

    /// <summary>Runs it on a host.</summary>
    /// <param name="host">Where its agents live.</param>
    /// <param name="closed">Told, on the world's thread, how many ticks have closed, and when (<see cref="Stopwatch.GetTimestamp"/>).</param>
    /// <param name="cancellation">Stops it.</param>
    public async Task<Timed> RunAsync(IAgentHost host, Action<int, long>? closed, CancellationToken cancellation)
    {
        var clock = new Clock(Ticks, closed);
        var result = await Simulation.RunAsync(_scenario, _cast.Sensor, _options, host, clock, cancellation);
        cancellation.ThrowIfCancellationRequested();
        return new Timed(result.TrajectoryHash, clock.Closings);
    }

    private sealed class Clock(int ticks, Action<int, long>? closed) : IProgress<SimulationProgress>
    {
        public List<long> Closings { get; } = new(ticks + 1);

        public void Report(SimulationProgress value)
        {
            var now = Stopwatch.GetTimestamp();
            Closings.Add(now);
            closed?.Invoke(value.TicksDone, now);
        }
    }
}

/// <summary>What a run gave, and when its ticks closed.</summary>
/// <param name="Hash">Of its trajectories.</param>
/// <param name="Closings">When each tick closed (<see cref="Stopwatch.GetTimestamp"/>), in order.</param>
internal sealed record Timed(string Hash, IReadOnlyList<long> Closings)
{
    /// <summary>How long each tick took but the first ones [s].</summary>
    public IEnumerable<double> TickSeconds(int warmUp) => Closings.Skip(warmUp).Zip(Closings.Skip(warmUp + 1), Seconds);

    /// <summary>Seconds between two times.</summary>
    public static double Seconds(long from, long to) => (double)(to - from) / Stopwatch.Frequency;
}
