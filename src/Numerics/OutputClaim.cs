using System.Text;

namespace MimicD.Numerics;

/// <summary>
/// Claims an output (a folder, or one file) for this process, and keeps the ledger of what the program made there. Two processes never write one output; a dead owner holds nothing, for the system gives its
/// lock back however it ends. What is replaced or deleted in a claimed folder is what the ledger lists, so that nothing of the user's is.
/// </summary>
/// <remarks>
/// The ledger is the file <c>.mimicd</c> in a folder, or <c>.NAME.mimicd</c> beside a file: a first line, <c>owner TOKEN</c> for each process that has written there, and <c>made NAME</c> for each file, with
/// the path from the folder. Lines are appended before the file they name is written, so that a crash leaves no file that is not listed.
/// </remarks>
public sealed class OutputClaim : IDisposable
{
    /// <summary>Name of a folder's ledger.</summary>
    public const string LedgerName = ".mimicd";

    private const string Head = "mimicd output ledger 1";
    private const string OwnerWord = "owner ";
    private const string MadeWord = "made ";
    private const int MostBytes = 64 << 20;

    private readonly Lock _gate = new();
    private readonly HashSet<string> _made = new(StringComparer.Ordinal);
    private readonly string[] _foldersMade;
    private readonly bool _ofFile;
    private readonly string _ledger;
    private FileStream? _open;
    private bool _forget;

    private OutputClaim(string root, string ledger, bool ofFile, string[] foldersMade, FileStream open, string where)
    {
        (Root, _ledger, _ofFile, _foldersMade, _open) = (root, ledger, ofFile, foldersMade, open);
        try
        {
            RemoveLeft(Read(where));
        }
        catch
        {
            _open.Dispose();
            throw;
        }
    }

    /// <summary>The folder, as an absolute path; of a file, the folder that it lies in.</summary>
    public string Root { get; }

    /// <summary>Claims a folder; it is created where it is missing.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="option">The option that named it, for messages.</param>
    /// <exception cref="InvalidDataException">Another process is at work there, or it cannot be written; one line.</exception>
    public static OutputClaim OfFolder(string folder, string option) => Take(folder, LedgerName, ofFile: false, option);

    /// <summary>Claims one file and those beside it that its name begins; leaves nothing behind.</summary>
    /// <param name="path">The file, there or not yet.</param>
    /// <param name="option">The option that named it, for messages.</param>
    /// <exception cref="InvalidDataException">Another process writes it, or it cannot be written; one line.</exception>
    public static OutputClaim OfFile(string path, string option)
    {
        Require(path.Length > 0, $"{option}: expected a file's path, found nothing");
        var full = Path.GetFullPath(path);
        return Take(Path.GetDirectoryName(full) ?? full, $".{Path.GetFileName(full)}{LedgerName}", ofFile: true, option, full);
    }

    /// <summary>Whether the program made this file and it is still there.</summary>
    /// <param name="name">Path from <see cref="Root"/>, with forward slashes.</param>
    public bool Made(string name)
    {
        lock (_gate)
        {
            return _made.Contains(name) && File.Exists(Path.Combine(Root, name));
        }
    }

    /// <summary>Throws where one of these is there and the program did not make it.</summary>
    /// <param name="names">Paths from <see cref="Root"/>, with forward slashes.</param>
    /// <param name="proven">Whether something else proves that what is there is the program's: results from before there were ledgers.</param>
    /// <exception cref="InvalidDataException">A file of another origin is in the way; one line.</exception>
    public void RequireOwn(IReadOnlyList<string> names, bool proven = false)
    {
        ArgumentNullException.ThrowIfNull(names);
        lock (_gate)
        {
            var foreign = proven ? null : names.FirstOrDefault(n => !_made.Contains(n) && Path.Exists(Path.Combine(Root, n)));
            Require(foreign is null, $"{Path.Combine(Root, foreign ?? "")}: expected no file there that this program did not write, found one; move it away or choose another place");
        }
    }

    /// <summary>Says that these files are about to be made, which the ledger then lists.</summary>
    /// <param name="names">Paths from <see cref="Root"/>, with forward slashes.</param>
    /// <param name="proven">As <see cref="RequireOwn"/> has it.</param>
    /// <exception cref="InvalidDataException">A file of another origin is in the way; one line.</exception>
    public void WillMake(IReadOnlyList<string> names, bool proven = false)
    {
        RequireOwn(names, proven);
        lock (_gate)
        {
            Append([.. names.Where(_made.Add).Select(n => MadeWord + n)]);
        }
    }

