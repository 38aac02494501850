namespace MimicD.Training.Adversarial;

/// <summary>How much better than expected actions turned out.</summary>
internal static class Advantages
{
    /// <summary>
    /// Generalised advantage estimates of one episode (Schulman et al. 2016, eq. 16): A_t = sum_l (gamma lambda)^l delta_(t+l), delta_t = r_t + gamma V_(t+1) - V_t, with V = 0
    /// after the last transition, where the episode ends.
    /// </summary>
    /// <param name="rewards">r, [K].</param>
    /// <param name="values">V of the states in which the actions were taken, [K].</param>
    /// <param name="discount">gamma.</param>
    /// <param name="trace">lambda.</param>
    /// <param name="advantages">Receives A, [K]; A + V is what the critic should have said.</param>
    public static void Estimate(ReadOnlySpan<float> rewards, ReadOnlySpan<float> values, double discount, double trace, Span<float> advantages)
    {
        double advantage = 0, next = 0;
        for (var t = rewards.Length - 1; t >= 0; t--)
        {
            advantage = rewards[t] + discount * next - values[t] + discount * trace * advantage;
            next = values[t];
            advantages[t] = (float)advantage;
        }
    }

    /// <summary>Shifts and scales to mean 0 and deviation 1; all zeros where all are the same.</summary>
    public static void Standardise(Span<float> advantages)
    {
        double sum = 0, squares = 0;
        foreach (var a in advantages)
        {
            sum += a;
            squares += (double)a * a;
        }

        var mean = sum / advantages.Length;
        var deviation = Math.Sqrt(Math.Max(squares / advantages.Length - mean * mean, 0)) + 1e-8;
        foreach (ref var a in advantages)
        {
            a = (float)((a - mean) / deviation);
        }
    }
}
