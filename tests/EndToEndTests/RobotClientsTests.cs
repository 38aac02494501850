using System.Diagnostics;
using System.Globalization;
using MimicD.Bridges.Check;
using MimicD.Bridges.Faults;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots.Wire;
using Xunit.Abstractions;

namespace MimicD.EndToEndTests;

/// <summary>The robots that users copy, against the conformance list; and the list against robots that break one rule each.</summary>
public sealed class RobotClientsTests(ITestOutputHelper output)
{
    private const int MostLines = 60;
    private const int MostColumns = 140;

    // Robots that are checked at the same time: they mostly wait.
    private const int AtOnce = 13;

    private static readonly string Python = Path.Combine(EntryPoint.Root, "clients", "python", "robot.py");

    [Theory]
    [InlineData("python", "/usr/bin/python3", "clients/python/robot.py")]
    [InlineData("js", "node", "build/robot-js/robot.mjs")]
    [InlineData("shell", "bash", "clients/shell/robot.sh")]
    public async Task Each_client_passes_the_whole_list(string name, string program, string file)
    {
        var path = Path.Combine(EntryPoint.Root, file);
        Assert.True(File.Exists(path), $"{path} is missing: ./mimicd test makes it");
        using var scratch = new Scratch();
        var result = await EntryPoint.RunAsync("robot-check", "--robot", name, "--json", scratch["check.json"], "--", program, path, "{host}", "{port}", "{run}", "{robot}", "-1.5", "0.25");
        output.WriteLine(result.Success);
        Assert.EndsWith($"{RobotCheck.Names.Count} checks: {RobotCheck.Names.Count} passed, 0 failed, 0 do not apply\n", result.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("clients/python/robot.py")]
    [InlineData("clients/js/robot.mjs")]
    [InlineData("clients/shell/robot.sh")]
    public void Each_client_is_short_enough_to_be_read(string file)
    {
        var lines = File.ReadAllLines(Path.Combine(EntryPoint.Root, file));
        Assert.InRange(lines.Length, 1, MostLines);
        Assert.All(lines, line => Assert.InRange(line.Length, 0, MostColumns));
        Assert.Equal(2, lines.Count(line => line.Contains("==== YOURS, ", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_list_has_at_least_thirty_checks_of_different_names()
    {
        Assert.InRange(RobotCheck.Names.Count, 30, 1000);
        Assert.Equal(RobotCheck.Names, RobotCheck.Names.Distinct(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_robot_that_breaks_a_rule_fails_the_checks_of_that_rule_and_no_other()
    {
        // What is done to the Python robot's text, and the checks that must see it.
        (string Break, (string From, string To)[] Changes, string[] Fails)[] broken =
        [
            ("retained", [("yield \"retained\", not m.retain; ", "")], ["rule retained: a command that the broker kept"]),
            ("size", [("yield \"size\", len(m.payload) <= caps[\"payload\"]", "")], ["rule size: longer than the longest"]),
            ("small", [("len(m.payload) <= caps[\"payload\"]", "len(m.payload) < caps[\"payload\"]")], ["rule size: the longest is taken"]),
            ("encoding", [("yield \"encoding\", getattr(m.properties, \"ContentType\", known) == known", "pass")], ["rule encoding: another content type"]),
            ("arm-type", [("type(arm) is bool and ", "")], ["rule parse: a text for arm"]),
            ("lossy", [("m.payload.decode()", "m.payload.decode(errors=\"replace\")")], ["rule parse: not UTF-8"]),
            ("version", [("yield \"version\", c[\"v\"] == 1; ", "")], ["rule version: 2"]),
            ("run", [("yield \"run\", c[\"run\"] == run", "")], ["rule run: another"]),
            ("robot", [("yield \"robot\", c[\"robot\"] == robot; ", "")], ["rule robot: another"]),
            ("session", [("yield \"session\", c[\"session\"] == session", "")], ["rule session: another", "rule session: the one before"]),
            ("term", [("yield \"term\", c[\"term\"] >= s[\"term\"]; ", "")], ["rule term: a lower one", "rule term: a higher one counts, whatever comes of its command"]),
            ("seq", [("yield \"seq\", c[\"seq\"] > s[\"seq\"]; ", "")], ["rule seq: the same again", "rule seq: a lower one"]),
            ("age", [("yield \"age\", c[\"obsT\"] <= now() <= dead; ", "")],
                ["rule age: older than the robot lets a command live", "rule age: older than the command itself may live", "rule age: an observation that is yet to come", "network: what a stall held up is refused"]),
            ("future", [("c[\"obsT\"] <= now() <= dead", "now() <= dead")], ["rule age: an observation that is yet to come"]),
            ("dimension", [("len(a) == caps[\"dimension\"]", "len(a) >= caps[\"dimension\"]"), ("inside(*a, ", "inside(*a[:2], ")],
                ["arming: not by a command that breaks a rule", "rule term: a higher one counts, whatever comes of its command", "rule dimension: one number more"]),
            ("finite", [("yield \"finite\", all(abs(n) < float(\"inf\") for n in a)", "pass")], ["rule finite: NaN"]),
            ("range", [("yield \"range\", all(low <= n <= high for low, n, high in zip(caps[\"min\"], a, caps[\"max\"]))", "pass")], ["rule range: below the smallest", "rule range: above the largest"]),
            ("change", [("yield \"change\", all(abs(n - p) <= most for n, p, most in zip(a, read_sensors(), caps[\"change\"]))", "pass")], ["rule change: too far from where it is"]),
            ("geofence", [("yield \"geofence\", inside(*a, caps[\"geofence\"]); ", "")], ["rule geofence: outside"]),
            ("disarmed", [("yield \"disarmed\", s[\"armed\"] or arm", "")], ["rule disarmed: a command without arm", "watchdog: armed again by arm alone"]),
            ("late", [("now() > s[\"dead\"]:", "now() > s[\"dead\"] + 400:")], ["watchdog: stops within ttl and a period when none comes, and not before ttl"]),
            ("uncounted", [("stops=s[\"stops\"] + 1, ", "")], ["watchdog: counts one stop"]),
            ("drifts", [("drive_motors(None); s.update(armed=False", "drive_motors([0.0, 0.0]); s.update(armed=False")], ["watchdog: stands still after it"]),
            ("one-session", [("draw, lambda *a: events", "lambda *a: None, lambda *a: events")], ["reconnect: comes back with another session", "rule session: the one before"]),
            ("kept", [("say(\"obs\", seq", "say(\"obs\", 1, seq")], ["retained: nothing but presence"]),
            ("silent", [("link.publish(*say(\"conn\", 1, online=False)), ", "")], ["farewell: says that it goes"]),
        ];
        using var scratch = new Scratch();
        var source = await File.ReadAllTextAsync(Python);
        await using var broker = await MosquittoBroker.StartAsync(new MosquittoBrokerSettings(), TimeProvider.System, CancellationToken.None);
        using var room = new SemaphoreSlim(AtOnce);
        var found = await Task.WhenAll(broken.Select(async robot =>
        {
            await room.WaitAsync();
            var text = source;
            foreach (var (from, to) in robot.Changes)
            {
                Assert.True(text.Split(from).Length == 2, $"{robot.Break}: expected once in robot.py: {from}");
                text = text.Replace(from, to, StringComparison.Ordinal);
            }

            var file = scratch[$"{robot.Break}.py"];
            await File.WriteAllTextAsync(file, text);
            try
            {
                return await CheckAsync(broker, robot.Break, file);
            }
            finally
            {
                room.Release();
            }
        }));

        foreach (var (robot, outcomes) in broken.Zip(found))
        {
            var failed = outcomes.Where(o => o.Verdict == CheckVerdict.Failed).ToArray();
            output.WriteLine($"{robot.Break}\n  {string.Join("\n  ", failed.Select(o => $"{o.Name}: {o.Detail}"))}");
        }

        Assert.All(broken.Zip(found), b => Assert.Equal(b.First.Fails, b.Second.Where(o => o.Verdict != CheckVerdict.Passed).Select(o => o.Name)));
    }

    private static async Task<IReadOnlyList<CheckOutcome>> CheckAsync(MosquittoBroker broker, string name, string file)
    {
        await using var proxy = FaultProxy.Start(broker.Address.Host, broker.Address.Port, FaultPlan.None, TimeProvider.System);
        using var robot = Process.Start(new ProcessStartInfo("/usr/bin/python3", [file, "127.0.0.1", proxy.EndPoint.Port.ToString(CultureInfo.InvariantCulture), "broken", name, "0", "0"]) { UseShellExecute = false })!;
        try
        {
            return await RobotCheck.RunAsync(
                new RobotCheckOptions
                {
                    Topics = new RobotTopics(RobotTopics.DefaultPrefix, "broken"),
                    Robot = name,
                    Link = (subscriptions, listener) => MosquittoLink.Start(new MqttOptions { Broker = broker.Address, Subscriptions = subscriptions }, listener, TimeProvider.System),
                    Proxy = proxy,
                    End = async () =>
                    {
                        using var kill = Process.Start("kill", ["-TERM", robot.Id.ToString(CultureInfo.InvariantCulture)]);
                        await robot.WaitForExitAsync();
                    },
                },
                told: null,
                TimeProvider.System,
                CancellationToken.None);
        }
        finally
        {
            robot.Kill();
            await robot.WaitForExitAsync();
        }
    }
}
