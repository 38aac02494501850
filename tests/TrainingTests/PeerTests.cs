using MimicD.Agents;
using MimicD.AgentsTests;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Training.Networks;
using MimicD.Training.Torch;

namespace MimicD.TrainingTests;

/// <summary>libtorch through our binding, the managed execution, and an independent PyTorch must agree on the same weights.</summary>
[Collection(LibtorchTests.Name)]
public sealed class PeerTests
{
    // Of a sum in single precision, relative to the largest element of its tensor.
    private const double Rounding = 1e-6;

    public static TheoryData<NetworkKind, int, int, int, PlanOf, OthersEncoding> Shapes => new()
    {
        // kind, width, plan length, agents' other slots, whom the plan is for, how the others are taken in
        { NetworkKind.Mlp, 32, 8, 1, PlanOf.Own, OthersEncoding.Slots },
        { NetworkKind.Mlp, 64, 16, 3, PlanOf.Own, OthersEncoding.Slots },
        { NetworkKind.Dit, 32, 8, 1, PlanOf.Own, OthersEncoding.Slots },
        { NetworkKind.Dit, 64, 25, 1, PlanOf.Own, OthersEncoding.Slots },
        { NetworkKind.Mlp, 32, 6, 2, PlanOf.All, OthersEncoding.Slots },
        { NetworkKind.Dit, 32, 6, 2, PlanOf.All, OthersEncoding.Slots },
        { NetworkKind.Mlp, 32, 6, 3, PlanOf.Own, OthersEncoding.Set },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Forward_gradients_and_optimizer_steps_equal_PyTorch(NetworkKind kind, int width, int length, int others, PlanOf of, OthersEncoding encoding)
    {
        var spec = Spec(kind, width, length, others, of, encoding);
        var weights = RandomModel.Weights(spec, seed: 3);
        var inputs = Inputs(spec, batch: 5);
        using var networks = new NetworkSet(spec, seed: 0, "cpu");
        networks.Parameters.ImportWeights(weights, "random model");
        var options = new { kind = kind == NetworkKind.Dit ? "dit" : "mlp", width, depth = spec.Network.Depth, heads = spec.Network.Heads, conditionWidth = spec.Network.ConditionWidth, conditionHeads = spec.Network.ConditionHeads, octaves = spec.Network.Octaves, slots = spec.Slots, dimensions = spec.RowSize, rate = 1e-3, weightDecay = 1e-2, clip = 0.5, steps = 3 };
        var batch = inputs.Noise.Length;
        var peer = Peer.Run(StrictJson.Format(options), weights, batch, ("x", inputs.X), ("noise", inputs.Noise), ("condition", inputs.Condition), ("target", inputs.Target));

        Peer.AssertClose(peer.Tensors["forward"].Data, networks.Forward(0, inputs.X, inputs.Noise, inputs.Condition), "forward");
        for (var step = 1; step <= options.steps; step++)
        {
            networks.Parameters.ClearGradients();
            using (new TensorScope())
            {
                networks.SquaredError(0, inputs.X, inputs.Noise, inputs.Condition, inputs.Target).Backward();
            }

            if (step == 1)
            {
                var gradients = networks.Parameters.Gradients();
                foreach (var (name, gradient) in gradients)
                {
                    Peer.AssertClose(peer.Tensors["gradient." + name["agent0.".Length..]].Data, gradient, "gradient of " + name);
                }

                Assert.Equal(weights.Tensors.Count, gradients.Count);
            }

            networks.Parameters.Step(options.rate, options.clip, new AdamWConstants(WeightDecay: options.weightDecay), step, averageDecay: 0);
        }

        // With a decay of 0 the moving average is the weights themselves.
        var after = networks.Export(spec);
        foreach (var (name, tensor) in after.Tensors)
        {
            // AdamW divides a gradient by its own size, so of one that is all rounding noise (a key's bias has exactly none: it adds the same to all scores of a query) it
            // makes a whole step, and no two implementations round alike. What rounding of the gradient does to a step is allowed for.
            var own = name["agent0.".Length..];
            var gradient = peer.Tensors["gradient." + own].Data;
            var noise = Rounding * gradient.Max(Math.Abs);
            Peer.AssertClose(peer.Tensors["weight." + own].Data, tensor.Data, "weight " + name, i => options.steps * options.rate * Math.Min(1, noise / Math.Max(Math.Abs(gradient[i]), 1e-30)));
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Managed_execution_equals_libtorch(NetworkKind kind, int width, int length, int others, PlanOf of, OthersEncoding encoding)
    {
        var spec = Spec(kind, width, length, others, of, encoding);
        var weights = RandomModel.Weights(spec, seed: 4);
        var inputs = Inputs(spec, batch: 7);
        using var networks = new NetworkSet(spec, seed: 0, "cpu");
        networks.Parameters.ImportWeights(weights, "random model");
        var expected = networks.Forward(0, inputs.X, inputs.Noise, inputs.Condition);
        var denoiser = Denoiser.Load(spec, 0, weights, "random model");
        var output = new float[spec.PlanSize];
        for (var b = 0; b < inputs.Noise.Length; b++)
        {
            denoiser.Forward(inputs.X.AsSpan(b * spec.PlanSize, spec.PlanSize), inputs.Noise[b], inputs.Condition.AsSpan(b * spec.ConditionSize, spec.ConditionSize), output);
            Peer.AssertClose(expected.AsSpan(b * spec.PlanSize, spec.PlanSize), output, $"sample {b}");
        }
    }

    private static ModelSpec Spec(NetworkKind kind, int width, int length, int others, PlanOf of, OthersEncoding encoding)
    {
        var spec = RandomModel.Spec(kind, width, agents: 1, planLength: length);
        return RandomModel.Complete(spec with
        {
            Network = spec.Network with { Octaves = kind == NetworkKind.Mlp ? others : 0, Others = encoding },
            Plan = spec.Plan with { Of = of },
            Sensor = spec.Sensor with { Others = new OthersSpec { Count = others, Presence = true }, History = encoding == OthersEncoding.Set ? 1 : spec.Sensor.History },
            ModeShares = encoding == OthersEncoding.Set ? [0.5, 0.5] : null,
        });
    }

    private static BatchInputs Inputs(ModelSpec spec, int batch)
    {
        var random = new CounterRandom(17, RandomPurpose.TrainingBatches);
        float[] Normal(int count)
        {
            var values = new float[count];
            random.FillNormal(values);
            return values;
        }

        return new BatchInputs(Normal(batch * spec.PlanSize), Normal(batch), Normal(batch * spec.ConditionSize), Normal(batch * spec.PlanSize));
    }

    private sealed record BatchInputs(float[] X, float[] Noise, float[] Condition, float[] Target);
}
