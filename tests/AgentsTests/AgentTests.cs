using FsCheck;
using FsCheck.Fluent;
using MimicD.Agents;
using MimicD.Contracts;

namespace MimicD.AgentsTests;

public class AgentTests
{
    [Theory]
    [InlineData(NoiseMode.Fresh)]
    [InlineData(NoiseMode.Held)]
    [InlineData(NoiseMode.Autoregressive)]
    public void Replaying_the_window_rebuilds_the_same_agent(NoiseMode mode)
    {
        var property = Prop.ForAll(Gen.Choose(1, 5).Four().ToArbitrary(), Gen.Choose(0, 40).ToArbitrary(), Gen.Choose(0, 3).ToArbitrary(), (sizes, cut, gap) =>
        {
            var (history, execute, extra, seed) = sizes;
            var policy = new MixingPolicy(history, execute + extra);
            var spec = Spec(new SamplingSpec { Execute = execute, Noise = mode, Correlation = 0.7 }, (ulong)seed);
            var original = new Agent(spec, policy);
            Agent? rebuilt = null;
            for (int step = 0, tick = 0; step < cut + 12; step++, tick += 1 + (gap > 0 && step % 7 == 3 ? gap : 0))
            {
                var expected = original.Decide(new Tick(tick), Frame(tick));
                if (step == cut)
                {
                    rebuilt = Agent.Rebuild(spec, policy, original.Window);
                }
                else
                {
                    rebuilt?.Decide(new Tick(tick), Frame(tick));
                }

                if (rebuilt is not null && !expected.SequenceEqual(rebuilt.Action.Span))
                {
                    return false;
                }
            }

            return true;
        });
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(300), property);
    }

    [Theory]
    [InlineData(NoiseMode.Fresh)]
    [InlineData(NoiseMode.Held)]
    [InlineData(NoiseMode.Autoregressive)]
    public void A_rebuilt_agent_with_a_real_network_acts_the_same_bit_by_bit(NoiseMode mode)
    {
        var model = RandomModel.Load(RandomModel.Spec());
        var policy = model.Policies()(new AgentId(1));
        var spec = Spec(model.Spec.Sampling with { Execute = 3, Noise = mode });
        var frame = new float[policy.FrameSize];
        var original = new Agent(spec, policy);
        for (var t = 0; t < 12; t++)
        {
            Array.Fill(frame, 0.1f * t);
            var expected = original.Decide(new Tick(t), frame);
            Assert.Equal(expected, Agent.Rebuild(spec, policy, original.Window).Action.Span);
        }
    }

    [Fact]
    public void It_plans_at_the_ticks_that_the_executed_actions_divide()
    {
        var policy = new MixingPolicy(1, 4);
        var agent = new Agent(Spec(new SamplingSpec { Execute = 3 }), policy);
        float[] plan = [];
        for (var t = 0; t < 9; t++)
        {
            var action = agent.Decide(new Tick(t), Frame(t));
            Assert.Equal(t / 3 + 1, agent.Plans);
            plan = t % 3 == 0 ? agent.Plan.ToArray() : plan;
            Assert.Equal(plan.AsSpan(t % 3 * 2, 2), action);
        }

        Assert.Equal(3, agent.NetworkCalls);
    }

    [Fact]
    public void History_is_newest_first_and_the_oldest_frame_stands_in_before_the_first()
    {
        var seen = new List<float[]>();
        var agent = new Agent(Spec(new SamplingSpec()), new RecordingPolicy(seen, history: 3));
        for (var t = 0; t < 5; t++)
        {
            agent.Decide(new Tick(t), [10 + t]);
        }

        Assert.Equal([[10, 10, 10], [11, 10, 10], [12, 11, 10], [13, 12, 11], [14, 13, 12]], seen);
    }

    [Fact]
    public void The_window_keeps_the_newest_frames_whatever_its_size()
    {
        for (var history = 1; history <= 4; history++)
        {
            for (var capacity = history; capacity <= history + 4; capacity++)
            {
                var window = new ObservationWindow(2, history, capacity);
                for (var t = 0; t < 50; t++)
                {
                    window.Push(new Tick(2 * t), [t, -t]);
                    Assert.Equal(Math.Min(t + 1, capacity), window.Count);
                    for (var i = 0; i < window.Count; i++)
                    {
                        Assert.Equal(new Tick(2 * (t - i)), window.Tick(i));
                        Assert.Equal([t - i, i - t], window.Frame(i).ToArray());
                    }

                    Assert.Equal(Enumerable.Range(0, history).SelectMany(i => new float[] { Math.Max(0, t - i), -Math.Max(0, t - i) }), window.Newest.ToArray());
                }
            }
        }
    }

    [Fact]
    public void A_tick_cannot_come_twice()
    {
        var agent = new Agent(Spec(new SamplingSpec()), new MixingPolicy(1, 1));
        agent.Decide(new Tick(3), Frame(3));
        Assert.Throws<ArgumentOutOfRangeException>(() => agent.Decide(new Tick(3), Frame(3)));
    }

    [Fact]
    public void More_actions_than_a_plan_has_cannot_be_executed()
        => Assert.Throws<InvalidInputException>(() => new Agent(Spec(new SamplingSpec { Execute = 3 }), new MixingPolicy(1, 2)));

    [Fact]
    public void Held_noise_stays_fresh_noise_changes_and_autoregressive_noise_follows_its_recursion()
    {
        const int Size = 5;
        float[] At(NoiseMode mode, int replan, double correlation = 0.95)
            => new PlanNoise(9, new EpisodeId(2), new AgentId(1), new SamplingSpec { Noise = mode, Correlation = correlation }, Size).At(replan).ToArray();

        Assert.Equal(At(NoiseMode.Held, 0), At(NoiseMode.Held, 7));
        Assert.Equal(At(NoiseMode.Held, 0), At(NoiseMode.Fresh, 0));
        Assert.NotEqual(At(NoiseMode.Fresh, 6), At(NoiseMode.Fresh, 7));
        Assert.Equal(At(NoiseMode.Fresh, 7), At(NoiseMode.Autoregressive, 7, correlation: 0));
        Assert.Equal(At(NoiseMode.Held, 7), At(NoiseMode.Autoregressive, 7, correlation: 1));
        var expected = At(NoiseMode.Fresh, 0).Select(v => (double)v).ToArray();
        for (var r = 1; r <= 20; r++)
        {
            expected = [.. expected.Zip(At(NoiseMode.Fresh, r), (n, e) => 0.95 * n + Math.Sqrt(1 - 0.95 * 0.95) * e)];
            Assert.All(expected.Zip(At(NoiseMode.Autoregressive, r)), pair => Assert.Equal(pair.First, pair.Second, 1e-5));
        }
    }

    [Fact]
    public void Autoregressive_noise_is_standard_normal_and_correlated_as_asked_after_many_replans()
    {
        const int Size = 20_000;
        var noise = new PlanNoise(4, new EpisodeId(0), new AgentId(0), new SamplingSpec { Noise = NoiseMode.Autoregressive, Correlation = 0.8 }, Size);
        var before = noise.At(30).ToArray();
        var after = noise.At(32).ToArray();
        Assert.Equal(0, after.Average(v => v), 0.03);
        Assert.Equal(1, after.Average(v => v * (double)v), 0.05);
        Assert.Equal(0.64, before.Zip(after, (a, b) => a * (double)b).Average(), 0.03);
    }

    [Fact]
    public void Agents_and_episodes_do_not_share_noise()
    {
        float First(ulong seed, int episode, int agent) => new PlanNoise(seed, new EpisodeId(episode), new AgentId(agent), new SamplingSpec(), 1).At(0)[0];
        float[] all = [First(1, 0, 0), First(1, 0, 1), First(1, 1, 0), First(2, 0, 0)];
        Assert.Equal(4, all.Distinct().Count());
    }

    private static AgentSpec Spec(SamplingSpec sampling, ulong seed = 7) => new(seed, new EpisodeId(3), new AgentId(1), sampling);

    private static float[] Frame(int tick) => [MathF.Sin(tick), tick];
}
