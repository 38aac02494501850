using System.Globalization;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.Cli;

/// <summary>What a verb writes: at once, before anything is shown, so that no terminal that blocks or is gone keeps a result from its file.</summary>
internal sealed class RunFiles
{
    private readonly List<string> _written = [];

    /// <summary>Writes a file, aside and renamed.</summary>
    public void Write(string path, string text)
    {
        AtomicFile.WriteText(path, text);
        _written.Add(path);
    }

    /// <summary>Writes a value as JSON.</summary>
    public void WriteJson<T>(string path, T value) => Write(path, StrictJson.Format(value) + "\n");

    /// <summary>Writes trajectories, and the modes where they are known.</summary>
    public void Save(string folder, Rollouts rollouts, Figures? figures)
    {
        var file = Path.Combine(folder, RolloutFile.Name);
        (rollouts with { Modes = figures?.Modes?.Labels }).Save(file);
        _written.Add(file);
    }

    /// <summary>Writes what follows from trajectories: outcomes and pictures.</summary>
    /// <returns>Whether all of it was written; not where it took longer than somebody who stopped the program waits.</returns>
    public async Task<bool> TrySaveOutcomesAsync(string folder, Scenario scenario, Rollouts rollouts, PathSet paths, Figures figures, CancellationToken cancellation)
    {
        try
        {
            await SaveOutcomesAsync(folder, scenario, rollouts, paths, figures, cancellation);
            return true;
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return false;
        }
    }

    private async Task SaveOutcomesAsync(string folder, Scenario scenario, Rollouts rollouts, PathSet paths, Figures figures, CancellationToken cancellation)
    {
        var goals = rollouts.Goals.Data;
        Write(Path.Combine(folder, OutcomesFile.Name), await Closing.RunAsync(() => OutcomesFile.Format(Outcomes.Compute(scenario, paths, goals, cancellation)), cancellation));
        var content = await Closing.RunAsync(() => PictureContent.Of(scenario, paths, goals, cancellation), cancellation);
        var caption = string.Create(CultureInfo.InvariantCulture, $"{scenario.Name}: {paths.Episodes} episodes, strict success {100 * figures.StrictSuccess.Value:0.0} %");
        Write(Path.Combine(folder, "trajectories.svg"), await Closing.RunAsync(() => TrajectoryPicture.Panels(content, caption, cancellationToken: cancellation), cancellation));
        Write(Path.Combine(folder, "overlay.svg"), await Closing.RunAsync(() => TrajectoryPicture.Overlay(content, caption, cancellationToken: cancellation), cancellation));
    }

    /// <summary>Says what was written.</summary>
    public void Tell()
    {
        foreach (var path in _written)
        {
            Terminal.Line($"wrote {path}");
        }

        _written.Clear();
    }
}
