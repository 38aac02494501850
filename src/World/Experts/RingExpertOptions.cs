namespace MimicD.World.Experts;

/// <summary>
/// Agents on a circle who all go to the opposite side, round its centre as in a roundabout. Places, spread, time step, distances and the limit on speed are the scenario's. Nothing about this task
/// was published with MIMIC-D: weights and limits are ours, in the likeness of the swap's, but with no direction preferred.
/// </summary>
public sealed record RingExpertOptions
{
    /// <summary>Speed [m/s] at which the reference goes straight to the goal, where it then waits. Above the scenario's cruise, so that going round the centre does not make an agent late. Default 1.2.</summary>
    public double Pace { get; init; } = 1.2;

    /// <summary>Time [s] that a demonstration goes on after its reference has arrived, for the way round. Default 3.</summary>
    public double Slack { get; init; } = 3;

    /// <summary>Metres kept beyond the scenario's distance of experts. Default 0.</summary>
    public double PairMargin { get; init; }

    /// <summary>
    /// Radius [m] of a disc round the centre that everybody keeps out of, as of a roundabout's island, and that the reference goes round the shortest way; 0 for none. Without one, seven or more find it
    /// cheapest to let one of them idle in the middle while the others go round it. Default 0.
    /// </summary>
    public double Island { get; init; }

    /// <summary>
    /// Places on the circle, of which the agents have the first ones, side by side; 0 for as many as there are agents. A few neighbours of a large ring, with an island as large as the roundabout of the crowd that is not
    /// there, show what such a crowd is like to one who sees no farther than a few others. Default 0.
    /// </summary>
    public int Places { get; init; }

    /// <summary>Cost of each agent; units as in <see cref="SwapExpertOptions.Weights"/>.</summary>
    public UnicycleWeights Weights { get; init; } = new(
        X: 1.2, Y: 1.2, Heading: 0.1,
        FinalX: 100.0, FinalY: 100.0, FinalHeading: 1.0,
        Speed: 0.6, TurnRate: 0.24, SpeedChange: 1.6, TurnRateChange: 0.8);

    /// <summary>Largest change of speed from step to step, m/s. Default 0.15, the swap's.</summary>
    public double MaxSpeedChange { get; init; } = 0.15;

    /// <summary>Largest change of turn rate from step to step, rad/s. Default 0.75, the swap's.</summary>
    public double MaxTurnRateChange { get; init; } = 0.75;

    /// <summary>Shares of the modes (<see cref="CirculationModes"/>); need not sum to one. Default: both ways round alike, nothing mixed.</summary>
    public IReadOnlyList<double> ModeShares { get; init; } = [0.5, 0.5, 0];

    /// <summary>How many guesses are tried for one draw of starts and goals before it counts as unsolvable. Default 4.</summary>
    public int Guesses { get; init; } = 4;

    /// <summary>How many draws of starts and goals are tried for one demonstration before the generator gives up with an error. Default 20.</summary>
    public int Draws { get; init; } = 20;

    /// <summary>Largest violation of dynamics, distances and limits in a demonstration that is kept, m. Default 1e-6.</summary>
    public double MaxViolation { get; init; } = 1e-6;

    /// <summary>The solver's settings.</summary>
    public UnicycleSolverSettings Solver { get; init; } = new();

    /// <summary>Throws if a setting makes no sense.</summary>
    /// <exception cref="ArgumentException">With the setting's name and the value found.</exception>
    public void Validate()
    {
        Require(Pace > 0, nameof(Pace), Pace);
        Require(Slack >= 0, nameof(Slack), Slack);
        Require(PairMargin >= 0, nameof(PairMargin), PairMargin);
        Require(Island >= 0, nameof(Island), Island);
        Require(Places >= 0, nameof(Places), Places);
        Require(MaxSpeedChange > 0, nameof(MaxSpeedChange), MaxSpeedChange);
        Require(MaxTurnRateChange > 0, nameof(MaxTurnRateChange), MaxTurnRateChange);
        Require(Guesses >= 1, nameof(Guesses), Guesses);
        Require(Draws >= 1, nameof(Draws), Draws);
        Require(ModeShares.Count == CirculationModes.Count, nameof(ModeShares), ModeShares.Count);
        foreach (double share in ModeShares)
        {
            Require(share >= 0, nameof(ModeShares), share);
        }

        Require(ModeShares.Sum() > 0, nameof(ModeShares), ModeShares.Sum());
        Require(ModeShares[CirculationModes.Mixed - 1] == 0, nameof(ModeShares), ModeShares[CirculationModes.Mixed - 1]);
    }

    private static void Require(bool holds, string name, double value)
    {
        if (!holds)
        {
            throw new ArgumentException($"{name} = {value} makes no sense for the ring.", name);
        }
    }
}
