using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World;

/// <summary>
/// The snapshots of one run, in the folder <c>snapshots</c> of its results. <c>run.json</c> describes the run; a snapshot is <c>tick-T.npz</c> (arrays) and <c>tick-T.json</c> (everything else, and the
/// hashes of both others). The JSON is written last, so a snapshot is there with its JSON or not at all.
/// </summary>
public sealed partial class SnapshotFolder : IDisposable
{
    /// <summary>Name of the folder within that of the run's results.</summary>
    public const string Name = "snapshots";

    private const int Format = 1;
    private const string DescriptionName = "run.json";
    private const string FinishedName = "finished.json";
    private const string LockName = "lock"; // of older versions
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
    /// <exception cref="InvalidInputException">There are snapshots of a run that is not finished, or another process writes there.</exception>
    public static SnapshotFolder Create(string run, string description)
    {
        var folder = new SnapshotFolder(run, description);
        RequireFree(run);
        Directory.CreateDirectory(folder._folder);
        folder.Hold();
        foreach (var file in Directory.EnumerateFiles(folder._folder).Where(f => Path.GetFileName(f) is not (LockName or OutputClaim.LedgerName)))
        {
            File.Delete(file);
        }

        AtomicFile.WriteText(folder.DescriptionFile, description);
        return folder;
    }

    /// <summary>Throws where a new run would lose one that can be gone on with.</summary>
    /// <param name="run">Folder of the run's results.</param>
    /// <exception cref="InvalidInputException">There are snapshots of a run that is not finished.</exception>
    public static void RequireFree(string run)
    {
        var folder = FolderOf(run);
        InvalidInputException.Require(!Directory.Exists(folder) || File.Exists(Path.Combine(folder, FinishedName)) || TicksIn(folder).Count == 0, folder, "",
            "no snapshots of a run that is not finished (--resume goes on with it; remove them to begin anew)", "some");
    }

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

        _lock = OutputClaim.OfFolder(_folder, Name);
        _lock.WillMake([DescriptionName], proven: true);
    }

    /// <summary>Writes a snapshot; on return it is on the disk.</summary>
    public void Write(RunSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        var file = ArraysFile(snapshot.Tick);
        var writer = snapshot.World.AddTo(new NpzWriter())
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
        var manifest = StrictJson.ReadFile<Manifest>(file);
        InvalidInputException.Require(manifest.Format == Format, file, "format", $"{Format}", manifest.Format);
        InvalidInputException.Require(manifest.Hash() == manifest.Sha256, file, "", "the content that it was written with (SHA-256)", "another");
        InvalidInputException.Require(manifest.RunSha256 == _descriptionHash, DescriptionFile, "", $"the description that the snapshot of tick {tick} was written with (SHA-256)", "another");
        try
        {
            // As a stream, for arrays of many agents are more than a byte array can hold.
            using var content = new FileStream(arrays, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
            var found = Convert.ToHexStringLower(SHA256.HashData(content));
            InvalidInputException.Require(found == manifest.ArraysSha256, arrays, "",
                $"the content that it was written with (SHA-256 {manifest.ArraysSha256[..12]})", $"truncated or altered ({found[..12]})");
            content.Position = 0;
            using var reader = new NpzReader(content, arrays);
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
            // The JSON first: without it there is no snapshot.
            File.Delete(ManifestFile(tick));
            File.Delete(ArraysFile(tick));
        }
    }

    /// <summary>Says that the run came to its end and its results are written.</summary>
    public void Finish(string trajectoryHash)
        => AtomicFile.WriteText(Path.Combine(_folder, FinishedName), StrictJson.Format(new Finished(trajectoryHash)) + "\n");

    /// <inheritdoc/>
    public void Dispose()
    {
        _lock?.Dispose();
        _lock = null;
    }

    private static IReadOnlyList<int> TicksIn(string folder) => [.. Directory.EnumerateFiles(folder).Select(f => SnapshotName().Match(Path.GetFileName(f))).Where(m => m.Success)
        .Select(m => int.Parse(m.Groups["tick"].Value, NumberStyles.None, CultureInfo.InvariantCulture)).Order()];

    private static string FolderOf(string run) => Path.Combine(run, Name);

    private string ManifestFile(int tick) => Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture, $"tick-{tick:d8}.json"));

    private string ArraysFile(int tick) => Path.ChangeExtension(ManifestFile(tick), ".npz");

    [GeneratedRegex(@"^tick-(?<tick>[0-9]{8})\.json$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex SnapshotName();

    private sealed record Finished(string TrajectoryHash);

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
