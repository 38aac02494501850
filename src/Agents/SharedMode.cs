using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Agents;

/// <summary>
/// The shared mode variable z: which of the demonstrated joint modes the agents of an episode take part in. It is drawn by each agent for itself from the run's
/// seed, which all were given before the run, and from nothing else; so all draw the same and no message passes.
/// </summary>
public static class SharedMode
{
    /// <summary>The value for a policy that knows no modes.</summary>
    public const int None = -1;

    /// <summary>Draws z of an episode.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="episode">The episode. The agent is deliberately no argument.</param>
    /// <param name="shares">p(z), summing to 1; empty gives <see cref="None"/>.</param>
    /// <returns>0 to K-1.</returns>
    public static int Draw(ulong seed, EpisodeId episode, ReadOnlySpan<double> shares)
    {
        var left = new CounterRandom(seed, RandomPurpose.SharedMode, c: episode.Value).NextDouble();
        for (var mode = 0; mode < shares.Length; mode++)
        {
            left -= shares[mode];
            if (left < 0)
            {
                return mode;
            }
        }

        // The shares may sum to a hair less than 1.
        return shares.Length - 1;
    }
}
