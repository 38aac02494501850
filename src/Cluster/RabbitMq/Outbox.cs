using System.Threading.Channels;

namespace MimicD.Cluster.RabbitMq;

/// <summary>What a host has to say to the broker, said one after another in the order in which it was posted. Posting never waits, so it can be done with a lock held.</summary>
/// <param name="failed">Told why nothing is sent any more; otherwise whoever waits for an answer would wait for ever.</param>
internal sealed class Outbox(Func<string, Task> failed)
{
    private readonly Channel<Func<ValueTask>> _posted = Channel.CreateUnbounded<Func<ValueTask>>(new UnboundedChannelOptions { SingleReader = true });

    /// <summary>Ends when all that was posted before <see cref="Close"/> has been sent, or nothing can be.</summary>
    public Task Sent { get; private set; } = Task.CompletedTask;

    /// <summary>Begins to send.</summary>
    public void Open() => Sent = SendAsync();

    /// <summary>Something to send; nothing happens to it after <see cref="Close"/>.</summary>
    public void Post(Func<ValueTask> send) => _posted.Writer.TryWrite(send);

    /// <summary>Nothing more is to be sent than has been posted.</summary>
    public void Close() => _posted.Writer.TryComplete();

    private async Task SendAsync()
    {
        try
        {
            await foreach (var send in _posted.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
                await send().ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            await failed($"{e.GetType().Name}: {e.Message}").ConfigureAwait(false);
        }
    }
}
