using FsCheck;
using FsCheck.Fluent;
using MimicD.Agents;
using MimicD.Contracts;

namespace MimicD.AgentsTests;

public class SafetyProjectionTests
{
    private const double Dt = 0.1;

    private static readonly SensorSpec Sensor = new()
    {
        Velocity = true,
        Others = new OthersSpec { Count = 2, Order = OtherOrder.Nearest, Frame = Frame.Relative, Velocity = true, Presence = true },
        Obstacles = new ObstaclesSpec { Count = 1 },
    };

    private static readonly ProjectionSpec Spec = new() { Separation = 1, Clearance = 0.1, MaxStep = 0.5, Approach = 0.5 };

    [Fact]
    public void The_layout_is_read_as_its_names_say()
    {
        var names = Sensor.FeatureNames();
        float Feature(string name) => name switch
        {
            "self.position.x" => 3, "self.position.y" => 4,
            "other0.position.x" => 1, "other0.position.y" => -2, "other0.velocity.x" => 0.5f, "other0.velocity.y" => 0.25f, "other0.presence" => 1,
            "obstacle0.direction.x" => 0.6f, "obstacle0.direction.y" => 0.8f, "obstacle0.clearance" => 2,
            _ => 0,
        };
        var frame = Array.ConvertAll(names, Feature);
        var surroundings = new Surroundings(Sensor);
        double[] position = new double[2], velocity = new double[2];

        Assert.True(surroundings.Other(frame, 0, position, velocity));
        Assert.Equal([4, 2], position);
        Assert.Equal([0.5, 0.25], velocity);
        Assert.False(surroundings.Other(frame, 1, position, velocity));
        Assert.True(surroundings.Obstacle(frame, 0, position, out var clearance));
        Assert.Equal((0.6f, 0.8f, 2), ((float)position[0], (float)position[1], clearance));

        var absolute = new Surroundings(Sensor with { Others = Sensor.Others! with { Frame = Frame.Absolute } });
        Assert.True(absolute.Other(frame, 0, position, velocity));
        Assert.Equal([1, -2], position);
    }

    [Fact]
    public void An_action_that_is_safe_is_left_as_it_is()
    {
        float[] action = [0.3f, 0.1f];
        var moved = new SafetyProjection(Sensor, Spec, Dt).Apply(Sight(other: (2, 2, 0, 0)), action);

        Assert.Equal(0, moved);
        Assert.Equal([0.3f, 0.1f], action);
    }

    [Fact]
    public void Of_one_other_the_distance_that_the_barrier_asks_for_is_kept_by_the_shortest_way()
        => Check.One(Config.QuickThrowOnFailure.WithMaxTest(500), Prop.ForAll(Gen.Choose(-300, 300).Four().ToArbitrary(), Gen.Choose(-20, 20).Two().ToArbitrary(), (places, speeds) =>
        {
            var (x, y, ax, ay) = (places.Item1 / 100.0, places.Item2 / 100.0, places.Item3 / 600.0, places.Item4 / 600.0);
            var (vx, vy) = (speeds.Item1 / 10.0, speeds.Item2 / 10.0);
            var distance = Math.Sqrt(x * x + y * y);
            if (distance < 0.2)
            {
                return true;
            }

            float[] planned = [(float)ax, (float)ay], action = [.. planned];
            // Without a limit on the step the barrier can always be kept.
            var moved = new SafetyProjection(Sensor, Spec with { MaxStep = 100 }, Dt).Apply(Sight(other: (x, y, vx, vy)), action);
            var (nextX, nextY) = (x + Dt * vx, y + Dt * vy);
            var wanted = 1 + 0.5 * (distance - 1);
            var kept = Math.Sqrt(Math.Pow(action[0] - nextX, 2) + Math.Pow(action[1] - nextY, 2));
            var before = Math.Sqrt(Math.Pow(planned[0] - nextX, 2) + Math.Pow(planned[1] - nextY, 2));
            var went = Math.Sqrt(Math.Pow(action[0] - planned[0], 2) + Math.Pow(action[1] - planned[1], 2));
            return kept >= wanted - 1e-5 && Math.Abs(moved - went) < 1e-5 && Math.Abs(went - Math.Max(0, wanted - before)) < 1e-4;
        }));

