using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World.Tests;

public sealed class EventLogTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mimicd-log-").FullName;

    private string Log => Path.Combine(_folder, EventLog.Name);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_log_replays_to_the_same_trajectories_whatever_became_of_the_actions()
    {
        // Fallbacks of every kind: a silent agent, one that says that it has no action, and actions that cannot be applied.
        TestHost? host = null;
        host = new TestHost(o =>
        {
            if ((o.Tick.Value, o.Agent.Value) == (3, 1))
            {
                host!.Sink.Act(new AgentAction(o.Episode, o.Agent, o.Tick, default, ActionStatus.Fallback));
                return null;
            }

            return (o.Tick.Value, o.Agent.Value) switch
            {
                (2, 0) => null,
                (4, 1) => [1, 2, 3],
                (5, 0) => [float.NaN, 0],
                (6, 1) => [2e9f, 0],
                _ => [o.Features.Span[0] + 1, 0.5f],
            };
        });
        var scenario = ScenarioTests.Parse() with { Pacing = new PacingSpec { Kind = PacingKind.RealTime } };
        var result = await Simulation.RunAsync(scenario, new SensorSpec(), new SimulationOptions { Seed = 3, Episodes = 2, Time = new JumpingTime(), Log = Log }, host);
        Assert.Equal((2, 2, 2, 4), (result.Counts.Missed, result.Counts.Stopped, result.Counts.WrongSize, result.Counts.Refused));

        var replay = EventReplay.Of(Log);
        Assert.True(replay.Completed);
        Assert.Equal(result.TrajectoryHash, replay.TrajectoryHash);
        Assert.Equal(result.Actions.Data, replay.Rollouts.Actions.Data);
        Assert.Equal(result.Starts.Data, replay.Rollouts.Starts.Data);
    }

    [Fact]
    public async Task A_log_does_not_depend_on_threads()
    {
        var run = new SnapshotTests.Case(4, history: 2, execute: 2, steps: 15);
        var logs = new List<byte[]>();
        foreach (var threads in new[] { 1, 3 })
        {
            await run.SimulateAsync(new TestHost(TestHost.Walk) { Parallel = threads > 1, ShuffleSeed = 1 }, o => o with { Log = Log, Threads = threads });
            logs.Add(await File.ReadAllBytesAsync(Log));
        }

        Assert.Equal(logs[0], logs[1]);
    }

    [Fact]
    public async Task A_torn_log_replays_as_far_as_it_goes()
    {
        var (bytes, result) = await WrittenAsync();
        var random = new CounterRandom(8, RandomPurpose.Resampling);
        var begun = Lengths(bytes)[0];
        for (var i = 0; i < 60; i++)
        {
            var length = begun + random.NextInt32(bytes.Length - begun);
            await File.WriteAllBytesAsync(Log, bytes[..length]);
            var replay = EventReplay.Of(Log);
            Assert.False(replay.Completed);
            Assert.True(Lengths(bytes).Contains(length) == (replay.TornBytes == 0), $"cut at {length}: {replay.TornBytes} torn bytes");
            var all = result.Positions.Shape[2];
            for (var body = 0; body < result.Positions.Shape[0] * result.Positions.Shape[1]; body++)
            {
                Assert.Equal(result.Positions.Data.AsSpan(body * all * 2, (replay.StepsDone + 1) * 2), replay.Rollouts.Positions.Data.AsSpan(body * (replay.StepsDone + 1) * 2, (replay.StepsDone + 1) * 2));
            }
        }

        foreach (var length in new[] { 0, 5, 8, 20, begun - 1 })
        {
            await File.WriteAllBytesAsync(Log, bytes[..length]);
            Assert.StartsWith($"{Log}: expected an event log", Assert.Throws<InvalidInputException>(() => EventReplay.Of(Log)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task An_altered_log_is_refused()
    {
        var (bytes, _) = await WrittenAsync();
        var random = new CounterRandom(9, RandomPurpose.Resampling);
        var last = Lengths(bytes)[^2];
        for (var i = 0; i < 100; i++)
        {
            byte[] bad = [.. bytes];
            var at = random.NextInt32(last);
            bad[at] ^= (byte)(1 + random.NextInt32(255));
            await File.WriteAllBytesAsync(Log, bad);
            var refused = Record.Exception(() => EventReplay.Of(Log)) as InvalidInputException;
            // A length that was made a little longer, near the end, looks like a torn record.
            Assert.True(refused is not null ? !refused.Message.Contains('\n', StringComparison.Ordinal) : !EventReplay.Of(Log).Completed, $"byte {at}");
        }

        // Records left out or exchanged are whole, and still no log.
        var lengths = Lengths(bytes);
        await File.WriteAllBytesAsync(Log, [.. bytes[..lengths[2]], .. bytes[lengths[4]..]]);
        Assert.Contains($"expected at byte {lengths[2]} the record that was written there (checksum), found another", Assert.Throws<InvalidInputException>(() => EventReplay.Of(Log)).Message, StringComparison.Ordinal);
        await File.WriteAllTextAsync(Log, "something else altogether");
        Assert.Equal($"{Log}: expected an event log, found something else", Assert.Throws<InvalidInputException>(() => EventReplay.Of(Log)).Message);
    }

    [Theory]
    [InlineData("action", "tick 3, episode 1, agent 2: expected the state after it that was logged")]
    [InlineData("observation", "tick 3, episode 1, agent 2: expected the observation that was logged")]
    [InlineData("outcome", "tick 3, episode 1, agent 2: expected outcome Applied, found Refused")]
    [InlineData("tick", "expected events of tick 3, found those of tick 4")]
    public void Where_the_world_does_not_do_what_the_log_says_the_first_tick_and_agent_are_named(string what, string expected)
    {
        var run = new SnapshotTests.Case(12, history: 1, execute: 1, steps: 8) { Sensing = new SensingSpec() };
        var world = new SimulatedWorld(run.Scenario, TestHost.WalkSensor, 5, 2);
        var (features, actions, outcomes) = (new float[world.Bodies * world.FrameSize], new float[world.Bodies * 2], new Outcome[world.Bodies]);
        var wrong = world.Scenario.Agents + 2;
        using (var log = EventLog.Create(Log, world))
        {
            for (var tick = 0; tick < 6; tick++)
            {
                for (var body = 0; body < world.Bodies; body++)
                {
                    var frame = features.AsSpan(body * world.FrameSize, world.FrameSize);
                    world.Observe(body / world.Scenario.Agents, body % world.Scenario.Agents, frame);
                    (actions[body * 2], actions[body * 2 + 1]) = (frame[0] + 0.1f, frame[1]);
                    outcomes[body] = Outcome.Applied;
                }

                if (tick == 3)
                {
                    features[wrong * world.FrameSize + 1] += what == "observation" ? 0.25f : 0;
                }

                if (what == "tick" && tick == 3)
                {
                    world.Apply(actions, outcomes);
                    log.Opened(features);
                    break;
                }

                log.Opened(features);
                world.Apply(actions, outcomes);
                if (tick == 3)
                {
                    actions[wrong * 2] += what == "action" ? 0.05f : what == "outcome" ? float.NaN : 0;
                }

                log.Closed(actions, outcomes);
            }
        }

        Assert.Contains(expected, Assert.Throws<InvalidInputException>(() => EventReplay.Of(Log)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_the_log_of_the_same_run_is_gone_on_with()
    {
        var run = new SnapshotTests.Case(4, history: 1, execute: 1, steps: 15);
        RunSnapshot? at = null;
        await run.SimulateAsync(new RememberingHost(run.Scenario.Agents, 1, 1), o => o with { Log = Log, Until = 9, Snapshot = s => at = s });
        var whole = await File.ReadAllBytesAsync(Log);
        async Task Refused(SnapshotTests.Case of, string expected)
        {
            var error = await Assert.ThrowsAsync<InvalidInputException>(() => of.SimulateAsync(new RememberingHost(of.Scenario.Agents, 1, 1), o => o with { Log = Log, LogGoesOn = true, From = at }));
            Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        }

        await Refused(new SnapshotTests.Case(4, history: 1, execute: 1, steps: 15) { Sensing = new SensingSpec { Noise = 0.3 } }, "expected the log of this run, found one of another");
        Assert.Equal(whole, await File.ReadAllBytesAsync(Log));
        await File.WriteAllBytesAsync(Log, whole[..Lengths(whole)[7]]);
        await Refused(run, "expected the events up to tick 9, from which the run goes on, found those up to tick 3");
        File.Delete(Log);
        await Refused(run, "cannot be read");
    }

    private async Task<(byte[] Bytes, SimulationResult Result)> WrittenAsync()
    {
        var run = new SnapshotTests.Case(4, history: 2, execute: 2, steps: 12);
        var result = await run.SimulateAsync(new TestHost(TestHost.Walk), o => o with { Log = Log });
        return (await File.ReadAllBytesAsync(Log), result);
    }

    /// <summary>Where the records end.</summary>
    private static List<int> Lengths(byte[] log)
    {
        var ends = new List<int>();
        for (var at = 8; at < log.Length; ends.Add(at))
        {
            at += 1 + 4 + BitConverter.ToInt32(log, at + 1) + 8;
        }

        return ends;
    }
}
