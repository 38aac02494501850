using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots.Wire;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.Bridges.Robots;

/// <summary>Where a <see cref="RobotWorld"/> puts what comes of its inputs. Called from within them; must not block.</summary>
public interface IRobotWorldOutput
{
    /// <summary>An observation for its agent.</summary>
    void Deliver(in Observation observation);

    /// <summary>A command for its robot.</summary>
    /// <returns>Whether the connection took it.</returns>
    bool Publish(in MqttMessage message);
}

/// <summary>How far a run of robots is.</summary>
public enum RobotPhase
{
    /// <summary>Not all robots are there yet, with fresh observations. Nobody is told anything.</summary>
    Gathering,

    /// <summary>Agents steer their bodies.</summary>
    Running,

    /// <summary>The last tick is over. Nobody is told anything any more, and so robots stop.</summary>
    Done,
}

/// <summary>What a run of robots follows from, besides scenario and sensors.</summary>
public sealed record RobotWorldOptions
{
    /// <summary>The run's seed.</summary>
    public ulong Seed { get; init; }

    /// <summary>Episodes that go on side by side, each with robots of its own (E). Default: 1.</summary>
    public int Episodes { get; init; } = 1;

    /// <summary>The run's name, which is part of every topic and message.</summary>
    public required string Run { get; init; }

    /// <summary>Fencing number of this controller: robots hear the highest they have seen alone.</summary>
    public required long Term { get; init; }

    /// <summary>A robot that has stopped, or has come back, is armed again after so many seconds of fresh observations; null: only by <see cref="RobotWorld.Rearm"/>.</summary>
    public double? Rearm { get; init; }

    /// <summary>A fencing number that is, but for chance, above all that were drawn before on clocks that agree to a millisecond.</summary>
    public static long DrawTerm(TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        return time.GetUtcNow().ToUnixTimeMilliseconds() * 1000 + Random.Shared.Next(1000);
    }
}

/// <summary>
/// The world behind the agents when some of their bodies, or all, are robots: observations come in as messages, pass their robot's <see cref="ObservationGuard"/>, become the sensor's features, and go to the one agent whose
/// robot it is; that agent's action leaves as a command to that robot alone. Bodies that are no robots are simulated beside them.
/// </summary>
/// <remarks>
/// <para>Pure: what happens follows from the inputs in their order, each with its time, and from what the agents answer; so a recorded run can be done again (<see cref="RobotReplay"/>). It has no clock, no thread and no
/// connection. Not thread-safe: an actor holds it.</para>
/// <para>Robots have clocks of their own, so there is no barrier: an observation is answered when it comes. An agent has one observation at a time; of those that come meanwhile the newest waits and the older are
/// dropped, counted. An agent's tick is the robot's own count of periods, so that one that was lost on the way moves a plan on. Simulated bodies move at the world's own ticks, and so does the record.</para>
/// <para>The pacing's deadline, where the scenario has one, is that of an answer: a later one is not sent to its robot, and a simulated body falls back. Without one a late answer is sent as long as it is alive, for the robot
/// itself decides what is too old.</para>
/// <para>Bodies are heard of at different times of a period, and some observations come later than others (<see cref="ObservationGuard.Excess"/>). To each agent the others are shown where they were when its own observation
/// was made, if they went on as they last did, over up to two periods; a robot that is silent stands where it was last heard of. The record holds where all were at each of the world's ticks, if each went evenly from one
/// observation to the next.</para>
/// </remarks>
public sealed class RobotWorld
{
    /// <summary>Most episodes side by side.</summary>
    public const int MostEpisodes = 10_000;

    // Those of the contract's rates [s].
    private const double ShortestPeriod = 1e-4;
    private const double LongestPeriod = 3600;
    private const double LongestRearm = 3600;

    // A robot that was not heard of for so many periods is silent.
    private const int SilentPeriods = 3;

    /// <summary>Periods over which a body is expected to go on as it did. Twice what robots' phases make of it, for what is late.</summary>
    private const double Foresight = 2;

    private readonly Scenario _scenario;
    private readonly RobotWorldOptions _options;
    private readonly RobotTopics _topics;
    private readonly Sensor[] _sensors;
    private readonly Dynamics _dynamics;
    private readonly BodyState _bodies;
    private readonly double[] _previous;
    private readonly double[] _goals;
    private readonly float[] _positions;
    private readonly float[] _actions;
    private readonly float[] _decided;
    private readonly bool[] _hasDecided;
    private readonly bool[] _visible;
    private readonly double[] _now;
    private readonly double[] _before;
    private readonly long[] _times;
    private readonly Robot?[] _robots;
    private readonly Dictionary<string, Robot> _byName = new(StringComparer.Ordinal);
    private readonly long _period;
    private readonly long? _deadline;
    private readonly float[] _frame;
    private long _opened;

