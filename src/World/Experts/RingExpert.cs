using MimicD.Numerics;

namespace MimicD.World.Experts;

/// <summary>Solves single instances of the ring, everybody to the opposite side, in a wanted sense of circulation. Immutable and safe to share between threads.</summary>
public sealed class RingExpert : IExpertTask
{
    /// <summary>Most agents: a Newton step costs the third power of their number.</summary>
    public const int MaxAgents = 8;

    // Guesses: the straight way at the reference's pace, pushed aside by a cosine-squared bump as high as a roundabout of so many agents needs, over Widen times as much way on either side.
    // Later guesses vary height and width.
    private const double Clearance = 1.1;
    private const double Widen = 2.0;
    private const double Jitter = 0.3;

    private readonly Scenario _scenario;
    private readonly RingExpertOptions _options;
    private readonly double[] _starts;
    private readonly double[] _goals;
    private readonly double _separation;
    private readonly int _knots;

    /// <summary>Checks scenario and options.</summary>
    /// <param name="scenario">A circle of agents, with the law of the demonstrations' places and the distance that experts keep.</param>
    /// <param name="options">Pace, weights, shares.</param>
    /// <exception cref="ArgumentException">An option makes no sense, or the scenario is no such circle.</exception>
    public RingExpert(Scenario scenario, RingExpertOptions options)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (scenario.Circle is null || scenario.Demonstrations is null || scenario.Collision.Experts is null || scenario.Modes != ModeRule.Circulation || scenario.Agents > MaxAgents)
        {
            throw new ArgumentException($"A circle of 2 to {MaxAgents} agents is needed, with demonstrations, collision.experts and modes by circulation.", nameof(scenario));
        }

        if (scenario.Dynamics.MaxSpeed is { } limit && limit <= options.Pace)
        {
            throw new ArgumentException($"A pace below the scenario's largest speed {limit} is needed, to catch up after the way round; it is {options.Pace}.", nameof(options));
        }

        (_scenario, _options) = (scenario, options);
        if (options.Places > 0 && options.Places < scenario.Agents)
        {
            throw new ArgumentException($"At least {scenario.Agents} places are needed, one an agent; there are {options.Places}.", nameof(options));
        }

        var circle = scenario.Circle with { Agents = Math.Max(options.Places, scenario.Agents) };
        if (options.Island >= circle.ActualRadius)
        {
            throw new ArgumentException($"An island within the circle's radius {circle.ActualRadius} is needed; its own is {options.Island}.", nameof(options));
        }

