using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using MimicD.Numerics;

namespace MimicD.NumericsTests;

public sealed class NpyTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mimicd-npy-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>A .npy file's bytes with any header.</summary>
    internal static byte[] File(string header, ReadOnlySpan<byte> data, byte major = 1, byte minor = 0)
    {
        var text = Encoding.Latin1.GetBytes(header + "\n");
        var file = new List<byte>([0x93, .. "NUMPY"u8, major, minor]);
        var length = new byte[major == 1 ? 2 : 4];
        if (major == 1)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(length, (ushort)text.Length);
        }
        else
        {
            BinaryPrimitives.WriteInt32LittleEndian(length, text.Length);
        }

        return [.. file, .. length, .. text, .. data];
    }

    internal static string Header(string descriptor, string shape, bool fortran = false)
        => $"{{'descr': '{descriptor}', 'fortran_order': {(fortran ? "True" : "False")}, 'shape': {shape}, }}";

    [Theory]
    [InlineData("<f2", "0040 00c5")]
    [InlineData(">f2", "4000 c500")]
    [InlineData("<f4", "00000040 0000a0c0")]
    [InlineData(">f4", "40000000 c0a00000")]
    [InlineData("=f4", "00000040 0000a0c0")]
    [InlineData("f4", "00000040 0000a0c0")]
    [InlineData("<f8", "0000000000000040 00000000000014c0")]
    [InlineData(">f8", "4000000000000000 c014000000000000")]
    [InlineData("|i1", "02 fb")]
    [InlineData("<i2", "0200 fbff")]
    [InlineData(">i2", "0002 fffb")]
    [InlineData("<i4", "02000000 fbffffff")]
    [InlineData(">i4", "00000002 fffffffb")]
    [InlineData("<i8", "0200000000000000 fbffffffffffffff")]
    [InlineData(">i8", "0000000000000002 fffffffffffffffb")]
    public void Numbers_of_every_width_and_byte_order_are_read(string descriptor, string bytes)
    {
        var file = File(Header(descriptor, "(2,)"), Convert.FromHexString(bytes.Replace(" ", "", StringComparison.Ordinal)));
        Assert.Equal([2.0, -5.0], Read<double>(file).Data);
        Assert.Equal([2f, -5f], Read<float>(file).Data);
        if (descriptor.Contains('i', StringComparison.Ordinal))
        {
            Assert.Equal([2, -5], Read<int>(file).Data);
            Assert.Equal([2L, -5L], Read<long>(file).Data);
        }
        else
        {
            Assert.Contains("expected whole numbers of 8 to 64 bits, found floating-point numbers", Refusal<int>(file), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("|u1", "ff", 255)]
    [InlineData("<u2", "ffff", 65535)]
    [InlineData(">u2", "00ff", 255)]
    [InlineData("<u4", "ffffffff", uint.MaxValue)]
    [InlineData(">u8", "00000001ffffffff", 8589934591)]
    public void Numbers_without_a_sign_are_read(string descriptor, string bytes, double expected)
    {
        var file = File(Header(descriptor, "()"), Convert.FromHexString(bytes));
        Assert.Equal([expected], Read<double>(file).Data);
        Assert.Equal((long)expected, Assert.Single(Read<long>(file).Data));
        Assert.Empty(Read<double>(file).Shape);
    }

    [Theory]
    [InlineData("<i8", "0000008000000000", "2147483648")]
    [InlineData("<i8", "ffffff7fffffffff", "-2147483649")]
    [InlineData("<u4", "00000080", "2147483648")]
    [InlineData(">u8", "ffffffffffffffff", "18446744073709551615")]
    public void A_whole_number_that_does_not_fit_is_refused_and_located(string descriptor, string bytes, string number)
    {
        byte[] data = Convert.FromHexString(bytes);
        var file = File(Header(descriptor, "(3,)"), [.. new byte[2 * data.Length], .. data]);
        Assert.EndsWith($"expected numbers within 32 bits, found {number} at element 2", Refusal<int>(file), StringComparison.Ordinal);
    }

    [Fact]
    public void A_finite_number_that_becomes_infinite_is_refused_and_one_that_is_infinite_stays_so()
    {
        var data = new byte[16];
        BinaryPrimitives.WriteDoubleLittleEndian(data, double.NegativeInfinity);
        BinaryPrimitives.WriteDoubleLittleEndian(data.AsSpan(8), 1e300);
        Assert.EndsWith("expected numbers within 32 bits, found 1E+300 at element 1", Refusal<float>(File(Header("<f8", "(2,)"), data)), StringComparison.Ordinal);
        Assert.Equal([float.NegativeInfinity], Read<float>(File(Header("<f8", "(1,)"), data.AsSpan(0, 8))).Data);
    }

    [Theory]
    [InlineData(new[] { 2, 3 })]
    [InlineData(new[] { 3, 1, 2 })]
    [InlineData(new[] { 2, 3, 4, 5 })]
    [InlineData(new[] { 6 })]
    [InlineData(new[] { 3, 0, 2 })]
    public void Fortran_order_gives_the_same_array_as_C_order(int[] shape)
    {
        var count = shape.Aggregate(1, (a, b) => a * b);
        var bytes = new byte[2 * count];
        var expected = new double[count];
        for (var i = 0; i < count; i++)
        {
            // Element i of C order has these indices; in Fortran order it lies where the first index counts most often.
            var (rest, place, stride) = (i, 0, count);
            for (var axis = shape.Length - 1; axis >= 0; axis--)
            {
                stride /= shape[axis];
                (rest, var index) = Math.DivRem(rest, shape[axis]);
                place += index * stride;
            }

            expected[i] = 7 * i;
            BinaryPrimitives.WriteInt16BigEndian(bytes.AsSpan(2 * place), (short)(7 * i));
        }

        var read = Read<double>(File(Header(">i2", "(" + string.Join(", ", shape) + ",)", fortran: true), bytes));
        Assert.Equal(shape, read.Shape);
        Assert.Equal(expected, read.Data);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Every_version_of_the_format_is_read(byte major)
        => Assert.Equal([1, 2], Read<int>(File("{\"shape\": (2L,), 'fortran_order':False, 'descr' : '|u1'}", [1, 2], major)).Data);

    [Theory]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 2), }",
        "lengths of axes, whole numbers from 0 to 2147483647, found 4294967296")]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': (2147483647, 2147483647, 2147483647, 2147483647), }",
        "elements, found shape (2147483647, ")]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': (65536, 65536, 65536, 65536), }", "elements, found shape (65536, ")]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000,), }",
        "truncated: expected 8000000000 bytes for shape (1000000000), found 8")]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", "whole numbers from 0 to 2147483647, found -1")]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': (1.5,), }", "found 1.5")]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': (,), }", "lengths of axes")]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': [1], }", "expected '(', found [1], }")]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': ", "expected '(', found its end")]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)", "expected '}', found its end")]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': (1", "expected ')', found its end")]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), } + x", "expected nothing after the dictionary, found + x")]
    [InlineData("{'descr': '<f8', 'fortran_order': False, }", "found no shape")]
    [InlineData("{'descr': '<f8', 'shape': (1,), }", "found no fortran_order")]
    [InlineData("{'descr': '<f8', 'fortran_order': 0, 'shape': (1,), }", "expected fortran_order True or False, found 0")]
    [InlineData("{'descr': '<f8', 'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "each once, found 'descr'")]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'x': 1}", "found 'x'")]
    [InlineData("{'descr': [('x', '<f8')], 'fortran_order': False, 'shape': (1,), }",
        "expected an array of numbers, found structured elements")]
    [InlineData("{'descr': '|b1', 'fortran_order': False, 'shape': (8,), }", "found truth values (element type '|b1')")]
    [InlineData("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "found complex numbers (element type '<c8')")]
    [InlineData("{'descr': '<U2', 'fortran_order': False, 'shape': (1,), }", "found text")]
    [InlineData("{'descr': '|S8', 'fortran_order': False, 'shape': (1,), }", "found text")]
    [InlineData("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "found Python objects, which are never read")]
    [InlineData("{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,), }", "found times")]
    [InlineData("{'descr': '<f16', 'fortran_order': False, 'shape': (1,), }", "(element type '<f16')")]
    [InlineData("{'descr': '', 'fortran_order': False, 'shape': (1,), }", "found others (element type '')")]
    [InlineData("{'descr': '\u001b[2J', 'fortran_order': False, 'shape': (1,), }", "(element type '\\u001b[2J')")]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': (), } ", null)]
    [InlineData("", "expected '{', found its end")]
    [InlineData("nonsense", "expected '{', found nonsense")]
    public void A_header_that_is_none_is_refused_with_one_line_and_little_memory(string header, string? expected)
    {
        var file = File(header, new byte[8]);
        if (expected is null)
        {
            Assert.Equal([0.0], Read<double>(file).Data);
            return;
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        var message = Refusal<double>(file);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        Assert.Contains(expected, message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_ends_early_or_late_is_refused()
    {
        var file = File(Header("<f8", "(3, 2)"), new byte[48]);
        for (var length = 0; length < file.Length; length++)
        {
            Refusal<double>(file[..length]);
        }

        Assert.EndsWith("expected 48 bytes for shape (3, 2), found 1 more after them", Refusal<double>([.. file, 0]), StringComparison.Ordinal);
        Assert.Contains("magic number is missing", Refusal<double>(new byte[100]), StringComparison.Ordinal);
        Assert.Contains("of version 1.0, 2.0 or 3.0, found 4.0", Refusal<double>(File("", [], 4)), StringComparison.Ordinal);
        Assert.Contains("of version 1.0, 2.0 or 3.0, found 1.1", Refusal<double>(File("", [], 1, 1)), StringComparison.Ordinal);
        Assert.Contains("truncated: expected a header of 4294967295 bytes", Refusal<double>([0x93, .. "NUMPY"u8, 2, 0, 255, 255, 255, 255]), StringComparison.Ordinal);
        Assert.Contains("a header of at most 65536 bytes", Refusal<double>(File(new string(' ', 70000), [], 2)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_a_folder_and_no_name_are_refused()
    {
        foreach (var path in new[] { Path.Combine(_folder, "none.npy"), _folder, "", "a\0b" })
        {
            Assert.Contains("cannot be read", Assert.Throws<InvalidDataException>(() => Npy.Read<double>(path)).Message, StringComparison.Ordinal);
            Assert.Contains("cannot be read", Assert.Throws<InvalidDataException>(() => new NpzReader(path)).Message, StringComparison.Ordinal);
            Assert.Contains("cannot be read", Assert.Throws<InvalidDataException>(() => SafeTensors.Read(path)).Message, StringComparison.Ordinal);
            Assert.Contains("cannot be read", Assert.Throws<InvalidDataException>(() => GzipFile.Read(path)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_is_written_is_read_back_also_from_a_stream_that_only_goes_forward()
    {
        var values = Enumerable.Range(0, 200_000).Select(i => i * 0.1).ToArray();
        var path = Path.Combine(_folder, "a.npy");
        Npy.Write<double>(path, values, 50_000, 2, 2);
        Assert.Equal(values, Npy.Read<double>(path).Data);
        using var forward = new ForwardOnly(System.IO.File.ReadAllBytes(path));
        Assert.Equal(values, Npy.Read<double>(forward, "pipe").Data);
    }

    private static NdArray<T> Read<T>(byte[] file)
        where T : unmanaged => Npy.Read<T>(new MemoryStream(file), "x.npy");

    private static string Refusal<T>(byte[] file)
        where T : unmanaged
    {
        var message = Assert.Throws<InvalidDataException>(() => Read<T>(file)).Message;
        Assert.StartsWith("x.npy: ", message, StringComparison.Ordinal);
        Assert.DoesNotContain(message, c => char.IsControl(c));
        return message.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>As a pipe is.</summary>
    internal sealed class ForwardOnly(byte[] content) : MemoryStream(content)
    {
        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
    }
}
