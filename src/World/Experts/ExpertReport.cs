using System.Globalization;
using MimicD.Numerics;

namespace MimicD.World.Experts;

/// <summary>Figures of one set of joint swap paths that need nothing but the positions.</summary>
/// <param name="Count">Number of demonstrations.</param>
/// <param name="Violation">Largest violation of pair distance, disc and band over all positions, m; 0 if all hold.</param>
/// <param name="PairActive">Share of demonstrations whose smallest pair distance is the limit to <see cref="ExpertReport.ActiveTolerance"/>.</param>
/// <param name="DiscActive">[N]: share of demonstrations in which the agent's smallest distance from the disc's centre is the limit to that tolerance.</param>
/// <param name="ModeShares">[6]: share of each mode.</param>
/// <param name="MeanStep">[N]: mean distance between two positions, m.</param>
/// <param name="MaxStep">[N]: largest distance between two positions, m.</param>
/// <param name="Roughness">[N]: mean norm of the second difference of positions, m.</param>
public sealed record PathFigures(
    int Count, double Violation, double PairActive, double[] DiscActive, double[] ModeShares, double[] MeanStep, double[] MaxStep, double[] Roughness);

/// <summary>
/// What a set of swap demonstrations is like and how near it is to a reference set.
/// </summary>
public sealed record ExpertReport
{
    /// <summary>A constraint counts as active when the path's smallest distance is within this of the limit, m.</summary>
    public const double ActiveTolerance = 1e-3;

    /// <summary>Splits of the reference over which both transport distances are averaged.</summary>
    public const int Splits = 50;

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
    /// <param name="set">Swap demonstrations.</param>
    /// <param name="options">Limits to check against.</param>
    /// <param name="reference">Reference positions [M, 2, T, 2], or empty.</param>
    /// <param name="seed">Key of the splits.</param>
    /// <exception cref="ArgumentException">A shape does not fit.</exception>
    public static ExpertReport Of(DemonstrationSet set, SwapExpertOptions options, ReadOnlySpan<double> reference = default, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(options);
        if (set.Agents != SwapExpert.Agents || set.Dimensions != 2)
        {
            throw new ArgumentException($"Swap demonstrations have {SwapExpert.Agents} agents in the plane, not {set.Agents} in {set.Dimensions} dimensions.", nameof(set));
        }

        var report = new ExpertReport
        {
            Own = Figures(set.Positions.Data, set.Steps, options),
            DynamicsViolation = Dynamics(set, options),
        };
        if (!reference.IsEmpty)
        {
            (double transport, double floor) = Transports(set, reference, seed);
            report = report with { Reference = Figures(reference, set.Steps, options), Transport = transport, TransportFloor = floor };
        }

        return report with { Rows = Table(report) };
    }

    /// <summary>The joint transport distance of two sets of equally many joint paths.</summary>
    /// <param name="cost">[n, n] costs of pairs.</param>
    /// <param name="n">Number of paths in each set.</param>
    /// <returns>Mean cost of the best assignment.</returns>
    public static double TransportDistance(ReadOnlySpan<double> cost, int n) => Assignment.Solve(cost, n, n, new int[n]) / n;

