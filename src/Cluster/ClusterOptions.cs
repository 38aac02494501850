using System.Security.Cryptography.X509Certificates;
using MimicD.Contracts;

namespace MimicD.Cluster;

/// <summary>What <c>cluster.hocon</c> says: where the broker is, who speaks to it, and how long to wait for whom. The file holds no secret, only where to find it.</summary>
public sealed record ClusterOptions
{
    /// <summary>The file's name at the top of the repository.</summary>
    public const string FileName = "cluster.hocon";

    private const int ShardsPerNode = 8;

    /// <summary>Name of the cluster: worlds and nodes of one name find each other, and several can share a broker. Small letters, digits and hyphens. Default: mimicd.</summary>
    public string Name { get; init; } = "mimicd";

    /// <summary>The broker.</summary>
    public BrokerOptions Broker { get; init; } = new();

    /// <summary>Nodes that a run waits for before its first tick, at least 1; more may come, and go, at any time. Default: 1.</summary>
    public int Nodes { get; init; } = 1;

    /// <summary>Shards that a run's agents are spread over, or null for 8 a node waited for. More spread better over nodes that come later, and cost a few bytes each a tick. Default: null.</summary>
    public int? Shards { get; init; }

    /// <summary>Messages that a node, or a world, holds unacknowledged; the rest wait in the broker. 1 to 1000. Default: 16.</summary>
    public int Prefetch { get; init; } = 16;

    /// <summary>How long to wait.</summary>
    public DeadlineOptions Deadlines { get; init; } = new();

    /// <summary>Where a node serves its metrics.</summary>
    public HttpOptions Http { get; init; } = new();

    /// <summary>Shards of a run that waits for so many nodes.</summary>
    public int ShardsFor(int nodes) => Shards ?? Math.Min(ShardsPerNode * nodes, WireLimits.Shards);

    /// <summary>Reads the file; paths in it are taken from its own folder.</summary>
    /// <exception cref="InvalidInputException">The file cannot be read, has a key that is not known, or a value out of range.</exception>
    public static ClusterOptions Load(string path)
    {
        var options = StrictJson.ReadFile<ClusterOptions>(path);
        options.Validate(path);
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var (broker, tls) = (options.Broker, options.Broker.Tls);
        return options with
        {
            Broker = broker with
            {
                PasswordFile = Full(broker.PasswordFile),
                Tls = tls with { Authority = Full(tls.Authority), Certificate = Full(tls.Certificate), Key = Full(tls.Key) },
            },
        };

        string? Full(string? file) => file is null ? null : Path.Combine(folder, file);
    }

    /// <summary>Throws when a value is out of its range.</summary>
    /// <param name="where">The file.</param>
    /// <exception cref="InvalidInputException">A value is out of range.</exception>
    public void Validate(string where)
    {
        InvalidInputException.Require(WireLimits.IsName(Name), where, "name", $"1 to {WireLimits.NameLetters} small letters, digits or hyphens", Name);
        InvalidInputException.Require(Nodes is >= 1 and <= 10_000, where, "nodes", "1 to 10000", Nodes);
        InvalidInputException.Require(Shards is null or (>= 1 and <= WireLimits.Shards), where, "shards", $"1 to {WireLimits.Shards}, or null", Shards);
        InvalidInputException.Require(Prefetch is >= 1 and <= 1000, where, "prefetch", "1 to 1000", Prefetch);
        Broker.Validate(where);
        Deadlines.Validate(where);
        Http.Validate(where);
    }
}

/// <summary>Where the broker is and who speaks to it.</summary>
public sealed record BrokerOptions
{
    /// <summary>
    /// Address, <c>amqp://host:port/virtual-host</c> or <c>amqps://</c> for TLS, without user and password; null for none: then <c>mimicd run --nodes N</c> starts a private one. Default: null.
    /// </summary>
    public string? Uri { get; init; }

    /// <summary>User. Default: guest, whom a broker lets in from its own machine alone.</summary>
    public string User { get; init; } = "guest";

    /// <summary>Environment variable that holds the password. Default: MIMICD_BROKER_PASSWORD.</summary>
    public string? PasswordVariable { get; init; } = "MIMICD_BROKER_PASSWORD";

    /// <summary>File that holds the password on its first line, read where the variable is not set. Default: null.</summary>
    public string? PasswordFile { get; init; }

    /// <summary>Seconds between signs of life on a connection, 1 to 600; a peer silent for two of them counts as gone. Default: 5.</summary>
    public int Heartbeat { get; init; } = 5;

