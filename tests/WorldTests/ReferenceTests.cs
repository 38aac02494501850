namespace MimicD.World.Tests;

/// <summary>A test on the authors' demonstrations, which are not part of this repository: skipped, with a message, where they are absent.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ReferenceFactAttribute : FactAttribute
{
    public ReferenceFactAttribute()
    {
        if (Folder is null)
        {
            Skip = "no reference demonstrations: neither MIMICD_REFERENCE nor ../shared/data/mimicd-reference beside the checkout";
        }
    }

    public static string? Folder { get; } = new[]
    {
        Environment.GetEnvironmentVariable("MIMICD_REFERENCE"),
        Path.Combine(ScenarioTests.Folder, "..", "..", "shared", "data", "mimicd-reference"),
    }.FirstOrDefault(Directory.Exists);
}

public class ReferenceTests
{
    [ReferenceFact]
    public void The_reference_swap_demonstrations_are_read_and_keep_the_experts_limits()
    {
        var swap = Scenario.Load(Path.Combine(ScenarioTests.Folder, "swap.json"));
        var set = DemonstrationSet.Load(Path.Combine(ReferenceFactAttribute.Folder!, "two_agent_swap"), swap);
        Assert.Equal([100, swap.Agents, swap.Steps, swap.Dimensions], set.Positions.Shape);
        for (var m = 0; m < set.Count; m++)
        {
            for (var t = 0; t < set.Steps; t++)
            {
                double[] first = [.. set.Path(m, 0).Slice(2 * t, 2)];
                double[] second = [.. set.Path(m, 1).Slice(2 * t, 2)];
                Assert.True(ScenarioTests.Distance(first, second) >= swap.Collision.Experts!.Pair - 1e-3, $"demonstration {m}, step {t}");
                Assert.True(ScenarioTests.Distance(first, swap.Obstacles[0].Centre) >= swap.Collision.Experts.Obstacle - 1e-3, $"demonstration {m}, step {t}");
            }
        }
    }
}
