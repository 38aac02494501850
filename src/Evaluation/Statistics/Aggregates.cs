namespace MimicD.Evaluation;

/// <summary>What a table of scores comes to, by the definitions of Agarwal et al. 2021 (see <see cref="ScoreTable"/>). Intervals: <see cref="Resampling"/>.</summary>
public static class Aggregates
{
    /// <summary>
    /// Interquartile mean: mean of the middle half of all runs on all tasks taken together; of n scores the int(n/4) smallest and largest are left out (SciPy's
    /// <c>trim_mean</c> with 0.25). Hardly moved by an outlier, and with less variance than the median.
    /// </summary>
    /// <param name="scores">[runs, tasks].</param>
    public static double InterquartileMean(ScoreTable scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        double[] sorted = [.. scores.Values];
        Array.Sort(sorted);
        var cut = sorted.Length / 4;
        return sorted.AsSpan(cut..^cut).ToArray().Average();
    }

    /// <summary>Mean over tasks of the mean over runs.</summary>
    /// <param name="scores">[runs, tasks].</param>
    public static double Mean(ScoreTable scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        return scores.TaskMeans().Average();
    }

    /// <summary>Median over tasks of the mean over runs; of an even number of tasks the mean of the middle two.</summary>
    /// <param name="scores">[runs, tasks].</param>
    public static double Median(ScoreTable scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        var means = scores.TaskMeans();
        Array.Sort(means);
        return (means[(means.Length - 1) / 2] + means[means.Length / 2]) / 2;
    }

    /// <summary>Optimality gap: by how much scores stay below a wanted one on average, target - mean(min(score, target)); what lies above the target does not make up for it.</summary>
    /// <param name="scores">[runs, tasks].</param>
    /// <param name="target">The wanted score; 1 for normalised scores and rates.</param>
    public static double OptimalityGap(ScoreTable scores, double target = 1)
    {
        ArgumentNullException.ThrowIfNull(scores);
        var sum = 0.0;
        foreach (var score in scores.Values)
        {
            sum += Math.Min(score, target);
        }

        return target - sum / scores.Values.Length;
    }

    /// <summary>
    /// Probability that a run of the first method scores higher than a run of the second on a task taken at random: the mean over tasks of U / (N K), U the statistic of Mann
    /// and Whitney (1947, "On a test of whether one of two random variables is stochastically larger than the other"), ties counted half. 0.5 tells nothing apart.
    /// </summary>
    /// <param name="first">[N runs, tasks].</param>
    /// <param name="second">[K runs, tasks], the same tasks.</param>
    /// <exception cref="ArgumentException">The numbers of tasks differ.</exception>
    public static double ProbabilityOfImprovement(ScoreTable first, ScoreTable second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        if (first.Tasks != second.Tasks)
        {
            throw new ArgumentException($"scores on {first.Tasks} and on {second.Tasks} tasks do not compare", nameof(second));
        }

        var sum = 0.0;
        for (var task = 0; task < first.Tasks; task++)
        {
            sum += TwiceU(first.OfTask(task), second.OfTask(task)) / (2.0 * first.Runs * second.Runs);
        }

        return sum / first.Tasks;
    }

    // Twice the statistic, so that ties keep it whole.
    private static long TwiceU(double[] first, double[] second)
    {
        Array.Sort(first);
        Array.Sort(second);
        var (twice, below, atMost) = (0L, 0, 0);
        foreach (var score in first)
        {
            while (below < second.Length && second[below] < score)
            {
                below++;
            }

            while (atMost < second.Length && second[atMost] <= score)
            {
                atMost++;
            }

            twice += below + atMost;
        }

        return twice;
    }
}
