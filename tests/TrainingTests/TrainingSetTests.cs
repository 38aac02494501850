using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.Training;

namespace MimicD.TrainingTests;

public sealed class TrainingSetTests
{
    [Fact]
    public void A_window_past_the_end_repeats_the_last_row()
    {
        var demonstrations = Samples.Demonstrations(2);
        var set = new TrainingSet(demonstrations, Samples.Swap, Samples.Preset(frame: Frame.Absolute));
        var (condition, plan) = Buffers(set);
        var random = new CounterRandom(1, RandomPurpose.TrainingAugmentation);
        var path = demonstrations.Path(1, 0);
        set.Sample(30 + 28, 0, ref random, condition, plan);
        Assert.Equal((float)path[28 * 2], plan[0]);
        for (var k = 1; k < 6; k++)
        {
            Assert.Equal((float)path[29 * 2], plan[2 * k]);
            Assert.Equal((float)path[29 * 2 + 1], plan[2 * k + 1]);
        }
    }

    [Theory]
    [InlineData(false, 20_000)]
    [InlineData(true, 20_000)]
    [InlineData(false, 3_000)]
    public void A_budget_of_weights_is_used_up_to_the_next_width_and_never_exceeded(bool sharedWeights, int each)
    {
        var preset = Samples.Preset();
        preset = preset with { Model = preset.Model with { SharedWeights = sharedWeights, ParametersPerAgent = each } };
        var spec = new TrainingSet(Samples.Demonstrations(2), Samples.Swap, preset).Spec;
        long Weights(int width) => (sharedWeights ? 1 : 2) * NetworkTensors.Of(spec with { Network = spec.Network with { Width = width } }).Sum(t => t.Shape.Aggregate(1L, (a, b) => a * b));

        Assert.Equal(0, spec.Network.Width % 4);
        Assert.InRange(Weights(spec.Network.Width), 1, 2 * each);
        Assert.True(Weights(spec.Network.Width + 4) > 2 * each);
    }

