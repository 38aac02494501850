using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World;

/// <summary>
/// The snapshots of one run, in the folder <c>snapshots</c> of its results. <c>run.json</c> describes the run; a snapshot is <c>tick-T.npz</c> (arrays) and <c>tick-T.json</c> (everything else, and the
/// hashes of both others). The JSON is written last and removed last: a snapshot is there with both or not at all.
/// </summary>
/// <remarks>
/// Only what is proven to be a run's own is removed or replaced: a JSON by its hash and the description's that it names, arrays by the description's hash that they carry or by their JSON. Files of other
/// names are left alone; one that has a name of this folder's and no proof is refused before anything is done.
/// </remarks>
public sealed partial class SnapshotFolder : IDisposable
{
    /// <summary>Name of the folder within that of the run's results.</summary>
    public const string Name = "snapshots";

    private const int Format = 1;
    private const string DescriptionName = "run.json";
    private const string FinishedName = "finished.json";
    private const string RunArray = "run";
    private readonly string _folder;
    private readonly string _descriptionHash;
    private OutputClaim? _lock;

    private SnapshotFolder(string run, string description)
    {
        _folder = FolderOf(run);
        Description = description;
        _descriptionHash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(description)));
    }

    /// <summary>The run's description: what <see cref="Create"/> was given.</summary>
    public string Description { get; }

    /// <summary>The description's file.</summary>
    public string DescriptionFile => Path.Combine(_folder, DescriptionName);

    /// <summary>Whether the run came to its end.</summary>
    public bool IsFinished => File.Exists(Path.Combine(_folder, FinishedName));

    /// <summary>Ticks of the snapshots there are, ascending.</summary>
    public IReadOnlyList<int> Ticks => TicksIn(_folder);

    /// <summary>Begins the snapshots of a new run; those of one that is finished are removed. Held until disposed.</summary>
    /// <param name="run">Folder of the run's results.</param>
    /// <param name="description">What the run follows from.</param>
    /// <exception cref="InvalidInputException">There are snapshots of a run that is not finished, a file that no run wrote has the name of one, or another process writes there.</exception>
    public static SnapshotFolder Create(string run, string description)
    {
        var folder = new SnapshotFolder(run, description);
        RequireFree(run, description);
        Directory.CreateDirectory(folder._folder);
        folder.Hold();
        try
        {
            // What was proven before this process was alone here may have changed since.
            RequireFree(run, description);

            // What proves another goes after it: arrays before their JSON, that one before what says that the run is finished, and the description, which is replaced, last.
            foreach (var file in Directory.EnumerateFiles(folder._folder).Where(f => IsOurName(f) && Path.GetFileName(f) != DescriptionName).OrderByDescending(f => Path.GetExtension(f), StringComparer.Ordinal).ThenByDescending(f => f, StringComparer.Ordinal))
            {
                File.Delete(file);
            }

            AtomicFile.WriteText(folder.DescriptionFile, description);
            return folder;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Throws where a new run would lose one that can be gone on with.</summary>
    /// <param name="run">Folder of the run's results.</param>
    /// <param name="description">The new run's description, where it is known: where a run was ended before its first snapshot, nothing else proves what it wrote.</param>
    /// <exception cref="InvalidInputException">There are snapshots of a run that is not finished, or a file that no run wrote has the name of one.</exception>
    public static void RequireFree(string run, string? description = null)
    {
        var folder = FolderOf(run);
        RequireOwn(folder, description);
        InvalidInputException.Require(!Directory.Exists(folder) || File.Exists(Path.Combine(folder, FinishedName)) || TicksIn(folder).Count == 0, folder, "",
            "no snapshots of a run that is not finished (--resume goes on with it; remove them to begin anew)", "some");
    }

    /// <summary>Throws where a file of the folder's names is not proven to be this run's: going on with the run could replace it.</summary>
    /// <exception cref="InvalidInputException">There is one.</exception>
    public void RequireOwn() => RequireOwn(_folder, null);

    /// <summary>Opens the snapshots of a run to read them.</summary>
    /// <param name="run">Folder of the run's results.</param>
    /// <exception cref="InvalidInputException">There are none.</exception>
    public static SnapshotFolder Open(string run)
    {
        var file = Path.Combine(FolderOf(run), DescriptionName);
        InvalidInputException.Require(File.Exists(file), run, "", $"the folder of a run with snapshots ({Name}/{DescriptionName})", Directory.Exists(run) ? "a folder without" : "no such folder");
        return new SnapshotFolder(run, StrictJson.ReadText(file));
    }

    /// <summary>Makes sure that no other process writes here until disposed, and removes what one left half-written.</summary>
    /// <exception cref="InvalidInputException">Another process writes here.</exception>
    public void Hold()
    {
        if (_lock is not null)
        {
            return;
        }

        try
        {
            _lock = OutputClaim.OfFolder(_folder, Name);
            // What is in the folder proves itself; of the ledger only the owners are of use, when one is killed.
            _lock.WillMake([DescriptionName], proven: true);
            _lock.Forget();
        }
        catch (InvalidDataException e)
        {
            throw new InvalidInputException(e.Message, e);
        }
    }

    /// <summary>Writes a snapshot; on return it is on the disk.</summary>
    public void Write(RunSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        var file = ArraysFile(snapshot.Tick);
        var writer = snapshot.World.AddTo(new NpzWriter())
            .Add<int>(RunArray, RunArrayOf(_descriptionHash), SHA256.HashSizeInBytes / sizeof(int))
            .Add<int>("windowTicks", snapshot.WindowTicks, snapshot.WindowTicks.Length)
            .Add<float>("window", snapshot.Window.Data, snapshot.Window.Shape);
        var hash = "";
        AtomicFile.Write(file, stream =>
        {
            writer.Write(stream);
            stream.Position = 0;
            hash = Convert.ToHexStringLower(SHA256.HashData(stream));
        });
        var manifest = new Manifest
        {
            Tick = snapshot.Tick,
            Counts = snapshot.Counts,
            Host = snapshot.Host,
            WallSeconds = snapshot.WallSeconds,
            TrajectoryHash = Rollouts.Hash(snapshot.World.Positions),
            RunSha256 = _descriptionHash,
            ArraysSha256 = hash,
        };
        AtomicFile.WriteText(ManifestFile(snapshot.Tick), StrictJson.Format(manifest with { Sha256 = manifest.Hash() }) + "\n");
    }

    /// <summary>Reads a snapshot.</summary>
    /// <param name="tick">One of <see cref="Ticks"/>.</param>
    /// <exception cref="InvalidInputException">It is truncated, was altered, or belongs to another run.</exception>
    public RunSnapshot Read(int tick)
    {
        var (file, arrays) = (ManifestFile(tick), ArraysFile(tick));
        var manifest = StrictJson.ReadRecord<Manifest>(file);
        InvalidInputException.Require(manifest.Format == Format, file, "format", $"{Format}", manifest.Format);
        InvalidInputException.Require(manifest.Hash() == manifest.Sha256, file, "", "the content that it was written with (SHA-256)", "another");
        InvalidInputException.Require(manifest.RunSha256 == _descriptionHash, DescriptionFile, "", $"the description that the snapshot of tick {tick} was written with (SHA-256)", "another");
        using var stream = OpenRead(arrays);
        var found = Convert.ToHexStringLower(SHA256.HashData(stream));
        InvalidInputException.Require(found == manifest.ArraysSha256, arrays, "", $"the content that it was written with (SHA-256 {manifest.ArraysSha256[..12]})", $"truncated or altered ({found[..12]})");
        try
        {
            stream.Position = 0;
            using var reader = new NpzReader(stream, arrays);
            var world = WorldState.From(reader, arrays);
            var (ticks, window) = (reader.Read<int>("windowTicks"), reader.Read<float>("window"));
            return new RunSnapshot(world, manifest.Counts, manifest.Host, ticks.Data, window, manifest.WallSeconds) { Where = arrays };
        }
        catch (InvalidDataException e)
        {
            throw new InvalidInputException(e.Message, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{arrays}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Removes old snapshots. The first stays, so that any tick can still be branched from by running on to it.</summary>
    /// <param name="keep">How many stay besides, at least 1.</param>
    public void Prune(int keep)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(keep, 1);
        foreach (var tick in Ticks.Skip(1).SkipLast(keep))
        {
            if (ManifestOf(ManifestFile(tick))?.RunSha256 == _descriptionHash)
            {
                // The JSON last: it proves the arrays.
                File.Delete(ArraysFile(tick));
                File.Delete(ManifestFile(tick));
            }
        }
    }

    /// <summary>Says that the run came to its end and its results are written.</summary>
    public void Finish(string trajectoryHash)
        => AtomicFile.WriteText(Path.Combine(_folder, FinishedName), StrictJson.Format(new Finished(trajectoryHash, _descriptionHash)) + "\n");

    /// <inheritdoc/>
    public void Dispose()
    {
        _lock?.Dispose();
        _lock = null;
    }

    private static IReadOnlyList<int> TicksIn(string folder) => [.. Directory.EnumerateFiles(folder, "*.json").Where(f => File.Exists(Path.ChangeExtension(f, ".npz"))).Select(TickOf).OfType<int>().Order()];

    /// <summary>The tick in the name of a snapshot's file, or null.</summary>
    private static int? TickOf(string path)
        => SnapshotName().Match(Path.GetFileName(path)) is { Success: true } match && int.TryParse(match.Groups["tick"].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var tick) ? tick : null;

    private static bool IsOurName(string path) => Path.GetFileName(path) is DescriptionName or FinishedName || TickOf(path) is not null;

    /// <summary>Throws where something has a name of the folder's and is not proven to be of the run that is described there.</summary>
    private static void RequireOwn(string folder, string? description)
    {
        if (!Directory.Exists(folder))
        {
            return;
        }

        string[] ours = [.. Directory.EnumerateFileSystemEntries(folder).Where(IsOurName).Order(StringComparer.Ordinal)];
        var file = Path.Combine(folder, DescriptionName);
        var text = File.Exists(file) ? StrictJson.ReadText(file) : null;
        var hash = text is null ? null : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
        var proven = text is not null && text == description;
        foreach (var path in ours.Where(f => Path.GetFileName(f) != DescriptionName))
        {
            InvalidInputException.Require(hash is not null && IsOwn(path, hash), path, "", "no file here but those of this folder's run (it would be replaced: move or remove it)", "one that is not proven to be");
            proven = true;
        }

        InvalidInputException.Require(ours.Length == 0 || proven, file, "", "the description of a run with snapshots (it would be replaced: move or remove it)", "a file that no snapshot names");
    }

    private static bool IsOwn(string path, string hash)
    {
        if (!File.Exists(path))
        {
            return false;
        }

        if (Path.GetFileName(path) == FinishedName)
        {
            // Before it named the description it held nothing but the trajectory's hash.
            return Record<Finished>(path) is { } finished && (finished.RunSha256 is { } named ? named == hash : finished.TrajectoryHash.All(char.IsAsciiHexDigitLower));
        }

        var manifest = ManifestOf(Path.ChangeExtension(path, ".json"));
        return (manifest?.RunSha256 == hash && manifest.Tick == TickOf(path) && (path.EndsWith(".json", StringComparison.Ordinal) || HashOf(path) == manifest.ArraysSha256)) || (path.EndsWith(".npz", StringComparison.Ordinal) && RunOf(path).AsSpan().SequenceEqual(RunArrayOf(hash)));
    }

    private static string HashOf(string path)
    {
        using var stream = OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    /// <summary>The hash of the description that arrays were written with, or nothing.</summary>
    private static int[] RunOf(string arrays)
    {
        try
        {
            using var reader = new NpzReader(OpenRead(arrays), arrays);
            return reader.Has(RunArray) ? reader.Read<int>(RunArray).Data : [];
        }
        catch (InvalidDataException)
        {
            return [];
        }
    }

    private static int[] RunArrayOf(string hash) => MemoryMarshal.Cast<byte, int>(Convert.FromHexString(hash)).ToArray();

    /// <summary>A snapshot's JSON, or null where it is none that was written by a run.</summary>
    private static Manifest? ManifestOf(string path) => Record<Manifest>(path) is { } manifest && manifest.Hash() == manifest.Sha256 ? manifest : null;

    private static T? Record<T>(string path)
        where T : class
    {
        try
        {
            return File.Exists(path) ? StrictJson.ReadRecord<T>(path) : null;
        }
        catch (InvalidInputException)
        {
            return null;
        }
    }

    private static FileStream OpenRead(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    private static string FolderOf(string run) => Path.Combine(run, Name);

    private string ManifestFile(int tick) => Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture, $"tick-{tick:d8}.json"));

    private string ArraysFile(int tick) => Path.ChangeExtension(ManifestFile(tick), ".npz");

    [GeneratedRegex(@"^tick-(?<tick>[0-9]{8})\.(json|npz)$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex SnapshotName();

    private sealed record Finished(string TrajectoryHash, string? RunSha256 = null);

    private sealed record Manifest
    {
        public int Format { get; init; } = SnapshotFolder.Format;

        public required int Tick { get; init; }

        public required WorldCounts Counts { get; init; }

        public required AgentHostReport Host { get; init; }

        public required double WallSeconds { get; init; }

        public required string TrajectoryHash { get; init; }

        public required string RunSha256 { get; init; }

        public required string ArraysSha256 { get; init; }

        /// <summary>Of everything else in this file.</summary>
        public string Sha256 { get; init; } = "";

        public string Hash() => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(StrictJson.Format(this with { Sha256 = "" }, indented: false))));
    }
}
