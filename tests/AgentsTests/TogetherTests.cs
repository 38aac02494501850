using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Tests;

namespace MimicD.AgentsTests;

/// <summary>Plans of several agents made at once.</summary>
public class TogetherTests
{
    public static TheoryData<string> Models => [.. Specs().Select(s => s.Name)];

    [Theory]
    [MemberData(nameof(Models))]
    public void Plans_made_together_are_those_made_alone_to_the_bit(string name)
    {
        var (_, spec, sampling) = Specs().Single(s => s.Name == name);
        var model = RandomModel.Load(spec, gain: 0.7);
        var policy = model.Policies(sampling)(new AgentId(1));
        Assert.Equal(spec.Network.Kind == NetworkKind.Mlp ? 16 : 1, RandomModel.Load(spec).Denoisers[0].Together);
        var queries = Queries(policy, spec, 37, warm: sampling.WarmPeriod is not null);
        var calls = new int[queries.Length];
        policy.Plan(queries, calls);
        foreach (var (i, query) in queries.Index())
        {
            var alone = new float[query.Actions.Length];
            Assert.Equal(policy.Plan(query.Frames.Span, query.Noise.Span, query.Mode, query.Previous.Span, alone), calls[i]);
            Assert.Equal(alone, query.Actions.ToArray());
            Assert.All(alone, v => Assert.True(float.IsFinite(v)));
        }

        Assert.Distinct(queries.Select(q => string.Join(' ', q.Actions.ToArray())));
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Plans_allocate_nothing_once_a_thread_is_warm(string name)
    {
        var (_, spec, sampling) = Specs().Single(s => s.Name == name);
        var policy = RandomModel.Load(spec).Policies(sampling)(new AgentId(0));
        var queries = Queries(policy, spec, 37, warm: sampling.WarmPeriod is not null);
        var calls = new int[queries.Length];
        Allocations.AssertNone(() =>
        {
            policy.Plan(queries, calls);
            var query = queries[0];
            policy.Plan(query.Frames.Span, query.Noise.Span, query.Mode, query.Previous.Span, query.Actions.Span);
        });
    }

    private static PlanQuery[] Queries(IPolicy policy, ModelSpec spec, int count, bool warm)
    {
        var random = new CounterRandom(5, RandomPurpose.PlanNoise);
        var queries = new PlanQuery[count];
        for (var i = 0; i < count; i++)
        {
            float[] frames = new float[policy.History * policy.FrameSize], noise = new float[policy.NoiseSize], previous = new float[warm && i % 3 > 0 ? (policy.PlanActions - 1) * 2 : 0];
            random.FillNormal(frames);
            random.FillNormal(noise);
            random.FillNormal(previous);
            if (spec.Sensor.Others is { Presence: true } others)
            {
                // Some slots are empty, in some frames all.
                var names = spec.Sensor.FeatureNames();
                for (var slot = 0; slot < others.Count; slot++)
                {
                    var at = Array.IndexOf(names, $"other{slot}.presence");
                    frames[at] = slot < i % (others.Count + 1) ? 1 : 0;
                    frames.AsSpan(at - spec.Sensor.OtherSize + 1, frames[at] == 0 ? spec.Sensor.OtherSize : 0).Clear();
                }
            }

            queries[i] = new PlanQuery(frames, noise, spec.ModeCount == 0 ? SharedMode.None : i % spec.ModeCount, previous, new float[policy.PlanActions * policy.ActionSize]);
        }

        return queries;
    }

    private static IEnumerable<(string Name, ModelSpec Spec, SamplingSpec Sampling)> Specs()
    {
        var plain = RandomModel.Spec(width: 40);
        var moded = RandomModel.Complete(plain with { ModeShares = [0.5, 0.3, 0.2], ModeDropout = 0.1 });
        var set = RandomModel.Spec(width: 40, agents: 4, shared: true);
        set = RandomModel.Complete(set with
        {
            ConditionOnPosition = false,
            GoalFrame = new GoalFrameSpec(),
            Plan = set.Plan with { Frame = Frame.Relative },
            Sensor = set.Sensor with { History = 1, Others = new OthersSpec { Count = 3, Velocity = true, Presence = true } },
            Network = set.Network with { Others = OthersEncoding.Set, Octaves = 2 },
        });
        set = set with { Normalisation = [.. set.Normalisation.Select(n => Plain(set, n))] };
        var present = RandomModel.Complete(plain with { Plan = plain.Plan with { StartsAtPresent = true } });
        return
        [
            ("euler", plain, plain.Sampling),
            ("heun, from the present", present, present.Sampling with { Solver = OdeSolver.Heun }),
            ("guided", moded, moded.Sampling with { Guidance = 2 }),
            ("warm", plain, plain.Sampling with { WarmPeriod = 4, WarmSigma = 2 }),
            ("a set of others, turned axes", set, set.Sampling),
            ("a set of others, velocities ignored, modes", Ignoring(set), set.Sampling),
            ("several candidates", plain, plain.Sampling with { Selection = new SelectionSpec { Candidates = 5 } }),
            ("flow, heun, from the present", present with { Method = MethodKind.Flow }, present.Sampling with { Solver = OdeSolver.Heun }),
            ("cloning", plain with { Method = MethodKind.Cloning }, plain.Sampling),
            ("mixture", plain with { Method = MethodKind.Mixture, Network = plain.Network with { Mixture = new MixtureSpec { Components = 3 } } }, plain.Sampling),
            ("all agents", RandomModel.SpecOf(PlanOf.All), plain.Sampling),
            ("a joint plan", RandomModel.SpecOf(PlanOf.Joint), plain.Sampling with { SharedNoise = true }),
            ("transformer", RandomModel.Spec(NetworkKind.Dit), plain.Sampling),
        ];
    }

    private static ModelSpec Ignoring(ModelSpec spec)
    {
        var ignoring = RandomModel.Complete(spec with { IgnoreVelocity = true, ModeShares = [0.6, 0.4] });
        return ignoring with { Normalisation = [.. ignoring.Normalisation.Select(n => Plain(ignoring, n))] };
    }

    /// <summary>Slots that all have the same constants, and a presence that is left as it is.</summary>
    private static NormalisationSpec Plain(ModelSpec spec, NormalisationSpec n)
    {
        var (set, mean, deviation) = (spec.Slots!.Value, n.ConditionMean.ToArray(), n.ConditionDeviation.ToArray());
        for (var i = 0; i < set.Length; i++)
        {
            var last = i % set.Size == set.Size - 1;
            (mean[set.Start + i], deviation[set.Start + i]) = last ? (0, 1) : (mean[set.Start + i % set.Size], deviation[set.Start + i % set.Size]);
        }

        return n with { ConditionMean = mean, ConditionDeviation = deviation };
    }
}
