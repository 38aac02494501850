namespace MimicD.World.Experts;

/// <summary>
/// The two-agent swap: agent 1 goes from left to right, agent 2 back, around a disc in the middle. Geometry and limits are those of the published task.
/// </summary>
/// <remarks>
/// The published demonstrations come without their cost. The weights below were found by inverse optimal control on them: with exactly these ratios (and the limits on
/// changes of speed and turn rate) the optimality conditions of the published paths hold to about 1e-9 on their unconstrained arcs, so they
/// are not tuned to look alike. The common scale is free and was chosen so that the final weights are round.
/// </remarks>
public sealed record SwapExpertOptions
{
    /// <summary>Positions per demonstration. Default 100.</summary>
    public int Knots { get; init; } = 100;

    /// <summary>Time between two positions, s. Default 0.1.</summary>
    public double TimeStep { get; init; } = 0.1;

    /// <summary>Distance between the two nominal places, m: agent 1 starts near (0, 0) and ends near (Span, 0). Default 20.</summary>
    public double Span { get; init; } = 20.0;

    /// <summary>Half the width of the uniform law of starts and goals round their nominal places, in x and y independently, m. Default 1.</summary>
    public double Spread { get; init; } = 1.0;

    /// <summary>Smallest distance from the disc's centre (Span / 2, 0), m. Default 4.</summary>
    public double DiscRadius { get; init; } = 4.0;

    /// <summary>Smallest distance between the agents, m. Default 3.</summary>
    public double PairDistance { get; init; } = 3.0;

    /// <summary>Largest |y|, m. Default 7.</summary>
    public double MaxAbsY { get; init; } = 7.0;

    /// <summary>Cost of each agent; the first six in 1/m^2 and 1/rad^2, the last four in s^2/m^2 and s^2/rad^2. Default as measured on the published demonstrations.</summary>
    public UnicycleWeights Weights { get; init; } = new(
        X: 6.0, Y: 1.2, Heading: 0.6,
        FinalX: 500.0, FinalY: 100.0, FinalHeading: 50.0,
        Speed: 0.6, TurnRate: 0.24, SpeedChange: 1.6, TurnRateChange: 0.8);

    /// <summary>Control limits of each agent; no backing up, at most 0.15 m/s and 0.75 rad/s of change from step to step. Default as measured on the published demonstrations.</summary>
    public UnicycleLimits Limits { get; init; } = new(
        MinSpeed: 0.0, MaxSpeed: double.PositiveInfinity, MaxSpeedChange: 0.15, MaxTurnRateChange: 0.75);

    /// <summary>Shares of the modes 1..6; need not sum to one. Default .25 .32 .10 .08 .12 .13, near the published demonstrations' .24 .33 .10 .07 .12 .14.</summary>
    public IReadOnlyList<double> ModeShares { get; init; } = [0.25, 0.32, 0.10, 0.08, 0.12, 0.13];

    /// <summary>How modes and places go together. Default: independent.</summary>
    public ModeLaw ModeLaw { get; init; } = ModeLaw.Independent;

    /// <summary>How many guesses are tried for one draw of starts and goals before it counts as unsolvable. Default 3.</summary>
    public int Guesses { get; init; } = 3;

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
        Require(Knots >= 3, nameof(Knots), Knots);
        Require(TimeStep > 0, nameof(TimeStep), TimeStep);
        Require(Spread >= 0, nameof(Spread), Spread);
        Require(DiscRadius > 0, nameof(DiscRadius), DiscRadius);
        Require(Span > 2 * (DiscRadius + (2 * Spread)), nameof(Span), Span);
        Require(PairDistance >= 0, nameof(PairDistance), PairDistance);
        Require(MaxAbsY > DiscRadius, nameof(MaxAbsY), MaxAbsY);
        Require(Guesses >= 1, nameof(Guesses), Guesses);
        Require(Draws >= 1, nameof(Draws), Draws);
        Require(ModeShares.Count == SwapModes.Count, nameof(ModeShares), ModeShares.Count);
        foreach (double share in ModeShares)
        {
            Require(share >= 0, nameof(ModeShares), share);
        }

        Require(ModeShares.Sum() > 0, nameof(ModeShares), ModeShares.Sum());
    }

    private static void Require(bool holds, string name, double value)
    {
        if (!holds)
        {
            throw new ArgumentException($"{name} = {value} makes no sense for the swap.", name);
        }
    }
}
