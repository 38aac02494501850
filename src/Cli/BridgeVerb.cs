using System.CommandLine;
using MimicD.Agents;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.World;

namespace MimicD.Cli;

/// <summary><c>mimicd bridge</c>: agents steer robots over MQTT.</summary>
internal static class BridgeVerb
{
    private const string BridgeName = "bridge";

    private static readonly Argument<string?> ScenarioFile = new("SCENARIO") { Description = "What the robots are to do, and which bodies are robots: the name of a scenario that comes with the program, or a file. [default: swap-robots]", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<string> Run = new("--run") { Description = "The run's name, which is part of every topic: two runs on one broker never meet.", HelpName = "NAME", DefaultValueFactory = _ => "run" };
    private static readonly Option<int> Episodes = new("--episodes") { Description = "Episodes side by side, each with robots of its own, whose names end in the episode's number.", HelpName = "N", DefaultValueFactory = _ => 1 };
    private static readonly Option<bool> Emulate = new("--emulate") { Description = "Also start emulated robots for all bodies that are robots, in this process; they too go through the broker." };
    private static readonly Option<double?> Rearm = new("--rearm") { Description = "Arm a robot that has stopped, or has come back, again after so many seconds of fresh observations. [default: never; it stays stopped]", HelpName = "SECONDS" };
    private static readonly Option<int> Ahead = new("--ahead") { Description = "Robots do what they are told so many periods later, because the network is slow: they are told that part of the plan.", HelpName = "PERIODS", DefaultValueFactory = _ => 0 };
    private static readonly Option<long?> Term = new("--term") { Description = "Fencing number of this controller: a robot hears the highest alone. [default: from the clock, so that the latest controller is the one heard]", HelpName = "N" };
    private static readonly Option<string?> Record = new("--record") { Description = "Write down all that goes in and out, so that --replay can do it again.", HelpName = "FILE" };
    private static readonly Option<string?> Replay = new("--replay") { Description = "Do a recorded run again, without robots and broker, and compare every decision with the recording, bit by bit. Nothing but the model, --threads and --json beside it.", HelpName = "FILE" };
    private static readonly Option<string?> BrokerConfig = new("--broker-config") { Description = "Write the recipe for a broker in production to this folder, and do nothing else: certificates of a test authority, one for each of the scenario's robots, rights, limits.", HelpName = "DIR" };
    private static readonly Option<bool> Overwrite = RunOutput.Overwrite("the results of another run, and a recording that --record names,");
    private static readonly Option<string?> Contract = new("--contract") { Description = "Write the contract between a robot and its agent, an AsyncAPI 3 document, to this file, and do nothing else.", HelpName = "FILE" };
    private static readonly Option<string[]> Hosts = new("--host") { Description = "With --broker-config: a name or address that the broker goes by. May be given several times. [default: localhost and 127.0.0.1]", HelpName = "NAME", DefaultValueFactory = _ => [] };
    private static readonly Option<string?> Output = new("--out") { Description = "Folder for rollouts.npz, outcomes.csv, result.json and the pictures. [default: runs/bridge in the repository]", HelpName = "DIR" };
    private static readonly Option<bool> Full = FiguresTable.Full();
    private static readonly Option<ulong> Seed = Options.Seed();
    private static readonly Option<int> Threads = Options.Threads();
    private static readonly Option<string?> Json = Options.Json();

    public static Command Create()
    {
        var command = new Command("bridge", """
            Lets agents steer robots over MQTT, each robot by its own agent on nothing but its own observations. Waits until all robots are there; bodies of the scenario that are no robots are simulated beside them.
            A robot that has stopped stays so until it is armed again: by --rearm, or by its name (or 'all') typed here with Enter. The ticks go on meanwhile, for the record is of what happened in real time.
            A robot under whose name more than one speaks is contested: nothing is taken from it, and only its name typed here arms it.
            Ctrl-C stops at once: nobody tells the robots anything any more, and they stop by themselves. That is an operational stop, and no safety function.

            Examples: mimicd bridge --emulate
                      mimicd bridge scenarios/swap-robots.json --broker mqtt://localhost:1883 --run lab1 --record lab1.jsonl
                      mimicd bridge --replay lab1.jsonl
                      mimicd bridge scenarios/swap-robots.json --broker-config broker
            """)
        {
            ScenarioFile, Run, Episodes, Emulate, FaultOption.Faults, Rearm, Ahead, Term, Record, Replay, BrokerConfig, Hosts, Contract, Seed, Output, Overwrite, Json, Threads, Full,
        };
        foreach (var option in RunVerb.CrewOptions.Concat(RunVerb.SamplingOptions).Append(RunVerb.SetOption).Concat(MqttConnection.All))
        {
            command.Add(option);
        }

        command.SetAction(RunAsync);
        return command;
    }

    /// <summary>The scenario that an argument names, or the shipped one, with its changes; it has robots.</summary>
    /// <exception cref="InvalidInputException">It is none, or names no robots.</exception>
    public static (string File, Scenario Scenario) LoadScenario(ParseResult parsed, Argument<string?> argument)
    {
        var file = Repository.Shipped("scenarios", parsed.GetValue(argument) ?? "swap-robots");
        InvalidInputException.Require(!file.Contains("://", StringComparison.Ordinal), "SCENARIO", "", $"a scenario's file (a broker's address follows {MqttConnection.Broker.Name})", BrokerAddress.Redact(file));
        var scenario = Scenario.Load(file, [.. parsed.GetValue(RunVerb.SetOption)!.Select(RunVerb.ScenarioChange)]);
        InvalidInputException.Require(scenario.Robots is not null, file, "robots", "which bodies are robots (scenarios/swap-robots.json shows how)", null);
        return (file, scenario);
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        QuietThreads.Ask();
        var threads = Options.Between(parsed.GetValue(Threads), 1, 1024, "--threads");
        var json = Options.WritableJson(parsed.GetValue(Json), "--json");
        if (Options.WritableJson(parsed.GetValue(Contract), "--contract") is { } contract)
        {
            var document = new RunFiles();
            document.Write(contract, ContractDocument.Write());
            document.Tell();
            return 0;
        }

        if (parsed.GetValue(Replay) is { } recorded)
        {
            return await ReplayAsync(parsed, recorded, threads, json, cancellation);
        }

        var (scenarioFile, scenario) = LoadScenario(parsed, ScenarioFile);
        if (parsed.GetValue(BrokerConfig) is { } folder)
        {
            WriteRecipe(folder, scenario, [.. parsed.GetValue(Hosts)!]);
            return 0;
        }

        var run = parsed.GetValue(Run)!;
        var topics = new RobotTopics(scenario.Robots!.Prefix, run);
        var seed = parsed.GetValue(Seed);
        var episodes = Options.Between(parsed.GetValue(Episodes), 1, 10_000, "--episodes");
        InvalidInputException.Require(parsed.GetValue(Rearm) is null or >= 0 and <= 3600, "--rearm", "", "0 to 3600", parsed.GetValue(Rearm));
        var emulate = parsed.GetValue(Emulate);
        var faults = FaultOption.Of(parsed);
        InvalidInputException.Require(faults is null || emulate, FaultOption.Faults.Name, "", "--emulate with it", "none");
        var crew = RunVerb.Crew.Load(parsed, scenario);
        var ahead = parsed.GetValue(Ahead);
        var policies = crew.Player.PoliciesAhead(scenario, ahead, Ahead.Name);
        using var place = RunOutput.Claim(parsed.GetValue(Output), Repository.File("runs", "bridge"), parsed.GetValue(Overwrite));
        var options = new RobotWorldOptions { Seed = seed, Episodes = episodes, Run = run, Term = parsed.GetValue(Term) ?? RobotWorldOptions.DrawTerm(TimeProvider.System), Rearm = parsed.GetValue(Rearm) };
        InvalidInputException.Require(options.Term is >= 1 and <= WireContract.MaxInteger, Term.Name, "", $"1 to {WireContract.MaxInteger}", options.Term);
        var world = new RobotWorld(scenario, [crew.Player.Sensor], options);
        var overwrite = parsed.GetValue(Overwrite);
        if (parsed.GetValue(Record) is { } wanted)
        {
            RobotRecording.Require(wanted, overwrite, Record.Name);
        }

        await using var broker = await MqttConnection.StartAsync(parsed, cancellation);
        var connection = MqttConnection.Of(parsed, broker?.Address);
        using var recording = parsed.GetValue(Record) is { } file
            ? new RobotRecording(file, new RobotRecordingHeader { Scenario = scenario, Sensors = [crew.Player.Sensor], Options = options, Sampling = crew.Player.Sampling, Ahead = ahead, Model = crew.Model?.Sha256, Policy = crew.Policy }, overwrite)
            : null;
        await using var host = new LocalHost(policies, threads, direct: true);
        var bridge = new RobotBridge(world, host, TimeProvider.System, recording);
        await host.OpenAsync(world.Spec(crew.Player.Sampling), bridge, cancellation);
        Console.Error.WriteLine($"{scenario.Name}: {crew.Name}, seed {seed}, term {options.Term}; robots connect to {connection.Broker.GetLeftPart(UriPartial.Authority)}, run {run}: {Some([.. world.Robots.Select(r => r.Name)])}");
        if (broker is not null && !emulate)
        {
            Console.Error.WriteLine($"emulated ones: mimicd robot {scenarioFile} --broker {connection.Broker.GetLeftPart(UriPartial.Authority)} --run {run} --seed {seed}");
        }

        bool completed;
        string? fenced = null;
        using (var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation))
        using (var leaving = new CancellationTokenSource())
        await using (var fleet = emulate ? EmulatedFleet.Start(scenario, new RobotFleetOptions { Run = run, Seed = seed, Episodes = episodes }, connection, faults) : null)
        await using (var link = MosquittoLink.Start(connection with { ClientId = $"{run}-{BridgeName}-{options.Term}", Subscriptions = world.Subscriptions }, bridge, TimeProvider.System))
        {
            var living = fleet?.RunAsync(leaving.Token) ?? Task.CompletedTask;
            var view = new RobotsView(scenario.Steps - 1, TimeProvider.System);
            Listen(bridge, view);
            completed = await view.ShowAsync(tick => bridge.RunAsync(
                link,
                status =>
                {
                    tick(status);
                    if (fenced is null && status.Robots.FirstOrDefault(r => r.Fenced) is { } lost)
                    {
                        fenced = $"{lost.Name} {lost.Reason}";
                        ending.Cancel();
                    }
                },
                ending.Token));
            await leaving.CancelAsync();
            await living;
        }

        return await FinishAsync(parsed, new BridgeRun(Path.GetFullPath(scenarioFile), scenario, crew, options, bridge.Status, world.ToRollouts(), host.Report, recording?.Decisions.Value), completed, fenced, place, json, recording?.Failure, cancellation);
    }

