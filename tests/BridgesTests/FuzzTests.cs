using System.Globalization;
using System.Text;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;
using MimicD.Numerics;
using Xunit.Abstractions;

namespace MimicD.BridgesTests;

/// <summary>Payloads that nobody in his right mind sends, in both directions, by seed: nothing crashes, nothing leaves the envelope, and memory stays as it is. Alone, for memory is counted for the whole process.</summary>
[CollectionDefinition(nameof(FuzzTests), DisableParallelization = true)]
[Collection(nameof(FuzzTests))]
public class FuzzTests(ITestOutputHelper output)
{
    private const int Payloads = 1_000_000;
    private const long Allowance = 32 << 20;

    private static readonly string[] Oddities =
    [
        "1e999", "-1e999", "NaN", "Infinity", "null", "true", "\"1\"", "{}", "[]", "[[[[[[[[1]]]]]]]]", "1e-400", "9223372036854775808", "-1", "0.1e", "00", "\"\\ud800\"", "\"\\u0000\"", "/**/1", "1,", ",", "", " ", "\uFEFF1", "\"v\":1", "3.4028236e38",
    ];

    [Fact]
    public void A_million_fuzzed_commands_move_no_robot_out_of_its_envelope()
    {
        const ulong Seed = 11;
        var guard = new CommandGuard("run", "r1", Cases.Able);
        guard.Begin(Cases.Session);
        var random = new CounterRandom(Seed, RandomPurpose.Resampling, 4);
        var fuzzer = new Fuzzer(JsonWire.Write(Cases.Command), FrameWire.Write(Cases.Command));
        var (action, sequence, before, acted, refused) = (new float[2], 0L, 0L, 0L, new Dictionary<string, long>(StringComparer.Ordinal));
        double[] present = [0.25, -0.25];
        for (var i = 0; i < Payloads; i++)
        {
            before = i == Payloads / 10 ? GC.GetTotalMemory(true) : before;
            if (i % 50 == 0)
            {
                // What changed the term or the sequence would shut out all that comes later.
                Count();
                guard.Begin(Cases.Session);
                sequence = 0;
            }

            var message = fuzzer.Next(ref random, ++sequence);
            if (guard.Check(message, 1000 + i % 400, present, action) == Refusal.None)
            {
                Assert.True(Math.Abs(action[0] - 0.25) <= 0.5 && Math.Abs(action[1] + 0.25) <= 0.5, $"seed {Seed}, payload {i}: {action[0]}, {action[1]}");
            }
        }

        Count();
        var grown = GC.GetTotalMemory(true) - before;
        output.WriteLine($"{Payloads} payloads, {acted} acted on, refused: {string.Join(", ", refused.Select(r => $"{r.Key} {r.Value}"))}; memory grew by {grown} bytes");
        Assert.Equal(Payloads, acted + refused.Values.Sum());
        Assert.True(acted > 10_000, $"{acted} acted on");
        Assert.All(new[] { "size", "encoding", "parse", "version", "run", "robot", "session", "term", "seq", "age", "finite", "range", "change" }, r => Assert.True(refused.GetValueOrDefault(r) > 100, $"{r}: {refused.GetValueOrDefault(r)}"));
        Assert.True(grown < Allowance, $"memory grew by {grown} bytes");

        void Count()
        {
            acted += guard.Acted;
            foreach (var (rule, times) in guard.Refused.ByName())
            {
                refused[rule] = refused.GetValueOrDefault(rule) + times;
            }
        }
    }

