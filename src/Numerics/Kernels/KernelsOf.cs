using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MimicD.Numerics;

/// <summary>The kernels, written once for any width.</summary>
/// <typeparam name="TIsa">Operations.</typeparam>
/// <typeparam name="T">Vector.</typeparam>
[SkipLocalsInit]
internal sealed unsafe class Of<TIsa, T> : Kernels
    where TIsa : struct, IIsa<T>
    where T : unmanaged
{
    private const int Panel = PackedMatrix.PanelWidth;

    /// <summary>Floats in a cache line.</summary>
    private const int Line = 16;

    /// <summary>Rows of the largest tile.</summary>
    private const int MostRows = 9;

    /// <summary>Lanes of a sum, whatever the width of a vector.</summary>
    private const int SumLanes = 16;

    /// <summary>A score so low that its share is 1e-38: too little to change the sum of a row, in which somebody has the highest.</summary>
    private const float Nobody = -1e30f;

    private const MethodImplOptions Hot = MethodImplOptions.AggressiveOptimization;

    private Of()
    {
    }

    public static Of<TIsa, T> Instance { get; } = new();

    public override int Lanes => TIsa.Count;

    public override void Linear(PackedMatrix matrix, ReadOnlySpan<float> starts, int stride, ReadOnlySpan<float> a, int rows, Span<float> c)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        Need(rows >= 0 && a.Length >= (long)rows * matrix.Inputs, nameof(a));
        Need(stride >= 0 && starts.Length >= (long)Math.Max(rows - 1, 0) * stride + matrix.PaddedOutputs, nameof(starts));
        Need(c.Length >= (long)rows * matrix.Outputs, nameof(c));
        fixed (float* s = starts, pa = a, pc = c)
        {
            Product(matrix.Panels, matrix.Inputs, matrix.Outputs, s, stride, pa, matrix.Inputs, rows, pc, matrix.Outputs);
        }

        GC.KeepAlive(matrix);
    }

    public override void LayerNorm(ReadOnlySpan<float> x, int width, Span<float> y)
    {
        var rows = Rows(x.Length, width);
        Need(y.Length >= x.Length, nameof(y));
        fixed (float* px = x, py = y)
        {
            Normalise(px, rows, width, null, null, py);
        }
    }

    public override void LayerNorm(ReadOnlySpan<float> x, int width, ReadOnlySpan<float> shift, ReadOnlySpan<float> scale, Span<float> y)
    {
        var rows = Rows(x.Length, width);
        Need(y.Length >= x.Length, nameof(y));
        Need(shift.Length == width, nameof(shift));
        Need(scale.Length == width, nameof(scale));
        fixed (float* px = x, py = y, ps = shift, pk = scale)
        {
            Normalise(px, rows, width, ps, pk, py);
        }
    }

    [MethodImpl(Hot)]
    public override void Mish(Span<float> values)
    {
        fixed (float* p = values)
        {
            var n = values.Length;
            var i = 0;
            for (; i <= n - TIsa.Count; i += TIsa.Count)
            {
                TIsa.Store(p + i, Elements<TIsa, T>.Mish(TIsa.Load(p + i)));
            }

            for (; i < n; i++)
            {
                p[i] = Elements<IsaScalar, float>.Mish(p[i]);
            }
        }
    }

    [MethodImpl(Hot)]
    public override void Silu(Span<float> values)
    {
        fixed (float* p = values)
        {
            var n = values.Length;
            var i = 0;
            for (; i <= n - TIsa.Count; i += TIsa.Count)
            {
                TIsa.Store(p + i, Elements<TIsa, T>.Silu(TIsa.Load(p + i)));
            }

            for (; i < n; i++)
            {
                p[i] = Elements<IsaScalar, float>.Silu(p[i]);
            }
        }
    }

    [MethodImpl(Hot)]
    public override void Gelu(Span<float> values)
    {
        fixed (float* p = values)
        {
            var n = values.Length;
            var i = 0;
            for (; i <= n - TIsa.Count; i += TIsa.Count)
            {
                TIsa.Store(p + i, Elements<TIsa, T>.Gelu(TIsa.Load(p + i)));
            }

            for (; i < n; i++)
            {
                p[i] = Elements<IsaScalar, float>.Gelu(p[i]);
            }
        }
    }

    [MethodImpl(Hot)]
    public override void Exp(Span<float> values)
    {
        fixed (float* p = values)
        {
            var n = values.Length;
            var i = 0;
            for (; i <= n - TIsa.Count; i += TIsa.Count)
            {
                TIsa.Store(p + i, Elements<TIsa, T>.Exp(TIsa.Load(p + i)));
            }

            for (; i < n; i++)
            {
                p[i] = Elements<IsaScalar, float>.Exp(p[i]);
            }
        }
    }

    public override void Softmax(Span<float> values, int width, float scale)
    {
        var rows = Rows(values.Length, width);
        const int Short = 512;
        var padded = (width + SumLanes - 1) / SumLanes * SumLanes;
        Span<float> row = padded <= Short ? stackalloc float[Short] : new float[padded];
        fixed (float* p = row)
        {
            for (var r = 0; r < rows; r++)
            {
                var part = values.Slice(r * width, width);
                part.CopyTo(row);
                row[width..padded].Fill(Nobody);
                SoftmaxRow(p, padded, scale);
                row[..width].CopyTo(part);
            }
        }
    }

    [MethodImpl(Hot)]
    public override void Add(Span<float> y, ReadOnlySpan<float> x)
    {
        Need(x.Length == y.Length, nameof(x));
        fixed (float* py = y, px = x)
        {
            var n = y.Length;
            var i = 0;
            for (; i <= n - TIsa.Count; i += TIsa.Count)
            {
                TIsa.Store(py + i, TIsa.Add(TIsa.Load(py + i), TIsa.Load(px + i)));
            }

            for (; i < n; i++)
            {
                py[i] += px[i];
            }
        }
    }

    [MethodImpl(Hot)]
    public override void AddGated(Span<float> y, ReadOnlySpan<float> gate, ReadOnlySpan<float> x)
    {
        Need(x.Length == y.Length, nameof(x));
        var rows = Rows(y.Length, gate.Length);
        fixed (float* py = y, px = x, g = gate)
        {
            var n = gate.Length;
            for (var r = 0; r < rows; r++)
            {
                var to = py + (nint)r * n;
                var from = px + (nint)r * n;
                var i = 0;
                for (; i <= n - TIsa.Count; i += TIsa.Count)
                {
                    TIsa.Store(to + i, TIsa.Fma(TIsa.Load(g + i), TIsa.Load(from + i), TIsa.Load(to + i)));
                }

                for (; i < n; i++)
                {
                    to[i] = MathF.FusedMultiplyAdd(g[i], from[i], to[i]);
                }
            }
        }
    }

    public override void Attention(ReadOnlySpan<float> qkv, int tokens, int width, int heads, Span<float> scratch, Span<float> output)
    {
        Need(tokens >= 1 && qkv.Length >= 3L * tokens * width, nameof(qkv));
        Need(heads >= 1 && width % heads == 0, nameof(heads));
        Need(scratch.Length >= AttentionScratch(tokens, width, heads), nameof(scratch));
        Need(output.Length >= (long)tokens * width, nameof(output));
        var head = width / heads;
        var paddedTokens = PackedMatrix.Pad(tokens);
        var paddedHead = PackedMatrix.Pad(head);
        scratch = scratch[..AttentionScratch(tokens, width, heads)];
        scratch.Clear();
        var scale = 1f / MathF.Sqrt(head);
        fixed (float* p = qkv, s = scratch, o = output)
        {
            // Keys and values are put into the layout of a packed matrix, so that both products run through the same kernel as the weights'.
            var keys = s;
            var values = keys + head * paddedTokens;
            var scores = values + tokens * paddedHead;
            var zeros = scores + tokens * paddedTokens;
            var starts = zeros + PackedMatrix.Pad(Math.Max(tokens, head));
            new Span<float>(starts + tokens, paddedTokens - tokens).Fill(Nobody);
            for (var h = 0; h < heads; h++)
            {
                Transpose(p + width + h * head, 3 * width, tokens, head, keys);
                for (var t = 0; t < tokens; t++)
                {
                    var row = p + (nint)t * 3 * width + h * head;
                    for (var d = 0; d < head; d += Panel)
                    {
                        var n = Math.Min(Panel, head - d) * sizeof(float);
                        Buffer.MemoryCopy(row + 2 * width + d, values + d * tokens + t * Panel, n, n);
                    }
                }

                // Whole panels of scores, the last ones of nobody's keys: so no row is cut.
                Product(keys, head, paddedTokens, starts, 0, p + h * head, 3 * width, tokens, scores, paddedTokens);
                for (var t = 0; t < tokens; t++)
                {
                    SoftmaxRow(scores + t * paddedTokens, paddedTokens, scale);
                }

                Product(values, tokens, head, zeros, 0, scores, paddedTokens, tokens, o + h * head, width);
            }
        }
    }

    /// <summary>Lays rows [count, length] (row stride ld) out as the panels of a matrix with that many outputs.</summary>
    [MethodImpl(Hot)]
    private static void Transpose(float* rows, int ld, int count, int length, float* panels)
    {
        var t = 0;
        for (; t <= count - 4; t += 4)
        {
            // Panels are a multiple of four wide.
            var from = rows + (nint)t * ld;
            var to = panels + (nint)(t / Panel) * Panel * length + t % Panel;
            var d = 0;
            for (; d <= length - 4; d += 4)
            {
                var (a, b, c, e) = (Vector128.Load(from + d), Vector128.Load(from + ld + d), Vector128.Load(from + 2 * (nint)ld + d), Vector128.Load(from + 3 * (nint)ld + d));
                Vector128<float> ac = Low(a, c), be = Low(b, e), acHigh = High(a, c), beHigh = High(b, e);
                Low(ac, be).Store(to + d * Panel);
                High(ac, be).Store(to + (d + 1) * Panel);
                Low(acHigh, beHigh).Store(to + (d + 2) * Panel);
                High(acHigh, beHigh).Store(to + (d + 3) * Panel);
            }

            for (; d < length; d++)
            {
                for (var i = 0; i < 4; i++)
                {
                    to[d * Panel + i] = from[(nint)i * ld + d];
                }
            }
        }

        for (; t < count; t++)
        {
            var from = rows + (nint)t * ld;
            var to = panels + (nint)(t / Panel) * Panel * length + t % Panel;
            for (var d = 0; d < length; d++)
            {
                to[d * Panel] = from[d];
            }
        }

        static Vector128<float> Low(Vector128<float> a, Vector128<float> b)
            => Sse.IsSupported ? Sse.UnpackLow(a, b) : Vector128.Create(a[0], b[0], a[1], b[1]);

        static Vector128<float> High(Vector128<float> a, Vector128<float> b)
            => Sse.IsSupported ? Sse.UnpackHigh(a, b) : Vector128.Create(a[2], b[2], a[3], b[3]);
    }

    /// <summary>
    /// c[rows, outputs] (row stride ldc) = a[rows, inputs] (row stride lda) times panels; row r's sums start from start + r lds.
    /// </summary>
    private static void Product(float* panels, int inputs, int outputs, float* start, int lds, float* a, int lda, int rows, float* c, int ldc)
    {
        if (rows == 1)
        {
            Vector(panels, inputs, outputs, start, a, c);
            return;
        }

        // A pass takes two vectors of outputs: a whole panel at the widest, part of one otherwise. All rows go by while the panel is in the nearest cache.
        var pass = 2 * TIsa.Count;
        var part = stackalloc float[MostRows * Panel];
        for (var j = 0; j < outputs; j += pass)
        {
            var b = panels + (nint)(j / Panel) * Panel * inputs + j % Panel;
            var columns = Math.Min(pass, outputs - j);
            // While a tile is computed, lines of the next pass come nearer: weights lie in the farthest cache, and are waited for otherwise.
            var ahead = At(panels, inputs, Math.Min(j + pass, outputs - 1) / pass * pass);
            var r = 0;
            while (r < rows)
            {
                var n = TileRows(rows - r);
                var to = c + (nint)r * ldc + j;
                // Tiles write whole vectors: the last columns go by a place that has room for them. Were there a call in the tile itself, its sums would live in memory.
                if (columns == pass)
                {
                    Tile(n, b, inputs, start + j + (nint)r * lds, lds, a + (nint)r * lda, lda, to, ldc, ahead);
                }
                else
                {
                    Tile(n, b, inputs, start + j + (nint)r * lds, lds, a + (nint)r * lda, lda, part, Panel, ahead);
                    for (var i = 0; i < n; i++)
                    {
                        Buffer.MemoryCopy(part + i * Panel, to + (nint)i * ldc, columns * sizeof(float), columns * sizeof(float));
                    }
                }

                r += n;
                ahead += (nint)inputs * Line;
            }
        }
    }

    /// <summary>How many of the rows that are left go into the next tile: so many that none of the machine's registers lies idle and no tile of one row, which waits for its own sums, is left over.</summary>
    private static int TileRows(int left)
        => Math.Min(left, !TIsa.ManyRegisters ? 4 : left % 8 == 1 ? MostRows : 8);

    /// <summary>Computes a tile. Its sizes are written out one by one: a sum stays in a register only where it has a name.</summary>
    private static void Tile(int rows, float* b, int inputs, float* start, int lds, float* a, int lda, float* c, int ldc, float* ahead)
    {
        switch (rows)
        {
            case 9:
                Tile9(b, inputs, start, lds, a, lda, c, ldc, ahead);
                break;
            case > 4:
                Tile8(b, inputs, start, lds, a, lda, rows, c, ldc, ahead);
                break;
            case > 1:
                Tile4(b, inputs, start, lds, a, lda, rows, c, ldc, ahead);
                break;
            default:
                Tile1(b, inputs, start, a, c);
                break;
        }
    }

    /// <summary>One row: eight vectors of outputs at a time, so that eight independent sums hide the latency of the fused operation.</summary>
    [MethodImpl(Hot)]
    private static void Vector(float* panels, int inputs, int outputs, float* start, float* a, float* c)
    {
        var n = TIsa.Count;
        var padded = PackedMatrix.Pad(outputs);
        var j = 0;
        for (; j <= padded - 8 * n && j + 8 * n <= outputs; j += 8 * n)
        {
            var b0 = At(panels, inputs, j);
            var b1 = At(panels, inputs, j + n);
            var b2 = At(panels, inputs, j + 2 * n);
            var b3 = At(panels, inputs, j + 3 * n);
            var b4 = At(panels, inputs, j + 4 * n);
            var b5 = At(panels, inputs, j + 5 * n);
            var b6 = At(panels, inputs, j + 6 * n);
            var b7 = At(panels, inputs, j + 7 * n);
            var s0 = TIsa.Load(start + j);
            var s1 = TIsa.Load(start + j + n);
            var s2 = TIsa.Load(start + j + 2 * n);
            var s3 = TIsa.Load(start + j + 3 * n);
            var s4 = TIsa.Load(start + j + 4 * n);
            var s5 = TIsa.Load(start + j + 5 * n);
            var s6 = TIsa.Load(start + j + 6 * n);
            var s7 = TIsa.Load(start + j + 7 * n);
            nint at = 0;
            for (var k = 0; k < inputs; k++, at += Panel)
            {
                var v = TIsa.Broadcast(a[k]);
                s0 = TIsa.Fma(v, TIsa.Load(b0 + at), s0);
                s1 = TIsa.Fma(v, TIsa.Load(b1 + at), s1);
                s2 = TIsa.Fma(v, TIsa.Load(b2 + at), s2);
                s3 = TIsa.Fma(v, TIsa.Load(b3 + at), s3);
                s4 = TIsa.Fma(v, TIsa.Load(b4 + at), s4);
                s5 = TIsa.Fma(v, TIsa.Load(b5 + at), s5);
                s6 = TIsa.Fma(v, TIsa.Load(b6 + at), s6);
                s7 = TIsa.Fma(v, TIsa.Load(b7 + at), s7);
            }

            TIsa.Store(c + j, s0);
            TIsa.Store(c + j + n, s1);
            TIsa.Store(c + j + 2 * n, s2);
            TIsa.Store(c + j + 3 * n, s3);
            TIsa.Store(c + j + 4 * n, s4);
            TIsa.Store(c + j + 5 * n, s5);
            TIsa.Store(c + j + 6 * n, s6);
            TIsa.Store(c + j + 7 * n, s7);
        }

        for (; j <= outputs - 2 * n; j += 2 * n)
        {
            Tile1(At(panels, inputs, j), inputs, start + j, a, c + j);
        }

        if (j < outputs)
        {
            var part = stackalloc float[Panel];
            for (; j < outputs; j += 2 * n)
            {
                Tile1(At(panels, inputs, j), inputs, start + j, a, part);
                var bytes = Math.Min(2 * n, outputs - j) * sizeof(float);
                Buffer.MemoryCopy(part, c + j, bytes, bytes);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float* At(float* panels, int inputs, int output) => panels + (nint)(output / Panel) * Panel * inputs + output % Panel;

    /// <summary>One row.</summary>
    [MethodImpl(Hot)]
    private static void Tile1(float* b, int inputs, float* start, float* a, float* c)
    {
        var s0 = TIsa.Load(start);
        var s1 = TIsa.Load(start + TIsa.Count);
        for (var k = 0; k < inputs; k++, b += Panel)
        {
            var v = TIsa.Broadcast(a[k]);
            s0 = TIsa.Fma(v, TIsa.Load(b), s0);
            s1 = TIsa.Fma(v, TIsa.Load(b + TIsa.Count), s1);
        }

        TIsa.Store(c, s0);
        TIsa.Store(c + TIsa.Count, s1);
    }

    /// <summary>Up to four rows; where there are fewer, the last is computed again, and written again.</summary>
    [MethodImpl(Hot)]
    private static void Tile4(float* b, int inputs, float* start, int lds, float* a, int lda, int rows, float* c, int ldc, float* ahead)
    {
        var last = rows - 1;
        var a0 = a;
        var a1 = a + (nint)Math.Min(1, last) * lda;
        var a2 = a + (nint)Math.Min(2, last) * lda;
        var a3 = a + (nint)Math.Min(3, last) * lda;
        var from = start;
        T s00 = TIsa.Load(from), s01 = TIsa.Load(from + TIsa.Count);
        from = start + (nint)Math.Min(1, last) * lds;
        T s10 = TIsa.Load(from), s11 = TIsa.Load(from + TIsa.Count);
        from = start + (nint)Math.Min(2, last) * lds;
        T s20 = TIsa.Load(from), s21 = TIsa.Load(from + TIsa.Count);
        from = start + (nint)Math.Min(3, last) * lds;
        T s30 = TIsa.Load(from), s31 = TIsa.Load(from + TIsa.Count);
        for (nint k = 0; k < inputs; k++, b += Panel, ahead += Line)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch1(ahead);
            }

            var b0 = TIsa.Load(b);
            var b1 = TIsa.Load(b + TIsa.Count);
            var v = TIsa.Broadcast(a0[k]);
            s00 = TIsa.Fma(v, b0, s00);
            s01 = TIsa.Fma(v, b1, s01);
            v = TIsa.Broadcast(a1[k]);
            s10 = TIsa.Fma(v, b0, s10);
            s11 = TIsa.Fma(v, b1, s11);
            v = TIsa.Broadcast(a2[k]);
            s20 = TIsa.Fma(v, b0, s20);
            s21 = TIsa.Fma(v, b1, s21);
            v = TIsa.Broadcast(a3[k]);
            s30 = TIsa.Fma(v, b0, s30);
            s31 = TIsa.Fma(v, b1, s31);
        }

        var to = c;
        TIsa.Store(to, s00);
        TIsa.Store(to + TIsa.Count, s01);
        to = c + (nint)Math.Min(1, last) * ldc;
        TIsa.Store(to, s10);
        TIsa.Store(to + TIsa.Count, s11);
        to = c + (nint)Math.Min(2, last) * ldc;
        TIsa.Store(to, s20);
        TIsa.Store(to + TIsa.Count, s21);
        to = c + (nint)Math.Min(3, last) * ldc;
        TIsa.Store(to, s30);
        TIsa.Store(to + TIsa.Count, s31);
    }

    /// <summary>Up to eight rows; where there are fewer, the last is computed again, and written again.</summary>
    [MethodImpl(Hot)]
    private static void Tile8(float* b, int inputs, float* start, int lds, float* a, int lda, int rows, float* c, int ldc, float* ahead)
    {
        var last = rows - 1;
        var a0 = a;
        var a1 = a + (nint)Math.Min(1, last) * lda;
        var a2 = a + (nint)Math.Min(2, last) * lda;
        var a3 = a + (nint)Math.Min(3, last) * lda;
        var a4 = a + (nint)Math.Min(4, last) * lda;
        var a5 = a + (nint)Math.Min(5, last) * lda;
        var a6 = a + (nint)Math.Min(6, last) * lda;
        var a7 = a + (nint)Math.Min(7, last) * lda;
        var from = start;
        T s00 = TIsa.Load(from), s01 = TIsa.Load(from + TIsa.Count);
        from = start + (nint)Math.Min(1, last) * lds;
        T s10 = TIsa.Load(from), s11 = TIsa.Load(from + TIsa.Count);
        from = start + (nint)Math.Min(2, last) * lds;
        T s20 = TIsa.Load(from), s21 = TIsa.Load(from + TIsa.Count);
        from = start + (nint)Math.Min(3, last) * lds;
        T s30 = TIsa.Load(from), s31 = TIsa.Load(from + TIsa.Count);
        from = start + (nint)Math.Min(4, last) * lds;
        T s40 = TIsa.Load(from), s41 = TIsa.Load(from + TIsa.Count);
        from = start + (nint)Math.Min(5, last) * lds;
        T s50 = TIsa.Load(from), s51 = TIsa.Load(from + TIsa.Count);
        from = start + (nint)Math.Min(6, last) * lds;
        T s60 = TIsa.Load(from), s61 = TIsa.Load(from + TIsa.Count);
        from = start + (nint)Math.Min(7, last) * lds;
        T s70 = TIsa.Load(from), s71 = TIsa.Load(from + TIsa.Count);
        for (nint k = 0; k < inputs; k++, b += Panel, ahead += Line)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch1(ahead);
            }

            var b0 = TIsa.Load(b);
            var b1 = TIsa.Load(b + TIsa.Count);
            var v = TIsa.Broadcast(a0[k]);
            s00 = TIsa.Fma(v, b0, s00);
            s01 = TIsa.Fma(v, b1, s01);
            v = TIsa.Broadcast(a1[k]);
            s10 = TIsa.Fma(v, b0, s10);
            s11 = TIsa.Fma(v, b1, s11);
            v = TIsa.Broadcast(a2[k]);
            s20 = TIsa.Fma(v, b0, s20);
            s21 = TIsa.Fma(v, b1, s21);
            v = TIsa.Broadcast(a3[k]);
            s30 = TIsa.Fma(v, b0, s30);
            s31 = TIsa.Fma(v, b1, s31);
            v = TIsa.Broadcast(a4[k]);
            s40 = TIsa.Fma(v, b0, s40);
            s41 = TIsa.Fma(v, b1, s41);
            v = TIsa.Broadcast(a5[k]);
            s50 = TIsa.Fma(v, b0, s50);
            s51 = TIsa.Fma(v, b1, s51);
            v = TIsa.Broadcast(a6[k]);
            s60 = TIsa.Fma(v, b0, s60);
            s61 = TIsa.Fma(v, b1, s61);
            v = TIsa.Broadcast(a7[k]);
            s70 = TIsa.Fma(v, b0, s70);
            s71 = TIsa.Fma(v, b1, s71);
        }

        var to = c;
        TIsa.Store(to, s00);
        TIsa.Store(to + TIsa.Count, s01);
        to = c + (nint)Math.Min(1, last) * ldc;
        TIsa.Store(to, s10);
        TIsa.Store(to + TIsa.Count, s11);
        to = c + (nint)Math.Min(2, last) * ldc;
        TIsa.Store(to, s20);
        TIsa.Store(to + TIsa.Count, s21);
        to = c + (nint)Math.Min(3, last) * ldc;
        TIsa.Store(to, s30);
        TIsa.Store(to + TIsa.Count, s31);
        to = c + (nint)Math.Min(4, last) * ldc;
        TIsa.Store(to, s40);
        TIsa.Store(to + TIsa.Count, s41);
        to = c + (nint)Math.Min(5, last) * ldc;
        TIsa.Store(to, s50);
        TIsa.Store(to + TIsa.Count, s51);
        to = c + (nint)Math.Min(6, last) * ldc;
        TIsa.Store(to, s60);
        TIsa.Store(to + TIsa.Count, s61);
        to = c + (nint)Math.Min(7, last) * ldc;
        TIsa.Store(to, s70);
        TIsa.Store(to + TIsa.Count, s71);
    }

    /// <summary>Nine rows.</summary>
    [MethodImpl(Hot)]
    private static void Tile9(float* b, int inputs, float* start, int lds, float* a, int lda, float* c, int ldc, float* ahead)
    {
        var a0 = a;
        var a1 = a + (nint)lda;
        var a2 = a + (nint)2 * lda;
        var a3 = a + (nint)3 * lda;
        var a4 = a + (nint)4 * lda;
        var a5 = a + (nint)5 * lda;
        var a6 = a + (nint)6 * lda;
        var a7 = a + (nint)7 * lda;
        var a8 = a + (nint)8 * lda;
        var from = start;
        T s00 = TIsa.Load(from), s01 = TIsa.Load(from + TIsa.Count);
        from = start + (nint)1 * lds;
        T s10 = TIsa.Load(from), s11 = TIsa.Load(from + TIsa.Count);
        from = start + (nint)2 * lds;
        T s20 = TIsa.Load(from), s21 = TIsa.Load(from + TIsa.Count);
        from = start + (nint)3 * lds;
        T s30 = TIsa.Load(from), s31 = TIsa.Load(from + TIsa.Count);
        from = start + (nint)4 * lds;
        T s40 = TIsa.Load(from), s41 = TIsa.Load(from + TIsa.Count);
        from = start + (nint)5 * lds;
        T s50 = TIsa.Load(from), s51 = TIsa.Load(from + TIsa.Count);
        from = start + (nint)6 * lds;
        T s60 = TIsa.Load(from), s61 = TIsa.Load(from + TIsa.Count);
        from = start + (nint)7 * lds;
        T s70 = TIsa.Load(from), s71 = TIsa.Load(from + TIsa.Count);
        from = start + (nint)8 * lds;
        T s80 = TIsa.Load(from), s81 = TIsa.Load(from + TIsa.Count);
        for (nint k = 0; k < inputs; k++, b += Panel, ahead += Line)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch1(ahead);
            }

            var b0 = TIsa.Load(b);
            var b1 = TIsa.Load(b + TIsa.Count);
            var v = TIsa.Broadcast(a0[k]);
            s00 = TIsa.Fma(v, b0, s00);
            s01 = TIsa.Fma(v, b1, s01);
            v = TIsa.Broadcast(a1[k]);
            s10 = TIsa.Fma(v, b0, s10);
            s11 = TIsa.Fma(v, b1, s11);
            v = TIsa.Broadcast(a2[k]);
            s20 = TIsa.Fma(v, b0, s20);
            s21 = TIsa.Fma(v, b1, s21);
            v = TIsa.Broadcast(a3[k]);
            s30 = TIsa.Fma(v, b0, s30);
            s31 = TIsa.Fma(v, b1, s31);
            v = TIsa.Broadcast(a4[k]);
            s40 = TIsa.Fma(v, b0, s40);
            s41 = TIsa.Fma(v, b1, s41);
            v = TIsa.Broadcast(a5[k]);
            s50 = TIsa.Fma(v, b0, s50);
            s51 = TIsa.Fma(v, b1, s51);
            v = TIsa.Broadcast(a6[k]);
            s60 = TIsa.Fma(v, b0, s60);
            s61 = TIsa.Fma(v, b1, s61);
            v = TIsa.Broadcast(a7[k]);
            s70 = TIsa.Fma(v, b0, s70);
            s71 = TIsa.Fma(v, b1, s71);
            v = TIsa.Broadcast(a8[k]);
            s80 = TIsa.Fma(v, b0, s80);
            s81 = TIsa.Fma(v, b1, s81);
        }

        var to = c;
        TIsa.Store(to, s00);
        TIsa.Store(to + TIsa.Count, s01);
        to = c + (nint)1 * ldc;
        TIsa.Store(to, s10);
        TIsa.Store(to + TIsa.Count, s11);
        to = c + (nint)2 * ldc;
        TIsa.Store(to, s20);
        TIsa.Store(to + TIsa.Count, s21);
        to = c + (nint)3 * ldc;
        TIsa.Store(to, s30);
        TIsa.Store(to + TIsa.Count, s31);
        to = c + (nint)4 * ldc;
        TIsa.Store(to, s40);
        TIsa.Store(to + TIsa.Count, s41);
        to = c + (nint)5 * ldc;
        TIsa.Store(to, s50);
        TIsa.Store(to + TIsa.Count, s51);
        to = c + (nint)6 * ldc;
        TIsa.Store(to, s60);
        TIsa.Store(to + TIsa.Count, s61);
        to = c + (nint)7 * ldc;
        TIsa.Store(to, s70);
        TIsa.Store(to + TIsa.Count, s71);
        to = c + (nint)8 * ldc;
        TIsa.Store(to, s80);
        TIsa.Store(to + TIsa.Count, s81);
    }

    private static void Normalise(float* x, int rows, int n, float* shift, float* scale, float* y)
    {
        var r = 0;
        for (; r <= rows - 4 && n % SumLanes == 0; r += 4)
        {
            Normalise4(x + (nint)r * n, n, shift, scale, y + (nint)r * n);
        }

        for (; r < rows; r++)
        {
            Normalise(x + (nint)r * n, n, shift, scale, y + (nint)r * n);
        }
    }

    /// <summary>Four rows of whole sums: each sum waits for itself, and meanwhile the others' go on. Row by row the same operations in the same order as for one.</summary>
    [MethodImpl(Hot)]
    private static void Normalise4(float* x, int n, float* shift, float* scale, float* y)
    {
        var lanes = stackalloc float[4 * SumLanes];
        float* x1 = x + n, x2 = x1 + n, x3 = x2 + n;
        for (var v = 0; v < SumLanes; v += TIsa.Count)
        {
            T s0 = TIsa.Broadcast(0f), s1 = s0, s2 = s0, s3 = s0;
            for (var j = v; j < n; j += SumLanes)
            {
                s0 = TIsa.Add(s0, TIsa.Load(x + j));
                s1 = TIsa.Add(s1, TIsa.Load(x1 + j));
                s2 = TIsa.Add(s2, TIsa.Load(x2 + j));
                s3 = TIsa.Add(s3, TIsa.Load(x3 + j));
            }

            TIsa.Store(lanes + v, s0);
            TIsa.Store(lanes + SumLanes + v, s1);
            TIsa.Store(lanes + 2 * SumLanes + v, s2);
            TIsa.Store(lanes + 3 * SumLanes + v, s3);
        }

        T m0 = TIsa.Broadcast(Fold(lanes) / n), m1 = TIsa.Broadcast(Fold(lanes + SumLanes) / n), m2 = TIsa.Broadcast(Fold(lanes + 2 * SumLanes) / n), m3 = TIsa.Broadcast(Fold(lanes + 3 * SumLanes) / n);
        for (var v = 0; v < SumLanes; v += TIsa.Count)
        {
            T s0 = TIsa.Broadcast(0f), s1 = s0, s2 = s0, s3 = s0;
            for (var j = v; j < n; j += SumLanes)
            {
                var d = TIsa.Subtract(TIsa.Load(x + j), m0);
                s0 = TIsa.Fma(d, d, s0);
                d = TIsa.Subtract(TIsa.Load(x1 + j), m1);
                s1 = TIsa.Fma(d, d, s1);
                d = TIsa.Subtract(TIsa.Load(x2 + j), m2);
                s2 = TIsa.Fma(d, d, s2);
                d = TIsa.Subtract(TIsa.Load(x3 + j), m3);
                s3 = TIsa.Fma(d, d, s3);
            }

            TIsa.Store(lanes + v, s0);
            TIsa.Store(lanes + SumLanes + v, s1);
            TIsa.Store(lanes + 2 * SumLanes + v, s2);
            TIsa.Store(lanes + 3 * SumLanes + v, s3);
        }

        T i0 = TIsa.Broadcast(Inverse(lanes, n)), i1 = TIsa.Broadcast(Inverse(lanes + SumLanes, n)), i2 = TIsa.Broadcast(Inverse(lanes + 2 * SumLanes, n)), i3 = TIsa.Broadcast(Inverse(lanes + 3 * SumLanes, n));
        var one = TIsa.Broadcast(1f);
        float* y1 = y + n, y2 = y1 + n, y3 = y2 + n;
        for (var i = 0; i < n; i += TIsa.Count)
        {
            var n0 = TIsa.Multiply(TIsa.Subtract(TIsa.Load(x + i), m0), i0);
            var n1 = TIsa.Multiply(TIsa.Subtract(TIsa.Load(x1 + i), m1), i1);
            var n2 = TIsa.Multiply(TIsa.Subtract(TIsa.Load(x2 + i), m2), i2);
            var n3 = TIsa.Multiply(TIsa.Subtract(TIsa.Load(x3 + i), m3), i3);
            if (shift is not null)
            {
                var (k, s) = (TIsa.Add(one, TIsa.Load(scale + i)), TIsa.Load(shift + i));
                n0 = TIsa.Fma(n0, k, s);
                n1 = TIsa.Fma(n1, k, s);
                n2 = TIsa.Fma(n2, k, s);
                n3 = TIsa.Fma(n3, k, s);
            }

            TIsa.Store(y + i, n0);
            TIsa.Store(y1 + i, n1);
            TIsa.Store(y2 + i, n2);
            TIsa.Store(y3 + i, n3);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Inverse(float* lanes, int n) => 1f / MathF.Sqrt(Fold(lanes) / n + 1e-6f);

    [MethodImpl(Hot)]
    private static void Normalise(float* x, int n, float* shift, float* scale, float* y)
    {
        var lanes = stackalloc float[SumLanes];
        var whole = n - n % SumLanes;
        for (var v = 0; v < SumLanes; v += TIsa.Count)
        {
            var sum = TIsa.Broadcast(0f);
            for (var j = v; j < whole; j += SumLanes)
            {
                sum = TIsa.Add(sum, TIsa.Load(x + j));
            }

            TIsa.Store(lanes + v, sum);
        }

        for (var j = whole; j < n; j++)
        {
            lanes[j - whole] += x[j];
        }

        var mean = Fold(lanes) / n;
        var m = TIsa.Broadcast(mean);
        for (var v = 0; v < SumLanes; v += TIsa.Count)
        {
            var sum = TIsa.Broadcast(0f);
            for (var j = v; j < whole; j += SumLanes)
            {
                var d = TIsa.Subtract(TIsa.Load(x + j), m);
                sum = TIsa.Fma(d, d, sum);
            }

            TIsa.Store(lanes + v, sum);
        }

        for (var j = whole; j < n; j++)
        {
            var d = x[j] - mean;
            lanes[j - whole] = MathF.FusedMultiplyAdd(d, d, lanes[j - whole]);
        }

        var inverse = Inverse(lanes, n);
        var inv = TIsa.Broadcast(inverse);
        var one = TIsa.Broadcast(1f);
        var i = 0;
        if (shift is null)
        {
            for (; i <= n - TIsa.Count; i += TIsa.Count)
            {
                TIsa.Store(y + i, TIsa.Multiply(TIsa.Subtract(TIsa.Load(x + i), m), inv));
            }

            for (; i < n; i++)
            {
                y[i] = (x[i] - mean) * inverse;
            }

            return;
        }

        for (; i <= n - TIsa.Count; i += TIsa.Count)
        {
            var normal = TIsa.Multiply(TIsa.Subtract(TIsa.Load(x + i), m), inv);
            TIsa.Store(y + i, TIsa.Fma(normal, TIsa.Add(one, TIsa.Load(scale + i)), TIsa.Load(shift + i)));
        }

        for (; i < n; i++)
        {
            y[i] = MathF.FusedMultiplyAdd((x[i] - mean) * inverse, 1f + scale[i], shift[i]);
        }
    }

    /// <summary>One row, filled up with <see cref="Nobody"/> to a multiple of 16.</summary>
    [MethodImpl(Hot)]
    private static void SoftmaxRow(float* x, int padded, float scale)
    {
        var lanes = stackalloc float[SumLanes];

        // The largest number does not depend on the order in which it is looked for.
        for (var v = 0; v < SumLanes; v += TIsa.Count)
        {
            var largest = TIsa.Load(x + v);
            for (var j = v + SumLanes; j < padded; j += SumLanes)
            {
                largest = TIsa.Max(TIsa.Load(x + j), largest);
            }

            TIsa.Store(lanes + v, largest);
        }

        var top = TIsa.Broadcast(Largest(lanes));
        var s = TIsa.Broadcast(scale);
        for (var i = 0; i < padded; i += TIsa.Count)
        {
            TIsa.Store(x + i, Elements<TIsa, T>.Exp(TIsa.Multiply(TIsa.Subtract(TIsa.Load(x + i), top), s)));
        }

        for (var v = 0; v < SumLanes; v += TIsa.Count)
        {
            var sum = TIsa.Broadcast(0f);
            for (var j = v; j < padded; j += SumLanes)
            {
                sum = TIsa.Add(sum, TIsa.Load(x + j));
            }

            TIsa.Store(lanes + v, sum);
        }

        var inv = TIsa.Broadcast(1f / Fold(lanes));
        for (var i = 0; i < padded; i += TIsa.Count)
        {
            TIsa.Store(x + i, TIsa.Multiply(TIsa.Load(x + i), inv));
        }
    }

    /// <summary>The one tree: lane j takes in lane j+8, then j+4, j+2, j+1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Fold(float* lanes)
    {
        var four = Vector128.Load(lanes) + Vector128.Load(lanes + 8) + (Vector128.Load(lanes + 4) + Vector128.Load(lanes + 12));
        four += Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1));
        return (four + Vector128.Shuffle(four, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }

    /// <summary>The largest of 16 numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Largest(float* lanes)
    {
        var four = Larger(Larger(Vector128.Load(lanes), Vector128.Load(lanes + 8)), Larger(Vector128.Load(lanes + 4), Vector128.Load(lanes + 12)));
        four = Larger(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
        return Larger(four, Vector128.Shuffle(four, Vector128.Create(1, 0, 3, 2))).ToScalar();

        static Vector128<float> Larger(Vector128<float> a, Vector128<float> b) => Vector128.ConditionalSelect(Vector128.GreaterThan(a, b), a, b);
    }

    private static int Rows(int length, int width)
    {
        Need(width >= 1 && length % width == 0, nameof(width));
        return length / width;
    }

    private static void Need(bool holds, string argument)
    {
        if (!holds)
        {
            throw new ArgumentException("has the wrong length", argument);
        }
    }
}

/// <summary>Element functions, written once for any width.</summary>
internal static class Elements<TIsa, T>
    where TIsa : struct, IIsa<T>
    where T : unmanaged
{
    /// <summary>
    /// e^x = 2^n e^r with n = round(x / ln 2), |r| below ln 2 / 2 in two parts (Cody and Waite 1980), e^r by its Taylor polynomial of degree 7,
    /// whose remainder 5e-9 is below a tenth of a unit in the last place.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Exp(T x)
    {
        // Adding 1.5 2^23 leaves the nearest whole number in the lowest bits of the mantissa.
        var magic = TIsa.Broadcast(12582912f);
        x = TIsa.Min(TIsa.Broadcast(88f), TIsa.Max(TIsa.Broadcast(-87f), x));
        var shifted = TIsa.Fma(x, TIsa.Broadcast(1.44269504f), magic);
        var n = TIsa.Subtract(shifted, magic);
        var r = TIsa.Fma(n, TIsa.Broadcast(-0.693359375f), x);
        r = TIsa.Fma(n, TIsa.Broadcast(2.12194440e-4f), r);
        var p = TIsa.Broadcast(1f / 5040);
        p = TIsa.Fma(p, r, TIsa.Broadcast(1f / 720));
        p = TIsa.Fma(p, r, TIsa.Broadcast(1f / 120));
        p = TIsa.Fma(p, r, TIsa.Broadcast(1f / 24));
        p = TIsa.Fma(p, r, TIsa.Broadcast(1f / 6));
        p = TIsa.Fma(p, r, TIsa.Broadcast(0.5f));
        p = TIsa.Fma(p, r, TIsa.Broadcast(1f));
        p = TIsa.Fma(p, r, TIsa.Broadcast(1f));
        return TIsa.ScaleByPowerOfTwo(p, shifted);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Mish(T v)
    {
        // Above 30 the quotient is 1 in single precision, and e^30 squared is far from overflowing.
        var e = Exp(TIsa.Min(TIsa.Broadcast(30f), v));
        var two = TIsa.Broadcast(2f);
        var w = TIsa.Multiply(e, TIsa.Add(e, two));
        return TIsa.Multiply(v, TIsa.Divide(w, TIsa.Add(w, two)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Silu(T v)
        => TIsa.Divide(v, TIsa.Add(TIsa.Broadcast(1f), Exp(TIsa.Subtract(TIsa.Broadcast(0f), v))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Gelu(T v)
    {
        // -2 sqrt(2/pi) and -2 sqrt(2/pi) 0.044715
        var square = TIsa.Multiply(v, v);
        var slope = TIsa.Fma(square, TIsa.Broadcast(-0.0713548162726f), TIsa.Broadcast(-1.59576912161f));
        return TIsa.Divide(v, TIsa.Add(TIsa.Broadcast(1f), Exp(TIsa.Multiply(slope, v))));
    }
}