    /// <summary>Figures of joint swap paths.</summary>
    /// <param name="positions">[M, 2, T, 2], m.</param>
    /// <param name="steps">T.</param>
    /// <param name="options">Limits to check against.</param>
    /// <exception cref="ArgumentException">The shape does not fit.</exception>
    public static PathFigures Figures(ReadOnlySpan<double> positions, int steps, SwapExpertOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        const int Agents = SwapExpert.Agents;
        int width = Agents * steps * 2;
        if (positions.IsEmpty || positions.Length % width != 0)
        {
            throw new ArgumentException($"Positions [M, {Agents}, {steps}, 2] are needed; there are {positions.Length} entries.", nameof(positions));
        }

        int count = positions.Length / width;
        double violation = 0;
        double pairActive = 0;
        var discActive = new double[Agents];
        var shares = new double[SwapModes.Count];
        var mean = new double[Agents];
        var most = new double[Agents];
        var roughness = new double[Agents];
        for (int m = 0; m < count; m++)
        {
            ReadOnlySpan<double> joint = positions.Slice(m * width, width);
            ReadOnlySpan<double> path1 = joint[..(steps * 2)];
            ReadOnlySpan<double> path2 = joint[(steps * 2)..];
            shares[SwapModes.Label(path1, path2) - 1] += 1.0 / count;
            double pair = double.PositiveInfinity;
            for (int k = 0; k < steps; k++)
            {
                pair = Math.Min(pair, Distance(path1[2 * k] - path2[2 * k], path1[(2 * k) + 1] - path2[(2 * k) + 1]));
            }

            pairActive += Active(pair, options.PairDistance) / count;
            violation = Math.Max(violation, options.PairDistance - pair);
            for (int a = 0; a < Agents; a++)
            {
                ReadOnlySpan<double> path = a == 0 ? path1 : path2;
                double disc = double.PositiveInfinity;
                for (int k = 0; k < steps; k++)
                {
                    double x = path[2 * k];
                    double y = path[(2 * k) + 1];
                    disc = Math.Min(disc, Distance(x - (options.Span / 2), y));
                    violation = Math.Max(violation, Math.Abs(y) - options.MaxAbsY);
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

                discActive[a] += Active(disc, options.DiscRadius) / count;
                violation = Math.Max(violation, options.DiscRadius - disc);
            }
        }

        return new PathFigures(count, violation, pairActive, discActive, shares, mean, most, roughness);
    }

    private static double Active(double least, double limit) => Math.Abs(least - limit) <= ActiveTolerance ? 1.0 : 0.0;

    private static double Distance(double x, double y) => Math.Sqrt((x * x) + (y * y));

    /// <summary>Follows the controls by explicit Euler from the start and its heading, and checks them against their limits.</summary>
    private static double Dynamics(DemonstrationSet set, SwapExpertOptions options)
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
                double heading = a == 0 ? 0 : Math.PI;
                for (int k = 0; k < moves; k++)
                {
                    double v = controls[2 * k];
                    double omega = controls[(2 * k) + 1];
                    x += set.TimeStep * v * Math.Cos(heading);
                    y += set.TimeStep * v * Math.Sin(heading);
                    heading += set.TimeStep * omega;
                    worst = Math.Max(worst, Math.Max(Math.Abs(x - path[(2 * k) + 2]), Math.Abs(y - path[(2 * k) + 3])));
                    worst = Math.Max(worst, Math.Max(options.Limits.MinSpeed - v, v - options.Limits.MaxSpeed));

                    // The control after the last is zero.
                    double nextV = k + 1 < moves ? controls[(2 * k) + 2] : 0;
                    double nextOmega = k + 1 < moves ? controls[(2 * k) + 3] : 0;
                    worst = Math.Max(worst, Math.Abs(nextV - v) - options.Limits.MaxSpeedChange);
                    worst = Math.Max(worst, Math.Abs(nextOmega - omega) - options.Limits.MaxTurnRateChange);
                }
            }
        }

        return worst;
    }

    private static (double Transport, double Floor) Transports(DemonstrationSet set, ReadOnlySpan<double> reference, ulong seed)
    {
        int width = set.Agents * set.Steps * 2;
        int count = reference.Length / width;
        int half = count / 2;
        var referencePaths = new double[count][];
        var referenceModes = new int[count];
        var byMode = new List<int>[SwapModes.Count];
        for (int mode = 0; mode < SwapModes.Count; mode++)
        {
            byMode[mode] = [];
        }

        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<double> joint = reference.Slice(i * width, width);
            referencePaths[i] = DiscreteFrechet.Stack(joint, set.Agents);
            referenceModes[i] = SwapModes.Label(joint[..(width / 2)], joint[(width / 2)..]);
        }

        var ownPaths = new List<double[]>();
        for (int i = 0; i < set.Count; i++)
        {
            ReadOnlySpan<double> joint = set.Positions.Data.AsSpan(i * width, width);
            int mode = SwapModes.Label(joint[..(width / 2)], joint[(width / 2)..]) - 1;
            if (byMode[mode].Count < Surplus * referenceModes.Count(m => m == mode + 1))
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
            for (int mode = 0; mode < SwapModes.Count; mode++)
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

    private static List<(string What, string Value)> Table(ExpertReport report)
    {
        PathFigures own = report.Own;
        PathFigures? other = report.Reference;
        var rows = new List<(string, string)>
        {
            ("demonstrations", Text(own.Count) + (other is null ? string.Empty : $" (reference {other.Count})")),
            ("largest violation of distances, m", own.Violation.ToString("E1", CultureInfo.InvariantCulture)),
            ("largest violation of dynamics and controls", report.DynamicsViolation.ToString("E1", CultureInfo.InvariantCulture)),
            ("pair limit active, share", Beside(own.PairActive, other?.PairActive)),
        };
        for (int a = 0; a < SwapExpert.Agents; a++)
        {
            rows.Add(($"disc limit active, share, agent {a + 1}", Beside(own.DiscActive[a], other?.DiscActive[a])));
        }

        for (int mode = 0; mode < SwapModes.Count; mode++)
        {
            rows.Add(($"mode {mode + 1} ({SwapModes.Names[mode]}), share", Beside(own.ModeShares[mode], other?.ModeShares[mode])));
        }

        for (int a = 0; a < SwapExpert.Agents; a++)
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
