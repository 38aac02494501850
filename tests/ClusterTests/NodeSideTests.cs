using System.Runtime.InteropServices;
using Google.Protobuf;
using MimicD.Agents;
using MimicD.AgentsTests;
using MimicD.Cluster;
using MimicD.Cluster.Wire;
using MimicD.Contracts;

namespace MimicD.ClusterTests;

/// <summary>A node and one world, message by message.</summary>
public sealed class NodeSideTests : IDisposable
{
    private readonly Case _case = Case.Model(episodes: 1);
    private readonly Refusals _refusals = new();
    private readonly NodeSide _node;
    private readonly RunDescription _description;
    private readonly byte[] _model;

    public NodeSideTests()
    {
        _node = new NodeSide("node-1", 1, _refusals);
        var run = new RunSpec(5, 1, 5, _case.Sensor.FrameSize, 2, _case.Options.Sampling);
        (_description, var models) = RunDescription.Of(run, 1, _case.Sources);
        _model = models.Values.Single();
    }

    public void Dispose() => _case.Dispose();

    [Fact]
    public void A_description_survives_the_wire()
    {
        var text = StrictJson.Format(_description, indented: false);
        Assert.Equal(text, StrictJson.Format(RunDescription.Parse(text), indented: false));
        Assert.Single(_description.Policies);
    }

    [Fact]
    public void A_script_makes_the_same_actions_after_the_wire_to_the_bit()
    {
        using var script = Case.Script(3);
        var run = new RunSpec(1, 1, 3, script.Sensor.FrameSize, 2, new SamplingSpec());
        var policy = RunDescription.Parse(StrictJson.Format(RunDescription.Of(run, 1, script.Sources).Description)).Create(_ => throw new InvalidOperationException("no model here"))(new AgentId(1));
        float[] frame = [.. Enumerable.Range(0, script.Sensor.FrameSize).Select(i => 0.37f * i - 1)];
        var (expected, found) = (new float[2], new float[2]);
        script.Policies(new AgentId(1)).Plan(frame, [], expected);
        policy.Plan(frame, [], found);
        Assert.Equal(expected, found);
    }

    [Fact]
    public void A_model_is_fetched_once_in_order_and_kept_for_the_next_run()
    {
        Prepare("run-1");
        Assert.Equal(1, _node.Fetched);
        Assert.True(_model.Length > 0);

        var again = Send(new Envelope { Version = 1, Run = "run-2", OpenRun = new OpenRun { Description = StrictJson.Format(_description) } });
        Assert.Equal(Envelope.BodyOneofCase.Ready, Assert.Single(again).BodyCase);
        Assert.Equal((1, 2), (_node.Fetched, _node.Runs));
    }

    [Fact]
    public void Chunks_out_of_order_are_refused_and_a_model_whose_hash_does_not_match_is_declined()
    {
        var request = Assert.Single(Open("run")).ModelRequest;
        Assert.Empty(Send(Chunk("run", request, offset: 1, _model.AsSpan(1, 10))));
        Assert.Equal(1, _refusals[Refusal.WrongModel]);

        var wrong = _model.ToArray();
        wrong[^1] ^= 1;
        var declined = Feed("run", request, wrong);
        Assert.Equal(Envelope.BodyOneofCase.Declined, declined.BodyCase);
        Assert.Contains("SHA-256", declined.Declined.Reason, StringComparison.Ordinal);
        Assert.Equal((2, 0), (_refusals[Refusal.WrongModel], _node.Runs));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("nonsense")]
    public void A_run_that_cannot_be_read_is_declined(string description)
        => Assert.Equal(Envelope.BodyOneofCase.Declined, Assert.Single(Send(new Envelope { Version = 1, Run = "run", OpenRun = new OpenRun { Description = description } })).BodyCase);

    [Fact]
    public void A_run_whose_numbers_are_out_of_range_is_declined()
    {
        foreach (var wrong in new[]
        {
            _description with { Shards = 0 },
            _description with { Shards = WireLimits.Shards + 1 },
            _description with { Places = [0, 0, 0, 0, 1] },
            _description with { Places = [0] },
            _description with { Run = _description.Run with { Episodes = WireLimits.Agents } },
            _description with { Run = _description.Run with { FrameSize = 3 } },
            _description with { Run = _description.Run with { Sampling = new SamplingSpec { Execute = 999 } } },
            _description with { Policies = [new PolicyDescription()] },
        })
        {
            var answer = Assert.Single(Send(new Envelope { Version = 1, Run = "run", OpenRun = new OpenRun { Description = StrictJson.Format(wrong) } }));
            if (answer.BodyCase == Envelope.BodyOneofCase.ModelRequest)
            {
                // What only the model can tell.
                answer = Feed("run", answer.ModelRequest, _model);
            }

            Assert.Equal(Envelope.BodyOneofCase.Declined, answer.BodyCase);
        }
    }

