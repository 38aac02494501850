using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.AgentsTests;

public class JointPlanTests
{
    [Theory]
    [InlineData(NetworkKind.Mlp, PlanOf.All)]
    [InlineData(NetworkKind.Dit, PlanOf.All)]
    [InlineData(NetworkKind.Mlp, PlanOf.Joint)]
    [InlineData(NetworkKind.Dit, PlanOf.Joint)]
    public void Fast_networks_over_everybodys_plan_agree_with_the_document(NetworkKind kind, PlanOf of)
    {
        var spec = RandomModel.SpecOf(of, kind, agents: 4, planLength: 7);
        Assert.Equal(7 * 4 * 2, spec.PlanSize);
        var file = RandomModel.Weights(spec, seed: 5);
        var denoiser = Denoiser.Load(spec, 0, file, "test");
        var (x, c, o) = DenoiserTests.Arguments(spec, 1);
        var expected = new ReferenceNetworks(spec, file, 0).Forward(Array.ConvertAll(x, v => (double)v), c, Array.ConvertAll(o, v => (double)v));
        var found = new float[x.Length];
        denoiser.Forward(x, c, o, found);
        for (var j = 0; j < found.Length; j++)
        {
            Assert.True(Math.Abs(found[j] - expected[j]) <= 1e-5 * Math.Max(1, Math.Abs(expected[j])), $"number {j}: expected {expected[j]}, found {found[j]}");
        }
    }

    /// <summary>Written out apart from the layout: the frame of agent 1 of 3 is own position, velocity, goal; the same of agent 0; the same of agent 2.</summary>
    [Theory]
    [InlineData(PlanOf.All, Frame.Absolute, false)]
    [InlineData(PlanOf.All, Frame.Absolute, true)]
    [InlineData(PlanOf.All, Frame.Relative, false)]
    [InlineData(PlanOf.Joint, Frame.Absolute, false)]
    [InlineData(PlanOf.Joint, Frame.Absolute, true)]
    [InlineData(PlanOf.Joint, Frame.Relative, false)]
    public void A_plan_of_everybody_is_the_sample_in_metres_and_its_own_part_is_what_is_executed(PlanOf of, Frame frame, bool present)
    {
        var spec = RandomModel.SpecOf(of, frame: frame, present: present);
        var file = RandomModel.Weights(spec, 3, gain: 0.5);
        var network = of == PlanOf.Joint ? 0 : 1;
        var n = spec.Normalisation[network];
        var policy = new DiffusionPolicy(spec, n, Denoiser.Load(spec, network, file, "test"), spec.Sampling, new AgentId(1));
        var random = new CounterRandom(5, RandomPurpose.SensorNoise);
        var (frames, noise) = (new float[2 * 18], new float[8 * 6]);
        random.FillNormal(frames);
        random.FillNormal(noise);

        int[] order = of == PlanOf.All ? [0, 6, 12] : [6, 0, 12];
        var seen = Enumerable.Range(0, 2).SelectMany(h => order.SelectMany(at => frames[(h * 18 + at)..(h * 18 + at + 6)])).ToArray();
        var o = seen.Select((v, j) => ((double)v - n.ConditionMean[j]) / n.ConditionDeviation[j]).ToArray();
        var now = order.SelectMany(at => frames[at..(at + 2)]).ToArray();
        var painted = present ? now.Select((v, j) => ((double)v - n.PlanMean[j]) / n.PlanDeviation[j]).ToArray() : null;
        var sample = new ReferenceNetworks(spec, file, network).Sample([.. noise.Select(v => (double)v)], o, painted, n.SigmaData, OdeSolver.Euler, 4);
        var expected = sample.Select((v, j) => v * n.PlanDeviation[j] + n.PlanMean[j] + (frame == Frame.Relative ? now[j % 6] : 0)).ToArray();

        Assert.Equal(noise.Length, policy.NoiseSize);
        var whole = new float[spec.PlanSize];
        Assert.Equal(4, policy.PlanAll(frames, noise, SharedMode.None, whole));
        for (var j = 0; j < whole.Length; j++)
        {
            Assert.Equal(expected[j], whole[j], 5e-5);
        }

        var actions = new float[policy.PlanActions * 2];
        policy.Plan(frames, noise, actions);
        var own = of == PlanOf.All ? 0 : 2;
        var rows = whole.Chunk(6).Skip(present ? 1 : 0);
        Assert.Equal(rows.SelectMany(row => row[own..(own + 2)]), actions);
    }

    [Fact]
    public void The_joint_state_is_the_same_whoever_sees_it()
    {
        // Slots of position 2, velocity 2, goal 2, one obstacle 3; agent i's numbers are 100 i onwards.
        var spec = RandomModel.SpecOf(PlanOf.Joint);
        spec = spec with { Sensor = spec.Sensor with { Obstacles = new ObstaclesSpec() } };
        float[] Numbers(int agent, int from, int count) => [.. Enumerable.Range(100 * agent + from, count).Select(v => (float)v)];
        for (var agent = 0; agent < 3; agent++)
        {
            float[] frame = [.. Numbers(agent, 0, 6), .. Enumerable.Range(0, 3).Where(i => i != agent).SelectMany(i => Numbers(i, 0, 9)), .. Numbers(agent, 6, 3)];
            Assert.Equal(spec.Sensor.FrameSize, frame.Length);
            var layout = new PlanLayout(spec.Sensor, spec.Plan, true, new AgentId(agent));
            var (condition, present) = (new float[layout.ConditionSize], new float[layout.RowSize]);
            layout.WriteCondition(frame, condition);
            layout.WritePresent(frame, present);
            Assert.Equal(Enumerable.Range(0, 3).SelectMany(i => Numbers(i, 0, 9)), condition);
            Assert.Equal(Enumerable.Range(0, 3).SelectMany(i => Numbers(i, 0, 2)), present);
            Assert.Equal(2 * agent, layout.Own);
        }
    }

