using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using MimicD.Bridges.Faults;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;
using MimicD.World;

namespace MimicD.Bridges.Check;

/// <summary>What a check of a robot needs.</summary>
public sealed record RobotCheckOptions
{
    /// <summary>The topics of the run.</summary>
    public required RobotTopics Topics { get; init; }

    /// <summary>The robot.</summary>
    public required string Robot { get; init; }

    /// <summary>Makes a connection to the broker itself, past the proxy, with these subscriptions.</summary>
    public required Func<IReadOnlyList<MqttSubscription>, IMqttListener, IMqttLink> Link { get; init; }

    /// <summary>What the robot's connection goes through, for the checks to cut.</summary>
    public required FaultProxy Proxy { get; init; }

    /// <summary>Asks the robot to end (SIGTERM); null where that is not in our hands.</summary>
    public Func<Task>? End { get; init; }

    /// <summary>How long to wait for the robot to appear. Default: 30 s.</summary>
    public TimeSpan Appears { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long to wait for what the robot must do at once; a time-out is a failed check. Default: 3 s.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(3);
}

/// <summary>
/// The conformance list: plays an agent to one robot, does everything to it that a network or a wrong agent might, and sees whether the robot keeps to the contract. Knows nothing of how the robot is made.
/// </summary>
public sealed class RobotCheck
{
    // A share of the largest change of a coordinate: less is no motion. What a sensor's noise may be.
    private const double Still = 0.1;

    // How far beyond a bound a number is, and by which share of the range.
    private const double Margin = 0.001;

    // Observations that rates are measured over, and what their mean may differ by on a busy machine.
    private const int Window = 20;
    private const double RateTolerance = 0.15;
    private const double ClockTolerance = 0.25;

    // Observations that may come before the report of the same period: the one of that period, and those that overtake it on connections of their own.
    private const int ReportedWithin = 3;

    // The largest payload that every broker takes as it is installed, with room for the rest of its packet.
    private const int BrokersLimit = 60_000;

    // A share of the life of a command: who is as late as that may have let one die.
    private const double LateShare = 0.25;

    // How often a check is done where the machine, and not the robot, was late.
    private const int Attempts = 6;

    private readonly RobotCheckOptions _options;
    private readonly RobotProbe _probe;
    private readonly TimeProvider _time;
    private readonly CancellationToken _cancellation;
    private string _session = "";
    private string _oldSession = "";
    private Capabilities? _can;
    private double[]? _anchor;
    private int _cut;

    private RobotCheck(RobotCheckOptions options, RobotProbe probe, TimeProvider time, CancellationToken cancellation)
        => (_options, _probe, _time, _cancellation) = (options, probe, time, cancellation);

    private Capabilities Can => _can!;

    private double[] Anchor => _anchor!;

    // Whether where it is, is what its commands are about and what its observations say.
    private bool Moves => Can is { Action: ActionKind.Position, Observation: ObservationKind.Pose };

    private TimeSpan Period => TimeSpan.FromSeconds(Can.Period);

    // What comes with an observation comes within a few of them.
    private TimeSpan Soon => _options.Patience + 4 * Period;

    /// <summary>Names of all checks, in their order.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. new RobotCheck(null!, null!, TimeProvider.System, CancellationToken.None).List().Select(c => c.Name)];

    /// <summary>Runs the whole list.</summary>
    /// <param name="options">The robot.</param>
    /// <param name="told">Told every outcome as it comes; may be null.</param>
    /// <param name="time">The clock of waiting.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<IReadOnlyList<CheckOutcome>> RunAsync(RobotCheckOptions options, Action<CheckOutcome>? told, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var probe = new RobotProbe(options.Topics, options.Robot, time) { Term = 1 };
        await using var link = options.Link(probe.Subscriptions, probe);
        probe.Use(link);
        var outcomes = new List<CheckOutcome>();
        string? gone = null;
        foreach (var (name, run) in new RobotCheck(options, probe, time, cancellationToken).List())
        {
            var result = Fail($"not reached: {gone}");
            if (gone is null)
            {
                try
                {
                    result = await run().ConfigureAwait(false);
                }
                catch (GoneException e)
                {
                    (gone, result) = (e.Message, Fail(e.Message));
                }
            }

            outcomes.Add(new CheckOutcome(name, result.Verdict, result.Detail));
            told?.Invoke(outcomes[^1]);
        }

        return outcomes;
    }

