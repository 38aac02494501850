using MimicD.Bridges.Faults;
using MimicD.Contracts;

namespace MimicD.BridgesTests;

public class FaultSpecTests
{
    [Theory]
    [InlineData("delay=20, jitter=200,stall=0.05:500,reset=0.001,lose-client=0.002,lose-broker=0.003,silence=0.004,split=7,merge=2.5")]
    [InlineData("""{"delay": 20, "jitter": 200, "stall": {"chance": 0.05, "ms": 500}, "reset": 0.001, "loseClient": 0.002, "loseBroker": 0.003, "silence": 0.004, "split": 7, "merge": 2.5}""")]
    public void Both_grammars_say_the_same(string text)
        => Assert.Equal(
            new FaultSpec { Delay = 20, Jitter = 200, Stall = new PassingFault { Chance = 0.05, Ms = 500 }, Reset = 0.001, LoseClient = 0.002, LoseBroker = 0.003, Silence = 0.004, Split = 7, Merge = 2.5 },
            FaultSpec.Parse(text, "--faults"));

    [Theory]
    [InlineData("delay=-1", "--faults: delay: expected a number, found -1")]
    [InlineData("delay=1e3", "--faults: delay: expected a number, found 1e3")]
    [InlineData("delay=NaN", "--faults: delay: expected 0 to 3600000 ms, found NaN")]
    [InlineData("delay", "--faults: delay: expected a number, found nothing")]
    [InlineData("delay=4000000", "--faults: delay: expected 0 to 3600000 ms, found 4000000")]
    [InlineData("delay=1,delay=2", "--faults: delay: expected one value, found two")]
    [InlineData("stall=0.5", "--faults: stall: expected CHANCE:MS, found 0.5")]
    [InlineData("stall=1.5:20", "--faults: stall: expected a chance of 0 to 1, found 1.5")]
    [InlineData("reset=2", "--faults: reset: expected a chance of 0 to 1, found 2")]
    [InlineData("split=70000", "--faults: split: expected 0 to 65536 bytes, found 70000")]
    [InlineData("split=x", "--faults: split: expected 0 to 65536 bytes, found x")]
    [InlineData("lag=3", "--faults: expected " + FaultSpec.Grammar + ", found 'lag=3'")]
    [InlineData("", "--faults: expected " + FaultSpec.Grammar + ", found nothing")]
    [InlineData("""{"lag": 3}""", "--faults: line 1: unknown key 'lag'")]
    [InlineData("""{"merge": -3}""", "--faults: merge: expected 0 to 3600000 ms, found -3")]
    public void What_it_does_not_know_is_refused_in_one_line(string text, string message)
        => Assert.Equal(message, Assert.Throws<InvalidInputException>(() => FaultSpec.Parse(text, "--faults")).Message);

    [Fact]
    public void A_plan_follows_from_seed_connection_and_time_alone()
    {
        var spec = FaultSpec.Parse("delay=3,jitter=5,stall=0.3:50,reset=0.2,lose-client=0.2,lose-broker=0.2,silence=0.2,split=9", "test");
        Assert.Equal(Story(new FaultPlan(spec, 7), 2), Story(new FaultPlan(spec, 7), 2));
        Assert.NotEqual(Story(new FaultPlan(spec, 7), 2), Story(new FaultPlan(spec, 8), 2));
        Assert.NotEqual(Story(new FaultPlan(spec, 7), 2), Story(new FaultPlan(spec, 7), 3));

        // One more kind of fault moves none of another kind.
        var calm = new FaultPlan(spec with { Reset = 0 }, 7);
        Assert.Equal(Faults(new FaultPlan(spec, 7), 2).Where(f => f.Kind != FaultKind.Reset), Faults(calm, 2));

        static PlannedFault[] Faults(FaultPlan plan, int connection) => [.. Enumerable.Range(0, 50).SelectMany(second => plan.Begins(connection, second))];

        static string Story(FaultPlan plan, int connection) => string.Join('\n',
            Faults(plan, connection).Select(f => $"{f}")
                .Concat(Enumerable.Range(0, 50).SelectMany(i => new[] { FaultDirections.Up, FaultDirections.Down }.Select(d => $"{plan.Latency(connection, d, i)} {plan.Piece(connection, d, i)}"))));
    }

    [Fact]
    public void Faults_come_as_often_as_was_asked_for_and_within_their_second()
    {
        const int seconds = 20_000;
        var spec = FaultSpec.Parse("stall=0.3:50,reset=0.02,silence=0.1,delay=3,jitter=5,split=4", "test");
        var plan = new FaultPlan(spec, 1);
        var faults = new List<PlannedFault>();
        for (var second = 0; second < seconds; second++)
        {
            var now = plan.Begins(0, second);
            Assert.All(now, f => Assert.InRange(f.At.TotalSeconds, second, second + 1));
            Assert.Equal(now.OrderBy(f => f.At), now);
            faults.AddRange(now);
        }

        foreach (var (kind, chance) in new[] { (FaultKind.Stall, 0.3), (FaultKind.Reset, 0.02), (FaultKind.Silence, 0.1), (FaultKind.LoseBroker, 0) })
        {
            // Five standard deviations of a binomial count.
            Assert.InRange(faults.Count(f => f.Kind == kind), seconds * chance - 5 * Math.Sqrt(seconds * chance * (1 - chance)), seconds * chance + 5 * Math.Sqrt(seconds * chance * (1 - chance)));
        }

        Assert.All(Enumerable.Range(0, 1000), i => Assert.InRange(plan.Latency(0, FaultDirections.Up, i).TotalMilliseconds, 3, 8));
        Assert.Equal([1, 2, 3, 4], Enumerable.Range(0, 1000).Select(i => plan.Piece(0, FaultDirections.Down, i)).Distinct().Order());
    }
}
