using System.Buffers.Binary;
using System.Runtime.InteropServices;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World;

/// <summary>
/// What a world did that was driven by an <see cref="EventLog"/> instead of agents. At every tick each agent's observation and each body's state are computed anew and compared with the log.
/// </summary>
/// <param name="Scenario">What was simulated.</param>
/// <param name="Rollouts">What it did.</param>
/// <param name="StepsDone">Ticks applied, those before the log began included.</param>
/// <param name="Completed">Whether the log holds the run's end.</param>
/// <param name="TornBytes">Bytes at the log's end that are no whole record: what the run was writing when it was killed.</param>
public sealed record EventReplay(Scenario Scenario, Rollouts Rollouts, int StepsDone, bool Completed, long TornBytes)
{
    /// <summary>As <see cref="SimulationResult.TrajectoryHash"/>; where the run came to its end, the one it had then.</summary>
    public string TrajectoryHash { get; } = Rollouts.Hash(Rollouts.Positions);

    /// <summary>Replays a log.</summary>
    /// <param name="path">The file.</param>
    /// <param name="cancellationToken">Gives up between two ticks.</param>
    /// <exception cref="InvalidInputException">No log, altered, or the world does not do what the log says: then the first tick and agent that differ are named.</exception>
    public static EventReplay Of(string path, CancellationToken cancellationToken = default)
    {
        using var reader = new EventLogReader(path);
        var (text, arrays) = reader.ReadBegun();
        var header = StrictJson.Parse<LogHeader>(text, path);
        InvalidInputException.Require(header.Format == LogHeader.CurrentFormat, path, "format", $"{LogHeader.CurrentFormat}", header.Format);
        header.Scenario.Validate(path);
        InvalidInputException.Require(header.Sensors.Length == header.Scenario.Agents, path, "sensors", $"{header.Scenario.Agents}, one an agent", header.Sensors.Length);
        var (state, replays) = LogHeader.State(arrays, header.Replayed, path);
        var world = new SimulatedWorld(header.Scenario, header.Sensors, header.Seed, header.Episodes, state.Starts, state.Goals, replays);
        world.Restore(state, path);
        reader.LongestPayload = EventLog.LongestTick(world);

        var completed = false;
        while (reader.TryRead(out var type, out var payload))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var record = new Record(path, payload);
            InvalidInputException.Require(!completed && type != EventLog.Begun && world.IsDone == (type == EventLog.Ended), path, "", $"other events after tick {world.Tick}", $"a record of type {type}");
            switch (type)
            {
                case EventLog.TickOpened:
                    Open(world, ref record);
                    break;
                case EventLog.TickClosed:
                    Close(world, ref record);
                    break;
                default:
                    completed = true;
                    var logged = Convert.ToHexStringLower(payload.Span);
                    var found = Rollouts.Hash(world.Positions());
                    InvalidInputException.Require(logged == found, path, "trajectory hash", logged, found);
                    continue;
            }

            record.End();
        }

        int[] shape = [world.Episodes, world.Scenario.Agents, world.Scenario.Dimensions];
        var rollouts = new Rollouts(world.Positions(), world.Actions(), new NdArray<double>(shape, world.Starts), new NdArray<double>(shape, world.Goals)) { Replaced = world.Replaced() };
        return new EventReplay(header.Scenario, rollouts, world.Tick, completed, reader.Torn);
    }

    private static void Open(SimulatedWorld world, ref Record record)
    {
        record.Tick(world.Tick);
        Span<float> frame = new float[world.FrameSize];
        for (var body = 0; body < world.Bodies; body++)
        {
            var (episode, agent) = (body / world.Scenario.Agents, body % world.Scenario.Agents);
            if (!world.IsReplayed(agent))
            {
                var own = frame[..world.FrameSizeOf(agent)];
                world.Observe(episode, agent, own);
                record.Hash(EventLog.HashOf(own), world, body, world.Tick, "observation");
            }
        }
    }

    private static void Close(SimulatedWorld world, ref Record record)
    {
        var tick = world.Tick;
        record.Tick(tick);
        var size = world.ActionSize;
        var actions = new float[world.Bodies * size];
        var logged = new Outcome[world.Bodies];
        var hashes = new ulong[world.Bodies];
        for (var body = 0; body < world.Bodies; body++)
        {
            logged[body] = (Outcome)record.Take(1)[0];
            if (logged[body] == Outcome.Applied)
            {
                record.Take(size * sizeof(float)).CopyTo(MemoryMarshal.AsBytes(actions.AsSpan(body * size, size)));
            }

            hashes[body] = BinaryPrimitives.ReadUInt64LittleEndian(record.Take(sizeof(ulong)));
        }

        Outcome[] outcomes = [.. logged];
        world.Apply(actions, outcomes);
        var room = new double[2 * world.Scenario.Dimensions + 1];
        for (var body = 0; body < world.Bodies; body++)
        {
            InvalidInputException.Require(outcomes[body] == logged[body], record.Where, Record.Whose(world, body, tick), $"outcome {logged[body]}", outcomes[body]);
            record.Same(hashes[body], EventLog.StateHash(world, body, room), world, body, tick, "state after it");
        }
    }

    /// <summary>A record's payload, read from its start.</summary>
    private struct Record(string path, ReadOnlyMemory<byte> payload)
    {
        private int _at;

        public readonly string Where => path;

        public static string Whose(SimulatedWorld world, int body, int tick)
            => $"{new Tick(tick)}, {new EpisodeId(body / world.Scenario.Agents)}, {new AgentId(body % world.Scenario.Agents)}";

        public ReadOnlySpan<byte> Take(int bytes)
        {
            InvalidInputException.Require(bytes <= payload.Length - _at, path, "", "a record with room for all agents", $"one of {payload.Length} bytes");
            _at += bytes;
            return payload.Span.Slice(_at - bytes, bytes);
        }

        public void Tick(int expected)
        {
            var tick = BinaryPrimitives.ReadInt32LittleEndian(Take(sizeof(int)));
            InvalidInputException.Require(tick == expected, path, "", $"events of tick {expected}", $"those of tick {tick}");
        }

        public void Hash(ulong found, SimulatedWorld world, int body, int tick, string what)
            => Same(BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong))), found, world, body, tick, what);

        public readonly void Same(ulong logged, ulong found, SimulatedWorld world, int body, int tick, string what)
            => InvalidInputException.Require(logged == found, path, Whose(world, body, tick), $"the {what} that was logged ({logged:x16})", $"another ({found:x16})");

        public readonly void End()
            => InvalidInputException.Require(_at == payload.Length, path, "", $"a record of {_at} bytes", payload.Length);
    }
}
