using System.Collections.Concurrent;
using MimicD.Agents;
using MimicD.Contracts;

namespace MimicD.AgentsTests;

public class LocalHostTests
{
    [Theory]
    [InlineData(NoiseMode.Fresh)]
    [InlineData(NoiseMode.Autoregressive)]
    public async Task Actions_do_not_depend_on_the_number_of_threads(NoiseMode noise)
    {
        var model = RandomModel.Load(RandomModel.Spec(width: 16, agents: 3));
        var sampling = model.Spec.Sampling with { Noise = noise };
        var (runs, familiar) = (new List<string>(), new List<string>());
        foreach (var threads in new[] { 1, 2, 4 })
        {
            var world = new World(new RunSpec(5, 4, 3, model.Spec.Sensor.FrameSize, 2, sampling));
            await using var host = new LocalHost(model.Policies(sampling), threads);
            await world.OpenAsync(host);
            for (var t = 0; t < 7; t++)
            {
                // What an agent sees depends on what all have done so far, as in a real run.
                await world.TickAsync(host, t, (e, i, d) => t == 0 ? e + 0.1f * i + d : world.Last(e, (i + d) % 3)[d % 2]);
            }

            runs.Add(world.Text);
            Assert.Equal(new AgentHostReport(48, 192, 0, [], 7 * 4 * 3), host.Report with { Stopped = [], Familiarity = null });
            familiar.Add(StrictJson.Format(host.Report.Familiarity));
        }

        Assert.Single(runs.Distinct());
        Assert.Single(familiar.Distinct());
    }

    [Theory]
    [InlineData(NoiseMode.Fresh)]
    [InlineData(NoiseMode.Autoregressive)]
    public async Task Agents_that_recall_their_windows_go_on_as_if_nothing_had_happened(NoiseMode noise)
    {
        const int Ticks = 12;
        const int Execute = 3;
        var model = RandomModel.Load(RandomModel.Spec(width: 16, agents: 3));
        var run = new RunSpec(5, 2, 3, model.Spec.Sensor.FrameSize, 2, model.Spec.Sampling with { Noise = noise, Execute = Execute });
        static float Feature(int tick, int episode, int agent, int d) => MathF.Sin(tick + 10 * episode + 3 * agent + d);
        async Task<(World World, AgentHostReport Report)> FromAsync(int first)
        {
            var world = new World(run);
            await using var host = new LocalHost(model.Policies(run.Sampling), 2);
            await world.OpenAsync(host);
            for (var t = Math.Max(0, first - (model.Spec.Sensor.History + Execute - 1)); t < first; t++)
            {
                for (var body = 0; body < 6; body++)
                {
                    host.Recall(new Observation(new EpisodeId(body / 3), new AgentId(body % 3), new Tick(t), Enumerable.Range(0, run.FrameSize).Select(d => Feature(t, body / 3, body % 3, d)).ToArray()));
                }
            }

            for (var t = first; t < Ticks; t++)
            {
                await world.TickAsync(host, t, (e, i, d) => Feature(t, e, i, d));
            }

            return (world, host.Report);
        }

        var whole = (await FromAsync(0)).World.Lines;
        for (var first = 1; first < Ticks; first++)
        {
            var (world, report) = await FromAsync(first);
            Assert.Equal(whole.Where(l => int.Parse(l.Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture) >= first).Order(StringComparer.Ordinal), world.Lines.Order(StringComparer.Ordinal));
            // A plan that was in hand is made again, and not counted again.
            var plans = 6 * Enumerable.Range(first, Ticks - first).Count(t => t % Execute == 0);
            Assert.Equal((plans, 4 * plans, 0), (report.Plans, report.NetworkCalls, report.Restarts));
        }
    }

    [Fact]
    public async Task An_agent_that_fails_where_it_is_taken_up_is_rebuilt()
    {
        var fail = true;
        var world = new World(new RunSpec(1, 1, 1, 1, 1, new SamplingSpec()));
        await using var host = new LocalHost(
            _ => new FunctionPolicy(v =>
            {
                var failing = fail;
                fail = false;
                return failing ? throw new InvalidOperationException("not today") : v + 1;
            }),
            threads: 1);
        await world.OpenAsync(host);
        host.Recall(new Observation(new EpisodeId(0), new AgentId(0), new Tick(6), new float[] { 6 }));
        await world.TickAsync(host, 7, (_, _, _) => 7);
        await world.TickAsync(host, 8, (_, _, _) => 8);
        Assert.Equal(["7 0 0 Decided 8", "8 0 0 Decided 9"], world.Lines);
        Assert.Equal((2, 1), (host.Report.Plans, host.Report.Restarts));
    }

