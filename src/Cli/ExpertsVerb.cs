using System.CommandLine;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.World;
using MimicD.World.Experts;

namespace MimicD.Cli;

/// <summary><c>mimicd experts</c>: makes demonstrations.</summary>
internal static class ExpertsVerb
{
    private const int MaxCount = 1_000_000;
    private const double MaxMargin = 1.0;

    public static Command Create() => new("experts", """
        Makes joint demonstrations by constrained trajectory optimisation.

        Examples: mimicd experts swap --count 1000 --seed 1 --out runs/experts
                  mimicd experts road --count 1000 --seed 1 --out runs/road-experts
                  mimicd experts ring --agents 4 --count 1000 --seed 1 --out runs/ring-experts
        """)
    {
        Swap(), Road(), Ring(),
    };

    private static Command Swap()
    {
        var discMargin = Margin("--disc-margin", "disc");
        var pairMargin = Margin("--pair-margin", "pair");
        return Make("swap", """
            Two agents swap places round a disc: constraint-optimal unicycle paths, one local optimum a mode, in all six modes.
            Ctrl-C stops and keeps what is done.

            Example: mimicd experts swap --count 1000 --seed 1 --out runs/experts
            """,
            [discMargin, pairMargin], new SwapExpertOptions().ModeLaw,
            (parsed, _, law) =>
            {
                var options = new SwapExpertOptions { ModeLaw = law };
                return new SwapExpert(options with { DiscRadius = options.DiscRadius + Checked(parsed, discMargin), PairDistance = options.PairDistance + Checked(parsed, pairMargin) });
            });
    }

    private static Command Road()
    {
        var pairMargin = Margin("--pair-margin", "pair");
        return Make("road", """
            A turning car, a crossing car and a pedestrian share a road: constraint-optimal unicycle paths, one local optimum a mode, in the seven modes that the published
            demonstrations show (who passes whom on which side), in their shares. Ctrl-C stops and keeps what is done.

            Example: mimicd experts road --count 1000 --seed 1 --out runs/road-experts
            """,
            [pairMargin], new RoadExpertOptions().ModeLaw,
            (parsed, _, law) =>
            {
                var options = new RoadExpertOptions { ModeLaw = law };
                return new RoadExpert(options with { PairDistance = options.PairDistance + Checked(parsed, pairMargin) });
            });
    }

    private static Command Ring()
    {
        var pairMargin = Margin("--pair-margin", "pair");
        return Make("ring", $"""
            Agents on a circle go to the opposite side, round the centre as in a roundabout: constraint-optimal unicycle paths, both ways round equally often, for 2 to {RingExpert.MaxAgents} agents.
            Ctrl-C stops and keeps what is done.

            Example: mimicd experts ring --agents 4 --count 1000 --seed 1 --out runs/ring-experts
            """,
            [pairMargin], null,
            (parsed, scenario, _) =>
            {
                InvalidInputException.Require(scenario.Agents <= RingExpert.MaxAgents, "--agents", "", $"2 to {RingExpert.MaxAgents}", scenario.Agents);
                return new RingExpert(scenario, new RingExpertOptions { PairMargin = Checked(parsed, pairMargin) });
            });
    }

