using MimicD.Contracts;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.Evaluation;

/// <summary>Reads paths from files.</summary>
public static class RolloutFile
{
    /// <summary>Name of the file within a run's folder.</summary>
    public const string Name = "rollouts.npz";

    /// <summary>Reads rollouts: <c>positions</c> [E,N,T,D] and, where there are any, <c>goals</c> [E,N,D] (otherwise the scenario's nominal goals).</summary>
    /// <param name="path">An .npz file, or the folder of a run.</param>
    /// <param name="scenario">Gives the number of agents, and the nominal goals.</param>
    /// <exception cref="InvalidInputException">A shape does not fit, or a number is not finite.</exception>
    /// <exception cref="InvalidDataException">The file cannot be read.</exception>
    public static (PathSet Paths, double[] Goals, Scenario Scenario) Load(string path, Scenario scenario)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        var file = Directory.Exists(path) ? Path.Combine(path, Name) : path;
        using var reader = new NpzReader(file);
        var positions = reader.Read<double>("positions");
        var paths = PathSet.Create<double>(positions.Data, positions.Shape, file);
        if (paths.Agents != scenario.Agents && scenario.Circle is not null)
        {
            scenario = scenario.WithAgents(paths.Agents);
        }

        InvalidInputException.Require(paths.Agents == scenario.Agents && paths.Dimensions == scenario.Dimensions, file, "positions",
            $"{scenario.Agents} agents in {scenario.Dimensions} dimensions as in scenario {scenario.Name}", $"shape {positions.ShapeText}");
        var replaced = Rollouts.ReadReplaced(reader, file);
        InvalidInputException.Require(replaced is null || replaced.Length == paths.Episodes, file, "replaced", $"{paths.Episodes} numbers", replaced?.Length);
        // Where they begin: an agent that was led astray may have gone as far as it likes, and its episode counts.
        for (var body = 0; body < paths.Episodes * paths.Agents; body++)
        {
            PositionResolution.Require(paths.At(body / paths.Agents, body % paths.Agents, 0), scenario.GoalTolerance, file, "positions");
        }

        return (paths with { Replaced = replaced }, Goals(reader, file, paths, scenario), scenario);
    }

    private static double[] Goals(NpzReader reader, string file, PathSet paths, Scenario scenario)
    {
        if (!reader.Has("goals"))
        {
            var nominal = scenario.NominalBodies().SelectMany(b => b.Goal).ToArray();
            return [.. Enumerable.Range(0, paths.Episodes).SelectMany(_ => nominal)];
        }

        var goals = reader.Read<double>("goals");
        InvalidInputException.Require(goals.Shape.AsSpan().SequenceEqual([paths.Episodes, paths.Agents, paths.Dimensions]), file, "goals",
            $"shape ({paths.Episodes}, {paths.Agents}, {paths.Dimensions})", goals.ShapeText);
        Extent.Require(goals.Data, file, "goals");
        PositionResolution.Require(goals.Data, scenario.GoalTolerance, file, "goals");
        return goals.Data;
    }
}
