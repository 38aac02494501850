using System.Runtime.Intrinsics;
using MimicD.Contracts;

namespace MimicD.World;

/// <summary>
/// What there is to sense at one tick of one episode, N agents in D dimensions. Positions are the true ones; how the others appear to the
/// observer may differ (<see cref="Sensed"/>), while own state, goal and obstacles are exact.
/// </summary>
public readonly ref struct WorldView
{
    /// <summary>True positions [N,D] [m].</summary>
    public required ReadOnlySpan<double> Positions { get; init; }

    /// <summary>True positions one tick ago [N,D] [m]; equal to <see cref="Positions"/> at tick 0.</summary>
    public required ReadOnlySpan<double> Previous { get; init; }

    /// <summary>Goals [N,D] [m]; may be empty where the goal is not sensed.</summary>
    public ReadOnlySpan<double> Goals { get; init; }

    /// <summary>Headings [N] [rad]; may be empty where the heading is not sensed.</summary>
    public ReadOnlySpan<double> Headings { get; init; }

    /// <summary>The others as the observer senses them [N,D] [m] (its own row is not read); empty: exactly.</summary>
    public ReadOnlySpan<double> Sensed { get; init; }

    /// <summary>The same one tick ago [N,D] [m]. Equal to <see cref="Sensed"/> in a row whose velocity is unknown, which then reads 0.</summary>
    public ReadOnlySpan<double> SensedPrevious { get; init; }

    /// <summary>Whether each other is sensed at all [N]; empty: all are.</summary>
    public ReadOnlySpan<bool> Visible { get; init; }

    /// <summary>Who may be sensed, in any order, where others are told apart by distance; empty: all who are <see cref="Visible"/>.</summary>
    public ReadOnlySpan<int> Candidates { get; init; }

    /// <summary>
    /// Distance [m] beyond which others are not sensed, from the observer's own row to theirs in <see cref="Sensed"/>; who was farther by the rows of <see cref="SensedPrevious"/> has no velocity yet. Null: sight has no end, or
    /// <see cref="Visible"/> says where it does.
    /// </summary>
    public double? Range { get; init; }

    /// <summary>A grid built over the others as sensed, or null: all are looked at. Must be null where not all are <see cref="Visible"/>.</summary>
    public NeighbourGrid? Near { get; init; }
}

/// <summary>
/// Turns the state of the world into one agent's own observation. This is the one definition of every feature: simulation and training sets
/// both come through here. The layout is <see cref="SensorSpec"/>'s.
/// </summary>
public sealed class Sensor
{
    [ThreadStatic]
    private static int[]? _candidates;

    private readonly int _dimensions;
    private readonly int _otherSize;
    private readonly double _timeStep;
    private readonly int _obstacles;
    private readonly double[] _centres;
    private readonly double[] _radii;

