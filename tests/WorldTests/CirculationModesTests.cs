namespace MimicD.World.Tests;

public class CirculationModesTests
{
    // A walks from west to east and B from south to north; on the right of the centre, or on its left.
    private static readonly double[] ARight = [-2, 0, 0, -1, 2, 0];
    private static readonly double[] ALeft = [-2, 0, 0, 1, 2, 0];
    private static readonly double[] BRight = [0, -2, 1, 0, 0, 2];
    private static readonly double[] BLeft = [0, -2, -1, 0, 0, 2];
    private static readonly double[] Centre = [0, 0];

    [Fact]
    public void Who_passes_the_centre_on_the_right_goes_round_it_counter_clockwise()
    {
        Assert.Equal(CirculationModes.CounterClockwise, Label([.. ARight, .. BRight]));
        Assert.Equal(CirculationModes.Clockwise, Label([.. ALeft, .. BLeft]));
        Assert.Equal(CirculationModes.Mixed, Label([.. ARight, .. BLeft]));
        Assert.Equal(CirculationModes.Mixed, Label([.. ALeft, .. BRight]));
    }

    [Fact]
    public void The_centre_is_the_scenarios()
    {
        double[] shifted = [.. ARight, .. BRight];
        for (var i = 0; i < shifted.Length; i += 2)
        {
            shifted[i] += 7;
            shifted[i + 1] -= 3;
        }

        Assert.Equal(CirculationModes.CounterClockwise, CirculationModes.Label(shifted, 2, [7, -3]));
        var ring = Scenario.Load(Path.Combine(ScenarioTests.Folder, "ring.json")).WithAgents(2);
        Assert.Equal(CirculationModes.CounterClockwise, JointModes.Label(ring, [.. ARight, .. BRight]));
        Assert.Equal(CirculationModes.Clockwise, JointModes.Label(ring with { Circle = ring.Circle! with { Centre = [0, -2] } }, [.. ALeft, -2, -2, -0.5, -1, 2, -2]));
        Assert.Equal(3, JointModes.Count(ring));
        Assert.Equal(["counter-clockwise", "clockwise", "mixed"], JointModes.Names(ring));
    }

    [Fact]
    public void While_it_runs_a_mode_is_open_until_everybody_has_taken_a_sense()
    {
        var ring = Scenario.Load(Path.Combine(ScenarioTests.Folder, "ring.json")).WithAgents(2);
        // B stands still for two ticks, then goes round the other way.
        Assert.Equal([0, 0, 0, 3, 3], RunningModes.Labels(ring, [-2, 0, -1, -1, 0, -1, 1, -1, 2, 0, 0, -2, 0, -2, 0, -2, -1, 0, 0, 2]));
        Assert.Equal([0, 1, 1], RunningModes.Labels(ring, [.. ARight, .. BRight]));
    }

    [Fact]
    public void Paths_of_another_shape_are_refused()
    {
        Assert.Throws<ArgumentException>(() => CirculationModes.Label(new double[7], 2, Centre));
        Assert.Throws<ArgumentException>(() => CirculationModes.Label([], 2, Centre));
    }

    private static int Label(double[] joint) => CirculationModes.Label(joint, 2, Centre);
}
