using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World.Tests;

public class PositionResolutionTests
{
    private const string Why = " where single precision tells 1 % of the goal tolerance (1 m) apart (subtract an origin from all positions), found ";

    [Theory]
    [InlineData(1, 131072)]
    [InlineData(2, 262144)]
    [InlineData(0.001, 128)]
    public void The_limit_is_where_neighbouring_numbers_lie_one_percent_of_the_tolerance_apart(double tolerance, double limit)
    {
        Assert.Equal(limit, PositionResolution.Limit(tolerance));
        Assert.True((double)MathF.BitIncrement((float)limit) - limit > 0.01 * tolerance);
        Assert.True(limit - MathF.BitDecrement((float)limit) <= 0.01 * tolerance);
    }

    [Theory]
    [InlineData("\"goal\": [4, 0] }", "\"goal\": [4, 4649776] }", "bodies[0].goal", "4649776, where it tells 0.5 m apart")]
    [InlineData("\"start\": [4, 0]", "\"start\": [-500000, 0]", "bodies[1].start", "-500000, where it tells 0.03125 m apart")]
    [InlineData("\"goalTolerance\": 1,", "\"goalTolerance\": 1, \"obstacles\": [ { \"centre\": [2, 1e6], \"radius\": 1 } ],", "obstacles[0].centre", "1000000, where it tells 0.0625 m apart")]
    [InlineData("\"goalTolerance\": 1,", "\"goalTolerance\": 1, \"bounds\": { \"low\": [null, -7], \"high\": [null, 4649776] },", "bounds", "4649776, where it tells 0.5 m apart")]
    public void Map_coordinates_are_refused(string old, string now, string field, string found)
    {
        var message = Assert.Throws<InvalidInputException>(() => ScenarioTests.Parse((old, now))).Message;
        Assert.Equal($"small.json: {field}: expected coordinates below 131072 m,{Why}{found}", message);
    }

    [Fact]
    public void A_ring_round_a_place_on_the_map_is_refused_and_the_largest_ring_is_not()
    {
        var ring = Scenario.Load(Path.Combine(ScenarioTests.Folder, "ring.json"));
        ring.WithAgents(Scenario.MaxAgents).Validate("ring");
        var far = ring with { Circle = ring.Circle! with { Centre = [4649776, 0] } };
        Assert.Contains("circle: expected coordinates below 65536 m", Assert.Throws<InvalidInputException>(() => far.Validate("ring")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Demonstrations_in_map_coordinates_do_not_fit()
    {
        var swap = Scenario.Load(Path.Combine(ScenarioTests.Folder, "swap.json"));
        var positions = new NdArray<double>([1, 2, 2, 2], [0, 4649776, 20, 4649776, 20, 4649776, 0, 4649776]);
        var set = new DemonstrationSet(positions, null, null, new DemonstrationMeta { Scenario = "swap", TimeStep = 0.1 });
        var message = Assert.Throws<InvalidInputException>(() => set.RequireFits(swap, "demos")).Message;
        Assert.StartsWith("demos: positions: expected coordinates below 262144 m, ", message, StringComparison.Ordinal);
    }
}