    /// <summary>What an <c>amqps://</c> address needs besides.</summary>
    public TlsOptions Tls { get; init; } = new();

    /// <summary>The password.</summary>
    /// <exception cref="InvalidInputException">It is neither in the variable nor in the file.</exception>
    public string Password()
    {
        if (PasswordVariable is not null && Environment.GetEnvironmentVariable(PasswordVariable) is { Length: > 0 } value)
        {
            return value;
        }

        var sources = string.Join(" or ", new[] { PasswordVariable is null ? null : $"the environment variable {PasswordVariable}", PasswordFile is null ? null : $"the file {PasswordFile}" }.OfType<string>());
        InvalidInputException.Require(PasswordFile is not null, "broker password", "", sources.Length > 0 ? sources : "broker.passwordVariable or broker.passwordFile", null);
        var line = StrictJson.ReadText(PasswordFile!).Split('\n')[0].TrimEnd('\r');
        InvalidInputException.Require(line.Length > 0, "broker password", "", sources, "an empty first line");
        return line;
    }

    internal void Validate(string where)
    {
        if (Uri is not null)
        {
            var valid = System.Uri.TryCreate(Uri, UriKind.Absolute, out var uri) && uri.Scheme is "amqp" or "amqps" && uri.Host.Length > 0;
            InvalidInputException.Require(valid, where, "broker.uri", "amqp://host:port/virtual-host or amqps://", Uri);
            InvalidInputException.Require(uri!.UserInfo.Length == 0, where, "broker.uri", "an address without user and password (see broker.user and broker.passwordVariable)", "one with");
        }

        InvalidInputException.Require(User.Length > 0, where, "broker.user", "a name", "an empty one");
        InvalidInputException.Require(Heartbeat is >= 1 and <= 600, where, "broker.heartbeat", "1 to 600 seconds", Heartbeat);
        InvalidInputException.Require(Tls.Certificate is null == Tls.Key is null, where, "broker.tls", "certificate and key, or neither", Tls.Key is null ? "a certificate alone" : "a key alone");
    }
}

/// <summary>Certificates, as PEM files.</summary>
public sealed record TlsOptions
{
    /// <summary>Authority that the broker's certificate must come from, or null for those that the machine trusts. Default: null.</summary>
    public string? Authority { get; init; }

    /// <summary>Name that the broker's certificate must carry, or null for the address's host. Default: null.</summary>
    public string? ServerName { get; init; }

    /// <summary>Own certificate, where the broker asks for one. Default: null.</summary>
    public string? Certificate { get; init; }

    /// <summary>Key of the own certificate. Default: null.</summary>
    public string? Key { get; init; }

    internal X509Certificate2Collection? Authorities()
    {
        if (Authority is null)
        {
            return null;
        }

        var authorities = new X509Certificate2Collection();
        Read(Authority, () => authorities.ImportFromPemFile(Authority));
        return authorities;
    }

    internal X509Certificate2Collection? Own()
    {
        if (Certificate is null)
        {
            return null;
        }

        var own = new X509Certificate2Collection();
        Read(Certificate, () => own.Add(X509Certificate2.CreateFromPemFile(Certificate, Key)));
        return own;
    }

    private static void Read(string file, Action read)
    {
        try
        {
            read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or System.Security.Cryptography.CryptographicException)
        {
            throw new InvalidInputException($"{file}: cannot be read: {e.Message}", e);
        }
    }
}

/// <summary>How long to wait for whom [s].</summary>
public sealed record DeadlineOptions
{
    /// <summary>For a node that owes an answer and says nothing; then its shards go to others, and its late answers are not heard. Longer than the slowest tick. Default: 30.</summary>
    public double Answer { get; init; } = 30;

    /// <summary>For nodes to come, at the start and when none is left; then the run fails. Default: 60.</summary>
    public double Nodes { get; init; } = 60;

    /// <summary>For the broker to be reached at the start. Default: 20.</summary>
    public double Broker { get; init; } = 20;

    /// <summary>Between two looks whether a node's queue is still there; a node that was killed is missed after this time at most. Default: 0.25.</summary>
    public double Probe { get; init; } = 0.25;

    internal void Validate(string where)
    {
        Positive(Answer, "answer");
        Positive(Nodes, "nodes");
        Positive(Broker, "broker");
        Positive(Probe, "probe");

        void Positive(double value, string key) => InvalidInputException.Require(value is > 0 and <= 86_400, where, $"deadlines.{key}", "above 0, at most 86400 seconds", value);
    }
}
