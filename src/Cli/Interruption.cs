using System.Globalization;
using System.Runtime.InteropServices;

namespace MimicD.Cli;

/// <summary>
/// What signals do: SIGINT (Ctrl-C), SIGTERM and SIGHUP (the terminal is gone) all ask for a stop that keeps what is done, and the exit code says which it was. A second SIGINT or SIGTERM ends the process at once;
/// a second SIGHUP does not, because a shell and the kernel both send one when a terminal goes.
/// </summary>
internal sealed class Interruption : IDisposable
{
    // 128 + the signal's number, as shells have it.
    private const int AfterInterrupt = 130;
    private const int AfterTerminate = 143;
    private const int AfterHangUp = 129;

    // timeout(1) sends its signal to the process and then to its group: two that are one.
    private const long OneMilliseconds = 100;

    private static int _code = AfterInterrupt;

    private readonly CancellationTokenSource _source = new();
    private readonly List<PosixSignalRegistration> _registrations = [];
    private readonly Lock _gate = new();
    private long _first = -1;

    /// <summary>Begins to listen.</summary>
    public Interruption()
    {
        Listen(PosixSignal.SIGINT, AfterInterrupt);
        Listen(PosixSignal.SIGTERM, AfterTerminate);
        // Who starts a program by nohup wants it to outlive the terminal.
        if (!IsIgnored(1))
        {
            Listen(PosixSignal.SIGHUP, AfterHangUp);
        }
    }

    /// <summary>The exit code of work that was stopped: by which signal; 130 where it was none.</summary>
    public static int Code => Volatile.Read(ref _code);

    /// <summary>Whether an exit code is that of work that was stopped.</summary>
    public static bool IsStop(int code) => code is AfterInterrupt or AfterTerminate or AfterHangUp;

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>Asks for a stop as a signal does.</summary>
    public void Stop()
    {
        try
        {
            _source.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The work was done before.
        }
    }

    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }

        _source.Dispose();
    }

    /// <summary>Whether a signal of that kind is another first one (or the same again), and is kept from ending the process.</summary>
    /// <param name="signal">Which.</param>
    /// <param name="code">The exit code that goes with it.</param>
    /// <param name="now">Milliseconds on any clock.</param>
    internal bool Heed(PosixSignal signal, int code, long now)
    {
        lock (_gate)
        {
            if (_first < 0)
            {
                _first = now;
                Volatile.Write(ref _code, code);
                return true;
            }

            return signal == PosixSignal.SIGHUP || now - _first < OneMilliseconds;
        }
    }

    private void Listen(PosixSignal signal, int code) => _registrations.Add(PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = Heed(signal, code, Environment.TickCount64);
        Stop();
    }));

    private static bool IsIgnored(int signal)
    {
        try
        {
            const string key = "SigIgn:";
            return File.ReadLines("/proc/self/status").FirstOrDefault(l => l.StartsWith(key, StringComparison.Ordinal)) is { } line
                && (ulong.Parse(line[key.Length..].Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) >> (signal - 1) & 1) == 1;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            return false;
        }
    }
}
