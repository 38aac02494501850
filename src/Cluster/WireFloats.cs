using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Google.Protobuf;

namespace MimicD.Cluster;

/// <summary>Numbers as the wire has them: float32, little-endian, without gaps. A tick is mostly these, so they are copied as they are and not taken one by one.</summary>
internal static class WireFloats
{
    /// <summary>Bytes of so many numbers.</summary>
    public static int Bytes(int count) => sizeof(float) * count;

    /// <summary>Copies numbers to the wire.</summary>
    public static ByteString Pack(ReadOnlySpan<float> values)
    {
        var bytes = new byte[Bytes(values.Length)];
        Write(values, bytes);
        return UnsafeByteOperations.UnsafeWrap(bytes);
    }

    /// <summary>Copies numbers into memory that is a message's.</summary>
    public static void Write(ReadOnlySpan<float> values, Span<byte> bytes)
    {
        if (BitConverter.IsLittleEndian)
        {
            MemoryMarshal.AsBytes(values).CopyTo(bytes);
            return;
        }

        for (var i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteSingleLittleEndian(bytes[Bytes(i)..], values[i]);
        }
    }

    /// <summary>Copies numbers from the wire; there must be as many as there is room for.</summary>
    public static void Read(ByteString bytes, Span<float> values)
    {
        if (BitConverter.IsLittleEndian)
        {
            bytes.Span.CopyTo(MemoryMarshal.AsBytes(values));
            return;
        }

        for (var i = 0; i < values.Length; i++)
        {
            values[i] = BinaryPrimitives.ReadSingleLittleEndian(bytes.Span[Bytes(i)..]);
        }
    }
}
