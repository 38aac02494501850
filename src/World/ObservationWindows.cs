using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World;

/// <summary>
/// The latest observations that a world sent, kept on its side: what agents are built again from when they are gone, since an agent is a function of the seed and of its own
/// observations since its last replan and the history before it. Each agent is given its own part alone.
/// </summary>
public sealed class ObservationWindows
{
    private readonly int _bodies;
    private readonly int _frameSize;
    private readonly float[][] _frames;
    private readonly int[] _ticks;
    private int _recorded;

    /// <summary>Makes empty ones.</summary>
    /// <param name="bodies">Bodies of all episodes, E * N.</param>
    /// <param name="frameSize">Numbers in the longest observation (F).</param>
    /// <param name="capacity">Ticks kept: for every agent at least its history plus its executed actions less one.</param>
    public ObservationWindows(int bodies, int frameSize, int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bodies, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(frameSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        (_bodies, _frameSize) = (bodies, frameSize);
        _ticks = new int[capacity];
        _frames = new float[capacity][];
    }

    /// <summary>Ticks held.</summary>
    public int Count => Math.Min(_recorded, _ticks.Length);

    /// <summary>A tick that is held; index 0 is the oldest.</summary>
    public Tick Tick(int index) => new(_ticks[Slot(index)]);

    /// <summary>An agent's observation at such a tick.</summary>
    /// <param name="index">0 is the oldest tick.</param>
    /// <param name="body">episode * N + agent.</param>
    /// <param name="size">Numbers in that agent's observation.</param>
    public ReadOnlyMemory<float> Frame(int index, int body, int size) => _frames[Slot(index)].AsMemory(body * _frameSize, size);

    /// <summary>Takes in all observations of a tick; the oldest tick leaves where there is no room.</summary>
    /// <param name="tick">Later than any before.</param>
    /// <param name="features">[E*N, F]; an observation that is shorter leaves the end of its row.</param>
    public void Record(Tick tick, ReadOnlySpan<float> features)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(features.Length, _bodies * _frameSize, nameof(features));
        var slot = _recorded % _ticks.Length;
        _frames[slot] ??= new float[_bodies * _frameSize];
        features.CopyTo(_frames[slot]);
        _ticks[slot] = tick.Value;
        _recorded++;
    }

    /// <summary>What is held: the ticks [w], oldest first, and the observations [w, E*N, F].</summary>
    internal (int[] Ticks, NdArray<float> Frames) Copy()
    {
        var ticks = new int[Count];
        var frames = new float[Count * _bodies * _frameSize];
        for (var i = 0; i < ticks.Length; i++)
        {
            ticks[i] = _ticks[Slot(i)];
            _frames[Slot(i)].CopyTo(frames.AsSpan(i * _bodies * _frameSize));
        }

        return (ticks, new NdArray<float>([ticks.Length, _bodies, _frameSize], frames));
    }

    private int Slot(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
        return (_recorded - Count + index) % _ticks.Length;
    }
}
