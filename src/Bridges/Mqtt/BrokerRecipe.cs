using System.Net;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using MimicD.Bridges.Robots.Wire;
using MimicD.Contracts;

namespace MimicD.Bridges.Mqtt;

/// <summary>What a recipe leaves to its owner.</summary>
public sealed record BrokerRecipeOptions
{
    /// <summary>Names and addresses by which the broker is reached: its certificate is for these and no others. Default: this machine alone.</summary>
    public IReadOnlyList<string> Hosts { get; init; } = ["localhost", "127.0.0.1"];

    /// <summary>The port on which it listens, on all addresses. Default: 8883.</summary>
    public int Port { get; init; } = 8883;

    /// <summary>How long the certificates of broker, robots and bridge hold. Default: a year.</summary>
    public TimeSpan Validity { get; init; } = TimeSpan.FromDays(365);

    /// <summary>Longest packet that the broker takes, in bytes. Default: 64 KiB.</summary>
    public int LongestPacket { get; init; } = 65_536;
}

/// <summary>
/// A Mosquitto for production, as a folder of files: TLS with a certificate for each robot, and rights by the name in that certificate, so that a robot may say and hear its own and nothing else. The authority is
/// one for tests and small fleets; where there is another, its certificates take the place of these, with the same names.
/// </summary>
public static class BrokerRecipe
{
    /// <summary>The authority's certificate, by which all others are checked.</summary>
    public const string Authority = "authority.pem";

    /// <summary>The authority's key, which only whoever issues further certificates needs.</summary>
    public const string AuthorityKey = "authority.key";

    /// <summary>The broker's configuration.</summary>
    public const string Configuration = "mosquitto.conf";

    /// <summary>Who may say and hear what.</summary>
    public const string Rights = "acl";

    private const string Server = "server";
    private const string Bridge = "bridge";
    private const string Robots = "robots";
    private const string AnyRun = "+";

    // The fewest messages that may wait for one client; a bridge that comes late is told of every robot at once.
    private const int ShortestQueue = 1000;

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    // Clocks of small machines run behind.
    private static readonly TimeSpan Lead = TimeSpan.FromDays(1);
    private static readonly TimeSpan AuthorityValidity = TimeSpan.FromDays(3650);

    /// <summary>What a robot, or the bridge where it is null, connects with.</summary>
    /// <param name="folder">The recipe's folder.</param>
    /// <param name="robot">The robot's name, or null.</param>
    public static MqttTls Tls(string folder, string? robot)
    {
        var own = robot is null ? Path.Combine(folder, Bridge) : Path.Combine(folder, Robots, robot);
        return new MqttTls { Authority = Path.Combine(folder, Authority), Certificate = own + ".pem", Key = own + ".key" };
    }

