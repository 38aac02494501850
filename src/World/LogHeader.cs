using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World;

/// <summary>What a log's world follows from, besides its arrays.</summary>
internal sealed record LogHeader
{
    public const int CurrentFormat = 1;

    public int Format { get; init; } = CurrentFormat;

    public required Scenario Scenario { get; init; }

    public required ulong Seed { get; init; }

    public required int Episodes { get; init; }

    /// <summary>Of each agent.</summary>
    public required SensorSpec[] Sensors { get; init; }

    /// <summary>Agents whose bodies are replayed.</summary>
    public required int[] Replayed { get; init; }

    public static LogHeader Of(SimulatedWorld world) => new()
    {
        Scenario = world.Scenario,
        Seed = world.Seed,
        Episodes = world.Episodes,
        Sensors = [.. Enumerable.Range(0, world.Scenario.Agents).Select(world.SensorOf)],
        Replayed = [.. world.Replays.Select(r => r.Agent)],
    };

    public static string PathsOf(int agent) => $"paths{agent}";

    /// <summary>The arrays of a log's first record: the state, and the replayed bodies' paths.</summary>
    public static (WorldState State, Replay[] Replays) State(ReadOnlyMemory<byte> arrays, int[] replayed, string where)
    {
        try
        {
            using var reader = new NpzReader(new MemoryStream(arrays.ToArray(), writable: false), where);
            return (WorldState.From(reader, where), [.. replayed.Select(agent => new Replay(agent, reader.Read<double>(PathsOf(agent)), where))]);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidInputException(e.Message, e);
        }
    }
}
