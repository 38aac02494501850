using System.Reflection;
using System.Text.Json.Nodes;
using MimicD.Cluster;
using MimicD.Contracts;

namespace MimicD.EndToEndTests;

/// <summary>The file that says where a cluster is.</summary>
public sealed class ClusterFileTests : IDisposable
{
    private static readonly string Shipped = Path.Combine(EntryPoint.Root, ClusterOptions.FileName);

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void The_shipped_file_holds_every_key_with_a_comment_and_no_other()
    {
        ClusterOptions.Load(Shipped);
        var root = JsonChange.Tree(File.ReadAllText(Shipped));
        Assert.Equal(Keys(typeof(ClusterOptions)).Order(StringComparer.Ordinal), Keys(root.AsObject()).Order(StringComparer.Ordinal));

        var lines = File.ReadAllLines(Shipped);
        for (var i = 1; i < lines.Length; i++)
        {
            if (lines[i].TrimStart().StartsWith('"'))
            {
                Assert.True(lines[i - 1].TrimStart().StartsWith("//", StringComparison.Ordinal), $"line {i + 1} has no comment above: {lines[i]}");
            }
        }
    }

    [Fact]
    public void The_shipped_values_are_the_defaults_but_for_the_address()
    {
        var shipped = ClusterOptions.Load(Shipped);
        Assert.Equal(new ClusterOptions(), shipped with { Broker = shipped.Broker with { Uri = null } });
    }

    [Fact]
    public void Every_key_is_used()
    {
        // Outside of the options themselves, whose own members (equality, printing) read all of them. A password's place is read by the options on behalf of others.
        var called = new[] { typeof(ClusterOptions).Assembly, Assembly.Load("mimicd") }.SelectMany(a => a.GetTypes())
            .SelectMany(t => t.GetMethods(BindingFlags.DeclaredOnly | BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic))
            .Where(m => !Options.Contains(m.DeclaringType) || m.Name is "Password" or "ShardsFor" or "Authorities" or "Own" or "EndPoint")
            .SelectMany(Called).ToHashSet();

        Assert.All(Options.SelectMany(t => t.GetProperties(BindingFlags.Instance | BindingFlags.Public)), p => Assert.True(called.Contains(p.GetMethod!), $"{p.DeclaringType!.Name}.{p.Name} is read by nobody"));
    }

    [Theory]
    [InlineData("""{ "brokr": {} }""", "line 1: unknown key 'brokr' (did you mean 'broker'?)")]
    [InlineData("""{ "name": "My Cluster" }""", "name: expected 1 to 64 small letters, digits or hyphens, found My Cluster")]
    [InlineData("""{ "nodes": 0 }""", "nodes: expected 1 to 10000, found 0")]
    [InlineData("""{ "prefetch": 0 }""", "prefetch: expected 1 to 1000, found 0")]
    [InlineData("""{ "shards": 100000 }""", "shards: expected 1 to 65536, or null, found 100000")]
    [InlineData("""{ "deadlines": { "answer": 0 } }""", "deadlines.answer: expected above 0, at most 86400 seconds, found 0")]
    [InlineData("""{ "http": { "port": 70000 } }""", "http.port: expected 0 (any free one) to 65535, or null to serve nothing, found 70000")]
    [InlineData("""{ "http": { "address": "localhost" } }""", "http.address: expected an IP address, found localhost")]
    [InlineData("""{ "broker": { "heartbeat": 0 } }""", "broker.heartbeat: expected 1 to 600 seconds, found 0")]
    [InlineData("""{ "broker": { "uri": "http://here" } }""", "broker.uri: expected amqp://host:port/virtual-host or amqps://, found http://here")]
    [InlineData("""{ "broker": { "uri": "amqp://me:secret@here/" } }""", "broker.uri: expected an address without user and password (see broker.user and broker.passwordVariable), found one with")]
    [InlineData("""{ "broker": { "tls": { "certificate": "c.pem" } } }""", "broker.tls: expected certificate and key, or neither, found a certificate alone")]
    public async Task A_wrong_value_is_refused_by_its_key(string text, string expected)
    {
        var file = _scratch["cluster.hocon"];
        await File.WriteAllTextAsync(file, text);
        Assert.Equal($"{file}: {expected}", Assert.Throws<InvalidInputException>(() => ClusterOptions.Load(file)).Message);
    }

