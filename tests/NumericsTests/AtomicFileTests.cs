using System.Diagnostics;
using System.Runtime.Versioning;
using MimicD.Numerics;

namespace MimicD.NumericsTests;

/// <summary>What a file may be when it is written: regular, a link, a device, a pipe, private, read-only.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class AtomicFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mimicd-files-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it()
    {
        AtomicFile.WriteText(At("deep/er/a.txt"), "one");
        AtomicFile.WriteText(At("deep/er/a.txt"), "two");
        Assert.Equal("two", File.ReadAllText(At("deep/er/a.txt")));
        Assert.Equal(["a.txt"], Names("deep/er"));
    }

    [Fact]
    public void When_the_content_cannot_be_made_the_file_stays_as_it_was()
    {
        AtomicFile.WriteText(At("a.txt"), "one");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(At("a.txt"), stream =>
        {
            stream.WriteByte(1);
            throw new InvalidOperationException();
        }));
        Assert.Equal("one", File.ReadAllText(At("a.txt")));
        Assert.Equal(["a.txt"], Names(""));
    }

    [Theory]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite)]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite)]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherRead | UnixFileMode.OtherWrite)]
    public void The_mode_of_a_file_is_kept(UnixFileMode mode)
    {
        File.WriteAllText(At("a.txt"), "one");
        File.SetUnixFileMode(At("a.txt"), mode);
        AtomicFile.Write(At("a.txt"), stream =>
        {
            // Also while it is written: a private file is never readable under another name.
            var aside = Directory.GetFiles(_folder, ".*").Single();
            Assert.Equal((UnixFileMode)0, File.GetUnixFileMode(aside) & ~mode);
            stream.WriteByte((byte)'2');
        });
        Assert.Equal(mode, File.GetUnixFileMode(At("a.txt")));
        Assert.Equal("2", File.ReadAllText(At("a.txt")));
    }

    [Fact]
    public void A_link_is_followed_and_stays()
    {
        Directory.CreateDirectory(At("kept"));
        File.WriteAllText(At("kept/there.txt"), "one");
        File.CreateSymbolicLink(At("second"), "kept/there.txt");
        File.CreateSymbolicLink(At("first"), "second");
        File.CreateSymbolicLink(At("dangling"), "kept/new.txt");
        AtomicFile.WriteText(At("first"), "two");
        AtomicFile.WriteText(At("dangling"), "new");
        Assert.Equal("second", new FileInfo(At("first")).LinkTarget);
        Assert.Equal("kept/there.txt", new FileInfo(At("second")).LinkTarget);
        Assert.Equal("two", File.ReadAllText(At("kept/there.txt")));
        Assert.Equal("new", File.ReadAllText(At("kept/new.txt")));
        Assert.Equal(["new.txt", "there.txt"], Names("kept"));
    }

    [Fact]
    public void A_device_is_written_to_and_stays_one()
    {
        File.CreateSymbolicLink(At("null"), "/dev/null");
        AtomicFile.WriteText("/dev/null", "gone");
        AtomicFile.WriteText(At("null"), "gone");
        Assert.Equal("/dev/null", new FileInfo(At("null")).LinkTarget);
        Assert.Equal(PathKind.Special, Posix.Of("/dev/null").Kind);
        Assert.Throws<IOException>(() => AtomicFile.WriteText("/dev/full", "more"));
    }

    [Fact]
    public async Task A_pipe_gets_the_content_and_stays_one()
    {
        using (var make = Process.Start("mkfifo", [At("pipe")]))
        {
            await make.WaitForExitAsync();
        }

        var reader = Task.Run(() => File.ReadAllText(At("pipe")));
        AtomicFile.RequireWritable(At("pipe"));
        AtomicFile.Write(At("pipe"), stream => new NpzWriter().Add<int>("n", new[] { 1, 2 }, 2).Write(stream));
        Assert.StartsWith("PK", await reader, StringComparison.Ordinal);
        Assert.Equal(PathKind.Special, Posix.Of(At("pipe")).Kind);
    }

    [Fact]
    public void A_descriptor_of_this_process_is_written_where_it_stands()
    {
        using var file = new FileStream(At("log"), FileMode.Create, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        var descriptor = file.SafeFileHandle.DangerousGetHandle();
        AtomicFile.WriteText($"/dev/fd/{descriptor}", "first ");
        AtomicFile.WriteText($"/proc/self/fd/{descriptor}", "second");
        Assert.Equal("first second", File.ReadAllText(At("log")));
        Assert.Throws<IOException>(() => AtomicFile.WriteText("/dev/fd/100000", "x"));
    }

    [Fact]
    public void Nothing_is_written_through_a_link_that_somebody_put_in_the_way()
    {
        // Names written aside cannot be known before: two writes, two names, both of 128 random bits.
        var names = new List<string>();
        for (var i = 0; i < 2; i++)
        {
            AtomicFile.Write(At("a"), _ => names.Add(Names("").Single(n => n.StartsWith(".a.", StringComparison.Ordinal))));
        }

        Assert.Equal(2, names.Distinct().Count());
        Assert.All(names, n => Assert.Matches(@"^\.a\.[0-9a-f]{32}\.[0-9a-f]{16}\.part$", n));
    }

    [Fact]
    public void Whether_a_place_can_be_written_is_found_without_leaving_anything()
    {
        AtomicFile.RequireWritable(At("new/folder/file"));
        AtomicFile.RequireWritableFolder(At("other/folder"));
        Assert.Empty(Names(""));
        Directory.CreateDirectory(At("folder"));
        Assert.Throws<IOException>(() => AtomicFile.RequireWritable(At("folder")));
        File.WriteAllText(At("file"), "");
        Assert.ThrowsAny<IOException>(() => AtomicFile.RequireWritable(At("file/below")));
        Assert.ThrowsAny<IOException>(() => AtomicFile.RequireWritable("/proc/mimicd"));
    }

    private string At(string name) => Path.Combine(_folder, name);

    private string[] Names(string folder) => [.. new DirectoryInfo(At(folder)).EnumerateFileSystemInfos().Select(f => f.Name).Order(StringComparer.Ordinal)];
}