    [Fact]
    public void A_million_fuzzed_observations_and_presences_reach_an_agent_as_finite_numbers_or_not_at_all()
    {
        const ulong Seed = 12;
        var scenario = Cases.Crossing(1);
        var topics = new RobotTopics(scenario.Robots!.Prefix, "arena");
        var arena = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), Seed);
        arena.Begin();
        arena.Run(until: 500_000);
        Assert.Equal(RobotPhase.Running, arena.World.Phase);
        arena.Host.Answered = a => Assert.All(a.Values.ToArray(), x => Assert.True(float.IsFinite(x)));
        var random = new CounterRandom(Seed, RandomPurpose.Resampling, 5);
        var able = EmulatedRobot.CapabilitiesOf(scenario);
        Fuzzer observations = null!, presences = null!, reports = null!;
        var before = 0L;
        for (var i = 0; i < Payloads; i++)
        {
            before = i == Payloads / 10 ? GC.GetTotalMemory(true) : before;
            if (i % 50 == 0)
            {
                // A session of its own, for what changes the sequence would shut out all that comes later.
                var session = (i + 1L).ToString("x16", CultureInfo.InvariantCulture);
                var presence = JsonWire.Write(new PresenceEnvelope(1, "arena", "r1", session, true, able));
                arena.World.Receive(new MqttMessage(topics.Of("r1", TopicKind.Presence), presence), arena.Now + i, arena);
                var observation = Cases.Observation with { Run = "arena", Session = session, Values = [0.1f, 0.1f] };

                // Sessions that follow each other so fast, with whatever clocks, are contested: an operator accepts each.
                arena.World.Receive(new MqttMessage(topics.Of("r1", TopicKind.Observation), JsonWire.Write(observation)), arena.Now + i, arena);
                arena.World.Rearm("r1");
                observations = new Fuzzer(JsonWire.Write(observation), FrameWire.Write(observation));
                presences = new Fuzzer(presence, FrameWire.Write(observation));
                reports = new Fuzzer(JsonWire.Write(new ReportEnvelope(1, "arena", "r1", session, 5, true, 7, 3, 2, 1, new Dictionary<string, long> { ["age"] = 1 })), FrameWire.Write(observation));
            }

            var (kind, fuzzer) = (i % 20) switch { 0 => (TopicKind.Presence, presences), 1 => (TopicKind.Report, reports), _ => (TopicKind.Observation, observations) };
            arena.World.Receive(fuzzer.Next(ref random, 1 + i % 50) with { Topic = topics.Of("r1", kind) }, arena.Now + i, arena);
        }

        var grown = GC.GetTotalMemory(true) - before;
        var status = arena.World.Robots.Single();
        output.WriteLine($"{status.Received} observations, {status.Passed} passed, refused: {string.Join(", ", status.Refused.Select(r => $"{r.Key} {r.Value}"))}; memory grew by {grown} bytes");
        Assert.Equal(status.Received, status.Passed + status.Refused.Values.Sum());
        Assert.True(status.Passed > 10_000, $"{status.Passed} passed");
        Assert.True(grown < Allowance, $"memory grew by {grown} bytes");
    }

    /// <summary>Makes payloads that are almost right, or not at all.</summary>
    private sealed class Fuzzer(byte[] json, byte[] frame)
    {
        private static readonly string[] Types = [WireContract.JsonType, WireContract.FrameType, "text/plain", ""];
        private readonly string _json = Encoding.UTF8.GetString(json);

        public MqttMessage Next(ref CounterRandom random, long sequence)
        {
            var kind = random.NextInt32(12);
            var asFrame = random.NextInt32(3) == 0;
            var bytes = asFrame ? [.. frame] : Encoding.UTF8.GetBytes(_json.Replace("\"seq\":1,", $"\"seq\":{sequence.ToString(CultureInfo.InvariantCulture)},", StringComparison.Ordinal));
            if (asFrame)
            {
                BitConverter.TryWriteBytes(bytes.AsSpan(16), sequence);
            }

            bytes = kind switch
            {
                0 or 1 => bytes,
                2 => bytes[..random.NextInt32(bytes.Length)],
                3 => Flip(ref random, bytes, 1),
                4 => Flip(ref random, bytes, 8),
                5 => Noise(ref random, random.NextInt32(200)),
                6 => Swap(ref random, bytes),
                7 => [.. bytes, .. bytes],
                8 => Encoding.UTF8.GetBytes(new string('[', 1 + random.NextInt32(900))),
                9 => new byte[1000 + random.NextInt32(100)],
                10 => Encoding.UTF8.GetBytes(Encoding.Latin1.GetString(bytes).Replace("\"v\":1", random.NextInt32(2) == 0 ? "\"v\":2" : "\"v\":1,\"v\":1", StringComparison.Ordinal)),
                _ => asFrame ? Length(ref random, bytes) : Encoding.Unicode.GetBytes(_json),
            };
            var type = kind == 1 ? Types[random.NextInt32(Types.Length)] : asFrame ? WireContract.FrameType : null;
            return new MqttMessage("t", bytes, type);
        }

        private static byte[] Flip(ref CounterRandom random, byte[] bytes, int times)
        {
            for (var i = 0; i < times; i++)
            {
                bytes[random.NextInt32(bytes.Length)] ^= (byte)(1 << random.NextInt32(8));
            }

            return bytes;
        }

        private static byte[] Noise(ref CounterRandom random, int length)
        {
            var bytes = new byte[length];
            for (var i = 0; i < length; i++)
            {
                bytes[i] = (byte)random.NextInt32(256);
            }

            return bytes;
        }

        /// <summary>A value of the JSON becomes an oddity; a number of a frame some bits or other.</summary>
        private static byte[] Swap(ref CounterRandom random, byte[] bytes)
        {
            var text = Encoding.UTF8.GetString(bytes);
            if (text.Length == 0 || text[0] != '{')
            {
                if (bytes.Length >= FrameWire.HeadSize + 4)
                {
                    BitConverter.TryWriteBytes(bytes.AsSpan(FrameWire.HeadSize), random.NextInt32(2) == 0 ? 0x7F800000 : random.NextInt32(int.MaxValue));
                }

                return bytes;
            }

            int[] starts = [.. Enumerable.Range(0, text.Length).Where(i => text[i] is ':' or '[' or ',')];
            var start = starts[random.NextInt32(starts.Length)] + 1;
            var end = text.IndexOfAny([',', ']', '}'], start);
            return Encoding.UTF8.GetBytes(string.Concat(text.AsSpan(0, start), Oddities[random.NextInt32(Oddities.Length)], text.AsSpan(end < 0 ? text.Length : end)));
        }

        private static byte[] Length(ref CounterRandom random, byte[] bytes)
        {
            BitConverter.TryWriteBytes(bytes.AsSpan(6), (ushort)random.NextInt32(65536));
            return bytes;
        }
    }
}
