using System.Globalization;
using System.Text;

namespace MimicD.Cli;

/// <summary>
/// Standard output and standard error that may go at any time (a full disk, a terminal that was closed, a pipe that nobody reads) without anything else going with them: what cannot be written is dropped, once and for
/// all, and remembered. All that this program shows goes through here, also what Spectre.Console draws.
/// </summary>
internal static class SafeConsole
{
    private const int Descriptors = 3;

    // Of /proc/PID/fdinfo: octal, as open(2) has it. What was handed to this program cannot have it, or it would have been closed on the way.
    private const int CloseOnExecute = 0x80000;

    private static readonly Sink Output = new();
    private static readonly Sink Error = new();
    private static bool _installed;

    /// <summary>Why standard output was lost, or null. Closed on purpose, and read by nobody any more (as by <c>| head</c>), it is not lost.</summary>
    public static string? LostOutput => Output.Lost;

    /// <summary>Takes the place of the console's writers. To be called before anything is shown.</summary>
    public static void Install()
    {
        if (_installed)
        {
            return;
        }

        _installed = true;
        if (IsClosed(0))
        {
            Console.SetIn(TextReader.Null);
        }

        Console.SetOut(Writer(1, Console.OpenStandardOutput, Output));
        Console.SetError(Writer(2, Console.OpenStandardError, Error));
    }

    /// <summary>A writer that never fails.</summary>
    /// <param name="open">Opens what is written to.</param>
    /// <param name="sink">Remembers what goes wrong.</param>
    internal static TextWriter Writer(Func<Stream> open, Sink sink)
    {
        try
        {
            sink.To = open();
        }
        catch (Exception e) when (IsLoss(e))
        {
            // Closed: nobody wants it.
        }

        return new StreamWriter(sink, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), bufferSize: 256) { AutoFlush = true };
    }

    private static TextWriter Writer(int descriptor, Func<Stream> open, Sink sink) => IsClosed(descriptor) ? TextWriter.Null : Writer(open, sink);

    /// <summary>
    /// Whether one of the three standard descriptors was closed by whoever started this program. Its number has then been given to something that the runtime opened for itself, which must not be written to; that
    /// is told by its being closed on exec.
    /// </summary>
    private static bool IsClosed(int descriptor)
    {
        try
        {
            var flags = File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fdinfo/{descriptor}")).FirstOrDefault(l => l.StartsWith("flags:", StringComparison.Ordinal));
            return descriptor < Descriptors && flags is not null && (Convert.ToInt32(flags["flags:".Length..].Trim(), 8) & CloseOnExecute) != 0;
        }
        catch (FileNotFoundException)
        {
            return Directory.Exists("/proc/self/fdinfo");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or OverflowException)
        {
            // A system that does not say.
            return false;
        }
    }

    private static bool IsLoss(Exception e) => e is IOException or UnauthorizedAccessException or ObjectDisposedException or NotSupportedException or ArgumentException;

    /// <summary>A stream whose writes are dropped after the first that fails.</summary>
    internal sealed class Sink : Stream
    {
        private string? _lost;

        /// <summary>Where to; null: nowhere.</summary>
        public Stream? To { get; set; }

        /// <summary>What went wrong, or null.</summary>
        public string? Lost => Volatile.Read(ref _lost);

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (Lost is not null || To is not { } to)
            {
                return;
            }

            try
            {
                to.Write(buffer);
            }
            catch (Exception e) when (IsLoss(e))
            {
                Volatile.Write(ref _lost, e.Message);
            }
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush()
        {
            // Written at once.
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
