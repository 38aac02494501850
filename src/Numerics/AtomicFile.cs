namespace MimicD.Numerics;

/// <summary>Writes files so that a reader, or a crash, sees the old content or the new and never a half.</summary>
public static class AtomicFile
{
    /// <summary>Writes aside, flushes to the disk, and renames over the target.</summary>
    /// <param name="path">The target. Its folder is created when it is missing.</param>
    /// <param name="write">Writes the content; when it throws, the target is untouched and the aside file is removed.</param>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        var full = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        var aside = $"{full}.{Environment.ProcessId}.part";
        try
        {
            using (var stream = new FileStream(aside, FileMode.Create, FileAccess.ReadWrite, FileShare.None, 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(aside, full, overwrite: true);
        }
        catch
        {
            File.Delete(aside);
            throw;
        }
    }

    /// <summary>Writes text (UTF-8, no byte order mark) as <see cref="Write(string, Action{Stream})"/> does.</summary>
    public static void WriteText(string path, string text)
        => Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text)));
}
