using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.AgentsTests;

public class SamplerTests
{
    private const double Sd = 0.8;

    [Theory]
    [InlineData(NetworkKind.Mlp, OdeSolver.Euler, false)]
    [InlineData(NetworkKind.Mlp, OdeSolver.Heun, true)]
    [InlineData(NetworkKind.Dit, OdeSolver.Euler, true)]
    [InlineData(NetworkKind.Dit, OdeSolver.Heun, false)]
    public void Sampling_agrees_with_the_document_computed_in_double_precision(NetworkKind kind, OdeSolver solver, bool present)
    {
        var spec = RandomModel.Spec(kind);
        var file = RandomModel.Weights(spec, 3, gain: 0.5);
        var random = new CounterRandom(4, RandomPurpose.PlanNoise);
        var (noise, o, p) = (new float[spec.PlanSize], new float[spec.ConditionSize], present ? new[] { 0.25f, -0.5f } : []);
        random.FillNormal(noise);
        random.FillNormal(o);
        foreach (var steps in new[] { 1, 2, 7, 20 })
        {
            var found = new float[spec.PlanSize];
            new EdmSampler(Denoiser.Load(spec, 0, file, "test"), spec.Diffusion, Sd, solver, steps).Sample(o, noise, p, found);
            var expected = new ReferenceNetworks(spec, file, 0).Sample(Wide(noise), Wide(o), present ? Wide(p) : null, Sd, solver, steps);
            for (var j = 0; j < found.Length; j++)
            {
                Assert.True(Math.Abs(found[j] - expected[j]) <= 2e-5, $"{steps} steps, number {j}: expected {expected[j]}, found {found[j]}");
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(10)]
    [InlineData(100)]
    public void Euler_with_a_network_that_returns_zero_is_the_product_of_its_steps(int steps)
    {
        // F = 0 is the exact denoiser of Gaussian data of deviation sd: D = c_skip y, so that a step multiplies by 1 + (s - sigma) sigma / (sd^2 + sigma^2).
        var (sampler, noise, found) = Zero(OdeSolver.Euler, steps);
        var sigmas = EdmSampler.Schedule(new DiffusionSpec(), steps);
        var factor = sigmas[0];
        for (var k = 0; k < steps; k++)
        {
            factor *= 1 + (sigmas[k + 1] - sigmas[k]) * sigmas[k] / (Sd * Sd + sigmas[k] * sigmas[k]);
        }

        for (var j = 0; j < found.Length; j++)
        {
            Assert.Equal((float)(factor * noise[j]), found[j], 1e-6f);
        }

        Assert.Equal(steps, sampler.NetworkCalls);
    }

    [Theory]
    [InlineData(OdeSolver.Euler, 1)]
    [InlineData(OdeSolver.Heun, 2)]
    public void Halving_the_step_divides_the_error_by_two_to_the_order(OdeSolver solver, int order)
    {
        // The exact flow keeps y / sqrt(sd^2 + sigma^2).
        var exact = 50 * Sd / Math.Sqrt(Sd * Sd + 50 * 50);
        double Error(int steps)
        {
            var (_, noise, found) = Zero(solver, steps, noise: 1e4f);
            return Math.Abs(found[0] / noise[0] - exact);
        }

        var ratio = Error(40) / Error(80);
        Assert.InRange(ratio, 0.8 * Math.Pow(2, order), 1.25 * Math.Pow(2, order));
    }

    [Fact]
    public void The_schedule_runs_from_the_largest_level_to_the_smallest_and_ends_at_zero()
    {
        var sigmas = EdmSampler.Schedule(new DiffusionSpec(), 10);
        Assert.Equal(50, sigmas[0], 1e-9);
        Assert.Equal(0.001, sigmas[9], 1e-9);
        Assert.Equal(0, sigmas[10]);
        Assert.Equal([50.0, 0], EdmSampler.Schedule(new DiffusionSpec(), 1).Select(s => Math.Round(s, 9)));
        Assert.Equal(sigmas.OrderDescending(), sigmas);
    }

    [Fact]
    public void The_present_position_holds_exactly()
    {
        var spec = RandomModel.Spec(NetworkKind.Dit);
        var file = RandomModel.Weights(spec, 8);
        foreach (var solver in Enum.GetValues<OdeSolver>())
        {
            var plan = new float[spec.PlanSize];
            new EdmSampler(Denoiser.Load(spec, 0, file, "test"), spec.Diffusion, Sd, solver, 5).Sample(new float[spec.ConditionSize], new float[spec.PlanSize], [0.3f, -1.7f], plan);
            Assert.Equal([0.3f, -1.7f], plan[..2]);
        }
    }

    [Fact]
    public void More_levels_than_are_modulated_at_once_change_nothing_but_the_order_of_work()
    {
        // 17 and more levels need a second batch of modulations in the transformer; the raw network computes each alone.
        var spec = RandomModel.Spec(NetworkKind.Dit);
        var denoiser = Denoiser.Load(spec, 0, RandomModel.Weights(spec, 8), "test");
        float[] c = [.. Enumerable.Range(0, 40).Select(i => 1 - 0.06f * i)];
        var levels = denoiser.PrepareLevels(c);
        var (x, _, o) = DenoiserTests.Arguments(spec, 2);
        var (alone, together) = (new float[spec.PlanSize], new float[spec.PlanSize]);
        denoiser.Begin(denoiser.Scratch, o, 1);
        var all = new List<float[]>();
        for (var k = 0; k < c.Length; k++)
        {
            denoiser.Evaluate(denoiser.Scratch, levels, k, x, together);
            all.Add([.. together]);
        }

        for (var k = 0; k < c.Length; k++)
        {
            denoiser.Forward(x, c[k], o, alone);
            Assert.Equal(alone, all[k]);
        }
    }

    private static (EdmSampler Sampler, float[] Noise, float[] Plan) Zero(OdeSolver solver, int steps, float noise = 0)
    {
        var spec = RandomModel.Spec(width: 8);
        var denoiser = Denoiser.Load(spec, 0, RandomModel.Weights(spec, gain: 0), "test");
        var start = new float[spec.PlanSize];
        new CounterRandom(2, RandomPurpose.PlanNoise).FillNormal(start);
        if (noise != 0)
        {
            Array.Fill(start, noise);
        }

        var plan = new float[spec.PlanSize];
        var sampler = new EdmSampler(denoiser, spec.Diffusion, Sd, solver, steps);
        sampler.Sample(new float[spec.ConditionSize], start, [], plan);
        return (sampler, start, plan);
    }

    private static double[] Wide(float[] values) => Array.ConvertAll(values, v => (double)v);
}
