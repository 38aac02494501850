using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots.Wire;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.Bridges.Robots;

/// <summary>What a fleet of emulated robots is made of.</summary>
public sealed record RobotFleetOptions
{
    /// <summary>The run's name.</summary>
    public required string Run { get; init; }

    /// <summary>The run's seed, from which the starts follow, and each robot's clock and phase.</summary>
    public ulong Seed { get; init; }

    /// <summary>Episodes side by side, each with robots of its own.</summary>
    public int Episodes { get; init; } = 1;

    /// <summary>The robots to emulate, by name; null: all of the scenario's.</summary>
    public IReadOnlyCollection<string>? Names { get; init; }

    /// <summary>How observations are written.</summary>
    public WireEncoding Encoding { get; init; } = WireEncoding.Json;

    /// <summary>Largest drift of a robot's clock, in parts of a million; each robot's own is drawn up to this, either way. Default: 50, that of a cheap quartz.</summary>
    public double Drift { get; init; } = 50;
}

/// <summary>
/// Emulated robots, each with its own connection, clock and phase. Their clocks begin at different numbers and drift apart, as those of real ones do.
/// </summary>
public sealed class RobotFleet : IAsyncDisposable
{
    private readonly Member[] _members;
    private readonly TimeProvider _time;

    private RobotFleet(Member[] members, TimeProvider time) => (_members, _time) = (members, time);

    /// <summary>Names of the robots.</summary>
    public IEnumerable<string> Names => _members.Select(m => m.Robot.Name);

    /// <summary>Robots that are connected.</summary>
    public int Connected => _members.Count(m => m.IsConnected);

    /// <summary>What each robot's guard has counted in its present session, by name.</summary>
    public IReadOnlyList<RobotCounts> Counts => [.. _members.Select(m => m.Counts)];

    /// <summary>Makes the robots of a scenario and begins to connect them.</summary>
    /// <param name="scenario">The scenario; it names robots.</param>
    /// <param name="options">Run, seed and the like.</param>
    /// <param name="link">Makes a robot's connection, of a client id, with a will, subscribed to a filter, for a listener.</param>
    /// <param name="time">The clock that all their clocks follow in their own ways.</param>
    /// <exception cref="InvalidInputException">A name is none of the scenario's robots.</exception>
    public static RobotFleet Start(Scenario scenario, RobotFleetOptions options, Func<RobotConnection, IMqttLink> link, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(link);
        ArgumentNullException.ThrowIfNull(time);
        var spec = RobotsSpec.Of(scenario);
        var topics = new RobotTopics(spec.Prefix, options.Run);
        var (n, d) = (scenario.Agents, scenario.Dimensions);
        var (starts, goals) = (scenario.DrawStarts(options.Seed, options.Episodes), scenario.DrawGoals(options.Seed, options.Episodes));
        var nominal = scenario.NominalBodies();
        var members = new List<Member>();
        var period = scenario.Pacing.Period(scenario.TimeStep);
        for (var body = 0; body < options.Episodes * n; body++)
        {
            if (spec.NameOf(body % n, body / n, options.Episodes) is { } name && options.Names?.Contains(name) != false)
            {
                var robot = new EmulatedRobot(scenario, topics, name, starts.AsSpan(body * d, d), goals.AsSpan(body * d, d), nominal[body % n].Heading, options.Encoding);
                var random = new CounterRandom(options.Seed, RandomPurpose.RobotClocks, 0, body % n, body / n);
                members.Add(new Member(robot, time, period, offset: random.NextDouble() * 1e6, drift: (2 * random.NextDouble() - 1) * options.Drift * 1e-6, phase: random.NextDouble()));
            }
        }

        foreach (var asked in options.Names ?? [])
        {
            InvalidInputException.Require(members.Exists(m => m.Robot.Name == asked), scenario.Name, "robots", string.Join(", ", Enumerable.Range(0, n).Select(a => spec.NameOf(a)).OfType<string>().Take(8)), asked);
        }

        foreach (var member in members)
        {
            member.Connect(link, $"{options.Run}-{member.Robot.Name}");
        }

        return new RobotFleet([.. members], time);
    }

