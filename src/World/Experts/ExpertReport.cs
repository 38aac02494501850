using System.Globalization;
using MimicD.Numerics;

namespace MimicD.World.Experts;

/// <summary>Figures of one set of joint paths that need nothing but the positions.</summary>
/// <param name="Count">Number of demonstrations.</param>
/// <param name="Violation">Largest violation of pair distance, disc and band over all positions, m; 0 if all hold.</param>
/// <param name="AnyPairActive">Share of demonstrations whose smallest distance over all pairs is the limit to <see cref="ExpertReport.ActiveTolerance"/>.</param>
/// <param name="PairActive">[P]: share of demonstrations in which the pair's smallest distance is the limit to that tolerance; pairs in the order (1,2), (1,3), ..., (2,3), ...</param>
/// <param name="DiscActive">[N]: share of demonstrations in which the agent's smallest clearance of a disc is zero to that tolerance; empty without discs.</param>
/// <param name="ModeShares">[K]: share of each mode; what is missing to 1 shows none.</param>
/// <param name="MeanStep">[N]: mean distance between two positions, m.</param>
/// <param name="MaxStep">[N]: largest distance between two positions, m.</param>
/// <param name="Roughness">[N]: mean norm of the second difference of positions, m.</param>
public sealed record PathFigures(
    int Count, double Violation, double AnyPairActive, double[] PairActive, double[] DiscActive, double[] ModeShares, double[] MeanStep, double[] MaxStep, double[] Roughness);

/// <summary>
/// What a set of demonstrations is like and how near it is to a reference set.
/// </summary>
public sealed record ExpertReport
{
    /// <summary>A constraint counts as active when the path's smallest distance is within this of the limit, m.</summary>
    public const double ActiveTolerance = 1e-3;

    /// <summary>Splits of the reference over which both transport distances are averaged.</summary>
    public const int Splits = 50;

    // Shares that sum to less leave paths without a mode; the rest is rounding.
    private const double WithMode = 1 - 1e-9;

    // Agents up to which every pair has a line of its own.
    private const int MostPairsShown = 4;

    // Paths per mode that are compared with the reference, as a multiple of what the reference has; more only costs time.
    private const int Surplus = 2;

    /// <summary>Figures of the set itself.</summary>
    public required PathFigures Own { get; init; }

    /// <summary>Largest violation over dynamics and control limits, recomputed from positions and controls: m, m/s, rad/s.</summary>
    public required double DynamicsViolation { get; init; }

    /// <summary>Figures of the reference, if one was given.</summary>
    public PathFigures? Reference { get; init; }

    /// <summary>
    /// Mean transport distance between one half of the reference and as many of our paths with the mode counts of the other half, m: exact
    /// assignment, equal weights, discrete Frechet cost over the stacked joint path. Not a number without a reference or if a mode has too few paths.
    /// </summary>
    public double Transport { get; init; } = double.NaN;

    /// <summary>The split-half floor: the same distance between the two halves of the reference, over the same splits.</summary>
    public double TransportFloor { get; init; } = double.NaN;

    /// <summary>Names and values for printing.</summary>
    public IReadOnlyList<(string What, string Value)> Rows { get; init; } = [];

    /// <summary>Computes the report.</summary>
    /// <param name="set">Demonstrations of the task.</param>
    /// <param name="task">Limits to check against, and modes.</param>
    /// <param name="reference">Reference positions [M, N, T, 2], or empty.</param>
    /// <param name="seed">Key of the splits.</param>
    /// <exception cref="ArgumentException">A shape does not fit.</exception>
    public static ExpertReport Of(DemonstrationSet set, IExpertTask task, ReadOnlySpan<double> reference = default, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(task);
        int agents = task.Nominal.Agents.Count;
        if (set.Agents != agents || set.Dimensions != 2)
        {
            throw new ArgumentException($"Demonstrations of the {task.Scenario} have {agents} agents in the plane, not {set.Agents} in {set.Dimensions} dimensions.", nameof(set));
        }

        var report = new ExpertReport
        {
            Own = Figures(set.Positions.Data, set.Steps, task),
            DynamicsViolation = Dynamics(set, task.Nominal),
        };
        if (!reference.IsEmpty)
        {
            PathFigures figures = Figures(reference, set.Steps, task);
            (double transport, double floor) = Transports(set, task, reference, seed);
            report = report with { Reference = figures, Transport = transport, TransportFloor = floor };
        }

        return report with { Rows = Table(report, task) };
    }