    [Fact]
    public async Task A_command_that_has_no_broker_or_no_password_says_so()
    {
        var file = _scratch["cluster.hocon"];
        await File.WriteAllTextAsync(file, "{}");
        Assert.Equal("cluster.hocon: broker.uri: expected the broker's address, found nothing", (await EntryPoint.RunAsync("node", "--cluster", file)).Refusal);
        Assert.Equal($"{file}: broker.uri: expected the broker's address, or --nodes, found nothing", (await EntryPoint.RunAsync("run", "--cluster", file, "--out", _scratch["out"])).Refusal);
        await File.WriteAllTextAsync(file, """{ "broker": { "uri": "amqp://localhost/", "passwordVariable": "MIMICD_NOT_SET" } }""");
        Assert.Equal("broker password: expected the environment variable MIMICD_NOT_SET, found nothing", (await EntryPoint.RunAsync("node", "--cluster", file)).Refusal);
        Assert.Equal("--nodes: expected 1 to 256, found 0", (await EntryPoint.RunAsync("run", "--nodes", "0", "--out", _scratch["out"])).Refusal);
    }

    [Fact]
    public async Task A_password_is_the_first_line_of_its_file_beside_the_cluster_file()
    {
        await File.WriteAllTextAsync(_scratch["secret"], "open sesame\nnot this\n");
        await File.WriteAllTextAsync(_scratch["cluster.hocon"], """{ "broker": { "passwordVariable": null, "passwordFile": "secret" } }""");
        Assert.Equal("open sesame", ClusterOptions.Load(_scratch["cluster.hocon"]).Broker.Password());
    }

    private static readonly Type[] Options = [typeof(ClusterOptions), typeof(BrokerOptions), typeof(TlsOptions), typeof(DeadlineOptions), typeof(HttpOptions)];

    private static IEnumerable<string> Keys(Type type, string prefix = "") => type.GetProperties(BindingFlags.Instance | BindingFlags.Public)
        .SelectMany(p => Keys(p, prefix + char.ToLowerInvariant(p.Name[0]) + p.Name[1..]));

    private static IEnumerable<string> Keys(PropertyInfo property, string key) => Options.Contains(property.PropertyType) ? [key, .. Keys(property.PropertyType, key + ".")] : [key];

    private static IEnumerable<string> Keys(JsonObject at, string prefix = "") => at.SelectMany(p => p.Value is JsonObject inner ? [prefix + p.Key, .. Keys(inner, $"{prefix}{p.Key}.")] : (IEnumerable<string>)[prefix + p.Key]);

    /// <summary>What a method calls: every token after a call in its code that is a method's.</summary>
    private static IEnumerable<MethodBase> Called(MethodInfo method)
    {
        const byte Call = 0x28;
        const byte CallVirtual = 0x6F;
        var code = method.GetMethodBody()?.GetILAsByteArray() ?? [];
        for (var i = 0; i + 4 < code.Length; i++)
        {
            if (code[i] is Call or CallVirtual && Resolve(BitConverter.ToInt32(code, i + 1)) is { } called)
            {
                yield return called;
            }
        }

        MethodBase? Resolve(int token)
        {
            try
            {
                return method.Module.ResolveMethod(token, method.DeclaringType!.GetGenericArguments(), method.IsGenericMethod ? method.GetGenericArguments() : null);
            }
            catch (Exception e) when (e is ArgumentException or BadImageFormatException)
            {
                // Numbers that look like a call.
                return null;
            }
        }
    }
}
