using MimicD.Agents;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.BridgesTests;

/// <summary>Several controllers of the same robots, in virtual time [us]: what the processes of <c>RobotsTests</c> show once is shown here for every order of events.</summary>
public class TakeoverTests
{
    private const long Period = 100_000;

    [Fact]
    public void A_controller_of_a_higher_term_takes_over_and_the_robots_stop_when_it_is_no_more()
    {
        var bus = new Bus();
        var first = bus.Control(term: 5);
        bus.Run(10);
        Assert.All(bus.Robots, r => Assert.True(r.Guard.IsArmed));

        // Both speak, until the first is told.
        var second = bus.Control(term: 6);
        bus.Run(20);
        Assert.All(first.World.Robots, r => Assert.Equal((true, "hears another controller, of a higher term"), (r.Fenced, r.Reason)));
        Assert.All(second.World.Robots, r => Assert.Equal((false, RobotState.Armed), (r.Fenced, r.State)));
        Assert.All(bus.Robots, r => Assert.True(r.Guard.Refused[Refusal.Term] > 0 && r.Guard is { IsArmed: true, Stops: 0, Term: 6 }));

        bus.End(first);
        bus.End(second);
        bus.Run(4);
        Assert.All(bus.Robots, r => Assert.Equal((false, 1L), (r.Guard.IsArmed, r.Guard.Stops)));

        // A third finds them as they are, and arms them.
        var third = bus.Control(term: 7);
        Assert.All(third.World.Robots, r => Assert.Equal((RobotState.Silent, "it has announced itself, and no observation of it counts yet"), (r.State, r.Reason)));
        bus.Run(1);
        Assert.All(third.World.Robots, r => Assert.Equal(RobotState.Ready, r.State));
        bus.Run(4);
        Assert.All(third.World.Robots, r => Assert.Equal(RobotState.Armed, r.State));
    }

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public void A_controller_of_a_lower_or_the_same_term_that_comes_later_is_told_so(long term)
    {
        var bus = new Bus();
        var first = bus.Control(term: 5);
        bus.Run(30);
        var second = bus.Control(term);
        bus.Run(20);

        Assert.All(second.World.Robots, r => Assert.True(r.Fenced, r.ToString()));
        Assert.Equal(term == 5 ? "hears another controller, of the same term" : "hears another controller, of a higher term", second.World.Robots.First().Reason);
        Assert.All(first.World.Robots, r => Assert.Equal((false, RobotState.Armed), (r.Fenced, r.State)));
    }

    [Fact]
    public void A_controller_whose_term_was_anothers_is_told_so_where_that_one_is_no_more()
    {
        var bus = new Bus();
        bus.End(bus.Control(term: 5), after: 30);
        bus.Run(5);
        Assert.All(bus.Robots, r => Assert.False(r.Guard.IsArmed));
        var second = bus.Control(term: 5);
        bus.Run(20);

        Assert.All(second.World.Robots, r => Assert.Equal((true, "hears another controller, of the same term"), (r.Fenced, r.Reason)));
    }

    [Fact]
    public void A_network_that_delivers_every_command_twice_is_no_other_controller()
    {
        var bus = new Bus { Copies = 2 };
        var only = bus.Control(term: 5);
        bus.Run(50);

        Assert.All(only.World.Robots, r => Assert.False(r.Fenced));
        Assert.All(bus.Robots, r => Assert.True(r.Guard.Refused[Refusal.Sequence] > 20));
    }

    /// <summary>Two robots and their controllers on one broker, which keeps presence.</summary>
    private sealed class Bus
    {
        private readonly Scenario _scenario = Cases.Crossing(agents: 2, steps: 1000);
        private readonly List<Controller> _controllers = [];
        private readonly List<MqttMessage> _kept = [];

        public Bus()
        {
            var topics = new RobotTopics(_scenario.Robots!.Prefix, "bus");
            Robots = [.. Enumerable.Range(0, 2).Select(i => new EmulatedRobot(_scenario, topics, $"r{i + 1}", [0, i], [10, i]))];
            foreach (var robot in Robots)
            {
                robot.NextWill();
                _kept.Add(robot.Connected());
            }
        }

        public EmulatedRobot[] Robots { get; }

        public int Copies { get; init; } = 1;

        public long Now { get; private set; }

        public Controller Control(long term)
        {
            var controller = new Controller(this, new RobotWorld(_scenario, [_scenario.DefaultSensor], new RobotWorldOptions { Run = "bus", Term = term }), _scenario);
            _controllers.Add(controller);
            foreach (var presence in _kept)
            {
                controller.World.Receive(presence, Now, controller);
            }

            return controller;
        }

        public void End(Controller controller, int after = 0)
        {
            Run(after);
            _controllers.Remove(controller);
        }

        public void Run(int periods)
        {
            for (var i = 0; i < periods; i++, Now += Period)
            {
                foreach (var robot in Robots)
                {
                    robot.Period(Now / 1000, true, m => _controllers.ForEach(c => c.World.Receive(m, Now, c)));
                }

                _controllers.ForEach(c => c.World.Advance(Now, c));
            }
        }

        public void Publish(MqttMessage message)
        {
            foreach (var robot in Robots.Where(r => r.Subscription.Filter == message.Topic))
            {
                for (var i = 0; i < Copies; i++)
                {
                    robot.Received(message, Now / 1000);
                }
            }
        }
    }

#pragma warning disable CA1001 // The host of agents in this thread has nothing to dispose of.
    private sealed class Controller : IActionSink, IRobotWorldOutput
    {
        private readonly Bus _bus;
        private readonly InlineHost _host;

        public Controller(Bus bus, RobotWorld world, Scenario scenario)
        {
            (_bus, World, _host) = (bus, world, new InlineHost(_ => new ConstantVelocityPolicy(scenario.DefaultSensor, 0.1, scenario.TimeStep)));
            _host.Open(world.Spec(new SamplingSpec()), this);
        }

        public RobotWorld World { get; }

        void IActionSink.Act(in AgentAction action) => World.Act(action, _bus.Now, this);

        void IRobotWorldOutput.Deliver(in Observation observation) => _host.Deliver(observation);

        bool IRobotWorldOutput.Publish(in MqttMessage message)
        {
            _bus.Publish(message);
            return true;
        }
    }
}
