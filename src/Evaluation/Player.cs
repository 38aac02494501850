using MimicD.Agents;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.Evaluation;

/// <summary>Who can take an agent's place in a run: how it decides, and what it senses and how it samples for that.</summary>
/// <param name="Name">For people: a policy's name, or a model's.</param>
/// <param name="Sensor">The layout of its observations.</param>
/// <param name="Sampling">How its plans are sampled and executed.</param>
/// <param name="Policies">The policy of each place that it may take.</param>
/// <param name="Source">What the policies are made of, for whoever has to make them elsewhere.</param>
public sealed record Player(string Name, SensorSpec Sensor, SamplingSpec Sampling, Func<AgentId, IPolicy> Policies, PolicySource Source)
{
    /// <summary>One who acts by a model.</summary>
    /// <param name="model">The model; it fits the scenario (<see cref="ModelFit"/>).</param>
    /// <param name="sampling">How to sample, or null for the model's own defaults.</param>
    public static Player Of(Model model, SamplingSpec? sampling = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        sampling ??= model.Spec.Sampling;
        return new Player($"{Path.GetFileName(model.Path)} ({model.Sha256[..12]}: {model.Spec.Method.Describe(sampling)})", model.Spec.Sensor, sampling, model.Policies(sampling), new PolicySource(model, null));
    }

    /// <summary>One who acts by a script.</summary>
    /// <param name="name">The policy's name.</param>
    /// <param name="script">What it does.</param>
    public static Player Of(string name, ScriptedPolicy script)
    {
        ArgumentNullException.ThrowIfNull(script);
        var policy = script.Create();
        return new Player(name, script.Sensor, new SamplingSpec(), _ => policy, new PolicySource(null, script));
    }

    /// <summary>Its policies for bodies that do what they are told some periods later (<see cref="AheadPolicy"/>).</summary>
    /// <param name="scenario">The scenario of those bodies.</param>
    /// <param name="periods">How many periods later; 0: the policies as they are.</param>
    /// <param name="where">The option that asks for it, for messages.</param>
    /// <exception cref="InvalidInputException">The scenario's actions do not say where to be, or the plans are too short.</exception>
    public Func<AgentId, IPolicy> PoliciesAhead(Scenario scenario, int periods, string where)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        if (periods == 0)
        {
            return Policies;
        }

        InvalidInputException.Require(scenario.Dynamics.Action == ActionKind.Position, where, "", "actions that say where to be with it", scenario.Dynamics.Action);
        AheadPolicy[] policies = [.. Enumerable.Range(0, scenario.Agents).Select(a => new AheadPolicy(Policies(new AgentId(a)), periods, where))];
        return agent => policies[agent.Value];
    }
}
