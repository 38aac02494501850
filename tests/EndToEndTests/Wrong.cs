using System.Runtime.InteropServices;
using System.Threading.Channels;
using MimicD.Agents;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.EndToEndTests;

/// <summary>Agents that break the rules, each in its own way, so that the architecture's checks can be seen to fail.</summary>
#pragma warning disable CS0169, CS0649, CA1812, CA1823, CA1852, IDE0044, IDE0051, S1144, MA0036, MA0053 // These types exist to be looked at, not to be used.
public static class Wrong
{
    /// <summary>A room that may not know the world would show it like this.</summary>
    internal static Type KnowsTheWorld => typeof(Scenario);

    [DllImport("mimicd_torch", EntryPoint = "nothing")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static extern int Native();

    public sealed class HoldsHost
    {
        private IAgentHost? _host;
    }

    public sealed class TakesSink
    {
        public static void Decide(IActionSink sink) => ArgumentNullException.ThrowIfNull(sink);
    }

    public sealed class HoldsOthers
    {
        private Dictionary<int, Agent[]>? _others;
    }

    public sealed class Indirect
    {
        private HoldsHost? _friend;
    }

    public sealed class UsesStaticMailbox
    {
        public static bool Decide() => Mailboxes.Post(1);
    }

    public sealed class LeavesNote
    {
        private static float _note;

        public static float Decide(float seen) => Interlocked.Exchange(ref _note, seen);
    }

    public sealed class SharesBoard
    {
        private static readonly float[] Board = new float[16];

        public static void Decide(int own) => Board[own] = 1;
    }

    public sealed class KeepsToItself
    {
        private float[]? _window;
        private AgentId _own;

        public int Length => _window?.Length ?? 0;
    }

    private static class Mailboxes
    {
        private static readonly Channel<int> All = Channel.CreateUnbounded<int>();

        public static bool Post(int value) => All.Writer.TryWrite(value);
    }
}
