using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Tests;

namespace MimicD.AgentsTests;

/// <summary>Methods other than diffusion: what their samplers make of a network's answers.</summary>
public class MethodTests
{
    public static TheoryData<MethodKind, NetworkKind> Methods => new()
    {
        { MethodKind.Diffusion, NetworkKind.Mlp },
        { MethodKind.Flow, NetworkKind.Mlp },
        { MethodKind.Flow, NetworkKind.Dit },
        { MethodKind.Cloning, NetworkKind.Mlp },
        { MethodKind.Cloning, NetworkKind.Dit },
        { MethodKind.Mixture, NetworkKind.Mlp },
    };

    [Theory]
    [InlineData(NetworkKind.Mlp, OdeSolver.Euler, false)]
    [InlineData(NetworkKind.Mlp, OdeSolver.Heun, true)]
    [InlineData(NetworkKind.Dit, OdeSolver.Euler, true)]
    [InlineData(NetworkKind.Dit, OdeSolver.Heun, false)]
    public void A_flow_agrees_with_the_document_computed_in_double_precision(NetworkKind kind, OdeSolver solver, bool present)
    {
        var spec = Spec(MethodKind.Flow, kind);
        var file = RandomModel.Weights(spec, 3, gain: 0.5);
        float[] p = present ? [0.25f, -0.5f] : [];
        foreach (var steps in new[] { 1, 2, 7, 20 })
        {
            var sampler = new FlowSampler(Denoiser.Load(spec, 0, file, "test"), solver, steps);
            var (noise, o, found) = Arguments(spec, sampler, 4);
            sampler.Sample(o, noise, p, found);
            AssertClose(new ReferenceNetworks(spec, file, 0).Flow(Wide(noise), Wide(o), present ? Wide(p) : null, solver, steps), found, $"{steps} steps");
            Assert.Equal(solver == OdeSolver.Heun ? 2 * steps : steps, sampler.NetworkCalls);
            Assert.Equal(p, found[..p.Length]);
        }
    }

    [Fact]
    public void A_flow_without_a_field_returns_its_noise_times_the_temperature()
    {
        var spec = Spec(MethodKind.Flow);
        var sampler = new FlowSampler(Denoiser.Load(spec, 0, RandomModel.Weights(spec, gain: 0), "test"), OdeSolver.Heun, 5, temperature: 0.5);
        var (noise, o, found) = Arguments(spec, sampler, 4);
        sampler.Sample(o, noise, [], found);
        Assert.Equal(noise.Select(n => n / 2), found);
    }

    [Theory]
    [InlineData(NetworkKind.Mlp)]
    [InlineData(NetworkKind.Dit)]
    public void A_cloned_plan_is_the_networks_answer_to_the_condition_and_starts_at_the_present(NetworkKind kind)
    {
        var spec = Spec(MethodKind.Cloning, kind);
        var file = RandomModel.Weights(spec, 3);
        var sampler = new CloningSampler(Denoiser.Load(spec, 0, file, "test"));
        var (noise, o, found) = Arguments(spec, sampler, 4);
        Assert.Empty(noise);
        sampler.Sample(o, noise, [], found);
        var expected = new ReferenceNetworks(spec, file, 0).Answer(Wide(o));
        AssertClose(expected, found, "plan");
        sampler.Sample(o, noise, [7, 8], found);
        AssertClose([7, 8, .. expected[2..]], found, "plan from the present");
    }

    [Fact]
    public void A_mixture_draws_each_component_with_its_weight_and_from_its_gaussian()
    {
        const int draws = 20_000;
        var spec = Spec(MethodKind.Mixture);
        var file = RandomModel.Weights(spec, 3);
        var mixture = spec.Network.Mixture!;
        var (k, size) = (mixture.Components, spec.PlanSize);
        var sampler = new MixtureSampler(Denoiser.Load(spec, 0, file, "test"));
        var (noise, o, found) = Arguments(spec, sampler, 4);
        var answer = new ReferenceNetworks(spec, file, 0).Answer(Wide(o));
        var weights = answer[..k].Select(Math.Exp).ToArray();
        var counts = new int[k];
        for (var i = 0; i < draws; i++)
        {
            new CounterRandom(12, RandomPurpose.PlanNoise, i).FillNormal(noise);
            sampler.Sample(o, noise, [], found);
            // The component is the one whose mean and deviations explain the plan by this very noise.
            var chosen = Enumerable.Range(0, k).Single(c => Enumerable.Range(0, size).All(j => Math.Abs(found[j] - Draw(c, j)) < 1e-4 * (1 + Math.Abs(found[j]))));
            counts[chosen]++;

            double Draw(int c, int j) => answer[k + c * size + j] + (mixture.DeviationFloor + Math.Exp(answer[k + (k + c) * size + j])) * noise[2 * k + j];
        }

        for (var c = 0; c < k; c++)
        {
            var share = weights[c] / weights.Sum();
            Assert.InRange(counts[c] / (double)draws, share - 4 * Math.Sqrt(share / draws), share + 4 * Math.Sqrt(share / draws));
        }
    }

