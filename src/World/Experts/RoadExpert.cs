using System.Numerics;
using MimicD.Numerics;

namespace MimicD.World.Experts;

/// <summary>Solves single instances of the three-agent road crossing in a wanted mode. Immutable and safe to share between threads.</summary>
public sealed class RoadExpert : IExpertTask
{
    /// <summary>Number of agents.</summary>
    public const int Agents = 3;

    /// <summary>The largest share of the time by which agents may be early: beyond it they would have to hurry as no published one does.</summary>
    public const double MaxEarly = 0.5;

    // Where agent 1's reference leaves the straight and where it leaves the turn, as shares of all steps.
    private const double StraightShare = 0.32;
    private const double TurnShare = 0.66;

    // Guesses: each agent on its route, ahead or behind by up to Hurry of its way and aside by up to Swerve, both largest half-way. Hurry stays below 1 / pi, so that nobody turns back.
    // Of Candidates drawn ones that have the wanted mode, the least deformed one counts in which no pair comes too near.
    private const int Candidates = 200;
    private const double Hurry = 0.3;
    private const double Swerve = 0.8;
    private const double NearnessPrice = 40;

    // What is drawn by the places themselves.
    private const int PaceStream = 3;

    // So rare are starts too near each other (one draw in ten) that this many draws never run out.
    private const int MaxRedraws = 1000;

    private static readonly double[] Headings = [-Math.PI / 2, Math.PI / 2, 0];

    // What the turn leads agent 1 into.
    private static readonly double[] FinalHeadings = [0, Math.PI / 2, 0];

    private readonly RoadExpertOptions _options;

    /// <summary>Checks the options.</summary>
    /// <param name="options">Geometry, limits, weights.</param>
    /// <exception cref="ArgumentException">An option makes no sense.</exception>
    public RoadExpert(RoadExpertOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        Nominal = Problem([.. options.Starts], [.. options.Goals]);
    }

    /// <inheritdoc/>
    public string Scenario => "road";