    private IEnumerable<(string Name, Func<Task<Result>> Run)> List() =>
    [
        ("presence: announced, and kept by the broker", AppearsAsync),
        ("presence: session of 16 hexadecimal digits", () => Task.FromResult(Require(WireContract.IsSession(_session), "16 digits of 0-9 and a-f", _session))),
        ("presence: capabilities that agree with each other", () => Task.FromResult(Capable())),
        ("observation: readable and complete", ObservationsAsync),
        ("observation: seq goes up by one", SequencesAsync),
        ("observation: one a period", RateAsync),
        ("observation: t counts milliseconds and never goes back", ClockAsync),
        ("report: once a second", ReportsAsync),
        ("retained: nothing but presence", KeptAsync),
        ("start: disarmed", StartsDisarmedAsync),
        ("rule disarmed: a command without arm", () => RefusedAsync("disarmed", (_, _) => { }, armed: false)),
        ("arming: not by a command that breaks a rule", () => RefusedAsync("dimension", (c, _) => Numbers(c).Add(0.0), armed: false, arms: true)),
        ("arming: by arm", ArmAsync),
        ("arming: reported at the next period", ArmingReportedAsync),
        ("motion: to where the command says", MotionAsync),
        ("rule size: longer than the longest", SizeAsync),
        ("rule size: the longest is taken", LongestAsync),
        ("rule encoding: another content type", EncodingAsync),
        .. Malformed.Select<(string Name, Func<JsonObject, byte[]> Make), (string, Func<Task<Result>>)>(m => ($"rule parse: {m.Name}", () => RefusedAsync(["parse"], m.Make))),
        ("rule finite: NaN", () => RefusedAsync(["parse", "finite"], c => First(c, "NaN"))),
        ("rule finite: 1e999", () => RefusedAsync(["parse", "finite", "range"], c => First(c, "1e999"))),
        ("rule version: 2", () => RefusedAsync("version", (c, _) => c["v"] = 2)),
        ("rule run: another", () => RefusedAsync("run", (c, _) => c["run"] = "another")),
        ("rule robot: another", () => RefusedAsync("robot", (c, _) => c["robot"] = "another")),
        ("rule session: another", () => RefusedAsync("session", (c, _) => c["session"] = _session == "0123456789abcdef" ? "fedcba9876543210" : "0123456789abcdef")),
        ("rule term: a higher one begins its own seq", HigherTermAsync),
        ("rule term: a lower one", () => RefusedAsync("term", (c, _) => c["term"] = _probe.Term - 1)),
        ("rule term: a higher one counts, whatever comes of its command", RememberedTermAsync),
        ("rule seq: the same again", () => RefusedAsync("seq", (c, _) => c["seq"] = --_probe.Sequence)),
        ("rule seq: a lower one", () => RefusedAsync("seq", (c, _) => c["seq"] = --_probe.Sequence - 1)),
        ("rule age: older than the robot lets a command live", () => RefusedAsync("age", (c, now) => c["obsT"] = Math.Max(0, now - Can.TtlMs - 200))),
        ("rule age: older than the command itself may live", () => RefusedAsync("age", (c, now) => (c["obsT"], c["ttlMs"]) = (Math.Max(0, now - Can.TtlMs / 2), Can.TtlMs / 4))),
        ("rule age: an observation that is yet to come", () => RefusedAsync("age", (c, now) => c["obsT"] = now + 60_000)),
        ("rule dimension: one number less", () => RefusedAsync("dimension", (c, _) => Numbers(c).RemoveAt(0))),
        ("rule dimension: one number more", () => RefusedAsync("dimension", (c, _) => Numbers(c).Add(0.0))),
        ("rule dimension: no numbers", () => RefusedAsync("dimension", (c, _) => Numbers(c).Clear())),
        ("rule range: below the smallest", () => EachAsync(can => can.Min, -1)),
        ("rule range: above the largest", () => EachAsync(can => can.Max, 1)),
        ("rule change: too far from where it is", ChangeAsync),
        ("rule geofence: outside", GeofenceAsync),
        ("report: a refusal is told at the next period", RefusalReportedAsync),
        ("watchdog: armed as long as commands come", StaysArmedAsync),
        ("watchdog: stops within ttl and a period when none comes, and not before ttl", SilenceAsync),
        ("watchdog: counts one stop", StopCountedAsync),
        ("watchdog: stands still after it", StandsAsync),
        ("watchdog: armed again by arm alone", RearmAsync),
        ("report: received = acted + refused, and what was sent", ArithmeticAsync),
        ("network: what a stall held up is refused", StallAsync),
        ("reconnect: the broker says the will", CutAsync),
        ("reconnect: comes back with another session", ComesBackAsync),
        ("reconnect: seq from 1, disarmed, t not set back", BeginsAnewAsync),
        ("rule retained: a command that the broker kept", RetainedAsync),
        ("rule session: the one before", () => RefusedAsync("session", (c, _) => c["session"] = _oldSession)),
        ("farewell: says that it goes", FarewellAsync),
    ];

    // What is no command, made of one that is.
    private static IEnumerable<(string Name, Func<JsonObject, byte[]> Make)> Malformed =>
    [
        ("truncated", c => Bytes(c)[..^5]),
        ("empty", _ => []),
        ("no JSON", _ => Encoding.UTF8.GetBytes("drive!")),
        ("null", _ => Encoding.UTF8.GetBytes("null")),
        ("an array", c => [(byte)'[', .. Bytes(c), (byte)']']),
        ("two objects", c => [.. Bytes(c), .. Bytes(c)]),
        ("a key is missing", c => With(c, o => o.Remove("ttlMs"))),
        ("a text for a whole number", c => With(c, o => o["seq"] = "7")),
        ("a fraction for a whole number", c => With(c, o => o["ttlMs"] = 100.5)),
        ("a negative whole number", c => With(c, o => o["term"] = -1)),
        ("a whole number beyond 2^53", c => With(c, o => o["ack"] = 1L << 54)),
        ("a number for a text", c => With(c, o => o["session"] = 7)),
        ("a text for arm", c => With(c, o => o["arm"] = "true")),
        ("a number for the action", c => With(c, o => o["action"] = 1.5)),
        ("a text in the action", c => With(c, o => o["action"]![0] = "1.5")),
        ("null in the action", c => With(c, o => o["action"]![0] = null)),
        ("an array in the action", c => With(c, o => o["action"]![0] = new JsonArray(1.5))),
        ("nested deeply", c => Nested(c, 200)),
        ("not UTF-8", c => [.. Bytes(c)[..^1], (byte)',', (byte)'"', 0xff, 0xfe, .. "\":1}"u8]),
    ];

