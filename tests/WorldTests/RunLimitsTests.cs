using MimicD.Contracts;

namespace MimicD.World.Tests;

/// <summary>What is too large is refused before the first tick, in one line.</summary>
public sealed class RunLimitsTests
{
    private const long Much = long.MaxValue;

    private static readonly RunSize Small = new(Episodes: 100, Agents: 2, Steps: 100, Dimensions: 2, ActionSize: 2) { FrameSize = 6, WindowTicks = 3, Results = true, AgentsHere = true };

    public static TheoryData<RunSize, string> TooLarge => new()
    {
        { Small with { Agents = 16_384, Steps = 40_000, Episodes = 1 }, "positions: expected at most 268435455 (numbers; episodes x agents x steps x dimensions), so fewer agents or steps than 16384 and 40000, found 1310720000" },
        { Small with { Episodes = 1_000_000, Agents = 10 }, "episodes: expected at most 134217 with 10 agents and 100 steps (positions: 268435455 numbers; episodes x agents x steps x dimensions), found 1000000" },
        { Small with { Episodes = int.MaxValue, Agents = int.MaxValue, Steps = int.MaxValue }, "found 9223372036854775807" },
        { Small with { Episodes = 1_000_000, Agents = 1, ActionSize = 7, Dimensions = 1 }, "(actions: 268435455 numbers;" },
        { Small with { Episodes = 100_000, Steps = 5, Delay = 1000 }, "(sensing.delay: 268435455 numbers;" },
        { Small with { FrameSize = 50_000_000, WindowTicks = 64 }, "sensor: expected at most 2147483591" },
        { Small with { FrameSize = 50_000_000, HoldsObservations = true }, "(sensor: 2147483591 numbers that all agents observe at a tick" },
        { Small with { FrameSize = 1_000_000, Snapshots = true }, "(--snapshot-every: 268435455 numbers of a snapshot" },
        { Small with { Episodes = 60_000_000, Agents = 1, Steps = 2, Log = true, Results = false }, "(--log: " },
        { Small with { Episodes = 300_000, Steps = 200, From = 190, Log = true, Results = false, Delay = 200 }, "(--log: " },
        { Small with { Episodes = 1_000_000, Agents = 20, Steps = 3 }, "(result.json: 500000000 characters of starts or goals; episodes x agents x dimensions x 25)" },
    };

    [Theory]
    [MemberData(nameof(TooLarge))]
    public void What_breaks_a_limit_is_refused_by_name(RunSize size, string expected)
    {
        var message = Assert.Throws<InvalidInputException>(() => RunLimits.Require(size, "swap", Much)).Message;
        Assert.StartsWith("swap: ", message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void What_keeps_all_limits_runs_to_its_end_and_is_read_back()
    {
        RunLimits.Require(Small, "swap", Much);
        // As large as its largest array may be.
        RunLimits.Require(Small with { Episodes = RunLimits.ArrayNumbers / 400, Results = false }, "swap", Much);
        Assert.Throws<InvalidInputException>(() => RunLimits.Require(Small with { Episodes = RunLimits.ArrayNumbers / 400 + 1, Results = false }, "swap", Much));
    }

    [Fact]
    public void A_run_that_does_not_fit_into_memory_is_refused()
    {
        var needed = RunLimits.MemoryNeeded(Small);
        RunLimits.Require(Small, "swap", needed);
        var message = Assert.Throws<InvalidInputException>(() => RunLimits.Require(Small with { Episodes = 100_000 }, "swap", 100_000_000)).Message;
        Assert.Matches("^swap: memory: expected a run that fits into the 0\\.1 GB that there are \\(fewer episodes, agents or steps\\), found one of [0-9.]+ GB or more$", message);
        Assert.True(RunLimits.AvailableMemory > 1 << 20);
    }

    [Fact]
    public async Task A_simulation_that_is_too_large_is_refused_before_its_host_is_opened()
    {
        var host = new TestHost(_ => throw new InvalidOperationException("asked"));
        var scenario = ScenarioTests.Parse().WithSteps(1_000_000);
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => Simulation.RunAsync(scenario, new SensorSpec(), new SimulationOptions { Episodes = 1000 }, host));
        Assert.Contains("(positions: 268435455 numbers;", error.Message, StringComparison.Ordinal);
        Assert.Null(host.Run);
    }

    [Fact]
    public void Arrays_of_demonstrations_have_the_same_limit()
    {
        RunLimits.RequireArray("--count", "positions", "demonstrations x agents x steps x 2", 100, 2, 100, 2);
        Assert.Equal("--count: positions: expected at most 268435455 numbers (demonstrations x agents x steps x 2), found 400000000000",
            Assert.Throws<InvalidInputException>(() => RunLimits.RequireArray("--count", "positions", "demonstrations x agents x steps x 2", 1_000_000, 1000, 200, 2)).Message);
    }
}
