using MimicD.Contracts;
using MimicD.Evaluation.Report;
using MimicD.Evaluation.Sweeps;
using MimicD.Tests;
using MimicD.World;

namespace MimicD.EvaluationTests;

/// <summary>Blocks of episodes are keyed by seed and block; folders from before keep the seeds they began with.</summary>
public sealed class SweepSeedTests : IDisposable
{
    private const string Text = """{ "name": "a", "episodes": 12, "block": 2, "seed": SEED, "base": { "scenario": "ring", "policy": "straight" }, "axes": [ { "name": "spread", "key": "scenario.starts.scale", "values": [0.1] } ] }""";
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mimicd-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Sweeps_with_neighbouring_seeds_share_no_episode_start()
    {
        var starts = new HashSet<string>(StringComparer.Ordinal);
        const ulong sweeps = 4;
        for (ulong seed = 0; seed < sweeps; seed++)
        {
            foreach (var episode in Starts(Assert.Single(Plan(seed).Cells)))
            {
                Assert.True(starts.Add(episode), $"an episode of seed {seed} begins as one of another sweep, or of another of its blocks");
            }
        }

        // Nor with a run of such a seed.
        for (ulong seed = 0; seed < sweeps; seed++)
        {
            Assert.All(Episodes(Scenario.Load(Path.Combine(RepositoryRoot.Folder, "scenarios", "ring.json")), seed, 4), e => Assert.DoesNotContain(e, starts));
        }
    }

    [Fact]
    public void Seeds_of_blocks_are_different_and_exact_in_any_reader_of_json()
    {
        ulong[] seeds = [.. Enumerable.Range(0, 200).SelectMany(s => Enumerable.Range(0, 50).Select(b => SweepSeeds.Of(SweepSeeds.Keyed, (ulong)s, b)))];

        Assert.Equal(seeds.Length, seeds.Distinct().Count());
        Assert.All(seeds, s => Assert.InRange(s, 1001UL, (1UL << 53) - 1));
        Assert.Equal([ulong.MaxValue, 0UL, 1UL], Enumerable.Range(0, 3).Select(b => SweepSeeds.Of(SweepSeeds.Consecutive, ulong.MaxValue, b)));
    }

    [Fact]
    public void A_folder_without_a_version_is_of_the_first_and_its_cells_keep_their_ids()
    {
        var folder = new SweepFolder(Path.Combine(RepositoryRoot.Folder, "docs", "results", "partners"));
        var copy = new SweepFolder(_folder.FullName);
        File.WriteAllLines(copy.ManifestPath, File.ReadLines(folder.ManifestPath).Where(l => !l.Contains("seedVersion", StringComparison.Ordinal)));

        Assert.Equal((1, 1), (folder.ReadManifest().SeedVersion, copy.ReadManifest().SeedVersion));
        var (before, now) = (Plan(7, SweepSeeds.Consecutive).Cells[0], Plan(7).Cells[0]);
        Assert.Equal([7UL, 8UL, 9UL, 10UL, 11UL, 12UL], before.Seeds);
        Assert.NotEqual(before.Id, now.Id);
        // What the stored cells say of their seeds is what the first version gives.
        Assert.All(folder.ReadCells(), c => Assert.Equal(c.Seeds.Select((_, b) => SweepSeeds.Of(SweepSeeds.Consecutive, folder.ReadManifest().Seed, b)), c.Seeds));
    }

    [Fact]
    public void A_version_that_there_is_not_is_refused()
    {
        var folder = SyntheticSweep.Write(_folder.FullName);
        folder.WriteManifest(folder.ReadManifest() with { SeedVersion = 3 });

        Assert.Equal($"{folder.ManifestPath}: seedVersion: expected 1 to 2, found 3", Assert.Throws<InvalidInputException>(folder.ReadManifest).Message);
    }

    [Fact]
    public void Many_seeds_are_shown_by_their_first()
    {
        var folder = SyntheticSweep.Write(_folder.FullName);
        var cells = folder.ReadCells();
        cells[0] = cells[0] with { Seeds = [.. Enumerable.Range(0, 24).Select(b => SweepSeeds.Of(SweepSeeds.Keyed, 0, b))], BlockEpisodes = [.. Enumerable.Repeat(1, 24)] };
        var report = ReportBuilder.Build(folder, folder.ReadManifest(), cells, "mimicd report", seed: 1);

        Assert.EndsWith(", ... (24 blocks)", Assert.Single(report.Cells[0].Details, d => d[0] == "seeds of the blocks")[1], StringComparison.Ordinal);
    }

    private static IEnumerable<string> Starts(SweepCell cell) => cell.Seeds.Zip(cell.BlockEpisodes).SelectMany(b => Episodes(cell.Scenario, b.First, b.Second));

    private static IEnumerable<string> Episodes(Scenario scenario, ulong seed, int count)
        => scenario.DrawStarts(seed, count).Chunk(scenario.Agents * scenario.Dimensions).Select(e => string.Join(' ', e.Select(BitConverter.DoubleToInt64Bits)));

    private SweepPlan Plan(ulong seed, int version = SweepSeeds.Current)
    {
        var path = Path.Combine(_folder.FullName, "a.json");
        File.WriteAllText(path, Text.Replace("SEED", $"{seed}", StringComparison.Ordinal));
        return SweepPlan.Create(path, SweepFile.Load(path), (kind, name) => Path.Combine(RepositoryRoot.Folder, kind, name + ".json"), version);
    }
}
