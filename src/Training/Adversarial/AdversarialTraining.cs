using System.Globalization;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Training.Networks;
using MimicD.Training.Torch;
using MimicD.World;

namespace MimicD.Training.Adversarial;

/// <summary>What one round of adversarial training looked like.</summary>
/// <param name="Return">Mean over agents and episodes of the sum of rewards, undiscounted.</param>
/// <param name="Accuracy">Share of transitions that the discriminators judged rightly; one half is what policies aim at.</param>
/// <param name="Divergence">Of the new policies from those of the rollouts, as of the last pass [nats].</param>
/// <param name="Entropy">Of a policy's actions, in normalised units [nats]; 0 in a round without passes.</param>
/// <param name="Passes">Passes over the transitions that were made before the divergence limit; 0 in the warm-up of discriminators and critic.</param>
/// <param name="GoalDistance">Mean distance to the goal at the end of an episode [m].</param>
/// <param name="Displacement">Mean distance to the demonstration that an episode began as, over all its ticks [m].</param>
public sealed record AdversarialFigures(double Return, double Accuracy, double Divergence, double Entropy, int Passes, double GoalDistance, double Displacement);

/// <summary>
/// The rounds of multi-agent generative adversarial imitation learning (Song et al. 2018): rollouts of all policies together, steps of the discriminators, then a clipped
/// policy gradient on the rewards that these give. Everything random is keyed by (seed, round), so that a resumed run equals an uninterrupted one.
/// </summary>
internal sealed class AdversarialTraining : IDisposable
{
    private readonly AdversarialSpec _options;
    private readonly OptimisationSpec _training;
    private readonly ModelSpec _spec;
    private readonly NetworkSet _networks;
    private readonly ExpertTransitions _experts;
    private readonly PolicyRollouts _rollouts;
    private readonly Discriminators _discriminators;
    private readonly Critic _critic;
    private readonly ClippedSurrogate _surrogate;
    private readonly ulong _seed;
    private readonly int _agents;

    /// <summary>Prepares the rounds.</summary>
    /// <param name="demonstrations">Joint demonstrations.</param>
    /// <param name="scenario">Their scenario.</param>
    /// <param name="preset">What is trained; it has adversarial options.</param>
    /// <param name="spec">The model's description.</param>
    /// <param name="networks">The policies.</param>
    /// <param name="run">Seed and device.</param>
    /// <exception cref="InvalidInputException">The scenario cannot be acted in with plans.</exception>
    public AdversarialTraining(DemonstrationSet demonstrations, Scenario scenario, TrainingPreset preset, ModelSpec spec, NetworkSet networks, TrainingRunOptions run)
    {
        (_options, _training, _spec, _networks, _seed, _agents) = (preset.Training.Adversarial!, preset.Training, spec, networks, run.Seed, demonstrations.Agents);
        _experts = new ExpertTransitions(demonstrations, scenario, preset, spec);
        _rollouts = new PolicyRollouts(demonstrations, _experts, scenario, spec, networks, _options.Episodes);

        // Weights are keyed by seed and index, and the policies have taken the run's own seed.
        var seeds = new CounterRandom(run.Seed, RandomPurpose.TrainingWeights, -1);
        _discriminators = new Discriminators(_options, _agents, spec.ConditionSize, spec.PlanSize, seeds.NextUInt64(), run.Device);
        _critic = new Critic(_options, _agents, spec.ConditionSize, seeds.NextUInt64(), run.Device);
        _surrogate = new ClippedSurrogate(spec.Network.Mixture!, _options.Clip, _options.EntropyWeight);
    }

    /// <summary>Transitions of all agents in a round.</summary>
    public int Transitions { get; private set; }

    /// <summary>Steps of the policies so far.</summary>
    public long PolicySteps { get; private set; }

    /// <summary>Makes one round.</summary>
    /// <param name="step">Its step in the run, above those of the warm start.</param>
    /// <returns>The discriminators' loss, the norm of the policies' last gradient, and figures.</returns>
    public (double Loss, double GradientNorm, AdversarialFigures Figures) Round(int step)
    {
        var experience = _rollouts.Run(_seed, step);
        Transitions = experience.Rows * _agents;
        var (loss, accuracy) = _discriminators.Train(_experts, experience, _training, _seed, step);
        var rewards = _discriminators.Rewards(experience);
        var states = _critic.States(experience);
        var (advantages, returns) = Judge(experience, rewards, _critic.Values(states, experience.Ticks));
        var (norm, divergence, entropy, passes) = Improve(experience, advantages, states, returns, step);
        var sum = rewards.Average(r => r.Sum(x => (double)x)) / experience.Episodes;
        return (loss, norm, new AdversarialFigures(sum, accuracy, divergence, entropy, passes, experience.GoalDistance, experience.Displacement));
    }

    /// <summary>Copies everything that a resumed run needs, beside the policies themselves, into a checkpoint.</summary>
    public void ExportState(SafeTensors file)
    {
        _discriminators.Parameters.ExportState(file, "discriminators.");
        _critic.Parameters.ExportState(file, "critic.");
        file.Metadata["updates"] = string.Create(CultureInfo.InvariantCulture, $"{PolicySteps} {_discriminators.Steps} {_critic.Steps}");
    }

