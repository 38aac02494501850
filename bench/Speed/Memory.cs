using MimicD.Agents;
using MimicD.World;

namespace MimicD.Bench.Speed;

/// <summary>What agents take of the heap.</summary>
internal static class Memory
{
    private const int Handful = 100;
    private const int Few = 10_000;
    private const int Many = 20_000;
    private const int Ticks = 10;
    private const int Times = 3;

    // An array's header and length.
    private const int Array = 24;

    /// <summary>Bytes that one more agent takes in a run, beside its plan, its window and what is recorded of it.</summary>
    /// <param name="root">The repository.</param>
    /// <param name="range">Distance within which others are sensed [m].</param>
    public static double OfAgent(string root, double range)
    {
        // What was there before and goes during a run is missed from it; so the middle of several counts, as such a thing goes once.
        var all = Enumerable.Range(0, Times).Select(_ => OfOneMore(root, range)).Order().ElementAt(Times / 2);
        var crowd = Crowd.Ring(root, Few, range);
        var frame = crowd.Sensor.FrameSize * sizeof(float);
        var record = (Ticks + 1 + Ticks + 2 * StepRecord) * crowd.Scenario.Dimensions * sizeof(float);
        var plan = Array + crowd.Policy.PlanActions * crowd.Policy.ActionSize * sizeof(float);
        var window = Window + 2 * Array + 3 * (frame + sizeof(int));
        return all - record - plan - window;
    }

    private static double OfOneMore(string root, double range)
    {
        // A small run before each is for what all share, and takes the place of what threads still hold of the last one.
        InRun(root, Handful, range);
        var few = InRun(root, Few, range);
        InRun(root, Handful, range);
        return (InRun(root, Many, range) - few) / (double)(Many - Few);
    }

    // Steps that wait in rows until they are turned over to their bodies.
    private const int StepRecord = 8;

    // The window's own object.
    private const int Window = 56;

    private static long InRun(string root, int agents, double range)
    {
        var crowd = Crowd.Ring(root, agents, range);
        var scenario = crowd.Scenario.WithSteps(Ticks + 1);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var policy = new Watching(crowd.Policy, agents * Ticks);
        var host = new LocalHost(_ => policy, 1);
        Simulation.RunAsync(scenario, crowd.Sensor, new SimulationOptions { Seed = 1, Threads = 1 }, host, null, CancellationToken.None).GetAwaiter().GetResult();
        host.DisposeAsync().AsTask().GetAwaiter().GetResult();
        return policy.Memory - before;
    }

    /// <summary>Reads how much memory is in use when it plans for the last time.</summary>
    private sealed class Watching(IPolicy policy, int plans) : IPolicy
    {
        private int _plans;

        public long Memory { get; private set; }

        public int FrameSize => policy.FrameSize;

        public int History => policy.History;

        public int ActionSize => policy.ActionSize;

        public int PlanActions => policy.PlanActions;

        public int NoiseSize => policy.NoiseSize;

        public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions)
        {
            if (Interlocked.Increment(ref _plans) == plans)
            {
                Memory = GC.GetTotalMemory(forceFullCollection: true);
            }

            return policy.Plan(frames, noise, actions);
        }
    }
}