    private async Task<Result> AppearsAsync()
    {
        var heard = await _probe.UntilAsync(() => _probe.Presences.LastOrDefault(p => p.Envelope is not { Online: false }), _options.Appears, _cancellation).ConfigureAwait(false)
            ?? throw new GoneException($"nothing on {_options.Topics.Of(_options.Robot, TopicKind.Presence)} within {_options.Appears.TotalSeconds:0} s");
        if (heard.Envelope is not { } presence)
        {
            throw new GoneException($"what the robot says of itself cannot be read ({RefusalCounts.NameOf(heard.Refusal)})");
        }

        (_session, _can) = (presence.Session, presence.Capabilities);
        var kept = await FreshEyesAsync(w => w.Presences.FirstOrDefault(p => p.Retained)).ConfigureAwait(false);
        return presence.Run != _options.Topics.Run || presence.Robot != _options.Robot ? Fail($"names {presence.Run}/{presence.Robot}, its topic {_options.Topics.Run}/{_options.Robot}")
            : Require(kept is not null, "retained, for those who come later", "not retained");
    }

    private Result Capable()
    {
        var shortest = JsonWire.Write(new CommandEnvelope(_options.Topics.Run, _options.Robot, _session, 1, 1, 1, 1, Can.TtlMs, true, new float[Can.Dimension])).Length;
        return Can.TtlMs <= Period.TotalMilliseconds ? Fail($"ttlMs: a command of {Can.TtlMs} ms does not live for a period of {Period.TotalMilliseconds:0} ms")
            : Can.Payload < shortest ? Fail($"payload: a command has {shortest} bytes, of which {Can.Payload} are taken")
            : Moves && Can.Values < Can.Dimension ? Fail($"values: {Can.Values} in a pose, for positions of {Can.Dimension}")
            : Pass(string.Create(CultureInfo.InvariantCulture, $"{Can.Dimension} numbers, {Can.Rate} Hz, ttl {Can.TtlMs} ms, payload {Can.Payload}"));
    }

    private async Task<Result> ObservationsAsync()
    {
        await AfterAsync(Window).ConfigureAwait(false);
        foreach (var heard in _probe.Observations)
        {
            if (heard.Envelope is not { } o)
            {
                return Fail($"cannot be read ({RefusalCounts.NameOf(heard.Refusal)})");
            }

            if (o.Run != _options.Topics.Run || o.Robot != _options.Robot || o.Session != _session)
            {
                return Fail($"names {o.Run}/{o.Robot}, session {o.Session}");
            }

            if (o.Values.Length != Can.Values || !Array.TrueForAll(o.Values, float.IsFinite))
            {
                return Fail($"expected {Can.Values} finite numbers, found {string.Join(", ", o.Values)}");
            }
        }

        return Pass($"{_probe.Observations.Length} of them");
    }

    private async Task<Result> SequencesAsync()
    {
        var window = await WindowAsync().ConfigureAwait(false);
        var (before, after) = window.Zip(window.Skip(1)).FirstOrDefault(p => p.Second.Envelope!.Sequence != p.First.Envelope!.Sequence + 1);
        return before is null ? Pass($"{window[0].Envelope!.Sequence} to {window[^1].Envelope!.Sequence}") : Fail($"{after.Envelope!.Sequence} after {before.Envelope!.Sequence}");
    }

    private async Task<Result> RateAsync()
    {
        var window = await WindowAsync().ConfigureAwait(false);
        var period = (window[^1].Envelope!.Time - window[0].Envelope!.Time) / (window.Length - 1.0);
        return Require(Math.Abs(period / Period.TotalMilliseconds - 1) < RateTolerance, $"{Period.TotalMilliseconds:0.0} ms by its clock", $"{period:0.0} ms");
    }

    private async Task<Result> ClockAsync()
    {
        for (var attempt = 1; ; attempt++)
        {
            var window = await WindowAsync().ConfigureAwait(false);
            var pace = (window[^1].Envelope!.Time - window[0].Envelope!.Time) / (window[^1].At - window[0].At).TotalMilliseconds;
            var right = Math.Abs(pace - 1) < ClockTolerance;

            // A clock that is wrong is wrong every time; what came late makes a right one look so.
            if (right || attempt == Attempts)
            {
                return window.Zip(window.Skip(1)).Any(p => p.Second.Envelope!.Time < p.First.Envelope!.Time) ? Fail("t goes back") : Require(right, "1 a millisecond", $"{pace:0.00}");
            }
        }
    }

    private async Task<Result> ReportsAsync()
    {
        var from = await ReportAsync(fresh: true).ConfigureAwait(false);
        var to = await ReportAsync(fresh: true).ConfigureAwait(false);
        return _probe.Reports.FirstOrDefault(r => r.Envelope is null) is { } unreadable ? Fail($"cannot be read ({RefusalCounts.NameOf(unreadable.Refusal)})")
            : Require(to.T - from.T is > 500 and < 1500, "1000 ms from one to the next", $"{to.T - from.T} ms");
    }

    private async Task<Result> KeptAsync()
    {
        // What is kept comes before what is new.
        var (observation, report) = (false, false);
        await FreshEyesAsync(w =>
        {
            (observation, report) = (w.Observations.Any(o => o.Retained), w.Reports.Any(r => r.Retained));
            return w.Observations.Any(o => !o.Retained) && w.Reports.Any(r => !r.Retained) ? w : null;
        }).ConfigureAwait(false);
        return observation ? Fail("an observation is") : report ? Fail("a report is") : Pass("");
    }

    private async Task<Result> StartsDisarmedAsync()
    {
        await ObservationAsync().ConfigureAwait(false);
        return Require(Observed().All(o => !o.Armed), "armed: false", "armed: true");
    }

