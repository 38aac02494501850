using System.Collections.Concurrent;
using FsCheck;
using FsCheck.Fluent;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.AgentsTests;

public class MailboxTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public void What_is_taken_in_is_handled_once_in_order_one_at_a_time_and_no_more_is_there_than_there_is_room_for()
        => Holds(random =>
        {
            var (boxes, threads, capacity, senders) = (1 + random.NextInt32(40), 1 + random.NextInt32(4), 1 + random.NextInt32(4), 1 + random.NextInt32(3));
            var (letters, gathers, lends, between) = (1 + random.NextInt32(200), random.NextInt32(2) == 0, random.NextInt32(2) == 0, random.NextInt32(3) * 4);
            var dispatcher = new Dispatcher(boxes, threads);
            var working = new Working();
            var all = Enumerable.Range(0, boxes).Select(i => new Box(dispatcher, i, capacity, working, 20 * random.NextInt32(3))).ToArray();
            if (gathers)
            {
                dispatcher.Gather();
            }

            // Each mailbox has one sender, and each sender many mailboxes.
            Parallel.For(0, senders, new ParallelOptions { MaxDegreeOfParallelism = senders }, sender =>
            {
                for (var letter = 0; letter < letters; letter++)
                {
                    for (var i = sender; i < boxes; i += senders)
                    {
                        all[i].Send(letter);
                        if (between > 0 && (letter + i) % between == 0)
                        {
                            dispatcher.LendBetween();
                        }
                    }
                }
            });
            if (gathers)
            {
                dispatcher.Release(lends);
            }
            else if (lends)
            {
                dispatcher.Lend();
            }

            Assert.True(dispatcher.FinishAsync().Wait(Patience), "not all was handled");
            Assert.InRange(working.Most, 1, threads);
            foreach (var box in all)
            {
                Assert.Equal(box.Taken, box.Handled);
                Assert.InRange(box.Most, 0, capacity);
                Assert.Equal(letters, box.Taken.Count + box.Refused);
            }
        });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_slow_mailbox_holds_up_nobody_while_a_worker_is_free(bool gathers)
    {
        using var gate = new ManualResetEventSlim();
        var dispatcher = new Dispatcher(20, 2);
        using var handled = new CountdownEvent(19);
        var all = Enumerable.Range(0, 20).Select(i => new Doing(dispatcher, i, () =>
        {
            if (i == 0)
            {
                gate.Wait(Patience);
            }
            else
            {
                handled.Signal();
            }
        })).ToArray();
        if (gathers)
        {
            dispatcher.Gather();
        }

        foreach (var box in all)
        {
            Assert.True(box.TryPost(new Tick(0), [0]));
        }

        if (gathers)
        {
            dispatcher.Release(lend: false);
        }

        Assert.True(handled.Wait(Patience), $"{handled.CurrentCount} of 19 were held up");
        gate.Set();
        await dispatcher.FinishAsync().WaitAsync(Patience);
    }

    [Fact]
    public async Task Who_gathers_may_work_for_the_mailboxes_that_it_added_last_and_for_no_others()
    {
        var dispatcher = new Dispatcher(4, 2);
        var (mine, thread) = (new List<int>(), Environment.CurrentManagedThreadId);
        var all = Enumerable.Range(0, 4).Select(i => new Doing(dispatcher, i, () => mine.Add(Environment.CurrentManagedThreadId == thread ? i : -1))).ToArray();
        dispatcher.Gather();
        foreach (var i in new[] { 2, 0, 1 })
        {
            Assert.True(all[i].TryPost(new Tick(0), [0]));
        }

        // The first two are of one worker, the last two of the other.
        dispatcher.LendBetween();
        Assert.Equal([0, 1], mine);
        dispatcher.Release(lend: true);
        await dispatcher.FinishAsync().WaitAsync(Patience);
        Assert.Equal([0, 1, 2], mine);
    }

    [Fact]
    public void What_comes_alone_is_handled_without_anything_else_being_said()
    {
        var dispatcher = new Dispatcher(3, 2);
        for (var i = 0; i < 3; i++)
        {
            using var handled = new ManualResetEventSlim();
            Assert.True(new Doing(dispatcher, i, handled.Set).TryPost(new Tick(0), [0]));
            Assert.True(handled.Wait(Patience), $"number {i} was left alone");
        }
    }

    [Fact]
    public async Task A_mailbox_whose_owner_fails_takes_nothing_more_and_the_others_go_on()
    {
        var dispatcher = new Dispatcher(2, 1);
        var fails = new Doing(dispatcher, 0, () => throw new TimeoutException("told to"));
        var count = 0;
        var other = new Doing(dispatcher, 1, () => Interlocked.Increment(ref count));
        dispatcher.Gather();
        Assert.True(fails.TryPost(new Tick(0), [0]));
        Assert.True(other.TryPost(new Tick(0), [0]));
        dispatcher.Release(lend: true);
        Assert.False(fails.TryPost(new Tick(1), [0]));
        Assert.True(other.TryPost(new Tick(1), [0]));
        Assert.Equal("told to", (await Assert.ThrowsAsync<TimeoutException>(() => dispatcher.FinishAsync().WaitAsync(Patience))).Message);
        Assert.Equal(2, count);
    }

    /// <summary>Checks many cases that a seed makes; FsCheck chooses the seeds and prints the one that fails.</summary>
    private static void Holds(Action<CounterRandom> property)
        => Prop.ForAll<int>(ArbMap.Default.ArbFor<int>(), seed => property(new CounterRandom((ulong)(uint)seed, RandomPurpose.Resampling))).QuickCheckThrowOnFailure();

    /// <summary>How many work at one time.</summary>
    private sealed class Working
    {
        private int _now;
        private int _most;

        public int Most => Volatile.Read(ref _most);

        public void Enter()
        {
            var now = Interlocked.Increment(ref _now);
            for (var most = Most; now > most; most = Most)
            {
                Interlocked.CompareExchange(ref _most, now, most);
            }
        }

        public void Leave() => Interlocked.Decrement(ref _now);
    }

    /// <summary>Writes down what is sent to it and what it handles.</summary>
    private sealed class Box(Dispatcher dispatcher, int index, int capacity, Working working, int spin) : Mailbox(dispatcher, dispatcher.Home(index), capacity)
    {
        private readonly float[] _next = new float[2];
        private readonly ConcurrentQueue<(int, float, float)> _handled = [];
        private int _there;
        private int _inside;

        public List<(int Tick, float First, float Second)> Taken { get; } = [];

        public IReadOnlyCollection<(int Tick, float First, float Second)> Handled => _handled;

        public int Refused { get; private set; }

        public int Most { get; private set; }

        protected override Span<float> Next => _next;

        public void Send(int letter)
        {
            float[] frame = [letter, index];
            var taken = TryPost(new Tick(letter), frame);
            frame[0] = -1;
            if (!taken)
            {
                Refused++;
                return;
            }

            Taken.Add((letter, letter, index));
            Most = Math.Max(Most, Interlocked.Increment(ref _there));
        }

        protected override bool Handle(Tick tick, ReadOnlySpan<float> frame, PlanTable plans)
        {
            Assert.Equal(1, Interlocked.Increment(ref _inside));
            working.Enter();
            Thread.SpinWait(spin);
            _handled.Enqueue((tick.Value, frame[0], frame[1]));
            working.Leave();
            Interlocked.Decrement(ref _there);
            Interlocked.Decrement(ref _inside);
            return true;
        }
    }

    private sealed class Doing(Dispatcher dispatcher, int index, Action does) : Mailbox(dispatcher, dispatcher.Home(index), 1)
    {
        private readonly float[] _next = new float[1];

        protected override Span<float> Next => _next;

        protected override bool Handle(Tick tick, ReadOnlySpan<float> frame, PlanTable plans)
        {
            does();
            return true;
        }
    }
}
