using System.Text.Json.Serialization;
using MimicD.Evaluation.Sweeps;

namespace MimicD.Evaluation.Report;

/// <summary>
/// All that the page of a report shows, as the JSON that it carries. Everywhere in it an estimate is <c>[value, low, high]</c> with null for what is not finite, and a
/// coordinate is quantised only in <see cref="ReportTrajectories"/>.
/// </summary>
public sealed record ReportData
{
    /// <summary>The sweep's name, or the scenario's of a single run.</summary>
    public required string Title { get; init; }

    /// <summary>What was asked, by which program, on which machine.</summary>
    public required ReportOrigin Origin { get; init; }

    /// <summary>Axes by which cells are told apart, training seeds apart.</summary>
    public required ReportAxis[] Axes { get; init; }

    /// <summary>Axes that only say the training seed; rows are taken together over them.</summary>
    public required string[] SeedAxes { get; init; }

    /// <summary>Figures in the order of the program's own table.</summary>
    public required ReportColumn[] Columns { get; init; }

    /// <summary>Worlds, each once.</summary>
    public required ReportScene[] Scenes { get; init; }

    /// <summary>Rows: cells that differ in nothing but the training seed.</summary>
    public required ReportGroup[] Groups { get; init; }

    /// <summary>Cells in the sweep's order, failed ones too.</summary>
    public required ReportCell[] Cells { get; init; }

    /// <summary>Performance profiles.</summary>
    public required ReportProfile[] Profiles { get; init; }

    /// <summary>Rows compared two by two on common starts.</summary>
    public required ReportComparison[] Comparisons { get; init; }

    /// <summary>What is not there though it could be, one line each.</summary>
    public required string[] Notes { get; init; }
}

/// <summary>Where the numbers come from.</summary>
/// <param name="Command">The command that made the folder.</param>
/// <param name="ReportCommand">The command that made the report.</param>
/// <param name="Version">Version of the program that made the folder, where it is known.</param>
/// <param name="Machine">The machine, where it is known.</param>
/// <param name="Episodes">Episodes a cell.</param>
/// <param name="Asked">Cells that were asked for.</param>
/// <param name="Finished">Cells with figures.</param>
/// <param name="Failed">Cells that failed.</param>
/// <param name="File">Text of the sweep file, where there was one.</param>
public sealed record ReportOrigin(string Command, string ReportCommand, string? Version, MachineDescription? Machine, int Episodes, int Asked, int Finished, int Failed, string? File);

/// <summary>One axis.</summary>
/// <param name="Name">Name.</param>
/// <param name="Labels">Labels in the sweep's order.</param>
/// <param name="Numbers">The labels as numbers, where all of them are numbers and there are at least two; else null.</param>
public sealed record ReportAxis(string Name, string[] Labels, double[]? Numbers);

/// <summary>One figure.</summary>
/// <param name="Key">Its key in <see cref="ReportGroup.Values"/>.</param>
/// <param name="Title">What a person calls it.</param>
/// <param name="Percent">Whether it is a share, shown in percent.</param>
/// <param name="Better"><c>higher</c>, <c>lower</c>, or null where neither is better.</param>
/// <param name="Definition">What it is, in plain words; null where this version has none for it.</param>
/// <param name="Headline">Whether it is shown before anybody asks for more.</param>
public sealed record ReportColumn(string Key, string Title, bool Percent, string? Better, string? Definition, bool Headline);

/// <summary>What stands still in a world.</summary>
/// <param name="Obstacles">Discs: centre x, centre y, radius [m].</param>
/// <param name="Low">Lower ends of the bounds [m], null where there are none.</param>
/// <param name="High">Upper ends.</param>
/// <param name="Limits">Collision limits.</param>
/// <param name="Contact">Name of the limit that counts as contact.</param>
/// <param name="GoalTolerance">[m].</param>
/// <param name="TimeStep">[s].</param>
/// <param name="Dimensions">Dimensions of space; of three the first two are drawn.</param>
public sealed record ReportScene(double[][] Obstacles, double?[]? Low, double?[]? High, ReportLimit[] Limits, string Contact, double GoalTolerance, double TimeStep, int Dimensions);

/// <summary>A collision limit.</summary>
/// <param name="Name">Name.</param>
/// <param name="Pair">[m].</param>
/// <param name="Obstacle">[m], or null.</param>
public sealed record ReportLimit(string Name, double Pair, double? Obstacle);

/// <summary>A row: cells that differ in nothing but the training seed.</summary>
public sealed record ReportGroup
{
    /// <summary>Labels on <see cref="ReportData.Axes"/>.</summary>
    public required string[] Labels { get; init; }

    /// <summary>Name of the scenario.</summary>
    public required string Scenario { get; init; }

    /// <summary>Index of the scene.</summary>
    public required int Scene { get; init; }

    /// <summary>Agents an episode.</summary>
    public required int Agents { get; init; }

    /// <summary>Indices of its cells.</summary>
    public required int[] Cells { get; init; }

    /// <summary>Training seeds, or 1 where nothing was trained.</summary>
    public required int Seeds { get; init; }

    /// <summary>Episodes of all its cells together.</summary>
    public required int Episodes { get; init; }

    /// <summary>The same with what is to be known of them (<see cref="EpisodeCounts"/>): how many are distinct, and how many without fault.</summary>
    public required string EpisodesText { get; init; }

    /// <summary>Figures by key, each an estimate.</summary>
    public required Dictionary<string, double?[]> Values { get; init; }

    /// <summary>The experts' own values by key, where they are known.</summary>
    public required Dictionary<string, double> Experts { get; init; }

