using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using MimicD.Numerics;

namespace MimicD.NumericsTests;

public sealed class NpzTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mimicd-npz-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Whichever_bit_is_flipped_the_arrays_are_the_same_or_the_file_is_refused()
    {
        foreach (var packing in new[] { CompressionLevel.NoCompression, CompressionLevel.Fastest })
        {
            var whole = Archive(packing, ("positions.npy", Array(0, 60)), ("goals.npy", Array(5, 3)));
            var expected = Content(whole);
            var unnoticed = 0;
            for (var bit = 0; bit < whole.Length * 8; bit++)
            {
                var flipped = (byte[])whole.Clone();
                flipped[bit / 8] ^= (byte)(1 << (bit % 8));
                if (Content(flipped) is { } content)
                {
                    Assert.True(expected == content, $"bit {bit} changed the content");
                    unnoticed++;
                }
            }

            // Times, versions and attributes mean nothing to a reader: 17 bytes and a few flags of each member.
            Assert.InRange(unnoticed, 1, 2 * 8 * 30);
        }
    }

    [Fact]
    public void A_flipped_bit_of_an_array_that_is_never_asked_for_is_seen_when_the_file_is_opened()
    {
        var file = Archive(CompressionLevel.NoCompression, ("positions.npy", Array(0, 60)), ("goals.npy", Array(5, 3)));
        file[file.AsSpan().IndexOf("PK\u0001\u0002"u8) - 1] ^= 4;
        Assert.Contains("x.npz: goals.npy: altered or damaged: expected content with checksum (CRC-32) ", Refusal(file), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_ends_early_or_late_is_refused()
    {
        var file = Archive(CompressionLevel.Fastest, ("positions.npy", Array(0, 20)));
        for (var length = 0; length < file.Length; length++)
        {
            Assert.Contains("x.npz: not an .npz file, or truncated", Refusal(file[..length]), StringComparison.Ordinal);
        }

        Refusal([.. file, 0]);
        Refusal([0, .. file]);
    }

    [Fact]
    public void Two_members_of_one_name_are_refused()
        => Assert.Contains("a.npy: expected different members, found two", Refusal(Archive(CompressionLevel.Fastest, ("a.npy", Array(0, 1)), ("a.npy", Array(9, 1)))), StringComparison.Ordinal);

    [Fact]
    public void A_declared_size_is_compared_with_the_file_before_memory_is_taken()
    {
        foreach (var packing in new[] { CompressionLevel.NoCompression, CompressionLevel.Fastest })
        {
            foreach (var size in new uint[] { 1, 1 << 20, int.MaxValue, uint.MaxValue - 1 })
            {
                var file = Archive(packing, ("a.npy", Array(0, 20)));
                var (local, central) = (0, file.AsSpan().LastIndexOf("PK\u0001\u0002"u8));
                BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(local + 22), size);
                BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(central + 24), size);
                var before = GC.GetAllocatedBytesForCurrentThread();
                var message = Refusal(file);
                Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
                Assert.Matches("a.npy: .*declare", message);
            }
        }
    }

    [Fact]
    public void An_array_that_its_member_does_not_hold_takes_no_memory()
    {
        var file = Archive(CompressionLevel.Fastest, ("a.npy", NpyTests.File(NpyTests.Header("<f8", "(100000000,)"), new byte[80])));
        using var reader = new NpzReader(new MemoryStream(file), "x.npz");
        var before = GC.GetAllocatedBytesForCurrentThread();
        var message = Assert.Throws<InvalidDataException>(() => reader.Read<double>("a")).Message;
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        Assert.Equal("x.npz: a: truncated: expected 800000000 bytes for shape (100000000), found 80", message);
    }

    [Fact]
    public void Members_that_share_bytes_are_refused()
    {
        // Two entries of the directory point to one member: how an archive unpacks to far more than it holds.
        var file = Archive(CompressionLevel.Fastest, ("a.npy", Array(0, 20)), ("a.npy", Array(0, 20)));
        var central = file.AsSpan().LastIndexOf("PK\u0001\u0002"u8);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(central + 42), 0);
        Refusal(file);

        file = Archive(CompressionLevel.NoCompression, ("a.npy", Archive(CompressionLevel.NoCompression, ("b.npy", Array(0, 20)))), ("b.npy", Array(0, 20)));
        central = file.AsSpan().LastIndexOf("PK\u0001\u0002"u8);
        var inner = file.AsSpan(30).IndexOf("PK\u0003\u0004"u8) + 30;
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(central + 42), (uint)inner);
        Assert.Contains("overlaps", Refusal(file), StringComparison.Ordinal);
    }

    [Fact]
    public void A_member_that_is_missing_is_named_with_those_there_are()
    {
        using var reader = new NpzReader(new MemoryStream(Archive(CompressionLevel.Fastest, ("a.npy", Array(0, 1)), ("b\u001b.npy", Array(0, 1)))), "x.npz");
        Assert.False(reader.Has("c"));
        Assert.Equal("x.npz: array 'c' is missing; found: a, b\\u001b", Assert.Throws<InvalidDataException>(() => reader.Read<double>("c")).Message);
    }

    [Fact]
    public void Members_with_wide_sizes_and_with_sizes_after_their_content_are_read()
    {
        Assert.Equal([1.0, 2.0], Read(Wide(NpyTests.File(NpyTests.Header("<i4", "(2,)"), [1, 0, 0, 0, 2, 0, 0, 0]))));

        // A stream that only goes forward, as a pipe does, gets sizes after the content.
        using var written = new MemoryStream();
        using (var forward = new BufferedForward(written))
        {
            new NpzWriter().Add<double>("a", new[] { 1.0, 2.0 }, 2).Write(forward);
        }

        Assert.Equal([1.0, 2.0], Read(written.ToArray()));
        using var pipe = new NpzReader(new NpyTests.ForwardOnly(written.ToArray()), "pipe");
        Assert.Equal([1.0, 2.0], pipe.Read<double>("a").Data);

        static double[] Read(byte[] file)
        {
            using var reader = new NpzReader(new MemoryStream(file), "x.npz");
            return reader.Read<double>("a").Data;
        }
    }

    [Fact]
    public void Arrays_come_back_from_a_file()
    {
        var path = Path.Combine(_folder, "a.npz");
        var values = Enumerable.Range(0, 100_000).Select(i => MathF.Sin(i)).ToArray();
        new NpzWriter().Add<float>("a", values, 1000, 100).Add<int>("empty", System.Array.Empty<int>(), 3, 0).Save(path);
        using var reader = new NpzReader(path);
        Assert.Equal(["a", "empty"], reader.Names);
        Assert.Equal(values, reader.Read<float>("a").Data);
        Assert.Equal([3, 0], reader.Read<int>("empty").Shape);
    }

    [Fact]
    public void A_gz_file_with_a_flipped_bit_is_refused_or_the_same_and_one_that_is_cut_or_longer_is_refused()
    {
        var text = Encoding.UTF8.GetBytes(string.Join('\n', Enumerable.Range(0, 60).Select(i => $"{i},{i * i},0.{i}")));
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            gzip.Write(text);
        }

        var whole = packed.ToArray();
        Assert.Equal(text, Gz(whole));
        for (var bit = 0; bit < whole.Length * 8; bit++)
        {
            var flipped = (byte[])whole.Clone();
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.True(Gz(flipped) is not { } content || content.SequenceEqual(text), $"bit {bit} changed the content");
        }

        for (var length = 0; length < whole.Length; length++)
        {
            Assert.Null(Gz(whole[..length]));
        }

        foreach (var more in new[] { 1, 8, 100 })
        {
            Assert.Null(Gz([.. whole, .. new byte[more]]));
        }

        Assert.Null(Gz([.. whole, .. whole]));
        // gzip(1) writes the file's name into the header.
        Assert.Equal(text, Gz([.. whole[..3], 8, .. whole[4..10], .. "outcomes.csv\0"u8, .. whole[10..]]));
    }

    [Fact]
    public void A_gz_file_that_declares_more_than_it_can_hold_takes_no_memory()
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(new byte[100]);
        }

        var file = packed.ToArray();
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(file.Length - 4), 400_000_000);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Null(Gz(file));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    private static byte[] Array(int first, int count)
        => NpyTests.File(NpyTests.Header("<f8", $"({count},)"), [.. Enumerable.Range(first, count).SelectMany(i => BitConverter.GetBytes(i * 0.37))]);

    /// <summary>A zip archive of members written as they are.</summary>
    private static byte[] Archive(CompressionLevel packing, params (string Name, byte[] Content)[] members)
    {
        using var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, content) in members)
            {
                var entry = zip.CreateEntry(name, packing);
                entry.LastWriteTime = new DateTimeOffset(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);
                using var member = entry.Open();
                member.Write(content);
            }
        }

        return stream.ToArray();
    }

    /// <summary>An archive with one stored member a.npy, all of whose numbers stand in zip64 fields, as numpy and others write large ones.</summary>
    private static byte[] Wide(byte[] content)
    {
        using var zip = new MemoryStream();
        using var writer = new BinaryWriter(zip);
        using var plain = new MemoryStream(Archive(CompressionLevel.NoCompression, ("a.npy", content)));
        var crc = BinaryPrimitives.ReadUInt32LittleEndian(plain.ToArray().AsSpan(14));
        var name = "a.npy"u8;
        void Common(bool central)
        {
            writer.Write((ushort)45);
            writer.Write((ushort)0);
            writer.Write((ushort)0);
            writer.Write(0x00210000u);
            writer.Write(crc);
            writer.Write(uint.MaxValue);
            writer.Write(uint.MaxValue);
            writer.Write((ushort)5);
            writer.Write((ushort)(central ? 28 : 20));
        }

        writer.Write(0x04034b50u);
        Common(central: false);
        writer.Write(name);
        writer.Write((ushort)1);
        writer.Write((ushort)16);
        writer.Write((long)content.Length);
        writer.Write((long)content.Length);
        writer.Write(content);
        var directory = zip.Position;
        writer.Write(0x02014b50u);
        writer.Write((ushort)45);
        Common(central: true);
        writer.Write((ushort)0);
        writer.Write((ushort)0);
        writer.Write((ushort)0);
        writer.Write(0u);
        writer.Write(uint.MaxValue);
        writer.Write(name);
        writer.Write((ushort)1);
        writer.Write((ushort)24);
        writer.Write((long)content.Length);
        writer.Write((long)content.Length);
        writer.Write(0L);
        var end = zip.Position;
        writer.Write(0x06064b50u);
        writer.Write(44L);
        writer.Write((ushort)45);
        writer.Write((ushort)45);
        writer.Write(0u);
        writer.Write(0u);
        writer.Write(1L);
        writer.Write(1L);
        writer.Write(end - directory);
        writer.Write(directory);
        writer.Write(0x07064b50u);
        writer.Write(0u);
        writer.Write(end);
        writer.Write(1u);
        writer.Write(0x06054b50u);
        writer.Write(0u);
        writer.Write(ushort.MaxValue);
        writer.Write(ushort.MaxValue);
        writer.Write(uint.MaxValue);
        writer.Write(uint.MaxValue);
        writer.Write((ushort)0);
        return zip.ToArray();
    }

    /// <summary>Names and numbers of all arrays; null where the file is refused.</summary>
    private static string? Content(byte[] file)
    {
        try
        {
            using var reader = new NpzReader(new MemoryStream(file), "x.npz");
            return string.Join(';', reader.Names.Select(n => $"{n}={string.Join(',', reader.Read<double>(n).Data)}"));
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    private static string Refusal(byte[] file)
    {
        var message = Assert.Throws<InvalidDataException>(() => new NpzReader(new MemoryStream(file), "x.npz").Dispose()).Message;
        Assert.StartsWith("x.npz: ", message, StringComparison.Ordinal);
        Assert.DoesNotContain(message, c => char.IsControl(c));
        return message;
    }

    private static byte[]? Gz(byte[] file)
    {
        try
        {
            return GzipFile.Read(new MemoryStream(file), "x.gz");
        }
        catch (InvalidDataException e)
        {
            Assert.StartsWith("x.gz: ", e.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', e.Message);
            return null;
        }
    }

    private sealed class BufferedForward(Stream target) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush() => target.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => target.Write(buffer, offset, count);
    }
}
