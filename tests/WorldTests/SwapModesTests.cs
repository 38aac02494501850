using FsCheck;
using FsCheck.Fluent;
using MimicD.Numerics;
using MimicD.World;
using MimicD.World.Experts;

namespace MimicD.WorldTests;

public class SwapModesTests
{
    private static readonly Scenario Swap = Scenario.Load(Path.Combine(World.Tests.ScenarioTests.Folder, "swap.json"));

    // Modes after agents have changed places, and after above and below have.
    private static readonly int[] Exchanged = [0, 2, 1, 5, 6, 3, 4];
    private static readonly int[] Mirrored = [0, 2, 1, 4, 3, 6, 5];

    [Theory]
    [InlineData(1, 4.5, -4.5)]
    [InlineData(2, -4.5, 4.5)]
    [InlineData(1, 6.5, -4.5)]
    [InlineData(1, 6.5, -6.5)]
    [InlineData(2, -9, 9)]
    [InlineData(2, -4.2, 5.5)]
    [InlineData(3, 4.9, 1.0)]
    [InlineData(3, 6.0, 5.5)]
    [InlineData(4, -4.9, -2.0)]
    [InlineData(5, 5.5, 9.0)]
    [InlineData(6, -4.2, -4.8)]
    public void Sides_tell_the_mode_however_far_out_an_agent_goes(int mode, double y1, double y2)
        => Assert.Equal(mode, JointModes.Label(Swap, [.. Way(0, 20, y1), .. Way(20, 0, y2)]));

    [Fact]
    public void Agents_far_out_on_opposite_sides_are_not_on_one_side()
    {
        // What the published rule says of these is kept under its name.
        double[] joint = [.. Way(0, 20, 5.5), .. Way(20, 0, -4.2)];
        Assert.Equal(1, JointModes.Label(Swap, joint));
        Assert.Equal(3, JointModes.Label(Swap with { Modes = ModeRule.SwapPublished }, joint));
        Assert.Equal(("sides", "published"), (JointModes.Rule(Swap), JointModes.Rule(Swap with { Modes = ModeRule.SwapPublished })));
        Assert.Equal("published", JointModes.UnnamedRule(Swap));
    }

    [Theory]
    [InlineData(20, 9)] // agent 2 stops abreast of nothing
    [InlineData(9.9, 0)]
    [InlineData(0, 20)] // nobody moves
    public void Who_does_not_come_past_shows_no_mode(double end1, double end2)
        => Assert.Equal(JointModes.Unresolved, JointModes.Label(Swap, [.. Way(0, end1, 5), .. Way(20, end2 == 9 ? 11 : end2, -5)]));

    [Fact]
    public void Who_stops_short_of_the_goal_but_past_the_disc_shows_a_mode()
        => Assert.Equal(1, JointModes.Label(Swap, [.. Way(0, 13, 5), .. Way(20, 6, -5)]));

    [Fact]
    public void Straight_through_the_middle_or_through_each_other_is_no_side()
    {
        Assert.Equal(0, JointModes.Label(Swap, [.. Way(0, 20, 0), .. Way(20, 0, 0)]));
        Assert.Equal(0, JointModes.Label(Swap, [.. Way(0, 20, 5), .. Way(20, 0, 5)]));
    }

    [Fact]
    public void The_way_round_counts_and_not_the_last_side_seen()
    {
        // Agent 1 goes past above, turns back below and comes past above again: once round the disc, above.
        double[] first = [0, 0, 10, 5, 15, 0, 10, -5, 5, 0, 10, 5, 20, 0];
        Assert.Equal(1, JointModes.Label(Swap, [.. first, 20, 0, 16, -3, 12, -5, 10, -5, 8, -5, 4, -3, 0, 0]));
        // It comes past above, goes back the same way and past below: below.
        double[] back = [0, 0, 10, 5, 15, 0, 10, 5, 5, 0, 10, -5, 20, 0];
        Assert.Equal(2, JointModes.Label(Swap, [.. back, 20, 0, 16, 3, 12, 5, 10, 5, 8, 5, 4, 3, 0, 0]));
    }

    [Fact]
    public void The_scenario_says_what_is_passed_and_which_way_is_above()
    {
        // Along y: larger x is above, as for slots on that axis.
        var upright = Swap with
        {
            Bodies = [new BodySpec([3, 0], [3, 20]), new BodySpec([3, 20], [3, 0])],
            Obstacles = [new World.Disc([3, 10], 4)],
            Contested = new ContestedSpec { Slot = SlotKind.ObstacleSide, Axis = 1, At = 10 },
        };
        Assert.Equal(1, JointModes.Label(upright, [3, 0, 8, 10, 3, 20, 3, 20, -2, 10, 3, 0]));
        // Without an obstacle the middle between the starts is passed.
        Assert.Equal(2, JointModes.Label(Swap with { Obstacles = [], Contested = null }, [.. Way(0, 20, -1), .. Way(20, 0, 1)]));
        // From right to left above is above.
        var reversed = Swap with { Bodies = [Swap.Bodies![1], Swap.Bodies[0]] };
        Assert.Equal(1, JointModes.Label(reversed, [.. Way(20, 0, 5), .. Way(0, 20, -5)]));
        // A disc that does not lie on the line between the places.
        var aside = Swap with { Obstacles = [new World.Disc([10, 3], 4)] };
        Assert.Equal(4, JointModes.Label(aside, [.. Way(0, 20, -2), .. Way(20, 0, -1)]));
    }