    /// <summary>Makes a world whose robots are not there yet.</summary>
    /// <param name="scenario">The scenario; it names robots.</param>
    /// <param name="sensors">The layout of each agent's observations, N of them or one for all.</param>
    /// <param name="options">Seed, run and the like.</param>
    /// <exception cref="InvalidInputException">The scenario names no robots, a sensor does not fit, or a name cannot be part of a topic.</exception>
    public RobotWorld(Scenario scenario, IReadOnlyList<SensorSpec> sensors, RobotWorldOptions options)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(sensors);
        ArgumentNullException.ThrowIfNull(options);
        var spec = RobotsSpec.Of(scenario);
        InvalidInputException.Require(options.Episodes is >= 1 and <= MostEpisodes, scenario.Name, "episodes", $"1 to {MostEpisodes}", options.Episodes);
        InvalidInputException.Require(options.Term is >= 1 and <= WireContract.MaxInteger, scenario.Name, "term", $"1 to {WireContract.MaxInteger}", options.Term);
        InvalidInputException.Require(options.Rearm is null or (>= 0 and <= LongestRearm), scenario.Name, "rearm", $"0 to {LongestRearm} s", options.Rearm);
        var seconds = scenario.Pacing.Period(scenario.TimeStep);
        InvalidInputException.Require(
            seconds is >= ShortestPeriod and <= LongestPeriod, scenario.Name, scenario.Pacing.Rate is null ? "timeStep" : "pacing.rate", $"a period of {ShortestPeriod} to {LongestPeriod} s, for robots",
            FormattableString.Invariant($"{scenario.Pacing.Rate ?? scenario.TimeStep}"));
        (_scenario, _options, _topics) = (scenario, options, new RobotTopics(spec.Prefix, options.Run));
        var (n, d, steps) = (scenario.Agents, scenario.Dimensions, scenario.Steps);
        var made = sensors.Select(s => Sensor.For(scenario, s)).ToArray();
        if (made.Length != 1 && made.Length != n)
        {
            throw InvalidInputException.Create(scenario.Name, "sensors", $"one, or one for each of {n} agents", made.Length);
        }

