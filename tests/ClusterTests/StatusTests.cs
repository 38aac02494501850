using System.Collections.Immutable;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using MimicD.Cluster;
using MimicD.Cluster.Status;
using MimicD.Cluster.Wire;

namespace MimicD.ClusterTests;

/// <summary>How a cluster is doing: what is counted, what is said of it, and what is refused.</summary>
public sealed class StatusTests
{
    private static readonly ClusterOptions Options = new() { Name = "here", Broker = new BrokerOptions { Uri = "amqp://broker/" } };
    private static readonly ProcessReport Process = new("machine", 42, "0.1.0", 12.5, 3, new Dictionary<string, long>(StringComparer.Ordinal) { ["Late"] = 2, ["Malformed"] = 7 }.ToImmutableSortedDictionary(StringComparer.Ordinal));

    private static readonly NodeStatusReport Node = new("node-1", Process, 4.25, new NodeFigures
    {
        Runs = [new NodeRunFigures("run-1", true, 5, 17), new NodeRunFigures("run-2", false, 0, 0)], Ticks = 100, Shards = 500, Actions = 1700, Replays = 3, Models = [new HeldModel(new string('a', 64), 1234)], ModelsFetched = 1,
        ModelBytesFetched = 1234,
    });

    private static readonly WorldReport World = new("run-1", "swap", Process with { Queued = null }, 200, 8.5, new WorldFigures
    {
        Ticks = 100, Episodes = 4, Agents = 5, Shards = 8, Nodes = [new WorldNodeFigures("node-1", true, 5), new WorldNodeFigures("node-2", true, 3), new WorldNodeFigures("node-3", false, 0)], Replays = 3, Moves = 2, Suspensions = 1,
    });

    [Fact]
    public void Answers_survive_the_wire_and_are_put_together()
    {
        var status = StatusWire.Assemble(Options, [StatusWire.Encode(World), StatusWire.Encode(Node)], TimeSpan.FromSeconds(1), 9);
        var (node, world) = (Assert.Single(status.Nodes), Assert.Single(status.Worlds));
        Assert.Equivalent(Node, node, strict: true);
        Assert.Equivalent(World, world, strict: true);
        Assert.Equal(("here", "amqp://broker/", 1.0, 9), (status.Cluster, status.Broker, status.Waited, status.DeadLetters));
        Assert.Equal(["node-2", "node-3"], status.Silent);
        Assert.Empty(status.Refusals);
    }

    [Fact]
    public void An_answer_that_comes_twice_and_one_that_is_none_are_counted()
    {
        var question = StatusWire.Question("me");
        byte[] nameless = [.. new Envelope { Version = 1, NodeStatus = Parse(StatusWire.Encode(Node)).NodeStatus }.ToByteArray()];
        var status = StatusWire.Assemble(Options, [StatusWire.Encode(Node), [0xFF], StatusWire.Encode(Node with { TicksPerSecond = 0 }), question, nameless], TimeSpan.Zero, null);
        Assert.Equal(Node.TicksPerSecond, Assert.Single(status.Nodes).TicksPerSecond);
        Assert.Equal([(Refusal.Malformed, 1L), (Refusal.Unexpected, 1L), (Refusal.WrongNode, 1L), (Refusal.Duplicate, 1L)], status.Refusals.Select(r => (r.Key, r.Value)));
    }

    [Fact]
    public void A_name_that_would_move_the_cursor_is_not_said()
    {
        var status = StatusWire.Assemble(Options, [StatusWire.Encode(World with { Title = "a\u001b[2Jb\n" + new string('c', 100) })], TimeSpan.Zero, null);
        Assert.Equal("a[2Jb" + new string('c', 59), Assert.Single(status.Worlds).Title);
    }

    // By name, for the messages themselves would fill the log.
    private static readonly Dictionary<string, Action<Envelope>> Bad = new(StringComparer.Ordinal)
    {
        ["nobody asks"] = e => e.StatusQuestion = new StatusQuestion(),
        ["somebody whose queue is elsewhere"] = e => e.StatusQuestion = new StatusQuestion { Asker = "me.node.1" },
        ["no process"] = e => Of(e).Process = null,
        ["a host that moves the cursor"] = e => Of(e).Process.Host = "\u001b[2J",
        ["a long version"] = e => Of(e).Process.Version = new string('1', WireLimits.NameLetters + 1),
        ["an uptime that is no number"] = e => Of(e).Process.UptimeSeconds = double.NaN,
        ["a speed that is not finite"] = e => Of(e).TicksPerSecond = double.PositiveInfinity,
        ["a count beyond all counts"] = e => Of(e).Replays = ulong.MaxValue,
        ["many messages"] = e => Of(e).Process.Queued = ulong.MaxValue,
        ["a reason twice"] = e => Of(e).Process.Refusals.AddRange([new RefusalCount { Reason = "Late" }, new RefusalCount { Reason = "Late" }]),
        ["many reasons"] = e => Of(e).Process.Refusals.AddRange(Enumerable.Range(0, 65).Select(i => new RefusalCount { Reason = $"{i}" })),
        ["many runs"] = e => Of(e).Runs.AddRange(Enumerable.Range(0, NodeSide.MaxRuns + 1).Select(i => new NodeRunStatus { Run = $"run-{i}" })),
        ["a run in capitals"] = e => Of(e).Runs.Add(new NodeRunStatus { Run = "Run" }),
        ["many agents"] = e => Of(e).Runs.Add(new NodeRunStatus { Run = "run", Agents = uint.MaxValue }),
        ["a model without a hash"] = e => Of(e).Models.Add(new ModelStatus()),
        ["a late tick"] = e => OfWorld(e).Ticks = uint.MaxValue,
        ["a long title"] = e => OfWorld(e).Title = new string('x', WireLimits.NameLetters + 1),
        ["a node with a point"] = e => OfWorld(e).Nodes.Add(new WorldNodeStatus { Node = "a.b" }),
        ["many shards"] = e => OfWorld(e).Nodes.Add(new WorldNodeStatus { Node = "node", Shards = uint.MaxValue }),
    };

