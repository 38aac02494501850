using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots.Wire;
using MimicD.World;

namespace MimicD.Bridges.Robots;

/// <summary>What to do with an action that is out of range.</summary>
public enum OutOfRange
{
    /// <summary>Refuse the command.</summary>
    Reject,

    /// <summary>Act on the nearest number in range.</summary>
    Clamp,
}

/// <summary>
/// Decides on the robot's side which commands it acts on. Pure: payloads and times in, verdicts out. The rules, in the order of <see cref="Refusal"/>, are the same in every language; the first that is broken is counted,
/// and a command that breaks none is acted on.
/// </summary>
/// <param name="run">The run.</param>
/// <param name="robot">The robot.</param>
/// <param name="capabilities">What it lets itself be told; validated.</param>
/// <param name="outOfRange">What becomes of numbers out of range.</param>
public sealed class CommandGuard(string run, string robot, Capabilities capabilities, OutOfRange outOfRange = OutOfRange.Reject)
{
    private readonly Watchdog _watchdog = new();
    private long _sequence;

    /// <summary>The present session; empty before the first.</summary>
    public string Session { get; private set; } = "";

    /// <summary>The highest term seen in this session; 0: none.</summary>
    public long Term { get; private set; }

    /// <summary>Commands that came in this session.</summary>
    public long Received { get; private set; }

    /// <summary>Commands acted on in this session.</summary>
    public long Acted { get; private set; }

    /// <summary>Times that the robot stopped in this session because no command came in time.</summary>
    public long Stops => _watchdog.Stops;

    /// <summary>Whether commands move the robot.</summary>
    public bool IsArmed => _watchdog.IsArmed;

    /// <summary>Commands refused in this session: <see cref="Received"/> = <see cref="Acted"/> + their sum.</summary>
    public RefusalCounts Refused { get; } = new();

    /// <summary>Begins a session: nothing from before can act, and the robot is not armed.</summary>
    /// <returns>Whether the robot was going, and has to stop.</returns>
    public bool Begin(string session)
    {
        if (!WireContract.IsSession(session))
        {
            throw new ArgumentException("not a session", nameof(session));
        }

        (Session, Term, _sequence, Received, Acted) = (session, 0, 0, 0, 0);
        Refused.Clear();
        return _watchdog.Reset();
    }

    /// <summary>Looks at the clock; see <see cref="Watchdog.Expire"/>.</summary>
    /// <param name="now">The robot's own clock [ms].</param>
    public bool Expire(long now) => _watchdog.Expire(now);

    /// <summary>Decides on a message that came on the robot's command topic.</summary>
    /// <param name="message">The message.</param>
    /// <param name="now">The robot's own clock [ms].</param>
    /// <param name="present">Where the robot is now, in the terms of an action [A]: its position, or the control that it applied last.</param>
    /// <param name="action">Receives the action [A] to act on; left as it is where there is none.</param>
    /// <returns><see cref="Refusal.None"/>: act. Otherwise the rule that was broken.</returns>
    public Refusal Check(in MqttMessage message, long now, ReadOnlySpan<double> present, Span<float> action)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(present.Length, capabilities.Dimension, nameof(present));
        ArgumentOutOfRangeException.ThrowIfNotEqual(action.Length, capabilities.Dimension, nameof(action));
        Received++;

        // A robot that nobody asked to look at its clock in between has stopped all the same.
        _watchdog.Expire(now);
        var refusal = Broken(message, now, present, out var command, out var until);
        if (refusal != Refusal.None)
        {
            Refused.Count(refusal);
            return refusal;
        }

        for (var i = 0; i < action.Length; i++)
        {
            action[i] = InRange(command!.Action[i], i);
        }

        Acted++;
        _watchdog.Feed(until);
        return Refusal.None;
    }

    private Refusal Broken(in MqttMessage message, long now, ReadOnlySpan<double> present, out CommandEnvelope? command, out long until)
    {
        until = 0;
        var refusal = Door.Check(message, capabilities.Payload, run, robot, out command);
        if (refusal != Refusal.None)
        {
            return refusal;
        }

        if (Session.Length == 0 || command!.Session != Session)
        {
            return Refusal.Session;
        }

        if (command.Term < Term)
        {
            return Refusal.Term;
        }

        if (command.Term > Term)
        {
            (Term, _sequence) = (command.Term, 0);
        }

        if (command.Sequence <= _sequence)
        {
            return Refusal.Sequence;
        }

        _sequence = command.Sequence;
        var life = Math.Min(command.TimeToLive, capabilities.TtlMs);
        var age = now - command.ObservationTime;
        if (age < 0 || age > life)
        {
            return Refusal.Age;
        }

        until = command.ObservationTime + life;
        return Unfit(command, present);
    }

    private Refusal Unfit(CommandEnvelope command, ReadOnlySpan<double> present)
    {
        var action = command.Action;
        if (action.Length != capabilities.Dimension)
        {
            return Refusal.Dimension;
        }

        if (!Array.TrueForAll(action, float.IsFinite))
        {
            return Refusal.Finite;
        }

        for (var i = 0; i < action.Length; i++)
        {
            if (InRange(action[i], i) != action[i] && outOfRange == OutOfRange.Reject)
            {
                return Refusal.Range;
            }
        }

        for (var i = 0; i < action.Length; i++)
        {
            if (!(Math.Abs(InRange(action[i], i) - present[i]) <= capabilities.Change[i]))
            {
                return Refusal.Change;
            }
        }

        if (capabilities.Action == ActionKind.Position && action.Length >= 2 && !capabilities.Allows(InRange(action[0], 0), InRange(action[1], 1)))
        {
            return Refusal.Geofence;
        }

        return IsArmed || command.Arm ? Refusal.None : Refusal.Disarmed;
    }

    /// <summary>The nearest float32 in range: rounding must not lead out of it again.</summary>
    private float InRange(float value, int i)
    {
        if (value < capabilities.Min[i])
        {
            var low = (float)capabilities.Min[i];
            return low < capabilities.Min[i] ? MathF.BitIncrement(low) : low;
        }

        if (value > capabilities.Max[i])
        {
            var high = (float)capabilities.Max[i];
            return high > capabilities.Max[i] ? MathF.BitDecrement(high) : high;
        }

        return value;
    }
}
