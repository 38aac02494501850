using System.CommandLine;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Cli;

/// <summary><c>mimicd robot</c>: emulated robots, each with its own connection, clock and guard.</summary>
internal static class RobotVerb
{
    private static readonly Argument<string?> ScenarioFile = new("SCENARIO") { Description = "The scenario whose robots are emulated: the name of one that comes with the program, or a file. [default: swap-robots]", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<string[]> Robots = new("--robots") { Description = "The robots to emulate, by name. May be given several times. [default: all of the scenario's]", HelpName = "NAME", DefaultValueFactory = _ => [] };
    private static readonly Option<string> Run = new("--run") { Description = "The run's name.", HelpName = "NAME", DefaultValueFactory = _ => "run" };
    private static readonly Option<int> Episodes = new("--episodes") { Description = "Episodes side by side, each with robots of its own, as 'mimicd bridge' has them.", HelpName = "N", DefaultValueFactory = _ => 1 };
    private static readonly Option<string> Encoding = new("--encoding") { Description = "How observations are written, and answered: json or frame (little-endian float32; MQTT 5).", HelpName = "NAME", DefaultValueFactory = _ => "json" };
    private static readonly Option<ulong> Seed = Options.Seed();
    private static readonly Option<string?> Json = Options.Json();

    public static Command Create()
    {
        var command = new Command("robot", """
            Emulates robots: the scenario's dynamics, each with its own connection, clock and guard, as a robot of metal would have. They start where the scenario's law and the seed put them. Ctrl-C says farewell and ends.

            Example: mimicd robot scenarios/swap-robots.json --broker mqtt://localhost:1883 --run lab1 --robots r2
            """)
        {
            ScenarioFile, Robots, Run, Episodes, Encoding, FaultOption.Faults, Seed, Json,
        };
        foreach (var option in MqttConnection.All.Append(RunVerb.SetOption))
        {
            command.Add(option);
        }

        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        QuietThreads.Ask();
        var (_, scenario) = BridgeVerb.LoadScenario(parsed, ScenarioFile);
        var encoding = parsed.GetValue(Encoding);
        InvalidInputException.Require(encoding is "json" or "frame", "--encoding", "", "json or frame", encoding);
        var connection = MqttConnection.Of(parsed, null);
        InvalidInputException.Require(encoding == "json" || connection.Version == MqttVersion.V5, "--encoding", "", "json with MQTT 3.1.1, which has no content type", encoding);
        var names = parsed.GetValue(Robots)!;
        var json = Options.WritableJson(parsed.GetValue(Json), "--json");
        var options = new RobotFleetOptions
        {
            Run = parsed.GetValue(Run)!,
            Seed = parsed.GetValue(Seed),
            Episodes = Options.Between(parsed.GetValue(Episodes), 1, 10_000, "--episodes"),
            Names = names.Length > 0 ? names : null,
            Encoding = encoding == "json" ? WireEncoding.Json : WireEncoding.Frame,
        };
        IReadOnlyList<RobotCounts> counts;
        await using (var fleet = EmulatedFleet.Start(scenario, options, connection, FaultOption.Of(parsed)))
        {
            Console.Error.WriteLine($"emulating {string.Join(", ", fleet.Robots.Names.Take(8))}{(fleet.Robots.Names.Count() > 8 ? " and more" : "")} for run {options.Run} at {connection.Broker.GetLeftPart(UriPartial.Authority)}");
            await fleet.RunAsync(cancellation);
            counts = fleet.Robots.Counts;
        }

        if (json is not null)
        {
            AtomicFile.WriteText(json, StrictJson.Format(counts) + "\n");
        }

        var table = Terminal.Table("robot", "connected", "armed", "commands", "acted on", "refused", "stops");
        foreach (var c in counts)
        {
            table.Row(c.Name, c.Connected ? "yes" : "no", c.Armed ? "yes" : "no", $"{c.Received}", $"{c.Acted}", c.Refused.Count == 0 ? "0" : string.Join(", ", c.Refused.Select(r => $"{r.Key} {r.Value}")), $"{c.Stops}");
        }

        Terminal.Out.Write(table);
        return CommandLine.Interrupted;
    }
}
