using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Evaluation.Sweeps;

/// <summary>
/// How the seeds of a sweep's blocks of episodes follow from the sweep's seed. A folder keeps the derivation that it began with (<see cref="SweepManifest.SeedVersion"/>), for a cell's id and its
/// finished blocks follow from the seeds.
/// </summary>
public static class SweepSeeds
{
    /// <summary>
    /// Block b has seed + b. Sweeps with neighbouring seeds share episodes: block 1 of seed 0 is block 0 of seed 1. Folders whose <c>sweep.json</c> names no version are of this one.
    /// </summary>
    public const int Consecutive = 1;

    /// <summary>
    /// Block b has the first number of Philox's stream (seed, <see cref="RandomPurpose.SweepBlocks"/>, b), its upper 53 bits, so that every reader of JSON has it exactly. No two sweeps, and no sweep and
    /// <c>mimicd run</c> with a seed that somebody typed, share episodes.
    /// </summary>
    public const int Keyed = 2;

    /// <summary>What new folders have.</summary>
    public const int Current = Keyed;

    private const int Unused = 64 - 53;

    /// <summary>The seed of one block.</summary>
    /// <param name="version"><see cref="Consecutive"/> or <see cref="Keyed"/>.</param>
    /// <param name="seed">The sweep's seed.</param>
    /// <param name="block">The block, from 0.</param>
    public static ulong Of(int version, ulong seed, int block) => version switch
    {
        Consecutive => unchecked(seed + (ulong)block),
        Keyed => new CounterRandom(seed, RandomPurpose.SweepBlocks, block).NextUInt64() >> Unused,
        _ => throw new ArgumentOutOfRangeException(nameof(version), version, "a version from 1 to 2 is needed"),
    };

    /// <summary>Refuses a version that there is not.</summary>
    /// <param name="version">The version.</param>
    /// <param name="where">The file or option that names it.</param>
    /// <param name="field">The field, or empty.</param>
    /// <exception cref="InvalidInputException">There is no such version.</exception>
    public static void Require(int version, string where, string field)
        => InvalidInputException.Require(version is >= Consecutive and <= Current, where, field, $"{Consecutive} to {Current}", version);
}
