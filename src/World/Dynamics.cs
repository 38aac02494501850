using System.Runtime.Intrinsics;

namespace MimicD.World;

/// <summary>State of many bodies, one array a quantity. Bodies are counted through all episodes: body = episode * N + agent.</summary>
public sealed class BodyState
{
    /// <summary>All at the origin, at rest.</summary>
    /// <param name="bodies">Bodies (B).</param>
    /// <param name="dimensions">Dimensions of space (D).</param>
    public BodyState(int bodies, int dimensions)
    {
        Dimensions = dimensions;
        Positions = new double[bodies * dimensions];
        Velocities = new double[bodies * dimensions];
        Headings = new double[bodies];
    }

    /// <summary>Dimensions of space (D).</summary>
    public int Dimensions { get; }

    /// <summary>Positions [B,D] [m].</summary>
    public double[] Positions { get; }

    /// <summary>Velocities [B,D] [m/s]; state of a double integrator, unused by the others.</summary>
    public double[] Velocities { get; }

    /// <summary>Headings [B] [rad]: state of a unicycle, otherwise as <see cref="World.Headings"/> defines them; zeros in three dimensions.</summary>
    public double[] Headings { get; }

    /// <summary>One body's position [D] [m].</summary>
    public Span<double> Position(int body) => Positions.AsSpan(body * Dimensions, Dimensions);

    /// <summary>One body's velocity [D] [m/s].</summary>
    public Span<double> Velocity(int body) => Velocities.AsSpan(body * Dimensions, Dimensions);
}

/// <summary>
/// How bodies move over one tick. Pure: the next state is a function of the state and of the action alone, and bodies do not touch each other.
/// </summary>
/// <remarks>
/// <para>Kinematic: x' = action, or x + dt action for velocities; a displacement beyond maxSpeed dt is shortened to it.</para>
/// <para>Unicycle, explicit Euler: x' = x + dt v cos h, y' = y + dt v sin h, h' = h + dt w, with v in [0, maxSpeed] and |w| at most maxTurnRate.
/// A position p is tracked by turning towards it, w = (bearing of p - h) / dt, and driving the distance to p projected on the heading, v = (p - x) . (cos h, sin h) / dt,
/// both cut to the limits; so a point behind is turned to on the spot.</para>
/// <para>Double integrator, semi-implicit Euler: v' = v + dt a, x' = x + dt v', with |a| cut to maxAcceleration and |v'| to maxSpeed. A position p is tracked
/// by v' = (p - x) / dt as far as the limits allow (deadbeat): it is where to be at the next tick, on the way, and not a place to stop at.</para>
/// <para>The fallback, for an agent that gave no usable action: a kinematic body stays, a unicycle gets zero speed and turn rate, a double integrator brakes as hard as it may.</para>
/// </remarks>
public sealed class Dynamics
{
    /// <summary>Bodies that <see cref="TryMoveFew"/> moves at once.</summary>
    internal const int Few = 4;

    /// <summary>Positions beyond this [m] are refused, so that everything derived from them stays finite in float32.</summary>
    public const double MaxCoordinate = 1e9;

    private readonly DynamicsSpec _spec;
    private readonly int _dimensions;
    private readonly double _timeStep;

    /// <summary>Makes the dynamics.</summary>
    /// <param name="spec">Kind and limits; validated with the scenario.</param>
    /// <param name="dimensions">Dimensions of space (D).</param>
    /// <param name="timeStep">Seconds between ticks (dt).</param>
    public Dynamics(DynamicsSpec spec, int dimensions, double timeStep)
    {
        ArgumentNullException.ThrowIfNull(spec);
        _spec = spec;
        _dimensions = dimensions;
        _timeStep = timeStep;
        ActionSize = spec.ActionSize(dimensions);
    }

    /// <summary>Numbers in one action (A).</summary>
    public int ActionSize { get; }

    /// <summary>Puts a body at rest at a start.</summary>
    /// <param name="state">The bodies.</param>
    /// <param name="body">Which one.</param>
    /// <param name="start">Position [D] [m].</param>
    /// <param name="goal">Goal [D] [m].</param>
    /// <param name="heading">Heading [rad]; null: it faces its goal.</param>
    public void Reset(BodyState state, int body, ReadOnlySpan<double> start, ReadOnlySpan<double> goal, double? heading = null)
    {
        ArgumentNullException.ThrowIfNull(state);
        start.CopyTo(state.Position(body));
        state.Velocity(body).Clear();
        state.Headings[body] = _dimensions == 2 ? heading ?? Headings.Initial(start, goal) : 0;
    }

