using MimicD.Agents;
using MimicD.AgentsTests;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Training;
using MimicD.Training.Networks;
using MimicD.Training.Objectives;
using MimicD.Training.Torch;

namespace MimicD.TrainingTests;

/// <summary>What each method asks and how it counts errors, against the formulas as an independent PyTorch computes them.</summary>
[Collection(LibtorchTests.Name)]
public sealed class ObjectiveTests
{
    private const int Rows = 6;

    public static TheoryData<MethodKind, NetworkKind, double> Cases => new()
    {
        { MethodKind.Diffusion, NetworkKind.Mlp, 2 },
        { MethodKind.Diffusion, NetworkKind.Dit, 0 },
        { MethodKind.Flow, NetworkKind.Mlp, 0 },
        { MethodKind.Flow, NetworkKind.Dit, 2 },
        { MethodKind.Cloning, NetworkKind.Mlp, 2 },
        { MethodKind.Cloning, NetworkKind.Dit, 0 },
        { MethodKind.Mixture, NetworkKind.Mlp, 0 },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Loss_and_gradients_equal_PyTorch(MethodKind method, NetworkKind kind, double presentWeight)
    {
        var spec = Spec(method, kind);
        var weights = RandomModel.Weights(spec, seed: 3, gain: 0.7);
        var options = new OptimisationSpec { Steps = 1, Dropout = 0, PresentWeight = presentWeight };
        var objective = Objective.Of(spec, options);
        var sd = spec.Normalisation[0].SigmaData;
        var random = new CounterRandom(17, RandomPurpose.TrainingNoise);
        var (plan, epsilon, level) = (new float[Rows * spec.PlanSize], new float[Rows * spec.PlanSize], new float[Rows]);
        var batch = new Batch(Rows, spec.PlanSize, spec.ConditionSize);
        random.FillNormal(plan);
        random.FillNormal(epsilon);
        random.FillNormal(batch.Condition);
        for (var b = 0; b < Rows; b++)
        {
            level[b] = (float)objective.DrawLevel(ref random);
            var row = new Range(b * spec.PlanSize, (b + 1) * spec.PlanSize);
            batch.Ask(objective, b, plan[row], epsilon[row], level[b], sd);
        }

        var network = spec.Network;
        var peer = Peer.Run(
            StrictJson.Format(new
            {
                kind, width = network.Width, depth = network.Depth, heads = network.Heads, conditionWidth = network.ConditionWidth, conditionHeads = network.ConditionHeads, octaves = network.Octaves, dimensions = 2,
                rate = 1e-3, weightDecay = 0.0, clip = 1.0, steps = 1,
                objective = new { method, sigmaData = sd, presentWeight, components = network.Mixture?.Components ?? 0, floor = network.Mixture?.DeviationFloor ?? 0 },
            }),
            weights, Rows, ("plan", plan), ("epsilon", epsilon), ("level", level), ("condition", batch.Condition));

        using var networks = new NetworkSet(spec, seed: 0, "cpu");
        networks.Parameters.ImportWeights(weights, "random model");
        networks.Parameters.ClearGradients();
        using (new TensorScope())
        {
            var loss = networks.Loss(0, batch, objective, options);
            loss.Backward();
            Peer.AssertClose(peer.Tensors["forward"].Data, [(float)loss.Item()], "loss");
        }

        var gradients = networks.Parameters.Gradients();
        Assert.Equal(weights.Tensors.Count, gradients.Count);
        foreach (var (name, gradient) in gradients)
        {
            Peer.AssertClose(peer.Tensors["gradient." + name["agent0.".Length..]].Data, gradient, "gradient of " + name);
        }
    }

    [Fact]
    public void The_managed_mixture_head_equals_libtorch()
    {
        var spec = Spec(MethodKind.Mixture, NetworkKind.Mlp);
        var weights = RandomModel.Weights(spec, seed: 4);
        var (x, condition) = (new float[spec.PlanSize], new float[spec.ConditionSize]);
        new CounterRandom(18, RandomPurpose.TrainingNoise).FillNormal(condition);
        using var networks = new NetworkSet(spec, seed: 0, "cpu");
        networks.Parameters.ImportWeights(weights, "random model");
        var denoiser = Denoiser.Load(spec, 0, weights, "random model");
        var output = new float[denoiser.OutputSize];
        denoiser.Forward(x, 0, condition, output);
        Peer.AssertClose(networks.Forward(0, x, [0f], condition), output, "answer");
    }

    private static ModelSpec Spec(MethodKind method, NetworkKind kind)
    {
        var spec = RandomModel.Spec(kind, width: 24, agents: 1, planLength: 6);
        return RandomModel.Complete(spec with
        {
            Method = method,
            Network = spec.Network with { Mixture = method == MethodKind.Mixture ? new MixtureSpec { Components = 3, DeviationFloor = 0.05 } : null },
        });
    }
}
