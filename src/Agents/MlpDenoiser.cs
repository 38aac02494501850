using MimicD.Numerics;

namespace MimicD.Agents;

/// <summary>The residual multilayer perceptron of <c>docs/networks.md</c>, section <c>mlp</c>.</summary>
public sealed class MlpDenoiser : Denoiser
{
    private readonly PackedMatrix _noise0;
    private readonly PackedMatrix _noise2;
    private readonly PackedMatrix _condition0;
    private readonly PackedMatrix _condition2;
    private readonly SlotSpan? _slots;
    private readonly SetMaps? _others;
    private readonly int _ownSize;
    private readonly PackedMatrix _input;
    private readonly PackedMatrix _head;
    private readonly Block[] _blocks;
    private readonly int _width;
    private readonly int _hidden;
    private readonly int _stride;

    internal MlpDenoiser(NetworkSpec network, int planLength, int dimensions, int conditionSize, SlotSpan? slots, NetworkWeights weights, Kernels kernels)
        : base(network, planLength, dimensions, conditionSize, weights, kernels, slots)
    {
        _slots = slots;
        _width = network.Width;
        _hidden = network.Width * network.Expansion;
        _stride = PackedMatrix.Pad(_hidden);
        _noise0 = weights.Linear("noise.0", _width, 1);
        _noise2 = weights.Linear("noise.2", _width, _width);
        _ownSize = network.EncodedSize(conditionSize - (slots?.Length ?? 0));
        _condition0 = weights.Linear("condition.0", _width, _ownSize);
        if (slots is { } set)
        {
            _others = new SetMaps(
                weights.Linear("others.0", network.SetWidth, network.EncodedSize(set.Size)),
                weights.Linear("others.own", network.SetWidth, _ownSize, bias: false),
                weights.Linear("others.2", network.SetWidth, network.SetWidth),
                weights.Linear("condition.others", _width, network.SetWidth, bias: false));
        }

        _condition2 = weights.Linear("condition.2", _width, _width);
        _input = weights.Linear("input", _width, PlanSize);
        _blocks = [.. Enumerable.Range(0, network.Depth).Select(i => new Block(
            weights.Linear($"blocks.{i}.up", _hidden, _width),
            weights.Linear($"blocks.{i}.noise", _hidden, _width, bias: false),
            weights.Linear($"blocks.{i}.condition", _hidden, _width, bias: false),
            weights.Linear($"blocks.{i}.down", _width, _hidden)))];
        _head = weights.Linear("head", OutputSize, _width);
    }

    /// <summary>[levels, blocks, padded hidden]: the noise's product in each block, with the bias of the block's first map.</summary>
    internal override NoiseLevels PrepareLevels(ReadOnlySpan<float> cNoise)
    {
        var n = EmbedNoise(_noise0, _noise2, cNoise);
        var levels = cNoise.Length;
        var products = new AlignedBuffer(levels * _blocks.Length * _stride);
        for (var level = 0; level < levels; level++)
        {
            for (var i = 0; i < _blocks.Length; i++)
            {
                var block = _blocks[i];
                Kernels.Linear(block.Noise, block.Up.Bias, n.Slice(level * _width, _width), 1, products.Slice((level * _blocks.Length + i) * _stride, _hidden));
            }
        }

        return new NoiseLevels(levels, products);
    }

    internal override void Begin(DenoiserScratch scratch, ReadOnlySpan<float> condition)
    {
        var s = (MlpScratch)scratch;
        var hidden = s.Stream.Span;
        var f = s.Normal.Span;
        var encoded = s.Encoded.Span;
        Network.Encode(condition, _slots, encoded);
        if (_others is null)
        {
            Kernels.Linear(_condition0, encoded, 1, hidden);
        }
        else
        {
            AddOthers(s, condition);
            Kernels.Linear(_condition0, s.OthersStart.Span, encoded[.._ownSize], 1, hidden);
        }

        Kernels.Mish(hidden);
        Kernels.Linear(_condition2, hidden, 1, f);
        Kernels.Mish(f);
        _input.Bias.CopyTo(s.InputStart.Span);
        Kernels.Add(s.InputStart.Slice(0, _width), f);
        for (var i = 0; i < _blocks.Length; i++)
        {
            Kernels.Linear(_blocks[i].Condition, f, 1, s.ConditionProducts.Slice(i * _stride, _hidden));
        }
    }