    /// <summary>The joint transport distance of two sets of equally many joint paths.</summary>
    /// <param name="cost">[n, n] costs of pairs.</param>
    /// <param name="n">Number of paths in each set.</param>
    /// <returns>Mean cost of the best assignment.</returns>
    public static double TransportDistance(ReadOnlySpan<double> cost, int n) => Assignment.Solve(cost, n, n, new int[n]) / n;

    /// <summary>Figures of joint paths.</summary>
    /// <param name="positions">[M, N, T, 2], m.</param>
    /// <param name="steps">T.</param>
    /// <param name="task">Limits to check against, and modes.</param>
    /// <exception cref="ArgumentException">The shape does not fit.</exception>
    public static PathFigures Figures(ReadOnlySpan<double> positions, int steps, IExpertTask task)
    {
        ArgumentNullException.ThrowIfNull(task);
        UnicycleProblem limits = task.Nominal;
        int agents = limits.Agents.Count;
        int width = agents * steps * 2;
        if (positions.IsEmpty || positions.Length % width != 0)
        {
            throw new ArgumentException($"Positions [M, {agents}, {steps}, 2] are needed; there are {positions.Length} entries.", nameof(positions));
        }

        int count = positions.Length / width;
        double violation = 0;
        double anyPairActive = 0;
        var pairActive = new double[agents * (agents - 1) / 2];
        var discActive = new double[limits.Discs.Count == 0 ? 0 : agents];
        var shares = new double[task.ModeNames.Count];
        var mean = new double[agents];
        var most = new double[agents];
        var roughness = new double[agents];
        for (int m = 0; m < count; m++)
        {
            ReadOnlySpan<double> joint = positions.Slice(m * width, width);
            if (task.Label(joint) is > 0 and var shown)
            {
                shares[shown - 1] += 1.0 / count;
            }

            double nearest = double.PositiveInfinity;
            int pair = 0;
            for (int a = 0; a < agents; a++)
            {
                ReadOnlySpan<double> path = joint.Slice(a * steps * 2, steps * 2);
                for (int b = a + 1; b < agents; b++, pair++)
                {
                    ReadOnlySpan<double> other = joint.Slice(b * steps * 2, steps * 2);
                    double least = double.PositiveInfinity;
                    for (int k = 0; k < steps; k++)
                    {
                        least = Math.Min(least, Distance(path[2 * k] - other[2 * k], path[(2 * k) + 1] - other[(2 * k) + 1]));
                    }

                    pairActive[pair] += Active(least, limits.PairDistance) / count;
                    nearest = Math.Min(nearest, least);
                }

                double clearance = double.PositiveInfinity;
                for (int k = 0; k < steps; k++)
                {
                    double x = path[2 * k];
                    double y = path[(2 * k) + 1];
                    foreach (Disc disc in limits.Discs)
                    {
                        clearance = Math.Min(clearance, Distance(x - disc.X, y - disc.Y) - disc.Radius);
                    }

                    violation = Math.Max(violation, Math.Abs(y) - limits.MaxAbsY);
                    if (k > 0)
                    {
                        double step = Distance(x - path[(2 * k) - 2], y - path[(2 * k) - 1]);
                        mean[a] += step / ((steps - 1) * count);
                        most[a] = Math.Max(most[a], step);
                    }

                    if (k > 1)
                    {
                        roughness[a] += Distance(
                            x - (2 * path[(2 * k) - 2]) + path[(2 * k) - 4],
                            y - (2 * path[(2 * k) - 1]) + path[(2 * k) - 3]) / ((steps - 2) * count);
                    }
                }

                if (discActive.Length > 0)
                {
                    discActive[a] += Active(clearance, 0) / count;
                    violation = Math.Max(violation, -clearance);
                }
            }

            anyPairActive += Active(nearest, limits.PairDistance) / count;
            violation = Math.Max(violation, limits.PairDistance - nearest);
        }

        return new PathFigures(count, violation, anyPairActive, pairActive, discActive, shares, mean, most, roughness);
    }

    private static double Active(double least, double limit) => Math.Abs(least - limit) <= ActiveTolerance ? 1.0 : 0.0;

    private static double Distance(double x, double y) => Math.Sqrt((x * x) + (y * y));

