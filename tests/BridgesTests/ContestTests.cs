using MimicD.Agents;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.BridgesTests;

/// <summary>More than one robot under one name, and one robot that only looks like two, in virtual time [us].</summary>
public class ContestTests
{
    private const long Second = 1_000_000;

    [Theory]
    [InlineData("another clock, in turns each second")]
    [InlineData("another clock, in turns each minute")]
    [InlineData("the same clock, in turns each second")]
    [InlineData("another clock, both at once")]
    [InlineData("the same clock, both at once")]
    public void Two_robots_of_one_name_are_contested_and_the_body_does_not_jump(string how)
    {
        var (sameClock, both, turn) = (how.StartsWith("the same", StringComparison.Ordinal), how.EndsWith("at once", StringComparison.Ordinal), how.Contains("minute", StringComparison.Ordinal) ? 60 * Second : Second);
        var duel = new Duel(rearm: 0.3);
        var (first, second) = (duel.Add(0, clock: 0), duel.Add(!sameClock ? 2 : both ? 0.5 : 5, clock: sameClock ? 0 : 77_000));
        duel.Connect(first);
        duel.Run(2 * Second);
        Assert.Equal(RobotState.Armed, duel.Status.State);

        for (var i = 0; i < 6; i++)
        {
            if (!both)
            {
                duel.Disconnect(i % 2 == 0 ? first : second);
            }

            if (!both || i == 0)
            {
                duel.Connect(i % 2 == 0 ? second : first);
            }

            duel.Run(turn);
        }

        Assert.Equal(RobotState.Contested, duel.Status.State);
        Assert.NotNull(duel.Status.Reason);
        Assert.Equal("end all but one, then type r1 and Enter", duel.Status.Next);
        Assert.Equal(both ? 2 : 7, duel.Status.Sessions);
        Assert.True(duel.Status.Refused.Values.Sum() > 0);
        Assert.InRange(duel.Farthest, 0, 1.3);
        Assert.False(second.Guard.IsArmed || first.Guard.IsArmed);
        Assert.Equal(1, duel.Status.Armings);

        // An operator ends one of them, and says which is the robot.
        duel.Disconnect(first);
        duel.Disconnect(second);
        duel.Connect(second);
        duel.Run(Second);
        Assert.False(second.Guard.IsArmed);
        Assert.True(duel.World.Rearm("r1"));
        duel.Run(Second);
        Assert.Equal((RobotState.Armed, null), (duel.Status.State, duel.Status.Reason));
        Assert.True(second.Guard.IsArmed);
    }

    [Fact]
    public void A_run_does_not_begin_with_a_robot_that_is_contested()
    {
        var duel = new Duel(rearm: 0, agents: 2);
        var (first, second) = (duel.Add(0, clock: 0), duel.Add(0, clock: 9000));
        duel.Connect(first);
        duel.Connect(second);
        duel.Run(Second);

        Assert.Equal((RobotPhase.Gathering, RobotState.Contested), (duel.World.Phase, duel.Status.State));
        Assert.False(first.Guard.IsArmed || second.Guard.IsArmed);
    }

    [Fact]
    public void A_robot_that_loses_its_connection_again_and_again_is_itself_and_is_armed_once_it_is_quiet()
    {
        var duel = new Duel(rearm: 0.3);
        var robot = duel.Add(0, clock: 0);
        for (var i = 0; i < 8; i++)
        {
            duel.Connect(robot);
            duel.Run(Second / 2);
        }

        Assert.Equal(RobotState.Contested, duel.Status.State);
        Assert.Equal("4 connections or more within 10 s", duel.Status.Reason);
        duel.Run(11 * Second);
        Assert.Equal(RobotState.Armed, duel.Status.State);
    }

    [Fact]
    public void A_robot_that_reconnects_or_starts_anew_is_no_second_one()
    {
        var duel = new Duel(rearm: 0.3);
        var (robot, restarted) = (duel.Add(0, clock: 0), duel.Add(0.5, clock: 123_456));
        for (var i = 0; i < 5; i++)
        {
            duel.Connect(robot);
            duel.Run(5 * Second);
            Assert.Equal((RobotState.Armed, null), (duel.Status.State, duel.Status.Reason));
        }

        duel.Disconnect(robot);
        duel.Run(3 * Second);
        duel.Connect(restarted);
        duel.Run(Second);
        Assert.Equal((RobotState.Armed, null), (duel.Status.State, duel.Status.Reason));
    }

    [Fact]
    public void A_robot_that_comes_back_where_it_cannot_have_gone_waits_for_an_operator()
    {
        var duel = new Duel(rearm: 0.3);
        var (robot, carried) = (duel.Add(0, clock: 0), duel.Add(20, clock: 0));
        duel.Connect(robot);
        duel.Run(2 * Second);
        duel.Disconnect(robot);
        duel.Connect(carried);
        duel.Run(20 * Second);

        Assert.Equal(RobotState.Contested, duel.Status.State);
        Assert.Matches("^it came back [0-9.]+ m from where it was 0.[0-9] s before, farther than it can go$", duel.Status.Reason);
        Assert.True(duel.Status.Refused["change"] > 0);
        duel.World.Rearm("r1");
        duel.Run(Second);
        Assert.Equal(RobotState.Armed, duel.Status.State);
        Assert.InRange(duel.Status.Position![0], 9, 21);
    }

