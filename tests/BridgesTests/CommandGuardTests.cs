using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;
using MimicD.EvaluationTests;

namespace MimicD.BridgesTests;

public class CommandGuardTests
{
    private readonly float[] _action = new float[2];
    private readonly CommandGuard _guard = New();

    /// <summary>Each rule, with a command that breaks it and all that come after it: the first is the one that is named.</summary>
    public static TheoryData<Refusal> Rules => [.. Breaks.Keys];

    private static readonly Dictionary<Refusal, Func<CommandEnvelope, CommandEnvelope>> Breaks = new()
    {
        [Refusal.Run] = c => c with { Run = "other" },
        [Refusal.Robot] = c => c with { Robot = "r2" },
        [Refusal.Session] = c => c with { Session = "fedcba9876543210" },
        [Refusal.Term] = c => c with { Term = 4 },
        [Refusal.Sequence] = c => c with { Sequence = 10 },
        [Refusal.Age] = c => c with { ObservationTime = 500 },
        [Refusal.Dimension] = c => c with { Action = [0.1f, float.NaN, 40] },
        [Refusal.Finite] = c => c with { Action = [float.PositiveInfinity, 40] },
        [Refusal.Range] = c => c with { Action = [40, 40] },
        [Refusal.Change] = c => c with { Action = [24, 6] },
        [Refusal.Geofence] = c => c with { Action = [-0.3f, 0.3f] },
        [Refusal.Disarmed] = c => c with { Arm = false },
    };

    [Theory]
    [MemberData(nameof(Rules))]
    public void The_first_rule_that_is_broken_is_named(Refusal rule)
    {
        var guard = new CommandGuard("run", "r1", Cases.Able with { Geofence = [[0, -7], [25, -7], [25, 7], [0, 7]] });
        guard.Begin(Cases.Session);
        Assert.Equal(Refusal.None, guard.Check(Message(Cases.Command with { Sequence = 10, ObservationTime = 900, TimeToLive = 50 }), 950, [0, 0], _action));
        Assert.True(guard.Expire(1000));
        Array.Clear(_action);

        // From the last rule to the one in question, each is broken too.
        var command = Cases.Command with { Sequence = 11 };
        foreach (var (broken, make) in Breaks.Reverse())
        {
            command = Breaks[broken](command) with { Action = broken < Refusal.Dimension ? command.Action : make(command).Action };
            if (broken == rule)
            {
                break;
            }
        }

        // A frame, for JSON has no number that is not finite.
        Assert.Equal(rule, guard.Check(new MqttMessage("t", FrameWire.Write(command), WireContract.FrameType), 1050, [0, 0], _action));
        Assert.Equal([0f, 0f], _action);
        Assert.False(guard.IsArmed);
        Assert.Equal(1, guard.Refused[rule]);
        Assert.Equal((2, 1, 1), (guard.Received, guard.Acted, guard.Refused.Sum));
    }

    [Fact]
    public void Rules_about_the_message_itself_come_before_all_others()
    {
        var good = Message(Cases.Command);

        Assert.Equal(Refusal.Retained, Check(good with { Retained = true, Payload = new byte[2000], ContentType = "x" }));
        Assert.Equal(Refusal.Size, Check(good with { Payload = new byte[1025], ContentType = "x" }));
        Assert.Equal(Refusal.Encoding, Check(good with { ContentType = "application/cbor" }));
        Assert.Equal(Refusal.Parse, Check(good with { ContentType = WireContract.FrameType }));
        Assert.Equal(Refusal.Parse, Check(good with { Payload = FrameWire.Write(Cases.Command) }));
        Assert.Equal(Refusal.Version, Check(good with { Payload = "{\"v\":3}"u8.ToArray() }));
        Assert.Equal(Refusal.None, Check(good with { ContentType = WireContract.JsonType }));
    }

    [Fact]
    public void Nothing_acts_before_a_session()
        => Assert.Equal(Refusal.Session, new CommandGuard("run", "r1", Cases.Able).Check(Message(Cases.Command with { Session = "" }), 1000, [0, 0], _action));

    [Fact]
    public void A_session_forgets_what_was_before_and_is_not_armed()
    {
        Assert.Equal(Refusal.None, Check(Message(Cases.Command)));
        Assert.True(_guard.IsArmed);

        Assert.True(_guard.Begin("00000000000000aa"));

        Assert.False(_guard.IsArmed);
        Assert.Equal((0, 0, 0L), (_guard.Received, _guard.Acted, _guard.Term));
        Assert.Equal(Refusal.Session, Check(Message(Cases.Command with { Sequence = 2 })));
        Assert.Equal(Refusal.None, Check(Message(Cases.Command with { Session = "00000000000000aa", Term = 1 })));
    }

    [Fact]
    public void The_highest_term_alone_is_heard_and_counts_anew()
    {
        Assert.Equal(Refusal.None, Check(Message(Cases.Command with { Sequence = 50 })));
        Assert.Equal(Refusal.None, Check(Message(Cases.Command with { Term = 6, Sequence = 1 })));
        Assert.Equal(Refusal.Term, Check(Message(Cases.Command with { Sequence = 51 })));
        Assert.Equal(Refusal.Sequence, Check(Message(Cases.Command with { Term = 6, Sequence = 1 })));

        // What is too old to be acted on fences all the same.
        Assert.Equal(Refusal.Age, Check(Message(Cases.Command with { Term = 9, Sequence = 1, ObservationTime = 1 })));
        Assert.Equal(Refusal.Term, Check(Message(Cases.Command with { Term = 6, Sequence = 2 })));
    }