    public static TheoryData<string> Refused => [.. Bad.Keys];

    [Theory]
    [MemberData(nameof(Refused))]
    public void What_breaks_a_limit_is_refused(string name)
    {
        var envelope = new Envelope { Version = 1, Node = "node-1" };
        Bad[name](envelope);
        Assert.Null(WireDecoder.Decode(envelope.ToByteArray(), out var reason));
        Assert.Equal(Refusal.OverLimit, reason);
    }

    [Fact]
    public void A_question_of_another_version_is_refused()
    {
        var question = Parse(StatusWire.Question("me"));
        question.Version = 2;
        Assert.Null(WireDecoder.Decode(question.ToByteArray(), out var reason));
        Assert.Equal(Refusal.WrongVersion, reason);
    }

    [Fact]
    public void Status_carries_counts_and_names_alone_and_nothing_that_an_agent_saw_or_did()
    {
        var reached = new HashSet<MessageDescriptor>();
        var open = new Queue<MessageDescriptor>([StatusQuestion.Descriptor, NodeStatus.Descriptor, WorldStatus.Descriptor]);
        while (open.TryDequeue(out var message))
        {
            if (reached.Add(message))
            {
                foreach (var field in message.Fields.InDeclarationOrder())
                {
                    Assert.Contains(field.FieldType, new[] { FieldType.String, FieldType.UInt32, FieldType.UInt64, FieldType.Bool, FieldType.Double, FieldType.Message });
                    Assert.False(field.IsRepeated && field.FieldType != FieldType.Message, $"{field.FullName} could hold anything");
                    if (field.FieldType == FieldType.Message)
                    {
                        open.Enqueue(field.MessageType);
                    }
                }
            }
        }

        Assert.All(reached, m => Assert.Equal("status.proto", m.File.Name));
    }

    [Fact]
    public void An_answer_that_comes_to_a_node_is_refused()
    {
        var refusals = new Refusals();
        var node = new NodeSide("node-2", 1, refusals);
        foreach (var answer in new[] { StatusWire.Encode(Node), StatusWire.Encode(World) })
        {
            var envelope = Parse(answer);
            envelope.Run = "run-1";
            Assert.Empty(node.Handle(envelope));
        }

        Assert.Equal(2, refusals[Refusal.Unexpected]);
    }

    [Fact]
    public void Speed_is_that_of_the_last_minute()
    {
        var time = new HandTime();
        var ticks = new Throughput(time);
        Assert.Equal(0, ticks.PerSecond);
        time.Pass(100);
        for (var i = 0; i < 10; i++)
        {
            ticks.Add(3);
            time.Pass(1);
        }

        // From when they began, not from when it was made.
        Assert.Equal(3.0, ticks.PerSecond, 9);
        time.Pass(40);
        Assert.Equal(30.0 / 50, ticks.PerSecond, 9);
        time.Pass(15);
        Assert.InRange(ticks.PerSecond, 0.2, 0.45);
        time.Pass(60);
        Assert.Equal(0, ticks.PerSecond);
        time.Pass(1_000_000);
        ticks.Add(5);
        time.Pass(0.5);
        Assert.Equal(10.0, ticks.PerSecond, 3);
    }

    [Fact]
    public void A_node_is_ready_when_connected_and_alive_while_its_loop_turns()
    {
        var time = new HandTime();
        var watch = new NodeWatch("node-1", TimeSpan.FromSeconds(30), time);
        time.Pass(1000);
        Assert.Equal((null, "not connected to the broker"), (watch.Stuck, watch.Unready));
        watch.Connect();
        watch.Tell(new NodeFigures { Ticks = 1 });
        Assert.Equal((null, null), (watch.Stuck, watch.Unready));

        // As long as a message may take, and a beat.
        time.Pass(35);
        Assert.Null(watch.Stuck);
        time.Pass(1);
        Assert.Equal("the node has not taken a message for 36 s (at most 35 s)", watch.Stuck);
        Assert.Equal(watch.Stuck, watch.Unready);
        watch.Tell(new NodeFigures { Ticks = 2 });
        Assert.Equal((null, null), (watch.Stuck, watch.Unready));
        watch.Disconnect();
        Assert.Equal((null, "not connected to the broker"), (watch.Stuck, watch.Unready));
    }

    private static Envelope Parse(byte[] bytes) => WireDecoder.Decode(bytes, out _)!;

    private static NodeStatus Of(Envelope envelope) => envelope.NodeStatus ??= Parse(StatusWire.Encode(Node)).NodeStatus;

    private static WorldStatus OfWorld(Envelope envelope) => envelope.WorldStatus ??= Parse(StatusWire.Encode(World)).WorldStatus;
}

/// <summary>A clock that a test moves.</summary>
internal sealed class HandTime : TimeProvider
{
    private long _now = TimeSpan.FromDays(1).Ticks;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => _now;

    public void Pass(double seconds) => _now += TimeSpan.FromSeconds(seconds).Ticks;
}