    [Fact]
    public void What_was_on_its_way_when_a_session_ended_is_no_second_robot()
    {
        var contest = new SessionContest();
        contest.Began("a", 0);
        contest.Spoke(-1000, 100_000, 100_000, 100_000);
        contest.Began("b", 150_000);
        contest.Spoke(-1000, 200_000, 200_000, 100_000);

        // Made before the second began, and seconds on its way.
        contest.Other("a", 7, -1000 + 2_000_000, 2_150_000, 100_000, 300_000);
        Assert.Null(contest.Reason(2_150_000));

        contest.Other("a", 30, -1000, 3_000_000, 100_000, 300_000);
        Assert.Equal("two connections speak as this robot at the same time", contest.Reason(3_000_000));
    }

    [Fact]
    public void A_session_that_nobody_announced_is_a_second_robot_when_the_announced_one_speaks_too()
    {
        var contest = new SessionContest();
        contest.Began("a", 0);
        for (var i = 1; i <= 10; i++)
        {
            contest.Other("x", i, 5, i * 100_000, 100_000, 300_000);
        }

        Assert.Null(contest.Proof);
        for (var i = 11; i <= 20; i++)
        {
            contest.Spoke(-1000, i * 100_000, i * 100_000, 100_000);
            contest.Other("x", i, 5, i * 100_000, 100_000, 300_000);
        }

        Assert.NotNull(contest.Proof);
        contest.Accept();
        contest.Other("x", 30, 5, 3_000_000, 100_000, 300_000);
        Assert.Null(contest.Proof);
    }

#pragma warning disable CA1001 // The host of agents in this thread has nothing to dispose of.
    /// <summary>Robots of one name before one world; a command reaches all that are connected, as their common topic does.</summary>
    private sealed class Duel : IActionSink, IRobotWorldOutput
    {
        private const long Step = 100_000;
        private readonly Scenario _scenario;
        private readonly RobotTopics _topics;
        private readonly List<(EmulatedRobot Robot, long Clock)> _robots = [];
        private readonly HashSet<EmulatedRobot> _connected = [];
        private readonly InlineHost _host;
        private double[]? _place;
        private long _now;

        public Duel(double? rearm, int agents = 1)
        {
            // They are told to go so slowly that whatever moves a body by more is another body in its place.
            _scenario = Cases.Crossing(agents, steps: 100_000);
            _topics = new RobotTopics(_scenario.Robots!.Prefix, "duel");
            World = new RobotWorld(_scenario, [_scenario.DefaultSensor], new RobotWorldOptions { Run = "duel", Term = 1, Rearm = rearm });
            _host = new InlineHost(_ => new ConstantVelocityPolicy(_scenario.DefaultSensor, speed: 0.1, _scenario.TimeStep));
            _host.Open(World.Spec(new SamplingSpec()), this);
        }

        public RobotWorld World { get; }

        public RobotStatus Status => World.Robots.First();

        /// <summary>Farthest that the body went from one world's tick to the next [m].</summary>
        public double Farthest { get; private set; }

        public EmulatedRobot Add(double x, long clock)
        {
            var robot = new EmulatedRobot(_scenario, _topics, "r1", [x, 0], [10, 0]);
            _robots.Add((robot, clock));
            return robot;
        }

        public void Connect(EmulatedRobot robot)
        {
            robot.NextWill();
            _connected.Add(robot);
            World.Receive(robot.Connected(), _now, this);
        }

        public void Disconnect(EmulatedRobot robot) => _connected.Remove(robot);

        public void Run(long time)
        {
            for (var end = _now + time; _now < end; _now += Step)
            {
                foreach (var (robot, clock) in _robots)
                {
                    robot.Period(clock + _now / 1000, _connected.Contains(robot), m => World.Receive(m, _now, this));
                }

                World.Advance(_now, this);
                if (Status.Position is { } place)
                {
                    Farthest = Math.Max(Farthest, Math.Abs(place[0] - (_place ?? place)[0]));
                    _place = place;
                }
            }
        }

        void IActionSink.Act(in AgentAction action) => World.Act(action, _now, this);

        void IRobotWorldOutput.Deliver(in Observation observation) => _host.Deliver(observation);

        bool IRobotWorldOutput.Publish(in MqttMessage message)
        {
            foreach (var (robot, clock) in _robots)
            {
                if (_connected.Contains(robot))
                {
                    robot.Received(message, clock + _now / 1000);
                }
            }

            return true;
        }
    }
}
