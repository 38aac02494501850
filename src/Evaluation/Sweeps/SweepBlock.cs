using System.Runtime.InteropServices;
using MimicD.Agents;
using MimicD.Cluster;
using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.Evaluation.Sweeps;

/// <summary>A block of a cell's episodes as plain data: all that its numbers follow from, so that a node computes it as it is computed here. Models are named by their hashes.</summary>
public sealed record SweepBlock
{
    private const string Where = "block";
    private const int MaxEpisodes = 1_000_000;

    /// <summary>The scenario with all changes of the cell, as its file.</summary>
    public required string Scenario { get; init; }

    /// <summary>Who takes every place that no partner takes.</summary>
    public required SweepPlayer Everyone { get; init; }

    /// <summary>Who takes which place instead.</summary>
    public IReadOnlyList<SweepPartner> Partners { get; init; } = [];

    /// <summary>Seed of the block.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Its episodes, counted from 0.</summary>
    public required int Episodes { get; init; }

    /// <summary>Computes a block that was written down; what a node does for a sweep (<see cref="BlockProgram"/>).</summary>
    public static async Task<byte[]> ComputeAsync(string description, Func<string, Model> models, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(models);
        var block = StrictJson.Parse<SweepBlock>(description, Where);
        InvalidInputException.Require(block.Episodes is >= 1 and <= MaxEpisodes, Where, "episodes", $"1 to {MaxEpisodes}", block.Episodes);
        var scenario = World.Scenario.Parse(block.Scenario, $"{Where}: scenario");
        var result = await SweepBlockResult.ComputeAsync(scenario, block.Cast(scenario, models), block.Seed, block.Episodes, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        return result.ToBytes();
    }

    /// <summary>Writes a block down.</summary>
    /// <param name="cell">Its cell.</param>
    /// <param name="everyone">Who takes every place that no partner takes.</param>
    /// <param name="block">Which block.</param>
    /// <returns>The block, and the files of its models by their hashes.</returns>
    internal static (SweepBlock Block, IReadOnlyDictionary<string, string> Models) Of(SweepCell cell, Player everyone, int block)
    {
        var models = new Dictionary<string, string>(StringComparer.Ordinal);
        var episodes = cell.BlockEpisodes[block];
        var description = new SweepBlock
        {
            Scenario = StrictJson.Format(cell.Scenario, indented: false),
            Everyone = Written(everyone),
            Partners = [.. cell.Partners.Select(p => new SweepPartner(p.Agent) { Player = p.Player is null ? null : Written(p.Player), Paths = p.Replay is null ? null : SweepPaths.Of(p.Replay, episodes) })],
            Seed = cell.Seeds[block],
            Episodes = episodes,
        };
        return (description, models);

        SweepPlayer Written(Player player)
        {
            var (model, script) = player.Source;
            if (model is not null)
            {
                models[model.Sha256] = model.Path;
            }

            return new SweepPlayer(player.Name, player.Sampling) { Model = model?.Sha256, Script = script };
        }
    }

    private Cast Cast(Scenario scenario, Func<string, Model> models)
    {
        return new Cast(scenario, Player(Everyone), [.. Partners.Select(Partner)]);

        Partner Partner(SweepPartner partner)
        {
            var where = $"{Where}: partner in place {partner.Agent + 1}";
            InvalidInputException.Require(partner.Agent >= 0 && partner.Agent < scenario.Agents, where, "", $"a place from 1 to {scenario.Agents}", partner.Agent + 1);
            InvalidInputException.Require(partner.Player is null != partner.Paths is null, where, "", "either a player or paths", partner.Player is null ? "neither" : "both");
            var replay = partner.Paths?.ToReplay(partner.Agent, where);
            replay?.Require(scenario);
            return new Partner(partner.Agent, where, where, partner.Player is null ? null : Player(partner.Player), replay, "");
        }

        Player Player(SweepPlayer player)
        {
            InvalidInputException.Require(player.Model is null != player.Script is null, $"{Where}: {player.Name}", "", "either a model or a script", player.Model is null ? "neither" : "both");
            if (player.Script is { } script)
            {
                return Evaluation.Player.Of(player.Name, script);
            }

            var model = models(player.Model!);
            ModelFit.Require(scenario, model.Spec, model.Path);
            return Evaluation.Player.Of(model, player.Sampling);
        }
    }
}

/// <summary>Somebody who can take an agent's place, as plain data: by a model or by a script.</summary>
/// <param name="Name">For people.</param>
/// <param name="Sampling">How plans are sampled and executed.</param>
public sealed record SweepPlayer(string Name, SamplingSpec Sampling)
{
    /// <summary>SHA-256 of the model's file, or null.</summary>
    public string? Model { get; init; }

