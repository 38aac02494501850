using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World.Tests;

/// <summary>A grid changes how long it takes to find the nearest, and nothing else.</summary>
public class NeighbourGridTests
{
    public enum Crowd
    {
        Anywhere,
        OnACircle,
        InALine,
        OnALattice,
        InTwoHeaps,
        InOnePlace,
        FarFromTheOrigin,
    }

    public static TheoryData<Crowd, int, int> Crowds()
    {
        var data = new TheoryData<Crowd, int, int>();
        foreach (var crowd in Enum.GetValues<Crowd>())
        {
            data.Add(crowd, 2, 300);
            data.Add(crowd, 3, 120);
            data.Add(crowd, 2, 3);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Crowds))]
    public void Frames_are_the_same_to_the_bit_with_a_grid_and_without(Crowd crowd, int dimensions, int bodies)
    {
        var seed = (ulong)Environment.TickCount64;
        var random = new CounterRandom(seed, RandomPurpose.Starts);
        var positions = Place(crowd, dimensions, bodies, random);

        // Others that are seen late are not where the observer is, nor need the observer be among them.
        var late = positions.Select(x => x + random.NextDouble() - 0.5).ToArray();
        foreach (var (sensed, count) in new[] { (positions, 8), (positions, 16), (late, 1), (late, bodies - 1) })
        {
            var spec = new SensorSpec { Dimensions = dimensions, Others = new OthersSpec { Count = count, Order = OtherOrder.Nearest, Presence = true, Velocity = true } };
            var sensor = new Sensor(spec, [], 0.1);
            var grid = new NeighbourGrid(bodies, dimensions);
            grid.Build(positions);
            grid.Build(sensed);
            var (with, without) = (new float[spec.FrameSize], new float[spec.FrameSize]);
            for (var agent = 0; agent < bodies; agent++)
            {
                sensor.Frame(View(positions, sensed, grid), agent, with);
                sensor.Frame(View(positions, sensed, null), agent, without);
                Assert.True(with.AsSpan().SequenceEqual(without), $"seed {seed}: agent {agent} of {bodies} {crowd} in {dimensions} dimensions, {count} nearest");
            }
        }
    }

    [Fact]
    public void A_world_of_many_senses_with_a_grid_what_a_sensor_senses_without()
    {
        var scenario = Scenario.Load(Path.Combine(ScenarioTests.Folder, "ring.json")).WithAgents(100);
        var spec = scenario.DefaultSensor;
        Assert.Equal(OtherOrder.Nearest, spec.Others!.Order);
        var world = new SimulatedWorld(scenario, spec, 3, 2);
        var sensor = Sensor.For(scenario, spec);
        var (with, without) = (new float[spec.FrameSize], new float[spec.FrameSize]);
        var random = new CounterRandom(5, RandomPurpose.Starts);
        var actions = new float[200 * world.ActionSize];
        var before = world.State.Positions.ToArray();
        for (var tick = 0; tick < 5; tick++)
        {
            for (var body = 0; body < 200; body++)
            {
                var (episode, agent) = (body / 100, body % 100);
                world.Observe(episode, agent, with);
                sensor.Frame(new WorldView { Positions = world.State.Positions.AsSpan(episode * 200, 200), Previous = before.AsSpan(episode * 200, 200), Goals = world.Goals.AsSpan(episode * 200, 200) }, agent, without);
                Assert.Equal(without, with);
            }

            before = world.State.Positions.ToArray();
            for (var i = 0; i < actions.Length; i++)
            {
                actions[i] = (float)(before[i] + 0.1 * random.NextDouble());
            }

            world.Apply(actions, new Outcome[200]);
        }
    }

    private static WorldView View(double[] positions, double[] sensed, NeighbourGrid? near) => new() { Positions = positions, Previous = positions, Sensed = sensed, SensedPrevious = positions, Near = near };

    private static double[] Place(Crowd crowd, int dimensions, int bodies, CounterRandom random)
    {
        var positions = new double[bodies * dimensions];
        for (var body = 0; body < bodies; body++)
        {
            for (var i = 0; i < dimensions; i++)
            {
                var turn = 2 * Math.PI * body / bodies;
                positions[body * dimensions + i] = crowd switch
                {
                    Crowd.Anywhere => 100 * random.NextDouble(),
                    Crowd.OnACircle => 50 * (i == 0 ? Math.Cos(turn) : i == 1 ? Math.Sin(turn) : 0),
                    Crowd.InALine => i == 1 ? body : 2,
                    Crowd.OnALattice => i == 0 ? body % 17 : i == 1 ? body / 17 : 0,
                    Crowd.InTwoHeaps => random.NextDouble() + (body % 2 == 0 ? 0 : 1e6),
                    Crowd.FarFromTheOrigin => 1e12 + 0.01 * random.NextDouble(),
                    _ => 7,
                };
            }
        }

        return positions;
    }
}
