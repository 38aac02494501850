using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Evaluation.Report;
using MimicD.Evaluation.Sweeps;

namespace MimicD.EvaluationTests;

/// <summary>No path and no id that a folder of results names leads out of it.</summary>
public sealed class ConfinedPathTests : IDisposable
{
    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("mimicd-");
    private readonly string _root;

    public ConfinedPathTests() => _root = _scratch.CreateSubdirectory("root").FullName;

    public void Dispose() => _scratch.Delete(recursive: true);

    [Theory]
    [InlineData("")]
    [InlineData("../x")]
    [InlineData("..")]
    [InlineData("a/../../x")]
    [InlineData("a/..")]
    [InlineData("/etc/hostname")]
    [InlineData("a\0b")]
    [InlineData("a\nb")]
    [InlineData("out/x")]
    [InlineData("chain/x")]
    [InlineData("loop/x")]
    [InlineData("file")]
    public void A_path_that_leads_out_is_refused_in_one_line(string path)
    {
        Links();
        var message = Assert.Throws<InvalidInputException>(() => ConfinedPath.Resolve(_root, path, "cells.jsonl: line 1", "rollouts")).Message;

        Assert.StartsWith($"cells.jsonl: line 1: rollouts: expected a path within {_root}, also after its links are followed, found '", message, StringComparison.Ordinal);
        Assert.DoesNotContain(message, char.IsControl);
    }

    [Theory]
    [InlineData("a")]
    [InlineData("a/b.json")]
    [InlineData("./a//b")]
    [InlineData("..a/b..")]
    [InlineData("in/x")]
    public void A_path_within_is_taken_whether_it_is_there_or_not(string path)
    {
        Links();
        Assert.Equal(Path.Combine(_root, path), ConfinedPath.Resolve(_root, path, "a file", ""));
        // The folder itself may be reached through a link.
        Assert.Equal(Path.Combine(_scratch.FullName, "alias", path), ConfinedPath.Resolve(Path.Combine(_scratch.FullName, "alias"), path, "a file", ""));
    }

    [Theory]
    [InlineData("id", "../../x")]
    [InlineData("id", "../../../../etc/x")]
    [InlineData("id", "0123456789ab/..")]
    [InlineData("id", "0123456789ab\0")]
    [InlineData("id", "0123456789ab\n")]
    [InlineData("id", "/tmp/x")]
    [InlineData("id", "")]
    [InlineData("scenarioFile", "/etc/hostname")]
    [InlineData("scenarioFile", "../elsewhere/scenario.json")]
    [InlineData("rollouts", "../elsewhere/rollouts.npz")]
    [InlineData("outcomes", "cells/../../elsewhere/outcomes.csv.gz")]
    [InlineData("model.file", "../../models/x.safetensors")]
    public void A_line_that_names_what_lies_elsewhere_is_refused_and_nothing_is_archived(string field, string value)
    {
        var folder = SyntheticSweep.Write(_root);
        var cells = folder.ReadCells();
        var cell = cells[1];
        cells[1] = field switch
        {
            "id" => cell with { Id = value },
            "scenarioFile" => cell with { ScenarioFile = value },
            "rollouts" => cell with { Rollouts = value },
            "outcomes" => cell with { Outcomes = value },
            _ => cell with { Model = cell.Model! with { File = value } },
        };
        File.WriteAllText(folder.CellsPath, string.Concat(cells.Select(c => StrictJson.Format(c, indented: false) + "\n")));
        var archive = new SweepFolder(Path.Combine(_scratch.FullName, "a", "b", "archive"));

        foreach (var refused in new Action[] { () => folder.ReadCells(), () => SweepArchive.Write(folder, archive), () => ReportBuilder.Build(folder, folder.ReadManifest(), folder.ReadCells(), "report", 1) })
        {
            Assert.StartsWith($"{folder.CellsPath}: line 2: {field}: expected ", Assert.Throws<InvalidInputException>(refused).Message, StringComparison.Ordinal);
        }

        Assert.False(Directory.Exists(Path.Combine(_scratch.FullName, "a")));
    }

