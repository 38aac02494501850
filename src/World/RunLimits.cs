using System.Globalization;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World;

/// <summary>How large a run is: all that its limits and the memory that it needs follow from.</summary>
/// <param name="Episodes">Episodes (E).</param>
/// <param name="Agents">Agents an episode (N).</param>
/// <param name="Steps">Positions of a path, the start included (T).</param>
/// <param name="Dimensions">Dimensions of space (D).</param>
/// <param name="ActionSize">Numbers in one action (A).</param>
public sealed record RunSize(long Episodes, long Agents, long Steps, long Dimensions, long ActionSize)
{
    /// <summary>Numbers in the longest observation (F); 0 where it is not known yet.</summary>
    public long FrameSize { get; init; }

    /// <summary>Ticks that an agent remembers, and that a snapshot holds (W).</summary>
    public long WindowTicks { get; init; } = 1;

    /// <summary>Ticks by which others are sensed late.</summary>
    public long Delay { get; init; }

    /// <summary>Whether the observations of all agents are held at a time: for snapshots, a log, or a host that takes them one by one.</summary>
    public bool HoldsObservations { get; init; }

    /// <summary>Whether snapshots are written or gone on from.</summary>
    public bool Snapshots { get; init; }

    /// <summary>Whether an event log is written.</summary>
    public bool Log { get; init; }

    /// <summary>The tick at which the world begins.</summary>
    public long From { get; init; }

    /// <summary>Whether agents live in this process.</summary>
    public bool AgentsHere { get; init; }

    /// <summary>Whether figures are computed and <c>result.json</c> is written, which lists starts and goals.</summary>
    public bool Results { get; init; }

    /// <summary>Agents of all episodes, E * N.</summary>
    public long Bodies => Product(Episodes, Agents);

    /// <summary>A product that stays at the largest number where it would be larger.</summary>
    internal static long Product(params ReadOnlySpan<long> factors)
    {
        UInt128 product = 1;
        foreach (var factor in factors)
        {
            product *= (UInt128)Math.Max(0, factor);
            product = UInt128.Min(product, long.MaxValue);
        }

        return (long)product;
    }
}

/// <summary>
/// What a run may be at most, in one place, so that it is refused before its first tick and not by what cannot be held, hashed, written or read back after its last.
/// </summary>
public static class RunLimits
{
    /// <summary>Numbers of one array in an .npz or .npy file: what <see cref="Npy"/> reads back.</summary>
    public const long ArrayNumbers = int.MaxValue / 8;

    /// <summary>Bytes of a record of an <see cref="EventLog"/>, whose length is a 32-bit number; a little less, for its header.</summary>
    public const long LogRecordBytes = int.MaxValue - (64L << 20);

    /// <summary>Characters of starts and goals in <c>result.json</c>: a text of this runtime has about twice as many at most.</summary>
    public const long ResultCharacters = 1_000_000_000 / 2;

    // A number of double precision at its longest, with its comma: -1.2345678901234567E-100,
    private const long NumberCharacters = 25;

    // What an agent, its mailbox and its policy's state take besides their numbers; less than they do.
    private const long AgentBytes = 256;

    /// <summary>Bytes that this process may use; <see cref="long.MaxValue"/> where the runtime does not say.</summary>
    public static long AvailableMemory => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes is > 0 and var bytes ? bytes : long.MaxValue;

    /// <summary>How large a simulation is.</summary>
    /// <param name="scenario">What is simulated.</param>
    /// <param name="sensor">The layout of the observations, where agents do not differ.</param>
    /// <param name="options">Episodes, agents that differ, snapshots, log.</param>
    public static RunSize SizeOf(Scenario scenario, SensorSpec sensor, SimulationOptions options)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(sensor);
        ArgumentNullException.ThrowIfNull(options);
        var snapshots = options.Snapshot is not null || options.From is not null;
        return new RunSize(options.Episodes, scenario.Agents, scenario.Steps, scenario.Dimensions, scenario.ActionSize)
        {
            FrameSize = options.Slots is null ? sensor.FrameSize : options.Slots.Max(s => s.Sensor.FrameSize),
            WindowTicks = options.Slots is null ? Ticks(sensor, options.Sampling) : options.Slots.Max(s => Ticks(s.Sensor, s.Sampling)),
            Delay = scenario.Sensing.Delay,
            HoldsObservations = snapshots || options.Log is not null,
            Snapshots = snapshots,
            Log = options.Log is not null,
            From = options.From?.Tick ?? 0,
        };