    [Fact]
    public async Task An_agent_without_a_network_may_decide_where_its_observation_arrives_and_decides_the_same()
    {
        async Task<(string Text, int Elsewhere)> RunAsync(bool direct, Func<AgentId, IPolicy> policies, int frameSize)
        {
            var elsewhere = 0;
            var world = new World(new RunSpec(3, 2, 4, frameSize, frameSize, new SamplingSpec()));
            await using var host = new LocalHost(policies, threads: 2, direct: direct);
            await world.OpenAsync(host);
            for (var t = 0; t < 6; t++)
            {
                var caller = Environment.CurrentManagedThreadId;
                world.Acted = () => Interlocked.Add(ref elsewhere, Environment.CurrentManagedThreadId == caller ? 0 : 1);
                await world.TickAsync(host, t, (e, i, d) => t + e + i + d);
            }

            return (world.Text, elsewhere);
        }

        var (scripted, there) = await RunAsync(direct: true, _ => new FunctionPolicy(v => 2 * v), 1);
        Assert.Equal((await RunAsync(direct: false, _ => new FunctionPolicy(v => 2 * v), 1)).Text, scripted);

        // Each agent's first decision tells whether there is a network, and the next may come while that one is being put away.
        Assert.InRange(there, 0, 24);
        var (learned, _) = await RunAsync(direct: true, _ => new MixingPolicy(1, 1), 2);
        Assert.Equal((await RunAsync(direct: false, _ => new MixingPolicy(1, 1), 2)).Text, learned);
    }

    [Fact]
    public async Task An_agent_is_shown_only_what_was_delivered_to_it()
    {
        var seen = new ConcurrentDictionary<AgentId, ConcurrentBag<List<float[]>>>();
        var world = new World(new RunSpec(1, 2, 5, 1, 1, new SamplingSpec()));
        await using var host = new LocalHost(
            id =>
            {
                var mine = new List<float[]>();
                seen.GetOrAdd(id, _ => []).Add(mine);
                return new RecordingPolicy(mine);
            },
            threads: 2);
        await world.OpenAsync(host);
        for (var t = 0; t < 20; t++)
        {
            await world.TickAsync(host, t, (e, i, _) => e * 10_000 + i * 1000 + t);
        }

        for (var i = 0; i < 5; i++)
        {
            var lists = seen[new AgentId(i)].OrderBy(l => l[0][0]).ToArray();
            Assert.Equal(2, lists.Length);
            for (var e = 0; e < 2; e++)
            {
                Assert.Equal(Enumerable.Range(0, 20).Select(t => e * 10_000f + i * 1000 + t), lists[e].Select(f => f[0]));
            }
        }
    }

