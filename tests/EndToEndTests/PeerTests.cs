using System.Diagnostics;
using MimicD.Cluster;
using MimicD.Cluster.RabbitMq;
using MimicD.Numerics;

namespace MimicD.EndToEndTests;

/// <summary>Programs of others, from npm: a reader of AsyncAPI documents, and a broker.</summary>
public sealed class PeerTests : IDisposable
{
    private static readonly string Folder = Environment.GetEnvironmentVariable("MIMICD_PEERS") ?? Path.Combine(EntryPoint.Root, "build", "peers");
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task The_contract_is_what_others_read_in_its_document()
    {
        using var parser = Start("contract.mjs", Path.Combine(EntryPoint.Root, "docs", "robots.asyncapi.json"));
        parser.StandardInput.Close();
        var output = parser.StandardOutput.ReadToEndAsync();
        var errors = await parser.StandardError.ReadToEndAsync();
        await parser.WaitForExitAsync();

        Assert.Equal((0, ""), (parser.ExitCode, errors));
        Assert.Equal(
            """
            send {prefix}/{run}/{robot}/obs observation qos 0 retain false required v,run,robot,session,seq,t,armed,values
            receive {prefix}/{run}/{robot}/cmd command qos 0 retain false required v,run,robot,session,term,seq,ack,obsT,ttlMs,action
            send {prefix}/{run}/{robot}/conn presence qos 1 retain true required v,run,robot,session,online
            send {prefix}/{run}/{robot}/rep report qos 0 retain false required v,run,robot,session,t,armed,term,received,acted,stops,refused

            """,
            await output);
    }

    [Fact]
    public async Task A_document_that_is_wrong_is_refused_by_others()
    {
        var text = await File.ReadAllTextAsync(Path.Combine(EntryPoint.Root, "docs", "robots.asyncapi.json"));
        await File.WriteAllTextAsync(_scratch["wrong.json"], text.Replace("\"action\": \"send\"", "\"action\": \"shout\"", StringComparison.Ordinal));
        using var parser = Start("contract.mjs", _scratch["wrong.json"]);
        parser.StandardInput.Close();
        var errors = await parser.StandardError.ReadToEndAsync();
        await parser.WaitForExitAsync();

        Assert.Equal(1, parser.ExitCode);
        Assert.Contains("action", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_goes_over_a_broker_of_others_with_the_older_protocol()
    {
        using var broker = Start("broker.mjs");
        var port = await broker.StandardOutput.ReadLineAsync();
        string[] quick = ["--broker", $"mqtt://127.0.0.1:{port}", "--mqtt", "3.1.1", "--set", "scenario.pacing.rate=50", "--set", "scenario.robots.ttl=0.2"];

        var ran = await EntryPoint.RunAsync(["bridge", "--emulate", "--policy", "straight", "--out", _scratch["out"], .. quick]);

        Assert.True(ran.Code == 0, string.Join('\n', ran.Errors));
        Assert.Contains(ran.Errors, e => e.EndsWith("done: the robots stop, for nobody tells them anything any more", StringComparison.Ordinal));
        broker.StandardInput.Close();
        await broker.WaitForExitAsync();
    }

    [Fact]
    public async Task A_run_goes_over_the_MQTT_plugin_of_RabbitMQ()
    {
        var port = LoopbackPorts.Free();
        await using var broker = await PrivateBroker.StartAsync(
            new ClusterOptions(), new PrivateBrokerSettings { Plugins = ["rabbitmq_mqtt"], Configuration = [$"mqtt.listeners.tcp.1 = 127.0.0.1:{port}", "mqtt.allow_anonymous = false"] }, TimeProvider.System, CancellationToken.None);
        using var bridge = EntryPoint.Start(
            ("MIMICD_MQTT_PASSWORD", (await File.ReadAllTextAsync(broker.Options.Broker.PasswordFile!)).Trim()),
            "bridge", "--emulate", "--policy", "straight", "--out", _scratch["out"], "--broker", $"mqtt://127.0.0.1:{port}", "--user", broker.Options.Broker.User, "--mqtt", "3.1.1", "--set", "scenario.pacing.rate=50", "--set", "scenario.robots.ttl=0.2");
        var output = bridge.StandardOutput.ReadToEndAsync();
        var errors = await bridge.StandardError.ReadToEndAsync();
        await bridge.WaitForExitAsync();
        await output;

        Assert.True(bridge.ExitCode == 0, errors);
        Assert.Contains("done: the robots stop", errors, StringComparison.Ordinal);
    }

    private static Process Start(params string[] arguments)
        => Process.Start(new ProcessStartInfo("node", [Path.Combine(Folder, arguments[0]), .. arguments[1..]]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
}
