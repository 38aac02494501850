using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>A policy that makes several plans and gives the one that <see cref="SelectionSpec"/> prefers. For plans of positions.</summary>
public sealed class SelectingPolicy : IPolicy
{
    private readonly IPolicy _policy;
    private readonly Surroundings _surroundings;
    private readonly SelectionSpec _spec;
    private readonly double _timeStep;

    /// <summary>Makes one.</summary>
    /// <param name="policy">Whose plans; their first action is the position one tick later.</param>
    /// <param name="sensor">Layout of its frames.</param>
    /// <param name="timeStep">Seconds between ticks.</param>
    /// <param name="spec">How many, and what is preferred.</param>
    public SelectingPolicy(IPolicy policy, SensorSpec sensor, double timeStep, SelectionSpec spec)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(spec);
        (_policy, _surroundings, _timeStep, _spec) = (policy, new Surroundings(sensor), timeStep, spec);
    }

    /// <inheritdoc/>
    public int FrameSize => _policy.FrameSize;

    /// <inheritdoc/>
    public int History => _policy.History;

    /// <inheritdoc/>
    public int ActionSize => _policy.ActionSize;

    /// <inheritdoc/>
    public int PlanActions => _policy.PlanActions;

    /// <inheritdoc/>
    public int NoiseSize => _spec.Candidates * _policy.NoiseSize;

    /// <inheritdoc/>
    public ReadOnlySpan<double> ModeShares => _policy.ModeShares;

    /// <inheritdoc/>
    public SafetyProjection? Projection => _policy.Projection;

    /// <inheritdoc/>
    public bool ModeLogits(ReadOnlySpan<float> frames, Span<float> logits) => _policy.ModeLogits(frames, logits);

    /// <inheritdoc/>
    public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions) => Plan(frames, noise, SharedMode.None, [], actions);

    /// <inheritdoc/>
    public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, int mode, ReadOnlySpan<float> previous, Span<float> actions)
    {
        Span<float> candidate = stackalloc float[actions.Length];
        var (best, calls, size) = (double.NegativeInfinity, 0, _policy.NoiseSize);
        for (var k = 0; k < _spec.Candidates; k++)
        {
            calls += _policy.Plan(frames, noise.Slice(k * size, size), mode, previous, candidate);
            var nearest = Math.Min(Nearest(frames[..FrameSize], candidate), _spec.Separation ?? double.PositiveInfinity);
            if (nearest > best)
            {
                best = nearest;
                candidate.CopyTo(actions);
            }
        }

        return calls;
    }

    /// <summary>How near the plan comes to anybody in sight [m]; infinite where nobody is.</summary>
    private double Nearest(ReadOnlySpan<float> frame, ReadOnlySpan<float> plan)
    {
        var dimensions = ActionSize;
        Span<double> position = stackalloc double[dimensions];
        Span<double> velocity = stackalloc double[dimensions];
        var least = double.PositiveInfinity;
        for (var slot = 0; slot < _surroundings.Others; slot++)
        {
            if (!_surroundings.Other(frame, slot, position, velocity))
            {
                continue;
            }

            for (var t = 0; t < PlanActions; t++)
            {
                var squares = 0.0;
                for (var d = 0; d < dimensions; d++)
                {
                    var apart = plan[t * dimensions + d] - (position[d] + (t + 1) * _timeStep * velocity[d]);
                    squares += apart * apart;
                }

                least = Math.Min(least, squares);
            }
        }

        return Math.Sqrt(least);
    }
}
