using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;
using MimicD.Numerics;

namespace MimicD.EndToEndTests;

/// <summary><c>mimicd bridge</c> and <c>mimicd robot</c> as processes, through a real broker.</summary>
public sealed partial class RobotsTests : IDisposable
{
    // Scripted agents at fifty ticks a second: two seconds a run.
    private static readonly string[] Quick = ["--set", "scenario.pacing.rate=50", "--set", "scenario.robots.ttl=0.2"];

    // Where robots have to be heard of and armed, not to get anywhere: a machine that is kept busy by others keeps up with these.
    private static readonly string[] Steady = ["--set", "scenario.pacing.rate=20", "--set", "scenario.robots.ttl=0.5", "--set", "scenario.steps=100000"];
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_run_is_recorded_and_done_again_to_the_bit()
    {
        var record = _scratch["run.jsonl"];
        var ran = (await EntryPoint.RunAsync(["bridge", "--emulate", "--policy", "straight", "--record", record, "--out", _scratch["out"], "--seed", "3", .. Quick])).Success;
        var again = (await EntryPoint.RunAsync("bridge", "--replay", record, "--json", _scratch["replay.json"])).Success;

        Assert.Equal(Hashes().Match(ran).Value, Hashes().Match(again).Value);
        using var result = JsonDocument.Parse(await File.ReadAllTextAsync(_scratch["out/result.json"]));
        Assert.Equal(99, result.RootElement.GetProperty("stepsDone").GetInt32());
        Assert.All(result.RootElement.GetProperty("robots").EnumerateArray(), r => Assert.True(r.GetProperty("sent").GetInt64() > 0 && r.GetProperty("sessions").GetInt64() > 0 && r.GetProperty("goalDistance").GetDouble() >= 0));
        Assert.True(File.Exists(_scratch["out/rollouts.npz"]) && File.Exists(_scratch["out/trajectories.svg"]));

        // It is left alone by whoever does not mean it.
        Assert.StartsWith("--record: expected a file that is not there yet, or --overwrite, found the recording ", (await EntryPoint.RunAsync("bridge", "--emulate", "--policy", "straight", "--record", record, "--out", _scratch["other"])).Refusal, StringComparison.Ordinal);

        // An observation of the past that was other than it was.
        var lines = await File.ReadAllLinesAsync(record);
        var at = Array.FindIndex(lines, lines.Length / 2, l => l.Contains("\"event\":\"observation\"", StringComparison.Ordinal));
        using (var observation = JsonDocument.Parse(lines[at]))
        {
            var data = observation.RootElement.GetProperty("data").GetString()!;
            lines[at] = lines[at].Replace(data, Convert.ToBase64String(new byte[Convert.FromBase64String(data).Length]), StringComparison.Ordinal);
        }

        await File.WriteAllLinesAsync(_scratch["altered.jsonl"], lines);
        Assert.Matches($"altered.jsonl: line {at + 1}: tick [0-9]+, episode 0, agent [01]: expected the Observation that was recorded, found another", (await EntryPoint.RunAsync("bridge", "--replay", _scratch["altered.jsonl"])).Refusal);

        // One that was cut short, as by a kill.
        await File.WriteAllTextAsync(_scratch["cut.jsonl"], string.Join('\n', lines.Take(lines.Length / 3)) + "\n{\"at\":12");
        Assert.Contains("the recording ends before the run does, within a line", (await EntryPoint.RunAsync("bridge", "--replay", _scratch["cut.jsonl"])).Success, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Robots_of_another_process_are_steered_and_stop_when_the_bridge_is_interrupted()
    {
        using var bridge = new Running(EntryPoint.Start(["bridge", "--policy", "straight", "--run", "lab", "--out", _scratch["out"], .. Steady]));
        var broker = Address().Match(await bridge.LineAsync("robots connect to mqtt://")).Value;
        using var robots = new Running(EntryPoint.Start(["robot", "--broker", broker, "--run", "lab", "--json", _scratch["robots.json"], .. Steady]));
        await bridge.LinesAsync("r1: armed", "r2: armed");

        EntryPoint.Interrupt(bridge.Process);
        Assert.Equal(130, await bridge.EndAsync());
        Assert.Contains(bridge.Lines, l => Regex.IsMatch(l, "^mimicd: stopped after tick [0-9]+ of 99999; the figures are of what was done until then$", RegexOptions.None, TimeSpan.FromSeconds(1)));
        Assert.True(File.Exists(_scratch["out/result.json"]));

        // With the bridge its private broker has gone, and the robots' connections with it.
        EntryPoint.Interrupt(robots.Process);
        Assert.Equal(130, await robots.EndAsync());
        using var counts = JsonDocument.Parse(await File.ReadAllTextAsync(_scratch["robots.json"]));
        Assert.All(counts.RootElement.EnumerateArray(), r => Assert.False(r.GetProperty("connected").GetBoolean()));
    }

    [Fact]
    public async Task Two_runs_on_one_broker_never_meet()
    {
        await using var broker = await MosquittoBroker.StartAsync(new MosquittoBrokerSettings(), TimeProvider.System, CancellationToken.None);
        var address = broker.Address.GetLeftPart(UriPartial.Authority);
        string[] Bridge(string run) => ["bridge", "--emulate", "--policy", "straight", "--broker", address, "--run", run, "--seed", "4", "--out", _scratch[run], .. Quick];
        var results = await Task.WhenAll(EntryPoint.RunAsync(Bridge("one")), EntryPoint.RunAsync(Bridge("two")));

        Assert.All(results, r => Assert.True(r.Code == 0, string.Join('\n', r.Errors)));
        foreach (var run in new[] { "one", "two" })
        {
            using var result = JsonDocument.Parse(await File.ReadAllTextAsync(_scratch[$"{run}/result.json"]));
            Assert.Equal(0, result.RootElement.GetProperty("strange").GetInt64());

            // A robot that this machine kept from its commands for too long is disarmed, and says so; what came from the other run would be refused for these reasons.
            Assert.All(
                result.RootElement.GetProperty("robots").EnumerateArray().Where(r => r.TryGetProperty("report", out _)),
                r => Assert.DoesNotContain(r.GetProperty("report").GetProperty("refused").EnumerateObject(), p => p.Name is "run" or "robot" or "session" or "term"));
        }
    }

    [Fact]
    public async Task A_robot_that_has_stopped_is_armed_by_an_operators_word()
    {
        await using var broker = await MosquittoBroker.StartAsync(new MosquittoBrokerSettings(), TimeProvider.System, CancellationToken.None);
        using var bridge = new Running(EntryPoint.Start(["bridge", "--emulate", "--policy", "straight", "--broker", broker.Address.GetLeftPart(UriPartial.Authority), "--out", _scratch["out"], .. Steady]));
        await bridge.LinesAsync("r1: armed", "r2: armed");
        await broker.FreezeAsync(CancellationToken.None);
        await bridge.LineAsync("r1: silent");

        // The robots cannot say that they have stopped; they have when their commands are dead, and those live half a second of real time: as long at least, and whatever is longer does no harm.
        await Task.Delay(TimeSpan.FromSeconds(1));
        await broker.ThawAsync(CancellationToken.None);
        await bridge.LineAsync("r1: stopped");

        await bridge.SayAsync("r7");
        await bridge.LineAsync("no robot 'r7'");
        await bridge.SayAsync("all");
        await bridge.LinesAsync("r2: will be armed", "r1: armed");
        EntryPoint.Interrupt(bridge.Process);
        Assert.Equal(130, await bridge.EndAsync());
    }

    /// <summary>What only processes show; which command is refused by whom is in <c>TakeoverTests</c>, in virtual time.</summary>
    [Fact]
    public async Task Robots_stop_when_the_bridge_is_killed_and_a_second_controller_takes_over_from_the_first()
    {
        await using var broker = await MosquittoBroker.StartAsync(new MosquittoBrokerSettings(), TimeProvider.System, CancellationToken.None);
        var address = broker.Address.GetLeftPart(UriPartial.Authority);
        Running Bridge(int term) => new(EntryPoint.Start(["bridge", "--policy", "straight", "--broker", address, "--term", $"{term}", "--out", _scratch[$"{term}"], .. Steady]));
        await using var spy = new RobotSpy(broker.Address, "run");
        using var robots = new Running(EntryPoint.Start(["robot", "--broker", address, "--json", _scratch["robots.json"], .. Steady]));

        // Phase 1: the first steers.
        using var first = Bridge(1);
        await first.LinesAsync("r1: armed", "r2: armed");

        // Phase 2: the second takes over, and the first is told by a robot.
        using var second = Bridge(2);
        Assert.Equal(1, await first.EndAsync());
        Assert.Matches("^mimicd: r[12] hears another controller, of a higher term: that one has taken over, and this one has ended$", first.Lines[^1]);
        await spy.UntilAsync(r => r.Term == 2, "r1", "r2");

        // Phase 3: the second is killed, and the robots themselves say that they have stopped.
        second.Process.Kill();
        await second.EndAsync();
        await spy.UntilAsync(r => r is { Armed: false, Stops: >= 1 }, "r1", "r2");

        // Phase 4: nothing but a third controller's arming command moves them again.
        using var third = Bridge(3);
        await third.LinesAsync("r1: armed", "r2: armed");
        EntryPoint.Interrupt(third.Process);
        Assert.Equal(130, await third.EndAsync());
        EntryPoint.Interrupt(robots.Process);
        Assert.Equal(130, await robots.EndAsync());
        using var counts = JsonDocument.Parse(await File.ReadAllTextAsync(_scratch["robots.json"]));
        Assert.Equal(2, counts.RootElement.GetArrayLength());
    }

    [Fact]
    public async Task Two_robots_of_one_name_are_said_to_be_contested_and_are_not_armed()
    {
        string[] alone = ["--set", "scenario.robots.names=[\"r1\",null]", .. Steady];
        using var bridge = new Running(EntryPoint.Start(["bridge", "--policy", "straight", "--rearm", "0.2", "--out", _scratch["out"], .. alone]));
        string[] robot = ["robot", "--robots", "r1", "--broker", Address().Match(await bridge.LineAsync("robots connect to mqtt://")).Value, .. alone];
        using var one = new Running(EntryPoint.Start(robot));
        await bridge.LineAsync("r1: armed");
        using var two = new Running(EntryPoint.Start(robot));
        Assert.EndsWith("; end all but one, then type r1 and Enter", await bridge.LineAsync("r1: contested: "), StringComparison.Ordinal);

        EntryPoint.Interrupt(bridge.Process);
        Assert.Equal(130, await bridge.EndAsync());
        using var result = JsonDocument.Parse(await File.ReadAllTextAsync(_scratch["out/result.json"]));
        var status = result.RootElement.GetProperty("robots")[0];
        Assert.Equal("contested", status.GetProperty("state").GetString());
        Assert.True(status.GetProperty("sessions").GetInt64() > 1);
    }

    [Fact]
    public async Task A_password_in_the_brokers_address_reaches_the_broker_and_nobody_else()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var robot = new Running(EntryPoint.Start(["robot", "--robots", "r1", "--broker", $"mqtt://me:s3%2Fcret@{listener.LocalEndpoint}", "--json", _scratch["robots.json"]]));
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        using var client = await listener.AcceptTcpClientAsync(patience.Token);
        var (heard, bytes) = ("", new byte[1024]);
        while (!heard.Contains("s3/cret", StringComparison.Ordinal))
        {
            var read = await client.GetStream().ReadAsync(bytes, patience.Token);
            Assert.True(read > 0, $"the connection ended after {heard}");
            heard += System.Text.Encoding.Latin1.GetString(bytes, 0, read);
        }

        var arguments = (await File.ReadAllTextAsync($"/proc/{robot.Process.Id}/cmdline")).Split('\0');
        Assert.Contains("--broker", arguments);
        Assert.DoesNotContain(arguments, a => a.Contains("cret", StringComparison.Ordinal));
        EntryPoint.Interrupt(robot.Process);
        Assert.Equal(130, await robot.EndAsync());
        Assert.DoesNotContain(robot.Lines, l => l.Contains("cret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_production_recipe_carries_a_run_over_tls()
    {
        var folder = _scratch["broker"];
        var wrote = (await EntryPoint.RunAsync("bridge", "--broker-config", folder, "--host", "127.0.0.1")).Success;
        Assert.Contains($"mosquitto -c {folder}/mosquitto.conf", wrote, StringComparison.Ordinal);
        Assert.Contains("expected a folder that is not there yet, or is empty", (await EntryPoint.RunAsync("bridge", "--broker-config", folder)).Refusal, StringComparison.Ordinal);

        // The recipe's port may be taken on this machine; the test's broker has one of its own.
        var port = LoopbackPorts.Free();
        var configuration = (await File.ReadAllTextAsync(Path.Combine(folder, "mosquitto.conf"))).Replace("8883", $"{port}", StringComparison.Ordinal);
        await File.WriteAllTextAsync(_scratch["mosquitto.conf"], configuration);
        await using var broker = await MosquittoBroker.StartAsync(new MosquittoBrokerSettings { Port = port, IsSecure = true, ConfigurationFile = _scratch["mosquitto.conf"] }, TimeProvider.System, CancellationToken.None);
        string[] Connection(string name) => ["--broker", $"mqtts://127.0.0.1:{port}", "--authority", $"{folder}/authority.pem", "--certificate", $"{folder}/{name}.pem", "--key", $"{folder}/{name}.key"];
        using var one = new Running(EntryPoint.Start(["robot", "--robots", "r1", .. Connection("robots/r1"), .. Quick]));
        using var two = new Running(EntryPoint.Start(["robot", "--robots", "r2", .. Connection("robots/r2"), .. Quick]));
        var ran = await EntryPoint.RunAsync(["bridge", "--policy", "straight", "--out", _scratch["out"], .. Connection("bridge"), .. Quick]);

        Assert.True(ran.Code == 0, string.Join('\n', ran.Errors));
        foreach (var robot in new[] { one, two })
        {
            EntryPoint.Interrupt(robot.Process);
            Assert.Equal(130, await robot.EndAsync());
        }
    }

    [Fact]
    public async Task The_contract_is_written_as_a_document()
    {
        (await EntryPoint.RunAsync("bridge", "--contract", _scratch["contract.json"])).Success.ToString();

        Assert.Equal(await File.ReadAllTextAsync(Path.Combine(EntryPoint.Root, "docs", "robots.asyncapi.json")), await File.ReadAllTextAsync(_scratch["contract.json"]));
    }

    [Theory]
    [InlineData("--broker: expected mqtt://HOST:PORT or mqtts://HOST:PORT, found localhost", "bridge", "--broker", "localhost")]
    [InlineData("--broker: expected mqtt://HOST:PORT or mqtts://HOST:PORT, found nothing", "robot")]
    [InlineData("--broker: expected mqtt://HOST:PORT or mqtts://HOST:PORT, found mqtt://***@localhost/x", "robot", "--broker", "mqtt://me:secret@localhost/x")]
    [InlineData("--broker: expected mqtt://HOST:PORT or mqtts://HOST:PORT, for MQTT over WebSockets is not spoken, found ws://***@localhost", "bridge", "--broker", "ws://me:secret@localhost")]
    [InlineData("--user: expected no user beside the one in --broker, found you", "robot", "--broker", "mqtt://me:secret@localhost", "--user", "you")]
    [InlineData("--broker: MIMICD_MQTT_PASSWORD: expected the password, found nothing", "robot", "--broker", "mqtt://me@localhost")]
    [InlineData("SCENARIO: expected a scenario's file (a broker's address follows --broker), found mqtt://***@localhost", "bridge", "mqtt://me:secret@localhost")]
    [InlineData("--term: expected 1 to 9007199254740991, found 0", "bridge", "--policy", "straight", "--term", "0")]
    [InlineData("run: expected 1 to 32 letters, digits, - or _, found a/b", "bridge", "--run", "a/b")]
    [InlineData("--faults: expected --emulate with it, found none", "bridge", "--faults", "delay=5")]
    [InlineData("--rearm: expected 0 to 3600, found -1", "bridge", "--rearm", "-1")]
    [InlineData("--encoding: expected json or frame, found xml", "robot", "--broker", "mqtt://localhost", "--encoding", "xml")]
    [InlineData("--encoding: expected json with MQTT 3.1.1, which has no content type, found frame", "robot", "--broker", "mqtt://localhost", "--encoding", "frame", "--mqtt", "3.1.1")]
    [InlineData("swap-robots: robots: expected r1, r2, found r9", "robot", "--broker", "mqtt://localhost", "--robots", "r9")]
    [InlineData("--mqtt: expected 5 or 3.1.1, found 4", "robot", "--broker", "mqtt://localhost", "--mqtt", "4")]
    [InlineData("none.jsonl: cannot be read", "bridge", "--replay", "none.jsonl")]
    [InlineData("--authority, --certificate, --key: expected mqtts:// with them, found mqtt://localhost/", "robot", "--broker", "mqtt://localhost", "--authority", "a.pem")]
    [InlineData("--user: MIMICD_MQTT_PASSWORD: expected the password, found nothing", "robot", "--broker", "mqtt://localhost", "--user", "me")]
    public async Task Wrong_options_are_refused_in_one_line(string line, params string[] command)
        => Assert.StartsWith(line, (await EntryPoint.RunAsync(command)).Refusal, StringComparison.Ordinal);

    [Fact]
    public async Task Scenarios_are_for_the_verb_that_knows_their_bodies()
    {
        var (swap, robots) = (Path.Combine(EntryPoint.Root, "scenarios", "swap.json"), Path.Combine(EntryPoint.Root, "scenarios", "swap-robots.json"));

        Assert.Equal($"{swap}: robots: expected which bodies are robots (scenarios/swap-robots.json shows how), found nothing", (await EntryPoint.RunAsync("bridge", swap)).Refusal);
        Assert.StartsWith($"{robots}: robots: expected none, for a simulation", (await EntryPoint.RunAsync("run", robots)).Refusal, StringComparison.Ordinal);
        Assert.Contains("robots.names: expected 2 entries, one a body, found 1", (await EntryPoint.RunAsync("bridge", "--set", "scenario.robots.names=[\"r1\"]")).Refusal, StringComparison.Ordinal);
    }

    [GeneratedRegex("trajectory hash [0-9a-f]{64}, decision hash [0-9a-f]{64}", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Hashes();

    [GeneratedRegex("mqtt://[0-9.:]+", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Address();

    /// <summary>Hears what robots say of themselves, and waits until they say something.</summary>
    private sealed class RobotSpy : IMqttListener, IAsyncDisposable
    {
        private readonly RobotTopics _topics;
        private readonly MosquittoLink _link;
        private readonly Dictionary<string, Seen> _robots = new(StringComparer.Ordinal);
        private readonly SemaphoreSlim _come = new(0);

        public RobotSpy(Uri broker, string run)
        {
            _topics = new RobotTopics(RobotTopics.DefaultPrefix, run);
            _link = MosquittoLink.Start(new MqttOptions { Broker = broker, Subscriptions = [new(_topics.OfAll(TopicKind.Report))] }, this, TimeProvider.System);
        }

        public void Connected()
        {
        }

        public void Disconnected(string reason)
        {
        }

        public void Received(in MqttMessage message)
        {
            if (_topics.TryParse(message.Topic, out var robot, out _) && JsonWire.Read(message.Payload.Span, out ReportEnvelope? report) == Refusal.None)
            {
                lock (_robots)
                {
                    _robots[robot] = new Seen(report!.Armed, report.Term, report.Stops);
                }

                _come.Release();
            }
        }

        /// <summary>Waits until the last that each robot said is so.</summary>
        public async Task UntilAsync(Func<Seen, bool> holds, params string[] robots)
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
            while (true)
            {
                lock (_robots)
                {
                    if (robots.All(r => _robots.TryGetValue(r, out var seen) && holds(seen)))
                    {
                        return;
                    }
                }

                await _come.WaitAsync(patience.Token);
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _link.DisposeAsync();
            _come.Dispose();
        }

        public sealed record Seen(bool Armed, long Term, long Stops);
    }

    /// <summary>A process of the command whose lines of standard error are waited for.</summary>
    private sealed class Running : IDisposable
    {
        private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
        private readonly List<string> _lines = [];
        private readonly SemaphoreSlim _come = new(0);
        private int _seen;

        public Running(Process process)
        {
            Process = process;
            process.OutputDataReceived += (_, _) => { };
            process.ErrorDataReceived += (_, e) =>
            {
                if (e.Data is { } line)
                {
                    lock (_lines)
                    {
                        _lines.Add(line);
                    }
                }

                _come.Release();
            };
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
        }

        public Process Process { get; }

        public string[] Lines
        {
            get
            {
                lock (_lines)
                {
                    return [.. _lines];
                }
            }
        }

        /// <summary>The next line that holds a text.</summary>
        public async Task<string> LineAsync(string text)
        {
            using var patience = new CancellationTokenSource(Patience);
            while (true)
            {
                var lines = Lines;
                while (_seen < lines.Length)
                {
                    if (lines[_seen++].Contains(text, StringComparison.Ordinal))
                    {
                        return lines[_seen - 1];
                    }
                }

                Assert.False(Process.HasExited && _seen == Lines.Length, $"the process ended with {(Process.HasExited ? Process.ExitCode.ToString(CultureInfo.InvariantCulture) : "")} before it said '{text}':\n{string.Join('\n', lines)}");
                await _come.WaitAsync(patience.Token);
            }
        }

        /// <summary>Waits for lines that hold these texts, in whichever order they come: robots are armed as their words arrive.</summary>
        public async Task LinesAsync(params string[] texts)
        {
            var from = _seen;
            foreach (var text in texts)
            {
                _seen = from;
                await LineAsync(text);
            }
        }

        public async Task SayAsync(string line)
        {
            await Process.StandardInput.WriteLineAsync(line);
            await Process.StandardInput.FlushAsync();
        }

        public async Task<int> EndAsync()
        {
            using var patience = new CancellationTokenSource(Patience);
            await Process.WaitForExitAsync(patience.Token);
            return Process.ExitCode;
        }

        public void Dispose()
        {
            if (!Process.HasExited)
            {
                Process.Kill();
            }

            Process.Dispose();
        }
    }
}
