namespace MimicD.World.Tests;

public class WindingModesTests
{
    // Agent 1 goes right, agent 2 goes left; each keeps the other on its left (they pass right of each other).
    private static readonly double[] KeepsLeft = [0, 0, 1, -1, 2, 0, 2, 0, 1, 1, 0, 0];
    private static readonly double[] KeepsRight = [0, 0, 1, 1, 2, 0, 2, 0, 1, -1, 0, 0];

    [Fact]
    public void A_pair_that_passes_on_the_right_turns_counter_clockwise_by_half_a_turn()
    {
        Assert.Equal(Math.PI, WindingModes.Angle(KeepsLeft.AsSpan(0, 6), KeepsLeft.AsSpan(6)), 12);
        Assert.Equal(-Math.PI, WindingModes.Angle(KeepsRight.AsSpan(0, 6), KeepsRight.AsSpan(6)), 12);
        Assert.Equal(2, WindingModes.Label(KeepsLeft, 2));
        Assert.Equal(1, WindingModes.Label(KeepsRight, 2));
    }

    [Fact]
    public void Bits_are_in_the_order_of_the_pairs()
    {
        // A third agent far off to the left of agent 1's way stays there while 1 and 2 pass below: 1 sees it turn counter-clockwise and 2 clockwise.
        double[] joint = [.. KeepsLeft, 1, 9, 1, 9, 1, 9];
        Assert.Equal(1 + 0b011, WindingModes.Label(joint, 3));
        Assert.Equal("12+ 13+ 23-", WindingModes.Names(3)[0b011]);
        Assert.Equal(8, WindingModes.Count(3));
    }

    [Fact]
    public void A_mirrored_path_has_every_sign_turned()
    {
        double[] joint = [.. KeepsLeft, 1, 9, 1, 9, 1, 9];
        double[] mirrored = [.. joint.Select((v, i) => i % 2 == 0 ? v : -v)];
        Assert.Equal(7, WindingModes.Label(joint, 3) - 1 ^ WindingModes.Label(mirrored, 3) - 1);
    }

    [Fact]
    public void A_winding_rule_for_too_many_agents_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => WindingModes.Count(5));
        Assert.Throws<ArgumentException>(() => WindingModes.Label(new double[7], 2));
    }
}
