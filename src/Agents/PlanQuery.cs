namespace MimicD.Agents;

/// <summary>What one agent asks of its policy, where several are asked at once: each gets the answer that it would get alone, and none sees another's.</summary>
/// <param name="Frames">Its own newest frames, [history, frame size], newest first.</param>
/// <param name="Noise">Its noise, [noise size].</param>
/// <param name="Mode">Its joint mode, or <see cref="SharedMode.None"/>.</param>
/// <param name="Previous">What is left of its last plan, or empty.</param>
/// <param name="Actions">Receives its plan, [plan actions, action size].</param>
public readonly record struct PlanQuery(ReadOnlyMemory<float> Frames, ReadOnlyMemory<float> Noise, int Mode, ReadOnlyMemory<float> Previous, Memory<float> Actions);
