using MimicD.World;

namespace MimicD.Evaluation;

/// <summary>When agents settle on what they jointly do, and how often they change it before they meet.</summary>
public static class Commitment
{
    /// <summary>
    /// Per episode, over the ticks up to the closest approach t* (<see cref="Distances.ClosestApproach"/>, the earliest such tick): the last tick at which the running joint mode
    /// (<see cref="RunningModes"/>) became another one, as a share of t*, and how often it did. The first mode that is defined is no change, and neither is a tick without a defined mode: a change is from one
    /// defined mode to a different one. So 0 is an episode that did as it first showed, and 1 one that changed at the closest approach itself. What happens after t* decides nothing any more and is not counted.
    /// </summary>
    /// <param name="scenario">Whose modes; one that tells modes apart.</param>
    /// <param name="paths">[E,N,T,2].</param>
    /// <param name="cancellationToken">Gives up within a moment.</param>
    /// <returns>Share of the way, [E], NaN where no mode was defined by t* (or t* is the start); changes, [E].</returns>
    public static (double[] LastChange, int[] Switches) Compute(Scenario scenario, PathSet paths, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(paths);
        var (shares, switches) = (new double[paths.Episodes], new int[paths.Episodes]);
        var size = paths.Agents * paths.Times * paths.Dimensions;
        for (var e = 0; e < paths.Episodes; e++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var labels = RunningModes.Labels(scenario, paths.Positions.AsSpan(e * size, size), cancellationToken);
            var closest = Distances.ClosestApproach(paths, e, cancellationToken).Time;
            var (mode, last) = (0, 0);
            for (var t = 0; t <= closest; t++)
            {
                if (labels[t] == 0 || labels[t] == mode)
                {
                    continue;
                }

                if (mode != 0)
                {
                    last = t;
                    switches[e]++;
                }

                mode = labels[t];
            }

            shares[e] = mode == 0 || closest == 0 ? double.NaN : (double)last / closest;
        }

        return (shares, switches);
    }
}
