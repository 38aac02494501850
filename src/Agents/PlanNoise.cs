using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.Agents;

/// <summary>
/// The noise that an agent's plans start from, replan by replan. A function of (seed, agent, episode, replan) alone, and where noise is shared not of the agent: even the
/// autoregressive noise is made again from its counters when an agent is rebuilt.
/// </summary>
public sealed class PlanNoise
{
    /// <summary>Stands for the agent in the key of noise that all share; no agent has this index.</summary>
    private const int Everybody = -1;

    private readonly ulong _seed;
    private readonly int _agent;
    private readonly EpisodeId _episode;
    private readonly NoiseMode _mode;
    private readonly double _correlation;
    private readonly float[] _values;
    private int _replan = -1;

    /// <summary>Opens the stream.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="episode">The agent's episode.</param>
    /// <param name="agent">The agent.</param>
    /// <param name="sampling">Mode, correlation, and whether the noise is shared.</param>
    /// <param name="size">Numbers a plan starts from; may be 0.</param>
    public PlanNoise(ulong seed, EpisodeId episode, AgentId agent, SamplingSpec sampling, int size)
    {
        ArgumentNullException.ThrowIfNull(sampling);
        (_seed, _episode, _agent, _mode, _correlation) = (seed, episode, sampling.SharedNoise ? Everybody : agent.Value, sampling.Noise, sampling.Correlation);
        _values = new float[size];
    }

    /// <summary>The standard normal numbers of a replan, valid until the next call.</summary>
    /// <param name="replan">Index of the replan in its episode: the tick over the actions executed a plan.</param>
    public ReadOnlySpan<float> At(int replan) => MemoryAt(replan).Span;

    /// <summary>The same as memory.</summary>
    /// <param name="replan">As above.</param>
    public ReadOnlyMemory<float> MemoryAt(int replan)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(replan);
        if (_values.Length == 0 || replan == _replan)
        {
            return _values;
        }

        switch (_mode)
        {
            case NoiseMode.Fresh:
                Stream(replan).FillNormal(_values);
                break;
            case NoiseMode.Held:
                if (_replan < 0)
                {
                    Stream(0).FillNormal(_values);
                }

                break;
            default:
                Advance(replan);
                break;
        }

        _replan = replan;
        return _values;
    }

    /// <summary>n_0 = e_0, n_r = rho n_(r-1) + sqrt(1 - rho^2) e_r.</summary>
    private void Advance(int replan)
    {
        if (_replan < 0 || _replan > replan)
        {
            Stream(0).FillNormal(_values);
            _replan = 0;
        }

        var innovation = Math.Sqrt(1 - _correlation * _correlation);
        for (var r = _replan + 1; r <= replan; r++)
        {
            var stream = Stream(r);
            for (var j = 0; j < _values.Length; j += 2)
            {
                var (first, second) = stream.NextNormalPair();
                _values[j] = (float)(_correlation * _values[j] + innovation * first);
                if (j + 1 < _values.Length)
                {
                    _values[j + 1] = (float)(_correlation * _values[j + 1] + innovation * second);
                }
            }
        }
    }

    private CounterRandom Stream(int replan) => new(_seed, RandomPurpose.PlanNoise, replan, _agent, _episode.Value);
}
