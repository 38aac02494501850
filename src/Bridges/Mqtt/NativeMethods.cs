using System.Runtime.InteropServices;

namespace MimicD.Bridges.Mqtt;

/// <summary>What is used of libmosquitto (2.0, as declared in its <c>mosquitto.h</c>) and of the C library.</summary>
internal static unsafe partial class NativeMethods
{
    /// <summary>No error.</summary>
    public const int Success = 0;

    /// <summary>The system's error number says what is wrong.</summary>
    public const int SystemError = 14;

    /// <summary>The other side has shown no sign of life; the library has no text for it.</summary>
    public const int KeepAlive = 19;

    /// <summary>From here on an MQTT 5 reason code says that something failed.</summary>
    public const int Failure = 128;

    public const int OptionProtocolVersion = 1;
    public const int OptionNoDelay = 11;
    public const int ContentType = 3;
    public const int NoRetainedMessages = 0x20;
    public const int LogWarning = 4;
    public const int LogError = 8;

    public const short In = 1;
    public const short Out = 4;
    public const int ConnectionRefused = 111;
    public const int Interrupted = 4;
    public const int Again = 11;

    private const string Library = "libmosquitto.so.1";
    private const string C = "libc";

    [LibraryImport(Library)]
    internal static partial int mosquitto_lib_init();

    [LibraryImport(Library)]
    internal static partial int mosquitto_lib_version(out int major, out int minor, out int revision);

    [LibraryImport(Library)]
    internal static partial nint mosquitto_strerror(int error);

    [LibraryImport(Library)]
    internal static partial nint mosquitto_connack_string(int code);

    [LibraryImport(Library)]
    internal static partial nint mosquitto_reason_string(int code);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint mosquitto_new(string? id, [MarshalAs(UnmanagedType.U1)] bool clean, nint owner);

    [LibraryImport(Library)]
    internal static partial void mosquitto_destroy(nint client);

    [LibraryImport(Library)]
    internal static partial int mosquitto_int_option(nint client, int option, int value);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mosquitto_username_pw_set(nint client, string? user, string? password);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mosquitto_tls_set(nint client, string? authorities, string? folder, string? certificate, string? key, delegate* unmanaged[Cdecl]<byte*, int, int, nint, int> password);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mosquitto_tls_opts_set(nint client, int verify, string? version, string? ciphers);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mosquitto_will_set_v5(nint client, string topic, int length, byte* payload, int qos, [MarshalAs(UnmanagedType.U1)] bool retain, nint properties);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mosquitto_will_set(nint client, string topic, int length, byte* payload, int qos, [MarshalAs(UnmanagedType.U1)] bool retain);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    internal static partial int mosquitto_connect(nint client, string host, int port, int keepAlive);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    internal static partial int mosquitto_connect_async(nint client, string host, int port, int keepAlive);

    [LibraryImport(Library)]
    internal static partial int mosquitto_disconnect(nint client);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    internal static partial int mosquitto_subscribe_v5(nint client, out int id, string filter, int qos, int options, nint properties);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    internal static partial int mosquitto_publish_v5(nint client, nint id, string topic, int length, byte* payload, int qos, [MarshalAs(UnmanagedType.U1)] bool retain, nint properties);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mosquitto_property_add_string(ref nint properties, int identifier, string value);

    [LibraryImport(Library)]
    internal static partial nint mosquitto_property_read_string(nint properties, int identifier, out byte* value, [MarshalAs(UnmanagedType.U1)] bool skipFirst);

    [LibraryImport(Library)]
    internal static partial void mosquitto_property_free_all(ref nint properties);

    [LibraryImport(Library)]
    internal static partial int mosquitto_socket(nint client);

    [LibraryImport(Library)]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool mosquitto_want_write(nint client);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int mosquitto_loop_read(nint client, int packets);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int mosquitto_loop_write(nint client, int packets);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int mosquitto_loop_misc(nint client);

    [LibraryImport(Library)]
    internal static partial void mosquitto_connect_v5_callback_set(nint client, delegate* unmanaged[Cdecl]<nint, nint, int, int, nint, void> callback);

    [LibraryImport(Library)]
    internal static partial void mosquitto_disconnect_v5_callback_set(nint client, delegate* unmanaged[Cdecl]<nint, nint, int, nint, void> callback);

    [LibraryImport(Library)]
    internal static partial void mosquitto_publish_v5_callback_set(nint client, delegate* unmanaged[Cdecl]<nint, nint, int, int, nint, void> callback);

    [LibraryImport(Library)]
    internal static partial void mosquitto_message_v5_callback_set(nint client, delegate* unmanaged[Cdecl]<nint, nint, Message*, nint, void> callback);

    [LibraryImport(Library)]
    internal static partial void mosquitto_subscribe_v5_callback_set(nint client, delegate* unmanaged[Cdecl]<nint, nint, int, int, int*, nint, void> callback);

    [LibraryImport(Library)]
    internal static partial void mosquitto_log_callback_set(nint client, delegate* unmanaged[Cdecl]<nint, nint, int, byte*, void> callback);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int poll(PollDescriptor* descriptors, nuint count, int timeout);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int eventfd(uint initial, int flags);

    [LibraryImport(C, SetLastError = true)]
    internal static partial nint read(int descriptor, void* buffer, nint count);

    [LibraryImport(C, SetLastError = true)]
    internal static partial nint write(int descriptor, void* buffer, nint count);

    [LibraryImport(C)]
    internal static partial int close(int descriptor);

    [LibraryImport(C)]
    internal static partial int shutdown(int descriptor, int how);

    [LibraryImport(C)]
    internal static partial int fcntl(int descriptor, int command, int argument);

    [LibraryImport(C)]
    internal static partial int setsockopt(int descriptor, int level, int name, int* value, uint length);

    /// <summary>A text that the library keeps.</summary>
    public static string Text(nint text) => Marshal.PtrToStringUTF8(text) ?? "";

    /// <summary>A message that was received.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Message
    {
        public int Id;
        public byte* Topic;
        public byte* Payload;
        public int Length;
        public int Qos;
        public byte Retain;
    }

    /// <summary>What <c>poll</c> waits for.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Happened;
    }
}
