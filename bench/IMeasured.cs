namespace MimicD.Bench;

/// <summary>What was measured.</summary>
internal interface IMeasured
{
    /// <summary>Whether what must be the same is: trajectories, not speed.</summary>
    bool Holds { get; }
}