    [Fact]
    public void An_id_that_comes_twice_or_lies_in_another_cells_folder_is_refused()
    {
        var folder = SyntheticSweep.Write(_root);
        var cells = folder.ReadCells();
        File.WriteAllText(folder.CellsPath, string.Concat(cells.Append(cells[0]).Select(c => StrictJson.Format(c, indented: false) + "\n")));
        Assert.Equal($"{folder.CellsPath}: line {cells.Length + 1}: id: expected an id that no line before has, found {cells[0].Id} again", Assert.Throws<InvalidInputException>(folder.ReadCells).Message);

        folder.WriteCell(cells[0]);
        var other = Path.Combine(_root, "cells", cells[1].Id, "result.json");
        File.Copy(Path.Combine(_root, "cells", cells[0].Id, "result.json"), other);
        Assert.Equal($"{other}: id: expected {cells[1].Id}, as its folder is called, found {cells[0].Id}", Assert.Throws<InvalidInputException>(() => folder.ReadCell(cells[1].Id)).Message);
    }

    [Fact]
    public void A_link_is_followed_neither_for_reading_nor_for_writing()
    {
        var folder = SyntheticSweep.Write(_root);
        var id = folder.ReadCells()[0].Id;
        var elsewhere = _scratch.CreateSubdirectory("elsewhere").FullName;
        Directory.Move(Path.Combine(_root, "cells", id), Path.Combine(elsewhere, id));
        Directory.CreateSymbolicLink(Path.Combine(_root, "cells", id), Path.Combine(elsewhere, id));
        Assert.Contains("expected a path within", Assert.Throws<InvalidInputException>(folder.ReadCells).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidInputException>(() => folder.ClearCell(id));
        Assert.True(File.Exists(Path.Combine(elsewhere, id, RolloutFile.Name)));

        // An archive that is there already and whose table leads elsewhere.
        var archive = new SweepFolder(_scratch.CreateSubdirectory("archive").FullName);
        var victim = Path.Combine(elsewhere, "victim");
        File.WriteAllText(victim, "mine");
        File.CreateSymbolicLink(archive.TablePath, victim);
        Assert.Throws<InvalidInputException>(() => archive.WriteCells([]));
        Assert.Equal("mine", File.ReadAllText(victim));
    }

    [Fact]
    public void Names_in_an_archive_are_its_own()
    {
        var folder = SyntheticSweep.Write(_root);
        var cells = folder.ReadCells();
        File.Copy(folder.Resolve(cells[0].ScenarioFile), Path.Combine(_root, "one.json"));
        folder.WriteCells([cells[0] with { ScenarioFile = "one.json" }, .. cells[1..]]);
        var archive = new SweepFolder(Path.Combine(_scratch.FullName, "archive"));
        SweepArchive.Write(folder, archive);

        Assert.Equal(SweepFolder.CellFile(cells[0].Id, "scenario.json"), archive.ReadCells()[0].ScenarioFile);
        Assert.False(File.Exists(Path.Combine(archive.Root, "one.json")));
    }

    private void Links()
    {
        var outside = _scratch.CreateSubdirectory("outside").FullName;
        Directory.CreateDirectory(Path.Combine(_root, "inside"));
        Directory.CreateSymbolicLink(Path.Combine(_root, "in"), Path.Combine(_root, "inside"));
        Directory.CreateSymbolicLink(Path.Combine(_root, "out"), outside);
        Directory.CreateSymbolicLink(Path.Combine(_root, "chain"), "inside/../out");
        Directory.CreateSymbolicLink(Path.Combine(_root, "loop"), "loop");
        File.WriteAllText(Path.Combine(outside, "secret"), "");
        File.CreateSymbolicLink(Path.Combine(_root, "file"), "../outside/secret");
        Directory.CreateSymbolicLink(Path.Combine(_scratch.FullName, "alias"), _root);
    }
}
