using System.Collections.Concurrent;
using System.Text;
using MimicD.Bridges.Mqtt;

namespace MimicD.BridgesTests;

/// <summary>
/// Robots that try everything to hear of each other and to speak for each other, through one broker. Each payload says who sent it and for whom it is meant, and what counts is what is delivered, whatever the broker
/// has granted.
/// </summary>
internal sealed class LeakMatrix(IReadOnlyList<string> robots, Func<string?, MqttOptions> options) : IAsyncDisposable
{
    private const string Root = "mimicd/v1";
    private const string Run = "demo";

    private static readonly string[] Kinds = ["obs", "conn", "rep", "cmd"];

    private readonly ConcurrentDictionary<string, MosquittoLink> _links = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Listener> _listeners = new(StringComparer.Ordinal);
    private readonly ConcurrentBag<Listener> _all = [];
    private readonly ConcurrentDictionary<string, int> _wrong = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, byte> _ends = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Listener> _waiting = new(StringComparer.Ordinal);
    private int _attempts;
    private long _right;
    private long _wrongBytes;

    /// <summary>Messages that came to whom they were meant for, from who may send them.</summary>
    public long Right => Interlocked.Read(ref _right);

    /// <summary>Bytes that came to anybody else, or from anybody else.</summary>
    public long WrongBytes => Interlocked.Read(ref _wrongBytes);

    /// <summary>What came wrong: who heard whom, on what topic.</summary>
    public IReadOnlyCollection<string> Wrong => [.. _wrong.Keys.Order(StringComparer.Ordinal)];

    /// <summary>Attempts that were made.</summary>
    public int Attempts => _attempts;

    /// <summary>Times that a connection of anybody who did no wrong was cut off.</summary>
    public int CutOff => _all.Sum(l => l.Reasons.Count);

    public static string Topic(string robot, string kind) => $"{Root}/{Run}/{robot}/{kind}";

    /// <summary>All the filters by which a robot could hear of others.</summary>
    public IEnumerable<MqttSubscription> Filters(string robot)
        => ((string[])
        [
            Topic(robot, "cmd"), $"{Root}/+/{robot}/cmd", $"{Root}/+/{robot}/#",
            .. robots.Where(r => r != robot).SelectMany(r => Kinds.Select(k => Topic(r, k))),
            .. robots.Where(r => r != robot).Select(r => $"$share/g/{Topic(r, "cmd")}"),
            $"{Root}/{Run}/+/cmd", $"{Root}/+/+/cmd", $"{Root}/+/+/+", $"{Root}/#", $"{Root}/{Run}/#", "+/+/+/+/+", "+/#", "#",
            $"$share/g/{Root}/{Run}/+/cmd", "$share/g/#", $"$share/other/{Root}/#", "$SYS/#", "$SYS/broker/clients/connected",
        ]).Select(f => new MqttSubscription(f, MqttQos.AtLeastOnce, Kept: true));

    /// <summary>Everything, and then waits until all of it must have been delivered.</summary>
    public async Task RunAsync()
    {
        // What is kept must be there before anybody asks for it.
        await Task.WhenAll([.. robots.Select(r => OpenAsync(r, [])), OpenAsync(null, Kinds.Select(k => new MqttSubscription($"{Root}/+/+/{k}", MqttQos.AtLeastOnce, Kept: true)))]);
        foreach (var robot in robots)
        {
            await SendAsync(robot, robot, "conn", kept: true);
        }

        await EndAsync("presence");
        foreach (var robot in robots)
        {
            await _links[robot].DisposeAsync();
        }

        await Task.WhenAll(robots.Select(r => OpenAsync(r, Filters(r))));
        _attempts += robots.Sum(r => Filters(r).Count());

        foreach (var robot in robots)
        {
            await SendAsync("", robot, "cmd");
            foreach (var kind in Kinds.Where(k => k != "cmd"))
            {
                await SendAsync(robot, robot, kind, kind == "conn");
            }

            foreach (var other in robots.Where(r => r != robot))
            {
                foreach (var kind in Kinds)
                {
                    await SendAsync(robot, other, kind, kind == "conn");
                    _attempts++;
                }
            }

            foreach (var topic in new[] { $"{Root}/{Run}/all/cmd", "broadcast", "$SYS/broker/x", $"{Root}/{Run}/{robot}/cmd" })
            {
                await SayAsync(_links[robot], topic, robot, "", kept: false);
                _attempts++;
            }
        }

        await EndAsync("publishes");
        await ImpersonateAsync((own, robot, other) =>
        [
            own with { Will = () => new MqttMessage(Topic(other, "cmd"), Payload(robot, other, "will"), Qos: MqttQos.AtLeastOnce) },
            own with { Will = () => new MqttMessage(Topic(other, "conn"), Payload(robot, other, "will"), Qos: MqttQos.AtLeastOnce, Retained: true) },
        ]);
        await ImpersonateAsync((own, _, other) => [own with { ClientId = options(other).ClientId is { Length: > 0 } id ? id : other, Subscriptions = [new(Topic(other, "cmd"))] }]);
        _attempts += 3 * robots.Count * (robots.Count - 1);
        await EndAsync("wills");

        // Whoever comes late is told what the broker has kept.
        await _links[""].DisposeAsync();
        await OpenAsync(null, [new($"{Root}/+/+/conn", MqttQos.AtLeastOnce, Kept: true), new($"{Root}/+/+/obs", MqttQos.AtLeastOnce)]);
        await EndAsync("late");
    }

