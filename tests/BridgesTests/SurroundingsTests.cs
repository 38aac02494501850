using MimicD.Bridges.Check;
using MimicD.Bridges.Robots;
using MimicD.World;

namespace MimicD.BridgesTests;

public class SurroundingsTests
{
    private static readonly Capabilities Can = new()
    {
        Action = ActionKind.Position,
        Dimension = 2,
        Min = [-5, -7],
        Max = [25, 7],
        Change = [0.6, 0.4],
        Rate = 10,
        Geofence = [[-5, -6], [-4, -7], [25, -7], [25, 7], [-5, 7]],
        TtlMs = 300,
        Payload = 2048,
        Observation = ObservationKind.Pose,
        Values = 2,
    };

    [Theory]
    [InlineData(0, 0)]
    [InlineData(20, 6)]
    [InlineData(-4.9, 6.9)]
    [InlineData(-4, -6.9)]
    public void The_border_is_stood_at_within_the_fence_and_crossed_by_a_step_that_breaks_no_other_rule(double x, double y)
    {
        var (stand, outside) = Surroundings.Border(Can, [x, y])!.Value;

        Assert.True(Can.Allows(stand[0], stand[1]));
        Assert.False(Can.Allows(outside[0], outside[1]));
        for (var i = 0; i < 2; i++)
        {
            Assert.InRange(outside[i], Can.Min[i], Can.Max[i]);
            Assert.InRange(Math.Abs(outside[i] - stand[i]), 0, 0.9 * Can.Change[i]);
        }

        // Step by step it gets there, and never further than it may.
        double[] at = [x, y];
        for (var step = 0; Surroundings.Distance(Can, at, stand) > 0.01; step++)
        {
            Assert.InRange(step, 0, 200);
            var next = Surroundings.Towards(Can, at, stand);
            Assert.True(Can.Allows(next[0], next[1]));
            Assert.InRange(Surroundings.Distance(Can, at, next), 0, 0.8 + 1e-9);
            at = next;
        }
    }

    [Fact]
    public void Where_the_range_is_no_larger_than_the_fence_there_is_no_border()
    {
        Assert.Null(Surroundings.Border(Can with { Geofence = [[-6, -8], [26, -8], [26, 8], [-6, 8]] }, [0, 0]));
        Assert.Null(Surroundings.Border(Can with { Geofence = null }, [0, 0]));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(25, 7)]
    [InlineData(-5, -5.9)]
    public void Aside_breaks_no_rule_and_too_far_breaks_that_of_change_alone(double x, double y)
    {
        var aside = Surroundings.Aside(Can, [x, y])!;
        Assert.Equal(0.5, Surroundings.Distance(Can, [x, y], aside), 9);
        Assert.True(Can.Allows(aside[0], aside[1]));
        var far = Surroundings.TooFar(Can, [x, y])!;
        Assert.Equal(1.5, Surroundings.Distance(Can, [x, y], far), 9);
        Assert.True(!far.Where((v, i) => v < Can.Min[i] || v > Can.Max[i]).Any());
        Assert.Null(Surroundings.TooFar(Can with { Min = [-0.1, -0.1], Max = [0.1, 0.1] }, [0, 0]));
    }

    [Theory]
    [InlineData(new byte[] { 0x10, 30, 0, 4, (byte)'M', (byte)'Q', (byte)'T', (byte)'T', 5, 2 }, 5)]
    [InlineData(new byte[] { 0x10, 0xc8, 1, 0, 4, (byte)'M', (byte)'Q', (byte)'T', (byte)'T', 4 }, 4)]
    [InlineData(new byte[] { 0x16, 3, 1, 0, 4, (byte)'M', (byte)'Q', (byte)'T', (byte)'T', 4 }, null)]
    [InlineData(new byte[] { 0x10, 0xff, 0xff, 0xff, 0xff }, null)]
    [InlineData(new byte[] { 0x10 }, null)]
    [InlineData(new byte[] { }, null)]
    public void The_version_that_a_client_speaks_is_read_from_its_first_bytes(byte[] opening, int? level)
        => Assert.Equal(level, Surroundings.ProtocolLevel(opening));
}
