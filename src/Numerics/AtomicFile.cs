using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace MimicD.Numerics;

/// <summary>
/// Writes files so that a reader, or a crash, sees the old content or the new and never a half. Symbolic links are followed, modes and owners are kept, and what is no regular file (a device, a pipe,
/// <c>/dev/stdout</c>, <c>/dev/fd/N</c>) is written to and never replaced.
/// </summary>
public static class AtomicFile
{
    private const int LongestName = 48;
    private const string Ending = ".part";

    /// <summary>128 random bits of this process, in the name of every file that it writes aside: nobody foretells the name, and <see cref="OutputClaim"/> knows by it what a killed process left.</summary>
    internal static string Token { get; } = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    /// <summary>Writes aside, flushes to the disk, renames over the target, and flushes the folder.</summary>
    /// <param name="path">The target. Its folder is created when it is missing.</param>
    /// <param name="write">Writes the content to a stream that can be read and sought; when it throws, the target is untouched and the aside file is removed.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not write it.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        if (Descriptor(path) is { } descriptor)
        {
            Posix.Write(descriptor, Whole(write), path);
            return;
        }

        var full = Target(path);
        var before = Posix.Of(full);
        if (before.Kind == PathKind.Special)
        {
            var content = Whole(write);
            using var device = new FileStream(full, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            device.Write(content);
            return;
        }

        if (before.Kind == PathKind.File && !Posix.MayWrite(full))
        {
            throw new UnauthorizedAccessException($"{path}: cannot be written: it is read-only");
        }

        var folder = Path.GetDirectoryName(full)!;
        Directory.CreateDirectory(folder);
        var aside = Path.Combine(folder, AsideName(Path.GetFileName(full)));
        try
        {
            // Never a file, or a link, that somebody else has put there.
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 1 << 16 };
            if (!OperatingSystem.IsWindows() && before.Kind == PathKind.File)
            {
                options.UnixCreateMode = File.GetUnixFileMode(full) & ~Special;
            }

            using (var stream = new FileStream(aside, options))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            if (!OperatingSystem.IsWindows() && before.Kind == PathKind.File)
            {
                Posix.Own(aside, before.User, before.Group);
                File.SetUnixFileMode(aside, File.GetUnixFileMode(full) & ~Special);
            }

            File.Move(aside, full, overwrite: true);
        }
        catch
        {
            File.Delete(aside);
            throw;
        }

        Posix.SyncFolder(folder);
    }

    /// <summary>Writes text (UTF-8, no byte order mark) as <see cref="Write(string, Action{Stream})"/> does.</summary>
    public static void WriteText(string path, string text)
        => Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));

    /// <summary>Throws, before any work is done, where <see cref="Write(string, Action{Stream})"/> would; leaves nothing. A device or a pipe is not touched.</summary>
    /// <exception cref="IOException">It cannot be written, or is a folder.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not write it.</exception>
    public static void RequireWritable(string path)
    {
        if (Descriptor(path) is not null)
        {
            return;
        }

        var full = Target(path);
        switch (Posix.Of(full).Kind)
        {
            case PathKind.Folder:
                throw new IOException($"{path}: expected a file, found a folder");
            case PathKind.Special:
            case PathKind.File when !Posix.MayWrite(full):
                if (!Posix.MayWrite(full))
                {
                    throw new UnauthorizedAccessException($"{path}: cannot be written");
                }

                return;
            default:
                RequireWritableFolder(Path.GetDirectoryName(full)!);
                return;
        }
    }

    /// <summary>Whether a path names this process's standard output.</summary>
    public static bool IsStandardOutput(string path) => Descriptor(path) == 1;

    /// <summary>Whether a path leads to a regular file.</summary>
    public static bool IsRegular(string path) => Descriptor(path) is null && Posix.Of(Target(path)).Kind == PathKind.File;

    /// <summary>Throws where no file can be created in a folder, or the folder cannot be made; leaves nothing, not the folder either.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not write there.</exception>
    public static void RequireWritableFolder(string folder)
    {
        var missing = new Stack<string>();
        for (var at = Path.GetFullPath(folder); at is not null && !Directory.Exists(at); at = Path.GetDirectoryName(at))
        {
            missing.Push(at);
        }

        try
        {
            Directory.CreateDirectory(folder);
            var probe = Path.Combine(folder, AsideName("probe"));
            new FileStream(probe, FileMode.CreateNew, FileAccess.Write).Dispose();
            File.Delete(probe);
        }
        finally
        {
            foreach (var made in missing.Reverse())
            {
                RemoveEmpty(made);
            }
        }
    }

    /// <summary>Whether a name is that of a file written aside by a process with one of these tokens.</summary>
    internal static bool IsAside(string name, IReadOnlySet<string> tokens)
        => name.EndsWith(Ending, StringComparison.Ordinal) && name.StartsWith('.') && name.Split('.') is [.., var token, _, _] && tokens.Contains(token);

    /// <summary>Removes a folder where it is empty.</summary>
    internal static void RemoveEmpty(string folder)
    {
        try
        {
            Directory.Delete(folder);
        }
        catch (IOException)
        {
            // Somebody has put something there.
        }
    }

    // Set-user-id, set-group-id and sticky bits are not carried over to content that nobody has looked at.
    private const UnixFileMode Special = UnixFileMode.SetUser | UnixFileMode.SetGroup | UnixFileMode.StickyBit;

    private static string AsideName(string name)
        => string.Create(CultureInfo.InvariantCulture, $".{(name.Length > LongestName ? name[..LongestName] : name)}.{Token}.{RandomNumberGenerator.GetHexString(16, lowercase: true)}{Ending}");

    /// <summary>The descriptor of this process that a path names, or null: what is opened anew by such a path would begin at its start and overwrite what was written before.</summary>
    private static int? Descriptor(string path)
    {
        if (path is "/dev/stdout" or "/dev/stderr")
        {
            return path == "/dev/stdout" ? 1 : 2;
        }

        foreach (var prefix in (string[])["/dev/fd/", "/proc/self/fd/", $"/proc/{Environment.ProcessId}/fd/"])
        {
            if (path.StartsWith(prefix, StringComparison.Ordinal) && int.TryParse(path.AsSpan(prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var descriptor))
            {
                return descriptor;
            }
        }

        return null;
    }

    /// <summary>Where a path leads, links followed, also to a place where nothing is yet.</summary>
    private static string Target(string path)
    {
        var full = Path.GetFullPath(path);
        return Posix.Of(full).Kind == PathKind.Special || new FileInfo(full).LinkTarget is null ? full : File.ResolveLinkTarget(full, returnFinalTarget: true)?.FullName ?? full;
    }

    /// <summary>All of the content, before anything of it is written where nothing can be taken back.</summary>
    private static ReadOnlySpan<byte> Whole(Action<Stream> write)
    {
        using var memory = new MemoryStream();
        write(memory);
        return memory.GetBuffer().AsSpan(0, (int)memory.Length);
    }
}
