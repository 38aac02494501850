using System.Globalization;
using System.Text;

namespace MimicD.Cli;

/// <summary>The arguments of this process as others see them (<c>ps</c>, <c>/proc/PID/cmdline</c>).</summary>
internal static class ProcessArguments
{
    // Of proc(5): where in /proc/PID/stat, behind the name, the addresses of the arguments' beginning and end are.
    private const int BeginField = 48 - 3;
    private const int EndField = 49 - 3;
    private const int MostBytes = 1 << 22;

    /// <summary>Overwrites an argument with asterisks, on Linux and where that is allowed: it has been read already, and nobody else needs it.</summary>
    public static void Hide(string argument)
    {
        ArgumentNullException.ThrowIfNull(argument);
        var secret = Encoding.UTF8.GetBytes(argument);
        try
        {
            var stat = File.ReadAllText("/proc/self/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            var (begin, end) = (long.Parse(fields[BeginField], CultureInfo.InvariantCulture), long.Parse(fields[EndField], CultureInfo.InvariantCulture));
            if (secret.Length == 0 || begin <= 0 || end - begin is <= 0 or > MostBytes)
            {
                return;
            }

            using var memory = File.OpenHandle("/proc/self/mem", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            var arguments = new byte[end - begin];
            var length = RandomAccess.Read(memory, arguments, begin);
            for (var at = 0; at < length && arguments.AsSpan(at, length - at).IndexOf(secret) is var found and >= 0; at += found + secret.Length)
            {
                arguments.AsSpan(at + found, secret.Length).Fill((byte)'*');
            }

            RandomAccess.Write(memory, arguments.AsSpan(0, length), begin);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or FormatException or IndexOutOfRangeException)
        {
            // Elsewhere the arguments stay as they are.
        }
    }
}
