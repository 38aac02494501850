using System.Text;
using MimicD.Contracts;

namespace MimicD.Bridges.Mqtt;

/// <summary>Where a broker is, and who connects to it: <c>mqtt://USER:PASSWORD@HOST:PORT</c>. Nothing but <see cref="Password"/> holds the password: neither the URI, nor this as text, nor what is said of an address that is refused.</summary>
/// <param name="Uri">Scheme, host and port, and nothing else.</param>
/// <param name="User">The user, decoded; or null.</param>
/// <param name="Password">The password, decoded; or null.</param>
public sealed record BrokerAddress(Uri Uri, string? User, string? Password)
{
    private const string Expected = "mqtt://HOST:PORT or mqtts://HOST:PORT";
    private const string Hidden = "***";

    // What a length of 16 bits can say.
    private const int Longest = 65_535;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads an address, strictly: a scheme that is known, a host, a port where there is one, a user and a password where there are some, percent-encoded; nothing else.</summary>
    /// <param name="text">The address.</param>
    /// <param name="where">The option or file it came from.</param>
    /// <exception cref="InvalidInputException">It is no such address.</exception>
    public static BrokerAddress Parse(string text, string where)
    {
        ArgumentNullException.ThrowIfNull(text);
        var found = Redact(text);
        InvalidInputException.Require(!text.Any(char.IsControl), where, "", Expected, "control characters in it");
        var begin = text.IndexOf("://", StringComparison.Ordinal) is var at and > 0 ? at + 3 : 0;
        InvalidInputException.Require(text[..begin].ToLowerInvariant() is not ("ws://" or "wss://"), where, "", $"{Expected}, for MQTT over WebSockets is not spoken", found);
        var end = begin > 0 ? text.LastIndexOf('@') : -1;
        var (user, password, bare) = ((string?)null, (string?)null, text);
        if (end >= begin)
        {
            var account = text[begin..end];
            InvalidInputException.Require(!account.Any(c => c is '@' or '/' or '?' or '#' or '[' or ']' or ' '), where, "", "a user and a password whose special characters are percent-encoded (@ is %40, / is %2F, % is %25)", found);
            var colon = account.IndexOf(':', StringComparison.Ordinal);
            user = Decode(colon < 0 ? account : account[..colon], where, found);
            password = colon < 0 ? null : Decode(account[(colon + 1)..], where, found);
            InvalidInputException.Require(user.Length > 0, where, "", "a user before the @", found);
            bare = text[..begin] + text[(end + 1)..];
        }

        var parsed = Uri.TryCreate(bare, UriKind.Absolute, out var uri) && uri.Scheme is "mqtt" or "mqtts" && uri is { Host.Length: > 0, AbsolutePath: "" or "/", Query: "", Fragment: "", UserInfo: "", Port: not 0 };
        return parsed ? new BrokerAddress(uri!, user, password) : throw InvalidInputException.Create(where, "", Expected, found);
    }

    /// <summary>An address, right or wrong, without what may be a user's name or password.</summary>
    public static string Redact(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var begin = text.IndexOf("://", StringComparison.Ordinal) is var at and >= 0 ? at + 3 : 0;
        if (text.LastIndexOf('@') is var end && end >= begin)
        {
            return $"{text[..begin]}{Hidden}{text[end..]}";
        }

        // Without its host, a password stands where a port does.
        var slash = text.IndexOf('/', begin) is var next and >= 0 ? next : text.Length;
        var colon = text.LastIndexOf(':', Math.Max(slash - 1, 0));
        return colon >= begin && colon > text.LastIndexOf(']') && !text[(colon + 1)..slash].All(char.IsAsciiDigit) ? $"{text[..(colon + 1)]}{Hidden}" : text;
    }

    private static string Decode(string text, string where, string found)
    {
        var bytes = new List<byte>(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '%')
            {
                bytes.AddRange(Encoding.UTF8.GetBytes(text[i..(char.IsSurrogatePair(text, i) ? i + 2 : i + 1)]));
                i += char.IsSurrogatePair(text, i) ? 1 : 0;
                continue;
            }

            InvalidInputException.Require(i + 2 < text.Length && char.IsAsciiHexDigit(text[i + 1]) && char.IsAsciiHexDigit(text[i + 2]), where, "", "two hexadecimal digits after each % (% itself is %25)", found);
            bytes.Add(Convert.FromHexString(text.AsSpan(i + 1, 2))[0]);
            i += 2;
        }

        try
        {
            var decoded = Utf8.GetString([.. bytes]);
            InvalidInputException.Require(bytes.Count <= Longest && !decoded.Any(char.IsControl), where, "", $"a user and a password of {Longest} bytes at most, without control characters", found);
            return decoded;
        }
        catch (DecoderFallbackException)
        {
            throw InvalidInputException.Create(where, "", "a user and a password in UTF-8", found);
        }
    }

    private bool PrintMembers(StringBuilder builder)
    {
        builder.Append($"{nameof(Uri)} = {Uri}, {nameof(User)} = {User}");
        return true;
    }
}
