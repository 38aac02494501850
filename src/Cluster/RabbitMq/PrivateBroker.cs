using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Cluster.RabbitMq;

/// <summary>
/// A RabbitMQ of one's own for as long as it is needed: on loopback alone, with its own node name, data folder, random ports and password, so that it meets no other. It ends with its owner, however that one
/// ends, and leaves nothing behind.
/// </summary>
public sealed class PrivateBroker : IAsyncDisposable
{
    /// <summary>Debian's package.</summary>
    public const string Package = "rabbitmq-server";

    // Debian's command of that name changes to another user; this is the server itself.
    private const string Server = "/usr/lib/rabbitmq/bin/rabbitmq-server";
    private const string User = "mimicd";

    // The broker, and the registry of names that Erlang wants, until standard input ends: when the owner closes it, or is no more. Killed, for what a private broker holds is worth nothing afterwards.
    private const string Script = """
        exec 3<&0
        epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 </dev/null >/dev/null 2>&1 3<&- & registry=$!
        "$MIMICD_BROKER_SERVER" </dev/null 3<&- & broker=$!
        ( while read -r line <&3; do :; done; kill -KILL $broker 2>/dev/null ) & watch=$!
        wait $broker 2>/dev/null
        kill $watch $registry 2>/dev/null
        wait
        rm -rf "$HOME"
        """;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);

    // How long a node may compute a block of a sweep before the broker takes it for stuck; on loopback one that is gone is noticed at once.
    private static readonly TimeSpan LongestBlock = TimeSpan.FromDays(7);

    private readonly Process _process;
    private readonly Task<string> _output;

    private PrivateBroker(Process process, string folder, ClusterOptions options)
    {
        (_process, Folder, Options) = (process, folder, options);
        _output = OutputAsync(process);
    }

    /// <summary>Whether there is a RabbitMQ to start.</summary>
    public static bool IsInstalled => System.IO.File.Exists(Server);

    /// <summary>What to connect with.</summary>
    public ClusterOptions Options { get; }

    /// <summary>The same as a file, for other processes of this user.</summary>
    public string File => Path.Combine(Folder, ClusterOptions.FileName);

    private string Folder { get; }

    /// <summary>Starts one, and waits until it can be connected to.</summary>
    /// <param name="options">All but the broker is kept of these.</param>
    /// <param name="time">The clock of waiting.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InvalidInputException">RabbitMQ is not installed, or does not start.</exception>
    public static async Task<PrivateBroker> StartAsync(ClusterOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        InvalidInputException.Require(IsInstalled, "private broker", "", $"{Server} (apt-get update && apt-get install -y --no-install-recommends {Package})", null);
        var folder = Directory.CreateTempSubdirectory("mimicd-broker-").FullName;
        var ports = FreePorts(3);
        var password = Path.Combine(folder, "password");
        options = options with
        {
            Broker = new BrokerOptions { Uri = $"amqp://127.0.0.1:{ports[0]}/", User = User, PasswordVariable = null, PasswordFile = password, Heartbeat = options.Broker.Heartbeat },
        };
        var secret = RandomNumberGenerator.GetHexString(32, lowercase: true);
        AtomicFile.WriteText(password, secret + "\n");
        AtomicFile.WriteText(Path.Combine(folder, ClusterOptions.FileName), StrictJson.Format(options) + "\n");
        AtomicFile.WriteText(Path.Combine(folder, "rabbitmq.conf"), $"listeners.tcp.1 = 127.0.0.1:{ports[0]}\ndefault_user = {User}\ndefault_pass = {secret}\nconsumer_timeout = {LongestBlock.TotalMilliseconds:0}\n");
        var broker = new PrivateBroker(Start(folder, ports), folder, options);
        try
        {
            await broker.ReadyAsync(ports[0], time, cancellationToken).ConfigureAwait(false);
            return broker;
        }
        catch
        {
            await broker.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Ends it.</summary>
    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        await _process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        await _output.ConfigureAwait(false);
        _process.Dispose();
    }

    private static Process Start(string folder, int[] ports)
    {
        // In a session of its own: Ctrl-C in a terminal must not end it before those who are connected have said goodbye.
        var start = new ProcessStartInfo("setsid", ["sh", "-c", Script]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        foreach (var (name, value) in new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["MIMICD_BROKER_SERVER"] = Server,
            ["HOME"] = folder,
            ["ERL_EPMD_PORT"] = $"{ports[1]}",
            ["RABBITMQ_DIST_PORT"] = $"{ports[2]}",
            ["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = "-kernel inet_dist_use_interface {127,0,0,1}",
            ["RABBITMQ_NODENAME"] = $"mimicd-{ports[0]}@localhost",
            ["RABBITMQ_CONF_ENV_FILE"] = Path.Combine(folder, "none"),
            ["RABBITMQ_CONFIG_FILE"] = Path.Combine(folder, "rabbitmq.conf"),
            ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(folder, "plugins"),
            ["RABBITMQ_MNESIA_BASE"] = Path.Combine(folder, "data"),
            ["RABBITMQ_LOG_BASE"] = Path.Combine(folder, "log"),
            ["RABBITMQ_LOGS"] = "-",
            // So that the server's own script becomes the server, whose process id is then known.
            ["RUNNING_UNDER_SYSTEMD"] = "1",
        })
        {
            start.Environment[name] = value;
        }

        return Process.Start(start) ?? throw new InvalidOperationException("setsid could not be started");
    }

    private async Task ReadyAsync(int port, TimeProvider time, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        while (true)
        {
            using var socket = new TcpClient();
            try
            {
                await socket.ConnectAsync(IPAddress.Loopback, port, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (SocketException)
            {
                // Not yet.
            }

            if (_process.HasExited || time.GetElapsedTime(started) > Patience)
            {
                _process.StandardInput.Close();
                var said = (await _output.ConfigureAwait(false)).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
                throw new InvalidInputException($"private broker: RabbitMQ did not start: {said.LastOrDefault(line => line.Contains("error", StringComparison.OrdinalIgnoreCase)) ?? said.LastOrDefault() ?? "it said nothing"}");
            }

            await Task.Delay(Look, time, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task<string> OutputAsync(Process process)
    {
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var errors = await process.StandardError.ReadToEndAsync(CancellationToken.None).ConfigureAwait(false);
        return await output.ConfigureAwait(false) + errors;
    }

    /// <summary>Ports of loopback that nobody has at this moment.</summary>
    private static int[] FreePorts(int count)
    {
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToArray();
        try
        {
            return [.. listeners.Select(l =>
            {
                l.Start();
                return ((IPEndPoint)l.LocalEndpoint).Port;
            })];
        }
        finally
        {
            foreach (var listener in listeners)
            {
                listener.Dispose();
            }
        }
    }
}
