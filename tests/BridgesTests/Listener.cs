using System.Collections.Concurrent;
using System.Text;
using MimicD.Bridges.Mqtt;

namespace MimicD.BridgesTests;

/// <summary>Keeps what it hears of a connection, and lets a test wait for it.</summary>
internal sealed class Listener : IMqttListener
{
    /// <summary>What a test waits for comes in milliseconds; where it takes so long, it does not come.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Lock _gate = new();
    private TaskCompletionSource _more = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ConcurrentQueue<string> Reasons { get; } = new();

    public ConcurrentQueue<Heard> Messages { get; } = new();

    public int Connections { get; private set; }

    /// <summary>Done by the connection's own thread as soon as it stands.</summary>
    public Action? OnConnected { get; set; }

    /// <summary>Done by the connection's own thread with each message, instead of keeping it.</summary>
    public Action<MqttMessage>? OnReceived { get; set; }

    public void Connected()
    {
        OnConnected?.Invoke();
        Changed(() => Connections++);
    }

    public void Disconnected(string reason) => Changed(() => Reasons.Enqueue(reason));

    public void Received(in MqttMessage message)
    {
        if (OnReceived is { } act)
        {
            act(message);
            return;
        }

        var heard = new Heard(message.Topic, Encoding.UTF8.GetString(message.Payload.Span), message.ContentType, message.Qos, message.Retained);
        Changed(() => Messages.Enqueue(heard));
    }

    /// <summary>Waits until it holds, looking whenever something has happened.</summary>
    public async Task UntilAsync(Func<Listener, bool> holds, string what)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (true)
        {
            Task more;
            lock (_gate)
            {
                more = _more.Task;
            }

            if (holds(this))
            {
                return;
            }

            try
            {
                await more.WaitAsync(patience.Token);
            }
            catch (OperationCanceledException e)
            {
                throw new TimeoutException($"{what}: not within {Patience.TotalSeconds} s; connections {Connections}, messages {Messages.Count}, reasons: {string.Join(" | ", Reasons)}", e);
            }
        }
    }

    public Task ConnectedAsync(int times = 1) => UntilAsync(l => l.Connections >= times, $"connected {times} times");

    /// <summary>Has whoever waits look again.</summary>
    public void Wake() => Changed(() => { });

    private void Changed(Action change)
    {
        TaskCompletionSource before;
        lock (_gate)
        {
            change();
            before = _more;
            _more = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        before.SetResult();
    }

    internal sealed record Heard(string Topic, string Payload, string? ContentType, MqttQos Qos, bool Retained);
}
