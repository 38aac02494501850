namespace MimicD.Evaluation;

/// <summary>
/// Scores of one method, [runs, tasks]: one number (a success rate, a normalised return) for each run, which is a training seed, on each task. The
/// unit of Agarwal, Schwarzer, Castro, Courville, Bellemare 2021, "Deep reinforcement learning at the edge of the statistical precipice" (NeurIPS), and of its library rliable.
/// </summary>
public sealed class ScoreTable
{
    private readonly double[] _values;

    /// <summary>Takes the scores as they are.</summary>
    /// <param name="runs">At least 1.</param>
    /// <param name="tasks">At least 1.</param>
    /// <param name="values">[runs, tasks], all finite; copied.</param>
    /// <exception cref="ArgumentException">The sizes do not fit or a score is not finite.</exception>
    public ScoreTable(int runs, int tasks, IReadOnlyList<double> values)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(runs);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tasks);
        ArgumentNullException.ThrowIfNull(values);
        if (values.Count != (long)runs * tasks)
        {
            throw new ArgumentException($"{runs} runs on {tasks} tasks have {(long)runs * tasks} scores, not {values.Count}", nameof(values));
        }

        (Runs, Tasks, _values) = (runs, tasks, [.. values]);
        if (Array.FindIndex(_values, v => !double.IsFinite(v)) is var at and >= 0)
        {
            throw new ArgumentException($"the score of run {at / tasks} on task {at % tasks} is {_values[at]}, not a finite number", nameof(values));
        }
    }

    private ScoreTable(double[] values, int runs, int tasks) => (Runs, Tasks, _values) = (runs, tasks, values);

    /// <summary>Runs, N.</summary>
    public int Runs { get; }

    /// <summary>Tasks, M.</summary>
    public int Tasks { get; }

    /// <summary>[runs, tasks].</summary>
    public ReadOnlySpan<double> Values => _values;

    /// <summary>One score.</summary>
    public double this[int run, int task] => _values[run * Tasks + task];

    /// <summary>All scores on one task, [runs].</summary>
    public double[] OfTask(int task)
    {
        var scores = new double[Runs];
        for (var run = 0; run < Runs; run++)
        {
            scores[run] = this[run, task];
        }

        return scores;
    }

    /// <summary>Mean score over runs on each task, [tasks].</summary>
    public double[] TaskMeans()
    {
        var means = new double[Tasks];
        for (var i = 0; i < _values.Length; i++)
        {
            means[i % Tasks] += _values[i];
        }

        for (var task = 0; task < Tasks; task++)
        {
            means[task] /= Runs;
        }

        return means;
    }

    /// <summary>The table that a resample picks from this one.</summary>
    /// <exception cref="ArgumentException">The resample is for a table of another shape.</exception>
    public ScoreTable Take(Resample resample)
    {
        ArgumentNullException.ThrowIfNull(resample);
        if (resample.Runs.Length != _values.Length || resample.Tasks is { } t && t.Length != Tasks)
        {
            throw new ArgumentException("the resample is for a table of another shape", nameof(resample));
        }

        var taken = new double[_values.Length];
        for (var i = 0; i < taken.Length; i++)
        {
            var task = i % Tasks;
            taken[i] = this[resample.Runs[i], resample.Tasks is { } tasks ? tasks[task] : task];
        }

        return new ScoreTable(taken, Runs, Tasks);
    }
}

/// <summary>Which scores a bootstrap replicate takes: score [n, m] of the replicate is score [Runs[n, m], Tasks[m]] of the data.</summary>
/// <param name="Runs">[runs, tasks], drawn with replacement within each task.</param>
/// <param name="Tasks">[tasks], drawn with replacement; null when the tasks stay as they are.</param>
public sealed record Resample(int[] Runs, int[]? Tasks);
