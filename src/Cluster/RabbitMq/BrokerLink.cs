using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;
using MimicD.Contracts;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace MimicD.Cluster.RabbitMq;

/// <summary>What a peer of the broker is told.</summary>
internal interface ILinkEvents
{
    /// <summary>A message came; its bytes are valid until this returns. It is acknowledged by <see cref="BrokerLink.AcknowledgeAsync"/>, and must be.</summary>
    ValueTask ReceivedAsync(ReadOnlyMemory<byte> bytes, ulong tag);

    /// <summary>A message came back, because there is no queue of that name.</summary>
    void Returned(string queue);

    /// <summary>The connection is gone, and the own queue with it.</summary>
    void Lost();

    /// <summary>The connection is back, with a new and empty queue.</summary>
    void Restored();

    /// <summary>The broker refuses what this peer does, and will go on to: it can take no part.</summary>
    void Refused(string why);
}

/// <summary>
/// One peer's connection to the broker: its own queue, the exchange on which all are called, and where unreadable messages go. The client library connects again by itself when the connection is lost, and
/// declares everything anew.
/// </summary>
/// <remarks>
/// The queue is exclusive: the broker deletes it when the connection dies, and that is how others learn that its owner is gone, for what is sent to it from then on comes back. The other way would be one queue
/// a shard with a single active consumer. On RabbitMQ 3.10 such a queue is consumed by whoever came first, and the choice knows no priorities, so the first node would take every shard; a shard could not be moved
/// to a node that joins either, without its owner's consent.
/// </remarks>
internal sealed class BrokerLink : IAsyncDisposable
{
    // Unreadable messages are kept to be looked at, not for ever.
    private const int KeptDeadLetters = 1000;

    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan KeptBlocks = TimeSpan.FromMinutes(1);

    private readonly ClusterOptions _options;
    private readonly IConnection _connection;
    private readonly IChannel _incoming;
    private readonly IChannel _outgoing;

    // A channel is not for several publishers at one time.
    private readonly SemaphoreSlim _publishing = new(1);

    private BrokerLink(ClusterOptions options, IConnection connection, IChannel incoming, IChannel outgoing)
        => (_options, _connection, _incoming, _outgoing) = (options, connection, incoming, outgoing);

    /// <summary>Exchange on which worlds call nodes.</summary>
    public static string NodesExchange(ClusterOptions options) => $"{options.Name}.nodes";

    /// <summary>Exchange on which nodes greet worlds.</summary>
    public static string WorldsExchange(ClusterOptions options) => $"{options.Name}.worlds";

    /// <summary>A node's queue.</summary>
    public static string NodeQueue(ClusterOptions options, string node) => $"{options.Name}.node.{node}";

    /// <summary>The queue of a run's world.</summary>
    public static string WorldQueue(ClusterOptions options, string run) => $"{options.Name}.world.{run}";

    /// <summary>The queue of somebody who asks how all are doing.</summary>
    public static string StatusQueue(ClusterOptions options, string asker) => $"{options.Name}.status.{asker}";

    /// <summary>Exchange on which sweeps call nodes.</summary>
    public static string WorkersExchange(ClusterOptions options) => $"{options.Name}.workers";

    /// <summary>Exchange on which nodes greet sweeps.</summary>
    public static string SweepsExchange(ClusterOptions options) => $"{options.Name}.sweeps";

    /// <summary>The queue in which a node hears of sweeps.</summary>
    public static string WorkerQueue(ClusterOptions options, string node) => $"{options.Name}.worker.{node}";

    /// <summary>The queue in which a sweep hears of its nodes.</summary>
    public static string SweepQueue(ClusterOptions options, string sweep) => $"{options.Name}.sweep.{sweep}";

    /// <summary>The queue in which a sweep's blocks wait for nodes.</summary>
    public static string BlocksQueue(ClusterOptions options, string sweep) => $"{options.Name}.blocks.{sweep}";

    /// <summary>Exchange and queue of what cannot be read.</summary>
    public static string DeadLetters(ClusterOptions options) => $"{options.Name}.dead-letters";

