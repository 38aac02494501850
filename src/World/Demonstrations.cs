using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World;

/// <summary>What <c>meta.json</c> beside the arrays of demonstrations says.</summary>
public sealed record DemonstrationMeta
{
    /// <summary>The scenario's name, or empty where it is not known.</summary>
    public required string Scenario { get; init; }

    /// <summary>Seconds between positions.</summary>
    public required double TimeStep { get; init; }

    /// <summary>Seed they were made with, where they were made here.</summary>
    public ulong? Seed { get; init; }

    /// <summary>A line for people: who made them and how.</summary>
    public string? Note { get; init; }
}

/// <summary>M joint demonstrations of N agents over T steps in D dimensions, synchronised in time.</summary>
public sealed partial class DemonstrationSet
{
    private const string ArraysName = "agents.npz";
    private const string MetaName = "meta.json";

    /// <summary>Holds arrays without copying them.</summary>
    /// <param name="positions">Positions [M,N,T,D] [m]; D is 2 or 3, T at least 2.</param>
    /// <param name="controls">Controls [M,N,T-1,C], or null where there are none.</param>
    /// <param name="modes">Joint modes [M], from 1; 0 where unknown. Null where no mode is known.</param>
    /// <param name="meta">Scenario and time step.</param>
    /// <exception cref="InvalidInputException">A shape is wrong, or a number is not finite.</exception>
    public DemonstrationSet(NdArray<double> positions, NdArray<double>? controls, int[]? modes, DemonstrationMeta meta)
        : this(positions, controls, modes, meta, "demonstrations")
    {
    }

    private DemonstrationSet(NdArray<double> positions, NdArray<double>? controls, int[]? modes, DemonstrationMeta meta, string where)
    {
        ArgumentNullException.ThrowIfNull(positions);
        ArgumentNullException.ThrowIfNull(meta);
        var s = positions.Shape;
        InvalidInputException.Require(s is [>= 1, >= 1, >= 2, 2 or 3], where, "positions", "shape [M,N,T,D] with D 2 or 3", positions.ShapeText);
        InvalidInputException.Require(positions.Data.LongLength == s.Aggregate(1L, (a, b) => a * b), where, "positions", $"numbers for shape {positions.ShapeText}", positions.Data.Length);
        RequireFinite(positions, where, "positions");
        if (controls is not null)
        {
            var c = controls.Shape;
            InvalidInputException.Require(c.Length == 4 && c[0] == s[0] && c[1] == s[1] && c[2] == s[2] - 1 && c[3] >= 1, where, "controls", $"shape ({s[0]}, {s[1]}, {s[2] - 1}, C)", controls.ShapeText);
            InvalidInputException.Require(controls.Data.LongLength == c.Aggregate(1L, (a, b) => a * b), where, "controls", $"numbers for shape {controls.ShapeText}", controls.Data.Length);
            RequireFinite(controls, where, "controls");
        }

        if (modes is not null)
        {
            InvalidInputException.Require(modes.Length == s[0], where, "mode", $"{s[0]} numbers, one a demonstration", modes.Length);
            InvalidInputException.Require(Array.TrueForAll(modes, m => m >= 0), where, "mode", "numbers from 0 (unknown)", modes.Min());
        }

        InvalidInputException.Require(meta.TimeStep > 0 && double.IsFinite(meta.TimeStep), where, "timeStep", "above 0", meta.TimeStep);
        Positions = positions;
        Controls = controls;
        Modes = modes;
        Meta = meta;
    }

    /// <summary>Positions [M,N,T,D] [m].</summary>
    public NdArray<double> Positions { get; }

    /// <summary>Controls [M,N,T-1,C], or null.</summary>
    public NdArray<double>? Controls { get; }

    /// <summary>Joint modes [M], from 1; 0 where unknown. Null where no mode is known.</summary>
    public int[]? Modes { get; }

    /// <summary>Scenario and time step.</summary>
    public DemonstrationMeta Meta { get; }

    /// <summary>Demonstrations (M).</summary>
    public int Count => Positions.Shape[0];

    /// <summary>Agents (N).</summary>
    public int Agents => Positions.Shape[1];

    /// <summary>Positions a demonstration (T), the start included.</summary>
    public int Steps => Positions.Shape[2];

    /// <summary>Dimensions of space (D).</summary>
    public int Dimensions => Positions.Shape[3];

    /// <summary>Seconds between positions.</summary>
    public double TimeStep => Meta.TimeStep;

    /// <summary>The scenario's name, or empty.</summary>
    public string Scenario => Meta.Scenario;

