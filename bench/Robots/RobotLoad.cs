using System.Collections.Concurrent;
using System.Diagnostics;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.Bench.Robots;

/// <summary>Robots that do nothing but observe at a rate and look how soon they are answered: the load of a bridge.</summary>
internal sealed class RobotLoad : IAsyncDisposable
{
    /// <summary>Numbers of an observation that, as a frame, has 512 bytes.</summary>
    public const int Values = (512 - FrameWire.HeadSize) / sizeof(float);

    private readonly Member[] _members;

    private RobotLoad(Member[] members) => _members = members;

    /// <summary>A scenario whose agents sense frames of <see cref="Values"/> numbers: own position and velocity, goal, and 23 others with position and velocity.</summary>
    public static Scenario Scenario(string root, int robots, double rate, int steps)
    {
        var ring = World.Scenario.Load(Path.Combine(root, "scenarios", "ring.json")).WithAgents(robots);
        return ring with
        {
            Steps = steps,
            Pacing = new PacingSpec { Kind = PacingKind.RealTime, Rate = rate },
            Sensing = new SensingSpec(),
            Robots = new RobotsSpec { All = "r", Change = 1e6, Reach = 1e6 },
            Features = new SensorSpec { Velocity = true, Goal = Frame.Relative, Others = new OthersSpec { Count = 23, Velocity = true } },
        };
    }

    /// <summary>Connects robots; none observes yet.</summary>
    public static async Task<RobotLoad> ConnectAsync(Uri broker, string run, int robots, double rate, CancellationToken cancellation)
    {
        var topics = new RobotTopics(RobotTopics.DefaultPrefix, run);
        var able = new Capabilities
        {
            Action = ActionKind.Position,
            Dimension = 2,
            Min = [-1e6, -1e6],
            Max = [1e6, 1e6],
            Change = [1e6, 1e6],
            Rate = rate,
            TtlMs = 1000,
            Payload = 8192,
            Observation = ObservationKind.Frame,
            Values = Values,
        };
        var load = new RobotLoad([.. Enumerable.Range(0, robots).Select(i => new Member(topics, $"r{i + 1}", able, phase: (double)i / robots))]);
        foreach (var member in load._members)
        {
            member.Link = MosquittoLink.Start(new MqttOptions { Broker = broker, ClientId = $"{run}-{member.Name}", Subscriptions = [new(topics.Of(member.Name, TopicKind.Command))] }, member, TimeProvider.System);
        }

        await Task.WhenAll(load._members.Select(m => m.Up)).WaitAsync(TimeSpan.FromMinutes(1), cancellation);
        return load;
    }

    /// <summary>Observes for a time.</summary>
    /// <param name="seconds">How long.</param>
    /// <param name="warmUp">Seconds at the beginning whose observations do not count.</param>
    /// <param name="rate">Observations a second of each robot.</param>
    /// <param name="flood">So many times as many of the first robot, which does not count.</param>
    /// <param name="cancellation">Stops it.</param>
    public async Task<LoadFigures> RunAsync(double seconds, double warmUp, double rate, int flood, CancellationToken cancellation)
    {
        var period = 1 / rate;
        await Task.Factory.StartNew(
            () =>
            {
                var clock = Stopwatch.StartNew();
                var due = _members.Select((m, i) => (Member: m, Period: i == 0 && flood > 1 ? period / flood : period, At: m.Phase * period)).ToArray();
                while (clock.Elapsed.TotalSeconds < seconds && !cancellation.IsCancellationRequested)
                {
                    var (now, next) = (clock.Elapsed.TotalSeconds, double.MaxValue);
                    foreach (ref var d in due.AsSpan())
                    {
                        while (d.At <= now)
                        {
                            d.Member.Observe(counts: now >= warmUp && now < seconds - period && !(flood > 1 && d.Member == _members[0]));
                            d.At += d.Period;
                        }

                        next = Math.Min(next, d.At);
                    }

                    var wait = next - clock.Elapsed.TotalSeconds;
                    if (wait > 0)
                    {
                        // The system's timers are finer than a millisecond only by waiting for it.
                        Thread.Sleep(wait > 0.002 ? 1 : 0);
                    }
                }
            },
            cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await Task.Delay(500, cancellation);
        double[] answers = [.. _members.SelectMany(m => m.Answers)];
        var asked = _members.Sum(m => m.Asked);
        var late = answers.Count(a => a > period);
        return new LoadFigures(asked, answers.Length, late, Percentile(answers, 0.5), Percentile(answers, 0.99), Percentile(answers, 0.999));
    }

    public async ValueTask DisposeAsync() => await Task.WhenAll(_members.Select(m => m.Link!.DisposeAsync().AsTask()));

    private static double Percentile(double[] values, double share)
    {
        Array.Sort(values);
        return values.Length == 0 ? double.NaN : values[Math.Min(values.Length - 1, (int)(share * values.Length))];
    }

    private sealed class Member(RobotTopics topics, string name, Capabilities able, double phase) : IMqttListener
    {
        private readonly TaskCompletionSource _up = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly string _session = RobotSide.DrawSession();
        private readonly ConcurrentDictionary<long, long> _open = new();
        private readonly ConcurrentQueue<double> _answers = new();
        private readonly float[] _values = [.. Enumerable.Range(0, Values).Select(i => (float)Math.Sin(i))];
        private long _sequence;

        public string Name => name;

        public double Phase => phase;

        public MosquittoLink? Link { get; set; }

        public Task Up => _up.Task;

        public IEnumerable<double> Answers => _answers;

        public long Asked { get; private set; }

        public void Connected()
        {
            var presence = new PresenceEnvelope(WireContract.Version, topics.Run, name, _session, true, able);
            SpinWait.SpinUntil(() => Link is not null);
            Link!.TryPublish(new MqttMessage(topics.Of(name, TopicKind.Presence), JsonWire.Write(presence), WireContract.JsonType, MqttQos.AtLeastOnce, Retained: true));
            _up.TrySetResult();
        }

        public void Disconnected(string reason) => Console.Error.WriteLine($"{name}: {reason}");

        public void Observe(bool counts)
        {
            var now = Stopwatch.GetTimestamp();
            var observation = new ObservationEnvelope(topics.Run, name, _session, ++_sequence, now * 1000 / Stopwatch.Frequency, true, _values);
            if (counts)
            {
                _open[_sequence] = now;
                Asked++;
            }

            Link!.TryPublish(new MqttMessage(topics.Of(name, TopicKind.Observation), FrameWire.Write(observation), WireContract.FrameType));
        }

        public void Received(in MqttMessage message)
        {
            var now = Stopwatch.GetTimestamp();
            if (message.Payload.Length >= 48 && _open.TryRemove(BitConverter.ToInt64(message.Payload.Span[40..]), out var then))
            {
                _answers.Enqueue((double)(now - then) / Stopwatch.Frequency);
            }
        }
    }
}

/// <summary>How soon robots were answered [s].</summary>
/// <param name="Asked">Observations.</param>
/// <param name="Answered">Of those, answered.</param>
/// <param name="Late">Of those, after the period.</param>
/// <param name="Median">Half came sooner.</param>
/// <param name="P99">99 of 100 did.</param>
/// <param name="P999">999 of 1000 did.</param>
internal sealed record LoadFigures(long Asked, long Answered, long Late, double Median, double P99, double P999)
{
    public override string ToString() => FormattableString.Invariant($"{Answered} of {Asked} answered, {Late} after the period; median {1000 * Median:0.000} ms, p99 {1000 * P99:0.000} ms, p99.9 {1000 * P999:0.000} ms");
}
