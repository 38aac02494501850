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
/// <para>A pose farther off than the robot can have gone since it was seen is refused, also over a new session: where that is a session's first, or where more than one robot speaks under the name
/// (<see cref="Contest"/>), nothing of it passes until an operator accepts it.</para>
/// </remarks>
/// <param name="run">The run.</param>
/// <param name="robot">The robot.</param>
/// <param name="maxPayload">Longest observation that is looked at [bytes].</param>
/// <param name="maxStep">Farthest that the body goes in a period [m]; null: what the robot says of itself, where it says so.</param>
/// <param name="maxPosition">
/// Coordinate of a position [m] from which on single precision is too coarse for the scenario (<see cref="PositionResolution.Limit"/>);
/// infinite: none.
/// </param>
public sealed class ObservationGuard(string run, string robot, int maxPayload = ObservationGuard.DefaultPayload, double? maxStep = null, double maxPosition = double.PositiveInfinity)
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
    private long _seen;
    private bool _isAccepted;

    /// <summary>Whether more than one robot speaks under this name.</summary>
    public SessionContest Contest { get; } = new();

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
    /// <param name="now">The bridge's clock [us].</param>
    /// <returns><see cref="Refusal.None"/>, or the rule that it broke; then nothing changes.</returns>
    public Refusal Meet(in MqttMessage message, out PresenceEnvelope? presence, long now = 0)
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
            Contest.Began(Session, now);
        }

        return Refusal.None;
    }

    /// <summary>An operator accepts the robot of the present session, wherever it is.</summary>
    public void Accept()
    {
        Contest.Accept();
        _isAccepted = true;
    }

    /// <summary>Decides on a message that came on the robot's observation topic.</summary>
    /// <param name="message">The message.</param>
    /// <param name="now">The bridge's clock [us].</param>
    /// <param name="present">Where the robot was seen last, in this session or one before [D] [m]; empty: not yet.</param>
    /// <param name="observation">The observation, where it breaks no rule.</param>
    /// <returns><see cref="Refusal.None"/>, or the rule that it broke.</returns>
    public Refusal Check(in MqttMessage message, long now, ReadOnlySpan<double> present, out ObservationEnvelope? observation)
    {
        Received++;
        var refusal = Broken(message, now, present, out observation);
        if (refusal == Refusal.None)
        {
            Passed++;
            (_passed, _seen, _isAccepted) = (observation!.Sequence, now - Excess, false);
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

        if (Capabilities is not { } able)
        {
            return Refusal.Session;
        }

        var (period, ttl) = ((long)(able.Period * 1e6), able.TtlMs * 1000L);
        if (observation!.Session != Session)
        {
            Contest.Other(observation.Session, observation.Sequence, now - observation.Time * 1000, now, period, ttl);
            return Refusal.Session;
        }

        if (observation.Sequence <= _sequence)
        {
            return Refusal.Sequence;
        }

        _sequence = observation.Sequence;
        if (IsOld(observation.Time, now, ttl))
        {
            return Refusal.Age;
        }

        Contest.Spoke(Math.Min(_least, _leastBefore), now - Excess, now, period);
        if (Contest.Proof is not null)
        {
            // Nobody knows whose it is.
            return Refusal.Session;
        }

        if (!Draw(now, able))
        {
            return Refusal.Rate;
        }

        if (observation.Values.Length != able.Values)
        {
            return Refusal.Dimension;
        }

        if (!Array.TrueForAll(observation.Values, float.IsFinite))
        {
            return Refusal.Finite;
        }

        if (!Array.TrueForAll(observation.Values, x => Math.Abs(x) <= Dynamics.MaxCoordinate))
        {
            return Refusal.Range;
        }

        // Map coordinates, such as a northing: the position that they mean is not the one that the agent would be shown.
        for (var i = 0; i < observation.Values.Length && i < able.Dimension; i++)
        {
            if (Math.Abs(observation.Values[i]) >= maxPosition)
            {
                return Refusal.Range;
            }
        }

        return _isAccepted || IsInReach(observation, able, present, now - Excess - _seen, period) ? Refusal.None : Refusal.Change;
    }

    /// <summary>
    /// Whether the robot can have gone there since it was seen: one that is refused is not where it was seen, and a robot that is not seen goes on. Twice what it goes in a period, for it may have been between two periods.
    /// </summary>
    private bool IsInReach(ObservationEnvelope observation, Capabilities able, ReadOnlySpan<double> present, long elapsed, long period)
    {
        // Within a session by its own count of periods, but for one that counts faster than time passes.
        var (isFirst, byTime) = (_passed == 0, 1 + Math.Max(0, elapsed) / period);
        var periods = isFirst ? byTime : Math.Min(observation.Sequence - _passed, byTime + able.TtlMs * 1000L / period);
        var farthest = 0.0;
        var inReach = true;
        for (var i = 0; i < present.Length && i < observation.Values.Length; i++)
        {
            var distance = Math.Abs(observation.Values[i] - present[i]);
            farthest = Math.Max(farthest, distance);
            var most = Math.Min(able.Action == ActionKind.Position && i < able.Dimension ? able.Change[i] : double.PositiveInfinity, maxStep ?? double.PositiveInfinity);
            inReach &= distance <= 2 * most * periods;
        }

        if (!inReach && isFirst)
        {
            Contest.Jumped(farthest, elapsed);
        }

        return inReach;
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