    /// <summary>Connects, and declares an own queue; nothing is consumed yet.</summary>
    /// <param name="options">Where and as whom.</param>
    /// <param name="queue">The own queue's name.</param>
    /// <param name="exchange">The exchange on which all of the own kind are called.</param>
    /// <param name="events">Told what happens.</param>
    /// <param name="time">The clock of the deadline.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InvalidInputException">The broker cannot be reached within the deadline, or refuses.</exception>
    public static async Task<BrokerLink> ConnectAsync(ClusterOptions options, string queue, string exchange, ILinkEvents events, TimeProvider time, CancellationToken cancellationToken)
    {
        var connection = await OpenAsync(options, queue, TimeSpan.FromSeconds(options.Deadlines.Broker), time, cancellationToken).ConfigureAwait(false);
        try
        {
            var incoming = await connection.CreateChannelAsync(cancellationToken: cancellationToken).ConfigureAwait(false);
            var outgoing = await connection.CreateChannelAsync(cancellationToken: cancellationToken).ConfigureAwait(false);
            var link = new BrokerLink(options, connection, incoming, outgoing);
            connection.ConnectionShutdownAsync += (_, _) => Told(events.Lost);
            connection.RecoverySucceededAsync += (_, _) => Told(events.Restored);
            foreach (var channel in new[] { incoming, outgoing })
            {
                // A channel that the broker alone closes is a matter of rights or of what is declared otherwise; the library does not open it again, and nothing would be heard or said any more.
                channel.ChannelShutdownAsync += (_, reason) => Told(() =>
                {
                    if (reason.Initiator == ShutdownInitiator.Peer && connection.IsOpen)
                    {
                        events.Refused($"broker {options.Broker.Uri}: refused: {reason.ReplyText}");
                    }
                });
            }

            outgoing.BasicReturnAsync += (_, returned) => Told(() => events.Returned(returned.RoutingKey));
            await link.DeclareAsync(queue, exchange, cancellationToken).ConfigureAwait(false);
            return link;
        }
        catch (Exception e)
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw e is OperationInterruptedException refused ? new InvalidInputException($"broker {options.Broker.Uri}: refused: {refused.ShutdownReason?.ReplyText ?? e.Message}", e) : e;
        }

