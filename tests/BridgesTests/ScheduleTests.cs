using System.Text.Json;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;
using MimicD.Numerics;
using Xunit.Abstractions;

namespace MimicD.BridgesTests;

/// <summary>Bad networks, bad brokers and bad controllers in virtual time, by seed; what robots act on is judged by what truly happened, not by what their guards think.</summary>
public class ScheduleTests(ITestOutputHelper output)
{
    private const long Second = 1_000_000;

    [Theory]
    [InlineData(1, 1_000_000)]
    public void Of_a_million_commands_none_acts_that_is_stale_duplicate_overtaken_foreign_or_of_a_lower_term(ulong seed, int commands)
    {
        const int Robots = 20;
        const double Rate = 20;
        var scenario = Cases.Crossing(Robots, Rate, steps: 2 * commands / Robots);
        var arena = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), seed, rearm: 0);
        var judge = new Judge(ttl: 150);
        var random = new CounterRandom(seed, RandomPurpose.Resampling, 1);
        var stalls = new Dictionary<EmulatedRobot, long>();
        var old = new List<MqttMessage>();

        IEnumerable<long> Way(EmulatedRobot robot, long now)
        {
            // A stall holds everything on the connection, and lets it go at once.
            if (random.NextDouble() < 0.01)
            {
                stalls[robot] = now + (long)(random.NextDouble() * 2 * Second);
            }

            var held = Math.Max(0, stalls.GetValueOrDefault(robot) - now);
            var jitter = random.NextDouble() < 0.1 ? random.NextDouble() * 0.25 : random.NextDouble() * 0.004;
            yield return held + (long)(jitter * Second);
            if (random.NextDouble() < 0.05)
            {
                yield return held + (long)(random.NextDouble() * (random.NextDouble() < 0.5 ? 0.1 : 5) * Second);
            }
        }

        arena.Up = (message, robot, now) =>
        {
            judge.Sent(message, robot, now);
            return random.NextDouble() < 0.01 ? [] : [.. Way(robot, now)];
        };
        arena.Down = (message, robot, now) =>
        {
            var kind = random.NextDouble();
            if (old.Count < 2000)
            {
                old.Add(message);
            }
            else
            {
                old[random.NextInt32(old.Count)] = message;
            }

            if (kind < 0.02)
            {
                // A broker that was restored from an old snapshot, and one that keeps what it should not.
                var past = old[random.NextInt32(old.Count)];
                arena.Throw(robot, kind < 0.01 ? past : past with { Retained = true }, now + random.NextInt32(10_000));
            }
            else if (kind < 0.03)
            {
                // A second controller: one that was taken over from, or one that takes over for a while.
                var other = Envelope(message) with { Term = kind < 0.0299 ? 6 : 8, Sequence = random.NextInt32(1 << 20) };
                arena.Throw(robot, message with { Payload = JsonWire.Write(other), ContentType = null }, now + random.NextInt32(10_000));
            }
            else if (kind < 0.0305)
            {
                arena.At(now + random.NextInt32(50_000), () => arena.Connect(robot));
            }

            return random.NextDouble() < 0.01 ? [] : [.. Way(robot, now)];
        };
        arena.Judged = judge.Judged;
        arena.Begin();
        while (judge.Total < commands && arena.World.Phase != RobotPhase.Done)
        {
            arena.Run(arena.Now + Second);
        }

        var refused = judge.Refused.ByName();
        output.WriteLine($"seed {seed}: {judge.Total} commands, {judge.Acted} acted on, refused: {string.Join(", ", refused.Select(r => $"{r.Key} {r.Value}"))}");
        Assert.Empty(judge.Wrong);
        Assert.True(judge.Total >= commands, $"{judge.Total} commands");
        Assert.True(judge.Acted > judge.Total / 10, $"{judge.Acted} acted on");
        foreach (var rule in new[] { Refusal.Retained, Refusal.Session, Refusal.Term, Refusal.Sequence, Refusal.Age, Refusal.Disarmed })
        {
            Assert.True(judge.Refused[rule] > 100, $"{rule}: {judge.Refused[rule]}");
        }
    }

    [Fact]
    public void After_each_of_a_thousand_losses_all_robots_have_stopped_within_the_ttl_and_a_period()
    {
        const ulong Seed = 2;
        const int Losses = 1000;
        const long Every = 4 * Second;
        const long Ttl = 300_000;
        const long Period = 100_000;
        var scenario = Cases.Crossing(3, steps: (int)((Losses + 2) * Every / Period));
        var arena = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), Seed, rearm: 0.3);
        var random = new CounterRandom(Seed, RandomPurpose.Resampling, 2);
        var (down, up, agents, stopsBefore, cases, late) = (false, false, false, 0L, new int[4], new List<string>());
        arena.Down = (_, _, _) => down ? [] : [200 + random.NextInt32(3000)];
        arena.Up = (_, _, _) => up ? [] : [200 + random.NextInt32(3000)];
        arena.Host.Lives = _ => !agents;
        arena.Begin();
        for (var i = 0; i < Losses; i++)
        {
            // What is lost: the agents (or their node), the way to the robots, the way from them, or all of it (a broker that is killed, frozen or behind a half-open connection).
            var (loss, begin, kind) = (i, (i + 1) * Every + random.NextInt32((int)Period), i % 4);
            arena.At(begin, () =>
            {
                Assert.All(arena.Robots, r => Assert.True(r.Guard.IsArmed, $"loss {loss}: {r.Name} was not armed before it"));
                stopsBefore = arena.Robots.Sum(r => r.Guard.Stops);
                cases[kind]++;
                (agents, down, up) = (kind == 0, kind is 1 or 3, kind is 2 or 3);
            });

            // What was on its way arrives within 6 ms, and lives no longer than the observation that it answers.
            arena.At(begin + Ttl + Period + 1000, () => late.AddRange(arena.Robots.Where(r => r.Guard.IsArmed).Select(r => $"loss {loss} of kind {kind}: {r.Name}")));
            arena.At(begin + Every / 4, () =>
            {
                Assert.Equal(stopsBefore + 3, arena.Robots.Sum(r => r.Guard.Stops));
                (agents, down, up) = (false, false, false);
            });
        }

        arena.Run();

        Assert.Empty(late);
        Assert.Equal([250, 250, 250, 250], cases);
        Assert.Equal(3L * Losses, arena.Robots.Sum(r => r.Guard.Stops));
    }

    [Fact]
    public void In_an_hour_without_a_fault_no_robot_stops()
    {
        var scenario = Cases.Crossing(5, steps: 36_001);
        var random = new CounterRandom(3, RandomPurpose.Resampling, 3);
        var arena = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), seed: 3) { Up = (_, _, _) => [200 + random.NextInt32(2000)], Down = (_, _, _) => [200 + random.NextInt32(2000)] };
        arena.Begin();
        arena.Run();

        Assert.Equal(RobotPhase.Done, arena.World.Phase);
        Assert.All(arena.Robots, r => Assert.Equal((0L, 0L, true), (r.Guard.Stops, r.Guard.Refused.Sum, r.Guard.IsArmed)));
        Assert.All(arena.Robots, r => Assert.True(r.Guard.Acted > 35_900, $"{r.Guard.Acted}"));
    }

    [Fact]
    public void Every_command_is_acted_on_or_counted_by_the_rule_that_it_broke_while_one_robot_floods()
    {
        var scenario = Cases.Crossing(4, steps: 2001);
        var arena = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), seed: 4);
        var flood = 0L;
        arena.Up = (message, robot, _) =>
        {
            if (robot.Name != "r1" || !message.Topic.EndsWith("obs", StringComparison.Ordinal))
            {
                return [200];
            }

            // A hundred of each, the later ones with later numbers.
            JsonWire.Read(message.Payload.Span, out ObservationEnvelope? observation);
            for (var i = 0; i < 100; i++)
            {
                flood++;
                var copy = message with { Payload = JsonWire.Write(observation! with { Sequence = 100 * observation.Sequence + i }) };
                arena.At(arena.Now + 200 + i * 900, () => arena.World.Receive(copy, arena.Now, arena));
            }

            return [];
        };
        arena.Begin();
        arena.Run();

        var statuses = arena.World.Robots.ToArray();
        Assert.Equal(statuses[0].Received, statuses[0].Passed + statuses[0].Refused.Values.Sum());
        Assert.True(statuses[0].Refused["rate"] > 0.95 * flood, $"{statuses[0].Refused["rate"]} of {flood}");
        Assert.All(arena.Robots, (r, i) =>
        {
            Assert.Equal(r.Guard.Received, r.Guard.Acted + r.Guard.Refused.Sum);
            Assert.Equal(statuses[i].Sent, r.Guard.Received);
        });
        Assert.All(arena.Robots.Skip(1), r => Assert.True(r.Guard.Acted >= 1999 && r.Guard.Stops == 0, $"{r.Name}: {r.Guard.Acted}"));
    }

    private static CommandEnvelope Envelope(MqttMessage message)
    {
        Assert.Equal(Refusal.None, JsonWire.Read(message.Payload.Span, out CommandEnvelope? command));
        return command!;
    }

    /// <summary>Knows what truly happened, and judges each command that a robot acted on by that.</summary>
    private sealed class Judge(long ttl)
    {
        private readonly Dictionary<string, Dictionary<long, long>> _observed = new(StringComparer.Ordinal);
        private readonly Dictionary<string, (long Term, long Sequence)> _highest = new(StringComparer.Ordinal);

        public List<string> Wrong { get; } = [];

        public long Total { get; private set; }

        public long Acted { get; private set; }

        public RefusalCounts Refused { get; } = new();

        /// <summary>When each observation was truly made.</summary>
        public void Sent(MqttMessage message, EmulatedRobot robot, long now)
        {
            if (message.Topic.EndsWith("obs", StringComparison.Ordinal))
            {
                using var json = JsonDocument.Parse(message.Payload);
                if (!_observed.TryGetValue(robot.Session, out var times))
                {
                    _observed.Add(robot.Session, times = []);
                }

                times[json.RootElement.GetProperty("seq").GetInt64()] = now;
            }
        }

        public void Judged(EmulatedRobot robot, MqttMessage message, Refusal refusal, long now)
        {
            Total++;
            using var json = JsonDocument.Parse(message.Payload);
            var command = json.RootElement;
            var (session, term, sequence) = (command.GetProperty("session").GetString()!, command.GetProperty("term").GetInt64(), command.GetProperty("seq").GetInt64());
            var present = session == robot.Session && !message.Retained && command.GetProperty("robot").GetString() == robot.Name;
            var highest = _highest.GetValueOrDefault(robot.Session);
            if (refusal == Refusal.None)
            {
                Acted++;
                var observed = present ? _observed[session][command.GetProperty("ack").GetInt64()] : 0;
                var why = message.Retained ? "retained" : !present ? "foreign" : term < highest.Term ? "lower term" : term == highest.Term && sequence <= highest.Sequence ? "duplicate or overtaken"
                    : now - observed > (ttl + 2) * 1000 ? $"{now - observed} us old" : null;
                if (why is not null)
                {
                    Wrong.Add($"{robot.Name} at {now}: {why}: {command}");
                }
            }
            else
            {
                Refused.Count(refusal);
            }

            if (present && (term > highest.Term || (term == highest.Term && sequence > highest.Sequence)))
            {
                _highest[robot.Session] = (term, sequence);
            }

        }
    }
}
