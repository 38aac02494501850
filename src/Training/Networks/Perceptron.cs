using MimicD.Training.Torch;

namespace MimicD.Training.Networks;

/// <summary>A network with two hidden layers that exists in training alone: v -> Linear(Mish(Linear(Mish(Linear(v))))). Its last layer starts at zero.</summary>
internal sealed class Perceptron
{
    // Bounds the memory of an evaluation over many rows.
    private const int Rows = 4096;

    private readonly ParameterSet _parameters;
    private readonly string _prefix;

    /// <summary>Declares the weights; they exist after <see cref="ParameterSet.Allocate"/>.</summary>
    public Perceptron(ParameterSet parameters, string prefix, int inputs, int width, int outputs)
    {
        (_parameters, _prefix, Inputs) = (parameters, prefix, inputs);
        Declare("0", width, inputs, Initial.XavierUniform);
        Declare("2", width, width, Initial.XavierUniform);
        Declare("4", outputs, width, Initial.Zero);
    }

    /// <summary>Numbers in a row of the input.</summary>
    public int Inputs { get; }

    /// <summary>The answers to rows [B, inputs], with gradients: [B, outputs].</summary>
    public Tensor Forward(Tensor x) => Linear("4", Linear("2", Linear("0", x).Mish()).Mish());

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

    private Tensor Linear(string name, Tensor x) => x.Linear(_parameters[$"{_prefix}{name}.weight"], _parameters[$"{_prefix}{name}.bias"]);

    private void Declare(string name, int outputs, int inputs, Initial initial)
    {
        _parameters.Declare($"{_prefix}{name}.weight", initial, outputs, inputs);
        _parameters.Declare($"{_prefix}{name}.bias", Initial.Zero, outputs);
    }
}
