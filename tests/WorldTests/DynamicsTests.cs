using MimicD.Numerics;

namespace MimicD.World.Tests;

public class DynamicsTests
{
    private static readonly DynamicsSpec Unicycle = new() { Kind = DynamicsKind.Unicycle, Action = ActionKind.Control, MaxSpeed = 2, MaxTurnRate = 1.5 };
    private static readonly DynamicsSpec DoubleIntegrator = new() { Kind = DynamicsKind.DoubleIntegrator, Action = ActionKind.Control, MaxSpeed = 2, MaxAcceleration = 3 };

    [Fact]
    public void A_kinematic_body_is_where_it_was_told_to_be()
    {
        var state = new BodyState(2, 2);
        var dynamics = new Dynamics(new DynamicsSpec { Kind = DynamicsKind.Kinematic }, 2, 0.1);
        Assert.True(dynamics.TryStep(state, 1, [0.1f, 0.3f]));
        Assert.Equal([0, 0, 0.1f, 0.3f], state.Positions);
        Assert.Equal(Math.Atan2(0.3f, 0.1f), state.Headings[1]);
    }

    [Fact]
    public void A_body_starts_at_the_heading_it_is_given_or_facing_its_goal()
    {
        var state = new BodyState(2, 2);
        var dynamics = new Dynamics(Unicycle, 2, 0.1);
        dynamics.Reset(state, 0, [0, 2], [2, 0], -Math.PI / 2);
        dynamics.Reset(state, 1, [0, 2], [2, 0]);
        Assert.Equal([-Math.PI / 2, -Math.PI / 4], state.Headings);
        Assert.Equal([-Math.PI / 2, 0], Headings.Along([0, 2, 1, 2], [2, 0], -Math.PI / 2));
    }

    [Fact]
    public void A_kinematic_body_keeps_its_speed_limit_and_its_direction()
    {
        var state = new BodyState(1, 2);
        Assert.True(new Dynamics(new DynamicsSpec { Kind = DynamicsKind.Kinematic, MaxSpeed = 5 }, 2, 0.1).TryStep(state, 0, [30, 40]));
        Assert.Equal(0.3, state.Positions[0], 12);
        Assert.Equal(0.4, state.Positions[1], 12);
    }

    [Fact]
    public void A_kinematic_body_can_be_given_velocities()
    {
        var state = new BodyState(1, 3);
        Assert.True(new Dynamics(new DynamicsSpec { Kind = DynamicsKind.Kinematic, Action = ActionKind.Control }, 3, 0.5).TryStep(state, 0, [1, 2, -4]));
        Assert.Equal([0.5, 1, -2], state.Positions);
    }

    [Fact]
    public void A_unicycle_at_constant_controls_follows_the_sum_of_its_euler_steps()
    {
        const double dt = 0.1;
        var state = new BodyState(1, 2);
        var dynamics = new Dynamics(Unicycle, 2, dt);
        for (var t = 0; t < 50; t++)
        {
            Assert.True(dynamics.TryStep(state, 0, [1.5f, 0.75f]));
        }

        // sum over k < n of exp(i k q) = (exp(i n q) - 1) / (exp(i q) - 1) with q = dt w.
        var q = System.Numerics.Complex.FromPolarCoordinates(1, dt * 0.75);
        var sum = dt * 1.5 * (System.Numerics.Complex.Pow(q, 50) - 1) / (q - 1);
        Assert.Equal(sum.Real, state.Positions[0], 9);
        Assert.Equal(sum.Imaginary, state.Positions[1], 9);
        Assert.Equal(50 * dt * 0.75, state.Headings[0] + 2 * Math.PI * Math.Round(50 * dt * 0.75 / (2 * Math.PI)), 9);
    }

    [Fact]
    public void A_double_integrator_at_constant_acceleration_follows_the_closed_form()
    {
        var state = new BodyState(1, 2);
        var dynamics = new Dynamics(DoubleIntegrator with { MaxSpeed = null }, 2, 0.1);
        for (var t = 0; t < 40; t++)
        {
            Assert.True(dynamics.TryStep(state, 0, [2, -1]));
        }

        // Semi-implicit Euler: x_n = a dt^2 n (n + 1) / 2.
        Assert.Equal(2 * 0.01 * 40 * 41 / 2, state.Positions[0], 9);
        Assert.Equal(-1 * 0.01 * 40 * 41 / 2, state.Positions[1], 9);
        Assert.Equal(2 * 0.1 * 40, state.Velocities[0], 9);
    }

    [Fact]
    public void A_double_integrator_is_where_it_was_told_to_be_as_far_as_its_limits_allow()
    {
        var spec = DoubleIntegrator with { Action = ActionKind.Position, MaxAcceleration = 30 };
        var state = new BodyState(1, 2);
        var dynamics = new Dynamics(spec, 2, 0.1);
        Assert.True(dynamics.TryStep(state, 0, [0.1f, 0.05f]));
        Assert.Equal(0.1f, state.Positions[0], 9);
        Assert.True(dynamics.TryStep(state, 0, [0.1f, 0.05f]));
        Assert.Equal(0.1f, state.Positions[0], 9);
        Assert.Equal(0, state.Velocities[0], 9);
    }