    /// <summary>Joint modes; null where the scenario tells none apart.</summary>
    public ReportModes? Modes { get; init; }

    /// <summary>Collisions over thresholds, of all its episodes.</summary>
    public required ReportCurves Curves { get; init; }

    /// <summary>The experts' own, where they are at hand.</summary>
    public ReportCurves? ExpertCurves { get; init; }
}

/// <summary>Joint modes of a row.</summary>
/// <param name="Names">What each looks like.</param>
/// <param name="Shares">Estimates over all episodes of the row.</param>
/// <param name="Experts">The experts' shares, or null.</param>
public sealed record ReportModes(string[] Names, double?[][] Shares, double[]? Experts);

/// <summary>Collision curves, see <see cref="CollisionCurves"/>.</summary>
/// <param name="Pair">Over the smallest distance of a pair; null with one agent.</param>
/// <param name="Obstacle">Over the smallest distance to an obstacle's centre; null without obstacles.</param>
/// <param name="Clearance">Over both together, less what is to be kept.</param>
public sealed record ReportCurves(ReportCurve? Pair, ReportCurve? Obstacle, ReportCurve? Clearance);

/// <summary>Share of episodes whose smallest distance is below a threshold, at each of a row of thresholds.</summary>
/// <param name="At">Thresholds [m], ascending.</param>
/// <param name="Shares">Share below each.</param>
/// <param name="Low">Lower ends of the 95 % interval at each.</param>
/// <param name="High">Upper ends.</param>
/// <param name="Episodes">Episodes behind it.</param>
public sealed record ReportCurve(double[] At, double[] Shares, double[] Low, double[] High, int Episodes);

/// <summary>A cell, with all that is said of it when one looks closer.</summary>
public sealed record ReportCell
{
    /// <summary>Id.</summary>
    public required string Id { get; init; }

    /// <summary>Labels on all axes in words.</summary>
    public required string Label { get; init; }

    /// <summary>Index of its row, or null where it failed.</summary>
    public int? Group { get; init; }

    /// <summary>Figures by key, each an estimate.</summary>
    public required Dictionary<string, double?[]> Values { get; init; }

    /// <summary>Everything else, name and value.</summary>
    public required string[][] Details { get; init; }

    /// <summary>Command lines: what it is for, and the line.</summary>
    public required string[][] Commands { get; init; }

    /// <summary>Why it failed, or null.</summary>
    public string? Error { get; init; }

    /// <summary>Some of its episodes; null without rollouts.</summary>
    public ReportTrajectories? Trajectories { get; init; }
}

/// <summary>Some episodes of a cell, small enough to be carried: x and y as 16-bit numbers over a box.</summary>
public sealed record ReportTrajectories
{
    /// <summary>Lower left corner and metres a unit: x = Box[0] + Box[2] * unit, y = Box[1] + Box[2] * unit.</summary>
    [JsonConverter(typeof(OneLineConverter<double[]>))]
    public required double[] Box { get; init; }

    /// <summary>Agents.</summary>
    public required int Agents { get; init; }

    /// <summary>Ticks at which positions are given; the first is 0 and the last is the end.</summary>
    [JsonConverter(typeof(OneLineConverter<int[]>))]
    public required int[] Ticks { get; init; }

    /// <summary>The episodes.</summary>
    public required ReportEpisode[] Episodes { get; init; }

    /// <summary>Positions, [episodes, agents, ticks, 2] unsigned 16-bit little-endian, base64.</summary>
    public required string Positions { get; init; }

    /// <summary>Goals, [episodes, agents, 2] likewise.</summary>
    public required string Goals { get; init; }
}

/// <summary>What happened in an episode.</summary>
/// <param name="Index">Its index in the rollouts.</param>
/// <param name="Mode">What its joint mode looks like, or null.</param>
/// <param name="Contact">Whether contact happened.</param>
/// <param name="Missed">Whether an agent ended away from its goal.</param>
/// <param name="MinimumPair">Smallest distance of a pair over all ticks [m], or null with one agent.</param>
public sealed record ReportEpisode(int Index, string? Mode, bool Contact, bool Missed, double? MinimumPair);

/// <summary>Two rows whose episodes have the same starts and goals, and that differ on one axis alone.</summary>
/// <param name="Axis">Name of that axis.</param>
/// <param name="First">Index of one row.</param>
/// <param name="Second">Index of the other.</param>
/// <param name="Figure">Key of the rate compared.</param>
/// <param name="Difference">First minus second, an estimate.</param>
/// <param name="PValue">Two-sided, of "both have the same rate", corrected for all comparisons of this figure on this axis by Holm's method; null where it is unknown.</param>
/// <param name="Test">Which test.</param>
public sealed record ReportComparison(string Axis, int First, int Second, string Figure, double?[] Difference, double? PValue, string Test);

/// <summary>A performance profile: share of runs whose score is above a threshold.</summary>
/// <param name="Axis">Name of the axis whose labels are compared.</param>
/// <param name="Label">The label.</param>
/// <param name="Score">Key of the figure that is the score; a collision rate counts as its complement.</param>
/// <param name="Runs">Runs a task.</param>
/// <param name="Tasks">Tasks.</param>
/// <param name="At">Thresholds.</param>
/// <param name="Shares">Estimates at each.</param>
/// <param name="Middle">Interquartile mean of the scores with its bootstrap interval; without one where there is one run a task, or no spread between runs.</param>
public sealed record ReportProfile(string Axis, string Label, string Score, int Runs, int Tasks, double[] At, double?[][] Shares, double?[] Middle);
