using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using MimicD.Bench;
using MimicD.Bench.Detail;
using MimicD.Bench.Robots;
using MimicD.Bench.Speed;
using MimicD.Bridges.Faults;
using MimicD.Cli;
using MimicD.Contracts;

var json = new Option<string?>("--json") { Description = "Also write the figures here.", HelpName = "FILE" };
var seed = new Option<ulong>("--seed") { Description = "What is drawn follows from it.", HelpName = "N", DefaultValueFactory = _ => 1 };
var runs = new Option<int>("--runs") { Description = "Runs with a killed node.", HelpName = "N", DefaultValueFactory = _ => 50 };
var rounds = new Option<int>("--rounds") { Description = "Times that what is compared takes turns.", HelpName = "N", DefaultValueFactory = _ => 3 };
var agents = new Option<int>("--agents") { Description = "Agents of the ring.", HelpName = "N", DefaultValueFactory = _ => 1000 };
var root = Environment.GetEnvironmentVariable("MIMICD_ROOT") ?? Directory.GetCurrentDirectory();

var hash = new Command("hash", "The trajectories of a run in process and on 1, 2, 4 and 8 nodes; with all nodes but one killed and three that join late.") { json };
hash.SetAction((parsed, cancellation) => MeasureAsync(parsed, () => HashBench.RunAsync(root, cancellation)));
var kills = new Command("kills", "Runs on four nodes, of which one is killed at a random tick: whether they end alike, and how soon they go on.") { runs, seed, json };
kills.SetAction((parsed, cancellation) => MeasureAsync(parsed, () => KillBench.RunAsync(root, parsed.GetValue(runs), parsed.GetValue(seed), cancellation)));
var tick = new Command("tick", "One tick of many agents without a policy on four nodes, beside a bare round trip of the same bytes.") { agents, rounds, json };
tick.SetAction((parsed, cancellation) => MeasureAsync(parsed, () => TickBench.RunAsync(root, parsed.GetValue(agents), parsed.GetValue(rounds), cancellation)));
var overhead = new Command("overhead", "Agent-steps a second of the shipped model on four node processes, beside one process.") { rounds, json };
overhead.SetAction((parsed, cancellation) => MeasureAsync(parsed, () => OverheadBench.RunAsync(root, parsed.GetValue(rounds), cancellation)));
var echo = new Command("echo", "What 'tick' starts for a bare round trip.") { EchoOptions.Cluster, EchoOptions.Name, EchoOptions.Bytes };
echo.Hidden = true;
echo.SetAction((parsed, cancellation) => Echo.RunAsync(parsed.GetValue(EchoOptions.Cluster)!, parsed.GetValue(EchoOptions.Name)!, parsed.GetValue(EchoOptions.Bytes), cancellation));

var robots = new Option<int>("--robots") { Description = "Robots.", HelpName = "N", DefaultValueFactory = _ => 200 };
var rate = new Option<double>("--rate") { Description = "Observations a second of each.", HelpName = "HZ", DefaultValueFactory = _ => 20 };
var decisions = new Option<int>("--decisions") { Description = "Decisions to compare.", HelpName = "N", DefaultValueFactory = _ => 100_000 };
var episodes = new Option<int>("--episodes") { Description = "Episodes of each kind.", HelpName = "N", DefaultValueFactory = _ => 200 };
var swapRate = new Option<double>("--rate") { Description = "Ticks a second.", HelpName = "HZ", DefaultValueFactory = _ => 20 };
var network = new Option<string[]>("--faults") { Description = $"Networks to go through instead, in turn: a command's ttl [s], periods ahead, and {FaultSpec.Grammar}", HelpName = "TTL/AHEAD/SPEC", DefaultValueFactory = _ => [] };
var loop = new Command("loop", "How soon robots are answered through Mosquitto, observations of 512 bytes, beside a null bridge that only sends bytes back; and while one robot floods.") { robots, rate, rounds, json };
loop.SetAction((parsed, cancellation) => MeasureAsync(parsed, () => LoopBench.RunAsync(root, parsed.GetValue(robots), parsed.GetValue(rate), parsed.GetValue(rounds), cancellation)));
var same = new Command("same", "Whether the shipped swap model's agents decide the same over MQTT as in the simulation, on the same observations.") { decisions, json };
same.SetAction((parsed, cancellation) => MeasureAsync(parsed, () => SameBench.RunAsync(root, parsed.GetValue(decisions), cancellation)));
var swap = new Command("swap", "The swap with one emulated robot, with two, and through bad networks, beside the simulation.") { episodes, swapRate, network, json };
swap.SetAction((parsed, cancellation) => MeasureAsync(parsed, () => SwapBench.RunAsync(root, parsed.GetValue(episodes), parsed.GetValue(swapRate), Kinds(parsed.GetValue(network)!), cancellation)));
var serve = new Command("serve", "What 'loop' starts to be answered by.") { ServeOptions.Broker, ServeOptions.Run, ServeOptions.Kind, ServeOptions.Robots, ServeOptions.Rate };
serve.Hidden = true;
serve.SetAction((parsed, cancellation) => Serve.RunAsync(root, new Uri(parsed.GetValue(ServeOptions.Broker)!), parsed.GetValue(ServeOptions.Run)!, parsed.GetValue(ServeOptions.Kind)!, parsed.GetValue(ServeOptions.Robots), parsed.GetValue(ServeOptions.Rate), cancellation));

