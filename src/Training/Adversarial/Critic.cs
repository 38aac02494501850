using MimicD.Training.Networks;
using MimicD.Training.Torch;

namespace MimicD.Training.Adversarial;

/// <summary>
/// Expects each agent's discounted rewards from here to the end of the episode, from all agents' conditions and the share of the episode that is over: central in
/// training, as the paper's critic, and absent at run time. It answers in units of the longest discounted sum of ones.
/// </summary>
internal sealed class Critic : IDisposable
{
    private readonly AdversarialSpec _options;
    private readonly Perceptron _network;
    private readonly int _agents;

    /// <summary>Makes it with initial weights drawn from the seed.</summary>
    /// <param name="options">Its options.</param>
    /// <param name="agents">Agents (N).</param>
    /// <param name="conditionSize">Numbers in a condition (A).</param>
    /// <param name="seed">Seed of the weights.</param>
    /// <param name="device">Where it is.</param>
    public Critic(AdversarialSpec options, int agents, int conditionSize, ulong seed, string device)
    {
        (_options, _agents) = (options, agents);
        _network = new Perceptron(Parameters, "", agents * conditionSize + 1, options.CriticWidth, agents);
        Parameters.Allocate(seed, device);
    }

    /// <summary>The weights.</summary>
    public ParameterSet Parameters { get; } = new();

    /// <summary>Steps made.</summary>
    public long Steps { get; set; }

    /// <summary>The states of a round's transitions as the critic sees them, [E K, N A + 1].</summary>
    public float[] States(Experience experience)
    {
        var states = new float[experience.Rows * _network.Inputs];
        var size = (_network.Inputs - 1) / _agents;
        for (var row = 0; row < experience.Rows; row++)
        {
            var state = states.AsSpan(row * _network.Inputs, _network.Inputs);
            for (var agent = 0; agent < _agents; agent++)
            {
                experience.Condition(agent, row).CopyTo(state[(agent * size)..]);
            }

            state[^1] = row % experience.Ticks / (float)experience.Ticks;
        }

        return states;
    }

    /// <summary>What it expects, [E K, N].</summary>
    /// <param name="states">As <see cref="States"/> gives them.</param>
    /// <param name="ticks">Transitions an episode (K).</param>
    public float[] Values(float[] states, int ticks) => Array.ConvertAll(_network.Evaluate(states), v => (float)(v * Scale(ticks)));

    /// <summary>Takes one step towards what came.</summary>
    /// <param name="states">As <see cref="States"/> gives them.</param>
    /// <param name="returns">What came, [E K, N].</param>
    /// <param name="ticks">Transitions an episode (K).</param>
    /// <param name="rows">The transitions of this step.</param>
    /// <param name="options">Weight decay and gradient clip.</param>
    public void Train(float[] states, float[] returns, int ticks, ReadOnlySpan<int> rows, OptimisationSpec options)
    {
        var (x, y) = (new float[rows.Length * _network.Inputs], new float[rows.Length * _agents]);
        for (var b = 0; b < rows.Length; b++)
        {
            states.AsSpan(rows[b] * _network.Inputs, _network.Inputs).CopyTo(x.AsSpan(b * _network.Inputs));
            for (var agent = 0; agent < _agents; agent++)
            {
                y[b * _agents + agent] = (float)(returns[rows[b] * _agents + agent] / Scale(ticks));
            }
        }

        using var scope = new TensorScope();
        Parameters.ClearGradients();
        (_network.Forward(_network.Upload(x)) - Tensor.From(y, Parameters.Device, rows.Length, _agents)).Square().Mean().Backward();
        _ = Parameters.Step(_options.CriticRate, options.GradientClip, new AdamWConstants(WeightDecay: options.WeightDecay), ++Steps, averageDecay: 0);
    }

    /// <inheritdoc/>
    public void Dispose() => Parameters.Dispose();

    /// <summary>sum_(t below K) gamma^t.</summary>
    private double Scale(int ticks) => (1 - Math.Pow(_options.Discount, ticks)) / (1 - _options.Discount);
}
