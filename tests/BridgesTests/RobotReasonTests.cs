using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;

namespace MimicD.BridgesTests;

/// <summary>Why robots stand, and that somebody is told.</summary>
public class RobotReasonTests
{
    [Fact]
    public void A_robot_that_refuses_to_leave_its_fence_says_so_and_what_to_do()
    {
        var (arena, lines) = Fenced(rearm: null);
        arena.Run(until: 19_000_000);
        var status = arena.World.Robots.Single();
        arena.Run();

        Assert.Equal(RobotState.Stopped, status.State);
        Assert.Equal("geofence: commands lead out of its fence", status.Reason);
        Assert.Equal("type r1 and Enter, or start with --rearm SECONDS", status.Next);
        Assert.InRange(status.Position![0], 4, 5);
        Assert.InRange(status.GoalDistance!.Value, 5, 6);
        Assert.True(status.Report!.Refused["geofence"] > 10);

        // Each change once, and not a line more, however long it stands.
        Assert.Equal(
            ["r1: stopped: geofence: commands lead out of its fence; type r1 and Enter, or start with --rearm SECONDS"],
            lines.Where(l => l.StartsWith("r1: stopped", StringComparison.Ordinal)).Distinct());
        var stands = Assert.Single(lines, l => l.StartsWith("every robot stands", StringComparison.Ordinal));
        Assert.Matches("^every robot stands, and the ticks go on, [0-9]+ are left: r1 stopped, geofence: commands lead out of its fence$", stands);
        Assert.InRange(lines.Count, 10, 30);
        Assert.InRange(arena.World.Standing, 100, 190);
    }

    [Fact]
    public void A_robot_that_is_armed_again_by_itself_says_so_and_what_keeps_it_from_moving()
    {
        var (arena, _) = Fenced(rearm: 0.5);
        arena.Run(until: 19_000_000);

        Assert.Equal("it is armed again by itself after 0.5 s of fresh observations; move its fence, its goal, or the robot", arena.World.Robots.Single().Next);
    }

    [Fact]
    public void A_robot_that_lost_its_commands_says_that_none_came_in_time()
    {
        var scenario = Cases.Crossing(agents: 1, steps: 200);
        var arena = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), seed: 1) { Down = (_, _, now) => now is > 2_000_000 and < 3_000_000 ? [] : [200] };
        arena.Begin();
        arena.Run(until: 6_000_000);

        Assert.Equal("no command came in time", arena.World.Robots.Single().Reason);
        arena.World.Rearm("r1");
        arena.Run(until: 7_000_000);
        Assert.Equal((RobotState.Armed, null, null), (arena.World.Robots.Single().State, arena.World.Robots.Single().Reason, arena.World.Robots.Single().Next));
    }

    [Fact]
    public void A_robot_that_is_not_there_says_where_it_is_waited_for()
    {
        var scenario = Cases.Crossing(agents: 1);
        var world = new RobotWorld(scenario, [scenario.DefaultSensor], new RobotWorldOptions { Run = "lab", Term = 1 });

        Assert.Equal("nothing on mimicd/v1/lab/r1/conn yet", world.Robots.Single().Reason);
        Assert.Null(world.Robots.Single().Position);
    }

    [Fact]
    public void What_happened_between_two_looks_is_told()
    {
        var news = new RobotNews(100);
        RobotBridgeStatus Status(RobotState state, long armings)
            => new(RobotPhase.Running, 1, null, 0, 0, 0, [new RobotStatus("r1", state, null, false) { Refused = new Dictionary<string, long>(StringComparer.Ordinal), Armings = armings }]);

        Assert.Equal(["r1: ready", "connected", "all are there: running"], news.Of(Status(RobotState.Ready, 0)));
        Assert.Equal(["r1: armed", "r1: stopped"], news.Of(Status(RobotState.Stopped, 1)));
        Assert.Equal(["r1: armed"], news.Of(Status(RobotState.Armed, 2)));
        Assert.Equal(["r1: stopped", "r1: armed"], news.Of(Status(RobotState.Armed, 3)));
        Assert.Empty(news.Of(Status(RobotState.Armed, 3)));
    }

    [Theory]
    [InlineData("\"refused\":{\"age\":1}", true)]
    [InlineData("\"refused\":{\"age\":-1}", false)]
    [InlineData("\"refused\":{\"age\":9007199254740992}", false)]
    [InlineData("\"refused\":{\"\\u001b[2J\":1}", false)]
    [InlineData("\"refused\":{\"a b\":1}", false)]
    [InlineData("\"refused\":{\"\":1}", false)]
    [InlineData("\"refused\":{\"age\":1.5}", false)]
    [InlineData("\"refused\":{\"age\":[[[[[[[[[[1]]]]]]]]]]}", false)]
    public void A_report_with_names_or_counts_that_are_none_is_not_taken(string refused, bool taken)
    {
        var scenario = Cases.Crossing(agents: 1);
        var world = new RobotWorld(scenario, [scenario.DefaultSensor], new RobotWorldOptions { Run = "run", Term = 1 });
        var output = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), seed: 1);
        world.Receive(new MqttMessage("mimicd/v1/run/r1/conn", JsonWire.Write(new PresenceEnvelope(1, "run", "r1", Cases.Session, true, EmulatedRobot.CapabilitiesOf(scenario)))), 0, output);
        var report = "{\"v\":1,\"run\":\"run\",\"robot\":\"r1\",\"session\":\"" + Cases.Session + "\",\"t\":1,\"armed\":false,\"term\":0,\"received\":1,\"acted\":0,\"stops\":0," + refused + "}";
        world.Receive(new MqttMessage("mimicd/v1/run/r1/rep", System.Text.Encoding.UTF8.GetBytes(report)), 0, output);

        Assert.Equal(taken, world.Robots.Single().Report is not null);
        Assert.Equal(taken ? 0 : 1, world.Strange);
    }

    [Theory]
    [InlineData("\"action\":\"position\"", Refusal.None)]
    [InlineData("\"action\":0", Refusal.Parse)]
    [InlineData("\"action\":\"0\"", Refusal.Parse)]
    [InlineData("\"action\":7", Refusal.Parse)]
    [InlineData("\"action\":\"position\",\"action\":\"position\"", Refusal.Parse)]
    public void A_kind_goes_by_its_name(string action, Refusal refusal)
    {
        var presence = System.Text.Encoding.UTF8.GetString(JsonWire.Write(new PresenceEnvelope(1, "run", "r1", Cases.Session, true, Cases.Able)));

        Assert.Equal(refusal, JsonWire.Read(System.Text.Encoding.UTF8.GetBytes(presence.Replace("\"action\":\"position\"", action, StringComparison.Ordinal)), out PresenceEnvelope? _));
    }

    private static (Arena Arena, List<string> Lines) Fenced(double? rearm)
    {
        var scenario = Cases.Crossing(agents: 1, steps: 200);
        scenario = scenario with { Robots = scenario.Robots! with { Geofence = [[-2, -2], [5, -2], [5, 2], [-2, 2]] } };
        var arena = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), seed: 1, rearm: rearm);
        var news = new RobotNews(scenario.Steps - 1);
        var lines = new List<string>();
        arena.Lived = (_, _) => lines.AddRange(news.Of(new RobotBridgeStatus(arena.World.Phase, arena.World.Tick, null, 0, 0, 0, [.. arena.World.Robots]) { Standing = arena.World.Standing, StandingFor = arena.World.StandingFor }));
        arena.Begin();
        return (arena, lines);
    }
}
