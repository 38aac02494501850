using MimicD.Agents;
using MimicD.World;

namespace MimicD.Evaluation;

/// <summary>Who plays whom in a run: one player in all places, but for partners in some of them.</summary>
public sealed class Cast
{
    private readonly Player?[] _players;
    private readonly Player _everyone;

    /// <summary>Puts one player, and then the partners, in their places.</summary>
    /// <param name="scenario">What they are to act in.</param>
    /// <param name="everyone">Who takes every place that no partner takes.</param>
    /// <param name="partners">Who takes which place instead, at most one a place.</param>
    /// <exception cref="Contracts.InvalidInputException">A place twice.</exception>
    public Cast(Scenario scenario, Player everyone, IReadOnlyList<Partner> partners)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(everyone);
        ArgumentNullException.ThrowIfNull(partners);
        _everyone = everyone;
        _players = [.. Enumerable.Repeat(everyone, scenario.Agents)];
        Replays = [.. partners.Select(p => p.Replay).OfType<Replay>()];
        foreach (var (index, partner) in partners.Index())
        {
            Contracts.InvalidInputException.Require(!partners.Take(index).Any(p => p.Agent == partner.Agent), partner.Where, "", "each place once", $"place {partner.Agent + 1} twice");
            _players[partner.Agent] = partner.Player;
        }

        Mixed = partners.Count > 0;
    }

    /// <summary>Whether there are partners.</summary>
    public bool Mixed { get; }

    /// <summary>Bodies that follow recorded paths.</summary>
    public IReadOnlyList<Replay> Replays { get; }

    /// <summary>The policy of an agent.</summary>
    public IPolicy Policy(Contracts.AgentId agent)
        => (_players[agent.Value] ?? throw new ArgumentException($"nobody acts as {agent}", nameof(agent))).Policies(agent);

    /// <summary>What the policy of each place is made of, [agents]; null where the world moves the body itself.</summary>
    public IReadOnlyList<PolicySource?> Sources => [.. _players.Select(p => p?.Source)];

    /// <summary>Puts the cast into the options of a simulation.</summary>
    public SimulationOptions Into(SimulationOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options = options with { Sampling = _everyone.Sampling };
        return !Mixed ? options : options with { Slots = [.. _players.Select(p => new AgentSlot((p ?? _everyone).Sensor, (p ?? _everyone).Sampling))], Replays = Replays };
    }

    /// <summary>What all sense where nobody is a partner.</summary>
    public Contracts.SensorSpec Sensor => _everyone.Sensor;
}
