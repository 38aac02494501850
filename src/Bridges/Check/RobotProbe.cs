using System.Text;
using System.Text.Json.Nodes;
using MimicD.Bridges.Mqtt;
using MimicD.Bridges.Robots;
using MimicD.Bridges.Robots.Wire;

namespace MimicD.Bridges.Check;

/// <summary>What was heard from a robot.</summary>
/// <param name="Envelope">What it said; null where it cannot be read.</param>
/// <param name="Refusal">Why not.</param>
/// <param name="Retained">Whether the broker had kept it.</param>
/// <param name="Order">Counts everything heard, whatever its topic.</param>
/// <param name="At">When it was heard, by our clock.</param>
internal sealed record Heard<T>(T? Envelope, Refusal Refusal, bool Retained, int Order, TimeSpan At)
    where T : class;

/// <summary>An agent's end of the contract, as a tester has it: hears all that a robot says, keeps it armed and still while told to, and sends whatever it is given.</summary>
internal sealed class RobotProbe : IMqttListener
{
    // Longer than any robot lets a command live: its own limit counts [ms].
    private const long Life = 60_000;

    private readonly RobotTopics _topics;
    private readonly string _robot;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly List<Heard<ObservationEnvelope>> _observations = [];
    private readonly List<Heard<PresenceEnvelope>> _presences = [];
    private readonly List<Heard<ReportEnvelope>> _reports = [];
    private IMqttLink? _link;
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private double[]? _hold;
    private bool _arms;
    private int _order;

    /// <summary>One robot of one run.</summary>
    public RobotProbe(RobotTopics topics, string robot, TimeProvider time) => (_topics, _robot, _time) = (topics, robot, time);

    /// <summary>Whether the broker is there.</summary>
    public bool IsConnected { get; private set; }

    /// <summary>The controller's term.</summary>
    public long Term { get; set; }

    /// <summary>The last sequence that was given out.</summary>
    public long Sequence { get; set; }

    /// <summary>Commands sent.</summary>
    public int Sent { get; private set; }

    /// <summary>The observation that the last hold answered; null where none was.</summary>
    public ObservationEnvelope? LastHeld { get; private set; }

    /// <summary>Whether observations are answered.</summary>
    public bool IsHolding
    {
        get
        {
            lock (_gate)
            {
                return _hold is not null;
            }
        }
    }

    /// <summary>What a robot publishes, as a subscriber who wants to know what is kept asks for it.</summary>
    public IReadOnlyList<MqttSubscription> Subscriptions =>
    [
        new(_topics.Of(_robot, TopicKind.Presence), MqttQos.AtLeastOnce, Kept: true),
        new(_topics.Of(_robot, TopicKind.Observation), Kept: true),
        new(_topics.Of(_robot, TopicKind.Report), Kept: true),
    ];

    /// <summary>All observations so far.</summary>
    public Heard<ObservationEnvelope>[] Observations => Copy(_observations);

    /// <summary>All presences so far.</summary>
    public Heard<PresenceEnvelope>[] Presences => Copy(_presences);

    /// <summary>All reports so far.</summary>
    public Heard<ReportEnvelope>[] Reports => Copy(_reports);

    /// <summary>How much was heard so far.</summary>
    public int Order
    {
        get
        {
            lock (_gate)
            {
                return _order;
            }
        }
    }

    /// <summary>Sends through this connection from now on.</summary>
    public void Use(IMqttLink link) => _link = link;

    /// <summary>Answers every observation from now on.</summary>
    /// <param name="action">With this [A]; null: with none any more.</param>
    /// <param name="arms">Whether the answers arm.</param>
    public void Hold(double[]? action, bool arms = false)
    {
        lock (_gate)
        {
            (_hold, _arms) = (action, arms);
        }
    }

