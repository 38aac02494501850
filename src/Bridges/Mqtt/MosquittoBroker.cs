using System.Diagnostics;
using System.Globalization;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Bridges.Mqtt;

/// <summary>How a private broker is set up.</summary>
public sealed record MosquittoBrokerSettings
{
    /// <summary>Its port on loopback; 0: one that nobody has.</summary>
    public int Port { get; init; }

    /// <summary>Whether it keeps on disk what it keeps for others. Default: no, for then nothing old is ever delivered.</summary>
    public bool IsPersistent { get; init; }

    /// <summary>Longest packet that it takes, in bytes. Default: 64 KiB.</summary>
    public int LongestPacket { get; init; } = 65_536;

    /// <summary>Messages that may wait for a client that does not take them. Default: 1000.</summary>
    public int LongestQueue { get; init; } = 1000;

    /// <summary>More lines of mosquitto.conf.</summary>
    public IReadOnlyList<string> Configuration { get; init; } = [];

    /// <summary>A whole mosquitto.conf instead of a generated one, such as <see cref="BrokerRecipe"/> writes. Its listener must be <see cref="Port"/>; where it has TLS, <see cref="IsSecure"/> says so.</summary>
    public string? ConfigurationFile { get; init; }

    /// <summary>Whether it takes TLS connections, and no others.</summary>
    public bool IsSecure { get; init; }
}

/// <summary>
/// A Mosquitto of one's own for as long as it is needed: on loopback alone, with its own folder and port, so that it meets no other. It ends with its owner, however that one ends, and leaves nothing behind.
/// It can be ended, killed, frozen and started again, as brokers are by accident.
/// </summary>
public sealed class MosquittoBroker : IAsyncDisposable
{
    /// <summary>Debian's package.</summary>
    public const string Package = "mosquitto";

    // Debian's place, which is on the path of root alone.
    private const string Server = "/usr/sbin/mosquitto";

    // Does what standard input says, a word a line, and answers with a line each. When that ends, because the owner closes it or is no more, so does the broker, however it is: what a private broker holds is worth nothing afterwards.
    private const string Script = """
        exec 3<&0
        broker=
        end() {
            [ -n "$broker" ] || return
            kill -"$1" "$broker"; kill -CONT "$broker"; wait "$broker"
            broker=
        }
        while read -r word <&3; do
            case $word in
                start) "$MIMICD_BROKER_SERVER" -c "$MIMICD_BROKER_FOLDER/mosquitto.conf" </dev/null 3<&- >>"$MIMICD_BROKER_FOLDER/log" 2>&1 & broker=$!; echo "$broker" ;;
                TERM | KILL) end "$word"; echo 0 ;;
                *) kill -"$word" "$broker"; echo "$broker" ;;
            esac
        done 2>/dev/null
        end KILL 2>/dev/null
        for name in mosquitto.conf log mosquitto.db mosquitto.db.new; do rm -f "$MIMICD_BROKER_FOLDER/$name"; done
        rmdir "$MIMICD_BROKER_FOLDER"
        """;

    private const int Attempts = 5;

    private static readonly string[] SocketTables = ["/proc/net/tcp", "/proc/net/tcp6"];

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(10);

    private readonly Process _process;
    private readonly SemaphoreSlim _turn = new(1);

    private MosquittoBroker(Process process, string folder, Uri address) => (_process, Folder, Address) = (process, folder, address);

    /// <summary>Whether there is a Mosquitto to start.</summary>
    public static bool IsInstalled => Executable is not null;

    /// <summary>Where to connect to.</summary>
    public Uri Address { get; }

    /// <summary>The broker's process, another one after each start; 0 while there is none.</summary>
    public int ProcessId { get; private set; }

    /// <summary>What it has logged.</summary>
    public string Log => File.Exists(LogFile) ? File.ReadAllText(LogFile) : "";

    private static string? Executable
        => File.Exists(Server) ? Server : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Where(d => d.Length > 0).Select(d => Path.Combine(d, "mosquitto")).FirstOrDefault(File.Exists);

    private string Folder { get; }

    private string LogFile => Path.Combine(Folder, "log");

    private string Database => Path.Combine(Folder, "mosquitto.db");

    /// <summary>Starts one, and waits until it can be connected to.</summary>
    /// <param name="settings">How it is set up.</param>
    /// <param name="time">The clock of waiting.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InvalidInputException">Mosquitto is not installed, or does not start.</exception>
    public static async Task<MosquittoBroker> StartAsync(MosquittoBrokerSettings settings, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(time);
        var executable = Executable ?? throw InvalidInputException.Create("private broker", "", $"{Server} (apt-get update && apt-get install -y --no-install-recommends {Package})", null);
        for (var attempt = 1; ; attempt++)
        {
            var folder = Directory.CreateTempSubdirectory("mimicd-mqtt-").FullName;
            var port = settings.Port > 0 ? settings.Port : LoopbackPorts.Free();
            AtomicFile.WriteText(Path.Combine(folder, "mosquitto.conf"), Configure(settings, folder, port));
            var broker = new MosquittoBroker(Begin(executable, folder), folder, new Uri($"{(settings.IsSecure ? "mqtts" : "mqtt")}://127.0.0.1:{port}"));
            try
            {
                await broker.StartAgainAsync(time, cancellationToken).ConfigureAwait(false);
                return broker;
            }
            catch (InvalidInputException e) when (settings.Port == 0 && attempt < Attempts && e.Message.Contains("in use", StringComparison.Ordinal))
            {
                // Somebody else was faster.
                await broker.DisposeAsync().ConfigureAwait(false);
            }
            catch
            {
                await broker.DisposeAsync().ConfigureAwait(false);
                throw;
            }
        }
    }

