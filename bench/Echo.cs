using System.CommandLine;
using System.Diagnostics;
using MimicD.Cluster;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace MimicD.Bench;

/// <summary>Options of the echo's process.</summary>
internal static class EchoOptions
{
    public static readonly Option<string> Cluster = new("--cluster") { Required = true };

    public static readonly Option<string> Name = new("--name") { Required = true };

    public static readonly Option<int> Bytes = new("--bytes") { Required = true };
}

/// <summary>A bare round trip through the broker: the client library and nothing of ours. Queues, acknowledgements and prefetch are those of a run.</summary>
internal static class Echo
{
    private const string World = "echo.world";

    /// <summary>Answers each message with as many bytes as it is told, until it is stopped.</summary>
    public static async Task<int> RunAsync(string cluster, string name, int bytes, CancellationToken cancellation)
    {
        var options = ClusterOptions.Load(cluster);
        var answer = new byte[bytes];
        await using var connection = await ConnectAsync(options);
        await using var incoming = await connection.CreateChannelAsync(cancellationToken: CancellationToken.None);
        await using var outgoing = await connection.CreateChannelAsync(cancellationToken: CancellationToken.None);
        await incoming.QueueDeclareAsync(name, durable: false, exclusive: true, autoDelete: false, cancellationToken: CancellationToken.None);
        await incoming.BasicQosAsync(0, (ushort)options.Prefetch, global: false, CancellationToken.None);
        var consumer = new AsyncEventingBasicConsumer(incoming);
        consumer.ReceivedAsync += async (_, delivery) =>
        {
            await outgoing.BasicPublishAsync("", World, mandatory: true, answer);
            await incoming.BasicAckAsync(delivery.DeliveryTag, multiple: false);
        };
        await incoming.BasicConsumeAsync(name, autoAck: false, consumer, CancellationToken.None);

        // Says that it is there.
        await outgoing.BasicPublishAsync("", World, mandatory: true, answer, CancellationToken.None);
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return 0;
    }

    /// <summary>Times round trips to some echoes at once.</summary>
    /// <param name="options">The broker.</param>
    /// <param name="file">The same for the echoes' processes.</param>
    /// <param name="echoes">How many: as many messages go out, and come back, each time.</param>
    /// <param name="sent">Bytes of each message out.</param>
    /// <param name="received">Bytes of each message back.</param>
    /// <param name="trips">Round trips.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <returns>Seconds of each.</returns>
    public static async Task<double[]> MeasureAsync(ClusterOptions options, string file, int echoes, int sent, int received, int trips, CancellationToken cancellation)
    {
        await using var connection = await ConnectAsync(options);
        await using var incoming = await connection.CreateChannelAsync(cancellationToken: cancellation);
        await using var outgoing = await connection.CreateChannelAsync(cancellationToken: cancellation);
        await incoming.QueueDeclareAsync(World, durable: false, exclusive: true, autoDelete: false, cancellationToken: cancellation);
        await incoming.BasicQosAsync(0, (ushort)options.Prefetch, global: false, cancellation);
        using var back = new SemaphoreSlim(0);
        var consumer = new AsyncEventingBasicConsumer(incoming);
        consumer.ReceivedAsync += async (_, delivery) =>
        {
            back.Release();
            await incoming.BasicAckAsync(delivery.DeliveryTag, multiple: false);
        };
        await incoming.BasicConsumeAsync(World, autoAck: false, consumer, cancellation);
        var processes = Enumerable.Range(0, echoes).Select(i => NodeProcesses.Start("mimicd-bench.dll", "cluster", "echo", "--cluster", file, "--name", $"echo.{i}", "--bytes", $"{received}")).ToArray();
        try
        {
            await AllAsync();
            var message = new byte[sent];
            var seconds = new double[trips];
            for (var trip = 0; trip < trips; trip++)
            {
                var started = Stopwatch.GetTimestamp();
                for (var echo = 0; echo < echoes; echo++)
                {
                    await outgoing.BasicPublishAsync("", $"echo.{echo}", mandatory: true, message, cancellation);
                }

                await AllAsync();
                seconds[trip] = Timed.Seconds(started, Stopwatch.GetTimestamp());
            }

            return seconds;
        }
        finally
        {
            foreach (var process in processes)
            {
                process.StandardInput.Close();
                await process.WaitForExitAsync(CancellationToken.None);
                process.Dispose();
            }
        }

        async Task AllAsync()
        {
            for (var i = 0; i < echoes; i++)
            {
                await back.WaitAsync(cancellation);
            }
        }
    }

    private static async Task<IConnection> ConnectAsync(ClusterOptions options)
    {
        var factory = new ConnectionFactory { Uri = new Uri(options.Broker.Uri!), UserName = options.Broker.User, Password = options.Broker.Password() };
        return await factory.CreateConnectionAsync();
    }
}
