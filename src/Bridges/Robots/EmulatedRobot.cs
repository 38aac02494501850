using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots.Wire;
using MimicD.World;

namespace MimicD.Bridges.Robots;

/// <summary>
/// A robot without a body of metal: the scenario's dynamics behind <see cref="RobotSide"/>, one step a period. Pure: it is told the time of its own clock, and what came; it says what to send. Not thread-safe.
/// </summary>
/// <remarks>
/// In each period it does what it was told last (a control goes on until the next, a position is gone to), or, where it is not armed, what the scenario's fallback is; and then observes. With answers that come within the
/// period it moves as the simulated body does, to the bit of what float32 carries.
/// </remarks>
public sealed class EmulatedRobot
{
    private const int Payload = 8192;

    private readonly Scenario _scenario;
    private readonly Dynamics _dynamics;
    private readonly BodyState _body;
    private readonly RobotSide _side;
    private readonly float[] _told;
    private readonly float[] _did;
    private readonly double[] _present;

    /// <summary>Puts one at its start.</summary>
    /// <param name="scenario">The scenario, which says what emulated robots are like.</param>
    /// <param name="topics">The run's topics.</param>
    /// <param name="name">Its name.</param>
    /// <param name="start">Where it begins [D] [m].</param>
    /// <param name="goal">Where it faces, unless a heading is given [D] [m].</param>
    /// <param name="heading">Its heading [rad], or null.</param>
    /// <param name="encoding">How it writes observations.</param>
    public EmulatedRobot(Scenario scenario, RobotTopics topics, string name, ReadOnlySpan<double> start, ReadOnlySpan<double> goal, double? heading = null, WireEncoding encoding = WireEncoding.Json)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        _scenario = scenario;
        _dynamics = new Dynamics(scenario.Dynamics, scenario.Dimensions, scenario.TimeStep);
        _body = new BodyState(1, scenario.Dimensions);
        _dynamics.Reset(_body, 0, start, goal, heading);
        _side = new RobotSide(topics, name, CapabilitiesOf(scenario), encoding);
        (_told, _did, _present) = (new float[_dynamics.ActionSize], new float[_dynamics.ActionSize], new double[_dynamics.ActionSize]);
        Session = RobotSide.DrawSession();
    }

    /// <summary>Its name.</summary>
    public string Name => _side.Name;

    /// <summary>The one filter that it subscribes to.</summary>
    public MqttSubscription Subscription => _side.Subscription;

    /// <summary>Where it is [D] [m].</summary>
    public ReadOnlySpan<double> Position => _body.Position(0);

    /// <summary>Its guard, with its counts.</summary>
    public CommandGuard Guard => _side.Guard;

    /// <summary>The session of its next connection, or of the present one.</summary>
    public string Session { get; private set; }

    private bool Positions => _scenario.Dynamics.Action == ActionKind.Position;

    /// <summary>What an emulated robot of a scenario announces.</summary>
    public static Capabilities CapabilitiesOf(Scenario scenario)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        var spec = RobotsSpec.Of(scenario);
        var period = scenario.Pacing.Period(scenario.TimeStep);
        var size = scenario.ActionSize;
        return new Capabilities
        {
            Action = scenario.Dynamics.Action,
            Dimension = size,
            Min = [.. Enumerable.Repeat(-spec.Reach, size)],
            Max = [.. Enumerable.Repeat(spec.Reach, size)],
            Change = [.. Enumerable.Repeat(spec.Change, size)],
            Rate = 1 / period,
            Geofence = spec.Geofence,
            TtlMs = (int)Math.Clamp(Math.Round((spec.Ttl ?? 3 * period) * 1000), 1, 60_000),
            Payload = Payload,
            Observation = ObservationKind.Pose,
            Values = scenario.Dimensions + (SensesHeading(scenario) ? 2 : 0),
        };
    }

    /// <summary>What the broker is to say when the connection that is about to be made is lost. Draws that connection's session.</summary>
    public MqttMessage NextWill()
    {
        Session = RobotSide.DrawSession();
        return _side.Farewell(Session);
    }

    /// <summary>The connection stands.</summary>
    /// <returns>The announcement, to be sent first.</returns>
    public MqttMessage Connected()
    {
        if (_side.Begin(Session, out var announcement))
        {
            _told.AsSpan().Clear();
        }

        return announcement;
    }

    /// <summary>What it says before it goes.</summary>
    public MqttMessage Farewell() => _side.Farewell(Session);

    /// <summary>Takes a message.</summary>
    /// <param name="message">The message.</param>
    /// <param name="now">Its own clock [ms].</param>
    /// <returns>What its guard said.</returns>
    public Refusal Received(in MqttMessage message, long now)
    {
        for (var i = 0; i < _present.Length; i++)
        {
            _present[i] = Positions ? _body.Positions[i] : _did[i];
        }

        return _side.Guard.Check(message, now, _present, _told);
    }

    /// <summary>A period is over: it moves, looks at its watch, and observes.</summary>
    /// <param name="now">Its own clock [ms].</param>
    /// <param name="connected">Whether there is anybody to tell.</param>
    /// <param name="send">Receives what is to be sent.</param>
    public void Period(long now, bool connected, Action<MqttMessage> send)
    {
        ArgumentNullException.ThrowIfNull(send);
        _side.Guard.Expire(now);
        if (_side.Guard.IsArmed)
        {
            if (_dynamics.TryStep(_body, 0, _told))
            {
                _told.CopyTo(_did, 0);
            }
        }
        else
        {
            _dynamics.StepFallback(_body, 0, _did);
        }

        if (!connected || _side.Guard.Session.Length == 0)
        {
            return;
        }

        var d = _scenario.Dimensions;
        var values = new float[_side.Capabilities.Values];
        for (var i = 0; i < d; i++)
        {
            values[i] = (float)_body.Positions[i];
        }

        if (values.Length > d)
        {
            var (sin, cos) = Math.SinCos(_body.Headings[0]);
            (values[d], values[d + 1]) = ((float)cos, (float)sin);
        }

        send(_side.Observe(now, values));
        if (_side.Report(now) is { } report)
        {
            send(report);
        }
    }

    private static bool SensesHeading(Scenario scenario) => scenario.Dimensions == 2 && scenario.Dynamics.Kind == DynamicsKind.Unicycle;
}