    /// <summary>An operator's word: a line with a robot's name arms it again, and so does 'all' for all but those that are contested.</summary>
    private static void Listen(RobotBridge bridge, RobotsView view)
        => new Thread(() =>
        {
            while (Terminal.ReadLine() is { } line)
            {
                var name = line.Trim();
                foreach (var robot in name == "all" ? [.. bridge.Status.Robots.Where(r => r.State != RobotState.Contested).Select(r => r.Name)] : (string[])[name])
                {
                    view.Say(bridge.Rearm(robot) ? $"{robot}: will be armed" : $"no robot '{robot}' (a robot's name, or all, arms it again)");
                }
            }
        }) { IsBackground = true }.Start();

    private static async Task<int> FinishAsync(ParseResult parsed, BridgeRun run, bool completed, string? fenced, RunOutput place, string? json, string? unrecorded, CancellationToken cancellation)
    {
        var (scenario, status) = (run.Scenario, run.Status);
        // All is saved before anything is shown, whatever the figures take.
        using var closing = new Closing(cancellation);
        var files = new RunFiles();
        Figures? figures = null;
        var baseline = Baseline.Of(run.Crew.Model?.Spec.Provenance);
        place.Begin(all: status.Tick > 0);
        if (status.Tick > 0)
        {
            var paths = PathSet.Create<float>(run.Rollouts.Positions.Data, run.Rollouts.Positions.Shape, scenario.Name);
            figures = await RunVerb.GivenAsync(() => Figures.Compute(scenario, paths, run.Rollouts.Goals.Data, baseline, cancellationToken: closing.Token), closing.Token);
            files.Save(place.Folder, run.Rollouts, figures);
            completed &= figures is not null && await files.TrySaveOutcomesAsync(place.Folder, scenario, run.Rollouts, paths, figures, closing.Token);
        }

        var hash = Rollouts.Hash(run.Rollouts.Positions);
        var summary = StrictJson.Format(new BridgeResult(
            run.ScenarioFile, scenario, run.Crew.ModelSummary, run.Crew.Policy, run.Options, run.Crew.Player.Sampling, status.Tick, completed, hash, run.DecisionHash, status.Missed, status.Observations, status.Strange, status.Robots, run.Host, figures)
        {
            Standing = status.Standing,
            Unrecorded = unrecorded,
            Familiarity = FamiliaritySummary.Of(run.Host),
        }) + "\n";
        if (json is not null)
        {
            files.Write(json, summary);
        }

        files.Write(Path.Combine(place.Folder, RunOutput.ResultName), summary);
        Show(status);
        if (figures is not null)
        {
            Terminal.Out.Write(FiguresTable.Create(figures, baseline, parsed.GetValue(Full)));
        }

        files.Tell();
        Terminal.Line($"trajectory hash {hash}{(run.DecisionHash is null ? "" : $", decision hash {run.DecisionHash}")}");
        FamiliaritySummary.Warn(run.Host);
        return Conclude(run, completed, fenced, unrecorded);
    }

