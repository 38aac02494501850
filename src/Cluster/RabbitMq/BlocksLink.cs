using MimicD.Contracts;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace MimicD.Cluster.RabbitMq;

/// <summary>
/// A node's connection to the queue of a sweep's blocks. It is one of its own and does not come back by itself: that queue is somebody else's and may be gone for good, which must not keep a node's own queue
/// from being made anew.
/// </summary>
internal sealed class BlocksLink : IAsyncDisposable
{
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);

    private readonly IConnection _connection;
    private readonly IChannel _channel;
    private readonly TaskCompletionSource _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private BlocksLink(IConnection connection, IChannel channel) => (_connection, _channel) = (connection, channel);

    /// <summary>Ends when no more blocks come: the connection or the queue is gone.</summary>
    public Task Lost => _lost.Task;

    /// <summary>Connects and begins to take blocks, as many unacknowledged ones at a time as are computed at a time.</summary>
    /// <param name="options">Where and as whom.</param>
    /// <param name="name">The node's name.</param>
    /// <param name="sweep">The sweep's.</param>
    /// <param name="blocks">Blocks that are computed at one time.</param>
    /// <param name="received">Told every message, one after another; its bytes are valid until it returns.</param>
    /// <param name="time">The clock of the deadline.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InvalidInputException">The broker cannot be reached, or there is no such queue.</exception>
    public static async Task<BlocksLink> OpenAsync(
        ClusterOptions options, string name, string sweep, int blocks, Func<BlocksLink, ReadOnlyMemory<byte>, ulong, Task> received, TimeProvider time, CancellationToken cancellationToken)
    {
        var connection = await BrokerLink.OpenAsync(options, $"{name} for {sweep}", TimeSpan.FromSeconds(options.Deadlines.Broker), time, cancellationToken, recovers: false).ConfigureAwait(false);
        try
        {
            var channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), cancellationToken).ConfigureAwait(false);
            var link = new BlocksLink(connection, channel);
            var consumer = new AsyncEventingBasicConsumer(channel);
            consumer.ReceivedAsync += (_, delivery) => received(link, delivery.Body, delivery.DeliveryTag);
            consumer.UnregisteredAsync += (_, _) => link.Lose();
            consumer.ShutdownAsync += (_, _) => link.Lose();
            connection.ConnectionShutdownAsync += (_, _) => link.Lose();
            await channel.BasicQosAsync(0, (ushort)blocks, global: false, cancellationToken).ConfigureAwait(false);
            await channel.BasicConsumeAsync(BrokerLink.BlocksQueue(options, sweep), autoAck: false, consumer, cancellationToken).ConfigureAwait(false);
            return link;
        }
        catch (Exception e)
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw BrokerLink.IsLost(e) && !cancellationToken.IsCancellationRequested ? new InvalidInputException($"broker {options.Broker.Uri}: {e.Message}", e) : e;
        }
    }

    /// <summary>Publishes, and waits until the broker has it.</summary>
    /// <returns>Whether it has; false where the connection is lost.</returns>
    /// <exception cref="BlocksLinkClosedException">There is no queue of that name.</exception>
    public async Task<bool> PublishAsync(string queue, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        try
        {
            await _channel.BasicPublishAsync("", queue, mandatory: true, bytes, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (PublishException e) when (e.IsReturn)
        {
            throw new BlocksLinkClosedException(queue, e);
        }
        catch (Exception e) when ((BrokerLink.IsLost(e) || e is PublishException) && !cancellationToken.IsCancellationRequested)
        {
            _lost.TrySetResult();
            return false;
        }
    }

    /// <summary>Acknowledges a block: its result is with the broker.</summary>
    public async Task AcknowledgeAsync(ulong tag)
    {
        try
        {
            await _channel.BasicAckAsync(tag, multiple: false).ConfigureAwait(false);
        }
        catch (Exception e) when (BrokerLink.IsLost(e))
        {
            // It is given to another, whose answer will be a duplicate.
        }
    }

    /// <summary>Puts a message to the dead letters.</summary>
    public async Task RejectAsync(ulong tag)
    {
        try
        {
            await _channel.BasicRejectAsync(tag, requeue: false).ConfigureAwait(false);
        }
        catch (Exception e) when (BrokerLink.IsLost(e))
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
        catch (Exception e) when (BrokerLink.IsLost(e) || e is TimeoutException)
        {
            // It is gone, one way or the other.
        }
    }

    private Task Lose()
    {
        _lost.TrySetResult();
        return Task.CompletedTask;
    }
}

/// <summary>A message came back: who was to read it is no more.</summary>
internal sealed class BlocksLinkClosedException(string queue, Exception cause) : Exception($"queue {queue}: not there", cause);