    /// <summary>Writes it, all or nothing.</summary>
    /// <param name="folder">A folder that is not there yet, or is empty.</param>
    /// <param name="prefix">What all topics begin with, such as <c>mimicd/v1</c>.</param>
    /// <param name="runs">The runs that there will be; empty: any.</param>
    /// <param name="robots">The robots' names.</param>
    /// <param name="bridge">The bridge's name, which is no robot's.</param>
    /// <param name="options">The rest.</param>
    /// <param name="time">The clock of the certificates.</param>
    /// <exception cref="InvalidInputException">A name cannot be, or there is something in the folder.</exception>
    public static void Write(string folder, string prefix, IReadOnlyList<string> runs, IReadOnlyList<string> robots, string bridge, BrokerRecipeOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(prefix);
        ArgumentNullException.ThrowIfNull(runs);
        ArgumentNullException.ThrowIfNull(robots);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        if (!OperatingSystem.IsLinux())
        {
            // Elsewhere a key could not be kept from others by its mode.
            throw new PlatformNotSupportedException("the recipe is for Linux");
        }

        // A link to an empty folder stays, and the recipe is where it leads.
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        folder = Directory.Exists(folder) ? new DirectoryInfo(folder).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? folder : folder;
        Check(folder, prefix, runs, robots, bridge, options);
        var aside = $"{folder}.{Path.GetRandomFileName()}";
        try
        {
            Directory.CreateDirectory(aside, OwnerOnly | UnixFileMode.UserExecute);
            Fill(aside, folder, prefix, runs.Count == 0 ? [AnyRun] : runs, robots, bridge, options, time.GetUtcNow());
            if (Directory.Exists(folder))
            {
                Directory.Delete(folder);
            }

            Directory.Move(aside, folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{folder}: cannot be written: {e.Message}", e);
        }
        finally
        {
            Remove(aside, robots);
        }
    }

    /// <summary>Removes what <see cref="Fill"/> has made of a recipe, and nothing else.</summary>
    private static void Remove(string aside, IReadOnlyList<string> robots)
    {
        if (!Directory.Exists(aside))
        {
            return;
        }

        string[] certified = [Server, Bridge, .. robots.Select(r => Path.Combine(Robots, r))];
        foreach (var file in (string[])[Authority, AuthorityKey, Configuration, Rights, .. certified.Select(c => c + ".pem"), .. certified.Select(c => c + ".key")])
        {
            if (File.Exists(Path.Combine(aside, file)))
            {
                File.Delete(Path.Combine(aside, file));
            }
        }

        foreach (var folder in (string[])[Path.Combine(aside, Robots), aside])
        {
            if (Directory.Exists(folder) && !Directory.EnumerateFileSystemEntries(folder).Any())
            {
                Directory.Delete(folder);
            }
        }
    }

    private static void Check(string folder, string prefix, IReadOnlyList<string> runs, IReadOnlyList<string> robots, string bridge, BrokerRecipeOptions options)
    {
        InvalidInputException.Require(!folder.Any(char.IsControl), "folder", "", "a path of one line", folder.ReplaceLineEndings(" "));
        InvalidInputException.Require(!File.Exists(folder), folder, "", "a folder that is not there yet, or is empty", "a file");
        InvalidInputException.Require(!Directory.Exists(folder) || !Directory.EnumerateFileSystemEntries(folder).Any(), folder, "", "a folder that is not there yet, or is empty", "one with files");
        InvalidInputException.Require(prefix.Split('/').All(RobotTopics.IsName), "prefix", "", $"names of 1 to {RobotTopics.MaxName} letters, digits, '_' and '-' between slashes", prefix);
        InvalidInputException.Require(robots.Count > 0, "robots", "", "one or more", null);
        foreach (var (kind, names) in new[] { ("run", runs), ("robot", robots), ("bridge", [bridge]) })
        {
            var wrong = names.FirstOrDefault(n => !RobotTopics.IsName(n));
            InvalidInputException.Require(wrong is null, kind, "", $"a name of 1 to {RobotTopics.MaxName} letters, digits, '_' and '-'", wrong);
            var twice = names.GroupBy(n => n, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1)?.Key;
            InvalidInputException.Require(twice is null, kind, "", "each name once", twice);
        }

        InvalidInputException.Require(!robots.Contains(bridge, StringComparer.Ordinal), "bridge", "", "a name that no robot has", bridge);
        InvalidInputException.Require(options.Port is > 0 and < 65_536, "port", "", "1 to 65535", options.Port);
        InvalidInputException.Require(options.Hosts.Count > 0, "hosts", "", "one or more", null);
        InvalidInputException.Require(options.Validity > TimeSpan.Zero && options.Validity < AuthorityValidity, "validity", "", "more than nothing and less than the authority's ten years", options.Validity);
        foreach (var host in options.Hosts)
        {
            InvalidInputException.Require(Uri.CheckHostName(host) != UriHostNameType.Unknown, "host", "", "a host's name or address", host);
        }
    }

    [SupportedOSPlatform("linux")]
    private static void Fill(string aside, string folder, string prefix, IReadOnlyList<string> runs, IReadOnlyList<string> robots, string bridge, BrokerRecipeOptions options, DateTimeOffset now)
    {
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var authority = CreateAuthority(authorityKey, now);
        Write(Path.Combine(aside, Authority), authority.ExportCertificatePem());
        Write(Path.Combine(aside, AuthorityKey), authorityKey.ExportPkcs8PrivateKeyPem());
        Directory.CreateDirectory(Path.Combine(aside, Robots), OwnerOnly | UnixFileMode.UserExecute);
        Issue(Path.Combine(aside, Server), Server, options.Hosts);
        Issue(Path.Combine(aside, Bridge), bridge, []);
        foreach (var robot in robots)
        {
            Issue(Path.Combine(aside, Robots, robot), robot, []);
        }

        var rights = new StringBuilder();
        rights.Append("# Every robot, by the name in its certificate.\n");
        foreach (var run in runs)
        {
            rights.Append($"pattern write {prefix}/{run}/%u/obs\npattern write {prefix}/{run}/%u/conn\npattern write {prefix}/{run}/%u/rep\npattern read {prefix}/{run}/%u/cmd\n");
        }

        rights.Append($"\n# The bridge.\nuser {bridge}\n");
        foreach (var run in runs)
        {
            rights.Append($"topic read {prefix}/{run}/+/obs\ntopic read {prefix}/{run}/+/conn\ntopic read {prefix}/{run}/+/rep\ntopic write {prefix}/{run}/+/cmd\n");
        }

        Write(Path.Combine(aside, Rights), rights.ToString());
        Write(Path.Combine(aside, Configuration), $"""
            # Start with: mosquitto -c {folder}/{Configuration}
            # Mosquitto must be able to read this folder: started by root it becomes the user mosquitto, who has to own it then (chown -R mosquitto {folder}).
            listener {options.Port}
            cafile {folder}/{Authority}
            certfile {folder}/{Server}.pem
            keyfile {folder}/{Server}.key
            require_certificate true
            use_identity_as_username true
            use_username_as_clientid true
            allow_anonymous false
            acl_file {folder}/{Rights}

            # Nothing is kept over a restart: a command of before is a danger after it.
            persistence false
            set_tcp_nodelay true
            max_packet_size {options.LongestPacket}
            max_queued_messages {Math.Max(ShortestQueue, 4 * robots.Count)}
            log_dest stderr
            log_type error
            log_type warning

            """);

        void Issue(string file, string name, IReadOnlyList<string> hosts)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = Request(name, key);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, 0, critical: true));
            request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(hosts.Count > 0 ? "1.3.6.1.5.5.7.3.1" : "1.3.6.1.5.5.7.3.2")], critical: false));
            request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(authority, includeKeyIdentifier: true, includeIssuerAndSerial: false));
            if (hosts.Count > 0)
            {
                var names = new SubjectAlternativeNameBuilder();
                foreach (var host in hosts)
                {
                    if (IPAddress.TryParse(host, out var address))
                    {
                        names.AddIpAddress(address);
                    }
                    else
                    {
                        names.AddDnsName(host);
                    }
                }

                request.CertificateExtensions.Add(names.Build());
            }

            // A serial number is positive: its first bit is none.
            var serial = RandomNumberGenerator.GetBytes(16);
            serial[0] &= 0x7f;
            using var certificate = request.Create(authority, now - Lead, now + options.Validity, serial);
            Write(file + ".pem", certificate.ExportCertificatePem());
            Write(file + ".key", key.ExportPkcs8PrivateKeyPem());
        }
    }

    private static X509Certificate2 CreateAuthority(ECDsa key, DateTimeOffset now)
    {
        var request = Request("MimicD's robots", key);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        return request.CreateSelfSigned(now - Lead, now + AuthorityValidity);
    }

    private static CertificateRequest Request(string name, ECDsa key)
    {
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        return request;
    }

    [SupportedOSPlatform("linux")]
    private static void Write(string file, string text)
    {
        using var stream = new FileStream(file, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly });
        stream.Write(Encoding.UTF8.GetBytes(text.EndsWith('\n') ? text : text + "\n"));
    }
}
