using MimicD.Contracts;

namespace MimicD.World.Tests;

public class PerceptionTests
{
    private static readonly SensorSpec SeesOthers = new() { Others = new OthersSpec { Count = 1, Order = OtherOrder.Identity, Frame = Frame.Absolute, Velocity = true, Presence = true } };

    /// <summary>What agent 0 sees of agent 1 at every tick, [tick][x, y, vx, vy, presence], while agent 1 walks east 1 m a tick of 0.1 s.</summary>
    private static float[][] Watch(SensingSpec sensing, int steps, ulong seed = 1, int episodes = 1, int episode = 0, double speed = 1)
    {
        var scenario = ScenarioTests.Parse(("\"steps\": 10", $"\"steps\": {steps}")) with { Sensing = sensing };
        var world = new SimulatedWorld(scenario, SeesOthers, seed, episodes);
        var frames = new List<float[]>();
        var frame = new float[7];
        while (true)
        {
            world.Observe(episode, 0, frame);
            Assert.Equal(0, frame[0]);
            frames.Add(frame[2..]);
            if (world.IsDone)
            {
                return [.. frames];
            }

            var x = (float)(4 + speed * (world.Tick + 1));
            world.Apply(Enumerable.Repeat(new[] { 0f, 0, x, 0 }, episodes).SelectMany(a => a).ToArray(), new Outcome[2 * episodes]);
        }
    }

    [Fact]
    public void Perfect_sensing_shows_the_others_as_they_are()
    {
        var seen = Watch(new SensingSpec(), 4);
        Assert.Equal([4, 0, 0, 0, 1], seen[0]);
        Assert.Equal([5, 0, 10, 0, 1], seen[1]);
        Assert.Equal([7, 0, 10, 0, 1], seen[3]);
    }

    [Fact]
    public void Delay_shows_the_others_as_they_were()
    {
        var exact = Watch(new SensingSpec(), 12);
        var late = Watch(new SensingSpec { Delay = 3 }, 12);
        for (var t = 0; t < 12; t++)
        {
            Assert.Equal(exact[Math.Max(0, t - 3)], late[t]);
        }
    }

    [Fact]
    public void Delay_together_with_noise_is_delay_when_the_noise_vanishes()
    {
        var late = Watch(new SensingSpec { Delay = 3 }, 12);
        var noisy = Watch(new SensingSpec { Delay = 3, Noise = 1e-30 }, 12);
        Assert.Equal(late.SelectMany(f => f), noisy.SelectMany(f => f).Select(x => MathF.Round(x, 6)));
    }

    [Fact]
    public void Noise_has_the_deviation_asked_for_and_is_independent_over_ticks()
    {
        var seen = Watch(new SensingSpec { Noise = 0.5 }, 8000, speed: 0);
        var x = seen.Select(f => (f[0] - 4) / 0.5).ToArray();
        var y = seen.Select(f => f[1] / 0.5).ToArray();
        // 8,000 draws: deviation of a mean or a correlation 0.011, of a deviation 0.008; five of each.
        Assert.InRange(x.Average(), -0.056, 0.056);
        Assert.InRange(y.Average(), -0.056, 0.056);
        Assert.InRange(Math.Sqrt(x.Average(v => v * v)), 0.96, 1.04);
        Assert.InRange(Math.Sqrt(y.Average(v => v * v)), 0.96, 1.04);
        Assert.InRange(x.Zip(y, (a, b) => a * b).Average(), -0.056, 0.056);
        Assert.InRange(x.Zip(x.Skip(1), (a, b) => a * b).Average(), -0.056, 0.056);
        // A velocity is the difference of two sensed positions.
        for (var t = 1; t < 100; t++)
        {
            Assert.Equal((seen[t][0] - seen[t - 1][0]) / 0.1, seen[t][2], 3);
        }
    }

    [Fact]
    public void Dropout_hides_at_its_rate_and_leaves_zeros()
    {
        var seen = Watch(new SensingSpec { Dropout = 0.3 }, 8000, speed: 0.001);
        // Deviation of the rate 0.0051; five of it.
        Assert.InRange(seen.Average(f => 1 - f[4]), 0.274, 0.326);
        Assert.All(seen.Where(f => f[4] == 0), f => Assert.Equal([0, 0, 0, 0, 0], f));
        for (var t = 1; t < 8000; t++)
        {
            Assert.Equal(seen[t][4] == 1 && seen[t - 1][4] == 1, seen[t][2] != 0);
        }

        Assert.All(Watch(new SensingSpec { Dropout = 1 }, 50), f => Assert.Equal(0, f[4]));
    }

    [Fact]
    public void Beyond_the_range_nobody_is_seen()
    {
        var seen = Watch(new SensingSpec { Range = 6 }, 6);
        Assert.Equal([1, 1, 1, 0, 0, 0], seen.Select(f => (int)f[4]));
        Assert.Equal([1, 1, 1, 1, 1, 0], Watch(new SensingSpec { Range = 6, Delay = 2 }, 6).Select(f => (int)f[4]));
    }

    [Fact]
    public void What_is_sensed_depends_on_the_episode_and_not_on_how_many_there_are()
    {
        var sensing = new SensingSpec { Noise = 0.5, Dropout = 0.2 };
        var few = Watch(sensing, 20, episodes: 3, episode: 2).SelectMany(f => f).ToArray();
        Assert.Equal(few, Watch(sensing, 20, episodes: 5, episode: 2).SelectMany(f => f));
        Assert.NotEqual(few, Watch(sensing, 20, episodes: 3, episode: 1).SelectMany(f => f));
        Assert.NotEqual(few, Watch(sensing, 20, seed: 2, episodes: 3, episode: 2).SelectMany(f => f));
    }

    [Fact]
    public void In_simulation_and_in_demonstrations_a_feature_is_the_same()
    {
        var swap = Scenario.Load(Path.Combine(ScenarioTests.Folder, "swap.json"));
        var spec = swap.Features! with { Heading = true, Goal = Frame.Absolute };
        var set = DemonstrationTests.Make(1, 2, swap.Steps);
        var data = set.Positions.Data;
        // Actions are float32, so only what float32 holds can be played back.
        for (var i = 0; i < data.Length; i++)
        {
            data[i] = (float)data[i];
        }

        double[] At(int t) => [.. set.Path(0, 0).Slice(2 * t, 2), .. set.Path(0, 1).Slice(2 * t, 2)];
        var world = new SimulatedWorld(swap, spec, 0, 1, new([1, 2, 2], At(0)), new([1, 2, 2], At(swap.Steps - 1)));
        var expected = DemonstrationFeatures.Frames(set, Sensor.For(swap, spec), 0, 1);
        var frame = new float[world.FrameSize];
        for (var t = 0; ; t++)
        {
            world.Observe(0, 1, frame);
            Assert.Equal(expected[(t * frame.Length)..((t + 1) * frame.Length)], frame);
            if (world.IsDone)
            {
                break;
            }

            world.Apply(Array.ConvertAll(At(t + 1), x => (float)x), new Outcome[2]);
        }
    }
}
