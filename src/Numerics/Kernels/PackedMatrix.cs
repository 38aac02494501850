using System.Runtime.CompilerServices;

namespace MimicD.Numerics;

/// <summary>
/// The weights [outputs, inputs] and bias [outputs] of a linear map, laid out for the kernels: panels of 32 outputs, in each panel
/// the 32 weights of input 0, then of input 1 and so on; the last panel is filled up with zeros. Immutable, so any number of threads may share it.
/// </summary>
public sealed unsafe class PackedMatrix
{
    /// <summary>Outputs in a panel: two of the widest vectors.</summary>
    public const int PanelWidth = 32;

    private readonly AlignedBuffer _panels;
    private readonly AlignedBuffer _bias;

    /// <summary>Packs.</summary>
    /// <param name="weights">[outputs, inputs], row-major.</param>
    /// <param name="bias">[outputs], or empty for none.</param>
    /// <param name="outputs">Rows of the weights.</param>
    /// <param name="inputs">Columns of the weights.</param>
    public PackedMatrix(ReadOnlySpan<float> weights, ReadOnlySpan<float> bias, int outputs, int inputs)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(outputs);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(inputs);
        ArgumentOutOfRangeException.ThrowIfNotEqual(weights.Length, checked(outputs * inputs), nameof(weights));
        if (!bias.IsEmpty)
        {
            ArgumentOutOfRangeException.ThrowIfNotEqual(bias.Length, outputs, nameof(bias));
        }

        Outputs = outputs;
        Inputs = inputs;
        PaddedOutputs = Pad(outputs);
        _panels = new AlignedBuffer(checked(PaddedOutputs * inputs));
        _bias = new AlignedBuffer(PaddedOutputs);
        bias.CopyTo(_bias.Span);
        var panels = _panels.Span;
        for (var o = 0; o < outputs; o++)
        {
            var at = o / PanelWidth * PanelWidth * inputs + o % PanelWidth;
            for (var i = 0; i < inputs; i++)
            {
                panels[at + i * PanelWidth] = weights[o * inputs + i];
            }
        }
    }

    /// <summary>Length of a result.</summary>
    public int Outputs { get; }

    /// <summary>Length of an argument.</summary>
    public int Inputs { get; }

    /// <summary><see cref="Outputs"/> rounded up to whole panels: the length that a start vector must have.</summary>
    public int PaddedOutputs { get; }

    /// <summary>The bias, [<see cref="PaddedOutputs"/>], zeros at its end.</summary>
    public ReadOnlySpan<float> Bias => _bias.Span;

    internal float* Panels => _panels.Pointer;

    /// <summary>A length rounded up to whole panels.</summary>
    public static int Pad(int length) => checked(length + PanelWidth - 1) / PanelWidth * PanelWidth;
}

/// <summary>Zeroed floats that begin at a multiple of 64 bytes and never move: a cache line and the widest vector.</summary>
public sealed unsafe class AlignedBuffer
{
    private readonly float[] _memory;
    private readonly int _offset;

    /// <summary>Makes one.</summary>
    /// <param name="length">Floats; may be 0.</param>
    public AlignedBuffer(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        _memory = GC.AllocateArray<float>(checked(length + 16), pinned: true);
        var address = (nuint)Unsafe.AsPointer(ref _memory[0]);
        _offset = (int)((64 - address % 64) % 64) / sizeof(float);
        Length = length;
    }

    /// <summary>Floats.</summary>
    public int Length { get; }

    /// <summary>All of them.</summary>
    public Span<float> Span => _memory.AsSpan(_offset, Length);

    internal float* Pointer => (float*)Unsafe.AsPointer(ref _memory[0]) + _offset;

    /// <summary>A part of them.</summary>
    public Span<float> Slice(int start, int length) => _memory.AsSpan(_offset, Length).Slice(start, length);
}