    /// <summary>Makes a sensor.</summary>
    /// <param name="spec">The layout; validated by the caller.</param>
    /// <param name="obstacles">The scenario's obstacles, in its order.</param>
    /// <param name="timeStep">Seconds between ticks, above 0.</param>
    public Sensor(SensorSpec spec, IReadOnlyList<Disc> obstacles, double timeStep)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(obstacles);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(timeStep);
        (Spec, FrameSize, _otherSize) = (spec, spec.FrameSize, spec.OtherSize);
        _dimensions = spec.Dimensions;
        _timeStep = timeStep;
        _obstacles = obstacles.Count;
        _centres = [.. obstacles.SelectMany(o => o.Centre)];
        _radii = [.. obstacles.Select(o => o.Radius)];
        if (_centres.Length != _obstacles * _dimensions)
        {
            throw new ArgumentException($"obstacle centres must have {_dimensions} coordinates", nameof(obstacles));
        }
    }

    /// <summary>A sensor for a scenario.</summary>
    /// <exception cref="InvalidInputException">The layout does not fit the scenario.</exception>
    public static Sensor For(Scenario scenario, SensorSpec spec)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        Compatibility.Require(scenario, spec, scenario.Name);
        return new Sensor(spec, scenario.Obstacles, scenario.TimeStep);
    }

    /// <summary>The layout.</summary>
    public SensorSpec Spec { get; }

    /// <summary>Numbers in one frame.</summary>
    public int FrameSize { get; }

    /// <summary>Writes one agent's observation. Pure; allocates nothing.</summary>
    /// <param name="view">What there is to sense.</param>
    /// <param name="agent">The observer, 0 to N-1.</param>
    /// <param name="frame">Receives the features [<see cref="FrameSize"/>].</param>
    public void Frame(in WorldView view, int agent, Span<float> frame)
    {
        var d = _dimensions;
        var own = view.Positions.Slice(agent * d, d);
        var at = 0;
        for (var i = 0; i < d; i++)
        {
            frame[at++] = (float)own[i];
        }

        if (Spec.Velocity)
        {
            var before = view.Previous.Slice(agent * d, d);
            for (var i = 0; i < d; i++)
            {
                frame[at++] = (float)((own[i] - before[i]) / _timeStep);
            }
        }

        if (Spec.Heading)
        {
            var (sin, cos) = Math.SinCos(view.Headings[agent]);
            frame[at++] = (float)cos;
            frame[at++] = (float)sin;
        }

        if (Spec.Goal is { } goalFrame)
        {
            var goal = view.Goals.Slice(agent * d, d);
            for (var i = 0; i < d; i++)
            {
                frame[at++] = (float)(goalFrame == Contracts.Frame.Relative ? goal[i] - own[i] : goal[i]);
            }
        }

        if (Spec.Others is { } others)
        {
            var room = others.Count * _otherSize;
            WriteOthers(view, agent, others, own, frame.Slice(at, room));
            at += room;
        }

        if (Spec.Obstacles is { } obstacles)
        {
            WriteObstacles(obstacles.Count, own, frame.Slice(at, Spec.ObstaclesSize));
            at += Spec.ObstaclesSize;
        }

        if (at != frame.Length)
        {
            throw new ArgumentException($"a frame has {at} numbers, room for {frame.Length} was given", nameof(frame));
        }
    }

    private void WriteOthers(in WorldView view, int agent, OthersSpec others, ReadOnlySpan<double> own, Span<float> slots)
    {
        var d = _dimensions;
        var agents = view.Positions.Length / d;
        var sensed = view.Sensed.IsEmpty ? view.Positions : view.Sensed;
        var before = view.Sensed.IsEmpty ? view.Previous : view.SensedPrevious;
        var size = _otherSize;

        // The own place when others were as they are sensed: sight ends at a distance from there.
        var then = sensed.Slice(agent * d, d);
        var beforeThen = before.Slice(agent * d, d);
        var reach = view.Range * view.Range ?? double.PositiveInfinity;
        if (others.Order == OtherOrder.Identity)
        {
            slots.Clear();
            for (int j = 0, slot = 0; j < agents && slot < others.Count; j++)
            {
                if (j == agent)
                {
                    continue;
                }

                if ((view.Visible.IsEmpty || view.Visible[j]) && !(Vectors.SquaredDistance(then, sensed.Slice(j * d, d)) > reach))
                {
                    var was = Vectors.SquaredDistance(beforeThen, before.Slice(j * d, d)) > reach ? sensed : before;
                    WriteOther(others, own, sensed.Slice(j * d, d), was.Slice(j * d, d), Goal(view, j), slots.Slice(slot * size, size));
                }

                slot++;
            }

            return;
        }

        var late = view.Range is not null && !then.SequenceEqual(own);
        var room = Math.Min(others.Count, agents - 1);
        if (view.Near is { } near && !late && room is > 0 and <= NearestRanked.Most)
        {
            Span<int> chosen = stackalloc int[NearestRanked.Room];
            var expected = near.Expected(agent);
            var nearest = new NearestRanked(stackalloc double[NearestRanked.Room], chosen, room, Math.Min(expected, reach));
            near.Find(own, agent, ref nearest);
            nearest.Settle();
            if (nearest.Count < room && expected < reach)
            {
                nearest.Restart(reach);
                near.Find(own, agent, ref nearest);
                nearest.Settle();
            }

            near.Expect(agent, nearest.Count == room ? nearest.Farthest : double.PositiveInfinity);
            WriteNearest(view, others, own, chosen[..nearest.Count], sensed, before, beforeThen, reach, slots);
        }
        else
        {
            Span<int> chosen = stackalloc int[room];
            var nearest = new NearestFew(stackalloc double[room], chosen, late ? double.PositiveInfinity : reach);
            Look(view, agent, own, sensed, then, late, reach, ref nearest);
            WriteNearest(view, others, own, chosen[..nearest.Count], sensed, before, beforeThen, reach, slots);
        }
    }

    /// <summary>Looks at whoever may be sensed.</summary>
    private static void Look(in WorldView view, int agent, ReadOnlySpan<double> own, ReadOnlySpan<double> sensed, ReadOnlySpan<double> then, bool late, double reach, ref NearestFew nearest)
    {
        var d = own.Length;
        var agents = view.Positions.Length / d;
        if (view.Near is { } near && !late)
        {
            near.Find(own, agent, ref nearest);
        }
        else if (view.Near is { } seen)
        {
            var everybody = Candidates(agents);
            var within = new Within(view.Range!.Value, everybody);
            seen.Find(then, agent, ref within);
            foreach (var j in everybody[..within.Count])
            {
                Consider(j, sensed, own, ref nearest);
            }
        }
        else if (!view.Candidates.IsEmpty)
        {
            foreach (var j in view.Candidates)
            {
                if (view.Visible[j])
                {
                    Consider(j, sensed, own, ref nearest);
                }
            }
        }
        else
        {
            // From the observer's own index onwards: agents with like indices often start as neighbours, so the slots fill with near ones at once, and most of a large crowd is turned away by one comparison.
            for (var step = 1; step < agents; step++)
            {
                var j = agent + step < agents ? agent + step : agent + step - agents;
                if ((view.Visible.IsEmpty || view.Visible[j]) && !(late && Vectors.SquaredDistance(then, sensed.Slice(j * d, d)) > reach))
                {
                    Consider(j, sensed, own, ref nearest);
                }
            }
        }
    }

    private static void Consider(int other, ReadOnlySpan<double> sensed, ReadOnlySpan<double> own, ref NearestFew nearest)
    {
        double distance = 0;
        for (int i = 0, at = other * own.Length; i < own.Length; i++, at++)
        {
            var difference = sensed[at] - own[i];
            distance += difference * difference;
        }

        if (distance <= nearest.Farthest)
        {
            nearest.Add(distance, other);
        }
    }

    /// <summary>Room for everybody, kept from call to call by each thread that observes.</summary>
    internal static Span<int> Candidates(int agents)
    {
        if (_candidates is null || _candidates.Length < agents)
        {
            _candidates = new int[agents];
        }

        return _candidates.AsSpan(0, agents);
    }

    /// <summary>Another's goal where slots have one.</summary>
    private ReadOnlySpan<double> Goal(in WorldView view, int agent) => Spec is { Others.Full: true, Goal: not null } ? view.Goals.Slice(agent * _dimensions, _dimensions) : [];

    private void WriteNearest(
        in WorldView view, OthersSpec others, ReadOnlySpan<double> own, ReadOnlySpan<int> chosen, ReadOnlySpan<double> sensed, ReadOnlySpan<double> before, ReadOnlySpan<double> beforeThen, double reach, Span<float> slots)
    {
        var (d, size) = (own.Length, _otherSize);
        slots[(chosen.Length * size)..].Clear();
        if (d == 2 && others is { Velocity: true, Full: false })
        {
            WriteInPlane(others, own, chosen, sensed, before, beforeThen, reach, slots);
            return;
        }

        for (var slot = 0; slot < chosen.Length; slot++)
        {
            var j = chosen[slot];
            var was = Vectors.SquaredDistance(beforeThen, before.Slice(j * d, d)) > reach ? sensed : before;
            WriteOther(others, own, sensed.Slice(j * d, d), was.Slice(j * d, d), Goal(view, j), slots.Slice(slot * size, size));
        }
    }

    /// <summary>Writes positions and velocities in the plane, two coordinates at a time.</summary>
    private void WriteInPlane(
        OthersSpec others, ReadOnlySpan<double> own, ReadOnlySpan<int> chosen, ReadOnlySpan<double> sensed, ReadOnlySpan<double> before, ReadOnlySpan<double> beforeThen, double reach, Span<float> slots)
    {
        var origin = others.Frame == Contracts.Frame.Relative ? Vector128.Create(own) : Vector128<double>.Zero;
        var then = Vector128.Create(beforeThen);
        var timeStep = Vector128.Create(_timeStep);
        var size = _otherSize;
        for (var slot = 0; slot < chosen.Length; slot++)
        {
            var position = Vector128.Create(sensed.Slice(2 * chosen[slot], 2));
            var was = Vector128.Create(before.Slice(2 * chosen[slot], 2));
            var way = then - was;
            way *= way;
            was = way[0] + way[1] > reach ? position : was;
            var numbers = slots.Slice(slot * size, size);
            Vector128.Narrow(position - origin, (position - was) / timeStep).CopyTo(numbers);
            if (others.Presence)
            {
                numbers[4] = 1;
            }
        }
    }

    private void WriteOther(OthersSpec others, ReadOnlySpan<double> own, ReadOnlySpan<double> position, ReadOnlySpan<double> before, ReadOnlySpan<double> goal, Span<float> slot)
    {
        var at = 0;
        for (var i = 0; i < own.Length; i++)
        {
            slot[at++] = (float)(others.Frame == Contracts.Frame.Relative ? position[i] - own[i] : position[i]);
        }

        if (Spec.OtherVelocity)
        {
            for (var i = 0; i < own.Length; i++)
            {
                slot[at++] = (float)((position[i] - before[i]) / _timeStep);
            }
        }

        for (var i = 0; i < goal.Length; i++)
        {
            slot[at++] = (float)(Spec.Goal == Contracts.Frame.Relative ? goal[i] - position[i] : goal[i]);
        }

        if (others.Full && Spec.Obstacles is { } obstacles)
        {
            WriteObstacles(obstacles.Count, position, slot.Slice(at, Spec.ObstaclesSize));
            at += Spec.ObstaclesSize;
        }

        if (others.Presence)
        {
            slot[at] = 1;
        }
    }

    private void WriteObstacles(int count, ReadOnlySpan<double> from, Span<float> slots)
    {
        var d = _dimensions;
        slots.Clear();
        var room = Math.Min(count, _obstacles);
        Span<double> clearances = stackalloc double[room];
        Span<int> chosen = stackalloc int[room];
        var nearest = new NearestFew(clearances, chosen);
        for (var o = 0; o < _obstacles; o++)
        {
            nearest.Add(Math.Sqrt(Vectors.SquaredDistance(from, _centres.AsSpan(o * d, d))) - _radii[o], o);
        }

        for (var slot = 0; slot < nearest.Count; slot++)
        {
            var o = chosen[slot];
            var distance = clearances[slot] + _radii[o];
            var at = slot * (d + 1);
            for (var i = 0; i < d; i++)
            {
                // At the very centre no direction is the right one: zeros.
                slots[at + i] = distance > 0 ? (float)((_centres[o * d + i] - from[i]) / distance) : 0;
            }

            slots[at + d] = (float)clearances[slot];
        }
    }
}
