using System.Globalization;
using MimicD.Contracts;

namespace MimicD.World;

/// <summary>
/// Where positions can be: what is recorded, sensed and planned is in single precision, whose numbers lie farther apart the farther they
/// are from 0 (0.5 m at a northing of a map).
/// A scenario is refused where they lie farther apart than <see cref="Share"/> of its goal tolerance; subtracting an origin from all of its
/// positions changes nothing else.
/// </summary>
public static class PositionResolution
{
    /// <summary>The largest distance of neighbouring numbers, as a share of the goal tolerance.</summary>
    public const double Share = 0.01;

    // Bits of a float's fraction.
    private const int FractionBits = 23;

    /// <summary>The coordinate [m], a power of two, from which on numbers lie too far apart.</summary>
    /// <param name="goalTolerance">[m], above 0.</param>
    public static double Limit(double goalTolerance) => Math.ScaleB(1, Math.ILogB(Share * goalTolerance) + FractionBits + 1);

    /// <summary>Throws where a coordinate lies at or beyond <see cref="Limit"/>.</summary>
    /// <param name="coordinates">Coordinates [m], finite.</param>
    /// <param name="goalTolerance">The scenario's [m], above 0.</param>
    /// <param name="where">Where they come from.</param>
    /// <param name="field">Their name there.</param>
    /// <exception cref="InvalidInputException">One does.</exception>
    public static void Require(ReadOnlySpan<double> coordinates, double goalTolerance, string where, string field)
    {
        var limit = Limit(goalTolerance);
        foreach (var x in coordinates)
        {
            if (Math.Abs(x) >= limit)
            {
                var apart = Math.ScaleB(1, Math.ILogB(x) - FractionBits);
                throw InvalidInputException.Create(
                    where,
                    field,
                    string.Create(CultureInfo.InvariantCulture, $"coordinates below {limit} m, where single precision tells 1 % of the goal tolerance ({goalTolerance} m) apart (subtract an origin from all positions)"),
                    string.Create(CultureInfo.InvariantCulture, $"{x}, where it tells {apart} m apart"));
            }
        }
    }
}
