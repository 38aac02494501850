using MimicD.Agents;
using MimicD.Training.Torch;

namespace MimicD.Training.Networks;

/// <summary>One agent's denoiser with gradients. The arithmetic of both kinds is written out in <c>docs/networks.md</c>; the tensors are named as there.</summary>
internal abstract class TorchDenoiser
{
    private readonly ParameterSet _parameters;
    private readonly string _prefix;

    private protected TorchDenoiser(ParameterSet parameters, string prefix)
    {
        _parameters = parameters;
        _prefix = prefix;
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

    private protected void Declare(string name, int outputs, int inputs, Initial initial = Initial.XavierUniform, bool bias = true)
    {
        _parameters.Declare($"{_prefix}{name}.weight", initial, outputs, inputs);
        if (bias)
        {
            _parameters.Declare($"{_prefix}{name}.bias", Initial.Zero, outputs);
        }
    }

    private protected Tensor Linear(string name, Tensor x) => x.Linear(_parameters[$"{_prefix}{name}.weight"], _parameters[$"{_prefix}{name}.bias"]);

    private protected Tensor LinearWithoutBias(string name, Tensor x) => x.Linear(_parameters[$"{_prefix}{name}.weight"], null);

    private protected void DeclareNoiseEmbedding(int width, Initial initial)
    {
        Declare("noise.0", width, 1, initial);
        Declare("noise.2", width, width, initial);
    }

    private protected Tensor EmbedNoise(Tensor noise) => Linear("noise.2", Linear("noise.0", noise).Mish());
}

/// <summary>The diffusion transformer.</summary>
internal sealed class TorchDit : TorchDenoiser
{
    private const double LayerNormEpsilon = 1e-6;
    private readonly ModelSpec _spec;

    public TorchDit(ModelSpec spec, string prefix, ParameterSet parameters)
        : base(parameters, prefix)
    {
        _spec = spec;
        var (w, c, a, d) = (spec.Network.Width, spec.Network.ConditionWidth, spec.ConditionSize, spec.RowSize);
        DeclareNoiseEmbedding(w, Initial.SmallNormal);
        Declare("condition.in", a * c, a);
        Declare("condition.qkv", 3 * c, c);
        Declare("condition.out", c, c);
        Declare("condition.project", w, a * c);
        Declare("tokens", w, d);
        for (var i = 0; i < spec.Network.Depth; i++)
        {
            // adaLN-Zero: with the modulation at zero every block starts as the identity.
            Declare($"blocks.{i}.modulation", 6 * w, w, Initial.Zero);
            Declare($"blocks.{i}.qkv", 3 * w, w);
            Declare($"blocks.{i}.out", w, w);
            Declare($"blocks.{i}.up", spec.Network.Expansion * w, w);
            Declare($"blocks.{i}.down", w, spec.Network.Expansion * w);
        }

        Declare("head.modulation", 2 * w, w, Initial.Zero);
        Declare("head.out", d, w, Initial.Zero);
    }

    public override Tensor Forward(Tensor x, Tensor noise, Tensor condition, double dropout, Tensor? kept = null)
    {
        var (w, c, a, d) = (_spec.Network.Width, _spec.Network.ConditionWidth, _spec.ConditionSize, _spec.RowSize);
        var batch = x.Shape[0];
        var length = x.Shape[1] / d;
        var k = Linear("condition.in", condition).Reshape(batch, a, c);
        if (kept is not null)
        {
            // The attribute's embedding goes, not its value: a value of 0 is the mean, a place like any other, and a network that had been shown it for
            // "not known" would doubt where it is whenever it is there.
            k *= kept.Reshape(batch, a, 1);
        }

        k = Attention("condition", k, batch, a, c, _spec.Network.ConditionHeads, dropout: 0);
        var e = EmbedNoise(noise) + Linear("condition.project", k.Reshape(batch, a * c));
        var s = e.Silu();
        var h = Linear("tokens", x.Reshape(batch, length, d)) + Positions(length, w);
        for (var i = 0; i < _spec.Network.Depth; i++)
        {
            var m = Linear($"blocks.{i}.modulation", s).Reshape(batch, 1, 6 * w);
            Tensor Part(int index) => m.Narrow(2, index * w, w);
            // The stream itself is normalised and modulated here, as the paper's code has it, not a copy that feeds the attention alone.
            h = Modulate(h, Part(0), Part(1));
            h += Part(2) * Attention($"blocks.{i}", h, batch, length, w, _spec.Network.Heads, dropout);
            var hidden = Linear($"blocks.{i}.up", Modulate(h, Part(3), Part(4))).Gelu().Dropout(dropout);
            h += Part(5) * Linear($"blocks.{i}.down", hidden);
        }

        var last = Linear("head.modulation", s).Reshape(batch, 1, 2 * w);
        return Linear("head.out", Modulate(h, last.Narrow(2, 0, w), last.Narrow(2, w, w))).Reshape(batch, length * d);
    }