        BodySpec[] bodies = (scenario with { Circle = circle }).NominalBodies()[..scenario.Agents];
        _starts = [.. bodies.SelectMany(b => b.Start)];
        _goals = [.. bodies.SelectMany(b => b.Goal)];
        _separation = scenario.Collision.Experts.Pair + options.PairMargin;
        double length = options.Island == 0 ? 2 * circle.ActualRadius : new RoundaboutWay(scenario.Circle.Centre, options.Island, CirculationModes.CounterClockwise, _starts.AsSpan(0, 2), _goals.AsSpan(0, 2)).Length;
        _knots = (int)Math.Ceiling((length / options.Pace + options.Slack) / scenario.TimeStep) + 1;
        Nominal = Problem(_starts, _goals, CirculationModes.CounterClockwise);
    }

    /// <inheritdoc/>
    public string Scenario => _scenario.Name;

    /// <inheritdoc/>
    public UnicycleProblem Nominal { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> ModeNames => CirculationModes.Names;

    /// <inheritdoc/>
    public IReadOnlyList<double> ModeShares => _options.ModeShares;

    /// <inheritdoc/>
    public int Draws => _options.Draws;

    /// <inheritdoc/>
    public int Label(ReadOnlySpan<double> joint) => CirculationModes.Label(joint, _scenario.Agents, _scenario.Circle!.Centre);

    /// <inheritdoc/>
    public void DrawPlaces(ref CounterRandom random, Span<double> starts, Span<double> goals)
    {
        _starts.CopyTo(starts);
        _goals.CopyTo(goals);
        for (int i = 0; i < starts.Length; i += 2)
        {
            _scenario.Demonstrations!.Starts.Draw(ref random, starts.Slice(i, 2));
            _scenario.Demonstrations.Goals.Draw(ref random, goals.Slice(i, 2));
        }
    }

    /// <summary>0: both ways round go with any places.</summary>
    /// <inheritdoc/>
    public int Misfit(int mode, ReadOnlySpan<double> starts, ReadOnlySpan<double> goals) => 0;

    /// <inheritdoc/>
    public JointDemonstration? Solve(
        int mode, ReadOnlySpan<double> starts, ReadOnlySpan<double> goals, ulong seed, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(mode, CirculationModes.CounterClockwise);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(mode, CirculationModes.Clockwise);
        UnicycleProblem problem = Problem(starts, goals, mode);
        for (int attempt = 0; attempt < _options.Guesses; attempt++)
        {
            UnicycleSolution solution = UnicycleSolver.Solve(problem, Guess(mode, problem, seed, attempt), _options.Solver, cancellation);
            if (solution.Converged && solution.Violation <= _options.MaxViolation && Label(solution.Positions) == mode)
            {
                return new JointDemonstration(mode, solution.Positions, solution.Controls, goals.ToArray(), solution.Violation, solution.Iterations);
            }
        }

        return null;
    }

    /// <summary>The planning problem between given places.</summary>
    /// <param name="starts">[N, 2], m.</param>
    /// <param name="goals">[N, 2], m.</param>
    /// <param name="mode">Which way round the reference goes, where there is an island.</param>
    /// <exception cref="ArgumentException">Wrong shapes.</exception>
    public UnicycleProblem Problem(ReadOnlySpan<double> starts, ReadOnlySpan<double> goals, int mode)
    {
        if (starts.Length != _starts.Length || goals.Length != _starts.Length)
        {
            throw new ArgumentException($"Starts and goals are [{_scenario.Agents}, 2]; they have {starts.Length} and {goals.Length} entries.", nameof(starts));
        }

        ReadOnlySpan<double> centre = _scenario.Circle!.Centre;
        var limits = new UnicycleLimits(0, _scenario.Dynamics.MaxSpeed ?? double.PositiveInfinity, _options.MaxSpeedChange, _options.MaxTurnRateChange);
        var agents = new UnicycleAgent[_scenario.Agents];
        for (int a = 0; a < agents.Length; a++)
        {
            (double x, double y, double goalX, double goalY) = (starts[2 * a], starts[(2 * a) + 1], goals[2 * a], goals[(2 * a) + 1]);
            if (_options.Island > 0)
            {
                double[] round = new RoundaboutWay(centre, _options.Island, mode, starts.Slice(2 * a, 2), goals.Slice(2 * a, 2)).At(_options.Pace * _scenario.TimeStep, _knots);
                agents[a] = new UnicycleAgent(x, y, round[2], goalX, goalY, round[^1], _options.Weights, limits) { Reference = round };
                continue;
            }

            double heading = Math.Atan2(_goals[(2 * a) + 1] - _starts[(2 * a) + 1], _goals[2 * a] - _starts[2 * a]);
            agents[a] = new UnicycleAgent(x, y, heading, goalX, goalY, heading, _options.Weights, limits) { Reference = Straight(x, y, goalX, goalY, heading) };
        }

        return new UnicycleProblem
        {
            Agents = agents,
            Discs = _options.Island > 0 ? [new Disc(centre[0], centre[1], _options.Island)] : [],
            PairDistance = _separation,
            TimeStep = _scenario.TimeStep,
            Knots = _knots,
        };
    }

    /// <summary>Straight to the goal at the pace, and there at rest, [Knots, 3].</summary>
    private double[] Straight(double x, double y, double goalX, double goalY, double heading)
    {
        var reference = new double[3 * _knots];
        double length = Math.Sqrt(((goalX - x) * (goalX - x)) + ((goalY - y) * (goalY - y)));
        for (int k = 0; k < _knots; k++)
        {
            double along = Math.Min(k * _scenario.TimeStep * _options.Pace / length, 1);
            reference[3 * k] = x + (along * (goalX - x));
            reference[(3 * k) + 1] = y + (along * (goalY - y));
            reference[(3 * k) + 2] = heading;
        }

        return reference;
    }

    private double[] Guess(int mode, UnicycleProblem problem, ulong seed, int attempt)
    {
        int agents = problem.Agents.Count;
        var guess = new double[agents * _knots * 2];
        var random = new CounterRandom(seed, RandomPurpose.Experts, attempt, ExpertGenerator.GuessStream);
        double height = Clearance * _separation / (2 * Math.Sin(Math.PI / agents));
        double width = Widen * Math.Max(height, _separation);
        if (attempt > 0)
        {
            height *= 1 + (Jitter * random.NextDouble());
            width *= 1 + (Jitter * random.NextUniform(-1, 1));
        }

        if (_options.Island > 0)
        {
            // The way round, here and there a little aside.
            for (int i = 0; i < guess.Length; i++)
            {
                double[] reference = problem.Agents[i / (2 * _knots)].Reference!;
                guess[i] = reference[(3 * (i / 2 % _knots)) + (i % 2)] + (attempt == 0 ? 0 : Jitter * _separation * random.NextUniform(-1, 1) / 2);
            }

            return guess;
        }

        // Who keeps the centre on the left passes it on its own right.
        double aside = mode == CirculationModes.CounterClockwise ? -height : height;
        ReadOnlySpan<double> centre = _scenario.Circle!.Centre;
        for (int a = 0; a < agents; a++)
        {
            double[] reference = problem.Agents[a].Reference!;
            (double sin, double cos) = Math.SinCos(problem.Agents[a].StartHeading);
            for (int k = 0; k < _knots; k++)
            {
                (double x, double y) = (reference[3 * k], reference[(3 * k) + 1]);
                double past = ((x - centre[0]) * cos) + ((y - centre[1]) * sin);
                double across = ((y - centre[1]) * cos) - ((x - centre[0]) * sin);
                double lift = Math.Cos(Math.PI / 2 * Math.Clamp(past / width, -1, 1));
                double offset = lift * lift * (aside - across);
                int p = 2 * ((a * _knots) + k);
                guess[p] = x - (offset * sin);
                guess[p + 1] = y + (offset * cos);
            }
        }

        return guess;
    }
}