    [Theory]
    [InlineData(1000, Refusal.None)]
    [InlineData(1300, Refusal.None)]
    [InlineData(1301, Refusal.Age)]
    [InlineData(999, Refusal.Age)]
    public void A_command_is_dead_after_its_ttl_and_none_comes_from_the_future(long now, Refusal expected)
        => Assert.Equal(expected, _guard.Check(Message(Cases.Command), now, [0, 0], _action));

    [Fact]
    public void No_command_lives_longer_than_the_robot_allows()
        => Assert.Equal(Refusal.Age, _guard.Check(Message(Cases.Command with { TimeToLive = 100_000 }), 1301, [0, 0], _action));

    [Fact]
    public void The_robot_stops_when_the_last_command_is_dead_and_goes_again_only_when_armed()
    {
        Assert.Equal(Refusal.None, Check(Message(Cases.Command)));
        Assert.False(_guard.Expire(1300));
        Assert.True(_guard.Expire(1301));
        Assert.False(_guard.Expire(1302));
        Assert.Equal((false, 1L), (_guard.IsArmed, _guard.Stops));

        var next = Cases.Command with { Sequence = 2, ObservationTime = 1400 };
        Assert.Equal(Refusal.Disarmed, _guard.Check(Message(next with { Arm = false }), 1400, [0, 0], _action));
        Assert.Equal(Refusal.None, _guard.Check(Message(next with { Sequence = 3 }), 1400, [0, 0], _action));
        Assert.True(_guard.IsArmed);
    }

    [Fact]
    public void A_command_that_comes_after_the_end_of_the_last_does_not_hide_that_the_robot_had_to_stop()
    {
        Assert.Equal(Refusal.None, Check(Message(Cases.Command)));

        Assert.Equal(Refusal.Disarmed, _guard.Check(Message(Cases.Command with { Sequence = 2, ObservationTime = 1500, Arm = false }), 1500, [0, 0], _action));
        Assert.Equal(1, _guard.Stops);
    }

    [Fact]
    public void A_number_out_of_range_is_brought_into_it_where_that_is_the_policy()
    {
        var guard = new CommandGuard("run", "r1", Cases.Able with { Min = [-0.1, -0.1], Max = [0.1, 0.1], Geofence = null }, OutOfRange.Clamp);
        guard.Begin(Cases.Session);

        Assert.Equal(Refusal.None, guard.Check(Message(Cases.Command with { Action = [40, -40] }), 1000, [0, 0], _action));
        Assert.True(_action[0] <= 0.1 && _action[0] > 0.0999 && _action[1] >= -0.1 && _action[1] < -0.0999, $"{_action[0]}, {_action[1]}");
    }

    [Fact]
    public void Whatever_is_acted_on_lies_within_the_envelope()
        => Property.Holds(random =>
        {
            var guard = new CommandGuard("run", "r1", Cases.Able, random.NextDouble() < 0.5 ? OutOfRange.Clamp : OutOfRange.Reject);
            guard.Begin(Cases.Session);
            double[] present = [-6 + 32 * random.NextDouble(), -8 + 16 * random.NextDouble()];
            var action = new float[2];
            float[] asked = [(float)(present[0] + 1.2 * (random.NextDouble() - 0.5)), (float)(present[1] + 1.2 * (random.NextDouble() - 0.5))];
            return guard.Check(Message(Cases.Command with { Action = asked }), 1000, present, action) != Refusal.None
                || (action[0] is >= -5 and <= 25 && action[1] is >= -7 and <= 7 && Math.Abs(action[0] - present[0]) <= 0.5 && Math.Abs(action[1] - present[1]) <= 0.5);
        });

    [Theory]
    [InlineData(5, 0, true)]
    [InlineData(0, 0, true)]
    [InlineData(10, 10, true)]
    [InlineData(10, 5, true)]
    [InlineData(10.001, 5, false)]
    [InlineData(-0.001, 3, false)]
    [InlineData(3, 6.9, true)]
    [InlineData(3, 7.1, false)]
    [InlineData(7, 7.1, false)]
    [InlineData(5, 5, true)]
    [InlineData(5, 5.001, false)]
    [InlineData(5, -0.001, false)]
    public void A_geofence_may_have_dents_and_its_edges_belong_to_it(double x, double y, bool within)
        // A square with a notch from above, down to (5, 5).
        => Assert.Equal(within, (Cases.Able with { Geofence = [[0, 0], [10, 0], [10, 10], [5, 5], [0, 10]] }).Allows(x, y));

    private static CommandGuard New()
    {
        var guard = new CommandGuard("run", "r1", Cases.Able);
        guard.Begin(Cases.Session);
        return guard;
    }

    private static MqttMessage Message(CommandEnvelope command) => new("t", JsonWire.Write(command));

    private Refusal Check(in MqttMessage message) => _guard.Check(message, 1000, [0, 0], _action);
}
