using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World;

/// <summary>How a simulation is run.</summary>
public sealed record SimulationOptions
{
    /// <summary>The run's seed. Default: 0.</summary>
    public ulong Seed { get; init; }

    /// <summary>Episodes that advance side by side (E), at least 1. Default: 1.</summary>
    public int Episodes { get; init; } = 1;

    /// <summary>How agents sample and execute plans; handed to the host unread.</summary>
    public SamplingSpec Sampling { get; init; } = new();

    /// <summary>What each agent senses and how it samples, N of them; null: all sense and sample alike.</summary>
    public IReadOnlyList<AgentSlot>? Slots { get; init; }

    /// <summary>Bodies that the world moves along recorded paths. Default: none.</summary>
    public IReadOnlyList<Replay> Replays { get; init; } = [];

    /// <summary>Starts [E,N,D] [m], or null to draw them by the scenario's law.</summary>
    public NdArray<double>? Starts { get; init; }

    /// <summary>Goals [E,N,D] [m], or null to draw them by the scenario's law.</summary>
    public NdArray<double>? Goals { get; init; }

    /// <summary>Threads that build observations. Results do not depend on it. Default: all.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>Where the run goes on from, or null for its beginning. All other options are those it began with, but for what <see cref="SimulatedWorld.Restore"/> allows.</summary>
    public RunSnapshot? From { get; init; }

    /// <summary>The tick at which to stop, or null for the last.</summary>
    public int? Until { get; init; }

    /// <summary>Takes the run's snapshots; null: none are made. The world waits while it is called.</summary>
    public Action<RunSnapshot>? Snapshot { get; init; }

    /// <summary>A snapshot is made where the run begins and at each tick that this divides, the last excepted; 0: at <see cref="Until"/> alone. Default: 0.</summary>
    public int SnapshotEvery { get; init; }

    /// <summary>The file of the run's event log, or null.</summary>
    public string? Log { get; init; }

    /// <summary>Whether that file is there and gone on with, because the run is. Default: false.</summary>
    public bool LogGoesOn { get; init; }

