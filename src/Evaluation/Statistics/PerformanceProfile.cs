namespace MimicD.Evaluation;

/// <summary>
/// Performance profiles (Agarwal et al. 2021, section 4.2, see <see cref="ScoreTable"/>): the share that scores above a threshold, as a curve over thresholds. A method whose curve
/// lies above another's everywhere is better by any summary; curves that cross say that the summary decides.
/// </summary>
public static class PerformanceProfile
{
    /// <summary>Run-score distribution: share of all runs on all tasks with score &gt; threshold, [K]. Unbiased, and therefore the usual one.</summary>
    /// <param name="scores">[runs, tasks].</param>
    /// <param name="thresholds">[K].</param>
    public static double[] RunScores(ScoreTable scores, IReadOnlyList<double> thresholds)
    {
        ArgumentNullException.ThrowIfNull(scores);
        return Above([.. scores.Values], thresholds);
    }

    /// <summary>
    /// Average-score distribution: share of tasks whose mean over runs is &gt; threshold, [K]. It depends on the number of runs. Put no threshold on a value that a mean can take
    /// exactly: the rounding of the mean would then decide.
    /// </summary>
    /// <param name="scores">[runs, tasks].</param>
    /// <param name="thresholds">[K].</param>
    public static double[] AverageScores(ScoreTable scores, IReadOnlyList<double> thresholds)
    {
        ArgumentNullException.ThrowIfNull(scores);
        return Above(scores.TaskMeans(), thresholds);
    }

    /// <summary>The run-score distribution with its pointwise stratified bootstrap band, [K].</summary>
    /// <param name="scores">[runs, tasks].</param>
    /// <param name="thresholds">[K].</param>
    /// <param name="resampling">Replicates, seed, level.</param>
    public static Estimate[] RunScores(ScoreTable scores, IReadOnlyList<double> thresholds, Resampling resampling)
    {
        ArgumentNullException.ThrowIfNull(resampling);
        return resampling.Intervals(scores, table => RunScores(table, thresholds));
    }

    /// <summary>The average-score distribution with its pointwise stratified bootstrap band, [K].</summary>
    /// <param name="scores">[runs, tasks].</param>
    /// <param name="thresholds">[K].</param>
    /// <param name="resampling">Replicates, seed, level.</param>
    public static Estimate[] AverageScores(ScoreTable scores, IReadOnlyList<double> thresholds, Resampling resampling)
    {
        ArgumentNullException.ThrowIfNull(resampling);
        return resampling.Intervals(scores, table => AverageScores(table, thresholds));
    }

    private static double[] Above(double[] values, IReadOnlyList<double> thresholds)
    {
        ArgumentNullException.ThrowIfNull(thresholds);
        return [.. thresholds.Select(t => (double)values.Count(v => v > t) / values.Length)];
    }
}
