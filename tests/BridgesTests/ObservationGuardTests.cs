using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;

namespace MimicD.BridgesTests;

public class ObservationGuardTests
{
    private readonly ObservationGuard _guard = new("run", "r1");

    public ObservationGuardTests() => Assert.Equal(Refusal.None, Meet(_guard, Presence(Cases.Session)));

    [Fact]
    public void The_first_rule_that_is_broken_is_named()
    {
        Assert.Equal(Refusal.None, Check(Cases.Observation with { Sequence = 5 }));
        var bad = Cases.Observation with { Run = "other", Robot = "r2", Session = "00000000000000aa", Sequence = 5, Time = 1, Values = [1e30f, float.NaN, 1] };
        MqttMessage Frame(ObservationEnvelope o) => new("t", FrameWire.Write(o), WireContract.FrameType);

        Assert.Equal(Refusal.Retained, Check(Frame(bad) with { Retained = true, ContentType = "x", Payload = new byte[ObservationGuard.DefaultPayload + 1] }));
        Assert.Equal(Refusal.Size, Check(Frame(bad) with { ContentType = "x", Payload = new byte[ObservationGuard.DefaultPayload + 1] }));
        Assert.Equal(Refusal.Encoding, Check(Frame(bad) with { ContentType = "x" }));
        Assert.Equal(Refusal.Parse, Check(Frame(bad) with { ContentType = null }));
        Assert.Equal(Refusal.Run, Check(Frame(bad)));
        Assert.Equal(Refusal.Robot, Check(Frame(bad with { Run = "run" })));
        Assert.Equal(Refusal.Session, Check(Frame(bad with { Run = "run", Robot = "r1" })));
        Assert.Equal(Refusal.Sequence, Check(Frame(bad with { Run = "run", Robot = "r1", Session = Cases.Session })));
        bad = bad with { Run = "run", Robot = "r1", Session = Cases.Session, Sequence = 6 };
        Assert.Equal(Refusal.Age, Check(Frame(bad)));
        bad = bad with { Time = 1000 };
        Assert.Equal(Refusal.Dimension, Check(Frame(bad with { Sequence = 7 })));
        Assert.Equal(Refusal.Finite, Check(Frame(bad with { Sequence = 8, Values = [1e30f, float.NaN] })));
        Assert.Equal(Refusal.Range, Check(Frame(bad with { Sequence = 9, Values = [1e30f, 0] })));
        Assert.Equal(Refusal.Change, Check(Frame(bad with { Sequence = 10, Values = [10, 0] }), present: [0.1, 0.2]));
        Assert.Equal((14, 1, 13), (_guard.Received, _guard.Passed, _guard.Refused.Sum));
    }

    [Fact]
    public void A_pose_that_single_precision_is_too_coarse_for_is_out_of_range()
    {
        var guard = new ObservationGuard("run", "r1", maxPosition: World.PositionResolution.Limit(2));
        Assert.Equal(Refusal.None, Meet(guard, Presence(Cases.Session)));
        Refusal At(float x, int sequence) => guard.Check(new MqttMessage("t", JsonWire.Write(Cases.Observation with { Sequence = sequence, Values = [0, x] })), 1_000_000, [], out _);
        Assert.Equal(Refusal.Range, At(4_649_776, 1));
        Assert.Equal(Refusal.Range, At(-262_144, 2));
        Assert.Equal(Refusal.None, At(262_000, 3));
    }

    [Fact]
    public void Nothing_is_heard_of_a_robot_that_is_not_there()
    {
        var guard = new ObservationGuard("run", "r1");
        Assert.Equal(Refusal.Session, guard.Check(new MqttMessage("t", JsonWire.Write(Cases.Observation)), 0, [], out _));

        Assert.Equal(Refusal.None, Check(Cases.Observation));
        Assert.Equal(Refusal.None, Meet(_guard, new PresenceEnvelope(1, "run", "r1", Cases.Session, false)));
        Assert.Null(_guard.Capabilities);
        Assert.Equal(Refusal.Session, Check(Cases.Observation with { Sequence = 2 }));
    }

