using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text.Json;
using MimicD.Bridges.Mqtt;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.Bridges.Robots;

/// <summary>
/// A recorded run of robots done again: the same inputs go into the same world, the same agents answer, and every observation that they are shown, every action and every command is compared with the recording, bit by bit.
/// </summary>
/// <param name="Header">What was recorded.</param>
/// <param name="Rollouts">What the bodies did.</param>
/// <param name="Decisions">Decisions that were done again.</param>
/// <param name="DecisionHash">SHA-256 over what agents were shown and decided.</param>
/// <param name="Completed">Whether the recording holds the run's end.</param>
/// <param name="TornBytes">Bytes at its end that are no whole line: what was being written when the run was killed.</param>
public sealed record RobotReplay(RobotRecordingHeader Header, Rollouts Rollouts, long Decisions, string DecisionHash, bool Completed, long TornBytes)
{
    /// <summary>Reads what a recording follows from.</summary>
    /// <exception cref="InvalidInputException">No such file, or no recording.</exception>
    public static RobotRecordingHeader ReadHeader(string path)
    {
        using var lines = Open(path);
        return HeaderOf(lines.ReadLine(), path);
    }

    /// <summary>Does a recorded run again.</summary>
    /// <param name="path">The file.</param>
    /// <param name="host">Where its agents live, not opened yet; the policies must be those of the recording.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InvalidInputException">No recording, altered, or something came out that is not in it: then the line, the agent and the tick are named.</exception>
    public static async Task<RobotReplay> RunAsync(string path, IAgentHost host, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(host);
        using var lines = Open(path);
        var header = HeaderOf(lines.ReadLine(), path);
        var world = new RobotWorld(header.Scenario, header.Sensors, header.Options);
        var answers = new Answers();
        await host.OpenAsync(world.Spec(header.Sampling), answers, cancellationToken).ConfigureAwait(false);
        using var stage = new Stage(host);
        var (number, completed, torn) = (1, false, 0L);
        while (lines.ReadLine() is { } line)
        {
            number++;
            var where = $"{path}: line {number}";
            if (Parse(line, where, lines.Peek() < 0) is not { } e)
            {
                torn = line.Length;
                break;
            }

            InvalidInputException.Require(!completed, where, "", "nothing after the end", e.Event);
            switch (e.Event)
            {
                case RobotEventKind.Message:
                    stage.RequireNothing(where);
                    world.Receive(new MqttMessage(e.Topic ?? "", e.Data, e.Type, Retained: e.Flag), e.At, stage);
                    break;
                case RobotEventKind.Tick:
                    stage.RequireNothing(where);
                    world.Advance(e.At, stage);
                    break;
                case RobotEventKind.Rearm:
                    world.Rearm(e.Topic ?? "");
                    break;
                case RobotEventKind.Action:
                    // Others that were shown something by the same input may come after this answer.
                    InvalidInputException.Require(stage.TakeShown(e), where, $"{new Tick(e.Tick)}, {new EpisodeId(e.Episode)}, {new AgentId(e.Agent)}", "an observation before its action", "none");
                    var answered = await answers.TakeAsync(e, cancellationToken).ConfigureAwait(false);
                    Same(e.Status == answered.Status && (e.Data ?? []).AsSpan().SequenceEqual(MemoryMarshal.AsBytes(answered.Values.Span)), where, e, "action");
                    stage.Decisions.Add(answered);
                    world.Act(answered, e.At, stage);
                    break;
                case RobotEventKind.Observation or RobotEventKind.Command:
                    stage.Compare(e, where);
                    break;
                default:
                    stage.RequireNothing(where);
                    InvalidInputException.Require(e.Topic == stage.Decisions.Value, where, "decisions", e.Topic ?? "", stage.Decisions.Value);
                    completed = true;
                    break;
            }
        }

        return new RobotReplay(header, world.ToRollouts(), stage.Decisions.Count, stage.Decisions.Value, completed, torn);
    }