    /// <summary>The verb of one task; without a usual law of modes there is no choice of one, and the scenario may have any number of agents.</summary>
    private static Command Make(string name, string description, Option<double>[] margins, ModeLaw? usual, Func<ParseResult, Scenario, ModeLaw, IExpertTask> create)
    {
        var number = new Option<int>("--count") { Description = "Demonstrations to make.", HelpName = "N", DefaultValueFactory = _ => 1000 };
        var output = new Option<string>("--out") { Description = "Folder for agents.npz and meta.json.", HelpName = "DIR", Required = true };
        var compare = new Option<string?>("--compare")
        {
            Description = "Reference demonstrations to compare with: a folder of 'mimicd experts', or of one .npy an agent (or the pattern of one such set, as 'DIR/expert_data*_400.npy').",
            HelpName = "DIR",
        };
        var modes = new Option<string>("--modes")
        {
            Description = "How modes and places go together: 'independent' shows every start every mode; 'places' draws starts and goals that together suggest the mode, as in the published demonstrations; 'starts' draws starts that alone suggest it.",
            HelpName = "LAW",
            DefaultValueFactory = _ => usual.ToString()!.ToLowerInvariant(),
        };
        modes.AcceptOnlyFromAmong([.. Enum.GetNames<ModeLaw>().Select(n => n.ToLowerInvariant())]);
        var agents = Options.Agents();
        var (seed, threads, json) = (Options.Seed(1), Options.Threads(), Options.Json());
        var command = new Command(name, description) { number, output, compare, usual is null ? agents : modes };
        foreach (var option in (Option[])[.. margins, seed, threads, json])
        {
            command.Options.Add(option);
        }

        command.SetAction(async (parsed, cancellation) =>
        {
            var wanted = Options.Between(parsed.GetValue(number), 1, MaxCount, "--count");
            var workers = Options.Between(parsed.GetValue(threads), 1, 1024, "--threads");
            var folder = Options.Writable(parsed.GetValue(output)!, "--out");
            var jsonFile = Options.WritableFile(parsed.GetValue(json), "--json");
            var scenario = Scenario.Load(Repository.File("scenarios", name + ".json"));
            if (usual is null && parsed.GetValue(agents) is { } several)
            {
                scenario = scenario.WithAgents(several);
            }

            var reference = parsed.GetValue(compare) is { } other ? DemonstrationSet.Load(other, scenario) : null;
            var task = create(parsed, scenario, usual is null ? default : Enum.Parse<ModeLaw>(parsed.GetValue(modes)!, ignoreCase: true));
            InvalidInputException.Require(reference is null || (reference.Agents == scenario.Agents && reference.Dimensions == 2 && reference.Steps == task.Nominal.Knots), "--compare", "positions",
                $"shape (demonstrations, {scenario.Agents}, {task.Nominal.Knots}, 2)", reference?.Positions.ShapeText);
            var made = await Terminal.ProgressAsync("experts", "demonstrations", wanted, progress =>
                Task.Run(() => ExpertGenerator.Generate(task, wanted, parsed.GetValue(seed), workers, new Count(progress), cancellation), CancellationToken.None));
            var count = made.Demonstrations.Count;
            made.Demonstrations.Save(folder);
            var report = ExpertReport.Of(made.Demonstrations, task, reference is null ? default : reference.Positions.Data);
            var table = Terminal.Table("", "value");
            foreach (var (what, value) in report.Rows)
            {
                table.Row(what, value);
            }

            Terminal.Out.Write(table);
            if (jsonFile is not null)
            {
                var result = new ExpertsResult(parsed.GetValue(seed), count, wanted, made.Demonstrations.ContentHash(), made.Redrawn, made.Iterations, report.Own, report.DynamicsViolation,
                    report.Reference, double.IsNaN(report.Transport) ? null : report.Transport, double.IsNaN(report.TransportFloor) ? null : report.TransportFloor);
                AtomicFile.WriteText(jsonFile, StrictJson.Format(result) + "\n");
            }

            Terminal.Line($"wrote {Path.Combine(folder, "agents.npz")} ({count} demonstrations, SHA-256 {made.Demonstrations.ContentHash()})");
            if (count < wanted)
            {
                Console.Error.WriteLine($"mimicd: stopped; the first {count} of {wanted} demonstrations are kept");
                return CommandLine.Interrupted;
            }

            return 0;
        });
        return command;
    }

    private static double Checked(ParseResult parsed, Option<double> option)
    {
        var value = parsed.GetValue(option);
        InvalidInputException.Require(value is >= 0 and <= MaxMargin, option.Name, "", $"0 to {MaxMargin}", value);
        return value;
    }

    private static Option<double> Margin(string name, string limit) => new(name)
    {
        Description = $"Metres that the experts keep beyond the {limit} limit, so that what a policy lacks in precision stays clear of it.",
        HelpName = "M",
        DefaultValueFactory = _ => 0,
    };

    private sealed class Count(IProgress<long> progress) : IProgress<int>
    {
        public void Report(int value) => progress.Report(value);
    }

    private sealed record ExpertsResult(
        ulong Seed, int Count, int Wanted, string DemonstrationsHash, int Redrawn, long Iterations, PathFigures Own, double DynamicsViolation, PathFigures? Reference, double? Transport, double? TransportFloor);
}
