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

    public static Command Create()
    {
        var number = new Option<int>("--count") { Description = "Demonstrations to make.", HelpName = "N", DefaultValueFactory = _ => 1000 };
        var output = new Option<string>("--out") { Description = "Folder for agents.npz and meta.json.", HelpName = "DIR", Required = true };
        var compare = new Option<string?>("--compare") { Description = "Reference demonstrations to compare with: a folder of 'mimicd experts', or of one .npy an agent.", HelpName = "DIR" };
        var modes = new Option<string>("--modes")
        {
            Description = "How modes and places go together: 'independent' shows every start all six modes; 'places' draws starts and goals that together suggest the mode, as in the published demonstrations; 'starts' draws starts that alone suggest it.",
            HelpName = "LAW",
            DefaultValueFactory = _ => "independent",
        };
        modes.AcceptOnlyFromAmong([.. Enum.GetNames<ModeLaw>().Select(n => n.ToLowerInvariant())]);
        var discMargin = Margin("--disc-margin", "disc");
        var pairMargin = Margin("--pair-margin", "pair");
        var (seed, threads, json) = (Options.Seed(1), Options.Threads(), Options.Json());
        var swap = new Command("swap", """
            Two agents swap places round a disc: constraint-optimal unicycle paths, one local optimum a mode, in all six modes.
            Ctrl-C stops and keeps what is done.

            Example: mimicd experts swap --count 1000 --seed 1 --out runs/experts
            """)
        {
            number, output, compare, modes, discMargin, pairMargin, seed, threads, json,
        };
        swap.SetAction(async (parsed, cancellation) =>
        {
            var wanted = Options.Between(parsed.GetValue(number), 1, MaxCount, "--count");
            var workers = Options.Between(parsed.GetValue(threads), 1, 1024, "--threads");
            var folder = Options.Writable(parsed.GetValue(output)!, "--out");
            var jsonFile = Options.WritableFile(parsed.GetValue(json), "--json");
            var scenario = Scenario.Load(Repository.File("scenarios", "swap.json"));
            var reference = parsed.GetValue(compare) is { } other ? DemonstrationSet.Load(other, scenario) : null;
            var options = new SwapExpertOptions { ModeLaw = Enum.Parse<ModeLaw>(parsed.GetValue(modes)!, ignoreCase: true) };
            options = options with { DiscRadius = options.DiscRadius + Checked(discMargin), PairDistance = options.PairDistance + Checked(pairMargin) };
            InvalidInputException.Require(reference is null || (reference.Agents == scenario.Agents && reference.Dimensions == 2 && reference.Steps == options.Knots), "--compare", "positions",
                $"shape (demonstrations, {scenario.Agents}, {options.Knots}, 2)", reference?.Positions.ShapeText);
            var made = await Terminal.ProgressAsync("experts", "demonstrations", wanted, progress =>
                Task.Run(() => ExpertGenerator.Generate(options, wanted, parsed.GetValue(seed), workers, new Count(progress), cancellation), CancellationToken.None));
            var count = made.Demonstrations.Count;
            made.Demonstrations.Save(folder);
            var report = ExpertReport.Of(made.Demonstrations, options, reference is null ? default : reference.Positions.Data);
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

            double Checked(Option<double> option)
            {
                var value = parsed.GetValue(option);
                InvalidInputException.Require(value is >= 0 and <= MaxMargin, option.Name, "", $"0 to {MaxMargin}", value);
                return value;
            }
        });
        return new Command("experts", """
            Makes joint demonstrations by constrained trajectory optimisation.

            Example: mimicd experts swap --count 1000 --seed 1 --out runs/experts
            """)
        {
            swap,
        };
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