    /// <summary>What each robot did, and why it is as it is.</summary>
    private static void Show(RobotBridgeStatus status)
    {
        var table = Terminal.Table("robot", "state", "at [m]", "to goal", "sessions", "observations", "refused", "superseded", "commands", "not taken", "late", "silences");
        foreach (var robot in status.Robots)
        {
            table.Row(
                robot.Name, RobotNews.NameOf(robot.State), RobotsView.Place(robot), RobotsView.ToGoal(robot), Terminal.Whole(robot.Sessions), Terminal.Whole(robot.Passed), Terminal.Reasons(robot.Refused),
                Terminal.Whole(robot.Superseded), Terminal.Whole(robot.Sent), Terminal.Whole(robot.Unsent + robot.Undecided), Terminal.Whole(robot.Late), Terminal.Whole(robot.Silences));
        }

        Terminal.Out.Write(table);
        foreach (var robot in status.Robots.Where(r => r.Reason is not null))
        {
            Terminal.Line($"{robot.Name}: {RobotNews.NameOf(robot.State)}: {robot.Reason}{(robot.Report is { Refused.Count: > 0 } report ? $" (it refused: {Terminal.Reasons(report.Refused)})" : "")}");
        }
    }

    /// <summary>Says what went wrong, and the exit code.</summary>
    private static int Conclude(BridgeRun run, bool completed, string? fenced, string? unrecorded)
    {
        var (ticks, status) = (run.Scenario.Steps - 1, run.Status);
        if (RobotNews.WarnsOfStanding(status))
        {
            Console.Error.WriteLine($"mimicd: warning: in {status.Standing} of {status.Tick} ticks no robot was armed: {RobotNews.Causes(status)}");
        }

        if (unrecorded is not null)
        {
            Console.Error.WriteLine($"mimicd: the recording ends before the run does: {unrecorded}");
        }

        if (fenced is not null)
        {
            Console.Error.WriteLine($"mimicd: {fenced}: that one has taken over, and this one has ended");
            return CommandLine.Failure;
        }

        if (!completed)
        {
            Console.Error.WriteLine(status.Phase == RobotPhase.Gathering ? "mimicd: stopped before all robots were there" : $"mimicd: stopped after tick {status.Tick} of {ticks}; the figures are of what was done until then");
            return CommandLine.Interrupted;
        }

        return unrecorded is null ? 0 : CommandLine.Failure;
    }