    [Theory]
    [InlineData(4, 0)]
    [InlineData(-4, 0.1)]
    [InlineData(-1, -3)]
    public void A_unicycle_tracks_a_point_in_any_direction(double x, double y)
    {
        var state = new BodyState(1, 2);
        var dynamics = new Dynamics(Unicycle with { Action = ActionKind.Position }, 2, 0.1);
        for (var t = 0; t < 100; t++)
        {
            Assert.True(dynamics.TryStep(state, 0, [(float)x, (float)y]));
        }

        Assert.Equal(x, state.Positions[0], 3);
        Assert.Equal(y, state.Positions[1], 3);
    }

    [Theory]
    [InlineData(ActionKind.Position)]
    [InlineData(ActionKind.Control)]
    public void No_action_breaks_a_limit(ActionKind action)
    {
        const double dt = 0.1;
        DynamicsSpec[] specs = [Unicycle with { Action = action }, DoubleIntegrator with { Action = action }, new() { Kind = DynamicsKind.Kinematic, Action = action, MaxSpeed = 2 }];
        foreach (var spec in specs)
        {
            var random = new CounterRandom(23, RandomPurpose.Starts, (int)spec.Kind);
            var state = new BodyState(1, 2);
            var dynamics = new Dynamics(spec, 2, dt);
            for (var t = 0; t < 2000; t++)
            {
                double[] before = [.. state.Positions, .. state.Velocities, .. state.Headings];
                Assert.True(dynamics.TryStep(state, 0, [(float)(10 * random.NextNormal()), (float)(10 * random.NextNormal())]));
                var context = $"seed 23, {spec.Kind}, tick {t}";
                Assert.True(Math.Sqrt(Math.Pow(state.Positions[0] - before[0], 2) + Math.Pow(state.Positions[1] - before[1], 2)) <= 2 * dt + 1e-9, context);
                Assert.True(spec.Kind != DynamicsKind.Unicycle || Math.Abs(Dynamics.Wrap(state.Headings[0] - before[4])) <= 1.5 * dt + 1e-9, context);
                Assert.True(spec.Kind != DynamicsKind.DoubleIntegrator || Math.Sqrt(Math.Pow(state.Velocities[0] - before[2], 2) + Math.Pow(state.Velocities[1] - before[3], 2)) <= 3 * dt + 1e-9, context);
            }
        }
    }

    [Theory]
    [InlineData(DynamicsKind.Kinematic)]
    [InlineData(DynamicsKind.Unicycle)]
    [InlineData(DynamicsKind.DoubleIntegrator)]
    public void An_action_that_is_not_finite_or_leads_out_of_the_world_changes_nothing(DynamicsKind kind)
    {
        var spec = kind switch { DynamicsKind.Kinematic => new DynamicsSpec { Kind = kind, Action = ActionKind.Control }, DynamicsKind.Unicycle => Unicycle, _ => DoubleIntegrator };
        var state = new BodyState(1, 2);
        state.Positions[0] = Dynamics.MaxCoordinate;
        state.Velocities[0] = 1;
        var dynamics = new Dynamics(spec, 2, 0.1);
        foreach (var action in new float[][] { [float.NaN, 0], [0, float.PositiveInfinity], [2, 0], [1] })
        {
            Assert.False(dynamics.TryStep(state, 0, action), string.Join(' ', action));
            Assert.Equal([Dynamics.MaxCoordinate, 0, 1, 0, 0], [.. state.Positions, .. state.Velocities, .. state.Headings]);
        }
    }

    [Fact]
    public void The_fallback_holds_a_kinematic_body_stops_a_unicycle_and_brakes_a_double_integrator()
    {
        var action = new float[2];
        foreach (var spec in new[] { new DynamicsSpec { Kind = DynamicsKind.Kinematic }, Unicycle })
        {
            var state = new BodyState(1, 2);
            state.Positions[0] = 7;
            new Dynamics(spec, 2, 0.1).StepFallback(state, 0, action);
            Assert.Equal([7, 0], state.Positions);
            Assert.Equal(spec.Action == ActionKind.Position ? [7, 0] : [0, 0], action);
        }

        var body = new BodyState(1, 2);
        body.Velocities[0] = 0.8;
        var brakes = new Dynamics(DoubleIntegrator, 2, 0.1);
        brakes.StepFallback(body, 0, action);
        Assert.Equal(0.5, body.Velocities[0], 9);
        Assert.Equal([-3, 0], action);
        brakes.StepFallback(body, 0, action);
        brakes.StepFallback(body, 0, action);
        Assert.Equal(0, body.Velocities[0], 9);
    }
}
