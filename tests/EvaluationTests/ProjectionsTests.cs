using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Tests;
using MimicD.World;

namespace MimicD.EvaluationTests;

public class ProjectionsTests
{
    [Theory]
    [InlineData("swap", 3.045, -0.055)]
    [InlineData("road", 0.76125, 0)]
    [InlineData("ring", 0.76125, 0)]
    public void A_scenario_s_projection_keeps_what_its_experts_keep_with_a_hair_to_spare(string name, double separation, double clearance)
    {
        var scenario = Scenario.Load(Path.Combine(RepositoryRoot.Folder, "scenarios", $"{name}.json"));
        var projection = Projections.For(scenario, "--project");
        projection.Validate("test");

        Assert.Equal(separation, projection.Separation, 1e-12);
        Assert.Equal(clearance, projection.Clearance, 1e-12);
        Assert.True(projection.MaxStep <= (scenario.Dynamics.MaxSpeed ?? double.PositiveInfinity) * scenario.TimeStep);
        Assert.True(projection.MaxStep * (scenario.Steps - 1) > PathSet.Distance(scenario.NominalBodies()[0].Start, scenario.NominalBodies()[0].Goal));
    }

    [Fact]
    public void A_scenario_whose_actions_are_no_positions_has_none()
    {
        var scenario = Scenario.Load(Path.Combine(RepositoryRoot.Folder, "scenarios", "swap.json"));
        scenario = scenario with { Dynamics = scenario.Dynamics with { Action = ActionKind.Control } };

        Assert.StartsWith("--project: dynamics.action: expected position", Assert.Throws<InvalidInputException>(() => Projections.For(scenario, "--project")).Message, StringComparison.Ordinal);
    }
}
