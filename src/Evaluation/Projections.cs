using MimicD.Contracts;
using MimicD.World;

namespace MimicD.Evaluation;

/// <summary>The safety projection, and the choice among plans, that go with a scenario. They stand here because what they are told of a scenario must not reach the agents' room but as numbers.</summary>
public static class Projections
{
    // Of the experts' distance: what keeps others that turn from coming below it.
    private const double Margin = 0.015;

    // Of the speed that covers the longest way in four fifths of an episode: what an avoidance may take.
    private const double Hurry = 1.5;

    /// <summary>The choice among several plans that goes with a scenario.</summary>
    /// <param name="scenario">Gives the distance to keep.</param>
    /// <param name="present">The choice so far, or null.</param>
    /// <param name="candidates">Plans to choose from; 1 is no choice, null as many as so far.</param>
    /// <param name="predict">Whether others are expected to plan as oneself would in their place; null as so far.</param>
    /// <param name="where">The option that asked for it.</param>
    /// <exception cref="InvalidInputException">The scenario's actions are not positions, or others are to be foretold where there is nothing to choose.</exception>
    public static SelectionSpec? Selection(Scenario scenario, SelectionSpec? present, long? candidates, bool? predict, string where)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        var selection = candidates switch
        {
            null => present,
            1 => null,
            { } k => new SelectionSpec { Candidates = (int)Math.Clamp(k, int.MinValue, int.MaxValue), Separation = For(scenario, where).Separation, Prediction = present?.Prediction },
        };
        if (predict is null || (predict == false && selection is null))
        {
            return selection;
        }

        InvalidInputException.Require(selection is not null, where, "predict", "several candidates, of which foretelling others chooses one", "one");
        return selection! with { Prediction = predict.Value ? new PredictionSpec { ObstacleRadius = scenario.Obstacles.Select(o => o.Radius).DefaultIfEmpty(0).Max() } : null };
    }

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
