namespace MimicD.Bridges.Robots;

/// <summary>The rule that a message broke: the first one, in the order in which both guards look. What is refused has no effect but to be counted.</summary>
public enum Refusal
{
    /// <summary>None.</summary>
    None,

    /// <summary>It was kept by the broker, and may be of any age.</summary>
    Retained,

    /// <summary>Longer than the receiver takes.</summary>
    Size,

    /// <summary>A content type that the receiver does not know.</summary>
    Encoding,

    /// <summary>Not what such a message looks like.</summary>
    Parse,

    /// <summary>Another version of the contract.</summary>
    Version,

    /// <summary>Another run.</summary>
    Run,

    /// <summary>Another robot.</summary>
    Robot,

    /// <summary>Not the robot's present session.</summary>
    Session,

    /// <summary>A lower term than one seen in this session: a controller that another one has taken over from.</summary>
    Term,

    /// <summary>Not newer than one seen: a duplicate, or overtaken.</summary>
    Sequence,

    /// <summary>Too old, or from the future.</summary>
    Age,

    /// <summary>More often than the robot announced (observations).</summary>
    Rate,

    /// <summary>Another length.</summary>
    Dimension,

    /// <summary>A number that is not finite.</summary>
    Finite,

    /// <summary>A number out of its range.</summary>
    Range,

    /// <summary>Farther from the present state than one period allows.</summary>
    Change,

    /// <summary>Leads out of the polygon that the robot may move in (commands).</summary>
    Geofence,

    /// <summary>The robot has stopped, and the command does not arm it (commands).</summary>
    Disarmed,
}

/// <summary>Counts of refused messages, by rule.</summary>
public sealed class RefusalCounts
{
    private static readonly string[] Names = ["", "retained", "size", "encoding", "parse", "version", "run", "robot", "session", "term", "seq", "age", "rate", "dimension", "finite", "range", "change", "geofence", "disarmed"];

    private readonly long[] _counts = new long[Names.Length];

    /// <summary>All rules together.</summary>
    public long Sum => _counts.Sum();

    /// <summary>One rule's count.</summary>
    public long this[Refusal refusal] => _counts[(int)refusal];

    /// <summary>The name that a rule goes by in reports.</summary>
    public static string NameOf(Refusal refusal) => Names[(int)refusal];

    /// <summary>The rule that goes by a name; <see cref="Refusal.None"/> where there is none.</summary>
    public static Refusal Named(string name) => (Refusal)Math.Max(0, Array.IndexOf(Names, name, 1));

    /// <summary>Counts one.</summary>
    public void Count(Refusal refusal) => _counts[(int)refusal]++;

    /// <summary>Forgets all.</summary>
    public void Clear() => Array.Clear(_counts);

    /// <summary>Those that are not 0, by name.</summary>
    public Dictionary<string, long> ByName()
    {
        var found = new Dictionary<string, long>(StringComparer.Ordinal);
        for (var i = 1; i < Names.Length; i++)
        {
            if (_counts[i] > 0)
            {
                found.Add(Names[i], _counts[i]);
            }
        }

        return found;
    }
}