    [Fact]
    public void The_will_of_a_session_before_does_not_end_the_present_one()
    {
        Assert.Equal(Refusal.None, Meet(_guard, Presence("00000000000000bb")));

        Assert.Equal(Refusal.Session, Meet(_guard, new PresenceEnvelope(1, "run", "r1", Cases.Session, false)));
        Assert.NotNull(_guard.Capabilities);
    }

    [Fact]
    public void A_presence_of_another_run_robot_or_shape_changes_nothing()
    {
        Assert.Equal(Refusal.Run, Meet(_guard, Presence("00000000000000bb") with { Run = "x" }));
        Assert.Equal(Refusal.Robot, Meet(_guard, Presence("00000000000000bb") with { Robot = "x" }));
        Assert.Equal(Refusal.Parse, _guard.Meet(new MqttMessage("t", "{}"u8.ToArray()), out _));
        Assert.Equal(Refusal.Encoding, _guard.Meet(new MqttMessage("t", FrameWire.Write(Cases.Observation), WireContract.FrameType), out _));

        Assert.Equal(Cases.Session, _guard.Session);
    }

    [Fact]
    public void What_came_late_by_more_than_the_ttl_is_too_old_without_a_common_clock()
    {
        // The robot's clock is days ahead, and the quickest way takes 20 ms.
        const long Ahead = 500_000_000;
        for (var i = 1; i <= 50; i++)
        {
            Assert.Equal(Refusal.None, Check(Cases.Observation with { Sequence = i, Time = Ahead + 100 * i }, now: 100_000 * i + 20_000 + i % 7 * 1000));
        }

        Assert.Equal(Refusal.None, Check(Cases.Observation with { Sequence = 51, Time = Ahead + 5100 }, now: 5_100_000 + 20_000 + 300_000));
        Assert.Equal(Refusal.Age, Check(Cases.Observation with { Sequence = 52, Time = Ahead + 5200 }, now: 5_200_000 + 20_000 + 302_000));
    }

    [Fact]
    public void Clocks_may_drift_apart_for_days()
    {
        var refused = 0;
        for (var i = 1; i <= 200_000; i++)
        {
            // A tenth of a second each, the robot's slower by 200 parts in a million: 4 s at the end.
            refused += Check(Cases.Observation with { Sequence = i, Time = (long)(100 * i * (1 - 200e-6)) }, now: 100_000L * i) == Refusal.None ? 0 : 1;
        }

        Assert.Equal(0, refused);
    }

    [Fact]
    public void A_burst_after_a_stall_is_too_old_but_for_its_end()
    {
        Assert.Equal(Refusal.None, Check(Cases.Observation with { Sequence = 1, Time = 0 }, now: 0));
        var verdicts = Enumerable.Range(2, 20).Select(i => Check(Cases.Observation with { Sequence = i, Time = 100 * (i - 1) }, now: 2_000_000)).ToArray();

        Assert.Equal([.. Enumerable.Repeat(Refusal.Age, 16), .. Enumerable.Repeat(Refusal.None, 4)], verdicts);
    }

    [Fact]
    public void A_robot_that_moved_while_nothing_of_it_was_let_through_is_seen_again()
    {
        Assert.Equal(Refusal.None, Check(Cases.Observation with { Sequence = 1, Time = 0, Values = [0, 0] }, now: 0));
        for (var i = 2; i <= 20; i++)
        {
            // Half a metre a period, and each too old when it comes.
            Assert.Equal(Refusal.Age, Check(new MqttMessage("t", JsonWire.Write(Cases.Observation with { Sequence = i, Time = 100 * (i - 1), Values = [0.5f * (i - 1), 0] })), [0, 0], now: 100_000L * (i - 1) + 900_000));
        }

        var next = Cases.Observation with { Sequence = 21, Time = 2000 };
        Assert.Equal(Refusal.Change, Check(new MqttMessage("t", JsonWire.Write(next with { Values = [20.5f, 0] })), [0, 0], now: 2_000_000));
        Assert.Equal(Refusal.None, Check(new MqttMessage("t", JsonWire.Write(next with { Sequence = 22, Time = 2100, Values = [10, 0] })), [0, 0], now: 2_100_000));
    }

