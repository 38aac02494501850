using System.Buffers;
using System.Globalization;

namespace MimicD.Contracts;

/// <summary>
/// Numbers as people give them on a command line, read strictly: digits, a minus sign, a decimal point and an exponent. No thousands separators (which would take the decimal comma of 1,5 for 15), no spaces,
/// no plus sign, no hexadecimal, nothing that is not finite.
/// </summary>
public static class PlainNumber
{
    /// <summary>What is expected of a number with a fraction.</summary>
    public const string Real = "a number such as 1.5 (decimal point)";

    /// <summary>What is expected of a whole number.</summary>
    public const string Whole = "a whole number such as 15";

    private static readonly SearchValues<char> RealLetters = SearchValues.Create("0123456789.eE+-");
    private static readonly SearchValues<char> WholeLetters = SearchValues.Create("0123456789-");

    /// <summary>Reads a number with a fraction.</summary>
    /// <param name="text">The text.</param>
    /// <param name="value">The number; 0 where it is none.</param>
    public static bool TryReal(ReadOnlySpan<char> text, out double value)
    {
        value = 0;
        return !text.IsEmpty && !text.ContainsAnyExcept(RealLetters) && text[0] != '+'
            && double.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out value) && double.IsFinite(value);
    }

    /// <summary>Reads a whole number.</summary>
    /// <param name="text">The text.</param>
    /// <param name="value">The number; 0 where it is none, or does not fit.</param>
    public static bool TryWhole<T>(ReadOnlySpan<char> text, out T value)
        where T : struct, System.Numerics.IBinaryInteger<T>
    {
        value = T.Zero;
        return !text.IsEmpty && !text.ContainsAnyExcept(WholeLetters) && T.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);
    }

    /// <summary>What is expected of a whole number that fits a type: whether something is no number or one too large is told apart.</summary>
    /// <param name="text">What was found.</param>
    /// <param name="low">Smallest number of the type.</param>
    /// <param name="high">Largest number of the type.</param>
    public static string ExpectedWhole(string text, object low, object high)
    {
        ArgumentNullException.ThrowIfNull(text);
        var digits = text.AsSpan(text.StartsWith('-') ? 1 : 0);
        return digits.IsEmpty || digits.ContainsAnyExceptInRange('0', '9') ? Whole : string.Create(CultureInfo.InvariantCulture, $"{low} to {high}");
    }
}