    private static async Task<int> ReplayAsync(ParseResult parsed, string file, int threads, string? json, CancellationToken cancellation)
    {
        var header = RobotReplay.ReadHeader(file);
        var player = header.Policy is not null ? ScriptedPolicies.Create(header.Policy, header.Scenario, file) : Recorded(parsed, header, file);
        await using var host = new LocalHost(player.PoliciesAhead(header.Scenario, header.Ahead, Ahead.Name), threads);
        var replay = await RobotReplay.RunAsync(file, host, cancellation);
        var files = new RunFiles();
        if (json is not null)
        {
            files.WriteJson(json, new ReplayResult(Path.GetFullPath(file), replay.Header.Scenario.Name, replay.Decisions, replay.Completed, replay.TornBytes, replay.DecisionHash));
        }

        Terminal.Line($"replayed {replay.Decisions} decisions: every observation, every action and every command is what the recording says");
        if (!replay.Completed)
        {
            Terminal.Line($"the recording ends before the run does{(replay.TornBytes > 0 ? $", within a line; its last {replay.TornBytes} bytes are left out" : "")}");
        }

        Terminal.Line($"trajectory hash {Rollouts.Hash(replay.Rollouts.Positions)}, decision hash {replay.DecisionHash}");
        files.Tell();
        return 0;
    }

