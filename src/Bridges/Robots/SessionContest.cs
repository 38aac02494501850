namespace MimicD.Bridges.Robots;

/// <summary>
/// Tells whether more than one robot speaks under one name. Each connection of a robot is a session of its own, so two robots of one name, or one client id, show as sessions that take turns or overlap. Pure: it is told
/// what came and when.
/// </summary>
/// <remarks>
/// <para>Proof (<see cref="Proof"/>), which stays until an operator accepts the robot as it is: observations of two sessions that were made at the same time; a session whose clock is another's directly after that one
/// spoke, or is one that spoke before; a pose out of reach. A robot that reconnects has the same clock and no overlap; one that restarts is silent for a while first, and its old clock never returns.</para>
/// <para>Suspicion: <see cref="Many"/> sessions within <see cref="Window"/>. It passes by itself.</para>
/// </remarks>
public sealed class SessionContest
{
    /// <summary>Sessions within <see cref="Window"/> that are too many for one robot.</summary>
    public const int Many = 4;

    /// <summary>Time in which sessions are counted [us].</summary>
    public const long Window = 10_000_000;

    // How far a clock may seem ahead of itself, and behind, for a message that was held up seems to come from a clock that is behind [us].
    private const long Ahead = 500_000;
    private const long Behind = 5_000_000;

    // The shortest time in which a robot restarts, beyond three of its periods, and the longest that is waited for it [us].
    private const long ShortestRestart = 100_000;
    private const long LongestPause = 2_000_000;

    // Observations of a session that was never announced before it counts as one.
    private const int Enough = 3;
    private const int MostKept = 16;

    private readonly Queue<long> _begun = new();
    private readonly List<Former> _formers = [];
    private readonly List<long> _clocks = [];
    private readonly HashSet<string> _accepted = new(StringComparer.Ordinal);
    private string _session = "";
    private long _began;
    private long? _clock;
    private long? _spoke;
    private string _stranger = "";
    private long _strangerSequence;
    private long _strangerClock;
    private long _strangerSince;
    private int _strangerCount;
    private int _heardBeside;

    /// <summary>Sessions that began since the run did.</summary>
    public long Sessions { get; private set; }

    /// <summary>Why there is more than one robot, in one line; null: nothing proves it.</summary>
    public string? Proof { get; private set; }

    /// <summary>Why the robot is contested, or may be, in one line; null: it is not.</summary>
    /// <param name="now">The bridge's clock [us].</param>
    public string? Reason(long now)
    {
        Forget(now);
        return Proof ?? (_begun.Count >= Many ? $"{Many} connections or more within {Window / 1_000_000} s" : null);
    }

    /// <summary>A session was announced that was not the present one.</summary>
    /// <param name="session">The session.</param>
    /// <param name="now">The bridge's clock [us].</param>
    public void Began(string session, long now)
    {
        if (_session.Length > 0)
        {
            _formers.RemoveAll(f => f.Session == session);
            _formers.Add(new Former(_session, _clock));
            Keep(_formers);
            if (_clock is { } clock)
            {
                _clocks.RemoveAll(c => IsSame(clock, c));
                _clocks.Add(clock);
                Keep(_clocks);
            }
        }

        (_session, _began, _clock, _stranger) = (session, now, null, "");
        Sessions++;
        Forget(now);
        _begun.Enqueue(now);
    }

    /// <summary>An observation of the present session came.</summary>
    /// <param name="clock">The bridge's clock less the robot's, at the least of late [us].</param>
    /// <param name="made">When it was made, in the bridge's time [us].</param>
    /// <param name="now">The bridge's clock [us].</param>
    /// <param name="period">The robot's period [us].</param>
    public void Spoke(long clock, long made, long now, long period)
    {
        if (_clock is null && _clocks.Count > 0 && !IsSame(clock, _clocks[^1]))
        {
            if (now - _spoke <= Math.Min(3 * period + ShortestRestart, LongestPause))
            {
                Proof ??= "two robots have this name: a second one, with another clock, spoke directly after the first";
            }
            else if (_clocks.Exists(c => IsSame(clock, c)))
            {
                Proof ??= "two robots have this name and take turns: their clocks differ";
            }
        }

        (_clock, _spoke) = (clock, now);
        _heardBeside += _stranger.Length > 0 && made > _strangerSince + period ? 1 : 0;
    }

    /// <summary>An observation came that names another session.</summary>
    /// <param name="session">The session.</param>
    /// <param name="sequence">Its sequence.</param>
    /// <param name="clock">The bridge's clock less the robot's [us].</param>
    /// <param name="now">The bridge's clock [us].</param>
    /// <param name="period">The robot's period [us].</param>
    /// <param name="ttl">How long an observation may be on its way [us].</param>
    public void Other(string session, long sequence, long clock, long now, long period, long ttl)
    {
        const string both = "two connections speak as this robot at the same time";
        if (Proof is not null || _clock is null || _accepted.Contains(session))
        {
            return;
        }

        if (_formers.Find(f => f.Session == session)?.Clock is { } least)
        {
            // What was on its way when the session ended was made before.
            Proof = now - Math.Max(0, clock - least) > _began + 2 * period ? both : null;
            return;
        }

        if (session != _stranger)
        {
            (_stranger, _strangerSequence, _strangerClock, _strangerSince, _strangerCount, _heardBeside) = (session, sequence, clock, now, 1, 0);
            return;
        }

        if (sequence <= _strangerSequence)
        {
            return;
        }

        (_strangerSequence, _strangerClock) = (sequence, Math.Min(clock, _strangerClock));
        _strangerCount += clock - _strangerClock <= ttl ? 1 : 0;
        if (_strangerCount >= Enough && _heardBeside >= Enough - 1 && now - _strangerSince >= 2 * period)
        {
            Proof = both;
        }
    }

    /// <summary>A session's first pose is farther from the last one than the robot can go.</summary>
    /// <param name="metres">How far it is.</param>
    /// <param name="elapsed">Time since the last pose [us].</param>
    public void Jumped(double metres, long elapsed)
        => Proof ??= FormattableString.Invariant($"it came back {metres:0.0} m from where it was {elapsed / 1e6:0.0} s before, farther than it can go");

    /// <summary>An operator accepts the present session as the robot: what was known until now is no proof any more.</summary>
    public void Accept()
    {
        foreach (var session in _formers.Select(f => f.Session).Append(_stranger))
        {
            if (_accepted.Count < MostKept * MostKept)
            {
                _accepted.Add(session);
            }
        }

        (Proof, _stranger) = (null, "");
        _formers.Clear();
        _clocks.Clear();
        _begun.Clear();
    }

    private static bool IsSame(long clock, long other) => clock >= other - Ahead && clock <= other + Behind;

    private static void Keep<T>(List<T> list)
    {
        if (list.Count > MostKept)
        {
            list.RemoveAt(0);
        }
    }

    private void Forget(long now)
    {
        while (_begun.TryPeek(out var first) && now - first >= Window)
        {
            _begun.Dequeue();
        }
    }

    private sealed record Former(string Session, long? Clock);
}
