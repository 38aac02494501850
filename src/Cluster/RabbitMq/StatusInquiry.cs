using System.Collections.Concurrent;
using MimicD.Cluster.Status;
using MimicD.Contracts;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace MimicD.Cluster.RabbitMq;

/// <summary>
/// Asks all nodes and worlds of a cluster how they are doing. They are called on the exchanges on which they call each other, and answer into a queue that is there for this question alone. Who is there is not known
/// beforehand, so answers are waited for as long as it was asked for; when there is nobody at all, the broker says so at once.
/// </summary>
public static class StatusInquiry
{
    // Nobody asks a cluster that large; whatever else fills the queue is dropped by the broker.
    private const int MaxAnswers = 1 << 16;

    /// <summary>Asks.</summary>
    /// <param name="options">Where the broker is.</param>
    /// <param name="wait">For how long answers are waited for.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InvalidInputException">The broker cannot be reached (one attempt), or refuses.</exception>
    public static async Task<ClusterStatus> AskAsync(ClusterOptions options, TimeSpan wait, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        var asker = Guid.NewGuid().ToString("N");
        var queue = BrokerLink.StatusQueue(options, asker);
        await using var connection = await BrokerLink.OpenAsync(options, queue, TimeSpan.Zero, time, cancellationToken).ConfigureAwait(false);
        try
        {
            var answers = new ConcurrentQueue<byte[]>();
            await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken).ConfigureAwait(false);
            var arguments = new Dictionary<string, object?>(StringComparer.Ordinal) { ["x-max-length"] = MaxAnswers };
            await channel.QueueDeclareAsync(queue, durable: false, exclusive: true, autoDelete: true, arguments, cancellationToken: cancellationToken).ConfigureAwait(false);
            var consumer = new AsyncEventingBasicConsumer(channel);
            consumer.ReceivedAsync += (_, delivery) =>
            {
                if (answers.Count < MaxAnswers)
                {
                    answers.Enqueue(delivery.Body.ToArray());
                }

                return Task.CompletedTask;
            };
            await channel.BasicConsumeAsync(queue, autoAck: true, consumer, cancellationToken).ConfigureAwait(false);

            // Called without anybody to hear it, a question comes back.
            var (open, nobody) = (0, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            var exchanges = new List<string>();
            foreach (var exchange in new[] { BrokerLink.NodesExchange(options), BrokerLink.WorldsExchange(options) })
            {
                if (await LookAsync(connection, c => c.ExchangeDeclarePassiveAsync(exchange, cancellationToken), cancellationToken).ConfigureAwait(false))
                {
                    exchanges.Add(exchange);
                }
            }

            open = exchanges.Count;
            channel.BasicReturnAsync += (_, _) =>
            {
                if (Interlocked.Decrement(ref open) == 0)
                {
                    nobody.TrySetResult();
                }

                return Task.CompletedTask;
            };
            var started = time.GetTimestamp();
            foreach (var exchange in exchanges)
            {
                await channel.BasicPublishAsync(exchange, "", mandatory: true, StatusWire.Question(asker), cancellationToken).ConfigureAwait(false);
            }

            if (exchanges.Count > 0)
            {
                await WaitAsync(nobody.Task, wait, time, cancellationToken).ConfigureAwait(false);
            }

            var waited = time.GetElapsedTime(started);
            long? dead = null;
            await LookAsync(connection, async c => dead = await c.MessageCountAsync(BrokerLink.DeadLetters(options), cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            return StatusWire.Assemble(options, answers, waited, dead);
        }
        catch (Exception e) when (e is OperationInterruptedException or AlreadyClosedException)
        {
            throw new InvalidInputException($"broker {options.Broker.Uri}: refused: {e.Message}", e);
        }
    }

    private static async Task WaitAsync(Task nobody, TimeSpan wait, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            await nobody.WaitAsync(wait, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // That is how it ends when there is somebody.
        }
    }

    /// <summary>Looks at something that may not be there, which closes the channel that it is looked at through.</summary>
    /// <returns>Whether it is there.</returns>
    private static async Task<bool> LookAsync(IConnection connection, Func<IChannel, Task> look, CancellationToken cancellationToken)
    {
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken).ConfigureAwait(false);
        try
        {
            await look(channel).ConfigureAwait(false);
            return true;
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            return false;
        }
    }
}