    /// <summary>One agent's path through one demonstration, [T,D] [m].</summary>
    public ReadOnlySpan<double> Path(int demonstration, int agent)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)demonstration, (uint)Count, nameof(demonstration));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)agent, (uint)Agents, nameof(agent));
        var size = Steps * Dimensions;
        return Positions.Data.AsSpan((demonstration * Agents + agent) * size, size);
    }

    /// <summary>
    /// Reads demonstrations: a folder with <c>agents.npz</c> and <c>meta.json</c>; or a folder with one <c>.npy</c> an agent, [M,T,D], ordered by the
    /// first number in the file names; or, where a folder holds several such sets, the pattern of one, such as <c>folder/expert_data*_400_traj.npy</c>.
    /// </summary>
    /// <param name="path">Folder or pattern.</param>
    /// <param name="scenario">Lends its name and time step to the layout without <c>meta.json</c>, which records neither; null: no name, and 0.1 s.</param>
    /// <exception cref="InvalidInputException">Nothing to read, several sets, a wrong shape, or a number that is not finite.</exception>
    public static DemonstrationSet Load(string path, Scenario? scenario = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        try
        {
            if (File.Exists(System.IO.Path.Combine(path, ArraysName)))
            {
                return LoadFolder(path);
            }

            var meta = new DemonstrationMeta { Scenario = scenario?.Name ?? "", TimeStep = scenario?.TimeStep ?? 0.1 };
            return LoadPerAgent(path, meta);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidInputException(e.Message, e);
        }
        catch (OverflowException e)
        {
            throw new InvalidInputException($"{path}: a mode or a shape is too large a number", e);
        }
    }

    /// <summary>
    /// Throws unless they have the agents, the dimensions and the time step of a scenario, and positions that single precision tells apart
    /// (<see cref="PositionResolution"/>).
    /// </summary>
    /// <param name="scenario">The scenario.</param>
    /// <param name="where">Where the demonstrations came from.</param>
    /// <exception cref="InvalidInputException">They do not.</exception>
    public void RequireFits(Scenario scenario, string where)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        var made = $"as in scenario {scenario.Name}";
        InvalidInputException.Require(Agents == scenario.Agents, where, "agents", $"{scenario.Agents} {made}", Agents);
        InvalidInputException.Require(Dimensions == scenario.Dimensions, where, "dimensions", $"{scenario.Dimensions} {made}", Dimensions);
        InvalidInputException.Require(Math.Abs(TimeStep - scenario.TimeStep) <= 1e-9 * scenario.TimeStep, where, "timeStep", $"{scenario.TimeStep} {made}", TimeStep);
        PositionResolution.Require(Positions.Data, scenario.GoalTolerance, where, "positions");
    }

    /// <summary>Joint modes [M] by the rule of a scenario, read from the paths; null where the scenario tells none apart.</summary>
    /// <param name="scenario">Their scenario (<see cref="RequireFits"/>).</param>
    public int[]? LabelModes(Scenario scenario)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        var size = Agents * Steps * Dimensions;
        return scenario.Modes == ModeRule.None ? null : [.. Enumerable.Range(0, Count).Select(m => JointModes.Label(scenario, Positions.Data.AsSpan(m * size, size)))];
    }

    /// <summary>Writes <c>agents.npz</c> and <c>meta.json</c>, each aside and renamed, the description first so that arrays never stand without it.</summary>
    public void Save(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        var arrays = new NpzWriter().Add<double>("positions", Positions.Data, Positions.Shape);
        if (Controls is not null)
        {
            arrays.Add<double>("controls", Controls.Data, Controls.Shape);
        }

        if (Modes is not null)
        {
            arrays.Add<int>("mode", Modes, Modes.Length);
        }

        AtomicFile.WriteText(System.IO.Path.Combine(folder, MetaName), StrictJson.Format(Meta) + "\n");
        arrays.Save(System.IO.Path.Combine(folder, ArraysName));
    }

    /// <summary>SHA-256 over shape and positions (little-endian), hexadecimal: which demonstrations a model was trained on.</summary>
    public string ContentHash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(MemoryMarshal.AsBytes(Positions.Shape.AsSpan()));
        hash.AppendData(MemoryMarshal.AsBytes(Positions.Data.AsSpan()));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The demonstrations with these indices, in this order.</summary>
    public DemonstrationSet Subset(IReadOnlyList<int> indices)
    {
        ArgumentNullException.ThrowIfNull(indices);
        NdArray<double> Take(NdArray<double> from)
        {
            var size = from.Data.Length / Count;
            var data = new double[indices.Count * size];
            for (var i = 0; i < indices.Count; i++)
            {
                from.Data.AsSpan(indices[i] * size, size).CopyTo(data.AsSpan(i * size));
            }

            return new NdArray<double>([indices.Count, .. from.Shape[1..]], data);
        }

        return new DemonstrationSet(Take(Positions), Controls is null ? null : Take(Controls), Modes is null ? null : [.. indices.Select(i => Modes[i])], Meta);
    }

    private static DemonstrationSet LoadFolder(string folder)
    {
        var meta = StrictJson.ReadFile<DemonstrationMeta>(System.IO.Path.Combine(folder, MetaName));
        var file = System.IO.Path.Combine(folder, ArraysName);
        using var arrays = new NpzReader(file);
        var modes = arrays.Has("mode") ? arrays.Read<int>("mode") : null;
        InvalidInputException.Require(modes is null || modes.Shape.Length == 1, file, "mode", "shape (M,)", modes?.ShapeText);
        return new DemonstrationSet(arrays.Read<double>("positions"), arrays.Has("controls") ? arrays.Read<double>("controls") : null, modes?.Data, meta, file);
    }

    private static DemonstrationSet LoadPerAgent(string path, DemonstrationMeta meta)
    {
        var pattern = "*";
        var folder = path;
        if (!Directory.Exists(path) && System.IO.Path.GetFileName(path) is { } name && name.Contains('*', StringComparison.Ordinal))
        {
            (pattern, folder) = (name, System.IO.Path.GetDirectoryName(path) is { Length: > 0 } parent ? parent : ".");
        }

        InvalidInputException.Require(Directory.Exists(folder), path, "", $"a folder with {ArraysName}, or with one .npy file an agent", null);
        var files = from file in Directory.EnumerateFiles(folder, "*.npy")
                    let match = FirstNumber().Match(System.IO.Path.GetFileName(file))
                    where match.Success
                    let stem = System.IO.Path.GetFileName(file)
                    select (File: file, Set: string.Concat(stem.AsSpan(0, match.Index), "*", stem.AsSpan(match.Index + match.Length)), Number: long.Parse(match.Value, CultureInfo.InvariantCulture));
        // A set numbers its agents without a gap, from 0 or from 1; other numbers in file names are not agents.
        var sets = files.GroupBy(f => f.Set, StringComparer.Ordinal)
            .Select(g => (Name: g.Key, Files: g.OrderBy(f => f.Number).ToArray()))
            .Where(g => g.Files[0].Number <= 1 && g.Files.Index().All(f => f.Item.Number == g.Files[0].Number + f.Index))
            .Where(g => pattern == "*" || g.Name == pattern)
            .OrderBy(g => g.Name, StringComparer.Ordinal).ToArray();
        InvalidInputException.Require(sets.Length > 0, path, "", $"{ArraysName}, or one .npy file an agent, numbered from 0 or 1", null);
        if (sets.Length > 1)
        {
            throw new InvalidInputException($"{path}: expected one set of demonstrations, found {sets.Length}; name one of: {string.Join(", ", sets.Select(g => System.IO.Path.Combine(folder, g.Name)))}");
        }

        var agents = sets[0].Files;
        var arrays = Array.ConvertAll(agents, f => Npy.Read<double>(f.File));
        var first = arrays[0].Shape;
        for (var i = 0; i < arrays.Length; i++)
        {
            InvalidInputException.Require(arrays[i].Shape is [>= 1, >= 2, 2 or 3], agents[i].File, "", "shape [M,T,D] with D 2 or 3", arrays[i].ShapeText);
            InvalidInputException.Require(arrays[i].Shape.AsSpan().SequenceEqual(first), agents[i].File, "", $"shape {arrays[0].ShapeText} as in {System.IO.Path.GetFileName(agents[0].File)}", arrays[i].ShapeText);
            RequireFinite(arrays[i], agents[i].File, "");
        }

        var size = first[1] * first[2];
        var total = (long)first[0] * agents.Length * size;
        InvalidInputException.Require(total <= Array.MaxLength, path, "", $"at most {Array.MaxLength} numbers in all", total);
        var positions = new double[total];
        for (var m = 0; m < first[0]; m++)
        {
            for (var i = 0; i < agents.Length; i++)
            {
                arrays[i].Data.AsSpan(m * size, size).CopyTo(positions.AsSpan((m * agents.Length + i) * size));
            }
        }

        return new DemonstrationSet(new NdArray<double>([first[0], agents.Length, first[1], first[2]], positions), null, null, meta, path);
    }

    private static void RequireFinite(NdArray<double> array, string where, string field)
    {
        var at = Vectors.FirstNotFinite(array.Data);
        if (at >= 0)
        {
            var index = new int[array.Shape.Length];
            for (int axis = index.Length - 1, rest = at; axis >= 0; axis--)
            {
                (rest, index[axis]) = Math.DivRem(rest, array.Shape[axis]);
            }

            throw InvalidInputException.Create(where, field, "finite numbers", $"{array.Data[at]} at [{string.Join(", ", index)}]");
        }
    }

    [GeneratedRegex("[0-9]+", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex FirstNumber();
}
