using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>A policy that makes several plans and gives the one that <see cref="SelectionSpec"/> prefers. For plans of positions.</summary>
public sealed class SelectingPolicy : WrappedPolicy
{
    // Kept from plan to plan by each thread; what they hold is overwritten.
    [ThreadStatic]
    private static Scratch? _scratch;

    private readonly Surroundings _surroundings;
    private readonly SelectionSpec _spec;
    private readonly NeighbourModel? _neighbours;
    private readonly double _timeStep;

    /// <summary>Makes one.</summary>
    /// <param name="policy">Whose plans; their first action is the position one tick later.</param>
    /// <param name="sensor">Layout of its frames.</param>
    /// <param name="timeStep">Seconds between ticks.</param>
    /// <param name="spec">How many, and what is preferred.</param>
    /// <param name="neighbours">What others are expected to do, or null: they go on at the velocities that are seen.</param>
    public SelectingPolicy(IPolicy policy, SensorSpec sensor, double timeStep, SelectionSpec spec, NeighbourModel? neighbours = null)
        : base(policy)
    {
        ArgumentNullException.ThrowIfNull(spec);
        (_surroundings, _timeStep, _spec, _neighbours) = (new Surroundings(sensor), timeStep, spec, neighbours);
    }

    /// <inheritdoc/>
    public override int NoiseSize => _spec.Candidates * Policy.NoiseSize;

    /// <inheritdoc/>
    public override int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, int mode, ReadOnlySpan<float> previous, Span<float> actions)
    {
        var scratch = _scratch ??= new Scratch();
        var (best, calls, size) = (double.NegativeInfinity, 0, Policy.NoiseSize);
        var ways = scratch.Ways(_surroundings.Others * actions.Length);
        var there = scratch.There(_surroundings.Others);
        var candidate = scratch.Candidate(actions.Length);
        Foretell(frames[..FrameSize], mode, scratch, candidate, ways, there, ref calls);
        for (var k = 0; k < _spec.Candidates; k++)
        {
            calls += Policy.Plan(frames, noise.Slice(k * size, size), mode, previous, candidate);
            var nearest = Math.Min(Nearest(candidate, ways, there), _spec.Separation ?? double.PositiveInfinity);
            if (nearest > best)
            {
                best = nearest;
                candidate.CopyTo(actions);
            }
        }

        return calls;
    }

    /// <summary>Where the others are expected to be, [others, plan actions, D] [m], of those who are in sight.</summary>
    private void Foretell(ReadOnlySpan<float> frame, int mode, Scratch scratch, Span<float> plan, Span<double> ways, Span<bool> there, ref int calls)
    {
        var dimensions = ActionSize;
        Span<double> position = stackalloc double[dimensions];
        Span<double> velocity = stackalloc double[dimensions];
        for (var slot = 0; slot < there.Length; slot++)
        {
            var way = ways.Slice(slot * plan.Length, plan.Length);
            if (_neighbours is not null)
            {
                there[slot] = _neighbours.Predict(frame, slot, mode, scratch.Frames(_neighbours.ScratchSize), plan, out var evaluated);
                calls += evaluated;
                for (var j = 0; j < way.Length && there[slot]; j++)
                {
                    way[j] = plan[j];
                }

                continue;
            }

            there[slot] = _surroundings.Other(frame, slot, position, velocity);
            for (var j = 0; j < way.Length && there[slot]; j++)
            {
                var (t, d) = Math.DivRem(j, dimensions);
                way[j] = position[d] + (t + 1) * _timeStep * velocity[d];
            }
        }
    }

    /// <summary>How near the plan comes to anybody in sight [m]; infinite where nobody is.</summary>
    private double Nearest(ReadOnlySpan<float> plan, ReadOnlySpan<double> ways, ReadOnlySpan<bool> there)
    {
        var dimensions = ActionSize;
        var least = double.PositiveInfinity;
        for (var slot = 0; slot < there.Length; slot++)
        {
            var way = ways.Slice(slot * plan.Length, plan.Length);
            for (var at = 0; at < plan.Length && there[slot]; at += dimensions)
            {
                var squares = 0.0;
                for (var j = at; j < at + dimensions; j++)
                {
                    var apart = plan[j] - way[j];
                    squares += apart * apart;
                }

                least = Math.Min(least, squares);
            }
        }

        return Math.Sqrt(least);
    }

    private sealed class Scratch
    {
        private double[] _ways = [];
        private bool[] _there = [];
        private float[] _candidate = [];
        private float[] _frames = [];

        public Span<double> Ways(int size) => Room(ref _ways, size);

        public Span<bool> There(int size) => Room(ref _there, size);

        public Span<float> Candidate(int size) => Room(ref _candidate, size);

        public Span<float> Frames(int size) => Room(ref _frames, size);

        private static Span<T> Room<T>(ref T[] array, int size)
        {
            if (array.Length < size)
            {
                array = new T[size];
            }

            return array.AsSpan(0, size);
        }
    }
}
