using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World;

/// <summary>
/// A run between two ticks: with the run's description all that is needed to go on bit by bit. Agents are not in it, for they follow from what they observed.
/// </summary>
/// <param name="World">The world and its record.</param>
/// <param name="Counts">What the world counted until then.</param>
/// <param name="Host">What the host counted until then, and which agents it had stopped.</param>
/// <param name="WindowTicks">The latest ticks before this one [w], oldest first.</param>
/// <param name="Window">What was observed at them [w,E*N,F].</param>
/// <param name="WallSeconds">Seconds from the first tick to here, interruptions left out.</param>
public sealed record RunSnapshot(WorldState World, WorldCounts Counts, AgentHostReport Host, int[] WindowTicks, NdArray<float> Window, double WallSeconds)
{
    /// <summary>The tick that is open next.</summary>
    public int Tick => World.Tick;

    /// <summary>The file that it came from, for messages.</summary>
    public string Where { get; init; } = "snapshot";
}