    private async Task<Result> ArmAsync()
    {
        var before = await ReadyAsync(armed: false).ConfigureAwait(false);
        _probe.Hold(Anchor, arms: true);
        return await ArmedAsync(true).ConfigureAwait(false) is { } armed ? Pass($"within {armed.Sequence - before.Sequence} periods") : Fail("stays disarmed");
    }

    private async Task<Result> ArmingReportedAsync()
    {
        await ReadyAsync(armed: false).ConfigureAwait(false);
        var order = _probe.Order;
        await ReadyAsync(armed: true).ConfigureAwait(false);
        var from = _probe.Observations.First(o => o.Order > order && o.Envelope is { Armed: true });
        return await ReportedAsync(order, from.Order, r => r.Armed).ConfigureAwait(false);
    }

    private async Task<Result> MotionAsync()
    {
        if (!Moves)
        {
            return DoesNotApply("where it is cannot be told from its observations");
        }

        await ReadyAsync(armed: true).ConfigureAwait(false);
        if (Surroundings.Aside(Can, Anchor) is not { } target)
        {
            return Fail($"from {Show(Anchor)} it cannot be told to go anywhere");
        }

        _anchor = target;
        _probe.Hold(target, arms: true);
        var there = await _probe.UntilAsync(() => Observed().LastOrDefault(o => Surroundings.Distance(Can, Position(o), target) < Still), Soon, _cancellation).ConfigureAwait(false);
        return there is null ? Fail($"told to go to {Show(target)}, it is at {Show(Position(Observed()[^1]))}") : Pass($"to {Show(target)}");
    }

    private Task<Result> SizeAsync()
        => Can.Payload >= BrokersLimit ? Task.FromResult(DoesNotApply("the longest is more than a broker takes")) : RefusedAsync(["size"], c => Padded(c, Can.Payload + 1));

    private async Task<Result> LongestAsync()
    {
        if (Can.Payload >= BrokersLimit)
        {
            return DoesNotApply("the longest is more than a broker takes");
        }

        return await UndisturbedAsync(async () =>
        {
            var observation = await ReadyAsync(armed: true).ConfigureAwait(false);
            var (before, order) = (await ReportAsync().ConfigureAwait(false), _probe.Order);

            // Nothing else is told to it, so that it gets there.
            _probe.Hold(null);
            _probe.Command(observation, Surroundings.Aside(Can, Anchor) ?? Anchor, c => Padded(c, Can.Payload));
            await _probe.UntilAsync(() => Displacement(order) > Still || Refused(before).Count > 0 || (!Moves && Reported(order) is not null) ? this : null, Soon, _cancellation).ConfigureAwait(false);
            return Refused(before) is { Count: > 0 } refused ? Fail($"refused: {Show(refused)}") : Require(!Moves || Displacement(order) > Still, "acted on", "it did not move");
        }).ConfigureAwait(false);
    }

    private Task<Result> EncodingAsync() => Surroundings.ProtocolLevel(_options.Proxy.Opening.Span) is < 5
        ? Task.FromResult(DoesNotApply("it speaks MQTT 3.1.1, which has no content types"))
        : RefusedAsync(["encoding"], (o, action) => _probe.Command(o, action, contentType: "application/x-nothing"));

    private Task<Result> HigherTermAsync() => UndisturbedAsync(async () =>
    {
        var observation = await ReadyAsync(armed: true).ConfigureAwait(false);
        var before = await ReportAsync().ConfigureAwait(false);
        _probe.Command(observation, Anchor, c => With(c, o => (o["term"], o["seq"], o["arm"]) = (++_probe.Term, _probe.Sequence = 1, true)));
        await _probe.UntilAsync(() => Refused(before).Count > 0 || Reports()[^1].Envelope!.Term == _probe.Term ? this : null, Soon, _cancellation).ConfigureAwait(false);
        return Refused(before) is { Count: > 0 } refused ? Fail($"refused: {Show(refused)}") : Require(Reports()[^1].Envelope!.Term == _probe.Term, $"reported term {_probe.Term}", $"{Reports()[^1].Envelope!.Term}");
    });

    private Task<Result> RememberedTermAsync() => RefusedAsync(["dimension", "term"], (observation, action) => _probe.Together(() =>
    {
        _probe.Command(observation, action, c => With(c, o =>
        {
            o["term"] = ++_probe.Term;
            Numbers(o).Add(0.0);
        }));
        _probe.Command(observation, action, c => With(c, o => o["term"] = _probe.Term - 1));
    }), all: true);

    private async Task<Result> EachAsync(Func<Capabilities, double[]> bounds, int sign)
    {
        for (var i = 0; i < Can.Dimension; i++)
        {
            var at = i;
            var result = await RefusedAsync("range", (c, _) => Numbers(c)[at] = bounds(Can)[at] + sign * Margin * (1 + Can.Max[at] - Can.Min[at])).ConfigureAwait(false);
            if (result.Verdict == CheckVerdict.Failed)
            {
                return Fail($"number {i + 1}: {result.Detail}");
            }
        }

        return Pass($"each of {Can.Dimension}");
    }

    private async Task<Result> ChangeAsync()
    {
        await ReadyAsync(armed: true).ConfigureAwait(false);
        return Surroundings.TooFar(Can, Anchor) is { } far ? await RefusedAsync("change", (c, _) => c["action"] = Actions(far)).ConfigureAwait(false) : DoesNotApply("nothing in its range is too far");
    }

