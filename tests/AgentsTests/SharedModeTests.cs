using MimicD.Agents;
using MimicD.Contracts;

namespace MimicD.AgentsTests;

public class SharedModeTests
{
    private static readonly double[] Shares = [0.5, 0.3, 0.2];

    [Fact]
    public void Every_agent_of_an_episode_takes_part_in_the_same_mode_and_episodes_differ()
    {
        var seen = new HashSet<int>();
        for (var episode = 0; episode < 50; episode++)
        {
            var modes = Enumerable.Range(0, 4).Select(agent =>
            {
                var policy = new RecordsMode();
                var member = new Agent(new AgentSpec(7, new EpisodeId(episode), new AgentId(agent), new SamplingSpec()), policy);
                member.Decide(new Tick(0), [agent]);
                member.Decide(new Tick(1), [agent]);
                Assert.Equal(2, policy.Modes.Count);
                return Assert.Single(policy.Modes.Distinct());
            }).Distinct().ToArray();
            seen.Add(Assert.Single(modes));
        }

        Assert.Equal([0, 1, 2], seen.Order());
    }

    [Fact]
    public void Modes_come_up_in_their_shares()
    {
        const int draws = 20_000;
        var counts = new int[3];
        for (var episode = 0; episode < draws; episode++)
        {
            counts[SharedMode.Draw(3, new EpisodeId(episode), Shares)]++;
        }

        for (var mode = 0; mode < 3; mode++)
        {
            // Five standard errors: 5 sqrt(0.25 / 20000) = 0.018.
            Assert.InRange(counts[mode] / (double)draws, Shares[mode] - 0.018, Shares[mode] + 0.018);
        }
    }

    [Fact]
    public void A_policy_without_modes_is_told_none() => Assert.Equal(SharedMode.None, SharedMode.Draw(1, new EpisodeId(1), []));

    [Fact]
    public void The_mode_changes_the_plan_and_one_out_of_range_is_refused()
    {
        var spec = RandomModel.Spec(planLength: 6);
        spec = RandomModel.Complete(spec with { ModeShares = Shares });
        var policy = RandomModel.Load(spec).Policies()(new AgentId(0));
        Assert.Equal(Shares, policy.ModeShares.ToArray());
        var (frames, noise) = (new float[policy.History * policy.FrameSize], new float[policy.NoiseSize]);
        var plans = Enumerable.Range(0, 3).Select(mode =>
        {
            var plan = new float[policy.PlanActions * policy.ActionSize];
            policy.Plan(frames, noise, mode, [], plan);
            return plan;
        }).ToArray();
        Assert.NotEqual(plans[0], plans[1]);
        Assert.NotEqual(plans[1], plans[2]);
        Assert.Throws<ArgumentOutOfRangeException>(() => policy.Plan(frames, noise, 3, [], plans[0]));
        Assert.Throws<ArgumentOutOfRangeException>(() => policy.Plan(frames, noise, plans[0]));
    }

    [Theory]
    [InlineData(new[] { 0.5, 0.6 })]
    [InlineData(new[] { 1.5, -0.5 })]
    [InlineData(new[] { 1.0 })]
    public void Shares_that_are_no_distribution_are_refused(double[] shares)
    {
        var spec = RandomModel.Complete(RandomModel.Spec() with { ModeShares = shares });
        Assert.Contains("modeShares", Assert.Throws<InvalidInputException>(() => spec.Validate("test")).Message, StringComparison.Ordinal);
    }

    private sealed class RecordsMode : IPolicy
    {
        public List<int> Modes { get; } = [];

        public int FrameSize => 1;

        public int History => 1;

        public int ActionSize => 1;

        public int PlanActions => 1;

        public int NoiseSize => 0;

        public ReadOnlySpan<double> ModeShares => Shares;

        public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions) => throw new InvalidOperationException("the mode was not told");

        public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, int mode, ReadOnlySpan<float> previous, Span<float> actions)
        {
            Modes.Add(mode);
            return 0;
        }
    }
}
