using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>
/// The deterministic sampler of the probability-flow ODE (Karras et al. 2022, algorithm 1 without churn, or its first-order half) for one network
/// and one number of steps; <c>docs/networks.md</c> writes it out. Immutable and shared by threads.
/// </summary>
public sealed class EdmSampler : PlanSampler
{
    private readonly NoiseLevels _levels;
    private readonly double[] _sigmas;
    private readonly double[] _skip;
    private readonly double[] _out;
    private readonly double[] _in;
    private readonly double _temperature;
    private readonly double _start;
    private readonly bool _heun;

    /// <summary>Prepares the noise levels.</summary>
    /// <param name="denoiser">The network.</param>
    /// <param name="diffusion">Range of the levels.</param>
    /// <param name="sigmaData">sd.</param>
    /// <param name="solver">Order.</param>
    /// <param name="steps">K; at least 1.</param>
    /// <param name="temperature">Scale of the noise that the solver starts from.</param>
    public EdmSampler(Denoiser denoiser, DiffusionSpec diffusion, double sigmaData, OdeSolver solver, int steps, double temperature = 1)
        : base(denoiser, solver == OdeSolver.Heun ? 2 * steps - 1 : steps, denoiser.PlanSize)
    {
        _heun = solver == OdeSolver.Heun;
        _sigmas = Schedule(diffusion, steps);
        (_temperature, _start) = (temperature, temperature * _sigmas[0]);
        var levels = _sigmas[..^1];
        var variance = sigmaData * sigmaData;
        _skip = [.. levels.Select(s => variance / (variance + s * s))];
        _out = [.. levels.Select(s => s * sigmaData / Math.Sqrt(variance + s * s))];
        _in = [.. levels.Select(s => 1 / Math.Sqrt(variance + s * s))];
        _levels = denoiser.PrepareLevels([.. levels.Select(s => (float)(Math.Log(s) / 4))]);
    }

    /// <summary>sigma_0 ... sigma_K: from the largest to the smallest in equal steps of its 1/rho-th power, then 0.</summary>
    public static double[] Schedule(DiffusionSpec diffusion, int steps)
    {
        ArgumentNullException.ThrowIfNull(diffusion);
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        var sigmas = new double[steps + 1];
        var largest = Math.Pow(diffusion.SigmaMax, 1 / diffusion.Rho);
        var smallest = Math.Pow(diffusion.SigmaMin, 1 / diffusion.Rho);
        for (var k = 0; k < steps; k++)
        {
            var share = steps == 1 ? 0 : k / (steps - 1.0);
            sigmas[k] = Math.Pow(largest + share * (smallest - largest), diffusion.Rho);
        }

        return sigmas;
    }

    /// <summary>Weight of classifier-free guidance (<see cref="SamplingSpec.Guidance"/>); 1 is none.</summary>
    public double Guidance { get; init; } = 1;

    /// <summary>The noise level at which a warm start joins the schedule, or the next lower one that it has.</summary>
    public double WarmSigma { get; init; } = 1;

    /// <inheritdoc/>
    public override int Sample(int plans, ReadOnlySpan<float> conditions, ReadOnlySpan<float> unguided, ReadOnlySpan<float> noise, ReadOnlySpan<float> present, ReadOnlySpan<float> previous, Span<float> results)
    {
        var scratch = Begin(plans, conditions, noise, results);
        var other = unguided.IsEmpty ? null : Denoiser.SecondScratch;
        if (other is not null)
        {
            Denoiser.Begin(other, unguided, plans);
        }

        var first = previous.IsEmpty ? 0 : WarmStart();

        // The plan itself is kept in double precision: at sigma 50 a float would lose half of what the last step needs, and L*D numbers cost nothing.
        var y = scratch.Plan.AsSpan(0, results.Length);
        var d = scratch.Slope.AsSpan(0, results.Length);
        for (var j = 0; j < y.Length; j++)
        {
            y[j] = first == 0 ? _start * noise[j] : previous[j] + _temperature * _sigmas[first] * noise[j];
        }

        var calls = 0;
        for (var k = first; k < _levels.Count; k++)
        {
            Paint(plans, y, present);
            var (sigma, next) = (_sigmas[k], _sigmas[k + 1]);
            Slope(scratch, other, k, y, d);
            calls++;
            if (_heun && next > 0)
            {
                var trial = scratch.Trial.AsSpan(0, y.Length);
                for (var j = 0; j < y.Length; j++)
                {
                    trial[j] = y[j] + (next - sigma) * d[j];
                    y[j] += 0.5 * (next - sigma) * d[j];
                }

                Slope(scratch, other, k + 1, trial, d);
                calls++;
                for (var j = 0; j < y.Length; j++)
                {
                    y[j] += 0.5 * (next - sigma) * d[j];
                }
            }
            else
            {
                for (var j = 0; j < y.Length; j++)
                {
                    y[j] += (next - sigma) * d[j];
                }
            }

            Paint(plans, y, present);
        }

        for (var j = 0; j < y.Length; j++)
        {
            results[j] = (float)y[j];
        }

        return other is null ? calls : 2 * calls;
    }

    /// <summary>The first level that is no higher than <see cref="WarmSigma"/>.</summary>
    private int WarmStart()
    {
        var first = 0;
        while (first < _levels.Count - 1 && _sigmas[first] > WarmSigma)
        {
            first++;
        }

        return first;
    }

    /// <summary>d = (y - D(y; sigma, o)) / sigma.</summary>
    private void Slope(DenoiserScratch scratch, DenoiserScratch? other, int level, ReadOnlySpan<double> y, Span<double> d)
    {
        for (var j = 0; j < y.Length; j++)
        {
            scratch.Input[j] = (float)(_in[level] * y[j]);
        }

        var input = scratch.Input.AsSpan(0, y.Length);
        Denoiser.Evaluate(scratch, _levels, level, input, scratch.Output);
        if (other is not null)
        {
            // What guides D guides F, of which it is an affine function.
            Denoiser.Evaluate(other, _levels, level, input, other.Output);
            for (var j = 0; j < y.Length; j++)
            {
                scratch.Output[j] = (float)(other.Output[j] + Guidance * (scratch.Output[j] - other.Output[j]));
            }
        }

        for (var j = 0; j < y.Length; j++)
        {
            var denoised = _skip[level] * y[j] + _out[level] * scratch.Output[j];
            d[j] = (y[j] - denoised) / _sigmas[level];
        }
    }

    private void Paint(int plans, Span<double> y, ReadOnlySpan<float> present)
    {
        var known = present.Length / plans;
        for (var j = 0; j < present.Length; j++)
        {
            y[Place(j, known)] = present[j];
        }
    }
}
