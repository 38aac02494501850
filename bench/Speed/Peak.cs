using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MimicD.Bench.Speed;

/// <summary>What one core can do at most, by loops that do nothing else.</summary>
internal static class Peak
{
    /// <summary>Multiplications and additions in one call of <see cref="Multiply"/>.</summary>
    public static double Operations(int steps) => 2.0 * 12 * Vector512<float>.Count * steps;

    /// <summary>Twelve independent chains of fused multiplications in registers; more than any processor's latency times its units.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Multiply(int steps)
    {
        if (!Vector512.IsHardwareAccelerated)
        {
            return Multiply256(steps);
        }

        var (m, c) = (Vector512.Create(0.999f), Vector512.Create(0.001f));
        Vector512<float> a0 = c, a1 = c, a2 = c, a3 = c, a4 = c, a5 = c, a6 = c, a7 = c, a8 = c, a9 = c, a10 = c, a11 = c;
        for (var i = 0; i < steps; i++)
        {
            a0 = Vector512.FusedMultiplyAdd(a0, m, c);
            a1 = Vector512.FusedMultiplyAdd(a1, m, c);
            a2 = Vector512.FusedMultiplyAdd(a2, m, c);
            a3 = Vector512.FusedMultiplyAdd(a3, m, c);
            a4 = Vector512.FusedMultiplyAdd(a4, m, c);
            a5 = Vector512.FusedMultiplyAdd(a5, m, c);
            a6 = Vector512.FusedMultiplyAdd(a6, m, c);
            a7 = Vector512.FusedMultiplyAdd(a7, m, c);
            a8 = Vector512.FusedMultiplyAdd(a8, m, c);
            a9 = Vector512.FusedMultiplyAdd(a9, m, c);
            a10 = Vector512.FusedMultiplyAdd(a10, m, c);
            a11 = Vector512.FusedMultiplyAdd(a11, m, c);
        }

        return Vector512.Sum(a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11);
    }

    /// <summary>Sums an array: what the nearest memory that holds it gives.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static unsafe float Read(float[] values)
    {
        Vector256<float> a = default, b = default, c = default, d = default;
        fixed (float* p = values)
        {
            for (var i = 0; i <= values.Length - 32; i += 32)
            {
                a += Vector256.Load(p + i);
                b += Vector256.Load(p + i + 8);
                c += Vector256.Load(p + i + 16);
                d += Vector256.Load(p + i + 24);
            }
        }

        return Vector256.Sum(a + b + c + d);
    }

    // Each half of a wide vector as one of its own, so that the count of operations is the same.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Multiply256(int steps)
    {
        var (m, c) = (Vector256.Create(0.999f), Vector256.Create(0.001f));
        Vector256<float> a0 = c, a1 = c, a2 = c, a3 = c, a4 = c, a5 = c, a6 = c, a7 = c, a8 = c, a9 = c, a10 = c, a11 = c;
        for (var i = 0; i < 2 * steps; i++)
        {
            a0 = Vector256.FusedMultiplyAdd(a0, m, c);
            a1 = Vector256.FusedMultiplyAdd(a1, m, c);
            a2 = Vector256.FusedMultiplyAdd(a2, m, c);
            a3 = Vector256.FusedMultiplyAdd(a3, m, c);
            a4 = Vector256.FusedMultiplyAdd(a4, m, c);
            a5 = Vector256.FusedMultiplyAdd(a5, m, c);
            a6 = Vector256.FusedMultiplyAdd(a6, m, c);
            a7 = Vector256.FusedMultiplyAdd(a7, m, c);
            a8 = Vector256.FusedMultiplyAdd(a8, m, c);
            a9 = Vector256.FusedMultiplyAdd(a9, m, c);
            a10 = Vector256.FusedMultiplyAdd(a10, m, c);
            a11 = Vector256.FusedMultiplyAdd(a11, m, c);
        }

        return Vector256.Sum(a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11);
    }
}
