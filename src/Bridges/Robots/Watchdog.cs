namespace MimicD.Bridges.Robots;

/// <summary>
/// Stops a robot that is told nothing any more. Each command that is acted on keeps it going until that command is dead; then it stops, and does not go again until it is armed anew. Pure: it is told the time, by a clock
/// that is never set back.
/// </summary>
public sealed class Watchdog
{
    private long _until;

    /// <summary>Whether commands move the robot.</summary>
    public bool IsArmed { get; private set; }

    /// <summary>Times it stopped the robot.</summary>
    public long Stops { get; private set; }

    /// <summary>A command was acted on that lives until then [ms].</summary>
    public void Feed(long until)
    {
        IsArmed = true;
        _until = until;
    }

    /// <summary>Looks at the clock. Called at every period of the robot at least.</summary>
    /// <param name="now">The robot's own clock [ms].</param>
    /// <returns>Whether the robot has to stop now; said once.</returns>
    public bool Expire(long now)
    {
        if (!IsArmed || now <= _until)
        {
            return false;
        }

        IsArmed = false;
        Stops++;
        return true;
    }

    /// <summary>Begins anew, disarmed, with nothing counted.</summary>
    /// <returns>Whether the robot was going, and has to stop.</returns>
    public bool Reset()
    {
        var was = IsArmed;
        (IsArmed, Stops) = (false, 0);
        return was;
    }
}
