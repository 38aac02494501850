using System.IO.Compression;
using System.Text;
using MimicD.Contracts;
using MimicD.Evaluation.Report;
using MimicD.Numerics;

namespace MimicD.Evaluation.Sweeps;

/// <summary>
/// A sweep's results without its models and rollouts, small enough to be kept with a text: what was asked, every cell's line, its scenario, and what happened in each of its episodes. Every rate and
/// mean can be computed from it again, and <c>mimicd report</c> makes its page of it, but for trajectories; a cell's command and trajectory hash say how its rollouts are had again.
/// </summary>
public static class SweepArchive
{
    /// <summary>Significant digits of the episodes' numbers: micrometres and below, a tenth of the room that exact bits take.</summary>
    public const int Digits = 7;

    private const string OutcomesName = OutcomesFile.Name + ".gz";

    /// <summary>Writes an archive.</summary>
    /// <param name="from">The folder of a sweep, finished or not.</param>
    /// <param name="to">The archive; what it held of the same name is replaced.</param>
    /// <param name="progress">Told how many cells are done, or null.</param>
    /// <exception cref="InvalidInputException">A file is missing or malformed, or rollouts do not belong to their figures.</exception>
    public static void Write(SweepFolder from, SweepFolder to, IProgress<long>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        InvalidInputException.Require(Path.GetFullPath(from.Root) != Path.GetFullPath(to.Root), to.Root, "", "another folder than the sweep's", "the same");
        var manifest = from.ReadManifest();
        var cells = from.ReadCells();
        for (var i = 0; i < cells.Length; i++)
        {
            cells[i] = cells[i].Figures is null ? cells[i] : Write(from, to, cells[i]);
            progress?.Report(i + 1);
        }

        to.WriteManifest(manifest);
        to.WriteCells(cells);
    }

    private static SweepCellResult Write(SweepFolder from, SweepFolder to, SweepCellResult cell)
    {
        // Reading the evidence also makes sure that episodes and figures belong together.
        var evidence = CellEvidence.Read(from, cell, null, 1);
        var missing = cell.Rollouts ?? SweepFolder.CellFile(cell.Id, RolloutFile.Name);
        InvalidInputException.Require(evidence.Outcomes is not null, from.Resolve(missing), "", $"the rollouts of cell {cell.Id}", "no such file");
        // Names in the archive are its own, whatever the folder's lines say.
        var scenario = SweepFolder.CellFile(cell.Id, SweepCellFiles.Scenario);
        AtomicFile.WriteText(to.Resolve(scenario), StrictJson.ReadText(from.Resolve(cell.ScenarioFile)));
        var file = SweepFolder.CellFile(cell.Id, OutcomesName);
        AtomicFile.Write(to.Resolve(file), stream =>
        {
            using var packed = new GZipStream(stream, CompressionLevel.SmallestSize, leaveOpen: true);
            packed.Write(Encoding.UTF8.GetBytes(OutcomesFile.Format(evidence.Outcomes!, Digits)));
        });
        return cell with { ScenarioFile = scenario, Rollouts = null, Outcomes = file, StartsHash = evidence.StartsHash };
    }
}
