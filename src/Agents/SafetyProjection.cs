using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>
/// Moves an action, the position to be at one tick later, as little as it can onto what <see cref="ProjectionSpec"/> calls safe, by the agent's own senses: others are expected to go on at their present
/// velocities, obstacles to end at the plane that touches them where they are nearest. Immutable and shared by threads.
/// </summary>
/// <remarks>
/// With p the own position now, q an other's, q' the one where it will be, d the separation and a the approach: |x - q'| >= d + (1 - a) (|p - q| - d). Of an obstacle in direction u at clearance c, with e to keep:
/// u (x - p) at most a (c - e). Violated constraints are met one after the other by the shortest way, several times round; then the step is cut to the longest, or to the planned one where that is longer.
/// </remarks>
public sealed class SafetyProjection
{
    private const int Rounds = 8;
    private const double Negligible = 1e-6;

    private readonly Surroundings _surroundings;
    private readonly ProjectionSpec _spec;
    private readonly double _timeStep;

    /// <summary>Makes one.</summary>
    /// <param name="sensor">Layout of a frame, valid.</param>
    /// <param name="spec">What is safe, valid.</param>
    /// <param name="timeStep">Seconds between ticks, above 0.</param>
    public SafetyProjection(SensorSpec sensor, ProjectionSpec spec, double timeStep)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(timeStep);
        (_surroundings, _spec, _timeStep) = (new Surroundings(sensor), spec, timeStep);
    }

    /// <summary>Projects an action.</summary>
    /// <param name="frame">What the agent sees now, [frame size].</param>
    /// <param name="action">The position to be at one tick later [D] [m], absolute; replaced where it has to be.</param>
    /// <returns>How far it was moved [m]; 0 where it was safe.</returns>
    public double Apply(ReadOnlySpan<float> frame, Span<float> action)
    {
        var dimensions = _surroundings.Dimensions;
        Span<double> x = stackalloc double[dimensions];
        for (var d = 0; d < dimensions; d++)
        {
            x[d] = action[d];
        }

        var touched = false;
        for (var round = 0; round < Rounds; round++)
        {
            var moved = false;
            for (var slot = 0; slot < _surroundings.Others; slot++)
            {
                moved |= Avoid(frame, slot, x);
            }

            for (var slot = 0; slot < _surroundings.Obstacles; slot++)
            {
                moved |= Clear(frame, slot, x);
            }

            touched |= moved;
            if (!moved)
            {
                break;
            }
        }

        if (!touched)
        {
            return 0;
        }

        Shorten(frame, action, x);
        var squares = 0.0;
        for (var d = 0; d < dimensions; d++)
        {
            squares += (x[d] - action[d]) * (x[d] - action[d]);
            action[d] = (float)x[d];
        }

        return Math.Sqrt(squares);
    }

    private bool Avoid(ReadOnlySpan<float> frame, int slot, Span<double> x)
    {
        Span<double> position = stackalloc double[x.Length];
        Span<double> velocity = stackalloc double[x.Length];
        if (!_surroundings.Other(frame, slot, position, velocity))
        {
            return false;
        }

        double now = 0, next = 0;
        Span<double> away = stackalloc double[x.Length];
        for (var d = 0; d < x.Length; d++)
        {
            now += (frame[d] - position[d]) * (frame[d] - position[d]);
            away[d] = x[d] - (position[d] + velocity[d] * _timeStep);
            next += away[d] * away[d];
        }

        (now, next) = (Math.Sqrt(now), Math.Sqrt(next));
        var missing = _spec.Separation + (1 - _spec.Approach) * (now - _spec.Separation) - next;
        if (missing <= Negligible)
        {
            return false;
        }

        for (var d = 0; d < x.Length; d++)
        {
            // On the very spot any way out is as good as any other.
            x[d] += _spec.Share * missing * (next > 0 ? away[d] / next : d == 0 ? 1 : 0);
        }

        return true;
    }

    private bool Clear(ReadOnlySpan<float> frame, int slot, Span<double> x)
    {
        Span<double> direction = stackalloc double[x.Length];
        if (!_surroundings.Obstacle(frame, slot, direction, out var clearance))
        {
            return false;
        }

        double into = 0, length = 0;
        for (var d = 0; d < x.Length; d++)
        {
            into += direction[d] * (x[d] - frame[d]);
            length += direction[d] * direction[d];
        }

        var beyond = into - _spec.Approach * (clearance - _spec.Clearance);
        if (beyond <= Negligible)
        {
            return false;
        }

        for (var d = 0; d < x.Length; d++)
        {
            x[d] -= beyond * direction[d] / length;
        }

        return true;
    }

    private void Shorten(ReadOnlySpan<float> frame, ReadOnlySpan<float> planned, Span<double> x)
    {
        double step = 0, plan = 0;
        for (var d = 0; d < x.Length; d++)
        {
            step += (x[d] - frame[d]) * (x[d] - frame[d]);
            plan += ((double)planned[d] - frame[d]) * ((double)planned[d] - frame[d]);
        }

        var longest = Math.Max(_spec.MaxStep, Math.Sqrt(plan));
        if (step > longest * longest)
        {
            var share = longest / Math.Sqrt(step);
            for (var d = 0; d < x.Length; d++)
            {
                x[d] = frame[d] + share * (x[d] - frame[d]);
            }
        }
    }
}
