namespace MimicD.World;

/// <summary>The observations that the agents of a demonstration would have had: the same <see cref="Sensor"/>, on recorded positions.</summary>
public static class DemonstrationFeatures
{
    /// <summary>
    /// One agent's frames through a demonstration, others sensed exactly. Its goal is its last position; its heading is defined by <see cref="Headings"/>.
    /// </summary>
    /// <param name="set">The demonstrations.</param>
    /// <param name="sensor">The sensor; its dimensions are the set's.</param>
    /// <param name="demonstration">Which demonstration, 0 to M-1.</param>
    /// <param name="agent">Which agent, 0 to N-1.</param>
    /// <param name="heading">The agent's heading at the start [rad] (<see cref="BodySpec.Heading"/>); null: towards its goal.</param>
    /// <returns>[T, FrameSize], T the length of that demonstration.</returns>
    public static float[] Frames(DemonstrationSet set, Sensor sensor, int demonstration, int agent, double? heading = null)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(sensor);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)demonstration, (uint)set.Count, nameof(demonstration));
        var (agents, steps, d) = (set.Agents, set.Length(demonstration), set.Dimensions);
        if (sensor.Spec.Dimensions != d)
        {
            throw new ArgumentException($"the sensor has {sensor.Spec.Dimensions} dimensions, the demonstrations {d}", nameof(sensor));
        }

        var size = sensor.FrameSize;
        var frames = new float[steps * size];
        var now = new double[agents * d];
        var before = new double[agents * d];
        var goals = new double[agents * d];
        var headings = new double[agents];
        for (var i = 0; i < agents; i++)
        {
            set.Path(demonstration, i).Slice((steps - 1) * d, d).CopyTo(goals.AsSpan(i * d, d));
        }

        var along = d == 2 ? World.Headings.Along(set.Path(demonstration, agent), goals.AsSpan(agent * d, d), heading) : null;
        for (var t = 0; t < steps; t++)
        {
            now.CopyTo(before, 0);
            for (var i = 0; i < agents; i++)
            {
                set.Path(demonstration, i).Slice(t * d, d).CopyTo(now.AsSpan(i * d, d));
            }

            if (t == 0)
            {
                now.CopyTo(before, 0);
            }

            if (along is not null)
            {
                headings[agent] = along[t];
            }

            sensor.Frame(new WorldView { Positions = now, Previous = before, Goals = goals, Headings = headings }, agent, frames.AsSpan(t * size, size));
        }

        return frames;
    }
}
