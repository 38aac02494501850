using MimicD.Training.Torch;

namespace MimicD.TrainingTests;

/// <summary>Tests that use libtorch run one after another: they count its tensors, and share its threads.</summary>
[CollectionDefinition(Name)]
public sealed class LibtorchTests
{
    public const string Name = "libtorch";
}

[Collection(LibtorchTests.Name)]
public sealed class TorchTests
{
    [Fact]
    public void Errors_carry_the_text_of_libtorch()
    {
        using var scope = new TensorScope();
        var a = Tensor.Zeros("cpu", 2, 3);
        var b = Tensor.Zeros("cpu", 2, 3);
        var error = Assert.Throws<TorchException>(() => a.MatMul(b));
        Assert.Contains("2x3", error.Message, StringComparison.Ordinal);
        Assert.Throws<TorchException>(() => a.Backward());
        Assert.Throws<TorchException>(() => a.Item());
    }

    [Fact]
    public void A_scope_frees_what_was_made_in_it_and_keeps_what_it_was_told_to()
    {
        var before = TorchRuntime.LiveTensors;
        Tensor kept;
        using (var scope = new TensorScope())
        {
            var a = Tensor.From([1, 2, 3], "cpu", 3);
            kept = scope.Keep(a * 2.0);
            _ = a + kept;
        }

        Assert.Equal(before + 1, TorchRuntime.LiveTensors);
        Assert.Equal([2, 4, 6], kept.ToArray());
        kept.Dispose();
        Assert.Equal(before, TorchRuntime.LiveTensors);
    }

    [Fact]
    public void A_scope_kept_into_an_outer_scope_dies_with_that_one()
    {
        var before = TorchRuntime.LiveTensors;
        using (new TensorScope())
        {
            using (var inner = new TensorScope())
            {
                inner.Keep(Tensor.Zeros("cpu", 4));
            }

            Assert.Equal(before + 1, TorchRuntime.LiveTensors);
        }

        Assert.Equal(before, TorchRuntime.LiveTensors);
    }

    [Fact]
    public void Leaves_share_the_flat_gradient()
    {
        using var scope = new TensorScope();
        var weights = Tensor.From([1, 2, 3, 4, 5, 6], "cpu", 6);
        var gradients = Tensor.Zeros("cpu", 6);
        var matrix = Tensor.Leaf(weights, gradients, 0, 2, 2);
        var vector = Tensor.Leaf(weights, gradients, 4, 2);
        (matrix.Square().Sum() + (vector * 3.0).Sum()).Backward();
        Assert.Equal([2, 4, 6, 8, 3, 3], gradients.ToArray());
    }
}
