using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Tests;

namespace MimicD.AgentsTests;

public class PolicyTests
{
    [Theory]
    [InlineData(Frame.Absolute, false, true)]
    [InlineData(Frame.Absolute, true, true)]
    [InlineData(Frame.Relative, false, true)]
    [InlineData(Frame.Relative, false, false)]
    public void A_plan_is_the_sample_put_back_into_metres(Frame frame, bool present, bool position)
    {
        var spec = RandomModel.Spec(NetworkKind.Mlp);
        spec = RandomModel.Complete(spec with { ConditionOnPosition = position, Plan = spec.Plan with { Frame = frame, StartsAtPresent = present } });
        var file = RandomModel.Weights(spec, 3, gain: 0.5);
        var n = spec.Normalisation[1];
        var policy = new DiffusionPolicy(spec, n, Denoiser.Load(spec, 1, file, "test"), spec.Sampling);
        var (frames, noise, actions) = Arguments(policy, 1);
        Assert.Equal(4, policy.Plan(frames, noise, actions));

        var size = spec.Sensor.FrameSize;
        var seen = Enumerable.Range(0, 2).SelectMany(h => frames[(h * size + (position ? 0 : 2))..((h + 1) * size)]).ToArray();
        var o = seen.Select((v, j) => ((double)v - n.ConditionMean[j]) / n.ConditionDeviation[j]).ToArray();
        var painted = present ? Enumerable.Range(0, 2).Select(d => ((double)frames[d] - n.PlanMean[d]) / n.PlanDeviation[d]).ToArray() : null;
        var plan = new ReferenceNetworks(spec, file, 1).Sample([.. noise.Select(v => (double)v)], o, painted, n.SigmaData, OdeSolver.Euler, 4);
        var expected = plan.Select((v, j) => v * n.PlanDeviation[j] + n.PlanMean[j] + (frame == Frame.Relative ? frames[j % 2] : 0)).Skip(present ? 2 : 0).ToArray();
        Assert.Equal(expected.Length, actions.Length);
        for (var j = 0; j < actions.Length; j++)
        {
            Assert.Equal(expected[j], actions[j], 5e-5);
        }
    }

    [Fact]
    public void A_relative_policy_that_does_not_see_its_position_moves_with_the_world()
    {
        var spec = RandomModel.Spec();
        spec = RandomModel.Complete(spec with { ConditionOnPosition = false, Plan = spec.Plan with { Frame = Frame.Relative } });
        var policy = RandomModel.Load(spec).Policies()(new AgentId(0));
        var (frames, noise, here) = Arguments(policy, 2);
        var there = new float[here.Length];
        policy.Plan(frames, noise, here);
        for (var h = 0; h < policy.History; h++)
        {
            frames[h * policy.FrameSize] += 100;
            frames[h * policy.FrameSize + 1] -= 40;
        }

        policy.Plan(frames, noise, there);
        for (var j = 0; j < here.Length; j++)
        {
            Assert.Equal(here[j] + (j % 2 == 0 ? 100 : -40), there[j], 1e-4f);
        }
    }

    [Theory]
    [InlineData(NetworkKind.Mlp)]
    [InlineData(NetworkKind.Dit)]
    public void What_was_planned_for_one_agent_leaves_no_trace_in_the_plan_of_the_next(NetworkKind kind)
    {
        // One network for all, whose memory on this thread all of them use in turn.
        var policy = RandomModel.Load(RandomModel.Spec(kind, shared: true)).Policies()(new AgentId(0));
        var (frames, noise, alone) = Arguments(policy, 3);
        policy.Plan(frames, noise, alone);
        var (others, othersNoise, theirs) = Arguments(policy, 4);
        Array.Fill(others, float.NaN);
        Array.Fill(othersNoise, 1e30f);
        policy.Plan(others, othersNoise, theirs);
        Assert.Contains(theirs, float.IsNaN);

        var after = new float[alone.Length];
        policy.Plan(frames, noise, after);
        Assert.Equal(alone.Select(BitConverter.SingleToInt32Bits), after.Select(BitConverter.SingleToInt32Bits));
    }

    [Theory]
    [InlineData(NetworkKind.Mlp)]
    [InlineData(NetworkKind.Dit)]
    public void A_plan_allocates_nothing_once_warm(NetworkKind kind)
    {
        var model = RandomModel.Load(RandomModel.Spec(kind));
        foreach (var solver in Enum.GetValues<OdeSolver>())
        {
            var policies = model.Policies(model.Spec.Sampling with { Solver = solver, Steps = 20, Execute = 1, Noise = NoiseMode.Autoregressive });
            var agents = Enumerable.Range(0, 2).Select(i => new Agent(new AgentSpec(1, new EpisodeId(0), new AgentId(i), model.Spec.Sampling with { Execute = 1, Noise = NoiseMode.Autoregressive }), policies(new AgentId(i)))).ToArray();
            var frame = new float[model.Spec.Sensor.FrameSize];
            var tick = 0;
            Allocations.AssertNone(() =>
            {
                for (var until = tick + 5; tick < until; tick++)
                {
                    foreach (var agent in agents)
                    {
                        agent.Decide(new Tick(tick), frame);
                    }
                }
            });
        }
    }

    [Theory]
    [InlineData(Frame.Absolute)]
    [InlineData(Frame.Relative)]
    public void The_constant_velocity_policy_walks_straight_and_stops_at_its_goal(Frame goal)
    {
        var sensor = new SensorSpec { Velocity = true, Goal = goal };
        var policy = new ConstantVelocityPolicy(sensor, speed: 2, timeStep: 0.5, planActions: 2);
        var position = new[] { 1f, 1f };
        var way = new List<(float, float)>();
        for (var t = 0; t < 4; t++)
        {
            var actions = new float[4];
            float[] to = goal == Frame.Absolute ? [4, 5] : [4 - position[0], 5 - position[1]];
            Assert.Equal(0, policy.Plan([.. position, 9, 9, .. to], [], actions));
            way.Add((actions[0], actions[1]));
            way.Add((actions[2], actions[3]));
            position = actions[2..];
        }

        (float X, float Y)[] expected = [(1.6f, 1.8f), (2.2f, 2.6f), (2.8f, 3.4f), (3.4f, 4.2f), (4, 5), (4, 5), (4, 5), (4, 5)];
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i].X, way[i].Item1, 1e-5f);
            Assert.Equal(expected[i].Y, way[i].Item2, 1e-5f);
        }
    }

    [Fact]
    public void The_constant_velocity_policy_needs_a_goal()
        => Assert.Throws<InvalidInputException>(() => new ConstantVelocityPolicy(new SensorSpec(), 1, 0.1));

    private static (float[] Frames, float[] Noise, float[] Actions) Arguments(IPolicy policy, int stream)
    {
        var random = new CounterRandom(5, RandomPurpose.SensorNoise, stream);
        var frames = new float[policy.History * policy.FrameSize];
        var noise = new float[policy.NoiseSize];
        random.FillNormal(frames);
        random.FillNormal(noise);
        return (frames, noise, new float[policy.PlanActions * policy.ActionSize]);
    }
}
