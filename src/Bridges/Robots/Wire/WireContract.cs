namespace MimicD.Bridges.Robots.Wire;

/// <summary>What both sides of the contract keep to.</summary>
public static class WireContract
{
    /// <summary>Version of the contract.</summary>
    public const int Version = 1;

    /// <summary>Largest whole number: what every language's JSON carries exactly, 2^53 - 1.</summary>
    public const long MaxInteger = (1L << 53) - 1;

    /// <summary>Hexadecimal digits of a session.</summary>
    public const int SessionDigits = 16;

    /// <summary>Content type of JSON; none at all says the same.</summary>
    public const string JsonType = "application/json";

    /// <summary>Content type of float32 frames.</summary>
    public const string FrameType = "application/vnd.mimicd.f32";

    /// <summary>Largest presence or report that is read [bytes].</summary>
    public const int MaxPresence = 16 * 1024;

    /// <summary>Whether a text is a session: 16 lowercase hexadecimal digits.</summary>
    public static bool IsSession(string? session) => session is { Length: SessionDigits } && session.All(c => char.IsAsciiDigit(c) || c is >= 'a' and <= 'f');

    /// <summary>The encoding that a content type names, or null where it names another.</summary>
    public static WireEncoding? EncodingOf(string? contentType) => contentType switch
    {
        null or "" or JsonType => WireEncoding.Json,
        FrameType => WireEncoding.Frame,
        _ => null,
    };

    /// <summary>The content type of an encoding.</summary>
    public static string TypeOf(WireEncoding encoding) => encoding == WireEncoding.Json ? JsonType : FrameType;
}