    /// <summary>The bridge goes.</summary>
    public ValueTask CloseBridgeAsync() => _links[""].DisposeAsync();

    /// <summary>A robot says something of its own.</summary>
    public Task SayAsync(string robot, string kind) => SendAsync(robot, robot, kind);

    /// <summary>The same where the broker refuses what is not allowed and may hang up for it: each attempt is a connection of its own.</summary>
    /// <returns>The attempts that the broker let pass, whatever came of them.</returns>
    public async Task<IReadOnlyCollection<string>> RunOneByOneAsync()
    {
        var passed = new ConcurrentBag<string>();
        await Task.WhenAll([.. robots.Select(r => OpenAsync(r, [new(Topic(r, "cmd"), MqttQos.AtLeastOnce)])), OpenAsync(null, Kinds.Where(k => k != "cmd").Select(k => new MqttSubscription($"{Root}/+/+/{k}", MqttQos.AtLeastOnce)))]);
        await EndAsync("presence");
        foreach (var robot in robots)
        {
            await SendAsync("", robot, "cmd");
            await SendAsync(robot, robot, "conn", kept: true);
            await SendAsync(robot, robot, "rep");
        }

        await EndAsync("publishes");
        var together = Math.Max(1, robots.Count / 5);
        await Task.WhenAll(Enumerable.Range(0, together).Select(async n =>
        {
            foreach (var robot in robots.Where((_, i) => i % together == n))
            {
                await _links[robot].DisposeAsync();
                foreach (var filter in Filters(robot).Select(f => f.Filter).Where(f => !f.Contains($"/{robot}/", StringComparison.Ordinal)))
                {
                    await AttemptAsync(robot, $"subscription {filter}", options(robot) with { Subscriptions = [new(filter)] }, "");
                }

                foreach (var topic in robots.Where(r => r != robot).SelectMany(r => Kinds.Select(k => Topic(r, k))).Append(Topic(robot, "cmd")).Append("broadcast"))
                {
                    await AttemptAsync(robot, $"publish {topic}", options(robot), topic);
                }

                foreach (var other in robots.Where(r => r != robot))
                {
                    await AttemptAsync(robot, $"will {Topic(other, "cmd")}", options(robot) with { Will = () => new MqttMessage(Topic(other, "cmd"), Payload(robot, other, "will"), Qos: MqttQos.AtLeastOnce) }, "");
                    await AttemptAsync(robot, $"client id {other}", options(robot) with { ClientId = options(other).ClientId }, "");
                    await AttemptAsync(robot, $"client id and subscription {other}", options(robot) with { ClientId = options(other).ClientId, Subscriptions = [new(Topic(other, "cmd"))] }, "");
                }

                await OpenAsync(robot, [new(Topic(robot, "cmd"), MqttQos.AtLeastOnce)]);
            }
        }));
        await EndAsync("attempts");
        return passed;

        async Task AttemptAsync(string robot, string what, MqttOptions attempt, string topic)
        {
            Interlocked.Increment(ref _attempts);
            var listener = new Listener { OnReceived = m => Hear(robot, m) };
            await using var link = MosquittoLink.Start(attempt, listener, TimeProvider.System);
            await listener.UntilAsync(l => l.Connections > 0 || !l.Reasons.IsEmpty, $"{robot}: {what}: a connection, or a refusal");
            if (topic.Length > 0 && listener.Reasons.IsEmpty)
            {
                // What is allowed comes after it, and tells that it has passed.
                var mark = $"end {what}";
                _waiting[$" {robot} {mark}"] = listener;
                await SayAsync(link, topic, robot, topic.EndsWith("cmd", StringComparison.Ordinal) ? topic.Split('/')[3] : "", kept: false);
                link.TryPublish(new MqttMessage(Topic(robot, "rep"), Payload(robot, "", mark), Qos: MqttQos.AtLeastOnce));
                await listener.UntilAsync(l => !l.Reasons.IsEmpty || _ends.ContainsKey($" {robot} {mark}"), $"{robot}: {what}: its end");
            }

            if (listener.Reasons.IsEmpty)
            {
                passed.Add(what);
            }

            link.Abandon();
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var link in _links.Values)
        {
            await link.DisposeAsync();
        }
    }