    /// <summary>Follows the controls by explicit Euler from the start and its heading, and checks them against their limits.</summary>
    private static double Dynamics(DemonstrationSet set, UnicycleProblem problem)
    {
        double worst = 0;
        int moves = set.Steps - 1;
        for (int m = 0; m < set.Count && set.Controls is not null; m++)
        {
            for (int a = 0; a < set.Agents; a++)
            {
                ReadOnlySpan<double> path = set.Path(m, a);
                ReadOnlySpan<double> controls = set.Controls.Data.AsSpan(((m * set.Agents) + a) * moves * 2, moves * 2);
                (double x, double y) = (path[0], path[1]);
                double heading = problem.Agents[a].StartHeading;
                UnicycleLimits limits = problem.Agents[a].Limits;
                for (int k = 0; k < moves; k++)
                {
                    double v = controls[2 * k];
                    double omega = controls[(2 * k) + 1];
                    x += set.TimeStep * v * Math.Cos(heading);
                    y += set.TimeStep * v * Math.Sin(heading);
                    heading += set.TimeStep * omega;
                    worst = Math.Max(worst, Math.Max(Math.Abs(x - path[(2 * k) + 2]), Math.Abs(y - path[(2 * k) + 3])));
                    worst = Math.Max(worst, Math.Max(limits.MinSpeed - v, v - limits.MaxSpeed));

                    // The control after the last is zero.
                    double nextV = k + 1 < moves ? controls[(2 * k) + 2] : 0;
                    double nextOmega = k + 1 < moves ? controls[(2 * k) + 3] : 0;
                    worst = Math.Max(worst, Math.Abs(nextV - v) - limits.MaxSpeedChange);
                    worst = Math.Max(worst, Math.Abs(nextOmega - omega) - limits.MaxTurnRateChange);
                }
            }
        }

        return worst;
    }

    private static (double Transport, double Floor) Transports(DemonstrationSet set, IExpertTask task, ReadOnlySpan<double> reference, ulong seed)
    {
        int width = set.Agents * set.Steps * 2;
        var shown = new List<(int Index, int Mode)>();
        for (int i = 0; i < reference.Length / width; i++)
        {
            if (task.Label(reference.Slice(i * width, width)) is > 0 and var label)
            {
                shown.Add((i, label));
            }
        }

        // Paths that show no mode have no counterpart of the same mode.
        int count = shown.Count;
        int half = count / 2;
        if (half == 0)
        {
            return (double.NaN, double.NaN);
        }

        var referencePaths = new double[count][];
        int[] referenceModes = [.. shown.Select(s => s.Mode)];
        var byMode = new List<int>[task.ModeNames.Count];
        for (int mode = 0; mode < byMode.Length; mode++)
        {
            byMode[mode] = [];
        }

        for (int i = 0; i < count; i++)
        {
            referencePaths[i] = DiscreteFrechet.Stack(reference.Slice(shown[i].Index * width, width), set.Agents);
        }

        var ownPaths = new List<double[]>();
        for (int i = 0; i < set.Count; i++)
        {
            ReadOnlySpan<double> joint = set.Positions.Data.AsSpan(i * width, width);
            int mode = task.Label(joint) - 1;
            // A path that shows no mode stands in for nothing.
            if (mode >= 0 && byMode[mode].Count < Surplus * referenceModes.Count(m => m == mode + 1))
            {
                byMode[mode].Add(ownPaths.Count);
                ownPaths.Add(DiscreteFrechet.Stack(joint, set.Agents));
            }
        }

        double[] within = Costs(referencePaths, referencePaths, set.Agents);
        double[] across = Costs([.. ownPaths], referencePaths, set.Agents);
        double transport = 0;
        double floor = 0;
        var order = new int[count];
        var own = new int[half];
        var cost = new double[half * half];
        for (int split = 0; split < Splits; split++)
        {
            var random = new CounterRandom(seed, RandomPurpose.Resampling, split);
            Shuffle(order, ref random);
            ReadOnlySpan<int> first = order.AsSpan(0, half);
            ReadOnlySpan<int> second = order.AsSpan(half, half);
            floor += TransportDistance(Block(within, count, first, second, cost), half) / Splits;

            // Our stand-ins for the first half: as many of each mode, drawn without replacement.
            int taken = 0;
            for (int mode = 0; mode < byMode.Length; mode++)
            {
                int wanted = 0;
                foreach (int i in first)
                {
                    wanted += referenceModes[i] == mode + 1 ? 1 : 0;
                }

                if (wanted > byMode[mode].Count)
                {
                    transport = double.NaN;
                    break;
                }

                var pick = new int[byMode[mode].Count];
                Shuffle(pick, ref random);
                for (int i = 0; i < wanted; i++)
                {
                    own[taken++] = byMode[mode][pick[i]];
                }
            }

            if (!double.IsNaN(transport))
            {
                transport += TransportDistance(Block(across, count, own, second, cost), half) / Splits;
            }
        }

        return (transport, floor);
    }