    [Fact]
    public void A_budget_too_small_for_any_network_is_refused()
    {
        var preset = Samples.Preset();
        preset = preset with { Model = preset.Model with { ParametersPerAgent = 10 } };
        Assert.StartsWith("preset: model.parametersPerAgent: expected at least ", Assert.Throws<InvalidInputException>(() => new TrainingSet(Samples.Demonstrations(2), Samples.Swap, preset)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_relative_window_starts_at_the_next_position()
    {
        var demonstrations = Samples.Demonstrations(1);
        var preset = Samples.Preset();
        var set = new TrainingSet(demonstrations, Samples.Swap, preset with { Training = preset.Training with { OffsetDeviation = 0 } });
        var (condition, plan) = Buffers(set);
        var random = new CounterRandom(1, RandomPurpose.TrainingAugmentation);
        set.Sample(10, 1, ref random, condition, plan);
        var path = demonstrations.Path(0, 1);
        for (var k = 0; k < 6; k++)
        {
            Assert.Equal(path[(11 + k) * 2] - path[20], plan[2 * k], 5);
        }

        Assert.Equal((float)path[20], condition[0]);
        Assert.Equal((path[20] - path[18]) / 0.1, condition[2], 4);
    }

    [Fact]
    public void An_offset_moves_past_and_present_and_dies_out_in_the_future()
    {
        var demonstrations = Samples.Demonstrations(1);
        var preset = Samples.Preset();
        preset = preset with { Training = preset.Training with { OffsetDeviation = 0.3, OffsetDecay = 0.5 } };
        var set = new TrainingSet(demonstrations, Samples.Swap, preset);
        var (condition, plan) = Buffers(set);
        var random = new CounterRandom(3, RandomPurpose.TrainingAugmentation);
        set.Sample(10, 0, ref random, condition, plan);
        var path = demonstrations.Path(0, 0);
        var offset = condition[0] - path[20];
        Assert.True(Math.Abs(offset) > 1e-3);
        for (var k = 0; k < 6; k++)
        {
            Assert.Equal(path[(11 + k) * 2] + offset * Math.Pow(0.5, k + 1), plan[2 * k] + condition[0], 4);
        }
    }

    [Fact]
    public void Offsets_wander_as_a_stationary_first_order_process()
    {
        var demonstrations = Samples.Demonstrations(1);
        var preset = Samples.Preset();
        preset = preset with { Training = preset.Training with { OffsetDeviation = 0.3, OffsetDecay = 0.5 } };
        var set = new TrainingSet(demonstrations, Samples.Swap, preset);
        var (condition, plan) = Buffers(set);
        var random = new CounterRandom(8, RandomPurpose.TrainingAugmentation);
        var path = demonstrations.Path(0, 0);
        var frame = set.Spec.ConditionFrameSize;
        var (now, past, product) = (0.0, 0.0, 0.0);
        const int draws = 20_000;
        for (var i = 0; i < draws; i++)
        {
            set.Sample(10, 0, ref random, condition, plan);
            var (a, b) = (condition[0] - path[20], condition[frame] - path[18]);
            // The velocity is that of the wandering positions.
            Assert.Equal((condition[0] - condition[frame]) / 0.1, condition[2], 1e-3);
            (now, past, product) = (now + a * a / draws, past + b * b / draws, product + a * b / draws);
        }

        // Standard errors: 0.09 sqrt(2 / 20000) = 0.0009.
        Assert.InRange(now, 0.086, 0.094);
        Assert.InRange(past, 0.086, 0.094);
        Assert.InRange(product / 0.09, 0.46, 0.54);
    }

    [Theory]
    [InlineData(PlanNormalisation.Coordinate)]
    [InlineData(PlanNormalisation.Position)]
    public void Normalised_samples_have_mean_0_and_deviation_1(PlanNormalisation normalisation)
    {
        var preset = Samples.Preset();
        preset = preset with { Training = preset.Training with { OffsetDeviation = 0, Normalisation = normalisation } };
        var set = new TrainingSet(Samples.Demonstrations(), Samples.Swap, preset);
        var (condition, plan) = Buffers(set);
        var constants = set.Spec.Normalisation[1];
        var random = new CounterRandom(1, RandomPurpose.TrainingAugmentation);
        var (sum, squares) = (new double[plan.Length], 0.0);
        var conditionSum = new double[condition.Length];
        for (var i = 0; i < set.Count; i++)
        {
            set.Sample(i, 1, ref random, condition, plan);
            for (var j = 0; j < plan.Length; j++)
            {
                var x = (plan[j] - constants.PlanMean[j]) / (double)constants.PlanDeviation[j];
                sum[j] += x / set.Count;
                squares += x * x / set.Count / plan.Length;
            }

            for (var j = 0; j < condition.Length; j++)
            {
                conditionSum[j] += (condition[j] - constants.ConditionMean[j]) / (double)constants.ConditionDeviation[j] / set.Count;
            }
        }

        Assert.Equal(0, sum.Average(), 4);
        Assert.Equal(1, squares, 3);
        Assert.Equal(constants.SigmaData, Math.Sqrt(squares), 3);
        Assert.All(conditionSum, s => Assert.Equal(0, s, 3));
    }

    [Fact]
    public void The_paper_normalises_the_other_with_the_others_constants()
    {
        var preset = TrainingPreset.Load(Path.Combine(AppContext.BaseDirectory, "presets", "paper.json"), []);
        var constants = new TrainingSet(Samples.Demonstrations(), Samples.Swap, preset).Spec.Normalisation;
        for (var agent = 0; agent < 2; agent++)
        {
            Assert.Equal(constants[agent].PlanMean[..2], constants[agent].ConditionMean[..2]);
            Assert.Equal(constants[1 - agent].PlanMean[..2], constants[agent].ConditionMean[2..]);
            Assert.Equal(constants[1 - agent].PlanDeviation[..2], constants[agent].ConditionDeviation[2..]);
        }

        Assert.NotEqual(constants[0].PlanMean[0], constants[1].PlanMean[0]);
    }

    [Fact]
    public void The_target_of_a_batch_is_what_denoises_it()
    {
        var preset = Samples.Preset();
        preset = preset with { Training = preset.Training with { OffsetDeviation = 0, ConditionDropout = 0 } };
        var set = new TrainingSet(Samples.Demonstrations(1), Samples.Swap, preset);
        var batch = new Batch(16, set.Spec.PlanSize, set.Spec.ConditionSize);
        batch.Fill(set, Training.Objectives.Objective.Of(set.Spec, preset.Training), preset.Training, seed: 3, step: 9, agent: 1);
        var constants = set.Spec.Normalisation[1];
        var sd = constants.SigmaData;
        var choice = new CounterRandom(3, RandomPurpose.TrainingBatches, 9, 1);
        var (condition, plan) = Buffers(set);
        for (var b = 0; b < 16; b++)
        {
            var sigma = Math.Exp(4 * batch.Noise[b]);
            var total = sigma * sigma + sd * sd;
            var random = new CounterRandom(0, RandomPurpose.TrainingAugmentation);
            set.Sample(choice.NextInt32(set.Count), 1, ref random, condition, plan);
            for (var i = 0; i < plan.Length; i++)
            {
                var at = b * plan.Length + i;
                // D = c_skip y + c_out F with y = input / c_in and F = target must be the clean sample.
                var denoised = sd * sd / total * (batch.Input[at] * Math.Sqrt(total)) + sigma * sd / Math.Sqrt(total) * batch.Target[at];
                Assert.Equal((plan[i] - constants.PlanMean[i]) / constants.PlanDeviation[i], denoised, 3);
            }
        }
    }

    [Fact]
    public void The_joint_mode_ends_the_condition_and_its_shares_go_into_the_model()
    {
        var preset = Samples.Preset();
        preset = preset with { Model = preset.Model with { SharedMode = true } };
        var unlabelled = Samples.Demonstrations(4);
        var labelled = new World.DemonstrationSet(unlabelled.Positions, null, [1, 3, 3, 2], unlabelled.Meta);
        var set = new TrainingSet(labelled, Samples.Swap, preset);
        Assert.Equal([0.25, 0.25, 0.5], set.Spec.ModeShares!);
        var (condition, plan) = Buffers(set);
        var random = new CounterRandom(1, RandomPurpose.TrainingAugmentation);
        set.Sample(2 * 30 + 4, 1, ref random, condition, plan);
        Assert.Equal([0, 0, 1], condition[^3..]);
        var error = Assert.Throws<InvalidInputException>(() => new TrainingSet(unlabelled, Samples.Swap with { Modes = World.ModeRule.None }, preset));
        Assert.Contains("mode", error.Message, StringComparison.Ordinal);
        // Where the scenario tells modes apart the paths do for labels.
        Assert.InRange(new TrainingSet(unlabelled, Samples.Swap, preset).Spec.ModeCount, 2, 6);
        error = Assert.Throws<InvalidInputException>(() => new TrainingSet(new World.DemonstrationSet(unlabelled.Positions, null, [1, 0, 2, 2], unlabelled.Meta), Samples.Swap, preset));
        Assert.EndsWith("found 1 of 4 that show none (the first is demonstration 1), in which not every agent came past", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Slots_that_a_preset_leaves_open_are_as_many_as_the_scenario_has()
    {
        var preset = Samples.Preset();
        TrainingPreset With(int others, int obstacles) => preset with { Model = preset.Model with { Sensor = preset.Model.Sensor with { Others = preset.Model.Sensor.Others! with { Count = others }, Obstacles = new ObstaclesSpec { Count = obstacles } } } };
        var open = With(0, 0);
        open.Validate("preset");
        Assert.Equal(StrictJson.Format(With(1, 1)), StrictJson.Format(open.FittedTo(Samples.Swap)));
        Assert.Equal(StrictJson.Format(new TrainingSet(Samples.Demonstrations(2), Samples.Swap, With(1, 1)).Spec), StrictJson.Format(new TrainingSet(Samples.Demonstrations(2), Samples.Swap, open).Spec));
        Assert.Null(open.FittedTo(Samples.Swap with { Obstacles = [] }).Model.Sensor.Obstacles);
    }

    [Theory]
    [InlineData(PlanOf.All, Frame.Absolute)]
    [InlineData(PlanOf.All, Frame.Relative)]
    [InlineData(PlanOf.Joint, Frame.Absolute)]
    [InlineData(PlanOf.Joint, Frame.Relative)]
    public void A_window_of_everybody_holds_each_agents_own_window(PlanOf of, Frame frame)
    {
        var preset = Samples.Preset(frame: frame);
        preset = preset with { Training = preset.Training with { OffsetDeviation = 0.2 } };
        var alone = new TrainingSet(Samples.Demonstrations(2), Samples.Swap, preset);
        var set = new TrainingSet(Samples.Demonstrations(2), Samples.Swap, preset.PlanningFor(of));
        var (condition, plan) = (new float[set.Spec.ConditionSize], new float[set.Spec.PlanSize]);
        var (own, window) = Buffers(alone);
        Assert.Equal(2 * window.Length, plan.Length);
        for (var agent = 0; agent < 2; agent++)
        {
            var random = new CounterRandom(6, RandomPurpose.TrainingAugmentation);
            set.Sample(30 + 12, agent, ref random, condition, plan);
            for (var whose = 0; whose < 2; whose++)
            {
                random = new CounterRandom(6, RandomPurpose.TrainingAugmentation);
                alone.Sample(30 + 12, whose, ref random, own, window);
                var column = of == PlanOf.Joint ? whose : whose == agent ? 0 : 1;
                Assert.Equal(window, plan.Chunk(4).SelectMany(row => row[(2 * column)..(2 * column + 2)]));
            }
        }
    }

    [Theory]
    [InlineData(PlanOf.All, Frame.Absolute)]
    [InlineData(PlanOf.All, Frame.Relative)]
    [InlineData(PlanOf.Joint, Frame.Absolute)]
    [InlineData(PlanOf.Joint, Frame.Relative)]
    public void Each_agents_positions_are_normalised_by_its_own_statistics_whoever_plans_them(PlanOf of, Frame frame)
    {
        var preset = Samples.Preset(frame: frame);
        preset = preset with { Training = preset.Training with { OffsetDeviation = 0 } };
        var alone = new TrainingSet(Samples.Demonstrations(2), Samples.Swap, preset).Spec.Normalisation;
        var together = new TrainingSet(Samples.Demonstrations(2), Samples.Swap, preset.PlanningFor(of)).Spec.Normalisation;
        for (var network = 0; network < together.Length; network++)
        {
            for (var whose = 0; whose < 2; whose++)
            {
                var column = of == PlanOf.Joint ? whose : whose == network ? 0 : 1;
                Assert.Equal(alone[whose].PlanMean, together[network].PlanMean.Chunk(4).SelectMany(row => row[(2 * column)..(2 * column + 2)]));
                Assert.Equal(alone[whose].PlanDeviation, together[network].PlanDeviation.Chunk(4).SelectMany(row => row[(2 * column)..(2 * column + 2)]));
            }
        }
    }

    [Fact]
    public void All_agents_have_the_same_joint_samples_so_one_agents_are_trained_on()
    {
        var set = new TrainingSet(Samples.Demonstrations(2), Samples.Swap, Samples.Preset().PlanningFor(PlanOf.Joint));
        var (first, second) = (new float[set.Spec.ConditionSize + set.Spec.PlanSize], new float[set.Spec.ConditionSize + set.Spec.PlanSize]);
        for (var index = 0; index < set.Count; index += 7)
        {
            foreach (var (agent, sample) in new[] { (0, first), (1, second) })
            {
                var random = new CounterRandom((ulong)index, RandomPurpose.TrainingAugmentation);
                set.Sample(index, agent, ref random, sample.AsSpan(0, set.Spec.ConditionSize), sample.AsSpan(set.Spec.ConditionSize));
            }

            Assert.Equal(first, second);
        }

        Assert.Equal(1, set.Learners);
        Assert.Single(set.Spec.Normalisation);
        Assert.Equal(2, new TrainingSet(Samples.Demonstrations(2), Samples.Swap, Samples.Preset().PlanningFor(PlanOf.All)).Learners);
    }

    [Fact]
    public void A_joint_plan_is_not_trained_where_the_others_are_not_sensed_exactly()
    {
        var scenario = Samples.Swap with { Sensing = new World.SensingSpec { Delay = 1 } };
        var error = Assert.Throws<InvalidInputException>(() => new TrainingSet(Samples.Demonstrations(1), scenario, Samples.Preset().PlanningFor(PlanOf.Joint)));
        Assert.Equal("preset: plan.of: expected own or all, because in scenario swap the others are not sensed exactly, found joint", error.Message);
    }

    [Fact]
    public void Demonstrations_of_another_scenario_are_refused()
    {
        string Refusal(int agents, double timeStep)
        {
            var set = new World.DemonstrationSet(new NdArray<double>([1, agents, 30, 2], new double[agents * 60]), null, null, new World.DemonstrationMeta { Scenario = "swap", TimeStep = timeStep });
            return Assert.Throws<InvalidInputException>(() => new TrainingSet(set, Samples.Swap, Samples.Preset())).Message;
        }

        Assert.Equal("demonstrations: agents: expected 2 as in scenario swap, found 3", Refusal(3, 0.1));
        Assert.Equal("demonstrations: timeStep: expected 0.1 as in scenario swap, found 0.05", Refusal(2, 0.05));
    }

    [Fact]
    public void Samples_of_shorter_demonstrations_end_with_them()
    {
        // Demonstration 1 is cut to 20 of 30 positions; what stands behind it must not matter.
        var whole = Samples.Demonstrations(3);
        var padded = (double[])whole.Positions.Data.Clone();
        padded.AsSpan(2 * 60 + 40, 20).Fill(7);
        padded.AsSpan(3 * 60 + 40, 20).Fill(-7);
        var set = new TrainingSet(new World.DemonstrationSet(new NdArray<double>([3, 2, 30, 2], padded), null, null, whole.Meta, [30, 20, 30]), Samples.Swap, Samples.Preset());
        Assert.Equal(80, set.Count);

        var cut = new double[80];
        whole.Path(1, 0)[..40].CopyTo(cut);
        whole.Path(1, 1)[..40].CopyTo(cut.AsSpan(40));
        var alone = new TrainingSet(new World.DemonstrationSet(new NdArray<double>([1, 2, 20, 2], cut), null, null, whole.Meta), Samples.Swap, Samples.Preset());
        var (expected, found) = (Buffers(alone), Buffers(set));
        for (var tick = 0; tick < 20; tick++)
        {
            for (var agent = 0; agent < 2; agent++)
            {
                var (a, b) = (new CounterRandom(1, RandomPurpose.TrainingAugmentation), new CounterRandom(1, RandomPurpose.TrainingAugmentation));
                alone.Sample(tick, agent, ref a, expected.Condition, expected.Plan);
                set.Sample(30 + tick, agent, ref b, found.Condition, found.Plan);
                Assert.Equal(expected.Condition, found.Condition);
                Assert.Equal(expected.Plan, found.Plan);
            }
        }

        // The first sample behind it is the next one's.
        var equal = new TrainingSet(whole, Samples.Swap, Samples.Preset());
        var (one, other) = (new CounterRandom(2, RandomPurpose.TrainingAugmentation), new CounterRandom(2, RandomPurpose.TrainingAugmentation));
        set.Sample(50, 1, ref one, found.Condition, found.Plan);
        equal.Sample(60, 1, ref other, expected.Condition, expected.Plan);
        Assert.Equal(expected.Plan, found.Plan);
    }

    [Theory]
    [InlineData(2, "demonstrations: positions: expected at least 4 in each demonstration, found 2 in demonstration 0")]
    [InlineData(3, "demonstrations: positions: expected at least 4 in each demonstration, found 3 in demonstration 0")]
    [InlineData(6, "demonstrations: positions: expected at least 7 in one of them, the present one and a plan's (model.plan.length 6), found at most 6")]
    public void Demonstrations_that_are_too_short_are_refused(int steps, string expected)
    {
        var positions = Enumerable.Range(0, 2 * 2 * steps * 2).Select(i => (double)i).ToArray();
        var set = new World.DemonstrationSet(new NdArray<double>([2, 2, steps, 2], positions), null, null, new World.DemonstrationMeta { Scenario = "swap", TimeStep = 0.1 });
        Assert.Equal(expected, Assert.Throws<InvalidInputException>(() => new TrainingSet(set, Samples.Swap, Samples.Preset())).Message);
    }

    private static (float[] Condition, float[] Plan) Buffers(TrainingSet set) => (new float[set.Spec.ConditionSize], new float[set.Window * 2]);
}