    /// <summary>While a robot is away, its certificate or password is used against others, and then it comes back. Most are there meanwhile, to hear it and to be cut off.</summary>
    private Task ImpersonateAsync(Func<MqttOptions, string, string, IEnumerable<MqttOptions>> attempts)
    {
        var together = Math.Max(1, robots.Count / 5);
        return Task.WhenAll(Enumerable.Range(0, together).Select(async n =>
        {
            foreach (var robot in robots.Where((_, i) => i % together == n))
            {
                await _links[robot].DisposeAsync();
                foreach (var attempt in robots.Where(r => r != robot).SelectMany(other => attempts(options(robot), robot, other)))
                {
                    var listener = new Listener { OnReceived = m => Hear(robot, m) };
                    await using var link = MosquittoLink.Start(attempt, listener, TimeProvider.System);
                    await listener.UntilAsync(l => l.Connections > 0 || !l.Reasons.IsEmpty, "a connection, or a refusal");
                    link.Abandon();
                }

                await OpenAsync(robot, Filters(robot));
            }
        }));
    }

    private async Task OpenAsync(string? robot, IEnumerable<MqttSubscription> subscriptions)
    {
        var name = robot ?? "";
        var listener = new Listener { OnReceived = m => Hear(name, m) };
        _links[name] = MosquittoLink.Start(options(robot) with { Subscriptions = [.. subscriptions] }, listener, TimeProvider.System);
        _listeners[name] = listener;
        _all.Add(listener);
        await listener.ConnectedAsync();
    }

    /// <summary>Waits until everybody has heard the end of what was said, on topics where everybody may: brokers keep each connection's order.</summary>
    private async Task EndAsync(string phase)
    {
        foreach (var robot in robots)
        {
            await SayAsync(_links[robot], Topic(robot, "obs"), robot, "", kept: false, $"end {phase}");
        }

        await _listeners[""].UntilAsync(_ => robots.All(r => _ends.ContainsKey($" {r} end {phase}")), $"the robots' end of {phase}");
        if (phase is "presence")
        {
            return;
        }

        foreach (var robot in robots)
        {
            await SayAsync(_links[""], Topic(robot, "cmd"), "", robot, kept: false, $"end {phase}");
        }

        foreach (var robot in robots)
        {
            await _listeners[robot].UntilAsync(_ => _ends.ContainsKey($"{robot}  end {phase}"), $"the end of {phase} for {robot}");
        }
    }

    private Task SendAsync(string from, string owner, string kind, bool kept = false) => SayAsync(_links[from], Topic(owner, kind), from, kind == "cmd" ? owner : "", kept);

    private static byte[] Payload(string from, string meant, string what = "") => Encoding.UTF8.GetBytes($"{from} {meant} {what}");

    private static async Task SayAsync(MosquittoLink link, string topic, string from, string meant, bool kept, string what = "")
    {
        var began = TimeProvider.System.GetTimestamp();
        while (!link.TryPublish(new MqttMessage(topic, Payload(from, meant, what), Qos: MqttQos.AtLeastOnce, Retained: kept)))
        {
            // Where rights are missing it may have been cut off, and is back soon.
            if (TimeProvider.System.GetElapsedTime(began) > Listener.Patience)
            {
                throw new TimeoutException($"'{from}' has no connection");
            }

            await Task.Yield();
        }
    }

    private void Hear(string hearer, in MqttMessage message)
    {
        var parts = Encoding.UTF8.GetString(message.Payload.Span).Split(' ', 3);
        var levels = message.Topic.Split('/');
        var isRight = parts.Length == 3 && levels.Length == 5
            && (hearer.Length == 0 ? parts[0] == levels[3] && levels[4] != "cmd" : levels[3] == hearer && levels[4] == "cmd" && parts[0].Length == 0 && parts[1] == hearer);
        if (!isRight)
        {
            Interlocked.Add(ref _wrongBytes, message.Payload.Length);
            _wrong.AddOrUpdate($"'{hearer}' heard '{Encoding.UTF8.GetString(message.Payload.Span)}' on {message.Topic}", 1, (_, n) => n + 1);
            return;
        }

        Interlocked.Increment(ref _right);
        if (parts[2].Length > 0)
        {
            var end = $"{hearer} {parts[0]} {parts[2]}";
            _ends[end] = 0;
            if (_waiting.TryRemove(end, out var waiting))
            {
                waiting.Wake();
            }

            _listeners[hearer].Wake();
        }
    }
}
