using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World.Tests;

public sealed class SimulationTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mimicd-simulation-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static Scenario Ring(int agents, int steps = 40)
        => (Scenario.Load(Path.Combine(ScenarioTests.Folder, "ring.json")).WithAgents(agents) with { Sensing = new SensingSpec { Noise = 0.05, Dropout = 0.1, Delay = 1, Range = 20 } }).WithSteps(steps);

    private static Scenario RealTime(double? deadline = null)
        => ScenarioTests.Parse() with { Pacing = new PacingSpec { Kind = PacingKind.RealTime, Rate = 10, Deadline = deadline } };

    private static WorldCounts WithoutMessages(WorldCounts counts) => counts with { Applied = 0, Observations = 0 };

    private static float[] Stay(Observation o) => [o.Features.Span[0], o.Features.Span[1]];

    private static Task<SimulationResult> RunAsync(Scenario scenario, TestHost host, SimulationOptions? options = null, SensorSpec? sensor = null, CancellationToken cancellationToken = default)
        => Simulation.RunAsync(scenario, sensor ?? new SensorSpec(), options ?? new SimulationOptions(), host, null, cancellationToken);

    [Fact]
    public async Task Whatever_order_actions_arrive_in_the_trajectory_is_the_same()
    {
        var options = new SimulationOptions { Seed = 7, Episodes = 4, Threads = 1 };
        var expected = await RunAsync(Ring(9), new TestHost(TestHost.Walk), options, sensor: TestHost.WalkSensor);
        Assert.True(expected.Completed);
        Assert.Equal([4, 9, 40, 2], expected.Positions.Shape);
        Assert.Equal([4, 9, 39, 2], expected.Actions.Shape);
        for (ulong seed = 0; seed < 20; seed++)
        {
            var shuffled = await RunAsync(Ring(9), new TestHost(TestHost.Walk) { ShuffleSeed = seed, Parallel = seed % 2 == 1 }, options, sensor: TestHost.WalkSensor);
            Assert.True(expected.TrajectoryHash == shuffled.TrajectoryHash, $"shuffle seed {seed}");
            Assert.Equal(0, shuffled.Counts.Fallbacks + shuffled.Counts.Dropped);
        }

        Assert.NotEqual(expected.TrajectoryHash, (await RunAsync(Ring(9), new TestHost(TestHost.Walk), options with { Seed = 8 }, sensor: TestHost.WalkSensor)).TrajectoryHash);
    }

    [Fact]
    public async Task Threads_do_not_change_the_trajectory()
    {
        var hashes = new HashSet<string>(StringComparer.Ordinal);
        foreach (var threads in new[] { 1, 2, 5 })
        {
            hashes.Add((await RunAsync(Ring(300, steps: 6), new TestHost(TestHost.Walk), new SimulationOptions { Seed = 1, Threads = threads }, sensor: TestHost.WalkSensor)).TrajectoryHash);
        }

        Assert.Single(hashes);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(65)]
    [InlineData(10000)]
    public async Task A_ring_of_any_size_runs(int agents)
    {
        var scenario = Scenario.Load(Path.Combine(ScenarioTests.Folder, "ring.json")).WithAgents(agents).WithSteps(2);
        var result = await RunAsync(scenario, new TestHost(TestHost.Walk), sensor: TestHost.WalkSensor);
        Assert.Equal(1, result.StepsDone);
        Assert.Equal(0, result.Counts.Fallbacks);
        Assert.True(Array.TrueForAll(result.Positions.Data, float.IsFinite));
    }

    [Fact]
    public async Task An_episode_does_not_depend_on_how_many_run_beside_it()
    {
        var few = await RunAsync(Ring(5), new TestHost(TestHost.Walk), new SimulationOptions { Episodes = 2 }, sensor: TestHost.WalkSensor);
        var many = await RunAsync(Ring(5), new TestHost(TestHost.Walk), new SimulationOptions { Episodes = 6 }, sensor: TestHost.WalkSensor);
        Assert.Equal(few.Positions.Data, many.Positions.Data[..few.Positions.Data.Length]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_a_host_says_has_failed_ends_the_run(bool lockstep)
    {
        // Missing evidence and no cause: a run that waits is cancelled, and then comes back without an error.
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        TestHost host = null!;
        host = new TestHost(o => o.Tick.Value == 2 ? null : Stay(o)) { OnTick = t => Fail(t.Value) };
        var scenario = lockstep ? ScenarioTests.Parse() : RealTime();
        var error = await Assert.ThrowsAsync<IOException>(() => RunAsync(scenario, host, new SimulationOptions { Time = new JumpingTime() }, cancellationToken: patience.Token));
        Assert.Equal("the first", error.Message);

        void Fail(int tick)
        {
            if (tick == 2)
            {
                host.Sink.Fail(new IOException("the first"));
                host.Sink.Fail(new IOException("the second"));
            }
        }
    }

    [Fact]
    public async Task A_helper_that_fails_between_its_parts_ends_the_run()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var host = new UnwillingHost();
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => Simulation.RunAsync(Ring(1500, steps: 3), TestHost.WalkSensor, new SimulationOptions { Threads = 3 }, host, null, patience.Token));
        Assert.Equal("no thread", error.Message);
    }

    [Fact]
    public async Task The_first_position_is_the_start_and_the_agents_are_told_the_run()
    {
        var starts = new NdArray<double>([1, 2, 2], [1, 2, 3, 4]);
        var goals = new NdArray<double>([1, 2, 2], [5, 6, 7, 8]);
        var host = new TestHost(Stay);
        var result = await RunAsync(ScenarioTests.Parse(), host, new SimulationOptions { Seed = 3, Starts = starts, Goals = goals });
        Assert.Equal([1, 2], result.Positions.Data[..2]);
        Assert.Equal(starts.Data, result.Starts.Data);
        Assert.Equal(goals.Data, result.Goals.Data);
        Assert.Equal(new RunSpec(3, 1, 2, 2, 2, host.Run!.Sampling), host.Run);
    }

    [Fact]
    public async Task Fixed_starts_of_a_wrong_shape_or_not_finite_are_refused()
    {
        async Task Refused(NdArray<double> starts, string expected)
        {
            var error = await Assert.ThrowsAsync<InvalidInputException>(() => RunAsync(ScenarioTests.Parse(), new TestHost(Stay), new SimulationOptions { Starts = starts }));
            Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        }

        await Refused(new NdArray<double>([2, 2, 2], new double[8]), "starts: expected shape (1, 2, 2), found (2, 2, 2)");
        await Refused(new NdArray<double>([1, 2, 2], [0, 0, double.NaN, 0]), "starts: expected finite numbers, found NaN in episode 0");
    }

    [Fact]
    public async Task A_sensor_that_does_not_fit_is_refused()
    {
        async Task Refused(Scenario scenario, SensorSpec sensor, string expected)
        {
            var error = await Assert.ThrowsAsync<InvalidInputException>(() => RunAsync(scenario, new TestHost(Stay), sensor: sensor));
            Assert.Contains(expected, error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', error.Message);
        }

        await Refused(ScenarioTests.Parse(), new SensorSpec { Dimensions = 3 }, "sensor.dimensions: expected 2");
        await Refused(ScenarioTests.Parse(), new SensorSpec { Others = new OthersSpec { Count = 2 } }, "sensor.others.count: expected at most 1");
        await Refused(ScenarioTests.Parse(), new SensorSpec { Others = new OthersSpec { Count = 2, Order = OtherOrder.Identity, Presence = true } }, "sensor.others.count: expected 1");
        await Refused(ScenarioTests.Parse(), new SensorSpec { Obstacles = new ObstaclesSpec() }, "sensor.obstacles: expected none");
        await Refused(Ring(4), new SensorSpec { Others = new OthersSpec() }, "sensor.others.presence: expected true");
    }

    [Fact]
    public async Task Late_duplicate_and_unknown_actions_are_counted_and_dropped()
    {
        TestHost? host = null;
        void Send(int episode, int agent, int tick) => host!.Sink.Act(new AgentAction(new EpisodeId(episode), new AgentId(agent), new Tick(tick), new float[] { 9, 9 }, ActionStatus.Decided));
        host = new TestHost(o =>
        {
            if (o.Tick.Value == 3 && o.Agent.Value == 1)
            {
                Send(0, 0, 3); // agent 0 has answered already
                Send(0, 0, 2); // closed
                Send(0, 0, 4); // not open yet
                Send(1, 0, 3); // no such episode
                Send(0, 2, 3); // no such agent
                Send(0, 0, -1);
            }

            return Stay(o);
        });
        var result = await RunAsync(ScenarioTests.Parse(), host);
        Assert.Equal(new WorldCounts(0, 0, 0, 0, 1, 1, 4, 0), WithoutMessages(result.Counts));
        Assert.DoesNotContain(9f, result.Positions.Data);
    }

    [Fact]
    public async Task An_unusable_action_gets_the_fallback_and_is_counted_by_reason()
    {
        TestHost? host = null;
        host = new TestHost(o =>
        {
            if (o.Tick.Value == 4 && o.Agent.Value == 0)
            {
                host!.Sink.Act(new AgentAction(o.Episode, o.Agent, o.Tick, default, ActionStatus.Fallback));
                return null;
            }

            return (o.Tick.Value, o.Agent.Value) switch
            {
                (2, 0) => [float.NaN, 0],
                (2, 1) => [1, 2, 3],
                (3, 1) => [2e9f, 0],
                _ => [o.Features.Span[0] + 1, 0],
            };
        });
        var result = await RunAsync(ScenarioTests.Parse(), host);
        Assert.Equal(new WorldCounts(0, 1, 1, 2, 0, 0, 0, 0), WithoutMessages(result.Counts));
        Assert.Equal([0, 1, 2, 2, 3, 3, 4, 5, 6, 7], Enumerable.Range(0, 10).Select(t => result.Positions.Data[2 * t]));
        Assert.Equal([1, 2, 2, 3, 3, 4, 5, 6, 7], Enumerable.Range(0, 9).Select(t => result.Actions.Data[2 * t]));
    }

    [Fact]
    public async Task Who_misses_the_deadline_holds_its_position_and_is_counted()
    {
        var time = new JumpingTime();
        var opened = new List<double>();
        var host = new TestHost(o => o.Agent.Value == 1 && o.Tick.Value % 3 == 1 ? null : [o.Features.Span[0] + 1, 0]) { OnTick = _ => opened.Add(time.GetElapsedTime(0).TotalSeconds) };
        var result = await RunAsync(RealTime(deadline: 0.04), host, new SimulationOptions { Time = time });
        Assert.True(result.Completed);
        Assert.Equal(new WorldCounts(3, 0, 0, 0, 0, 0, 0, 0), WithoutMessages(result.Counts));
        Assert.Equal([4, 5, 5, 6, 7, 7, 8, 9, 9, 10], Enumerable.Range(0, 10).Select(t => result.Positions.Data[20 + 2 * t]));
        Assert.Equal(Enumerable.Range(0, 9).Select(t => 0.1 * t), opened.Select(s => Math.Round(s, 6)), (a, b) => Math.Abs(a - b) < 1e-6);
    }

    [Fact]
    public async Task An_answer_after_the_deadline_is_late()
    {
        Observation? kept = null;
        TestHost? host = null;
        host = new TestHost(o =>
        {
            if (o.Agent.Value == 0 && kept is { } late)
            {
                kept = null;
                host!.Sink.Act(new AgentAction(late.Episode, late.Agent, late.Tick, new float[] { 9, 9 }, ActionStatus.Decided));
            }

            if (o is { Agent.Value: 1, Tick.Value: 5 })
            {
                kept = o;
                return null;
            }

            return Stay(o);
        });
        var result = await RunAsync(RealTime(), host, new SimulationOptions { Time = new JumpingTime() });
        Assert.Equal(new WorldCounts(1, 0, 0, 0, 1, 0, 0, 0), WithoutMessages(result.Counts));
        Assert.DoesNotContain(9f, result.Positions.Data);
    }

    [Fact]
    public async Task Racing_the_deadline_every_action_either_counts_or_is_dropped()
    {
        // Every observation is answered exactly once, from the pool's threads, while the clock closes each tick as soon as the world waits.
        var answers = new List<Task>();
        TestHost? host = null;
        host = new TestHost(o =>
        {
            var action = Stay(o);
            answers.Add(Task.Run(() => host!.Sink.Act(new AgentAction(o.Episode, o.Agent, o.Tick, action, ActionStatus.Decided))));
            return null;
        });
        var scenario = Scenario.Load(Path.Combine(ScenarioTests.Folder, "ring.json")).WithAgents(40).WithSteps(200) with { Pacing = new PacingSpec { Kind = PacingKind.RealTime } };
        var world = new SimulatedWorld(scenario, new SensorSpec(), 0, 1);
        var actor = new WorldActor(world, host, new JumpingTime(), 1);
        await host.OpenAsync(new RunSpec(0, 1, 40, 2, 2, new SamplingSpec()), actor, CancellationToken.None);
        Assert.True(await actor.RunAsync(null, CancellationToken.None));
        await Task.WhenAll(answers);
        Assert.Equal(199 * 40, answers.Count);
        Assert.Equal(actor.Counts.Missed, actor.Counts.DroppedLate);
        Assert.Equal(actor.Counts.Missed, actor.Counts.Fallbacks);
        Assert.Equal(actor.Counts.DroppedLate, actor.Counts.Dropped);
    }

    [Fact]
    public void Replaced_actions_are_counted_by_episode_and_kept_by_a_snapshot()
    {
        var scenario = Scenario.Load(Path.Combine(ScenarioTests.Folder, "ring.json")).WithAgents(3).WithSteps(10);
        var world = new SimulatedWorld(scenario, new SensorSpec(), 0, 2);
        Assert.Equal([0, 0], world.Replaced()!);
        void Tick(params Outcome[] outcomes)
        {
            var actions = new float[world.Bodies * world.ActionSize];
            // Not a number is no action.
            actions[^1] = float.NaN;
            world.Apply(actions, outcomes);
        }

        Tick(Outcome.Applied, Outcome.Stopped, Outcome.Missed, Outcome.Applied, Outcome.Applied, Outcome.Stopped);
        Tick(Outcome.Applied, Outcome.Applied, Outcome.Applied, Outcome.Applied, Outcome.Applied, Outcome.Applied);
        Assert.Equal([2, 2], world.Replaced()!);

        var again = new SimulatedWorld(scenario, new SensorSpec(), 0, 2);
        again.Restore(world.Capture(), "here");
        Assert.Equal([2, 2], again.Replaced()!);
        var unknown = new SimulatedWorld(scenario, new SensorSpec(), 0, 2);
        unknown.Restore(world.Capture() with { Replaced = null }, "before they were counted");
        Assert.Null(unknown.Replaced());
        Assert.Contains("replaced: expected 2 numbers from 0", Assert.Throws<InvalidInputException>(() => new SimulatedWorld(scenario, new SensorSpec(), 0, 2).Restore(world.Capture() with { Replaced = [1] }, "here")).Message, StringComparison.Ordinal);

        var path = Path.Combine(_folder, "replaced.npz");
        new Rollouts(world.Positions(), world.Actions(), new([2, 3, 2], world.Starts), new([2, 3, 2], world.Goals)) { Replaced = world.Replaced() }.Save(path);
        var read = Rollouts.Load(path);
        Assert.Equal([2, 2], read.Replaced!);
        Assert.Equal([2, 2, 2, 2], Rollouts.Join([read, read]).Replaced!);
        Assert.Null(Rollouts.Join([read, read with { Replaced = null }]).Replaced);
    }

    [Fact]
    public async Task Falling_behind_by_whole_periods_moves_the_schedule_instead_of_racing()
    {
        var time = new JumpingTime();
        var opened = new List<double>();
        var host = new TestHost(o =>
        {
            if (o is { Agent.Value: 0, Tick.Value: 2 })
            {
                time.Advance(TimeSpan.FromSeconds(0.75));
            }

            return Stay(o);
        })
        { OnTick = _ => opened.Add(Math.Round(time.GetElapsedTime(0).TotalSeconds, 6)) };
        var result = await RunAsync(RealTime(), host, new SimulationOptions { Time = time });
        Assert.Equal(1, result.Counts.Overruns);
        Assert.Equal([0, 0.1, 0.2, 0.95, 1.05, 1.15, 1.25, 1.35, 1.45], opened);
    }

    [Fact]
    public async Task Cancelled_between_ticks_a_run_keeps_what_is_done()
    {
        using var cancel = new CancellationTokenSource();
        var host = new TestHost(Stay) { OnTick = t => { if (t.Value == 4) { cancel.Cancel(); } } };
        var result = await RunAsync(ScenarioTests.Parse(), host, new SimulationOptions { Episodes = 3 }, cancellationToken: cancel.Token);
        Assert.False(result.Completed);
        Assert.Equal(5, result.StepsDone);
        Assert.Equal([3, 2, 6, 2], result.Positions.Shape);
        Assert.Equal([3, 2, 5, 2], result.Actions.Shape);
        Assert.Equal(4, result.Positions.Data[6 * 2]);
    }

    [Fact]
    public async Task Cancelled_while_agents_are_awaited_a_run_abandons_the_open_tick()
    {
        using var cancel = new CancellationTokenSource();
        var host = new TestHost(o =>
        {
            if (o.Tick.Value < 4)
            {
                return Stay(o);
            }

            cancel.Cancel();
            return null;
        });
        var result = await RunAsync(ScenarioTests.Parse(), host, cancellationToken: cancel.Token);
        Assert.False(result.Completed);
        Assert.Equal(4, result.StepsDone);
        Assert.Equal(0, result.Counts.Fallbacks);
    }

    [Fact]
    public async Task Every_observation_and_action_is_counted()
    {
        var result = await RunAsync(ScenarioTests.Parse(), new TestHost(Stay));
        var expected = 2L * result.StepsDone;
        Assert.Equal((expected, expected, expected), (result.Counts.Observations, result.Counts.Applied, result.Counts.Actions));
    }

    [Fact]
    public async Task Progress_is_told_after_every_tick()
    {
        var told = new List<SimulationProgress>();
        await Simulation.RunAsync(ScenarioTests.Parse(), new SensorSpec(), new SimulationOptions { Episodes = 2 }, new TestHost(Stay), new Direct(told));
        Assert.Equal(Enumerable.Range(1, 9), told.Select(p => p.TicksDone));
        Assert.Equal(36, told[^1].AgentSteps);
    }

    [Fact]
    public async Task Rollouts_are_saved_and_read_back()
    {
        var result = await RunAsync(Ring(4), new TestHost(TestHost.Walk), new SimulationOptions { Episodes = 2 }, sensor: TestHost.WalkSensor);
        var path = Path.Combine(_folder, "out", "rollouts.npz");
        result.SaveRollouts(path);
        var back = Rollouts.Load(path);
        Assert.Equal(result.Positions.Shape, back.Positions.Shape);
        Assert.Equal(result.Positions.Data, back.Positions.Data);
        Assert.Equal(result.Actions.Data, back.Actions.Data);
        Assert.Equal(result.Starts.Data, back.Starts.Data);
        Assert.Equal(result.Goals.Data, back.Goals.Data);
        Assert.Null(back.Modes);
        (result.ToRollouts() with { Modes = [2, 0] }).Save(path);
        Assert.Equal([2, 0], Rollouts.Load(path).Modes!);
        (result.ToRollouts() with { Modes = [2, 0, 1] }).Save(path);
        Assert.Contains("mode: expected 2 numbers", Assert.Throws<InvalidInputException>(() => Rollouts.Load(path)).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidInputException>(() => Rollouts.Load(Path.Combine(_folder, "none.npz")));
    }

    [Fact]
    public async Task A_run_too_large_for_memory_arrays_is_refused_in_words()
        => Assert.Contains("episodes: expected at most", (await Assert.ThrowsAsync<InvalidInputException>(() => RunAsync(Ring(4096, 40), new TestHost(Stay), new SimulationOptions { Episodes = 1_000_000 }, sensor: TestHost.WalkSensor))).Message, StringComparison.Ordinal);

    private sealed class Direct(List<SimulationProgress> told) : IProgress<SimulationProgress>
    {
        public void Report(SimulationProgress value) => told.Add(value);
    }

    /// <summary>Answers nothing, and fails where one of the world's helpers lends it a thread.</summary>
    private sealed class UnwillingHost : IAgentHost
    {
        public AgentHostReport Report { get; } = new(0, 0, 0, []);

        public bool IsConcurrent => true;

        public ValueTask OpenAsync(RunSpec run, IActionSink world, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public void Deliver(in Observation observation)
        {
        }

        public void EndTick(Tick tick)
        {
        }

        public void Work() => throw new InvalidOperationException("no thread");

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
