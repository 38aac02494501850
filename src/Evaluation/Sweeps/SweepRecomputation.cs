using System.Text.Json;
using System.Text.Json.Nodes;
using MimicD.Contracts;
using MimicD.Evaluation.Report;
using MimicD.World;

namespace MimicD.Evaluation.Sweeps;

/// <summary>
/// Computes the figures of a sweep's folder, or of an archive (<see cref="SweepArchive"/>), again from what happened in each episode, by the definitions of this version of the program, and replaces
/// <c>cells.jsonl</c>, <c>cells.csv</c> and the cells' own <c>result.json</c> where there are any. Doing it twice changes nothing more.
/// </summary>
/// <remarks>
/// An archive keeps episodes with <see cref="SweepArchive.Digits"/> digits. A stored number that is the same to that precision stays as it is, and so do the curves, whose counts hang on the last digits; the ends of
/// intervals are always computed again. Transport and displacement need the demonstrations, which no folder keeps: their values stay, and their intervals are mended from what is stored. The same holds
/// for the experts' own figures.
/// </remarks>
public static class SweepRecomputation
{
    // Two numbers are the same to the precision of an archive.
    private const double Relative = 1e-6;
    private const double Absolute = 1e-9;
    private const double Level = 0.95;

    /// <summary>Computes every finished cell again.</summary>
    /// <param name="folder">Of a sweep, finished or not, or an archive.</param>
    /// <param name="progress">Told how many cells are done, or null.</param>
    /// <returns>Cells that were computed again, and cells that were left as they are because nothing tells what happened in their episodes.</returns>
    /// <exception cref="InvalidInputException">A file is missing or malformed, or episodes do not belong to their figures; nothing is written then.</exception>
    public static (int Again, int Left) Run(SweepFolder folder, IProgress<long>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        var cells = folder.ReadCells();
        var again = new List<SweepCellResult>();
        var left = 0;
        for (var i = 0; i < cells.Length; i++)
        {
            if (cells[i].Figures is not null)
            {
                var evidence = CellEvidence.Read(folder, cells[i], null, 1);
                if (evidence.Outcomes is null)
                {
                    left++;
                }
                else
                {
                    cells[i] = Again(cells[i], evidence.Scenario, evidence.Outcomes, exact: evidence.Trajectories is not null);
                    again.Add(cells[i]);
                }
            }

            progress?.Report(i + 1);
        }

        // Results of single cells first: the table of all of them is what says that it is done.
        foreach (var cell in again.Where(c => File.Exists(folder.Resolve(SweepFolder.CellFile(c.Id, "result.json")))))
        {
            folder.WriteCell(cell);
        }

        folder.WriteCells(cells);
        return (again.Count, left);
    }

    /// <summary>One cell with its figures computed again.</summary>
    /// <param name="cell">A cell with figures.</param>
    /// <param name="scenario">Its scenario.</param>
    /// <param name="outcomes">What happened in its episodes.</param>
    /// <param name="exact">Whether the outcomes are those of the paths, or were stored with fewer digits.</param>
    internal static SweepCellResult Again(SweepCellResult cell, Scenario scenario, Outcomes outcomes, bool exact)
    {
        var old = cell.Figures!;
        // What the same modes are by chance is the same, and is most of the work.
        var known = old.Modes is { } modes && outcomes.Modes is { } labels && modes.Labels.AsSpan().SequenceEqual(labels) && modes.Names.SequenceEqual(JointModes.Names(scenario), StringComparer.Ordinal) ? modes : null;
        var fresh = Figures.Compute(scenario, outcomes, known is null || cell.Baseline is null ? cell.Baseline : cell.Baseline with { ModeShares = null });
        if (known is not null)
        {
            fresh = fresh with { Modes = known with { Shares = fresh.Modes!.Shares, Entropy = fresh.Modes.Entropy } };
        }

        // Versions before took the normal distribution's point for means, whatever their number.
        var normal = IsNormal(old.SecondDifference, fresh.SecondDifference, fresh.Episodes);
        fresh = fresh with
        {
            Transport = old.Transport is not { } transport ? null : transport with { Joint = Length(transport.Joint), PerAgent = Array.ConvertAll(transport.PerAgent, Length) },
            Displacement = old.Displacement is not { } d ? null : d with
            {
                MinAde = Mean(d.MinAde, d.Demonstrations, normal), MinFde = Mean(d.MinFde, d.Demonstrations, normal),
                MinJointAde = Mean(d.MinJointAde, d.Demonstrations, normal), MinJointFde = Mean(d.MinJointFde, d.Demonstrations, normal),
            },
        };
        return cell with
        {
            Figures = exact ? fresh : Kept(fresh with { Curves = old.Curves }, old),
            Baseline = cell.Baseline is { Figures: { } experts } baseline && normal ? baseline with { Figures = Experts(experts, scenario) } : cell.Baseline,
        };
    }

    private static Estimate Length(Estimate value) => value.Within(0, double.PositiveInfinity).Holding();

