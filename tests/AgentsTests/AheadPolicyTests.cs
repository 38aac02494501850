using MimicD.Agents;
using MimicD.Contracts;

namespace MimicD.AgentsTests;

public class AheadPolicyTests
{
    [Fact]
    public void A_plan_is_given_from_the_period_on_at_which_it_will_be_carried_out()
    {
        var policy = new MixingPolicy(1, 5);
        float[] frame = [0.1f, 0.2f], noise = [0.3f, 0.4f, 0.5f], whole = new float[10], late = new float[6];
        policy.Plan(frame, noise, whole);
        var ahead = new AheadPolicy(policy, 2, "--ahead");

        Assert.Equal(1, ahead.Plan(frame, noise, late));
        Assert.Equal((3, 2, 2, 1, 3), (ahead.PlanActions, ahead.ActionSize, ahead.FrameSize, ahead.History, ahead.NoiseSize));
        Assert.Equal(whole[4..], late);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(5)]
    public void Plans_that_are_too_short_are_refused(int periods)
        => Assert.Equal($"--ahead: expected 0 to 4, less than a plan's actions, found {periods}", Assert.Throws<InvalidInputException>(() => new AheadPolicy(new MixingPolicy(1, 5), periods, "--ahead")).Message);
}
