using MimicD.Agents;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.BridgesTests;

/// <summary>What happens to a message on its way: when each of its copies arrives, in microseconds from now. None: it is lost.</summary>
internal delegate IEnumerable<long> Channel(MqttMessage message, EmulatedRobot robot, long now);

/// <summary>
/// A world of robots, its agents and emulated robots in one thread and virtual time [us]. Between them lies a channel of the test's choice instead of a broker; every robot has its own clock, with its own beginning, drift
/// and phase. What happens is a function of the seed.
/// </summary>
#pragma warning disable CA1001 // The host of agents in this thread has nothing to dispose of.
internal sealed class Arena : IActionSink, IRobotWorldOutput
{
    private readonly PriorityQueue<Action, (long At, long Order)> _events = new();
    private readonly List<Member> _members = [];
    private readonly InlineHost _host;
    private readonly double _period;
    private long _order;

    public Arena(Scenario scenario, SensorSpec sensor, Func<AgentId, IPolicy> policies, ulong seed, int episodes = 1, double? rearm = null, double drift = 50e-6, SamplingSpec? sampling = null, WireEncoding encoding = WireEncoding.Json)
    {
        Scenario = scenario;
        World = new RobotWorld(scenario, [sensor], new RobotWorldOptions { Seed = seed, Episodes = episodes, Run = "arena", Term = 7, Rearm = rearm });
        _host = new InlineHost(policies);
        _host.Open(World.Spec(sampling ?? new SamplingSpec()), this);
        _period = World.Period;
        var topics = new RobotTopics(scenario.Robots!.Prefix, "arena");
        var (n, d) = (scenario.Agents, scenario.Dimensions);
        var goals = scenario.DrawGoals(seed, episodes);
        for (var body = 0; body < n * episodes; body++)
        {
            if (scenario.Robots.NameOf(body % n, body / n, episodes) is { } name)
            {
                var random = new CounterRandom(seed, RandomPurpose.RobotClocks, 0, body % n, body / n);
                var robot = new EmulatedRobot(scenario, topics, name, World.Starts.AsSpan(body * d, d), goals.AsSpan(body * d, d), null, encoding);
                _members.Add(new Member(robot, Offset: random.NextDouble() * 1e9, Drift: (2 * random.NextDouble() - 1) * drift, Phase: random.NextDouble()));
            }
        }
    }

    public Scenario Scenario { get; }

    public RobotWorld World { get; }

    public InlineHost Host => _host;

    public long Now { get; private set; }

    public IReadOnlyList<EmulatedRobot> Robots => [.. _members.Select(m => m.Robot)];

    /// <summary>From robots to the world; none: at once.</summary>
    public Channel Up { get; set; } = (_, _, _) => [200];

    /// <summary>From the world to robots.</summary>
    public Channel Down { get; set; } = (_, _, _) => [200];

    /// <summary>Told what a robot's guard said to a message.</summary>
    public Action<EmulatedRobot, MqttMessage, Refusal, long>? Judged { get; set; }

    /// <summary>Told of each period of a robot, after it.</summary>
    public Action<EmulatedRobot, long>? Lived { get; set; }

    public RobotRecording? Recording { get; set; }

    public long ClockOf(EmulatedRobot robot) => _members.First(m => m.Robot == robot).Clock(Now);

    /// <summary>Connects all robots and begins their periods and the world's.</summary>
    public void Begin()
    {
        foreach (var member in _members)
        {
            Connect(member.Robot);
            At((long)(member.Phase * _period), () => Live(member));
        }

        At((long)_period, Advance);
    }

    /// <summary>Does something at a time.</summary>
    public void At(long time, Action action) => _events.Enqueue(action, (time, _order++));

    /// <summary>Connects a robot, for the first time or again: a new session.</summary>
    public void Connect(EmulatedRobot robot)
    {
        robot.NextWill();
        Send(robot, robot.Connected());
    }

    /// <summary>Puts a message on its way to a robot, as if it had come from its broker.</summary>
    public void Throw(EmulatedRobot robot, MqttMessage message, long at)
        => At(at, () =>
        {
            var refusal = robot.Received(message, ClockOf(robot));
            Judged?.Invoke(robot, message, refusal, Now);
        });

    /// <summary>Lets time pass until the run is over, or a time comes.</summary>
    public void Run(long until = long.MaxValue)
    {
        while (_events.TryPeek(out _, out var next) && next.At <= until && World.Phase != RobotPhase.Done)
        {
            var action = _events.Dequeue();
            Now = next.At;
            action();
        }
    }

    void IActionSink.Act(in AgentAction action)
    {
        Recording?.Action(action, Now);
        World.Act(action, Now, this);
    }

    void IRobotWorldOutput.Deliver(in Observation observation)
    {
        Recording?.Observation(observation);
        _host.Deliver(observation);
    }

    bool IRobotWorldOutput.Publish(in MqttMessage message)
    {
        Recording?.Command(message, true);
        var (sent, topic) = (message, message.Topic);
        var robot = _members.First(m => m.Robot.Subscription.Filter == topic).Robot;
        foreach (var delay in Down(sent, robot, Now))
        {
            Throw(robot, sent, Now + delay);
        }

        return true;
    }

    private void Send(EmulatedRobot robot, MqttMessage message)
    {
        foreach (var delay in Up(message, robot, Now))
        {
            At(Now + delay, () =>
            {
                Recording?.Message(message with { Retained = false }, Now);
                World.Receive(message with { Retained = false }, Now, this);
            });
        }
    }

    private void Live(Member member)
    {
        member.Robot.Period(member.Clock(Now), connected: true, m => Send(member.Robot, m));
        Lived?.Invoke(member.Robot, Now);
        At(Now + (long)(_period / (1 + member.Drift)), () => Live(member));
    }

    private void Advance()
    {
        Recording?.Tick(Now);
        World.Advance(Now, this);
        if (World.Phase == RobotPhase.Done)
        {
            Recording?.End();
        }

        At(Now + (long)_period, Advance);
    }

    private sealed record Member(EmulatedRobot Robot, double Offset, double Drift, double Phase)
    {
        public long Clock(long now) => (long)(Offset + now * (1 + Drift) / 1000);
    }
}
