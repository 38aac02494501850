namespace MimicD.Evaluation;

/// <summary>Displacement errors of the best of K samples against one demonstration [m].</summary>
/// <param name="MinAde">Average displacement error, each agent by its own best sample.</param>
/// <param name="MinFde">Final displacement error, each agent by its own best sample.</param>
/// <param name="MinJointAde">Average displacement error of the best joint sample.</param>
/// <param name="MinJointFde">Final displacement error of the best joint sample.</param>
public sealed record DisplacementErrors(double MinAde, double MinFde, double MinJointAde, double MinJointFde);

/// <summary>Displacement errors over demonstrations [m], each the mean over demonstrations with its interval.</summary>
/// <param name="Demonstrations">Demonstrations from whose starts there were rollouts.</param>
/// <param name="Samples">Rollouts from each start (K); the errors fall with it and compare only at the same K.</param>
/// <param name="MinAde"><see cref="DisplacementErrors.MinAde"/>.</param>
/// <param name="MinFde"><see cref="DisplacementErrors.MinFde"/>.</param>
/// <param name="MinJointAde"><see cref="DisplacementErrors.MinJointAde"/>.</param>
/// <param name="MinJointFde"><see cref="DisplacementErrors.MinJointFde"/>.</param>
public sealed record DisplacementFigures(int Demonstrations, int Samples, Estimate MinAde, Estimate MinFde, Estimate MinJointAde, Estimate MinJointFde);

/// <summary>
/// minADE, minFDE, minJADE, minJFDE as in trajectory forecasting (ADE and FDE: Pellegrini et al. 2009, Alahi et al. 2016; the minimum over samples: Gupta et al. 2018; the joint versions:
/// Weng et al. 2023, "Joint metrics matter"). The joint versions take the minimum over samples of the mean over agents, so that one sample must be right about all agents.
/// </summary>
public static class Displacement
{
    /// <summary>Distance [m] between a rollout's start and a demonstration's that are the same; single precision keeps it with room to spare.</summary>
    public const double SameStart = 1e-3;

    /// <summary>
    /// The four errors. With e(k,n,t) = |sample - truth|: ADE(k,n) = mean over t of e, FDE(k,n) = e at the last t;
    /// minADE = mean over n of min over k of ADE(k,n); minJADE = min over k of mean over n of ADE(k,n); FDE likewise.
    /// </summary>
    /// <param name="samples">[K,N,T,D] [m], predicted positions only (no common start).</param>
    /// <param name="truth">[N,T,D] [m].</param>
    /// <param name="agents">N.</param>
    /// <param name="times">T.</param>
    /// <param name="dimensions">D.</param>
    /// <exception cref="ArgumentException">Shapes do not fit, or something is empty.</exception>
    public static DisplacementErrors Of(ReadOnlySpan<double> samples, ReadOnlySpan<double> truth, int agents, int times, int dimensions)
    {
        if (truth.IsEmpty || truth.Length != agents * times * dimensions || samples.IsEmpty || samples.Length % truth.Length != 0)
        {
            throw new ArgumentException($"samples [K, {agents}, {times}, {dimensions}] are needed; they have {samples.Length} numbers, the truth {truth.Length}", nameof(samples));
        }

        var (bestAverage, bestFinal) = (new double[agents], new double[agents]);
        Array.Fill(bestAverage, double.PositiveInfinity);
        Array.Fill(bestFinal, double.PositiveInfinity);
        var (jointAverage, jointFinal) = (double.PositiveInfinity, double.PositiveInfinity);
        for (var k = 0; k < samples.Length / truth.Length; k++)
        {
            var (averages, finals) = (0.0, 0.0);
            for (var n = 0; n < agents; n++)
            {
                var (sum, error) = (0.0, 0.0);
                for (var t = 0; t < times; t++)
                {
                    var at = (n * times + t) * dimensions;
                    error = PathSet.Distance(samples.Slice(k * truth.Length + at, dimensions), truth.Slice(at, dimensions));
                    sum += error;
                }

                bestAverage[n] = Math.Min(bestAverage[n], sum / times);
                bestFinal[n] = Math.Min(bestFinal[n], error);
                averages += sum / times;
                finals += error;
            }

            jointAverage = Math.Min(jointAverage, averages / agents);
            jointFinal = Math.Min(jointFinal, finals / agents);
        }

        return new DisplacementErrors(bestAverage.Average(), bestFinal.Average(), jointAverage, jointFinal);
    }

    /// <summary>
    /// The errors of rollouts that begin where demonstrations begin: each demonstration is compared with the first K rollouts from its start, K the smallest number that any of them has. The common
    /// start is left out of the errors.
    /// </summary>
    /// <param name="rollouts">[E,N,T,D].</param>
    /// <param name="demonstrations">[M,N,T,D].</param>
    /// <returns>Null unless every rollout begins at a demonstration's joint start (to <see cref="SameStart"/>) and both have the same times, two or more.</returns>
    public static DisplacementFigures? FromStarts(PathSet rollouts, PathSet demonstrations)
    {
        ArgumentNullException.ThrowIfNull(rollouts);
        ArgumentNullException.ThrowIfNull(demonstrations);
        if (rollouts.Times != demonstrations.Times || rollouts.Agents != demonstrations.Agents || rollouts.Dimensions != demonstrations.Dimensions || rollouts.Times < 2)
        {
            return null;
        }

        var found = Array.ConvertAll(new int[demonstrations.Episodes], _ => new List<int>());
        for (var e = 0; e < rollouts.Episodes; e++)
        {
            var matches = Enumerable.Range(0, found.Length).Where(m => SameStarts(rollouts, e, demonstrations, m)).ToArray();
            if (matches.Length == 0)
            {
                return null;
            }

            Array.ForEach(matches, m => found[m].Add(e));
        }

        var samples = found.Where(f => f.Count > 0).Min(f => f.Count);
        var errors = Enumerable.Range(0, found.Length).Where(m => found[m].Count > 0)
            .Select(m => Of([.. found[m].Take(samples).SelectMany(e => AfterStart(rollouts, e))], AfterStart(demonstrations, m), rollouts.Agents, rollouts.Times - 1, rollouts.Dimensions)).ToArray();
        return new DisplacementFigures(errors.Length, samples, Mean(e => e.MinAde), Mean(e => e.MinFde), Mean(e => e.MinJointAde), Mean(e => e.MinJointFde));

        Estimate Mean(Func<DisplacementErrors, double> value) => Intervals.Mean([.. errors.Select(value)], low: 0);
    }

    private static bool SameStarts(PathSet rollouts, int episode, PathSet demonstrations, int demonstration)
    {
        for (var n = 0; n < rollouts.Agents; n++)
        {
            if (!(PathSet.Distance(rollouts.At(episode, n, 0), demonstrations.At(demonstration, n, 0)) <= SameStart))
            {
                return false;
            }
        }

        return true;
    }

    private static double[] AfterStart(PathSet paths, int episode)
    {
        var size = paths.Times * paths.Dimensions;
        return [.. Enumerable.Range(0, paths.Agents).SelectMany(n => paths.Positions.AsSpan((episode * paths.Agents + n) * size, size)[paths.Dimensions..].ToArray())];
    }
}
