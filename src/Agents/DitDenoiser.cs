using MimicD.Numerics;

namespace MimicD.Agents;

/// <summary>The diffusion transformer of <c>docs/networks.md</c>, section <c>dit</c>.</summary>
public sealed class DitDenoiser : Denoiser
{
    /// <summary>
    /// Noise levels whose modulations are computed together: as a matrix product they read the weights, the larger half of the network, once
    /// instead of once a step.
    /// </summary>
    private const int Chunk = 16;

    private readonly PackedMatrix _noise0;
    private readonly PackedMatrix _noise2;
    private readonly PackedMatrix _conditionIn;
    private readonly PackedMatrix _conditionQkv;
    private readonly PackedMatrix _conditionOut;
    private readonly PackedMatrix _conditionProject;
    private readonly PackedMatrix _tokens;
    private readonly float[] _positions;
    private readonly Block[] _blocks;
    private readonly PackedMatrix _headModulation;
    private readonly PackedMatrix _headOut;
    private readonly int _width;
    private readonly int _conditionWidth;
    private readonly int _heads;

    internal DitDenoiser(NetworkSpec network, int planLength, int dimensions, int conditionSize, NetworkWeights weights, Kernels kernels)
        : base(network, planLength, dimensions, conditionSize, weights, kernels)
    {
        var w = _width = network.Width;
        var c = _conditionWidth = network.ConditionWidth;
        var hidden = w * network.Expansion;
        _heads = network.Heads;
        _noise0 = weights.Linear("noise.0", w, 1);
        _noise2 = weights.Linear("noise.2", w, w);
        _conditionIn = weights.Linear("condition.in", conditionSize * c, conditionSize);
        _conditionQkv = weights.Linear("condition.qkv", 3 * c, c);
        _conditionOut = weights.Linear("condition.out", c, c);
        _conditionProject = weights.Linear("condition.project", w, conditionSize * c);
        _tokens = weights.Linear("tokens", w, dimensions);
        _positions = Positions(planLength, w);
        _blocks = [.. Enumerable.Range(0, network.Depth).Select(i => new Block(
            weights.Linear($"blocks.{i}.modulation", 6 * w, w),
            weights.Linear($"blocks.{i}.qkv", 3 * w, w),
            weights.Linear($"blocks.{i}.out", w, w),
            weights.Linear($"blocks.{i}.up", hidden, w),
            weights.Linear($"blocks.{i}.down", w, hidden)))];
        _headModulation = weights.Linear("head.modulation", 2 * w, w);
        _headOut = weights.Linear("head.out", dimensions, w);
    }

    /// <summary>One: its positions are rows enough for its weights.</summary>
    public override int Together => 1;

    /// <summary>[levels, W]: n.</summary>
    internal override NoiseLevels PrepareLevels(ReadOnlySpan<float> cNoise) => new(cNoise.Length, EmbedNoise(_noise0, _noise2, cNoise));

