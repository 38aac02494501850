using MimicD.Agents;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.Evaluation;

/// <summary>Whether a model can act in a scenario. It stands here because neither the agents nor the world may know the other.</summary>
public static class ModelFit
{
    /// <summary>Throws unless the model fits the scenario: dimensions, number of agents (unless they share one network), time step, sensor, and actions that are positions.</summary>
    /// <param name="scenario">The scenario.</param>
    /// <param name="model">The model's description.</param>
    /// <param name="where">The model's file.</param>
    /// <exception cref="InvalidInputException">It does not fit.</exception>
    public static void Require(Scenario scenario, ModelSpec model, string where)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(model);
        var made = $"(the model was trained for scenario '{model.Scenario}', this is '{scenario.Name}')";
        InvalidInputException.Require(model.Sensor.Dimensions == scenario.Dimensions, where, "sensor.dimensions", $"{scenario.Dimensions} {made}", model.Sensor.Dimensions);
        InvalidInputException.Require(model.SharedWeights || model.Agents == scenario.Agents, where, "agents", $"{scenario.Agents} {made}", model.Agents);
        InvalidInputException.Require(Math.Abs(model.TimeStep - scenario.TimeStep) <= 1e-9 * scenario.TimeStep, where, "timeStep", $"{scenario.TimeStep} {made}", model.TimeStep);
        InvalidInputException.Require(scenario.Dynamics.Action == ActionKind.Position, where, "plan", "a scenario whose actions are positions (dynamics.action)", scenario.Dynamics.Action);
        InvalidInputException.Require(model.Plan.Of != PlanOf.Joint || scenario.Sensing.IsPerfect, where, "plan.of", $"own or all, because in scenario {scenario.Name} the others are not sensed exactly", "joint");
        Compatibility.Require(scenario, model.Sensor, where);
    }
}