    /// <summary>Lets the robots live until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            var next = TimeSpan.MaxValue;
            foreach (var member in _members)
            {
                var wait = member.Live();
                next = wait < next ? wait : next;
            }

            try
            {
                await Task.Delay(next > Finest ? next : Finest, _time, cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>Says farewell and disconnects.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var member in _members)
        {
            member.Leave();
        }

        await Task.WhenAll(_members.Select(m => m.Link?.DisposeAsync().AsTask() ?? Task.CompletedTask)).ConfigureAwait(false);
    }

    // Timers are no finer.
    private static readonly TimeSpan Finest = TimeSpan.FromMilliseconds(1);

    /// <summary>A robot, its connection and its clock.</summary>
    private sealed class Member(EmulatedRobot robot, TimeProvider time, double period, double offset, double drift, double phase) : IMqttListener
    {
        private readonly Lock _gate = new();
        private readonly long _born = time.GetTimestamp();
        private long _periods;
        private bool _leaving;

        public EmulatedRobot Robot => robot;

        public IMqttLink? Link { get; private set; }

        public bool IsConnected { get; private set; }

        public RobotCounts Counts
        {
            get
            {
                lock (_gate)
                {
                    return new RobotCounts(robot.Name, IsConnected, robot.Guard.IsArmed, robot.Guard.Received, robot.Guard.Acted, robot.Guard.Stops, robot.Guard.Refused.ByName());
                }
            }
        }

        private double Seconds => time.GetElapsedTime(_born).TotalSeconds * (1 + drift);

        private long Clock => (long)(offset + Seconds * 1000);

        public void Connect(Func<RobotConnection, IMqttLink> link, string clientId)
        {
            // What the connection says before it is known here waits for it.
            lock (_gate)
            {
                Link = link(new RobotConnection(clientId, robot.Name, NextWill, robot.Subscription, this));
            }
        }

        private MqttMessage NextWill()
        {
            lock (_gate)
            {
                return robot.NextWill();
            }
        }

        public void Connected()
        {
            lock (_gate)
            {
                Link!.TryPublish(robot.Connected());
                IsConnected = true;
            }
        }

        public void Disconnected(string reason)
        {
            lock (_gate)
            {
                IsConnected = false;
            }
        }

        public void Received(in MqttMessage message)
        {
            lock (_gate)
            {
                robot.Received(message, Clock);
            }
        }

        /// <summary>Does the periods that are due, and says how long until the next.</summary>
        public TimeSpan Live()
        {
            lock (_gate)
            {
                var due = (_periods + phase) * period - Seconds;
                if (due <= 0)
                {
                    robot.Period(Clock, IsConnected && !_leaving, m => Link?.TryPublish(m));

                    // A robot that was held up does not make up for it.
                    _periods = Math.Max(_periods + 1, (long)Math.Ceiling(Seconds / period - phase));
                    due = (_periods + phase) * period - Seconds;
                }

                return TimeSpan.FromSeconds(Math.Max(0, due));
            }
        }

        public void Leave()
        {
            lock (_gate)
            {
                _leaving = true;
                if (IsConnected)
                {
                    Link?.TryPublish(robot.Farewell());
                }
            }
        }
    }
}

/// <summary>What a robot's connection is to be.</summary>
/// <param name="ClientId">Its client id.</param>
/// <param name="Robot">Its name.</param>
/// <param name="Will">Asked before every attempt.</param>
/// <param name="Subscription">The one filter that it subscribes to.</param>
/// <param name="Listener">Told what happens.</param>
public sealed record RobotConnection(string ClientId, string Robot, Func<MqttMessage> Will, MqttSubscription Subscription, IMqttListener Listener);

/// <summary>An emulated robot's counts in its present session.</summary>
/// <param name="Name">The robot.</param>
/// <param name="Connected">Whether its connection stands.</param>
/// <param name="Armed">Whether commands move it.</param>
/// <param name="Received">Commands that came.</param>
/// <param name="Acted">Commands acted on.</param>
/// <param name="Stops">Times it stopped for want of commands.</param>
/// <param name="Refused">Commands refused, by rule.</param>
public sealed record RobotCounts(string Name, bool Connected, bool Armed, long Received, long Acted, long Stops, IReadOnlyDictionary<string, long> Refused);
