using System.CommandLine;
using MimicD.Evaluation;
using MimicD.World;

namespace MimicD.Cli;

/// <summary><c>mimicd evaluate</c>: the figures of saved rollouts, or of any paths.</summary>
internal static class EvaluateVerb
{
    public static Command Create()
    {
        var rollouts = new Argument<string>("ROLLOUTS") { Description = "An .npz file with 'positions' [episodes, agents, times, D] (and 'goals' [episodes, agents, D]), or the folder of a run." };
        var scenario = new Option<string>("--scenario") { Description = "The scenario they belong to: the name of one that comes with the program, or a file.", HelpName = "NAME|FILE", Required = true };
        var demonstrations = new Option<string?>("--demos") { Description = "Demonstrations to compare with: a folder of 'mimicd experts', or of one .npy an agent.", HelpName = "DIR" };
        var seed = Options.Seed();
        seed.Description = "Accepted as everywhere; nothing here is random but resampling, which it keys.";
        var json = Options.Json();
        var full = FiguresTable.Full();
        var outcomesFile = new Option<string?>("--outcomes") { Description = "Also write one line an episode here: what the rates and means are computed from.", HelpName = "FILE.csv" };
        var command = new Command("evaluate", """
            Computes the figures of saved rollouts: success, collisions, modes, transport distance, roughness, each with its 95 % interval; definitions in docs/metrics.md.

            Example: mimicd evaluate runs/latest --scenario swap --demos runs/experts --full
            """)
        {
            rollouts, scenario, demonstrations, full, outcomesFile, seed, json,
        };
        command.SetAction(parsed =>
        {
            var path = parsed.GetValue(rollouts)!;
            var output = Options.WritableJson(parsed.GetValue(json), "--json");
            var lines = Options.WritableFile(parsed.GetValue(outcomesFile), "--outcomes", "outcomes", OutcomesFile.IsOne);
            var (paths, goals, world) = RolloutFile.Load(path, Scenario.Load(Repository.Shipped("scenarios", parsed.GetValue(scenario)!)));
            var baseline = parsed.GetValue(demonstrations) is { } folder ? Load(folder, world) : null;
            var figures = Figures.Compute(world, paths, goals, baseline, parsed.GetValue(seed));
            var files = new RunFiles();
            if (lines is not null)
            {
                OutcomesFile.Save(lines, Outcomes.Compute(world, paths, goals));
            }

            if (output is not null)
            {
                files.WriteJson(output, new EvaluateResult(Path.GetFullPath(path), world.Name, baseline, figures));
            }

            Terminal.Out.Write(FiguresTable.Create(figures, baseline, parsed.GetValue(full)));
            if (lines is not null)
            {
                Terminal.Line($"wrote {lines}");
            }

            files.Tell();
            return 0;
        });
        return command;
    }

    /// <summary>The baseline of demonstrations at hand.</summary>
    public static Baseline Load(string folder, Scenario scenario)
    {
        var set = Read(folder, scenario);
        return Baseline.Of(scenario, PathSet.Of(set, folder));
    }

    /// <summary>Demonstrations that fit a scenario.</summary>
    public static DemonstrationSet Read(string folder, Scenario scenario)
    {
        var set = DemonstrationChecks.Require(DemonstrationSet.Load(folder, scenario), scenario, folder, Repository.KnownScenario);
        foreach (var doubt in DemonstrationChecks.Doubts(set, scenario, folder))
        {
            Console.Error.WriteLine($"mimicd: warning: {doubt}");
        }

        return set;
    }

    private sealed record EvaluateResult(string Rollouts, string Scenario, Baseline? Demonstrations, Figures Figures);
}
