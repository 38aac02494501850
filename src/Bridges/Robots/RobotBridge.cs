using MimicD.Bridges.Mqtt;
using MimicD.Contracts;

namespace MimicD.Bridges.Robots;

/// <summary>
/// The actor round a <see cref="RobotWorld"/>: hands it what comes from the connection, from the agents and from the clock, one at a time, and passes on what comes of it. It never waits with the world in its hands.
/// </summary>
public sealed class RobotBridge : IActionSink, IMqttListener, IRobotWorldOutput
{
    private readonly Lock _gate = new();
    private readonly RobotWorld _world;
    private readonly IAgentHost _host;
    private readonly TimeProvider _time;
    private readonly long _started;
    private RobotRecording? _recording;
    private IMqttLink? _link;
    private string? _lost = "not connected yet";

    /// <summary>Makes the actor; nothing runs yet.</summary>
    /// <param name="world">The world; from here on this actor's alone.</param>
    /// <param name="host">Where the agents live; opened by the caller with this actor as the sink of their actions.</param>
    /// <param name="time">The clock.</param>
    /// <param name="recording">Receives all that goes in and out, or null.</param>
    public RobotBridge(RobotWorld world, IAgentHost host, TimeProvider time, RobotRecording? recording = null)
    {
        ArgumentNullException.ThrowIfNull(world);
        ArgumentNullException.ThrowIfNull(host);
        ArgumentNullException.ThrowIfNull(time);
        (_world, _host, _time, _recording, _started) = (world, host, time, recording, time.GetTimestamp());
    }

    private long Now => (long)(_time.GetElapsedTime(_started).TotalMicroseconds);

    /// <inheritdoc/>
    void IMqttListener.Connected() => Volatile.Write(ref _lost, null);

    /// <inheritdoc/>
    void IMqttListener.Disconnected(string reason) => Volatile.Write(ref _lost, reason);

    /// <inheritdoc/>
    void IMqttListener.Received(in MqttMessage message)
    {
        lock (_gate)
        {
            var now = Now;
            _recording?.Message(message, now);
            _world.Receive(message, now, this);
        }
    }

    /// <inheritdoc/>
    public void Act(in AgentAction action)
    {
        lock (_gate)
        {
            var now = Now;
            _recording?.Action(action, now);
            _world.Act(action, now, this);
        }
    }

    /// <inheritdoc/>
    void IRobotWorldOutput.Deliver(in Observation observation)
    {
        _recording?.Observation(observation);
        _host.Deliver(observation);
    }

    /// <inheritdoc/>
    bool IRobotWorldOutput.Publish(in MqttMessage message)
    {
        var taken = _link?.TryPublish(message) ?? false;
        _recording?.Command(message, taken);
        return taken;
    }

    /// <summary>An operator's word: arms a robot at its next observation.</summary>
    public bool Rearm(string robot)
    {
        lock (_gate)
        {
            _recording?.Rearm(robot, Now);
            return _world.Rearm(robot);
        }
    }

    /// <summary>What is going on.</summary>
    public RobotBridgeStatus Status
    {
        get
        {
            lock (_gate)
            {
                return new RobotBridgeStatus(_world.Phase, _world.Tick, Volatile.Read(ref _lost), _world.Missed, _world.Observations, _world.Strange, [.. _world.Robots])
                {
                    Standing = _world.Standing,
                    StandingFor = _world.StandingFor,
                };
            }
        }
    }

    /// <summary>Runs to the last tick, or until cancelled. Afterwards nothing is sent any more, and so the robots stop.</summary>
    /// <param name="link">The connection, whose listener this is.</param>
    /// <param name="tick">Called after each of the world's periods, with what is going on; returns at once.</param>
    /// <param name="cancellationToken">Stops at once.</param>
    /// <returns>Whether the run came to its end.</returns>
    public async Task<bool> RunAsync(IMqttLink link, Action<RobotBridgeStatus>? tick, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(link);
        Volatile.Write(ref _link, link);
        try
        {
            var due = Now;
            while (!cancellationToken.IsCancellationRequested)
            {
                due += _world.Period;
                var wait = due - Now;
                if (wait > 0)
                {
                    await Task.Delay(TimeSpan.FromMicroseconds(wait), _time, cancellationToken).ConfigureAwait(false);
                }
                else if (wait < -_world.Period)
                {
                    // A whole period behind: from here on the schedule is later, instead of ticks that race to catch up.
                    due -= wait;
                }

                RobotPhase phase;
                lock (_gate)
                {
                    var now = Now;
                    _recording?.Tick(now);
                    _world.Advance(now, this);
                    phase = _world.Phase;
                    if (phase == RobotPhase.Done)
                    {
                        // What comes from here on has no part in the run.
                        _recording?.End();
                        _recording = null;
                    }
                }

                tick?.Invoke(Status);
                if (phase == RobotPhase.Done)
                {
                    return true;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // What was done until here is kept.
        }
        finally
        {
            lock (_gate)
            {
                (_link, _recording) = (null, null);
            }
        }

        return false;
    }
}

/// <summary>A run of robots at a moment.</summary>
/// <param name="Phase">How far it is.</param>
/// <param name="Tick">The world's tick.</param>
/// <param name="Lost">Why there is no connection, or null: there is one.</param>
/// <param name="Missed">Fallbacks of simulated bodies.</param>
/// <param name="Observations">Observations handed to agents.</param>
/// <param name="Strange">Messages and actions of nobody in this run.</param>
/// <param name="Robots">Its robots.</param>
public sealed record RobotBridgeStatus(RobotPhase Phase, int Tick, string? Lost, long Missed, long Observations, long Strange, IReadOnlyList<RobotStatus> Robots)
{
    /// <summary>Ticks at which no robot was armed.</summary>
    public long Standing { get; init; }

    /// <summary>Ticks at which no robot was armed, up to the present one.</summary>
    public int StandingFor { get; init; }
}