    internal override void Begin(DenoiserScratch scratch, ReadOnlySpan<float> condition, int plans)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(plans, 1);
        var s = (DitScratch)scratch;
        var k = s.ConditionTokens.Span;
        Kernels.Linear(_conditionIn, condition, 1, k);
        Kernels.Linear(_conditionQkv, k, ConditionSize, s.ConditionQkv.Span);
        Kernels.Attention(s.ConditionQkv.Span, ConditionSize, _conditionWidth, Network.ConditionHeads, s.Attention.Span, k);
        Kernels.Linear(_conditionOut, k, ConditionSize, s.ConditionResult.Span);
        Kernels.Linear(_conditionProject, s.ConditionResult.Span, 1, s.Condition0.Span);
        s.ChunkCount = 0;
    }

    internal override void Evaluate(DenoiserScratch scratch, NoiseLevels levels, int level, ReadOnlySpan<float> x, Span<float> output)
    {
        var s = (DitScratch)scratch;
        if (level < s.ChunkFirst || level >= s.ChunkFirst + s.ChunkCount)
        {
            Modulate(s, levels, level);
        }

        var (w, length) = (_width, PlanLength);
        var row = level - s.ChunkFirst;
        var h = s.Stream.Span;
        var normal = s.Normal.Span;
        Kernels.Linear(_tokens, x, length, h);
        Kernels.Add(h, _positions);
        for (var i = 0; i < _blocks.Length; i++)
        {
            var block = _blocks[i];
            var m = s.Modulations.Slice((i * Chunk + row) * 6 * w, 6 * w);
            // The stream itself is normalised and modulated here, as the paper's code has it, not a copy that feeds the attention alone.
            Kernels.LayerNorm(h, w, m[..w], m.Slice(w, w), h);
            Kernels.Linear(block.Qkv, h, length, s.Qkv.Span);
            Kernels.Attention(s.Qkv.Span, length, w, _heads, s.Attention.Span, normal);
            Kernels.Linear(block.Out, normal, length, s.Branch.Span);
            Kernels.AddGated(h, m.Slice(2 * w, w), s.Branch.Span);
            Kernels.LayerNorm(h, w, m.Slice(3 * w, w), m.Slice(4 * w, w), normal);
            Kernels.Linear(block.Up, normal, length, s.Hidden.Span);
            Kernels.Gelu(s.Hidden.Span);
            Kernels.Linear(block.Down, s.Hidden.Span, length, s.Branch.Span);
            Kernels.AddGated(h, m.Slice(5 * w, w), s.Branch.Span);
        }

        var head = s.HeadModulations.Slice(row * 2 * w, 2 * w);
        Kernels.LayerNorm(h, w, head[..w], head[w..], normal);
        Kernels.Linear(_headOut, normal, length, output);
    }

    private protected override DenoiserScratch CreateScratch() => new DitScratch(this);

    /// <summary>The modulations of a level and those that follow it.</summary>
    private void Modulate(DitScratch s, NoiseLevels levels, int first)
    {
        var w = _width;
        var count = Math.Min(Chunk, levels.Count - first);
        var e = s.Embedding.Slice(0, count * w);
        levels.Values.Slice(first * w, count * w).CopyTo(e);
        for (var r = 0; r < count; r++)
        {
            Kernels.Add(e.Slice(r * w, w), s.Condition0.Span);
        }

        Kernels.Silu(e);
        for (var i = 0; i < _blocks.Length; i++)
        {
            Kernels.Linear(_blocks[i].Modulation, e, count, s.Modulations.Slice(i * Chunk * 6 * w, count * 6 * w));
        }

        Kernels.Linear(_headModulation, e, count, s.HeadModulations.Span);
        (s.ChunkFirst, s.ChunkCount) = (first, count);
    }

    /// <summary>P, [L, W]: t at each of W/2 frequencies from 1 to 1/10000, first the sines, then the cosines.</summary>
    private static float[] Positions(int length, int width)
    {
        var p = new float[length * width];
        var half = width / 2;
        for (var t = 0; t < length; t++)
        {
            for (var j = 0; j < half; j++)
            {
                var (sin, cos) = Math.SinCos(t * Math.Pow(10000, -j / (half - 1.0)));
                p[t * width + j] = (float)sin;
                p[t * width + half + j] = (float)cos;
            }
        }

        return p;
    }

    private sealed record Block(PackedMatrix Modulation, PackedMatrix Qkv, PackedMatrix Out, PackedMatrix Up, PackedMatrix Down);

    private sealed class DitScratch(DitDenoiser of) : DenoiserScratch(1, of.PlanSize, of.ConditionSize, of.OutputSize)
    {
        /// <summary>[A, C]; later the attention's output.</summary>
        public AlignedBuffer ConditionTokens { get; } = new(of.ConditionSize * of._conditionWidth);

        public AlignedBuffer ConditionQkv { get; } = new(of.ConditionSize * 3 * of._conditionWidth);

        public AlignedBuffer ConditionResult { get; } = new(of.ConditionSize * of._conditionWidth);

        /// <summary>The condition's part of e, [W].</summary>
        public AlignedBuffer Condition0 { get; } = new(of._width);

        /// <summary>SiLU(e) for each level of the chunk.</summary>
        public AlignedBuffer Embedding { get; } = new(Chunk * of._width);

        /// <summary>[blocks, chunk, 6 W].</summary>
        public AlignedBuffer Modulations { get; } = new(of._blocks.Length * Chunk * 6 * of._width);

        /// <summary>[chunk, 2 W].</summary>
        public AlignedBuffer HeadModulations { get; } = new(Chunk * 2 * of._width);

        public AlignedBuffer Stream { get; } = new(of.PlanLength * of._width);

        public AlignedBuffer Normal { get; } = new(of.PlanLength * of._width);

        public AlignedBuffer Qkv { get; } = new(of.PlanLength * 3 * of._width);

        public AlignedBuffer Branch { get; } = new(of.PlanLength * of._width);

        public AlignedBuffer Hidden { get; } = new(of.PlanLength * of._width * of.Network.Expansion);

        public AlignedBuffer Attention { get; } = new(Math.Max(
            Kernels.AttentionScratch(of.PlanLength, of._width, of._heads),
            Kernels.AttentionScratch(of.ConditionSize, of._conditionWidth, of.Network.ConditionHeads)));

        /// <summary>First level whose modulations are here.</summary>
        public int ChunkFirst { get; set; }

        /// <summary>Levels whose modulations are here; 0 until a plan has asked for one.</summary>
        public int ChunkCount { get; set; }
    }
}