    /// <summary>The script, or null.</summary>
    public ScriptedPolicy? Script { get; init; }
}

/// <summary>Who takes one agent's place: somebody, or nobody, the body following recorded paths.</summary>
/// <param name="Agent">The place, 0 to N-1.</param>
public sealed record SweepPartner(int Agent)
{
    /// <summary>Who acts there, or null.</summary>
    public SweepPlayer? Player { get; init; }

    /// <summary>What the body follows, or null.</summary>
    public SweepPaths? Paths { get; init; }
}

/// <summary>Recorded paths as plain data.</summary>
/// <param name="Shape">[paths, times, D].</param>
/// <param name="Numbers">The positions [m], little-endian.</param>
public sealed record SweepPaths(int[] Shape, byte[] Numbers)
{
    /// <summary>The paths that so many episodes follow: episode e follows path e modulo their number, so all that a block needs come first.</summary>
    internal static SweepPaths Of(Replay replay, int episodes)
    {
        var recorded = replay.Recorded;
        var paths = Math.Min(recorded.Shape[0], episodes);
        return new SweepPaths([paths, .. recorded.Shape[1..]], MemoryMarshal.AsBytes(recorded.Data.AsSpan(0, recorded.Data.Length / recorded.Shape[0] * paths)).ToArray());
    }

    internal Replay ToReplay(int agent, string where)
    {
        InvalidInputException.Require(Shape is [>= 1, >= 1, 2 or 3] && Shape.Aggregate((long)sizeof(double), (a, b) => a * b) == Numbers.Length, where, "paths", "as many numbers as their shape says", $"{Numbers.Length} bytes for shape ({string.Join(", ", Shape)})");
        return new Replay(agent, new NdArray<double>(Shape, [.. MemoryMarshal.Cast<byte, double>(Numbers)]), where);
    }
}

/// <summary>What came out of a block, wherever it was computed.</summary>
/// <param name="Rollouts">What the agents did, [episodes, ...].</param>
/// <param name="Seconds">Seconds it took on one thread.</param>
/// <param name="Counts">What was counted.</param>
internal sealed record SweepBlockResult(Rollouts Rollouts, double Seconds, SweepCounts Counts)
{
    private const string Where = "result of a block";
    private const int CountFields = 12;

    /// <summary>Computes a block on this thread, each agent an actor that sees its own observation alone.</summary>
    public static async Task<SweepBlockResult> ComputeAsync(Scenario scenario, Cast cast, ulong seed, int episodes, TimeProvider time, CancellationToken cancellationToken)
    {
        await using var host = new LocalHost(cast.Policy, 1);
        var options = cast.Into(new SimulationOptions { Seed = seed, Episodes = episodes, Threads = 1, Time = time });
        var result = await Simulation.RunAsync(scenario, cast.Sensor, options, host, null, cancellationToken).ConfigureAwait(false);
        if (!result.Completed)
        {
            throw new OperationCanceledException(cancellationToken);
        }

        var counts = new SweepCounts(
            result.Host.Plans, result.Host.NetworkCalls, result.Counts.Fallbacks, result.Host.Restarts, result.Host.Stopped.Count,
            result.Counts.Observations, result.Counts.Actions, result.Host.Messages - result.Counts.Observations)
        {
            Projections = result.Host.Projections,
            Projected = result.Host.Projected,
            Compared = result.Host.Familiarity?.Observations ?? 0,
            Unfamiliar = result.Host.Familiarity?.Unfamiliar ?? 0,
        };
        return new SweepBlockResult(result.ToRollouts(), result.WallSeconds, counts);
    }

