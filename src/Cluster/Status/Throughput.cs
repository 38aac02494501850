namespace MimicD.Cluster.Status;

/// <summary>How many of something there were a second, over the last minute or since they began within it. Thread-safe; one count is an addition under a lock that is hardly ever contended.</summary>
/// <param name="time">The clock.</param>
public sealed class Throughput(TimeProvider time)
{
    private const int Seconds = 60;

    // Of a burst that has just begun the true length is not known.
    private const double ShortestSpan = 0.1;

    private readonly long _started = time.GetTimestamp();
    private readonly Lock _gate = new();

    // By whole seconds, in a ring.
    private readonly long[] _counts = new long[Seconds];
    private long _second;

    /// <summary>A second, up to now.</summary>
    public double PerSecond
    {
        get
        {
            lock (_gate)
            {
                var now = Advance();
                var (sum, oldest) = (0L, _second);
                for (var second = Math.Max(0, _second - Seconds + 1); second <= _second; second++)
                {
                    var count = _counts[second % Seconds];
                    oldest = count > 0 && sum == 0 ? second : oldest;
                    sum += count;
                }

                return sum / Math.Max(ShortestSpan, now - oldest);
            }
        }
    }

    /// <summary>Counts.</summary>
    public void Add(long count = 1)
    {
        lock (_gate)
        {
            Advance();
            _counts[_second % Seconds] += count;
        }
    }

    /// <summary>Empties what is older than a minute; returns the time [s].</summary>
    private double Advance()
    {
        var now = time.GetElapsedTime(_started).TotalSeconds;
        var second = (long)now;
        for (var next = Math.Max(_second + 1, second - Seconds + 1); next <= second; next++)
        {
            _counts[next % Seconds] = 0;
        }

        _second = Math.Max(_second, second);
        return now;
    }
}
