using System.Collections.Concurrent;
using MimicD.Numerics;

namespace MimicD.World.Experts;

/// <summary>
/// Draws swap demonstrations. Demonstration i depends only on the options, the seed and i, so the set is the same for any number of threads and a longer set begins with the
/// shorter one.
/// </summary>
public static class ExpertGenerator
{
    /// <summary>The scenario that the demonstrations belong to.</summary>
    public const string ScenarioName = "swap";

    // Every mode is suggested by at least an eighth of all places, so this many draws never run out; with a spread of zero they do, and any place serves.
    private const int MaxPlaces = 1000;

    /// <summary>Demonstrations whose modes are drawn from the options' shares.</summary>
    /// <param name="options">Geometry, limits, weights, shares.</param>
    /// <param name="count">How many; at least 1.</param>
    /// <param name="seed">Key of all draws.</param>
    /// <param name="threads">How many threads work at it; at least 1.</param>
    /// <param name="progress">Told how many are done, from any thread, never backwards.</param>
    /// <param name="cancellation">Stops the work; what is returned then is the set up to the first demonstration that is not done, the same as a smaller count gives.</param>
    /// <exception cref="OperationCanceledException">Cancelled before the first demonstration was done.</exception>
    /// <exception cref="InvalidOperationException">A demonstration could not be found in the allowed number of draws.</exception>
    public static ExpertDemonstrations Generate(
        SwapExpertOptions options, int count, ulong seed, int threads, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        options.Validate();
        var modes = new int[count];
        for (int i = 0; i < count; i++)
        {
            modes[i] = DrawMode(options, seed, i);
        }

        return Generate(options, modes, seed, threads, progress, cancellation);
    }

    /// <summary>Demonstrations of given modes.</summary>
    /// <param name="options">Geometry, limits, weights.</param>
    /// <param name="modes">[M]: the wanted modes, 1..6; at least one.</param>
    /// <param name="seed">Key of all draws.</param>
    /// <param name="threads">How many threads work at it; at least 1.</param>
    /// <param name="progress">Told how many are done, from any thread, never backwards.</param>
    /// <param name="cancellation">Stops the work; what is returned then is the set up to the first demonstration that is not done, the same as a smaller count gives.</param>
    /// <exception cref="OperationCanceledException">Cancelled before the first demonstration was done.</exception>
    /// <exception cref="InvalidOperationException">A demonstration could not be found in the allowed number of draws.</exception>
    public static ExpertDemonstrations Generate(
        SwapExpertOptions options, IReadOnlyList<int> modes, ulong seed, int threads, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(modes);
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        var expert = new SwapExpert(options);
        int count = modes.Count;
        int path = SwapExpert.Agents * options.Knots * 2;
        int controls = SwapExpert.Agents * (options.Knots - 1) * 2;
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1, nameof(modes));
        var allPositions = new double[count * path];
        var allControls = new double[count * controls];
        var allGoals = new double[count * SwapExpert.Agents * 2];
        var cost = new (int Redrawn, int Iterations, double Violation)?[count];
        int done = 0;
        Lock gate = new();

        void One(int i)
        {
            (JointDemonstration demonstration, int draws) = Draw(expert, options, modes[i], seed, i, cancellation);
            demonstration.Positions.CopyTo(allPositions.AsSpan(i * path));
            demonstration.Controls.CopyTo(allControls.AsSpan(i * controls));
            demonstration.Goals.CopyTo(allGoals.AsSpan(i * SwapExpert.Agents * 2));
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
            (allPositions, allControls, allGoals) = (allPositions[..(count * path)], allControls[..(count * controls)], allGoals[..(count * SwapExpert.Agents * 2)]);
        }

        var set = new DemonstrationSet(
            new NdArray<double>([count, SwapExpert.Agents, options.Knots, 2], allPositions),
            new NdArray<double>([count, SwapExpert.Agents, options.Knots - 1, 2], allControls),
            [.. modes.Take(count)],
            new DemonstrationMeta { Scenario = ScenarioName, TimeStep = options.TimeStep, Seed = seed, Note = "Constraint-optimal unicycle paths, one local optimum per mode." });
        return new ExpertDemonstrations(set, allGoals, cost.Sum(c => c!.Value.Redrawn), cost.Max(c => c!.Value.Violation), cost.Sum(c => (long)c!.Value.Iterations));
    }

    private static int DrawMode(SwapExpertOptions options, ulong seed, int index)
    {
        var random = new CounterRandom(seed, RandomPurpose.Experts, -1, SwapExpert.DrawStream, index);
        double at = random.NextDouble() * options.ModeShares.Sum();
        for (int mode = 1; mode < SwapModes.Count; mode++)
        {
            at -= options.ModeShares[mode - 1];
            if (at < 0)
            {
                return mode;
            }
        }

        return SwapModes.Count;
    }

    private static (JointDemonstration Demonstration, int Draws) Draw(
        SwapExpert expert, SwapExpertOptions options, int mode, ulong seed, int index, CancellationToken cancellation)
    {
        Span<double> starts = stackalloc double[2 * SwapExpert.Agents];
        Span<double> goals = stackalloc double[2 * SwapExpert.Agents];
        for (int draw = 0; draw < options.Draws; draw++)
        {
            var random = new CounterRandom(seed, RandomPurpose.Experts, draw, SwapExpert.DrawStream, index);
            int tries = 0;
            do
            {
                for (int a = 0; a < SwapExpert.Agents; a++)
                {
                    starts[2 * a] = (a == 0 ? 0 : options.Span) + random.NextUniform(-options.Spread, options.Spread);
                    starts[(2 * a) + 1] = random.NextUniform(-options.Spread, options.Spread);
                    goals[2 * a] = (a == 0 ? options.Span : 0) + random.NextUniform(-options.Spread, options.Spread);
                    goals[(2 * a) + 1] = random.NextUniform(-options.Spread, options.Spread);
                }
            }
            while (options.ModeLaw != ModeLaw.Independent && ++tries < MaxPlaces && SwapModes.Suggested(starts, options.ModeLaw == ModeLaw.Places ? goals : starts) != mode);

            ulong guessSeed = random.NextUInt64();
            JointDemonstration? found = expert.Solve(mode, starts, goals, guessSeed, cancellation);
            if (found is not null)
            {
                return (found, draw + 1);
            }
        }

        throw new InvalidOperationException(
            $"No demonstration of mode {mode} ({SwapModes.Names[mode - 1]}) found in {options.Draws} draws for seed {seed}, index {index}.");
    }
}