    [Fact]
    public void Labels_follow_scale_place_pace_mirror_and_the_order_of_the_agents() =>
        Prop.ForAll<int>(ArbMap.Default.ArbFor<int>(), seed =>
        {
            var random = new CounterRandom((ulong)(uint)seed, RandomPurpose.Starts);
            var joint = Wild(ref random);
            var mode = JointModes.Label(Swap, joint);
            var (scale, x0, y0) = (Math.Pow(10, random.NextUniform(-2, 2)), random.NextUniform(-50, 50), random.NextUniform(-50, 50));
            var moved = Moved(Swap, scale, scale, x0, y0);
            var upside = Moved(Swap, scale, -scale, x0, y0);
            double[] Path(double[] from, double sx, double sy) => [.. from.Select((v, i) => i % 2 == 0 ? sx * v + x0 : sy * v + y0)];
            var half = joint.Length / 2;
            return JointModes.Label(moved, Path(joint, scale, scale)) == mode
                && JointModes.Label(upside, Path(joint, scale, -scale)) == Mirrored[mode]
                && JointModes.Label(Moved(Swap, -scale, scale, x0, y0), Path(joint, -scale, scale)) == mode
                && JointModes.Label(Swap, [.. joint[half..], .. joint[..half]]) == Exchanged[mode]
                && JointModes.Label(Swap, [.. Slow(joint[..half]), .. Slow(joint[half..])]) == mode;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Running_modes_follow_scale_and_place()
    {
        double[] joint = [.. Way(0, 20, 5), .. Way(20, 0, 4)];
        double[] small = [.. joint.Select((v, i) => i % 2 == 0 ? 0.1 * v + 300 : 0.1 * v - 40)];
        Assert.Equal(RunningModes.Labels(Swap, joint), RunningModes.Labels(Moved(Swap, 0.1, 0.1, 300, -40), small));
        Assert.Equal(3, RunningModes.Labels(Swap, joint)[5]);
    }

    [Fact]
    public void Our_experts_are_labelled_alike_by_both_rules()
    {
        var task = new SwapExpert(new SwapExpertOptions());
        int[] modes = [.. Enumerable.Range(0, 12).Select(i => 1 + i % 6)];
        var set = ExpertGenerator.Generate(task, modes, seed: 3, threads: 2).Demonstrations;
        Assert.Equal(modes, set.LabelModes(Swap)!);
        Assert.Equal(modes, set.LabelModes(Swap with { Modes = ModeRule.SwapPublished })!);
    }

    /// <summary>A way from one x to another at y = 0, lifted in the middle, with points at even times.</summary>
    private static double[] Way(double from, double to, double height)
        => [.. Enumerable.Range(0, 11).SelectMany(t => new[] { from + (to - from) * t / 10, height * Math.Sin(Math.PI * t / 10) })];

    /// <summary>Two paths of random walks with a drift, so that all modes and none occur.</summary>
    private static double[] Wild(ref CounterRandom random)
    {
        var joint = new double[2 * 30 * 2];
        for (var agent = 0; agent < 2; agent++)
        {
            var (x, y, towards) = (agent == 0 ? 0.0 : 20.0, 0.0, agent == 0 ? 1 : -1);
            var (drift, turn) = (random.NextUniform(0.3, 1.2), random.NextUniform(-1, 1));
            for (var t = 0; t < 30; t++)
            {
                (joint[agent * 60 + 2 * t], joint[agent * 60 + 2 * t + 1]) = (x, y);
                x += towards * drift + random.NextUniform(-0.5, 0.5);
                y += (t < 15 ? turn : -turn) + random.NextUniform(-0.5, 0.5);
            }
        }

        return joint;
    }

    /// <summary>The same path with a point between every two.</summary>
    private static double[] Slow(double[] path)
        => [.. Enumerable.Range(0, path.Length - 3).SelectMany(i => i % 2 == 1 ? [] : new[] { path[i], path[i + 1], (path[i] + path[i + 2]) / 2, (path[i + 1] + path[i + 3]) / 2 }), path[^2], path[^1]];

    private static Scenario Moved(Scenario scenario, double sx, double sy, double x0, double y0)
    {
        double[] At(double[] p) => [sx * p[0] + x0, sy * p[1] + y0];
        return scenario with
        {
            Bodies = [.. scenario.Bodies!.Select(b => new BodySpec(At(b.Start), At(b.Goal)))],
            Obstacles = [.. scenario.Obstacles.Select(o => new World.Disc(At(o.Centre), Math.Abs(sx) * o.Radius))],
        };
    }
}
