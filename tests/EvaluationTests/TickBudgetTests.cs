using MimicD.Agents;
using MimicD.Bench.Speed;
using MimicD.Tests;
using MimicD.World;

namespace MimicD.EvaluationTests;

/// <summary>What a tick and an agent may cost, in counts that do not depend on the machine. Alone, for memory is counted for the whole process.</summary>
[CollectionDefinition(nameof(TickBudgetTests), DisableParallelization = true)]
[Collection(nameof(TickBudgetTests))]
public class TickBudgetTests
{
    private const int Agents = 500;
    private const double Range = 5;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_tick_through_actors_and_mailboxes_allocates_nothing_once_warm(int threads)
    {
        const int Warm = 200;
        const int Window = 40;
        const int Ticks = Warm + 10 * Window;
        var scenario = Ring(Agents, Ticks);
        var allocated = new List<long>();
        var policy = new Counting(Straight(scenario), plan =>
        {
            // Between the first plans of two ticks lie all parts of the ticks between.
            if ((plan - 1) % (Window * Agents) == 0 && plan > Warm * Agents)
            {
                allocated.Add(GC.GetTotalAllocatedBytes(precise: true));
            }
        });
        await using var host = new LocalHost(_ => policy, threads);
        var result = await Simulation.RunAsync(scenario, scenario.DefaultSensor, new SimulationOptions { Threads = threads }, host, null, CancellationToken.None);
        Assert.Equal((long)Agents * Ticks, result.Counts.Applied);
        Assert.Equal((long)Agents * Ticks, host.Report.Messages);
        Assert.Equal(10, allocated.Count);

        // What each tick allocated would be in all stretches; what the runtime's own threads do now and then is not.
        Assert.Equal(0, allocated.Zip(allocated.Skip(1), (before, after) => after - before).Min());
    }

    [Fact]
    public void An_agent_takes_no_more_memory_than_it_should()
        => Assert.InRange(Memory.OfAgent(RepositoryRoot.Folder, Range), 0, 512);

    private static Scenario Ring(int agents, int ticks)
        => (Scenario.Load(Path.Combine(RepositoryRoot.Folder, "scenarios", "ring.json")).WithAgents(agents) with { Sensing = new SensingSpec { Range = Range } }).WithSteps(ticks + 1);

    private static ConstantVelocityPolicy Straight(Scenario scenario) => new(scenario.DefaultSensor, 1, scenario.TimeStep);

    /// <summary>Says of each plan the how manieth it is.</summary>
    private sealed class Counting(IPolicy policy, Action<int> planned) : IPolicy
    {
        private int _plans;

        public int FrameSize => policy.FrameSize;

        public int History => policy.History;

        public int ActionSize => policy.ActionSize;

        public int PlanActions => policy.PlanActions;

        public int NoiseSize => policy.NoiseSize;

        public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions)
        {
            planned(Interlocked.Increment(ref _plans));
            return policy.Plan(frames, noise, actions);
        }
    }
}
