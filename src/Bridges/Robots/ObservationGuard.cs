using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots.Wire;
using MimicD.World;

namespace MimicD.Bridges.Robots;

/// <summary>
/// Decides on the agents' side which of one robot's observations its agent is shown: the mirror of <see cref="CommandGuard"/>, with the same order of rules. Pure: payloads and times in, verdicts out.
/// </summary>
/// <remarks>
/// <para>Age without a common clock: the least of (arrival - the robot's time) over the last <see cref="Window"/> to twice that is what an observation takes at its quickest, in the two clocks' terms; what
/// took longer than that by more than the robot's ttl is too old. Clocks that drift apart are followed, since old leasts are forgotten.</para>
/// <para>Rate: a bucket that fills at twice the robot's rate, up to what arrives together after the longest wait that is not too old. Only observations that are fresh draw on it, so that a burst of old ones does not
/// crowd out the newest.</para>
/// </remarks>
/// <param name="run">The run.</param>
/// <param name="robot">The robot.</param>
/// <param name="maxPayload">Longest observation that is looked at [bytes].</param>
/// <param name="maxPosition">
/// Coordinate of a position [m] from which on single precision is too coarse for the scenario (<see cref="PositionResolution.Limit"/>);
/// infinite: none.
/// </param>
public sealed class ObservationGuard(string run, string robot, int maxPayload = ObservationGuard.DefaultPayload, double maxPosition = double.PositiveInfinity)
{
    /// <summary>Longest observation, unless told otherwise [bytes].</summary>
    public const int DefaultPayload = 64 * 1024;

    /// <summary>How long the least delay is remembered at least [us].</summary>
    public const long Window = 30_000_000;

    private long _sequence;
    private long _passed;
    private long _least;
    private long _leastBefore;
    private long _windowEnd;
    private double _tokens;
    private long _filled;

    /// <summary>What the robot said of itself last; null: it is not there.</summary>
    public Capabilities? Capabilities { get; private set; }

    /// <summary>The session that it announced last; empty before the first.</summary>
    public string Session { get; private set; } = "";

    /// <summary>How much longer the last observation took than the quickest of late [us]: when it was made, in the bridge's time, but for what the quickest takes.</summary>
    public long Excess { get; private set; }

    /// <summary>Observations that came, since the run began.</summary>
    public long Received { get; private set; }

    /// <summary>Observations that were let through.</summary>
    public long Passed { get; private set; }

    /// <summary>Observations refused: <see cref="Received"/> = <see cref="Passed"/> + their sum.</summary>
    public RefusalCounts Refused { get; } = new();

    /// <summary>Takes what came on the robot's presence topic. That the broker kept it is as it should be.</summary>
    /// <param name="message">The message.</param>
    /// <param name="presence">What it says.</param>
    /// <returns><see cref="Refusal.None"/>, or the rule that it broke; then nothing changes.</returns>
    public Refusal Meet(in MqttMessage message, out PresenceEnvelope? presence)
    {
        presence = null;
        if (WireContract.EncodingOf(message.ContentType) != WireEncoding.Json)
        {
            return Refusal.Encoding;
        }

        var refusal = JsonWire.Read(message.Payload.Span, out presence);
        refusal = refusal != Refusal.None ? refusal : presence!.Run != run ? Refusal.Run : presence.Robot != robot ? Refusal.Robot : Refusal.None;
        if (refusal != Refusal.None)
        {
            presence = null;
            return refusal;
        }

        // A will that comes after its robot's next connection is about the session before.
        if (!presence!.Online && presence.Session != Session)
        {
            presence = null;
            return Refusal.Session;
        }

        Capabilities = presence.Capabilities;
        if (presence.Session != Session)
        {
            (Session, _sequence, _passed, _windowEnd) = (presence.Session, 0, 0, long.MinValue);
            _tokens = double.PositiveInfinity;
        }

        return Refusal.None;
    }

    /// <summary>Decides on a message that came on the robot's observation topic.</summary>
    /// <param name="message">The message.</param>
    /// <param name="now">The bridge's clock [us].</param>
    /// <param name="present">Where the robot was seen last [D] [m]; empty: not yet in this session.</param>
    /// <param name="observation">The observation, where it breaks no rule.</param>
    /// <returns><see cref="Refusal.None"/>, or the rule that it broke.</returns>
    public Refusal Check(in MqttMessage message, long now, ReadOnlySpan<double> present, out ObservationEnvelope? observation)
    {
        Received++;
        var refusal = Broken(message, now, present, out observation);
        if (refusal == Refusal.None)
        {
            Passed++;
            _passed = observation!.Sequence;
        }
        else
        {
            observation = null;
            Refused.Count(refusal);
        }

        return refusal;
    }

    private Refusal Broken(in MqttMessage message, long now, ReadOnlySpan<double> present, out ObservationEnvelope? observation)
    {
        var refusal = Door.Check(message, maxPayload, run, robot, out observation);
        if (refusal != Refusal.None)
        {
            return refusal;
        }

        if (Capabilities is not { } able || observation!.Session != Session)
        {
            return Refusal.Session;
        }

        if (observation.Sequence <= _sequence)
        {
            return Refusal.Sequence;
        }

        // Since it was seen last: one that is refused is not where it was seen, and a robot that is not seen goes on.
        var periods = _passed == 0 ? 1 : observation.Sequence - _passed;
        _sequence = observation.Sequence;
        if (IsOld(observation.Time, now, able.TtlMs * 1000L))
        {
            return Refusal.Age;
        }

        if (!Draw(now, able))
        {
            return Refusal.Rate;
        }

        if (observation.Values.Length != able.Values)
        {
            return Refusal.Dimension;
        }

        return Unfit(observation.Values, able, present, periods);
    }

    private Refusal Unfit(float[] values, Capabilities able, ReadOnlySpan<double> present, long periods)
    {
        if (!Array.TrueForAll(values, float.IsFinite))
        {
            return Refusal.Finite;
        }

        if (!Array.TrueForAll(values, x => Math.Abs(x) <= Dynamics.MaxCoordinate))
        {
            return Refusal.Range;
        }

        // Map coordinates, such as a northing: the position that they mean is not the one that the agent would be shown.
        for (var i = 0; i < values.Length && i < able.Dimension; i++)
        {
            if (Math.Abs(values[i]) >= maxPosition)
            {
                return Refusal.Range;
            }
        }

        // A body that says of itself how far it goes in a period cannot have gone farther. Twice that, for it may have been between two periods.
        if (able.Action == ActionKind.Position)
        {
            for (var i = 0; i < present.Length && i < able.Dimension; i++)
            {
                if (Math.Abs(values[i] - present[i]) > 2 * able.Change[i] * periods)
                {
                    return Refusal.Change;
                }
            }
        }

        return Refusal.None;
    }

    private bool IsOld(long time, long now, long ttl)
    {
        var took = now - time * 1000;
        if (now >= _windowEnd)
        {
            // At a session's beginning there is no least before.
            _leastBefore = _windowEnd == long.MinValue ? took : _least;
            (_least, _windowEnd) = (took, now + Window);
        }

        _least = Math.Min(_least, took);
        Excess = took - Math.Min(_least, _leastBefore);
        return Excess > ttl;
    }

    private bool Draw(long now, Capabilities able)
    {
        var most = Math.Max(4, 2 * able.Rate * able.TtlMs / 1000);
        _tokens = Math.Min(most, _tokens + (now - _filled) * 2e-6 * able.Rate);
        _filled = now;
        if (_tokens < 1)
        {
            return false;
        }

        _tokens--;
        return true;
    }
}
