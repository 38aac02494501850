using System.Text.RegularExpressions;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Evaluation.Sweeps;

/// <summary>
/// The folder of a sweep: <c>sweep.json</c>, <c>cells.jsonl</c> and <c>cells.csv</c> (one line a finished or failed cell, in the sweep's order), <c>cells/ID/</c> and
/// <c>models/</c>. Every file is written aside and renamed.
/// </summary>
/// <param name="root">The folder.</param>
public sealed partial class SweepFolder(string root)
{
    private const string ManifestName = "sweep.json";
    private const string CellsName = "cells.jsonl";
    private const string TableName = "cells.csv";

    /// <summary>The folder.</summary>
    public string Root { get; } = root;

    /// <summary>What was asked.</summary>
    public string ManifestPath => Path.Combine(Root, ManifestName);

    /// <summary>Results, one JSON line a cell.</summary>
    public string CellsPath => Path.Combine(Root, CellsName);

    /// <summary>Results as one table.</summary>
    public string TablePath => Path.Combine(Root, TableName);

    /// <summary>A file of a cell relative to <see cref="Root"/>, with forward slashes.</summary>
    public static string CellFile(string id, string name) => $"cells/{id}/{name}";

    /// <summary>A path relative to <see cref="Root"/> as one that can be opened.</summary>
    /// <param name="relative">The path, with forward slashes; it may come from a file.</param>
    /// <exception cref="InvalidInputException">It leads out of the folder.</exception>
    public string Resolve(string relative) => Resolve(relative, Root, "");

    /// <summary>The same for what a file names.</summary>
    /// <param name="relative">The path, with forward slashes.</param>
    /// <param name="where">The file, for the message.</param>
    /// <param name="field">The field, for the message.</param>
    /// <exception cref="InvalidInputException">It leads out of the folder.</exception>
    public string Resolve(string relative, string where, string field) => ConfinedPath.Resolve(Root, relative, where, field);

    /// <summary>Reads <c>sweep.json</c>.</summary>
    /// <exception cref="InvalidInputException">Missing or malformed.</exception>
    public SweepManifest ReadManifest()
    {
        var manifest = StrictJson.ReadFile<SweepManifest>(Resolve(ManifestName));
        SweepSeeds.Require(manifest.SeedVersion, ManifestPath, "seedVersion");
        return manifest;
    }

    /// <summary>Writes <c>sweep.json</c>.</summary>
    public void WriteManifest(SweepManifest manifest) => AtomicFile.WriteText(Resolve(ManifestName), StrictJson.Format(manifest) + "\n");

    /// <summary>Reads <c>cells.jsonl</c>: what is finished so far, and what failed.</summary>
    /// <exception cref="InvalidInputException">Missing, or a line is malformed.</exception>
    public SweepCellResult[] ReadCells()
    {
        var ids = new HashSet<string>(StringComparer.Ordinal);
        return [.. StrictJson.ReadText(Resolve(CellsName)).Split('\n').Index().Where(l => l.Item.Length > 0).Select(l => Read(l.Item, $"{CellsPath}: line {l.Index + 1}"))];

        SweepCellResult Read(string line, string where)
        {
            var cell = Checked(StrictJson.ParseRecord<SweepCellResult>(line, where), where);
            InvalidInputException.Require(ids.Add(cell.Id), where, "id", "an id that no line before has", $"{cell.Id} again");
            return cell;
        }
    }

    /// <summary>Writes <c>cells.jsonl</c> and <c>cells.csv</c>.</summary>
    /// <param name="cells">In the sweep's order.</param>
    public void WriteCells(IReadOnlyList<SweepCellResult> cells)
    {
        ArgumentNullException.ThrowIfNull(cells);
        AtomicFile.WriteText(Resolve(CellsName), string.Concat(cells.Select(c => StrictJson.Format(c, indented: false) + "\n")));
        AtomicFile.WriteText(Resolve(TableName), SweepTable.Csv(cells));
    }

    /// <summary>The result of one cell, or null where it has none yet.</summary>
    /// <exception cref="InvalidInputException">Malformed.</exception>
    public SweepCellResult? ReadCell(string id)
    {
        var path = Resolve(CellFile(id, SweepCellFiles.Result));
        if (!File.Exists(path))
        {
            return null;
        }

        var cell = Checked(StrictJson.ReadRecord<SweepCellResult>(path), path);
        InvalidInputException.Require(cell.Id == id, path, "id", $"{id}, as its folder is called", cell.Id);
        return cell;
    }

    /// <summary>Writes the result of one cell.</summary>
    public void WriteCell(SweepCellResult cell)
    {
        ArgumentNullException.ThrowIfNull(cell);
        AtomicFile.WriteText(Resolve(CellFile(cell.Id, SweepCellFiles.Result)), StrictJson.Format(cell) + "\n");
    }

    /// <summary>Claims the folder for this process until disposed, and removes what a killed one left half-written.</summary>
    /// <param name="option">The option that named it, for messages.</param>
    /// <exception cref="InvalidInputException">Another process has claimed it, it cannot be written, or it holds files of these names that are no sweep's.</exception>
    public IDisposable Claim(string option = "--out")
    {
        OutputClaim? claim = null;
        try
        {
            claim = OutputClaim.OfFolder(Root, option);
            // A folder with the manifest or the cells of a sweep proves itself, also one from before there were ledgers; what is neither is refused where it is read.
            string[] tables = [Path.GetFileName(ManifestPath), Path.GetFileName(CellsPath), Path.GetFileName(TablePath)];
            if (File.Exists(ManifestPath))
            {
                _ = ReadManifest();
            }
            else if (File.Exists(CellsPath))
            {
                _ = ReadCells();
            }

            claim.WillMake(tables, proven: File.Exists(ManifestPath) || File.Exists(CellsPath));
            claim.Forget();
            return claim;
        }
        catch (InvalidDataException e)
        {
            claim?.Dispose();
            throw new InvalidInputException(e.Message, e);
        }
        catch
        {
            claim?.Dispose();
            throw;
        }
    }

    /// <summary>Forgets a cell's result and episodes. What the sweep did not write stays where it is.</summary>
    /// <param name="id">The cell's id.</param>
    /// <returns>Names of what was left in the cell's folder.</returns>
    public IReadOnlyList<string> ClearCell(string id) => SweepCellFiles.Remove(Resolve($"cells/{id}"), SweepCellFiles.InCell);

    /// <summary>The rollouts of one finished block of a cell; the file stands while the cell is unfinished.</summary>
    public string BlockPath(string id, int block) => Resolve(CellFile(id, FormattableString.Invariant($"block-{block:0000}.npz")));

    /// <summary>What was counted in that block; written before its rollouts.</summary>
    public string BlockCountsPath(string id, int block) => Path.ChangeExtension(BlockPath(id, block), ".json");

    /// <summary>Refuses a line whose id is none, or whose files lie elsewhere: ids and paths become paths of this folder, and a folder may come from anybody.</summary>
    private SweepCellResult Checked(SweepCellResult cell, string where)
    {
        InvalidInputException.Require(IdPattern().IsMatch(cell.Id), where, "id", "12 hexadecimal digits", $"'{cell.Id}'");
        foreach (var (field, path) in new[] { ("scenarioFile", cell.ScenarioFile), ("rollouts", cell.Rollouts), ("outcomes", cell.Outcomes), ("model.file", cell.Model is { TrainingSeed: not null, File: var file } ? file : null) })
        {
            if (path is not null)
            {
                Resolve(path, where, field);
            }
        }

        return cell;
    }

    [GeneratedRegex(@"^[0-9a-f]{12}\z", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex IdPattern();
}