    [Theory]
    [InlineData(0.5, 0.2f)]
    [InlineData(0.1, 0.0f)]
    [InlineData(0.0, -0.05f)]
    public void Towards_an_obstacle_it_goes_a_share_of_what_is_left_and_too_near_it_comes_back(double clearance, float farthest)
    {
        float[] action = [0.5f, 0.2f];
        var moved = new SafetyProjection(Sensor, Spec, Dt).Apply(Sight(obstacle: (1, 0, clearance)), action);

        Assert.Equal(farthest, action[0], 1e-6f);
        Assert.Equal(0.2f, action[1]);
        Assert.Equal(0.5 - farthest, moved, 1e-6);
    }

    [Fact]
    public void A_step_is_never_longer_than_the_longest_unless_it_was_planned_to_be()
    {
        float[] still = [0, 0], far = [0, 0.8f];
        var projection = new SafetyProjection(Sensor, Spec with { Approach = 1 }, Dt);
        projection.Apply(Sight(other: (0.1, 0, 0, 0)), still);
        projection.Apply(Sight(other: (0.1, 0.8, 0, 0)), far);

        Assert.Equal(0.5, Math.Sqrt(still[0] * still[0] + still[1] * still[1]), 1e-6);
        Assert.InRange(Math.Sqrt(far[0] * far[0] + far[1] * far[1]), 0.5, 0.8 + 1e-6);
    }

    [Fact]
    public void An_agent_counts_what_its_projection_moved_and_acts_so_at_every_tick()
    {
        var policy = new Straight(new SafetyProjection(Sensor, Spec, Dt));
        var agent = new Agent(new AgentSpec(1, new EpisodeId(0), new AgentId(0), new SamplingSpec { Execute = 2 }), policy);
        agent.Decide(new Tick(0), Sight(other: (3, 0, 0, 0)));
        Assert.Equal((0, 0), (agent.Projections, agent.Projected));

        // The second action of the same plan: somebody has come into the way.
        Assert.Equal([0f, 0f], agent.Decide(new Tick(1), Sight(other: (1, 0, 0, 0))));
        Assert.Equal((1, 1), (agent.Plans, agent.Projections));
        Assert.Equal(0.4, agent.Projected, 1e-6);

        var rebuilt = Agent.Rebuild(new AgentSpec(1, new EpisodeId(0), new AgentId(0), new SamplingSpec { Execute = 2 }), policy, agent.Window, new AgentCounts(5, 7, 3, 0.5));
        Assert.Equal((5, 7, 4), (rebuilt.Plans, rebuilt.NetworkCalls, rebuilt.Projections));
        Assert.Equal(0.9, rebuilt.Projected, 1e-6);
        Assert.Equal([0f, 0f], rebuilt.Action.Span);
    }

    private static float[] Sight((double X, double Y, double Vx, double Vy)? other = null, (double X, double Y, double Clearance)? obstacle = null)
    {
        var o = other ?? (0, 0, 0, 0);
        var b = obstacle ?? (0, 0, 0);
        return [0, 0, 0, 0, (float)o.X, (float)o.Y, (float)o.Vx, (float)o.Vy, other is null ? 0 : 1, 0, 0, 0, 0, 0, (float)b.X, (float)b.Y, (float)b.Clearance];
    }

    /// <summary>Plans to go along x, whatever it sees.</summary>
    private sealed class Straight(SafetyProjection projection) : IPolicy
    {
        public int FrameSize => Sensor.FrameSize;

        public int History => 1;

        public int ActionSize => 2;

        public int PlanActions => 2;

        public int NoiseSize => 0;

        public SafetyProjection? Projection => projection;

        public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions)
        {
            (actions[0], actions[1], actions[2], actions[3]) = (0.2f, 0, 0.4f, 0);
            return 0;
        }
    }
}