    private async Task<Result> GeofenceAsync()
    {
        if (!Moves || Can.Geofence is null)
        {
            return DoesNotApply("it has none");
        }

        var observation = await ReadyAsync(armed: true).ConfigureAwait(false);
        if (Surroundings.Border(Can, Position(observation)) is not { } border)
        {
            return DoesNotApply("nothing in its range is outside, or no straight way leads there");
        }

        // As many periods as the way takes, five times over.
        _probe.Hold(null);
        var left = 5 * (10 + Surroundings.Distance(Can, Position(observation), border.Stand));
        for (; Surroundings.Distance(Can, Position(observation), border.Stand) > Still / 10; left--)
        {
            if (left < 0)
            {
                return Fail($"told to go to {Show(border.Stand)}, it is at {Show(Position(observation))}");
            }

            _probe.Command(observation, Surroundings.Towards(Can, Position(observation), border.Stand), c => With(c, o => o["arm"] = true));
            observation = await ObservationAsync().ConfigureAwait(false);
        }

        _anchor = border.Stand;
        _probe.Hold(border.Stand, arms: true);
        return await RefusedAsync("geofence", (c, _) => c["action"] = Actions(border.Outside)).ConfigureAwait(false);
    }

    private async Task<Result> RefusalReportedAsync()
    {
        await ReadyAsync(armed: true).ConfigureAwait(false);
        var (before, order) = ((await ReportAsync().ConfigureAwait(false)).Refused.Values.Sum(), _probe.Order);
        _probe.Send("no command"u8.ToArray());
        return await ReportedAsync(order, order, r => r.Refused.Values.Sum() > before).ConfigureAwait(false);
    }

    private Task<Result> StaysArmedAsync() => UndisturbedAsync(async () =>
    {
        await ReadyAsync(armed: true).ConfigureAwait(false);
        var order = _probe.Order;
        await AfterAsync(2 * Window).ConfigureAwait(false);
        return Require(Observed(order).All(o => o.Armed), "armed all along", "a stop");
    });

    private Task<Result> SilenceAsync() => UndisturbedAsync(async () =>
    {
        await ReadyAsync(armed: true).ConfigureAwait(false);
        var order = _probe.Order;
        _probe.Hold(null);
        var dead = _probe.LastHeld!.Time + Can.TtlMs;
        var stopped = await ArmedAsync(false, order).ConfigureAwait(false);
        var early = Observed(order).FirstOrDefault(o => o.Time <= dead && !o.Armed);
        var late = Observed(order).LastOrDefault(o => o.Time > dead + Period.TotalMilliseconds && o.Armed);
        return stopped is null ? Fail("goes on") : early is not null ? Fail($"disarmed {dead - early.Time} ms before the last command died") : late is not null ? Fail($"still armed {late.Time - dead} ms after the last command died")
            : Pass($"seen {stopped.Time - dead} ms after the last command died");
    });

    private Task<Result> StopCountedAsync() => UndisturbedAsync(async () =>
    {
        await ReadyAsync(armed: true).ConfigureAwait(false);
        var before = await ReportAsync(fresh: true).ConfigureAwait(false);
        _probe.Hold(null);
        var after = await _probe.UntilAsync(() => Reports().Select(r => r.Envelope!).FirstOrDefault(r => r.T > before.T && !r.Armed), Soon, _cancellation).ConfigureAwait(false);
        var later = await ReportAsync(fresh: true).ConfigureAwait(false);
        return after is null ? Fail("not reported") : Require(after.Stops == before.Stops + 1 && later.Stops == after.Stops, $"{before.Stops + 1}", $"{after.Stops}, and {later.Stops} later");
    });

    private async Task<Result> StandsAsync()
    {
        if (!Moves)
        {
            return DoesNotApply("where it is cannot be told from its observations");
        }

        var observation = await ReadyAsync(armed: true).ConfigureAwait(false);
        var order = _probe.Order;
        _probe.Hold(null);
        _probe.Command(observation, Surroundings.Aside(Can, Anchor) ?? Anchor);
        if (await ArmedAsync(false, order).ConfigureAwait(false) is not { } stopped)
        {
            return Fail("goes on");
        }

        await AfterAsync(Window / 2).ConfigureAwait(false);
        var moved = Observed().Where(o => o.Sequence > stopped.Sequence).Max(o => Surroundings.Distance(Can, Position(o), Position(stopped)));
        return Require(moved < Still, $"at {Show(Position(stopped))}", $"{moved:0.00} of its largest change away");
    }

    private async Task<Result> RearmAsync()
    {
        await ReadyAsync(armed: false).ConfigureAwait(false);
        var order = _probe.Order;
        _probe.Hold(Anchor);
        await AfterAsync(Window / 2).ConfigureAwait(false);
        if (Observed(order).Any(o => o.Armed))
        {
            return Fail("armed by a command without arm");
        }

        _probe.Hold(Anchor, arms: true);
        return Require(await ArmedAsync(true, order).ConfigureAwait(false) is not null, "armed by arm", "still disarmed");
    }

    private async Task<Result> ArithmeticAsync()
    {
        await ReadyAsync(armed: false).ConfigureAwait(false);
        var all = await _probe.UntilAsync(() => Reports().LastOrDefault(r => r.Envelope!.Received >= _probe.Sent), Soon, _cancellation).ConfigureAwait(false);
        var wrong = Reports().Select(r => r.Envelope!).FirstOrDefault(r => r.Received != r.Acted + r.Refused.Values.Sum());
        var last = Reports()[^1].Envelope!;
        return wrong is not null ? Fail($"received {wrong.Received}, acted {wrong.Acted}, refused {Show(wrong.Refused)}")
            : Require(all is not null && last.Received == _probe.Sent, $"received {_probe.Sent}", $"{last.Received}");
    }

