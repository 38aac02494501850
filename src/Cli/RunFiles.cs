using MimicD.Evaluation;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.Cli;

/// <summary>What a run leaves in its folder.</summary>
internal static class RunFiles
{
    /// <summary>Writes trajectories, outcomes and pictures, and says so.</summary>
    public static void Save(string folder, Scenario scenario, Rollouts rollouts, PathSet paths, Figures figures)
    {
        var file = Path.Combine(folder, RolloutFile.Name);
        (rollouts with { Modes = figures.Modes?.Labels }).Save(file);
        Terminal.Line($"wrote {file}");
        var content = PictureContent.Of(scenario, paths, rollouts.Goals.Data);
        var caption = $"{scenario.Name}: {paths.Episodes} episodes, strict success {100 * figures.StrictSuccess.Value:0.0} %";
        Write(Path.Combine(folder, OutcomesFile.Name), OutcomesFile.Format(Outcomes.Compute(scenario, paths, rollouts.Goals.Data)));
        Write(Path.Combine(folder, "trajectories.svg"), TrajectoryPicture.Panels(content, caption));
        Write(Path.Combine(folder, "overlay.svg"), TrajectoryPicture.Overlay(content, caption));
    }

    /// <summary>Writes a file, aside and renamed, and says so.</summary>
    public static void Write(string path, string text)
    {
        AtomicFile.WriteText(path, text);
        Terminal.Line($"wrote {path}");
    }
}
