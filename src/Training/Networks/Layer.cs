using MimicD.Training.Torch;

namespace MimicD.Training.Networks;

/// <summary>A linear map with or without a bias, whose weights are leaves of a parameter set.</summary>
internal sealed class Layer
{
    private const int None = -1;

    private readonly ParameterSet _parameters;
    private readonly int _weight;
    private readonly int _bias = None;

    /// <summary>Declares the weights; they exist after <see cref="ParameterSet.Allocate"/>.</summary>
    public Layer(ParameterSet parameters, string name, int outputs, int inputs, Initial initial = Initial.XavierUniform, bool bias = true)
    {
        _parameters = parameters;
        _weight = parameters.Declare($"{name}.weight", initial, outputs, inputs);
        if (bias)
        {
            _bias = parameters.Declare($"{name}.bias", Initial.Zero, outputs);
        }
    }

    /// <summary>The weight, [out, in].</summary>
    public Tensor Weight => _parameters[_weight];

    /// <summary>The bias, [out], of a layer that has one.</summary>
    public Tensor Bias => _parameters[_bias];

    /// <summary>The map of rows.</summary>
    public Tensor Of(Tensor x) => x.Linear(Weight, _bias == None ? null : Bias);

    /// <summary>Rows like its result plus the map of rows, by a layer without a bias.</summary>
    public Tensor Onto(Tensor sum, Tensor x)
        => _bias == None ? x.Linear(Weight, sum) : throw new InvalidOperationException("the bias stands where the sum would");
}