    [Fact]
    public void A_mixture_at_temperature_zero_plans_the_mean_of_its_likeliest_component()
    {
        var spec = Spec(MethodKind.Mixture);
        var file = RandomModel.Weights(spec, 3);
        var k = spec.Network.Mixture!.Components;
        var sampler = new MixtureSampler(Denoiser.Load(spec, 0, file, "test"), temperature: 0);
        for (var trial = 0; trial < 5; trial++)
        {
            var (noise, o, found) = Arguments(spec, sampler, trial);
            sampler.Sample(o, noise, [], found);
            var answer = new ReferenceNetworks(spec, file, 0).Answer(Wide(o));
            var likeliest = Array.IndexOf(answer, answer[..k].Max());
            AssertClose(answer[(k + likeliest * spec.PlanSize)..(k + (likeliest + 1) * spec.PlanSize)], found, $"trial {trial}");
        }
    }

    [Fact]
    public void Held_noise_keeps_a_mixtures_choice_while_its_weight_grows()
    {
        var spec = Spec(MethodKind.Mixture);
        var k = spec.Network.Mixture!.Components;
        for (var trial = 0; trial < 200; trial++)
        {
            var random = new CounterRandom(13, RandomPurpose.PlanNoise, trial);
            var logits = new float[k];
            random.FillNormal(logits);
            var noise = new float[2 * k + spec.PlanSize];
            random.FillNormal(noise);
            var chosen = Chosen(logits, noise);
            for (var step = 0; step < 20; step++)
            {
                logits[chosen] += 0.1f;
                Assert.Equal(chosen, Chosen(logits, noise));
            }
        }

        // A network that answers with its head's bias: these logits, and plans that are the component's number.
        int Chosen(float[] logits, float[] noise)
        {
            var file = RandomModel.Weights(spec, gain: 0);
            var bias = file.Tensors["agent0.head.bias"].Data;
            logits.CopyTo(bias, 0);
            for (var c = 0; c < k; c++)
            {
                Array.Fill(bias, c, k + c * spec.PlanSize, spec.PlanSize);
                Array.Fill(bias, -30f, k + (k + c) * spec.PlanSize, spec.PlanSize);
            }

            var plan = new float[spec.PlanSize];
            new MixtureSampler(Denoiser.Load(spec, 0, file, "test")).Sample(new float[spec.ConditionSize], noise, [], plan);
            return (int)Math.Round(plan.Average());
        }
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_models_policy_samples_by_its_method(MethodKind method, NetworkKind kind)
    {
        var spec = Spec(method, kind);
        var model = RandomModel.Load(spec);
        Assert.Equal(method, model.Spec.Method);
        var policy = model.Policies()(new AgentId(0));
        Assert.Equal(method switch { MethodKind.Cloning => 0, MethodKind.Mixture => 2 * 3 + spec.PlanSize, _ => spec.PlanSize }, policy.NoiseSize);
        var frames = new float[policy.History * policy.FrameSize];
        new CounterRandom(5, RandomPurpose.SensorNoise).FillNormal(frames);
        var (first, again, other) = (Plan(1), Plan(1), Plan(2));
        Assert.Equal(first, again);
        Assert.Equal(method == MethodKind.Cloning, first.SequenceEqual(other));

        float[] Plan(int stream)
        {
            var noise = new float[policy.NoiseSize];
            new CounterRandom(6, RandomPurpose.PlanNoise, stream).FillNormal(noise);
            var actions = new float[policy.PlanActions * policy.ActionSize];
            Assert.Equal(method switch { MethodKind.Diffusion or MethodKind.Flow => 4, _ => 1 }, policy.Plan(frames, noise, actions));
            return actions;
        }
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_plan_leaves_no_trace_in_the_next_and_allocates_nothing(MethodKind method, NetworkKind kind)
    {
        var policy = RandomModel.Load(Spec(method, kind)).Policies()(new AgentId(0));
        var (frames, noise) = (new float[policy.History * policy.FrameSize], new float[policy.NoiseSize]);
        var (wild, wildNoise) = (Enumerable.Repeat(float.NaN, frames.Length).ToArray(), Enumerable.Repeat(1e30f, noise.Length).ToArray());
        var (alone, after) = (new float[policy.PlanActions * policy.ActionSize], new float[policy.PlanActions * policy.ActionSize]);
        new CounterRandom(5, RandomPurpose.SensorNoise).FillNormal(frames);
        new CounterRandom(6, RandomPurpose.PlanNoise).FillNormal(noise);
        policy.Plan(frames, noise, alone);
        Allocations.AssertNone(() =>
        {
            policy.Plan(wild, wildNoise, after);
            policy.Plan(frames, noise, after);
        });
        Assert.Equal(alone.Select(BitConverter.SingleToInt32Bits), after.Select(BitConverter.SingleToInt32Bits));
    }

    [Fact]
    public void A_description_without_a_method_is_of_diffusion()
    {
        var text = StrictJson.Format(RandomModel.Spec(), indented: false);
        Assert.Contains("\"method\":\"diffusion\",", text, StringComparison.Ordinal);
        Assert.Equal(MethodKind.Diffusion, StrictJson.Parse<ModelSpec>(text.Replace("\"method\":\"diffusion\",", "", StringComparison.Ordinal), "test").Method);
    }

    [Fact]
    public void A_head_that_does_not_go_with_the_method_or_the_network_is_refused()
    {
        var mixture = Spec(MethodKind.Mixture);
        Assert.StartsWith("test: network.mixture: expected a mixture head", Refusal(mixture with { Network = mixture.Network with { Mixture = null } }), StringComparison.Ordinal);
        Assert.StartsWith("test: network.mixture: expected none but with method mixture", Refusal(mixture with { Method = MethodKind.Flow }), StringComparison.Ordinal);
        Assert.StartsWith("test: network.mixture: expected none with a transformer", Refusal(mixture with { Network = mixture.Network with { Kind = NetworkKind.Dit } }), StringComparison.Ordinal);
        Assert.StartsWith("test: network.mixture.components: expected 1 to 256", Refusal(mixture with { Network = mixture.Network with { Mixture = new MixtureSpec { Components = 0 } } }), StringComparison.Ordinal);

        static string Refusal(ModelSpec spec) => Assert.Throws<InvalidInputException>(() => spec.Validate("test")).Message;
    }

    [Fact]
    public void A_method_is_described_by_the_options_that_mean_something_to_it()
    {
        var sampling = new SamplingSpec { Steps = 7, Noise = NoiseMode.Autoregressive, Temperature = 0.5 };
        Assert.Equal("flow, euler in 7 steps, noise ar1 0.95, temperature 0.5, 1 executed", MethodKind.Flow.Describe(sampling));
        Assert.Equal("mixture, noise ar1 0.95, temperature 0.5, 1 executed", MethodKind.Mixture.Describe(sampling));
        Assert.Equal("cloning, 1 executed", MethodKind.Cloning.Describe(sampling));
    }

    private static ModelSpec Spec(MethodKind method, NetworkKind kind = NetworkKind.Mlp)
    {
        var spec = RandomModel.Spec(kind);
        return spec with { Method = method, Network = spec.Network with { Mixture = method == MethodKind.Mixture ? new MixtureSpec { Components = 3 } : null } };
    }

    private static (float[] Noise, float[] Condition, float[] Plan) Arguments(ModelSpec spec, PlanSampler sampler, int stream)
    {
        var random = new CounterRandom(4, RandomPurpose.PlanNoise, stream);
        var (noise, o) = (new float[sampler.NoiseSize], new float[spec.ConditionSize]);
        random.FillNormal(noise);
        random.FillNormal(o);
        return (noise, o, new float[spec.PlanSize]);
    }

    private static void AssertClose(double[] expected, float[] found, string what)
    {
        Assert.Equal(expected.Length, found.Length);
        for (var j = 0; j < found.Length; j++)
        {
            Assert.True(Math.Abs(found[j] - expected[j]) <= 2e-5, $"{what}, number {j}: expected {expected[j]}, found {found[j]}");
        }
    }

    private static double[] Wide(float[] values) => Array.ConvertAll(values, v => (double)v);
}
