using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using MimicD.Bridges.Check;
using MimicD.Bridges.Faults;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots.Wire;
using MimicD.Contracts;
using MimicD.Numerics;
using Xunit.Abstractions;

namespace MimicD.EndToEndTests;

/// <summary>The robots that users copy, against the conformance list; and the list against robots that break one rule each.</summary>
public sealed class RobotClientsTests(ITestOutputHelper output)
{
    private const int MostLines = 60;
    private const int MostColumns = 140;

    // Robots that are checked at the same time: they mostly wait.
    private const int AtOnce = 7;
    private const int Alone = 2;

    private static readonly string Python = Path.Combine(EntryPoint.Root, "clients", "python", "robot.py");

    [Fact]
    public async Task Each_client_passes_the_whole_list()
    {
        (string Name, string Program, string File)[] clients = [("python", "/usr/bin/python3", "clients/python/robot.py"), ("js", "node", "build/robot-js/robot.mjs"), ("shell", "bash", "clients/shell/robot.sh")];
        using var scratch = new Scratch();
        var results = await Task.WhenAll(clients.Select(client =>
        {
            var path = Path.Combine(EntryPoint.Root, client.File);
            Assert.True(File.Exists(path), $"{path} is missing: ./mimicd test makes it");
            return EntryPoint.RunAsync("robot-check", "--robot", client.Name, "--json", scratch[$"{client.Name}.json"], "--", client.Program, path, "{host}", "{port}", "{run}", "{robot}", "-1.5", "0.25");
        }));
        foreach (var (client, result) in clients.Zip(results))
        {
            output.WriteLine(result.Success);
            Assert.EndsWith($"\n{RobotCheck.Names.Count} checks: {RobotCheck.Names.Count} passed, 0 failed, 0 do not apply\n", result.Output, StringComparison.Ordinal);
            var outcomes = StrictJson.ReadFile<CheckOutcome[]>(scratch[$"{client.Name}.json"]);
            Assert.Equal(RobotCheck.Names, outcomes.Select(o => o.Name));
        }
    }

    [Fact]
    public async Task The_page_is_true_to_the_letter()
    {
        var page = await File.ReadAllTextAsync(Path.Combine(EntryPoint.Root, "docs", "robots.md"));
        var blocks = Regex.Matches(page, "^```sh\n(?<commands>.+?)^```$", RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture).Select(m => m.Groups["commands"].Value).ToArray();
        Assert.Equal(4, blocks.Length);

        // A copy of what a user has, with the program as the tests built it.
        using var scratch = new Scratch();
        foreach (var file in Directory.EnumerateFiles(Path.Combine(EntryPoint.Root, "clients"), "*", SearchOption.AllDirectories))
        {
            var copy = scratch[Path.GetRelativePath(EntryPoint.Root, file)];
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }

        await File.WriteAllTextAsync(scratch["mimicd"], $"#!/bin/sh\nexec dotnet '{Path.Combine(AppContext.BaseDirectory, "mimicd.dll")}' \"$@\"\n");
        using (var executable = Process.Start("chmod", ["+x", scratch["mimicd"]]))
        {
            await executable.WaitForExitAsync();
        }

        var said = await Task.WhenAll(blocks.Select(async block =>
        {
            // The usual port may be taken here.
            var commands = block.Replace("1883", LoopbackPorts.Free().ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
            var start = new ProcessStartInfo("bash", ["-euc", commands]) { WorkingDirectory = scratch.Folder, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
            start.Environment["PATH"] = $"{start.Environment["PATH"]}:/usr/sbin";
            using var shell = Process.Start(start)!;
            var errors = shell.StandardError.ReadToEndAsync();
            var text = await shell.StandardOutput.ReadToEndAsync();
            await shell.WaitForExitAsync();
            Assert.True(shell.ExitCode == 0, $"exit code {shell.ExitCode}\n{block}\n{text}\n{await errors}");
            return text;
        }));
        Assert.All(said[..3], text => Assert.EndsWith($"\n{RobotCheck.Names.Count} checks: {RobotCheck.Names.Count} passed, 0 failed, 0 do not apply\n", text, StringComparison.Ordinal));
        var heard = said[3].Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(5, heard.Length);
        Assert.All(heard, line => Assert.Matches("^mimicd/v1/demo/r1/(conn|obs|rep) \\{\"v\": 1, ", line));
    }

    [Fact]
    public async Task A_robot_that_is_not_there_or_no_robot_is_said_to_be_so()
    {
        var silent = await EntryPoint.RunAsync("robot-check", "--wait", "1", "--", "cat");
        Assert.Equal(1, silent.Code);
        Assert.StartsWith($"FAIL  {RobotCheck.Names[0],-78}  nothing on mimicd/v1/check/r1/conn within 1 s\n", silent.Output, StringComparison.Ordinal);
        Assert.EndsWith($"\n{RobotCheck.Names.Count} checks: 0 passed, {RobotCheck.Names.Count} failed, 0 do not apply\n", silent.Output, StringComparison.Ordinal);
        Assert.Contains("the robot's program ended by itself, exit code 0", silent.Errors);

        Assert.Equal("/nowhere: cannot be started: An error occurred trying to start process '/nowhere' with working directory", (await EntryPoint.RunAsync("robot-check", "--", "/nowhere")).Refusal[..104]);
        Assert.Equal("--robot: expected 1 to 32 letters, digits, - or _, found a/b", (await EntryPoint.RunAsync("robot-check", "--robot", "a/b")).Refusal);
        Assert.Equal("--listen: expected ADDRESS:PORT, found here", (await EntryPoint.RunAsync("robot-check", "--listen", "here")).Refusal);
        Assert.Equal("--listen: expected ADDRESS:PORT, found 1883", (await EntryPoint.RunAsync("robot-check", "--listen", "1883")).Refusal);
        Assert.Equal("--broker: expected mqtt://HOST:PORT or mqtts://HOST:PORT, found http://here", (await EntryPoint.RunAsync("robot-check", "--broker", "http://here")).Refusal);
        Assert.Equal("unknown option '--nothing' (see mimicd robot-check --help)", (await EntryPoint.RunAsync("robot-check", "--nothing")).Refusal);
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
            ("drifts", [("drive_motors(None); s.update(armed=False", "drive_motors([here[0] + 0.2, here[1]]); s.update(armed=False"), ("/ 1000, 1) for", "/ 1000, 1 if s[\"armed\"] else 8) for")], ["watchdog: stands still after it"]),
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

        // Several robots at once, beside all else that a machine may have to do, can be late, and a late robot fails more. By itself each must show what it breaks and nothing else; what is wrong with a check is wrong again.
        for (var i = 0; i < broken.Length; i++)
        {
            for (var attempt = 1; attempt <= Alone && !Fails(found[i]).SequenceEqual(broken[i].Fails); attempt++)
            {
                found[i] = await CheckAsync(broker, broken[i].Break, scratch[$"{broken[i].Break}.py"]);
            }
        }

        foreach (var (robot, outcomes) in broken.Zip(found))
        {
            var failed = outcomes.Where(o => o.Verdict == CheckVerdict.Failed).ToArray();
            output.WriteLine($"{robot.Break}\n  {string.Join("\n  ", failed.Select(o => $"{o.Name}: {o.Detail}"))}");
        }

        Assert.All(broken.Zip(found), b => Assert.Equal(b.First.Fails, Fails(b.Second)));

        static IEnumerable<string> Fails(IReadOnlyList<CheckOutcome> outcomes) => outcomes.Where(o => o.Verdict != CheckVerdict.Passed).Select(o => o.Name);
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