    /// <summary>Says that what is in the folder proves itself to be the program's, so that the ledger goes when the claim is given back.</summary>
    public void Forget() => _forget = true;

    /// <summary>Deletes a file if the program made it; anything else is left alone.</summary>
    /// <returns>Whether it was deleted.</returns>
    public bool Delete(string name)
    {
        if (!Made(name))
        {
            return false;
        }

        File.Delete(Path.Combine(Root, name));
        return true;
    }

    /// <summary>Gives the output back. A folder in which nothing was made is left as it was found.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _open, null) is not { } open)
        {
            return;
        }

        if (_ofFile || _forget || _made.Count == 0)
        {
            // While it is still held: whoever waits for this name looks whether the file it opened is still the one of that name.
            File.Delete(_ledger);
        }

        open.Dispose();
        foreach (var folder in _foldersMade)
        {
            AtomicFile.RemoveEmpty(folder);
        }
    }

    private static OutputClaim Take(string folder, string name, bool ofFile, string option, string? file = null)
    {
        Require(folder.Length > 0, $"{option}: expected a folder, found nothing");
        var root = Path.GetFullPath(folder);
        var what = file ?? folder;
        var ledger = Path.Combine(root, name);
        try
        {
            var made = new List<string>();
            for (var at = root; at is not null && !Directory.Exists(at); at = Path.GetDirectoryName(at))
            {
                made.Add(at);
            }

            Directory.CreateDirectory(root);
            while (true)
            {
                var open = new FileStream(ledger, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
                if (Posix.Of(open.SafeFileHandle) is var held && (held == default || held == Posix.Of(ledger)))
                {
                    return new OutputClaim(root, ledger, ofFile, [.. made], open, ledger);
                }

                // The one that held it has removed it in between.
                open.Dispose();
            }
        }
        catch (IOException e) when (e is not (FileNotFoundException or DirectoryNotFoundException or PathTooLongException) && File.Exists(ledger))
        {
            throw new InvalidDataException($"{option} {what}: expected no other process that writes there, found one at work; wait for it, or choose another place", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidDataException($"{option} {what}: cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Reads the ledger, and enters this process; returns the tokens of those before.</summary>
    private HashSet<string> Read(string where)
    {
        Require(_open!.Length <= MostBytes, $"{where}: expected this program's ledger, found {_open.Length} bytes");
        var bytes = new byte[_open.Length];
        _open.ReadExactly(bytes);
        // The last line may be torn by a crash; the file it was to name was then not written.
        var text = Encoding.UTF8.GetString(bytes);
        var whole = text[..(text.LastIndexOf('\n') + 1)];
        string[] lines = whole.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Require(bytes.Length == 0 || Head.StartsWith(text, StringComparison.Ordinal) || (lines.Length > 0 && lines[0] == Head), $"{where}: expected this program's ledger ('{Head}'), found another file");
        _open.SetLength(Encoding.UTF8.GetByteCount(whole));
        _open.Seek(0, SeekOrigin.End);
        var owners = new HashSet<string>(StringComparer.Ordinal);
        foreach (var line in lines)
        {
            if (line.StartsWith(MadeWord, StringComparison.Ordinal))
            {
                _made.Add(line[MadeWord.Length..]);
            }
            else if (line.StartsWith(OwnerWord, StringComparison.Ordinal))
            {
                owners.Add(line[OwnerWord.Length..]);
            }
        }

        Append([.. lines.Length == 0 ? [Head] : Array.Empty<string>(), .. owners.Contains(AtomicFile.Token) ? Array.Empty<string>() : [OwnerWord + AtomicFile.Token]]);
        owners.Remove(AtomicFile.Token);
        return owners;
    }

    private void Append(string[] lines)
    {
        if (lines.Length > 0)
        {
            ObjectDisposedException.ThrowIf(_open is null, this);
            _open.Write(Encoding.UTF8.GetBytes(string.Concat(lines.Select(l => l + "\n"))));
        }
    }

    /// <summary>Removes what killed owners left half-written: files whose names carry their tokens, and no others.</summary>
    private void RemoveLeft(HashSet<string> owners)
    {
        if (owners.Count == 0)
        {
            return;
        }

        var look = new EnumerationOptions { RecurseSubdirectories = !_ofFile, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true };
        foreach (var file in Directory.EnumerateFiles(Root, ".*.part", look).Where(f => AtomicFile.IsAside(Path.GetFileName(f), owners)))
        {
            File.Delete(file);
        }
    }

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new InvalidDataException(message);
        }
    }
}
