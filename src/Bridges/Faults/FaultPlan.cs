using MimicD.Numerics;

namespace MimicD.Bridges.Faults;

/// <summary>Directions of a connection.</summary>
[Flags]
public enum FaultDirections
{
    /// <summary>Neither.</summary>
    None = 0,

    /// <summary>From client to broker.</summary>
    Up = 1,

    /// <summary>From broker to client.</summary>
    Down = 2,

    /// <summary>Both.</summary>
    Both = Up | Down,
}

/// <summary>What happens to a connection at a moment.</summary>
public enum FaultKind
{
    /// <summary>No bytes for a while.</summary>
    Stall,

    /// <summary>Both sides are reset.</summary>
    Reset,

    /// <summary>The client's side is reset; the broker's stays open, and what it sends is lost.</summary>
    LoseClient,

    /// <summary>The broker's side is reset; the client's stays open, and what it sends is lost.</summary>
    LoseBroker,

    /// <summary>Nothing passes from now on.</summary>
    Silence,
}

/// <summary>A fault of a schedule.</summary>
/// <param name="At">When it begins, from the connection's beginning.</param>
/// <param name="Kind">What happens.</param>
/// <param name="Directions">Whom it meets, of a stall or a silence.</param>
/// <param name="Length">How long a stall lasts.</param>
public readonly record struct PlannedFault(TimeSpan At, FaultKind Kind, FaultDirections Directions, TimeSpan Length);

/// <summary>What happens to each connection and when: a pure function of the specification, the seed, the connection's number and the time since its beginning.</summary>
/// <param name="spec">What may happen.</param>
/// <param name="seed">What does follows from it.</param>
public sealed class FaultPlan(FaultSpec spec, ulong seed)
{
    // What a connection's numbers are for: the last word of their address. Kinds of faults have their own, so that one more of one kind moves none of another.
    private const int Latencies = 100;
    private const int Pieces = 200;

    /// <summary>A network without faults.</summary>
    public static FaultPlan None { get; } = new(new FaultSpec(), 0);

    /// <summary>What may happen.</summary>
    public FaultSpec Spec => spec;

    /// <summary>Whether any fault ever begins by chance.</summary>
    public bool IsEventful => spec.Stall.Chance > 0 || spec.Reset > 0 || spec.LoseClient > 0 || spec.LoseBroker > 0 || spec.Silence > 0;

    /// <summary>The faults that begin in a second of a connection, in order of time.</summary>
    /// <param name="connection">The connection's number, from 0.</param>
    /// <param name="second">The second of the connection, from 0.</param>
    public IReadOnlyList<PlannedFault> Begins(int connection, int second)
    {
        var faults = new List<PlannedFault>();
        Draw(FaultKind.Stall, spec.Stall.Chance);
        Draw(FaultKind.Reset, spec.Reset);
        Draw(FaultKind.LoseClient, spec.LoseClient);
        Draw(FaultKind.LoseBroker, spec.LoseBroker);
        Draw(FaultKind.Silence, spec.Silence);
        faults.Sort((a, b) => a.At.CompareTo(b.At));
        return faults;

        void Draw(FaultKind kind, double chance)
        {
            var random = new CounterRandom(seed, RandomPurpose.NetworkFaults, second, connection, (int)kind);
            if (random.NextDouble() < chance)
            {
                var at = TimeSpan.FromSeconds(second + random.NextDouble());
                var directions = kind switch
                {
                    FaultKind.Stall => (FaultDirections)(1 + random.NextInt32(3)),
                    FaultKind.Silence => (FaultDirections)(1 + random.NextInt32(2)),
                    _ => FaultDirections.Both,
                };
                faults.Add(new PlannedFault(at, kind, directions, kind == FaultKind.Stall ? TimeSpan.FromMilliseconds(spec.Stall.Ms) : TimeSpan.Zero));
            }
        }
    }

    /// <summary>How long a segment takes.</summary>
    /// <param name="connection">The connection's number, from 0.</param>
    /// <param name="direction">Up or down.</param>
    /// <param name="segment">The segment's number in its direction, from 0.</param>
    public TimeSpan Latency(int connection, FaultDirections direction, int segment)
        => TimeSpan.FromMilliseconds(spec.Delay + (spec.Jitter > 0 ? spec.Jitter * new CounterRandom(seed, RandomPurpose.NetworkFaults, segment, connection, Latencies + (int)direction).NextDouble() : 0));

    /// <summary>How many bytes a write may have.</summary>
    /// <param name="connection">The connection's number, from 0.</param>
    /// <param name="direction">Up or down.</param>
    /// <param name="write">The write's number in its direction, from 0.</param>
    public int Piece(int connection, FaultDirections direction, int write)
        => spec.Split == 0 ? int.MaxValue : 1 + new CounterRandom(seed, RandomPurpose.NetworkFaults, write, connection, Pieces + (int)direction).NextInt32(spec.Split);
}
