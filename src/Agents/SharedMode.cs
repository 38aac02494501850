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
        => Pick(new CounterRandom(seed, RandomPurpose.SharedMode, c: episode.Value).NextDouble(), shares);

    /// <summary>The mode at which the sum of the shares passes a number.</summary>
    /// <param name="number">From 0 to below 1.</param>
    /// <param name="shares">p(z), summing to 1; empty gives <see cref="None"/>.</param>
    /// <returns>0 to K-1.</returns>
    public static int Pick(double number, ReadOnlySpan<double> shares)
    {
        var left = number;
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

    /// <summary>
    /// Draws z by what is seen: argmax over k of ln p(k | observation) + G_k, with Gumbel numbers G of (seed, episode) alone (the Gumbel-max trick; used on several distributions at once it is a coupling, in which those that are
    /// alike mostly draw alike). At each tick z is distributed as p(z | observation); over the ticks it changes only where what is seen has changed by more than the numbers that were drawn lie apart.
    /// </summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="episode">The episode. The agent is deliberately no argument.</param>
    /// <param name="logits">ln p(k | observation), but for a constant, [K].</param>
    /// <param name="shares">p(k), [K].</param>
    /// <param name="hold">Added to the mode that the same numbers draw from the shares alone [nats]; 0 adds nothing.</param>
    /// <returns>0 to K-1.</returns>
    public static int Choose(ulong seed, EpisodeId episode, ReadOnlySpan<float> logits, ReadOnlySpan<double> shares, double hold)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(logits.Length, shares.Length, nameof(logits));
        var random = new CounterRandom(seed, RandomPurpose.SharedMode, a: 1, c: episode.Value);
        Span<double> gumbel = stackalloc double[shares.Length];
        var agreed = 0;
        for (var k = 0; k < gumbel.Length; k++)
        {
            gumbel[k] = -Math.Log(-Math.Log(random.NextDouble() + double.Epsilon));
            agreed = Math.Log(shares[k]) + gumbel[k] > Math.Log(shares[agreed]) + gumbel[agreed] ? k : agreed;
        }

        var best = 0;
        for (var k = 0; k < gumbel.Length; k++)
        {
            gumbel[k] += logits[k] + (k == agreed ? hold : 0);
            best = gumbel[k] > gumbel[best] ? k : best;
        }

        return best;
    }
}
