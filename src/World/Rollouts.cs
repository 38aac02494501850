using System.Runtime.InteropServices;
using System.Security.Cryptography;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World;

/// <summary>What E episodes of N agents did, as kept in <c>rollouts.npz</c>.</summary>
/// <param name="Positions">True positions [E,N,T,D] [m]; step 0 is the start.</param>
/// <param name="Actions">Actions [E,N,T-1,A].</param>
/// <param name="Starts">Starts [E,N,D] [m].</param>
/// <param name="Goals">Goals [E,N,D] [m].</param>
/// <param name="Modes">Joint modes [E], from 1; 0 where unknown. Null where they were not told apart.</param>
public sealed record Rollouts(NdArray<float> Positions, NdArray<float> Actions, NdArray<double> Starts, NdArray<double> Goals, int[]? Modes = null)
{
    /// <summary>Actions of each episode that the world's fallback stood in for, because an agent was stopped, late or wrong, [E]; null where they were not counted.</summary>
    public int[]? Replaced { get; init; }

    /// <summary>SHA-256, hexadecimal, over the shape (int32) and the float bits of positions, little-endian.</summary>
    public static string Hash(NdArray<float> positions)
    {
        ArgumentNullException.ThrowIfNull(positions);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(MemoryMarshal.AsBytes(positions.Shape.AsSpan()));
        hash.AppendData(MemoryMarshal.AsBytes(positions.Data.AsSpan()));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The episodes of several sets of rollouts, one set after the other.</summary>
    /// <param name="parts">At least one; all of one scenario, so that shapes differ in the number of episodes alone.</param>
    public static Rollouts Join(IReadOnlyList<Rollouts> parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        if (parts.Any(p => !p.Positions.Shape.AsSpan(1).SequenceEqual(parts[0].Positions.Shape.AsSpan(1)) || !p.Actions.Shape.AsSpan(1).SequenceEqual(parts[0].Actions.Shape.AsSpan(1))))
        {
            throw new ArgumentException($"rollouts of different shapes cannot be joined: {string.Join(", ", parts.Select(p => p.Positions.ShapeText))}", nameof(parts));
        }

        return new Rollouts(
            Joined(parts.Select(p => p.Positions)), Joined(parts.Select(p => p.Actions)), Joined(parts.Select(p => p.Starts)), Joined(parts.Select(p => p.Goals)),
            parts.All(p => p.Modes is not null) ? [.. parts.SelectMany(p => p.Modes!)] : null)
        {
            Replaced = parts.All(p => p.Replaced is not null) ? [.. parts.SelectMany(p => p.Replaced!)] : null,
        };

        static NdArray<T> Joined<T>(IEnumerable<NdArray<T>> arrays)
            where T : unmanaged
        {
            NdArray<T>[] all = [.. arrays];
            return new NdArray<T>([all.Sum(a => a.Shape[0]), .. all[0].Shape[1..]], [.. all.SelectMany(a => a.Data)]);
        }
    }

    /// <summary>The first steps of a record of bodies.</summary>
    /// <param name="record">The record [E,N,T,W].</param>
    /// <param name="steps">How many of its steps, 0 to T.</param>
    /// <returns>[E,N,steps,W]: a copy, or the record itself where that is all of it.</returns>
    public static NdArray<float> Cut(NdArray<float> record, int steps)
    {
        ArgumentNullException.ThrowIfNull(record);
        var (bodies, all, width) = (record.Shape[0] * record.Shape[1], record.Shape[2], record.Shape[3]);
        if (steps == all)
        {
            return record;
        }

        var data = new float[bodies * steps * width];
        for (var body = 0; body < bodies; body++)
        {
            record.Data.AsSpan(body * all * width, steps * width).CopyTo(data.AsSpan(body * steps * width));
        }

        return new NdArray<float>([record.Shape[0], record.Shape[1], steps, width], data);
    }

    /// <summary>Writes an .npz file with <c>positions</c>, <c>actions</c>, <c>starts</c>, <c>goals</c> and, where known, <c>mode</c> and <c>replaced</c>; aside and renamed.</summary>
    public void Save(string path)
    {
        var writer = new NpzWriter()
            .Add<float>("positions", Positions.Data, Positions.Shape)
            .Add<float>("actions", Actions.Data, Actions.Shape)
            .Add<double>("starts", Starts.Data, Starts.Shape)
            .Add<double>("goals", Goals.Data, Goals.Shape);
        if (Modes is not null)
        {
            writer.Add<int>("mode", Modes, Modes.Length);
        }

        if (Replaced is not null)
        {
            writer.Add<int>(ReplacedName, Replaced, Replaced.Length);
        }

        writer.Save(path);
    }

    /// <summary>Reads such a file.</summary>
    /// <exception cref="InvalidInputException">Not such a file, a wrong shape, or positions that are not finite.</exception>
    public static Rollouts Load(string path)
    {
        try
        {
            using var reader = new NpzReader(path);
            var modes = reader.Has("mode") ? reader.Read<int>("mode") : null;
            InvalidInputException.Require(modes is null || modes.Shape.Length == 1, path, "mode", "shape (E,)", modes?.ShapeText);
            var rollouts = new Rollouts(
                reader.Read<float>("positions"), reader.Read<float>("actions"), reader.Read<double>("starts"), reader.Read<double>("goals"),
                modes?.Data)
            {
                Replaced = ReadReplaced(reader, path),
            };
            var p = rollouts.Positions.Shape;
            InvalidInputException.Require(p is [>= 1, >= 1, >= 1, 2 or 3], path, "positions", "shape [E,N,T,D] with D 2 or 3", rollouts.Positions.ShapeText);
            InvalidInputException.Require(Vectors.AllFinite(rollouts.Positions.Data), path, "positions", "finite numbers", "others");
            var a = rollouts.Actions.Shape;
            InvalidInputException.Require(a.Length == 4 && a[0] == p[0] && a[1] == p[1] && a[2] == p[2] - 1, path, "actions", $"shape ({p[0]}, {p[1]}, {p[2] - 1}, A)", rollouts.Actions.ShapeText);
            int[] places = [p[0], p[1], p[3]];
            InvalidInputException.Require(rollouts.Starts.Shape.AsSpan().SequenceEqual(places), path, "starts", $"shape ({string.Join(", ", places)})", rollouts.Starts.ShapeText);
            InvalidInputException.Require(rollouts.Goals.Shape.AsSpan().SequenceEqual(places), path, "goals", $"shape ({string.Join(", ", places)})", rollouts.Goals.ShapeText);
            InvalidInputException.Require(rollouts.Modes is null || rollouts.Modes.Length == p[0], path, "mode", $"{p[0]} numbers", rollouts.Modes?.Length);
            InvalidInputException.Require(rollouts.Replaced is null || rollouts.Replaced.Length == p[0], path, ReplacedName, $"{p[0]} numbers", rollouts.Replaced?.Length);
            return rollouts;
        }
        catch (InvalidDataException e)
        {
            throw new InvalidInputException(e.Message, e);
        }
    }

    /// <summary>Reads <see cref="Replaced"/> from such a file; null where it does not say.</summary>
    /// <param name="reader">The file.</param>
    /// <param name="where">Named in messages.</param>
    /// <exception cref="InvalidInputException">A number is negative.</exception>
    public static int[]? ReadReplaced(NpzReader reader, string where)
    {
        ArgumentNullException.ThrowIfNull(reader);
        var replaced = reader.Has(ReplacedName) ? reader.Read<int>(ReplacedName).Data : null;
        InvalidInputException.Require(replaced is null || Array.TrueForAll(replaced, r => r >= 0), where, ReplacedName, "numbers from 0", "others");
        return replaced;
    }

    private const string ReplacedName = "replaced";
}