var models = new Argument<string[]>("MODEL") { Description = "Models of the swap without a shared mode.", Arity = ArgumentArity.OneOrMore };
var noises = new Option<int>("--noises") { Description = "Noises that each is asked about.", HelpName = "N", DefaultValueFactory = _ => 20_000 };
var law = new Command("law", "Whether two trained agents that share their noise agree on sides as often as the angle between them says.") { models, noises, seed, json };
law.SetAction((parsed, cancellation) => MeasureAsync(parsed, () => LawBench.RunAsync(root, parsed.GetValue(models)!, parsed.GetValue(noises), parsed.GetValue(seed), cancellation)));

ISpeedBench[] parts =
[
    new KernelBench(),
    new PlanBench(),
    new WorldBench(),
    new TicksBench(),
    new TrainingBench(),
];
var only = new Option<string[]>("--only") { Description = $"Parts of the table: {string.Join(", ", parts.Select(p => p.Name))}.", HelpName = "PART", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [] };
only.AcceptOnlyFromAmong([.. parts.Select(p => p.Name)]);
var turns = new Option<int>("--rounds") { Description = "Times that what is compared takes turns.", HelpName = "N", DefaultValueFactory = _ => 15 };
foreach (var count in new[] { turns, rounds })
{
    count.Validators.Add(given =>
    {
        // What is no number at all is refused by the option itself.
        if (given.Tokens.Count == 1 && PlainNumber.TryWhole<int>(given.Tokens[0].Value, out var number) && number < 1)
        {
            given.AddError($"{count.Name}: expected at least 1, found {given.Tokens[0].Value}");
        }
    });
}

var speed = new Command("speed", "How fast plans, ticks and training are, beside their peers; what 'mimicd bench' does unless told otherwise.") { only, turns, json };
speed.SetAction((parsed, cancellation) => MeasureAsync(parsed, () => SpeedTable.RunAsync([.. parts.Where(p => parsed.GetValue(only) is not { Length: > 0 } some || some.Contains(p.Name))], root, parsed.GetValue(turns), cancellation)));

var filters = new Argument<string[]>("GLOB") { Description = "Which, such as *Plan*.", DefaultValueFactory = _ => ["*"] };
var detail = new Command("detail", "Kernels, plans and ticks one by one by BenchmarkDotNet, with what they allocate.") { filters };
detail.SetAction(parsed => Benchmarks.Run(root, parsed.GetValue(filters)!) ? 0 : 2);

SafeConsole.Install();
var command = StrictValues.Install(new RootCommand("Measures. All that is compared is measured in one run, in turns; figures of different runs or machines are not to be compared.")
{
    speed,
    detail,
    new Command("cluster", "Runs on several nodes: all processes and the broker on this machine.") { hash, kills, tick, overhead, echo },
    new Command("agreement", "Agreement without messages.") { law },
    new Command("robots", "Robots over MQTT: all processes and the broker on this machine.") { loop, same, swap, serve },
});

// Options without a verb are the table's.
var parse = command.Parse(args is [] || (args[0].StartsWith("--", StringComparison.Ordinal) && args[0] is not ("--help" or "--version")) ? ["speed", .. args] : args);
if (parse.Errors.Count > 0)
{
    var message = string.Join(' ', parse.Errors[0].Message.TrimEnd('.').Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    Console.Error.WriteLine($"mimicd: {message} (see mimicd bench --help)");
    return 2;
}

using var stop = new CancellationTokenSource();
if (parse.CommandResult.Command == echo || parse.CommandResult.Command == serve)
{
    // It ends when its parent does, or wants it to.
    new Thread(() =>
    {
        using var input = Console.OpenStandardInput();
        input.CopyTo(Stream.Null);
        stop.Cancel();
    }) { IsBackground = true }.Start();
}

Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = !stop.IsCancellationRequested;
    stop.Cancel();
};
try
{
    return await parse.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, stop.Token);
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    Console.Error.WriteLine("mimicd: stopped");
    return 130;
}
catch (Exception e) when (e is InvalidInputException or InvalidDataException or IOException or UnauthorizedAccessException)
{
    Console.Error.WriteLine("mimicd: " + e.Message.ReplaceLineEndings(" "));
    return 2;
}

static SwapKind[] Kinds(string[] networks)
    => networks.Length == 0
        ? [new SwapKind("one simulated and one emulated robot", [null, "r2"]), new SwapKind("two emulated robots", ["r1", "r2"])]
        : [.. networks.Select(n => n.Split('/', 3) is [var ttl, var ahead, var spec] && PlainNumber.TryReal(ttl, out var seconds) && PlainNumber.TryWhole<int>(ahead, out var periods)
            ? new SwapKind($"two emulated robots, ttl {ttl} s, {ahead} periods ahead, {(spec.Length > 0 ? spec : "no faults")}", ["r1", "r2"], spec.Length > 0 ? FaultSpec.Parse(spec, "--faults") : null, seconds, periods)
            : throw InvalidInputException.Create("--faults", "", "TTL/AHEAD/SPEC", n))];

async Task<int> MeasureAsync<T>(ParseResult parsed, Func<Task<T>> measure)
    where T : IMeasured
{
    var machine = Machine.Here();
    Console.Out.WriteLine(machine);
    var measured = await measure();
    if (parsed.GetValue(json) is { } file)
    {
        var options = new JsonSerializerOptions { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };
        MimicD.Numerics.AtomicFile.WriteText(file, JsonSerializer.Serialize(new { machine, measured }, options) + "\n");
    }

    return measured.Holds ? 0 : 1;
}