        static Task Told(Action tell)
        {
            tell();
            return Task.CompletedTask;
        }
    }

    /// <summary>Begins to consume from the own queue, one message after another.</summary>
    public Task ConsumeAsync(string queue, ILinkEvents events, CancellationToken cancellationToken)
    {
        var consumer = new AsyncEventingBasicConsumer(_incoming);
        consumer.ReceivedAsync += (_, delivery) => events.ReceivedAsync(delivery.Body, delivery.DeliveryTag).AsTask();
        return _incoming.BasicConsumeAsync(queue, autoAck: false, consumer, cancellationToken);
    }

    /// <summary>Publishes. A message that cannot be routed comes back by <see cref="ILinkEvents.Returned"/>; one that meets a lost connection is dropped, for all that was under way is said anew when it is back.</summary>
    public async ValueTask SendAsync(string exchange, string queue, ReadOnlyMemory<byte> bytes)
    {
        await _publishing.WaitAsync().ConfigureAwait(false);
        try
        {
            // A call to all may find nobody, and that is no error.
            await _outgoing.BasicPublishAsync(exchange, queue, mandatory: exchange.Length == 0, bytes).ConfigureAwait(false);
        }
        catch (Exception e) when (IsLost(e))
        {
        }
        finally
        {
            _publishing.Release();
        }
    }

    /// <summary>Tells somebody who asked how this peer is doing. An asker who has gone meanwhile is not missed.</summary>
    public async ValueTask ReplyAsync(string asker, ReadOnlyMemory<byte> bytes)
    {
        await _publishing.WaitAsync().ConfigureAwait(false);
        try
        {
            await _outgoing.BasicPublishAsync("", StatusQueue(_options, asker), mandatory: false, bytes).ConfigureAwait(false);
        }
        catch (Exception e) when (IsLost(e))
        {
        }
        finally
        {
            _publishing.Release();
        }
    }

    /// <summary>Messages that wait in an own queue; null where the broker does not say.</summary>
    public async Task<long?> QueuedAsync(string queue, CancellationToken cancellationToken)
    {
        try
        {
            // A question that fails closes its channel, so it gets one to itself.
            await using var channel = await _connection.CreateChannelAsync(cancellationToken: cancellationToken).ConfigureAwait(false);
            return await channel.MessageCountAsync(queue, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (IsLost(e) || e is TimeoutException)
        {
            return null;
        }
    }

    /// <summary>Acknowledges a message: all that it asked for has been sent.</summary>
    public async ValueTask AcknowledgeAsync(ulong tag)
    {
        try
        {
            await _incoming.BasicAckAsync(tag, multiple: false).ConfigureAwait(false);
        }
        catch (Exception e) when (IsLost(e))
        {
        }
    }

    /// <summary>Makes the queue of a sweep's blocks anew, empty. Not exclusive, for nodes consume from it; whatever becomes of the sweep, the broker deletes it when nobody has asked for it for a while.</summary>
    public async ValueTask RenewBlocksAsync(string queue)
    {
        try
        {
            await _incoming.QueueDeleteAsync(queue).ConfigureAwait(false);
            await KeepBlocksAsync(queue).ConfigureAwait(false);
        }
        catch (Exception e) when (IsLost(e))
        {
            // It is made when the connection is back.
        }
    }

    /// <summary>Asks for the queue of a sweep's blocks, which keeps it while there is no node.</summary>
    public async ValueTask KeepBlocksAsync(string queue)
    {
        try
        {
            var arguments = new Dictionary<string, object?> { ["x-dead-letter-exchange"] = DeadLetters(_options), ["x-expires"] = (int)KeptBlocks.TotalMilliseconds };
            await _incoming.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, arguments).ConfigureAwait(false);
        }
        catch (Exception e) when (IsLost(e))
        {
        }
    }

    /// <summary>Deletes a queue.</summary>
    public async ValueTask DeleteAsync(string queue)
    {
        try
        {
            await _incoming.QueueDeleteAsync(queue).ConfigureAwait(false);
        }
        catch (Exception e) when (IsLost(e))
        {
        }
    }

    /// <summary>Puts a message to the dead letters.</summary>
    public async ValueTask RejectAsync(ulong tag)
    {
        try
        {
            await _incoming.BasicRejectAsync(tag, requeue: false).ConfigureAwait(false);
        }
        catch (Exception e) when (IsLost(e))
        {
        }
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await _connection.CloseAsync(Constants.ReplySuccess, "done", Farewell, abort: true).ConfigureAwait(false);
            await _connection.DisposeAsync().AsTask().WaitAsync(Farewell).ConfigureAwait(false);
        }
        catch (Exception e) when (IsLost(e) || e is TimeoutException)
        {
            // It is gone, one way or the other.
        }
    }

    private async Task DeclareAsync(string queue, string exchange, CancellationToken cancellationToken)
    {
        var dead = DeadLetters(_options);
        await _incoming.ExchangeDeclareAsync(dead, ExchangeType.Fanout, durable: true, cancellationToken: cancellationToken).ConfigureAwait(false);
        await _incoming.QueueDeclareAsync(dead, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-max-length"] = KeptDeadLetters }, cancellationToken: cancellationToken).ConfigureAwait(false);
        await _incoming.QueueBindAsync(dead, dead, "", cancellationToken: cancellationToken).ConfigureAwait(false);
        await _incoming.ExchangeDeclareAsync(NodesExchange(_options), ExchangeType.Fanout, durable: true, cancellationToken: cancellationToken).ConfigureAwait(false);
        await _incoming.ExchangeDeclareAsync(WorldsExchange(_options), ExchangeType.Fanout, durable: true, cancellationToken: cancellationToken).ConfigureAwait(false);
        await _incoming.ExchangeDeclareAsync(WorkersExchange(_options), ExchangeType.Fanout, durable: true, cancellationToken: cancellationToken).ConfigureAwait(false);
        await _incoming.ExchangeDeclareAsync(SweepsExchange(_options), ExchangeType.Fanout, durable: true, cancellationToken: cancellationToken).ConfigureAwait(false);
        await _incoming.QueueDeclareAsync(queue, durable: false, exclusive: true, autoDelete: false, new Dictionary<string, object?> { ["x-dead-letter-exchange"] = dead }, cancellationToken: cancellationToken).ConfigureAwait(false);
        await _incoming.QueueBindAsync(queue, exchange, "", cancellationToken: cancellationToken).ConfigureAwait(false);
        await _incoming.BasicQosAsync(0, (ushort)_options.Prefetch, global: false, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Connects, and nothing else.</summary>
    /// <param name="options">Where and as whom.</param>
    /// <param name="name">What the broker is to call the connection.</param>
    /// <param name="patience">For how long it is tried again; zero for one attempt.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <param name="recovers">Whether it is to connect again by itself when it is lost.</param>
    /// <exception cref="InvalidInputException">The broker cannot be reached in time, or refuses.</exception>
    public static async Task<IConnection> OpenAsync(ClusterOptions options, string name, TimeSpan patience, TimeProvider time, CancellationToken cancellationToken, bool recovers = true)
    {
        var factory = Factory(options, name);
        factory.AutomaticRecoveryEnabled = recovers;
        var started = time.GetTimestamp();
        while (true)
        {
            try
            {
                return await factory.CreateConnectionAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (BrokerUnreachableException e)
            {
                // The library wraps what the system said, several times over.
                var cause = e.GetBaseException();
                if (cause is InvalidInputException)
                {
                    throw cause;
                }

                InvalidInputException.Require(cause is not AuthenticationFailureException, $"broker {options.Broker.Uri}", "broker.user", "a user whose password is right", options.Broker.User);
                if (time.GetElapsedTime(started) >= patience)
                {
                    throw new InvalidInputException($"broker {options.Broker.Uri}: cannot be reached: {cause.Message}", e);
                }

                await Task.Delay(Retry, time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static ConnectionFactory Factory(ClusterOptions options, string name)
    {
        var broker = options.Broker;
        var uri = new Uri(broker.Uri ?? throw InvalidInputException.Create(ClusterOptions.FileName, "broker.uri", "the broker's address", null));
        var factory = new ConnectionFactory
        {
            Uri = uri,
            UserName = broker.User,
            Password = broker.Password(),
            ClientProvidedName = name,
            RequestedHeartbeat = TimeSpan.FromSeconds(broker.Heartbeat),
            RequestedConnectionTimeout = TimeSpan.FromSeconds(options.Deadlines.Broker),
            NetworkRecoveryInterval = Retry,
            TopologyRecoveryEnabled = true,

            // What is too long is refused and counted at the door; the library would drop the connection for it.
            MaxInboundMessageBodySize = int.MaxValue,
        };
        if (uri.Scheme == "amqps")
        {
            factory.Ssl.Enabled = true;
            factory.Ssl.ServerName = broker.Tls.ServerName ?? uri.Host;
            factory.Ssl.Certs = broker.Tls.Own();
            if (broker.Tls.Authorities() is { } authorities)
            {
                factory.Ssl.CertificateValidationCallback = (_, certificate, _, errors) => Comes(certificate, authorities, errors, options);
            }
        }

        return factory;
    }

    private static bool Comes(X509Certificate? certificate, X509Certificate2Collection authorities, SslPolicyErrors errors, ClusterOptions options)
    {
        if (certificate is null)
        {
            return false;
        }

        var where = $"broker {options.Broker.Uri}";
        using var leaf = new X509Certificate2(certificate);
        InvalidInputException.Require(!errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch), where, "certificate", $"one for {options.Broker.Tls.ServerName ?? new Uri(options.Broker.Uri!).Host} (broker.tls.serverName)", leaf.Subject);
        using var chain = new X509Chain { ChainPolicy = { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck } };
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        InvalidInputException.Require(chain.Build(leaf), where, "certificate", $"one that comes from {options.Broker.Tls.Authority} (broker.tls.authority)", leaf.Issuer);
        return true;
    }

    internal static bool IsLost(Exception e) => e is RabbitMQClientException or IOException or SocketException or ObjectDisposedException or OperationCanceledException or ChannelClosedException;
}
