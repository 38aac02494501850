using MimicD.Agents;
using MimicD.Contracts;

namespace MimicD.AgentsTests;

public class FamiliarityTests
{
    [Fact]
    public void Numbers_beyond_four_deviations_are_counted_by_name_and_the_plan_is_the_same()
    {
        var model = RandomModel.Load(RandomModel.Spec(width: 16));
        var policy = model.Policies()(new AgentId(0));
        var names = policy.TrainedFeatures;
        Assert.Equal(model.Spec.ConditionFrameSize, names.Count);
        Assert.Equal("self.position.x", names[0]);
        var mean = model.Spec.Normalisation[0].ConditionMean;
        var deviation = model.Spec.Normalisation[0].ConditionDeviation;
        var agent = Agent(policy, model.Spec.Sampling with { Execute = 1 });
        float[] usual = [.. mean[..policy.FrameSize]];
        agent.Decide(new Tick(0), usual);
        Assert.Equal(0, Counts(agent)[^1]);

        // Just within, and just beyond, in two numbers at once.
        float[] within = [.. usual.Select((x, i) => x + 3.9f * deviation[i])];
        float[] beyond = [.. usual];
        (beyond[0], beyond[2]) = (usual[0] + 4.1f * deviation[0], usual[2] - 4.1f * deviation[2]);
        agent.Decide(new Tick(1), within);
        Assert.Equal(0, Counts(agent)[^1]);
        agent.Decide(new Tick(2), beyond);
        agent.Decide(new Tick(3), beyond);
        Assert.Equal((2, 0, 2, 2), (Counts(agent)[0], Counts(agent)[1], Counts(agent)[2], Counts(agent)[^1]));
        Assert.Equal(4, agent.Plans);
    }

    [Fact]
    public void An_agent_that_is_built_again_goes_on_with_its_counts()
    {
        var model = RandomModel.Load(RandomModel.Spec(width: 16));
        var policy = model.Policies()(new AgentId(0));
        var agent = Agent(policy, model.Spec.Sampling with { Execute = 1 });
        float[] far = [.. Enumerable.Repeat(1e6f, policy.FrameSize)];
        for (var t = 0; t < 5; t++)
        {
            agent.Decide(new Tick(t), far);
        }

        var before = agent.Counts;
        Assert.Equal(5, Counts(agent)[^1]);
        var again = MimicD.Agents.Agent.Rebuild(new AgentSpec(1, new EpisodeId(0), new AgentId(0), model.Spec.Sampling with { Execute = 1 }), policy, agent.Window, before);
        Assert.Equal((6, 6), (again.Plans, Counts(again)[^1]));
    }

    [Fact]
    public void Counts_are_added_up_by_name_and_warned_of_from_two_percent_on()
    {
        var few = new FamiliarityCounts(990, 10, new Dictionary<string, long> { ["goal.x"] = 10 });
        var more = new FamiliarityCounts(10, 10, new Dictionary<string, long> { ["goal.x"] = 4, ["self.position.y"] = 9 });
        Assert.Null(few.Warning());
        Assert.Null(FamiliarityCounts.Sum(null, null));
        var sum = FamiliarityCounts.Sum(few, more)!;
        Assert.Equal((1000, 20, 14, 9), (sum.Observations, sum.Unfamiliar, sum.Features["goal.x"], sum.Features["self.position.y"]));
        Assert.StartsWith("2.0 % of the observations are unlike all that the model was trained on", sum.Warning(), StringComparison.Ordinal);
        Assert.Contains("goal.x in 1.4 %, self.position.y in 0.9 %", sum.Warning(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_scripted_policy_counts_nothing()
    {
        var familiarity = new Familiarity();
        familiarity.Add([], new AgentCounts(5, 0, 0, 0));
        Assert.Null(familiarity.Counts());
    }

    private static Agent Agent(IPolicy policy, SamplingSpec sampling) => new(new AgentSpec(1, new EpisodeId(0), new AgentId(0), sampling), policy);

    private static ReadOnlySpan<long> Counts(Agent agent) => agent.Counts.Unfamiliar.Span;
}
