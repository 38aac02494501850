using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World.Tests;

/// <summary>A host in the test's own thread: gathers a tick's observations and answers them when the tick's delivery ends, in an order of the test's choice.</summary>
internal sealed class TestHost(Func<Observation, float[]?> policy) : IAgentHost
{
    private readonly List<Observation> _gathered = [];

    public RunSpec? Run { get; private set; }

    public IActionSink Sink { get; private set; } = null!;

    /// <summary>Shuffles answers by this seed; null answers in the order of delivery.</summary>
    public ulong? ShuffleSeed { get; init; }

    /// <summary>Answers from many threads at once.</summary>
    public bool Parallel { get; init; }

    /// <summary>Called at the end of each tick's delivery, before the answers.</summary>
    public Action<Tick>? OnTick { get; init; }

    public AgentHostReport Report { get; } = new(0, 0, 0, []);

    public ValueTask OpenAsync(RunSpec run, IActionSink world, CancellationToken cancellationToken)
    {
        Run = run;
        Sink = world;
        return ValueTask.CompletedTask;
    }

    /// <summary>Nothing to remember: its agents act on what they observe now.</summary>
    public void Recall(in Observation observation)
    {
    }

    public void Deliver(in Observation observation) => _gathered.Add(observation with { Features = observation.Features.ToArray() });

    public void EndTick(Tick tick)
    {
        OnTick?.Invoke(tick);
        Observation[] order = [.. _gathered];
        _gathered.Clear();
        if (ShuffleSeed is { } seed)
        {
            var random = new CounterRandom(seed, RandomPurpose.Resampling, tick.Value);
            for (var i = order.Length - 1; i > 0; i--)
            {
                var j = random.NextInt32(i + 1);
                (order[i], order[j]) = (order[j], order[i]);
            }
        }

        if (Parallel)
        {
            System.Threading.Tasks.Parallel.ForEach(order, Answer);
        }
        else
        {
            Array.ForEach(order, Answer);
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private void Answer(Observation observation)
    {
        if (policy(observation) is { } action)
        {
            Sink.Act(new AgentAction(observation.Episode, observation.Agent, observation.Tick, action, ActionStatus.Decided));
        }
    }

    /// <summary>Steps of 0.3 m towards the (relative) goal, pushed away from the nearest other: sensitive to everything that is sensed.</summary>
    public static float[] Walk(Observation o)
    {
        var f = o.Features.Span;
        var (gx, gy, ox, oy) = (f[2], f[3], f[4], f[5]);
        var goal = MathF.Max(0.3f, MathF.Sqrt(gx * gx + gy * gy));
        var other = 0.1f + ox * ox + oy * oy;
        return [f[0] + 0.3f * gx / goal - 0.2f * ox / other, f[1] + 0.3f * gy / goal - 0.2f * oy / other];
    }

    public static SensorSpec WalkSensor { get; } = new() { Goal = Frame.Relative, Others = new OthersSpec { Presence = true } };
}

/// <summary>A clock that stands still until somebody waits for it, and then jumps to what is waited for.</summary>
internal sealed class JumpingTime : TimeProvider
{
    private long _now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Interlocked.Read(ref _now);

    public void Advance(TimeSpan by) => Interlocked.Add(ref _now, by.Ticks);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime != Timeout.InfiniteTimeSpan)
        {
            Advance(dueTime);
            ThreadPool.QueueUserWorkItem(_ => callback(state));
        }

        return new Idle();
    }

    private sealed class Idle : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
