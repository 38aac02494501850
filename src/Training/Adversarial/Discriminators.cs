using MimicD.Numerics;
using MimicD.Training.Networks;
using MimicD.Training.Torch;

namespace MimicD.Training.Adversarial;

/// <summary>
/// Tell demonstrated transitions from the policies' own: D = 1 / (1 + e^-f) is the probability that a transition was demonstrated, f a <see cref="Perceptron"/> of normalised
/// conditions and actions. The policies' reward is -ln(1 - D), the paper's (there D is the other probability). Neither network nor reward exists at run time.
/// </summary>
internal sealed class Discriminators : IDisposable
{
    private readonly AdversarialSpec _options;
    private readonly Perceptron[] _networks;
    private readonly int _agents;
    private readonly int _conditionSize;
    private readonly int _actionSize;

    /// <summary>Makes them with initial weights drawn from the seed.</summary>
    /// <param name="options">Their options.</param>
    /// <param name="agents">Agents (N).</param>
    /// <param name="conditionSize">Numbers in a condition (A).</param>
    /// <param name="actionSize">Numbers in an action (D).</param>
    /// <param name="seed">Seed of the weights.</param>
    /// <param name="device">Where they are.</param>
    public Discriminators(AdversarialSpec options, int agents, int conditionSize, int actionSize, ulong seed, string device)
    {
        (_options, _agents, _conditionSize, _actionSize) = (options, agents, conditionSize, actionSize);
        var joint = options.Discriminator == DiscriminatorView.Joint;
        _networks = [.. Enumerable.Range(0, joint ? 1 : agents).Select(i => new Perceptron(Parameters, $"{i}.", (joint ? agents : 1) * (conditionSize + actionSize), options.DiscriminatorWidth, 1))];
        Parameters.Allocate(seed, device);
    }

    /// <summary>The weights.</summary>
    public ParameterSet Parameters { get; } = new();

    /// <summary>Steps made.</summary>
    public long Steps { get; set; }

    /// <summary>Makes the steps of one round.</summary>
    /// <param name="experts">Demonstrated transitions.</param>
    /// <param name="experience">The policies' own.</param>
    /// <param name="options">Weight decay and gradient clip.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="step">The round's step.</param>
    /// <returns>Mean cross-entropy (2 ln 2 before anything is learned) summed over discriminators, and the share of transitions that were judged rightly (before each step).</returns>
    public (double Loss, double Accuracy) Train(ExpertTransitions experts, Experience experience, OptimisationSpec options, ulong seed, int step)
    {
        var batch = _options.DiscriminatorBatch;
        double loss = 0, right = 0;
        for (var k = 0; k < _options.DiscriminatorSteps; k++)
        {
            Parameters.ClearGradients();
            var choice = new CounterRandom(seed, RandomPurpose.TrainingBatches, step, -2, k);
            var noise = new CounterRandom(seed, RandomPurpose.TrainingAugmentation, step, -2, k);
            var demonstrated = Enumerable.Range(0, batch).Select(_ => choice.NextInt32(experts.Count)).ToArray();
            var own = Enumerable.Range(0, batch).Select(_ => choice.NextInt32(experience.Rows)).ToArray();
            for (var i = 0; i < _networks.Length; i++)
            {
                using var scope = new TensorScope();
                var (real, made) = (Rows(i, batch), Rows(i, batch));
                for (var b = 0; b < batch; b++)
                {
                    Write(i, real, b, (agent, condition, action) => experts.Write(demonstrated[b], agent, condition, action));
                    Write(i, made, b, (agent, condition, action) => Copy(experience, own[b], agent, condition, action));
                }

                Blur(real, ref noise);
                Blur(made, ref noise);
                var (f, g) = (_networks[i].Forward(_networks[i].Upload(real)), _networks[i].Forward(_networks[i].Upload(made)));

                // -ln D and -ln(1 - D).
                var entropy = (f * -1.0).Softplus().Mean() + g.Softplus().Mean();
                entropy.Backward();
                loss += entropy.Item();
                right += (f.ToArray().Count(x => x > 0) + g.ToArray().Count(x => x < 0)) / (2.0 * batch * _networks.Length);
            }

            _ = Parameters.Step(_options.DiscriminatorRate, options.GradientClip, new AdamWConstants(WeightDecay: options.WeightDecay), ++Steps, averageDecay: 0);
        }

        return (loss / _options.DiscriminatorSteps, right / _options.DiscriminatorSteps);
    }

    /// <summary>The rewards -ln(1 - D) of the policies' transitions by agent, each [E K]; one array for all where all are judged together.</summary>
    public float[][] Rewards(Experience experience)
    {
        var rewards = new float[_networks.Length][];
        for (var i = 0; i < _networks.Length; i++)
        {
            var rows = Rows(i, experience.Rows);
            for (var row = 0; row < experience.Rows; row++)
            {
                Write(i, rows, row, (agent, condition, action) => Copy(experience, row, agent, condition, action));
            }

            rewards[i] = Array.ConvertAll(_networks[i].Evaluate(rows), f => Math.Max(f, 0) + float.Log(1 + float.Exp(-Math.Abs(f))));
        }

        return [.. Enumerable.Range(0, _agents).Select(agent => rewards[_networks.Length == 1 ? 0 : agent])];
    }

    /// <inheritdoc/>
    public void Dispose() => Parameters.Dispose();

    private static void Copy(Experience experience, int row, int agent, Span<float> condition, Span<float> action)
    {
        experience.Condition(agent, row).CopyTo(condition);
        experience.Action(agent, row).CopyTo(action);
    }

    private float[] Rows(int network, int count) => new float[count * _networks[network].Inputs];

    /// <summary>A row: for each agent that is judged, its condition and its action.</summary>
    private void Write(int network, float[] rows, int row, Part part)
    {
        var (first, count, size) = (_options.Discriminator == DiscriminatorView.Joint ? 0 : network, _networks[network].Inputs / (_conditionSize + _actionSize), _conditionSize + _actionSize);
        for (var k = 0; k < count; k++)
        {
            var at = rows.AsSpan((row * count + k) * size, size);
            part(first + k, at[.._conditionSize], at[_conditionSize..]);
        }
    }

    private void Blur(float[] rows, ref CounterRandom random)
    {
        if (_options.InputNoise == 0)
        {
            return;
        }

        var noise = new float[rows.Length];
        random.FillNormal(noise);
        for (var i = 0; i < rows.Length; i++)
        {
            rows[i] += (float)(_options.InputNoise * noise[i]);
        }
    }

    private delegate void Part(int agent, Span<float> condition, Span<float> action);
}
