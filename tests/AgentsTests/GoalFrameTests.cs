using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.AgentsTests;

public class GoalFrameTests
{
    [Fact]
    public void When_the_world_turns_and_moves_the_plan_turns_and_moves_with_it()
    {
        var policy = Policy();
        for (var trial = 0; trial < 20; trial++)
        {
            var random = new CounterRandom(41, RandomPurpose.SensorNoise, trial);
            var frames = new float[policy.History * policy.FrameSize];
            var noise = new float[policy.NoiseSize];
            random.FillNormal(frames);
            random.FillNormal(noise);
            var (sin, cos) = Math.SinCos(random.NextUniform(-Math.PI, Math.PI));
            var turned = (float[])frames.Clone();
            for (var h = 0; h < policy.History; h++)
            {
                var frame = turned.AsSpan(h * policy.FrameSize, policy.FrameSize);
                // Position, velocity, heading, goal; two slots of position, velocity and presence; an obstacle's direction and clearance.
                foreach (var at in (int[])[0, 2, 4, 6, 8, 10, 13, 15, 18])
                {
                    (frame[at], frame[at + 1]) = ((float)(cos * frame[at] - sin * frame[at + 1]), (float)(sin * frame[at] + cos * frame[at + 1]));
                }

                frame[0] += 30;
                frame[1] -= 20;
            }

            var (here, there) = (new float[policy.PlanActions * 2], new float[policy.PlanActions * 2]);
            policy.Plan(frames, noise, 1, [], here);
            policy.Plan(turned, noise, 1, [], there);
            for (var k = 0; k < here.Length; k += 2)
            {
                Near(cos * here[k] - sin * here[k + 1] + 30, there[k], trial);
                Near(sin * here[k] + cos * here[k + 1] - 20, there[k + 1], trial);
            }
        }

        static void Near(double expected, double found, int trial) => Assert.True(Math.Abs(expected - found) < 1e-3, $"seed 41, trial {trial}: expected {expected}, found {found}");
    }

    [Fact]
    public void A_goal_beyond_the_reach_is_as_good_as_one_farther_away_and_one_within_is_not()
    {
        var policy = Policy();
        var random = new CounterRandom(42, RandomPurpose.SensorNoise);
        var frames = new float[policy.History * policy.FrameSize];
        var noise = new float[policy.NoiseSize];
        random.FillNormal(frames);
        random.FillNormal(noise);
        float[] At(float distance)
        {
            for (var h = 0; h < policy.History; h++)
            {
                (frames[h * policy.FrameSize + 6], frames[h * policy.FrameSize + 7]) = (0.6f * distance, 0.8f * distance);
            }

            var plan = new float[policy.PlanActions * 2];
            policy.Plan(frames, noise, 0, [], plan);
            return plan;
        }

        var far = At(160);
        Assert.All(At(2.5f).Zip(far), p => Assert.Equal(p.Second, p.First, 1e-4f));
        Assert.Contains(At(1.5f).Zip(far), p => Math.Abs(p.First - p.Second) > 1e-2f);
        Assert.All(At(0), v => Assert.True(float.IsFinite(v)));
    }

    [Fact]
    public void Turning_a_condition_shows_the_goal_ahead()
    {
        var sensor = Spec().Sensor;
        var frame = new GoalFrame(new GoalFrameSpec { Reach = 2 }, sensor);
        float[] condition = [1, 0, 0, 1, 0, 5, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, -1, 7];
        var axes = frame.Of(condition);
        frame.Turn(axes, condition);
        // What lay to the north is ahead (the goal at the reach), what lay to the east is to the right.
        Assert.Equal([0, -1, 1, 0, 2, 0, 0, -3, 0, 0, 1, 0, 0, 0, 0, 0, -1, 0, 7], condition);
        float[] plan = [1, 0, 0, 2];
        axes.Back(plan);
        Assert.Equal([0, 1, -2, 0], plan);
        axes.Into(plan);
        Assert.Equal([1, 0, 0, 2], plan);
    }

    [Fact]
    public void A_policy_that_ignores_velocities_plans_the_same_at_any()
    {
        var spec = Spec();
        var policy = RandomModel.Load(RandomModel.Complete(spec with { IgnoreVelocity = true }), gain: 0.5).Policies()(new AgentId(0));
        var random = new CounterRandom(43, RandomPurpose.SensorNoise);
        var frames = new float[policy.History * policy.FrameSize];
        var noise = new float[policy.NoiseSize];
        random.FillNormal(frames);
        random.FillNormal(noise);
        var (slow, fast) = (new float[policy.PlanActions * 2], new float[policy.PlanActions * 2]);
        policy.Plan(frames, noise, 0, [], slow);
        // The own velocity and those of two others.
        foreach (var at in (int[])[2, 3, 10, 11, 15, 16])
        {
            frames[at] += 1;
        }

        policy.Plan(frames, noise, 0, [], fast);
        Assert.Equal(slow, fast);
        frames[8] += 1;
        policy.Plan(frames, noise, 0, [], fast);
        Assert.NotEqual(slow, fast);
    }

    [Fact]
    public void What_does_not_turn_is_refused()
    {
        var good = Spec();
        good.Validate("m");
        Assert.Equal("m: conditionOnPosition: expected false with a goalFrame, found True", Refusal(good with { ConditionOnPosition = true }));
        Assert.Equal("m: plan.frame: expected relative with a goalFrame, found Absolute", Refusal(good with { Plan = good.Plan with { Frame = Frame.Absolute } }));
        Assert.StartsWith("m: sensor.goal: expected relative", Refusal(good with { Sensor = good.Sensor with { Goal = null } }), StringComparison.Ordinal);
        Assert.StartsWith("m: sensor.others.frame: expected relative", Refusal(good with { Sensor = good.Sensor with { Others = good.Sensor.Others! with { Frame = Frame.Absolute } } }), StringComparison.Ordinal);
        Assert.StartsWith("m: goalFrame.reach: expected above 0", Refusal(good with { GoalFrame = new GoalFrameSpec { Reach = 0 } }), StringComparison.Ordinal);

        static string Refusal(ModelSpec spec) => Assert.Throws<InvalidInputException>(() => spec.Validate("m")).Message;
    }

    private static IPolicy Policy() => RandomModel.Load(Spec(), gain: 0.5).Policies()(new AgentId(0));

    private static ModelSpec Spec()
    {
        var spec = RandomModel.Spec(shared: true);
        return RandomModel.Complete(spec with
        {
            Sensor = spec.Sensor with { Velocity = true, Heading = true, Others = new OthersSpec { Count = 2, Velocity = true, Presence = true }, Obstacles = new ObstaclesSpec() },
            ConditionOnPosition = false,
            GoalFrame = new GoalFrameSpec { Reach = 2 },
            Plan = spec.Plan with { Frame = Frame.Relative },
            ModeShares = [0.5, 0.5],
        });
    }
}
