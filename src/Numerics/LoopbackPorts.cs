using System.Net;
using System.Net.Sockets;

namespace MimicD.Numerics;

/// <summary>
/// Ports of loopback for servers that are started for a while. They lie below those that Linux gives to connections: while such a server is down, one that tries to reach it again and again must not be given its port, and
/// meet itself.
/// </summary>
public static class LoopbackPorts
{
    private const int Lowest = 15_000;
    private const int End = 32_000;

    /// <summary>A port that nobody has at this moment.</summary>
    public static int Free() => Free(1)[0];

    /// <summary>So many different ones.</summary>
    public static int[] Free(int count)
    {
        var listeners = new List<TcpListener>();
        try
        {
            while (listeners.Count < count)
            {
                var listener = new TcpListener(IPAddress.Loopback, Random.Shared.Next(Lowest, End));
                try
                {
                    listener.Start();
                    listeners.Add(listener);
                }
                catch (SocketException)
                {
                    // Taken.
                    listener.Dispose();
                }
            }

            return [.. listeners.Select(l => ((IPEndPoint)l.LocalEndpoint).Port)];
        }
        finally
        {
            foreach (var listener in listeners)
            {
                listener.Dispose();
            }
        }
    }
}
