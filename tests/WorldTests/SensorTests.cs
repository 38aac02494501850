using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Tests;

namespace MimicD.World.Tests;

public class SensorTests
{
    [Fact]
    public void A_frame_is_laid_out_as_the_contract_says()
    {
        var spec = new SensorSpec
        {
            Velocity = true,
            Heading = true,
            Goal = Frame.Relative,
            Others = new OthersSpec { Count = 2, Order = OtherOrder.Identity, Frame = Frame.Absolute, Velocity = true, Presence = true },
            Obstacles = new ObstaclesSpec { Count = 2 },
        };
        var sensor = new Sensor(spec, [new Disc([10, 2], 4), new Disc([1, 5], 1)], 0.5);
        var frame = new float[sensor.FrameSize];
        sensor.Frame(
            new WorldView
            {
                Positions = [0, 0, 1, 2, 7, 8],
                Previous = [0, 0, 0.5, 1, 7, 9],
                Goals = [9, 9, 4, 6, 9, 9],
                Headings = [0, Math.PI / 2, 0],
            },
            1,
            frame);
        Assert.Equal(
        [
            1, 2, // own position
            1, 2, // own velocity
            0, 1, // heading
            3, 4, // goal, relative
            0, 0, 0, 0, 1, // agent 0: position, velocity, presence
            7, 8, 0, -2, 1, // agent 2
            0, 1, 2, // the nearer surface: straight up, distance 3 less radius 1
            1, 0, 5,
        ],
        frame.Select(x => MathF.Round(x, 6)));
        Assert.Equal(spec.FeatureNames().Length, frame.Length);
    }

    [Theory]
    [InlineData(Frame.Absolute)]
    [InlineData(Frame.Relative)]
    public void A_full_slot_holds_of_another_what_its_own_frame_holds_of_itself(Frame goal)
    {
        var spec = new SensorSpec { Velocity = true, Goal = goal, Obstacles = new ObstaclesSpec { Count = 2 }, Others = new OthersSpec { Count = 2, Order = OtherOrder.Identity, Frame = Frame.Absolute, Full = true, Presence = true } };
        var sensor = new Sensor(spec, [new Disc([9, 2], 4), new Disc([1, 7], 1)], 0.3);
        WorldView View(bool[] visible) => new() { Positions = [0.1, 1, 2, 3, 4, 5], Previous = [0, 1, 2, 3.7, 4, 6], Goals = [10, 11, 12, 13, 14, 15], Visible = visible };
        var frames = new float[3][];
        for (var agent = 0; agent < 3; agent++)
        {
            frames[agent] = new float[spec.FrameSize];
            sensor.Frame(View([]), agent, frames[agent]);
        }

        // Own: position, velocity, goal 6 numbers, then two slots of 13, then two obstacles of 3.
        Assert.Equal(6 + 2 * 13 + 6, spec.FrameSize);
        for (var agent = 0; agent < 3; agent++)
        {
            for (var slot = 0; slot < 2; slot++)
            {
                var whose = slot < agent ? slot : slot + 1;
                Assert.Equal([.. frames[whose][..6], .. frames[whose][^6..], 1], frames[agent][(6 + 13 * slot)..(19 + 13 * slot)]);
            }
        }

        sensor.Frame(View([true, true, false]), 1, frames[0]);
        Assert.Equal(new float[13], frames[0][19..32]);
        Assert.Equal(["other0.velocity.y", "other0.goal.x", "other0.goal.y", "other0.obstacle0.direction.x"], spec.FeatureNames()[9..13]);
        Assert.Equal(spec.FrameSize, spec.FeatureNames().Length);
    }

    [Fact]
    public void The_simplest_sensor_feels_the_own_position_alone()
    {
        var frame = new float[3];
        new Sensor(new SensorSpec { Dimensions = 3 }, [], 1).Frame(new WorldView { Positions = [0, 0, 0, 1, 2, 3], Previous = [0, 0, 0, 0, 0, 0] }, 1, frame);
        Assert.Equal([1f, 2f, 3f], frame);
    }

