using MimicD.Numerics;

namespace MimicD.Agents;

/// <summary>p(z | observation): how well each joint mode goes with what an agent sees, learned from the demonstrations at all their ticks. Immutable and shared by threads.</summary>
public sealed class ModePosterior
{
    private readonly Kernels _kernels;
    private readonly PackedMatrix _first;
    private readonly PackedMatrix _second;
    private readonly PackedMatrix _last;
    private readonly bool[] _hidden;
    private readonly int _width;

    private ModePosterior(ModelSpec spec, NetworkWeights weights, Kernels kernels)
    {
        var (width, inputs) = (spec.ModePosterior!.Width, spec.ConditionSize - spec.ModeCount);
        (_kernels, _width, _hidden) = (kernels, width, spec.ModePosterior.Hidden(spec));
        _first = weights.Linear("mode.0", width, inputs);
        _second = weights.Linear("mode.2", width, width);
        _last = weights.Linear("mode.4", spec.ModeCount, width);
    }

    /// <summary>Loads it from a model's file; null where the model has none.</summary>
    /// <param name="spec">The model's description, valid.</param>
    /// <param name="agent">Whose; any agent where the weights are shared.</param>
    /// <param name="weights">The model file.</param>
    /// <param name="where">Its name, for messages.</param>
    /// <param name="kernels">Kernels to run on, or null for the best.</param>
    /// <exception cref="InvalidDataException">A tensor is missing or has another shape.</exception>
    public static ModePosterior? Load(ModelSpec spec, int agent, SafeTensors weights, string where, Kernels? kernels = null)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return spec.ModePosterior is null ? null : new ModePosterior(spec, new NetworkWeights(weights, spec.WeightPrefix(agent), where), kernels ?? Kernels.Best);
    }

    /// <summary>ln p(z | observation) but for a constant.</summary>
    /// <param name="condition">The normalised condition without z, [A - K].</param>
    /// <param name="logits">Receives [K].</param>
    public void Evaluate(ReadOnlySpan<float> condition, Span<float> logits)
    {
        // What it does not look at stands at its mean, as in training.
        Span<float> seen = stackalloc float[condition.Length];
        for (var i = 0; i < seen.Length; i++)
        {
            seen[i] = _hidden[i] ? 0 : condition[i];
        }

        Span<float> hidden = stackalloc float[_width];
        Span<float> next = stackalloc float[_width];
        _kernels.Linear(_first, seen, 1, hidden);
        _kernels.Mish(hidden);
        _kernels.Linear(_second, hidden, 1, next);
        _kernels.Mish(next);
        _kernels.Linear(_last, next, 1, logits);
    }
}
