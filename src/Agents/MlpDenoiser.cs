using MimicD.Numerics;

namespace MimicD.Agents;

/// <summary>The residual multilayer perceptron of <c>docs/networks.md</c>, section <c>mlp</c>.</summary>
public sealed class MlpDenoiser : Denoiser
{
    /// <summary>Rows that read the weights together: two of the kernels' tiles.</summary>
    private const int Rows = 16;

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

    /// <inheritdoc/>
    public override int Together => Rows;

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

    internal override void Begin(DenoiserScratch scratch, ReadOnlySpan<float> conditions, int plans)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(plans, Rows);
        var s = (MlpScratch)scratch;
        s.Plans = plans;
        var hidden = s.Stream.Slice(0, plans * _width);
        var f = s.Normal.Slice(0, plans * _width);
        var encoded = s.Encoded.Span;
        var room = Network.EncodedSize(ConditionSize);
        for (var p = 0; p < plans; p++)
        {
            var whole = _others is null ? encoded.Slice(p * room, room) : s.EncodedSlots.Slice(p * room, room);
            Network.Encode(conditions.Slice(p * ConditionSize, ConditionSize), _slots, whole);
            if (_others is not null)
            {
                whole[.._ownSize].CopyTo(encoded.Slice(p * _ownSize, _ownSize));
            }
        }

        if (_others is null)
        {
            Kernels.Linear(_condition0, encoded, plans, hidden);
        }
        else
        {
            AddOthers(s, conditions, plans);
            Kernels.Linear(_condition0, s.OthersStart.Span, s.Pad, encoded, plans, hidden);
        }

        Kernels.Mish(hidden);
        Kernels.Linear(_condition2, hidden, plans, f);
        Kernels.Mish(f);
        for (var p = 0; p < plans; p++)
        {
            var start = s.InputStart.Slice(p * s.Pad, s.Pad);
            _input.Bias.CopyTo(start);
            Kernels.Add(start[.._width], f.Slice(p * _width, _width));
        }