        static long Ticks(SensorSpec sensor, SamplingSpec sampling) => (long)sensor.History + sampling.Block - 1;
    }

    /// <summary>Throws, naming the first limit that a run breaks, unless it keeps them all and fits into memory.</summary>
    /// <param name="size">How large it is.</param>
    /// <param name="where">The scenario's name, or the file and cell.</param>
    /// <param name="memory">Bytes that there are; null: <see cref="AvailableMemory"/>.</param>
    /// <exception cref="InvalidInputException">It breaks one.</exception>
    public static void Require(RunSize size, string where, long? memory = null)
    {
        ArgumentNullException.ThrowIfNull(size);
        foreach (var (what, of, most, found, all) in Limits(size))
        {
            if (found > most)
            {
                var episodes = all ? Episodes(size, most, found) : 0;
                throw episodes > 0
                    ? InvalidInputException.Create(where, "episodes", FormattableString.Invariant($"at most {episodes} with {size.Agents} agents and {size.Steps} steps ({what}: {most} {of})"), size.Episodes)
                    : InvalidInputException.Create(where, what, FormattableString.Invariant($"at most {most} ({of}){(all ? $", so fewer agents or steps than {size.Agents} and {size.Steps}" : "")}"), found);
            }
        }

        var (needed, there) = (MemoryNeeded(size), memory ?? AvailableMemory);
        InvalidInputException.Require(needed <= there, where, "memory", $"a run that fits into the {Gigabytes(there)} that there are (fewer episodes, agents or steps)", $"one of {Gigabytes(needed)} or more");
    }

    /// <summary>Throws unless an array can be held, written and read back.</summary>
    /// <param name="where">The option or file.</param>
    /// <param name="what">The array, as in <c>positions</c>.</param>
    /// <param name="axes">Its axes, as in <c>demonstrations x agents x steps x 2</c>.</param>
    /// <param name="shape">Their lengths.</param>
    /// <exception cref="InvalidInputException">It has more than <see cref="ArrayNumbers"/> numbers, or does not fit into memory in double precision.</exception>
    public static void RequireArray(string where, string what, string axes, params ReadOnlySpan<long> shape)
    {
        var found = RunSize.Product(shape);
        InvalidInputException.Require(found <= ArrayNumbers, where, what, $"at most {ArrayNumbers} numbers ({axes})", found);
        var there = AvailableMemory;
        InvalidInputException.Require(found * sizeof(double) <= there, where, "memory", $"{what} that fit into the {Gigabytes(there)} that there are ({axes})", $"{Gigabytes(found * sizeof(double))}");
    }

    /// <summary>Bytes that a run holds at one time at least; what it takes besides is more, and not counted.</summary>
    public static long MemoryNeeded(RunSize size)
    {
        ArgumentNullException.ThrowIfNull(size);
        var (bodies, d) = (size.Bodies, size.Dimensions);
        long[] parts =
        [
            RunSize.Product(bodies, size.Steps, d, sizeof(float)), RunSize.Product(bodies, size.Steps - 1, size.ActionSize, sizeof(float)),
            RunSize.Product(bodies, size.Delay + 4, d, sizeof(double)),
            size.HoldsObservations ? RunSize.Product(bodies, size.FrameSize, sizeof(float)) : 0,

            // Those that are kept, and the copy that a snapshot is written from.
            size.Snapshots ? RunSize.Product(bodies, size.WindowTicks, size.FrameSize, 2 * sizeof(float)) : 0,
            size.AgentsHere ? RunSize.Product(bodies, AgentBytes + RunSize.Product(size.WindowTicks, size.FrameSize, sizeof(float))) : 0,

            // Figures are computed in double precision.
            size.Results ? RunSize.Product(bodies, size.Steps, d, sizeof(double)) : 0,
        ];
        return parts.Aggregate((a, b) => a > long.MaxValue - b ? long.MaxValue : a + b);
    }

    /// <summary>What is limited, what it is the product of, the limit, how much there is, and whether it grows with the number of episodes.</summary>
    private static IEnumerable<(string What, string Of, long Most, long Found, bool All)> Limits(RunSize size)
    {
        var (bodies, d, f) = (size.Bodies, size.Dimensions, size.FrameSize);
        yield return ("positions", "numbers; episodes x agents x steps x dimensions", ArrayNumbers, RunSize.Product(bodies, size.Steps, d), true);
        yield return ("actions", "numbers; episodes x agents x (steps - 1) x action", ArrayNumbers, RunSize.Product(bodies, size.Steps - 1, size.ActionSize), true);
        yield return ("sensing.delay", "numbers; (ticks of delay + 2) x episodes x agents x dimensions", ArrayNumbers, RunSize.Product(size.Delay + 2, bodies, d), true);
        yield return ("sensor", "numbers that an agent remembers; ticks x observation", Array.MaxLength, RunSize.Product(size.WindowTicks, f), false);
        if (size.HoldsObservations)
        {
            yield return ("sensor", "numbers that all agents observe at a tick; episodes x agents x observation", Array.MaxLength, RunSize.Product(bodies, f), true);
        }

        if (size.Snapshots)
        {
            yield return ("--snapshot-every", "numbers of a snapshot's observations; ticks remembered x episodes x agents x observation", ArrayNumbers, RunSize.Product(size.WindowTicks, bodies, f), true);
        }

        if (size.Log)
        {
            yield return ("--log", "bytes of a tick; episodes x agents x (9 + 4 x action)", LogRecordBytes, RunSize.Product(bodies, 1 + sizeof(ulong) + sizeof(float) * size.ActionSize), true);
            var state = RunSize.Product(d, (4 + size.Delay + 2) * sizeof(double) + sizeof(float) * (size.From + 1)) + RunSize.Product(size.ActionSize, size.From, sizeof(float)) + sizeof(double);
            yield return ("--log", "bytes of the state that it begins with; episodes x agents x what is known of each", LogRecordBytes, RunSize.Product(bodies, state), true);
        }

        if (size.Results)
        {
            yield return ("result.json", "characters of starts or goals; episodes x agents x dimensions x 25", ResultCharacters, RunSize.Product(bodies, d * NumberCharacters + 3), true);
        }
    }

    /// <summary>How many episodes would be within a limit that goes with them; 0 where fewer would not help.</summary>
    private static long Episodes(RunSize size, long most, long found)
    {
        var each = found / Math.Max(1, size.Episodes);
        return each > 0 && found < long.MaxValue && each <= most && most / each < size.Episodes ? most / each : 0;
    }

    private static string Gigabytes(long bytes) => (bytes / 1e9).ToString("0.0", CultureInfo.InvariantCulture) + " GB";
}