    [Fact]
    public void Others_that_are_sensed_relative_are_planned_for_where_they_are()
    {
        var spec = RandomModel.SpecOf(PlanOf.All, present: true);
        spec = spec with { Sensor = spec.Sensor with { Others = spec.Sensor.Others! with { Frame = Frame.Relative } } };
        var layout = new PlanLayout(spec.Sensor, spec.Plan, true, new AgentId(2));
        var frame = new float[18];
        (frame[0], frame[1], frame[6], frame[7], frame[12], frame[13]) = (5, 6, 1, -1, 0.5f, 2);
        var present = new float[6];
        layout.WritePresent(frame, present);
        Assert.Equal([5, 6, 6, 5, 5.5f, 8], present);
        Assert.Equal([2, 0, 1], Enumerable.Range(0, 3).Select(layout.Whose));
    }

    [Fact]
    public void An_other_out_of_sight_leaves_the_own_plan_whole()
    {
        var spec = RandomModel.SpecOf(PlanOf.All, frame: Frame.Relative);
        spec = RandomModel.Complete(spec with { Sensor = spec.Sensor with { Others = spec.Sensor.Others! with { Presence = true } } });
        var policy = (DiffusionPolicy)RandomModel.Load(spec).Policies()(new AgentId(0));
        var frames = new float[policy.History * policy.FrameSize];
        frames[Array.IndexOf(spec.Sensor.FeatureNames(), "other1.presence")] = 1;
        var plan = new float[spec.PlanSize];
        policy.PlanAll(frames, new float[policy.NoiseSize], SharedMode.None, plan);
        Assert.All(plan.Chunk(6), row => Assert.Equal([false, false, true, true, false, false], row.Select(float.IsNaN)));
    }

    [Fact]
    public void Shared_noise_is_the_same_for_all_agents_of_an_episode_and_for_no_other_episode()
    {
        float[] Noise(int agent, int episode, bool shared, NoiseMode mode)
            => new PlanNoise(3, new EpisodeId(episode), new AgentId(agent), new SamplingSpec { SharedNoise = shared, Noise = mode }, 5).At(4).ToArray();
        foreach (var mode in Enum.GetValues<NoiseMode>())
        {
            Assert.Equal(Noise(0, 1, true, mode), Noise(7, 1, true, mode));
            Assert.NotEqual(Noise(0, 1, true, mode), Noise(0, 2, true, mode));
            Assert.NotEqual(Noise(0, 1, false, mode), Noise(7, 1, false, mode));
            Assert.NotEqual(Noise(0, 1, false, mode), Noise(0, 1, true, mode));
        }
    }

    public static TheoryData<PlanOf, string, Func<ModelSpec, ModelSpec>> Misfits => new()
    {
        { PlanOf.All, "sensor.others: expected others that are sensed with plan.of all, found none", s => s with { Sensor = s.Sensor with { Others = null } } },
        { PlanOf.All, "sensor.others.order: expected identity with plan.of all, found nearest", s => Others(s, o => o with { Order = OtherOrder.Nearest }) },
        { PlanOf.All, "plan.startsAtPresent: expected false where an other may be out of sight (sensor.others.presence) with plan.of all, found True", s => Others(s with { Plan = s.Plan with { StartsAtPresent = true } }, o => o with { Presence = true }) },
        { PlanOf.All, "sensor.others.count: expected 2, the others, with a plan of all agents, found 1", s => Others(s, o => o with { Count = 1 }) },
        { PlanOf.Joint, "sensor.others.frame: expected absolute with plan.of joint, found relative", s => Others(s, o => o with { Frame = Frame.Relative }) },
        { PlanOf.Joint, "sensor.others.presence: expected false", s => Others(s, o => o with { Presence = true }) },
        { PlanOf.Joint, "sensor.others.full: expected true with plan.of joint, found False", s => Others(s, o => o with { Full = false }) },
        { PlanOf.Joint, "sensor.heading: expected false", s => s with { Sensor = s.Sensor with { Heading = true } } },
        { PlanOf.Joint, "conditionOnPosition: expected true", s => s with { ConditionOnPosition = false } },
        { PlanOf.Joint, "sharedWeights: expected true", s => s with { SharedWeights = false } },
    };

    [Theory]
    [MemberData(nameof(Misfits))]
    public void A_plan_of_others_that_cannot_be_made_from_what_is_sensed_is_refused(PlanOf of, string expected, Func<ModelSpec, ModelSpec> change)
    {
        var spec = RandomModel.SpecOf(of);
        spec.Validate("test");
        var error = Assert.Throws<InvalidInputException>(() => RandomModel.Complete(change(spec)).Validate("test"));
        Assert.StartsWith("test: " + expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    private static ModelSpec Others(ModelSpec spec, Func<OthersSpec, OthersSpec> change) => spec with { Sensor = spec.Sensor with { Others = change(spec.Sensor.Others!) } };
}
