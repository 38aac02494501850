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

    /// <summary>Makes the networks with initial weights drawn from the seed.</summary>
    public NetworkSet(ModelSpec spec, ulong seed, string device)
    {
        _spec = spec;
        _device = device;
        Parameters = new ParameterSet();
        _networks = [.. Enumerable.Range(0, spec.Networks).Select(i => TorchDenoiser.Create(spec, spec.WeightPrefix(i), Parameters))];
        Parameters.Allocate(seed, device);
    }

    /// <summary>The weights.</summary>
    public ParameterSet Parameters { get; }

    /// <summary>Computes the summed loss of one step and leaves its gradient in <see cref="Parameters"/>.</summary>
    /// <param name="batches">One an agent.</param>
    /// <param name="objective">What they ask.</param>
    /// <param name="options">Weights of the loss and dropout.</param>
    /// <param name="seed">With the step, seeds dropout.</param>
    /// <param name="step">The step.</param>
    public double LossAndGradient(Batch[] batches, Objective objective, OptimisationSpec options, ulong seed, int step)
    {
        Parameters.ClearGradients();
        // Seeding dropout by the step makes its masks a function of (seed, step), so a resumed run draws the same ones.
        TorchRuntime.ManualSeed(new CounterRandom(seed, RandomPurpose.TrainingDropout, step).NextUInt64());
        double total = 0;
        for (var agent = 0; agent < batches.Length; agent++)
        {
            // The agents' losses share no weights unless the model does, so the gradient of the sum is gathered agent by agent, with one agent's graph alive at a time.
            using var scope = new TensorScope();
            var loss = Loss(_spec.SharedWeights ? 0 : agent, batches[agent], objective, options);
            loss.Backward();
            total += loss.Item();
        }

        return total;
    }

    /// <summary>The loss of one agent's batch, with gradients.</summary>
    public Tensor Loss(int network, Batch batch, Objective objective, OptimisationSpec options)
    {
        var kept = options.ConditionDropout > 0 ? Upload(batch.Kept, batch.Size) : null;
        var output = Evaluate(network, batch.Input, batch.Noise, batch.Condition, options.Dropout, kept);
        return objective.Loss(output, Upload(batch.Target, batch.Size), () => Upload(batch.OutputScale, batch.Size), options.PresentWeight, _spec.RowSize);
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

    private Tensor Evaluate(int network, ReadOnlySpan<float> x, ReadOnlySpan<float> noise, ReadOnlySpan<float> condition, double dropout = 0, Tensor? kept = null)
        => _networks[network].Forward(Upload(x, noise.Length), Upload(noise, noise.Length), Encode(condition, noise.Length), dropout, kept);

    /// <summary>Rows [B, ...] as a tensor.</summary>
    private Tensor Upload(ReadOnlySpan<float> rows, int batch) => Tensor.From(rows, _device, batch, rows.Length / batch);

    /// <summary>Encodes conditions [B, A] as the network takes them.</summary>
    private Tensor Encode(ReadOnlySpan<float> condition, int batch)
    {
        var size = condition.Length / batch;
        var width = _spec.Network.EncodedSize(size);
        var encoded = new float[batch * width];
        for (var b = 0; b < batch; b++)
        {
            _spec.Network.Encode(condition.Slice(b * size, size), _spec.Slots, encoded.AsSpan(b * width, width));
        }

        return Upload(encoded, batch);
    }
}