    private static Tensor Modulate(Tensor h, Tensor shift, Tensor scale) => h.LayerNorm(LayerNormEpsilon) * (scale + 1.0) + shift;

    private Tensor Attention(string name, Tensor h, long batch, long length, int width, int heads, double dropout)
    {
        var qkv = Linear($"{name}.qkv", h).Reshape(batch, length, 3 * heads, width / heads).Transpose(1, 2);
        var scores = qkv.Narrow(1, 0, heads).MatMul(qkv.Narrow(1, heads, heads).Transpose(2, 3)) * (1.0 / Math.Sqrt(width / (double)heads));
        var mixed = scores.Softmax(-1).Dropout(dropout).MatMul(qkv.Narrow(1, 2 * heads, heads));
        return Linear($"{name}.out", mixed.Transpose(1, 2).Reshape(batch, length, width));
    }

    private Tensor Positions(long length, int width)
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

        return Tensor.From(table, Device, length, width);
    }
}

/// <summary>The residual multilayer perceptron.</summary>
internal sealed class TorchMlp : TorchDenoiser
{
    private const double LayerNormEpsilon = 1e-6;
    private readonly ModelSpec _spec;
    private readonly int _own;

    public TorchMlp(ModelSpec spec, string prefix, ParameterSet parameters)
        : base(parameters, prefix)
    {
        _spec = spec;
        var (w, r) = (spec.Network.Width, spec.Network.Width * spec.Network.Expansion);
        DeclareNoiseEmbedding(w, Initial.XavierUniform);
        _own = spec.Network.EncodedSize(spec.ConditionSize - (spec.Slots?.Length ?? 0));
        if (spec.Slots is { } set)
        {
            var half = spec.Network.SetWidth;
            Declare("others.0", half, spec.Network.EncodedSize(set.Size));
            Declare("others.own", half, _own, bias: false);
            Declare("others.2", half, half);
            Declare("condition.others", w, half, bias: false);
        }

        Declare("condition.0", w, _own);
        Declare("condition.2", w, w);
        Declare("input", w, spec.PlanSize);
        for (var i = 0; i < spec.Network.Depth; i++)
        {
            Declare($"blocks.{i}.up", r, w);
            Declare($"blocks.{i}.noise", r, w, bias: false);
            Declare($"blocks.{i}.condition", r, w, bias: false);
            Declare($"blocks.{i}.down", w, r);
        }

        // Components that start alike would stay alike, since they get the same gradients.
        Declare("head", spec.Network.HeadSize(spec.PlanSize), w, spec.Network.Mixture is null ? Initial.Zero : Initial.XavierUniform);
    }

    public override Tensor Forward(Tensor x, Tensor noise, Tensor condition, double dropout, Tensor? kept = null)
    {
        if (kept is not null)
        {
            throw new NotSupportedException("the MLP has no embedding of single attributes to drop");
        }

        var n = EmbedNoise(noise);
        var f = Linear("condition.2", Embed(condition).Mish()).Mish();
        var h = Linear("input", x) + f;
        for (var i = 0; i < _spec.Network.Depth; i++)
        {
            var u = Linear($"blocks.{i}.up", h.LayerNorm(LayerNormEpsilon)) + LinearWithoutBias($"blocks.{i}.noise", n) + LinearWithoutBias($"blocks.{i}.condition", f);
            h += Linear($"blocks.{i}.down", u.Mish().Dropout(dropout));
        }

        return Linear("head", h.LayerNorm(LayerNormEpsilon));
    }

    /// <summary>The first map of the condition, [B, W], with what the set adds to it.</summary>
    private Tensor Embed(Tensor condition)
    {
        if (_spec.Slots is not { } set)
        {
            return Linear("condition.0", condition);
        }

        var (batch, w, room) = (condition.Shape[0], _spec.Network.SetWidth, _spec.Network.EncodedSize(set.Size));
        var own = condition.Narrow(1, 0, _own);
        var slots = condition.Narrow(1, _own, set.Count * room).Reshape(batch, set.Count, room);
        var u = (Linear("others.0", slots) + LinearWithoutBias("others.own", own).Reshape(batch, 1, w)).Mish();
        // An encoded slot begins with the slot itself, whose last number is the presence.
        var sum = (Linear("others.2", u).Mish() * slots.Narrow(2, set.Size - 1, 1)).Sum(1);
        return Linear("condition.0", own) + LinearWithoutBias("condition.others", sum);
    }
}