    [Fact]
    public async Task A_sender_may_reuse_its_memory_at_once()
    {
        using var gate = new ManualResetEventSlim();
        var world = new World(new RunSpec(1, 1, 1, 1, 1, new SamplingSpec()));
        await using var host = new LocalHost(
            _ => new FunctionPolicy(v =>
            {
                gate.Wait();
                return v;
            }),
            threads: 1);
        await world.OpenAsync(host);
        var memory = new float[1];
        for (var t = 0; t < 3; t++)
        {
            memory[0] = 100 + t;
            host.Deliver(new Observation(new EpisodeId(0), new AgentId(0), new Tick(t), memory));
        }

        gate.Set();
        await host.DisposeAsync();
        Assert.Equal(["0 0 0 Decided 100", "1 0 0 Decided 101", "2 0 0 Decided 102"], world.Lines);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task A_full_mailbox_refuses_answers_by_fallback_and_keeps_what_it_holds(int capacity)
    {
        using var gate = new ManualResetEventSlim();
        var world = new World(new RunSpec(1, 1, 1, 1, 1, new SamplingSpec()));
        await using var host = new LocalHost(
            _ => new FunctionPolicy(v =>
            {
                gate.Wait();
                return v;
            }),
            threads: 1,
            capacity);
        await world.OpenAsync(host);
        for (var t = 0; t < 10; t++)
        {
            host.Deliver(new Observation(new EpisodeId(0), new AgentId(0), new Tick(t), new float[] { t }));
        }

        Assert.Equal(10 - capacity, host.Refused);
        Assert.Equal(10 - capacity, world.Lines.Count);
        gate.Set();
        await host.DisposeAsync();
        Assert.Equal(Enumerable.Range(0, 10).Select(t => t < capacity ? $"{t} 0 0 Decided {t}" : $"{t} 0 0 Fallback "), world.Lines.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task An_agent_that_throws_once_is_restarted_and_acts_as_if_nothing_had_been()
    {
        async Task<(string Text, AgentHostReport Report)> Run(bool fault)
        {
            var calls = 0;
            var world = new World(new RunSpec(3, 1, 2, 2, 2, new SamplingSpec { Execute = 2, Noise = NoiseMode.Autoregressive }));
            await using var host = new LocalHost(id => new FaultyPolicy(new MixingPolicy(3, 2), () => fault && id.Value == 1 && ++calls == 4), threads: 2);
            await world.OpenAsync(host);
            for (var t = 0; t < 12; t++)
            {
                await world.TickAsync(host, t, (_, i, d) => 10 * i + t + 0.5f * d);
            }

            return (world.Text, host.Report);
        }

        var calm = await Run(fault: false);
        var faulty = await Run(fault: true);
        Assert.Equal(calm.Text, faulty.Text);
        Assert.Equal(0, calm.Report.Restarts);
        Assert.Equal(1, faulty.Report.Restarts);
        Assert.Equal(calm.Report.Plans, faulty.Report.Plans);
        Assert.Empty(faulty.Report.Stopped);
    }

    [Fact]
    public async Task An_agent_that_keeps_failing_is_stopped_after_three_restarts_and_the_others_go_on()
    {
        var attempts = 0;
        var world = new World(new RunSpec(1, 1, 4, 1, 1, new SamplingSpec()));
        await using var host = new LocalHost(
            id => new FunctionPolicy(v => id.Value == 2 && v >= 1003 ? throw new TimeoutException($"attempt {Interlocked.Increment(ref attempts)}") : v),
            threads: 2);
        await world.OpenAsync(host);
        for (var t = 0; t < 8; t++)
        {
            await world.TickAsync(host, t, (_, _, _) => 1000 + t);
        }

        Assert.Equal(4, attempts);
        Assert.Equal(3, host.Report.Restarts);
        Assert.Equal([new StoppedAgent(new EpisodeId(0), new AgentId(2), new Tick(3), "attempt 4")], host.Report.Stopped);
        Assert.Equal(
            Enumerable.Range(0, 8).SelectMany(t => Enumerable.Range(0, 4).Select(i => i == 2 && t >= 3 ? $"{t} 0 {i} Fallback " : $"{t} 0 {i} Decided {1000 + t}")),
            world.Lines.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Restarts_add_up_over_a_run()
    {
        var failed = new HashSet<float>();
        var world = new World(new RunSpec(1, 1, 1, 1, 1, new SamplingSpec()));
        await using var host = new LocalHost(_ => new FunctionPolicy(v => failed.Add(v) ? throw new TimeoutException("first time") : v), threads: 1);
        await world.OpenAsync(host);
        for (var t = 0; t < 5; t++)
        {
            await world.TickAsync(host, t, (_, _, _) => t);
        }

        Assert.Equal(["0 0 0 Decided 0", "1 0 0 Decided 1", "2 0 0 Decided 2", "3 0 0 Fallback ", "4 0 0 Fallback "], world.Lines);
        Assert.Equal(3, host.Report.Restarts);
        Assert.Equal(new Tick(3), Assert.Single(host.Report.Stopped).Tick);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public async Task A_plan_that_is_not_finite_counts_as_a_failure(float value)
    {
        var world = new World(new RunSpec(1, 1, 1, 1, 1, new SamplingSpec()));
        await using var host = new LocalHost(_ => new FunctionPolicy(_ => value), threads: 1);
        await world.OpenAsync(host);
        await world.TickAsync(host, 0, (_, _, _) => 0);
        Assert.Equal(["0 0 0 Fallback "], world.Lines);
        Assert.Contains("not finite", Assert.Single(host.Report.Stopped).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_policy_that_does_not_fit_the_run_is_refused()
    {
        await using var host = new LocalHost(_ => new MixingPolicy(1, 1), threads: 1);
        var world = new World(new RunSpec(1, 1, 1, 3, 2, new SamplingSpec()));
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => world.OpenAsync(host).AsTask());
        Assert.Equal("policy: observation: expected 2 numbers, found 3", error.Message);
    }

    [Fact]
    public void Nothing_public_leads_from_one_agent_to_another()
    {
        // What a policy or an agent can reach: no member of theirs takes or gives a host, an action sink, an observation of others or another agent.
        foreach (var type in new[] { typeof(IPolicy), typeof(DiffusionPolicy), typeof(ConstantVelocityPolicy), typeof(ObservationWindow), typeof(PlanNoise), typeof(PlanLayout), typeof(Denoiser), typeof(EdmSampler) })
        {
            var mentioned = type.GetMembers().OfType<System.Reflection.MethodBase>().SelectMany(m => m.GetParameters().Select(p => p.ParameterType))
                .Concat(type.GetMethods().Select(m => m.ReturnType)).Concat(type.GetProperties().Select(p => p.PropertyType));
            Assert.DoesNotContain(mentioned, t => t == typeof(Agent) || t == typeof(Observation) || t == typeof(AgentAction)
                || typeof(IAgentHost).IsAssignableFrom(t) || typeof(IActionSink).IsAssignableFrom(t));
        }
    }

    /// <summary>Throws when told to, before its plan.</summary>
    private sealed class FaultyPolicy(IPolicy inner, Func<bool> fails) : IPolicy
    {
        public int FrameSize => inner.FrameSize;

        public int History => inner.History;

        public int ActionSize => inner.ActionSize;

        public int PlanActions => inner.PlanActions;

        public int NoiseSize => inner.NoiseSize;

        public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions)
            => fails() ? throw new InvalidOperationException("told to") : inner.Plan(frames, noise, actions);
    }

    /// <summary>Delivers a tick's observations and waits for all of its actions.</summary>
    [Fact]
    public async Task Plans_are_made_together_and_come_out_as_alone()
    {
        // 60 episodes of two agents with a network each: many more than are worth asking at once.
        var model = RandomModel.Load(RandomModel.Spec());
        var run = new RunSpec(5, 60, 2, model.Spec.Sensor.FrameSize, 2, model.Spec.Sampling);
        var (together, most) = await RunAsync(model.Policies());
        var (alone, one) = await RunAsync(id => new Alone(model.Policies()(id)));
        Assert.Equal(alone, together);
        Assert.Equal((16, 0), (most, one));

        async Task<(string Text, int Most)> RunAsync(Func<AgentId, IPolicy> policies)
        {
            var asked = new int[1];
            var made = new ConcurrentDictionary<AgentId, IPolicy>();
            var world = new World(run);
            await using var host = new LocalHost(id => made.GetOrAdd(id, _ => new Counting(policies(id), asked)), 1);
            await world.OpenAsync(host);
            for (var t = 0; t < 5; t++)
            {
                host.OpenTick(new Tick(t));
                await world.TickAsync(host, t, (e, i, d) => MathF.Sin(t + 10 * e + 3 * i + d));
            }

            return (world.Text, asked[0]);
        }
    }

    [Fact]
    public async Task One_agent_whose_policy_fails_does_not_fail_those_whose_plans_are_made_with_it()
    {
        var model = RandomModel.Load(RandomModel.Spec());
        var run = new RunSpec(5, 40, 2, model.Spec.Sensor.FrameSize, 2, model.Spec.Sampling);
        var made = new ConcurrentDictionary<AgentId, IPolicy>();
        var world = new World(run);
        await using var host = new LocalHost(id => made.GetOrAdd(id, _ => new Picky(model.Policies()(id))), 2);
        await world.OpenAsync(host);
        for (var t = 0; t < 3; t++)
        {
            await world.TickAsync(host, t, (e, i, d) => e == 7 && i == 1 && t == 2 ? Picky.Poison : MathF.Sin(t + 10 * e + 3 * i + d));
        }

        var stopped = Assert.Single(host.Report.Stopped);
        Assert.Equal((7, 1, 2), (stopped.Episode.Value, stopped.Agent.Value, stopped.Tick.Value));
        Assert.Equal(1, world.Lines.Count(l => l.Contains("Fallback", StringComparison.Ordinal)));
        Assert.Equal(3, host.Report.Restarts);
    }

    /// <summary>A policy to which asking together makes no difference.</summary>
    private sealed class Alone(IPolicy policy) : Wrapped(policy);

    /// <summary>Notes how many are asked at once.</summary>
    private sealed class Counting(IPolicy policy, int[] most) : Wrapped(policy)
    {
        public override int Together => Policy.Together;

        public override void Plan(ReadOnlySpan<PlanQuery> queries, Span<int> calls)
        {
            most[0] = Math.Max(most[0], queries.Length);
            Policy.Plan(queries, calls);
        }
    }

    /// <summary>Fails when it is shown one thing.</summary>
    private sealed class Picky(IPolicy policy) : Wrapped(policy)
    {
        public const float Poison = 12345;

        public override int Together => Policy.Together;

        public override int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, int mode, ReadOnlySpan<float> previous, Span<float> actions)
            => frames[0] == Poison ? throw new InvalidOperationException("poison") : base.Plan(frames, noise, mode, previous, actions);

        public override void Plan(ReadOnlySpan<PlanQuery> queries, Span<int> calls)
        {
            foreach (var query in queries)
            {
                _ = query.Frames.Span[0] == Poison ? throw new InvalidOperationException("poison") : 0;
            }

            Policy.Plan(queries, calls);
        }
    }

    private abstract class Wrapped(IPolicy policy) : IPolicy
    {
        protected IPolicy Policy => policy;

        public int FrameSize => policy.FrameSize;

        public int History => policy.History;

        public int ActionSize => policy.ActionSize;

        public int PlanActions => policy.PlanActions;

        public int NoiseSize => policy.NoiseSize;

        public virtual int Together => 1;

        public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions) => Plan(frames, noise, SharedMode.None, [], actions);

        public virtual int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, int mode, ReadOnlySpan<float> previous, Span<float> actions) => policy.Plan(frames, noise, mode, previous, actions);

        public virtual void Plan(ReadOnlySpan<PlanQuery> queries, Span<int> calls)
        {
            for (var i = 0; i < queries.Length; i++)
            {
                calls[i] = Plan(queries[i].Frames.Span, queries[i].Noise.Span, queries[i].Mode, queries[i].Previous.Span, queries[i].Actions.Span);
            }
        }
    }

    private sealed class World(RunSpec run) : IActionSink
    {
        private readonly ConcurrentQueue<string> _lines = [];
        private readonly float[][] _last = new float[run.Episodes * run.Agents][];
        private TaskCompletionSource _closed = new();
        private int _missing;

        public ConcurrentQueue<string> Lines => _lines;

        /// <summary>All answers in an order that does not depend on who answered first.</summary>
        public string Text => string.Join('\n', _lines.Order(StringComparer.Ordinal));

        public Action? Acted { get; set; }

        public float[] Last(int episode, int agent) => _last[episode * run.Agents + agent];

        public ValueTask OpenAsync(LocalHost host) => host.OpenAsync(run, this, CancellationToken.None);

        public async Task TickAsync(LocalHost host, int tick, Func<int, int, int, float> feature)
        {
            _closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _missing = run.Episodes * run.Agents;
            var frames = new float[run.Episodes * run.Agents][];
            for (var a = 0; a < frames.Length; a++)
            {
                frames[a] = [.. Enumerable.Range(0, run.FrameSize).Select(d => feature(a / run.Agents, a % run.Agents, d))];
            }

            for (var a = 0; a < frames.Length; a++)
            {
                host.Deliver(new Observation(new EpisodeId(a / run.Agents), new AgentId(a % run.Agents), new Tick(tick), frames[a]));
            }

            host.EndTick(new Tick(tick));
            await _closed.Task;
        }

        public void Act(in AgentAction action)
        {
            _lines.Enqueue($"{action.Tick.Value} {action.Episode.Value} {action.Agent.Value} {action.Status} {string.Join(' ', action.Values.ToArray())}");
            _last[action.Episode.Value * run.Agents + action.Agent.Value] = action.Values.ToArray();
            Acted?.Invoke();
            if (Interlocked.Decrement(ref _missing) == 0)
            {
                _closed.SetResult();
            }
        }
    }
}
