using MimicD.Numerics;
using MimicD.Training.Torch;

namespace MimicD.Training.Networks;

/// <summary>How a weight starts.</summary>
internal enum Initial
{
    /// <summary>All zero: biases, and the layers that let a residual network start as the identity.</summary>
    Zero,

    /// <summary>Uniform within +-sqrt(6 / (fan in + fan out)) (Glorot and Bengio 2010).</summary>
    XavierUniform,

    /// <summary>Normal with deviation 0.02: the transformer's noise embedding (Peebles and Xie 2023).</summary>
    SmallNormal,
}

/// <summary>
/// All weights of a training run as slices of five flat tensors (weights, gradients, both moments, moving average), so that
/// clipping, the AdamW step and the moving average are each one pass over memory, over all agents together.
/// </summary>
internal sealed class ParameterSet : IDisposable
{
    private const float SmallDeviation = 0.02f;

    // Elements that a thread takes on at a time: a few hundred microseconds' worth. Sums are by blocks, so that they do not depend on who adds them up.
    private const int Block = 1 << 16;

    private readonly List<(string Name, int[] Shape, long Offset, Initial Initial)> _entries = [];
    private readonly List<Tensor> _leaves = [];
    private readonly Action<int> _sumBlock;
    private readonly Action<int> _updateBlock;
    private double[] _squares = [];
    private Update _update;
    private Tensor _weights;
    private Tensor _gradients;
    private Tensor _first;
    private Tensor _second;
    private Tensor _average;

    /// <summary>An empty set.</summary>
    public ParameterSet()
    {
        _sumBlock = block => _squares[block] = _gradients.SumOfSquares((long)block * Block, Length(block));
        _updateBlock = block => Tensor.AdamW(_weights, _gradients, _first, _second, _average, (long)block * Block, Length(block), _update.Scale, _update.Rate, _update.Constants, _update.Step, _update.AverageDecay);
    }

    /// <summary>Numbers in all weights.</summary>
    public long Count { get; private set; }

    /// <summary>Where the tensors are; set by <see cref="Allocate"/>.</summary>
    public string Device { get; private set; } = "cpu";

    /// <summary>Declares a weight, in an order that is part of the checkpoint's meaning, and returns its index.</summary>
    public int Declare(string name, Initial initial, params int[] shape)
    {
        _entries.Add((name, shape, Count, initial));
        Count += shape.Aggregate(1L, (a, b) => a * b);
        return _entries.Count - 1;
    }

    /// <summary>Makes the tensors and draws the initial weights from (seed, weight's index), the same on every device.</summary>
    public void Allocate(ulong seed, string device)
    {
        Device = device;
        var values = new float[Count];
        for (var index = 0; index < _entries.Count; index++)
        {
            var (_, shape, offset, initial) = _entries[index];
            if (initial == Initial.Zero)
            {
                continue;
            }

            var random = new CounterRandom(seed, RandomPurpose.TrainingWeights, index);
            if (initial == Initial.SmallNormal)
            {
                var drawn = values.AsSpan((int)offset, shape[0] * shape[1]);
                random.FillNormal(drawn);
                foreach (ref var value in drawn)
                {
                    value *= SmallDeviation;
                }

                continue;
            }

            var bound = Math.Sqrt(6.0 / (shape[0] + shape[1]));
            for (var i = 0; i < shape[0] * shape[1]; i++)
            {
                values[offset + i] = (float)random.NextUniform(-bound, bound);
            }
        }

        _weights = Tensor.From(values, device, Count);
        _gradients = Tensor.Zeros(device, Count);
        _first = Tensor.Zeros(device, Count);
        _second = Tensor.Zeros(device, Count);
        _average = Tensor.From(values, device, Count);
        _squares = new double[(Count + Block - 1) / Block];
        foreach (var (_, shape, offset, _) in _entries)
        {
            _leaves.Add(Tensor.Leaf(_weights, _gradients, offset, Array.ConvertAll(shape, n => (long)n)));
        }
    }

    /// <summary>The leaf of that index.</summary>
    public Tensor this[int index] => _leaves[index];

    /// <summary>Sets all gradients to zero.</summary>
    public void ClearGradients() => _gradients.Clear();

    /// <summary>Clips the gradient norm over all weights together and makes one AdamW and moving-average step; the gradients are 0 afterwards.</summary>
    /// <returns>The norm before clipping.</returns>
    public double Step(double rate, double clip, AdamWConstants constants, long step, double averageDecay, Workers? workers = null)
    {
        Each(_sumBlock, workers);
        double squares = 0;
        foreach (var sum in _squares)
        {
            squares += sum;
        }

        var norm = Math.Sqrt(squares);
        _update = new Update(norm > clip ? clip / norm : 1.0, rate, constants, step, averageDecay);
        Each(_updateBlock, workers);
        return norm;
    }

    /// <summary>Copies the moving-average weights into a model file.</summary>
    public void ExportAverage(SafeTensors file)
    {
        var values = _average.ToArray();
        foreach (var (name, shape, offset, _) in _entries)
        {
            file.Add(name, values.AsSpan((int)offset, shape.Aggregate(1, (a, b) => a * b)).ToArray(), shape);
        }
    }

    /// <summary>Takes weights, and the moving average with them, from a model file.</summary>
    public void ImportWeights(SafeTensors file, string where)
    {
        var values = new float[Count];
        foreach (var (name, shape, offset, _) in _entries)
        {
            file.Get(name, where, shape).CopyTo(values, offset);
        }

        _weights.Assign(values);
        _average.Assign(values);
    }

    /// <summary>Starts over from the moving average: the weights become it, and the optimizer forgets.</summary>
    public void RestartFromAverage()
    {
        _weights.Assign(_average.ToArray());
        _first.Clear();
        _second.Clear();
    }

    /// <summary>The gradients by weight.</summary>
    public IReadOnlyDictionary<string, float[]> Gradients()
    {
        var values = _gradients.ToArray();
        return _entries.ToDictionary(e => e.Name, e => values.AsSpan((int)e.Offset, e.Shape.Aggregate(1, (a, b) => a * b)).ToArray(), StringComparer.Ordinal);
    }

    /// <summary>Copies everything that a resumed run needs into a checkpoint.</summary>
    public void ExportState(SafeTensors file, string prefix = "")
    {
        foreach (var (name, tensor) in State())
        {
            file.Add(prefix + name, tensor.ToArray(), checked((int)Count));
        }
    }

    /// <summary>Takes everything back from a checkpoint.</summary>
    public void ImportState(SafeTensors file, string where, string prefix = "")
    {
        foreach (var (name, tensor) in State())
        {
            tensor.Assign(file.Get(prefix + name, where, checked((int)Count)));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var leaf in _leaves)
        {
            leaf.Dispose();
        }

        _leaves.Clear();
        _weights.Dispose();
        _gradients.Dispose();
        _first.Dispose();
        _second.Dispose();
        _average.Dispose();
        (_weights, _gradients, _first, _second, _average) = (default, default, default, default, default);
    }

    private void Each(Action<int> block, Workers? workers)
    {
        if (workers is not null)
        {
            workers.Run(_squares.Length, block);
            return;
        }

        for (var i = 0; i < _squares.Length; i++)
        {
            block(i);
        }
    }

    private long Length(int block) => Math.Min(Block, Count - (long)block * Block);

    private (string Name, Tensor Tensor)[] State()
        => [("weights", _weights), ("first_moment", _first), ("second_moment", _second), ("average", _average)];

    /// <summary>What an update of the weights is made with.</summary>
    private readonly record struct Update(double Scale, double Rate, AdamWConstants Constants, long Step, double AverageDecay);
}
