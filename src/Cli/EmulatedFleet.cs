using MimicD.Bridges.Faults;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.Cli;

/// <summary>Emulated robots of this process, and the bad network that may lie between them and their broker.</summary>
internal sealed class EmulatedFleet : IAsyncDisposable
{
    private readonly RobotFleet _fleet;
    private readonly FaultProxy? _proxy;

    private EmulatedFleet(RobotFleet fleet, FaultProxy? proxy) => (_fleet, _proxy) = (fleet, proxy);

    /// <summary>The robots.</summary>
    public RobotFleet Robots => _fleet;

    /// <summary>What the bad network did, or null where there is none.</summary>
    public FaultCounts? Faults => _proxy?.Counts;

    /// <summary>Makes the robots and begins to connect them.</summary>
    public static EmulatedFleet Start(Scenario scenario, RobotFleetOptions options, MqttOptions connection, FaultSpec? faults)
    {
        FaultProxy? proxy = null;
        if (faults is not null)
        {
            InvalidInputException.Require(connection.Broker.Scheme == "mqtt", FaultOption.Faults.Name, "", "a broker without TLS, whose certificate would be for another address", connection.Broker);
            proxy = FaultProxy.Start(connection.Host, connection.Port, new FaultPlan(faults, options.Seed), TimeProvider.System);
            connection = connection with { Broker = new Uri($"mqtt://{proxy.EndPoint}") };
        }

        var fleet = RobotFleet.Start(
            scenario, options,
            r => MosquittoLink.Start(connection with { ClientId = r.ClientId, Will = r.Will, Subscriptions = [r.Subscription] }, r.Listener, TimeProvider.System),
            TimeProvider.System);
        return new EmulatedFleet(fleet, proxy);
    }

    /// <summary>Lets them live until cancelled.</summary>
    public Task RunAsync(CancellationToken cancellationToken) => _fleet.RunAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _fleet.DisposeAsync();
        if (_proxy is not null)
        {
            await _proxy.DisposeAsync();
        }
    }
}
