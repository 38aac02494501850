using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots.Wire;

namespace MimicD.Bridges.Robots;

/// <summary>Reads a payload of one encoding.</summary>
/// <param name="payload">The payload.</param>
/// <param name="envelope">What it says; null where it cannot be read.</param>
/// <returns><see cref="Refusal.None"/>, <see cref="Refusal.Parse"/> or <see cref="Refusal.Version"/>.</returns>
internal delegate Refusal Reader<T>(ReadOnlySpan<byte> payload, out T? envelope)
    where T : class;

/// <summary>The rules that both guards look at first, in the order of <see cref="Refusal"/>: up to whom a message is for. It keeps nothing, and so what is refused here has changed nothing.</summary>
internal static class Door
{
    /// <summary>Reads an observation in the encoding that its content type names.</summary>
    /// <param name="message">The message.</param>
    /// <param name="observation">What it says; null where it cannot be read.</param>
    /// <returns><see cref="Refusal.None"/>, <see cref="Refusal.Encoding"/>, <see cref="Refusal.Parse"/> or <see cref="Refusal.Version"/>.</returns>
    public static Refusal Read(in MqttMessage message, out ObservationEnvelope? observation) => Read(message, JsonWire.Read, FrameWire.Read, out observation);

    /// <summary>Decides whether an observation is looked at.</summary>
    /// <param name="message">The message.</param>
    /// <param name="longest">Longest payload that is looked at [bytes].</param>
    /// <param name="run">The run that it is to be of.</param>
    /// <param name="robot">The robot that it is to be of.</param>
    /// <param name="observation">What it says; where it is not let in there may be none, or another's.</param>
    /// <returns><see cref="Refusal.None"/>, or the rule that it broke.</returns>
    public static Refusal Check(in MqttMessage message, int longest, string run, string robot, out ObservationEnvelope? observation) => Check(message, longest, run, robot, JsonWire.Read, FrameWire.Read, out observation);

    /// <summary>Decides whether a command is looked at.</summary>
    /// <param name="message">The message.</param>
    /// <param name="longest">Longest payload that is looked at [bytes].</param>
    /// <param name="run">The run that it is to be of.</param>
    /// <param name="robot">The robot that it is to be for.</param>
    /// <param name="command">What it says; where it is not let in there may be none, or another's.</param>
    /// <returns><see cref="Refusal.None"/>, or the rule that it broke.</returns>
    public static Refusal Check(in MqttMessage message, int longest, string run, string robot, out CommandEnvelope? command) => Check(message, longest, run, robot, JsonWire.Read, FrameWire.Read, out command);

    private static Refusal Check<T>(in MqttMessage message, int longest, string run, string robot, Reader<T> json, Reader<T> frame, out T? envelope)
        where T : class, IEnvelope
    {
        envelope = null;
        if (message.Retained)
        {
            return Refusal.Retained;
        }

        if (message.Payload.Length > longest)
        {
            return Refusal.Size;
        }

        var refusal = Read(message, json, frame, out envelope);
        return refusal != Refusal.None ? refusal : envelope!.Run != run ? Refusal.Run : envelope.Robot != robot ? Refusal.Robot : Refusal.None;
    }

    private static Refusal Read<T>(in MqttMessage message, Reader<T> json, Reader<T> frame, out T? envelope)
        where T : class
    {
        envelope = null;
        return WireContract.EncodingOf(message.ContentType) switch
        {
            WireEncoding.Json => json(message.Payload.Span, out envelope),
            WireEncoding.Frame => frame(message.Payload.Span, out envelope),
            _ => Refusal.Encoding,
        };
    }
}
