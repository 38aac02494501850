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

/// <summary>
/// M joint demonstrations of N agents over at most T steps in D dimensions, synchronised in time. One that is shorter than the longest is padded: <see cref="Length"/> says how many of its
/// positions count.
/// </summary>
public sealed partial class DemonstrationSet
{
    /// <summary>Name of the arrays in a folder of demonstrations.</summary>
    public const string ArraysName = "agents.npz";

    /// <summary>Name of their description.</summary>
    public const string MetaName = "meta.json";

    // A longer number in a file's name is no agent's.
    private const int MostDigits = 18;
    private const string LengthsKey = "lengths";
    private const string LengthsName = LengthsKey + ".npy";
    private const int MaxMode = 256;

    private readonly int[]? _lengths;

    /// <summary>Holds arrays without copying them.</summary>
    /// <param name="positions">Positions [M,N,T,D] [m]; D is 2 or 3, T at least 2. What lies behind a demonstration's length is overwritten with its last positions.</param>
    /// <param name="controls">Controls [M,N,T-1,C], or null where there are none.</param>
    /// <param name="modes">Joint modes [M], from 1; 0 where unknown. Null where no mode is known.</param>
    /// <param name="meta">Scenario and time step.</param>
    /// <param name="lengths">Positions of each demonstration [M], 2 to T; null where all have T.</param>
    /// <exception cref="InvalidInputException">A shape is wrong, or a number is not finite.</exception>
    public DemonstrationSet(NdArray<double> positions, NdArray<double>? controls, int[]? modes, DemonstrationMeta meta, int[]? lengths = null)
        : this(positions, controls, modes, meta, lengths, "demonstrations")
    {
    }

