using MimicD.Agents;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.BridgesTests;

public class RobotWorldTests
{
    [Theory]
    [InlineData(WireEncoding.Json)]
    [InlineData(WireEncoding.Frame)]
    public void Emulated_robots_get_where_their_agents_send_them(WireEncoding encoding)
    {
        var scenario = Cases.Crossing();
        var arena = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), seed: 3, encoding: encoding);
        arena.Begin();
        arena.Run();

        Assert.Equal(RobotPhase.Done, arena.World.Phase);
        Assert.All(arena.Robots, (robot, i) => Assert.True(Math.Abs(robot.Position[0] - 10) < 0.5 && Math.Abs(robot.Position[1] - i) < 0.5, $"{robot.Name} is at {robot.Position[0]}, {robot.Position[1]}"));
        Assert.All(arena.World.Robots, r =>
        {
            Assert.Equal(RobotState.Armed, r.State);
            Assert.Empty(r.Refused);
            Assert.Equal(0, r.Superseded + r.Unsent + r.Undecided + r.Late + r.Silences);
        });
        Assert.All(arena.Robots, r => Assert.Equal((r.Guard.Received, 0L), (r.Guard.Acted, r.Guard.Stops)));
    }

    [Fact]
    public async Task A_robot_that_is_answered_within_its_period_moves_as_the_simulated_body_does_but_for_when_it_begins()
    {
        var scenario = Cases.Crossing(agents: 1);
        var arena = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), seed: 3);
        var path = new List<float[]>();
        arena.Lived = (robot, _) => path.Add([(float)robot.Position[0], (float)robot.Position[1]]);
        arena.Begin();
        arena.Run();
        var moving = path.SkipWhile(p => p[0] == path[0][0]).Prepend(path[0]).ToArray();

        var simulated = await Simulation.RunAsync(
            scenario with { Robots = null, Pacing = new PacingSpec() }, scenario.DefaultSensor, new SimulationOptions { Seed = 3 }, new LocalHost(Cases.Walk(scenario), 1), null, CancellationToken.None);

        // Positions cross the wire as float32, so the body that is held in doubles is equal to what float32 carries from the first command on.
        var expected = simulated.Positions.Data.Chunk(2).Take(moving.Length).ToArray();
        Assert.True(expected.Length > 30, $"{expected.Length} steps");
        Assert.All(moving.Zip(expected), pair => Assert.True(Math.Abs(pair.First[0] - pair.Second[0]) < 1e-5 && Math.Abs(pair.First[1] - pair.Second[1]) < 1e-5, $"{string.Join(", ", pair.First)} and {string.Join(", ", pair.Second)}"));
    }

    [Fact]
    public void Simulated_bodies_and_robots_share_a_world()
    {
        var scenario = Cases.Crossing(agents: 3, isRobot: i => i == 1);
        var arena = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), seed: 5);
        arena.Begin();
        arena.Run();

        var positions = arena.World.ToRollouts().Positions;
        Assert.Equal([1, 3, 40, 2], positions.Shape);
        for (var agent = 0; agent < 3; agent++)
        {
            Assert.InRange(positions.Data[(agent * 40 + 39) * 2], 9.5f, 10.5f);
        }

        Assert.Equal(0, arena.World.Missed);
        Assert.Equal(["r2"], arena.World.Robots.Select(r => r.Name));
    }

    [Fact]
    public void Nobody_is_told_anything_before_all_are_there()
    {
        var scenario = Cases.Crossing();
        var arena = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), seed: 1) { Up = (_, robot, now) => robot.Name == "r2" && now < 3_000_000 ? [] : [200] };
        arena.Begin();
        arena.Run(until: 3_500_000);

        Assert.Equal(RobotPhase.Gathering, arena.World.Phase);
        Assert.Equal([RobotState.Ready, RobotState.Absent], arena.World.Robots.Select(r => r.State));
        Assert.All(arena.Robots, r => Assert.Equal(0, r.Guard.Received));

        arena.Connect(arena.Robots[1]);
        arena.Run(until: 4_000_000);

        Assert.Equal([RobotState.Armed, RobotState.Armed], arena.World.Robots.Select(r => r.State));
    }

    [Fact]
    public void A_robot_that_has_stopped_is_armed_again_only_by_leave()
    {
        var scenario = Cases.Crossing(agents: 1, steps: 200);
        var arena = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), seed: 1) { Down = (_, _, now) => now is > 2_000_000 and < 3_000_000 ? [] : [200] };
        arena.Begin();
        arena.Run(until: 6_000_000);
        var robot = arena.Robots[0];

        Assert.Equal(1, robot.Guard.Stops);
        Assert.False(robot.Guard.IsArmed);
        Assert.Equal(RobotState.Stopped, arena.World.Robots.Single().State);
        Assert.True(robot.Guard.Refused[Refusal.Disarmed] > 20);

        Assert.True(arena.World.Rearm("r1"));
        arena.Run(until: 7_000_000);

        Assert.True(robot.Guard.IsArmed);
        Assert.Equal(1, robot.Guard.Stops);
    }

    [Fact]
    public void A_robot_that_has_stopped_is_armed_again_by_itself_where_that_was_asked_for()
    {
        var scenario = Cases.Crossing(agents: 1, steps: 200);
        var arena = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), seed: 1, rearm: 0.5) { Down = (_, _, now) => now is > 2_000_000 and < 3_000_000 ? [] : [200] };
        var armed = new List<(long At, bool Armed)>();
        arena.Lived = (robot, now) => armed.Add((now, robot.Guard.IsArmed));
        arena.Begin();
        arena.Run(until: 5_000_000);

        Assert.Equal(1, arena.Robots[0].Guard.Stops);
        Assert.True(armed[^1].Armed);
        Assert.DoesNotContain(armed, a => a is { Armed: true, At: > 2_500_000 and < 2_800_000 });
    }

    [Fact]
    public void A_robot_that_comes_back_has_a_new_session_and_goes_on_with_its_agent()
    {
        var scenario = Cases.Crossing(agents: 1, steps: 100);
        var ticks = new List<int>();
        var arena = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), seed: 1, rearm: 0);
        arena.Host.Answered = a => ticks.Add(a.Tick.Value);
        arena.Begin();
        arena.At(2_050_000, () => arena.Connect(arena.Robots[0]));
        arena.Run();

        Assert.Equal(ticks.Order(), ticks);
        Assert.Equal(ticks.Distinct(), ticks);
        Assert.InRange(arena.Robots[0].Position[0], 9.5, 10.5);
        Assert.True(arena.Robots[0].Guard.IsArmed);
    }

    [Fact]
    public void A_robot_that_does_not_fit_its_body_takes_no_part_and_says_why()
    {
        var scenario = Cases.Crossing(agents: 1);
        var other = scenario with { Pacing = scenario.Pacing with { Rate = 25 } };
        var topics = new RobotTopics(scenario.Robots!.Prefix, "arena");
        var robot = new EmulatedRobot(other, topics, "r1", [0, 0], [1, 1]);
        var arena = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), seed: 1);
        robot.NextWill();
        arena.World.Receive(robot.Connected() with { Retained = false }, 0, arena);

        var status = arena.World.Robots.Single();
        Assert.Equal((RobotState.Unfit, "rate: expected 10 Hz, found 25"), (status.State, status.Problem));
    }

    [Fact]
    public void An_observation_that_was_lost_moves_the_plan_on()
    {
        var scenario = Cases.Crossing(agents: 1);
        var (ticks, count) = (new List<int>(), 0);
        var arena = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), seed: 1) { Up = (m, _, _) => m.Topic.EndsWith("obs", StringComparison.Ordinal) && ++count == 20 ? [] : [200] };
        arena.Host.Answered = a => ticks.Add(a.Tick.Value);
        arena.Begin();
        arena.Run();

        Assert.Equal(1, ticks.Zip(ticks.Skip(1)).Count(p => p.Second - p.First == 2));
        Assert.All(ticks.Zip(ticks.Skip(1)), p => Assert.InRange(p.Second - p.First, 1, 2));
    }

    [Fact]
    public void Others_are_sensed_where_they_are_by_now_and_recorded_where_they_were_at_the_tick()
    {
        var scenario = Cases.Crossing() with { Features = new SensorSpec { Others = new OthersSpec { Count = 1, Order = OtherOrder.Identity, Frame = Frame.Absolute, Velocity = true } } };
        var world = new RobotWorld(scenario, [scenario.Features], new RobotWorldOptions { Run = "r", Term = 1 });
        var shown = new Shown { World = world };
        var topics = new RobotTopics(scenario.Robots!.Prefix, "r");
        void Say(string robot, PresenceEnvelope presence) => world.Receive(new MqttMessage(topics.Of(robot, TopicKind.Presence), JsonWire.Write(presence)), 0, shown);
        void Observe(string robot, long sequence, long now, float x, long late = 0) => world.Receive(
            new MqttMessage(topics.Of(robot, TopicKind.Observation), JsonWire.Write(new ObservationEnvelope("r", robot, Cases.Session, sequence, (now - late) / 1000, true, [x, 0]))), now, shown);
        foreach (var robot in new[] { "r1", "r2" })
        {
            Say(robot, new PresenceEnvelope(1, "r", robot, Cases.Session, true, EmulatedRobot.CapabilitiesOf(scenario)));
            Observe(robot, 1, 10_000, robot == "r1" ? 0 : 5);
        }

        world.Advance(20_000, shown);
        Assert.Equal(RobotPhase.Running, world.Phase);
        Observe("r1", 2, 110_000, 0.2f);
        world.Advance(120_000, shown);

        // A twentieth of a second after r1 was heard of, at 2 m/s.
        Observe("r2", 2, 160_000, 5);
        Assert.Equal([5f, 0, 0.3f, 0, 2, 0], shown.Last!, (a, b) => Math.Abs(a - b) < 1e-5);

        // This one took longer than others: it was made at 210 ms, and shows the world of then.
        Observe("r2", 3, 260_000, 5, late: 50_000);
        Assert.Equal([5f, 0, 0.4f, 0, 2, 0], shown.Last!, (a, b) => Math.Abs(a - b) < 1e-5);

        // Nobody is expected to go on for ever, and a robot that is silent to have stopped.
        Observe("r2", 4, 360_000, 5);
        Assert.Equal([5f, 0, 0.6f, 0, 2, 0], shown.Last!, (a, b) => Math.Abs(a - b) < 1e-5);
        world.Advance(420_000, shown);
        Observe("r2", 5, 460_000, 5);
        Assert.Equal([5f, 0, 0.2f, 0, 0, 0], shown.Last!, (a, b) => Math.Abs(a - b) < 1e-5);

        // It had not moved at the first tick, at 20 ms, but begun to; at the second, at 120 ms, it was as far as it got until it was heard of again.
        Observe("r1", 5, 510_000, 1.0f);
        var positions = world.ToRollouts().Positions;
        Assert.Equal([0.02f, 0.2f + 0.8f * 10 / 400, 0.2f + 0.8f * 310 / 400], Enumerable.Range(0, 3).Select(t => positions.Data[t * 2]), (a, b) => Math.Abs(a - b) < 1e-5);
    }

    [Fact]
    public void An_answer_that_nobody_waits_for_any_more_is_late_and_not_strange()
    {
        var scenario = Cases.Crossing(agents: 1);
        var held = new List<AgentAction>();
        var arena = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), seed: 1);
        arena.Begin();
        arena.Host.Lives = _ => arena.Now is < 1_000_000 or > 2_000_000;
        arena.Host.Answered = a => held.Add(a with { Values = a.Values.ToArray() });
        arena.Run(until: 3_000_000);
        var answer = held[0];
        arena.World.Act(answer, arena.Now, arena);
        Assert.Equal((0L, 1L), (arena.World.Strange, arena.World.Robots.Single().Late));

        arena.World.Act(answer with { Tick = new Tick(1000) }, arena.Now, arena);
        Assert.Equal(1, arena.World.Strange);
    }

    [Fact]
    public void Two_runs_on_one_broker_never_meet()
    {
        var scenario = Cases.Crossing(agents: 1);
        var one = new RobotWorld(scenario, [scenario.DefaultSensor], new RobotWorldOptions { Run = "one", Term = 1 });
        var arena = new Arena(scenario, scenario.DefaultSensor, Cases.Walk(scenario), seed: 1) { Up = (m, _, now) => { one.Receive(m, now, NoOutput.Instance); return [200]; } };
        arena.Begin();
        arena.Run();

        Assert.Equal(RobotState.Absent, one.Robots.Single().State);
        Assert.True(one.Strange > 30);
        Assert.Equal(RobotPhase.Done, arena.World.Phase);
    }

    private sealed class Shown : IRobotWorldOutput
    {
        public RobotWorld? World { get; set; }

        public float[]? Last { get; private set; }

        public void Deliver(in Observation observation)
        {
            Last = observation.Features.ToArray();
            World!.Act(new AgentAction(observation.Episode, observation.Agent, observation.Tick, new float[2], ActionStatus.Decided), 0, this);
        }

        public bool Publish(in MqttMessage message) => true;
    }

    private sealed class NoOutput : IRobotWorldOutput
    {
        public static NoOutput Instance { get; } = new();

        public void Deliver(in Observation observation) => throw new InvalidOperationException("an observation");

        public bool Publish(in MqttMessage message) => throw new InvalidOperationException("a command");
    }
}