    /// <summary>Leaves in the scratch what the set adds to the first map of the condition, with that map's bias.</summary>
    private void AddOthers(MlpScratch s, ReadOnlySpan<float> condition)
    {
        var (set, maps) = (_slots!.Value, _others!);
        var encoded = s.Encoded.Span;
        var width = Network.SetWidth;
        var u = s.Stream.Slice(0, width);
        var e = s.Normal.Slice(0, width);
        var sum = s.OthersSum.Span;
        var start = s.OthersStart.Span;
        var room = Network.EncodedSize(set.Size);
        // The own numbers' share of each slot's first map is the same for all slots.
        Kernels.Linear(maps.Own, maps.First.Bias, encoded[.._ownSize], 1, start[..width]);
        sum.Clear();
        for (var slot = 0; slot < set.Count; slot++)
        {
            var presence = condition[set.Start + (slot + 1) * set.Size - 1];
            if (presence == 0)
            {
                continue;
            }

            Kernels.Linear(maps.First, start, encoded.Slice(_ownSize + slot * room, room), 1, u);
            Kernels.Mish(u);
            Kernels.Linear(maps.Second, u, 1, e);
            Kernels.Mish(e);
            for (var j = 0; j < width; j++)
            {
                sum[j] += presence * e[j];
            }
        }

        Kernels.Linear(maps.Into, _condition0.Bias, sum, 1, start[.._width]);
    }

    internal override void Evaluate(DenoiserScratch scratch, NoiseLevels levels, int level, ReadOnlySpan<float> x, Span<float> output)
    {
        var s = (MlpScratch)scratch;
        var h = s.Stream.Span;
        var normal = s.Normal.Span;
        var u = s.Hidden.Span;
        Kernels.Linear(_input, s.InputStart.Span, x, 1, h);
        for (var i = 0; i < _blocks.Length; i++)
        {
            var start = s.BlockStart.Span;
            levels.Values.Slice((level * _blocks.Length + i) * _stride, _stride).CopyTo(start);
            Kernels.Add(start, s.ConditionProducts.Slice(i * _stride, _stride));
            Kernels.LayerNorm(h, _width, normal);
            Kernels.Linear(_blocks[i].Up, start, normal, 1, u);
            Kernels.Mish(u);
            Kernels.Linear(_blocks[i].Down, u, 1, normal);
            Kernels.Add(h, normal);
        }

        Kernels.LayerNorm(h, _width, normal);
        Kernels.Linear(_head, normal, 1, output);
    }

    private protected override DenoiserScratch CreateScratch() => new MlpScratch(PlanSize, ConditionSize, OutputSize, Network.EncodedSize(ConditionSize), _width, _hidden, _blocks.Length);

    /// <summary>The maps of a set: of a slot, of the own numbers beside it, of both, and of the sum into the condition's first map.</summary>
    private sealed record SetMaps(PackedMatrix First, PackedMatrix Own, PackedMatrix Second, PackedMatrix Into);

    private sealed record Block(PackedMatrix Up, PackedMatrix Noise, PackedMatrix Condition, PackedMatrix Down);

    private sealed class MlpScratch(int planSize, int conditionSize, int outputSize, int encodedSize, int width, int hidden, int depth) : DenoiserScratch(planSize, conditionSize, outputSize)
    {
        /// <summary>The condition with its octaves.</summary>
        public AlignedBuffer Encoded { get; } = new(encodedSize);

        public AlignedBuffer Stream { get; } = new(width);

        /// <summary>The bias of a map plus what is added to it.</summary>
        public AlignedBuffer OthersStart { get; } = new(PackedMatrix.Pad(width));

        /// <summary>Sum over the set.</summary>
        public AlignedBuffer OthersSum { get; } = new(width / 2);

        public AlignedBuffer Normal { get; } = new(width);

        public AlignedBuffer Hidden { get; } = new(hidden);

        /// <summary>Bias of the input map plus f.</summary>
        public AlignedBuffer InputStart { get; } = new(PackedMatrix.Pad(width));

        public AlignedBuffer BlockStart { get; } = new(PackedMatrix.Pad(hidden));

        /// <summary>[blocks, padded hidden].</summary>
        public AlignedBuffer ConditionProducts { get; } = new(depth * PackedMatrix.Pad(hidden));
    }
}
