using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using MimicD.Bridges.Check;
using MimicD.Bridges.Faults;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots.Wire;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Cli;

/// <summary><c>mimicd robot-check</c>: whether a robot, in whatever language, keeps to the contract.</summary>
internal static class RobotCheckVerb
{
    // What a program may take to end when it is asked to.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    private static readonly Option<string> Robot = new("--robot") { Description = "The robot's name.", HelpName = "NAME", DefaultValueFactory = _ => "r1" };
    private static readonly Option<string> Run = new("--run") { Description = "The run's name.", HelpName = "NAME", DefaultValueFactory = _ => "check" };
    private static readonly Option<string> Prefix = new("--prefix") { Description = "What comes before the run in topics.", HelpName = "LEVELS", DefaultValueFactory = _ => RobotTopics.DefaultPrefix };
    private static readonly Option<string?> Listen = new("--listen") { Description = "Where the robot connects to; what comes there goes on to the broker, until a check cuts it. [default: a free port on loopback]", HelpName = "ADDRESS:PORT" };
    private static readonly Option<int> Wait = new("--wait") { Description = "How long to wait for the robot [s].", HelpName = "SECONDS", DefaultValueFactory = _ => 60 };
    private static readonly Option<string?> Json = Options.Json();
    private static readonly Argument<string[]> Command = new("command") { Description = "Starts the robot; {host}, {port}, {run} and {robot} in it are replaced. Without: one is waited for.", HelpName = "-- COMMAND", Arity = ArgumentArity.ZeroOrMore };

    public static Command Create()
    {
        var seed = Options.Seed();
        seed.Description = "Accepted as everywhere; nothing here is random.";
        var command = new Command("robot-check", """
            Checks a robot against the contract of docs/robots.md: plays an agent to it, sends it everything that it must refuse, cuts its connection, and watches what it does.
            The robot will move: up to its geofence's nearest border. Exit code 0 when no check failed, else 1.

            Example: mimicd robot-check -- /usr/bin/python3 clients/python/robot.py {host} {port} {run} {robot} 0 0
            """)
        {
            Robot, Run, Prefix, Listen, Wait, seed, Json, Command,
        };
        foreach (var option in MqttConnection.All)
        {
            command.Add(option);
        }

        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        var topics = new RobotTopics(parsed.GetValue(Prefix)!, parsed.GetValue(Run)!);
        var robot = parsed.GetValue(Robot)!;
        RobotTopics.RequireName(robot, "--robot");
        var wait = Options.Between(parsed.GetValue(Wait), 1, 3600, "--wait");
        var json = Options.WritableJson(parsed.GetValue(Json), "--json");
        var place = new IPEndPoint(IPAddress.Loopback, 0);
        if (parsed.GetValue(Listen) is { } listen)
        {
            // A number alone would be read as an address, and an address alone as one with port 0.
            InvalidInputException.Require(IPEndPoint.TryParse(listen, out place!) && listen.LastIndexOf(':') > listen.LastIndexOfAny(['.', ']']) && listen.AsSpan().ContainsAny('.', ']'), "--listen", "", "ADDRESS:PORT", listen);
        }

        await using var own = await MqttConnection.StartAsync(parsed, cancellation);
        var connection = MqttConnection.Of(parsed, own?.Address);
        var broker = connection.Broker;
        await using var proxy = Proxy(connection, place);
        var words = parsed.GetValue(Command) ?? [];
        using var program = words.Length > 0 ? new RobotProgram([.. words.Select(w => Fill(w, proxy.EndPoint, topics.Run, robot))]) : null;
        Console.Error.WriteLine(program is null
            ? $"connect robot {robot} of run {topics.Run} to {broker.Scheme}://{proxy.EndPoint} within {wait} s; its connection will be cut"
            : $"robot {robot} of run {topics.Run} at {broker.Scheme}://{proxy.EndPoint}: process {program.Id}");

        var outcomes = await RobotCheck.RunAsync(
            new RobotCheckOptions
            {
                Topics = topics,
                Robot = robot,
                Link = (subscriptions, listener) => MosquittoLink.Start(connection with { Subscriptions = subscriptions }, listener, TimeProvider.System),
                Proxy = proxy,
                End = program is null ? null : program.EndAsync,
                Appears = TimeSpan.FromSeconds(wait),
            },
            Tell,
            TimeProvider.System,
            cancellation);
        if (json is not null)
        {
            AtomicFile.WriteText(json, StrictJson.Format(outcomes) + "\n");
        }

        if (program is { EndedEarly: { } ending })
        {
            Console.Error.WriteLine($"the robot's program ended by itself, {ending}");
        }

        var counts = outcomes.CountBy(o => o.Verdict).ToDictionary();
        Terminal.Line();
        Terminal.Line($"{outcomes.Count} checks: {counts.GetValueOrDefault(CheckVerdict.Passed)} passed, {counts.GetValueOrDefault(CheckVerdict.Failed)} failed, {counts.GetValueOrDefault(CheckVerdict.NotApplicable)} do not apply");
        return counts.ContainsKey(CheckVerdict.Failed) ? CommandLine.Failure : 0;
    }

