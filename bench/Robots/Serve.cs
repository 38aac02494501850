using System.CommandLine;
using MimicD.Agents;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;
using MimicD.Evaluation;

namespace MimicD.Bench.Robots;

/// <summary>Options of the process that answers.</summary>
internal static class ServeOptions
{
    public static readonly Option<string> Broker = new("--broker") { Required = true };

    public static readonly Option<string> Run = new("--run") { Required = true };

    public static readonly Option<string> Kind = new("--kind") { Required = true };

    public static readonly Option<int> Robots = new("--robots") { Required = true };

    public static readonly Option<double> Rate = new("--rate") { Required = true };
}

/// <summary>What the load's observations are answered by, in a process of its own: a bridge with agents, or a null bridge that sends an answer's bytes back and does nothing else.</summary>
internal static class Serve
{
    public static async Task<int> RunAsync(string root, Uri broker, string run, string kind, int robots, double rate, CancellationToken cancellation)
    {
        QuietThreads.Ask();
        if (kind == "echo")
        {
            var echo = new Echo(new RobotTopics(RobotTopics.DefaultPrefix, run));
            await using var link = echo.Start(broker);
            await Task.Delay(Timeout.Infinite, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return 0;
        }

        var scenario = RobotLoad.Scenario(root, robots, rate, steps: 100_000);
        var player = ScriptedPolicies.Create(ScriptedPolicies.Straight, scenario, "bench");
        var world = new RobotWorld(scenario, [player.Sensor], new RobotWorldOptions { Run = run, Term = 1 });
        await using var host = new LocalHost(player.Policies, Environment.ProcessorCount, direct: true);
        var bridge = new RobotBridge(world, host, TimeProvider.System);
        await host.OpenAsync(world.Spec(player.Sampling), bridge, cancellation);
        await using (var link = MosquittoLink.Start(new MqttOptions { Broker = broker, ClientId = $"{run}-bridge", Subscriptions = world.Subscriptions }, bridge, TimeProvider.System))
        {
            await bridge.RunAsync(link, null, cancellation);
        }

        var robotsThen = bridge.Status.Robots;
        await Console.Error.WriteLineAsync($"bridge: {robotsThen.Sum(r => r.Received)} observations, {robotsThen.Sum(r => r.Passed)} passed, {robotsThen.Sum(r => r.Superseded)} superseded, {robotsThen.Sum(r => r.Sent)} commands, refused: {string.Join(", ", robotsThen.SelectMany(r => r.Refused).GroupBy(r => r.Key).Select(g => $"{g.Key} {g.Sum(r => r.Value)}"))}");
        return 0;
    }

    private sealed class Echo(RobotTopics topics) : IMqttListener
    {
        private readonly Dictionary<string, string> _answers = new(StringComparer.Ordinal);
        private MosquittoLink? _link;

        public MosquittoLink Start(Uri broker)
            => _link = MosquittoLink.Start(new MqttOptions { Broker = broker, ClientId = $"{topics.Run}-bridge", Subscriptions = [new(topics.OfAll(TopicKind.Observation))] }, this, TimeProvider.System);

        public void Connected()
        {
        }

        public void Disconnected(string reason)
        {
        }

        public void Received(in MqttMessage message)
        {
            if (!_answers.TryGetValue(message.Topic, out var answer))
            {
                answer = topics.TryParse(message.Topic, out var robot, out _) ? topics.Of(robot, TopicKind.Command) : "nobody";
                _answers.Add(message.Topic, answer);
            }

            // As long as a command, with the observation's number where the load looks for it.
            var bytes = new byte[FrameWire.HeadSize + 2 * sizeof(float)];
            message.Payload.Span.Slice(16, 8).CopyTo(bytes.AsSpan(40));
            _link?.TryPublish(new MqttMessage(answer, bytes, WireContract.FrameType));
        }
    }
}