    [Fact]
    public void A_shard_asked_again_repeats_its_answer_and_what_it_took()
    {
        Prepare("run");
        var first = Assert.Single(Observe(tick: 0)).Actions;
        var second = Assert.Single(Observe(tick: 0)).Actions;
        Assert.Equal(first, second);
        Assert.Equal((5u, 20u, 5u), (first.Shards[0].Plans, first.Shards[0].NetworkCalls, first.Shards[0].Messages));
    }

    [Fact]
    public void What_an_agent_does_follows_from_its_own_entry_alone()
    {
        Prepare("run");
        var answers = Assert.Single(Observe(tick: 0)).Actions.Shards[0].Agents;

        using var other = new NodeSideTests();
        other.Prepare("run");
        var message = other.Observation(0, 1);
        foreach (var entry in message.Observations.Shards[0].Agents.Where(a => a.Agent != 2))
        {
            var features = MemoryMarshal.Cast<byte, float>(entry.Features.Span).ToArray();
            features[0] += 5;
            entry.Features = Packed(features);
        }

        var changed = Assert.Single(other.Send(message)).Actions.Shards[0].Agents;
        Assert.Equal([2], Enumerable.Range(0, 5).Where(i => answers[i].Equals(changed[i])));
    }

    [Fact]
    public void An_agent_that_missed_a_tick_asks_for_its_past_and_rebuilt_acts_as_if_it_had_been_there()
    {
        Prepare("run");
        var steady = Enumerable.Range(0, 8).Select(t => Assert.Single(Observe(t)).Actions).ToArray();

        using var other = new NodeSideTests();
        other.Prepare("run");
        Assert.Single(other.Observe(0));
        var replay = Assert.Single(other.Observe(7, fence: 3)).Replay;
        Assert.Equal((7u, 0u, 3u), (replay.Tick, replay.Shards[0].Shard, replay.Shards[0].Fence));
        var rebuilt = Assert.Single(other.Observe(7, fence: 3, past: 4)).Actions;
        Assert.Equal(steady[7].Shards[0].Agents, rebuilt.Shards[0].Agents);
    }

    [Fact]
    public void A_shard_under_an_older_fence_and_a_tick_that_is_past_are_not_heeded()
    {
        Prepare("run");
        Observe(0, fence: 2);
        Observe(1, fence: 2);
        Assert.Empty(Observe(2, fence: 1));
        Assert.Equal(1, _refusals[Refusal.StaleFence]);
        Assert.Empty(Observe(0, fence: 2));
        Assert.Equal(1, _refusals[Refusal.Late]);
    }

    [Fact]
    public void An_agent_that_was_stopped_elsewhere_stays_stopped()
    {
        Prepare("run");
        var message = Observation(5, 2, past: 4);
        message.Observations.Shards[0].Agents[3].Past.Stopped = new Stopped { Tick = 2, Error = "why" };
        var answer = Assert.Single(Send(message)).Actions.Shards[0].Agents[3];
        Assert.Equal(new Stopped { Tick = 2, Error = "why" }, answer.Stopped);
        Assert.Empty(answer.Values);
    }

    [Fact]
    public void What_a_part_of_a_message_may_not_hold_is_refused_by_its_reason()
    {
        Prepare("run");
        void Refused(Refusal reason, Action<ShardObservations> change)
        {
            var message = Observation(5, 1, past: 2);
            change(message.Observations.Shards[0]);
            var before = _refusals[reason];
            Assert.Empty(Send(message));
            Assert.Equal(before + 1, _refusals[reason]);
        }

        Refused(Refusal.OutOfRange, s => s.Shard = 1);
        Refused(Refusal.OutOfRange, s => s.Agents.RemoveAt(2));
        Refused(Refusal.OutOfRange, s => s.Agents[1].Agent = 0);
        Refused(Refusal.OutOfRange, s => s.Agents[4].Episode = 1);
        Refused(Refusal.OutOfRange, s => s.Agents[4].Past.Frames[1].Tick = 5);
        Refused(Refusal.OutOfRange, s => s.Agents[4].Past.Frames[1].Tick = 3);
        Refused(Refusal.WrongSize, s => s.Agents[0].Features = Cut(s.Agents[0].Features, 4));
        Refused(Refusal.WrongSize, s => s.Agents[0].Past.Frames[0].Features = Cut(s.Agents[0].Past.Frames[0].Features, 1));

        static ByteString Cut(ByteString bytes, int count) => ByteString.CopyFrom(bytes.Span[..^count]);
    }

    [Fact]
    public void A_shard_twice_in_one_message_is_answered_once()
    {
        Prepare("run");
        var message = Observation(0, 1);
        message.Observations.Shards.Add(message.Observations.Shards[0].Clone());
        Assert.Single(Assert.Single(Send(message)).Actions.Shards);
        Assert.Equal(1, _refusals[Refusal.Duplicate]);
    }

