using System.Runtime.InteropServices;

namespace MimicD.Numerics;

/// <summary>What a path leads to, symbolic links followed.</summary>
internal enum PathKind
{
    /// <summary>Nothing, or what this system does not tell.</summary>
    Missing,

    /// <summary>A regular file.</summary>
    File,

    /// <summary>A folder.</summary>
    Folder,

    /// <summary>A device, a pipe or a socket: it is written to and never replaced.</summary>
    Special,
}

/// <summary>The few calls of the C library that the file classes need beyond .NET's. Linux; elsewhere each falls back to what .NET knows.</summary>
internal static unsafe partial class Posix
{
    private const string C = "libc";
    private const int CurrentFolder = -100;
    private const int EmptyPath = 0x1000;
    private const uint BasicStats = 0x7ff;
    private const int TypeMask = 0xf000;
    private const int FolderType = 0x4000;
    private const int FileType = 0x8000;
    private const int WriteAccess = 2;
    private const int ReadOnlyFolder = 0x10000;
    private const int Interrupted = 4;
    private const int Again = 11;

    /// <summary>Kind, owner and identity of what a path leads to.</summary>
    /// <param name="Kind">What it is.</param>
    /// <param name="User">Owner.</param>
    /// <param name="Group">Group.</param>
    /// <param name="Device">Device that it lies on, and</param>
    /// <param name="Node">its number there: together its identity.</param>
    internal readonly record struct Status(PathKind Kind, uint User, uint Group, ulong Device, ulong Node);

    /// <summary>Looks at a path; links are followed.</summary>
    internal static Status Of(string path)
    {
        if (OperatingSystem.IsLinux())
        {
            Statx found;
            return statx(CurrentFolder, path, 0, BasicStats, &found) == 0 ? found.ToStatus() : default;
        }

        return new Status(Directory.Exists(path) ? PathKind.Folder : System.IO.File.Exists(path) ? PathKind.File : PathKind.Missing, 0, 0, 0, 0);
    }

    /// <summary>Looks at an open file.</summary>
    internal static Status Of(SafeHandle open)
    {
        if (!OperatingSystem.IsLinux())
        {
            return default;
        }

        Statx found;
        return statx((int)open.DangerousGetHandle(), "", EmptyPath, BasicStats, &found) == 0 ? found.ToStatus() : default;
    }

    /// <summary>Whether this user may write to an existing file.</summary>
    internal static bool MayWrite(string path) => !OperatingSystem.IsLinux() || access(path, WriteAccess) == 0;

    /// <summary>Gives a file another owner where this user may; without a word where not.</summary>
    internal static void Own(string path, uint user, uint group)
    {
        if (OperatingSystem.IsLinux())
        {
            _ = chown(path, user, group);
        }
    }

    /// <summary>Flushes a folder, so that a name in it outlives a crash of the machine. File systems that cannot do so are left alone.</summary>
    internal static void SyncFolder(string folder)
    {
        if (!OperatingSystem.IsLinux() || open(folder, ReadOnlyFolder) is not (>= 0 and var descriptor))
        {
            return;
        }

        _ = fsync(descriptor);
        _ = close(descriptor);
    }

    /// <summary>Writes to an open descriptor, where its own offset stands.</summary>
    /// <exception cref="IOException">It is closed, full or broken.</exception>
    internal static void Write(int descriptor, ReadOnlySpan<byte> bytes, string where)
    {
        while (!bytes.IsEmpty)
        {
            nint written;
            fixed (byte* at = bytes)
            {
                written = write(descriptor, at, bytes.Length);
            }

            if (written >= 0)
            {
                bytes = bytes[(int)written..];
            }
            else if (Marshal.GetLastPInvokeError() is Again)
            {
                // Somebody has made a pipe non-blocking; whoever reads it is slower than this.
                Thread.Sleep(1);
            }
            else if (Marshal.GetLastPInvokeError() is not Interrupted)
            {
                throw new IOException($"{where}: cannot be written: {Marshal.GetLastPInvokeErrorMessage()}");
            }
        }
    }

    [LibraryImport(C, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int folder, string path, int flags, uint mask, Statx* found);

    [LibraryImport(C, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int access(string path, int mode);

    [LibraryImport(C, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chown(string path, uint user, uint group);

    [LibraryImport(C, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport(C)]
    private static partial int fsync(int descriptor);

    [LibraryImport(C)]
    private static partial int close(int descriptor);

    [LibraryImport(C, SetLastError = true)]
    private static partial nint write(int descriptor, byte* bytes, nint count);

    /// <summary>The part of Linux's <c>struct statx</c> (the same on every architecture; 256 bytes) that is used.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Statx
    {
        [FieldOffset(20)]
        public uint User;

        [FieldOffset(24)]
        public uint Group;

        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(32)]
        public ulong Node;

        [FieldOffset(136)]
        public uint DeviceMajor;

        [FieldOffset(140)]
        public uint DeviceMinor;

        public readonly Status ToStatus() => new(
            (Mode & TypeMask) switch { FileType => PathKind.File, FolderType => PathKind.Folder, _ => PathKind.Special }, User, Group, ((ulong)DeviceMajor << 32) | DeviceMinor, Node);
    }
}
