using MimicD.Numerics;

namespace MimicD.Training.Objectives;

/// <summary>
/// EDM (Karras et al. 2022, eq. 8 and table 1): with y = x + sigma e, minimising lambda(sigma) |D(y) - x|^2 is minimising
/// |F(c_in y, c_noise, o) - (x - c_skip y) / c_out|^2, since lambda c_out^2 = 1.
/// </summary>
/// <param name="noiseMean">Mean of ln sigma.</param>
/// <param name="noiseDeviation">Deviation of ln sigma.</param>
internal sealed class DiffusionObjective(double noiseMean, double noiseDeviation) : Objective
{
    /// <summary>sigma.</summary>
    public override double DrawLevel(ref CounterRandom random) => Math.Exp(noiseMean + noiseDeviation * random.NextNormal());

    public override (float Noise, float OutputScale) Ask(ReadOnlySpan<float> plan, ReadOnlySpan<float> epsilon, double level, double sigmaData, Span<float> input, Span<float> target)
    {
        var (sigma, sd) = (level, sigmaData);
        var total = sigma * sigma + sd * sd;
        var (skip, output, scale) = (sd * sd / total, sigma * sd / Math.Sqrt(total), 1 / Math.Sqrt(total));
        for (var i = 0; i < plan.Length; i++)
        {
            var x = plan[i];
            var y = x + sigma * epsilon[i];
            input[i] = (float)(scale * y);
            target[i] = (float)((x - skip * y) / output);
        }

        return ((float)(Math.Log(sigma) / 4), (float)(output * output));
    }
}
