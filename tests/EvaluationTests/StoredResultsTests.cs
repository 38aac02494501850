using System.Diagnostics;
using MimicD.Evaluation;
using MimicD.Evaluation.Report;
using MimicD.Evaluation.Sweeps;
using MimicD.Tests;

namespace MimicD.EvaluationTests;

/// <summary>What is kept under <c>docs/results</c> must follow from the episodes kept beside it, by a computation that shares no code with the one that made it.</summary>
public sealed class StoredResultsTests : IDisposable
{
    private static readonly string Results = Path.Combine(RepositoryRoot.Folder, "docs", "results");
    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("mimicd-");

    public static TheoryData<string> Archives => [.. Directory.EnumerateDirectories(Results).Select(d => Path.GetFileName(d)).Order(StringComparer.Ordinal)];

    public void Dispose() => _scratch.Delete(recursive: true);

    [Theory]
    [MemberData(nameof(Archives))]
    public void Every_stored_figure_is_had_again_from_the_stored_episodes(string archive)
    {
        var (code, output) = Recompute(Path.Combine(Results, archive));
        Assert.True(code == 0, output);
        Assert.DoesNotContain("stored ", output.Replace("all as stored", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Equal(File.ReadLines(Path.Combine(Results, archive, "cells.jsonl")).Count(), output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [Theory]
    [MemberData(nameof(Archives))]
    public void No_stored_interval_leaves_its_range_or_has_no_width(string archive)
    {
        foreach (var cell in new SweepFolder(Path.Combine(Results, archive)).ReadCells())
        {
            foreach (var figures in new[] { cell.Figures, cell.Baseline?.Figures }.OfType<Figures>())
            {
                foreach (var (key, estimate) in FigureValues.Of(figures).Where(f => f.Value.IsKnown))
                {
                    var (low, high) = FigureRanges.Of(key);
                    Assert.True(low <= estimate.Low && estimate.Low <= estimate.Value && estimate.Value <= estimate.High && estimate.High <= high, $"{cell.Id}, {key}: {estimate}");
                    // Lengths that are the same in all episodes to the last bit have no spread; shares always have one.
                    Assert.True(estimate.Low < estimate.High || double.IsInfinity(high), $"{cell.Id}, {key}: {estimate}");
                }
            }
        }
    }

    [Fact]
    public void A_figure_that_does_not_follow_is_told()
    {
        // A copy of the smallest archive whose first cell claims one success more.
        var from = Path.Combine(Results, "partners");
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(_scratch.FullName, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }

        var cells = Path.Combine(_scratch.FullName, "cells.jsonl");
        var text = File.ReadAllText(cells);
        Assert.Contains("\"strictSuccess\":{\"value\":0.949,", text, StringComparison.Ordinal);
        File.WriteAllText(cells, text.Replace("\"strictSuccess\":{\"value\":0.949,", "\"strictSuccess\":{\"value\":0.95,", StringComparison.Ordinal));
        var (code, output) = Recompute(_scratch.FullName);
        Assert.Equal(1, code);
        Assert.Contains("strictSuccess, value: stored 0.95, found 0.949", output, StringComparison.Ordinal);
    }

    private static (int Code, string Output) Recompute(string folder)
    {
        var start = new ProcessStartInfo("/usr/bin/python3", [Path.Combine(Results, "recompute.py"), folder]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }
}