        _sensors = [.. Enumerable.Range(0, n).Select(a => made[made.Length == 1 ? 0 : a])];
        _dynamics = new Dynamics(scenario.Dynamics, d, scenario.TimeStep);
        RunLimits.Require(new RunSize(options.Episodes, n, steps, d, ActionSize) { Results = true }, scenario.Name);
        var bodies = options.Episodes * n;
        _bodies = new BodyState(bodies, d);
        _previous = new double[bodies * d];
        Starts = scenario.DrawStarts(options.Seed, options.Episodes);
        _goals = scenario.DrawGoals(options.Seed, options.Episodes);
        _positions = new float[bodies * steps * d];
        _actions = new float[bodies * (steps - 1) * ActionSize];
        _decided = new float[bodies * ActionSize];
        _hasDecided = new bool[bodies];
        _visible = new bool[scenario.Sensing.MayMiss ? n : 0];
        (_now, _before) = (new double[n * d], new double[n * d]);
        _times = new long[steps];
        _robots = new Robot?[bodies];
        _frame = new float[_sensors.Max(s => s.FrameSize)];
        _period = (long)Math.Round(seconds * 1e6);
        _deadline = scenario.Pacing.Deadline is { } deadline ? (long)Math.Round(deadline * 1e6) : null;
        var nominal = scenario.NominalBodies();
        for (var body = 0; body < bodies; body++)
        {
            _dynamics.Reset(_bodies, body, Starts.AsSpan(body * d, d), _goals.AsSpan(body * d, d), nominal[body % n].Heading);
            _bodies.Position(body).CopyTo(_previous.AsSpan(body * d));
            if (spec.NameOf(body % n, body / n, options.Episodes) is { } name)
            {
                RobotTopics.RequireName(name, $"{scenario.Name}: robots");
                var guard = new ObservationGuard(options.Run, name, maxStep: scenario.Dynamics.MaxSpeed * scenario.TimeStep, maxPosition: PositionResolution.Limit(scenario.GoalTolerance));
                var robot = new Robot(body, name, _topics.Of(name, TopicKind.Command), guard, _sensors[body % n].FrameSize, options.Term);
                _robots[body] = robot;
                _byName.Add(name, robot);
            }
        }
    }

    /// <summary>How far the run is.</summary>
    public RobotPhase Phase { get; private set; }

    /// <summary>The world's own tick, from 0; the last is the scenario's steps less one.</summary>
    public int Tick { get; private set; }

    /// <summary>The world's period [us].</summary>
    public long Period => _period;

    /// <summary>Numbers in one action (A).</summary>
    public int ActionSize => _dynamics.ActionSize;

    /// <summary>Starts as the scenario draws them [E,N,D] [m]: where simulated bodies and emulated robots begin.</summary>
    public double[] Starts { get; }

    /// <summary>Fallbacks of simulated bodies, whose agents had not answered at the next tick.</summary>
    public long Missed { get; private set; }

    /// <summary>Observations handed to agents.</summary>
    public long Observations { get; private set; }

    /// <summary>Messages of the run that were not for it to read, or about no robot of it.</summary>
    public long Strange { get; private set; }

    /// <summary>What each robot is up to, in the order of bodies.</summary>
    public IEnumerable<RobotStatus> Robots => _robots.OfType<Robot>().Select(Status);

    /// <summary>What agents may know before the run.</summary>
    /// <param name="sampling">How plans are sampled.</param>
    /// <param name="slots">How each agent samples; null: all alike.</param>
    public RunSpec Spec(SamplingSpec sampling, IReadOnlyList<SamplingSpec>? slots = null)
        => new(_options.Seed, _options.Episodes, _scenario.Agents, _sensors.Max(s => s.FrameSize), ActionSize, sampling)
        {
            Slots = slots is null && _sensors.All(s => s.FrameSize == _sensors[0].FrameSize) ? null : [.. _sensors.Select((s, a) => new SlotSpec(s.FrameSize, slots?[a] ?? sampling))],
        };

    /// <summary>
    /// What the bridge subscribes to: observations and reports of this run's robots, and the presence of each by its own topic, for not every broker hands out what it keeps to a wildcard. No command, and nothing of any
    /// other run.
    /// </summary>
    public IReadOnlyList<MqttSubscription> Subscriptions =>
    [
        new(_topics.OfAll(TopicKind.Observation)),
        new(_topics.OfAll(TopicKind.Report)),
        .. _byName.Keys.Select(name => new MqttSubscription(_topics.Of(name, TopicKind.Presence), MqttQos.AtLeastOnce, Kept: true)),
    ];

    /// <summary>Ticks at which no robot was armed.</summary>
    public long Standing { get; private set; }

    /// <summary>Ticks at which no robot was armed, up to the present one.</summary>
    public int StandingFor { get; private set; }

    /// <summary>Arms a robot at its next observation, whether or not it was armed before, and accepts it where it is contested. An operator's word.</summary>
    /// <returns>Whether there is such a robot.</returns>
    public bool Rearm(string robot)
    {
        if (!_byName.TryGetValue(robot, out var found))
        {
            return false;
        }

        if (found.Contested is not null)
        {
            found.Guard.Accept();
            found.Contested = null;
        }

        found.MayArm = true;
        return true;
    }

    /// <summary>Takes a message.</summary>
    /// <param name="message">The message.</param>
    /// <param name="now">The bridge's clock [us].</param>
    /// <param name="output">Where what comes of it goes.</param>
    public void Receive(in MqttMessage message, long now, IRobotWorldOutput output)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (!_topics.TryParse(message.Topic, out var name, out var kind) || kind == TopicKind.Command || !_byName.TryGetValue(name, out var robot))
        {
            Strange++;
            return;
        }

        switch (kind)
        {
            case TopicKind.Presence:
                Meet(robot, message, now);
                break;
            case TopicKind.Report:
                Hear(robot, message);
                break;
            default:
                Observe(robot, message, now, output);
                break;
        }
    }

    /// <summary>Takes an agent's answer.</summary>
    /// <param name="action">The action.</param>
    /// <param name="now">The bridge's clock [us].</param>
    /// <param name="output">Where what comes of it goes.</param>
    public void Act(in AgentAction action, long now, IRobotWorldOutput output)
    {
        ArgumentNullException.ThrowIfNull(output);
        var n = _scenario.Agents;
        if ((uint)action.Episode.Value >= (uint)_options.Episodes || (uint)action.Agent.Value >= (uint)n)
        {
            Strange++;
            return;
        }

        var body = action.Episode.Value * n + action.Agent.Value;
        var fits = action.Status == ActionStatus.Decided && action.Values.Length == ActionSize && Vectors.AllFinite(action.Values.Span);
        if (_robots[body] is { } robot)
        {
            Command(robot, action, fits, now, output);
        }
        else if (Phase == RobotPhase.Running && action.Tick.Value == Tick && fits && !_hasDecided[body] && !(now - _opened > _deadline))
        {
            action.Values.Span.CopyTo(_decided.AsSpan(body * ActionSize));
            _hasDecided[body] = true;
        }
    }

    /// <summary>A period of the world is over.</summary>
    /// <param name="now">The bridge's clock [us].</param>
    /// <param name="output">Where what comes of it goes.</param>
    public void Advance(long now, IRobotWorldOutput output)
    {
        ArgumentNullException.ThrowIfNull(output);
        foreach (var robot in _byName.Values)
        {
            robot.Listen(now, _period, Phase == RobotPhase.Running ? _options.Rearm : null);
        }

        if (Phase == RobotPhase.Running)
        {
            StandingFor = _byName.Values.Any(r => r.IsArmed && !r.IsSilent) ? 0 : StandingFor + 1;
            Standing += StandingFor > 0 ? 1 : 0;
        }

        switch (Phase)
        {
            case RobotPhase.Gathering when _byName.Values.All(r => r.IsReady):
                Phase = RobotPhase.Running;
                foreach (var robot in _byName.Values)
                {
                    robot.MayArm = true;
                }

                Record(now);
                DeliverSimulated(now, output);
                break;
            case RobotPhase.Running:
                Step();
                Tick++;
                Record(now);
                if (Tick == _scenario.Steps - 1)
                {
                    Phase = RobotPhase.Done;
                    break;
                }

                DeliverSimulated(now, output);
                break;
            default:
                break;
        }
    }

    /// <summary>What was recorded until now: where each body was at each of the world's ticks, robots where they were last heard of.</summary>
    public Rollouts ToRollouts()
    {
        var (e, n, d, steps) = (_options.Episodes, _scenario.Agents, _scenario.Dimensions, _scenario.Steps);
        int[] shape = [e, n, d];
        // A record that is complete is handed out as it is: nothing is written to it once the run is done.
        return new Rollouts(
            Rollouts.Cut(new NdArray<float>([e, n, steps, d], _positions), Tick + 1), Rollouts.Cut(new NdArray<float>([e, n, steps - 1, ActionSize], _actions), Tick), new NdArray<double>(shape, Starts), new NdArray<double>(shape, _goals));
    }

    private void Meet(Robot robot, in MqttMessage message, long now)
    {
        var session = robot.Guard.Session;
        robot.PresenceRefused = robot.Guard.Meet(message, out var presence, now);
        if (presence is null)
        {
            return;
        }

        if (presence.Session != session)
        {
            // From here on nothing of the session before counts, and nothing waits.
            robot.Begin();
        }

        robot.Unfit = presence.Capabilities is { } able ? Problem(able, robot.Body) : null;
    }

    private void Hear(Robot robot, in MqttMessage message)
    {
        if (message.Retained || JsonWire.Read(message.Payload.Span, out ReportEnvelope? report) != Refusal.None || report!.Run != _options.Run || report.Robot != robot.Name)
        {
            Strange++;
            return;
        }

        // One of the session before may have been on its way.
        if (report.Session == robot.Guard.Session)
        {
            robot.Reported(report);
        }
    }

    private void Observe(Robot robot, in MqttMessage message, long now, IRobotWorldOutput output)
    {
        var d = _scenario.Dimensions;
        var place = _bodies.Position(robot.Body);
        var refusal = robot.Guard.Check(message, now, robot.WasHeard ? place : [], out var observation);
        robot.Contested = robot.Guard.Contest.Reason(now);
        if (refusal != Refusal.None || robot.Unfit is not null)
        {
            return;
        }

        var periods = robot.LastSequence > 0 ? observation!.Sequence - robot.LastSequence : 0;
        var made = now - robot.Guard.Excess;
        Fill(robot, observation!.Values, made);
        var frames = robot.Guard.Capabilities!.Observation == ObservationKind.Frame;
        for (var i = 0; i < d; i++)
        {
            // As if it had gone evenly over the periods that nothing was heard; over one, exactly as it went.
            var (was, at) = (place[i], (double)observation!.Values[i]);
            _previous[robot.Body * d + i] = periods == 0 ? at : periods == 1 ? was : at - (at - was) / periods;
            place[i] = at;
        }

        if (d == 2)
        {
            _bodies.Headings[robot.Body] = !frames && observation!.Values.Length == d + 2
                ? Math.Atan2(observation.Values[d + 1], observation.Values[d])
                : periods == 0 ? _bodies.Headings[robot.Body] : Headings.Next(_bodies.Headings[robot.Body], _previous.AsSpan(robot.Body * d, d), place);
        }

        robot.Heard(observation!, now, made, message.ContentType == WireContract.FrameType, _period, periods);
        if (Phase != RobotPhase.Running)
        {
            return;
        }

        if (robot.Waiting is not null)
        {
            robot.Superseded += robot.Next is null ? 0 : 1;
            if (now - robot.WaitingSince <= robot.Guard.Capabilities.TtlMs * 1000L)
            {
                // The newest waits.
                robot.Next = observation;
                return;
            }

            // An answer to that one would be dead: whoever was to give it may be gone, and another have taken its place.
            robot.Unanswered++;
            robot.Next = null;
        }

        Deliver(robot, observation!, now, output);
    }

    private void Deliver(Robot robot, ObservationEnvelope observation, long now, IRobotWorldOutput output)
    {
        robot.Advance(observation);
        robot.Waiting = observation;
        robot.WaitingSince = now;
        var (episode, agent) = (robot.Body / _scenario.Agents, robot.Body % _scenario.Agents);
        if (robot.Guard.Capabilities?.Observation == ObservationKind.Frame)
        {
            observation.Values.CopyTo(robot.Frame, 0);
        }
        else
        {
            Sense(episode, agent, robot.Made, robot.Frame);
        }

        Observations++;
        output.Deliver(new Observation(new EpisodeId(episode), new AgentId(agent), new Tick(robot.Tick), robot.Frame));
    }

    private void Command(Robot robot, in AgentAction action, bool fits, long now, IRobotWorldOutput output)
    {
        if (robot.Waiting is not { } observation || action.Tick.Value != robot.Tick)
        {
            // What nobody waits for any more is answered late; what nobody was shown is answered by nobody of this run.
            var isLate = action.Tick.Value <= robot.Tick;
            robot.LateAnswers += isLate ? 1 : 0;
            Strange += isLate ? 0 : 1;
            return;
        }

        robot.Waiting = null;
        var late = now - robot.WaitingSince > (_deadline ?? _period);
        robot.LateAnswers += late ? 1 : 0;
        if (late && _deadline is not null)
        {
            // The scenario says that nobody is to be told so late.
        }
        else if (!fits)
        {
            robot.Undecided++;
        }
        else if (observation.Armed && robot.IsForeign)
        {
            // Whose it hears, its report will say; where nobody steers it any more, it stops by itself.
        }
        else if (Phase == RobotPhase.Running && robot.Guard.Capabilities is { } able && observation.Session == robot.Guard.Session)
        {
            var values = action.Values.ToArray();
            values.CopyTo(_decided.AsSpan(robot.Body * ActionSize));
            var arm = !observation.Armed && robot.MayArm && robot.Contested is null;
            var command = new CommandEnvelope(_options.Run, robot.Name, observation.Session, _options.Term, ++robot.CommandSequence, observation.Sequence, observation.Time, able.TtlMs, arm, values);
            var payload = robot.Frames ? FrameWire.Write(command) : JsonWire.Write(command);
            if (output.Publish(new MqttMessage(robot.CommandTopic, payload, WireContract.TypeOf(robot.Frames ? WireEncoding.Frame : WireEncoding.Json))))
            {
                robot.Sent++;
                robot.Answered(now - robot.WaitingSince);
            }
            else
            {
                robot.Unsent++;
            }
        }

        if (robot.Next is { } next && Phase == RobotPhase.Running)
        {
            robot.Next = null;
            Deliver(robot, next, now, output);
        }
    }

    /// <summary>Writes what an agent senses now.</summary>
    private void Sense(int episode, int agent, long now, Span<float> frame)
    {
        var (n, d) = (_scenario.Agents, _scenario.Dimensions);
        var at = episode * n * d;
        for (var body = 0; body < n; body++)
        {
            var isOther = body != agent;
            var isSilent = isOther && _robots[episode * n + body] is { IsSilent: true };
            var age = isOther ? Age(episode * n + body, now) : 0;
            for (var i = body * d; i < (body + 1) * d; i++)
            {
                var position = _bodies.Positions[at + i];
                var before = isSilent ? position : _previous[at + i];
                var gone = isOther ? age * (position - before) : 0;
                (_now[i], _before[i]) = (position + gone, before + gone);
            }
        }

        ReadOnlySpan<double> positions = _now;
        ReadOnlySpan<double> previous = _before;
        if (_scenario.Sensing.Range is { } range)
        {
            for (var other = 0; other < n; other++)
            {
                _visible[other] = other != agent && Vectors.SquaredDistance(positions.Slice(other * d, d), positions.Slice(agent * d, d)) <= range * range;
            }
        }

        _sensors[agent].Frame(
            new WorldView
            {
                Positions = positions,
                Previous = previous,
                Goals = _goals.AsSpan(at, n * d),
                Headings = _bodies.Headings.AsSpan(episode * n, n),
                Sensed = _visible.Length > 0 ? positions : [],
                SensedPrevious = _visible.Length > 0 ? previous : [],
                Visible = _visible,
            },
            agent,
            frame);
    }

    /// <summary>Periods since a body was observed, as far as it is expected to have gone on; below 0 where that was later.</summary>
    private double Age(int body, long now)
    {
        var made = _robots[body] is { } robot ? robot.Made : _opened;
        return Math.Clamp((double)(now - made) / _period, -Foresight, Foresight);
    }

    /// <summary>Writes down where a robot was at the ticks since it was last heard of.</summary>
    private void Fill(Robot robot, float[] values, long now)
    {
        var (d, steps) = (_scenario.Dimensions, _scenario.Steps);
        // What comes late tells of ticks that were, and nothing of those since it was made.
        for (; robot.Filled <= Tick && Phase == RobotPhase.Running && _times[robot.Filled] <= now; robot.Filled++)
        {
            var share = robot.LastSequence == 0 || now <= robot.Made ? 1 : Math.Clamp((double)(_times[robot.Filled] - robot.Made) / (now - robot.Made), 0, 1);
            for (var i = 0; i < d; i++)
            {
                var was = _bodies.Positions[robot.Body * d + i];
                _positions[(robot.Body * steps + robot.Filled) * d + i] = (float)(was + share * (values[i] - was));
            }
        }
    }

    private void DeliverSimulated(long now, IRobotWorldOutput output)
    {
        _opened = now;
        var n = _scenario.Agents;
        for (var body = 0; body < _robots.Length; body++)
        {
            if (_robots[body] is null)
            {
                _hasDecided[body] = false;
                var size = _sensors[body % n].FrameSize;
                Sense(body / n, body % n, now, _frame.AsSpan(0, size));
                Observations++;
                output.Deliver(new Observation(new EpisodeId(body / n), new AgentId(body % n), new Tick(Tick), _frame.AsMemory(0, size)));
            }
        }
    }

    /// <summary>Moves simulated bodies, and writes down what all were told last.</summary>
    private void Step()
    {
        var (size, d, ticks) = (ActionSize, _scenario.Dimensions, _scenario.Steps - 1);
        for (var body = 0; body < _robots.Length; body++)
        {
            var decided = _decided.AsSpan(body * size, size);
            var record = _actions.AsSpan((body * ticks + Tick) * size, size);
            if (_robots[body] is null)
            {
                _bodies.Position(body).CopyTo(_previous.AsSpan(body * d));
                if (!_hasDecided[body] || !_dynamics.TryStep(_bodies, body, decided))
                {
                    _dynamics.StepFallback(_bodies, body, decided);
                    Missed++;
                }
            }

            decided.CopyTo(record);
        }
    }

    private void Record(long now)
    {
        _times[Tick] = now;
        var (d, steps) = (_scenario.Dimensions, _scenario.Steps);
        for (var i = 0; i < _bodies.Positions.Length; i++)
        {
            _positions[(i / d * steps + Tick) * d + i % d] = (float)_bodies.Positions[i];
        }
    }

    /// <summary>Why a robot cannot be this body, or null.</summary>
    private string? Problem(Capabilities able, int body)
    {
        var sensor = _sensors[body % _scenario.Agents];
        var pose = _scenario.Dimensions + (sensor.Spec.Heading ? 2 : 0);
        var rate = 1e6 / _period;
        var values = able.Observation == ObservationKind.Frame ? sensor.FrameSize : pose;
        return able.Action != _scenario.Dynamics.Action ? $"action: expected {_scenario.Dynamics.Action}, found {able.Action}"
            : able.Dimension != ActionSize ? $"dimension: expected {ActionSize}, found {able.Dimension}"
            : able.Values != values && !(able.Observation == ObservationKind.Pose && able.Values == _scenario.Dimensions + 2 && _scenario.Dimensions == 2) ? $"values: expected {values}, found {able.Values}"
            : Math.Abs(able.Rate / rate - 1) > 0.2 ? FormattableString.Invariant($"rate: expected {rate:0.###} Hz, found {able.Rate:0.###}")
            : null;
    }

    private RobotStatus Status(Robot robot)
    {
        var state = robot.Contested is not null ? RobotState.Contested
            : robot.Guard.Capabilities is null ? RobotState.Absent
            : robot.Unfit is not null ? RobotState.Unfit
            : robot.IsSilent ? RobotState.Silent
            : robot.IsArmed ? RobotState.Armed
            : robot.WasArmed ? RobotState.Stopped
            : RobotState.Ready;
        var fenced = robot.HasRival || (robot.Report is { } report && report.Term > _options.Term);
        var d = _scenario.Dimensions;
        var place = _bodies.Position(robot.Body);
        var status = new RobotStatus(robot.Name, state, robot.Unfit ?? (robot.PresenceRefused == Refusal.None ? null : $"presence refused: {RefusalCounts.NameOf(robot.PresenceRefused)}"), fenced)
        {
            Received = robot.Guard.Received,
            Passed = robot.Guard.Passed,
            Refused = robot.Guard.Refused.ByName(),
            Superseded = robot.Superseded,
            Sent = robot.Sent,
            Unsent = robot.Unsent,
            Undecided = robot.Undecided,
            Unanswered = robot.Unanswered,
            Late = robot.LateAnswers,
            Silences = robot.Silences,
            Sessions = robot.Guard.Contest.Sessions,
            Armings = robot.Armings,
            AnswerSeconds = robot.AnswerTime / 1e6,
            Position = robot.WasHeard ? place.ToArray() : null,
            GoalDistance = robot.WasHeard ? Math.Sqrt(Vectors.SquaredDistance(place, _goals.AsSpan(robot.Body * d, d))) : null,
            Report = robot.Report,
        };
        var why = new RobotReason(status)
        {
            Contested = robot.Contested,
            HasRival = robot.HasRival,
            IsForeign = robot.IsForeign,
            Refusing = robot.Refusing,
            MayArm = robot.MayArm,
            IsRunning = Phase == RobotPhase.Running,
            Rearm = _options.Rearm,
            Topic = _topics.Of(robot.Name, TopicKind.Presence),
        };
        return status with { Reason = why.Reason, Next = why.Next };
    }

    /// <summary>What the world knows of one robot.</summary>
    private sealed class Robot(int body, string name, string commandTopic, ObservationGuard guard, int frameSize, long term)
    {
        // Commands that are refused for their order alone, one after the other: no network brings all of them late.
        private const int Overtaken = 5;

        private long _commandsBefore;
        private long _overtaken;
        private long _freshSince = -1;
        private long _heard = long.MinValue;
        private long _deliveredSequence;

        public int Body => body;

        public string Name => name;

        public string CommandTopic => commandTopic;

        public ObservationGuard Guard => guard;

        public float[] Frame { get; } = new float[frameSize];

        public string? Unfit { get; set; }

        public Refusal PresenceRefused { get; set; }

        public ReportEnvelope? Report { get; private set; }

        /// <summary>Why it is contested, or null.</summary>
        public string? Contested { get; set; }

        /// <summary>The rule by which it refuses commands of late, or null.</summary>
        public string? Refusing { get; private set; }

        /// <summary>Whether it hears another controller of the same term.</summary>
        public bool HasRival { get; private set; }

        /// <summary>Whether it was ever heard of, in whatever session.</summary>
        public bool WasHeard { get; private set; }

        /// <summary>Times that it began to be armed.</summary>
        public long Armings { get; private set; }

        public long LastSequence { get; private set; }

        public bool IsArmed { get; private set; }

        public bool WasArmed { get; private set; }

        public bool MayArm { get; set; }

        public bool IsSilent { get; private set; } = true;

        /// <summary>Whether its observations are float32 frames.</summary>
        public bool Frames { get; private set; }

        /// <summary>The observation that its agent has, or null.</summary>
        public ObservationEnvelope? Waiting { get; set; }

        public long WaitingSince { get; set; }

        /// <summary>The newest that came since.</summary>
        public ObservationEnvelope? Next { get; set; }

        public int Tick { get; private set; } = -1;

        /// <summary>When the last observation was made, in the bridge's time [us].</summary>
        public long Made { get; private set; }

        /// <summary>Ticks of the record that are written for good.</summary>
        public int Filled { get; set; }

        public long CommandSequence { get; set; }

        public long Superseded { get; set; }

        public long Sent { get; set; }

        public long Unsent { get; set; }

        public long Undecided { get; set; }

        public long Unanswered { get; set; }

        public long LateAnswers { get; set; }

        public long Silences { get; private set; }

        public double AnswerTime { get; private set; }

        /// <summary>Whether somebody else steers it, as far as is known: it is armed, was told nothing from here in its session, and has not reported whom it hears.</summary>
        public bool IsForeign => IsArmed && CommandSequence == _commandsBefore && Report is null;

        public bool IsReady => Guard.Capabilities is not null && Unfit is null && !IsSilent && Contested is null;

        public void Begin()
        {
            (LastSequence, _deliveredSequence, Next, Report, Refusing, _overtaken) = (0, 0, null, null, null, 0);
            (IsArmed, IsSilent, MayArm, _freshSince) = (false, true, false, -1);
            _commandsBefore = CommandSequence;
        }

        /// <summary>Takes its counts, and what has changed since the last.</summary>
        public void Reported(ReportEnvelope report)
        {
            var (most, refusing, others, overtaken) = (0L, (string?)null, report.Acted - (Report?.Acted ?? 0), 0L);
            foreach (var (rule, count) in report.Refused)
            {
                var more = count - (Report?.Refused.GetValueOrDefault(rule) ?? 0);
                if (rule == RefusalCounts.NameOf(Refusal.Sequence))
                {
                    overtaken = more;
                }
                else
                {
                    others += more;
                }

                if (more > most && rule != RefusalCounts.NameOf(Refusal.Disarmed))
                {
                    (most, refusing) = (more, rule);
                }
            }

            // One that is disarmed goes on to refuse for that alone; why it stopped is what it refused before.
            Refusing = refusing ?? (report.Acted > (Report?.Acted ?? 0) ? null : Refusing);

            // Commands of one controller rise: where all of them are overtaken, or it knows the term before it was told anything, there is another.
            _overtaken = others > 0 ? 0 : _overtaken + overtaken;
            HasRival |= report.Term == term && (_overtaken >= Overtaken || (report.Received > 0 && CommandSequence == _commandsBefore));
            Report = report;
        }

        public void Heard(ObservationEnvelope observation, long now, long made, bool frames, long period, long periods)
        {
            LastSequence = observation.Sequence;
            Frames = frames;
            if (IsArmed && !observation.Armed)
            {
                // It has stopped: from here on it waits for leave to be armed again.
                (MayArm, _freshSince) = (false, now);
            }

            if (IsSilent || now - _heard > SilentPeriods * period || periods > SilentPeriods)
            {
                _freshSince = now;
            }

            Armings += observation.Armed && !IsArmed ? 1 : 0;
            WasHeard = true;
            (IsArmed, WasArmed, IsSilent, _heard, Made) = (observation.Armed, WasArmed || observation.Armed, false, now, made);
        }

        /// <summary>Looks whether it is still heard of.</summary>
        public void Listen(long now, long period, double? rearm)
        {
            Contested = Guard.Contest.Reason(now);
            if (!IsSilent && now - _heard > SilentPeriods * period)
            {
                IsSilent = true;
                Silences++;
            }

            if (rearm is { } seconds && !IsArmed && !IsSilent && Contested is null && now - _freshSince >= seconds * 1e6)
            {
                MayArm = true;
            }
        }

        /// <summary>Moves its agent's tick on to an observation: by the robot's own count of periods within a session.</summary>
        public void Advance(ObservationEnvelope observation)
        {
            var periods = _deliveredSequence == 0 ? 1 : observation.Sequence - _deliveredSequence;
            Tick = (int)Math.Min(int.MaxValue / 4, Tick + periods);
            _deliveredSequence = observation.Sequence;
        }

        public void Answered(long took) => AnswerTime += (took - AnswerTime) / 16;
    }
}
