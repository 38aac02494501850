using System.CommandLine;
using System.CommandLine.Parsing;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.Cli;

/// <summary><c>mimicd run --replay LOG</c>: a run's trajectories again from its event log.</summary>
internal static class RunReplay
{
    public static bool IsAsked(ParseResult parsed) => parsed.GetValue(RunContinuation.Replay) is not null;

    public static int Run(ParseResult parsed, CancellationToken cancellation)
    {
        var given = parsed.CommandResult.Children.OfType<OptionResult>().Where(o => !o.Implicit).ToDictionary(o => o.Option.Name, o => o.Tokens.Count > 0 ? o.Tokens[0].Value : "", StringComparer.Ordinal);
        var other = parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(a => a.Tokens).Select(t => t.Value).Concat(given.Keys.Except(["--replay", "--out", "--overwrite", "--json"], StringComparer.Ordinal)).FirstOrDefault();
        InvalidInputException.Require(other is null, "--replay", "", "nothing but --out and --json beside it (the rest is in the log)", other);
        using var place = given.TryGetValue("--out", out var folder) ? OutputClaim.OfFolder(folder, "--out") : null;
        var output = place is null ? null : folder;
        InvalidInputException.Require(output is null || given.ContainsKey("--overwrite") || !File.Exists(Path.Combine(output, RolloutFile.Name)), $"--out {output}", "", "a folder without rollouts (--overwrite replaces them)", RolloutFile.Name);
        place?.RequireOwn([RolloutFile.Name]);
        var json = Options.WritableJson(given.GetValueOrDefault("--json"), "--json");
        var file = parsed.GetValue(RunContinuation.Replay)!;
        var replay = EventReplay.Of(file, cancellation);
        var ticks = replay.Scenario.Steps - 1;
        var written = new List<string>();
        if (output is not null)
        {
            var path = Path.Combine(output, RolloutFile.Name);
            place!.WillMake([RolloutFile.Name]);
            var paths = PathSet.Create<float>(replay.Rollouts.Positions.Data, replay.Rollouts.Positions.Shape, replay.Scenario.Name);
            (replay.Rollouts with { Modes = Figures.Compute(replay.Scenario, paths, replay.Rollouts.Goals.Data, null, cancellationToken: cancellation).Modes?.Labels }).Save(path);
            written.Add(path);
        }

        if (json is not null)
        {
            AtomicFile.WriteText(json, StrictJson.Format(new ReplayResult(Path.GetFullPath(file), replay.Scenario.Name, replay.StepsDone, ticks, replay.Completed, replay.TornBytes, replay.TrajectoryHash)) + "\n");
            written.Add(json);
        }

        Terminal.Line($"replayed {replay.StepsDone} of {ticks} ticks: every observation and every state is what the log says");
        if (!replay.Completed)
        {
            Terminal.Line($"the log ends before the run does{(replay.TornBytes > 0 ? $", within a record; its last {replay.TornBytes} bytes are left out" : "")}");
        }

        Terminal.Line($"trajectory hash {replay.TrajectoryHash}");
        foreach (var path in written)
        {
            Terminal.Line($"wrote {path}");
        }

        return 0;
    }

    private sealed record ReplayResult(string Log, string Scenario, int StepsDone, int Steps, bool Completed, long TornBytes, string TrajectoryHash);
}