    /// <summary>Starts it again, after it was ended or killed, with the same port and folder, and waits until it can be connected to.</summary>
    /// <exception cref="InvalidInputException">It does not start.</exception>
    public async Task StartAgainAsync(TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(time);
        var heard = Log.Length;
        ProcessId = await TellAsync("start", cancellationToken).ConfigureAwait(false);
        var started = time.GetTimestamp();
        while (true)
        {
            if (IsListening(ProcessId, Address.Port))
            {
                return;
            }

            if (!IsAlive(ProcessId) || time.GetElapsedTime(started) > Patience)
            {
                var said = Log[heard..].Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
                throw new InvalidInputException($"private broker: Mosquitto did not start: {said.LastOrDefault(line => line.Contains("Error", StringComparison.Ordinal)) ?? said.LastOrDefault() ?? "it said nothing"}");
            }

            await Task.Delay(Look, time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Ends it in good order, and waits until it has ended.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => EndAsync("TERM", cancellationToken);

    /// <summary>Kills it, and waits until it is no more.</summary>
    public Task KillAsync(CancellationToken cancellationToken) => EndAsync("KILL", cancellationToken);

    /// <summary>Freezes it: its connections stand, and nobody is behind them.</summary>
    public Task FreezeAsync(CancellationToken cancellationToken) => TellAsync("STOP", cancellationToken);

    /// <summary>Lets it go on after <see cref="FreezeAsync"/>.</summary>
    public Task ThawAsync(CancellationToken cancellationToken) => TellAsync("CONT", cancellationToken);

    /// <summary>Has it write what it keeps, and copies that.</summary>
    /// <param name="file">The copy.</param>
    /// <param name="time">The clock of waiting.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task TakeSnapshotAsync(string file, TimeProvider time, CancellationToken cancellationToken)
    {
        // Mosquitto writes another file and renames it.
        File.Delete(Database);
        await TellAsync("USR1", cancellationToken).ConfigureAwait(false);
        while (!File.Exists(Database))
        {
            await Task.Delay(Look, time, cancellationToken).ConfigureAwait(false);
        }

        File.Copy(Database, file, overwrite: true);
    }

    /// <summary>Puts back what it kept once, while it is not running, as a backup or a failed disk does.</summary>
    /// <param name="file">What <see cref="TakeSnapshotAsync"/> has copied.</param>
    public void RestoreSnapshot(string file) => File.Copy(file, Database, overwrite: true);

    /// <summary>Ends it, and removes what it had.</summary>
    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        await _process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        _process.Dispose();
        _turn.Dispose();
    }

    private static string Configure(MosquittoBrokerSettings settings, string folder, int port) => string.Join('\n',
    [
        // Root's Mosquitto becomes another user otherwise, who cannot read this folder.
        .. Environment.IsPrivilegedProcess ? new[] { "user root" } : [],
        .. settings.ConfigurationFile is { } file ? File.ReadAllLines(file) :
        [
            $"listener {port} 127.0.0.1",
            "allow_anonymous true",
            "set_tcp_nodelay true",
            settings.IsPersistent ? $"persistence true\npersistence_location {folder}/" : "persistence false",
            $"max_packet_size {settings.LongestPacket}",
            $"max_queued_messages {settings.LongestQueue}",
            "log_dest stderr",
            "log_type error",
            "log_type warning",
        ],
        .. settings.Configuration,
        "",
    ]);

    private static Process Begin(string executable, string folder)
    {
        // In a session of its own: Ctrl-C in a terminal must not end it before those who are connected have said goodbye.
        var start = new ProcessStartInfo("setsid", ["sh", "-c", Script]) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false };
        start.Environment["MIMICD_BROKER_SERVER"] = executable;
        start.Environment["MIMICD_BROKER_FOLDER"] = folder;
        return Process.Start(start) ?? throw new InvalidOperationException("setsid could not be started");
    }

    private static bool IsAlive(int process)
    {
        try
        {
            // Behind the name, which is in brackets and may be anything.
            var state = File.ReadAllText($"/proc/{process}/stat");
            return state[state.LastIndexOf(')') + 2] != 'Z';
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Whether it is this process that has the port: whoever connects may meet another's.</summary>
    private static bool IsListening(int process, int port)
    {
        const string listens = "0A";
        try
        {
            var sockets = SocketTables.Where(File.Exists).SelectMany(t => File.ReadAllLines(t).Skip(1))
                .Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Where(l => l[3] == listens && l[1].EndsWith($":{port:X4}", StringComparison.Ordinal))
                .Select(l => $"socket:[{l[9]}]").ToHashSet(StringComparer.Ordinal);
            return Directory.EnumerateFiles($"/proc/{process}/fd").Any(f => File.ResolveLinkTarget(f, returnFinalTarget: false) is { Name: var name } && sockets.Contains(name));
        }
        catch (IOException)
        {
            return false;
        }
    }

    private async Task EndAsync(string signal, CancellationToken cancellationToken)
    {
        await TellAsync(signal, cancellationToken).ConfigureAwait(false);
        ProcessId = 0;
    }

    private async Task<int> TellAsync(string word, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await _process.StandardInput.WriteLineAsync(word.AsMemory(), cancellationToken).ConfigureAwait(false);
            await _process.StandardInput.FlushAsync(cancellationToken).ConfigureAwait(false);
            var answer = await _process.StandardOutput.ReadLineAsync(cancellationToken).ConfigureAwait(false);
            return int.TryParse(answer, NumberStyles.None, CultureInfo.InvariantCulture, out var process) ? process : throw new InvalidOperationException($"the private broker's keeper has ended, and '{word}' with it");
        }
        finally
        {
            _turn.Release();
        }
    }
}
