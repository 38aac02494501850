using System.Globalization;
using System.Text.RegularExpressions;

namespace MimicD.Evaluation.Sweeps;

/// <summary>How far a sweep is.</summary>
/// <param name="Episodes">Episodes on the disk, of the cells that were not finished before.</param>
/// <param name="EpisodesInAll">Episodes of those cells.</param>
/// <param name="Cells">Cells that came to an end.</param>
/// <param name="CellsInAll">Cells that were not finished before.</param>
/// <param name="TrainingsLeft">Models that are yet to be trained, or being trained.</param>
/// <param name="Left">Time left at the speed so far, or null while it is not known.</param>
public sealed record SweepProgress(int Episodes, int EpisodesInAll, int Cells, int CellsInAll, int TrainingsLeft, TimeSpan? Left);

/// <summary>
/// Knows how far a sweep is and guesses how long it still takes: by seconds a training step and seconds a unit of simulation, the unit being a network call of one
/// agent (a tenth of one for the rest of a tick), both as measured in this run, over all threads (of nodes, where blocks are computed there).
/// </summary>
internal sealed partial class SweepClock
{
    private const double TickCost = 0.1;

    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly int _threads;
    private readonly Func<int> _blocks;
    private readonly IProgress<SweepProgress>? _progress;
    private readonly CellWork[] _cells;
    private readonly TrainingWork[] _trainings;
    private readonly Dictionary<TrainingWork, (int FirstStep, long FirstTime, int Step, long Time)> _steps = [];
    private double _units;
    private double _seconds;

    /// <summary>Begins.</summary>
    /// <param name="time">The clock.</param>
    /// <param name="threads">Trainings at one time.</param>
    /// <param name="blocks">Blocks at one time, now; at least 1.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cells">What is to be computed.</param>
    /// <param name="trainings">What is to be trained for it.</param>
    public SweepClock(TimeProvider time, int threads, Func<int> blocks, IProgress<SweepProgress>? progress, CellWork[] cells, IEnumerable<TrainingWork> trainings)
        => (_time, _threads, _blocks, _progress, _cells, _trainings) = (time, threads, blocks, progress, cells, [.. trainings]);

    /// <summary>A line of a training's progress: <c>train: 800 of 8000 steps, ...</c>.</summary>
    public void Training(TrainingWork work, string line)
    {
        if (StepLine().Match(line) is not { Success: true } match || !int.TryParse(match.Groups["step"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var step))
        {
            return;
        }

        lock (_gate)
        {
            var now = _time.GetTimestamp();
            _steps[work] = _steps.TryGetValue(work, out var known) ? (known.FirstStep, known.FirstTime, step, now) : (step, now, step, now);
        }

        Report();
    }

    /// <summary>A block is on the disk.</summary>
    public void Simulated(CellWork work, int block, double seconds)
    {
        lock (_gate)
        {
            _units += Units(work.Cell, block);
            _seconds += seconds;
        }
    }

    /// <summary>Tells how far it is.</summary>
    public void Report()
    {
        if (_progress is null)
        {
            return;
        }

        lock (_gate)
        {
            var (episodes, finished) = (0, 0);
            foreach (var cell in _cells)
            {
                finished += cell.Finished ? 1 : 0;
                episodes += cell.Blocks.Index().Where(b => cell.Finished || b.Item == BlockState.Done || b.Index >= cell.Needed).Sum(b => cell.Cell.BlockEpisodes[b.Index]);
            }

            var trainings = _trainings.Count(t => t.State is TrainingState.New or TrainingState.Running);
            _progress.Report(new SweepProgress(episodes, _cells.Sum(c => c.Cell.Episodes), finished, _cells.Length, trainings, Left()));
        }
    }

    private static double Units(SweepCell cell, int block)
    {
        var calls = cell.Sampling is { } s ? (double)s.Steps * (s.Solver == Contracts.OdeSolver.Heun ? 2 : 1) / s.Execute : 0;
        return (double)cell.BlockEpisodes[block] * cell.Scenario.Agents * (cell.Scenario.Steps - 1) * (TickCost + calls);
    }

    private TimeSpan? Left()
    {
        var units = _cells.Where(c => !c.Finished).Sum(c => c.Blocks.Take(c.Needed).Index().Where(b => b.Item != BlockState.Done).Sum(b => Units(c.Cell, b.Index)));
        var unfinished = _trainings.Where(t => t.State is TrainingState.New or TrainingState.Running).ToArray();
        var steps = unfinished.Sum(t => (long)t.Training.Steps - (_steps.TryGetValue(t, out var s) ? s.Step : 0));
        var (stepSeconds, stepCount) = (0.0, 0L);
        foreach (var (firstStep, firstTime, step, time) in _steps.Values)
        {
            stepSeconds += _time.GetElapsedTime(firstTime, time).TotalSeconds;
            stepCount += step - firstStep;
        }

        if ((units > 0 && _units == 0) || (steps > 0 && stepCount == 0))
        {
            return null;
        }

        var seconds = (units > 0 ? units * _seconds / _units / _blocks() : 0) + (steps > 0 ? steps * stepSeconds / stepCount / _threads : 0);
        return TimeSpan.FromSeconds(Math.Min(seconds, 1e8));
    }

    [GeneratedRegex("^train: (?<step>[0-9]+) of [0-9]+ steps", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex StepLine();
}
