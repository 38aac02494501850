using System.Globalization;
using System.Text;

namespace MimicD.Contracts;

/// <summary>Text from files as it may be shown: labels and names may hold anything, and a terminal, a table and an XML file each take some characters as something else than text.</summary>
public static class Printable
{
    /// <summary>
    /// The text on one line: what a terminal would obey (line feeds, escapes, NUL and all other control characters), what turns the reading direction, and halves of surrogate pairs are spelt as
    /// <c>\u001b</c>. Text without any of these comes back as it is.
    /// </summary>
    /// <param name="text">Any text.</param>
    public static string Line(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Replace(text, IsUnprintable, c => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"));
    }

    /// <summary>The text as character data of XML 1.0: what no XML file may hold, not even as a reference, becomes U+FFFD; ampersands, angle brackets and quotes become references.</summary>
    /// <param name="text">Any text.</param>
    public static string Xml(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Replace(text, static c => c is '&' or '<' or '>' or '"' || (char.IsControl(c) && c is not ('\t' or '\n' or '\r')) || c is '\ufffe' or '\uffff', static c => c switch
        {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            _ => "\ufffd",
        }, half: "\ufffd");
    }

    // Line and paragraph separators end a line as a line feed does; the others are the marks, embeddings and isolates of bidirectional text.
    private static bool IsUnprintable(char c) => char.IsControl(c) || c is '\u2028' or '\u2029' or '\u061c' or '\u200e' or '\u200f' or (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069');

    private static string Replace(string text, Func<char, bool> what, Func<char, string> by, string? half = null)
    {
        StringBuilder? changed = null;
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                changed?.Append(c).Append(text[i + 1]);
                i++;
                continue;
            }

            var isHalf = char.IsSurrogate(c);
            if (!isHalf && !what(c))
            {
                changed?.Append(c);
                continue;
            }

            changed ??= new StringBuilder(text, 0, i, text.Length + 16);
            changed.Append(isHalf && half is not null ? half : by(c));
        }

        return changed?.ToString() ?? text;
    }
}
