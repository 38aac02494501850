using FsCheck;
using FsCheck.Fluent;
using MimicD.Numerics;

namespace MimicD.EvaluationTests;

/// <summary>Properties over cases that a seed makes; FsCheck chooses the seeds and prints the one that fails.</summary>
internal static class Property
{
    public static void Holds(Func<CounterRandom, bool> property) =>
        Prop.ForAll<int>(ArbMap.Default.ArbFor<int>(), seed => property(new CounterRandom((ulong)(uint)seed, RandomPurpose.Resampling))).QuickCheckThrowOnFailure();
}
