namespace MimicD.Bridges.Mqtt;

/// <summary>How sure a delivery is.</summary>
public enum MqttQos
{
    /// <summary>At most once: what the connection cannot take now is lost.</summary>
    AtMostOnce,

    /// <summary>At least once: acknowledged, and sent again until it is.</summary>
    AtLeastOnce,
}

/// <summary>One message.</summary>
/// <param name="Topic">The topic, without wildcards.</param>
/// <param name="Payload">The payload. Of a message that was received: valid during the call only.</param>
/// <param name="ContentType">MQTT 5's content type; null where there is none, and with MQTT 3.1.1 always.</param>
/// <param name="Qos">How sure its delivery is.</param>
/// <param name="Retained">Sent: whether the broker keeps it for those who come later. Received: whether it was kept, and is therefore older than this subscription.</param>
public readonly record struct MqttMessage(string Topic, ReadOnlyMemory<byte> Payload, string? ContentType = null, MqttQos Qos = MqttQos.AtMostOnce, bool Retained = false);

/// <summary>Told what happens to a connection. All calls come from one thread at a time, and must return at once.</summary>
public interface IMqttListener
{
    /// <summary>The connection stands, for the first time or again, and the broker has granted all subscriptions.</summary>
    void Connected();

    /// <summary>The connection is gone; another is being tried.</summary>
    /// <param name="reason">Why, in one line.</param>
    void Disconnected(string reason);

    /// <summary>A message came.</summary>
    void Received(in MqttMessage message);
}

/// <summary>A connection to a broker that mends itself.</summary>
public interface IMqttLink : IAsyncDisposable
{
    /// <summary>Whether the connection stands.</summary>
    bool IsConnected { get; }

    /// <summary>
    /// Sends a message; never blocks, and may be called from any thread. What is sent <see cref="MqttQos.AtMostOnce"/> never outlives the connection, and where the connection takes no more a newer message takes the
    /// place of an older one of the same topic that waits.
    /// </summary>
    /// <returns>Whether it was taken; not where there is no connection.</returns>
    /// <exception cref="ArgumentException">The topic or the payload can never be sent.</exception>
    bool TryPublish(in MqttMessage message);
}
