using MimicD.Agents;
using MimicD.Contracts;

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
}
