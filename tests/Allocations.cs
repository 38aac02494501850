namespace MimicD.Tests;

/// <summary>Counts what is allocated.</summary>
internal static class Allocations
{
    private const int Stretches = 5;

    /// <summary>Fails where an action allocates on the calling thread each time that it is done, after the first.</summary>
    /// <remarks>What the code itself allocates it allocates in every stretch. What the runtime allocates on the thread now and then, as while it puts better code in the place of the first, is not in all of them, and no budget of the code's.</remarks>
    /// <param name="action">Done once to warm up, and then several times more.</param>
    public static void AssertNone(Action action)
    {
        action();
        var allocated = new long[Stretches];
        foreach (ref var bytes in allocated.AsSpan())
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            action();
            bytes = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.True(allocated.Min() == 0, $"bytes allocated in {Stretches} stretches: {string.Join(", ", allocated)}");
    }
}
