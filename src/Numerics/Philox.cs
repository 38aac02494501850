using System.Runtime.CompilerServices;

namespace MimicD.Numerics;

/// <summary>What random numbers are for. Different purposes never share numbers, whatever else is equal.</summary>
public enum RandomPurpose
{
    /// <summary>The noise that a plan starts from.</summary>
    PlanNoise = 1,

    /// <summary>Start positions.</summary>
    Starts = 2,

    /// <summary>Goals.</summary>
    Goals = 3,

    /// <summary>Sensor noise.</summary>
    SensorNoise = 4,

    /// <summary>Sensor dropout.</summary>
    SensorDropout = 5,

    /// <summary>Expert demonstrations.</summary>
    Experts = 6,

    /// <summary>Order and choice of training samples.</summary>
    TrainingBatches = 7,

    /// <summary>Noise levels and noise added to training samples.</summary>
    TrainingNoise = 8,

    /// <summary>Initial weights.</summary>
    TrainingWeights = 9,

    /// <summary>Augmentation of training samples.</summary>
    TrainingAugmentation = 10,

    /// <summary>Resampling in statistics.</summary>
    Resampling = 11,

    /// <summary>Dropout inside a network in training.</summary>
    TrainingDropout = 12,

    /// <summary>The joint mode that all agents of an episode agreed on before it began.</summary>
    SharedMode = 13,

    /// <summary>Clocks of emulated robots: where they begin, how they drift, at which phase of the period they observe.</summary>
    RobotClocks = 14,

    /// <summary>Faults of a network.</summary>
    NetworkFaults = 15,

    /// <summary>Seeds of a sweep's blocks of episodes: the address is the block.</summary>
    SweepBlocks = 16,
}

/// <summary>
/// Philox4x32-10, a counter-based generator (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
/// A number is a pure function of key and counter, so any agent's noise at any tick can be made again anywhere, in any order.
/// </summary>
public static class Philox
{
    private const uint Multiplier0 = 0xD2511F53;
    private const uint Multiplier1 = 0xCD9E8D57;
    private const uint Weyl0 = 0x9E3779B9;
    private const uint Weyl1 = 0xBB67AE85;

    /// <summary>One block of four 32-bit numbers.</summary>
    public static (uint X0, uint X1, uint X2, uint X3) Block(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1)
    {
        for (var round = 0; round < 10; round++)
        {
            var p0 = (ulong)Multiplier0 * c0;
            var p1 = (ulong)Multiplier1 * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += Weyl0;
            k1 += Weyl1;
        }

        return (c0, c1, c2, c3);
    }
}

/// <summary>
/// A stream of random numbers addressed by (seed, purpose, a, b, c): seed and purpose make the key, a, b and c are the upper three
/// counter words (by habit: tick, agent, episode), and the lowest word counts blocks within the address.
/// </summary>
public struct CounterRandom
{
    private readonly uint _k0;
    private readonly uint _k1;
    private readonly uint _a;
    private readonly uint _b;
    private readonly uint _c;
    private uint _block;
    private (uint X0, uint X1, uint X2, uint X3) _words;
    private int _used;

    /// <summary>Opens the stream at its start.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="purpose">What the numbers are for.</param>
    /// <param name="a">First address word, by habit the tick.</param>
    /// <param name="b">Second address word, by habit the agent.</param>
    /// <param name="c">Third address word, by habit the episode.</param>
    public CounterRandom(ulong seed, RandomPurpose purpose, int a = 0, int b = 0, int c = 0)
    {
        // Hashing the purpose into the key through the generator itself keeps all three counter words for the address.
        (_k0, _k1, _, _) = Philox.Block((uint)purpose, 0x4D696D69, 0x6344, 0, (uint)seed, (uint)(seed >> 32));
        _a = (uint)a;
        _b = (uint)b;
        _c = (uint)c;
        _used = 4;
    }

    /// <summary>The next 32 random bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public uint NextUInt32()
    {
        if (_used == 4)
        {
            _words = Philox.Block(_block++, _a, _b, _c, _k0, _k1);
            _used = 0;
        }

        return _used++ switch
        {
            0 => _words.X0,
            1 => _words.X1,
            2 => _words.X2,
            _ => _words.X3,
        };
    }

    /// <summary>The next 64 random bits.</summary>
    public ulong NextUInt64()
    {
        ulong high = NextUInt32();
        return (high << 32) | NextUInt32();
    }

    /// <summary>Uniform in [0, 1), 53 random bits.</summary>
    public double NextDouble() => (NextUInt64() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Uniform in [low, high).</summary>
    public double NextUniform(double low, double high) => low + (high - low) * NextDouble();

    /// <summary>Uniform over 0 ... bound-1, without bias worth naming (64 bits scaled down).</summary>
    public int NextInt32(int bound)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bound);
        return (int)Math.BigMul(NextUInt64(), (ulong)bound, out _);
    }

    /// <summary>Two independent standard normal numbers (Box and Muller 1958).</summary>
    public (double, double) NextNormalPair()
    {
        var u = 1.0 - NextDouble();
        var radius = Math.Sqrt(-2.0 * Math.Log(u));
        var (sin, cos) = Math.SinCos(2.0 * Math.PI * NextDouble());
        return (radius * cos, radius * sin);
    }

    /// <summary>One standard normal number; the second of its pair is thrown away.</summary>
    public double NextNormal() => NextNormalPair().Item1;

    /// <summary>Fills with independent standard normal numbers.</summary>
    public void FillNormal(Span<float> values)
    {
        for (var i = 0; i < values.Length; i += 2)
        {
            var (first, second) = NextNormalPair();
            values[i] = (float)first;
            if (i + 1 < values.Length)
            {
                values[i + 1] = (float)second;
            }
        }
    }
}
