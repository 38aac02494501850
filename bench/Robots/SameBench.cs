using System.Collections.Concurrent;
using System.Diagnostics;
using MimicD.Agents;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.World;

namespace MimicD.Bench.Robots;

/// <summary>The same agents on the same recorded observations, in the simulation and over MQTT: whether they decide the same, bit by bit.</summary>
internal static class SameBench
{
    private const int Rate = 4;

    public static async Task<SameFigures> RunAsync(string root, int decisions, CancellationToken cancellation)
    {
        var simulated = Scenario.Load(Path.Combine(root, "scenarios", "swap.json"));
        var episodes = (int)Math.Ceiling((double)decisions / (simulated.Agents * (simulated.Steps - 1)));
        var player = Player.Of(Model.Load(Path.Combine(root, "models", "swap.safetensors")));
        await using var host = new LocalHost(player.Policies, Environment.ProcessorCount);
        var tape = new Tape(host);
        await Simulation.RunAsync(simulated, player.Sensor, new SimulationOptions { Seed = 1, Episodes = episodes, Sampling = player.Sampling }, tape, null, cancellation);

        // A ttl so long that what may come together holds a whole episode: nobody is refused for being quick.
        var scenario = simulated with { Robots = new RobotsSpec { All = "r", Change = 1e6, Reach = 1e6 }, Pacing = new PacingSpec { Kind = PacingKind.RealTime, Rate = Rate }, Steps = 3600 * Rate };
        var world = new RobotWorld(scenario, [player.Sensor], new RobotWorldOptions { Run = "same", Seed = 1, Episodes = episodes, Term = 1 });
        await using var agents = new LocalHost(player.Policies, Environment.ProcessorCount);
        var bridge = new RobotBridge(world, agents, TimeProvider.System);
        await agents.OpenAsync(world.Spec(player.Sampling), bridge, cancellation);
        await using var broker = await MosquittoBroker.StartAsync(new MosquittoBrokerSettings(), TimeProvider.System, cancellation);
        await using var link = MosquittoLink.Start(new MqttOptions { Broker = broker.Address, ClientId = "same-bridge", Subscriptions = world.Subscriptions }, bridge, TimeProvider.System);
        var robots = new Robots(scenario, episodes, tape, simulated.Steps - 1);
        await using var all = MosquittoLink.Start(new MqttOptions { Broker = broker.Address, ClientId = "same-robots", Subscriptions = [new($"{RobotTopics.DefaultPrefix}/same/+/cmd")], Window = 4 * episodes }, robots, TimeProvider.System);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var running = bridge.RunAsync(link, null, over.Token);
        await robots.PlayAsync(all, () => bridge.Status, cancellation);
        await over.CancelAsync();
        await running;
        var figures = new SameFigures(robots.Compared, robots.Different);
        Console.Out.WriteLine($"{figures.Decisions} decisions of the shipped swap model over MQTT, on the observations of {episodes} simulated episodes: {figures.Different} differ from the simulation's");
        return figures;
    }

    /// <summary>Keeps what goes to agents and what comes back.</summary>
    private sealed class Tape(LocalHost host) : IAgentHost, IActionSink
    {
        private IActionSink _world = null!;
        private RunSpec _run = null!;

        public ConcurrentDictionary<(int Episode, int Agent, int Tick), float[]> Frames { get; } = new();

        public ConcurrentDictionary<(int Episode, int Agent, int Tick), float[]> Actions { get; } = new();

        public AgentHostReport Report => host.Report;

        public ValueTask OpenAsync(RunSpec run, IActionSink world, CancellationToken cancellationToken)
        {
            (_run, _world) = (run, world);
            return host.OpenAsync(_run, this, cancellationToken);
        }

        public void Deliver(in Observation observation)
        {
            Frames[(observation.Episode.Value, observation.Agent.Value, observation.Tick.Value)] = observation.Features.ToArray();
            host.Deliver(observation);
        }

        public void EndTick(Tick tick) => host.EndTick(tick);

        public void Act(in AgentAction action)
        {
            Actions[(action.Episode.Value, action.Agent.Value, action.Tick.Value)] = action.Values.ToArray();
            _world.Act(action);
        }

        public ValueTask DisposeAsync() => host.DisposeAsync();
    }