    /// <summary>Sends a command that breaks no rule, but for what is done to it.</summary>
    /// <param name="answered">The observation that it answers.</param>
    /// <param name="action">Its action [A].</param>
    /// <param name="make">What is done to it; null: nothing.</param>
    /// <param name="contentType">What it says that it is.</param>
    /// <param name="retained">Whether the broker keeps it.</param>
    public void Command(ObservationEnvelope answered, double[] action, Func<JsonObject, byte[]>? make = null, string contentType = WireContract.JsonType, bool retained = false)
    {
        // Drawn and sent in one, so that commands leave in the order of their sequences.
        lock (_gate)
        {
            var command = new JsonObject
            {
                ["v"] = WireContract.Version,
                ["run"] = _topics.Run,
                ["robot"] = _robot,
                ["session"] = answered.Session,
                ["term"] = Term,
                ["seq"] = ++Sequence,
                ["ack"] = answered.Sequence,
                ["obsT"] = answered.Time,
                ["ttlMs"] = Life,
                ["arm"] = false,
                ["action"] = new JsonArray([.. action.Select(x => (JsonNode)x)]),
            };
            Send(make?.Invoke(command) ?? Encoding.UTF8.GetBytes(command.ToJsonString()), contentType, retained);
        }
    }

    /// <summary>Sends a command, or what is none.</summary>
    public void Send(ReadOnlyMemory<byte> payload, string? contentType = WireContract.JsonType, bool retained = false)
    {
        lock (_gate)
        {
            Sent += _link!.TryPublish(new MqttMessage(_topics.Of(_robot, TopicKind.Command), payload, contentType, MqttQos.AtMostOnce, retained)) ? 1 : 0;
        }
    }

    /// <summary>Sends several without another in between.</summary>
    public void Together(Action send)
    {
        ArgumentNullException.ThrowIfNull(send);
        lock (_gate)
        {
            send();
        }
    }

    /// <summary>Waits until something is so.</summary>
    /// <param name="look">What was looked for, or null.</param>
    /// <param name="limit">How long to wait.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>What was looked for; null when it did not come.</returns>
    public async Task<T?> UntilAsync<T>(Func<T?> look, TimeSpan limit, CancellationToken cancellationToken)
        where T : class
    {
        var began = _time.GetTimestamp();
        while (true)
        {
            Task news;
            lock (_gate)
            {
                news = _news.Task;
            }

            if (look() is { } found)
            {
                return found;
            }

            var left = limit - _time.GetElapsedTime(began);
            if (left <= TimeSpan.Zero)
            {
                return null;
            }

            await Task.WhenAny(news, Task.Delay(left, _time, cancellationToken)).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <inheritdoc/>
    public void Connected()
    {
        IsConnected = true;
        Tell();
    }

    /// <inheritdoc/>
    public void Disconnected(string reason) => IsConnected = false;

    /// <inheritdoc/>
    public void Received(in MqttMessage message)
    {
        if (!_topics.TryParse(message.Topic, out var robot, out var kind) || robot != _robot)
        {
            return;
        }

        switch (kind)
        {
            case TopicKind.Presence when message.Payload.Length > 0:
                var presenceRefusal = JsonWire.Read(message.Payload.Span, out PresenceEnvelope? presence);
                Keep(_presences, presence, presenceRefusal, message.Retained);
                break;
            case TopicKind.Report:
                var reportRefusal = JsonWire.Read(message.Payload.Span, out ReportEnvelope? report);
                Keep(_reports, report, reportRefusal, message.Retained);
                break;
            case TopicKind.Observation:
                var refusal = Door.Read(message, out var observation);
                Answer(observation);
                Keep(_observations, observation, refusal, message.Retained);
                break;
        }
    }

    private void Answer(ObservationEnvelope? observation)
    {
        lock (_gate)
        {
            if (observation is not null && _hold is { } action)
            {
                var arms = _arms;
                Command(observation, action, c =>
                {
                    c["arm"] = arms;
                    return Encoding.UTF8.GetBytes(c.ToJsonString());
                });
                LastHeld = observation;
            }
        }
    }

    private void Keep<T>(List<Heard<T>> all, T? envelope, Refusal refusal, bool retained)
        where T : class
    {
        lock (_gate)
        {
            all.Add(new Heard<T>(refusal == Refusal.None ? envelope : null, refusal, retained, ++_order, _time.GetElapsedTime(0)));
        }

        Tell();
    }

    private void Tell()
    {
        lock (_gate)
        {
            _news.SetResult();
            _news = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    private Heard<T>[] Copy<T>(List<Heard<T>> all)
        where T : class
    {
        lock (_gate)
        {
            return [.. all];
        }
    }
}
