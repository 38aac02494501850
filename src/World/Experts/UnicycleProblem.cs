namespace MimicD.World.Experts;

/// <summary>Weights of one unicycle's quadratic cost. The cost of a path is half the weighted sum of squares.</summary>
/// <param name="X">Weight of the deviation in x from the straight reference line, per step, 1/m^2.</param>
/// <param name="Y">Weight of the deviation in y from the straight reference line, per step, 1/m^2.</param>
/// <param name="Heading">Weight of the deviation from the reference heading, per step, 1/rad^2.</param>
/// <param name="FinalX">Weight of the distance in x between last position and goal, 1/m^2.</param>
/// <param name="FinalY">Weight of the distance in y between last position and goal, 1/m^2.</param>
/// <param name="FinalHeading">Weight of the deviation of the last heading from the reference heading, 1/rad^2.</param>
/// <param name="Speed">Weight of the speed, per step, s^2/m^2.</param>
/// <param name="TurnRate">Weight of the turn rate, per step, s^2/rad^2.</param>
/// <param name="SpeedChange">Weight of the change of speed from one step to the next, s^2/m^2.</param>
/// <param name="TurnRateChange">Weight of the change of turn rate from one step to the next, s^2/rad^2.</param>
public sealed record UnicycleWeights(
    double X, double Y, double Heading,
    double FinalX, double FinalY, double FinalHeading,
    double Speed, double TurnRate, double SpeedChange, double TurnRateChange);

/// <summary>Hard limits of one unicycle's controls.</summary>
/// <param name="MinSpeed">Smallest speed, m/s.</param>
/// <param name="MaxSpeed">Largest speed, m/s; positive infinity for none.</param>
/// <param name="MaxSpeedChange">Largest change of speed from one step to the next, m/s. The step after the last has speed zero, so every path comes to a stop.</param>
/// <param name="MaxTurnRateChange">Largest change of turn rate from one step to the next, rad/s.</param>
public sealed record UnicycleLimits(double MinSpeed, double MaxSpeed, double MaxSpeedChange, double MaxTurnRateChange);

/// <summary>One unicycle: where it starts, where it wants to go, what it pays and what it may do.</summary>
/// <param name="StartX">Start, x, m.</param>
/// <param name="StartY">Start, y, m.</param>
/// <param name="StartHeading">Heading at the start, rad (fixed).</param>
/// <param name="GoalX">Goal, x, m (a soft goal: the final weights pull towards it).</param>
/// <param name="GoalY">Goal, y, m.</param>
/// <param name="ReferenceHeading">Heading that deviations are measured from, rad.</param>
/// <param name="Weights">Cost.</param>
/// <param name="Limits">Control limits.</param>
public sealed record UnicycleAgent(
    double StartX, double StartY, double StartHeading,
    double GoalX, double GoalY, double ReferenceHeading,
    UnicycleWeights Weights, UnicycleLimits Limits)
{
    /// <summary>
    /// [Knots, 3]: position (m) and heading (rad) of each step that deviations are measured from; null for the straight line to the goal at the reference heading.
    /// The final weights pull to the goal and the reference heading either way.
    /// </summary>
    public double[]? Reference { get; init; }
}

/// <summary>A disc that no agent may enter.</summary>
/// <param name="X">Centre, x, m.</param>
/// <param name="Y">Centre, y, m.</param>
/// <param name="Radius">Smallest allowed distance from the centre, m.</param>
public sealed record Disc(double X, double Y, double Radius);

/// <summary>
/// A joint path planning problem of N unicycles (explicit Euler, x' = v cos heading, y' = v sin heading, heading' = omega) that keep apart from
/// each other and out of discs. The sum of all costs is minimised under the shared constraints; with shared multipliers a stationary point
/// of that sum is a generalised Nash equilibrium of the game in which every agent minimises its own cost.
/// </summary>
/// <remarks>
/// A path has <see cref="Knots"/> positions and one control fewer. The control after the last is zero, and the goal is due
/// at step <see cref="Knots"/>: unless an agent brings its own, the reference of step k is start + k / Knots (goal - start).
/// </remarks>
public sealed record UnicycleProblem
{
    /// <summary>The agents; at least one.</summary>
    public required IReadOnlyList<UnicycleAgent> Agents { get; init; }

    /// <summary>Discs to keep out of; default none.</summary>
    public IReadOnlyList<Disc> Discs { get; init; } = [];

    /// <summary>Smallest distance of any two agents at any step, m; 0 for no such limit. Default 0.</summary>
    public double PairDistance { get; init; }

    /// <summary>Largest |y| of any agent at any step, m; positive infinity for no such limit. Default infinity.</summary>
    public double MaxAbsY { get; init; } = double.PositiveInfinity;

    /// <summary>Time between two steps, s. Default 0.1.</summary>
    public double TimeStep { get; init; } = 0.1;

    /// <summary>Number of positions of a path. Default 100.</summary>
    public int Knots { get; init; } = 100;
}

/// <summary>Settings of the interior-point solver; see <see cref="UnicycleSolver"/>.</summary>
public sealed record UnicycleSolverSettings
{
    /// <summary>First barrier parameter. Small enough that the first steps do not carry the guess away from its mode. Default 1.</summary>
    public double FirstBarrier { get; init; } = 1.0;

    /// <summary>Last barrier parameter; an active constraint of multiplier m ends about this / m inside its limit. Default 1e-6.</summary>
    public double LastBarrier { get; init; } = 1e-6;

    /// <summary>Largest remaining residual of the optimality conditions. Default 1e-5.</summary>
    public double Tolerance { get; init; } = 1e-5;

    /// <summary>Most Newton steps. Default 300.</summary>
    public int MaxIterations { get; init; } = 300;
}

/// <summary>What the solver ends with.</summary>
/// <param name="Positions">[N, Knots, 2], m.</param>
/// <param name="Controls">[N, Knots - 1, 2]: speed m/s and turn rate rad/s.</param>
/// <param name="Cost">Sum of all agents' costs.</param>
/// <param name="Violation">Largest violation over dynamics (m, rad), distances and bounds (m), and control limits (m/s, rad/s); 0 if all hold.</param>
/// <param name="Residual">Largest residual of the optimality conditions.</param>
/// <param name="Iterations">Newton steps taken.</param>
/// <param name="Converged">Whether residual and barrier reached the settings.</param>
public sealed record UnicycleSolution(
    double[] Positions, double[] Controls, double Cost, double Violation, double Residual, int Iterations, bool Converged);