    private static FaultProxy Proxy(MqttOptions connection, IPEndPoint place)
    {
        try
        {
            return FaultProxy.Start(connection.Host, connection.Port, FaultPlan.None, TimeProvider.System, place);
        }
        catch (SocketException e)
        {
            throw new InvalidInputException($"--listen {place}: {e.Message}", e);
        }
    }

    private static string Fill(string word, IPEndPoint place, string run, string robot) => word
        .Replace("{host}", place.Address.ToString(), StringComparison.Ordinal)
        .Replace("{port}", place.Port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
        .Replace("{run}", run, StringComparison.Ordinal)
        .Replace("{robot}", robot, StringComparison.Ordinal);

    private static void Tell(CheckOutcome outcome)
    {
        var verdict = outcome.Verdict switch { CheckVerdict.Passed => "pass", CheckVerdict.Failed => "FAIL", _ => "n/a " };
        Terminal.Line(outcome.Detail.Length == 0 ? $"{verdict}  {outcome.Name}" : $"{verdict}  {outcome.Name,-78}  {outcome.Detail}");
    }

    /// <summary>A robot that was started from here, and ends with us.</summary>
    private sealed class RobotProgram : IDisposable
    {
        private readonly Process _process;
        private string _said = "";
        private bool _asked;

        public RobotProgram(string[] words)
        {
            try
            {
                _process = Process.Start(new ProcessStartInfo(words[0], words[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
            }
            catch (System.ComponentModel.Win32Exception e)
            {
                throw new InvalidInputException($"{words[0]}: cannot be started: {e.Message}", e);
            }

            _process.StandardInput.Close();
            _process.OutputDataReceived += (_, line) => Hear(line.Data);
            _process.ErrorDataReceived += (_, line) => Hear(line.Data);
            _process.BeginOutputReadLine();
            _process.BeginErrorReadLine();
        }

        public int Id => _process.Id;

        /// <summary>How it ended without being asked to; null where it did not.</summary>
        public string? EndedEarly => !_asked && _process.HasExited ? $"exit code {_process.ExitCode}{(_said.Length > 0 ? $": {_said}" : "")}" : null;

        /// <summary>Asks it to end, and waits for a while.</summary>
        public async Task EndAsync()
        {
            _asked = true;
            using (var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]))
            {
                await kill.WaitForExitAsync(CancellationToken.None);
            }

            using var patience = new CancellationTokenSource(Grace);
            try
            {
                await _process.WaitForExitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                // It is killed in the end.
            }
        }

        public void Dispose()
        {
            if (!_process.HasExited)
            {
                // Asked first: a program that has others to end can do so.
                EndAsync().GetAwaiter().GetResult();
                _process.Kill(entireProcessTree: true);
            }

            _process.Dispose();
        }

        private void Hear(string? line) => _said = line is { Length: > 0 } ? line : _said;
    }
}
