using System.Security.Cryptography;
using MimicD.Contracts;
using MimicD.Evaluation.Sweeps;
using MimicD.World;

namespace MimicD.Evaluation.Report;

/// <summary>What a report needs of one finished cell: its world, and, where its rollouts are there, what happened in each episode.</summary>
internal sealed record CellEvidence
{
    private const double SameRate = 1e-9;

    public required SweepCellResult Cell { get; init; }

    public required Scenario Scenario { get; init; }

    /// <summary>Null without rollouts, as all that follows.</summary>
    public Outcomes? Outcomes { get; init; }

    /// <summary>Strict success, [E].</summary>
    public bool[]? Success { get; init; }

    /// <summary>Contact, [E].</summary>
    public bool[]? Contact { get; init; }

    /// <summary>Equal for cells whose episodes have the same starts and goals.</summary>
    public string? StartsHash { get; init; }

    /// <summary>Of each episode the first one that is the same, [E]; null where it is not known.</summary>
    public int[]? Same => Outcomes?.Same;

    public ReportTrajectories? Trajectories { get; init; }

    /// <summary>Reads a cell that did not fail.</summary>
    /// <param name="folder">The sweep's folder.</param>
    /// <param name="cell">The cell, with figures.</param>
    /// <param name="given">Its scenario, or null to read the cell's file.</param>
    /// <param name="cells">Cells that the report has.</param>
    /// <exception cref="InvalidInputException">A file is malformed, or the rollouts are not those of the figures.</exception>
    public static CellEvidence Read(SweepFolder folder, SweepCellResult cell, Scenario? given, int cells)
    {
        var scenario = given ?? Scenario.Load(folder.Resolve(cell.ScenarioFile));
        if (cell.Rollouts is not null && folder.Resolve(cell.Rollouts) is var path && File.Exists(path))
        {
            var (paths, goals, world) = RolloutFile.Load(path, scenario);
            var outcomes = Outcomes.Compute(world, paths, goals);
            return Of(cell, world, outcomes, path) with { StartsHash = HashOf(paths, goals), Trajectories = TrajectorySample.Of(world, paths, goals, outcomes, cells) };
        }

        // What happened in each episode is enough for everything but trajectories.
        return cell.Outcomes is not null && cell.StartsHash is not null && folder.Resolve(cell.Outcomes) is var file && File.Exists(file)
            ? Of(cell, scenario, OutcomesFile.Load(file), file) with { StartsHash = cell.StartsHash }
            : new CellEvidence { Cell = cell, Scenario = scenario };
    }

    private static CellEvidence Of(SweepCellResult cell, Scenario scenario, Outcomes outcomes, string file)
    {
        var contact = outcomes.Collided(scenario.Collision.ContactLimit);
        bool[] success = [.. contact.Zip(outcomes.FinalToGoal, (hit, distance) => !hit && distance <= scenario.GoalTolerance)];
        // Figures from before copies were told are of all episodes.
        int[] counted = cell.Figures!.DistinctEpisodes is not null && outcomes.Same is { } same ? DistinctEpisodes.Indices(same) : [.. Enumerable.Range(0, success.Length)];
        var found = (double)counted.Count(e => success[e]) / counted.Length;
        InvalidInputException.Require(outcomes.Episodes == cell.Figures!.Episodes && Math.Abs(found - cell.Figures.StrictSuccess.Value) < SameRate, file, "episodes",
            $"{cell.Figures.Episodes} with strict success {cell.Figures.StrictSuccess.Value} as in the figures of cell {cell.Id}", $"{outcomes.Episodes} with {found}");
        return new CellEvidence { Cell = cell, Scenario = scenario, Outcomes = outcomes, Success = success, Contact = contact };
    }

    private static string HashOf(PathSet paths, double[] goals)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var e = 0; e < paths.Episodes; e++)
        {
            for (var n = 0; n < paths.Agents; n++)
            {
                Append(paths.At(e, n, 0));
            }
        }

        Append(goals);
        return Convert.ToHexStringLower(hash.GetHashAndReset());

        void Append(ReadOnlySpan<double> values)
        {
            foreach (var value in values)
            {
                // Adding zero makes -0 and 0, which are the same place, the same bits.
                hash.AppendData(BitConverter.GetBytes(value + 0.0));
            }
        }
    }
}
