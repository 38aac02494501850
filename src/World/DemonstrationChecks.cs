using System.Globalization;
using MimicD.Contracts;

namespace MimicD.World;

/// <summary>Whether demonstrations are of a scenario: by what they say of themselves, and by where their paths run compared with where the scenario has its bodies.</summary>
public static class DemonstrationChecks
{
    // Millimetres and centimetres for metres are factors of 1000 and 100; rings of other sizes, which are trained together, differ by 5.
    private const double RefusedScale = 20;
    private const double DoubtedScale = 5;

    // Of the scenario's extent: by how much an agent's mean start or end may be off. Laws that spread them do so by a seventh at most in the scenarios that come with the program.
    private const double DoubtedOffset = 0.25;

    // Durations of a demonstration and of an episode.
    private const double DoubtedDuration = 1.5;

    // Of the scenario's largest speed. Differences of noisy recordings exceed it now and then.
    private const double DoubtedSpeed = 1.25;
    private const double DoubtedSpeedShare = 0.05;

    /// <summary>Throws unless demonstrations are of a scenario.</summary>
    /// <param name="set">The demonstrations.</param>
    /// <param name="scenario">The scenario.</param>
    /// <param name="where">Where they came from.</param>
    /// <param name="known">Gives the scenario of a name, or null: demonstrations of another scenario that demonstrates the same (<see cref="Serves"/>) are taken.</param>
    /// <returns>The demonstrations, as those of the scenario.</returns>
    /// <exception cref="InvalidInputException">They have other agents, dimensions or another time step, name another scenario, or are in other units.</exception>
    public static DemonstrationSet Require(DemonstrationSet set, Scenario scenario, string where, Func<string, Scenario?> known)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(known);
        RequireName(set, scenario, where, known);
        set.RequireFits(scenario, where);
        var (own, its) = (Extent(set), Extent(scenario));
        InvalidInputException.Require(its == 0 || (own <= RefusedScale * its && own >= its / RefusedScale), where, "positions",
            $"metres, about {Metres(its)} across as scenario {scenario.Name} is", $"paths {Metres(own)} across{(own > its ? " (in millimetres or centimetres?)" : "")}");
        return set.Scenario == scenario.Name ? set : set.As(scenario);
    }

    /// <summary>Throws unless demonstrations name a scenario, none, or one that demonstrates the same.</summary>
    public static void RequireName(DemonstrationSet set, Scenario scenario, string where, Func<string, Scenario?> known)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(known);
        InvalidInputException.Require(set.Scenario.Length == 0 || set.Scenario == scenario.Name || (known(set.Scenario) is { } named && Serves(named, scenario)), where, "meta.json: scenario",
            $"demonstrations of scenario {scenario.Name}, or of one with the same bodies, obstacles, time step and law of starts", set.Scenario);
    }

    /// <summary>Whether demonstrations of one scenario serve another: bodies, obstacles, limits of the experts and time step are the same, and so is the law that demonstrations begin by.</summary>
    /// <remarks>The swap's serve the mirrored swap. Not the other way round: mirrored starts are a part of the swap's.</remarks>
    public static bool Serves(Scenario named, Scenario scenario)
    {
        ArgumentNullException.ThrowIfNull(named);
        ArgumentNullException.ThrowIfNull(scenario);
        return named.Dimensions == scenario.Dimensions && named.TimeStep == scenario.TimeStep && named.Agents == scenario.Agents
            && named.Demonstrations is { } law && law == scenario.Demonstrations
            && (scenario.Starts.Mirrored || !named.Starts.Mirrored) && (scenario.Goals.Mirrored || !named.Goals.Mirrored)
            && named.Collision.Experts == scenario.Collision.Experts
            && named.NominalBodies().Zip(scenario.NominalBodies()).All(b => b.First.Start.AsSpan().SequenceEqual(b.Second.Start) && b.First.Goal.AsSpan().SequenceEqual(b.Second.Goal))
            && named.Obstacles.Length == scenario.Obstacles.Length
            && named.Obstacles.Zip(scenario.Obstacles).All(o => o.First.Radius == o.Second.Radius && o.First.Centre.AsSpan().SequenceEqual(o.Second.Centre));
    }

    /// <summary>What is strange about demonstrations that are accepted, one line each; empty where nothing is.</summary>
    /// <param name="set">The demonstrations.</param>
    /// <param name="scenario">Their scenario.</param>
    /// <param name="where">Where they came from.</param>
    public static IReadOnlyList<string> Doubts(DemonstrationSet set, Scenario scenario, string where)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(scenario);
        var doubts = new List<string>();
        if (set.Count == 1)
        {
            doubts.Add($"{where}: one demonstration alone says nothing of what may differ between episodes");
        }

        var (own, its) = (Extent(set), Extent(scenario));
        if (its > 0 && (own > DoubtedScale * its || own < its / DoubtedScale))
        {
            doubts.Add($"{where}: paths are {Metres(own)} across, scenario {scenario.Name} is {Metres(its)} across; positions are in metres");
        }

        // A circle's bodies are where its radius has them, and experts of many circles are trained together.
        if (scenario.Circle is null)
        {
            var longest = Enumerable.Range(0, set.Count).Max(set.Length);
            if (longest > DoubtedDuration * scenario.Steps || longest * DoubtedDuration < scenario.Steps)
            {
                doubts.Add($"{where}: {(set.HasOneLength ? "" : "at most ")}{longest} positions, {scenario.TimeStep} s apart, last {Seconds(longest, scenario)}, and an episode of scenario {scenario.Name} {Seconds(scenario.Steps, scenario)}; "
                    + "were they recorded at another time step? (meta.json beside agents.npz says which)");
            }

            if (Misplaced(set, scenario, its, where) is { } misplaced)
            {
                doubts.Add(misplaced);
            }
        }

        if (scenario.Dynamics.MaxSpeed is { } limit && FastShare(set, DoubtedSpeed * limit * set.TimeStep) is > DoubtedSpeedShare and var share)
        {
            doubts.Add(string.Create(CultureInfo.InvariantCulture, $"{where}: {share:p0} of the steps are faster than the {limit} m/s of scenario {scenario.Name}; were they recorded at another time step, or in other units?"));
        }

        if (!set.HasOneLength)
        {
            var lengths = Enumerable.Range(0, set.Count).Select(set.Length).ToArray();
            doubts.Add($"{where}: demonstrations of {lengths.Min()} to {lengths.Max()} positions; each counts to its own end, and what pads it is left out");
        }

        return doubts;
    }

    private static string? Misplaced(DemonstrationSet set, Scenario scenario, double extent, string where)
    {
        var bodies = scenario.NominalBodies();
        for (var n = 0; n < bodies.Length; n++)
        {
            foreach (var (what, nominal, last) in new[] { ("start", bodies[n].Start, false), ("end", bodies[n].Goal, true) })
            {
                var mean = new double[set.Dimensions];
                for (var m = 0; m < set.Count; m++)
                {
                    var path = set.Path(m, n);
                    var place = last ? path[^mean.Length..] : path[..mean.Length];
                    for (var d = 0; d < mean.Length; d++)
                    {
                        mean[d] += place[d] / set.Count;
                    }
                }

                var off = Math.Sqrt(Vectors.SquaredDistance(mean, nominal));
                if (off > DoubtedOffset * extent)
                {
                    return $"{where}: agent {n}'s paths {what} at {Point(mean)} on average, {Metres(off)} from {Point(nominal)}, where scenario {scenario.Name} has it {what}; another order of agents, other units or another origin?";
                }
            }
        }

        return null;
    }

    private static double FastShare(DemonstrationSet set, double step)
    {
        long fast = 0, all = 0;
        var d = set.Dimensions;
        for (var m = 0; m < set.Count; m++)
        {
            for (var n = 0; n < set.Agents; n++)
            {
                var path = set.Path(m, n);
                for (var at = d; at < path.Length; at += d)
                {
                    all++;
                    fast += Vectors.SquaredDistance(path.Slice(at, d), path.Slice(at - d, d)) > step * step ? 1 : 0;
                }
            }
        }

        return fast / (double)all;
    }

    /// <summary>Diagonal of the box round all paths [m].</summary>
    private static double Extent(DemonstrationSet set)
    {
        var box = new Box(set.Dimensions);
        box.Add(set.Positions.Data);
        return box.Diagonal;
    }

    /// <summary>Diagonal of the box round all nominal starts and goals [m].</summary>
    private static double Extent(Scenario scenario)
    {
        var box = new Box(scenario.Dimensions);
        foreach (var body in scenario.NominalBodies())
        {
            box.Add(body.Start);
            box.Add(body.Goal);
        }

        return box.Diagonal;
    }

    private static string Metres(double length) => length.ToString("0.###", CultureInfo.InvariantCulture) + " m";

    private static string Seconds(int positions, Scenario scenario) => ((positions - 1) * scenario.TimeStep).ToString("0.#", CultureInfo.InvariantCulture) + " s";

    private static string Point(double[] at) => $"({string.Join(", ", at.Select(x => x.ToString("0.##", CultureInfo.InvariantCulture)))})";

    private sealed class Box(int dimensions)
    {
        private readonly double[] _low = [.. Enumerable.Repeat(double.PositiveInfinity, dimensions)];
        private readonly double[] _high = [.. Enumerable.Repeat(double.NegativeInfinity, dimensions)];

        public double Diagonal => Math.Sqrt(_low.Zip(_high).Sum(p => (p.Second - p.First) * (p.Second - p.First)));

        public void Add(ReadOnlySpan<double> points)
        {
            for (var i = 0; i < points.Length; i++)
            {
                var d = i % dimensions;
                _low[d] = Math.Min(_low[d], points[i]);
                _high[d] = Math.Max(_high[d], points[i]);
            }
        }
    }
}
