using System.Text;
using Google.Protobuf;
using MimicD.Agents;
using MimicD.AgentsTests;
using MimicD.Cluster;
using MimicD.Cluster.Wire;

namespace MimicD.ClusterTests;

/// <summary>Who has which block, and which answer counts, on a network that exists in one thread.</summary>
public sealed class SweepSideTests : IDisposable
{
    private static readonly Dictionary<string, string> NoModels = [];

    private readonly string _file = Path.Combine(Path.GetTempPath(), $"mimicd-{Guid.NewGuid():N}.safetensors");
    private readonly Dictionary<string, string> _models;

    public SweepSideTests()
    {
        RandomModel.Write(_file, RandomModel.Spec(width: 64));
        _models = new Dictionary<string, string>(StringComparer.Ordinal) { [Model.Load(_file).Sha256] = _file };
    }

    public void Dispose() => File.Delete(_file);

    public static TheoryData<ulong> Seeds => [.. Enumerable.Range(1, 40).Select(s => (ulong)s)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Whatever_happens_to_nodes_and_broker_every_block_counts_once_with_what_it_gives(ulong seed)
    {
        var sweep = new SimulatedSweep(seed) { Duplicates = 0.05, Mischief = Disturb };
        for (var i = 0; i < 3; i++)
        {
            sweep.Join();
        }

        var expected = new Dictionary<uint, string>();
        for (var i = 0; i < 30; i++)
        {
            var models = i % 2 == 0 ? _models : NoModels;
            expected.Add(sweep.Add($"block {i}", models), SimulatedSweep.Content($"block {i}", models.Keys));
        }

        sweep.Run();

        Assert.Empty(sweep.Failures);
        Assert.All(expected, b => Assert.Equal((b.Value, 1), sweep.Results[b.Key]));
        Assert.Equal((30, 30), (sweep.Results.Count, sweep.Side.Report.Blocks));

        static void Disturb(SimulatedSweep sweep)
        {
            var (alive, cut) = (sweep.Alive, sweep.Cut);
            switch (sweep.Random.NextInt32(600))
            {
                case 0 or 1 or 2 when alive.Count > 1:
                    sweep.Kill(alive[sweep.Random.NextInt32(alive.Count)]);
                    sweep.Join();
                    break;
                case 3 or 4 when alive.Count > 1:
                    sweep.CutOff(alive[sweep.Random.NextInt32(alive.Count)]);
                    break;
                case 5 or 6 or 7 when cut.Count > 0:
                    sweep.GoOn(cut[sweep.Random.NextInt32(cut.Count)]);
                    break;
                case 8:
                    sweep.RestartBroker();
                    break;
                default:
                    break;
            }
        }
    }

    [Fact]
    public void A_block_is_its_last_beginners_and_a_dead_nodes_block_is_given_to_another()
    {
        var sweep = new SimulatedSweep(1) { Computes = false };
        var first = sweep.Join();
        var block = sweep.Add("block", _models);
        Assert.Null(sweep.Side.Holder(block));
        sweep.Run(() => sweep.Side.Holder(block) is not null);
        Assert.Equal(first, sweep.Side.Holder(block));

        sweep.Kill(first);
        var second = sweep.Join();
        sweep.Computes = true;
        sweep.Run();
        Assert.Null(sweep.Side.Holder(block));
        Assert.Equal((2, 1L, 1L), (sweep.Side.Report.Nodes, sweep.Side.Report.Blocks, sweep.Side.Report.Again));
        Assert.Equal((1L, 1L), (sweep.Worker(second).Begun, sweep.Worker(second).Fetched));
    }

    [Fact]
    public void A_late_answer_counts_if_it_is_the_first_and_is_a_duplicate_if_it_is_not()
    {
        var sweep = new SimulatedSweep(2) { Computes = false };
        var slow = sweep.Join();
        var block = sweep.Add("block", NoModels);
        sweep.Run(() => sweep.Side.Holder(block) is not null);
        sweep.CutOff(slow);
        sweep.Join();
        sweep.Computes = true;
        sweep.Run();
        sweep.GoOn(slow);
        sweep.Run(() => sweep.SweepRefusals[Refusal.Duplicate] == 1 && sweep.Side.Nodes == 2);

        Assert.Equal(("block ", 1), sweep.Results[block]);

        // This time nobody else has begun it.
        sweep.Computes = false;
        block = sweep.Add("again", NoModels);
        sweep.Run(() => sweep.Side.Holder(block) is not null);
        var holder = sweep.Side.Holder(block)!;
        foreach (var other in sweep.Alive.Where(n => n != holder))
        {
            sweep.Kill(other);
        }

        sweep.CutOff(holder);
        sweep.GoOn(holder);
        sweep.Computes = true;
        sweep.Run();
        Assert.Equal(("again ", 1), sweep.Results[block]);
    }

    [Fact]
    public void What_cannot_be_read_is_refused_and_computed_again()
    {
        var spoilt = 0;
        var sweep = new SimulatedSweep(3) { Compute = (_, _, content) => spoilt++ < 2 ? "?"u8.ToArray() : content };
        sweep.Join();
        var block = sweep.Add("block", NoModels);
        sweep.Run();

        Assert.Equal("block ", sweep.Results[block].Content);
        Assert.Equal((2L, 2L), (sweep.SweepRefusals[Refusal.Malformed], sweep.Side.Report.Again));
    }

    [Fact]
    public void A_block_that_ends_every_node_fails_with_one_line()
    {
        var sweep = new SimulatedSweep(4) { Computes = false };
        var block = sweep.Add("deadly", NoModels);
        for (var i = 1; i <= SweepSide.MaxBeginnings && sweep.Side.Open > 0; i++)
        {
            var node = sweep.Join();
            sweep.Run(() => sweep.Side.Holder(block) == node);
            sweep.Kill(node);
        }

        Assert.Empty(sweep.Failures);
        sweep.Join();
        sweep.Run();
        Assert.Equal("begun 9 times without a result, last by node node-8", sweep.Failures[block]);
    }

    [Fact]
    public void A_model_that_is_not_what_it_was_fails_the_blocks_that_need_it_and_no_others()
    {
        var sweep = new SimulatedSweep(5);
        sweep.Join();
        var hash = new string('a', 64);
        var (bad, good) = (sweep.Add("bad", new Dictionary<string, string>(StringComparer.Ordinal) { [hash] = _file }), sweep.Add("good", _models));
        sweep.Run();

        Assert.Equal($"node node-0: model: SHA-256: expected {hash}, found {_models.Keys.Single()}", sweep.Failures[bad]);
        Assert.Equal(SimulatedSweep.Content("good", _models.Keys), sweep.Results[good].Content);
        Assert.Equal(1, sweep.NodeRefusals[Refusal.WrongModel]);
    }

    [Fact]
    public void A_model_whose_file_is_gone_fails_the_blocks_that_need_it()
    {
        var sweep = new SimulatedSweep(6);
        sweep.Join();
        var block = sweep.Add("block", _models);
        File.Delete(_file);
        sweep.Run();

        Assert.Equal($"node node-0: model {_models.Keys.Single()}: expected its file, which the sweep cannot read any more, found nothing", sweep.Failures[block]);
    }

    [Fact]
    public void Foreign_messages_are_refused_by_their_reason_and_change_nothing()
    {
        var sweep = new SimulatedSweep(7);
        sweep.Join();
        var block = sweep.Add("block", NoModels);
        sweep.Run(() => sweep.Side.Holder(block) is not null);
        Envelope From(string node, Action<Envelope> fill, string run = "sweep")
        {
            var envelope = new Envelope { Version = WireLimits.Version, Run = run, Node = node };
            fill(envelope);
            return envelope;
        }

        SweepPart Part(uint number, uint offset, string text = "forged") => new() { Block = number, Sending = 1, Offset = offset, Size = 12, Content = ByteString.CopyFrom(Encoding.UTF8.GetBytes(text)) };
        (Refusal Reason, Envelope Message)[] messages =
        [
            (Refusal.WrongNode, From("", e => e.SweepPart = Part(block, 0))),
            (Refusal.WrongNode, From("stranger", e => e.SweepJoined = new SweepJoined { Blocks = 1 })),
            (Refusal.WrongNode, From("stranger", e => e.ModelRequest = new ModelRequest { Sha256 = new string('a', 64) })),
            (Refusal.WrongRun, From("node-0", e => e.SweepPart = Part(block, 0), "another")),
            (Refusal.WrongRun, From("node-0", e => e.Greeting = new Greeting(), "another")),
            (Refusal.OutOfRange, From("node-0", e => e.SweepPart = Part(block + 1, 0))),
            (Refusal.OutOfRange, From("node-0", e => e.SweepPart = Part(block, 6))),
            (Refusal.WrongModel, From("node-0", e => e.ModelRequest = new ModelRequest { Sha256 = new string('a', 64) })),
            (Refusal.Unexpected, From("node-0", e => e.Actions = new Actions())),
        ];
        foreach (var (_, message) in messages)
        {
            sweep.Inject(message.ToByteArray());
        }

        sweep.Inject([0xFF, 0xFF]);
        Assert.Equal(messages.Select(m => m.Reason).Append(Refusal.Malformed).CountBy(r => r).OrderBy(p => p.Key), sweep.SweepRefusals.Counts.Select(c => KeyValuePair.Create(c.Key, (int)c.Value)));
        sweep.Run();
        Assert.Equal(("block ", 1), sweep.Results[block]);
    }

    [Fact]
    public void Parts_of_two_sendings_are_not_put_together()
    {
        var side = new SweepSide("sweep", TimeSpan.FromDays(1), (_, _, _) => default, new Refusals());
        var worker = new WorkerSide("node", 1, new Refusals());
        Hear(worker.Greet().Bytes);
        foreach (var step in worker.Handle(new Envelope { Version = WireLimits.Version, Run = "sweep", OpenSweep = new OpenSweep() }).OfType<WorkerStep.Send>())
        {
            Hear(step.Message.Bytes);
        }

        var (block, _) = side.Add("block", NoModels);
        var content = new byte[WireLimits.PartBytes + 3];
        content[^1] = 7;
        var (first, second) = (worker.Answer("sweep", block, content), worker.Answer("sweep", block, content));
        Assert.Equal(2, first.Count);
        Assert.Null(Hear(first[0]));
        Assert.Null(Hear(second[0]));
        Assert.Null(Hear(first[1]));
        var whole = Hear(second[1]);
        Assert.True(whole!.Content!.Value.Span.SequenceEqual(content));
        Assert.Equal(1, side.Report.Refusals[Refusal.OutOfRange]);

        BlockEvent? Hear(byte[] bytes)
        {
            side.Handle(WireDecoder.Decode(bytes, out _)!, out var happened);
            return happened;
        }
    }

    [Fact]
    public void Blocks_that_wait_without_a_node_fail_the_sweep_after_its_patience_and_no_blocks_never_do()
    {
        var side = new SweepSide("sweep", TimeSpan.FromSeconds(10), (_, _, _) => default, new Refusals());
        side.Poll(TimeSpan.FromSeconds(100), out var failure);
        Assert.Null(failure);
        side.Add("block", NoModels);
        side.Poll(TimeSpan.FromSeconds(110), out failure);
        Assert.Null(failure);
        side.Poll(TimeSpan.FromSeconds(120), out failure);
        Assert.Null(failure);
        side.Poll(TimeSpan.FromSeconds(120.1), out failure);
        Assert.Equal("no node is left, and none came within 10 s", failure);
    }

    [Fact]
    public void What_is_no_block_of_the_sweep_is_refused_at_the_nodes_door()
    {
        var refusals = new Refusals();
        var worker = new WorkerSide("node", 1, refusals);
        Assert.Null(worker.Deliver("sweep", new Envelope { Version = WireLimits.Version, Run = "sweep", Probe = new Probe() }));
        Assert.Null(worker.Deliver("sweep", new Envelope { Version = WireLimits.Version, Run = "another", SweepBlock = new SweepBlock() }));
        Assert.Empty(worker.Handle(new Envelope { Version = WireLimits.Version, Run = "sweep", ModelChunk = new ModelChunk() }));
        Assert.Empty(worker.Handle(new Envelope { Version = WireLimits.Version, Run = "sweep", Actions = new Actions() }));
        Assert.Empty(worker.Handle(new Envelope { Version = WireLimits.Version, Call = new Call() }));
        Assert.Equal([(Refusal.Unexpected, 2L), (Refusal.WrongRun, 3L)], refusals.Counts.Select(c => (c.Key, c.Value)));
    }
}