    /// <summary>The numbers one after another, little-endian: seconds, counts, positions, actions, starts, goals, replaced actions. Shapes follow from the block, and so does the length.</summary>
    public byte[] ToBytes()
    {
        var c = Counts;
        return
        [
            .. MemoryMarshal.AsBytes<double>([Seconds]),
            .. MemoryMarshal.AsBytes<long>([c.Plans, c.NetworkCalls, c.Fallbacks, c.Restarts, c.Stopped, c.Observations, c.Actions, c.BetweenAgents, c.Projections, BitConverter.DoubleToInt64Bits(c.Projected), c.Compared, c.Unfamiliar]),
            .. MemoryMarshal.AsBytes(Rollouts.Positions.Data.AsSpan()), .. MemoryMarshal.AsBytes(Rollouts.Actions.Data.AsSpan()),
            .. MemoryMarshal.AsBytes(Rollouts.Starts.Data.AsSpan()), .. MemoryMarshal.AsBytes(Rollouts.Goals.Data.AsSpan()),
            .. MemoryMarshal.AsBytes((Rollouts.Replaced ?? throw new InvalidOperationException("a block counts its replaced actions")).AsSpan()),
        ];
    }

    /// <summary>Bytes of a block's result.</summary>
    public static long BytesOf(Scenario scenario, long episodes)
    {
        var (n, t, d) = (scenario.Agents, scenario.Steps, scenario.Dimensions);
        return sizeof(double) + CountFields * sizeof(long) + episodes * (n * (sizeof(float) * ((long)t * d + (t - 1L) * scenario.ActionSize) + 2L * sizeof(double) * d) + sizeof(int));
    }

    /// <summary>Reads what came from a node.</summary>
    /// <param name="bytes">It may be anything.</param>
    /// <param name="scenario">What was simulated.</param>
    /// <param name="episodes">Episodes of the block.</param>
    /// <exception cref="InvalidInputException">It is not the result of such a block.</exception>
    public static SweepBlockResult Read(ReadOnlyMemory<byte> bytes, Scenario scenario, int episodes)
    {
        var (n, t, d) = (scenario.Agents, scenario.Steps, scenario.Dimensions);
        int[][] shapes = [[episodes, n, t, d], [episodes, n, t - 1, scenario.ActionSize], [episodes, n, d]];
        var sizes = Array.ConvertAll(shapes, s => s.Aggregate(1L, (a, b) => a * b));
        var expected = BytesOf(scenario, episodes);
        InvalidInputException.Require(bytes.Length == expected, Where, "bytes", $"{expected}", bytes.Length);
        var at = 0;
        var seconds = Next<double>(1)[0];
        var counts = Next<long>(CountFields);
        var rollouts = new Rollouts(new(shapes[0], Next<float>((int)sizes[0])), new(shapes[1], Next<float>((int)sizes[1])), new(shapes[2], Next<double>((int)sizes[2])), new(shapes[2], Next<double>((int)sizes[2]))) { Replaced = Next<int>(episodes) };
        InvalidInputException.Require(double.IsFinite(seconds) && seconds >= 0, Where, "seconds", "0 or more", seconds);
        InvalidInputException.Require(Array.TrueForAll(rollouts.Positions.Data, float.IsFinite) && Array.TrueForAll(rollouts.Starts.Data, double.IsFinite) && Array.TrueForAll(rollouts.Goals.Data, double.IsFinite), Where, "positions", "finite numbers", "others");
        InvalidInputException.Require(Array.TrueForAll(rollouts.Replaced!, r => r >= 0), Where, "replaced", "numbers from 0", "others");
        return new SweepBlockResult(rollouts, seconds, new SweepCounts(counts[0], counts[1], counts[2], counts[3], counts[4], counts[5], counts[6], counts[7]) { Projections = counts[8], Projected = BitConverter.Int64BitsToDouble(counts[9]), Compared = counts[10], Unfamiliar = counts[11] });

        T[] Next<T>(int count)
            where T : unmanaged
        {
            var numbers = MemoryMarshal.Cast<byte, T>(bytes.Span[at..])[..count].ToArray();
            at += count * Marshal.SizeOf<T>();
            return numbers;
        }
    }
}
