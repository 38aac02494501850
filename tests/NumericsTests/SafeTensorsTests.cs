using System.Buffers.Binary;
using System.Text;
using MimicD.Numerics;

namespace MimicD.NumericsTests;

public sealed class SafeTensorsTests
{
    private const string A = """ "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} """;

    [Fact]
    public void A_file_whose_tensors_hold_every_byte_is_read_in_any_order()
    {
        var file = Parse("""{"b": {"shape": [1, 1], "data_offsets": [8, 12], "dtype": "F32"}, "e": {"dtype": "F32", "shape": [3, 0], "data_offsets": [8, 8]}, """ + A + "}   ", 12);
        Assert.Equal(["a", "b", "e"], file.Tensors.Keys);
        Assert.Equal([3, 0], file.Tensors["e"].Shape);
        Assert.Empty(Parse("""{"__metadata__": {}}""", 0).Tensors);
        Assert.Equal("y", Parse("""{"__metadata__": {"x": "y"}}""", 0).Metadata["x"]);
    }

    [Theory]
    [InlineData("[]", "the header: expected an object, found a list")]
    [InlineData("null", "the header: expected an object, found null")]
    [InlineData("""{"a": 1}""", "tensor 'a': its entry: expected an object, found a number")]
    [InlineData("""{"a": {}}""", "tensor 'a': dtype: expected F32, found nothing")]
    [InlineData("""{"a": {"dtype": 1}}""", "dtype: expected F32, found a number")]
    [InlineData("""{"a": {"dtype": "F16", "shape": [4], "data_offsets": [0, 8]}}""", "tensor 'a': expected F32, found F16")]
    [InlineData("""{"a": {"dtype": "F32"}}""", "shape: expected a list of whole numbers, found nothing")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [2]}}""", "data_offsets: expected a list of whole numbers, found nothing")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [2], "data_offsets": [8]}}""",
        "data_offsets: expected where its bytes begin and end, two numbers, found 1")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [2], "data_offsets": []}}""", "two numbers, found 0")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8, 8]}}""", "two numbers, found 3")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [2], "data_offsets": "0,8"}}""",
        "data_offsets: expected a list of whole numbers, found a text")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [2], "data_offsets": ["0", "8"]}}""", "expected whole numbers from 0, found a text")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}}""", "expected whole numbers from 0, found -8")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0.5, 8.5]}}""", "expected whole numbers from 0, found 0.5")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 99999999999999999999999]}}""",
        "expected whole numbers from 0, found 99999999999999999999999")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}""", "expected a beginning before the end, found 8-0")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 9223372036854775807]}}""",
        "expected a byte range that holds shape (2), found 0-9223372036854775807")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [[2]], "data_offsets": [0, 8]}}""",
        "shape: expected whole numbers from 0, found a list")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}""", "shape: expected whole numbers from 0, found -2")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [4294967296, 4294967296, 4294967296, 2], "data_offsets": [0, 8]}}""",
        "expected a byte range that holds shape (4294967296, ")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [2147483647, 2147483647, 2147483647, 2147483647], "data_offsets": [0, 8]}}""",
        "expected a byte range that holds shape (2147483647, ")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}}""", "truncated: it ends at byte 12 of 8")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], "extra": 1}}""",
        "expected the keys dtype, shape and data_offsets, found 'extra'")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [2], "shape": [2], "data_offsets": [0, 8]}}""",
        "shape: expected it once, found it twice")]
    [InlineData("{" + A + "," + A + "}", "tensor 'a': expected it once, found it twice")]
    [InlineData("{" + A + """, "b": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}""",
        "expected a byte range from 8, where the one before it ends, found 0-8")]
    [InlineData("{" + A + """, "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}""", "tensor 'b': expected a byte range from 8")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}""",
        "expected 4 bytes of tensors, found 4 more after them")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}""", "tensor 'a': expected a byte range from 0")]
    [InlineData("""{"a": {"dtype": "F32", "shape": [0], "data_offsets": [4, 4]}}""", "tensor 'a': expected a byte range from 0")]
    [InlineData("{}", "expected 0 bytes of tensors, found 8 more after them")]
    [InlineData("""{"__metadata__": {"x": "y"}, "__metadata__": {"x": "z"}, """ + A + "}",
        "__metadata__: expected it once, found it twice")]
    [InlineData("""{"__metadata__": {"x": "y", "x": "z"}, """ + A + "}", "__metadata__: 'x': expected it once, found it twice")]
    [InlineData("""{"__metadata__": {"x": 1}, """ + A + "}", "__metadata__: 'x': expected a text, found a number")]
    [InlineData("""{"__metadata__": {"x": null}, """ + A + "}", "__metadata__: 'x': expected a text, found null")]
    [InlineData("""{"__metadata__": [], """ + A + "}", "__metadata__: expected an object, found a list")]
    [InlineData("""{"a\u001b": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}""",
        "a tensor's name: expected characters that can be printed, found 'a\\u001b'")]
    [InlineData("""{"a\ud800": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}""", "malformed .safetensors header")]
    [InlineData(" {" + A + "}", "the header: expected '{' as its first byte, found white space")]
    [InlineData("{" + A, "malformed .safetensors header")]
    [InlineData("{" + A + "} x", "malformed .safetensors header")]
    [InlineData("{" + A + ",}", "malformed .safetensors header")]
    [InlineData("\u001b{}", "malformed .safetensors header")]
    public void A_header_that_is_none_is_refused_with_one_line(string header, string expected)
    {
        var message = Assert.Throws<InvalidDataException>(() => Parse(header, 8)).Message;
        Assert.StartsWith("m.safetensors: ", message, StringComparison.Ordinal);
        Assert.DoesNotContain(message, c => char.IsControl(c));
        Assert.Contains(expected, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Many_tensors_of_the_same_bytes_take_no_memory()
    {
        const int Body = 1 << 20;
        var header = "{" + string.Join(',', Enumerable.Range(0, 500).Select(i => $$"""
            "t{{i}}": {"dtype": "F32", "shape": [{{Body / 4}}], "data_offsets": [0, {{Body}}]}
            """)) + "}";
        var bytes = Bytes(header, Body);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<InvalidDataException>(() => SafeTensors.Parse(bytes, "m.safetensors"));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4L * bytes.Length);
    }

    internal static byte[] Bytes(string header, int body)
    {
        var text = Encoding.UTF8.GetBytes(header);
        var file = new byte[8 + text.Length + body];
        BinaryPrimitives.WriteInt64LittleEndian(file, text.Length);
        text.CopyTo(file, 8);
        return file;
    }

    private static SafeTensors Parse(string header, int body) => SafeTensors.Parse(Bytes(header, body), "m.safetensors");
}
