using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Training.Networks;
using MimicD.World;

namespace MimicD.Training.Adversarial;

/// <summary>
/// Lets the policies act in the scenario's own world, many episodes side by side. An episode begins as a demonstration does: its starts, its goals (the ends of its paths)
/// and, where policies know one, its joint mode. Others are sensed exactly, as in the demonstrations' features.
/// </summary>
internal sealed class PolicyRollouts
{
    private readonly DemonstrationSet _demonstrations;
    private readonly ExpertTransitions _experts;
    private readonly Scenario _scenario;
    private readonly ModelSpec _spec;
    private readonly NetworkSet _networks;
    private readonly PlanLayout[] _layouts;
    private readonly int _episodes;

    /// <summary>Prepares them.</summary>
    /// <param name="demonstrations">Where episodes begin.</param>
    /// <param name="experts">The same as transitions.</param>
    /// <param name="scenario">What is simulated; its episodes get the demonstrations' length.</param>
    /// <param name="spec">The model's description.</param>
    /// <param name="networks">The policies.</param>
    /// <param name="episodes">Episodes a round (E).</param>
    /// <exception cref="InvalidInputException">The scenario's actions are not positions.</exception>
    public PolicyRollouts(DemonstrationSet demonstrations, ExpertTransitions experts, Scenario scenario, ModelSpec spec, NetworkSet networks, int episodes)
    {
        InvalidInputException.Require(scenario.Dynamics.Action == ActionKind.Position, scenario.Name, "dynamics.action", "position, which policies plan", "control");
        (_demonstrations, _experts, _spec, _networks, _episodes) = (demonstrations, experts, spec, networks, episodes);
        _scenario = scenario.WithSteps(demonstrations.Steps) with { Sensing = new SensingSpec() };
        _layouts = [.. Enumerable.Range(0, demonstrations.Agents).Select(i => new PlanLayout(spec.Sensor, spec.Plan, spec.ConditionOnPosition, new AgentId(i), spec.IgnoreVelocity))];
    }

    /// <summary>Runs one round.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="step">The round's step, which no step of another kind shares.</param>
    public Experience Run(ulong seed, int step)
    {
        var (agents, ticks, d, size) = (_scenario.Agents, _scenario.Steps - 1, _scenario.Dimensions, _spec.ConditionSize);
        var experience = new Experience(agents, _episodes, ticks, size, d);
        var chosen = Choose(seed, step);
        var modes = Array.ConvertAll(chosen, _experts.Mode);
        var world = new SimulatedWorld(_scenario, _spec.Sensor, seed, _episodes, Ends(chosen, last: false), Ends(chosen, last: true));
        var windows = Enumerable.Range(0, world.Bodies).Select(_ => new ObservationWindow(world.FrameSize, _spec.Sensor.History, _spec.Sensor.History)).ToArray();
        var frame = new float[world.FrameSize];
        var actions = new float[world.Bodies * d];
        var outcomes = new Outcome[world.Bodies];
        var rows = new float[_episodes * size];
        var noise = new float[d];
        while (!world.IsDone)
        {
            var tick = world.Tick;
            for (var agent = 0; agent < agents; agent++)
            {
                for (var e = 0; e < _episodes; e++)
                {
                    var window = windows[e * agents + agent];
                    world.Observe(e, agent, frame);
                    window.Push(new Tick(tick), frame);
                    var condition = experience.Condition(agent, e * ticks + tick);
                    WriteCondition(agent, window, modes[e], condition);
                    condition.CopyTo(rows.AsSpan(e * size, size));
                }

                var network = _spec.SharedWeights ? 0 : agent;
                var answers = _networks.Answers(network, rows, _episodes);
                var width = answers.Length / _episodes;
                for (var e = 0; e < _episodes; e++)
                {
                    var row = e * ticks + tick;
                    var random = new CounterRandom(seed, RandomPurpose.TrainingNoise, step, agent, e * ticks + tick);
                    random.FillNormal(noise);
                    var action = experience.Action(agent, row);
                    experience.LogDensities[agent][row] = (float)GaussianHead.Draw(answers.AsSpan(e * width, width), noise, _spec.Network.Mixture!, action);
                    ToWorld(network, windows[e * agents + agent].Newest, action, actions.AsSpan((e * agents + agent) * d, d));
                }
            }

            Array.Fill(outcomes, Outcome.Applied);
            world.Apply(actions, outcomes);
        }

        Measure(world, chosen, experience);
        return experience;
    }

