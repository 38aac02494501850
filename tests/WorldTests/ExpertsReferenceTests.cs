using MimicD.Numerics;
using MimicD.Tests;
using MimicD.World;
using MimicD.World.Experts;
using Xunit.Abstractions;

namespace MimicD.WorldTests;

public class ExpertsReferenceTests(ITestOutputHelper output)
{
    [Fact]
    public void Our_demonstrations_are_as_near_to_the_published_ones_as_these_are_to_each_other()
    {
        if (Folder() is not { } folder)
        {
            output.WriteLine("Skipped: no published demonstrations (set MIMICD_REFERENCE to their folder).");
            return;
        }

        double[][] agents =
        [
            .. Enumerable.Range(1, 2).Select(a => Npy.Read<double>(Path.Combine(folder, "two_agent_swap", $"expert_data{a}_100_traj.npy")).Data),
        ];
        const int Width = 200;
        int count = agents[0].Length / Width;
        double[] reference = [.. Enumerable.Range(0, 2 * count).SelectMany(i => agents[i % 2].AsSpan(i / 2 * Width, Width).ToArray())];
        int[] modes = [.. Enumerable.Range(0, count).Select(i => SwapModes.Published(agents[0].AsSpan(i * Width, Width), agents[1].AsSpan(i * Width, Width)))];

        foreach (ModeLaw law in Enum.GetValues<ModeLaw>())
        {
            var task = new SwapExpert(new SwapExpertOptions { ModeLaw = law });
            DemonstrationSet set = ExpertGenerator.Generate(task, modes, seed: 21, threads: 2).Demonstrations;
            ExpertReport report = ExpertReport.Of(set, task, reference, seed: 5);
            output.WriteLine($"Law of modes: {law}");
            foreach ((string what, string value) in report.Rows)
            {
                output.WriteLine($"  {what}: {value}");
            }

            PathFigures theirs = report.Reference!;
            Assert.Equal(theirs.AnyPairActive, report.Own.AnyPairActive, 1e-9);
            for (int a = 0; a < 2; a++)
            {
                Assert.Equal(theirs.DiscActive[a], report.Own.DiscActive[a], 1e-9);
                Assert.InRange(report.Own.MeanStep[a] / theirs.MeanStep[a], 0.9, 1.1);
                Assert.InRange(report.Own.MaxStep[a] / theirs.MaxStep[a], 0.9, 1.1);
            }

            Assert.InRange(report.Transport / report.TransportFloor, 0, 1.3);
        }
    }

    [Fact]
    public void Our_road_demonstrations_are_as_near_to_the_published_ones_as_these_are_to_each_other()
    {
        if (Folder() is not { } folder)
        {
            output.WriteLine("Skipped: no published demonstrations (set MIMICD_REFERENCE to their folder).");
            return;
        }

        // A part of the 400 is enough to see what kind they are; the whole comparison is what the command prints.
        const int Count = 150;
        DemonstrationSet published = DemonstrationSet.Load(Path.Combine(folder, "three_agent_road", "expert_data*_400_traj_06_noise.npy")).Subset([.. Enumerable.Range(0, Count)]);
        const int Width = 3 * 100 * 2;
        int[] modes = [.. Enumerable.Range(0, Count).Select(i => WindingModes.Label(published.Positions.Data.AsSpan(i * Width, Width), 3))];
        var task = new RoadExpert(new RoadExpertOptions());
        DemonstrationSet set = ExpertGenerator.Generate(task, modes, seed: 21, threads: 2).Demonstrations;
        ExpertReport report = ExpertReport.Of(set, task, published.Positions.Data, seed: 5);
        foreach ((string what, string value) in report.Rows)
        {
            output.WriteLine($"  {what}: {value}");
        }

        PathFigures theirs = report.Reference!;
        Assert.Equal(1, theirs.AnyPairActive, 1e-9);
        Assert.Equal(1, report.Own.AnyPairActive, 1e-9);
        for (int pair = 0; pair < 3; pair++)
        {
            // Two shares of 150 differ by chance by at most 0.16 in 99.5 % of cases.
            Assert.InRange(report.Own.PairActive[pair] - theirs.PairActive[pair], -0.16, 0.16);
        }

        for (int a = 0; a < 3; a++)
        {
            Assert.InRange(report.Own.MeanStep[a] / theirs.MeanStep[a], 0.95, 1.05);
            Assert.InRange(report.Own.Roughness[a] / theirs.Roughness[a], 0.85, 1.15);
            // The largest of 15,000 steps is one path's; the command compares larger sets.
            Assert.InRange(report.Own.MaxStep[a] / theirs.MaxStep[a], 0.75, 1.25);
        }

        Assert.InRange(report.Transport / report.TransportFloor, 0, 1.3);
    }

    private static string? Folder()
    {
        string folder = Environment.GetEnvironmentVariable("MIMICD_REFERENCE") ?? Path.Combine(RepositoryRoot.Folder, "..", "shared", "data", "mimicd-reference");
        return Directory.Exists(Path.Combine(folder, "two_agent_swap")) ? folder : null;
    }
}
