using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Training;
using MimicD.World;

namespace MimicD.TrainingTests;

/// <summary>One network for any number of agents: samples of several sets of demonstrations, others as a set, axes that point to the goal.</summary>
public sealed class SharedSetTests
{
    private static readonly Scenario Ring = Scenario.Load(Path.Combine(AppContext.BaseDirectory, "scenarios", "ring.json"));

    [Fact]
    public void Several_sets_make_one_in_which_every_agents_every_tick_is_a_sample()
    {
        DemonstrationSet[] sets = [Demonstrations(2, 3, 12), Demonstrations(5, 2, 9)];
        var preset = Preset();
        var all = new TrainingSet(sets, Ring, preset);
        Assert.Equal(2 * 3 * 12 + 5 * 2 * 9, all.Count);
        Assert.Equal(1, all.Learners);
        Assert.Equal(5, all.Spec.Agents);
        Assert.Equal([0.4, 0.6], all.Spec.ModeShares!);
        var at = 0;
        foreach (var set in sets)
        {
            var alone = new TrainingSet(set, Ring.WithAgents(set.Agents), preset);
            for (var index = 0; index < alone.Count; index++)
            {
                for (var agent = 0; agent < set.Agents; agent++, at++)
                {
                    var (expected, found) = (Sample(alone, index, agent), Sample(all, at, 0));
                    Assert.Equal(expected.Condition, found.Condition);
                    Assert.Equal(expected.Plan, found.Plan);
                }
            }
        }

        Assert.Equal(all.Count, at);
    }

    [Fact]
    public void All_slots_of_a_set_have_the_constants_of_those_that_somebody_is_in()
    {
        var preset = Preset();
        preset = preset with { Training = preset.Training with { OffsetDeviation = 0 } };
        // Three slots, and two agents in one set: two slots are empty there.
        var set = new TrainingSet([Demonstrations(2, 4, 10), Demonstrations(3, 2, 10)], Ring, preset);
        var (n, slots) = (Assert.Single(set.Spec.Normalisation), set.Spec.Slots!.Value);
        var present = new List<float[]>();
        for (var index = 0; index < set.Count; index++)
        {
            var condition = Sample(set, index, 0).Condition;
            for (var k = 0; k < slots.Count; k++)
            {
                var slot = condition[(slots.Start + k * slots.Size)..(slots.Start + (k + 1) * slots.Size)];
                if (slot[^1] == 1)
                {
                    present.Add(slot);
                }
            }
        }

        Assert.InRange(present.Count, 1, slots.Count * set.Count - 1);
        for (var k = 0; k < slots.Count; k++)
        {
            for (var i = 0; i < slots.Size; i++)
            {
                var at = slots.Start + k * slots.Size + i;
                var (mean, deviation) = (present.Average(s => (double)s[i]), Math.Sqrt(present.Average(s => (s[i] - present.Average(o => (double)o[i])) * (s[i] - present.Average(o => (double)o[i])))));
                Assert.Equal(i == slots.Size - 1 ? 0 : mean, n.ConditionMean[at], 1e-4);
                Assert.Equal(i == slots.Size - 1 ? 1 : deviation, n.ConditionDeviation[at], 1e-4);
            }
        }
    }

    [Fact]
    public void A_sample_is_what_the_sensor_and_the_path_say_turned_to_the_goal()
    {
        var preset = Preset();
        preset = preset with { Training = preset.Training with { OffsetDeviation = 0 } };
        var demonstrations = Demonstrations(3, 2, 12);
        var turned = new TrainingSet(demonstrations, Ring.WithAgents(3), preset);
        var straight = new TrainingSet(demonstrations, Ring.WithAgents(3), preset with { Model = preset.Model with { GoalFrame = null } });
        var axes = new GoalFrame(preset.Model.GoalFrame!, preset.Model.Sensor);
        for (var tick = 0; tick < 12; tick++)
        {
            var (expected, found) = (Sample(straight, tick, 2), Sample(turned, tick, 2));
            var to = axes.Of(expected.Condition);
            axes.Turn(to, expected.Condition.AsSpan(0, expected.Condition.Length - 2));
            to.Into(expected.Plan);
            Assert.Equal(expected.Condition, found.Condition);
            Assert.Equal(expected.Plan, found.Plan);
            Assert.InRange(found.Condition[0], 0, (float)preset.Model.GoalFrame!.Reach + 1e-5f);
            Assert.Equal(0, found.Condition[1], 1e-5f);
        }
    }