    private int[] Choose(ulong seed, int step)
    {
        var random = new CounterRandom(seed, RandomPurpose.TrainingBatches, step, -1);
        var chosen = new int[_episodes];
        foreach (ref var demonstration in chosen.AsSpan())
        {
            demonstration = random.NextInt32(_demonstrations.Count);
        }

        return chosen;
    }

    private NdArray<double> Ends(int[] chosen, bool last)
    {
        var (agents, d) = (_demonstrations.Agents, _demonstrations.Dimensions);
        var ends = new double[chosen.Length * agents * d];
        for (var body = 0; body < chosen.Length * agents; body++)
        {
            var path = _demonstrations.Path(chosen[body / agents], body % agents);
            (last ? path[^d..] : path[..d]).CopyTo(ends.AsSpan(body * d, d));
        }

        return new NdArray<double>([chosen.Length, agents, d], ends);
    }

    /// <summary>The condition as <see cref="DiffusionPolicy"/> makes it.</summary>
    private void WriteCondition(int agent, ObservationWindow window, float[] mode, Span<float> condition)
    {
        var layout = _layouts[agent];
        var constants = _spec.Normalisation[_spec.SharedWeights ? 0 : agent];
        var frames = window.Newest;
        var frame = frames.Length / _spec.Sensor.History;
        for (var back = 0; back < _spec.Sensor.History; back++)
        {
            layout.WriteCondition(frames.Slice(back * frame, frame), condition.Slice(back * layout.ConditionSize, layout.ConditionSize));
        }

        mode.CopyTo(condition[^mode.Length..]);
        for (var i = 0; i < condition.Length; i++)
        {
            condition[i] = (condition[i] - constants.ConditionMean[i]) / constants.ConditionDeviation[i];
        }
    }

    private void ToWorld(int network, ReadOnlySpan<float> frame, ReadOnlySpan<float> action, Span<float> position)
    {
        var constants = _spec.Normalisation[network];
        for (var i = 0; i < action.Length; i++)
        {
            position[i] = action[i] * constants.PlanDeviation[i] + constants.PlanMean[i] + (_spec.Plan.Frame == Frame.Relative ? frame[i] : 0);
        }
    }

    private void Measure(SimulatedWorld world, int[] chosen, Experience experience)
    {
        var (agents, steps, d) = (_scenario.Agents, _scenario.Steps, _scenario.Dimensions);
        var paths = world.Positions().Data;
        for (var body = 0; body < world.Bodies; body++)
        {
            var path = _demonstrations.Path(chosen[body / agents], body % agents);
            for (var t = 0; t < steps; t++)
            {
                // One that ends earlier stands where it ends.
                var at = Math.Min(t, path.Length / d - 1);
                var distance = Distance(paths.AsSpan((body * steps + t) * d, d), path.Slice(at * d, d));
                experience.Displacement += distance / ((double)world.Bodies * steps);
                experience.GoalDistance += t == steps - 1 ? distance / world.Bodies : 0;
            }
        }
    }

    private static double Distance(ReadOnlySpan<float> a, ReadOnlySpan<double> b)
    {
        double squares = 0;
        for (var i = 0; i < b.Length; i++)
        {
            squares += (a[i] - b[i]) * (a[i] - b[i]);
        }

        return Math.Sqrt(squares);
    }
}