    private static double[] Costs(double[][] rows, double[][] columns, int agents)
    {
        var cost = new double[rows.Length * columns.Length];
        Parallel.For(0, rows.Length, i =>
        {
            // A set against itself is symmetric.
            for (int j = 0; j < (ReferenceEquals(rows, columns) ? i : columns.Length); j++)
            {
                cost[(i * columns.Length) + j] = DiscreteFrechet.Distance(rows[i], columns[j], 2 * agents);
            }
        });
        for (int i = 0; i < rows.Length && ReferenceEquals(rows, columns); i++)
        {
            for (int j = 0; j < i; j++)
            {
                cost[(j * columns.Length) + i] = cost[(i * columns.Length) + j];
            }
        }

        return cost;
    }

    private static double[] Block(double[] cost, int columns, ReadOnlySpan<int> rows, ReadOnlySpan<int> others, double[] block)
    {
        for (int i = 0; i < rows.Length; i++)
        {
            for (int j = 0; j < others.Length; j++)
            {
                block[(i * others.Length) + j] = cost[(rows[i] * columns) + others[j]];
            }
        }

        return block;
    }

    private static void Shuffle(int[] order, ref CounterRandom random)
    {
        for (int i = 0; i < order.Length; i++)
        {
            int j = random.NextInt32(i + 1);
            order[i] = order[j];
            order[j] = i;
        }
    }

    private static List<(string What, string Value)> Table(ExpertReport report, IExpertTask task)
    {
        PathFigures own = report.Own;
        PathFigures? other = report.Reference;
        int agents = own.MeanStep.Length;
        var rows = new List<(string, string)>
        {
            ("demonstrations", Text(own.Count) + (other is null ? string.Empty : $" (reference {other.Count})")),
            ("largest violation of distances, m", own.Violation.ToString("E1", CultureInfo.InvariantCulture)),
            ("largest violation of dynamics and controls", report.DynamicsViolation.ToString("E1", CultureInfo.InvariantCulture)),
            ("pair limit active, share", Beside(own.AnyPairActive, other?.AnyPairActive)),
        };
        int pair = 0;
        for (int a = 0; a < agents && agents is > 2 and <= MostPairsShown; a++)
        {
            for (int b = a + 1; b < agents; b++, pair++)
            {
                rows.Add(($"pair limit active, share, agents {a + 1} and {b + 1}", Beside(own.PairActive[pair], other?.PairActive[pair])));
            }
        }

        for (int a = 0; a < own.DiscActive.Length; a++)
        {
            rows.Add(($"disc limit active, share, agent {a + 1}", Beside(own.DiscActive[a], other?.DiscActive[a])));
        }

        for (int mode = 0; mode < own.ModeShares.Length; mode++)
        {
            rows.Add(($"mode {mode + 1} ({task.ModeNames[mode]}), share", Beside(own.ModeShares[mode], other?.ModeShares[mode])));
        }

        if (own.ModeShares.Sum() < WithMode || other?.ModeShares.Sum() < WithMode)
        {
            rows.Add(("no mode, share", Beside(1 - own.ModeShares.Sum(), 1 - other?.ModeShares.Sum())));
        }

        for (int a = 0; a < agents; a++)
        {
            rows.Add(($"mean step, m, agent {a + 1}", Ratio(own.MeanStep[a], other?.MeanStep[a])));
            rows.Add(($"largest step, m, agent {a + 1}", Ratio(own.MaxStep[a], other?.MaxStep[a])));
            rows.Add(($"roughness (second difference), m, agent {a + 1}", Ratio(own.Roughness[a], other?.Roughness[a])));
        }

        if (other is not null)
        {
            rows.Add(("joint transport distance, modes matched, m", Text(report.Transport)));
            rows.Add(("split-half floor of the reference, m", Text(report.TransportFloor)));
            rows.Add(("ratio to the floor", Text(report.Transport / report.TransportFloor)));
        }

        return rows;
    }

    private static string Text(double value) => value.ToString("0.####", CultureInfo.InvariantCulture);

    private static string Beside(double own, double? reference) =>
        reference is null ? Text(own) : $"{Text(own)} (reference {Text(reference.Value)})";

    private static string Ratio(double own, double? reference) =>
        reference is null ? Text(own) : $"{Text(own)} (reference {Text(reference.Value)}, ratio {Text(own / reference.Value)})";
}
