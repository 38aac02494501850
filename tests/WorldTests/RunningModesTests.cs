namespace MimicD.World.Tests;

public class RunningModesTests
{
    private static readonly Scenario Swap = Scenario.Load(Path.Combine(ScenarioTests.Folder, "swap.json"));

    // Both agents' heights at each tick; x does not matter.
    private static int[] Of(double[] first, double[] second)
        => RunningModes.Labels(Swap, [.. first.SelectMany((y, t) => new[] { t, y }), .. second.SelectMany((y, t) => new[] { 20.0 - t, y })]);

    [Fact]
    public void A_side_is_taken_at_the_margin_and_held_until_the_other_sides()
        => Assert.Equal([0, 0, 1, 1, 1, 2], Of([0, 0.9, 2, 0.1, -0.9, -1.5], [0, -2, -3, -0.5, 0.5, 1]));

    [Fact]
    public void On_one_side_the_outer_agent_tells_the_mode()
    {
        Assert.Equal([0, 0, 3, 3, 5], Of([0, 2, 2.6, 2, 2], [0, 2, 2, 2.3, 2.6]));
        Assert.Equal([0, 0, 6, 6, 4], Of([0, -2, -2, -2.3, -3], [0, -2, -2.6, -2, -2]));
    }

    [Fact]
    public void An_order_on_one_side_says_nothing_of_the_other()
        => Assert.Equal([3, 2, 0, 4], Of([4, -4, -4, -4], [2, 2, -4, -2]));

    [Fact]
    public void A_pair_has_a_sense_once_it_has_turned_by_ten_degrees()
    {
        var scenario = Swap with { Modes = ModeRule.Winding };
        // Agent 1 stands; agent 2 goes round it by these angles.
        double[] Around(params double[] degrees) => [.. degrees.SelectMany(_ => new double[] { 0, 0 }), .. degrees.SelectMany(d => new[] { 5 * Math.Cos(d * Math.PI / 180), 5 * Math.Sin(d * Math.PI / 180) })];

        Assert.Equal([0, 0, 2, 2, 2, 1], RunningModes.Labels(scenario, Around(0, 9, 11, 0, -9, -11)));
        Assert.Equal(WindingModes.Label(Around(0, 50, 100), 2), RunningModes.Labels(scenario, Around(0, 50, 100))[^1]);
    }

    [Fact]
    public void Three_agents_have_a_mode_once_every_pair_has_a_sense()
    {
        double[] joint = [0, 0, 0, 0, 0, 0, 1, 0, 0, 1, -1, 0, 4, 0, 4, 0.1, 4, 4];
        var scenario = Swap with { Modes = ModeRule.Winding, Bodies = [.. Swap.Bodies!, Swap.Bodies![0]] };
        var labels = RunningModes.Labels(scenario, joint);

        Assert.Equal([0, 0, WindingModes.Label(joint, 3)], labels);
    }

    [Fact]
    public void Where_no_modes_are_told_apart_none_runs()
        => Assert.Equal([0, 0], RunningModes.Labels(Swap with { Modes = ModeRule.None }, [0, 0, 1, 1, 2, 2, 3, 3]));

    [ReferenceFact]
    public void At_their_closest_approach_the_reference_demonstrations_run_in_the_mode_they_end_with()
    {
        Require(95, 95, Swap, "two_agent_swap");
        var road = Swap with { Modes = ModeRule.Winding, Bodies = [.. Swap.Bodies!, Swap.Bodies![0]] };
        // Where two of three pass first, the third may not have turned round either of them yet.
        Require(80, 97, road, Path.Combine("three_agent_road", "expert_data*_400_traj_06_noise.npy"));
    }

    private static void Require(int percentDefined, int percentEqual, Scenario scenario, string folder)
    {
        var set = DemonstrationSet.Load(Path.Combine(ReferenceFactAttribute.Folder!, folder), scenario);
        var labels = set.LabelModes(scenario)!;
        var (equal, defined) = (0, 0);
        for (var m = 0; m < set.Count; m++)
        {
            var size = set.Agents * set.Steps * 2;
            var running = RunningModes.Labels(scenario, set.Positions.Data.AsSpan(m * size, size))[Closest(set, m)];
            equal += running == labels[m] ? 1 : 0;
            defined += running != 0 ? 1 : 0;
        }

        Assert.True(defined * 100 >= percentDefined * set.Count && equal * 100 >= percentEqual * defined, $"{folder}: {equal} of {defined} defined of {set.Count}");
    }

    private static int Closest(DemonstrationSet set, int demonstration)
    {
        var best = (Distance: double.PositiveInfinity, Tick: 0);
        for (var t = 0; t < set.Steps; t++)
        {
            for (var i = 0; i < set.Agents; i++)
            {
                for (var j = 0; j < i; j++)
                {
                    var distance = ScenarioTests.Distance([.. set.Path(demonstration, i).Slice(2 * t, 2)], [.. set.Path(demonstration, j).Slice(2 * t, 2)]);
                    best = distance < best.Distance ? (distance, t) : best;
                }
            }
        }

        return best.Tick;
    }
}
