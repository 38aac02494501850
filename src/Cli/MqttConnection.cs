using System.CommandLine;
using MimicD.Bridges.Mqtt;
using MimicD.Contracts;

namespace MimicD.Cli;

/// <summary>The options that say how to reach an MQTT broker, for the verbs that do.</summary>
internal static class MqttConnection
{
    private const string PasswordVariable = "MIMICD_MQTT_PASSWORD";

    public static readonly Option<string?> Broker = new("--broker") { Description = $"Where the MQTT broker is: mqtt://HOST:PORT, or mqtts:// for TLS. mqtt://USER:PASSWORD@HOST names a user too, percent-encoded; others on this machine may see it for a moment, so that --user and {PasswordVariable} are better. [default: a private Mosquitto on this machine]", HelpName = "URI" };
    private static readonly Option<string?> User = new("--user") { Description = $"User at the broker; the password is in the environment variable {PasswordVariable}.", HelpName = "NAME" };
    private static readonly Option<string?> Authority = new("--authority") { Description = "For mqtts://, as PEM: the authority that the broker's certificate must come from. [default: those that the machine trusts]", HelpName = "FILE" };
    private static readonly Option<string?> Certificate = new("--certificate") { Description = "For mqtts://, as PEM: the own certificate, where the broker asks for one.", HelpName = "FILE" };
    private static readonly Option<string?> Key = new("--key") { Description = "For mqtts://, as PEM: its key.", HelpName = "FILE" };
    private static readonly Option<string> Version = new("--mqtt") { Description = "Version of MQTT: 5 or 3.1.1.", HelpName = "VERSION", DefaultValueFactory = _ => "5" };

    public static Option[] All => [Broker, User, Authority, Certificate, Key, Version];

    /// <summary>What the options say, of a broker that may have been started for it.</summary>
    /// <param name="parsed">The options.</param>
    /// <param name="started">The private broker's address, or null: the one that was given.</param>
    /// <exception cref="InvalidInputException">They do not fit each other.</exception>
    public static MqttOptions Of(ParseResult parsed, Uri? started)
    {
        var version = parsed.GetValue(Version);
        InvalidInputException.Require(version is "5" or "3.1.1", "--mqtt", "", "5 or 3.1.1", version);
        var address = parsed.GetValue(Broker) is { } text ? BrokerAddress.Parse(text, Broker.Name) : null;
        if (address?.Password is { Length: > 0 })
        {
            ProcessArguments.Hide(parsed.GetValue(Broker)!);
        }

        var given = address?.Uri;
        var tls = new MqttTls { Authority = parsed.GetValue(Authority), Certificate = parsed.GetValue(Certificate), Key = parsed.GetValue(Key) };
        InvalidInputException.Require(tls == new MqttTls() || given?.Scheme == "mqtts", "--authority, --certificate, --key", "", "mqtts:// with them", given?.ToString() ?? "no --broker");
        InvalidInputException.Require(address?.User is null || parsed.GetValue(User) is null, User.Name, "", "no user beside the one in --broker", parsed.GetValue(User));
        var user = parsed.GetValue(User) ?? address?.User;
        return new MqttOptions
        {
            Broker = started ?? given ?? throw InvalidInputException.Create("--broker", "", "mqtt://HOST:PORT or mqtts://HOST:PORT", null),
            Version = version == "5" ? MqttVersion.V5 : MqttVersion.V311,
            Tls = tls,
            User = user,
            Password = user is null ? null : address?.Password ?? Environment.GetEnvironmentVariable(PasswordVariable) ?? throw InvalidInputException.Create(address?.User is null ? User.Name : Broker.Name, PasswordVariable, "the password", null),
        };
    }

    /// <summary>Starts a private broker where none is given.</summary>
    public static async Task<MosquittoBroker?> StartAsync(ParseResult parsed, CancellationToken cancellation)
        => parsed.GetValue(Broker) is null ? await MosquittoBroker.StartAsync(new MosquittoBrokerSettings(), TimeProvider.System, cancellation) : null;
}
