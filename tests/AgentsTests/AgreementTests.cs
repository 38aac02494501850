using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.AgentsTests;

/// <summary>Modes drawn by what is seen, guidance, warm starts and selection.</summary>
public class AgreementTests
{
    private static readonly double[] Shares = [0.5, 0.3, 0.2];

    [Fact]
    public void A_mode_drawn_by_what_is_seen_comes_up_as_often_as_what_is_seen_says()
    {
        const int draws = 20_000;
        float[] logits = [0, 1, -1];
        var weights = Array.ConvertAll(logits, l => Math.Exp(l));
        var counts = new int[3];
        for (var episode = 0; episode < draws; episode++)
        {
            counts[SharedMode.Choose(3, new EpisodeId(episode), logits, Shares, 0)]++;
        }

        for (var mode = 0; mode < 3; mode++)
        {
            Assert.InRange(counts[mode] / (double)draws, weights[mode] / weights.Sum() - 0.018, weights[mode] / weights.Sum() + 0.018);
        }
    }

    [Fact]
    public void Agents_who_see_nearly_the_same_nearly_always_draw_the_same()
    {
        const int draws = 20_000;
        float[] one = [0, 1, -1], other = [0.1f, 0.9f, -1];
        var (p, q) = (Softmax(one), Softmax(other));
        var distance = p.Zip(q, (a, b) => Math.Abs(a - b)).Sum() / 2;
        var agreed = Enumerable.Range(0, draws).Count(e => SharedMode.Choose(3, new EpisodeId(e), one, Shares, 0) == SharedMode.Choose(3, new EpisodeId(e), other, Shares, 0));

        // The Gumbel coupling agrees at least as often as (1 - d) / (1 + d); drawn apart they would in about 0.5.
        Assert.True(agreed / (double)draws > (1 - distance) / (1 + distance) - 0.01, $"{agreed} of {draws}");

        static double[] Softmax(float[] logits)
        {
            var weights = Array.ConvertAll(logits, l => Math.Exp(l));
            return Array.ConvertAll(weights, w => w / weights.Sum());
        }
    }

    [Fact]
    public void What_is_held_is_the_mode_that_the_shares_alone_would_draw()
    {
        var held = Enumerable.Range(0, 20_000).Select(e => SharedMode.Choose(5, new EpisodeId(e), [3, 0, 0], Shares, 1000)).CountBy(m => m).ToDictionary();
        for (var mode = 0; mode < 3; mode++)
        {
            Assert.InRange(held[mode] / 20_000.0, Shares[mode] - 0.018, Shares[mode] + 0.018);
        }
    }

    [Fact]
    public void An_agent_that_looks_changes_its_mode_only_when_what_it_sees_changes()
    {
        var policy = new Sees();
        var agent = new Agent(new AgentSpec(7, new EpisodeId(1), new AgentId(0), new SamplingSpec { ModeFrom = ModeSource.Seen }), policy);
        foreach (var (tick, seen) in new[] { (0, 0f), (1, 0f), (2, 30f), (3, 30f), (4, 0f) })
        {
            agent.Decide(new Tick(tick), [seen]);
        }

        // 30 nats speak for the last mode.
        Assert.Equal((policy.Modes[0], policy.Modes[0], 2, 2, policy.Modes[0]), (policy.Modes[0], policy.Modes[1], policy.Modes[2], policy.Modes[3], policy.Modes[4]));
        Assert.NotEqual(2, policy.Modes[0]);
    }

    [Fact]
    public void The_posterior_is_the_document_computed_in_double_precision()
    {
        var spec = Posterior(common: false);
        var file = RandomModel.Weights(spec, 3);
        var random = new CounterRandom(9, RandomPurpose.PlanNoise);
        var seen = new float[spec.ConditionSize - 3];
        random.FillNormal(seen);
        var found = new float[3];
        ModePosterior.Load(spec, 1, file, "test")!.Evaluate(seen, found);

        var expected = Linear("mode.4", Mish(Linear("mode.2", Mish(Linear("mode.0", Array.ConvertAll(seen, x => (double)x))))));
        for (var k = 0; k < 3; k++)
        {
            Assert.Equal(expected[k], found[k], 1e-5);
        }

        double[] Linear(string name, double[] x)
        {
            var (weight, bias) = (file.Tensors[$"agent1.{name}.weight"], file.Tensors[$"agent1.{name}.bias"]);
            return [.. bias.Data.Select((b, r) => b + x.Select((v, c) => v * weight.Data[r * x.Length + c]).Sum())];
        }

        static double[] Mish(double[] x) => Array.ConvertAll(x, v => v * Math.Tanh(Math.Log(1 + Math.Exp(v))));
    }

