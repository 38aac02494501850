using MimicD.Training.Torch;

namespace MimicD.Training.Networks;

/// <summary>A network with two hidden layers that exists in training alone: v -> Linear(Mish(Linear(Mish(Linear(v))))). Its last layer starts at zero.</summary>
internal sealed class Perceptron
{
    // Bounds the memory of an evaluation over many rows.
    private const int Rows = 4096;

    private readonly ParameterSet _parameters;
    private readonly Layer _first;
    private readonly Layer _second;
    private readonly Layer _last;

    /// <summary>Declares the weights; they exist after <see cref="ParameterSet.Allocate"/>.</summary>
    public Perceptron(ParameterSet parameters, string prefix, int inputs, int width, int outputs)
    {
        (_parameters, Inputs) = (parameters, inputs);
        _first = new Layer(parameters, $"{prefix}0", width, inputs);
        _second = new Layer(parameters, $"{prefix}2", width, width);
        _last = new Layer(parameters, $"{prefix}4", outputs, width, Initial.Zero);
    }

    /// <summary>Numbers in a row of the input.</summary>
    public int Inputs { get; }

    /// <summary>The answers to rows [B, inputs], with gradients: [B, outputs].</summary>
    public Tensor Forward(Tensor x) => _last.Of(_second.Of(_first.Of(x).Mish()).Mish());

    /// <summary>The answers to rows [B, inputs], without gradients, row by row.</summary>
    public float[] Evaluate(ReadOnlySpan<float> rows)
    {
        using var none = TorchRuntime.WithoutGradient();
        var answers = new List<float>();
        for (var at = 0; at < rows.Length; at += Rows * Inputs)
        {
            using var scope = new TensorScope();
            var part = rows.Slice(at, Math.Min(Rows * Inputs, rows.Length - at));
            answers.AddRange(Forward(Upload(part)).ToArray());
        }

        return [.. answers];
    }

    /// <summary>Rows [B, inputs] as a tensor.</summary>
    public Tensor Upload(ReadOnlySpan<float> rows) => Tensor.From(rows, _parameters.Device, rows.Length / Inputs, Inputs);
}
