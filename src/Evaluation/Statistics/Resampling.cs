using MimicD.Numerics;

namespace MimicD.Evaluation;

/// <summary>
/// How a bootstrap resamples. Every draw is a pure function of (seed, replicate, stratum, sample), so that a replicate can be made again alone, in any order,
/// and handed to another program (<see cref="Draw"/>).
/// </summary>
public sealed record Resampling
{
    /// <summary>The address of a draw over the strata themselves (the tasks, the training seeds).</summary>
    public const int OverStrata = -1;

    /// <summary>Bootstrap replicates; 2,000 gives a 95 % interval whose ends wander by about 3 % of its half width.</summary>
    public int Replicates
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(value);
            field = value;
        }
    } = 2000;

    /// <summary>Seed.</summary>
    public ulong Seed { get; init; }

    /// <summary>Coverage that percentile intervals aim at, in (0, 1).</summary>
    public double Level { get; init; } = 0.95;

    /// <summary>
    /// Whether the tasks are drawn with replacement as well. Without, the interval says what other training seeds would give on these tasks; with it, what other tasks of the
    /// same population would give. The latter needs many tasks.
    /// </summary>
    public bool ResampleTasks { get; init; }

    /// <summary><paramref name="count"/> numbers from 0 to <paramref name="count"/>-1, drawn with replacement.</summary>
    /// <param name="replicate">Replicate.</param>
    /// <param name="stratum">What the draw is within: a task, a training seed, or <see cref="OverStrata"/>.</param>
    /// <param name="count">Cases in the stratum.</param>
    /// <param name="sample">Which of several independent samples.</param>
    public int[] Indices(int replicate, int stratum, int count, int sample = 0)
    {
        var random = new CounterRandom(Seed, RandomPurpose.Resampling, replicate, stratum, sample);
        var indices = new int[count];
        for (var i = 0; i < count; i++)
        {
            indices[i] = random.NextInt32(count);
        }

        return indices;
    }

    /// <summary>One replicate of a table of scores: runs drawn within each task (stratified by task), and the tasks too when <see cref="ResampleTasks"/>.</summary>
    /// <param name="replicate">0 to <see cref="Replicates"/>-1.</param>
    /// <param name="runs">Runs of the table.</param>
    /// <param name="tasks">Tasks of the table.</param>
    /// <param name="sample">0, or 1 for the second of two tables that are drawn independently.</param>
    public Resample Draw(int replicate, int runs, int tasks, int sample = 0)
    {
        var chosen = new int[runs * tasks];
        for (var task = 0; task < tasks; task++)
        {
            var indices = Indices(replicate, task, runs, sample);
            for (var run = 0; run < runs; run++)
            {
                chosen[run * tasks + task] = indices[run];
            }
        }

        return new Resample(chosen, ResampleTasks ? Indices(replicate, OverStrata, tasks, sample) : null);
    }

    /// <summary>
    /// Percentile interval (Efron 1979, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7): the quantiles (1 - level)/2 and (1 + level)/2 of
    /// the replicates, linear between order statistics. It need not contain the estimate.
    /// </summary>
    /// <param name="value">The statistic of the data.</param>
    /// <param name="replicates">The statistic of each replicate, at least one; sorted in place.</param>
    public Estimate Percentiles(double value, Span<double> replicates)
    {
        var tail = Quantiles.Tail(Level);
        replicates.Sort();
        return new Estimate(value, Quantiles.Linear(replicates, tail), Quantiles.Linear(replicates, 1 - tail));
    }

    /// <summary>Stratified bootstrap interval of a number (Agarwal et al. 2021, section 4.1). With few runs and few tasks it is too narrow, see <see cref="SeedMeans"/>; where there is one of what is drawn it is not known.</summary>
    /// <param name="scores">[runs, tasks].</param>
    /// <param name="statistic">A pure function of a table of that shape, such as <see cref="Aggregates.InterquartileMean"/>.</param>
    public Estimate Interval(ScoreTable scores, Func<ScoreTable, double> statistic)
    {
        ArgumentNullException.ThrowIfNull(statistic);
        return Intervals(scores, table => [statistic(table)])[0];
    }

    /// <summary>Stratified bootstrap intervals of several numbers on common replicates, pointwise.</summary>
    /// <param name="scores">[runs, tasks].</param>
    /// <param name="statistic">A pure function of a table of that shape, always of the same number of values [K].</param>
    /// <returns>[K]; of one run a task, where tasks are not drawn either, nothing varies: the ends are NaN.</returns>
    public Estimate[] Intervals(ScoreTable scores, Func<ScoreTable, double[]> statistic)
    {
        ArgumentNullException.ThrowIfNull(scores);
        ArgumentNullException.ThrowIfNull(statistic);
        // A single run would be drawn again and again, and the interval would have no width.
        return Varies(scores) ? Collect(statistic(scores), replicate => statistic(scores.Take(Draw(replicate, scores.Runs, scores.Tasks)))) : [.. statistic(scores).Select(Estimate.Unknown)];
    }

    /// <summary>Bootstrap interval of a number that two independent tables give, such as <see cref="Aggregates.ProbabilityOfImprovement"/>; each is resampled on its own.</summary>
    /// <param name="first">[runs, tasks].</param>
    /// <param name="second">[runs, tasks]; its number of runs may differ.</param>
    /// <param name="statistic">A pure function of both.</param>
    /// <exception cref="ArgumentException"><see cref="ResampleTasks"/> is set: the tasks of both tables are the same ones and cannot be drawn independently.</exception>
    public Estimate Interval(ScoreTable first, ScoreTable second, Func<ScoreTable, ScoreTable, double> statistic)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        ArgumentNullException.ThrowIfNull(statistic);
        if (ResampleTasks)
        {
            throw new ArgumentException("tasks are not resampled where two methods are compared on them", nameof(statistic));
        }

        return !Varies(first) || !Varies(second) ? Estimate.Unknown(statistic(first, second)) : Collect([statistic(first, second)], r => [statistic(first.Take(Draw(r, first.Runs, first.Tasks)), second.Take(Draw(r, second.Runs, second.Tasks, sample: 1)))])[0];
    }

    private bool Varies(ScoreTable scores) => scores.Runs > 1 || (ResampleTasks && scores.Tasks > 1);

    /// <summary>Percentile intervals of anything that can be computed again for a replicate.</summary>
    /// <param name="values">The statistics of the data, [K].</param>
    /// <param name="replicate">The same statistics of replicate 0, 1, ..., [K].</param>
    /// <returns>[K].</returns>
    public Estimate[] Collect(double[] values, Func<int, double[]> replicate)
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentNullException.ThrowIfNull(replicate);
        var columns = Array.ConvertAll(values, _ => new double[Replicates]);
        for (var r = 0; r < Replicates; r++)
        {
            var row = replicate(r);
            for (var k = 0; k < columns.Length; k++)
            {
                columns[k][r] = row[k];
            }
        }

        return [.. values.Select((value, k) => Percentiles(value, columns[k]))];
    }
}
