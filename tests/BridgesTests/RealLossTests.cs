using System.Collections.Concurrent;
using MimicD.Agents;
using MimicD.Bridges.Faults;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;
using MimicD.Contracts;

namespace MimicD.BridgesTests;

/// <summary>A bridge, emulated robots and a real broker, of which something is lost: the robots stop, and nothing from before moves them again.</summary>
#pragma warning disable CA1001 // xunit ends it by DisposeAsync.
public sealed class RealLossTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private readonly string _snapshot = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
    private readonly CancellationTokenSource _ending = new();
    private readonly ConcurrentDictionary<string, ConcurrentQueue<MqttMessage>> _commands = new(StringComparer.Ordinal);
    private readonly List<Task> _running = [];
    private MosquittoBroker _broker = null!;
    private FaultProxy _proxy = null!;
    private LocalHost _host = null!;
    private RobotBridge _bridge = null!;
    private RobotFleet _fleet = null!;
    private MosquittoLink _link = null!;

    public async Task InitializeAsync()
    {
        var scenario = Cases.Crossing(3, rate: 20, steps: 100_000);
        scenario = scenario with { Robots = scenario.Robots! with { Ttl = 0.5 } };
        _broker = await MosquittoBroker.StartAsync(new MosquittoBrokerSettings { IsPersistent = true }, TimeProvider.System, CancellationToken.None);
        _proxy = FaultProxy.Start(_broker.Address.Host, _broker.Address.Port, FaultPlan.None, TimeProvider.System);
        var world = new RobotWorld(scenario, [scenario.DefaultSensor], new RobotWorldOptions { Run = "loss", Term = 1 });
        _host = new LocalHost(Cases.Walk(scenario), 2);
        _bridge = new RobotBridge(world, _host, TimeProvider.System);
        await _host.OpenAsync(world.Spec(new SamplingSpec()), _bridge, CancellationToken.None);
        var options = new MqttOptions { Broker = _broker.Address, LongestWait = TimeSpan.FromSeconds(0.2) };
        _fleet = RobotFleet.Start(
            scenario, new RobotFleetOptions { Run = "loss" },
            r => MosquittoLink.Start(options with { Broker = new Uri($"mqtt://{_proxy.EndPoint}"), ClientId = r.ClientId, Will = r.Will, Subscriptions = [r.Subscription] }, r.Listener, TimeProvider.System), TimeProvider.System);
        _link = MosquittoLink.Start(options with { ClientId = "loss-bridge", Subscriptions = world.Subscriptions }, _bridge, TimeProvider.System);
        _running.Add(_fleet.RunAsync(_ending.Token));
        _running.Add(_bridge.RunAsync(_link, null, _ending.Token));
        await UntilAsync(() => _fleet.Counts.All(c => c.Armed), "all robots are armed");
    }

    public async Task DisposeAsync()
    {
        await _ending.CancelAsync();
        await Task.WhenAll(_running);
        await _link.DisposeAsync();
        await _fleet.DisposeAsync();
        await _host.DisposeAsync();
        await _proxy.DisposeAsync();
        await _broker.DisposeAsync();
        _ending.Dispose();
        File.Delete(_snapshot);
    }

    [Theory]
    [InlineData("broker frozen")]
    [InlineData("both ways stalled")]
    [InlineData("no way to the robots")]
    [InlineData("no way from the robots")]
    [InlineData("half-open, the robots not told")]
    [InlineData("half-open, the broker not told")]
    [InlineData("reset")]
    public async Task Robots_stop_at_each_loss_and_go_on_when_armed_again(string loss)
    {
        IDisposable? stall = null;
        switch (loss)
        {
            case "broker frozen":
                await _broker.FreezeAsync(CancellationToken.None);
                break;
            case "both ways stalled":
                stall = _proxy.Stall(FaultDirections.Both);
                break;
            case "no way to the robots":
                _proxy.SilenceAll(FaultDirections.Down);
                break;
            case "no way from the robots":
                _proxy.SilenceAll(FaultDirections.Up);
                break;
            case "half-open, the robots not told":
                _proxy.LoseAll(client: false);
                break;
            case "half-open, the broker not told":
                _proxy.LoseAll(client: true);
                break;
            default:
                _proxy.ResetAll();
                break;
        }

        // One that is told of it at once connects at once, and then has no session to go on in.
        await UntilAsync(() => _fleet.Counts.All(c => !c.Armed), "all robots have stopped");
        stall?.Dispose();
        if (loss == "broker frozen")
        {
            await _broker.ThawAsync(CancellationToken.None);
        }

        await UntilAsync(() => _bridge.Status.Robots.All(r => r.State is RobotState.Stopped or RobotState.Ready), "all are heard of again");
        Assert.All(_fleet.Counts, c => Assert.False(c.Armed, c.ToString()));

        // Leave is for the session that it was given in: a robot that hears nothing may notice only later, and come back with another.
        await UntilAsync(
            () =>
            {
                foreach (var robot in _bridge.Status.Robots.Where(r => r.State is RobotState.Stopped or RobotState.Ready))
                {
                    Assert.True(_bridge.Rearm(robot.Name));
                }

                return _fleet.Counts.All(c => c.Armed);
            },
            "all robots are armed again");
    }

    [Fact]
    public async Task A_broker_that_comes_back_with_an_old_memory_moves_nobody()
    {
        // What a broker could keep at worst: commands that were sent to be acknowledged, to robots that had gone, and commands that it was told to retain.
        var topics = new RobotTopics(RobotTopics.DefaultPrefix, "loss");
        var heard = new Listener(_commands);
        await using (var spy = MosquittoLink.Start(new MqttOptions { Broker = _broker.Address, ClientId = "spy", Subscriptions = [new(topics.OfAll(TopicKind.Command))] }, heard, TimeProvider.System))
        {
            await UntilAsync(() => _commands.Count == 3 && _commands.Values.All(c => c.Count > 5), "commands of all robots are known");
            foreach (var (topic, commands) in _commands)
            {
                foreach (var command in commands.Take(5))
                {
                    Assert.True(spy.TryPublish(command with { Qos = MqttQos.AtLeastOnce, Retained = true }));
                }
            }

            await _broker.TakeSnapshotAsync(_snapshot, TimeProvider.System, CancellationToken.None);
        }

        await UntilAsync(() => _fleet.Counts.All(c => c.Refused.Values.Sum() >= 5), "the robots have refused what was sent to them again");
        await _broker.KillAsync(CancellationToken.None);
        await UntilAsync(() => _fleet.Counts.All(c => !c.Armed), "all robots have stopped");
        _broker.RestoreSnapshot(_snapshot);
        await _broker.StartAgainAsync(TimeProvider.System, CancellationToken.None);
        await UntilAsync(() => _bridge.Status.Robots.All(r => r.State is RobotState.Stopped or RobotState.Ready), "all are heard of again");

        // New sessions, in which nothing has acted, whatever the broker remembered.
        await UntilAsync(() => _bridge.Status.Robots.All(r => r.Report is not null), "all have reported");
        Assert.All(_fleet.Counts, c => Assert.Equal((0L, false), (c.Acted, c.Armed)));
    }

    private static async Task UntilAsync(Func<bool> holds, string what)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (!holds())
        {
            Assert.False(patience.IsCancellationRequested, $"not within {Patience.TotalSeconds} s: {what}");
            await Task.Delay(10);
        }
    }

    private sealed class Listener(ConcurrentDictionary<string, ConcurrentQueue<MqttMessage>> commands) : IMqttListener
    {
        public void Connected()
        {
        }

        public void Disconnected(string reason)
        {
        }

        public void Received(in MqttMessage message)
            => commands.GetOrAdd(message.Topic, _ => new ConcurrentQueue<MqttMessage>()).Enqueue(message with { Payload = message.Payload.ToArray() });
    }
}
