using MimicD.Contracts;

namespace MimicD.World;

/// <summary>How large a world may be, wherever its positions come from: scenarios, starts, goals, rollouts, demonstrations.</summary>
public static class Extent
{
    /// <summary>Largest coordinate, and largest length [m]. Squares and sums of such numbers stay far from overflow, also in single precision.</summary>
    public const double Most = Dynamics.MaxCoordinate;

    /// <summary>What is expected of coordinates.</summary>
    public static string Expected { get; } = FormattableString.Invariant($"numbers within {Most} m");

    /// <summary>Throws unless all coordinates are finite and within <see cref="Most"/>.</summary>
    /// <param name="coordinates">Coordinates [m].</param>
    /// <param name="where">The file or option they came from.</param>
    /// <param name="field">Their name there, or empty.</param>
    /// <exception cref="InvalidInputException">One is not.</exception>
    public static void Require(ReadOnlySpan<double> coordinates, string where, string field)
    {
        foreach (var x in coordinates)
        {
            InvalidInputException.Require(double.IsFinite(x), where, field, "finite numbers", x);
            InvalidInputException.Require(Math.Abs(x) <= Most, where, field, Expected, x);
        }
    }

    /// <summary>Whether a length is above 0 and within <see cref="Most"/>.</summary>
    /// <param name="length">[m]</param>
    public static bool IsLength(double length) => length is > 0 and <= Most;
}
