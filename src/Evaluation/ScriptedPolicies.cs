using MimicD.Agents;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.Evaluation;

/// <summary>Policies that are not learned, by name. They stand here because what they are told of a scenario must not reach the agents' room.</summary>
public static class ScriptedPolicies
{
    /// <summary>Goes straight to its goal (<see cref="ConstantVelocityPolicy"/>).</summary>
    public const string Straight = "straight";

    /// <summary>Goes to its goal and keeps clear of others and obstacles (<see cref="ReciprocalPolicy"/>).</summary>
    public const string Reciprocal = "reciprocal";

    // Of the speed that covers the longest way in time: what an avoidance may take on top.
    private const double Hurry = 1.5;

    // Of the wanted distance: what keeps rounding, and others that turn, from touching it.
    private const double Margin = 0.05;

    // Others are looked for as far ahead as it takes to cover the wanted distance so many times, obstacles once.
    private const double Foresight = 3;

    // The nearest others and obstacles that are looked at.
    private const int MostOthers = 12;
    private const int MostObstacles = 8;

    /// <summary>All names.</summary>
    public static IReadOnlyList<string> Names { get; } = [Straight, Reciprocal];

    /// <summary>Makes one who acts by a policy.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="scenario">Gives time step, the speed that covers the longest way in four fifths of an episode, and the distances to keep: those of the experts, or else the contact limit.</param>
    /// <param name="where">The option or the key that named it.</param>
    /// <exception cref="InvalidInputException">No such policy, or it cannot act in the scenario.</exception>
    public static Player Create(string name, Scenario scenario, string where)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        InvalidInputException.Require(Names.Contains(name, StringComparer.Ordinal), where, "", string.Join(" or ", Names), name);
        InvalidInputException.Require(scenario.Dynamics.Action == ActionKind.Position, where, "dynamics.action", "position", scenario.Dynamics.Action);
        var speed = Speed(scenario);
        if (name == Straight)
        {
            return Player.Of(name, new ScriptedPolicy { Sensor = scenario.DefaultSensor, TimeStep = scenario.TimeStep, Straight = new StraightOptions { Speed = speed } });
        }

        InvalidInputException.Require(scenario.Dimensions == 2, where, "dimensions", "2, for a policy that avoids others in the plane", scenario.Dimensions);
        var keep = scenario.Collision.Experts ?? scenario.Collision.ContactLimit;
        var separation = (1 + Margin) * keep.Pair;
        var sensor = ReciprocalPolicy.SensorFor(Math.Clamp(scenario.Agents - 1, 1, MostOthers), Math.Min(scenario.Obstacles.Length, MostObstacles));
        var options = new ReciprocalOptions
        {
            Speed = speed,
            MaxSpeed = Math.Max(speed, Math.Min(Hurry * speed, scenario.Dynamics.MaxSpeed ?? double.PositiveInfinity)),
            Separation = separation,
            Clearance = Math.Max(0, (keep.Obstacle ?? 0) - scenario.Obstacles.Select(o => o.Radius).DefaultIfEmpty(0).Max()) + Margin * keep.Pair,
            Horizon = Foresight * separation / speed,
            ObstacleHorizon = separation / speed,
        };
        return Player.Of(name, new ScriptedPolicy { Sensor = sensor, TimeStep = scenario.TimeStep, Reciprocal = options });
    }

    /// <summary>The speed [m/s] that covers the longest way in four fifths of an episode, within the scenario's limit.</summary>
    private static double Speed(Scenario scenario)
    {
        var longest = scenario.NominalBodies().Max(b => PathSet.Distance(b.Start, b.Goal));
        var speed = longest / (0.8 * (scenario.Steps - 1) * scenario.TimeStep);
        return Math.Max(Math.Min(speed, scenario.Dynamics.MaxSpeed ?? double.PositiveInfinity), 1e-3);
    }
}
