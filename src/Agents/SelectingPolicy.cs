using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>A policy that makes several plans and gives the one that <see cref="SelectionSpec"/> prefers. For plans of positions.</summary>
public sealed class SelectingPolicy : WrappedPolicy, IPolicy
{
    private readonly Surroundings _surroundings;
    private readonly SelectionSpec _spec;
    private readonly NeighbourModel? _neighbours;
    private readonly double _timeStep;
    private ThreadLocal<Scratch>? _scratch;

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
    public int Together => (Policy.Together + _spec.Candidates - 1) / _spec.Candidates;

    /// <summary>This thread's, kept from plan to plan; what it holds is overwritten. It is this policy's alone: what is static could carry something from one agent to another.</summary>
    private Scratch OfThread
    {
        get
        {
            if (_scratch is null)
            {
                Interlocked.CompareExchange(ref _scratch, new ThreadLocal<Scratch>(() => new Scratch()), null);
            }

            return _scratch.Value!;
        }
    }

    /// <inheritdoc/>
    public override int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, int mode, ReadOnlySpan<float> previous, Span<float> actions)
    {
        var scratch = OfThread;
        var chosen = Scratch.Room(ref scratch.Chosen, actions.Length);
        var calls = 0;
        var query = new PlanQuery(Scratch.Copy(frames, ref scratch.Seen), Scratch.Copy(noise, ref scratch.Drawn), mode, Scratch.Copy(previous, ref scratch.Rest), chosen);
        Plan(new ReadOnlySpan<PlanQuery>(in query), new Span<int>(ref calls));
        chosen.Span.CopyTo(actions);
        return calls;
    }

    /// <inheritdoc/>
    public void Plan(ReadOnlySpan<PlanQuery> queries, Span<int> calls)
    {
        var scratch = OfThread;
        var (size, plan, all) = (Policy.NoiseSize, PlanActions * ActionSize, queries.Length * _spec.Candidates);
        var candidates = Scratch.Room(ref scratch.Candidates, all * plan);
        var asked = Scratch.Room(ref scratch.Queries, all).Span;
        var evaluated = Scratch.Room(ref scratch.Calls, all).Span;
        for (var i = 0; i < all; i++)
        {
            var (of, k) = Math.DivRem(i, _spec.Candidates);
            asked[i] = queries[of] with { Noise = queries[of].Noise.Slice(k * size, size), Actions = candidates.Slice(i * plan, plan) };
        }

        Policy.Plan(asked, evaluated);
        for (var of = 0; of < queries.Length; of++)
        {
            calls[of] = 0;
            foreach (var call in evaluated.Slice(of * _spec.Candidates, _spec.Candidates))
            {
                calls[of] += call;
            }

            Choose(queries[of], candidates.Span.Slice(of * _spec.Candidates * plan, _spec.Candidates * plan), scratch, ref calls[of]);
        }
    }

    private void Choose(in PlanQuery query, ReadOnlySpan<float> candidates, Scratch scratch, ref int calls)
    {
        var actions = query.Actions.Span;
        var best = double.NegativeInfinity;
        var ways = Scratch.Room(ref scratch.Ways, _surroundings.Others * actions.Length).Span;
        var there = Scratch.Room(ref scratch.There, _surroundings.Others).Span;
        Foretell(query.Frames.Span[..FrameSize], query.Mode, scratch, actions, ways, there, ref calls);
        for (var k = 0; k < _spec.Candidates; k++)
        {
            var candidate = candidates.Slice(k * actions.Length, actions.Length);
            var nearest = Math.Min(Nearest(candidate, ways, there), _spec.Separation ?? double.PositiveInfinity);
            if (nearest > best)
            {
                best = nearest;
                candidate.CopyTo(actions);
            }
        }
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
                there[slot] = _neighbours.Predict(frame, slot, mode, Scratch.Room(ref scratch.Theirs, _neighbours.ScratchSize).Span, plan, out var evaluated);
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

    /// <summary>Grows to what is needed, and is then used again and again.</summary>
    private sealed class Scratch
    {
        public float[] Seen = [];
        public float[] Drawn = [];
        public float[] Rest = [];
        public float[] Chosen = [];
        public float[] Candidates = [];
        public float[] Theirs = [];
        public double[] Ways = [];
        public bool[] There = [];
        public PlanQuery[] Queries = [];
        public int[] Calls = [];

        public static Memory<T> Room<T>(ref T[] array, int size)
        {
            if (array.Length < size)
            {
                array = new T[size];
            }

            return array.AsMemory(0, size);
        }

        public static Memory<float> Copy(ReadOnlySpan<float> values, ref float[] array)
        {
            var room = Room(ref array, values.Length);
            values.CopyTo(room.Span);
            return room;
        }
    }
}