    [Fact]
    public void Nearest_others_come_first_and_ties_go_to_the_lower_index()
    {
        var frame = Sense(new OthersSpec { Count = 3 }, [0, 0, 0, 2, 1, 0, 2, 0, 0, -1], 0);
        Assert.Equal([0, 0, 1, 0, 0, -1, 0, 2], frame);
    }

    [Fact]
    public void Slots_without_an_agent_are_zeros_and_absent()
    {
        var frame = Sense(new OthersSpec { Count = 3, Presence = true, Velocity = true }, [1, 1, 4, 5], 0);
        Assert.Equal([1, 1, 3, 4, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], frame);
    }

    [Fact]
    public void The_unseen_leave_no_trace()
    {
        double[] positions = [0, 0, 1, 0, 2, 0];
        foreach (var order in Enum.GetValues<OtherOrder>())
        {
            var sensor = new Sensor(new SensorSpec { Others = new OthersSpec { Count = 2, Presence = true, Order = order } }, [], 1);
            var frame = new float[sensor.FrameSize];
            sensor.Frame(new WorldView { Positions = positions, Previous = positions, Sensed = positions, SensedPrevious = positions, Visible = [true, false, true] }, 0, frame);
            Assert.Equal(order == OtherOrder.Identity ? [0, 0, 0, 0, 0, 2, 0, 1] : [0, 0, 2, 0, 1, 0, 0, 0], frame);
        }
    }

    [Fact]
    public void Nearest_selection_agrees_with_sorting_everything()
    {
        for (var round = 0; round < 200; round++)
        {
            var random = new CounterRandom(17, RandomPurpose.Starts, round);
            var agents = 2 + random.NextInt32(40);
            var count = 1 + random.NextInt32(12);
            // A coarse grid makes ties common.
            var positions = Enumerable.Range(0, 2 * agents).Select(_ => (double)random.NextInt32(6)).ToArray();
            var self = random.NextInt32(agents);
            var expected = Enumerable.Range(0, agents).Where(j => j != self)
                .OrderBy(j => Math.Pow(positions[2 * j] - positions[2 * self], 2) + Math.Pow(positions[2 * j + 1] - positions[2 * self + 1], 2)).ThenBy(j => j)
                .Take(count).SelectMany(j => new[] { (float)positions[2 * j], (float)positions[2 * j + 1] }).ToList();
            var frame = Sense(new OthersSpec { Count = count, Frame = Frame.Absolute }, positions, self);
            Assert.True(expected.SequenceEqual(frame.Skip(2).Take(expected.Count)), $"seed 17, round {round}: {agents} agents, {count} slots");
        }
    }

    [Fact]
    public void At_the_centre_of_an_obstacle_no_direction_is_made_up()
    {
        var frame = new float[5];
        new Sensor(new SensorSpec { Obstacles = new ObstaclesSpec() }, [new Disc([3, 4], 2)], 1).Frame(new WorldView { Positions = [3, 4], Previous = [3, 4] }, 0, frame);
        Assert.Equal([3, 4, 0, 0, -2], frame);
    }

    [Fact]
    public void A_frame_allocates_nothing()
    {
        var positions = Enumerable.Range(0, 128).Select(i => Math.Sin(i)).ToArray();
        var sensor = new Sensor(new SensorSpec { Velocity = true, Others = new OthersSpec { Count = 8, Velocity = true, Presence = true }, Obstacles = new ObstaclesSpec() }, [new Disc([3, 4], 2)], 1);
        var frame = new float[sensor.FrameSize];
        Allocations.AssertNone(() =>
        {
            for (var i = 0; i < 64; i++)
            {
                sensor.Frame(new WorldView { Positions = positions, Previous = positions }, i, frame);
            }
        });
    }

    private static float[] Sense(OthersSpec others, double[] positions, int agent)
    {
        var sensor = new Sensor(new SensorSpec { Others = others }, [], 1);
        var frame = new float[sensor.FrameSize];
        sensor.Frame(new WorldView { Positions = positions, Previous = positions }, agent, frame);
        return frame;
    }
}
