using MimicD.Agents;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.Bench.Speed;

/// <summary>The core of a simulation without mailboxes: what every agent senses, what it decides, how bodies move and what is recorded, on one core.</summary>
internal sealed class WorldBench : ISpeedBench
{
    private const int Agents = 10_000;
    private const double Range = 5;
    private const int Ticks = 2000;

    // What is compiled anew after a while has been by then.
    private const int WarmUp = 500;
    private const int Turn = 50;

    public string Name => "world";

    public IEnumerable<SpeedRow> Run(string root, int rounds, CancellationToken cancellation)
    {
        var core = new Core(Crowd.Ring(root, Agents, Range));
        for (var tick = 0; tick < WarmUp; tick++)
        {
            core.Tick();
        }

        // Processor time, not the clock's: what one core does, whoever else wants it meanwhile.
        var processor = new double[rounds];
        for (var round = 0; round < rounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            var before = Environment.CpuUsage.TotalTime;
            for (var tick = 0; tick < Turn; tick++)
            {
                core.Tick();
            }

            processor[round] = (Environment.CpuUsage.TotalTime - before).TotalSeconds / Turn;
        }

        var seconds = Spread.Of(processor);
        yield return new SpeedRow(
            $"scripted agents with neighbour sensing (ring, {Agents:#,0} agents, others within {Range} m), agent-steps/s on one core", Agents / seconds.Median, "1/s", 2_000_000, AtMost: false,
            new Dictionary<string, Spread>(StringComparer.Ordinal) { ["a tick, processor time: all sense, decide and move, and it is recorded"] = seconds });
    }

    /// <summary>A world and its agents, called one after the other.</summary>
    private sealed class Core
    {
        private readonly Func<SimulatedWorld> _make;
        private readonly Agent[] _agents;
        private readonly float[] _frame;
        private readonly float[] _actions;
        private readonly Outcome[] _outcomes;
        private readonly Func<AgentId, Agent> _agent;
        private SimulatedWorld _world;

        public Core(Crowd crowd)
        {
            var scenario = crowd.Scenario.WithSteps(Ticks + 1);
            var policy = crowd.Policy;
            _make = () => new SimulatedWorld(scenario, crowd.Sensor, 1, 1);
            _agent = id => new Agent(new AgentSpec(1, new EpisodeId(0), id, new SamplingSpec()), policy);
            _world = _make();
            _agents = [.. Enumerable.Range(0, scenario.Agents).Select(i => _agent(new AgentId(i)))];
            _frame = new float[_world.FrameSize];
            _actions = new float[scenario.Agents * _world.ActionSize];
            _outcomes = new Outcome[scenario.Agents];
        }

        public void Tick()
        {
            if (_world.IsDone)
            {
                _world = _make();
                for (var i = 0; i < _agents.Length; i++)
                {
                    _agents[i] = _agent(new AgentId(i));
                }
            }

            var tick = new Tick(_world.Tick);
            var size = _world.ActionSize;
            for (var i = 0; i < _agents.Length; i++)
            {
                _world.Observe(0, i, _frame);
                _agents[i].Decide(tick, _frame).CopyTo(_actions.AsSpan(i * size, size));
            }

            Array.Fill(_outcomes, Outcome.Applied);
            _world.Apply(_actions, _outcomes);
        }
    }
}
