using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.AgentsTests;

/// <summary>Model files with random weights, for tests that need one that runs and not one that is trained. Linked by other test projects.</summary>
public static class RandomModel
{
    /// <summary>A description: two dimensions, the own velocity, goal and one other sensed.</summary>
    public static ModelSpec Spec(NetworkKind kind = NetworkKind.Mlp, int width = 32, int agents = 2, bool shared = false, int planLength = 8) => Complete(new ModelSpec
    {
        Scenario = "test",
        Agents = agents,
        TimeStep = 0.1,
        SharedWeights = shared,
        Sensor = new SensorSpec { Dimensions = 2, Velocity = true, Goal = Frame.Relative, Others = new OthersSpec(), History = 2 },
        Plan = new PlanSpec { Length = planLength, Frame = Frame.Absolute },
        Network = new NetworkSpec { Kind = kind, Width = width, Depth = 2, Heads = 2, Expansion = kind == NetworkKind.Mlp ? 1 : 4, ConditionWidth = 16, ConditionHeads = 4 },
        Sampling = new SamplingSpec { Steps = 4, Execute = Math.Min(2, planLength - 1) },
        Normalisation = [],
    });

    /// <summary>The same with plans of all agents: everything sensed by identity and, for one joint plan, as every observer senses it.</summary>
    public static ModelSpec SpecOf(PlanOf of, NetworkKind kind = NetworkKind.Mlp, int width = 32, int agents = 3, Frame frame = Frame.Absolute, bool present = false, int planLength = 8)
    {
        var spec = Spec(kind, width, agents, shared: of == PlanOf.Joint, planLength);
        return Complete(spec with
        {
            Sensor = spec.Sensor with { Others = new OthersSpec { Count = Math.Max(agents - 1, 1), Order = OtherOrder.Identity, Frame = Frame.Absolute, Full = true } },
            Plan = spec.Plan with { Of = of, Frame = frame, StartsAtPresent = present },
            Sampling = spec.Sampling with { SharedNoise = of == PlanOf.Joint },
        });
    }

    /// <summary>The description with normalisations of the right sizes; call it after a size was changed.</summary>
    public static ModelSpec Complete(ModelSpec spec)
    {
        var entries = new NormalisationSpec[spec.Networks];
        for (var i = 0; i < entries.Length; i++)
        {
            var random = new CounterRandom(11, RandomPurpose.TrainingWeights, -1, i);
            entries[i] = new NormalisationSpec(
                Fill(spec.ConditionSize, () => (float)random.NextUniform(-1, 1)),
                Fill(spec.ConditionSize, () => (float)random.NextUniform(0.5, 2)),
                Fill(spec.PlanSize, () => (float)random.NextUniform(-1, 1)),
                Fill(spec.PlanSize, () => (float)random.NextUniform(0.5, 2)),
                0.9);
        }

        return spec with { Normalisation = entries };
    }

    /// <summary>The file's content. Weights are normal with deviation gain / sqrt(inputs), biases with 0.1 gain.</summary>
    public static SafeTensors Weights(ModelSpec spec, ulong seed = 1, double gain = 1)
    {
        var file = new SafeTensors();
        file.Metadata[ModelSpec.MetadataKey] = StrictJson.Format(spec, indented: false);
        for (var i = 0; i < spec.Networks; i++)
        {
            var at = 0;
            foreach (var tensor in NetworkTensors.Of(spec))
            {
                var random = new CounterRandom(seed, RandomPurpose.TrainingWeights, at++, i);
                var deviation = gain * (tensor.Shape.Length == 2 ? 1 / Math.Sqrt(tensor.Shape[1]) : 0.1);
                file.Add(spec.WeightPrefix(i) + tensor.Name, Fill(tensor.Shape.Aggregate(1, (a, b) => a * b), () => (float)(deviation * random.NextNormal())), tensor.Shape);
            }
        }

        return file;
    }

    /// <summary>Writes such a model file.</summary>
    public static void Write(string path, ModelSpec spec, ulong seed = 1, double gain = 1) => Weights(spec, seed, gain).Write(path);

    /// <summary>The model, loaded from bytes that were never on a disk for longer than this call.</summary>
    public static Model Load(ModelSpec spec, ulong seed = 1, double gain = 1, Kernels? kernels = null)
    {
        var path = Path.Combine(Path.GetTempPath(), $"mimicd-{Guid.NewGuid():N}.safetensors");
        try
        {
            Write(path, spec, seed, gain);
            return Model.Load(path, kernels);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static float[] Fill(int length, Func<float> next)
    {
        var values = new float[length];
        for (var i = 0; i < length; i++)
        {
            values[i] = next();
        }

        return values;
    }
}
