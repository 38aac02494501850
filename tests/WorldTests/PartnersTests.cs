using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World.Tests;

public class PartnersTests
{
    private static readonly SensorSpec SeesOthers = new() { Others = new OthersSpec { Count = 1, Order = OtherOrder.Identity, Frame = Frame.Absolute } };

    [Fact]
    public async Task A_replayed_body_follows_its_path_and_nobody_is_asked_for_it()
    {
        var asked = new List<AgentId>();
        var host = new TestHost(o =>
        {
            asked.Add(o.Agent);
            return Stay(o);
        });
        // Two paths of three positions for three episodes of five: the third takes the first path again, and all stand still at the end.
        var replay = new Replay(1, new NdArray<double>([2, 3, 2], [7, 0, 6, 1, 5, 2, -7, 0, -6, -1, -5, -2]), "paths.npy");
        var result = await RunAsync(host, 3, 5, replays: [replay]);
        Assert.All(asked, a => Assert.Equal(0, a.Value));
        Assert.Equal(3 * 4, result.Counts.Observations);
        Assert.Equal(3 * 4, result.Counts.Actions);
        Assert.Equal(0, result.Counts.Fallbacks);
        Assert.Null(host.Run!.Slot(new AgentId(1)));
        float[] first = [7, 0, 6, 1, 5, 2, 5, 2, 5, 2];
        Assert.Equal(first, Path(result, 0, 1));
        Assert.Equal([.. first.Select(x => -x)], Path(result, 1, 1));
        Assert.Equal(first, Path(result, 2, 1));
        Assert.Equal([5, 2], result.Goals.Data[2..4]);
        Assert.Equal([6, 1, 5, 2, 5, 2, 5, 2], result.Actions.Data[8..16]);
    }

    [Fact]
    public async Task The_others_see_a_replayed_body_where_it_is()
    {
        var seen = new List<float>();
        var host = new TestHost(o =>
        {
            seen.Add(o.Features.Span[2]);
            return Stay(o);
        });
        await RunAsync(host, 1, 4, replays: [new Replay(1, new NdArray<double>([1, 3, 2], [7, 0, 6, 1, 5, 2]), "paths.npy")]);
        Assert.Equal([7, 6, 5], seen);
    }

    [Fact]
    public async Task Agents_may_sense_different_things_and_sample_differently()
    {
        var sizes = new Dictionary<int, int>();
        var host = new TestHost(o =>
        {
            sizes[o.Agent.Value] = o.Features.Length;
            return Stay(o);
        });
        AgentSlot[] slots = [new(SeesOthers, new SamplingSpec()), new(new SensorSpec(), new SamplingSpec { Steps = 3 })];
        await RunAsync(host, 1, 4, slots);
        Assert.Equal((4, 2), (sizes[0], sizes[1]));
        Assert.Equal(new SlotSpec(2, slots[1].Sampling), host.Run!.Slot(new AgentId(1)));
    }

    [Fact]
    public async Task An_action_for_a_replayed_body_is_dropped_and_counted()
    {
        TestHost host = null!;
        host = new TestHost(o =>
        {
            host.Sink.Act(new AgentAction(o.Episode, new AgentId(1), o.Tick, new float[] { 9, 9 }, ActionStatus.Decided));
            return Stay(o);
        });
        var result = await RunAsync(host, 1, 4, replays: [new Replay(1, new NdArray<double>([1, 1, 2], [7, 0]), "paths.npy")]);
        Assert.Equal(3, result.Counts.DroppedLate);
        Assert.Equal([7, 0, 7, 0, 7, 0, 7, 0], Path(result, 0, 1));
    }

    [Fact]
    public async Task Replays_that_do_not_fit_are_refused()
    {
        void Refused(double[] data, int[] shape, string expected)
            => Assert.Contains(expected, Assert.Throws<InvalidInputException>(() => new Replay(0, new NdArray<double>(shape, data), "paths.npy")).Message, StringComparison.Ordinal);

        Refused([1, 2], [1, 2], "paths.npy: paths: expected shape (paths, times, 2 or 3), found (1, 2)");
        Refused([1, double.NaN], [1, 1, 2], "paths.npy: paths: expected numbers within");
        var replay = new Replay(2, new NdArray<double>([1, 1, 2], [1, 2]), "paths.npy");
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => RunAsync(new TestHost(Stay), 1, 4, replays: [replay]));
        Assert.Contains("paths.npy: agent: expected an index below 2", error.Message, StringComparison.Ordinal);
    }

    private static float[] Stay(Observation o) => [o.Features.Span[0], o.Features.Span[1]];

    private static float[] Path(SimulationResult result, int episode, int agent)
    {
        var size = result.Positions.Shape[2] * 2;
        return result.Positions.Data[((episode * 2 + agent) * size)..((episode * 2 + agent + 1) * size)];
    }

    private static Task<SimulationResult> RunAsync(TestHost host, int episodes, int steps, IReadOnlyList<AgentSlot>? slots = null, IReadOnlyList<Replay>? replays = null)
        => Simulation.RunAsync(ScenarioTests.Parse().WithSteps(steps), SeesOthers, new SimulationOptions { Episodes = episodes, Slots = slots, Replays = replays ?? [], Threads = 1 }, host);
}
