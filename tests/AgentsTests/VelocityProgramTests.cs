using MimicD.Agents;
using MimicD.Numerics;

namespace MimicD.AgentsTests;


public class VelocityProgramTests
{
    [Fact]
    public void The_whole_avoidance_ends_on_the_edge_of_the_velocity_obstacle()
    {
        const ulong Seed = 11;
        var random = new CounterRandom(Seed, RandomPurpose.Resampling, 0);
        for (var i = 0; i < 2000; i++)
        {
            var (r, tau) = (random.NextUniform(0.2, 2), random.NextUniform(0.5, 4));
            var (bearing, distance) = (random.NextUniform(-Math.PI, Math.PI), r * random.NextUniform(1.01, 5));
            var (px, py) = (distance * Math.Cos(bearing), distance * Math.Sin(bearing));
            (double X, double Y) own = (random.NextUniform(-3, 3), random.NextUniform(-3, 3));
            (double X, double Y) other = (random.NextUniform(-3, 3), random.NextUniform(-3, 3));
            var plane = HalfPlane.Reciprocal(px, py, own, other, r, tau, 0.1, share: 1);
            var outward = plane.Bound - (plane.X * own.X + plane.Y * own.Y);
            var (vx, vy) = (own.X - other.X + outward * plane.X, own.Y - other.Y + outward * plane.Y);
            var closest = Closest(px, py, vx, vy, tau);
            Assert.True(Math.Abs(closest - r) < 1e-6 * distance, $"seed {Seed}, case {i}: nearest {closest}, expected {r}");

            // The correction points out of the obstacle exactly where the present velocities lead into it.
            var now = Closest(px, py, own.X - other.X, own.Y - other.Y, tau);
            Assert.True(Math.Abs(now - r) < 1e-9 || now < r == outward > 0, $"seed {Seed}, case {i}: nearest now {now}, outward {outward}");
            Assert.Equal(1, plane.X * plane.X + plane.Y * plane.Y, 9);
        }
    }

    [Fact]
    public void Two_that_are_too_near_are_told_to_part()
    {
        var plane = HalfPlane.Reciprocal(0.5, 0, (0, 0), (0, 0), separation: 1, horizon: 2, timeStep: 0.1, share: 0.5);
        Assert.Equal((-1, 0), (plane.X, plane.Y));
        // Half of the missing half metre within a tenth of a second.
        Assert.Equal(2.5, plane.Bound, 12);
    }

    [Fact]
    public void The_solution_is_the_nearest_allowed_velocity()
    {
        const ulong Seed = 12;
        var (feasible, infeasible) = (0, 0);
        for (var i = 0; i < 200; i++)
        {
            var random = new CounterRandom(Seed, RandomPurpose.Resampling, i);
            var planes = new HalfPlane[1 + random.NextInt32(5)];
            for (var j = 0; j < planes.Length; j++)
            {
                var angle = random.NextUniform(-Math.PI, Math.PI);
                planes[j] = new HalfPlane(Math.Cos(angle), Math.Sin(angle), random.NextUniform(-1, 1.2));
            }

            (double X, double Y) preferred = (random.NextUniform(-1.5, 1.5), random.NextUniform(-1.5, 1.5));
            var (x, y, violation) = VelocityProgram.Solve(planes, preferred, 1);
            Assert.True(x * x + y * y <= 1 + 1e-6);
            double Worst(double vx, double vy) => Math.Max(0, planes.Max(p => p.Bound - p.X * vx - p.Y * vy));
            Assert.True(Math.Abs(Worst(x, y) - violation) < 1e-6, $"seed {Seed}, case {i}: violated by {Worst(x, y)}, said {violation}");

            // No point of a fine grid does better: first in violation, then in distance.
            var away = double.Hypot(x - preferred.X, y - preferred.Y);
            for (var gx = -1.0; gx <= 1; gx += 0.02)
            {
                for (var gy = -1.0; gy <= 1; gy += 0.02)
                {
                    if (gx * gx + gy * gy <= 1)
                    {
                        Assert.True(Worst(gx, gy) > violation - 1e-6, $"seed {Seed}, case {i}: ({gx}, {gy}) violates less");
                        Assert.True(violation > 0 || Worst(gx, gy) > 0 || double.Hypot(gx - preferred.X, gy - preferred.Y) > away - 1e-6, $"seed {Seed}, case {i}: ({gx}, {gy}) is nearer");
                    }
                }
            }

            _ = violation > 0 ? infeasible++ : feasible++;
        }

        Assert.True(feasible > 20 && infeasible > 20, $"{feasible} and {infeasible}");
    }

    [Fact]
    public void Without_planes_the_preferred_velocity_is_cut_to_the_limit()
    {
        var (x, y, violation) = VelocityProgram.Solve([], (3, 4), 1);
        Assert.Equal((0.6, 0.8, 0), (Math.Round(x, 12), Math.Round(y, 12), violation));
    }

    /// <summary>Smallest |p - v t| for t in [0, tau].</summary>
    private static double Closest(double px, double py, double vx, double vy, double tau)
    {
        var speed = vx * vx + vy * vy;
        var t = speed > 0 ? Math.Clamp((px * vx + py * vy) / speed, 0, tau) : 0;
        return double.Hypot(px - vx * t, py - vy * t);
    }
}
