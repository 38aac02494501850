using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Cluster.RabbitMq;

/// <summary>Where a private broker listens, where not on loopback, and how.</summary>
public sealed record PrivateBrokerSettings
{
    /// <summary>The address that it listens on.</summary>
    public string Address { get; init; } = "127.0.0.1";

    /// <summary>A command that starts a command, such as one that enters a network namespace; empty for none. Where there is one, the broker cannot be expected to be reached from here, and is not waited for.</summary>
    public IReadOnlyList<string> Launcher { get; init; } = [];

    /// <summary>Whether it takes TLS connections, and no others.</summary>
    public bool IsSecure { get; init; }

    /// <summary>More lines of rabbitmq.conf.</summary>
    public IReadOnlyList<string> Configuration { get; init; } = [];

    /// <summary>RabbitMQ's plugins that are to be there, such as <c>rabbitmq_mqtt</c>.</summary>
    public IReadOnlyList<string> Plugins { get; init; } = [];
}

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
    private const string Control = "/usr/lib/rabbitmq/bin/rabbitmqctl";
    private const string User = "mimicd";

    // The broker, and the registry of names that Erlang wants, until standard input ends: when the owner closes it, or is no more. Killed, for what a private broker holds is worth nothing afterwards.
    // A line on standard input is a broker killed and started again on what it had on disk. Whoever ends it says so first and then kills whom the file names, and whoever starts it writes the file first and looks then, so that none is left.
    private const string Script = """
        exec 3<&0
        epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 </dev/null >/dev/null 2>&1 3<&- & registry=$!
        watch=
        while :; do
            "$MIMICD_BROKER_SERVER" </dev/null 3<&- & broker=$!
            echo $broker >"$HOME/pid.new" && mv "$HOME/pid.new" "$HOME/pid"
            [ ! -e "$HOME/over" ] || kill -KILL $broker
            if [ -z "$watch" ]; then
                ( while read -r line <&3; do : >"$HOME/again"; kill -KILL $(cat "$HOME/pid"); done; : >"$HOME/over"; kill -KILL $(cat "$HOME/pid") 2>/dev/null ) & watch=$!
            fi
            wait $broker 2>/dev/null
            [ -e "$HOME/again" ] && [ ! -e "$HOME/over" ] || break
            rm "$HOME/again"
        done
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
    private readonly PrivateBrokerSettings _settings;
    private readonly int[] _ports;

    private PrivateBroker(Process process, string folder, ClusterOptions options, PrivateBrokerSettings settings, int[] ports)
    {
        (_process, Folder, Options, _settings, _ports) = (process, folder, options, settings, ports);
        _output = OutputAsync(process);
    }

    /// <summary>Whether there is a RabbitMQ to start.</summary>
    public static bool IsInstalled => System.IO.File.Exists(Server);

    /// <summary>What to connect with.</summary>
    public ClusterOptions Options { get; }

    /// <summary>The same as a file, for other processes of this user.</summary>
    public string File => Path.Combine(Folder, ClusterOptions.FileName);

    /// <summary>The server's process: another one after each restart.</summary>
    public int ProcessId => int.Parse(System.IO.File.ReadAllText(Path.Combine(Folder, "pid")), CultureInfo.InvariantCulture);

    private string Folder { get; }

    /// <summary>Starts one, and waits until it can be connected to.</summary>
    /// <param name="options">All but the broker is kept of these.</param>
    /// <param name="time">The clock of waiting.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InvalidInputException">RabbitMQ is not installed, or does not start.</exception>
    public static Task<PrivateBroker> StartAsync(ClusterOptions options, TimeProvider time, CancellationToken cancellationToken) => StartAsync(options, new PrivateBrokerSettings(), time, cancellationToken);

    /// <summary>Starts one, and waits until it can be connected to.</summary>
    /// <param name="options">All but the broker is kept of these, and of the broker its heartbeat and TLS.</param>
    /// <param name="settings">Where it listens, and how.</param>
    /// <param name="time">The clock of waiting.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InvalidInputException">RabbitMQ is not installed, or does not start.</exception>
    public static async Task<PrivateBroker> StartAsync(ClusterOptions options, PrivateBrokerSettings settings, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(time);
        InvalidInputException.Require(IsInstalled, "private broker", "", $"{Server} (apt-get update && apt-get install -y --no-install-recommends {Package})", null);
        var folder = Directory.CreateTempSubdirectory("mimicd-broker-").FullName;
        var ports = LoopbackPorts.Free(3);
        var password = Path.Combine(folder, "password");
        options = options with
        {
            Broker = new BrokerOptions
            {
                Uri = $"{(settings.IsSecure ? "amqps" : "amqp")}://{settings.Address}:{ports[0]}/",
                User = User,
                PasswordVariable = null,
                PasswordFile = password,
                Heartbeat = options.Broker.Heartbeat,
                Tls = options.Broker.Tls,
            },
        };
        var secret = RandomNumberGenerator.GetHexString(32, lowercase: true);
        AtomicFile.WriteText(password, secret + "\n");
        AtomicFile.WriteText(Path.Combine(folder, ClusterOptions.FileName), StrictJson.Format(options) + "\n");
        AtomicFile.WriteText(Path.Combine(folder, "plugins"), $"[{string.Join(',', settings.Plugins)}].\n");
        AtomicFile.WriteText(Path.Combine(folder, "rabbitmq.conf"), string.Join('\n',
        [
            .. settings.IsSecure ? new[] { "listeners.tcp = none", $"listeners.ssl.1 = {settings.Address}:{ports[0]}" } : [$"listeners.tcp.1 = {settings.Address}:{ports[0]}"],
            $"default_user = {User}",
            $"default_pass = {secret}",
            $"consumer_timeout = {LongestBlock.TotalMilliseconds:0}",
            .. settings.Configuration,
            "",
        ]));
        var broker = new PrivateBroker(Start(folder, ports, settings.Launcher), folder, options, settings, ports);
        try
        {
            await broker.ReadyAsync(time, cancellationToken).ConfigureAwait(false);
            return broker;
        }
        catch
        {
            await broker.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Kills it and starts it again on what it had on disk, and waits until it can be connected to.</summary>
    /// <exception cref="InvalidInputException">It does not start again.</exception>
    public async Task RestartAsync(TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(time);
        var before = ProcessId;
        await _process.StandardInput.WriteLineAsync("again".AsMemory(), cancellationToken).ConfigureAwait(false);
        await _process.StandardInput.FlushAsync(cancellationToken).ConfigureAwait(false);
        while (ProcessId == before && !_process.HasExited)
        {
            await Task.Delay(Look, time, cancellationToken).ConfigureAwait(false);
        }

        await ReadyAsync(time, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Has RabbitMQ's own tool do something with it, such as <c>set_permissions</c>.</summary>
    /// <exception cref="InvalidInputException">The tool refuses.</exception>
    public async Task ControlAsync(params string[] arguments)
    {
        // It takes connections a moment before it counts as running, and the tool refuses until then.
        await RunControlAsync("await_startup").ConfigureAwait(false);
        await RunControlAsync(arguments).ConfigureAwait(false);
    }

    private async Task RunControlAsync(params string[] arguments)
    {
        using var process = Begin(Folder, _ports, [.. _settings.Launcher, Control, .. arguments]);
        process.StandardInput.Close();
        var said = await OutputAsync(process).ConfigureAwait(false);
        await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        InvalidInputException.Require(process.ExitCode == 0, "private broker", string.Join(' ', arguments), "exit code 0", said.ReplaceLineEndings(" "));
    }

    /// <summary>Ends it.</summary>
    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        await _process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        await _output.ConfigureAwait(false);
        _process.Dispose();
    }

    private static Process Start(string folder, int[] ports, IReadOnlyList<string> launcher)
        // In a session of its own: Ctrl-C in a terminal must not end it before those who are connected have said goodbye.
        => Begin(folder, ports, ["setsid", .. launcher, "sh", "-c", Script]);

    private static Process Begin(string folder, int[] ports, string[] command)
    {
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
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

        return Process.Start(start) ?? throw new InvalidOperationException($"{command[0]} could not be started");
    }

    private async Task ReadyAsync(TimeProvider time, CancellationToken cancellationToken)
    {
        if (_settings.Launcher.Count > 0)
        {
            return;
        }

        var started = time.GetTimestamp();
        while (true)
        {
            using var socket = new TcpClient();
            try
            {
                await socket.ConnectAsync(IPAddress.Parse(_settings.Address), _ports[0], cancellationToken).ConfigureAwait(false);
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
}
