using MimicD.Agents;
using MimicD.AgentsTests;
using MimicD.Numerics;
using MimicD.Training.Networks;
using MimicD.Training.Torch;

namespace MimicD.TrainingTests;

[Collection(LibtorchTests.Name)]
public sealed class AttributeDropoutTests
{
    private static readonly ModelSpec Spec = RandomModel.Spec(NetworkKind.Dit, width: 16, agents: 1);

    [Fact]
    public void Keeping_every_attribute_changes_nothing()
        => Assert.Equal(Forward(seed: 1, kept: null), Forward(seed: 1, Enumerable.Repeat(1f, Spec.ConditionSize).ToArray()));

    [Fact]
    public void Without_any_attribute_the_output_does_not_depend_on_the_condition()
    {
        var none = new float[Spec.ConditionSize];
        Assert.Equal(Forward(seed: 1, none), Forward(seed: 2, none));
        Assert.NotEqual(Forward(seed: 1, kept: null), Forward(seed: 2, kept: null));
    }

    [Fact]
    public void A_dropped_attribute_is_not_an_attribute_of_value_zero()
    {
        var kept = Enumerable.Repeat(1f, Spec.ConditionSize).ToArray();
        kept[0] = 0;
        var condition = Condition(1);
        condition[0] = 0;
        Assert.NotEqual(Forward(condition, kept: null), Forward(condition, kept));
    }

    private static float[] Condition(ulong seed)
    {
        var condition = new float[Spec.ConditionSize];
        new CounterRandom(seed, RandomPurpose.TrainingBatches).FillNormal(condition);
        return condition;
    }

    private static float[] Forward(ulong seed, float[]? kept) => Forward(Condition(seed), kept);

    private static float[] Forward(float[] condition, float[]? kept)
    {
        using var parameters = new ParameterSet();
        var network = TorchDenoiser.Create(Spec, "agent0.", parameters);
        parameters.Allocate(seed: 0, "cpu");
        parameters.ImportWeights(RandomModel.Weights(Spec, seed: 6), "random model");
        using var scope = new TensorScope();
        using var none = TorchRuntime.WithoutGradient();
        var x = Enumerable.Range(0, Spec.PlanSize).Select(i => i / 10f).ToArray();
        return network.Forward(
            Tensor.From(x, "cpu", 1, x.Length),
            Tensor.From([0.3f], "cpu", 1, 1),
            Tensor.From(condition, "cpu", 1, condition.Length),
            dropout: 0,
            kept is null ? null : Tensor.From(kept, "cpu", 1, kept.Length)).ToArray();
    }
}
