using MimicD.Numerics;

namespace MimicD.World.Experts;

/// <summary>Solves single instances of the two-agent swap in a wanted mode. Immutable and safe to share between threads.</summary>
public sealed class SwapExpert : IExpertTask
{
    /// <summary>Number of agents.</summary>
    public const int Agents = 2;

    // The guess: both agents follow the straight line at constant speed, lifted by a cosine-squared bump centred on the disc.
    // Heights are chosen just outside the disc (inside agent) and just within the band (outside agent), the half-widths so that the bump
    // clears the disc's shoulders.
    private const double InsideClearance = 0.3;
    private const double OutsideClearance = 0.1;
    private const double InsideHalfWidth = 9.0 / 4.0;
    private const double OutsideHalfWidth = 8.0 / 4.0;

    // Later guesses vary height, width and place of the bump by up to these amounts.
    private const double HeightJitter = 0.3;
    private const double WidthJitter = 0.15;
    private const double PlaceJitter = 0.5;

    private readonly SwapExpertOptions _options;

    private SwapFrame Frame => new(_options.Span / 2, 0, 0, 1, _options.Span);

    /// <summary>Checks the options.</summary>
    /// <param name="options">Geometry, limits, weights.</param>
    /// <exception cref="ArgumentException">An option makes no sense.</exception>
    public SwapExpert(SwapExpertOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        Nominal = Problem([0, 0, options.Span, 0], [options.Span, 0, 0, 0]);
    }

    /// <inheritdoc/>
    public string Scenario => "swap";

    /// <inheritdoc/>
    public UnicycleProblem Nominal { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> ModeNames => SwapModes.Names;

    /// <inheritdoc/>
    public IReadOnlyList<double> ModeShares => _options.ModeShares;

    /// <inheritdoc/>
    public int Draws => _options.Draws;

    /// <inheritdoc/>
    public int Label(ReadOnlySpan<double> joint) => SwapModes.Label(joint[..(joint.Length / 2)], joint[(joint.Length / 2)..], Frame);

    /// <inheritdoc/>
    public void DrawPlaces(ref CounterRandom random, Span<double> starts, Span<double> goals)
    {
        for (int a = 0; a < Agents; a++)
        {
            starts[2 * a] = (a == 0 ? 0 : _options.Span) + random.NextUniform(-_options.Spread, _options.Spread);
            starts[(2 * a) + 1] = random.NextUniform(-_options.Spread, _options.Spread);
            goals[2 * a] = (a == 0 ? _options.Span : 0) + random.NextUniform(-_options.Spread, _options.Spread);
            goals[(2 * a) + 1] = random.NextUniform(-_options.Spread, _options.Spread);
        }
    }

    /// <inheritdoc/>
    public int Misfit(int mode, ReadOnlySpan<double> starts, ReadOnlySpan<double> goals)
        => _options.ModeLaw == ModeLaw.Independent || SwapModes.Suggested(starts, _options.ModeLaw == ModeLaw.Places ? goals : starts) == mode ? 0 : 1;

    /// <inheritdoc/>
    public JointDemonstration? Solve(
        int mode, ReadOnlySpan<double> starts, ReadOnlySpan<double> goals, ulong seed, CancellationToken cancellation = default)
    {
        UnicycleProblem problem = Problem(starts, goals);
        for (int attempt = 0; attempt < _options.Guesses; attempt++)
        {
            UnicycleSolution solution = UnicycleSolver.Solve(problem, Guess(mode, starts, goals, seed, attempt), _options.Solver, cancellation);
            if (!solution.Converged || solution.Violation > _options.MaxViolation)
            {
                continue;
            }

            if (Label(solution.Positions) == mode)
            {
                return new JointDemonstration(mode, solution.Positions, solution.Controls, goals.ToArray(), solution.Violation, solution.Iterations);
            }
        }

        return null;
    }

    /// <summary>The planning problem between given places.</summary>
    /// <param name="starts">[2, 2], m.</param>
    /// <param name="goals">[2, 2], m.</param>
    /// <exception cref="ArgumentException">Wrong shapes.</exception>
    public UnicycleProblem Problem(ReadOnlySpan<double> starts, ReadOnlySpan<double> goals)
    {
        if (starts.Length != 2 * Agents || goals.Length != 2 * Agents)
        {
            throw new ArgumentException($"Starts and goals are [2, 2]; they have {starts.Length} and {goals.Length} entries.", nameof(starts));
        }

        var agents = new UnicycleAgent[Agents];
        for (int a = 0; a < Agents; a++)
        {
            double heading = a == 0 ? 0 : Math.PI;
            agents[a] = new UnicycleAgent(
                starts[2 * a], starts[(2 * a) + 1], heading, goals[2 * a], goals[(2 * a) + 1], heading, _options.Weights, _options.Limits);
        }

        return new UnicycleProblem
        {
            Agents = agents,
            Discs = [new Disc(_options.Span / 2, 0, _options.DiscRadius)],
            PairDistance = _options.PairDistance,
            MaxAbsY = _options.MaxAbsY,
            TimeStep = _options.TimeStep,
            Knots = _options.Knots,
        };
    }

    private double[] Guess(int mode, ReadOnlySpan<double> starts, ReadOnlySpan<double> goals, ulong seed, int attempt)
    {
        int knots = _options.Knots;
        var guess = new double[Agents * knots * 2];
        var random = new CounterRandom(seed, RandomPurpose.Experts, attempt, ExpertGenerator.GuessStream);
        for (int a = 0; a < Agents; a++)
        {
            bool outside = SwapModes.Outside(mode, a);
            double height = outside ? _options.MaxAbsY - OutsideClearance : _options.DiscRadius + InsideClearance;
            double width = _options.DiscRadius * (outside ? OutsideHalfWidth : InsideHalfWidth);
            double place = _options.Span / 2;
            double jitterHeight = random.NextUniform(-1, 1);
            double jitterWidth = random.NextUniform(-1, 1);
            double jitterPlace = random.NextUniform(-1, 1);
            if (attempt > 0)
            {
                height += HeightJitter * (outside ? -Math.Abs(jitterHeight) : Math.Abs(jitterHeight));
                width *= 1 + (WidthJitter * jitterWidth);
                place += PlaceJitter * jitterPlace;
            }

            height *= SwapModes.Side(mode, a);
            for (int k = 0; k < knots; k++)
            {
                double along = (double)k / (knots - 1);
                double x = starts[2 * a] + (along * (goals[2 * a] - starts[2 * a]));
                double y = starts[(2 * a) + 1] + (along * (goals[(2 * a) + 1] - starts[(2 * a) + 1]));
                double from = Math.Clamp((x - place) / width, -1, 1);
                double lift = Math.Cos(Math.PI / 2 * from);
                lift *= lift;
                int p = 2 * ((a * knots) + k);
                guess[p] = x;
                guess[p + 1] = y + (lift * (height - y));
            }
        }

        return guess;
    }
}