    private DemonstrationSet(NdArray<double> positions, NdArray<double>? controls, int[]? modes, DemonstrationMeta meta, int[]? lengths, string where)
    {
        ArgumentNullException.ThrowIfNull(positions);
        ArgumentNullException.ThrowIfNull(meta);
        var s = positions.Shape;
        InvalidInputException.Require(s is [>= 1, >= 1, >= 2, 2 or 3], where, "positions", "shape [M,N,T,D] with D 2 or 3", positions.ShapeText);
        InvalidInputException.Require(positions.Data.LongLength == s.Aggregate(1L, (a, b) => a * b), where, "positions", $"numbers for shape {positions.ShapeText}", positions.Data.Length);
        if (lengths is not null)
        {
            InvalidInputException.Require(lengths.Length == s[0], where, LengthsKey, $"{s[0]} numbers, one a demonstration", lengths.Length);
            var odd = Array.FindIndex(lengths, length => length < 2 || length > s[2]);
            InvalidInputException.Require(odd < 0, where, LengthsKey, $"2 to {s[2]} positions a demonstration", odd < 0 ? null : $"{lengths[odd]} in demonstration {odd}");
            _lengths = Array.TrueForAll(lengths, length => length == s[2]) ? null : lengths;
            Pad(positions.Data, s, _lengths);
        }

        RequireFinite(positions, where, "positions");
        var far = Array.FindIndex(positions.Data, x => Math.Abs(x) > Dynamics.MaxCoordinate);
        InvalidInputException.Require(far < 0, where, "positions", $"numbers within {Dynamics.MaxCoordinate} m", far < 0 ? null : $"{positions.Data[far]} at {Place(s, far)}");
        if (controls is not null)
        {
            var c = controls.Shape;
            InvalidInputException.Require(c.Length == 4 && c[0] == s[0] && c[1] == s[1] && c[2] == s[2] - 1 && c[3] >= 1, where, "controls", $"shape ({s[0]}, {s[1]}, {s[2] - 1}, C)", controls.ShapeText);
            InvalidInputException.Require(controls.Data.LongLength == c.Aggregate(1L, (a, b) => a * b), where, "controls", $"numbers for shape {controls.ShapeText}", controls.Data.Length);
            if (_lengths is not null)
            {
                Clear(controls, _lengths);
            }

            RequireFinite(controls, where, "controls");
        }

        if (modes is not null)
        {
            InvalidInputException.Require(modes.Length == s[0], where, "mode", $"{s[0]} numbers, one a demonstration", modes.Length);
            var odd = Array.FindIndex(modes, m => m is < 0 or > MaxMode);
            InvalidInputException.Require(odd < 0, where, "mode", $"numbers from 0 (unknown) to {MaxMode}", odd < 0 ? null : modes[odd]);
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

    /// <summary>Positions of the longest demonstration (T), the start included.</summary>
    public int Steps => Positions.Shape[2];

    /// <summary>Whether all demonstrations have T positions.</summary>
    public bool HasOneLength => _lengths is null;

    /// <summary>Positions of a demonstration, the start included: 2 to T. What <see cref="Positions"/> holds behind them repeats the last.</summary>
    public int Length(int demonstration) => _lengths is null ? Steps : _lengths[demonstration];

    /// <summary>Dimensions of space (D).</summary>
    public int Dimensions => Positions.Shape[3];

    /// <summary>Seconds between positions.</summary>
    public double TimeStep => Meta.TimeStep;

    /// <summary>The scenario's name, or empty.</summary>
    public string Scenario => Meta.Scenario;

    /// <summary>One agent's path through one demonstration, [<see cref="Length"/>,D] [m].</summary>
    public ReadOnlySpan<double> Path(int demonstration, int agent)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)demonstration, (uint)Count, nameof(demonstration));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)agent, (uint)Agents, nameof(agent));
        var size = Steps * Dimensions;
        return Positions.Data.AsSpan((demonstration * Agents + agent) * size, Length(demonstration) * Dimensions);
    }

    /// <summary>The same demonstrations, said to be of another scenario.</summary>
    public DemonstrationSet As(Scenario scenario)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        return new DemonstrationSet(Positions, Controls, Modes, Meta with { Scenario = scenario.Name }, _lengths);
    }

    /// <summary>One set of several with the same agents, dimensions and time step, in their order; the shorter ones are padded. Modes are kept where all have them, controls are not.</summary>
    /// <exception cref="InvalidInputException">They differ.</exception>
    public static DemonstrationSet Join(IReadOnlyList<DemonstrationSet> sets)
    {
        ArgumentNullException.ThrowIfNull(sets);
        ArgumentOutOfRangeException.ThrowIfZero(sets.Count, nameof(sets));
        if (sets.Count == 1)
        {
            return sets[0];
        }

        var (agents, dimensions, step) = (sets[0].Agents, sets[0].Dimensions, sets[0].TimeStep);
        foreach (var set in sets)
        {
            InvalidInputException.Require(set.Agents == agents, "demonstrations", "agents", $"{agents} as in the first set", set.Agents);
            InvalidInputException.Require(set.Dimensions == dimensions, "demonstrations", "dimensions", $"{dimensions} as in the first set", set.Dimensions);
            InvalidInputException.Require(Math.Abs(set.TimeStep - step) <= 1e-9 * step, "demonstrations", "timeStep", $"{step} as in the first set", set.TimeStep);
        }

        var (count, steps) = (sets.Sum(s => s.Count), sets.Max(s => s.Steps));
        var total = (long)count * agents * steps * dimensions;
        InvalidInputException.Require(total <= Array.MaxLength, "demonstrations", "", $"at most {Array.MaxLength} numbers in all", total);
        var positions = new double[total];
        var lengths = new List<int>(count);
        foreach (var set in sets)
        {
            for (var m = 0; m < set.Count; m++)
            {
                for (var n = 0; n < agents; n++)
                {
                    set.Path(m, n).CopyTo(positions.AsSpan((lengths.Count * agents + n) * steps * dimensions));
                }

                lengths.Add(set.Length(m));
            }
        }

        var modes = sets.All(s => s.Modes is not null) ? sets.SelectMany(s => s.Modes!).ToArray() : null;
        return new DemonstrationSet(new NdArray<double>([count, agents, steps, dimensions], positions), null, modes, sets[0].Meta with { Seed = null, Note = null }, [.. lengths]);
    }

    /// <summary>
    /// Reads demonstrations: a folder with <c>agents.npz</c> and <c>meta.json</c>; or a folder with one <c>.npy</c> an agent, [M,T,D], ordered by the
    /// first number in the file names; or, where a folder holds several such sets, the pattern of one, such as <c>folder/expert_data*_400_traj.npy</c>.
    /// Demonstrations of different lengths are padded to the longest: with NaN behind their ends, or with anything where the array <c>lengths</c> [M] (in <c>agents.npz</c>, or
    /// <c>lengths.npy</c> beside the others) says how many positions each has.
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
        catch (UnauthorizedAccessException e)
        {
            throw new InvalidInputException($"{path}: cannot be read: {e.Message}", e);
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
        return scenario.Modes == ModeRule.None ? null : [.. Enumerable.Range(0, Count).Select(m => JointModes.Label(scenario, Joint(m)))];
    }

    /// <summary>All agents' paths through one demonstration, [N,<see cref="Length"/>,D] [m].</summary>
    public ReadOnlySpan<double> Joint(int demonstration)
    {
        var size = Agents * Steps * Dimensions;
        if (Length(demonstration) == Steps)
        {
            return Positions.Data.AsSpan(demonstration * size, size);
        }

        var own = Length(demonstration) * Dimensions;
        var joint = new double[Agents * own];
        for (var n = 0; n < Agents; n++)
        {
            Path(demonstration, n).CopyTo(joint.AsSpan(n * own));
        }

        return joint;
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

        if (_lengths is not null)
        {
            arrays.Add<int>(LengthsKey, _lengths, _lengths.Length);
        }

        AtomicFile.WriteText(System.IO.Path.Combine(folder, MetaName), StrictJson.Format(Meta) + "\n");
        arrays.Save(System.IO.Path.Combine(folder, ArraysName));
    }

    /// <summary>SHA-256 over shape, positions and, where they differ, lengths (little-endian), hexadecimal: which demonstrations a model was trained on.</summary>
    public string ContentHash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(MemoryMarshal.AsBytes(Positions.Shape.AsSpan()));
        hash.AppendData(MemoryMarshal.AsBytes(Positions.Data.AsSpan()));
        hash.AppendData(MemoryMarshal.AsBytes(_lengths.AsSpan()));
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

        return new DemonstrationSet(
            Take(Positions), Controls is null ? null : Take(Controls), Modes is null ? null : [.. indices.Select(i => Modes[i])], Meta, _lengths is null ? null : [.. indices.Select(i => _lengths[i])]);
    }

    private static DemonstrationSet LoadFolder(string folder)
    {
        var meta = StrictJson.ReadFile<DemonstrationMeta>(System.IO.Path.Combine(folder, MetaName));
        var file = System.IO.Path.Combine(folder, ArraysName);
        using var arrays = new NpzReader(file);
        var modes = arrays.Has("mode") ? arrays.Read<int>("mode") : null;
        InvalidInputException.Require(modes is null || modes.Shape.Length == 1, file, "mode", "shape (M,)", modes?.ShapeText);
        var positions = arrays.Read<double>("positions");
        var lengths = arrays.Has(LengthsKey) ? Lengths(arrays.Read<int>(LengthsKey), $"{file}: {LengthsKey}") : NaNTails(positions, file);
        return new DemonstrationSet(positions, arrays.Has("controls") ? arrays.Read<double>("controls") : null, modes?.Data, meta, lengths, file);
    }

    private static DemonstrationSet LoadPerAgent(string path, DemonstrationMeta meta)
    {
        var pattern = "*";
        var folder = path;
        if (!Directory.Exists(path) && System.IO.Path.GetFileName(path) is { } name && name.Contains('*', StringComparison.Ordinal))
        {
            (pattern, folder) = (name, System.IO.Path.GetDirectoryName(path) is { Length: > 0 } parent ? parent : ".");
        }

        InvalidInputException.Require(Directory.Exists(folder), path, "", $"a folder with {ArraysName}, or with one .npy file an agent", File.Exists(path) ? "a file" : null);
        var files = from file in ArrayFiles(folder)
                    let match = FirstNumber().Match(System.IO.Path.GetFileName(file))
                    where match.Success && match.Length <= MostDigits
                    let stem = System.IO.Path.GetFileName(file)
                    select (File: file, Set: string.Concat(stem.AsSpan(0, match.Index), "*", stem.AsSpan(match.Index + match.Length)), Number: long.Parse(match.Value, CultureInfo.InvariantCulture));
        // A set numbers its agents without a gap, from 0 or from 1; other numbers in file names are not agents.
        var sets = files.GroupBy(f => f.Set, StringComparer.Ordinal)
            .Select(g => (Name: g.Key, Files: g.OrderBy(f => f.Number).ToArray()))
            .Where(g => g.Files[0].Number <= 1 && g.Files.Index().All(f => f.Item.Number == g.Files[0].Number + f.Index))
            .Where(g => pattern == "*" || g.Name == pattern)
            .OrderBy(g => g.Name, StringComparer.Ordinal).ToArray();
        if (sets.Length == 0)
        {
            var named = files.Where(f => pattern == "*" || f.Set == pattern).Select(f => System.IO.Path.GetFileName(f.File)).Order(StringComparer.Ordinal).ToArray();
            throw InvalidInputException.Create(path, "", $"{ArraysName}, or one .npy file an agent, numbered from 0 or 1 without a gap", named.Length == 0 ? null : string.Join(", ", named.Take(8)));
        }

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

        var joint = new NdArray<double>([first[0], agents.Length, first[1], first[2]], positions);
        var beside = System.IO.Path.Combine(folder, LengthsName);
        var lengths = File.Exists(beside) ? Lengths(Npy.Read<int>(beside), beside) : NaNTails(joint, path);
        for (var i = 0; i < arrays.Length; i++)
        {
            // Here, where the file is known that a number stands in.
            if (lengths is not null && lengths.Length == first[0] && Array.TrueForAll(lengths, length => length >= 2 && length <= first[1]))
            {
                Pad(arrays[i].Data, [first[0], 1, first[1], first[2]], lengths);
            }

            RequireFinite(arrays[i], agents[i].File, "");
        }

        return new DemonstrationSet(joint, null, null, meta, lengths, path);
    }

    private static int[] Lengths(NdArray<int> lengths, string where)
    {
        InvalidInputException.Require(lengths.Shape.Length == 1, where, "", "shape (M,)", lengths.ShapeText);
        return lengths.Data;
    }

    /// <summary>The lengths of demonstrations that end in rows of NaN, or null where none does. A number that is missing within a path is left for <see cref="RequireFinite"/> to find.</summary>
    private static int[]? NaNTails(NdArray<double> positions, string where)
    {
        if (positions.Shape is not [>= 1, >= 1, >= 2, >= 1] || positions.Shape.Aggregate(1L, (a, b) => a * b) != positions.Data.LongLength || !Array.Exists(positions.Data, double.IsNaN))
        {
            return null;
        }

        var (agents, steps, d) = (positions.Shape[1], positions.Shape[2], positions.Shape[3]);
        var lengths = new int[positions.Shape[0]];
        for (var m = 0; m < lengths.Length; m++)
        {
            var first = Ends(m, 0);
            for (var n = 1; n < agents; n++)
            {
                InvalidInputException.Require(Ends(m, n) == first, where, "positions", "all agents of a demonstration to end together (one that waits for the others repeats its last position)",
                    $"{first} positions of agent 0 and {Ends(m, n)} of agent {n} in demonstration {m}");
            }

            InvalidInputException.Require(first >= 2, where, "positions", "at least 2 positions in each demonstration", $"{first} in demonstration {m}");
            lengths[m] = first;
        }

        return lengths;

        int Ends(int m, int n)
        {
            var path = positions.Data.AsSpan((m * agents + n) * steps * d, steps * d);
            var end = steps;
            while (end > 0 && !path.Slice((end - 1) * d, d).ContainsAnyExcept(double.NaN))
            {
                end--;
            }

            return end;
        }
    }

    /// <summary>Repeats each path's last position behind its end.</summary>
    private static void Pad(double[] positions, int[] shape, int[]? lengths)
    {
        var (agents, steps, d) = (shape[1], shape[2], shape[3]);
        for (var row = 0; row < (lengths?.Length ?? 0) * agents; row++)
        {
            var path = positions.AsSpan(row * steps * d, steps * d);
            for (var t = lengths![row / agents]; t < steps; t++)
            {
                path.Slice((t - 1) * d, d).CopyTo(path[(t * d)..]);
            }
        }
    }

    /// <summary>Sets controls behind the ends to 0.</summary>
    private static void Clear(NdArray<double> controls, int[] lengths)
    {
        var (agents, size) = (controls.Shape[1], controls.Shape[3]);
        for (var row = 0; row < lengths.Length * agents; row++)
        {
            controls.Data.AsSpan(row * controls.Shape[2] * size, controls.Shape[2] * size)[((lengths[row / agents] - 1) * size)..].Clear();
        }
    }

    private static string[] ArrayFiles(string folder)
    {
        try
        {
            return Directory.GetFiles(folder, "*.npy");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{folder}: cannot be read: {e.Message}", e);
        }
    }

    private static void RequireFinite(NdArray<double> array, string where, string field)
    {
        var at = Vectors.FirstNotFinite(array.Data);
        if (at >= 0)
        {
            throw InvalidInputException.Create(where, field, "finite numbers", FormattableString.Invariant($"{array.Data[at]} at {Place(array.Shape, at)}"));
        }
    }

    private static string Place(int[] shape, int at)
    {
        var index = new int[shape.Length];
        for (int axis = index.Length - 1, rest = at; axis >= 0; axis--)
        {
            (rest, index[axis]) = Math.DivRem(rest, shape[axis]);
        }

        return $"[{string.Join(", ", index)}]";
    }

    [GeneratedRegex("[0-9]+", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex FirstNumber();
}
