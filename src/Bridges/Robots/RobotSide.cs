using System.Security.Cryptography;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots.Wire;

namespace MimicD.Bridges.Robots;

/// <summary>
/// The robot's end of the contract, for robots written in C#: what it announces, observes and reports, and the guard over what it is told. Pure: it makes messages and takes them, and leaves connections, clocks and motors
/// to its owner. Not thread-safe.
/// </summary>
public sealed class RobotSide
{
    private const long ReportEvery = 1000;

    private readonly RobotTopics _topics;
    private readonly WireEncoding _encoding;
    private long _sequence;
    private long _nextReport;
    private long _refusedThen;
    private bool _armedThen;

    /// <summary>Makes a robot that is not connected.</summary>
    /// <param name="topics">The run's topics.</param>
    /// <param name="name">The robot's name.</param>
    /// <param name="capabilities">What it can do.</param>
    /// <param name="encoding">How it writes observations, and is answered. Frames need MQTT 5.</param>
    /// <param name="outOfRange">What becomes of numbers out of range.</param>
    public RobotSide(RobotTopics topics, string name, Capabilities capabilities, WireEncoding encoding = WireEncoding.Json, OutOfRange outOfRange = OutOfRange.Reject)
    {
        ArgumentNullException.ThrowIfNull(topics);
        ArgumentNullException.ThrowIfNull(capabilities);
        RobotTopics.RequireName(name, "robot");
        capabilities.Validate(name);
        (_topics, Name, Capabilities, _encoding) = (topics, name, capabilities, encoding);
        Guard = new CommandGuard(topics.Run, name, capabilities, outOfRange);
    }

    /// <summary>The robot's name.</summary>
    public string Name { get; }

    /// <summary>What it can do.</summary>
    public Capabilities Capabilities { get; }

    /// <summary>What decides on commands.</summary>
    public CommandGuard Guard { get; }

    /// <summary>The one filter that it subscribes to.</summary>
    public MqttSubscription Subscription => new(_topics.Of(Name, TopicKind.Command));

    /// <summary>A session, as good as nobody's before.</summary>
    public static string DrawSession() => RandomNumberGenerator.GetHexString(WireContract.SessionDigits, lowercase: true);

    /// <summary>What the broker is to say when the connection that this session is for is lost; and, sent, the farewell.</summary>
    public MqttMessage Farewell(string session) => Presence(new PresenceEnvelope(WireContract.Version, _topics.Run, Name, session, Online: false));

    /// <summary>Begins a session, at each connection.</summary>
    /// <param name="session">Drawn for this connection, which has its <see cref="Farewell"/> as will.</param>
    /// <param name="announcement">To be sent first.</param>
    /// <returns>Whether the robot was going, and has to stop.</returns>
    public bool Begin(string session, out MqttMessage announcement)
    {
        (_sequence, _nextReport, _refusedThen, _armedThen) = (0, 0, 0, false);
        announcement = Presence(new PresenceEnvelope(WireContract.Version, _topics.Run, Name, session, Online: true, Capabilities));
        return Guard.Begin(session);
    }

    /// <summary>What it observes, once a period.</summary>
    /// <param name="now">Its own clock [ms].</param>
    /// <param name="values">The numbers of its capabilities.</param>
    public MqttMessage Observe(long now, float[] values)
    {
        var observation = new ObservationEnvelope(_topics.Run, Name, Guard.Session, ++_sequence, now, Guard.IsArmed, values);
        return new MqttMessage(
            _topics.Of(Name, TopicKind.Observation), _encoding == WireEncoding.Json ? JsonWire.Write(observation) : FrameWire.Write(observation), WireContract.TypeOf(_encoding));
    }

    /// <summary>What it reports, asked once a period: once a second, and where a command was refused or it was armed or stopped since the last.</summary>
    /// <param name="now">Its own clock [ms].</param>
    /// <returns>The report, or null where there is nothing new.</returns>
    public MqttMessage? Report(long now)
    {
        var refused = Guard.Refused.Sum;
        if (now < _nextReport && refused == _refusedThen && Guard.IsArmed == _armedThen)
        {
            return null;
        }

        (_nextReport, _refusedThen, _armedThen) = (now + ReportEvery, refused, Guard.IsArmed);
        var report = new ReportEnvelope(WireContract.Version, _topics.Run, Name, Guard.Session, now, Guard.IsArmed, Guard.Term, Guard.Received, Guard.Acted, Guard.Stops, Guard.Refused.ByName());
        return new MqttMessage(_topics.Of(Name, TopicKind.Report), JsonWire.Write(report), WireContract.JsonType);
    }

    private MqttMessage Presence(PresenceEnvelope presence)
        => new(_topics.Of(Name, TopicKind.Presence), JsonWire.Write(presence), WireContract.JsonType, MqttQos.AtLeastOnce, Retained: true);
}
