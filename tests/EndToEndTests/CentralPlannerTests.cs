using System.Collections.Concurrent;
using MimicD.Agents;
using MimicD.AgentsTests;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.World;

namespace MimicD.EndToEndTests;

/// <summary>What makes the centralized baseline central, and what it is refused without.</summary>
public class CentralPlannerTests
{
    private static readonly Scenario Swap = Scenario.Load(Path.Combine(EntryPoint.Root, "scenarios", "swap.json"));

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Agents_that_see_the_joint_state_make_the_same_joint_plan_bit_by_bit_if_and_only_if_they_share_their_noise(bool shared)
    {
        var model = RandomModel.Load(JointSpec());
        var sampling = model.Spec.Sampling with { Execute = 1, SharedNoise = shared };
        var policies = model.Policies(sampling);
        var plans = new ConcurrentDictionary<int, ConcurrentBag<Watched>>();
        await using var host = new LocalHost(id => plans.GetOrAdd(id.Value, _ => []).Also(new Watched(model.Spec, (DiffusionPolicy)policies(id))), threads: 2);
        var result = await Simulation.RunAsync(Swap, model.Spec.Sensor, new SimulationOptions { Seed = 3, Episodes = 1, Sampling = sampling, Threads = 2 }, host, null, CancellationToken.None);

        Assert.True(result.Completed);
        var watched = plans.OrderBy(p => p.Key).Select(p => Assert.Single(p.Value, w => w.Plans.Count > 0)).ToArray();
        Assert.Equal(Swap.Agents, watched.Length);
        var first = watched[0].Plans;
        Assert.Equal(Swap.Steps - 1, first.Count);
        foreach (var other in watched.Skip(1))
        {
            for (var tick = 0; tick < first.Count; tick++)
            {
                var same = first[tick].AsSpan().SequenceEqual(other.Plans[tick]);
                Assert.True(same == shared, $"tick {tick}: expected joint plans that are {(shared ? "equal" : "different")}");
            }
        }
    }

    [Fact]
    public void A_joint_plan_is_refused_where_the_others_are_not_sensed_exactly()
    {
        foreach (var sensing in new[] { new SensingSpec { Range = 5 }, new SensingSpec { Dropout = 0.1 }, new SensingSpec { Delay = 1 }, new SensingSpec { Noise = 0.01 } })
        {
            var error = Assert.Throws<InvalidInputException>(() => ModelFit.Require(Swap with { Sensing = sensing }, JointSpec(), "m.safetensors"));
            Assert.Equal("m.safetensors: plan.of: expected own or all, because in scenario swap the others are not sensed exactly, found joint", error.Message);
        }

        ModelFit.Require(Swap, JointSpec(), "m.safetensors");
    }

    private static ModelSpec JointSpec() => RandomModel.SpecOf(PlanOf.Joint, width: 8, agents: Swap.Agents, planLength: 4) with { TimeStep = Swap.TimeStep };

    /// <summary>Plans as the policy it holds, and keeps the bits of each whole plan.</summary>
    private sealed class Watched(ModelSpec spec, DiffusionPolicy inner) : IPolicy
    {
        public List<int[]> Plans { get; } = [];

        public int FrameSize => inner.FrameSize;

        public int History => inner.History;

        public int ActionSize => inner.ActionSize;

        public int PlanActions => inner.PlanActions;

        public int NoiseSize => inner.NoiseSize;

        public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions)
        {
            var plan = new float[spec.PlanSize];
            inner.PlanAll(frames, noise, SharedMode.None, plan);
            Plans.Add(Array.ConvertAll(plan, BitConverter.SingleToInt32Bits));
            return inner.Plan(frames, noise, actions);
        }
    }
}

file static class Bags
{
    /// <summary>Adds an item and returns it.</summary>
    public static T Also<T>(this ConcurrentBag<T> bag, T item)
    {
        bag.Add(item);
        return item;
    }
}
