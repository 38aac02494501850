using System.Text;
using FsCheck;
using FsCheck.Fluent;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World.Tests;

public sealed class SnapshotTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mimicd-snapshots-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Interrupted_at_any_tick_a_run_goes_on_to_the_same_end()
        => Check.One(Config.QuickThrowOnFailure.WithMaxTest(50), Prop.ForAll(ArbMap.Default.ArbFor<int>(), seed => GoesOn((uint)seed)));

    [Fact]
    public async Task Agents_are_told_their_history_and_what_they_observed_since_they_planned()
    {
        var run = new Case(7, history: 3, execute: 4, steps: 20);
        RunSnapshot? at = null;
        await run.SimulateAsync(new RememberingHost(run.Scenario.Agents, 3, 4), o => o with { Until = 10, Snapshot = s => at = s });
        var host = new RememberingHost(run.Scenario.Agents, 3, 4);
        await run.SimulateAsync(host, o => o with { From = at });
        Assert.Equal([4, 5, 6, 7, 8, 9], host.Recalled);
    }

    [Fact]
    public async Task A_snapshot_is_read_as_it_was_written()
    {
        var (run, snapshots) = await KeptAsync(every: 6);
        using var folder = SnapshotFolder.Open(run);
        Assert.Equal("what the run follows from", folder.Description);
        Assert.Equal([0, 6, 12, 18], folder.Ticks);
        foreach (var written in snapshots)
        {
            var read = folder.Read(written.Tick);
            Assert.Equal(written.Counts, read.Counts);
            Assert.Equal((written.Host.Plans, written.Host.NetworkCalls, written.WallSeconds), (read.Host.Plans, read.Host.NetworkCalls, read.WallSeconds));
            Assert.Equal(written.Host.Stopped, read.Host.Stopped);
            Assert.Equal(written.WindowTicks, read.WindowTicks);
            Assert.Equal(written.Window.Data, read.Window.Data);
            Assert.Equal(written.World.Past.Data, read.World.Past.Data);
            Assert.Equal(written.World.Velocities.Data, read.World.Velocities.Data);
            Assert.Equal(written.World.Headings.Data, read.World.Headings.Data);
            Assert.Equal(written.World.Actions.Shape, read.World.Actions.Shape);
            Assert.Equal(Rollouts.Hash(written.World.Positions), Rollouts.Hash(read.World.Positions));
        }
    }

    [Fact]
    public async Task A_snapshot_that_is_truncated_or_altered_is_refused()
    {
        var (run, _) = await KeptAsync(every: 6);
        var random = new CounterRandom(3, RandomPurpose.Resampling);
        foreach (var name in new[] { "tick-00000012.npz", "tick-00000012.json", "run.json" })
        {
            var file = Path.Combine(run, SnapshotFolder.Name, name);
            var bytes = await File.ReadAllBytesAsync(file);
            for (var i = 0; i < 40; i++)
            {
                var bad = i < 8 ? bytes[..random.NextInt32(bytes.Length)] : [.. bytes];
                if (i >= 8)
                {
                    bad[random.NextInt32(bad.Length)] ^= (byte)(1 + random.NextInt32(255));
                }

                await File.WriteAllBytesAsync(file, bad);
                // A change of the white space of a JSON is none; everything else is.
                if (name == "tick-00000012.json" && Squeezed(bad) == Squeezed(bytes))
                {
                    continue;
                }

                var message = Assert.Throws<InvalidInputException>(() => SnapshotFolder.Open(run).Read(12)).Message;
                Assert.True(message.Contains(file, StringComparison.Ordinal) && !message.Contains('\n', StringComparison.Ordinal), $"{name}, case {i}: {message}");
            }

            await File.WriteAllBytesAsync(file, bytes);
            Assert.Equal(12, SnapshotFolder.Open(run).Read(12).Tick);
        }

        File.Delete(Path.Combine(run, SnapshotFolder.Name, "tick-00000012.npz"));
        Assert.Contains("tick-00000012.npz: cannot be read", Assert.Throws<InvalidInputException>(() => SnapshotFolder.Open(run).Read(12)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Old_snapshots_leave_and_the_first_stays()
    {
        var (run, _) = await KeptAsync(every: 3);
        using var folder = SnapshotFolder.Open(run);
        folder.Prune(2);
        Assert.Equal([0, 15, 18], folder.Ticks);
        Assert.Equal(7, Directory.GetFiles(Path.Combine(run, SnapshotFolder.Name), "*.*").Count(f => !f.EndsWith(".mimicd", StringComparison.Ordinal)));
        folder.Prune(2);
        Assert.Equal(15, folder.Read(15).Tick);
    }

    [Fact]
    public async Task Arrays_without_their_json_are_no_snapshot_and_what_was_half_written_goes()
    {
        var (run, _) = await KeptAsync(every: 6);
        var inside = Path.Combine(run, SnapshotFolder.Name);
        File.Delete(Path.Combine(inside, "tick-00000018.json"));
        // A killed owner's, as the ledger that it left tells; and somebody else's.
        var killed = new string('a', 32);
        await File.WriteAllTextAsync(Path.Combine(inside, ".mimicd"), $"mimicd output ledger 1\nowner {killed}\n");
        await File.WriteAllTextAsync(Path.Combine(inside, $".tick-00000024.npz.{killed}.1.part"), "half");
        await File.WriteAllTextAsync(Path.Combine(inside, "notes.part"), "mine");
        using var folder = SnapshotFolder.Open(run);
        Assert.Equal([0, 6, 12], folder.Ticks);
        folder.Hold();
        Assert.Equal([Path.Combine(inside, "notes.part")], Directory.GetFiles(inside, "*.part"));
    }

    [Fact]
    public async Task One_process_at_a_time_keeps_a_run_and_only_a_finished_one_gives_way()
    {
        var (run, _) = await KeptAsync(every: 6);
        Assert.Contains("expected no snapshots of a run that is not finished", Assert.Throws<InvalidInputException>(() => SnapshotFolder.Create(run, "another")).Message, StringComparison.Ordinal);
        using (var folder = SnapshotFolder.Open(run))
        {
            folder.Hold();
            Assert.Contains("expected no other process that writes there", Assert.Throws<InvalidInputException>(() => SnapshotFolder.Open(run).Hold()).Message, StringComparison.Ordinal);
            Assert.False(folder.IsFinished);
            folder.Finish("00");
            Assert.True(folder.IsFinished);
        }

        using var next = SnapshotFolder.Create(run, "another");
        Assert.Empty(next.Ticks);
        Assert.False(next.IsFinished);
        Assert.Equal("another", SnapshotFolder.Open(run).Description);
        Assert.Contains("expected the folder of a run with snapshots", Assert.Throws<InvalidInputException>(() => SnapshotFolder.Open(_folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_new_run_removes_the_finished_one_and_leaves_other_files_alone()
    {
        var (run, _) = await KeptAsync(every: 6);
        var inside = Path.Combine(run, SnapshotFolder.Name);
        using (var folder = SnapshotFolder.Open(run))
        {
            // What is left of a snapshot whose JSON was not written: proven by the arrays themselves.
            File.Delete(Path.Combine(inside, "tick-00000012.json"));
            folder.Finish("00");
        }

        string[] others = ["notes.txt", "tick-1.json", "tick-00000006.npz.bak", "run.json.old", "model.npz"];
        foreach (var other in others)
        {
            await File.WriteAllTextAsync(Path.Combine(inside, other), "mine");
        }

        Directory.CreateDirectory(Path.Combine(inside, "kept"));
        await File.WriteAllTextAsync(Path.Combine(inside, "kept", "tick-00000000.json"), "mine");
        using var next = SnapshotFolder.Create(run, "another");
        Assert.Equal([.. others.Append(".mimicd").Append("run.json").Order(StringComparer.Ordinal)], Directory.GetFiles(inside).Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal));
        Assert.Equal("mine", await File.ReadAllTextAsync(Path.Combine(inside, "kept", "tick-00000000.json")));
        Assert.All(others, other => Assert.Equal("mine", File.ReadAllText(Path.Combine(inside, other))));
    }

    [Theory]
    [InlineData("tick-00000006.json")]
    [InlineData("tick-00000007.json")]
    [InlineData("tick-00000007.npz")]
    [InlineData("tick-00000006.npz")]
    [InlineData("finished.json")]
    [InlineData("run.json")]
    public async Task A_file_of_our_name_that_no_run_wrote_is_refused_before_anything_is_done(string name)
    {
        var (run, _) = await KeptAsync(every: 6);
        var inside = Path.Combine(run, SnapshotFolder.Name);
        using (var folder = SnapshotFolder.Open(run))
        {
            folder.Finish("00");
        }

        await File.WriteAllTextAsync(Path.Combine(inside, name), """{ "tick": 6, "trajectoryHash": "not a hash" }""");
        var before = Content();
        foreach (var refused in new Action[] { () => SnapshotFolder.RequireFree(run), () => SnapshotFolder.Create(run, "another"), () => SnapshotFolder.RequireFree(run, "another") })
        {
            var message = Assert.Throws<InvalidInputException>(refused).Message;
            Assert.Contains("expected no file here but those of this folder's run", message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', message);
        }

        Assert.Equal(before, Content());

        string Content() => string.Join('\n', Directory.GetFiles(inside).Where(f => Path.GetFileName(f) != ".mimicd").Order(StringComparer.Ordinal).Select(f => $"{f} {Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(f)))}"));
    }

    [Fact]
    public void A_description_alone_is_replaced_by_the_same_and_by_no_other()
    {
        using (SnapshotFolder.Create(_folder, "what the run follows from"))
        {
        }

        // It was ended before its first snapshot.
        using (SnapshotFolder.Create(_folder, "what the run follows from"))
        {
        }

        Assert.Contains("run.json: expected the description of a run with snapshots", Assert.Throws<InvalidInputException>(() => SnapshotFolder.Create(_folder, "another")).Message, StringComparison.Ordinal);
        Assert.Equal("what the run follows from", File.ReadAllText(Path.Combine(_folder, SnapshotFolder.Name, "run.json")));
    }

    [Fact]
    public async Task Snapshots_of_another_run_are_not_pruned()
    {
        var (run, _) = await KeptAsync(every: 3);
        var foreign = Path.Combine(run, SnapshotFolder.Name, "tick-00000001.json");
        await File.WriteAllTextAsync(foreign, "mine");
        await File.WriteAllTextAsync(Path.ChangeExtension(foreign, ".npz"), "mine");
        using var folder = SnapshotFolder.Open(run);
        Assert.Contains("tick-00000001.json: expected no file here but those of this folder's run", Assert.Throws<InvalidInputException>(folder.RequireOwn).Message, StringComparison.Ordinal);
        folder.Prune(1);
        Assert.Equal("mine", await File.ReadAllTextAsync(foreign));
        Assert.Equal([0, 1, 18], folder.Ticks);
    }

    [Fact]
    public async Task A_run_that_went_wrong_is_written_read_and_gone_on_with()
    {
        // Agents that are stopped, deadlines that are missed, figures that are not finite.
        var run = new Case(5, history: 1, execute: 1, steps: 12);
        var stopped = new StoppedAgent(new EpisodeId(1), new AgentId(2), new Tick(4), "no plan");
        TestHost Host() => new(o => o.Episode.Value == 0 && o.Agent.Value == 1 && o.Tick.Value % 2 == 0 ? [float.NaN, 1] : TestHost.Walk(o));
        var whole = await run.SimulateAsync(Host(), o => o);
        using var folder = SnapshotFolder.Create(_folder, "what the run follows from");
        await run.SimulateAsync(Host(), o => o with
        {
            Until = 6,
            Snapshot = s => folder.Write(s with { Host = new AgentHostReport(100, 1000, 3, [stopped], 50, 2, double.PositiveInfinity), WallSeconds = double.NaN, Counts = s.Counts with { Missed = 4 } }),
        });
        Assert.Equal([6], folder.Ticks);
        var read = folder.Read(6);
        Assert.Equal([stopped], read.Host.Stopped);
        Assert.Equal((4, true, true), (read.Counts.Missed, double.IsNaN(read.WallSeconds), double.IsNaN(read.Host.Projected)));
        var result = await run.SimulateAsync(Host(), o => o with { From = read });
        Assert.Equal(5, result.Counts.Stopped);
        Assert.Equal(whole.Counts.Refused, result.Counts.Refused);
        Assert.Equal(whole.Positions.Data[..(12 * 2 * 2)], result.Positions.Data[..(12 * 2 * 2)]);
    }

    [Fact]
    public async Task A_log_replaces_another_log_and_nothing_else()
    {
        var run = new Case(5, history: 1, execute: 1, steps: 4);
        var log = Path.Combine(_folder, EventLog.Name);
        await run.SimulateAsync(new TestHost(TestHost.Walk), o => o with { Log = log });
        await run.SimulateAsync(new TestHost(TestHost.Walk), o => o with { Log = log });
        Assert.True(EventReplay.Of(log).Completed);
        await File.WriteAllTextAsync(log, "my own events");
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => run.SimulateAsync(new TestHost(TestHost.Walk), o => o with { Log = log }));
        Assert.Contains("events.log: expected an event log or no file", error.Message, StringComparison.Ordinal);
        Assert.Equal("my own events", await File.ReadAllTextAsync(log));
    }

    [Fact]
    public async Task A_state_of_another_run_is_refused()
    {
        var (_, snapshots) = await KeptAsync(every: 6);
        var from = snapshots[^1];
        async Task Refused(Case other, string expected)
        {
            var error = await Assert.ThrowsAsync<InvalidInputException>(() => other.SimulateAsync(new RememberingHost(other.Scenario.Agents, 2, 3), o => o with { From = from }));
            Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        }

        await Refused(new Case(5, history: 2, execute: 3, steps: 24, seed: 99), "starts: expected those of the run");
        await Refused(new Case(5, history: 2, execute: 3, steps: 24, agents: 7), "velocities: expected shape (2, 7, 2)");
        await Refused(new Case(5, history: 2, execute: 3, steps: 19), "tick: expected one before the last, 18, found 18");
    }

    [Fact]
    public async Task An_agent_that_was_stopped_stays_stopped()
    {
        var run = new Case(5, history: 1, execute: 1, steps: 12);
        RunSnapshot? at = null;
        await run.SimulateAsync(new RememberingHost(run.Scenario.Agents, 1, 1), o => o with { Until = 6, Snapshot = s => at = s });
        var stopped = new StoppedAgent(new EpisodeId(1), new AgentId(2), new Tick(4), "no plan");
        at = at! with { Host = new AgentHostReport(100, 1000, 3, [stopped], 50) };
        var asked = new List<Observation>();
        var host = new TestHost(o =>
        {
            asked.Add(o);
            return TestHost.Walk(o);
        });
        var result = await run.SimulateAsync(host, o => o with { From = at });
        Assert.DoesNotContain(asked, o => o is { Episode.Value: 1, Agent.Value: 2 });
        Assert.Equal(5, result.Counts.Stopped);
        Assert.Equal(at.Counts.Applied + 5 * (run.Scenario.Agents * 2 - 1), result.Counts.Applied);
        Assert.Equal((100, 3, 55), (result.Host.Plans, result.Host.Restarts, result.Host.Messages));
        Assert.Equal([stopped], result.Host.Stopped);
    }

    [Fact]
    public async Task From_a_fork_on_others_may_be_sensed_later_than_before()
    {
        // Nobody reacts to others, so the paths are the same however late they are seen. Where more is needed than was kept in full, positions come from the record, in float32.
        static float[] Straight(Observation o) => [o.Features.Span[0] + 0.25f, o.Features.Span[1]];
        var run = new Case(5, history: 1, execute: 1, steps: 20);
        Case Late(int delay) => new(5, history: 1, execute: 1, steps: 20) { Sensing = new SensingSpec { Delay = delay } };
        RunSnapshot? at = null;
        await Late(1).SimulateAsync(new TestHost(Straight), o => o with { Until = 9, Snapshot = s => at = s });
        foreach (var delay in new[] { 0, 1, 2, 5, 30 })
        {
            var (expected, found) = (new List<float>(), new List<float>());
            TestHost Noting(List<float> to) => new(o =>
            {
                to.AddRange(o.Tick.Value >= 9 ? o.Features.Span : []);
                return Straight(o);
            });
            var whole = await Late(delay).SimulateAsync(Noting(expected), o => o);
            var forked = await Late(delay).SimulateAsync(Noting(found), o => o with { From = at });
            Assert.Equal(whole.TrajectoryHash, forked.TrajectoryHash);
            Assert.Equal(expected.Count, found.Count);
            Assert.True(expected.Zip(found, (e, f) => Math.Abs(e - f)).Max() < (delay <= 1 ? 1e-30 : 1e-3), $"delay {delay}");
        }
    }

    private static string Squeezed(byte[] json) => new([.. Encoding.UTF8.GetString(json).Where(c => !char.IsWhiteSpace(c))]);

    /// <summary>A run with snapshots, stopped for good after tick 18 of 23.</summary>
    private async Task<(string Run, List<RunSnapshot> Snapshots)> KeptAsync(int every)
    {
        var run = Path.Combine(_folder, "run");
        var snapshots = new List<RunSnapshot>();
        var what = new Case(5, history: 2, execute: 3, steps: 24);
        using var folder = SnapshotFolder.Create(run, "what the run follows from");
        await what.SimulateAsync(new RememberingHost(what.Scenario.Agents, 2, 3), o => o with
        {
            Until = 18,
            SnapshotEvery = every,
            Snapshot = s =>
            {
                folder.Write(s);
                snapshots.Add(s);
            },
        });
        return (run, snapshots);
    }

    /// <summary>Runs a random case undisturbed, and again with interruptions at random ticks, and compares all there is.</summary>
    private bool GoesOn(uint seed)
    {
        var random = new CounterRandom(seed, RandomPurpose.Resampling);
        var (history, execute) = (1 + random.NextInt32(3), 1 + random.NextInt32(5));
        var run = new Case(seed, history, execute, steps: 4 + random.NextInt32(24));
        var (agents, ticks) = (run.Scenario.Agents, run.Scenario.Steps - 1);
        var folder = Path.Combine(_folder, $"{seed}-{Guid.NewGuid():N}");
        var (whole, pieces) = (Path.Combine(folder, "whole.log"), Path.Combine(folder, EventLog.Name));
        var expected = run.SimulateAsync(new RememberingHost(agents, history, execute), o => o with { Log = whole }).GetAwaiter().GetResult();

        var every = 1 + random.NextInt32(6);
        SimulationResult? found = null;
        for (var tick = random.NextInt32(ticks); found is null; tick += 1 + random.NextInt32(8))
        {
            using var snapshots = Directory.Exists(folder) && File.Exists(Path.Combine(folder, SnapshotFolder.Name, "run.json")) ? SnapshotFolder.Open(folder) : SnapshotFolder.Create(folder, $"{seed}");
            var from = snapshots.Ticks is [.., var latest] ? snapshots.Read(latest) : null;
            using var cancel = new CancellationTokenSource();
            var stop = tick;
            var host = new RememberingHost(agents, history, execute)
            {
                Answers = t =>
                {
                    if (t.Value >= stop)
                    {
                        cancel.Cancel();
                    }

                    return t.Value < stop;
                },
            };
            var result = run.SimulateAsync(host, o => o with { From = from, Log = pieces, LogGoesOn = from is not null, SnapshotEvery = every, Snapshot = snapshots.Write, Threads = 1 + random.NextInt32(2) }, cancel.Token).GetAwaiter().GetResult();
            found = result.Completed ? result : null;
        }

        return expected.TrajectoryHash == found.TrajectoryHash
            && expected.Counts == found.Counts
            && expected.Host with { Stopped = [] } == found.Host with { Stopped = [] }
            && expected.Actions.Data.AsSpan().SequenceEqual(found.Actions.Data)
            && File.ReadAllBytes(whole).AsSpan().SequenceEqual(File.ReadAllBytes(pieces))
            && EventReplay.Of(pieces) is { Completed: true, TornBytes: 0 } replay && replay.TrajectoryHash == expected.TrajectoryHash;
    }

    /// <summary>A run that a seed makes: any dynamics, imperfect sensing, perhaps a body that is replayed.</summary>
    internal sealed class Case
    {
        private readonly SimulationOptions _options;
        private readonly Scenario _scenario;

        public Case(uint number, int history, int execute, int steps, ulong? seed = null, int? agents = null)
        {
            var random = new CounterRandom(number, RandomPurpose.Experts);
            var dynamics = random.NextInt32(3) switch
            {
                0 => new DynamicsSpec { Kind = DynamicsKind.Kinematic, MaxSpeed = random.NextInt32(2) == 0 ? null : 2 },
                1 => new DynamicsSpec { Kind = DynamicsKind.Unicycle, MaxSpeed = 4, MaxTurnRate = 3 },
                _ => new DynamicsSpec { Kind = DynamicsKind.DoubleIntegrator, MaxAcceleration = 5 },
            };
            Sensing = new SensingSpec { Noise = 0.05 * random.NextInt32(2), Dropout = 0.2 * random.NextInt32(2), Delay = random.NextInt32(4), Range = random.NextInt32(2) == 0 ? null : 12 };
            var n = agents ?? 3 + random.NextInt32(4);
            _scenario = Scenario.Load(Path.Combine(ScenarioTests.Folder, "ring.json")).WithAgents(n).WithSteps(steps) with { Dynamics = dynamics };
            _options = new SimulationOptions
            {
                Seed = seed ?? number,
                Episodes = 2,
                Threads = 1,
                Slots = [.. Enumerable.Range(0, n).Select(_ => new AgentSlot(TestHost.WalkSensor with { History = history }, new SamplingSpec { Execute = execute }))],
                Replays = number % 3 == 1 ? [new Replay(n - 1, new NdArray<double>([1, 3, 2], [5, 0, 4, 1, 3, 2]), "paths.npy")] : [],
            };
        }

        public SensingSpec Sensing { get; init; }

        public Scenario Scenario => _scenario with { Sensing = Sensing };

        public Task<SimulationResult> SimulateAsync(IAgentHost host, Func<SimulationOptions, SimulationOptions> with, CancellationToken cancellationToken = default)
            => Simulation.RunAsync(Scenario, TestHost.WalkSensor, with(_options), host, null, cancellationToken);
    }
}