    private static StreamReader Open(string path)
    {
        try
        {
            return new StreamReader(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    private static RobotRecordingHeader HeaderOf(string? line, string path)
    {
        InvalidInputException.Require(line is { Length: > 0 }, path, "", "a recording of robots", "an empty file");
        var header = StrictJson.Parse<RobotRecordingHeader>(line!, path);
        InvalidInputException.Require(header.Format == RobotRecordingHeader.CurrentFormat, path, "format", $"{RobotRecordingHeader.CurrentFormat}", header.Format);
        header.Scenario.Validate(path);
        return header;
    }

    /// <summary>Reads a line; the last may have been cut, and is then null.</summary>
    private static RobotEvent? Parse(string line, string where, bool last)
    {
        try
        {
            return JsonSerializer.Deserialize<RobotEvent>(line, RobotRecording.Lines) ?? throw new JsonException("null");
        }
        catch (JsonException) when (last)
        {
            return null;
        }
        catch (JsonException e)
        {
            throw new InvalidInputException($"{where}: expected a line of a recording, found something else", e);
        }
    }

    private static void Same(bool same, string where, RobotEvent e, string what)
        => InvalidInputException.Require(same, where, $"{new Tick(e.Tick)}, {new EpisodeId(e.Episode)}, {new AgentId(e.Agent)}", $"the {what} that was recorded", "another");

    /// <summary>What comes out of the world, held until the recording's next lines say what should.</summary>
    private sealed class Stage(IAgentHost host) : IRobotWorldOutput, IDisposable
    {
        private readonly Queue<RobotEvent> _out = new();
        private readonly HashSet<(int Episode, int Agent, int Tick)> _shown = [];

        public DecisionHash Decisions { get; } = new();

        public void Deliver(in Observation observation)
        {
            Decisions.Add(observation);
            _out.Enqueue(new RobotEvent(RobotEventKind.Observation)
            {
                Episode = observation.Episode.Value,
                Agent = observation.Agent.Value,
                Tick = observation.Tick.Value,
                Data = MemoryMarshal.AsBytes(observation.Features.Span).ToArray(),
            });
            _shown.Add((observation.Episode.Value, observation.Agent.Value, observation.Tick.Value));
            host.Deliver(observation);
        }

        public bool Publish(in MqttMessage message)
        {
            _out.Enqueue(new RobotEvent(RobotEventKind.Command) { Topic = message.Topic, Type = message.ContentType, Data = message.Payload.ToArray() });

            // Whether a connection takes a command changes what is counted, and nothing that an agent does.
            return true;
        }

        public void Compare(RobotEvent e, string where)
        {
            InvalidInputException.Require(_out.TryDequeue(out var found), where, "", $"a {e.Event} to come of the input before", "nothing");
            Same(found! with { Flag = e.Flag, Data = null } == e with { Data = null } && (found.Data ?? []).AsSpan().SequenceEqual(e.Data ?? []), where, e, e.Event.ToString());
        }

        /// <summary>Whether an agent was shown what it is to have answered: nobody else would answer.</summary>
        public bool TakeShown(RobotEvent e) => _shown.Remove((e.Episode, e.Agent, e.Tick));

        public void RequireNothing(string where)
            => InvalidInputException.Require(_out.Count == 0, where, "", "all that comes of the input before", _out.Count == 0 ? null : _out.Peek().Event);

        public void Dispose() => Decisions.Dispose();
    }

    /// <summary>The agents' answers, in whatever order they come, until the recording asks for them.</summary>
    private sealed class Answers : IActionSink
    {
        private readonly ConcurrentDictionary<(int Episode, int Agent, int Tick), TaskCompletionSource<AgentAction>> _answers = new();
        private readonly TaskCompletionSource<AgentAction> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Act(in AgentAction action)
            => Of(action.Episode.Value, action.Agent.Value, action.Tick.Value).TrySetResult(action with { Values = action.Values.ToArray() });

        public void Fail(Exception error) => _failed.TrySetException(error);

        public async Task<AgentAction> TakeAsync(RobotEvent e, CancellationToken cancellationToken)
        {
            var action = await (await Task.WhenAny(Of(e.Episode, e.Agent, e.Tick).Task, _failed.Task).WaitAsync(Patience, cancellationToken).ConfigureAwait(false)).ConfigureAwait(false);
            _answers.TryRemove((e.Episode, e.Agent, e.Tick), out _);
            return action;
        }

        private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

        private TaskCompletionSource<AgentAction> Of(int episode, int agent, int tick)
            => _answers.GetOrAdd((episode, agent, tick), _ => new TaskCompletionSource<AgentAction>(TaskCreationOptions.RunContinuationsAsynchronously));
    }
}