    private static bool IsNormal(Estimate stored, Estimate fresh, int count)
    {
        var width = fresh.High - fresh.Value;
        if (count < 2 || !(width > 0) || !stored.IsKnown)
        {
            return false;
        }

        // The upper ends: lower ends may have been moved to 0.
        var (student, normal) = (stored.High - stored.Value, (stored.High - stored.Value) * Price(count));
        return Math.Abs(normal - width) < Math.Abs(student - width);
    }

    private static double Price(int count) => Quantiles.TwoSidedStudent(Level, count - 1) / Quantiles.TwoSidedNormal(Level);

    /// <summary>A mean whose interval was the normal distribution's, with Student's.</summary>
    private static Estimate Mean(Estimate stored, int count, bool normal, double step = 0)
    {
        if (!normal || count < 2 || !stored.IsKnown)
        {
            return Length(stored);
        }

        var half = stored.High > stored.Low ? (stored.High - stored.Value) * Price(count) : step * Intervals.Wilson(0, count).High;
        return Length(new Estimate(stored.Value, stored.Value - half, stored.Value + half));
    }

    /// <summary>A mean of shares whose interval was the normal distribution's; the spread between episodes follows from it.</summary>
    private static Estimate Share(Estimate stored, int count, int units)
    {
        if (count < 2 || !stored.IsKnown)
        {
            return stored;
        }

        var deviation = (stored.High - stored.Value) / Quantiles.TwoSidedNormal(Level);
        // So many episodes at least show the rarer outcome, for none has a share of it above 1.
        var rarer = (int)Math.Ceiling(Math.Min(stored.Value, 1 - stored.Value) * count);
        return RateIntervals.Clustered(new SeedMeans.Moments(count, stored.Value, deviation * deviation * count), rarer, units, Level);
    }

    private static Figures Experts(Figures experts, Scenario scenario)
    {
        var count = experts.Episodes;
        return experts with
        {
            AgentSuccess = experts.AgentSuccess is { } each ? Share(each, count, experts.Agents) : null,
            MinimumPairDistance = experts.MinimumPairDistance is { } pair ? Mean(pair, count, normal: true) : null,
            SecondDifference = Mean(experts.SecondDifference, count, normal: true),
            ThirdDifference = Mean(experts.ThirdDifference, count, normal: true),
            PathLength = Mean(experts.PathLength, count, normal: true),
            TimeToGoal = experts.TimeToGoal is { } time ? Mean(time, count, normal: true, scenario.TimeStep / experts.Agents) : null,
            Commitment = experts.Commitment is { } commitment ? Share(commitment, count, int.MaxValue) : null,
            ModeSwitches = experts.ModeSwitches is { } switches ? Mean(switches, count, normal: true, step: 1) : null,
        };
    }

    /// <summary>The fresh figures with the stored numbers where they are the same to an archive's precision.</summary>
    private static Figures Kept(Figures fresh, Figures stored)
        => Kept(JsonSerializer.SerializeToNode(fresh, StrictJson.Options)!, JsonSerializer.SerializeToNode(stored, StrictJson.Options)).Deserialize<Figures>(StrictJson.Options)!;

    private static JsonNode Kept(JsonNode fresh, JsonNode? stored)
    {
        switch (fresh, stored)
        {
            case (JsonObject { Count: 3 } estimate, JsonObject before) when estimate.ContainsKey("low") && estimate.ContainsKey("high") && estimate["value"] is { } value && before["value"] is { } known && Same(value, known):
                var middle = known.GetValue<double>();
                return JsonSerializer.SerializeToNode(Moved(estimate.Deserialize<Estimate>(StrictJson.Options), middle), StrictJson.Options)!;
            case (JsonObject many, JsonObject before):
                foreach (var (name, value) in many.ToArray())
                {
                    many[name] = value is null ? null : Kept(value.DeepClone(), before[name]);
                }

                return many;
            case (JsonArray list, JsonArray before) when list.Count == before.Count:
                for (var i = 0; i < list.Count; i++)
                {
                    list[i] = list[i] is { } value ? Kept(value.DeepClone(), before[i]) : null;
                }

                return list;
            case (JsonValue value, JsonValue before) when Same(value, before):
                return before.DeepClone();
            default:
                return fresh;
        }
    }

    // An end that is the value itself (at 0, or where all episodes are alike) moves with it.
    private static Estimate Moved(Estimate fresh, double value)
        => new(value, Math.Abs(fresh.Low - fresh.Value) <= Absolute ? value : Math.Min(fresh.Low, value), Math.Abs(fresh.High - fresh.Value) <= Absolute ? value : Math.Max(fresh.High, value));

    private static bool Same(JsonNode first, JsonNode second)
        => first.GetValueKind() == JsonValueKind.Number && second.GetValueKind() == JsonValueKind.Number && first.GetValue<double>() is var a && second.GetValue<double>() is var b
            && Math.Abs(a - b) <= Math.Max(Absolute, Relative * Math.Max(Math.Abs(a), Math.Abs(b)));
}
