using System.Globalization;

namespace MimicD.Evaluation.Sweeps;

/// <summary>What went wrong with the agents of a cell, in the words of every table. A stopped agent stands still and hits nobody: without this its cell would look like a careful one.</summary>
/// <param name="Counts">How many episodes the cell's figures are of.</param>
/// <param name="Stopped">Agents that failed for good.</param>
/// <param name="Replaced">Actions that the world replaced.</param>
public sealed record SweepFaults(EpisodeCounts Counts, long Stopped, long Replaced)
{
    /// <summary>The faults of a cell, none among them; null where it failed or nothing was counted.</summary>
    public static SweepFaults? Of(SweepCellResult cell)
    {
        ArgumentNullException.ThrowIfNull(cell);
        if (cell.Figures is not { } figures || (cell.Counts is null && figures.Faults is null))
        {
            return null;
        }

        // Cells from before episodes with faults were told have the sums alone.
        var (stopped, replaced) = (cell.Counts?.Stopped ?? 0, cell.Counts?.Fallbacks ?? figures.Faults!.Actions);
        var counts = EpisodeCounts.Of(figures);
        return new SweepFaults(counts with { Faulty = counts.Faulty || stopped > 0 || replaced > 0 }, stopped, replaced);
    }

    /// <summary>As in <c>40 agents stopped, 400 actions replaced, 0 of 20 episodes without fault</c>.</summary>
    public override string ToString()
        => string.Create(CultureInfo.InvariantCulture, $"{Stopped} {(Stopped == 1 ? "agent" : "agents")} stopped, {Replaced} {(Replaced == 1 ? "action" : "actions")} replaced")
           + (Counts.Intact is { } intact ? string.Create(CultureInfo.InvariantCulture, $", {intact} of {Counts.Episodes} episodes without fault") : "");
}