    private async Task<Result> StallAsync()
    {
        await ReadyAsync(armed: true).ConfigureAwait(false);
        int sent;
        ReportEnvelope? stopped;
        using (_options.Proxy.Stall(FaultDirections.Down))
        {
            var disarmed = await ArmedAsync(false, _probe.Order).ConfigureAwait(false);
            stopped = disarmed is null ? null : await _probe.UntilAsync(() => Reports().Select(r => r.Envelope!).FirstOrDefault(r => r.T >= disarmed.Time && !r.Armed), Soon, _cancellation).ConfigureAwait(false);
            _probe.Hold(null);
            if (stopped is null)
            {
                return Fail("goes on while nothing reaches it");
            }

            // Until all that is held up is dead: it would arm.
            sent = _probe.Sent;
            await AfterAsync(2 + (int)(Can.TtlMs / Period.TotalMilliseconds)).ConfigureAwait(false);
        }

        var after = await _probe.UntilAsync(() => Reports().Select(r => r.Envelope!).LastOrDefault(r => r.Received >= sent), Soon, _cancellation).ConfigureAwait(false);
        return after is null ? Fail($"expected {sent} received in the end, found {Reports()[^1].Envelope!.Received}")
            : Require(after.Acted == stopped.Acted && Show(Refused(stopped)) == $"age {after.Received - stopped.Received}", $"age {after.Received - stopped.Received}", $"acted {after.Acted - stopped.Acted}, refused {Show(Refused(stopped))}");
    }

    private async Task<Result> CutAsync()
    {
        var observation = await ReadyAsync(armed: true).ConfigureAwait(false);

        // Kept by the broker, for the robot to be given when it comes back.
        _probe.Command(observation, Anchor, c => With(c, o => o["arm"] = true), retained: true);
        _probe.Hold(null);
        await AfterAsync(1).ConfigureAwait(false);
        (_oldSession, _cut) = (_session, _probe.Order);
        _options.Proxy.IsOpen = false;
        _options.Proxy.ResetAll();
        var will = await _probe.UntilAsync(() => _probe.Presences.FirstOrDefault(p => p.Order > _cut && p.Envelope is not { Online: true }), Soon, _cancellation).ConfigureAwait(false);
        _options.Proxy.IsOpen = true;
        return will is null ? Fail("none") : will.Envelope is not { } presence ? Fail($"cannot be read ({RefusalCounts.NameOf(will.Refusal)})") : Require(presence.Session == _oldSession, $"session {_oldSession}", presence.Session);
    }

    private async Task<Result> ComesBackAsync()
    {
        var back = await _probe.UntilAsync(() => _probe.Presences.FirstOrDefault(p => p.Order > _cut && p.Envelope is not { Online: false }), _options.Appears, _cancellation).ConfigureAwait(false)
            ?? throw new GoneException($"not back within {_options.Appears.TotalSeconds:0} s");
        if (back.Envelope is not { } presence)
        {
            throw new GoneException($"what the robot says of itself when it is back cannot be read ({RefusalCounts.NameOf(back.Refusal)})");
        }

        _session = presence.Session;
        return Require(_session != _oldSession, "another session", _session);
    }

    private async Task<Result> BeginsAnewAsync()
    {
        await AfterAsync(2).ConfigureAwait(false);
        var old = _probe.Observations.Last(o => o.Order < _cut && o.Envelope is not null).Envelope!;
        var first = Observed(_cut)[0];
        return first.Sequence != 1 ? Fail($"seq {first.Sequence}") : Observed(_cut).Any(o => o.Armed) ? Fail("armed") : Require(first.Time > old.Time, $"t above {old.Time}", $"{first.Time}");
    }

    private async Task<Result> RetainedAsync()
    {
        var first = await _probe.UntilAsync(() => _probe.Reports.FirstOrDefault(r => r.Order > _cut && r.Envelope?.Session == _session && (r.Envelope.Received > 0 || r.Envelope.T > Observed(_cut)[0].Time + 1000)), Soon, _cancellation).ConfigureAwait(false);

        // The broker forgets it; an empty message also comes to the robot, as no command.
        _probe.Send(ReadOnlyMemory<byte>.Empty, retained: true);
        await _probe.UntilAsync(() => Reports().LastOrDefault(r => r.Envelope!.Received > first?.Envelope!.Received), Soon, _cancellation).ConfigureAwait(false);

        // A robot need not ask for it in the first place.
        return first is null ? Fail("no report") : first.Envelope!.Received == 0 ? Pass("not asked for")
            : Require(first.Envelope.Acted == 0 && Show(first.Envelope.Refused) == "retained 1", "refused as retained", $"acted {first.Envelope.Acted}, refused {Show(first.Envelope.Refused)}");
    }

    private async Task<Result> FarewellAsync()
    {
        if (_options.End is not { } end)
        {
            return DoesNotApply("the robot was not started from here");
        }

        await ReadyAsync(armed: true).ConfigureAwait(false);
        var order = _probe.Order;
        await end().ConfigureAwait(false);
        var farewell = await _probe.UntilAsync(() => _probe.Presences.FirstOrDefault(p => p.Order > order), Soon, _cancellation).ConfigureAwait(false);
        return farewell is null ? Fail("nothing") : farewell.Envelope is not { } presence ? Fail($"cannot be read ({RefusalCounts.NameOf(farewell.Refusal)})")
            : Require(!presence.Online && presence.Session == _session, $"offline, session {_session}", $"{(presence.Online ? "online" : "offline")}, session {presence.Session}");
    }

    private Task<Result> RefusedAsync(string rule, Action<JsonObject, long> spoil, bool armed = true, bool arms = false)
        => RefusedAsync([rule], (observation, action) => _probe.Command(observation, action, c => With(c, o =>
        {
            o["arm"] = arms;
            spoil(o, observation.Time);
        })), armed);

