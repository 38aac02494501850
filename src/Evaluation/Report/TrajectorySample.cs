using System.Buffers.Binary;
using MimicD.World;

namespace MimicD.Evaluation.Report;

/// <summary>Picks some episodes of a cell and makes them small: failures first, because they are what one looks for, then others spread over the run.</summary>
public static class TrajectorySample
{
    /// <summary>Episodes a cell, at most.</summary>
    public const int MaxEpisodes = 20;

    /// <summary>Failures among them, at most, as long as there are others.</summary>
    private const int MaxFailures = 10;

    /// <summary>Numbers a report may carry for all cells together; 16 bits each, and a third more in base64.</summary>
    private const int Budget = 3_000_000;

    private const int FewestTicks = 40;

    /// <summary>Builds the sample.</summary>
    /// <param name="scenario">Obstacles, limits, tolerance, names of modes.</param>
    /// <param name="paths">[E,N,T,D].</param>
    /// <param name="goals">[E,N,D] [m].</param>
    /// <param name="outcomes">What happened in each episode.</param>
    /// <param name="cells">Cells that share the budget.</param>
    public static ReportTrajectories Of(Scenario scenario, PathSet paths, double[] goals, Outcomes outcomes, int cells)
    {
        var share = Math.Max(Budget / cells, 1);
        var perTick = 2 * paths.Agents;
        // One episode in full if it fits; of a longer one every so many ticks.
        var ticks = Ticks(paths.Times, Math.Max(share / perTick, FewestTicks));
        var (contacts, missed) = (outcomes.Collided(scenario.Collision.ContactLimit), Array.ConvertAll(outcomes.FinalToGoal, d => d > scenario.GoalTolerance));
        var episodes = Pick([.. contacts.Zip(missed, (c, m) => c || m)], Math.Clamp(share / (perTick * ticks.Length), 1, MaxEpisodes));
        var box = Box(scenario, paths, goals, episodes);
        var (positions, ends) = (new List<byte>(episodes.Length * perTick * ticks.Length * 2), new List<byte>());
        foreach (var episode in episodes)
        {
            for (var agent = 0; agent < paths.Agents; agent++)
            {
                foreach (var tick in ticks)
                {
                    Append(positions, paths.At(episode, agent, tick));
                }

                Append(ends, goals.AsSpan((episode * paths.Agents + agent) * paths.Dimensions, 2));
            }
        }

        return new ReportTrajectories
        {
            Box = box,
            Agents = paths.Agents,
            Ticks = ticks,
            Episodes = [.. episodes.Select(e => new ReportEpisode(e, outcomes.Modes is { } modes ? JointModes.Name(scenario, modes[e]) : null, contacts[e], missed[e],
                double.IsFinite(outcomes.MinimumPair[e]) ? Math.Round(outcomes.MinimumPair[e], 6) : null))],
            Positions = Convert.ToBase64String([.. positions]),
            Goals = Convert.ToBase64String([.. ends]),
        };

        void Append(List<byte> bytes, ReadOnlySpan<double> point)
        {
            Span<byte> two = stackalloc byte[2];
            for (var d = 0; d < 2; d++)
            {
                BinaryPrimitives.WriteUInt16LittleEndian(two, (ushort)Math.Clamp(Math.Round((point[d] - box[d]) / box[2]), 0, ushort.MaxValue));
                bytes.AddRange(two);
            }
        }
    }

    private static int[] Ticks(int times, int most)
        => times <= most ? [.. Enumerable.Range(0, times)] : [.. Enumerable.Range(0, most).Select(k => (int)((long)k * (times - 1) / (most - 1)))];

    private static int[] Pick(bool[] failed, int count)
    {
        var failures = Enumerable.Range(0, failed.Length).Where(e => failed[e]).ToArray();
        var others = Enumerable.Range(0, failed.Length).Where(e => !failed[e]).ToArray();
        var some = Math.Min(failures.Length, Math.Max(Math.Min(MaxFailures, (count + 1) / 2), count - others.Length));
        return [.. Spread(failures, some), .. Spread(others, count - some)];

        static IEnumerable<int> Spread(int[] all, int count)
        {
            count = Math.Min(count, all.Length);
            return Enumerable.Range(0, count).Select(k => all[(int)((long)k * all.Length / count)]);
        }
    }

    private static double[] Box(Scenario scenario, PathSet paths, double[] goals, int[] episodes)
    {
        var (x0, x1, y0, y1) = (double.PositiveInfinity, double.NegativeInfinity, double.PositiveInfinity, double.NegativeInfinity);
        void Include(double x, double y, double r) => (x0, x1, y0, y1) = (Math.Min(x0, x - r), Math.Max(x1, x + r), Math.Min(y0, y - r), Math.Max(y1, y + r));
        foreach (var episode in episodes)
        {
            for (var agent = 0; agent < paths.Agents; agent++)
            {
                for (var time = 0; time < paths.Times; time++)
                {
                    var p = paths.At(episode, agent, time);
                    Include(p[0], p[1], 0);
                }

                var goal = (episode * paths.Agents + agent) * paths.Dimensions;
                Include(goals[goal], goals[goal + 1], 0);
            }
        }

        foreach (var obstacle in scenario.Obstacles)
        {
            Include(obstacle.Centre[0], obstacle.Centre[1], obstacle.Radius);
        }

        return [x0, y0, Math.Max(Math.Max(x1 - x0, y1 - y0), 1e-9) / ushort.MaxValue];
    }
}
