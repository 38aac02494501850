namespace MimicD.Bridges.Robots;

/// <summary>
/// Threads of the pool that do not spin. A thread that has nothing to do looks again and again for a while whether there is something by now; where messages come one by one, and the broker and others want the same few
/// processors, that takes from them what they need to bring the next. Measured with 200 robots at 20 Hz on two processors: the 99th percentile of answers falls from seconds to under a millisecond.
/// </summary>
public static class QuietThreads
{
    // The runtime's own setting, which it reads when the pool makes its first thread.
    private const string Setting = "System.Threading.ThreadPool.UnfairSemaphoreSpinLimit";

    /// <summary>Asks for it; heeded where the pool has not begun. What the environment says about it comes first.</summary>
    public static void Ask() => AppContext.SetData(Setting, 0);
}
