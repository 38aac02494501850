using FsCheck;
using FsCheck.Fluent;
using MimicD.Numerics;

namespace MimicD.World.Tests;

/// <summary>Labels of the road and of the ring: what they do not depend on, and when there is none.</summary>
public class JointModesTests
{
    private static readonly Scenario Road = Scenario.Load(Path.Combine(ScenarioTests.Folder, "road.json"));
    private static readonly Scenario Ring = Scenario.Load(Path.Combine(ScenarioTests.Folder, "ring.json")).WithAgents(3);

    [Fact]
    public void Winding_follows_scale_place_pace_and_turns_every_sign_in_a_mirror() =>
        Prop.ForAll<int>(ArbMap.Default.ArbFor<int>(), seed =>
        {
            var random = new CounterRandom((ulong)(uint)seed, RandomPurpose.Starts);
            var joint = Walks(ref random, Road);
            var mode = WindingModes.Label(joint, 3);
            var (scale, x0, y0) = (Math.Pow(10, random.NextUniform(-2, 2)), random.NextUniform(-50, 50), random.NextUniform(-50, 50));
            double[] Path(double sx, double sy) => [.. joint.Select((v, i) => i % 2 == 0 ? sx * v + x0 : sy * v + y0)];
            return WindingModes.Label(Path(scale, scale), 3) == mode
                && WindingModes.Label(Path(scale, -scale), 3) == (mode == 0 ? 0 : 9 - mode)
                && WindingModes.Label(Path(-scale, -scale), 3) == mode;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_pair_that_has_hardly_turned_or_went_straight_through_has_no_winding()
    {
        // They stand; they go side by side; they meet head on.
        Assert.Equal(0, WindingModes.Label([0, 0, 0, 0, 5, 0, 5, 0], 2));
        Assert.Equal(0, WindingModes.Label([0, 0, 9, 0, 0, 1, 9, 1.1], 2));
        Assert.Equal(0, WindingModes.Label([0, 0, 2, 0, 5, 0, 5, 0, 3, 0, 0, 0], 2));
    }

    [Fact]
    public void Who_stays_at_its_start_has_passed_nobody_on_the_road()
    {
        double[] car = [0, 2, 0, 1, 1, 0, 2, 0];
        double[] other = [0.5, -2, 0.5, -0.5, 0.5, 1, 0.5, 2];
        double[] walker = [-0.25, 0.75, -0.2, 0.75, 1, 0.75, 1.75, 0.75];
        Assert.NotEqual(0, JointModes.Label(Road, [.. car, .. other, .. walker]));
        Assert.NotEqual(0, WindingModes.Label([.. car, 0.5, -2, 0.5, -2, 0.5, -2, 0.5, -2, .. walker], 3));
        Assert.Equal(0, JointModes.Label(Road, [.. car, 0.5, -2, 0.5, -2, 0.5, -2, 0.5, -2, .. walker]));
    }

    [Fact]
    public void The_way_round_the_ring_follows_scale_place_and_turns_in_a_mirror() =>
        Prop.ForAll<int>(ArbMap.Default.ArbFor<int>(), seed =>
        {
            var random = new CounterRandom((ulong)(uint)seed, RandomPurpose.Starts);
            var joint = Walks(ref random, Ring);
            var mode = JointModes.Label(Ring, joint);
            var (scale, x0, y0) = (Math.Pow(10, random.NextUniform(-2, 2)), random.NextUniform(-50, 50), random.NextUniform(-50, 50));
            var moved = Ring with { Circle = Ring.Circle! with { Centre = [x0, y0] } };
            double[] Path(double sx, double sy) => [.. joint.Select((v, i) => i % 2 == 0 ? sx * v + x0 : sy * v + y0)];
            int[] turned = [0, 2, 1, 3];
            return JointModes.Label(moved, Path(scale, scale)) == mode
                && JointModes.Label(moved, Path(scale, -scale)) == turned[mode]
                && JointModes.Label(moved, Path(-scale, scale)) == turned[mode];
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Who_has_not_come_abreast_of_the_centre_has_no_sense_and_two_senses_are_mixed_all_the_same()
    {
        double[] right = [-2, 0, 0, -1, 2, 0];
        double[] left = [0, -2, -1, 0, 0, 2];
        double[] starts = [2, 0, 1.8, 0.1, 1.5, 0.2];
        double[] through = [2, 0, 0, 0, -2, 0];
        int Of(params double[][] paths) => CirculationModes.Label([.. paths.SelectMany(p => p)], paths.Length, [0, 0]);
        Assert.Equal(0, Of(right, starts));
        Assert.Equal(0, Of(right, through));
        Assert.Equal(0, Of(starts, starts));
        Assert.Equal(CirculationModes.Mixed, Of(right, left, starts));
        Assert.Equal(CirculationModes.CounterClockwise, Of(right, right));
    }

    [ReferenceFact]
    public void No_reference_demonstration_is_labelled_otherwise_than_by_the_published_rules()
    {
        var swap = Scenario.Load(Path.Combine(ScenarioTests.Folder, "swap.json"));
        var set = DemonstrationSet.Load(Path.Combine(ReferenceFactAttribute.Folder!, "two_agent_swap"), swap);
        Assert.Equal(set.LabelModes(swap with { Modes = ModeRule.SwapPublished }), set.LabelModes(swap));
        var road = DemonstrationSet.Load(Path.Combine(ReferenceFactAttribute.Folder!, "three_agent_road", "expert_data*_400_traj_06_noise.npy"), Road);
        Assert.DoesNotContain(JointModes.Unresolved, road.LabelModes(Road)!);
    }

    private static double[] Walks(ref CounterRandom random, Scenario scenario)
    {
        var joint = new double[3 * 20 * 2];
        foreach (var (i, body) in scenario.NominalBodies().Index())
        {
            var (x, y) = (body.Start[0], body.Start[1]);
            for (var t = 0; t < 20; t++)
            {
                (joint[i * 40 + 2 * t], joint[i * 40 + 2 * t + 1]) = (x, y);
                x += (body.Goal[0] - body.Start[0]) / 20 + random.NextUniform(-0.3, 0.3);
                y += (body.Goal[1] - body.Start[1]) / 20 + random.NextUniform(-0.3, 0.3);
            }
        }

        return joint;
    }
}
