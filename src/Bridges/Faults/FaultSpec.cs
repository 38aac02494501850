using System.Globalization;
using MimicD.Contracts;

namespace MimicD.Bridges.Faults;

/// <summary>Faults that begin by chance and last a while.</summary>
public sealed record PassingFault
{
    /// <summary>Chance, in each second of a connection, that one begins: 0 to 1.</summary>
    public double Chance { get; init; }

    /// <summary>How long it lasts [ms].</summary>
    public double Ms { get; init; }
}

/// <summary>What a bad network does to a connection. All zero: nothing.</summary>
public sealed record FaultSpec
{
    /// <summary>The grammar, in one line.</summary>
    public const string Grammar = "delay=MS,jitter=MS,stall=CHANCE:MS,reset=CHANCE,lose-client=CHANCE,lose-broker=CHANCE,silence=CHANCE,split=BYTES,merge=MS, each at most once; a chance is per second and connection";

    private const double LongestMs = 3_600_000;
    private const int LargestPiece = 65_536;

    /// <summary>Every byte comes so much later [ms], in each direction.</summary>
    public double Delay { get; init; }

    /// <summary>And up to so much more, drawn anew for each segment [ms]. Bytes keep their order: a late one holds those behind it.</summary>
    public double Jitter { get; init; }

    /// <summary>No bytes for a while, in one direction or both; they come afterwards.</summary>
    public PassingFault Stall { get; init; } = new();

    /// <summary>Chance a second that both sides' connections are reset.</summary>
    public double Reset { get; init; }

    /// <summary>Chance a second of a half-open connection: the client's is reset, and the broker is told nothing.</summary>
    public double LoseClient { get; init; }

    /// <summary>Chance a second of a half-open connection: the broker's is reset, and the client is told nothing.</summary>
    public double LoseBroker { get; init; }

    /// <summary>Chance a second that from then on one direction passes nothing, and neither side is told.</summary>
    public double Silence { get; init; }

    /// <summary>Writes are of 1 to so many bytes; 0: as they come.</summary>
    public int Split { get; init; }

    /// <summary>What comes within so much time is written at once [ms].</summary>
    public double Merge { get; init; }

    /// <summary>Reads <see cref="Grammar"/>, or JSON with the properties of this record.</summary>
    /// <param name="text">Such as <c>delay=20,jitter=200,stall=0.05:500</c> or <c>{"delay": 20, "stall": {"chance": 0.05, "ms": 500}}</c>.</param>
    /// <param name="where">The option or file it came from, for the message.</param>
    /// <exception cref="InvalidInputException">It is neither, or a value is out of range.</exception>
    public static FaultSpec Parse(string text, string where)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.TrimStart().StartsWith('{') ? StrictJson.Parse<FaultSpec>(text, where).Checked(where) : ParseText(text, where).Checked(where);
    }

    private static FaultSpec ParseText(string text, string where)
    {
        var spec = new FaultSpec();
        var known = new HashSet<string>(StringComparer.Ordinal);
        foreach (var part in text.Split(','))
        {
            var (key, value) = part.IndexOf('=', StringComparison.Ordinal) is var at and > 0 ? (part[..at].Trim(), part[(at + 1)..].Trim()) : (part.Trim(), "");
            InvalidInputException.Require(known.Add(key), where, key, "one value", "two");
            spec = key switch
            {
                "delay" => spec with { Delay = Number(value) },
                "jitter" => spec with { Jitter = Number(value) },
                "stall" => spec with { Stall = Passing(value) },
                "reset" => spec with { Reset = Number(value) },
                "lose-client" => spec with { LoseClient = Number(value) },
                "lose-broker" => spec with { LoseBroker = Number(value) },
                "silence" => spec with { Silence = Number(value) },
                "split" => spec with { Split = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var bytes) ? bytes : throw InvalidInputException.Create(where, key, $"0 to {LargestPiece} bytes", Found(value)) },
                "merge" => spec with { Merge = Number(value) },
                _ => throw InvalidInputException.Create(where, "", Grammar, part.Length == 0 ? null : $"'{part}'"),
            };

            double Number(string number)
                => double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var parsed) ? parsed : throw InvalidInputException.Create(where, key, "a number", Found(number));

            PassingFault Passing(string pair)
                => pair.Split(':') is [var chance, var ms] ? new PassingFault { Chance = Number(chance), Ms = Number(ms) } : throw InvalidInputException.Create(where, key, "CHANCE:MS", Found(pair));
        }

        return spec;

        static object? Found(string value) => value.Length == 0 ? null : value;
    }

    private FaultSpec Checked(string where)
    {
        Ms("delay", Delay);
        Ms("jitter", Jitter);
        Chance("stall", Stall.Chance);
        Ms("stall", Stall.Ms);
        Chance("reset", Reset);
        Chance("lose-client", LoseClient);
        Chance("lose-broker", LoseBroker);
        Chance("silence", Silence);
        InvalidInputException.Require(Split is >= 0 and <= LargestPiece, where, "split", $"0 to {LargestPiece} bytes", Split);
        Ms("merge", Merge);
        return this;

        void Ms(string key, double value) => InvalidInputException.Require(value is >= 0 and <= LongestMs, where, key, $"0 to {LongestMs:0} ms", value);
        void Chance(string key, double value) => InvalidInputException.Require(value is >= 0 and <= 1, where, key, "a chance of 0 to 1", value);
    }
}
