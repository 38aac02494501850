using MimicD.Agents;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.Training.Adversarial;

/// <summary>Demonstrated transitions as the policies' networks would have seen them: what the samples of a <see cref="TrainingSet"/> are without augmentation, normalised by the model's constants.</summary>
internal sealed class ExpertTransitions
{
    private readonly TrainingSet _set;
    private readonly ModelSpec _spec;
    private readonly int[] _ends;

    /// <summary>Prepares them.</summary>
    /// <param name="demonstrations">Joint demonstrations.</param>
    /// <param name="scenario">Their scenario.</param>
    /// <param name="preset">What is trained.</param>
    /// <param name="spec">The model's description, with its constants.</param>
    public ExpertTransitions(DemonstrationSet demonstrations, Scenario scenario, TrainingPreset preset, ModelSpec spec)
    {
        _set = new TrainingSet(demonstrations, scenario, preset with { Training = preset.Training with { OffsetDeviation = 0 } });
        _spec = spec;
        _ends = new int[demonstrations.Count];
        for (var m = 0; m < _ends.Length; m++)
        {
            Count += demonstrations.Length(m) - 1;
            _ends[m] = Count;
        }
    }

    /// <summary>Joint transitions: every tick of every demonstration but the last.</summary>
    public int Count { get; }

    /// <summary>Writes one agent's part of a joint transition.</summary>
    /// <param name="index">0 to <see cref="Count"/>-1.</param>
    /// <param name="agent">Whose part.</param>
    /// <param name="condition">Receives [A].</param>
    /// <param name="action">Receives [D].</param>
    public void Write(int index, int agent, Span<float> condition, Span<float> action)
    {
        // Each demonstration has one sample that begins no transition, its last.
        var demonstration = Array.BinarySearch(_ends, index + 1) is var found && found >= 0 ? found : ~found;
        var unused = new CounterRandom(0, RandomPurpose.TrainingAugmentation);
        _set.Sample(index + demonstration, agent, ref unused, condition, action);
        var constants = _spec.Normalisation[_spec.SharedWeights ? 0 : agent];
        for (var i = 0; i < condition.Length; i++)
        {
            condition[i] = (condition[i] - constants.ConditionMean[i]) / constants.ConditionDeviation[i];
        }

        for (var i = 0; i < action.Length; i++)
        {
            action[i] = (action[i] - constants.PlanMean[i]) / constants.PlanDeviation[i];
        }
    }

    /// <summary>The joint mode of a demonstration as the condition has it, [K] of which one is 1; empty where the policy knows no modes.</summary>
    public float[] Mode(int demonstration)
    {
        var condition = new float[_spec.ConditionSize];
        var action = new float[_spec.PlanSize];
        var unused = new CounterRandom(0, RandomPurpose.TrainingAugmentation);
        _set.Sample((demonstration == 0 ? 0 : _ends[demonstration - 1]) + demonstration, 0, ref unused, condition, action);
        return condition[^_spec.ModeCount..];
    }
}
