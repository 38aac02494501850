using MimicD.Agents;
using MimicD.Training.Torch;

namespace MimicD.Training.Networks;

/// <summary>One agent's denoiser with gradients. The arithmetic of both kinds is written out in <c>docs/networks.md</c>; the tensors are named as there.</summary>
internal abstract class TorchDenoiser
{
    private protected const double LayerNormEpsilon = 1e-6;

    private readonly ParameterSet _parameters;
    private readonly string _prefix;
    private readonly Layer _noise0;
    private readonly Layer _noise2;

    private protected TorchDenoiser(ParameterSet parameters, string prefix, int width, Initial noise)
    {
        _parameters = parameters;
        _prefix = prefix;
        _noise0 = Declare("noise.0", width, 1, noise);
        _noise2 = Declare("noise.2", width, width, noise);
    }

    /// <summary>Declares the weights of one network and returns it; the weights exist after <see cref="ParameterSet.Allocate"/>.</summary>
    public static TorchDenoiser Create(ModelSpec spec, string prefix, ParameterSet parameters)
        => spec.Network.Kind == NetworkKind.Dit ? new TorchDit(spec, prefix, parameters) : new TorchMlp(spec, prefix, parameters);

    /// <summary>F(x, c_noise, o).</summary>
    /// <param name="x">Scaled noisy plans, [B, L*D]; the transformer takes any L.</param>
    /// <param name="noise">c_noise, [B, 1].</param>
    /// <param name="condition">Normalised and encoded conditions (<see cref="NetworkSpec.Encode(ReadOnlySpan{float}, SlotSpan?, Span{float})"/>), [B, A (1 + 2 F)].</param>
    /// <param name="dropout">Dropout probability, 0 when not training.</param>
    /// <param name="kept">Attributes of the condition that are kept, [B, A] of 1 and 0, or null for all.</param>
    /// <returns>[B, L*D], or [B, <see cref="NetworkSpec.HeadSize"/>] with a mixture head.</returns>
    public abstract Tensor Forward(Tensor x, Tensor noise, Tensor condition, double dropout, Tensor? kept = null);

    /// <summary>Where the weights are.</summary>
    private protected string Device => _parameters.Device;

    private protected Layer Declare(string name, int outputs, int inputs, Initial initial = Initial.XavierUniform, bool bias = true)
        => new(_parameters, _prefix + name, outputs, inputs, initial, bias);

    private protected Tensor EmbedNoise(Tensor noise) => _noise2.Of(_noise0.Of(noise).Mish());
}

/// <summary>The diffusion transformer.</summary>
internal sealed class TorchDit : TorchDenoiser
{
    // The parts of a block's modulation.
    private const int Shift1 = 0, Scale1 = 1, Gate1 = 2, Shift2 = 3, Scale2 = 4, Gate2 = 5;

    private readonly ModelSpec _spec;
    private readonly Layer _conditionIn;
    private readonly Layer _conditionQkv;
    private readonly Layer _conditionOut;
    private readonly Layer _conditionProject;
    private readonly Layer _tokens;
    private readonly Block[] _blocks;
    private readonly Layer _headModulation;
    private readonly Layer _headOut;
    private float[] _positions = [];

    public TorchDit(ModelSpec spec, string prefix, ParameterSet parameters)
        : base(parameters, prefix, spec.Network.Width, Initial.SmallNormal)
    {
        _spec = spec;
        var (w, c, a, d) = (spec.Network.Width, spec.Network.ConditionWidth, spec.ConditionSize, spec.RowSize);
        _conditionIn = Declare("condition.in", a * c, a);
        _conditionQkv = Declare("condition.qkv", 3 * c, c);
        _conditionOut = Declare("condition.out", c, c);
        _conditionProject = Declare("condition.project", w, a * c);
        _tokens = Declare("tokens", w, d);

        // adaLN-Zero: with the modulation at zero every block starts as the identity.
        _blocks = [.. Enumerable.Range(0, spec.Network.Depth).Select(i => new Block(
            Declare($"blocks.{i}.modulation", 6 * w, w, Initial.Zero),
            Declare($"blocks.{i}.qkv", 3 * w, w),
            Declare($"blocks.{i}.out", w, w),
            Declare($"blocks.{i}.up", spec.Network.Expansion * w, w),
            Declare($"blocks.{i}.down", w, spec.Network.Expansion * w)))];
        _headModulation = Declare("head.modulation", 2 * w, w, Initial.Zero);
        _headOut = Declare("head.out", d, w, Initial.Zero);
    }