    [Fact]
    public void A_run_that_is_not_known_and_what_a_node_is_never_sent_are_refused()
    {
        Assert.Empty(Send(new Envelope { Version = 1, Run = "run", Probe = new Probe() }));
        Assert.Empty(Send(new Envelope { Version = 1, Probe = new Probe() }));

        // Whoever sends these counts on this node, which must say that it knows of nothing.
        Assert.Equal(2u, Assert.Single(Send(Observation(0, 1))).Greeting.Incarnation);
        Assert.Equal(2, _refusals[Refusal.WrongRun]);
        Assert.Empty(Send(new Envelope { Version = 1, Run = "run", Actions = new Actions() }));
        Assert.Equal(1, _refusals[Refusal.Unexpected]);
    }

    [Fact]
    public void A_run_whose_world_is_gone_or_says_goodbye_is_forgotten()
    {
        Prepare("run");
        Prepare("another");
        Assert.Equal(["another", "run"], _node.Probes().Select(p => p.To).Order(StringComparer.Ordinal));
        _node.Forget("run");
        Send(new Envelope { Version = 1, Run = "another", CloseRun = new CloseRun() });
        Assert.Equal(0, _node.Runs);
    }

    private List<Envelope> Open(string run) => Send(new Envelope { Version = 1, Run = run, OpenRun = new OpenRun { Description = StrictJson.Format(_description) } });

    private void Prepare(string run)
    {
        var answer = Assert.Single(Open(run));
        if (answer.BodyCase == Envelope.BodyOneofCase.ModelRequest)
        {
            answer = Feed(run, answer.ModelRequest, _model);
        }

        Assert.Equal(Envelope.BodyOneofCase.Ready, answer.BodyCase);
    }

    /// <summary>Answers requests for a model until something else comes.</summary>
    private Envelope Feed(string run, ModelRequest request, byte[] bytes)
    {
        while (true)
        {
            var offset = (int)request.Offset;
            var answer = Assert.Single(Send(Chunk(run, request, offset, bytes.AsSpan(offset, Math.Min(2000, bytes.Length - offset)))));
            if (answer.BodyCase != Envelope.BodyOneofCase.ModelRequest)
            {
                return answer;
            }

            request = answer.ModelRequest;
        }
    }

    private static Envelope Chunk(string run, ModelRequest request, int offset, ReadOnlySpan<byte> content)
        => new() { Version = 1, Run = run, ModelChunk = new ModelChunk { Sha256 = request.Sha256, Offset = (uint)offset, Content = ByteString.CopyFrom(content) } };

    private List<Envelope> Observe(int tick, uint fence = 1, int past = 0) => Send(Observation(tick, fence, past));

    private Envelope Observation(int tick, uint fence, int past = 0)
    {
        var shard = new ShardObservations { Fence = fence };
        for (var agent = 0; agent < 5; agent++)
        {
            var entry = new AgentObservation { Agent = (uint)agent, Features = Packed(Frame(agent, tick)) };
            for (var t = tick - past; t < tick; t++)
            {
                entry.Past ??= new AgentPast();
                entry.Past.Frames.Add(new PastFrame { Tick = (uint)t, Features = Packed(Frame(agent, t)) });
            }

            shard.Agents.Add(entry);
        }

        return new Envelope { Version = 1, Run = "run", Observations = new Observations { Tick = (uint)tick, Shards = { shard } } };
    }

    private static ByteString Packed(float[] values) => ByteString.CopyFrom(MemoryMarshal.AsBytes<float>(values));

    private float[] Frame(int agent, int tick) => [.. Enumerable.Range(0, _case.Sensor.FrameSize).Select(i => MathF.Sin(agent + 0.3f * tick + i))];

    private List<Envelope> Send(Envelope envelope) => [.. _node.Handle(WireDecoder.Decode(envelope.ToByteArray(), out _)!).Select(o => WireDecoder.Decode(o.Bytes, out _)!)];
}

/// <summary>What hosts share: an agent that fails, and one that takes the place of another.</summary>
public class SupervisedAgentTests
{
    [Fact]
    public void Restarts_are_counted_across_machines_and_the_last_one_stops_the_agent()
    {
        var spec = new AgentSpec(1, new EpisodeId(0), new AgentId(0), new SamplingSpec());
        var attempts = 0;
        IPolicy Policy(AgentId id) => new FunctionPolicy(v => v > 3 ? throw new TimeoutException($"attempt {++attempts}") : v);
        var agent = new SupervisedAgent(spec, 1, 1, Policy);
        var window = new ObservationWindow(1, 1, 2);
        window.Push(new Tick(6), [1]);
        Assert.True(agent.TakeOver(window, restarts: 2));
        Assert.Equal(1, agent.Action.Span[0]);

        Assert.False(agent.Decide(new Tick(7), [9]));
        Assert.Equal((2, 3), (attempts, agent.Restarts));
        Assert.Equal(new StoppedAgent(new EpisodeId(0), new AgentId(0), new Tick(7), "attempt 2"), agent.Stopped);
        Assert.False(agent.Decide(new Tick(8), [1]));
    }
}
