using System.Globalization;
using MimicD.Agents;
using MimicD.Bridges.Faults;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Evaluation;
using MimicD.World;

namespace MimicD.Bench.Robots;

/// <summary>The swap with emulated robots for bodies, over Mosquitto and networks of all kinds, beside the simulation with the same starts.</summary>
internal static class SwapBench
{
    // Plans a second that two cores make with time to spare.
    private const double Plans = 800;

    /// <param name="root">The repository.</param>
    /// <param name="episodes">Episodes of each kind.</param>
    /// <param name="rate">Ticks a second.</param>
    /// <param name="kinds">What is compared: a name, which bodies are robots, the network, and the ttl [s].</param>
    /// <param name="cancellation">Stops it.</param>
    public static async Task<SwapFigures> RunAsync(string root, int episodes, double rate, IReadOnlyList<SwapKind> kinds, CancellationToken cancellation)
    {
        var simulated = Scenario.Load(Path.Combine(root, "scenarios", "swap.json"));
        var robots = Scenario.Load(Path.Combine(root, "scenarios", "swap-robots.json"));
        var player = Player.Of(Model.Load(Path.Combine(root, "models", "swap.safetensors")));
        var outcomes = new List<SwapOutcome>();
        var batch = Math.Max(1, (int)(Plans / (rate * simulated.Agents)));
        var alone = new Tally("simulated");
        for (var seed = 1UL; alone.Episodes < episodes; seed++)
        {
            await using var host = new LocalHost(player.Policies, Environment.ProcessorCount);
            var result = await Simulation.RunAsync(simulated, player.Sensor, new SimulationOptions { Seed = seed, Episodes = batch, Sampling = player.Sampling }, host, null, cancellation);
            alone.Add(simulated, result.ToRollouts(), []);
        }

        outcomes.Add(alone.Sum());
        Console.Out.WriteLine(outcomes[^1]);
        foreach (var kind in kinds)
        {
            var tally = new Tally(kind.Name);
            var scenario = robots with { Pacing = new PacingSpec { Kind = PacingKind.RealTime, Rate = rate }, Robots = robots.Robots! with { Names = kind.Robots, Ttl = kind.Ttl } };
            for (var seed = 1UL; tally.Episodes < episodes; seed++)
            {
                var (rollouts, statuses) = await BatchAsync(scenario, player, seed, batch, kind, cancellation);
                tally.Add(scenario, rollouts, statuses);
            }

            outcomes.Add(tally.Sum());
            Console.Out.WriteLine(outcomes[^1]);
        }

        return new SwapFigures(rate, [.. outcomes]);
    }

    private static async Task<(Rollouts Rollouts, IReadOnlyList<RobotStatus> Robots)> BatchAsync(Scenario scenario, Player player, ulong seed, int episodes, SwapKind kind, CancellationToken cancellation)
    {
        var run = $"swap{seed}";
        await using var broker = await MosquittoBroker.StartAsync(new MosquittoBrokerSettings(), TimeProvider.System, cancellation);
        await using var proxy = kind.Faults is null ? null : FaultProxy.Start(broker.Address.Host, broker.Address.Port, new FaultPlan(kind.Faults, seed), TimeProvider.System);
        var through = proxy is null ? broker.Address : new Uri($"mqtt://{proxy.EndPoint}");
        var world = new RobotWorld(scenario, [player.Sensor], new RobotWorldOptions { Run = run, Seed = seed, Episodes = episodes, Term = 1, Rearm = 0.1 });
        await using var host = new LocalHost(player.PoliciesAhead(scenario, kind.Ahead, "ahead"), Environment.ProcessorCount);
        var bridge = new RobotBridge(world, host, TimeProvider.System);
        await host.OpenAsync(world.Spec(player.Sampling), bridge, cancellation);
        using var leaving = new CancellationTokenSource();
        await using var fleet = RobotFleet.Start(
            scenario, new RobotFleetOptions { Run = run, Seed = seed, Episodes = episodes },
            r => MosquittoLink.Start(new MqttOptions { Broker = through, ClientId = r.ClientId, Will = r.Will, Subscriptions = [r.Subscription] }, r.Listener, TimeProvider.System), TimeProvider.System);
        await using var link = MosquittoLink.Start(new MqttOptions { Broker = broker.Address, ClientId = $"{run}-bridge", Subscriptions = world.Subscriptions }, bridge, TimeProvider.System);
        var living = fleet.RunAsync(leaving.Token);
        await bridge.RunAsync(link, null, cancellation);
        await leaving.CancelAsync();
        await living;
        cancellation.ThrowIfCancellationRequested();
        return (world.ToRollouts(), bridge.Status.Robots);
    }

    private sealed class Tally(string name)
    {
        private readonly List<Rollouts> _parts = [];
        private readonly List<RobotStatus> _robots = [];
        private Scenario? _scenario;

        public int Episodes => _parts.Sum(p => p.Positions.Shape[0]);

        public void Add(Scenario scenario, Rollouts rollouts, IReadOnlyList<RobotStatus> robots)
        {
            _scenario = scenario;
            _parts.Add(rollouts);
            _robots.AddRange(robots);
        }

        public SwapOutcome Sum()
        {
            var all = Rollouts.Join(_parts);
            var figures = Figures.Compute(_scenario!, PathSet.Create<float>(all.Positions.Data, all.Positions.Shape, name), all.Goals.Data, null);
            return new SwapOutcome(
                name, Episodes, figures.StrictSuccess.Value, figures.StrictSuccess.Low, figures.StrictSuccess.High, figures.GoalsReached.Value, figures.Collisions.First(c => c.Name == "contact").Rate.Value,
                _robots.Sum(r => r.Passed), _robots.Sum(r => r.Refused.Values.Sum()), _robots.Sum(r => r.Superseded), _robots.Sum(r => r.Sent), _robots.Sum(r => r.Report?.Acted ?? 0), _robots.Sum(r => r.Report?.Stops ?? 0), _robots.Sum(r => r.Late));
        }
    }
}

/// <summary>One kind of swap.</summary>
/// <param name="Name">For people.</param>
/// <param name="Robots">Which bodies are robots.</param>
/// <param name="Faults">The network between robots and broker; null: a good one.</param>
/// <param name="Ttl">A command's longest life [s]; null: three periods.</param>
/// <param name="Ahead">Periods by which agents look ahead.</param>
internal sealed record SwapKind(string Name, string?[] Robots, FaultSpec? Faults = null, double? Ttl = null, int Ahead = 0);

/// <summary>What one kind gave.</summary>
internal sealed record SwapOutcome(
    string Name, int Episodes, double StrictSuccess, double Low, double High, double GoalsReached, double Contact, long Observations, long Refused, long Superseded, long Commands, long Acted, long Stops, long Late)
{
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Name}: strict success {100 * StrictSuccess:0.0} % ({100 * Low:0.0} to {100 * High:0.0}), goals reached {100 * GoalsReached:0.0} %, contact {100 * Contact:0.0} %, {Episodes} episodes; {Observations} observations, {Refused} refused, {Superseded} superseded, {Commands} commands, {Stops} stops, {Late} late");
}

/// <summary>All kinds.</summary>
internal sealed record SwapFigures(double Rate, SwapOutcome[] Outcomes) : IMeasured
{
    public bool Holds => true;
}
