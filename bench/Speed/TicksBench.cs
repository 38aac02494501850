using System.Diagnostics;
using System.Globalization;
using System.Threading.Tasks.Dataflow;
using MimicD.Agents;
using MimicD.World;

namespace MimicD.Bench.Speed;

/// <summary>Whole ticks through actors and mailboxes: the world senses for all, agents decide, the world moves and records. And what the memory of all that is.</summary>
internal sealed class TicksBench : ISpeedBench
{
    private const int Agents = 1000;
    private const double Range = 5;
    private const int Compiled = 5000;
    private const int WarmUp = 300;
    private const int Ticks = 300;
    private const int Episodes = 1000;

    private static readonly int[] Sizes = [2, 10, 32, 100, 320, 1000, 3200, 10_000];

    public string Name => "ticks";

    public IEnumerable<SpeedRow> Run(string root, int rounds, CancellationToken cancellation)
    {
        var crowd = Crowd.Ring(root, Agents, Range);
        var (ticks, bare) = (new List<double>(), new List<double>());
        using var blocks = new Blocks(Agents);

        // Compilers work in the background for the first seconds of a process, on the same cores.
        Measure(crowd, Compiled, 1, cancellation);
        blocks.Measure(Compiled, 1);
        for (var round = 0; round < rounds; round++)
        {
            ticks.AddRange(Measure(crowd, WarmUp, Ticks, cancellation));
            bare.AddRange(blocks.Measure(WarmUp, Ticks));
        }

        var (tick, block) = (Spread.Of(ticks), Spread.Of(bare));
        yield return new SpeedRow(
            $"a tick of {Agents:#,0} scripted agents through actors and mailboxes (ring, others within {Range} m), whole machine", tick.Median * 1e6, "us", 128, AtMost: true,
            new Dictionary<string, Spread>(StringComparer.Ordinal) { ["a tick: all sense, decide and move, and it is recorded"] = tick, ["an ActionBlock an agent: a message each, and nothing done with it"] = block },
            string.Create(CultureInfo.InvariantCulture, $"bare ActionBlocks take {block.Median / tick.Median:0.00} of it"));
        yield return new SpeedRow(
            "memory of an agent beside its plan, its window and what is recorded of it", Memory.OfAgent(root, Range), "B", 512, AtMost: true, new Dictionary<string, Spread>(StringComparer.Ordinal),
            "agent, supervisor, mailbox and the world's arrays");

        yield return Swap(root, cancellation);
        foreach (var size in Sizes)
        {
            var some = Crowd.Ring(root, size, Range);
            var count = Math.Clamp(1_000_000 / size, 200, 5000);
            var processor = TimeSpan.Zero;
            var seconds = Measure(some, count, count, cancellation, used => processor = used);
            yield return new SpeedRow(
                string.Create(CultureInfo.InvariantCulture, $"the same with {size:#,0} agents, an agent-step, processor time"), processor.TotalSeconds / seconds.Count / size * 1e9, "ns", null, AtMost: true,
                new Dictionary<string, Spread>(StringComparer.Ordinal) { ["a tick"] = Spread.Of(seconds) });
        }
    }

    /// <summary>What the seconds go to when agents do plan.</summary>
    private static SpeedRow Swap(string root, CancellationToken cancellation)
    {
        var swap = Workload.Swap(root, Episodes);
        var started = Stopwatch.GetTimestamp();
        swap.LocallyAsync(Environment.ProcessorCount, cancellation).GetAwaiter().GetResult();
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        return new SpeedRow(
            string.Create(CultureInfo.InvariantCulture, $"{Episodes:#,0} swap episodes with the shipped model, whole machine"), seconds, "s", 20, AtMost: true,
            new Dictionary<string, Spread>(StringComparer.Ordinal) { ["the run"] = Spread.Of([seconds]) });
    }

    /// <summary>Seconds of each tick of a run's beginning.</summary>
    private static List<double> Measure(Crowd crowd, int warmUp, int ticks, CancellationToken cancellation, Action<TimeSpan>? processor = null)
    {
        var clock = new Clock(warmUp, ticks);
        var scenario = crowd.Scenario.WithSteps(warmUp + ticks + 1);
        var host = new LocalHost(_ => crowd.Policy, Environment.ProcessorCount);
        try
        {
            Simulation.RunAsync(scenario, crowd.Sensor, new SimulationOptions { Seed = 1 }, host, clock, cancellation).GetAwaiter().GetResult();
        }
        finally
        {
            host.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }

        cancellation.ThrowIfCancellationRequested();
        processor?.Invoke(clock.Processor);
        return [.. clock.Closings.Skip(warmUp - 1).Zip(clock.Closings.Skip(warmUp), Timed.Seconds)];
    }

    private sealed class Clock(int warmUp, int ticks) : IProgress<SimulationProgress>
    {
        private TimeSpan _before;

        public List<long> Closings { get; } = new(warmUp + ticks);

        /// <summary>Processor time of all threads, over the ticks after the first ones.</summary>
        public TimeSpan Processor { get; private set; }

        public void Report(SimulationProgress value)
        {
            Closings.Add(Stopwatch.GetTimestamp());
            if (value.TicksDone == warmUp)
            {
                _before = Environment.CpuUsage.TotalTime;
            }
            else if (value.TicksDone == warmUp + ticks)
            {
                Processor = Environment.CpuUsage.TotalTime - _before;
            }
        }
    }

    /// <summary>What each agent had for a mailbox before: it counts what comes and does nothing else.</summary>
    private sealed class Blocks : IDisposable
    {
        private readonly ActionBlock<int>[] _blocks;
        private readonly ManualResetEventSlim _done = new();
        private int _left;

        public Blocks(int agents)
        {
            var scheduler = new ConcurrentExclusiveSchedulerPair(TaskScheduler.Default, Environment.ProcessorCount).ConcurrentScheduler;
            _blocks = [.. Enumerable.Range(0, agents).Select(_ => new ActionBlock<int>(_ => Count(), new ExecutionDataflowBlockOptions { BoundedCapacity = LocalHost.DefaultMailbox, TaskScheduler = scheduler }))];
        }

        public IEnumerable<double> Measure(int warmUp, int ticks)
        {
            var seconds = new double[warmUp + ticks];
            for (var tick = 0; tick < seconds.Length; tick++)
            {
                var started = Stopwatch.GetTimestamp();
                _done.Reset();
                _left = _blocks.Length;
                foreach (var block in _blocks)
                {
                    block.Post(tick);
                }

                _done.Wait();
                seconds[tick] = Timed.Seconds(started, Stopwatch.GetTimestamp());
            }

            return seconds.Skip(warmUp);
        }

        public void Dispose() => _done.Dispose();

        private void Count()
        {
            if (Interlocked.Decrement(ref _left) == 0)
            {
                _done.Set();
            }
        }
    }
}
