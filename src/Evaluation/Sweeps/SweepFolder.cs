using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Evaluation.Sweeps;

/// <summary>
/// The folder of a sweep: <c>sweep.json</c>, <c>cells.jsonl</c> and <c>cells.csv</c> (one line a finished or failed cell, in the sweep's order), <c>cells/ID/</c> and
/// <c>models/</c>. Every file is written aside and renamed.
/// </summary>
/// <param name="root">The folder.</param>
public sealed class SweepFolder(string root)
{
    /// <summary>The folder.</summary>
    public string Root { get; } = root;

    /// <summary>What was asked.</summary>
    public string ManifestPath => Path.Combine(Root, "sweep.json");

    /// <summary>Results, one JSON line a cell.</summary>
    public string CellsPath => Path.Combine(Root, "cells.jsonl");

    /// <summary>Results as one table.</summary>
    public string TablePath => Path.Combine(Root, "cells.csv");

    /// <summary>A file of a cell relative to <see cref="Root"/>, with forward slashes.</summary>
    public static string CellFile(string id, string name) => $"cells/{id}/{name}";

    /// <summary>A path relative to <see cref="Root"/> (or an absolute one) as one that can be opened.</summary>
    public string Resolve(string relative) => Path.Combine(Root, relative);

    /// <summary>Reads <c>sweep.json</c>.</summary>
    /// <exception cref="InvalidInputException">Missing or malformed.</exception>
    public SweepManifest ReadManifest() => StrictJson.ReadFile<SweepManifest>(ManifestPath);

    /// <summary>Writes <c>sweep.json</c>.</summary>
    public void WriteManifest(SweepManifest manifest) => AtomicFile.WriteText(ManifestPath, StrictJson.Format(manifest) + "\n");

    /// <summary>Reads <c>cells.jsonl</c>: what is finished so far, and what failed.</summary>
    /// <exception cref="InvalidInputException">Missing, or a line is malformed.</exception>
    public SweepCellResult[] ReadCells()
        => [.. StrictJson.ReadText(CellsPath).Split('\n').Index().Where(l => l.Item.Length > 0).Select(l => StrictJson.ParseRecord<SweepCellResult>(l.Item, $"{CellsPath}: line {l.Index + 1}"))];

    /// <summary>Writes <c>cells.jsonl</c> and <c>cells.csv</c>.</summary>
    /// <param name="cells">In the sweep's order.</param>
    public void WriteCells(IReadOnlyList<SweepCellResult> cells)
    {
        ArgumentNullException.ThrowIfNull(cells);
        AtomicFile.WriteText(CellsPath, string.Concat(cells.Select(c => StrictJson.Format(c, indented: false) + "\n")));
        AtomicFile.WriteText(TablePath, SweepTable.Csv(cells));
    }

    /// <summary>The result of one cell, or null where it has none yet.</summary>
    /// <exception cref="InvalidInputException">Malformed.</exception>
    public SweepCellResult? ReadCell(string id)
    {
        var path = Resolve(CellFile(id, "result.json"));
        return File.Exists(path) ? StrictJson.ReadRecord<SweepCellResult>(path) : null;
    }

    /// <summary>Writes the result of one cell.</summary>
    public void WriteCell(SweepCellResult cell)
    {
        ArgumentNullException.ThrowIfNull(cell);
        AtomicFile.WriteText(Resolve(CellFile(cell.Id, "result.json")), StrictJson.Format(cell) + "\n");
    }

    /// <summary>Claims the folder for this process until disposed, and removes what a killed one left half-written.</summary>
    /// <param name="option">The option that named it, for messages.</param>
    /// <exception cref="InvalidDataException">Another process has claimed it, it cannot be written, or it holds files of these names that are no sweep's.</exception>
    /// <exception cref="InvalidInputException">Its manifest is malformed.</exception>
    public IDisposable Claim(string option = "--out")
    {
        var claim = OutputClaim.OfFolder(Root, option);
        try
        {
            // A folder with the manifest of a sweep proves itself, also one from before there were ledgers.
            string[] tables = [Path.GetFileName(ManifestPath), Path.GetFileName(CellsPath), Path.GetFileName(TablePath)];
            if (File.Exists(ManifestPath))
            {
                _ = ReadManifest();
                claim.WillMake(tables, proven: true);
            }
            else
            {
                claim.WillMake(tables);
            }

            claim.Forget();
            return claim;
        }
        catch
        {
            claim.Dispose();
            throw;
        }
    }

    /// <summary>Forgets a cell's result and episodes.</summary>
    public void ClearCell(string id)
    {
        var path = Resolve($"cells/{id}");
        if (Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }
    }

    /// <summary>The rollouts of one finished block of a cell; the file stands while the cell is unfinished.</summary>
    public string BlockPath(string id, int block) => Resolve(CellFile(id, FormattableString.Invariant($"block-{block:0000}.npz")));

    /// <summary>What was counted in that block; written before its rollouts.</summary>
    public string BlockCountsPath(string id, int block) => Path.ChangeExtension(BlockPath(id, block), ".json");
}
