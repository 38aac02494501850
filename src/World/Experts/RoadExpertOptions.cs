namespace MimicD.World.Experts;

/// <summary>
/// The three-agent road crossing: agent 1, a car, comes down and turns left into the crossing road; agent 2, a car, comes up; agent 3, a pedestrian, walks across.
/// Geometry and limits are those of the published task.
/// </summary>
/// <remarks>
/// <para>The published demonstrations come without their cost. Weights and references below were found by inverse optimal control on the set with controls: with exactly these ratios the optimality
/// conditions of the published paths hold to about 1e-6 on their unconstrained arcs, in all three agents, and the multipliers of a pair's limit
/// agree between its two agents, so the paths are stationary points of the sum of all costs. The common scale is free and was chosen so that the final weights are round; the weights are then the
/// swap's, with all of its penalty on control changes turned into one on controls. Between the starts and goals that come out with the weights, our solver finds each of the 100 published paths again,
/// none of its positions further off than 2e-4 m.</para>
/// <para>Agents 2 and 3 follow the straight line to their goal. Agent 1 follows the road: from the nominal start straight down in the first 32 of 100 steps, through a quarter circle in the next 34, straight to
/// its goal in the rest.</para>
/// </remarks>
public sealed record RoadExpertOptions
{
    /// <summary>Positions per demonstration. Default 100.</summary>
    public int Knots { get; init; } = 100;

    /// <summary>Time between two positions, s. Default 0.1.</summary>
    public double TimeStep { get; init; } = 0.1;

    /// <summary>Nominal starts [3, 2], m.</summary>
    public IReadOnlyList<double> Starts { get; init; } = [0, 2, 0.5, -2, -0.25, 0.75];

    /// <summary>Nominal goals [3, 2], m.</summary>
    public IReadOnlyList<double> Goals { get; init; } = [2, 0, 0.5, 2, 1.75, 0.75];

    /// <summary>Radius of agent 1's turn, from straight down at its start's x to straight right at its goal's y, m. Default 0.75.</summary>
    public double TurnRadius { get; init; } = 0.75;

    /// <summary>Half the width of the uniform law of starts and goals round their nominal places, in x and y independently, m. Default 0.6.</summary>
    public double Spread { get; init; } = 0.6;

    /// <summary>
    /// Starts are redrawn until all pairs are further apart than this and than <see cref="PairDistance"/>, m. Default 0.75.
    /// </summary>
    public double Separation { get; init; } = 0.75;

    /// <summary>
    /// Goals are redrawn until all pairs are further apart than this, m. Default 0: they are not, as in the published demonstrations: where two are nearer than <see cref="PairDistance"/>, their agents stop that far apart.
    /// </summary>
    public double GoalSeparation { get; init; }

    /// <summary>Smallest distance between two agents, m. Default 0.75.</summary>
    public double PairDistance { get; init; } = 0.75;

    /// <summary>
    /// Largest share of the time by which an agent means to be at its goal before the end, where it then waits. Each agent of a demonstration is early with probability 1/2, by a uniformly drawn share up to this one. The published
    /// demonstrations' agents all arrive at the end, so that none of them ever passes another who is there already. Default 0.
    /// </summary>
    public double Early { get; init; }

    /// <summary>Cost of each agent; the first six in 1/m^2 and 1/rad^2, the last four in s^2/m^2 and s^2/rad^2. Default as measured on the published demonstrations.</summary>
    public UnicycleWeights Weights { get; init; } = new(
        X: 6.0, Y: 1.2, Heading: 0.6,
        FinalX: 500.0, FinalY: 100.0, FinalHeading: 50.0,
        Speed: 2.2, TurnRate: 1.04, SpeedChange: 0.0, TurnRateChange: 0.0);

    /// <summary>
    /// Control limits of the two cars. Default: no backing up and at most 0.15 m/s of change from step to step, as measured on the published demonstrations; their turn rate changes by at most 0.33 rad/s, so its limit
    /// is not seen in them, and the swap's 0.75 rad/s stands here.
    /// </summary>
    public UnicycleLimits CarLimits { get; init; } = new(
        MinSpeed: 0.0, MaxSpeed: double.PositiveInfinity, MaxSpeedChange: 0.15, MaxTurnRateChange: 0.75);

    /// <summary>Control limits of the pedestrian: as the cars', but 0.03 m/s of change of speed.</summary>
    public UnicycleLimits PedestrianLimits { get; init; } = new(
        MinSpeed: 0.0, MaxSpeed: double.PositiveInfinity, MaxSpeedChange: 0.03, MaxTurnRateChange: 0.75);

    /// <summary>Shares of the eight modes (<see cref="WindingModes"/>); need not sum to one. Default: those of the 400 published demonstrations, in which the seventh never happens.</summary>
    public IReadOnlyList<double> ModeShares { get; init; } = [0.045, 0.0875, 0.2325, 0.575, 0.0025, 0.0125, 0, 0.045];

    /// <summary>
    /// How modes and places go together. Default: as places suggest, which the published demonstrations do in 89 of 100 cases; a mode forced on any place makes a car hurry, up to 1.6 times as fast as any
    /// published one.
    /// </summary>
    public ModeLaw ModeLaw { get; init; } = ModeLaw.Places;

    /// <summary>How many guesses are tried for one draw of starts and goals before it counts as unsolvable. Default 4.</summary>
    public int Guesses { get; init; } = 4;

    /// <summary>How many draws of starts and goals are tried for one demonstration before the generator gives up with an error. Default 50.</summary>
    public int Draws { get; init; } = 50;

    /// <summary>Largest violation of dynamics, distances and limits in a demonstration that is kept, m. Default 1e-6.</summary>
    public double MaxViolation { get; init; } = 1e-6;

    /// <summary>The solver's settings.</summary>
    public UnicycleSolverSettings Solver { get; init; } = new();

    /// <summary>Throws if a setting makes no sense.</summary>
    /// <exception cref="ArgumentException">With the setting's name and the value found.</exception>
    public void Validate()
    {
        Require(Knots >= 10, nameof(Knots), Knots);
        Require(TimeStep > 0, nameof(TimeStep), TimeStep);
        Require(Starts.Count == 2 * RoadExpert.Agents, nameof(Starts), Starts.Count);
        Require(Goals.Count == 2 * RoadExpert.Agents, nameof(Goals), Goals.Count);
        Require(TurnRadius > 0, nameof(TurnRadius), TurnRadius);
        Require(Starts[1] - TurnRadius > Goals[1] && Starts[0] + TurnRadius < Goals[0], nameof(TurnRadius), TurnRadius);
        Require(Spread >= 0, nameof(Spread), Spread);
        Require(Separation >= 0, nameof(Separation), Separation);
        Require(GoalSeparation >= 0, nameof(GoalSeparation), GoalSeparation);
        Require(PairDistance >= 0, nameof(PairDistance), PairDistance);
        Require(Early is >= 0 and <= RoadExpert.MaxEarly, nameof(Early), Early);
        Require(Guesses >= 1, nameof(Guesses), Guesses);
        Require(Draws >= 1, nameof(Draws), Draws);
        Require(ModeShares.Count == WindingModes.Count(RoadExpert.Agents), nameof(ModeShares), ModeShares.Count);
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
            throw new ArgumentException($"{name} = {value} makes no sense for the road.", name);
        }
    }
}
