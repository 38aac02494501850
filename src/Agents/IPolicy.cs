using MimicD.Contracts;

namespace MimicD.Agents;

/// <summary>
/// What turns an agent's own recent observations into its next actions. A policy keeps nothing from call to call: what it returns is a
/// function of its arguments, so that agents may share one and any agent can be rebuilt. Thread-safe.
/// </summary>
public interface IPolicy
{
    /// <summary>Numbers in one frame of observation.</summary>
    int FrameSize { get; }

    /// <summary>Frames that it looks at (m).</summary>
    int History { get; }

    /// <summary>Numbers in one action.</summary>
    int ActionSize { get; }

    /// <summary>Actions in a plan.</summary>
    int PlanActions { get; }

    /// <summary>Standard normal numbers that a plan starts from; 0 for a policy without chance.</summary>
    int NoiseSize { get; }

    /// <summary>Makes a plan.</summary>
    /// <param name="frames">[<see cref="History"/>, <see cref="FrameSize"/>], newest first.</param>
    /// <param name="noise">[<see cref="NoiseSize"/>].</param>
    /// <param name="actions">The plan, [<see cref="PlanActions"/>, <see cref="ActionSize"/>]; the first is for the tick of the newest frame.</param>
    /// <returns>Evaluations of a network.</returns>
    int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions);

    /// <summary>p(z) of the joint modes that the policy can be told to take part in (<see cref="SharedMode"/>); empty where it knows none.</summary>
    ReadOnlySpan<double> ModeShares => [];

    /// <summary>ln p(z | observation), but for a constant, of the joint modes.</summary>
    /// <param name="frames">As above.</param>
    /// <param name="logits">Receives [K].</param>
    /// <returns>False, and nothing received, from a policy that has no idea how modes go with what is seen.</returns>
    bool ModeLogits(ReadOnlySpan<float> frames, Span<float> logits) => false;

    /// <summary>The projection that the agent's actions pass, whatever was planned, or null for none.</summary>
    SafetyProjection? Projection => null;

    /// <summary>Makes a plan that takes part in a joint mode and may go on from the last one.</summary>
    /// <param name="frames">As above.</param>
    /// <param name="noise">As above.</param>
    /// <param name="mode">z, 0 to K-1; not read by a policy that knows no modes.</param>
    /// <param name="previous">What is left of the last plan, [fewer actions, <see cref="ActionSize"/>], for a warm start; or empty.</param>
    /// <param name="actions">As above.</param>
    /// <returns>Evaluations of a network.</returns>
    int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, int mode, ReadOnlySpan<float> previous, Span<float> actions) => Plan(frames, noise, actions);

    /// <summary>Names of the numbers of the newest frame that the policy was trained on; empty for one that was not trained.</summary>
    IReadOnlyList<string> TrainedFeatures => [];

    /// <summary>Counts what is far from all that the policy was trained on (<see cref="FamiliarityCounts"/>).</summary>
    /// <param name="frames">As above.</param>
    /// <param name="counts">[<see cref="TrainedFeatures"/> + 1]: each number that is too far off has one added, and the last where there is any.</param>
    void CountUnfamiliar(ReadOnlySpan<float> frames, Span<long> counts)
    {
    }

    /// <summary>Agents that are worth asking about at once; 1 for a policy to which it makes no difference.</summary>
    int Together => 1;

    /// <summary>Makes the plans of several agents, each as it comes out alone, to the bit: what agents share is the weights that are read for all of them at once.</summary>
    /// <param name="queries">What each asks.</param>
    /// <param name="calls">Receives evaluations of a network for each.</param>
    void Plan(ReadOnlySpan<PlanQuery> queries, Span<int> calls)
    {
        for (var i = 0; i < queries.Length; i++)
        {
            var query = queries[i];
            calls[i] = Plan(query.Frames.Span, query.Noise.Span, query.Mode, query.Previous.Span, query.Actions.Span);
        }
    }
}
