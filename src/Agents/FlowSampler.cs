using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>
/// Integrates the velocity field of conditional flow matching, dx/dt = F(x, t, o), from noise at t = 0 to a plan at t = 1 in equal steps (Lipman et al. 2023, with
/// the straight paths of Liu et al. 2023); <c>docs/networks.md</c> writes it out. Immutable and shared by threads.
/// </summary>
public sealed class FlowSampler : PlanSampler
{
    private readonly NoiseLevels _times;
    private readonly int _steps;
    private readonly double _temperature;
    private readonly bool _heun;

    /// <summary>Prepares the times.</summary>
    /// <param name="denoiser">The network.</param>
    /// <param name="solver">Order.</param>
    /// <param name="steps">K; at least 1.</param>
    /// <param name="temperature">Scale of the noise that the solver starts from.</param>
    public FlowSampler(Denoiser denoiser, OdeSolver solver, int steps, double temperature = 1)
        : base(denoiser, solver == OdeSolver.Heun ? 2 * steps : steps, denoiser.PlanSize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        (_heun, _steps, _temperature) = (solver == OdeSolver.Heun, steps, temperature);
        _times = denoiser.PrepareLevels([.. Enumerable.Range(0, steps + 1).Select(k => (float)Time(k))]);
    }

    /// <inheritdoc/>
    public override int Sample(int plans, ReadOnlySpan<float> conditions, ReadOnlySpan<float> unguided, ReadOnlySpan<float> noise, ReadOnlySpan<float> present, ReadOnlySpan<float> previous, Span<float> results)
    {
        var scratch = Begin(plans, conditions, noise, results);
        var x = scratch.Plan.AsSpan(0, results.Length);
        var v = scratch.Slope.AsSpan(0, results.Length);
        for (var j = 0; j < x.Length; j++)
        {
            x[j] = _temperature * noise[j];
        }

        for (var k = 0; k < _steps; k++)
        {
            var step = Time(k + 1) - Time(k);
            Velocity(scratch, k, x, v);
            if (_heun)
            {
                var trial = scratch.Trial.AsSpan(0, x.Length);
                for (var j = 0; j < x.Length; j++)
                {
                    trial[j] = x[j] + step * v[j];
                    x[j] += 0.5 * step * v[j];
                }

                Velocity(scratch, k + 1, trial, v);
                step *= 0.5;
            }

            for (var j = 0; j < x.Length; j++)
            {
                x[j] += step * v[j];
            }

            // What is known of the plan follows the path that it had in training: the straight line from its noise to its value.
            var known = present.Length / plans;
            for (var j = 0; j < present.Length; j++)
            {
                var at = Place(j, known);
                x[at] = (1 - Time(k + 1)) * _temperature * noise[at] + Time(k + 1) * present[j];
            }
        }

        for (var j = 0; j < x.Length; j++)
        {
            results[j] = (float)x[j];
        }

        return NetworkCalls;
    }

    private double Time(int k) => k / (double)_steps;

    /// <summary>v = F(x, t_k, o).</summary>
    private void Velocity(DenoiserScratch scratch, int k, ReadOnlySpan<double> x, Span<double> v)
    {
        for (var j = 0; j < x.Length; j++)
        {
            scratch.Input[j] = (float)x[j];
        }

        Denoiser.Evaluate(scratch, _times, k, scratch.Input.AsSpan(0, x.Length), scratch.Output);
        for (var j = 0; j < v.Length; j++)
        {
            v[j] = scratch.Output[j];
        }
    }
}