    [Fact]
    public void Velocities_that_are_sensed_and_ignored_leave_no_trace_in_what_is_learned()
    {
        var preset = Preset();
        var with = new TrainingSet(Demonstrations(3, 2, 12), Ring.WithAgents(3), preset with { Model = preset.Model with { IgnoreVelocity = true } });
        var unsensed = preset.Model.Sensor.WithoutVelocities();
        var without = new TrainingSet(Demonstrations(3, 2, 12), Ring.WithAgents(3), preset with { Model = preset.Model with { Sensor = unsensed } });
        Assert.Equal(StrictJson.Format(without.Spec with { Sensor = with.Spec.Sensor, IgnoreVelocity = true }), StrictJson.Format(with.Spec));
        for (var tick = 0; tick < 12; tick++)
        {
            var (expected, found) = (Sample(without, tick, 1), Sample(with, tick, 1));
            Assert.Equal(expected.Condition, found.Condition);
            Assert.Equal(expected.Plan, found.Plan);
        }
    }

    [Fact]
    public void Several_sets_for_networks_of_their_own_are_refused()
    {
        DemonstrationSet[] sets = [Demonstrations(2, 2, 12), Demonstrations(3, 2, 12)];
        var preset = Preset();
        Assert.StartsWith("demonstrations: expected one set, unless model.sharedWeights", Refusal(preset with { Model = preset.Model with { SharedWeights = false } }), StringComparison.Ordinal);
        var open = preset.Model.Sensor with { Others = preset.Model.Sensor.Others! with { Count = 0 } };
        Assert.StartsWith("preset: model.sensor.others.count: expected above 0", Refusal(preset with { Model = preset.Model with { Sensor = open } }), StringComparison.Ordinal);

        string Refusal(TrainingPreset refused) => Assert.Throws<InvalidInputException>(() => new TrainingSet(sets, Ring, refused)).Message;
    }

    private static (float[] Condition, float[] Plan) Sample(TrainingSet set, int index, int agent)
    {
        var random = new CounterRandom(8, RandomPurpose.TrainingAugmentation);
        var (condition, plan) = (new float[set.Spec.ConditionSize], new float[set.Spec.PlanSize]);
        set.Sample(index, agent, ref random, condition, plan);
        return (condition, plan);
    }

    private static TrainingPreset Preset() => new()
    {
        Model = new ModelShape
        {
            Sensor = new SensorSpec { Goal = Frame.Relative, Others = new OthersSpec { Count = 3, Velocity = true, Presence = true } },
            ConditionOnPosition = false,
            GoalFrame = new GoalFrameSpec { Reach = 1.5 },
            SharedMode = true,
            SharedWeights = true,
            Plan = new PlanSpec { Length = 4, Frame = Frame.Relative },
            Network = new NetworkSpec { Kind = NetworkKind.Mlp, Width = 16, Depth = 1, Expansion = 1, Others = OthersEncoding.Set },
        },
        Training = new OptimisationSpec { Steps = 2, Batch = 4, Dropout = 0, OffsetDeviation = 0.1, Normalisation = PlanNormalisation.Position },
    };

    /// <summary>M joint demonstrations of N agents that wander; the first goes counter-clockwise by its label, the others clockwise.</summary>
    private static DemonstrationSet Demonstrations(int agents, int count, int steps)
    {
        var random = new CounterRandom(9, RandomPurpose.Experts, agents);
        var positions = new double[count * agents * steps * 2];
        for (var i = 0; i < positions.Length; i++)
        {
            positions[i] = random.NextUniform(-3, 3);
        }

        return new DemonstrationSet(new NdArray<double>([count, agents, steps, 2], positions), null, [.. Enumerable.Range(0, count).Select(m => m == 0 ? 1 : 2)], new DemonstrationMeta { Scenario = "ring", TimeStep = 0.1 });
    }
}