    private Task<Result> RefusedAsync(string[] rules, Func<JsonObject, byte[]> make) => RefusedAsync(rules, (observation, action) => _probe.Command(observation, action, make));

    /// <summary>Sends something that the robot must refuse, and sees that it counts it by the rule's name, does not move, and is armed or not as before.</summary>
    /// <param name="rules">The rules that may refuse it, or with <paramref name="all"/>, that each refuse once.</param>
    /// <param name="send">Sends it, an answer to an observation; it would move the robot to the action.</param>
    /// <param name="armed">Whether the robot is armed meanwhile.</param>
    /// <param name="all">See <paramref name="rules"/>.</param>
    private Task<Result> RefusedAsync(string[] rules, Action<ObservationEnvelope, double[]> send, bool armed = true, bool all = false) => UndisturbedAsync(async () =>
    {
        var observation = await ReadyAsync(armed).ConfigureAwait(false);
        var (before, order) = (await ReportAsync().ConfigureAwait(false), _probe.Order);
        send(observation, Surroundings.Aside(Can, Anchor) ?? Anchor);
        await _probe.UntilAsync(() => Refused(before).Values.Sum() >= (all ? rules.Length : 1) ? this : null, Soon, _cancellation).ConfigureAwait(false);
        await AfterAsync(1).ConfigureAwait(false);
        var refused = Refused(before);
        var wanted = all ? rules.All(r => refused.GetValueOrDefault(r) == 1) && refused.Count == rules.Length : refused.Count == 1 && rules.Any(r => refused.GetValueOrDefault(r) == 1);
        var text = refused.Count == 0 ? "not refused" : $"refused: {Show(refused)}";
        return Displacement(order) > Still ? Fail($"acted on; {text}")
            : !wanted ? Fail($"expected {string.Join(all ? " and " : " or ", rules)}, {text}")
            : Observed(order).Any(o => o.Armed != armed) ? Fail($"{text}, and {(armed ? "disarmed" : "armed")}") : Pass(text);
    }, rules);

    /// <summary>
    /// Does a check again that failed while this machine was late, and nothing can be said of the robot: where a command that had to be taken was refused for its age, an
    /// observation came much later than others, or, where that is not what is checked, the robot stopped meanwhile.
    /// </summary>
    private async Task<Result> UndisturbedAsync(Func<Task<Result>> check, params string[] rules)
    {
        for (var attempt = 1; ; attempt++)
        {
            var before = await ReportAsync().ConfigureAwait(false);
            var order = _probe.Order;
            var result = await check().ConfigureAwait(false);
            var aged = Refused(before).GetValueOrDefault("age") > (rules.Contains("age", StringComparer.Ordinal) ? 1 : 0);
            var delays = _probe.Observations.Where(o => o.Order > order && o.Envelope?.Session == _session).Select(o => o.At.TotalMilliseconds - o.Envelope!.Time).ToArray();
            var late = delays.Length > 0 && delays.Max() - delays.Min() > Can.TtlMs * LateShare;
            var stopped = rules.Length > 0 && Observed(order).Any(o => !o.Armed);
            if (result.Verdict != CheckVerdict.Failed || attempt == Attempts || !(aged || late || stopped))
            {
                return result;
            }
        }
    }

    /// <summary>Waits until the robot is held where it is, armed or not, and observes that.</summary>
    private async Task<ObservationEnvelope> ReadyAsync(bool armed)
    {
        var observation = await ObservationAsync().ConfigureAwait(false);
        if (!Moves)
        {
            _anchor ??= [.. Can.Min.Zip(Can.Max, (low, high) => Math.Clamp(0, low, high))];
        }
        else if (_anchor is null || Surroundings.Distance(Can, Position(observation), _anchor) > Still)
        {
            _anchor = Position(observation);
        }

        var isHeld = _probe.IsHolding;
        _probe.Hold(armed ? Anchor : null, arms: armed);
        if (armed && !isHeld)
        {
            // Armed it may be by a command that dies before the first answer comes.
            await AfterAsync(2).ConfigureAwait(false);
            observation = Observed()[^1];
        }

        var ready = observation.Armed == armed ? observation : await ArmedAsync(armed, _probe.Order).ConfigureAwait(false) ?? throw new GoneException(armed ? "the robot cannot be armed" : "the robot does not disarm");

        // Until what it was told before has been done.
        for (var left = Window; Moves && left > 0 && Surroundings.Distance(Can, Position(ready), Anchor) > Still / 2; left--)
        {
            ready = await ObservationAsync().ConfigureAwait(false);
            _anchor = armed ? _anchor : Position(ready);
        }

        return ready;
    }

    /// <summary>The first observation, after something, of an armed or a disarmed robot; null when none comes.</summary>
    private Task<ObservationEnvelope?> ArmedAsync(bool armed, int order = 0)
        => _probe.UntilAsync(() => Observed(order) is { Length: > 0 } all && all[^1].Armed == armed ? all.First(o => o.Armed == armed) : null, Soon + TimeSpan.FromMilliseconds(Can.TtlMs), _cancellation);

    /// <summary>The next observation.</summary>
    private async Task<ObservationEnvelope> ObservationAsync()
    {
        await AfterAsync(1).ConfigureAwait(false);
        return Observed()[^1];
    }

    /// <summary>Waits for some more observations.</summary>
    private async Task AfterAsync(int count)
    {
        var order = _probe.Order;
        for (var seen = 1; seen <= count; seen++)
        {
            var wanted = seen;
            _ = await _probe.UntilAsync(() => Observed(order).Length >= wanted ? this : null, Soon, _cancellation).ConfigureAwait(false) ?? throw new GoneException($"no observation in {Soon.TotalSeconds:0.0} s");
        }
    }

