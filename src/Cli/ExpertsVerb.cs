using System.CommandLine;
using System.Globalization;
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
    private const double MinRadius = 0.5;
    private const double MaxRadius = 100;

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
        var goalSeparation = new Option<double>("--goal-separation") { Description = "Goals are redrawn until all pairs are further apart than this [m], as those of the scenario are; the published demonstrations' are not.", HelpName = "M", DefaultValueFactory = _ => 0 };
        var early = new Option<double>("--early") { Description = $"Largest share of the time by which half of the agents are at their goals before the end, and wait there while others pass; 0 to {RoadExpert.MaxEarly}.", HelpName = "SHARE", DefaultValueFactory = _ => 0 };
        return Make("road", """
            A turning car, a crossing car and a pedestrian share a road: constraint-optimal unicycle paths, one local optimum a mode, in the seven modes that the published
            demonstrations show (who passes whom on which side), in their shares. Ctrl-C stops and keeps what is done.

            Example: mimicd experts road --count 1000 --seed 1 --out runs/road-experts
            """,
            [pairMargin, goalSeparation, early], new RoadExpertOptions().ModeLaw,
            (parsed, _, law) =>
            {
                var options = new RoadExpertOptions { ModeLaw = law, GoalSeparation = Checked(parsed, goalSeparation), Early = parsed.GetValue(early) };
                InvalidInputException.Require(options.Early is >= 0 and <= RoadExpert.MaxEarly, early.Name, "", $"0 to {RoadExpert.MaxEarly}", options.Early);
                return new RoadExpert(options with { PairDistance = options.PairDistance + Checked(parsed, pairMargin) });
            });
    }

    private static Command Ring()
    {
        var pairMargin = Margin("--pair-margin", "pair");
        var radius = Metres("--radius", "Radius of the circle [m], instead of the scenario's: a small one is as dense from the start as a large crowd is on its way.");
        var spread = Metres("--spread", "Half width [m] of the uniform spread of starts and goals, instead of the scenario's.");
        var island = Metres("--island", "Radius [m] of a disc round the centre that experts keep out of, as of a roundabout's island; none by default.");
        var places = new Option<int?>("--places") { Description = "Places on the circle, of which the agents have the first ones, side by side: a few neighbours of a ring of so many. [default: as many as agents]", HelpName = "N" };
        var pace = new Option<double>("--pace") { Description = "Speed [m/s] at which the straight way that experts keep to is walked.", HelpName = "V", DefaultValueFactory = _ => new RingExpertOptions().Pace };
        return Make("ring", $"""
            Agents on a circle go to the opposite side, round the centre as in a roundabout: constraint-optimal unicycle paths, both ways round equally often, for 2 to {RingExpert.MaxAgents} agents.
            Ctrl-C stops and keeps what is done.

            Examples: mimicd experts ring --agents 4 --count 1000 --seed 1 --out runs/ring-experts
                      mimicd experts ring --agents 8 --radius 1.3 --spread 0.1 --pace 1.4 --out runs/dense-ring-experts
            """,
            [pairMargin, radius, spread, island, places, pace], null,
            (parsed, scenario, _) =>
            {
                InvalidInputException.Require(scenario.Agents <= RingExpert.MaxAgents, "--agents", "", $"2 to {RingExpert.MaxAgents}", scenario.Agents);
                if (parsed.GetValue(radius) is { } r)
                {
                    InvalidInputException.Require(r is >= MinRadius and <= MaxRadius, radius.Name, "", $"{MinRadius} to {MaxRadius}", r);
                    scenario = scenario with { Circle = scenario.Circle! with { Radius = r, Spacing = 0 } };
                }

                if (parsed.GetValue(spread) is { } half)
                {
                    InvalidInputException.Require(half is >= 0 and <= MaxMargin, spread.Name, "", $"0 to {MaxMargin}", half);
                    var law = new SpreadLaw { Law = SpreadKind.Uniform, Scale = half };
                    scenario = scenario with { Demonstrations = new DemonstrationsSpec { Starts = law, Goals = law } };
                }

                var speed = parsed.GetValue(pace);
                InvalidInputException.Require(speed > 0 && speed < (scenario.Dynamics.MaxSpeed ?? double.PositiveInfinity), pace.Name, "", $"above 0, below the scenario's largest speed {scenario.Dynamics.MaxSpeed}", speed);
                var disc = parsed.GetValue(island) ?? 0;
                var taken = parsed.GetValue(places) ?? 0;
                InvalidInputException.Require(taken == 0 || (taken >= scenario.Agents && taken <= Scenario.MaxAgents), places.Name, "", $"{scenario.Agents} (the agents) to {Scenario.MaxAgents}", taken);
                var outer = (scenario.Circle! with { Agents = Math.Max(taken, scenario.Agents) }).ActualRadius;
                InvalidInputException.Require(disc >= 0 && disc < outer, island.Name, "", $"0 or more, below the circle's radius {outer.ToString("0.###", CultureInfo.InvariantCulture)}", disc);
                return new RingExpert(scenario, new RingExpertOptions { PairMargin = Checked(parsed, pairMargin), Island = disc, Places = taken, Pace = speed });
            });
    }

    /// <summary>The verb of one task; without a usual law of modes there is no choice of one, and the scenario may have any number of agents.</summary>
    private static Command Make(string name, string description, Option[] own, ModeLaw? usual, Func<ParseResult, Scenario, ModeLaw, IExpertTask> create)
    {
        var number = new Option<int>("--count") { Description = "Demonstrations to make.", HelpName = "N", DefaultValueFactory = _ => 1000 };
        var output = new Option<string>("--out") { Description = "Folder for agents.npz and meta.json.", HelpName = "DIR", Required = true };
        var overwrite = RunOutput.Overwrite("demonstrations");
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
        var command = new Command(name, description) { number, output, overwrite, compare, usual is null ? agents : modes };
        foreach (var option in (Option[])[.. own, seed, threads, json])
        {
            command.Options.Add(option);
        }

        command.SetAction(async (parsed, cancellation) =>
        {
            var wanted = Options.Between(parsed.GetValue(number), 1, MaxCount, "--count");
            var workers = Options.Between(parsed.GetValue(threads), 1, 1024, "--threads");
            var folder = parsed.GetValue(output)!;
            var jsonFile = Options.WritableJson(parsed.GetValue(json), "--json");
            var scenario = Scenario.Load(Repository.File("scenarios", name + ".json"));
            if (usual is null && parsed.GetValue(agents) is { } several)
            {
                scenario = scenario.WithAgents(several);
            }

            var reference = parsed.GetValue(compare) is { } other ? DemonstrationSet.Load(other, scenario) : null;
            if (reference is not null)
            {
                DemonstrationChecks.RequireName(reference, scenario, $"--compare {parsed.GetValue(compare)}", Repository.KnownScenario);
                InvalidInputException.Require(reference.HasOneLength, "--compare", "positions", "demonstrations of one length", "demonstrations of different lengths");
            }

            var task = create(parsed, scenario, usual is null ? default : Enum.Parse<ModeLaw>(parsed.GetValue(modes)!, ignoreCase: true));
            InvalidInputException.Require(reference is null || (reference.Agents == scenario.Agents && reference.Dimensions == 2 && reference.Steps == task.Nominal.Knots), "--compare", "positions",
                $"shape (demonstrations, {scenario.Agents}, {task.Nominal.Knots}, 2)", reference?.Positions.ShapeText);
            using var claim = Claim(folder, parsed.GetValue(overwrite));
            var made = await Terminal.ProgressAsync("experts", "demonstrations", wanted, progress =>
                Task.Run(() => ExpertGenerator.Generate(task, wanted, parsed.GetValue(seed), workers, new Count(progress), cancellation), CancellationToken.None));
            var count = made.Demonstrations.Count;
            made.Demonstrations.Save(folder);
            var report = ExpertReport.Of(made.Demonstrations, task, reference is null ? default : reference.Positions.Data);
            if (jsonFile is not null)
            {
                var result = new ExpertsResult(parsed.GetValue(seed), count, wanted, made.Demonstrations.ContentHash(), made.Redrawn, made.Iterations, report.Own, report.DynamicsViolation,
                    report.Reference, double.IsNaN(report.Transport) ? null : report.Transport, double.IsNaN(report.TransportFloor) ? null : report.TransportFloor);
                AtomicFile.WriteText(jsonFile, StrictJson.Format(result) + "\n");
            }

            var table = Terminal.Table("", "value");
            foreach (var (what, value) in report.Rows)
            {
                table.Row(what, value);
            }

            Terminal.Out.Write(table);
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

    /// <summary>Claims the folder; demonstrations that it holds are replaced only by who says so, and files that are none not at all.</summary>
    private static OutputClaim Claim(string folder, bool overwrite)
    {
        var claim = OutputClaim.OfFolder(folder, "--out");
        try
        {
            var (arrays, meta) = (Path.Combine(folder, DemonstrationSet.ArraysName), Path.Combine(folder, DemonstrationSet.MetaName));
            var there = new[] { arrays, meta }.FirstOrDefault(File.Exists);
            InvalidInputException.Require(overwrite || there is null, $"--out {folder}", "", "a folder without demonstrations (--overwrite replaces them)", there);
            // Its description proves what the folder holds; a folder without one is no set of demonstrations.
            var proven = File.Exists(meta) && StrictJson.Parse<System.Text.Json.Nodes.JsonObject>(StrictJson.ReadText(meta), meta).ContainsKey("timeStep");
            claim.WillMake([DemonstrationSet.MetaName, DemonstrationSet.ArraysName], proven);
            claim.Forget();
            return claim;
        }
        catch
        {
            claim.Dispose();
            throw;
        }
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

    private static Option<double?> Metres(string name, string description) => new(name) { Description = description, HelpName = "M" };

    private sealed class Count(IProgress<long> progress) : IProgress<int>
    {
        public void Report(int value) => progress.Report(value);
    }

    private sealed record ExpertsResult(
        ulong Seed, int Count, int Wanted, string DemonstrationsHash, int Redrawn, long Iterations, PathFigures Own, double DynamicsViolation, PathFigures? Reference, double? Transport, double? TransportFloor);
}