    /// <summary>The clock of real-time pacing and of the measured duration. Default: the system's.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>One agent of a run whose agents differ.</summary>
/// <param name="Sensor">The layout of its observations.</param>
/// <param name="Sampling">How its plans are sampled and executed.</param>
public sealed record AgentSlot(SensorSpec Sensor, SamplingSpec Sampling);

/// <summary>How far a simulation is.</summary>
/// <param name="TicksDone">Ticks applied.</param>
/// <param name="Ticks">Ticks in all.</param>
/// <param name="AgentSteps">Ticks applied times agents of all episodes.</param>
/// <param name="Elapsed">Time since the first tick was opened.</param>
public readonly record struct SimulationProgress(int TicksDone, int Ticks, long AgentSteps, TimeSpan Elapsed);

/// <summary>
/// What a simulation gave. All episodes advance side by side, so a run that was cancelled is cut at the same step in all of them.
/// </summary>
/// <param name="Positions">True positions [E,N,S+1,D] [m] with S = <paramref name="StepsDone"/>; step 0 is the start.</param>
/// <param name="Actions">Actions [E,N,S,A]; where the fallback stood in, what it amounted to.</param>
/// <param name="Starts">Starts [E,N,D] [m].</param>
/// <param name="Goals">Goals [E,N,D] [m].</param>
/// <param name="StepsDone">Ticks applied (S).</param>
/// <param name="Completed">Whether the run came to its end; false where it was cancelled.</param>
/// <param name="Counts">What the world counted.</param>
/// <param name="Host">What the host counted.</param>
/// <param name="WallSeconds">Seconds from the first tick to the last.</param>
public sealed record SimulationResult(
    NdArray<float> Positions, NdArray<float> Actions, NdArray<double> Starts, NdArray<double> Goals,
    int StepsDone, bool Completed, WorldCounts Counts, AgentHostReport Host, double WallSeconds)
{
    /// <summary>
    /// SHA-256, hexadecimal, over the shape (int32) and the float bits of <see cref="Positions"/>, little-endian. Equal for equal scenario, model and
    /// seed, for any number of threads and any host, on the same processor architecture with the same math library.
    /// </summary>
    public string TrajectoryHash { get; } = Rollouts.Hash(Positions);

    /// <summary>Actions of each episode that the fallback stood in for, [E]; null where the run went on from a snapshot that does not say.</summary>
    public int[]? Replaced { get; init; }

    /// <summary>The arrays, to be saved or measured.</summary>
    public Rollouts ToRollouts() => new(Positions, Actions, Starts, Goals) { Replaced = Replaced };

    /// <summary>Writes the arrays (<see cref="Rollouts.Save"/>).</summary>
    public void SaveRollouts(string path) => ToRollouts().Save(path);
}

/// <summary>Runs agents in a simulated world.</summary>
public static class Simulation
{
    /// <summary>Opens the host with the agents of the run, runs all episodes side by side, and gathers what happened. The host stays open; it is the caller's.</summary>
    /// <param name="scenario">What is simulated.</param>
    /// <param name="sensor">The layout of the observations.</param>
    /// <param name="options">Seed, episodes and the like.</param>
    /// <param name="host">Where the agents live.</param>
    /// <param name="progress">Told after every tick, on the world's thread; must return at once.</param>
    /// <param name="cancellationToken">Stops at a tick boundary; the result keeps what is done. (While the host is still opening there is nothing to keep, and the cancellation is thrown.)</param>
    /// <exception cref="InvalidInputException">The sensor does not fit the scenario, or an option is out of range.</exception>
    public static async Task<SimulationResult> RunAsync(
        Scenario scenario, SensorSpec sensor, SimulationOptions options, IAgentHost host, IProgress<SimulationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(sensor);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(host);
        InvalidInputException.Require(options.Threads >= 1, scenario.Name, "threads", "at least 1", options.Threads);
        InvalidInputException.Require(options.Slots is null || options.Slots.Count == scenario.Agents, scenario.Name, "slots", $"{scenario.Agents}, one an agent", options.Slots?.Count);
        var size = RunLimits.SizeOf(scenario, sensor, options);
        RunLimits.Require(size with { HoldsObservations = size.HoldsObservations || !host.IsConcurrent }, scenario.Name);
        var sensors = options.Slots is null ? [sensor] : options.Slots.Select(s => s.Sensor).ToArray();
        var world = new SimulatedWorld(scenario, sensors, options.Seed, options.Episodes, options.Starts, options.Goals, options.Replays);
        if (options.From is { } from)
        {
            world.Restore(from.World, from.Where);
            host = new ResumedHost(host, from.Host);
        }

        var run = new RunSpec(options.Seed, options.Episodes, scenario.Agents, world.FrameSize, world.ActionSize, options.Sampling);
        if (options.Slots is not null || options.Replays.Count > 0)
        {
            run = run with
            {
                Slots = [.. Enumerable.Range(0, scenario.Agents).Select(a => world.IsReplayed(a) ? null : new SlotSpec(world.FrameSizeOf(a), options.Slots?[a].Sampling ?? options.Sampling))],
            };
        }

        using var log = options.Log is null ? null : options.LogGoesOn ? EventLog.GoOn(options.Log, world) : EventLog.Create(options.Log, world);
        var windows = options.Snapshot is null && options.From is null ? null : new ObservationWindows(world.Bodies, world.FrameSize, WindowTicks(world, run));
        var actor = new WorldActor(world, host, options.Time, options.Threads, options.From?.Counts, windows, log);
        await host.OpenAsync(run, actor, cancellationToken).ConfigureAwait(false);
        if (options.From is { } past)
        {
            Recall(past, world, host, windows!);
        }

        var started = options.Time.GetTimestamp();
        double Seconds() => (options.From?.WallSeconds ?? 0) + options.Time.GetElapsedTime(started).TotalSeconds;
        void Closed(int done)
        {
            if (options.Snapshot is not null && (done == options.Until || (options.SnapshotEvery > 0 && done % options.SnapshotEvery == 0)) && !world.IsDone)
            {
                log?.Flush();
                options.Snapshot(Take(world, actor, host, windows!, Seconds()));
            }

            progress?.Report(new SimulationProgress(done, scenario.Steps - 1, (long)done * world.Bodies, options.Time.GetElapsedTime(started)));
        }

        if (options.Snapshot is not null && options.SnapshotEvery > 0)
        {
            options.Snapshot(Take(world, actor, host, windows!, Seconds()));
        }

        var completed = await actor.RunAsync(options.Until, Closed, cancellationToken).ConfigureAwait(false);
        var seconds = Seconds();
        if (completed)
        {
            log?.End(Rollouts.Hash(world.Positions()));
        }

        int[] shape = [options.Episodes, scenario.Agents, scenario.Dimensions];
        return new SimulationResult(
            world.Positions(), world.Actions(), new NdArray<double>(shape, world.Starts), new NdArray<double>(shape, world.Goals),
            world.Tick, completed, actor.Counts, host.Report, seconds) { Replaced = world.Replaced() };
    }

    /// <summary>As many ticks as the agent with the longest memory needs to be built again.</summary>
    private static int WindowTicks(SimulatedWorld world, RunSpec run)
        => Enumerable.Range(0, world.Scenario.Agents).Max(a => run.Slot(new AgentId(a)) is { } slot ? world.SensorOf(a).History + slot.Sampling.Block - 1 : 1);

    /// <summary>Tells agents what they observed before, and keeps it for the next snapshot.</summary>
    private static void Recall(RunSnapshot from, SimulatedWorld world, IAgentHost host, ObservationWindows windows)
    {
        var (agents, size) = (world.Scenario.Agents, world.Bodies * world.FrameSize);
        int[] shape = [from.WindowTicks.Length, world.Bodies, world.FrameSize];
        InvalidInputException.Require(from.Window.Shape.AsSpan().SequenceEqual(shape), from.Where, "window", $"shape ({string.Join(", ", shape)})", from.Window.ShapeText);
        foreach (var (i, tick) in from.WindowTicks.Index())
        {
            windows.Record(new Tick(tick), from.Window.Data.AsSpan(i * size, size));
        }

        for (var i = 0; i < windows.Count; i++)
        {
            for (var body = 0; body < world.Bodies; body++)
            {
                var agent = body % agents;
                if (!world.IsReplayed(agent))
                {
                    host.Recall(new Observation(new EpisodeId(body / agents), new AgentId(agent), windows.Tick(i), windows.Frame(i, body, world.FrameSizeOf(agent))));
                }
            }
        }
    }

    private static RunSnapshot Take(SimulatedWorld world, WorldActor actor, IAgentHost host, ObservationWindows windows, double seconds)
    {
        var (ticks, frames) = windows.Copy();
        return new RunSnapshot(world.Capture(), actor.Counts, host.Report, ticks, frames, seconds);
    }
}
