using MimicD.Agents;
using MimicD.AgentsTests;
using MimicD.Cluster.RabbitMq;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.ClusterTests;

/// <summary>A small run whose trajectories depend on everything: noise, history, plans that are executed for several ticks, and others.</summary>
internal sealed class Case : IDisposable
{
    private readonly string? _file;

    private Case(Scenario scenario, SensorSpec sensor, SamplingSpec sampling, PolicySource source, Func<AgentId, IPolicy> policies, int episodes, string? file)
    {
        (Scenario, Sensor, Policies, _file) = (scenario, sensor, policies, file);
        Sources = [.. Enumerable.Repeat(source, scenario.Agents)];
        Options = new SimulationOptions { Seed = 5, Episodes = episodes, Sampling = sampling, Threads = 1 };
    }

    public Scenario Scenario { get; }

    public SensorSpec Sensor { get; }

    public SimulationOptions Options { get; }

    public IReadOnlyList<PolicySource?> Sources { get; }

    public Func<AgentId, IPolicy> Policies { get; }

    /// <summary>A model with random weights, autoregressive noise and three actions executed a plan, for five agents.</summary>
    public static Case Model(int episodes = 3, int steps = 14)
    {
        var file = Path.Combine(Path.GetTempPath(), $"mimicd-{Guid.NewGuid():N}.safetensors");
        var spec = RandomModel.Spec(width: 16, agents: 5);
        RandomModel.Write(file, spec with { Plan = spec.Plan with { Frame = Frame.Relative } }, gain: 0.3);
        var model = Agents.Model.Load(file);
        var sampling = model.Spec.Sampling with { Noise = NoiseMode.Autoregressive, Execute = 3 };
        var scenario = Scenario.Parse(Ring(5, steps), "ring");
        return new Case(scenario, model.Spec.Sensor, sampling, new PolicySource(model, null), model.Policies(sampling), episodes, file);
    }

    /// <summary>Scripted agents that keep clear of each other.</summary>
    public static Case Script(int agents, int episodes = 1, int steps = 20)
    {
        var scenario = Scenario.Parse(Ring(agents, steps), "ring");
        var script = new ScriptedPolicy { Sensor = ReciprocalPolicy.SensorFor(6, 0), TimeStep = scenario.TimeStep, Reciprocal = new ReciprocalOptions { Speed = 1, MaxSpeed = 1.5, Separation = 0.6 } };
        var policy = script.Create();
        return new Case(scenario, script.Sensor, new SamplingSpec(), new PolicySource(null, script), _ => policy, episodes, null);
    }

    /// <summary>Runs it on a host.</summary>
    public async Task<SimulationResult> RunAsync(IAgentHost host, IProgress<SimulationProgress>? progress = null)
    {
        var cluster = host as RabbitMqHost;
        var result = await Simulation.RunAsync(Scenario, Sensor, Options, host, progress, cluster?.Failed ?? CancellationToken.None);
        Assert.True(cluster?.Failure is null, cluster?.Failure);
        return result;
    }

    /// <summary>Runs it in this process.</summary>
    public async Task<SimulationResult> LocallyAsync()
    {
        await using var host = new LocalHost(Policies, 1);
        return await RunAsync(host);
    }

    public void Dispose()
    {
        if (_file is not null)
        {
            File.Delete(_file);
        }
    }

    private static string Ring(int agents, int steps) => $$"""
        {
          "name": "ring", "timeStep": 0.1, "steps": {{steps}},
          "circle": { "agents": {{agents}}, "radius": 4.0, "spacing": 1.0 },
          "starts": { "law": "gaussian", "scale": 0.05 },
          "goalTolerance": 0.5,
          "collision": { "limits": [ { "name": "contact", "pair": 0.5 } ], "contact": "contact" },
          "dynamics": { "kind": "kinematic", "action": "position" }
        }
        """;
}
