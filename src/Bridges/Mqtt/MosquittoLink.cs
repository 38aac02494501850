using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Text;
using MimicD.Contracts;

namespace MimicD.Bridges.Mqtt;

/// <summary>
/// A connection by libmosquitto. One thread owns it: only that thread calls the library, and it sleeps until the socket or a message to be sent wakes it. Every attempt at a connection begins with a new client of
/// the library, so that nothing of an old connection is ever said on a new one.
/// </summary>
/// <remarks>
/// The thread waits by <c>poll</c> and not by <c>mosquitto_loop</c>, which uses <c>select</c> and so refuses descriptors above 1023; two hundred links have about a thousand.
/// </remarks>
public sealed class MosquittoLink : IMqttLink
{
    /// <summary>Debian's package.</summary>
    public const string Package = "libmosquitto1";

    // A payload's largest length in MQTT is 2^28 - 1 less its header.
    private const int LongestPayload = 268_000_000;
    private const int LongestTopic = 65_535;
    private const int KeptTopics = 4096;
    private const double SuccessInWaits = 4;

    // What the system may hold that has not left yet; beyond that newer messages replace older ones here, where that can be done.
    private const int UnsentBytes = 4096;

    // Linux's numbers.
    private const int Tcp = 6;
    private const int NotSentLowWater = 25;
    private const int SetDescriptorFlags = 2;
    private const int DuplicateCloseOnExec = 1030;
    private const int CloseOnExec = 1;
    private const int EventFlags = 0x80000 | 0x800;
    private const int ShutWrite = 1;
    private const int LookMilliseconds = 1000;

    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);
    private static readonly Lock Loading = new();
    private static bool _loaded;

    private readonly MqttOptions _options;
    private readonly IMqttListener _listener;
    private readonly TimeProvider _time;
    private readonly ITimer _alarm;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly GCHandle _self;

    // What other threads touch, all under this lock.
    private readonly Lock _gate = new();
    private readonly Queue<Outgoing> _outbox = new();
    private readonly Dictionary<string, Outgoing> _waiting = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();
    private int _bell;
    private bool _rung;
    private int _underWay;
    private long _superseded;
    private long _lost;
    private bool _isOpen;
    private volatile bool _ending;
    private volatile bool _abandoned;
    private volatile bool _alarmed;

    // The thread's own.
    private readonly HashSet<string> _topics = new(StringComparer.Ordinal);
    private readonly Dictionary<int, string> _asked = [];
    private readonly List<MqttMessage> _early = [];
    private nint _client;
    private byte[] _received = new byte[4096];
    private string? _contentType;
    private nint _contentProperty;
    private string? _receivedType;
    private bool _accepted;
    private bool _subscribed;
    private bool _wasRefused;
    private bool _triesAll;
    private long _opened;
    private string? _fault;
    private string? _said;
    private int _systemError;
    private int _gone;
    private ExceptionDispatchInfo? _bug;
    private long _begun;
    private TimeSpan _deadline;

    private MosquittoLink(MqttOptions options, IMqttListener listener, TimeProvider time)
    {
        (_options, _listener, _time) = (options, listener, time);
        _bell = NativeMethods.eventfd(0, EventFlags);
        if (_bell < 0)
        {
            throw new IOException($"no descriptor for a connection to {options.Broker}: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        _self = GCHandle.Alloc(this);
        _alarm = time.CreateTimer(_ =>
        {
            _alarmed = true;
            Ring();
        }, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Version of the library that is installed, or null.</summary>
    public static string? LibraryVersion
    {
        get
        {
            try
            {
                _ = NativeMethods.mosquitto_lib_version(out var major, out var minor, out var revision);
                return $"{major}.{minor}.{revision}";
            }
            catch (DllNotFoundException)
            {
                return null;
            }
        }
    }

    /// <inheritdoc/>
    public bool IsConnected
    {
        get
        {
            lock (_gate)
            {
                return _isOpen;
            }
        }
    }

    /// <summary>Messages that waited, because the connection took no more, until a newer one of their topic took their place.</summary>
    public long Superseded
    {
        get
        {
            lock (_gate)
            {
                return _superseded;
            }
        }
    }

    /// <summary>Messages that were taken and never left: the connection was lost before, or the broker takes none of their length. What was written to a connection that is lost is not counted; nobody knows.</summary>
    public long Lost
    {
        get
        {
            lock (_gate)
            {
                return _lost;
            }
        }
    }

    private string Where => $"broker {_options.Broker.ToString().TrimEnd('/')}";

    private string Silence => $"no answer within {_options.KeepAlive.TotalSeconds:0.#} s";

    private bool IsRefusal => !_triesAll && _systemError == NativeMethods.ConnectionRefused;

    /// <summary>Begins to connect, and returns at once; the listener hears of it.</summary>
    /// <param name="options">Where, as whom, and what for.</param>
    /// <param name="listener">Told what happens, by the connection's own thread. It must not throw.</param>
    /// <param name="time">The clock of waits and deadlines.</param>
    /// <exception cref="InvalidInputException">The library is not installed, or an option cannot be.</exception>
    public static MosquittoLink Start(MqttOptions options, IMqttListener listener, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(listener);
        ArgumentNullException.ThrowIfNull(time);
        Load();
        Check(options);
        var link = new MosquittoLink(options, listener, time);
        new Thread(link.Own) { IsBackground = true, Name = $"mqtt {options.ClientId}" }.Start();
        return link;
    }

    /// <inheritdoc/>
    public bool TryPublish(in MqttMessage message)
    {
        Check(message);
        lock (_gate)
        {
            if (_ending || !_isOpen)
            {
                return false;
            }

            if (_underWay < _options.Window)
            {
                _underWay++;
                _outbox.Enqueue(Outgoing.Copy(message));
                RingLocked();
            }
            else if (_waiting.TryGetValue(message.Topic, out var older))
            {
                older.Release();
                _superseded++;
                _waiting[message.Topic] = Outgoing.Copy(message);
            }
            else
            {
                _order.Enqueue(message.Topic);
                _waiting.Add(message.Topic, Outgoing.Copy(message));
            }

            return true;
        }
    }

    /// <summary>Ends the connection as a crash would: without a farewell, so that the broker says the will.</summary>
    internal void Abandon()
    {
        _abandoned = true;
        _ending = true;
        Ring();
    }

    /// <summary>What was published gets a short while to leave; then a clean end, after which the broker does not say the will.</summary>
    public async ValueTask DisposeAsync()
    {
        _ending = true;
        Ring();
        try
        {
            // A thread that the system keeps in a name's resolution cannot be called back; it frees what it holds as soon as it returns.
            await _ended.Task.WaitAsync(2 * Farewell, _time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
        }
    }

    private static void Load()
    {
        lock (Loading)
        {
            if (_loaded)
            {
                return;
            }

            try
            {
                _ = NativeMethods.mosquitto_lib_init();
                _loaded = true;
            }
            catch (DllNotFoundException e)
            {
                throw new InvalidInputException($"MQTT: expected libmosquitto.so.1 (apt-get update && apt-get install -y --no-install-recommends {Package}), found nothing", e);
            }
        }
    }

    private static void Check(MqttOptions options)
    {
        var where = $"broker {options.Broker.ToString().TrimEnd('/')}";
        InvalidInputException.Require(options.KeepAlive >= TimeSpan.FromSeconds(5) && options.KeepAlive <= TimeSpan.FromSeconds(ushort.MaxValue), where, "keep-alive", "5 s to 65535 s", $"{options.KeepAlive.TotalSeconds} s");
        InvalidInputException.Require(options.Window >= 1, where, "window", "1 or more", options.Window);
        InvalidInputException.Require(options.FirstWait > TimeSpan.Zero && options.LongestWait >= options.FirstWait, where, "first and longest wait", "more than 0 s, and no less than the first", $"{options.FirstWait.TotalSeconds} s and {options.LongestWait.TotalSeconds} s");
        foreach (var (name, file) in new[] { ("authority", options.Tls.Authority), ("certificate", options.Tls.Certificate), ("key", options.Tls.Key) })
        {
            InvalidInputException.Require(file is null || File.Exists(file), where, name, "a file", file);
        }

        InvalidInputException.Require(options.Tls.Certificate is null == options.Tls.Key is null, where, "certificate and key", "both or neither", options.Tls.Certificate ?? options.Tls.Key);
    }

    private static void Check(in MqttMessage message)
    {
        var topic = message.Topic;
        if (string.IsNullOrEmpty(topic) || topic.AsSpan().ContainsAny('+', '#', '\0') || Encoding.UTF8.GetByteCount(topic) > LongestTopic)
        {
            throw new ArgumentException($"expected a topic of 1 to {LongestTopic} bytes without wildcards, found '{topic}'", nameof(message));
        }

        if (message.Payload.Length > LongestPayload)
        {
            throw new ArgumentException($"expected a payload of at most {LongestPayload} bytes, found {message.Payload.Length}", nameof(message));
        }
    }

    private void Own()
    {
        var wait = _options.FirstWait;
        string? told = null;
        while (!_ending)
        {
            var (stood, reason) = Connection();
            if (_ending)
            {
                break;
            }

            // Two that have one client id cut each other off, and few brokers say so: a connection that did not stand for much longer than was waited for it is no success.
            if (stood && _time.GetElapsedTime(_opened) > SuccessInWaits * wait)
            {
                wait = _options.FirstWait;
            }

            reason = $"{Where}: {reason}";
            if (stood || reason != told)
            {
                _listener.Disconnected(reason);
            }

            told = stood ? null : reason;
            SetDeadline(wait * (0.5 + (Random.Shared.NextDouble() / 2)));
            while (!_ending && !DeadlinePassed())
            {
                Poll(-1, false, Timeout.Infinite, out _, out _);
            }

            wait = TimeSpan.FromTicks(Math.Min(2 * wait.Ticks, _options.LongestWait.Ticks));
        }

        _alarm.Dispose();
        lock (_gate)
        {
            _ = NativeMethods.close(_bell);
            _bell = -1;
        }

        _self.Free();
        _ended.SetResult();
    }

    /// <summary>One connection, from the attempt to its end.</summary>
    /// <returns>Whether it stood, and why it does no more.</returns>
    private (bool Stood, string Reason) Connection()
    {
        (_accepted, _subscribed, _fault, _said, _systemError, _gone) = (false, false, null, null, 0, NativeMethods.Success);
        _asked.Clear();
        _early.Clear();
        _client = NativeMethods.mosquitto_new(_options.ClientId.Length == 0 ? null : _options.ClientId, clean: true, GCHandle.ToIntPtr(_self));
        if (_client == 0)
        {
            return (false, Marshal.GetLastPInvokeErrorMessage());
        }

        var stood = false;
        try
        {
            var error = Configure();
            if (error == NativeMethods.Success)
            {
                SetDeadline(_options.KeepAlive);
                error = Connect();
                _wasRefused = error == NativeMethods.SystemError && IsRefusal;
            }

            var reason = error == NativeMethods.Success ? Serve(ref stood) : Reason(error);
            return (stood, reason);
        }
        finally
        {
            lock (_gate)
            {
                _isOpen = false;
                _lost += _outbox.Count + _waiting.Count;
                foreach (var message in _outbox.Concat(_waiting.Values))
                {
                    message.Release();
                }

                _outbox.Clear();
                _waiting.Clear();
                _order.Clear();
                _underWay = 0;
            }

            NativeMethods.mosquitto_destroy(_client);
            _client = 0;
            NativeMethods.mosquitto_property_free_all(ref _contentProperty);
            (_contentProperty, _contentType) = (0, null);
        }
    }

    private unsafe int Configure()
    {
        NativeMethods.mosquitto_log_callback_set(_client, &OnLog);
        NativeMethods.mosquitto_connect_v5_callback_set(_client, &OnConnect);
        NativeMethods.mosquitto_disconnect_v5_callback_set(_client, &OnDisconnect);
        NativeMethods.mosquitto_subscribe_v5_callback_set(_client, &OnSubscribe);
        NativeMethods.mosquitto_publish_v5_callback_set(_client, &OnPublish);
        NativeMethods.mosquitto_message_v5_callback_set(_client, &OnMessage);
        var error = NativeMethods.mosquitto_int_option(_client, NativeMethods.OptionProtocolVersion, _options.Version == MqttVersion.V5 ? 5 : 4);
        if (error == NativeMethods.Success)
        {
            error = NativeMethods.mosquitto_int_option(_client, NativeMethods.OptionNoDelay, 1);
        }

        if (error == NativeMethods.Success && (_options.User is not null || _options.Password is not null))
        {
            error = NativeMethods.mosquitto_username_pw_set(_client, _options.User, _options.Password);
        }

        if (error == NativeMethods.Success && _options.Broker.Scheme == "mqtts")
        {
            var tls = _options.Tls;
            error = NativeMethods.mosquitto_tls_set(_client, tls.Authority, tls.Authority is null ? "/etc/ssl/certs" : null, tls.Certificate, tls.Key, &OnPassword);
            if (error == NativeMethods.Success)
            {
                error = NativeMethods.mosquitto_tls_opts_set(_client, verify: 1, null, null);
            }
        }

        return error == NativeMethods.Success && _options.Will is { } will ? SetWill(will()) : error;
    }

    private unsafe int SetWill(in MqttMessage will)
    {
        fixed (byte* payload = will.Payload.Span)
        {
            if (_options.Version == MqttVersion.V311)
            {
                return NativeMethods.mosquitto_will_set(_client, will.Topic, will.Payload.Length, payload, (int)will.Qos, will.Retained);
            }

            nint properties = 0;
            if (will.ContentType is { } type)
            {
                var error = NativeMethods.mosquitto_property_add_string(ref properties, NativeMethods.ContentType, type);
                if (error != NativeMethods.Success)
                {
                    return error;
                }
            }

            var set = NativeMethods.mosquitto_will_set_v5(_client, will.Topic, will.Payload.Length, payload, (int)will.Qos, will.Retained, properties);
            if (set != NativeMethods.Success)
            {
                // Only a will that was taken keeps them.
                NativeMethods.mosquitto_property_free_all(ref properties);
            }

            return set;
        }
    }

    private unsafe int Connect()
    {
        var (host, keepAlive) = (_options.Broker.DnsSafeHost, (int)_options.KeepAlive.TotalSeconds);
        var port = _options.Broker.Port > 0 ? _options.Broker.Port : _options.Broker.Scheme == "mqtts" ? 8883 : 1883;

        // An attempt that can be given up tries a name's first address alone. Where that one refuses, it does so at once, and then all are tried, one after another.
        _triesAll = _wasRefused && _options.Broker.HostNameType == UriHostNameType.Dns;
        _wasRefused = false;
        var error = _triesAll ? NativeMethods.mosquitto_connect(_client, host, port, keepAlive) : NativeMethods.mosquitto_connect_async(_client, host, port, keepAlive);
        _systemError = Marshal.GetLastPInvokeError();
        var socket = NativeMethods.mosquitto_socket(_client);
        if (socket >= 0)
        {
            // A process that is started meanwhile must not keep the connection open when this one ends it.
            _ = NativeMethods.fcntl(socket, SetDescriptorFlags, CloseOnExec);
            var unsent = UnsentBytes;
            _ = NativeMethods.setsockopt(socket, Tcp, NotSentLowWater, &unsent, sizeof(int));
        }

        // A connection that is under way is no error, and says so by a negative number.
        return Math.Max(error, NativeMethods.Success);
    }

    private string Serve(ref bool stood)
    {
        var (looked, leaving, lingering) = (Environment.TickCount64, false, -1);
        try
        {
            var hurried = false;
            while (!_abandoned)
            {
                if (_ending && !hurried)
                {
                    SetDeadline(Farewell);
                    hurried = true;
                }

                if (hurried ? leaving && DeadlinePassed() : !stood && DeadlinePassed())
                {
                    return Silence;
                }

                Send();
                if (hurried && !leaving && (IsIdle() || DeadlinePassed()))
                {
                    // Kept open by a second descriptor until the broker hangs up: closing with anything unread would reset the connection, and the broker might never read the end of it.
                    leaving = true;
                    lingering = NativeMethods.fcntl(NativeMethods.mosquitto_socket(_client), DuplicateCloseOnExec, 0);
                    SetDeadline(Farewell);
                    _ = NativeMethods.mosquitto_disconnect(_client);
                }

                var socket = NativeMethods.mosquitto_socket(_client);
                if (_fault is not null || socket < 0)
                {
                    break;
                }

                Poll(socket, NativeMethods.mosquitto_want_write(_client), LookMilliseconds, out var readable, out var writable);
                var error = readable ? Noted(NativeMethods.mosquitto_loop_read(_client, 1)) : NativeMethods.Success;
                if (error == NativeMethods.Success && writable)
                {
                    error = Noted(NativeMethods.mosquitto_loop_write(_client, 1));
                }

                // Signs of life are counted in seconds.
                if (error == NativeMethods.Success && Environment.TickCount64 - looked >= LookMilliseconds)
                {
                    looked = Environment.TickCount64;
                    error = Noted(NativeMethods.mosquitto_loop_misc(_client));
                }

                _bug?.Throw();
                if (_fault is not null)
                {
                    break;
                }

                if (error != NativeMethods.Success)
                {
                    _wasRefused = !_accepted && IsRefusal;
                    return Reason(_gone >= NativeMethods.Failure ? _gone : error);
                }

                if (_accepted && !stood && !_ending)
                {
                    stood = Advance();
                }
            }

            return _fault ?? Reason(_gone);
        }
        finally
        {
            if (lingering >= 0)
            {
                Linger(lingering);
            }
        }
    }

    /// <summary>Of a connection that the broker has accepted: subscribes, and once all is granted opens it.</summary>
    private unsafe bool Advance()
    {
        if (!_subscribed)
        {
            _subscribed = true;
            foreach (var wanted in _options.Subscriptions)
            {
                var error = Noted(NativeMethods.mosquitto_subscribe_v5(_client, out var id, wanted.Filter, (int)wanted.Qos, wanted.Kept || _options.Version == MqttVersion.V311 ? 0 : NativeMethods.NoRetainedMessages, 0));
                if (error != NativeMethods.Success)
                {
                    _fault = $"subscription '{wanted.Filter}': {Reason(error)}";
                    return false;
                }

                _asked.Add(id, wanted.Filter);
            }
        }

        if (_asked.Count > 0)
        {
            return false;
        }

        // From here on the library has nothing to tell but each packet.
        NativeMethods.mosquitto_log_callback_set(_client, null);
        lock (_gate)
        {
            _isOpen = true;
        }

        _opened = _time.GetTimestamp();
        _listener.Connected();
        foreach (var message in _early)
        {
            _listener.Received(message);
        }

        _early.Clear();
        return true;
    }

    private unsafe void Send()
    {
        while (true)
        {
            Outgoing message;
            lock (_gate)
            {
                if (!_outbox.TryDequeue(out message))
                {
                    return;
                }
            }

            if (_options.Version == MqttVersion.V5 && message.ContentType != _contentType)
            {
                NativeMethods.mosquitto_property_free_all(ref _contentProperty);
                (_contentProperty, _contentType) = (0, message.ContentType);
                if (_contentType is not null)
                {
                    _ = NativeMethods.mosquitto_property_add_string(ref _contentProperty, NativeMethods.ContentType, _contentType);
                }
            }

            int error;
            fixed (byte* payload = message.Payload)
            {
                error = NativeMethods.mosquitto_publish_v5(_client, 0, message.Topic, message.Length, payload, (int)message.Qos, message.Retained, _contentProperty);
            }

            message.Release();
            if (error != NativeMethods.Success)
            {
                Written(lost: true);
            }
        }
    }

    /// <summary>One message less is under way; the oldest that waits takes its place.</summary>
    private void Written(bool lost)
    {
        lock (_gate)
        {
            _lost += lost ? 1 : 0;
            if (_order.TryDequeue(out var topic) && _waiting.Remove(topic, out var message))
            {
                _outbox.Enqueue(message);
            }
            else
            {
                _underWay = Math.Max(0, _underWay - 1);
            }
        }
    }

    private bool IsIdle()
    {
        lock (_gate)
        {
            return _underWay == 0;
        }
    }

    /// <summary>Waits until the broker has hung up, for a while at most.</summary>
    private unsafe void Linger(int socket)
    {
        Span<byte> rest = stackalloc byte[512];
        _ = NativeMethods.shutdown(socket, ShutWrite);
        while (!DeadlinePassed())
        {
            Poll(socket, false, Timeout.Infinite, out var readable, out _);
            if (readable)
            {
                nint count;
                fixed (byte* into = rest)
                {
                    count = NativeMethods.read(socket, into, rest.Length);
                }

                if (count == 0 || (count < 0 && Marshal.GetLastPInvokeError() is not (NativeMethods.Again or NativeMethods.Interrupted)))
                {
                    break;
                }
            }
        }

        _ = NativeMethods.close(socket);
    }

    private unsafe void Poll(int socket, bool writes, int milliseconds, out bool readable, out bool writable)
    {
        var descriptors = stackalloc NativeMethods.PollDescriptor[2];
        descriptors[0] = new() { Descriptor = _bell, Events = NativeMethods.In };
        descriptors[1] = new() { Descriptor = socket, Events = (short)(NativeMethods.In | (writes ? NativeMethods.Out : 0)) };
        var count = NativeMethods.poll(descriptors, socket < 0 ? 1u : 2u, milliseconds);
        (readable, writable) = (count > 0 && socket >= 0 && (descriptors[1].Happened & ~NativeMethods.Out) != 0, count > 0 && socket >= 0 && (descriptors[1].Happened & NativeMethods.Out) != 0);
        if (count > 0 && descriptors[0].Happened != 0)
        {
            lock (_gate)
            {
                long rings;
                _ = NativeMethods.read(_bell, &rings, sizeof(long));
                _rung = false;
            }
        }
    }

    private void Ring()
    {
        lock (_gate)
        {
            RingLocked();
        }
    }

    private unsafe void RingLocked()
    {
        if (_rung || _bell < 0)
        {
            return;
        }

        _rung = true;
        var one = 1L;
        _ = NativeMethods.write(_bell, &one, sizeof(long));
    }

    private void SetDeadline(TimeSpan wait)
    {
        (_begun, _deadline, _alarmed) = (_time.GetTimestamp(), wait, false);
        _alarm.Change(wait, Timeout.InfiniteTimeSpan);
    }

    private bool DeadlinePassed()
    {
        var left = _deadline - _time.GetElapsedTime(_begun);
        if (left <= TimeSpan.Zero)
        {
            return true;
        }

        if (_alarmed)
        {
            // Timers know whole milliseconds.
            _alarmed = false;
            _alarm.Change(left + TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
        }

        return false;
    }

    /// <summary>Keeps the system's error number, where that says what is wrong.</summary>
    private int Noted(int error)
    {
        if (error == NativeMethods.SystemError && _systemError == 0)
        {
            _systemError = Marshal.GetLastPInvokeError();
        }

        return error;
    }

    private string Reason(int error)
    {
        var text = error switch
        {
            NativeMethods.SystemError when _systemError != 0 => Marshal.GetPInvokeErrorMessage(_systemError),
            >= NativeMethods.Failure => NativeMethods.Text(NativeMethods.mosquitto_reason_string(error)),
            NativeMethods.Success => "The connection was closed",
            NativeMethods.KeepAlive => Silence,
            _ => NativeMethods.Text(NativeMethods.mosquitto_strerror(error)),
        };
        if (_said is null)
        {
            return text.TrimEnd('.');
        }

        // OpenSSL's own line names its number and its function first, which say nothing to whoever reads this.
        var said = _said.StartsWith("OpenSSL", StringComparison.Ordinal) ? _said[(_said.LastIndexOf(':') + 1)..] : _said.Replace("Error: ", "", StringComparison.Ordinal);
        return $"{text.TrimEnd('.')}: {said.Trim().TrimEnd('.').ReplaceLineEndings(" ")}";
    }

    private static MosquittoLink Of(nint owner) => (MosquittoLink)GCHandle.FromIntPtr(owner).Target!;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe int OnPassword(byte* buffer, int size, int forWriting, nint owner)
    {
        // A key that has a password is refused; without this the library would ask at the terminal.
        return 0;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe void OnLog(nint client, nint owner, int level, byte* text)
    {
        if (level is NativeMethods.LogError or NativeMethods.LogWarning)
        {
            // The first is the cause, whatever follows from it.
            Of(owner)._said ??= NativeMethods.Text((nint)text);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe void OnConnect(nint client, nint owner, int code, int flags, nint properties)
    {
        var link = Of(owner);
        link._accepted = code == NativeMethods.Success;
        if (!link._accepted)
        {
            link._fault = $"refused: {NativeMethods.Text(code < NativeMethods.Failure ? NativeMethods.mosquitto_connack_string(code) : NativeMethods.mosquitto_reason_string(code)).TrimEnd('.')}";
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe void OnDisconnect(nint client, nint owner, int code, nint properties)
    {
        var (link, systemError) = (Of(owner), Marshal.GetLastSystemError());

        // What the broker says comes first, and then that the connection is lost.
        link._gone = link._gone == NativeMethods.Success ? code : link._gone;
        if (code == NativeMethods.SystemError && link._systemError == 0)
        {
            link._systemError = systemError;
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe void OnSubscribe(nint client, nint owner, int id, int count, int* granted, nint properties)
    {
        var link = Of(owner);
        if (!link._asked.Remove(id, out var filter))
        {
            return;
        }

        for (var i = 0; i < count; i++)
        {
            if (granted[i] >= NativeMethods.Failure)
            {
                link._fault ??= $"subscription '{filter}' refused: {NativeMethods.Text(NativeMethods.mosquitto_reason_string(granted[i])).TrimEnd('.')}";
            }
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe void OnPublish(nint client, nint owner, int id, int code, nint properties) => Of(owner).Written(lost: code >= NativeMethods.Failure);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe void OnMessage(nint client, nint owner, NativeMethods.Message* message, nint properties)
    {
        var link = Of(owner);
        try
        {
            link.Take(*message, properties);
        }
        catch (Exception e)
        {
            // Nothing may be thrown through the library; the thread throws it when that has returned.
            link._bug ??= ExceptionDispatchInfo.Capture(e);
        }
    }

    private unsafe void Take(in NativeMethods.Message message, nint properties)
    {
        var (topic, qos, retained) = (Topic(message.Topic), message.Qos == 0 ? MqttQos.AtMostOnce : MqttQos.AtLeastOnce, message.Retain != 0);
        var payload = new ReadOnlySpan<byte>(message.Payload, message.Length);
        bool open;
        lock (_gate)
        {
            open = _isOpen;
        }

        if (!open)
        {
            // What the broker sends before it has granted all: kept is what it will not say again.
            if (retained || qos == MqttQos.AtLeastOnce)
            {
                _early.Add(new MqttMessage(topic, payload.ToArray(), Type(properties), qos, retained));
            }

            return;
        }

        if (_received.Length < message.Length)
        {
            _received = new byte[Math.Max(message.Length, 2 * _received.Length)];
        }

        payload.CopyTo(_received);
        _listener.Received(new MqttMessage(topic, _received.AsMemory(0, message.Length), Type(properties), qos, retained));
    }

    /// <summary>The same string for the same bytes, as long as there are not too many.</summary>
    private unsafe string Topic(byte* text)
    {
        var bytes = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text);
        if (bytes.Length > 512)
        {
            return Encoding.UTF8.GetString(bytes);
        }

        Span<char> characters = stackalloc char[512];
        var topic = characters[..Encoding.UTF8.GetChars(bytes, characters)];
        if (_topics.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(topic, out var known))
        {
            return known;
        }

        if (_topics.Count >= KeptTopics)
        {
            _topics.Clear();
        }

        var added = topic.ToString();
        _topics.Add(added);
        return added;
    }

    private unsafe string? Type(nint properties)
    {
        if (properties == 0 || NativeMethods.mosquitto_property_read_string(properties, NativeMethods.ContentType, out var text, skipFirst: false) == 0)
        {
            return null;
        }

        var bytes = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text);
        if (_receivedType is null || !Same(bytes, _receivedType))
        {
            _receivedType = Encoding.UTF8.GetString(bytes);
        }

        NativeMemory.Free(text);
        return _receivedType;

        static bool Same(ReadOnlySpan<byte> bytes, string text)
        {
            Span<byte> other = stackalloc byte[128];
            return Encoding.UTF8.TryGetBytes(text, other, out var written) && bytes.SequenceEqual(other[..written]);
        }
    }

    private readonly record struct Outgoing(string Topic, byte[] Payload, int Length, string? ContentType, MqttQos Qos, bool Retained)
    {
        public static Outgoing Copy(in MqttMessage message)
        {
            var payload = ArrayPool<byte>.Shared.Rent(message.Payload.Length);
            message.Payload.Span.CopyTo(payload);
            return new Outgoing(message.Topic, payload, message.Payload.Length, message.ContentType, message.Qos, message.Retained);
        }

        public void Release() => ArrayPool<byte>.Shared.Return(Payload);
    }
}