    public override Tensor Forward(Tensor x, Tensor noise, Tensor condition, double dropout, Tensor? kept = null)
    {
        var (w, c, a, d) = (_spec.Network.Width, _spec.Network.ConditionWidth, _spec.ConditionSize, _spec.RowSize);
        var batch = x.Size(0);
        var length = x.Size(1) / d;
        var k = _conditionIn.Of(condition).Reshape(batch, a, c);
        if (kept is { } mask)
        {
            // The attribute's embedding goes, not its value: a value of 0 is the mean, a place like any other, and a network that had been shown it for
            // "not known" would doubt where it is whenever it is there.
            k *= mask.Reshape(batch, a, 1);
        }

        k = _conditionOut.Of(_conditionQkv.Of(k).Attention(_spec.Network.ConditionHeads, dropout: 0));
        var e = EmbedNoise(noise) + _conditionProject.Of(k.Reshape(batch, a * c));
        var s = e.Silu();
        var h = _tokens.Of(x.Reshape(batch, length, d)) + Positions(length, w);
        foreach (var block in _blocks)
        {
            var m = block.Modulation.Of(s);

            // The stream itself is normalised and modulated here, as the paper's code has it, not a copy that feeds the attention alone.
            h = h.Modulate(m, Shift1, Scale1, LayerNormEpsilon);
            h = h.Gate(m, Gate1, block.Out.Of(block.Qkv.Of(h).Attention(_spec.Network.Heads, dropout)));
            h = h.Gate(m, Gate2, block.Down.Of(block.Up.Of(h.Modulate(m, Shift2, Scale2, LayerNormEpsilon)).Gelu(dropout)));
        }

        return _headOut.Of(h.Modulate(_headModulation.Of(s), Shift1, Scale1, LayerNormEpsilon)).Reshape(batch, length * d);
    }

    private Tensor Positions(long length, int width)
    {
        if (_positions.Length != length * width)
        {
            var table = new float[length * width];
            for (var t = 0; t < length; t++)
            {
                for (var j = 0; j < width / 2; j++)
                {
                    var angle = t * Math.Pow(10000, -j / (width / 2 - 1.0));
                    table[t * width + j] = (float)Math.Sin(angle);
                    table[t * width + width / 2 + j] = (float)Math.Cos(angle);
                }
            }

            _positions = table;
        }

        return Tensor.From(_positions, Device, length, width);
    }

    private readonly record struct Block(Layer Modulation, Layer Qkv, Layer Out, Layer Up, Layer Down);
}

/// <summary>The residual multilayer perceptron.</summary>
internal sealed class TorchMlp : TorchDenoiser
{
    private readonly ModelSpec _spec;
    private readonly int _own;
    private readonly Others? _others;
    private readonly Layer _condition0;
    private readonly Layer _condition2;
    private readonly Layer _input;
    private readonly Block[] _blocks;
    private readonly Layer _head;

    public TorchMlp(ModelSpec spec, string prefix, ParameterSet parameters)
        : base(parameters, prefix, spec.Network.Width, Initial.XavierUniform)
    {
        _spec = spec;
        var (w, r) = (spec.Network.Width, spec.Network.Width * spec.Network.Expansion);
        _own = spec.Network.EncodedSize(spec.ConditionSize - (spec.Slots?.Length ?? 0));
        if (spec.Slots is { } set)
        {
            var half = spec.Network.SetWidth;
            _others = new Others(
                Declare("others.0", half, spec.Network.EncodedSize(set.Size)),
                Declare("others.own", half, _own, bias: false),
                Declare("others.2", half, half),
                Declare("condition.others", w, half, bias: false));
        }

        _condition0 = Declare("condition.0", w, _own);
        _condition2 = Declare("condition.2", w, w);
        _input = Declare("input", w, spec.PlanSize);
        _blocks = [.. Enumerable.Range(0, spec.Network.Depth).Select(i => new Block(
            Declare($"blocks.{i}.up", r, w),
            Declare($"blocks.{i}.noise", r, w, bias: false),
            Declare($"blocks.{i}.condition", r, w, bias: false),
            Declare($"blocks.{i}.down", w, r)))];

        // Components that start alike would stay alike, since they get the same gradients.
        _head = Declare("head", spec.Network.HeadSize(spec.PlanSize), w, spec.Network.Mixture is null ? Initial.Zero : Initial.XavierUniform);
    }

    public override Tensor Forward(Tensor x, Tensor noise, Tensor condition, double dropout, Tensor? kept = null)
    {
        if (kept is not null)
        {
            throw new NotSupportedException("the MLP has no embedding of single attributes to drop");
        }

        var n = EmbedNoise(noise);
        var f = _condition2.Of(Embed(condition).Mish()).Mish();
        var h = _input.Of(x) + f;
        foreach (var block in _blocks)
        {
            h = h.ResidualBlock(n, f, (block.Up.Weight, block.Up.Bias), block.Noise.Weight, block.Condition.Weight, (block.Down.Weight, block.Down.Bias), dropout, LayerNormEpsilon);
        }

        return _head.Of(h.LayerNorm(LayerNormEpsilon));
    }

    /// <summary>The first map of the condition, [B, W], with what the set adds to it.</summary>
    private Tensor Embed(Tensor condition)
    {
        if (_spec.Slots is not { } set || _others is not { } others)
        {
            return _condition0.Of(condition);
        }

        var (batch, w, room) = (condition.Size(0), _spec.Network.SetWidth, _spec.Network.EncodedSize(set.Size));
        var own = condition.Narrow(1, 0, _own);
        var slots = condition.Narrow(1, _own, set.Count * room).Reshape(batch, set.Count, room);
        var u = (others.Slot.Of(slots) + others.Own.Of(own).Reshape(batch, 1, w)).Mish();
        // An encoded slot begins with the slot itself, whose last number is the presence.
        var sum = (others.Second.Of(u).Mish() * slots.Narrow(2, set.Size - 1, 1)).Sum(1);
        return others.Sum.Onto(_condition0.Of(own), sum);
    }

    private readonly record struct Block(Layer Up, Layer Noise, Layer Condition, Layer Down);

    private sealed record Others(Layer Slot, Layer Own, Layer Second, Layer Sum);
}
