using MimicD.Numerics;

namespace MimicD.World;

/// <summary>How one observer senses the others at one tick: filled by <see cref="Perception"/>, read by <see cref="Sensor"/>.</summary>
/// <param name="agents">Agents (N).</param>
/// <param name="dimensions">Dimensions of space (D).</param>
public sealed class PerceptionScratch(int agents, int dimensions)
{
    /// <summary>Sensed positions [N,D] [m].</summary>
    public double[] Sensed { get; } = new double[agents * dimensions];

    /// <summary>Sensed positions one tick ago [N,D] [m]; equal to <see cref="Sensed"/> where the velocity is not known.</summary>
    public double[] Previous { get; } = new double[agents * dimensions];

    /// <summary>Who is sensed [N].</summary>
    public bool[] Visible { get; } = new bool[agents];
}

/// <summary>
/// Imperfect sensing of others (<see cref="SensingSpec"/>). Every number is addressed by (seed, purpose, tick, observer and other, episode), so what an agent senses at a
/// tick can be made again without what came before. A velocity is the difference of what was sensed at this tick and at the one before; it reads 0 at tick 0, and
/// where the other was not sensed at the tick before.
/// </summary>
/// <param name="spec">The imperfections.</param>
/// <param name="dimensions">Dimensions of space (D).</param>
/// <param name="seed">The run's seed.</param>
public sealed class Perception(SensingSpec spec, int dimensions, ulong seed)
{
    private const int FirstAgents = 4096;

    /// <summary>Fills in what one agent senses.</summary>
    /// <param name="tick">The tick.</param>
    /// <param name="episode">The episode.</param>
    /// <param name="agent">The observer.</param>
    /// <param name="delayed">True positions <see cref="SensingSpec.Delay"/> ticks ago [N,D] [m], never before tick 0.</param>
    /// <param name="delayedPrevious">The same for the tick before; equal to <paramref name="delayed"/> at tick 0.</param>
    /// <param name="others">Whom of the others to fill in; who is not among them is beyond range or is not asked for.</param>
    /// <param name="scratch">Receives it.</param>
    public void Perceive(int tick, int episode, int agent, ReadOnlySpan<double> delayed, ReadOnlySpan<double> delayedPrevious, ReadOnlySpan<int> others, PerceptionScratch scratch)
    {
        ArgumentNullException.ThrowIfNull(scratch);
        foreach (var other in others)
        {
            if (other == agent)
            {
                scratch.Visible[other] = false;
                continue;
            }

            var sensed = scratch.Sensed.AsSpan(other * dimensions, dimensions);
            var before = scratch.Previous.AsSpan(other * dimensions, dimensions);
            scratch.Visible[other] = Sense(tick, episode, agent, other, delayed, sensed);
            if (scratch.Visible[other] && (tick == 0 || !Sense(tick - 1, episode, agent, other, delayedPrevious, before)))
            {
                sensed.CopyTo(before);
            }
        }
    }

    /// <summary>One address word for a pair, whatever the number of agents: below 2^24 for agents of the first 4096, whose runs keep their numbers, and from 2^30 on for all others.</summary>
    internal static int Pair(int agent, int other) => Math.Max(agent, other) < FirstAgents ? agent * FirstAgents + other : (1 << 30) + agent * Scenario.MaxAgents + other;

    private bool Sense(int tick, int episode, int agent, int other, ReadOnlySpan<double> positions, Span<double> sensed)
    {
        var position = positions.Slice(other * dimensions, dimensions);
        if (spec.Range is { } range && Vectors.SquaredDistance(positions.Slice(agent * dimensions, dimensions), position) > range * range)
        {
            return false;
        }

        var pair = Pair(agent, other);
        if (spec.Dropout > 0)
        {
            var random = new CounterRandom(seed, RandomPurpose.SensorDropout, tick, pair, episode);
            if (random.NextDouble() < spec.Dropout)
            {
                return false;
            }
        }

        position.CopyTo(sensed);
        if (spec.Noise > 0)
        {
            var random = new CounterRandom(seed, RandomPurpose.SensorNoise, tick, pair, episode);
            for (var i = 0; i < dimensions; i += 2)
            {
                var (first, second) = random.NextNormalPair();
                sensed[i] += spec.Noise * first;
                if (i + 1 < dimensions)
                {
                    sensed[i + 1] += spec.Noise * second;
                }
            }
        }

        return true;
    }
}
