using MimicD.Contracts;
using MimicD.World;

namespace MimicD.Evaluation;

/// <summary>The safety projection that goes with a scenario. It stands here because what it is told of a scenario must not reach the agents' room but as numbers.</summary>
public static class Projections
{
    // Of the experts' distance: what keeps others that turn from coming below it.
    private const double Margin = 0.015;

    // Of the speed that covers the longest way in four fifths of an episode: what an avoidance may take.
    private const double Hurry = 1.5;

    /// <summary>Keeps what the experts keep, with a hair to spare; of obstacles what no collision limit forbids.</summary>
    /// <param name="scenario">Gives distances, time step and pace.</param>
    /// <param name="where">The option that asked for it.</param>
    /// <exception cref="InvalidInputException">The scenario's actions are not positions.</exception>
    public static ProjectionSpec For(Scenario scenario, string where)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        InvalidInputException.Require(scenario.Dynamics.Action == ActionKind.Position, where, "dynamics.action", "position, for a projection of actions that are positions", scenario.Dynamics.Action);
        var keep = (scenario.Collision.Experts ?? scenario.Collision.ContactLimit).Pair;
        var obstacle = scenario.Collision.Limits.Max(l => l.Obstacle) ?? 0;
        var longest = scenario.NominalBodies().Max(b => PathSet.Distance(b.Start, b.Goal));
        var speed = Math.Min(Hurry * longest / (0.8 * (scenario.Steps - 1) * scenario.TimeStep), scenario.Dynamics.MaxSpeed ?? double.PositiveInfinity);
        return new ProjectionSpec
        {
            Separation = (1 + Margin) * keep,
            Clearance = scenario.Obstacles.Length == 0 ? 0 : Math.Min(0, obstacle - scenario.Obstacles.Max(o => o.Radius)) + Margin * keep,
            MaxStep = speed * scenario.TimeStep,
        };
    }
}