        for (var i = 0; i < _blocks.Length; i++)
        {
            Kernels.Linear(_blocks[i].Condition, f, plans, s.ConditionProducts.Slice(i * Rows * _hidden, plans * _hidden));
        }
    }

    /// <summary>Leaves in the scratch what the set of each plan adds to the first map of its condition, with that map's bias.</summary>
    private void AddOthers(MlpScratch s, ReadOnlySpan<float> conditions, int plans)
    {
        var (set, maps) = (_slots!.Value, _others!);
        var width = Network.SetWidth;
        var u = s.SlotHidden.Span;
        var e = s.SlotResult.Span;
        var sums = s.OthersSum.Span;
        var starts = s.OthersStart.Span;
        var (whole, room) = (Network.EncodedSize(ConditionSize), Network.EncodedSize(set.Size));
        sums.Clear();
        for (var p = 0; p < plans; p++)
        {
            // The own numbers' share of each slot's first map is the same for all slots.
            var condition = conditions.Slice(p * ConditionSize, ConditionSize);
            var start = starts.Slice(p * s.Pad, width);
            Kernels.Linear(maps.Own, maps.First.Bias, s.Encoded.Slice(p * _ownSize, _ownSize), 1, start);
            var filled = 0;
            for (var slot = 0; slot < set.Count; slot++)
            {
                if (condition[set.Start + (slot + 1) * set.Size - 1] != 0)
                {
                    s.EncodedSlots.Slice(p * whole + _ownSize + slot * room, room).CopyTo(s.Slots.Slice(filled++ * room, room));
                }
            }

            Kernels.Linear(maps.First, starts.Slice(p * s.Pad, s.Pad), s.Slots.Span, filled, u);
            Kernels.Mish(u[..(filled * width)]);
            Kernels.Linear(maps.Second, u, filled, e);
            Kernels.Mish(e[..(filled * width)]);
            filled = 0;
            var sum = sums.Slice(p * width, width);
            for (var slot = 0; slot < set.Count; slot++)
            {
                var presence = condition[set.Start + (slot + 1) * set.Size - 1];
                if (presence != 0)
                {
                    var part = e.Slice(filled++ * width, width);
                    for (var j = 0; j < width; j++)
                    {
                        sum[j] += presence * part[j];
                    }
                }
            }
        }

        for (var p = 0; p < plans; p++)
        {
            Kernels.Linear(maps.Into, _condition0.Bias, sums.Slice(p * width, width), 1, starts.Slice(p * s.Pad, _width));
        }
    }

    internal override void Evaluate(DenoiserScratch scratch, NoiseLevels levels, int level, ReadOnlySpan<float> x, Span<float> output)
    {
        var s = (MlpScratch)scratch;
        var plans = s.Plans;
        var h = s.Stream.Slice(0, plans * _width);
        var normal = s.Normal.Slice(0, plans * _width);
        var u = s.Hidden.Slice(0, plans * _hidden);
        Kernels.Linear(_input, s.InputStart.Span, s.Pad, x, plans, h);
        for (var i = 0; i < _blocks.Length; i++)
        {
            var noise = levels.Values.Slice((level * _blocks.Length + i) * _stride, _stride);
            for (var p = 0; p < plans; p++)
            {
                var start = s.BlockStart.Slice(p * _stride, _stride);
                noise.CopyTo(start);
                Kernels.Add(start[.._hidden], s.ConditionProducts.Slice((i * Rows + p) * _hidden, _hidden));
            }

            Kernels.LayerNorm(h, _width, normal);
            Kernels.Linear(_blocks[i].Up, s.BlockStart.Span, _stride, normal, plans, u);
            Kernels.Mish(u);
            Kernels.Linear(_blocks[i].Down, u, plans, normal);
            Kernels.Add(h, normal);
        }

        Kernels.LayerNorm(h, _width, normal);
        Kernels.Linear(_head, normal, plans, output);
    }

    private protected override DenoiserScratch CreateScratch() => new MlpScratch(this);

    /// <summary>The maps of a set: of a slot, of the own numbers beside it, of both, and of the sum into the condition's first map.</summary>
    private sealed record SetMaps(PackedMatrix First, PackedMatrix Own, PackedMatrix Second, PackedMatrix Into);

    private sealed record Block(PackedMatrix Up, PackedMatrix Noise, PackedMatrix Condition, PackedMatrix Down);

    private sealed class MlpScratch(MlpDenoiser of) : DenoiserScratch(Rows, of.PlanSize, of.ConditionSize, of.OutputSize)
    {
        /// <summary>A width in whole panels: from one plan's starts to the next's.</summary>
        public int Pad { get; } = PackedMatrix.Pad(of._width);

        /// <summary>The conditions with their octaves, without the set where there is one, [plans, encoded].</summary>
        public AlignedBuffer Encoded { get; } = new(Rows * of.Network.EncodedSize(of.ConditionSize));

        /// <summary>The conditions with their octaves and their sets.</summary>
        public AlignedBuffer EncodedSlots { get; } = new(of._others is null ? 0 : Rows * of.Network.EncodedSize(of.ConditionSize));

        /// <summary>The slots of one plan that somebody is in.</summary>
        public AlignedBuffer Slots { get; } = new(of._slots is { } set ? set.Count * of.Network.EncodedSize(set.Size) : 0);

        public AlignedBuffer SlotHidden { get; } = new(of._slots is { } set ? set.Count * of.Network.SetWidth : 0);

        public AlignedBuffer SlotResult { get; } = new(of._slots is { } set ? set.Count * of.Network.SetWidth : 0);

        public AlignedBuffer Stream { get; } = new(Rows * of._width);

        /// <summary>The bias of a map plus what is added to it, for each plan.</summary>
        public AlignedBuffer OthersStart { get; } = new(of._others is null ? 0 : Rows * PackedMatrix.Pad(of._width));

        /// <summary>Sum over the set, for each plan.</summary>
        public AlignedBuffer OthersSum { get; } = new(of._others is null ? 0 : Rows * of.Network.SetWidth);

        public AlignedBuffer Normal { get; } = new(Rows * of._width);

        public AlignedBuffer Hidden { get; } = new(Rows * of._hidden);

        /// <summary>Bias of the input map plus f, for each plan.</summary>
        public AlignedBuffer InputStart { get; } = new(Rows * PackedMatrix.Pad(of._width));

        public AlignedBuffer BlockStart { get; } = new(Rows * of._stride);

        /// <summary>[blocks, plans, hidden].</summary>
        public AlignedBuffer ConditionProducts { get; } = new(of._blocks.Length * Rows * of._hidden);
    }
}
