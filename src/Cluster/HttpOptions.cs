using System.Globalization;
using System.Net;
using MimicD.Contracts;

namespace MimicD.Cluster;

/// <summary>Where a node serves <c>/metrics</c>, <c>/healthz</c> and <c>/readyz</c>. Whoever can reach the place can read them, so it is this machine alone unless told otherwise.</summary>
public sealed record HttpOptions
{
    private const string Off = "off";
    private const string Expected = "[ADDRESS:]PORT with an IP address and a port from 0 (any free one) to 65535, or off";

    /// <summary>IP address that is listened on; 0.0.0.0 for all of this machine's. Default: 127.0.0.1.</summary>
    public string Address { get; init; } = "127.0.0.1";

    /// <summary>Port, 0 for any that is free, or null to serve nothing. Default: null.</summary>
    public int? Port { get; init; }

    /// <summary>The place, or null where nothing is served.</summary>
    public IPEndPoint? EndPoint() => Port is { } port ? new IPEndPoint(ToAddress(Address)!, port) : null;

    /// <summary>Reads what an option says; an address that is not said stays as it is here.</summary>
    /// <param name="text"><c>[ADDRESS:]PORT</c>, an IPv6 address in brackets, or <c>off</c>.</param>
    /// <param name="option">The option's name.</param>
    /// <exception cref="InvalidInputException">It is neither.</exception>
    public HttpOptions With(string text, string option)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text == Off)
        {
            return this with { Port = null };
        }

        var colon = text.LastIndexOf(':');
        var address = colon < 0 ? Address : text[..colon];
        address = address is ['[', .. var inner, ']'] && inner.Contains(':', StringComparison.Ordinal) ? inner : colon >= 0 && address.Contains(':', StringComparison.Ordinal) ? "" : address;
        var valid = int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port <= IPEndPoint.MaxPort && ToAddress(address) is not null;
        InvalidInputException.Require(valid, option, "", Expected, text);
        return new HttpOptions { Address = address, Port = port };
    }

    internal void Validate(string where)
    {
        InvalidInputException.Require(ToAddress(Address) is not null, where, "http.address", "an IP address", Address);
        InvalidInputException.Require(Port is null or (>= 0 and <= IPEndPoint.MaxPort), where, "http.port", "0 (any free one) to 65535, or null to serve nothing", Port);
    }

    private static IPAddress? ToAddress(string text)
        // "1" would pass as 0.0.0.1.
        => IPAddress.TryParse(text, out var address) && (text.Contains(':', StringComparison.Ordinal) || text.Count(c => c == '.') == 3) ? address : null;
}
