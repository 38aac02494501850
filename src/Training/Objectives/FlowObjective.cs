using MimicD.Numerics;

namespace MimicD.Training.Objectives;

/// <summary>
/// Conditional flow matching on straight paths (Lipman et al. 2023, eq. 23 with sigma_min = 0; Liu et al. 2023, eq. 1): with x_t = (1 - t) e + t x and t uniform in [0, 1),
/// the mean of |F(x_t, t, o) - (x - e)|^2.
/// </summary>
internal sealed class FlowObjective : Objective
{
    /// <summary>t.</summary>
    public override double DrawLevel(ref CounterRandom random) => random.NextDouble();

    public override (float Noise, float OutputScale) Ask(ReadOnlySpan<float> plan, ReadOnlySpan<float> epsilon, double level, double sigmaData, Span<float> input, Span<float> target)
    {
        var t = level;
        for (var i = 0; i < plan.Length; i++)
        {
            input[i] = (float)((1 - t) * epsilon[i] + t * plan[i]);
            target[i] = plan[i] - epsilon[i];
        }

        // The plan that an answer stands for is x_t + (1 - t) F.
        return ((float)t, (float)((1 - t) * (1 - t)));
    }
}
