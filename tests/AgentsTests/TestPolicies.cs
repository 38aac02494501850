using MimicD.Agents;

namespace MimicD.AgentsTests;

/// <summary>A cheap policy whose plan depends on every number that it is given.</summary>
internal sealed class MixingPolicy(int history, int planActions) : IPolicy
{
    public int FrameSize => 2;

    public int History => history;

    public int ActionSize => 2;

    public int PlanActions => planActions;

    public int NoiseSize => 3;

    public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions)
    {
        for (var i = 0; i < actions.Length; i++)
        {
            var value = i + 1f;
            foreach (var f in frames)
            {
                value = value * 0.9f + f;
            }

            foreach (var n in noise)
            {
                value = value * 0.8f + n;
            }

            actions[i] = value;
        }

        return 1;
    }
}

/// <summary>Writes down the frames that it is shown, and acts by its newest number plus one.</summary>
internal sealed class RecordingPolicy(List<float[]> seen, int history = 1) : IPolicy
{
    public int FrameSize => 1;

    public int History => history;

    public int ActionSize => 1;

    public int PlanActions => 1;

    public int NoiseSize => 0;

    public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions)
    {
        seen.Add(frames.ToArray());
        actions[0] = frames[0] + 1;
        return 0;
    }
}

/// <summary>Does what it is told to do, with one number in and one out.</summary>
internal sealed class FunctionPolicy(Func<float, float> function) : IPolicy
{
    public int FrameSize => 1;

    public int History => 1;

    public int ActionSize => 1;

    public int PlanActions => 1;

    public int NoiseSize => 0;

    public int Plan(ReadOnlySpan<float> frames, ReadOnlySpan<float> noise, Span<float> actions)
    {
        actions[0] = function(frames[0]);
        return 1;
    }
}
