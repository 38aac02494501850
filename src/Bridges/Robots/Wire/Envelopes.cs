namespace MimicD.Bridges.Robots.Wire;

/// <summary>How payloads of observations and commands are written.</summary>
public enum WireEncoding
{
    /// <summary>One JSON object (<see cref="JsonWire"/>).</summary>
    Json,

    /// <summary>A flat frame of little-endian float32 (<see cref="FrameWire"/>). Told by its content type alone, never by a look at the bytes.</summary>
    Frame,
}

/// <summary>What comes in either encoding says whom it is about.</summary>
internal interface IEnvelope
{
    /// <summary>The run.</summary>
    string Run { get; }

    /// <summary>The robot.</summary>
    string Robot { get; }
}

/// <summary>What a robot observed at one of its periods.</summary>
/// <param name="Run">The run.</param>
/// <param name="Robot">The robot.</param>
/// <param name="Session">The session that the robot drew at its last connection.</param>
/// <param name="Sequence">From 1 in each session, one more each period.</param>
/// <param name="Time">The robot's own clock [ms].</param>
/// <param name="Armed">Whether commands move it.</param>
/// <param name="Values">A pose or a frame, as the robot's capabilities say.</param>
public sealed record ObservationEnvelope(string Run, string Robot, string Session, long Sequence, long Time, bool Armed, float[] Values) : IEnvelope;

/// <summary>What an agent tells its robot.</summary>
/// <param name="Run">The run.</param>
/// <param name="Robot">The robot.</param>
/// <param name="Session">The robot's present session: nothing recorded earlier can act.</param>
/// <param name="Term">Fencing number of the controller: the robot hears the highest alone.</param>
/// <param name="Sequence">Greater than that of any command before, in this session and term.</param>
/// <param name="Acknowledged">Sequence of the observation that this answers.</param>
/// <param name="ObservationTime">That observation's time by the robot's own clock [ms], so that its age needs no common clock.</param>
/// <param name="TimeToLive">After this many ms from <paramref name="ObservationTime"/> on the command is dead.</param>
/// <param name="Arm">Whether it arms a robot that is not.</param>
/// <param name="Action">The action.</param>
public sealed record CommandEnvelope(string Run, string Robot, string Session, long Term, long Sequence, long Acknowledged, long ObservationTime, long TimeToLive, bool Arm, float[] Action) : IEnvelope;

/// <summary>Whether a robot is there, and what it can do.</summary>
/// <param name="V">Version of the contract.</param>
/// <param name="Run">The run.</param>
/// <param name="Robot">The robot.</param>
/// <param name="Session">Drawn by the robot at this connection, 16 hexadecimal digits.</param>
/// <param name="Online">False: it has gone, or its connection has.</param>
/// <param name="Capabilities">What it can do; where it is there.</param>
public sealed record PresenceEnvelope(int V, string Run, string Robot, string Session, bool Online, Capabilities? Capabilities = null);

/// <summary>A robot's counts since its session began: <paramref name="Received"/> = <paramref name="Acted"/> + the sum of <paramref name="Refused"/>.</summary>
/// <param name="V">Version of the contract.</param>
/// <param name="Run">The run.</param>
/// <param name="Robot">The robot.</param>
/// <param name="Session">Its session.</param>
/// <param name="T">The robot's own clock [ms].</param>
/// <param name="Armed">Whether commands move it.</param>
/// <param name="Term">The highest term seen; 0: none.</param>
/// <param name="Received">Commands that came.</param>
/// <param name="Acted">Commands acted on.</param>
/// <param name="Stops">Times it stopped because no valid command came in time.</param>
/// <param name="Refused">Commands refused, by the name of the rule.</param>
public sealed record ReportEnvelope(int V, string Run, string Robot, string Session, long T, bool Armed, long Term, long Received, long Acted, long Stops, IReadOnlyDictionary<string, long> Refused);
