using System.Diagnostics;
using MimicD.Numerics;

namespace MimicD.NumericsTests;

/// <summary>Who may write an output, and what in it may be replaced or deleted.</summary>
public sealed class OutputClaimTests : IDisposable
{
    private const string Killed = "0123456789abcdef0123456789abcdef";
    private readonly string _folder = Directory.CreateTempSubdirectory("mimicd-claims-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Two_never_write_one_output()
    {
        using (OutputClaim.OfFolder(At("out"), "--out"))
        {
            var refused = Assert.Throws<InvalidDataException>(() => OutputClaim.OfFolder(At("out"), "--out"));
            Assert.Equal($"--out {At("out")}: expected no other process that writes there, found one at work; wait for it, or choose another place", refused.Message);
            // By another name, too.
            Directory.CreateSymbolicLink(At("link"), At("out"));
            Assert.Throws<InvalidDataException>(() => OutputClaim.OfFolder(At("link"), "--out"));
        }

        using var then = OutputClaim.OfFolder(At("out"), "--out");
        using var file = OutputClaim.OfFile(At("m.safetensors"), "--out");
        Assert.Throws<InvalidDataException>(() => OutputClaim.OfFile(At("m.safetensors"), "--out"));
        using var other = OutputClaim.OfFile(At("n.safetensors"), "--out");
    }

    [Fact]
    public async Task A_dead_owner_holds_nothing()
    {
        Directory.CreateDirectory(At("out"));
        // Another process holds the same kind of lock, and is killed.
        using var holder = Process.Start(new ProcessStartInfo("flock", ["--no-fork", "-x", Path.Combine(At("out"), OutputClaim.LedgerName), "sh", "-c", "echo held; exec sleep 600"]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        Assert.Equal("held", await holder.StandardOutput.ReadLineAsync());
        Assert.Throws<InvalidDataException>(() => OutputClaim.OfFolder(At("out"), "--out"));
        holder.Kill();
        await holder.WaitForExitAsync();
        using var claim = OutputClaim.OfFolder(At("out"), "--out");
    }

    [Fact]
    public void What_is_not_the_programs_is_neither_replaced_nor_deleted()
    {
        Directory.CreateDirectory(At("out"));
        File.WriteAllText(At("out/rollouts.npz"), "mine");
        using (var claim = OutputClaim.OfFolder(At("out"), "--out"))
        {
            var refused = Assert.Throws<InvalidDataException>(() => claim.WillMake(["result.json", "rollouts.npz"]));
            Assert.Equal($"{At("out/rollouts.npz")}: expected no file there that this program did not write, found one; move it away or choose another place", refused.Message);
            Assert.False(claim.Delete("rollouts.npz"));
            claim.WillMake(["result.json"]);
            AtomicFile.WriteText(At("out/result.json"), "ours");
        }

        using (var claim = OutputClaim.OfFolder(At("out"), "--out"))
        {
            Assert.True(claim.Made("result.json"));
            Assert.False(claim.Made("rollouts.npz"));
            claim.WillMake(["result.json"]);
            Assert.True(claim.Delete("result.json"));
            Assert.False(claim.Delete("../out/rollouts.npz"));
        }

        Assert.Equal("mine", File.ReadAllText(At("out/rollouts.npz")));
    }

    [Fact]
    public void What_a_killed_owner_left_half_written_is_removed_and_no_other_file()
    {
        Directory.CreateDirectory(At("out/cells/a"));
        string[] foreign = ["out/notes.part", "out/cells/a/.data.part", $"out/.x.{new string('a', 32)}.3.part", $"out/{Killed}.part", $"out/cells/.x.{Killed}.7.party"];
        foreach (var file in foreign)
        {
            File.WriteAllText(At(file), "mine");
        }

        File.WriteAllText(At($"out/.rollouts.npz.{Killed}.2.part"), "half");
        File.WriteAllText(At($"out/cells/a/.result.json.{Killed}.12.part"), "half");
        File.WriteAllText(At("out/.mimicd"), $"mimicd output ledger 1\nowner {Killed}\nmade rollouts.npz\nmade torn");
        using (var claim = OutputClaim.OfFolder(At("out"), "--out"))
        {
            Assert.All(foreign, f => Assert.True(File.Exists(At(f)), f));
            Assert.Empty(Directory.EnumerateFiles(At("out"), $".*{Killed}.*.part", SearchOption.AllDirectories));
            claim.WillMake(["b"]);
        }

        Assert.Matches($"^mimicd output ledger 1\nowner {Killed}\nmade rollouts.npz\nowner [0-9a-f]{{32}}\nmade b\n$", File.ReadAllText(At("out/.mimicd")));
    }

    [Fact]
    public void A_claim_that_made_nothing_leaves_nothing()
    {
        OutputClaim.OfFolder(At("a/b/c"), "--out").Dispose();
        OutputClaim.OfFile(At("d/e/m.safetensors"), "--out").Dispose();
        using (var claim = OutputClaim.OfFile(At("m.safetensors"), "--out"))
        {
            claim.WillMake(["m.safetensors"]);
            File.WriteAllText(At("m.safetensors"), "");
        }

        Assert.Equal([At("m.safetensors")], Directory.EnumerateFileSystemEntries(_folder));
    }

    [Fact]
    public void A_ledger_that_is_another_file_is_left_alone()
    {
        Directory.CreateDirectory(At("out"));
        File.WriteAllText(At("out/.mimicd"), "my notes\n");
        Assert.Contains("found another file", Assert.Throws<InvalidDataException>(() => OutputClaim.OfFolder(At("out"), "--out")).Message, StringComparison.Ordinal);
        Assert.Equal("my notes\n", File.ReadAllText(At("out/.mimicd")));
    }

    [Fact]
    public void A_place_that_cannot_be_is_refused_in_one_line()
    {
        File.WriteAllText(At("file"), "");
        foreach (var place in new[] { "", At("file"), At("file/below"), "/proc/mimicd" })
        {
            var refused = Assert.Throws<InvalidDataException>(() => OutputClaim.OfFolder(place, "--out"));
            Assert.StartsWith("--out", refused.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', refused.Message);
        }
    }

    private string At(string name) => Path.Combine(_folder, name);
}