    /// <summary>Robots that send what was recorded, each the next when the last is answered.</summary>
    private sealed class Robots : IMqttListener
    {
        private const int Silence = 1000 * 3 / Rate;
        private const int Look = 10;

        private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

        private readonly RobotTopics _topics = new(RobotTopics.DefaultPrefix, "same");
        private readonly TaskCompletionSource _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Dictionary<string, Player> _players = new(StringComparer.Ordinal);
        private readonly Tape _tape;
        private readonly int _ticks;
        private readonly Capabilities _able;
        private IMqttLink? _link;
        private int _left;
        private bool _playing;

        public Robots(Scenario scenario, int episodes, Tape tape, int ticks)
        {
            (_tape, _ticks) = (tape, ticks);
            _able = EmulatedRobot.CapabilitiesOf(scenario) with { Observation = ObservationKind.Frame, Values = tape.Frames[(0, 0, 0)].Length, TtlMs = 60_000 };
            for (var i = 0; i < episodes * scenario.Agents; i++)
            {
                var name = scenario.Robots!.NameOf(i % scenario.Agents, i / scenario.Agents, episodes)!;
                _players.Add(_topics.Of(name, TopicKind.Command), new Player(name, i / scenario.Agents, i % scenario.Agents));
            }

            _left = _players.Count;
        }

        public int Compared { get; private set; }

        public int Different { get; private set; }

        public async Task PlayAsync(IMqttLink link, Func<RobotBridgeStatus> status, CancellationToken cancellation)
        {
            _link = link;
            await _connected.Task.WaitAsync(Patience, cancellation);
            foreach (var p in _players.Values)
            {
                link.TryPublish(new MqttMessage(_topics.Of(p.Name, TopicKind.Presence), JsonWire.Write(new PresenceEnvelope(WireContract.Version, _topics.Run, p.Name, p.Session, true, _able)), WireContract.JsonType, MqttQos.AtLeastOnce, Retained: true));
            }

            // Until all are heard of at the same time. Nobody decides on these, as long as none is on its way when the run begins: so each is sent once, and again only when all have fallen silent.
            while (status().Phase == RobotPhase.Gathering)
            {
                foreach (var p in _players.Values)
                {
                    Observe(p, 0);
                }

                for (var wait = 0; wait < 4 * Silence && status().Phase == RobotPhase.Gathering; wait += Look)
                {
                    await Task.Delay(Look, cancellation);
                }
            }

            _playing = true;
            foreach (var p in _players.Values)
            {
                Observe(p, 0);
            }

            await _done.Task.WaitAsync(Patience, cancellation);
        }

        public void Connected() => _connected.TrySetResult();

        public void Disconnected(string reason) => Console.Error.WriteLine(reason);

        public void Received(in MqttMessage message)
        {
            if (_playing && _players.TryGetValue(message.Topic, out var p) && JsonWire.Read(message.Payload.Span, out CommandEnvelope? command) == Refusal.None && command!.Acknowledged == p.Sequence)
            {
                Compared++;
                var same = command.Action.AsSpan().SequenceEqual(_tape.Actions[(p.Episode, p.Agent, p.Tick)]);
                Different += same ? 0 : 1;
                if (++p.Tick < _ticks)
                {
                    Observe(p, p.Tick);
                }
                else if (--_left == 0)
                {
                    _done.TrySetResult();
                }
            }
        }

        private void Observe(Player p, int tick)
        {
            var observation = new ObservationEnvelope(_topics.Run, p.Name, p.Session, ++p.Sequence, Stopwatch.GetTimestamp() * 1000 / Stopwatch.Frequency, true, _tape.Frames[(p.Episode, p.Agent, tick)]);
            _link!.TryPublish(new MqttMessage(_topics.Of(p.Name, TopicKind.Observation), JsonWire.Write(observation), WireContract.JsonType));
        }

        private sealed class Player(string name, int episode, int agent)
        {
            public string Name => name;

            public int Episode => episode;

            public int Agent => agent;

            public string Session { get; } = RobotSide.DrawSession();

            public long Sequence { get; set; }

            public int Tick { get; set; }
        }
    }
}

/// <summary>Decisions compared, and how many differ.</summary>
internal sealed record SameFigures(int Decisions, int Different) : IMeasured
{
    public bool Holds => Different == 0 && Decisions > 0;
}
