using System.Collections.Concurrent;
using MimicD.Numerics;

namespace MimicD.World.Experts;

/// <summary>
/// Draws demonstrations of a task. Demonstration i depends only on the task, the seed and i, so the set is the same for any number of threads and a longer set begins with the
/// shorter one.
/// </summary>
public static class ExpertGenerator
{
    // Every common mode is suggested by enough places that this many draws never run out; for a very rare mode or a spread of zero they do, and the least unsuitable places serve.
    private const int MaxPlaces = 1000;

    /// <summary>Demonstrations whose modes are drawn from the task's shares.</summary>
    /// <param name="task">What is to be done, and in which modes.</param>
    /// <param name="count">How many; at least 1.</param>
    /// <param name="seed">Key of all draws.</param>
    /// <param name="threads">How many threads work at it; at least 1.</param>
    /// <param name="progress">Told how many are done, from any thread, never backwards.</param>
    /// <param name="cancellation">Stops the work; what is returned then is the set up to the first demonstration that is not done, the same as a smaller count gives.</param>
    /// <exception cref="OperationCanceledException">Cancelled before the first demonstration was done.</exception>
    /// <exception cref="InvalidOperationException">A demonstration could not be found in the allowed number of draws.</exception>
    public static ExpertDemonstrations Generate(
        IExpertTask task, int count, ulong seed, int threads, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(task);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        var modes = new int[count];
        for (int i = 0; i < count; i++)
        {
            modes[i] = DrawMode(task, seed, i);
        }

        return Generate(task, modes, seed, threads, progress, cancellation);
    }

    /// <summary>Demonstrations of given modes.</summary>
    /// <param name="task">What is to be done.</param>
    /// <param name="modes">[M]: the wanted modes, from 1; at least one.</param>
    /// <param name="seed">Key of all draws.</param>
    /// <param name="threads">How many threads work at it; at least 1.</param>
    /// <param name="progress">Told how many are done, from any thread, never backwards.</param>
    /// <param name="cancellation">Stops the work; what is returned then is the set up to the first demonstration that is not done, the same as a smaller count gives.</param>
    /// <exception cref="OperationCanceledException">Cancelled before the first demonstration was done.</exception>
    /// <exception cref="Contracts.InvalidInputException">They are more than can be held and written (<see cref="RunLimits"/>).</exception>
    /// <exception cref="InvalidOperationException">A demonstration could not be found in the allowed number of draws.</exception>
    public static ExpertDemonstrations Generate(
        IExpertTask task, IReadOnlyList<int> modes, ulong seed, int threads, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(task);
        ArgumentNullException.ThrowIfNull(modes);
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        (int agents, int knots) = (task.Nominal.Agents.Count, task.Nominal.Knots);
        int count = modes.Count;
        RunLimits.RequireArray(task.Scenario, "positions", "demonstrations x agents x steps x 2", count, agents, knots, 2);
        int path = agents * knots * 2;
        int controls = agents * (knots - 1) * 2;
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1, nameof(modes));
        var allPositions = new double[count * path];
        var allControls = new double[count * controls];
        var allGoals = new double[count * agents * 2];
        var cost = new (int Redrawn, int Iterations, double Violation)?[count];
        int done = 0;
        Lock gate = new();

        void One(int i)
        {
            (JointDemonstration demonstration, int draws) = Draw(task, modes[i], seed, i, cancellation);
            demonstration.Positions.CopyTo(allPositions.AsSpan(i * path));
            demonstration.Controls.CopyTo(allControls.AsSpan(i * controls));
            demonstration.Goals.CopyTo(allGoals.AsSpan(i * agents * 2));
            lock (gate)
            {
                cost[i] = (draws - 1, demonstration.Iterations, demonstration.Violation);
                progress?.Report(++done);
            }
        }

        try
        {
            // Taken one by one in order, so that little is lost after the first that a cancellation leaves undone.
            var indices = Partitioner.Create(Enumerable.Range(0, count), EnumerablePartitionerOptions.NoBuffering);
            Parallel.ForEach(indices, new ParallelOptions { MaxDegreeOfParallelism = threads, CancellationToken = cancellation }, One);
        }
        catch (AggregateException error) when (!cancellation.IsCancellationRequested)
        {
            // One cause is enough.
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(error.InnerExceptions[0]);
        }
        catch (Exception error) when (error is AggregateException or OperationCanceledException)
        {
            count = Array.IndexOf(cost, null) is var first and >= 0 ? first : count;
            if (count == 0)
            {
                throw new OperationCanceledException(cancellation);
            }

            cost = cost[..count];
            (allPositions, allControls, allGoals) = (allPositions[..(count * path)], allControls[..(count * controls)], allGoals[..(count * agents * 2)]);
        }

        var set = new DemonstrationSet(
            new NdArray<double>([count, agents, knots, 2], allPositions),
            new NdArray<double>([count, agents, knots - 1, 2], allControls),
            [.. modes.Take(count)],
            new DemonstrationMeta { Scenario = task.Scenario, TimeStep = task.Nominal.TimeStep, Seed = seed, Note = "Constraint-optimal unicycle paths, one local optimum per mode." });
        return new ExpertDemonstrations(set, allGoals, cost.Sum(c => c!.Value.Redrawn), cost.Max(c => c!.Value.Violation), cost.Sum(c => (long)c!.Value.Iterations));
    }

    private static int DrawMode(IExpertTask task, ulong seed, int index)
    {
        var random = new CounterRandom(seed, RandomPurpose.Experts, -1, DrawStream, index);
        double at = random.NextDouble() * task.ModeShares.Sum();
        int last = 1;
        for (int mode = 1; mode <= task.ModeShares.Count; mode++)
        {
            if (task.ModeShares[mode - 1] <= 0)
            {
                continue;
            }

            last = mode;
            at -= task.ModeShares[mode - 1];
            if (at < 0)
            {
                break;
            }
        }

        return last;
    }

    private static (JointDemonstration Demonstration, int Draws) Draw(IExpertTask task, int mode, ulong seed, int index, CancellationToken cancellation)
    {
        int size = 2 * task.Nominal.Agents.Count;
        var drawn = new double[2 * size];
        var places = new double[2 * size];
        for (int draw = 0; draw < task.Draws; draw++)
        {
            var random = new CounterRandom(seed, RandomPurpose.Experts, draw, DrawStream, index);
            int least = int.MaxValue;
            for (int tries = 0; least > 0 && tries < MaxPlaces; tries++)
            {
                task.DrawPlaces(ref random, drawn.AsSpan(0, size), drawn.AsSpan(size));
                int misfit = task.Misfit(mode, drawn.AsSpan(0, size), drawn.AsSpan(size));
                if (misfit < least)
                {
                    least = misfit;
                    drawn.CopyTo(places, 0);
                }
            }

            ulong guessSeed = random.NextUInt64();
            JointDemonstration? found = task.Solve(mode, places.AsSpan(0, size), places.AsSpan(size), guessSeed, cancellation);
            if (found is not null)
            {
                return (found, draw + 1);
            }
        }

        throw new InvalidOperationException(
            $"No demonstration of mode {mode} ({task.ModeNames[mode - 1]}) found in {task.Draws} draws for seed {seed}, index {index}.");
    }

    // Address words of the random streams of one demonstration, so that they never share numbers.
    internal const int DrawStream = 0;
    internal const int GuessStream = 1;
}
