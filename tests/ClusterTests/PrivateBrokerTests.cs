using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using MimicD.Cluster;
using MimicD.Cluster.RabbitMq;
using MimicD.Contracts;
using MimicD.Tests;
using Xunit.Abstractions;

namespace MimicD.ClusterTests;

/// <summary>What needs a broker of its own: one that restarts, and one that is set up as the documentation says.</summary>
public sealed class PrivateBrokerTests(ITestOutputHelper output) : IDisposable
{
    private const string Documented = "/etc/mimicd";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mimicd-");
    private readonly Case _case = Case.Model();

    public void Dispose()
    {
        _case.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task A_broker_that_is_killed_and_started_again_in_mid_run_changes_nothing()
    {
        var local = await _case.LocallyAsync();
        await using var broker = await PrivateBroker.StartAsync(Options(), TimeProvider.System, CancellationToken.None);
        await using var crew = await Crew.StartAsync(broker.Options, 2);
        await using var host = new RabbitMqHost(broker.Options, _case.Sources, 2, TimeProvider.System);
        var result = await _case.RunAsync(host, new AtTick(new Dictionary<int, Action>
        {
            [4] = () => broker.RestartAsync(TimeProvider.System, CancellationToken.None).GetAwaiter().GetResult(),
        }));

        Assert.Equal(local.TrajectoryHash, result.TrajectoryHash);
        // What nodes see outside of the training data is not sent yet.
        Assert.Equal(local.Host with { Stopped = [], Familiarity = null }, result.Host with { Stopped = [], Familiarity = null });
        Assert.Equal((2, 1), (host.ClusterReport!.Nodes, host.ClusterReport.Outages));
    }

    [Fact]
    public async Task A_broker_with_the_documented_settings_takes_certified_peers_alone()
    {
        // The README is what users copy: its lines are what is tested.
        var documented = await File.ReadAllTextAsync(Path.Combine(RepositoryRoot.Folder, "README.md"));
        var lines = Regex.Matches(documented, @"(?<=^ +)ssl_options\..+$", RegexOptions.Multiline).Select(m => m.Value.Replace(Documented, _folder.FullName, StringComparison.Ordinal)).ToArray();
        Assert.Equal(5, lines.Length);
        var permissions = Assert.Single(Regex.Matches(documented, @"set_permissions mimicd '(?<configure>.+)' '(?<write>.+)' '(?<read>.+)'$", RegexOptions.Multiline));
        using var authority = Authority("our authority");
        using var another = Authority("another authority");
        Write("authority", authority);
        Write("stranger", another);
        Issue("host", authority, "127.0.0.1");
        Issue("node", authority, "node");
        Issue("intruder", another, "intruder");
        var options = Options() with
        {
            Broker = new BrokerOptions { Tls = new TlsOptions { Authority = Pem("authority"), Certificate = Pem("node"), Key = Key("node") } },
        };
        var local = await _case.LocallyAsync();
        await using var broker = await PrivateBroker.StartAsync(options, new PrivateBrokerSettings { IsSecure = true, Configuration = lines }, TimeProvider.System, CancellationToken.None);
        await broker.ControlAsync("set_permissions", broker.Options.Broker.User, permissions.Groups["configure"].Value, permissions.Groups["write"].Value, permissions.Groups["read"].Value);
        await using var crew = await Crew.StartAsync(broker.Options, 2);
        await using var host = new RabbitMqHost(broker.Options, _case.Sources, 2, TimeProvider.System);
        Assert.Equal(local.TrajectoryHash, (await _case.RunAsync(host)).TrajectoryHash);

        var tls = options.Broker.Tls;
        await RefusedAsync(tls with { Authority = Pem("stranger") }, $"certificate: expected one that comes from {Pem("stranger")} (broker.tls.authority), found CN=our authority");
        await RefusedAsync(tls with { ServerName = "elsewhere.example" }, "certificate: expected one for elsewhere.example (broker.tls.serverName), found CN=host");

        // What the broker says to these is a matter of the TLS libraries.
        await RefusedAsync(tls with { Certificate = null, Key = null }, "");
        await RefusedAsync(tls with { Certificate = Pem("intruder"), Key = Key("intruder") }, "");

        async Task RefusedAsync(TlsOptions wrong, string why)
        {
            var hasty = broker.Options with { Broker = broker.Options.Broker with { Tls = wrong }, Deadlines = new DeadlineOptions { Broker = 0.01 } };
            var error = await Assert.ThrowsAsync<InvalidInputException>(() => NodeService.StartAsync(hasty, "another", 1, TimeProvider.System, CancellationToken.None));
            Assert.StartsWith($"broker {broker.Options.Broker.Uri}: ", error.Message, StringComparison.Ordinal);
            Assert.EndsWith(why, error.Message, StringComparison.Ordinal);
            output.WriteLine(error.Message);
        }
    }

    [Fact]
    public async Task A_right_that_is_missing_is_said_at_once()
    {
        await using var broker = await PrivateBroker.StartAsync(Options(), TimeProvider.System, CancellationToken.None);
        var (user, options) = (broker.Options.Broker.User, broker.Options with { Deadlines = new DeadlineOptions { Nodes = 0.2 } });

        // A node greets a world that calls by the exchange of that name, long after it has connected.
        await broker.ControlAsync("set_permissions", user, @"^mimicd\.", @"^mimicd\.", @"^mimicd\.");
        await using (var crew = await Crew.StartAsync(options, 1))
        {
            await using var host = new RabbitMqHost(options, _case.Sources, 1, TimeProvider.System);
            var alone = await Assert.ThrowsAsync<InvalidInputException>(() => _case.RunAsync(host));
            Assert.EndsWith("found 0", alone.Message, StringComparison.Ordinal);
            var late = await Assert.ThrowsAsync<InvalidInputException>(() => crew.Nodes[0].Completion.WaitAsync(Patience));
            Assert.Equal($"broker {options.Broker.Uri}: refused: ACCESS_REFUSED - access to exchange 'amq.default' in vhost '/' refused for user '{user}'", late.Message);
        }

        await broker.ControlAsync("set_permissions", user, "^$", ".*", ".*");
        var early = await Assert.ThrowsAsync<InvalidInputException>(() => NodeService.StartAsync(options, "another", 1, TimeProvider.System, CancellationToken.None));
        Assert.StartsWith($"broker {options.Broker.Uri}: refused: ", early.Message, StringComparison.Ordinal);
        Assert.Contains("access to exchange 'mimicd.dead-letters'", early.Message, StringComparison.Ordinal);
        output.WriteLine(early.Message);
    }

    // Patience for a machine that has other things to do.
    private static ClusterOptions Options() => new() { Shards = 8, Deadlines = new DeadlineOptions { Answer = 120, Nodes = 120, Broker = 60 } };

    private string Pem(string name) => Path.Combine(_folder.FullName, $"{name}.pem");

    private string Key(string name) => Path.Combine(_folder.FullName, $"{name}.key");

    private void Write(string name, X509Certificate2 certificate) => File.WriteAllText(Pem(name), certificate.ExportCertificatePem() + "\n");

    private static X509Certificate2 Authority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    /// <summary>Certificate and key of a host (an address or a name), as files.</summary>
    private void Issue(string name, X509Certificate2 authority, string host)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        if (IPAddress.TryParse(host, out var address))
        {
            names.AddIpAddress(address);
        }
        else
        {
            names.AddDnsName(host);
        }

        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.Create(authority, DateTimeOffset.UtcNow.AddHours(-12), DateTimeOffset.UtcNow.AddHours(12), RandomNumberGenerator.GetBytes(8));
        Write(name, certificate);
        File.WriteAllText(Key(name), key.ExportPkcs8PrivateKeyPem() + "\n");
    }
}
