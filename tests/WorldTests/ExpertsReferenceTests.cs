using MimicD.Numerics;
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
        int[] modes = [.. Enumerable.Range(0, count).Select(i => SwapModes.Label(agents[0].AsSpan(i * Width, Width), agents[1].AsSpan(i * Width, Width)))];

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

    private static string? Folder()
    {
        string? folder = Environment.GetEnvironmentVariable("MIMICD_REFERENCE");
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); folder is null && at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "MimicD.sln")))
            {
                folder = Path.Combine(at.FullName, "..", "shared", "data", "mimicd-reference");
            }
        }

        return folder is not null && Directory.Exists(Path.Combine(folder, "two_agent_swap")) ? folder : null;
    }
}