    /// <summary>Who acts by the model that a recording was made with.</summary>
    private static Player Recorded(ParseResult parsed, RobotRecordingHeader header, string file)
    {
        var model = RunVerb.Crew.Load(parsed, header.Scenario).Model;
        InvalidInputException.Require(model is not null && model.Sha256 == header.Model, file, "model", $"--model with the file of SHA-256 {header.Model}, which the recording was made with", model?.Sha256);
        return Player.Of(model!, header.Sampling);
    }

    private static void WriteRecipe(string folder, Scenario scenario, string[] hosts)
    {
        string[] robots = [.. Enumerable.Range(0, scenario.Agents).Select(a => scenario.Robots!.NameOf(a)).OfType<string>()];
        var options = new BrokerRecipeOptions();
        BrokerRecipe.Write(folder, scenario.Robots!.Prefix, [], robots, BridgeName, hosts.Length > 0 ? options with { Hosts = hosts } : options, TimeProvider.System);
        var host = hosts.Length == 0 ? "localhost" : Uri.CheckHostName(hosts[0]) == UriHostNameType.IPv6 ? $"[{hosts[0].Trim('[', ']')}]" : hosts[0];
        Terminal.Line($"wrote {folder}: start the broker there with: mosquitto -c {Path.Combine(folder, BrokerRecipe.Configuration)}");
        Terminal.Line($"the bridge: mimicd bridge --broker mqtts://{host}:{options.Port} {Certificates(BrokerRecipe.Tls(folder, null))}");
        Terminal.Line($"a robot:    mimicd robot --robots {robots[0]} --broker mqtts://{host}:{options.Port} {Certificates(BrokerRecipe.Tls(folder, robots[0]))}");

        static string Certificates(MqttTls tls) => $"--authority {tls.Authority} --certificate {tls.Certificate} --key {tls.Key}";
    }

    private static string Some(string[] names) => names.Length <= 8 ? string.Join(", ", names) : $"{string.Join(", ", names[..7])} and {names.Length - 7} more";

    private sealed record BridgeRun(string ScenarioFile, Scenario Scenario, RunVerb.Crew Crew, RobotWorldOptions Options, RobotBridgeStatus Status, Rollouts Rollouts, AgentHostReport Host, string? DecisionHash);

    private sealed record BridgeResult(
        string ScenarioFile, Scenario Scenario, RunVerb.ModelSummary? Model, string? Policy, RobotWorldOptions Options, SamplingSpec Sampling, int StepsDone, bool Completed, string TrajectoryHash, string? DecisionHash,
        long Missed, long Observations, long Strange, IReadOnlyList<RobotStatus> Robots, AgentHostReport Host, Figures? Figures)
    {
        public FamiliaritySummary? Familiarity { get; init; }

        /// <summary>Ticks at which no robot was armed.</summary>
        public long Standing { get; init; }

        /// <summary>Why the recording ends before the run does, or null.</summary>
        public string? Unrecorded { get; init; }
    }

    private sealed record ReplayResult(string Recording, string Scenario, long Decisions, bool Completed, long TornBytes, string DecisionHash);
}
