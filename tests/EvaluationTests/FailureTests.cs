using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Tests;
using MimicD.World;

namespace MimicD.EvaluationTests;

/// <summary>Whatever throws while a tick is open ends a lockstep run, or is answered by a fallback; the run never waits for an action that nobody will send.</summary>
public sealed class FailureTests
{
    private static readonly Scenario Ring = Scenario.Load(Path.Combine(RepositoryRoot.Folder, "scenarios", "ring.json")).WithAgents(6).WithSteps(8);

    private const int Episodes = 2;

    public enum Place
    {
        Factory,
        FactoryAgain,
        Together,
        TogetherLater,
        Plan,
        Plans,
        PlanOutOfMemory,
        PlansOutOfMemory,
        Projection,
        ModeShares,
        Message,
    }

    [Theory]
    [InlineData(Place.Factory, true)]
    [InlineData(Place.FactoryAgain, false)]
    [InlineData(Place.Together, true)]
    [InlineData(Place.TogetherLater, true)]
    [InlineData(Place.Plan, false)]
    [InlineData(Place.Plans, false)]
    [InlineData(Place.PlanOutOfMemory, true)]
    [InlineData(Place.PlansOutOfMemory, true)]
    [InlineData(Place.Projection, false)]
    [InlineData(Place.ModeShares, true)]
    [InlineData(Place.Message, true)]
    public async Task A_policy_that_throws_ends_the_run_or_is_answered_by_a_fallback(Place place, bool ends)
    {
        foreach (var threads in new[] { 1, 3 })
        {
            var made = 0;
            var shared = new Throwing(place, throws: true);
            IPolicy Make(AgentId id)
            {
                var again = Interlocked.Increment(ref made) > Episodes * Ring.Agents;
                return (place == Place.Factory && id.Value == 3) || (place == Place.FactoryAgain && again) ? throw new InvalidOperationException("from the factory")
                    : place is Place.Plans or Place.PlansOutOfMemory ? shared
                    : new Throwing(place, id.Value == 3);
            }

            await ThrowsAsync(new LocalHost(Make, threads), ends);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public async Task A_sink_that_throws_ends_the_run(int tick)
    {
        foreach (var threads in new[] { 1, 3 })
        {
            await ThrowsAsync(new BadSinkHost(new LocalHost(_ => new Throwing(null, false), threads), tick), ends: true);
        }
    }

    [Fact]
    public async Task What_fails_while_a_tick_is_recorded_or_kept_ends_the_run()
    {
        Task<SimulationResult> RunAsync(IAgentHost host, SimulationOptions options, IProgress<SimulationProgress>? progress, CancellationToken cancel) => Simulation.RunAsync(Ring, new SensorSpec(), options, host, progress, cancel);
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        await using (var host = new LocalHost(_ => new Throwing(null, false), 2))
        {
            var snapshots = new SimulationOptions { SnapshotEvery = 2, Snapshot = s => throw new IOException($"no room at {s.Tick}") };
            Assert.Equal("no room at 0", (await Assert.ThrowsAsync<IOException>(() => RunAsync(host, snapshots, null, patience.Token))).Message);
        }

        await using (var host = new LocalHost(_ => new Throwing(null, false), 2))
        {
            Assert.Equal("no terminal", (await Assert.ThrowsAsync<IOException>(() => RunAsync(host, new SimulationOptions(), new BadProgress(), patience.Token))).Message);
        }
    }

    private static async Task ThrowsAsync(IAgentHost host, bool ends)
    {
        // Missing evidence and no cause: a run that waits is cancelled, and then comes back without an error.
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var run = Simulation.RunAsync(Ring, new SensorSpec(), new SimulationOptions { Threads = 1, Episodes = Episodes }, host, null, patience.Token);
        var error = await Record.ExceptionAsync(() => run);
        Assert.False(patience.IsCancellationRequested, "the run waited");
        if (ends)
        {
            Assert.NotNull(error);
        }
        else
        {
            Assert.Null(error);
            Assert.True((await run).Counts is { Stopped: > 0, Missed: 0 }, $"{(await run).Counts}");
        }

        // It comes back, whether it says again what failed or not.
        await Record.ExceptionAsync(() => host.DisposeAsync().AsTask().WaitAsync(patience.Token));
        Assert.False(patience.IsCancellationRequested, "closing the host waited");
    }

    private sealed class BadProgress : IProgress<SimulationProgress>
    {
        public void Report(SimulationProgress value) => throw new IOException("no terminal");
    }

    private sealed class Unspeakable : Exception
    {
        public override string Message => throw new InvalidOperationException("no message");
    }

    private sealed class Throwing(Place? place, bool throws) : IPolicy
    {
        private int _asked;

        public int FrameSize => 2;

        public int History => 1;

        public int ActionSize => 2;

        public int PlanActions => 1;

        public int NoiseSize => 0;

        public ReadOnlySpan<double> ModeShares => throws && place == Place.ModeShares ? throw new InvalidOperationException("no modes") : [];

        public SafetyProjection? Projection => throws && place == Place.Projection ? throw new InvalidOperationException("no projection") : null;

        public int Together => throws && (place == Place.Together || (place == Place.TogetherLater && ++_asked > 2)) ? throw new InvalidOperationException("together") : place is Place.Plans or Place.PlansOutOfMemory ? 4 : 1;

        public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions)
        {
            frames[..2].CopyTo(actions);
            return !throws ? 1 : place switch
            {
                Place.Plan or Place.Plans or Place.FactoryAgain => throw new InvalidOperationException("no plan"),
                Place.PlanOutOfMemory or Place.PlansOutOfMemory => new byte[int.MaxValue].Length,
                Place.Message => throw new Unspeakable(),
                _ => 1,
            };
        }
    }

    /// <summary>Puts a sink between agents and world that fails at a tick.</summary>
    private sealed class BadSinkHost(LocalHost host, int tick) : IAgentHost
    {
        public AgentHostReport Report => host.Report;

        public bool IsConcurrent => true;

        public ValueTask OpenAsync(RunSpec run, IActionSink world, CancellationToken cancellationToken) => host.OpenAsync(run, new Sink(world, tick), cancellationToken);

        public void OpenTick(Tick now) => host.OpenTick(now);

        public void Deliver(in Observation observation) => host.Deliver(observation);

        public void EndTick(Tick now) => host.EndTick(now);

        public void EndTickAndWork(Tick now) => host.EndTickAndWork(now);

        public void WorkBetween() => host.WorkBetween();

        public void Work() => host.Work();

        public ValueTask DisposeAsync() => host.DisposeAsync();

        private sealed class Sink(IActionSink world, int tick) : IActionSink
        {
            public void Act(in AgentAction action)
            {
                if (action.Tick.Value == tick && action.Agent.Value == 2)
                {
                    throw new InvalidOperationException("the sink is gone");
                }

                world.Act(action);
            }

            public void Fail(Exception error) => world.Fail(error);
        }
    }
}