    private async Task<Heard<ObservationEnvelope>[]> WindowAsync()
    {
        var order = _probe.Order;
        await AfterAsync(Window).ConfigureAwait(false);
        return [.. _probe.Observations.Where(o => o.Order > order && o.Envelope?.Session == _session)];
    }

    /// <summary>The latest report, or with <paramref name="fresh"/> the next.</summary>
    private async Task<ReportEnvelope> ReportAsync(bool fresh = false)
    {
        var order = fresh ? _probe.Order : 0;
        var report = await _probe.UntilAsync(() => Reports().LastOrDefault(r => r.Order > order), TimeSpan.FromSeconds(1) + Soon, _cancellation).ConfigureAwait(false);
        return report?.Envelope ?? throw new GoneException("the robot does not report");
    }

    /// <summary>Sees that something is reported at the period after an observation.</summary>
    private async Task<Result> ReportedAsync(int from, int observation, Func<ReportEnvelope, bool> tells)
    {
        var report = await _probe.UntilAsync(() => Reports().FirstOrDefault(r => r.Order > from && tells(r.Envelope!)), Soon, _cancellation).ConfigureAwait(false);
        var between = _probe.Observations.Count(o => o.Order > observation && o.Order < report?.Order);
        return report is null ? Fail("not reported") : Require(between <= ReportedWithin, $"at most {ReportedWithin} observations before it", $"{between}");
    }

    /// <summary>What somebody who comes now is given.</summary>
    private async Task<T?> FreshEyesAsync<T>(Func<RobotProbe, T?> look)
        where T : class
    {
        var watch = new RobotProbe(_options.Topics, _options.Robot, _time);
        await using var link = _options.Link(watch.Subscriptions, watch);
        return await watch.UntilAsync(() => look(watch), TimeSpan.FromSeconds(1) + Soon, _cancellation).ConfigureAwait(false);
    }

    private ObservationEnvelope[] Observed(int order = 0) => [.. _probe.Observations.Where(o => o.Order > order && o.Envelope?.Session == _session).Select(o => o.Envelope!)];

    private Heard<ReportEnvelope>[] Reports() => [.. _probe.Reports.Where(r => r.Envelope?.Session == _session)];

    private Heard<ReportEnvelope>? Reported(int order) => Reports().FirstOrDefault(r => r.Order > order);

    /// <summary>What was refused since a report, by rule.</summary>
    private Dictionary<string, long> Refused(ReportEnvelope before)
        => Reports()[^1].Envelope!.Refused.Select(r => (r.Key, Value: r.Value - before.Refused.GetValueOrDefault(r.Key))).Where(r => r.Value > 0).ToDictionary(r => r.Key, r => r.Value, StringComparer.Ordinal);

    /// <summary>How far from the anchor the robot has been seen since; a share of its largest change.</summary>
    private double Displacement(int order) => Moves ? Observed(order).Select(o => Surroundings.Distance(Can, Position(o), Anchor)).DefaultIfEmpty(0).Max() : 0;

    private double[] Position(ObservationEnvelope observation) => [.. observation.Values.Take(Can.Dimension).Select(x => (double)x)];

    private static byte[] Bytes(JsonObject command) => Encoding.UTF8.GetBytes(command.ToJsonString());

    private static byte[] With(JsonObject command, Action<JsonObject> change)
    {
        change(command);
        return Bytes(command);
    }

    /// <summary>The command with another first number, whatever JSON says to it.</summary>
    private static byte[] First(JsonObject command, string number)
    {
        var text = command.ToJsonString();
        var from = text.IndexOf('[', StringComparison.Ordinal) + 1;
        return Encoding.UTF8.GetBytes(text[..from] + number + text[(from + text.AsSpan(from).IndexOfAny(',', ']'))..]);
    }

    private static byte[] Nested(JsonObject command, int depth)
        => Encoding.UTF8.GetBytes(command.ToJsonString().Replace("[", new string('[', depth), StringComparison.Ordinal).Replace("]", new string(']', depth), StringComparison.Ordinal));

    /// <summary>The command with blanks, which JSON does not mind, up to a length.</summary>
    private static byte[] Padded(JsonObject command, int length)
    {
        var bytes = Bytes(command);
        return [bytes[0], .. Enumerable.Repeat((byte)' ', length - bytes.Length), .. bytes[1..]];
    }

    private static JsonArray Numbers(JsonObject command) => command["action"]!.AsArray();

    private static JsonArray Actions(double[] numbers) => [.. numbers.Select(x => (JsonNode)x)];

    private static string Show(double[] position) => $"({string.Join(", ", position.Select(x => x.ToString("0.00", CultureInfo.InvariantCulture)))})";

    private static string Show(IReadOnlyDictionary<string, long> refused) => refused.Count == 0 ? "none" : string.Join(", ", refused.Select(r => $"{r.Key} {r.Value}"));

    private static Result Pass(string detail) => new(CheckVerdict.Passed, detail);

    private static Result Fail(string detail) => new(CheckVerdict.Failed, detail);

    private static Result DoesNotApply(string detail) => new(CheckVerdict.NotApplicable, detail);

    private static Result Require(bool holds, string expected, string found) => holds ? Pass(expected) : Fail($"expected {expected}, found {found}");

    private readonly record struct Result(CheckVerdict Verdict, string Detail);

    /// <summary>There is no robot any more that could be checked.</summary>
    private sealed class GoneException(string message) : Exception(message);
}
