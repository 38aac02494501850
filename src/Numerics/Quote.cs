using System.Globalization;

namespace MimicD.Numerics;

/// <summary>Text from a file as it stands in a message: short, and without characters that a terminal obeys.</summary>
internal static class Quote
{
    private const int Most = 80;

    /// <summary>The text with each character that is not printed replaced, cut where it is long.</summary>
    public static string Of(string text)
    {
        var shown = text.Length > Most ? string.Concat(text.AsSpan(0, Most), "...") : text;
        return shown.Any(IsHidden) ? string.Concat(shown.Select(Escaped)) : shown;
    }

    /// <summary>Whether a character is no visible one: controls, line separators, marks of direction, halves of pairs.</summary>
    public static bool IsHidden(char c) => char.GetUnicodeCategory(c)
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        or UnicodeCategory.Surrogate or UnicodeCategory.OtherNotAssigned;

    private static string Escaped(char c) => IsHidden(c) ? string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}") : c.ToString();
}
