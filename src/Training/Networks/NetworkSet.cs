using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Training.Objectives;
using MimicD.Training.Torch;

namespace MimicD.Training.Networks;

/// <summary>The networks of all agents, with gradients.</summary>
internal sealed class NetworkSet : IDisposable
{
    private readonly ModelSpec _spec;
    private readonly TorchDenoiser[] _networks;
    private readonly string _device;
    private readonly Action<int> _oneAgent;
    private double[] _losses = [];
    private Step _step;

    /// <summary>Makes the networks with initial weights drawn from the seed.</summary>
    public NetworkSet(ModelSpec spec, ulong seed, string device)
    {
        _spec = spec;
        _device = device;
        Parameters = new ParameterSet();
        _networks = [.. Enumerable.Range(0, spec.Networks).Select(i => TorchDenoiser.Create(spec, spec.WeightPrefix(i), Parameters))];
        Parameters.Allocate(seed, device);
        _oneAgent = AddGradient;
    }

    /// <summary>The weights.</summary>
    public ParameterSet Parameters { get; }

    /// <summary>Computes the summed loss of one step and adds its gradient to <see cref="Parameters"/>.</summary>
    /// <param name="batches">One an agent.</param>
    /// <param name="objective">What they ask.</param>
    /// <param name="options">Weights of the loss and dropout.</param>
    /// <param name="seed">With the step and the agent, seeds dropout.</param>
    /// <param name="step">The step.</param>
    /// <param name="workers">Threads, which share the agents where each has a network of its own.</param>
    public double LossAndGradient(Batch[] batches, Objective objective, OptimisationSpec options, ulong seed, int step, Workers workers)
    {
        if (_losses.Length != batches.Length)
        {
            _losses = new double[batches.Length];
        }

        _step = new Step(batches, objective, options, seed, step);
        if (_spec.SharedWeights)
        {
            // They add to the same gradient.
            for (var agent = 0; agent < batches.Length; agent++)
            {
                AddGradient(agent);
            }
        }
        else
        {
            workers.Run(batches.Length, _oneAgent);
        }

        double total = 0;
        foreach (var loss in _losses)
        {
            total += loss;
        }

        return total;
    }

    /// <summary>The loss of one agent's batch, with gradients.</summary>
    public Tensor Loss(int network, Batch batch, Objective objective, OptimisationSpec options)
    {
        Tensor? kept = options.ConditionDropout > 0 ? Upload(batch.Kept, batch.Size) : null;
        var output = _networks[network].Forward(Upload(batch.Input, batch.Size), Upload(batch.Noise, batch.Size), Upload(batch.Encoded(_spec), batch.Size), options.Dropout, kept);
        Tensor? outputScale = options.PresentWeight > 0 ? Upload(batch.OutputScale, batch.Size) : null;
        return objective.Loss(output, Upload(batch.Target, batch.Size), outputScale, options.PresentWeight, _spec.RowSize);
    }

    /// <summary>F for a batch, without gradients: for comparison with the managed execution.</summary>
    public float[] Forward(int network, ReadOnlySpan<float> x, ReadOnlySpan<float> noise, ReadOnlySpan<float> condition)
    {
        using var scope = new TensorScope();
        using var none = TorchRuntime.WithoutGradient();
        return Evaluate(network, x, noise, condition).ToArray();
    }

    /// <summary>F(0, 0, o) for normalised conditions [B, A], with gradients: the answer of methods that show the network no plan.</summary>
    public Tensor Answer(int network, ReadOnlySpan<float> condition, int batch)
        => Evaluate(network, new float[batch * _spec.PlanSize], new float[batch], condition);

    /// <summary>The same without gradients, row by row.</summary>
    public float[] Answers(int network, ReadOnlySpan<float> condition, int batch)
        => Forward(network, new float[batch * _spec.PlanSize], new float[batch], condition);

    /// <summary>Mean squared error of F against a target, with gradients and without dropout: for comparison with other implementations.</summary>
    public Tensor SquaredError(int network, ReadOnlySpan<float> x, ReadOnlySpan<float> noise, ReadOnlySpan<float> condition, ReadOnlySpan<float> target)
        => (Evaluate(network, x, noise, condition) - Upload(target, noise.Length)).Square().Mean();

    /// <summary>The model file with the moving-average weights.</summary>
    public SafeTensors Export(ModelSpec spec)
    {
        var file = new SafeTensors();
        file.Metadata[ModelSpec.MetadataKey] = StrictJson.Format(spec, indented: false);
        Parameters.ExportAverage(file);
        return file;
    }

    /// <inheritdoc/>
    public void Dispose() => Parameters.Dispose();

    private Tensor Evaluate(int network, ReadOnlySpan<float> x, ReadOnlySpan<float> noise, ReadOnlySpan<float> condition)
    {
        var encoded = new float[noise.Length * _spec.Network.EncodedSize(_spec.ConditionSize)];
        Batch.Encode(_spec, condition, noise.Length, encoded);
        return _networks[network].Forward(Upload(x, noise.Length), Upload(noise, noise.Length), Upload(encoded, noise.Length), dropout: 0);
    }

    /// <summary>One agent's part of a step. The agents' losses share no weights unless the model does, so the gradient of the sum is gathered agent by agent, each with a graph of its own.</summary>
    private void AddGradient(int agent)
    {
        // Seeding dropout by step and agent makes its masks a function of these, so a resumed run draws the same ones, and so does any thread.
        TorchRuntime.SeedDropout(new CounterRandom(_step.Seed, RandomPurpose.TrainingDropout, _step.Index, agent).NextUInt64(), _device);
        using var scope = new TensorScope();
        var loss = Loss(_spec.SharedWeights ? 0 : agent, _step.Batches[agent], _step.Objective, _step.Options);
        loss.Backward();
        _losses[agent] = loss.Item();
    }

    /// <summary>Rows [B, ...] as a tensor.</summary>
    private Tensor Upload(ReadOnlySpan<float> rows, int batch) => Tensor.From(rows, _device, batch, rows.Length / batch);

    /// <summary>What a step is made of.</summary>
    private readonly record struct Step(Batch[] Batches, Objective Objective, OptimisationSpec Options, ulong Seed, int Index);
}