    /// <summary>Takes everything back from a checkpoint.</summary>
    /// <exception cref="InvalidInputException">It is not there.</exception>
    public void ImportState(SafeTensors file, string where)
    {
        var updates = file.Metadata.GetValueOrDefault("updates")?.Split(' ').Select(n => long.TryParse(n, NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count : -1).ToArray();
        InvalidInputException.Require(updates is [>= 0, >= 0, >= 0], where, "updates", "three numbers", file.Metadata.GetValueOrDefault("updates"));
        (PolicySteps, _discriminators.Steps, _critic.Steps) = (updates![0], updates[1], updates[2]);
        _discriminators.Parameters.ImportState(file, where, "discriminators.");
        _critic.Parameters.ImportState(file, where, "critic.");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _discriminators.Dispose();
        _critic.Dispose();
    }

    /// <summary>Advantages by agent, each [E K] and standardised, and what the critic should have said, [E K, N].</summary>
    private (float[][] Advantages, float[] Returns) Judge(Experience experience, float[][] rewards, float[] values)
    {
        var advantages = new float[_agents][];
        var returns = new float[values.Length];
        for (var agent = 0; agent < _agents; agent++)
        {
            var own = new float[experience.Rows];
            for (var row = 0; row < own.Length; row++)
            {
                own[row] = values[row * _agents + agent];
            }

            advantages[agent] = new float[own.Length];
            for (var at = 0; at < own.Length; at += experience.Ticks)
            {
                Advantages.Estimate(rewards[agent].AsSpan(at, experience.Ticks), own.AsSpan(at, experience.Ticks), _options.Discount, _options.Trace, advantages[agent].AsSpan(at, experience.Ticks));
            }

            for (var row = 0; row < own.Length; row++)
            {
                returns[row * _agents + agent] = advantages[agent][row] + own[row];
            }

            Advantages.Standardise(advantages[agent]);
        }

        return (advantages, returns);
    }

    /// <summary>The passes of policies and critic over the round's transitions.</summary>
    private (double GradientNorm, double Divergence, double Entropy, int Passes) Improve(Experience experience, float[][] advantages, float[] states, float[] returns, int step)
    {
        var constants = new AdamWConstants(WeightDecay: _training.WeightDecay);
        var waits = step - _training.Steps <= _options.Warmup;
        double norm = 0, divergence = 0, entropy = 0;
        var passes = 0;
        for (var epoch = 0; epoch < _options.Epochs; epoch++)
        {
            var order = Shuffled(experience.Rows, step, epoch);
            var further = !waits && (epoch == 0 || divergence <= _options.DivergenceLimit);
            passes += further ? 1 : 0;
            (divergence, entropy) = further ? (0, 0) : (divergence, entropy);
            for (var at = 0; at < order.Length; at += _options.Batch)
            {
                var rows = order.AsSpan(at, Math.Min(_options.Batch, order.Length - at));
                _critic.Train(states, returns, experience.Ticks, rows, _training);
                if (!further)
                {
                    continue;
                }

                _networks.Parameters.ClearGradients();
                for (var agent = 0; agent < _agents; agent++)
                {
                    var (d, h) = Gradient(experience, advantages[agent], agent, rows);
                    divergence += d / ((double)order.Length * _agents);
                    entropy += h * rows.Length / ((double)order.Length * _agents);
                }

                norm = _networks.Parameters.Step(_options.PolicyRate, _training.GradientClip, constants, ++PolicySteps, _options.AverageDecay);
            }
        }

        return (norm, divergence, entropy, passes);
    }

    /// <summary>Adds one agent's gradient over some transitions; returns the sum of (rho - 1) - ln rho, whose mean estimates the divergence, and the entropy.</summary>
    private (double Divergence, double Entropy) Gradient(Experience experience, float[] advantages, int agent, ReadOnlySpan<int> rows)
    {
        var (conditions, actions) = (new float[rows.Length * _spec.ConditionSize], new float[rows.Length * _spec.PlanSize]);
        var (old, advantage) = (new float[rows.Length], new float[rows.Length]);
        for (var b = 0; b < rows.Length; b++)
        {
            experience.Condition(agent, rows[b]).CopyTo(conditions.AsSpan(b * _spec.ConditionSize));
            experience.Action(agent, rows[b]).CopyTo(actions.AsSpan(b * _spec.PlanSize));
            (old[b], advantage[b]) = (experience.LogDensities[agent][rows[b]], advantages[rows[b]]);
        }

        using var scope = new TensorScope();
        var device = _networks.Parameters.Device;
        var output = _networks.Answer(_spec.SharedWeights ? 0 : agent, conditions, rows.Length);
        var (loss, entropy, logDensity) = _surrogate.Loss(output, Tensor.From(actions, device, rows.Length, _spec.PlanSize), Tensor.From(old, device, rows.Length), Tensor.From(advantage, device, rows.Length));
        loss.Backward();
        double divergence = 0;
        var now = logDensity.ToArray();
        for (var b = 0; b < now.Length; b++)
        {
            var ratio = (double)now[b] - old[b];
            divergence += Math.Exp(ratio) - 1 - ratio;
        }

        return (divergence, entropy.Item());
    }

    /// <summary>0 to count-1 in an order drawn for the pass (Fisher and Yates).</summary>
    private int[] Shuffled(int count, int step, int epoch)
    {
        var random = new CounterRandom(_seed, RandomPurpose.TrainingBatches, step, -3, epoch);
        var order = Enumerable.Range(0, count).ToArray();
        for (var i = count - 1; i > 0; i--)
        {
            var j = random.NextInt32(i + 1);
            (order[i], order[j]) = (order[j], order[i]);
        }

        return order;
    }
}
