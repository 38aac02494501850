using MimicD.Agents;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.Evaluation;

/// <summary>Policies that are not learned, by name. They stand here because what they are told of a scenario must not reach the agents' room.</summary>
public static class ScriptedPolicies
{
    /// <summary>Goes straight to its goal.</summary>
    public const string Straight = "straight";

    /// <summary>Makes a policy; its sensor is the scenario's own (<see cref="Scenario.DefaultSensor"/>).</summary>
    /// <param name="name">Its name.</param>
    /// <param name="scenario">Gives sensor, time step, and the speed that covers the longest way in time.</param>
    /// <param name="where">The option or the key that named it.</param>
    /// <exception cref="InvalidInputException">No such policy, or it cannot act in the scenario.</exception>
    public static IPolicy Create(string name, Scenario scenario, string where)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        InvalidInputException.Require(name == Straight, where, "", Straight, name);
        InvalidInputException.Require(scenario.Dynamics.Action == ActionKind.Position, where, "dynamics.action", "position", scenario.Dynamics.Action);
        return new ConstantVelocityPolicy(scenario.DefaultSensor, Speed(scenario), scenario.TimeStep);
    }

    /// <summary>The speed [m/s] that covers the longest way in four fifths of an episode, within the scenario's limit.</summary>
    private static double Speed(Scenario scenario)
    {
        var longest = scenario.NominalBodies().Max(b => PathSet.Distance(b.Start, b.Goal));
        var speed = longest / (0.8 * (scenario.Steps - 1) * scenario.TimeStep);
        return Math.Max(Math.Min(speed, scenario.Dynamics.MaxSpeed ?? double.PositiveInfinity), 1e-3);
    }
}