    [Fact]
    public void A_posterior_of_what_all_can_see_does_not_look_at_the_own_goal()
    {
        var spec = Posterior(common: true);
        var policy = RandomModel.Load(spec).Policies(spec.Sampling with { ModeFrom = ModeSource.Seen })(new AgentId(0));
        var names = spec.Sensor.FeatureNames();
        float[] before = new float[3], after = new float[3];
        var frames = new float[policy.History * policy.FrameSize];
        Assert.True(policy.ModeLogits(frames, before));
        foreach (var (feature, changes) in new[] { ("goal.x", false), ("goal.y", false), ("other0.position.x", true), ("self.velocity.y", true) })
        {
            var changed = frames.ToArray();
            changed[Array.IndexOf(names, feature)] = 5;
            Assert.True(policy.ModeLogits(changed, after));
            Assert.Equal(changes, !before.SequenceEqual(after));
        }
    }

    [Fact]
    public void Guidance_goes_from_the_plan_without_a_mode_through_the_one_with_it_and_beyond()
    {
        var spec = RandomModel.Complete(RandomModel.Spec(planLength: 6) with { ModeShares = Shares, ModeDropout = 0.1 });
        var model = RandomModel.Load(spec);
        var (plain, calls) = Plan(null, 1);
        Assert.Equal(4, calls);
        Assert.Equal(plain, Plan(1, 1).Plan);

        var (none, twice) = Plan(0, 1);
        Assert.Equal(8, twice);
        Assert.Equal(none, Plan(0, 2).Plan);
        Assert.NotEqual(none, plain);
        Assert.NotEqual(plain, Plan(2, 1).Plan);

        (float[] Plan, int Calls) Plan(double? weight, int mode)
        {
            var policy = model.Policies(spec.Sampling with { Guidance = weight })(new AgentId(0));
            var noise = new float[policy.NoiseSize];
            new CounterRandom(2, RandomPurpose.PlanNoise).FillNormal(noise);
            var plan = new float[policy.PlanActions * policy.ActionSize];
            var count = policy.Plan(new float[policy.History * policy.FrameSize], noise, mode, [], plan);
            return (plan, count);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_warm_start_takes_fewer_calls_and_stays_with_the_plan_the_less_it_is_noised(bool turned)
    {
        var spec = RandomModel.Spec(planLength: 6);
        if (turned)
        {
            // Plans in axes that point to the goal are turned back and forth.
            spec = RandomModel.Complete(spec with { ConditionOnPosition = false, GoalFrame = new GoalFrameSpec(), Plan = spec.Plan with { Frame = Frame.Relative } });
        }

        var model = RandomModel.Load(spec, gain: 0.3);
        var far = Distance(1e-2, out var calls);
        Assert.InRange(calls, 1, 9);
        Assert.True(far < 0.2, $"{far}");
        Assert.True(Distance(20, out var more) > 2 * far);
        Assert.True(more > calls && more < 10);

        double Distance(double sigma, out int count)
        {
            var policy = model.Policies(spec.Sampling with { Steps = 10, WarmPeriod = 4, WarmSigma = sigma })(new AgentId(0));
            var (noise, frames) = (new float[policy.NoiseSize], new float[policy.History * policy.FrameSize]);
            new CounterRandom(2, RandomPurpose.PlanNoise).FillNormal(noise);
            new CounterRandom(3, RandomPurpose.PlanNoise).FillNormal(frames);
            float[] previous = [1, 1, 2, 1, 3, 1], plan = new float[12];
            count = policy.Plan(frames, noise, SharedMode.None, previous, plan);
            return previous.Zip(plan, (x, y) => Math.Abs(x - y)).Max();
        }
    }

    [Theory]
    [InlineData(NoiseMode.Fresh, 1)]
    [InlineData(NoiseMode.Autoregressive, 2)]
    public void An_agent_with_warm_starts_is_rebuilt_to_the_bit(NoiseMode noise, int execute)
    {
        var model = RandomModel.Load(RandomModel.Spec(), gain: 0.5);
        var sampling = model.Spec.Sampling with { Execute = execute, Noise = noise, WarmPeriod = 3, WarmSigma = 2 };
        var policy = model.Policies(sampling)(new AgentId(1));
        var spec = new AgentSpec(4, new EpisodeId(2), new AgentId(1), sampling);
        var frame = new float[policy.FrameSize];
        var original = new Agent(spec, policy);
        for (var t = 0; t < 20; t++)
        {
            Array.Fill(frame, 0.1f * t);
            var expected = original.Decide(new Tick(t), frame);
            Assert.Equal(expected, Agent.Rebuild(spec, policy, original.Window).Action.Span);
        }

        Assert.True(original.NetworkCalls < 4 * original.Plans);
    }

    [Fact]
    public void Of_several_plans_the_one_that_stays_farthest_from_the_others_is_taken()
    {
        var sensor = new SensorSpec { Others = new OthersSpec { Count = 1, Velocity = true, Presence = true } };
        float[] frame = [0, 0, 2, 0, -1, 0, 1], noise = [1, 3, 2], action = new float[2];
        var policy = new SelectingPolicy(new NoisePolicy(), sensor, 0.1, new SelectionSpec { Candidates = 3 });
        Assert.Equal((3, 3), (policy.NoiseSize, policy.Plan(frame, noise, action)));
        Assert.Equal(3, action[1]);

        // Farther than this is no better.
        new SelectingPolicy(new NoisePolicy(), sensor, 0.1, new SelectionSpec { Candidates = 3, Separation = 2.1 }).Plan(frame, noise, action);
        Assert.Equal(1, action[1]);

        // Where nobody is in sight, the first.
        frame[^1] = 0;
        policy.Plan(frame, noise, action);
        Assert.Equal(1, action[1]);
    }

    [Theory]
    [InlineData("sampling: modeFrom: expected seed with a model that did not learn p(z | observation) (model.modePosterior), found seen")]
    [InlineData("sampling: guidance: expected none, or 1, with a model that is no diffusion model trained with modeDropout, found 2")]
    [InlineData("sampling: warmPeriod: expected none with a model that is no diffusion model of the agent's own plan, found 3")]
    public void What_a_model_cannot_do_is_refused(string message)
    {
        var spec = RandomModel.Complete(RandomModel.Spec() with { ModeShares = Shares, Method = message.Contains("warm", StringComparison.Ordinal) ? MethodKind.Flow : MethodKind.Diffusion });
        var sampling = message.Contains("modeFrom", StringComparison.Ordinal) ? spec.Sampling with { ModeFrom = ModeSource.Seen }
            : message.Contains("guidance", StringComparison.Ordinal) ? spec.Sampling with { Guidance = 2 } : spec.Sampling with { WarmPeriod = 3 };
        var model = RandomModel.Load(spec);

        Assert.Equal(message, Assert.Throws<InvalidInputException>(() => model.Policies(sampling)).Message);
    }

    private static ModelSpec Posterior(bool common) => RandomModel.Complete(RandomModel.Spec() with { ModeShares = Shares, ModePosterior = new ModePosteriorSpec(12, common) });

    /// <summary>Goes up by its noise.</summary>
    private sealed class NoisePolicy : IPolicy
    {
        public int FrameSize => 7;

        public int History => 1;

        public int ActionSize => 2;

        public int PlanActions => 1;

        public int NoiseSize => 1;

        public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions)
        {
            (actions[0], actions[1]) = (0, noise[0]);
            return 1;
        }
    }

    /// <summary>Takes what it sees for the evidence of the last mode.</summary>
    private sealed class Sees : IPolicy
    {
        public List<int> Modes { get; } = [];

        public int FrameSize => 1;

        public int History => 1;

        public int ActionSize => 1;

        public int PlanActions => 1;

        public int NoiseSize => 0;

        public ReadOnlySpan<double> ModeShares => Shares;

        public bool ModeLogits(ReadOnlySpan<float> frames, Span<float> logits)
        {
            (logits[0], logits[1], logits[2]) = (1, 1, frames[0] - 10);
            return true;
        }

        public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions) => throw new InvalidOperationException("the mode was not told");

        public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, int mode, ReadOnlySpan<float> previous, Span<float> actions)
        {
            Modes.Add(mode);
            return 0;
        }
    }
}
