namespace MimicD.Training.Objectives;

/// <summary>Deterministic behaviour cloning (Pomerleau 1989): the mean of |F(0, 0, o) - x|^2.</summary>
internal sealed class CloningObjective : Objective
{
    public override (float Noise, float OutputScale) Ask(ReadOnlySpan<float> plan, ReadOnlySpan<float> epsilon, double level, double sigmaData, Span<float> input, Span<float> target)
    {
        input.Clear();
        plan.CopyTo(target);
        return (0, 1);
    }
}
