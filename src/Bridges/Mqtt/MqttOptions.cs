using System.Globalization;
using System.Text;

namespace MimicD.Bridges.Mqtt;

/// <summary>Version of the protocol.</summary>
public enum MqttVersion
{
    /// <summary>MQTT 3.1.1: no content type, so payloads are JSON.</summary>
    V311,

    /// <summary>MQTT 5.</summary>
    V5,
}

/// <summary>A filter that is subscribed to on every connection.</summary>
/// <param name="Filter">A topic, with wildcards where wanted.</param>
/// <param name="Qos">How sure its deliveries are, at most.</param>
/// <param name="Kept">Whether messages that the broker kept are wanted when the subscription begins (MQTT 5; with 3.1.1 they come, and say that they were kept).</param>
public sealed record MqttSubscription(string Filter, MqttQos Qos = MqttQos.AtMostOnce, bool Kept = false);

/// <summary>Certificates of a connection, as PEM files.</summary>
public sealed record MqttTls
{
    /// <summary>The authority that the broker's certificate must come from; null: those that the machine trusts.</summary>
    public string? Authority { get; init; }

    /// <summary>Own certificate, where the broker asks for one; null: none.</summary>
    public string? Certificate { get; init; }

    /// <summary>Its key.</summary>
    public string? Key { get; init; }
}

/// <summary>How a connection is made and kept.</summary>
public sealed record MqttOptions
{
    /// <summary>Where the broker is: <c>mqtt://host:port</c>, or <c>mqtts://</c> for TLS. Ports default to 1883 and 8883.</summary>
    public required Uri Broker { get; init; }

    /// <summary>Client id, which must be nobody else's: of two of one id the broker cuts off the first. Empty: the broker gives one.</summary>
    public string ClientId { get; init; } = "";

    /// <summary>User, or null.</summary>
    public string? User { get; init; }

    /// <summary>Password, or null.</summary>
    public string? Password { get; init; }

    /// <summary>Certificates; not used without TLS.</summary>
    public MqttTls Tls { get; init; } = new();

    /// <summary>Version of the protocol. Default: 5.</summary>
    public MqttVersion Version { get; init; } = MqttVersion.V5;

    /// <summary>Time between two signs of life on an idle connection, 5 s or more (the library's limit). Default: 5 s.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>What the broker says when this connection is gone without farewell, asked anew before every attempt at a connection; null: nothing.</summary>
    public Func<MqttMessage>? Will { get; init; }

    /// <summary>What is subscribed to on every connection.</summary>
    public IReadOnlyList<MqttSubscription> Subscriptions { get; init; } = [];

    /// <summary>Wait before the second attempt at a connection; it doubles with each that fails, or succeeds for a moment only. Each wait is drawn from its upper half. Default: 0.1 s.</summary>
    public TimeSpan FirstWait { get; init; } = TimeSpan.FromSeconds(0.1);

    /// <summary>Longest wait between two attempts. Default: 5 s.</summary>
    public TimeSpan LongestWait { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Messages handed to the connection and not yet on their way; beyond that newer ones take the place of older ones of their topic. Default: 64.</summary>
    public int Window { get; init; } = 64;

    /// <summary>The host to connect to, without the brackets of an IPv6 address.</summary>
    public string Host => Broker.DnsSafeHost;

    /// <summary>The port to connect to.</summary>
    public int Port => Broker.Port > 0 ? Broker.Port : Broker.Scheme == "mqtts" ? 8883 : 1883;

    // All but the password, which is for the broker alone.
    private bool PrintMembers(StringBuilder builder)
    {
        builder.Append(CultureInfo.InvariantCulture, $"{nameof(Broker)} = {Broker}, {nameof(ClientId)} = {ClientId}, {nameof(User)} = {User}, {nameof(Version)} = {Version}");
        return true;
    }
}
