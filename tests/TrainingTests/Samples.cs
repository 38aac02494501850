using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Training;
using MimicD.World;

namespace MimicD.TrainingTests;

/// <summary>Small demonstrations and presets that train in milliseconds.</summary>
internal static class Samples
{
    public static Scenario Swap { get; } = Scenario.Load(Path.Combine(AppContext.BaseDirectory, "scenarios", "swap.json"));

    /// <summary>M joint demonstrations of two agents that pass each other on arcs, 30 steps.</summary>
    public static DemonstrationSet Demonstrations(int count = 8)
    {
        const int steps = 30;
        var positions = new double[count * 2 * steps * 2];
        for (var m = 0; m < count; m++)
        {
            var random = new CounterRandom(5, RandomPurpose.Experts, m);
            var side = random.NextDouble() < 0.5 ? 1 : -1;
            var height = random.NextUniform(4.5, 5.5);
            for (var t = 0; t < steps; t++)
            {
                var s = t / (steps - 1.0);
                var at = ((m * 2) * steps + t) * 2;
                (positions[at], positions[at + 1]) = (20 * s, side * height * Math.Sin(Math.PI * s));
                at += steps * 2;
                (positions[at], positions[at + 1]) = (20 - 20 * s, -side * height * Math.Sin(Math.PI * s));
            }
        }

        return new DemonstrationSet(new NdArray<double>([count, 2, steps, 2], positions), null, null, new DemonstrationMeta { Scenario = "swap", TimeStep = 0.1 });
    }

    public static TrainingPreset Preset(NetworkKind kind = NetworkKind.Mlp, int steps = 20, Frame frame = Frame.Relative, double dropout = 0.1) => new()
    {
        Model = new ModelShape
        {
            Sensor = new SensorSpec { Velocity = true, Goal = Frame.Relative, Others = new OthersSpec { Order = OtherOrder.Identity, Velocity = true }, Obstacles = new ObstaclesSpec(), History = 2 },
            Plan = new PlanSpec { Length = 6, Frame = frame, StartsAtPresent = frame == Frame.Absolute },
            Network = new NetworkSpec { Kind = kind, Width = 16, Depth = 2, Heads = 2, Expansion = 2, ConditionWidth = 8, ConditionHeads = 4 },
        },
        Training = new OptimisationSpec { Steps = steps, Batch = 8, Dropout = dropout, ConditionDropout = kind == NetworkKind.Dit ? 0.2 : 0, OffsetDeviation = frame == Frame.Relative ? 0.1 : 0, Normalisation = frame == Frame.Relative ? PlanNormalisation.Position : PlanNormalisation.Coordinate, PresentWeight = frame == Frame.Absolute ? 2 : 0 },
    };

    /// <summary>The preset with plans of all agents.</summary>
    public static TrainingPreset PlanningFor(this TrainingPreset preset, PlanOf of)
    {
        var model = preset.Model with { Plan = preset.Model.Plan with { Of = of } };
        return preset with
        {
            Model = of != PlanOf.Joint ? model : model with
            {
                SharedWeights = true,
                Sensor = model.Sensor with { Others = model.Sensor.Others! with { Frame = Frame.Absolute, Full = true } },
                Sampling = model.Sampling with { SharedNoise = true },
            },
        };
    }

    public static string TemporaryFolder() => Directory.CreateTempSubdirectory("mimicd-training-").FullName;
}