    /// <inheritdoc/>
    public UnicycleProblem Nominal { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> ModeNames { get; } = WindingModes.Names(Agents);

    /// <inheritdoc/>
    public IReadOnlyList<double> ModeShares => _options.ModeShares;

    /// <inheritdoc/>
    public int Draws => _options.Draws;

    /// <inheritdoc/>
    public int Label(ReadOnlySpan<double> joint) => WindingModes.Label(joint, Agents);

    /// <inheritdoc/>
    public void DrawPlaces(ref CounterRandom random, Span<double> starts, Span<double> goals)
    {
        int tries = 0;
        do
        {
            Draw(ref random, _options.Starts, starts);
        }
        while (++tries < MaxRedraws && Nearest(starts, 1) <= Math.Max(_options.Separation, _options.PairDistance));
        tries = 0;
        do
        {
            Draw(ref random, _options.Goals, goals);
        }
        while (++tries < MaxRedraws && Nearest(goals, 1) <= _options.GoalSeparation);
    }

    /// <summary>The number of pairs that turn the other way round each other in the mode than in the one that the places suggest; 0 where modes are independent of places.</summary>
    /// <inheritdoc/>
    public int Misfit(int mode, ReadOnlySpan<double> starts, ReadOnlySpan<double> goals)
        => _options.ModeLaw == ModeLaw.Independent ? 0
            : BitOperations.PopCount((uint)((Suggested(starts, _options.ModeLaw == ModeLaw.Places ? goals : [.. _options.Goals]) - 1) ^ (mode - 1)));

    /// <summary>The mode that starts and goals suggest by themselves: the one that all agents show who keep to their route and its pace, whoever is in the way.</summary>
    /// <param name="starts">[3, 2], m.</param>
    /// <param name="goals">[3, 2], m.</param>
    /// <returns>1..8.</returns>
    /// <exception cref="ArgumentException">Wrong shapes.</exception>
    public int Suggested(ReadOnlySpan<double> starts, ReadOnlySpan<double> goals) => Label(Routes(starts, goals));

    /// <inheritdoc/>
    public JointDemonstration? Solve(
        int mode, ReadOnlySpan<double> starts, ReadOnlySpan<double> goals, ulong seed, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(mode, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(mode, ModeNames.Count);
        UnicycleProblem problem = Problem(starts, goals);
        double[] routes = Routes(starts, goals);

        // Places that suggest a mode and yet do not lead to it would have to be forced, into paths that hurry as no published one does; others do it unforced.
        int guesses = _options.ModeLaw == ModeLaw.Places && Label(routes) == mode ? 1 : _options.Guesses;
        for (int attempt = 0; attempt < guesses; attempt++)
        {
            if (Guess(mode, routes, seed, attempt) is not { } guess)
            {
                continue;
            }

            UnicycleSolution solution = UnicycleSolver.Solve(problem, guess, _options.Solver, cancellation);
            if (solution.Converged && solution.Violation <= _options.MaxViolation && Label(solution.Positions) == mode)
            {
                return new JointDemonstration(mode, solution.Positions, solution.Controls, goals.ToArray(), solution.Violation, solution.Iterations);
            }
        }

        return null;
    }

    /// <summary>The planning problem between given places.</summary>
    /// <param name="starts">[3, 2], m.</param>
    /// <param name="goals">[3, 2], m.</param>
    /// <exception cref="ArgumentException">Wrong shapes.</exception>
    public UnicycleProblem Problem(ReadOnlySpan<double> starts, ReadOnlySpan<double> goals)
    {
        Check(starts, goals);
        var agents = new UnicycleAgent[Agents];
        double[] paces = Paces(starts, goals);
        for (int a = 0; a < Agents; a++)
        {
            agents[a] = new UnicycleAgent(
                starts[2 * a], starts[(2 * a) + 1], Headings[a], goals[2 * a], goals[(2 * a) + 1], FinalHeadings[a],
                _options.Weights, a == 2 ? _options.PedestrianLimits : _options.CarLimits)
            {
                Reference = a == 0 ? Hurried(Turn(goals[0], goals[1]), paces[a])
                    : paces[a] > 1 ? Hurried(Straight(starts.Slice(2 * a, 2), goals.Slice(2 * a, 2), FinalHeadings[a]), paces[a])
                    : null,
            };
        }

        return new UnicycleProblem
        {
            Agents = agents,
            PairDistance = _options.PairDistance,
            TimeStep = _options.TimeStep,
            Knots = _options.Knots,
        };
    }

    private static void Check(ReadOnlySpan<double> starts, ReadOnlySpan<double> goals)
    {
        if (starts.Length != 2 * Agents || goals.Length != 2 * Agents)
        {
            throw new ArgumentException($"Starts and goals are [3, 2]; they have {starts.Length} and {goals.Length} entries.", nameof(starts));
        }
    }

    private void Draw(ref CounterRandom random, IReadOnlyList<double> nominal, Span<double> places)
    {
        for (int i = 0; i < places.Length; i++)
        {
            places[i] = nominal[i] + random.NextUniform(-_options.Spread, _options.Spread);
        }
    }

    /// <summary>Agent 1's reference [Knots, 3]: down, round, and to the goal; it begins at the nominal start, wherever the agent begins.</summary>
    private double[] Turn(double goalX, double goalY)
    {
        int knots = _options.Knots;
        int straight = (int)Math.Round(StraightShare * knots);
        int turned = (int)Math.Round(TurnShare * knots);
        double radius = _options.TurnRadius;
        (double x, double y) = (_options.Starts[0], _options.Goals[1]);
        var reference = new double[3 * knots];
        for (int k = 0; k < knots; k++)
        {
            Span<double> at = reference.AsSpan(3 * k, 3);
            if (k <= straight)
            {
                double along = (double)k / straight;
                (at[0], at[1], at[2]) = (x, _options.Starts[1] + (along * (y + radius - _options.Starts[1])), Headings[0]);
            }
            else if (k <= turned)
            {
                double turn = Math.PI / 2 * (k - straight - 1) / (turned - straight - 1);
                (double sin, double cos) = Math.SinCos(turn);
                (at[0], at[1], at[2]) = (x + (radius * (1 - cos)), y + (radius * (1 - sin)), Headings[0] + turn);
            }
            else
            {
                double along = (double)(k - turned - 1) / (knots - turned - 1);
                (at[0], at[1], at[2]) = (x + radius + (along * (goalX - x - radius)), y + (along * (goalY - y)), FinalHeadings[0]);
            }
        }

        return reference;
    }

    /// <summary>How many times as fast as the published ones each agent means to get to its goal: drawn, and given by the places alone, so that the same places always make the same problem.</summary>
    private double[] Paces(ReadOnlySpan<double> starts, ReadOnlySpan<double> goals)
    {
        var paces = new double[Agents];
        Array.Fill(paces, 1);
        if (_options.Early > 0)
        {
            ulong places = BitConverter.DoubleToUInt64Bits(starts[0]) ^ ulong.RotateRight(BitConverter.DoubleToUInt64Bits(goals[0]), 32);
            var random = new CounterRandom(places, RandomPurpose.Experts, b: PaceStream);
            foreach (ref double pace in paces.AsSpan())
            {
                pace = 1 / (1 - (_options.Early * Math.Max(random.NextUniform(-1, 1), 0)));
            }
        }

        return paces;
    }

    /// <summary>The straight line [Knots, 3] to a goal that is due at step Knots.</summary>
    private double[] Straight(ReadOnlySpan<double> start, ReadOnlySpan<double> goal, double heading)
    {
        int knots = _options.Knots;
        var reference = new double[3 * knots];
        for (int k = 0; k < knots; k++)
        {
            double along = (double)k / knots;
            (reference[3 * k], reference[(3 * k) + 1], reference[(3 * k) + 2]) = (start[0] + (along * (goal[0] - start[0])), start[1] + (along * (goal[1] - start[1])), heading);
        }

        return reference;
    }

    /// <summary>A reference [Knots, 3] that is gone along faster, and stays where it ends.</summary>
    private static double[] Hurried(double[] reference, double pace)
    {
        if (pace == 1)
        {
            return reference;
        }

        int knots = reference.Length / 3;
        var hurried = new double[reference.Length];
        for (int k = 0; k < knots; k++)
        {
            double at = Math.Min(k * pace, knots - 1);
            int i = Math.Min((int)at, knots - 2);
            for (int c = 0; c < 3; c++)
            {
                double from = reference[(3 * i) + c];
                hurried[(3 * k) + c] = from + ((at - i) * (reference[(3 * (i + 1)) + c] - from));
            }
        }

        return hurried;
    }

    /// <summary>Where the agents are who keep to their references from where they start, [3, Knots, 2].</summary>
    private double[] Routes(ReadOnlySpan<double> starts, ReadOnlySpan<double> goals)
    {
        Check(starts, goals);
        int knots = _options.Knots;
        var routes = new double[Agents * knots * 2];
        double[] paces = Paces(starts, goals);
        double[] turn = Hurried(Turn(goals[0], goals[1]), paces[0]);
        for (int k = 0; k < knots; k++)
        {
            // Agent 1 gets from its start to its reference until the turn begins.
            double off = Math.Max(1 - (k * paces[0] / (StraightShare * knots)), 0);
            routes[2 * k] = turn[3 * k] + (off * (starts[0] - turn[0]));
            routes[(2 * k) + 1] = turn[(3 * k) + 1] + (off * (starts[1] - turn[1]));
            for (int a = 1; a < Agents; a++)
            {
                double along = Math.Min(k * paces[a], knots) / knots;
                for (int c = 0; c < 2; c++)
                {
                    int i = (2 * a) + c;
                    routes[(2 * ((a * knots) + k)) + c] = starts[i] + (along * (goals[i] - starts[i]));
                }
            }
        }

        return routes;
    }

    /// <summary>Paths [3, Knots, 2] that have the wanted mode: the routes themselves where they do, otherwise deformed ones; null if none was found.</summary>
    private double[]? Guess(int mode, double[] routes, ulong seed, int attempt)
    {
        if (attempt == 0 && Label(routes) == mode)
        {
            return routes;
        }

        var random = new CounterRandom(seed, RandomPurpose.Experts, attempt, ExpertGenerator.GuessStream);
        double[]? best = null;
        double lowest = double.PositiveInfinity;
        var guess = new double[routes.Length];
        for (int candidate = 0; candidate < Candidates; candidate++)
        {
            double price = 0;
            for (int a = 0; a < Agents; a++)
            {
                double hurry = random.NextUniform(-1, 1);
                double swerve = random.NextUniform(-1, 1);
                price += (hurry * hurry) + (swerve * swerve);
                Deform(routes, guess, a, Hurry * hurry, Swerve * swerve);
            }

            if (price >= lowest || Label(guess) != mode)
            {
                continue;
            }

            double near = Math.Max(_options.PairDistance - Nearest(guess, _options.Knots), 0);
            price += NearnessPrice * near * near;
            if (price < lowest)
            {
                lowest = price;
                (best, guess) = (guess, best ?? new double[routes.Length]);
            }
        }

        return best;
    }

    private void Deform(double[] routes, double[] guess, int agent, double hurry, double swerve)
    {
        int knots = _options.Knots;
        ReadOnlySpan<double> route = routes.AsSpan(agent * knots * 2, knots * 2);
        Span<double> path = guess.AsSpan(agent * knots * 2, knots * 2);
        for (int k = 0; k < knots; k++)
        {
            double along = (double)k / (knots - 1);
            double bump = Math.Sin(Math.PI * along);
            double at = Math.Clamp(along + (hurry * bump), 0, 1) * (knots - 1);
            int i = Math.Min((int)at, knots - 2);
            (double x, double y) = (route[2 * i], route[(2 * i) + 1]);
            (double dx, double dy) = (route[(2 * i) + 2] - x, route[(2 * i) + 3] - y);
            double length = Math.Max(Math.Sqrt((dx * dx) + (dy * dy)), 1e-9);
            double aside = swerve * bump * bump / length;
            path[2 * k] = x + ((at - i) * dx) - (aside * dy);
            path[(2 * k) + 1] = y + ((at - i) * dy) + (aside * dx);
        }
    }

    /// <summary>Smallest distance of two agents at the same step, m.</summary>
    private static double Nearest(ReadOnlySpan<double> joint, int steps)
    {
        double least = double.PositiveInfinity;
        for (int a = 0; a < Agents; a++)
        {
            for (int b = 0; b < a; b++)
            {
                for (int k = 0; k < steps; k++)
                {
                    least = Math.Min(least, Vectors.SquaredDistance(joint.Slice(2 * ((a * steps) + k), 2), joint.Slice(2 * ((b * steps) + k), 2)));
                }
            }
        }

        return Math.Sqrt(least);
    }
}