    /// <summary>Moves one body by one tick, or leaves it untouched and says no where the action is not finite or leads out of <see cref="MaxCoordinate"/>.</summary>
    /// <param name="state">The bodies.</param>
    /// <param name="body">Which one.</param>
    /// <param name="action">The action [A], see <see cref="ActionKind"/>.</param>
    public bool TryStep(BodyState state, int body, ReadOnlySpan<float> action)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (action.Length != ActionSize || !Vectors.AllFinite(action))
        {
            return false;
        }

        var d = _dimensions;
        var position = state.Position(body);
        Span<double> wanted = stackalloc double[d];
        for (var i = 0; i < d && i < action.Length; i++)
        {
            wanted[i] = action[i];
        }

        return _spec.Kind switch
        {
            DynamicsKind.Kinematic => StepKinematic(state, body, position, wanted),
            DynamicsKind.Unicycle => StepUnicycle(state, body, position, wanted),
            _ => StepDoubleIntegrator(state, body, position, wanted),
        };
    }

    /// <summary>Whether bodies go where they are told in the plane, so that <see cref="TryMoveFew"/> can move them.</summary>
    internal bool MovesFew => _spec is { Kind: DynamicsKind.Kinematic, Action: ActionKind.Position } && _dimensions == 2;

    /// <summary>
    /// Moves a few bodies by one tick as <see cref="TryStep"/> would one after the other, but for their headings, or leaves all untouched and says no where one of them would not move (<see cref="Headings.Still"/>) or cannot.
    /// </summary>
    /// <param name="state">The bodies.</param>
    /// <param name="body">The first of <see cref="Few"/>.</param>
    /// <param name="actions">Positions wanted [Few,2] [m].</param>
    internal bool TryMoveFew(BodyState state, int body, ReadOnlySpan<float> actions)
    {
        var positions = state.Positions.AsSpan(body * 2, 2 * Few);
        var position = Vector512.Create<double>(positions);
        var (low, high) = Vector256.Widen(Vector256.Create(actions));
        var wanted = Vector512.Create(low, high);
        if (_spec.MaxSpeed * _timeStep is { } limit)
        {
            var step = wanted - position;
            var norm = Vector512.Sqrt(Squares(step));
            var shortened = position + step * (Vector512.Create(limit) / norm);
            wanted = Vector512.ConditionalSelect(Vector512.GreaterThan(norm, Vector512.Create(limit)), shortened, wanted);
        }

        // Not a number is not within reach either.
        if (!Vector512.LessThanOrEqualAll(Vector512.Abs(wanted), Vector512.Create(MaxCoordinate)) || !Vector512.GreaterThanAll(Squares(wanted - position), Vector512.Create(Headings.Still * Headings.Still)))
        {
            return false;
        }

        wanted.CopyTo(positions);
        return true;

        // In the place of both coordinates of each body.
        static Vector512<double> Squares(Vector512<double> way)
        {
            var squares = way * way;
            return squares + Vector512.Shuffle(squares, Vector512.Create(1L, 0, 3, 2, 5, 4, 7, 6));
        }
    }

    /// <summary>Moves one body by one tick with the fallback.</summary>
    /// <param name="state">The bodies.</param>
    /// <param name="body">Which one.</param>
    /// <param name="action">Receives the action [A] that this amounts to, for the record.</param>
    public void StepFallback(BodyState state, int body, Span<float> action)
    {
        ArgumentNullException.ThrowIfNull(state);
        action.Clear();
        var position = state.Position(body);
        if (_spec.Kind == DynamicsKind.DoubleIntegrator)
        {
            var velocity = state.Velocity(body);
            Span<double> acceleration = stackalloc double[_dimensions];
            for (var i = 0; i < _dimensions; i++)
            {
                acceleration[i] = -velocity[i] / _timeStep;
            }

            Shorten(acceleration, _spec.MaxAcceleration);
            for (var i = 0; i < _dimensions && _spec.Action == ActionKind.Control; i++)
            {
                action[i] = (float)acceleration[i];
            }

            Integrate(state, body, position, acceleration);
        }

        for (var i = 0; i < _dimensions && _spec.Action == ActionKind.Position; i++)
        {
            action[i] = (float)position[i];
        }
    }

    /// <summary>An angle as its equal in [-pi, pi] [rad].</summary>
    public static double Wrap(double angle) => Math.IEEERemainder(angle, 2 * Math.PI);

    private bool StepKinematic(BodyState state, int body, Span<double> position, Span<double> wanted)
    {
        Span<double> step = stackalloc double[_dimensions];
        for (var i = 0; i < _dimensions; i++)
        {
            step[i] = _spec.Action == ActionKind.Position ? wanted[i] - position[i] : wanted[i] * _timeStep;
        }

        var free = !Shorten(step, _spec.MaxSpeed * _timeStep);
        for (var i = 0; i < _dimensions; i++)
        {
            // Not x + (p - x), which need not be p.
            wanted[i] = free && _spec.Action == ActionKind.Position ? wanted[i] : position[i] + step[i];
        }

        return Move(state, body, position, wanted);
    }

    private bool StepUnicycle(BodyState state, int body, Span<double> position, Span<double> wanted)
    {
        var heading = state.Headings[body];
        var (sin, cos) = Math.SinCos(heading);
        var (speed, turn) = (wanted[0], wanted[1]);
        if (_spec.Action == ActionKind.Position)
        {
            var (x, y) = (wanted[0] - position[0], wanted[1] - position[1]);
            var still = x * x + y * y <= Headings.Still * Headings.Still;
            speed = still ? 0 : (x * cos + y * sin) / _timeStep;
            turn = still ? 0 : Wrap(Math.Atan2(y, x) - heading) / _timeStep;
        }

        speed = Math.Clamp(speed, 0, _spec.MaxSpeed!.Value);
        turn = Math.Clamp(turn, -_spec.MaxTurnRate!.Value, _spec.MaxTurnRate.Value);
        wanted[0] = position[0] + _timeStep * speed * cos;
        wanted[1] = position[1] + _timeStep * speed * sin;
        if (!InReach(wanted))
        {
            return false;
        }

        wanted.CopyTo(position);
        state.Headings[body] = Wrap(heading + _timeStep * turn);
        return true;
    }

    private bool StepDoubleIntegrator(BodyState state, int body, Span<double> position, Span<double> wanted)
    {
        if (_spec.Action == ActionKind.Position)
        {
            var velocity = state.Velocity(body);
            for (var i = 0; i < _dimensions; i++)
            {
                wanted[i] = ((wanted[i] - position[i]) / _timeStep - velocity[i]) / _timeStep;
            }
        }

        Shorten(wanted, _spec.MaxAcceleration);
        return Integrate(state, body, position, wanted);
    }

    private bool Integrate(BodyState state, int body, Span<double> position, ReadOnlySpan<double> acceleration)
    {
        var velocity = state.Velocity(body);
        Span<double> next = stackalloc double[2 * _dimensions];
        var to = next[.._dimensions];
        var speed = next[_dimensions..];
        for (var i = 0; i < _dimensions; i++)
        {
            speed[i] = velocity[i] + _timeStep * acceleration[i];
        }

        // The allowed velocities are a ball, and the old one lies in it: shortening never asks for more than the acceleration given.
        Shorten(speed, _spec.MaxSpeed);
        for (var i = 0; i < _dimensions; i++)
        {
            to[i] = position[i] + _timeStep * speed[i];
        }

        if (!InReach(to))
        {
            return false;
        }

        speed.CopyTo(velocity);
        return Move(state, body, position, to);
    }

    private bool Move(BodyState state, int body, Span<double> position, ReadOnlySpan<double> to)
    {
        if (!InReach(to))
        {
            return false;
        }

        if (_dimensions == 2)
        {
            state.Headings[body] = Headings.Next(state.Headings[body], position, to);
        }

        to.CopyTo(position);
        return true;
    }

    private static bool InReach(ReadOnlySpan<double> position)
    {
        foreach (var x in position)
        {
            if (!(Math.Abs(x) <= MaxCoordinate))
            {
                return false;
            }
        }

        return true;
    }

    private static bool Shorten(Span<double> vector, double? longest)
    {
        if (longest is not { } limit || !(Vectors.Norm(vector) is var norm && norm > limit))
        {
            return false;
        }

        foreach (ref var x in vector)
        {
            x *= limit / norm;
        }

        return true;
    }
}