    [Fact]
    public void A_pose_out_of_reach_is_refused_over_a_new_session_too()
    {
        Assert.Equal(Refusal.None, Check(Cases.Observation with { Sequence = 1, Time = 0, Values = [0, 0] }, now: 0));
        Assert.Equal(Refusal.None, Meet(_guard, Presence("00000000000000bb")));
        var there = Cases.Observation with { Session = "00000000000000bb", Sequence = 1, Time = 200 };

        // At most 0.5 m a period of 0.1 s, twice.
        Assert.Equal(Refusal.Change, Check(new MqttMessage("t", JsonWire.Write(there with { Values = [3.1f, 0] })), [0, 0], now: 200_000));
        Assert.Equal("it came back 3.1 m from where it was 0.2 s before, farther than it can go", _guard.Contest.Proof);
        Assert.Equal(Refusal.Session, Check(new MqttMessage("t", JsonWire.Write(there with { Sequence = 2, Time = 300, Values = [0, 0] })), [0, 0], now: 300_000));
        _guard.Accept();
        Assert.Equal(Refusal.None, Check(new MqttMessage("t", JsonWire.Write(there with { Sequence = 3, Time = 400, Values = [3.1f, 0] })), [0, 0], now: 400_000));
    }

    [Fact]
    public void A_robot_that_counts_faster_than_time_passes_goes_no_farther_for_it()
    {
        Assert.Equal(Refusal.None, Check(Cases.Observation with { Sequence = 1, Time = 0, Values = [0, 0] }, now: 0));
        Assert.Equal(Refusal.Change, Check(new MqttMessage("t", JsonWire.Write(Cases.Observation with { Sequence = 1000, Time = 100, Values = [20, 0] })), [0, 0], now: 100_000));
    }

    [Fact]
    public void A_body_that_is_told_its_control_goes_no_faster_than_it_can()
    {
        var guard = new ObservationGuard("run", "r1", maxStep: 0.2);
        var able = Cases.Able with { Action = World.ActionKind.Control, Geofence = null };
        guard.Meet(new MqttMessage("t", JsonWire.Write(Presence(Cases.Session) with { Capabilities = able })), out _);
        Refusal At(long sequence, float x) => guard.Check(new MqttMessage("t", JsonWire.Write(Cases.Observation with { Sequence = sequence, Time = 100 * sequence, Values = [x, 0] })), 100_000 * sequence, sequence == 1 ? [] : [0, 0], out _);

        Assert.Equal((Refusal.None, Refusal.Change, Refusal.None), (At(1, 0), At(2, 0.5f), At(3, 0.7f)));
    }

    [Fact]
    public void A_robot_that_floods_is_held_to_twice_its_rate()
    {
        var verdicts = Enumerable.Range(1, 10_000).Select(i => Check(Cases.Observation with { Sequence = i, Time = i }, now: 1000L * i)).GroupBy(v => v).ToDictionary(g => g.Key, g => g.Count());

        Assert.InRange(verdicts[Refusal.None], 200, 210);
        Assert.Equal(10_000, verdicts[Refusal.None] + verdicts[Refusal.Rate]);
    }

    private static PresenceEnvelope Presence(string session) => new(1, "run", "r1", session, true, Cases.Able);

    private static Refusal Meet(ObservationGuard guard, PresenceEnvelope presence) => guard.Meet(new MqttMessage("t", JsonWire.Write(presence)), out _);

    private Refusal Check(ObservationEnvelope observation, long now = 1_000_000) => Check(new MqttMessage("t", JsonWire.Write(observation)), now: now);

    private Refusal Check(in MqttMessage message, double[]? present = null, long now = 1_000_000) => _guard.Check(message, now, present, out _);
}
